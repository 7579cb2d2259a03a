"""What a filter says, as data: comparisons on columns and JSON paths, joined by AND, OR, NOT.

``filter_text`` and ``filter_object`` make these from what a person wrote; ``filters`` turns them into SQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from kailash_studio.errors import ParameterError

MAX_LENGTH = 20_000  # characters of a filter
MAX_DEPTH = 40  # brackets and NOTs inside each other
MAX_TERMS = 500  # comparisons and list entries

Value = str | bool | int | Decimal
Cast = Literal["", "text", "number", "boolean", "date"]
Operator = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Field:
    """A column, or a place in a JSON column.

    Attributes:
        column: Name of the column.
        path: Keys (and numbers of elements) that lead into it.
        text: The value at the end of the path as text (``->>``), not as JSON (``->``).
        cast: What the value is read as.
    """

    column: str
    path: tuple[str, ...] = ()
    text: bool = False
    cast: Cast = ""


@dataclass(frozen=True, slots=True)
class Compare:
    """A field against a value."""

    field: Field
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Like:
    """A field against a pattern with ``%`` and ``_``."""

    field: Field
    pattern: str
    any_case: bool


@dataclass(frozen=True, slots=True)
class IsNull:
    """A field that has no value."""

    field: Field


@dataclass(frozen=True, slots=True)
class Contains:
    """A JSON field that contains what a JSON text says (``@>``)."""

    field: Field
    json: str


@dataclass(frozen=True, slots=True)
class HasKey:
    """A JSON field that has a key (``?``)."""

    field: Field
    key: str


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    term: Term


@dataclass(frozen=True, slots=True)
class Joined:
    """Several terms of which all, or any, must hold; there is at least one."""

    word: Literal["AND", "OR"]
    terms: tuple[Term, ...]


Term = Compare | Like | IsNull | Contains | HasKey | Not | Joined


def joined(word: Literal["AND", "OR"], terms: Iterable[Term]) -> Term:
    """The terms under one word; a single one stays as it is."""
    found = tuple(terms)
    return found[0] if len(found) == 1 else Joined(word, found)


def sendable(text: str) -> str:
    """The text, if PostgreSQL can hold it.

    Raises:
        ParameterError: It has a NUL character, or half a surrogate pair.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ParameterError("The filter holds a character that is no valid Unicode: remove it.") from None
    if "\0" in text or "\\u0000" in text:
        raise ParameterError("The filter holds a NUL character, which PostgreSQL has no place for: remove it.")
    return text
