"""FileWriterNode."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from kailash_studio.errors import NodeError
from kailash_studio.folders import write_whole
from kailash_studio.nodes.file_writing import FileWriting
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Anything, DataType, Input, Output
from kailash_studio.spec.values import to_plain
from kailash_studio.tables.table import Table


class FileWriterNode(FileWriting, Node):
    """Write a value to a file, as CSV or JSON.

    CSV takes rows: a list of records, or a record with its rows under ``data``, as an SQL node's ``result`` has. The
    columns are those of the first row, then those that later rows add. JSON takes anything; dates become ISO text.

    The file appears whole or not at all: it is written beside its place and moved there, so a reader never sees half a
    file, and a failed run leaves the old one. Relative paths start at the workflow file's folder.

    Errors: a folder that is not there or cannot be written, a value without rows for CSV, an existing file when it must
    not be replaced.
    """

    category = "Data"
    icon = "file-output"
    keywords = ("save", "export", "csv", "json", "output")

    path: str = Parameter(doc="File to write.", editor="save_file", placeholder="metrics.json", port=True)
    file_format: Literal["by ending", "csv", "json"] = Parameter(
        "by ending", doc="Format; by ending takes it from the file's name."
    )
    if_exists: Literal["replace", "fail"] = Parameter("replace", doc="What happens to a file that is there already.")
    delimiter: Literal[",", ";", "\t", "|"] = Parameter(",", doc="Character between cells (CSV).")

    data = Input(Anything, "What to write.")
    file = Output(DataType.FILE, "The path of the written file.")
    rows = Output(DataType.NUMBER, "How many rows were written; 1 for a single value.")

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """A name whose ending says no format."""
        path, chosen = parameters.get("path"), parameters.get("file_format", "by ending")
        if isinstance(path, str) and chosen == "by ending" and not path.lower().endswith((".csv", ".json")):
            return [("path", "path ends neither in .csv nor in .json: choose the format.")]
        return []

    def run(self, context: RunContext) -> Outputs:
        """Write, and say where."""
        path, value = self.file_to_write(context), context.inputs["data"]
        kind = path.suffix.lower().lstrip(".") if self.file_format == "by ending" else self.file_format
        if kind == "csv":
            rows = _rows_of(value)
            text, count = self._csv(rows), len(rows)
        elif kind == "json":
            text = json.dumps(to_plain(value), indent=2, ensure_ascii=False) + "\n"
            count = len(value) if isinstance(value, list | tuple | Table) else 1
        else:
            raise NodeError(f"{path.name} ends neither in .csv nor in .json: choose the format.")
        _write(path, text)
        return {"file": str(path), "rows": count}

    def first_rows(self, context: RunContext, most: int) -> Outputs:
        """The first rows that would be written, or the value."""
        value = context.inputs["data"]
        ending = Path(self.path).suffix.lower().lstrip(".")
        kind = ending if self.file_format == "by ending" else self.file_format
        rows = _rows_of(value) if kind == "csv" else value
        return {"data": rows[:most] if isinstance(rows, list | Table) else rows}

    def _csv(self, rows: Sequence[Mapping[str, Any]]) -> str:
        columns: dict[str, None] = {}
        for row in rows:
            columns.update(dict.fromkeys(row))
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, list(columns), delimiter=self.delimiter, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(cell) for key, cell in row.items()})
        return stream.getvalue()


def _rows_of(value: Any) -> Sequence[Mapping[str, Any]]:
    if isinstance(value, Mapping) and isinstance(value.get("data"), list | tuple | Table):
        value = value["data"]
    elif isinstance(value, Mapping):
        value = [value]
    if isinstance(value, Table):
        return value.to_list()
    if not isinstance(value, list | tuple) or not all(isinstance(row, Mapping) for row in value):
        raise NodeError("CSV takes rows, a list of records: connect a table, or write JSON.")
    return list(value)


def _cell(value: Any) -> Any:
    plain = to_plain(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict) else plain


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text.encode("utf-8"))
    except OSError as error:
        raise NodeError(f"{path} cannot be written: {error.strerror or error}.") from None
