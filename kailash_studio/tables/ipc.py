"""A table as bytes: Arrow's own stream format, compressed; nothing in it is ever run."""

from __future__ import annotations

from kailash_studio.tables.table import Table

MOST_BYTES = 2**30  # a table that is larger does not travel between processes as one message


def to_bytes(table: Table) -> bytes:
    """The table in Arrow's stream format.

    Raises:
        ValueError: It is too large for one message.
    """
    import pyarrow as pa

    if table.nbytes > MOST_BYTES:
        raise ValueError(f"the table has {table.nbytes >> 20} MiB")
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.arrow.schema, options=options) as writer:
        writer.write_table(table.arrow)
    return bytes(sink.getvalue())


def from_bytes(data: bytes) -> Table:
    """The table that ``to_bytes`` wrote down.

    Raises:
        ValueError: The bytes are not such a table.
    """
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
            return Table(reader.read_all())
    except (pa.ArrowException, OSError, EOFError) as error:
        raise ValueError(f"the bytes are no table: {error}") from None
