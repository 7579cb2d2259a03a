"""What a person writes into a column's filter, as a condition for the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

HELP = 'Text to find, or  = equals   != differs   < <= > >= compare   1..5 between   ="" empty   null   !null'

_SIGNS = (
    ("!=", "differs"),
    ("<=", "at_most"),
    (">=", "at_least"),
    ("<", "less"),
    (">", "greater"),
    ("=", "equals"),
)
_NULLS = {"null": "is_null", "is null": "is_null", "!null": "not_null", "is not null": "not_null"}
_WHOLE = frozenset({"integer", "number", "decimal", "boolean"})
"""Kinds of values that a text without a sign means as a whole: 5 is not looked for in 15."""


def condition_of(text: str, kind: str) -> tuple[str, list[str]] | None:
    """The operator and values of a filter's text, for a column of a kind; None while it says nothing.

    An operator whose value is still to be typed says nothing yet. Behind an operator, what stands in double quotes is
    taken as it is: nothing, spaces, the word null.
    """
    text = text.strip()
    if " ".join(text.lower().split()) in _NULLS:
        return _NULLS[" ".join(text.lower().split())], []
    if text == '""':
        return "equals", [""]
    for sign, operator in _SIGNS:
        if text.startswith(sign):
            value = text[len(sign) :].strip()
            if len(value) > 1 and value[0] == value[-1] == '"':
                return operator, [value[1:-1]]
            return (operator, [value]) if value else None
    low, dots, high = text.partition("..")
    if dots and kind != "text":
        low, high = low.strip(), high.strip()
        if low and high:
            return "between", [low, high]
        return ("at_least", [low]) if low else ("at_most", [high]) if high else None
    if not text:
        return None
    return ("equals" if kind in _WHOLE else "contains"), [text]


def look_words(
    sort: Iterable[tuple[str, bool]], filters: Mapping[str, str], kinds: Mapping[str, str]
) -> dict[str, Any]:
    """The words of a page request for a sort and the texts of filters by column; empty when there are none."""
    conditions = []
    for column, text in filters.items():
        found = condition_of(text, kinds.get(column, ""))
        if found is not None:
            conditions.append([column, *found])
    keys = [[column, descends] for column, descends in sort]
    return {name: words for name, words in (("sort", keys), ("filter", conditions)) if words}
