"""Values for the types that the server wants: texts, which is all that JSON has for times, and what fits nothing."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from kailash_studio.errors import DatabaseError

_UNFIT = re.compile(r"invalid input for query argument \$(\d+): (.*) \((.*)\)\.\Z", re.DOTALL)  # asyncpg's words
_TEXTS = frozenset({"text", "varchar", "bpchar", "name"})
_SHOWN = 60  # characters of a value in a sentence
_DURATION = re.compile(
    r"(?P<minus>-)?P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d{1,6})?)S)?)?\Z"
)


def fitted(params: Sequence[Any], types: Sequence[str]) -> list[Any]:
    """The values for a statement, those read from texts whose types have no other form in JSON.

    Args:
        params: The values.
        types: PostgreSQL's names of the types that the statement wants, in their order.

    Raises:
        DatabaseError: They are too many or too few, or a text is not written as ISO 8601 has it.
    """
    if len(params) != len(types):
        raise DatabaseError(
            f"The statement asks for {len(types)} value{'s' * (len(types) != 1)} and gets {len(params)}: "
            "give each parameter a value, and take away what is too many.",
            sqlstate="42601",
        )
    return [
        _read(value, kind, number) if isinstance(value, str) and kind in _READERS else value
        for number, (value, kind) in enumerate(zip(params, types, strict=True), 1)
    ]


def misfit(error: DatabaseError, types: Sequence[str]) -> DatabaseError:
    """The driver's words about a value of another type as our own; every other error as it is."""
    found = _UNFIT.search(str(error))
    if found is None:
        return error
    number = int(found[1])
    kind = types[number - 1] if number <= len(types) else "another type"
    text = "" if kind in _TEXTS else f", or a text that the server reads, as ${number}::text::{kind}"
    return _refused(number, found[2], kind, f"({found[3]}): give one of that type{text}")


def _read(text: str, kind: str, number: int) -> Any:
    reader, form = _READERS[kind]
    try:
        return reader(text)
    except (ValueError, InvalidOperation, OverflowError):
        raise _refused(number, repr(text), kind, f"is written {form}") from None


def _refused(number: int, shown: str, kind: str, mend: str) -> DatabaseError:
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    between = " " if mend.startswith("(") else ", which "
    return DatabaseError(
        f"${number} does not take the value {shown}: the statement wants {kind} there{between}{mend}.", sqlstate="22000"
    )


def _timestamp(text: str) -> dt.datetime:
    read = dt.datetime.fromisoformat(text)
    if read.tzinfo is not None:
        raise ValueError("a zone")
    return read


def _with_zone(text: str) -> dt.datetime:
    read = dt.datetime.fromisoformat(text)
    if read.tzinfo is None:  # whose time it is would be a guess
        raise ValueError("no zone")
    return read


def _time(text: str) -> dt.time:
    read = dt.time.fromisoformat(text)
    if read.tzinfo is not None:
        raise ValueError("a zone")
    return read


def _time_with_zone(text: str) -> dt.time:
    read = dt.time.fromisoformat(text)
    if read.tzinfo is None:
        raise ValueError("no zone")
    return read


def _duration(text: str) -> dt.timedelta:
    found = _DURATION.match(text)
    given = {name: float(part) for name, part in (found.groupdict() if found else {}).items() if part and part != "-"}
    if found is None or not given:
        raise ValueError("no duration")
    span = dt.timedelta(**given)
    return -span if found["minus"] else span


# by type: what reads its text, and how that is written
_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "date": (dt.date.fromisoformat, "2024-12-31"),
    "timestamp": (_timestamp, "2024-12-31T23:59:59, without a zone"),
    "timestamptz": (_with_zone, "2024-12-31T23:59:59+00:00, with its zone"),
    "time": (_time, "23:59:59, without a zone"),
    "timetz": (_time_with_zone, "23:59:59+00:00, with its zone"),
    "interval": (_duration, "P1DT2H30M (days, hours, minutes)"),
    "uuid": (uuid.UUID, "123e4567-e89b-12d3-a456-426614174000"),
    "numeric": (Decimal, "12.50"),
}
