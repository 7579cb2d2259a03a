"""Between Arrow and records: lists of dicts become columns, and columns become dicts again."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from kailash_studio.errors import TableError


def arrow_of_records(rows: Any, *, mixed_as_text: bool = False) -> Any:
    """A ``pyarrow.Table`` of a list of records; keys that a record lacks are null, in the order they first come up.

    Args:
        rows: The records.
        mixed_as_text: A column with values of several types becomes text, where it is an error otherwise.

    Raises:
        TableError: They are no records, or a column holds values of several types.
    """
    import pyarrow as pa

    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise TableError(f"A {type(rows).__name__} is no table: connect rows, a list of records.")
    names: dict[Any, None] = {}
    keys: Any = None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise TableError(f"Row {number} is a {type(row).__name__}, no record: connect a table, a list of records.")
        if row.keys() != keys:
            keys = row.keys()
            names.update(dict.fromkeys(keys))
    titles = unique([str(name) for name in names])
    columns = [
        column_of(title, [row.get(name) for row in rows], mixed_as_text=mixed_as_text)
        for title, name in zip(titles, names, strict=True)
    ]
    return pa.table(columns, names=titles)


def column_of(name: str, values: list[Any], *, mixed_as_text: bool = False) -> Any:
    """A ``pyarrow.Array`` of values, in the one type that holds them all.

    Raises:
        TableError: There is none.
    """
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        pass  # several types, or one that Arrow does not know; both may still have a common one
    values = [str(value) if isinstance(value, uuid.UUID | PurePath) else value for value in values]
    numbers = [value for value in values if value is not None]
    if all(type(value) in (int, Decimal) for value in numbers):
        values = [Decimal(value) if type(value) is int else value for value in values]
    elif all(type(value) in (int, float, Decimal) for value in numbers):
        values = [None if value is None else float(value) for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        if mixed_as_text:
            return pa.array([_text(value) for value in values], pa.string())
        raise TableError(_mixed(name, values)) from None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | Mapping | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _mixed(name: str, values: list[Any]) -> str:
    first: Any = None
    for number, value in enumerate(values, 1):
        if value is None:
            continue
        if first is None:
            first = value
        elif type(value) is not type(first):
            return (
                f"Column {name!r} holds {kind_of(first)} and, in row {number}, {kind_of(value)} ({str(value)[:40]!r}): "
                "give it one type where it is made."
            )
    return f"Column {name!r} holds {kind_of(first)}, which a table cannot hold: make texts or numbers of it."


def kind_of(value: Any) -> str:
    """A value's type in people's words."""
    for kind, words in (
        (bool, "yes or no"),
        (int, "whole numbers"),
        (float, "numbers"),
        (Decimal, "exact decimals"),
        (str, "texts"),
        (dt.datetime, "times"),
        (dt.date, "dates"),
        (Mapping, "records"),
        (list | tuple, "lists"),
    ):
        if isinstance(value, kind):
            return words
    return f"values of type {type(value).__name__}"


def records_of(arrow: Any) -> list[dict[str, Any]]:
    """The rows of a (small piece of a) ``pyarrow.Table`` as records."""
    names = arrow.column_names
    if not names:
        return [{} for _ in range(arrow.num_rows)]
    columns = [cells_of(column) for column in arrow.columns]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def cells_of(column: Any) -> list[Any]:
    """The cells of a (small piece of a) column; a time that Python has no value for becomes a text."""
    import pyarrow as pa

    plain = _in_microseconds(column.type)
    try:
        cells: list[Any] = (column if plain == column.type else column.cast(plain, safe=False)).to_pylist()
    except (pa.ArrowException, ArithmeticError, ValueError):
        return [cell_of(cell) for cell in column]  # one odd cell must not cost the others
    return cells


def cell_of(cell: Any) -> Any:
    """The value of a ``pyarrow.Scalar``; a time that Python has no value for becomes a text."""
    import pyarrow as pa

    if not cell.is_valid:
        return None
    plain = _in_microseconds(cell.type)
    try:
        return (cell if plain == cell.type else cell.cast(plain, safe=False)).as_py()
    except (pa.ArrowException, ArithmeticError, ValueError):
        pass
    types = pa.types
    if types.is_map(cell.type):
        return [(cell_of(pair["key"]), cell_of(pair["value"])) for pair in cell.values]
    if types.is_struct(cell.type):
        return {field.name: cell_of(cell[place]) for place, field in enumerate(cell.type)}
    return [cell_of(item) for item in cell.values] if types.is_nested(cell.type) else _odd_text(cell)


def _in_microseconds(kind: Any) -> Any:
    """A type whose times Python can hold: its own have microseconds."""
    import pyarrow as pa

    types = pa.types
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz) if kind.unit == "ns" else kind
    if types.is_duration(kind):
        return pa.duration("us") if kind.unit == "ns" else kind
    if types.is_time64(kind):
        return pa.time64("us")
    if types.is_map(kind):
        return pa.map_(_in_microseconds(kind.key_type), _in_microseconds(kind.item_type))
    if types.is_struct(kind):
        return pa.struct([field.with_type(_in_microseconds(field.type)) for field in kind])
    if types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_in_microseconds(kind.value_type)))
    return kind


def _odd_text(cell: Any) -> str:
    """The text of a value that Python has none for: ``infinity``, or as Arrow writes it."""
    import pyarrow as pa

    kind = cell.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        number = cell.value
        most = 2 ** (kind.bit_width - 1) - 1
        if abs(number) >= most:
            return "infinity" if number > 0 else "-infinity"
        if pa.types.is_timestamp(kind):  # Arrow's text of a time with a zone runs over
            cell = pa.scalar(number, pa.int64()).cast(pa.timestamp(kind.unit))
    try:
        return str(cell.cast(pa.string()).as_py())
    except pa.ArrowException:
        return f"a value of the type {kind}"


def type_word(kind: Any) -> str:
    """A column's type in the words that people see over a table."""
    import pyarrow as pa

    types = pa.types
    for test, word in (
        (types.is_null, "null"),
        (types.is_boolean, "boolean"),
        (types.is_integer, "integer"),
        (types.is_floating, "number"),
        (types.is_decimal, "decimal"),
        (types.is_string, "text"),
        (types.is_large_string, "text"),
        (types.is_string_view, "text"),
        (types.is_timestamp, "time"),
        (types.is_date, "date"),
        (types.is_duration, "duration"),
        (types.is_struct, "record"),
        (types.is_map, "record"),
        (types.is_nested, "list"),
        (types.is_binary, "bytes"),
        (types.is_large_binary, "bytes"),
    ):
        if test(kind):
            return word
    return type_word(kind.value_type) if types.is_dictionary(kind) else str(kind)


def unique(names: Sequence[str]) -> list[str]:
    """Column names with repeated ones numbered: id, id_2."""
    taken, found = set(names), []
    seen: set[str] = set()
    for name in names:
        fresh, number = name, 1
        while fresh in seen or (number > 1 and fresh in taken):
            number += 1
            fresh = f"{name}_{number}"
        seen.add(fresh)
        found.append(fresh)
    return found
