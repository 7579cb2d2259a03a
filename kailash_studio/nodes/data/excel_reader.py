"""ExcelReaderNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kailash_studio.nodes.named_files import file_of
from kailash_studio.services.table_files.excel import read_excel
from kailash_studio.services.table_files.first_rows import first_of_excel
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Output, Table


class ExcelReaderNode(Node):
    """Read rows from an Excel workbook.

    The first line names the columns; one without a name is called by its place (``column_3``). Numbers, dates, and yes
    and no keep their types; a column that mixes them becomes text. Empty lines are left out. Formulas give the value
    that was saved with them. Also reads ``.xls``, ``.xlsb`` and ``.ods``.

    Example: path ``clients.xlsx``, sheet ``2024``, two lines to leave out above the header.

    Errors: a file that is not there, is no workbook or has a password, a sheet that it does not have.
    """

    category = "Data"
    icon = "file-spreadsheet"
    effect = "reads"
    keywords = ("file", "import", "load", "xlsx", "xls", "ods", "spreadsheet", "workbook")
    execution = "thread"

    path: str = Parameter(doc="File to read.", editor="file", placeholder="clients.xlsx", port=True)
    sheet: str = Parameter("", doc="Name of the sheet; empty means the first.")
    skip_rows: int = Parameter(0, ge=0, unit="lines", doc="Lines to leave out above the header.")

    data = Output(Table, "One record for each line.")

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Reads a file."""
        return [f"reads {file_of(parameters.get('path'))}"]

    def run(self, context: RunContext) -> Outputs:
        """The rows of the sheet."""
        return {"data": read_excel(context.path(self.path), self.sheet, self.skip_rows)}

    def first_rows(self, context: RunContext, most: int) -> Outputs:
        """The first rows of the file."""
        return {"data": first_of_excel(context.path(self.path), self.sheet, self.skip_rows, most)}
