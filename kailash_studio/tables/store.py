"""Where the data of a table lies: in memory, or above a size in a file that is mapped into memory.

A mapped table costs no memory that is needed elsewhere: the system lets go of its pages and reads them again.
On POSIX the file has no name any more once it is mapped, so nothing is left over however the process ends; on Windows
it is deleted with the table, and files of processes that crashed are swept away by the next one that spills.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from kailash_studio.errors import NodeError, TableError
from kailash_studio.folders import user_data
from kailash_studio.tables.table import Table

VARIABLE = "KAILASH_STUDIO_TABLE_MEMORY"
DEFAULT_MEBIBYTES = 64
BATCH_ROWS = 65_536  # rows that are worked on at once: large enough for Arrow's speed, small enough for memory
_LARGE = 16 * 2**20
_STALE_SECONDS = 86_400.0


def memory_cap() -> int:
    """Bytes that one table may take in memory; the environment variable gives MiB.

    Raises:
        NodeError: The variable holds no number.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        return int(float(text or DEFAULT_MEBIBYTES) * 2**20)
    except (ValueError, OverflowError):
        raise NodeError(f"{VARIABLE} is {text!r}: set it to a number of MiB, such as {DEFAULT_MEBIBYTES}.") from None


class TableWriter:
    """Collects batches into a table; above the cap they go to a file.

    A batch whose columns are wider than before (a decimal with more digits, a null column that got a type) widens what
    was written already. Use it as a context manager, so that a failure leaves no file.
    """

    def __init__(self, schema: Any = None, *, cap: int | None = None) -> None:
        """Prepare it.

        Args:
            schema: Columns of a table that may get no batch; else those of the first batch.
            cap: Bytes kept in memory; None: the user's.
        """
        self._schema = schema
        self._cap = memory_cap() if cap is None else cap
        self._batches: list[Any] = []
        self._bytes = 0
        self._file: _SpillFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        if self._file is not None:
            self._file.abandon()

    def write(self, batch: Any) -> None:
        """Add a ``pyarrow.RecordBatch``.

        Raises:
            TableError: Its columns are not those of the batches before.
            NodeError: The disk refuses.
        """
        if self._schema is None:
            self._schema = batch.schema
        if batch.schema != self._schema:
            batch = self._fitted(batch)
        if self._file is not None:
            self._file.write(batch)
            return
        self._batches.append(batch)
        self._bytes += batch.nbytes
        if self._bytes > self._cap:
            self._spill()

    def finish(self) -> Table:
        """The table of all that was written."""
        import pyarrow as pa

        if self._bytes > _LARGE:
            pa.default_memory_pool().release_unused()  # what the batches were made of goes back to the system
        if self._file is None:
            return Table(pa.Table.from_batches(self._batches, self._schema or pa.schema([])))
        file, self._file = self._file, None
        return file.table()

    def _spill(self) -> None:
        self._file = _SpillFile(self._schema)
        for batch in self._batches:
            self._file.write(batch)
        self._batches = []

    def _fitted(self, batch: Any) -> Any:
        """The batch in a schema that holds it and all before; what is there already is widened first."""
        import pyarrow as pa

        try:
            wider = pa.unify_schemas([self._schema, batch.schema], promote_options="permissive")
        except pa.ArrowException as error:
            raise TableError(f"The rows do not have the same types throughout: {str(error).rstrip('.')}.") from None
        if wider != self._schema:
            before = self._file is not None or self._batches
            known = self.finish() if before else None
            self._schema, self._batches, self._bytes = wider, [], 0
            for piece in known.arrow.to_batches() if known is not None else ():
                self.write(in_schema(piece, wider))
        return in_schema(batch, wider)


def in_schema(batch: Any, schema: Any) -> Any:
    """A batch with the columns and types of a schema; columns that it lacks are null."""
    import pyarrow as pa

    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def kept(arrow: Any) -> Table:
    """A table of Arrow data that was just computed; above the cap it is written to a file."""
    if arrow.nbytes <= memory_cap():
        return Table(arrow)
    with TableWriter(arrow.schema) as writer:
        for batch in batches_of(arrow):
            writer.write(batch)
        del arrow
        return writer.finish()


def mapped(arrow: Any, change: Callable[[Any], Any]) -> Table:
    """A table made batch by batch of another one, with no more than one batch and the cap in memory.

    Args:
        arrow: The ``pyarrow.Table`` to start from.
        change: Makes a record batch of a record batch; each with the same columns.
    """
    with TableWriter() as writer:
        for batch in batches_of(arrow):
            writer.write(change(batch))
        return writer.finish()


def batches_of(arrow: Any) -> Iterator[Any]:
    """The record batches of a table, of a handy size; one without rows where there are none."""
    import pyarrow as pa

    if arrow.num_rows == 0:
        yield pa.RecordBatch.from_arrays([pa.array([], field.type) for field in arrow.schema], schema=arrow.schema)
    else:
        yield from arrow.to_batches(max_chunksize=BATCH_ROWS)


class _SpillFile:
    """An Arrow file that becomes a table."""

    def __init__(self, schema: Any) -> None:
        import pyarrow as pa

        folder = user_data() / "tables"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            _sweep(folder)
            handle, name = tempfile.mkstemp(dir=folder, suffix=".arrow")
            os.close(handle)
            self._path = Path(name)
            self._stream = pa.OSFile(name, "wb")
            self._writer = pa.ipc.new_file(self._stream, schema)
        except OSError as error:
            raise NodeError(_refused(folder, error)) from None

    def write(self, batch: Any) -> None:
        try:
            self._writer.write_batch(batch)
        except OSError as error:
            raise NodeError(_refused(self._path.parent, error)) from None

    def abandon(self) -> None:
        """Let go of it without a table."""
        with contextlib.suppress(OSError):  # a full disk says so again; the first error is on its way already
            self._writer.close()
            self._stream.close()
        self._path.unlink(missing_ok=True)

    def table(self) -> Table:
        import pyarrow as pa

        try:
            self._writer.close()
            self._stream.close()
            table = Table(pa.ipc.open_file(pa.memory_map(str(self._path))).read_all())
        except OSError as error:
            self._path.unlink(missing_ok=True)
            raise NodeError(_refused(self._path.parent, error)) from None
        if os.name == "nt":
            weakref.finalize(table.arrow, _delete, self._path)
        else:
            self._path.unlink()  # the mapping lives on
        return table


def _refused(folder: Path, error: OSError) -> str:
    said = error.strerror or str(error)
    return f"A large table cannot be put into {folder}: {said}; make room there, or let {VARIABLE} be larger."


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):  # Windows keeps a file that a slice of the table still maps; swept later
        path.unlink()


def _sweep(folder: Path) -> None:
    """Delete what crashed processes left; a file in use is younger, or Windows refuses to delete it."""
    oldest = time.time() - _STALE_SECONDS
    for path in folder.glob("*.arrow"):
        with contextlib.suppress(OSError):  # somebody else swept it, or uses it
            if path.stat().st_mtime < oldest:
                path.unlink()
