"""The Table: Arrow inside, a sequence of records outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Self, SupportsIndex, overload

from kailash_studio.errors import TableError
from kailash_studio.tables.records import arrow_of_records, records_of, unique
from kailash_studio.tables.types import plain

_BLOCK = 512  # rows that an index into a table decodes at once: who asks for one row mostly asks for the next
_PIECE = 8_192  # rows that iterating decodes at once


class Table(Sequence[dict[str, Any]]):
    """Rows and columns that cannot change, held as Arrow.

    Everything that takes a list of records can read it: ``len``, an index, a loop and a comparison with a list work as
    there; records are made when they are asked for. A slice is a table over the same memory. Other libraries take it
    without a copy by ``__arrow_c_stream__`` (polars, duckdb, pandas, pyarrow).
    """

    __slots__ = ("__weakref__", "_arrow", "_block")

    def __init__(self, source: Any) -> None:
        """Hold Arrow data; records are taken by ``Table.of``.

        Args:
            source: A pyarrow Table, RecordBatch or reader, or anything else with ``__arrow_c_stream__``.
        """
        import pyarrow as pa

        arrow = source if isinstance(source, pa.Table) else pa.table(source)
        names = arrow.column_names
        if len(set(names)) < len(names):
            arrow = arrow.rename_columns(unique(names))
        self._arrow = arrow
        self._block: tuple[int, list[dict[str, Any]]] = (0, [])

    @classmethod
    def of(cls, value: Any) -> Self:
        """A table of whatever holds rows: a table, records, an SQL node's result, Arrow data.

        Raises:
            TableError: It holds no rows, or a column holds values of several types.
        """
        if isinstance(value, cls):
            return value
        if hasattr(value, "__arrow_c_stream__"):
            import pyarrow as pa

            return cls(plain(pa.table(value)))
        if isinstance(value, Mapping) and "data" in value and not isinstance(value["data"], str | bytes):
            return cls.of(value["data"])
        return cls(arrow_of_records(value))

    @property
    def arrow(self) -> Any:
        """The data as a ``pyarrow.Table``."""
        return self._arrow

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        names: list[str] = self._arrow.column_names
        return names

    @property
    def nbytes(self) -> int:
        """Bytes of the data, wherever they lie."""
        return int(self._arrow.nbytes)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The data by the Arrow PyCapsule interface."""
        return self._arrow.__arrow_c_stream__(requested_schema)

    # ------------------------------------------------------------------ as a sequence of records
    def __len__(self) -> int:
        return int(self._arrow.num_rows)

    @overload
    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Table: ...
    def __getitem__(self, index: SupportsIndex | slice) -> dict[str, Any] | Table:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return Table(self._arrow.slice(start, max(0, stop - start)))
            import pyarrow as pa

            return Table(self._arrow.take(pa.array(range(start, stop, step), pa.int64())))
        row = index.__index__()
        row += len(self) if row < 0 else 0
        if not 0 <= row < len(self):
            raise IndexError(f"there is no row {index}: the table has {len(self)}")
        first, block = self._block
        if not first <= row < first + len(block):
            first = row - row % _BLOCK
            block = records_of(self._arrow.slice(first, _BLOCK))
            self._block = (first, block)
        return dict(block[row - first])  # a record of its own: who changes it changes no table

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for first in range(0, len(self), _PIECE):
            yield from records_of(self._arrow.slice(first, _PIECE))

    def to_list(self) -> list[dict[str, Any]]:
        """All rows as records."""
        return list(self)

    def with_cell(self, row: int, column: str, value: Any) -> Table:
        """A table with another value in one cell, over the memory of this one.

        Raises:
            TableError: The column cannot hold it.
        """
        import pyarrow as pa

        place = self._arrow.column_names.index(column)
        old = self._arrow.column(place)
        try:
            cell = pa.array([value], _holding(old.type, value))
            old = old.cast(cell.type)
        except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
            raise TableError(f"A column of type {old.type} cannot hold {value!r}: {str(error).rstrip('.')}.") from None
        chunks = [*old.slice(0, row).chunks, cell, *old.slice(row + 1).chunks]
        return Table(self._arrow.set_column(place, column, pa.chunked_array(chunks, type=cell.type)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Table):
            return self is other or bool(self._arrow.equals(other._arrow)) or _same_records(self, other)
        if isinstance(other, list | tuple):
            return _same_records(self, other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # compared by content, as the list it stands for

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<Table of {len(self)} rows: {', '.join(self.column_names) or 'no columns'}>"


def _holding(kind: Any, value: Any) -> Any:
    """The type of a column that is to hold a value: its own; a decimal one with as many digits as that takes."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return None
    if not isinstance(value, Decimal) or not pa.types.is_decimal(kind):
        return kind
    own = pa.array([value]).type
    scale = max(kind.scale, own.scale)
    digits = max(kind.precision - kind.scale, own.precision - own.scale) + scale
    return pa.decimal128(digits, scale) if digits <= _DIGITS_OF_128_BITS else pa.decimal256(digits, scale)


_DIGITS_OF_128_BITS = 38


def _same_records(one: Table, other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(a == b for a, b in zip(one, other, strict=True))


def chained(tables: Sequence[Table]) -> Table:
    """The rows of several tables below each other, over the same memory; columns that one lacks are null.

    Raises:
        TableError: A column holds different types.
    """
    import pyarrow as pa

    try:
        return Table(pa.concat_tables([table.arrow for table in tables], promote_options="permissive"))
    except pa.ArrowException as error:
        raise TableError(f"The tables cannot be chained: {str(error).rstrip('.')}; cast the column before.") from None


def without_tables(value: Any) -> Any:
    """A value in which each table became a list of records, for code that knows nothing but Python's own types."""
    if isinstance(value, Table):
        return value.to_list()
    if isinstance(value, dict):
        return {key: without_tables(item) for key, item in value.items()} if holds_table(value) else value
    if isinstance(value, list | tuple):
        return type(value)(without_tables(item) for item in value) if holds_table(value) else value
    return value


def holds_table(value: Any, depth: int = 3) -> bool:
    """Whether a value is a table, or a record or short list with one inside; results nest no deeper than that."""
    if isinstance(value, Table):
        return True
    if depth and isinstance(value, Mapping):
        return any(holds_table(item, depth - 1) for item in value.values())
    if depth and isinstance(value, list | tuple):
        return any(holds_table(item, depth - 1) for item in value[:_LOOKED_AT])
    return False


_LOOKED_AT = 64  # items of a list: one with tables in it is a list of branches, not of a million rows
