"""ParquetWriterNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kailash_studio.errors import NodeError
from kailash_studio.services.table_files.parquet import write_parquet
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import DataType, Input, Output, Table
from kailash_studio.tables import table


class ParquetWriterNode(Node):
    """Write rows to a Parquet file.

    Parquet keeps types and exact decimals, is small, and is read by pandas, Spark, DuckDB and most databases. The file
    appears whole or not at all. Relative paths start at the workflow file's folder.

    Example: path ``positions.parquet``.

    Errors: a folder that is not there or cannot be written, an existing file when it must not be replaced.
    """

    category = "Data"
    icon = "file-output"
    effect = "idempotent"
    keywords = ("save", "export", "file", "columnar", "arrow")
    execution = "thread"

    path: str = Parameter(doc="File to write.", editor="save_file", placeholder="positions.parquet", port=True)
    compression: Literal["zstd", "snappy", "gzip", "none"] = Parameter("zstd", doc="How it is made smaller.")
    if_exists: Literal["replace", "fail"] = Parameter("replace", doc="What happens to a file that is there already.")

    rows = Input(Table, "What to write.")
    file = Output(DataType.FILE, "The path of the written file.")
    row_count = Output(DataType.NUMBER, "How many rows were written.")

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Writes a file."""
        return [f"writes the file {parameters.get('path', '?')}"]

    def run(self, context: RunContext) -> Outputs:
        """Write, and say where."""
        path = context.path(self.path)
        if self.if_exists == "fail" and path.exists():
            raise NodeError(f"{path} is there already: remove it, or let it be replaced.")
        rows = table.Table.of(context.inputs["rows"])
        write_parquet(rows, path, self.compression)
        return {"file": str(path), "row_count": len(rows)}

    def first_rows(self, context: RunContext, most: int) -> Outputs:
        """The first rows that would be written."""
        return {"rows": table.Table.of(context.inputs["rows"])[:most]}
