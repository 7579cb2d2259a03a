"""Reads a filter given as an object: ``{"category": "financial", "year": {"$gte": 2020}, "$not": {"draft": true}}``.

Keys are keys of the metadata and all of them must hold. A value must be equal, of a list one must be; an object whose
keys begin with ``$`` compares, any other object must be contained. ``$and``, ``$or`` take lists, ``$not`` an object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from kailash_studio.errors import ParameterError
from kailash_studio.services.vectors.conditions import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_TERMS,
    Compare,
    Contains,
    Field,
    HasKey,
    IsNull,
    Like,
    Not,
    Operator,
    Term,
    Value,
    joined,
    sendable,
)
from kailash_studio.spec.values import to_plain

METADATA = "metadata"
_COMPARISONS = {"$eq": "=", "$ne": "<>", "$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
_WORDS = (*_COMPARISONS, "$in", "$nin", "$like", "$exists")


def read_object(given: Mapping[str, Any]) -> Term | None:
    """What a filter says; None when it is empty and so lets everything through.

    Raises:
        ParameterError: It is not understood.
    """
    try:
        json.dumps(dict(given), default=str, allow_nan=False)  # infinity would become null
        plain = to_plain(dict(given))
        if len(json.dumps(plain)) > MAX_LENGTH:
            raise ParameterError(f"The filter is longer than {MAX_LENGTH:,} characters: shorten it.")
    except (RecursionError, TypeError, ValueError) as error:
        raise ParameterError(f"The filter holds something that is no plain value: {error}.") from None
    return _Reader().all_of(plain, 0) if plain else None


class _Reader:
    def __init__(self) -> None:
        self._terms = 0

    def all_of(self, given: Mapping[str, Any], depth: int) -> Term:
        if depth > MAX_DEPTH:
            raise ParameterError(f"The filter is nested deeper than {MAX_DEPTH} levels.")
        return joined("AND", [self._entry(key, value, depth) for key, value in given.items()])

    def _entry(self, key: str, value: Any, depth: int) -> Term:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise ParameterError(f"The filter has more than {MAX_TERMS} terms.")
        if key in {"$and", "$or"}:
            if not isinstance(value, list) or not value or not all(isinstance(item, dict) and item for item in value):
                raise ParameterError(f"The filter's {key} takes a list of objects that say something.")
            return joined("AND" if key == "$and" else "OR", [self.all_of(item, depth + 1) for item in value])
        if key == "$not":
            if not isinstance(value, dict) or not value:
                raise ParameterError("The filter's $not takes an object that says something.")
            return Not(self.all_of(value, depth + 1))
        if key.startswith("$"):
            raise ParameterError(
                f"The filter has {key[:30]!r} where a key of the metadata, $and, $or or $not may stand."
            )
        words = [word for word in value if word.startswith("$")] if isinstance(value, dict) else []
        if not words:
            return self._equal(key, value)
        unknown = [word for word in value if word not in _WORDS]
        if unknown:
            raise ParameterError(
                f"The filter compares {key[:30]!r} by {unknown[0][:30]!r}: it knows {', '.join(_WORDS)}."
            )
        return joined("AND", [self._compared(key, word, operand) for word, operand in value.items()])

    def _equal(self, key: str, value: Any) -> Term:
        if value is None:
            return IsNull(_field(key))
        if isinstance(value, list):
            if not value:
                raise ParameterError(f"The filter's list for {key[:30]!r} is empty: nothing would be found.")
            self._terms += len(value)
            return joined("OR", [self._equal(key, item) for item in value])
        return Contains(Field(METADATA), sendable(json.dumps({sendable(key): value}, ensure_ascii=False)))

    def _compared(self, key: str, word: str, operand: Any) -> Term:
        match word:
            case "$eq":
                return self._equal(key, operand)
            case "$ne":
                return Not(self._equal(key, operand))
            case "$in" | "$nin":
                if not isinstance(operand, list):
                    raise ParameterError(f"The filter's {word} for {key[:30]!r} takes a list.")
                found = self._equal(key, operand)
                return found if word == "$in" else Not(found)
            case "$exists":
                if not isinstance(operand, bool):
                    raise ParameterError(f"The filter's $exists for {key[:30]!r} takes true or false.")
                there = HasKey(Field(METADATA), sendable(key))
                return there if operand else Not(there)
            case "$like":
                if not isinstance(operand, str):
                    raise ParameterError(f"The filter's $like for {key[:30]!r} takes a text with % and _.")
                return Like(_field(key), sendable(operand), any_case=False)
        if isinstance(operand, bool) or not isinstance(operand, str | int | float | Decimal):
            raise ParameterError(f"The filter's {word} for {key[:30]!r} takes a number or a text.")
        value: Value = sendable(operand) if isinstance(operand, str) else Decimal(str(operand))
        return Compare(_field(key), cast(Operator, _COMPARISONS[word]), value)


def _field(key: str) -> Field:
    return Field(METADATA, (sendable(key),), text=True)
