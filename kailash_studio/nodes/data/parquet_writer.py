"""ParquetWriterNode."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kailash_studio.nodes.file_writing import TableWriting
from kailash_studio.services.table_files.parquet import write_parquet
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import DataType, Input, Output, Table
from kailash_studio.tables import table


class ParquetWriterNode(TableWriting, Node):
    """Write rows to a Parquet file.

    Parquet keeps types and exact decimals, is small, and is read by pandas, Spark, DuckDB and most databases. The file
    appears whole or not at all. Relative paths start at the workflow file's folder.

    Example: path ``positions.parquet``.

    Errors: a folder that is not there or cannot be written, an existing file when it must not be replaced.
    """

    category = "Data"
    icon = "file-output"
    keywords = ("save", "export", "file", "columnar", "arrow")

    path: str = Parameter(doc="File to write.", editor="save_file", placeholder="positions.parquet", port=True)
    compression: Literal["zstd", "snappy", "gzip", "none"] = Parameter("zstd", doc="How it is made smaller.")
    if_exists: Literal["replace", "fail"] = Parameter("replace", doc="What happens to a file that is there already.")

    rows = Input(Table, "What to write.")
    file = Output(DataType.FILE, "The path of the written file.")
    row_count = Output(DataType.NUMBER, "How many rows were written.")

    def write(self, rows: table.Table, path: Path) -> None:
        """See ``TableWriting``."""
        write_parquet(rows, path, self.compression)
