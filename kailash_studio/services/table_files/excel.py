"""Excel workbooks: read by calamine (xlsx, xls, xlsb, ods), written by XlsxWriter."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

from kailash_studio.errors import NodeError
from kailash_studio.services.table_files import reading, written_whole
from kailash_studio.tables.records import column_of, unique
from kailash_studio.tables.table import Table

MOST_ROWS = 1_048_576  # of a sheet, with its header
_MOST_TEXT = 32_767  # characters of a cell
_EXACT = 10**15  # whole numbers that a cell shows with all their digits


def read_excel(path: Path, sheet: str = "", skip_rows: int = 0) -> Table:
    """A sheet as a table; its first line that is left names the columns.

    Raises:
        NodeError: The file cannot be read, or has no such sheet.
    """
    import python_calamine

    with reading(path):
        try:
            workbook = python_calamine.CalamineWorkbook.from_path(str(path))
        except (python_calamine.CalamineError, ValueError) as error:
            raise NodeError(f"{path} is no Excel workbook, or has a password: {str(error).rstrip('.')}.") from None
    with workbook:
        names = workbook.sheet_names
        if sheet and sheet not in names:
            raise NodeError(f"{path.name} has no sheet {sheet!r}: it has {', '.join(names) or 'none'}.")
        if not names:
            raise NodeError(f"{path.name} has no sheet.")
        lines = workbook.get_sheet_by_name(sheet or names[0]).to_python(skip_empty_area=False)[skip_rows:]
    return _table_of(lines)


def _table_of(lines: list[list[Any]]) -> Table:
    import pyarrow as pa

    if not lines:
        return Table(pa.table({}))
    width = max((i + 1 for line in lines for i, cell in enumerate(line) if cell != ""), default=0)
    heads = [str(_cell(head) or f"column_{i}") for i, head in enumerate(lines[0][:width], 1)]
    names = unique(heads)
    body = [line for line in lines[1:] if any(cell != "" for cell in line)]
    columns = [column_of(name, _column([line[i] for line in body]), mixed_as_text=True) for i, name in enumerate(names)]
    return Table(pa.table(columns, names=names))


def _column(cells: list[Any]) -> list[Any]:
    """Cells as values: empty ones null, whole numbers as such, which Excel itself does not know."""
    values = [_cell(cell) for cell in cells]
    kinds = {type(value) for value in values if value is not None}
    if kinds == {dt.date, dt.datetime}:
        return [dt.datetime(v.year, v.month, v.day) if type(v) is dt.date else v for v in values]
    if kinds <= {float, int} and any(type(value) is float for value in values):
        return [None if value is None else float(value) for value in values]
    return values


def _cell(cell: Any) -> Any:
    if cell == "":
        return None
    return int(cell) if type(cell) is float and cell.is_integer() and abs(cell) < 2**53 else cell


def write_excel(table: Table, path: Path, sheet: str = "Sheet1") -> None:
    """Write a table to a workbook with one sheet: a bold header that stays in sight, and a filter.

    Texts stay texts, also those that look like formulas. Excel's numbers have 15 digits: exact decimals become such
    numbers, and longer whole numbers text. What is no number (NaN) is an empty cell, infinity a text.

    Raises:
        NodeError: It cannot be written, or has more rows than a sheet.
    """
    import xlsxwriter

    if len(table) >= MOST_ROWS:
        raise NodeError(
            f"{len(table)} rows do not fit on a sheet, which holds {MOST_ROWS - 1}: filter them, or write Parquet."
        )
    names = table.column_names
    with written_whole(path) as temporary:
        options = {"constant_memory": True, "default_date_format": "yyyy-mm-dd"}
        try:
            with xlsxwriter.Workbook(str(temporary), options) as workbook:
                page = workbook.add_worksheet(sheet)
                bold = workbook.add_format({"bold": True})
                moment = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
                for column, name in enumerate(names):
                    page.set_column(column, column, min(max(len(name) + 3, 12), 60))
                    page.write_string(0, column, name, bold)
                for number, row in enumerate(table, 1):
                    for column, value in enumerate(row.values()):
                        _write(page, number, column, value, moment)
                page.freeze_panes(1, 0)
                if names:
                    page.autofilter(0, 0, len(table), len(names) - 1)
        except xlsxwriter.exceptions.XlsxWriterException as error:
            raise NodeError(f"{path} cannot be written: {error}.") from None


def _write(page: Any, row: int, column: int, value: Any, moment: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        page.write_boolean(row, column, value)
    elif isinstance(value, int | float | Decimal):
        if math.isnan(value):
            return  # Excel has no such number; an empty cell keeps the column one of numbers
        if math.isinf(value):
            page.write_string(row, column, str(value))
        elif not isinstance(value, float) and abs(int(value)) >= _EXACT and value == int(value):
            page.write_string(row, column, str(int(value)))
        else:
            page.write_number(row, column, float(value))
    elif isinstance(value, dt.datetime):
        page.write_datetime(row, column, value.replace(tzinfo=None), moment)
    elif isinstance(value, dt.date):
        page.write_datetime(row, column, dt.datetime(value.year, value.month, value.day))
    else:
        text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value)
        page.write_string(row, column, text[:_MOST_TEXT])
