"""Changing single cells of a value by hand: all the rest of it stays what it is, of the types that it has.

A value that was looked at as JSON and read back would have lost its dates and decimals; so only the cells travel.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from kailash_studio.errors import EngineError, TableError
from kailash_studio.runtime.pages import rows_of
from kailash_studio.tables.table import Table

_LOOKED_AT = 1000  # rows that are searched for the type of a column


def with_cells(value: Any, cells: Any, where: str) -> Any:
    """A value with some cells changed; the value itself stays as it is, for others that have it.

    Args:
        value: A table, or anything else.
        cells: ``[row, column, new]`` of a table, rows counted from 0; ``[path, new]`` of any other value, the path a
            list of keys and positions. A text becomes what the cell held; an empty one is null where no text stood. A
            whole number may become a fraction, but in a column that has a type.
        where: What it is, for messages.

    Raises:
        EngineError: There is no such cell, or what is given cannot be what the cell held.
    """
    if not isinstance(cells, list):
        raise EngineError(f"{where}: cells are a list of [row, column, value].")
    for cell in cells:
        match cell:
            case [int(row), str(column), new]:
                value = _in_table(value, row, column, new, where)
            case [list(path), new]:
                value = _put(value, path, new, where)
            case _:
                raise EngineError(f"{where}: a cell is [row, column, value] or [path, value], not {_shown(cell)}.")
    return value


def _in_table(value: Any, row: int, column: str, new: Any, where: str) -> Any:
    rows = rows_of(value)
    if rows is None:
        raise EngineError(f"{where} is no table: say the path to what changes, [path, value].")
    changed = _put(rows, [row, column], new, where)
    return changed if rows is value else {**value, "data": changed}  # a record with its rows under data


def _put(value: Any, path: Sequence[Any], new: Any, where: str) -> Any:
    """A copy of a value, as deep as the path goes, with something else at its end."""
    if not path:
        return _like(value, new, where)
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        key = _key(value, step, where)
        return {**value, key: _put(value[key], rest, new, f"{where}, {key}")}
    if not isinstance(value, list | tuple | Table):
        raise EngineError(f"{where}: there is nothing at {_shown(step)} that could be changed.")
    number = _position(step, len(value), where)
    place = f"{where}, row {number + 1}"
    if isinstance(value, Table):
        return _in_arrow(value, number, rest, new, place)
    item = value[number]
    if len(rest) == 1 and isinstance(item, Mapping):
        changed: Any = _in_record(value, item, rest[0], new, place)
    else:
        changed = _put(item, rest, new, place)
    items = [*value[:number], changed, *value[number + 1 :]]
    return items if isinstance(value, list) else type(value)(items)


def _in_record(rows: Sequence[Any], record: Mapping[Any, Any], column: Any, new: Any, where: str) -> Any:
    """A record of several with another cell; where it has none, its type is that of the column elsewhere."""
    beside = [row for row in rows[:_LOOKED_AT] if isinstance(row, Mapping)]
    holder = record if column in record else next((row for row in beside if str(column) in map(str, row)), record)
    key = _key(holder, column, where)
    old = record.get(key)
    if old is None:
        old = next((row[key] for row in beside if row.get(key) is not None), None)
    return {**record, key: _like(old, new, f"{where}, {key}")}


def _in_arrow(table: Table, row: int, path: Sequence[Any], new: Any, where: str) -> Table:
    if len(path) != 1 or path[0] not in table.column_names:
        raise EngineError(f"{where}: there is no column {_shown(path[0] if path else '')} in the table.")
    column = path[0]
    old = table[row][column]
    if old is None:
        old = next((record[column] for record in table[:_LOOKED_AT] if record[column] is not None), None)
    try:
        return table.with_cell(row, column, _like(old, new, f"{where}, {column}", typed=True))
    except TableError as error:
        raise EngineError(f"{where}, {column}: {error}") from None


def _key(value: Mapping[Any, Any], step: Any, where: str) -> Any:
    """The key of a record; one that is no text is found by its text."""
    found = step if not isinstance(step, list | dict) and step in value else None
    if found is None:
        found = next((key for key in value if str(key) == str(step)), None)
    if found is None:
        raise EngineError(f"{where}: there is no {_shown(step)} in it; it has {', '.join(map(str, list(value)[:8]))}.")
    return found


def _position(step: Any, count: int, where: str) -> int:
    number = int(step) if isinstance(step, int) or (isinstance(step, str) and step.isdecimal()) else -1
    if not 0 <= number < count:
        raise EngineError(f"{where}: there is no row {_shown(step)}: it has {count}, counted from 0.")
    return number


# ---------------------------------------------------------------------------------------------- types
def _like(old: Any, new: Any, where: str, *, typed: bool = False) -> Any:
    """What was given, as a value of the type that stood there; of exactly that one where the place is ``typed``."""
    if hasattr(old, "item") and getattr(old, "shape", None) == ():  # a NumPy scalar
        made = _like(old.item(), new, where, typed=True)
        return made if made is None else type(old)(made)
    if new is None or old is None:
        return new
    for kind, word, make in _TYPED if typed else _KINDS:
        if isinstance(old, kind):
            if new == "" and kind not in _MAY_BE_EMPTY:
                return None
            try:
                return make(old, new)
            except (ValueError, TypeError, KeyError, ArithmeticError):
                raise EngineError(f"{where}: {_shown(new)} is no {word}, which stood there.") from None
    raise EngineError(f"{where}: a {type(old).__name__} cannot be changed cell by cell.")


def _boolean(_: Any, new: Any) -> bool:
    return {"true": True, "false": False, True: True, False: False}[new.lower() if isinstance(new, str) else new]


def _whole(old: Any, new: Any) -> Any:
    number = Decimal(_number(new))
    if number != number.to_integral_value():
        raise ValueError
    return int(number)


def _whole_or_fraction(old: Any, new: Any) -> Any:
    number = Decimal(_number(new))
    if not number.is_finite():
        raise ValueError
    return int(number) if number == number.to_integral_value() else float(number)


def _number(new: Any) -> str:
    """The text of a number; numbers keep the digits that the message has."""
    if isinstance(new, bool) or not isinstance(new, str | int | float):
        raise TypeError
    return str(new).strip()


def _text(_: Any, new: Any) -> str:
    if not isinstance(new, str):
        raise TypeError
    return new


def _moment(old: dt.datetime, new: Any) -> dt.datetime:
    read = dt.datetime.fromisoformat(_text(old, new).strip())
    return read if read.tzinfo is not None or old.tzinfo is None else read.replace(tzinfo=old.tzinfo)


def _duration(_: Any, new: Any) -> dt.timedelta:
    """Seconds, or the text that Python writes: ``1 day, 2:03:04.5``."""
    if not isinstance(new, str) or ":" not in new:
        return dt.timedelta(seconds=float(_number(new)))
    days, _, clock = new.rpartition(",")
    hours, minutes, seconds = clock.split(":")
    return dt.timedelta(int(days.split()[0]) if days else 0, float(seconds), 0, 0, int(minutes), int(hours))


def _inner(old: Any, new: Any) -> Any:
    """A list or record, given as one or as the JSON of one."""
    read = json.loads(new) if isinstance(new, str) else new
    if not isinstance(read, Mapping if isinstance(old, Mapping) else list):
        raise TypeError
    return read if isinstance(old, list | Mapping) else type(old)(read)


# the first that fits counts: a boolean is an integer, a time is a date
_Kinds = tuple[tuple[type | tuple[type, ...], str, Callable[[Any, Any], Any]], ...]
_KINDS: _Kinds = (
    (bool, "true or false", _boolean),
    (int, "number", _whole_or_fraction),
    (float, "number", lambda old, new: float(_number(new))),
    (Decimal, "decimal number", lambda old, new: Decimal(_number(new))),
    (Fraction, "fraction", lambda old, new: Fraction(_number(new))),
    (str, "text", _text),
    (dt.datetime, "time (2026-07-01 12:30)", _moment),
    (dt.date, "date (2026-07-01)", lambda old, new: dt.date.fromisoformat(_text(old, new).strip())),
    (dt.time, "time of day (12:30)", lambda old, new: dt.time.fromisoformat(_text(old, new).strip())),
    (dt.timedelta, "duration (1:30:00)", _duration),
    (uuid.UUID, "UUID", lambda old, new: uuid.UUID(_text(old, new).strip())),
    (PurePath, "path", lambda old, new: type(old)(_text(old, new))),
    ((bytes, bytearray), "row of bytes in hexadecimal", lambda old, new: type(old)(bytes.fromhex(_text(old, new)))),
    ((Mapping, list, tuple, set, frozenset), "list or record in JSON", _inner),
)
_TYPED: _Kinds = (_KINDS[0], (int, "whole number", _whole), *_KINDS[2:])
_MAY_BE_EMPTY = (str, (bytes, bytearray), (Mapping, list, tuple, set, frozenset))


def _shown(given: Any) -> str:
    text = json.dumps(given, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
