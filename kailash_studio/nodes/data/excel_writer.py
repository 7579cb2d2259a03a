"""ExcelWriterNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kailash_studio.errors import NodeError
from kailash_studio.services.table_files.excel import write_excel
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import DataType, Input, Output, Table
from kailash_studio.tables import table


class ExcelWriterNode(Node):
    """Write rows to an Excel workbook.

    One sheet with a bold header that stays in sight and a filter on each column. Texts stay texts, also those that
    begin with ``=``, so rows from elsewhere can bring no formulas in. Numbers in Excel have 15 digits: exact decimals
    become such numbers, longer whole numbers become text. The file appears whole or not at all.

    Example: path ``report.xlsx``, sheet ``Clients``.

    Errors: more rows than a sheet holds (1,048,575), a folder that cannot be written, an existing file when it must not
    be replaced.
    """

    category = "Data"
    icon = "file-output"
    effect = "idempotent"
    keywords = ("save", "export", "file", "xlsx", "spreadsheet", "workbook", "report")
    execution = "thread"

    path: str = Parameter(doc="File to write.", editor="save_file", placeholder="report.xlsx", port=True)
    sheet: str = Parameter("Sheet1", min_length=1, max_length=31, pattern=r"^[^\[\]:*?/\\]+$", doc="Name of the sheet.")
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
        write_excel(rows, path, self.sheet)
        return {"file": str(path), "row_count": len(rows)}

    def first_rows(self, context: RunContext, most: int) -> Outputs:
        """The first rows that would be written."""
        return {"rows": table.Table.of(context.inputs["rows"])[:most]}
