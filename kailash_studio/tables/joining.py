"""Joins: Arrow finds the pairs of row numbers, then columns of any type are taken by them, in the left order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kailash_studio.errors import TableError
from kailash_studio.tables.columns import check_columns, free_name
from kailash_studio.tables.records import type_word
from kailash_studio.tables.table import Table
from kailash_studio.tables.taking import Source, in_pieces, taken

_L, _R = "left_row", "right_row"


def joined(
    left: Any, right: Any, left_on: Sequence[str], right_on: Sequence[str], *, how: str, suffix: str, one: bool
) -> Table:
    """Join two ``pyarrow.Table``.

    Args:
        left: The table whose order the result has.
        right: The other.
        left_on: Columns of the left one.
        right_on: The columns of the right one that they must equal.
        how: Arrow's name of the join.
        suffix: Put behind names of the right table that the left one has too.
        one: At most one row of the right table may match.

    Raises:
        TableError: A column is not there, the types do not go together, or ``one`` does not hold.
    """
    left, right = _with_columns(left, left_on, right, right_on), _with_columns(right, right_on, left, left_on)
    check_columns(left, left_on, " in left")
    check_columns(right, right_on, " in right")
    pairs = _pairs(left, right, left_on, right_on, how)
    rows = pairs.column(_L)
    if how in {"left semi", "left anti"}:
        return taken(left, rows)
    if one:
        _check_one(rows, left, left_on)
    names = list(left.column_names)
    for name in right.column_names:
        if name not in right_on:
            names.append(free_name(name + suffix if name in left.column_names else name, names))
    import pyarrow as pa

    ones, others = Source(left), Source(right)

    def piece(first: int, count: int) -> Any:
        some = pairs.slice(first, count)
        one, other = ones.take(some.column(_L)), others.take(some.column(_R))
        columns = [one.column(name) for name in left.column_names]
        if how in {"right outer", "full outer"}:  # the keys of rows that are on the right alone
            for name, key in zip(left_on, right_on, strict=True):
                at = left.column_names.index(name)
                columns[at] = _coalesced(columns[at], other.column(key))
        columns += [other.column(name) for name in right.column_names if name not in right_on]
        return pa.table(columns, names=names)

    return in_pieces(pairs.num_rows, ones.bytes_of(pairs.num_rows) + others.bytes_of(pairs.num_rows), piece)


def _with_columns(table: Any, on: Sequence[str], other: Any, other_on: Sequence[str]) -> Any:
    """An empty list has no columns: it gets the key columns that the other table expects of it."""
    import pyarrow as pa

    if table.column_names:
        return table
    kinds = {
        name: other.schema.field(key).type for name, key in zip(on, other_on, strict=True) if key in other.schema.names
    }
    return pa.table({name: pa.array([], kinds.get(name, pa.string())) for name in on})


def _pairs(left: Any, right: Any, left_on: Sequence[str], right_on: Sequence[str], how: str) -> Any:
    """Row numbers on both sides, in the left table's order; rows of the right alone come last."""
    import pyarrow as pa

    keys = [f"key_{i}" for i in range(len(left_on))]
    ones, others = [], []
    for name, key in zip(left_on, right_on, strict=True):
        one, other = _alike(left.column(name), right.column(key), name, key)
        ones.append(one)
        others.append(other)
    numbered = pa.table([*ones, pa.array(range(left.num_rows), pa.int64())], names=[*keys, _L])
    looked_up = pa.table([*others, pa.array(range(right.num_rows), pa.int64())], names=[*keys, _R])
    found = numbered.join(looked_up, keys, join_type=how)
    names = [name for name in (_L, _R) if name in found.column_names]
    return found.select(names).sort_by([(name, "ascending", "at_end") for name in names])


def _alike(one: Any, other: Any, name: str, key: str) -> tuple[Any, Any]:
    """Two key columns as one type, so that a whole number finds the same whole number however wide it is stored."""
    import pyarrow as pa

    if one.type == other.type and not pa.types.is_null(one.type):
        return one, other
    words = type_word(one.type), type_word(other.type)
    try:
        kind = _common(one.type, other.type)
        return one.cast(kind), other.cast(kind)
    except pa.ArrowException:
        raise TableError(
            f"{name!r} in left holds a {words[0]} and {key!r} in right a {words[1]}: cast one of them before."
        ) from None


def _common(one: Any, other: Any) -> Any:
    """The type of numbers that holds both types; columns of nulls alone count as numbers if nothing says otherwise."""
    import pyarrow as pa

    types = pa.types
    if types.is_null(one) and types.is_null(other):
        return pa.int64()
    for kind, beside in ((one, other), (other, one)):
        if types.is_decimal(kind) and types.is_integer(beside):
            return pa.decimal128(min(38, max(kind.precision, 19 + kind.scale)), kind.scale)
        if types.is_decimal(kind) and types.is_floating(beside):
            return pa.float64()
    schemas = [pa.schema([("key", kind)]) for kind in (one, other)]
    return pa.unify_schemas(schemas, promote_options="permissive").field("key").type


def _check_one(rows: Any, left: Any, on: Sequence[str]) -> None:
    import pyarrow.compute as pc

    counted = pc.value_counts(rows.drop_null().combine_chunks())
    several = counted.filter(pc.greater(counted.field("counts"), 1))
    if len(several):
        row = several.field("values")[0].as_py()
        shown = ", ".join(f"{name} {left.column(name)[row].as_py()!r}" for name in on)
        raise TableError(
            f"{len(several)} left rows have several matches, the first one {shown}: make the right rows distinct."
        )


def _coalesced(cells: Any, other: Any) -> Any:
    import pyarrow.compute as pc

    return pc.coalesce(cells, other.cast(cells.type) if cells.type != other.type else other)
