"""Parquet, by Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from kailash_studio.errors import NodeError
from kailash_studio.services.table_files import reading, written_whole
from kailash_studio.tables.expression import no_column
from kailash_studio.tables.store import BATCH_ROWS, TableWriter, batches_of
from kailash_studio.tables.table import Table
from kailash_studio.tables.types import plain, plain_schema

Compression = Literal["zstd", "snappy", "gzip", "none"]


@contextmanager
def opened(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, list[str], Any]]:
    """A Parquet file to read, with the columns to take (all where none is named) and their schema.

    Raises:
        NodeError: It cannot be read, or is not Parquet.
        TableError: It does not have a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading(path):
        try:
            with pq.ParquetFile(path) as file:
                names = file.schema_arrow.names
                for name in columns:
                    if name not in names:
                        raise no_column(name, names, f" in {path.name}")
                chosen = list(columns) or names
                yield file, chosen, pa.schema([file.schema_arrow.field(name) for name in chosen])
        except pa.ArrowInvalid as error:
            said = str(error).partition("\n")[0].rstrip(".")
            raise NodeError(f"{path} is no Parquet file, or is damaged: {said}.") from None


def read_parquet(path: Path, columns: Sequence[str] = ()) -> Table:
    """A table of a Parquet file, or of some of its columns; no other column is read.

    Raises:
        NodeError: It cannot be read, or is not Parquet.
        TableError: It does not have a column.
    """
    with opened(path, columns) as (file, chosen, schema), TableWriter(plain_schema(schema)) as writer:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=chosen):
            writer.write(plain(batch.select(chosen)))
        return writer.finish()


def write_parquet(table: Table, path: Path, compression: Compression = "zstd") -> None:
    """Write a table to a Parquet file.

    Raises:
        NodeError: It cannot be written, or a column is of a type that Parquet does not have.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with written_whole(path) as temporary:
        try:
            with pq.ParquetWriter(temporary, table.arrow.schema, compression=compression) as writer:
                for batch in batches_of(table.arrow):
                    writer.write_batch(batch)
        except pa.ArrowException as error:
            raise NodeError(f"{path} cannot be written as Parquet: {str(error).partition(chr(10))[0]}.") from None
