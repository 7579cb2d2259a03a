"""ParquetReaderNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kailash_studio.nodes.named_files import file_of
from kailash_studio.services.table_files.first_rows import first_of_parquet
from kailash_studio.services.table_files.parquet import read_parquet
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Output, Table


class ParquetReaderNode(Node):
    """Read rows from a Parquet file.

    Types are those of the file. Listing columns saves time: others are not read. A file that is larger than the memory
    that a table may take is read piece by piece.

    Example: path ``prices.parquet``, columns ``symbol`` and ``close_price``. Relative paths start at the workflow
    file's folder.

    Errors: a file that is not there or is no Parquet, a column that it does not have.
    """

    category = "Data"
    icon = "file-spreadsheet"
    effect = "reads"
    keywords = ("file", "import", "load", "columnar", "arrow")
    execution = "thread"

    path: str = Parameter(doc="File to read.", editor="file", placeholder="prices.parquet", port=True)
    columns: list[str] = Parameter([], doc="Columns to read, one on each line; none means all.")

    data = Output(Table, "The rows.")

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Reads a file."""
        return [f"reads {file_of(parameters.get('path'))}"]

    def run(self, context: RunContext) -> Outputs:
        """The rows of the file."""
        return {"data": read_parquet(context.path(self.path), self.columns)}

    def first_rows(self, context: RunContext, most: int) -> Outputs:
        """The first rows of the file."""
        return {"data": first_of_parquet(context.path(self.path), self.columns, most)}
