"""A table as bytes: Arrow's own stream format, compressed; nothing in it is ever run."""

from __future__ import annotations

import io

from kailash_studio.tables.table import Table

_ROWS = 65_536
MOST_BYTES = 2**30  # a table that is larger does not travel between processes as one message


def to_bytes(table: Table, most: int | None = None, head: bytes = b"") -> bytes:
    """The table in Arrow's stream format.

    Args:
        table: The table.
        most: Bytes that it may have so; it is given up as soon as it has more.
        head: Put before it; adding it later would copy everything.

    Raises:
        ValueError: It is too large.
    """
    import pyarrow as pa

    most = MOST_BYTES if most is None else most
    sink = io.BytesIO(head)  # Arrow's own sink doubles what it has: it would take twice the memory at the end
    sink.seek(len(head))
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), table.arrow.schema, options=options) as writer:
        for batch in table.arrow.to_batches(max_chunksize=_ROWS):
            writer.write_batch(batch)
            if sink.tell() > most:
                raise ValueError(f"the table has more than {most >> 20} MiB")
    return sink.getvalue()


def from_bytes(data: bytes, most: int | None = None) -> Table:
    """The table that ``to_bytes`` wrote down.

    Args:
        data: The bytes.
        most: Bytes that it may have in memory; None: as many as it has.

    Raises:
        ValueError: The bytes are not such a table, or it is too large.
    """
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
            if most is None:
                return Table(reader.read_all())
            batches, size = [], 0
            for batch in reader:
                batches.append(batch)
                size += batch.nbytes
                if size > most:
                    raise ValueError(f"the table has more than {most >> 20} MiB")
            return Table(pa.Table.from_batches(batches, reader.schema))
    except (pa.ArrowException, OSError, EOFError) as error:
        raise ValueError(f"the bytes are no table: {error}") from None
