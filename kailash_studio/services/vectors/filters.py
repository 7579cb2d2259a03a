"""Turns a filter into an SQL condition whose values are all bound.

What stands in the condition's text is written here, apart from the names of columns, which are names of the table's
own columns, quoted. Everything that a person wrote (texts, numbers, keys) is bound as a value.

Two readings differ from PostgreSQL's, so that one odd row cannot make a search fail: a value that is no number
(or date) where one is compared with is not found, instead of being an error, and ``metadata->>'year' > 2020`` works
without a cast.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from kailash_studio.errors import ParameterError
from kailash_studio.services.vectors.conditions import (
    MAX_LENGTH,
    Compare,
    Contains,
    Field,
    HasKey,
    IsNull,
    Joined,
    Like,
    Not,
    Term,
    Value,
)
from kailash_studio.services.vectors.filter_object import read_object
from kailash_studio.services.vectors.filter_text import read_text
from kailash_studio.services.vectors.names import quoted

_JSON_TYPES = ("jsonb", "json")
_TEXT_TYPES = ("text", "character varying", "character", "name", "uuid")
_NUMBER = "^[ ]*[-+]?([0-9]{1,200}([.][0-9]{0,200})?|[.][0-9]{1,200})([eE][-+]?[0-9]{1,3})?[ ]*$"
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition and what is bound in it; an empty text lets everything through."""

    sql: str
    values: tuple[Any, ...]


def read_filter(given: str | Mapping[str, Any] | None) -> Term | None:
    """What a filter says, in either form; None for one that lets everything through.

    A text that begins with a brace is the object form, written as JSON: in fields and on command lines all is text.

    Raises:
        ParameterError: It is not understood; the sentence says where and why.
    """
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        return read_object(given)
    return read_object(_from_json(given)) if given.lstrip().startswith("{") else read_text(given)


def _from_json(text: str) -> Mapping[str, Any]:
    if len(text) > MAX_LENGTH:
        raise ParameterError(f"The filter is longer than {MAX_LENGTH:,} characters: shorten it.")
    try:
        found: dict[str, Any] = json.loads(text)  # what begins with a brace is an object, or no JSON
    except json.JSONDecodeError as error:
        raise ParameterError(
            f"The filter is not understood at character {error.pos + 1}: what begins with a brace must be JSON, as "
            '{"category": "policy"}.'
        ) from None
    except (RecursionError, ValueError) as error:
        raise ParameterError(f"The filter is not understood: {error}.") from None
    return found


def condition(term: Term | None, columns: Mapping[str, str], first: int) -> Condition:
    """The condition for a table.

    Args:
        term: What ``read_filter`` gave.
        columns: Types of the table's columns, by name.
        first: Number of the first ``$n`` that is free.

    Raises:
        ParameterError: It names a column that the table does not have, or compares what cannot be compared.
    """
    if term is None:
        return Condition("", ())
    writer = _Writer(columns, first)
    return Condition(writer.term(term, positive=True), tuple(writer.values))


class _Writer:
    def __init__(self, columns: Mapping[str, str], first: int) -> None:
        self._columns = columns
        self._first = first
        self.values: list[Any] = []

    def _bound(self, value: Any) -> str:
        self.values.append(value)
        return f"${self._first + len(self.values) - 1}"

    def term(self, term: Term, *, positive: bool) -> str:
        """The SQL; ``positive`` says that no NOT stands above, where unknown and false come to the same."""
        match term:
            case Joined(word, terms):
                return "(" + f" {word} ".join(self.term(part, positive=positive) for part in terms) + ")"
            case Not(inner):
                return f"(NOT {self.term(inner, positive=False)})"
            case IsNull(field):
                return f"({self._read(field)} IS NULL)"
            case Like(field, pattern, any_case):
                if len(pattern) - len(pattern.rstrip("\\")) & 1:
                    raise ParameterError("The filter's pattern ends in a backslash, which must stand before something.")
                like = "ILIKE" if any_case else "LIKE"
                return f"({self._as_text(field)} {like} {self._bound(pattern)}::text)"
            case Contains(field, text):
                return f"({self._as_json(field)} @> {self._bound(text)}::text::jsonb)"
            case HasKey(field, key):
                return f"({self._as_json(field)} ? {self._bound(key)}::text)"
            case Compare(field, operator, value):
                return f"({self._compared(field, operator, value, positive=positive)})"

    def _compared(self, field: Field, operator: str, value: Value, *, positive: bool) -> str:
        kind = self._kind(field)
        match kind, value:
            case "date", _:
                day = _as_date(field, value)
                text = self._as_text(field)
                # ISO dates sort as texts do, and a text that is no date stops nothing
                read = f"CASE WHEN {text} ~ '{_DATE}' THEN left({text}, 10) END COLLATE \"C\""
                return f"{read} {operator} {self._bound(day)}::text"
            case "boolean", _:
                if not isinstance(value, bool):
                    raise ParameterError(
                        f"The filter compares {_named(field)}, a boolean, with {_shown(value)}: write TRUE or FALSE."
                    )
                read = f"CASE lower({self._as_text(field)}) WHEN 'true' THEN true WHEN 'false' THEN false END"
                return f"{read} {operator} {self._bound(value)}::boolean"
            case "json", str():
                _check_json(field, value)
                if operator not in {"=", "<>"}:
                    raise ParameterError(
                        f"The filter compares {_named(field)} by {operator} with a text: end the way with ->> for that."
                    )
                return f"{self._as_json(field)} {operator} {self._bound(value)}::text::jsonb"
            case (("text" | "json"), bool()):
                if operator not in {"=", "<>"}:
                    raise ParameterError(
                        f"The filter compares {_named(field)} by {operator} with {_shown(value)}: use = or <>."
                    )
                return f"{self._as_text(field)} {operator} {self._bound('true' if value else 'false')}::text"
            case "text", str():
                if positive and operator == "=" and self._is_containment(field, value):
                    text = json.dumps({field.path[0]: value}, ensure_ascii=False)
                    return f"{quoted(field.column)} @> {self._bound(text)}::text::jsonb"
                return f"{self._as_text(field)} {operator} {self._bound(value)}::text"
            case (("number" | "text" | "json"), _):
                number = _as_number(field, value)
                text = self._as_text(field)
                read = f"CASE WHEN {text} ~ '{_NUMBER}' THEN ({text})::numeric END"
                return f"{read} {operator} {self._bound(number)}::text::numeric"
        # a column of another type: the database reads the value as that type
        as_column = self._columns[field.column]  # PostgreSQL's own spelling of it
        return f"{self._column(field.column)} {operator} {self._bound(_plain(value))}::text::{as_column}"

    def _is_containment(self, field: Field, value: str) -> bool:
        """Whether the equality says the same as ``@>``, which a GIN index serves."""
        if field.cast or len(field.path) != 1 or self._columns.get(field.column) != "jsonb":
            return False
        if field.path[0].lstrip("-").isdigit():
            return False  # it may be the number of an element
        try:
            json.loads(value)
        except ValueError:
            return True
        return False  # 5 and "5" are equal as texts and not as JSON

    # ------------------------------------------------------------------ fields
    def _column(self, name: str) -> str:
        if name not in self._columns:
            has = ", ".join(sorted(self._columns))
            hint = ""
            if "metadata" in self._columns and name.isidentifier():
                hint = f" A key of the metadata is written metadata->>'{name[:60]}'."
            raise ParameterError(f"The filter names the column {name[:60]!r}: the table has {has}.{hint}")
        return quoted(name)

    def _kind(self, field: Field) -> str:
        """text, json, number, boolean, date, or native: the type of the column itself."""
        self._column(field.column)
        if field.cast:
            return field.cast
        of_column = self._columns[field.column]
        if of_column in _JSON_TYPES:
            return "text" if field.text else "json"
        if field.path:
            raise ParameterError(
                f"The filter looks into the column {field.column!r}, which is {of_column} and not JSON."
            )
        return "text" if of_column.split("(")[0] in _TEXT_TYPES else "native"

    def _read(self, field: Field) -> str:
        return self._as_json(field) if self._kind(field) == "json" else self._as_text(field)

    def _as_text(self, field: Field) -> str:
        column = self._column(field.column)
        if self._columns[field.column] not in _JSON_TYPES:
            if field.path:
                self._kind(field)
            return f"({column})::text"
        return f"({column}::jsonb #>> {self._bound(list(field.path))}::text[])"

    def _as_json(self, field: Field) -> str:
        column = self._column(field.column)
        if self._columns[field.column] not in _JSON_TYPES or field.text or field.cast:
            raise ParameterError(
                f"The filter uses {_named(field)} as JSON, which it is not: -> leads to JSON, ->> and :: do not."
            )
        return f"({column}::jsonb #> {self._bound(list(field.path))}::text[])" if field.path else f"({column}::jsonb)"


def _named(field: Field) -> str:
    return "->".join((field.column, *(repr(step[:30]) for step in field.path)))


def _shown(value: Value) -> str:
    return repr(value[:30]) if isinstance(value, str) else str(value)


def _plain(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_number(field: Field, value: Value) -> str:
    if not isinstance(value, bool):
        try:
            number = Decimal(value)
            if number.is_finite() and abs(number.adjusted()) < 1000:
                return str(number)
        except InvalidOperation:
            pass  # said below
    raise ParameterError(f"The filter compares {_named(field)}, a number, with {_shown(value)}: write a number.")


def _as_date(field: Field, value: Value) -> str:
    try:
        return dt.date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise ParameterError(
            f"The filter compares {_named(field)}, a date, with {_shown(value)}: write it as '2024-12-31'."
        ) from None


def _check_json(field: Field, value: str) -> None:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        raise ParameterError(
            f"The filter compares {_named(field)}, which is JSON, with {_shown(value)}: end the way with ->> for texts."
        ) from None
