"""Takes rows of a table by their numbers; a result above the memory cap is made piece by piece, into a file."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from kailash_studio.tables.store import BATCH_ROWS, TableWriter, kept, memory_cap
from kailash_studio.tables.table import Table


def taken(arrow: Any, rows: Any) -> Table:
    """The rows of a ``pyarrow.Table`` with these numbers, in this order.

    Args:
        arrow: The table.
        rows: An Arrow array of row numbers.
    """
    source = Source(arrow)
    return in_pieces(
        len(rows), source.bytes_of(len(rows)), lambda first, count: source.take(rows[first : first + count])
    )


def in_pieces(count: int, expected: int, piece: Callable[[int, int], Any]) -> Table:
    """A table whose rows are made by number.

    Args:
        count: How many rows it has.
        expected: Bytes that it will have, about.
        piece: Makes a ``pyarrow.Table`` of so many rows from a row on.
    """
    cap = memory_cap()
    if expected <= cap:
        return kept(piece(0, count))
    import pyarrow as pa

    step = max(BATCH_ROWS, int(count * (cap / 4) / expected))  # three copies of a piece are there at a time
    with TableWriter(cap=0) as writer:
        for first in range(0, count, step):
            for batch in piece(first, min(step, count - first)).to_batches(max_chunksize=BATCH_ROWS):
                writer.write(batch)
            pa.default_memory_pool().release_unused()
        return writer.finish()


class Source:
    """A table from which rows are taken by number.

    Arrow puts all pieces of a column of texts together each time that rows are taken of it: a copy of a table that
    was mapped so that it need not be in memory. Here each piece is asked for its own rows.
    """

    def __init__(self, arrow: Any) -> None:
        self._arrow = arrow
        self._batches = [batch for batch in arrow.to_batches() if batch.num_rows]
        self._starts = [0]
        for batch in self._batches:
            self._starts.append(self._starts[-1] + batch.num_rows)

    def bytes_of(self, count: int) -> int:
        """Bytes of so many rows, about."""
        return int(self._arrow.nbytes * count / max(1, self._arrow.num_rows))

    def take(self, rows: Any) -> Any:
        """The rows with these numbers as a ``pyarrow.Table``; a number that is null gives a row of nulls."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
        if len(self._batches) < 2 or self.bytes_of(self._arrow.num_rows) <= memory_cap():
            return self._arrow.take(rows)
        places = pc.sort_indices(rows)  # nulls are last
        ordered = pc.cast(rows.take(places), pa.int64())
        known = len(ordered) - ordered.null_count
        pieces, end = [], 0
        for batch, start, stop in zip(self._batches, self._starts, self._starts[1:], strict=False):
            first, end = end, bisect_left(range(known), stop, lo=end, key=lambda at: ordered[at].as_py())
            if end > first:
                pieces.append(batch.take(pc.subtract(ordered[first:end], start)))
        if known < len(ordered):
            pieces.append(self._batches[0].take(ordered[known:]))
        together = pa.Table.from_batches(pieces, self._arrow.schema).combine_chunks()
        return together.take(pc.sort_indices(places))
