"""ExcelWriterNode."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kailash_studio.nodes.file_writing import TableWriting
from kailash_studio.services.table_files.excel import write_excel
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import DataType, Input, Output, Table
from kailash_studio.tables import table


class ExcelWriterNode(TableWriting, Node):
    """Write rows to an Excel workbook.

    One sheet with a bold header that stays in sight and a filter on each column. Texts stay texts, also those that
    begin with ``=``, so rows from elsewhere can bring no formulas in. Numbers in Excel have 15 digits: exact decimals
    become such numbers, longer whole numbers become text; NaN becomes an empty cell, infinity a text. The file appears
    whole or not at all.

    Example: path ``report.xlsx``, sheet ``Clients``.

    Errors: more rows than a sheet holds (1,048,575), a folder that cannot be written, an existing file when it must not
    be replaced.
    """

    category = "Data"
    icon = "file-output"
    keywords = ("save", "export", "file", "xlsx", "spreadsheet", "workbook", "report")

    path: str = Parameter(doc="File to write.", editor="save_file", placeholder="report.xlsx", port=True)
    sheet: str = Parameter("Sheet1", min_length=1, max_length=31, pattern=r"^[^\[\]:*?/\\]+$", doc="Name of the sheet.")
    if_exists: Literal["replace", "fail"] = Parameter("replace", doc="What happens to a file that is there already.")

    rows = Input(Table, "What to write.")
    file = Output(DataType.FILE, "The path of the written file.")
    row_count = Output(DataType.NUMBER, "How many rows were written.")

    def write(self, rows: table.Table, path: Path) -> None:
        """See ``TableWriting``."""
        write_excel(rows, path, self.sheet)
