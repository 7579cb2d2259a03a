"""CSVReaderNode."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from kailash_studio.errors import NodeError
from kailash_studio.nodes.named_files import file_of
from kailash_studio.services.table_files.first_rows import first_text
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Output, Table

_INTEGER = re.compile(r"[+-]?(0|[1-9]\d{0,17})\Z")
_NUMBER = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?\Z")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_EXACT = 15  # digits of a whole number that a float keeps for certain (IEEE 754, double)


class CSVReaderNode(Node):
    """Read rows from a CSV file.

    The first line names the columns. With types detected, a column whose cells are all whole numbers, numbers or ISO
    dates (``2024-05-31``) becomes such a column and its empty cells become null; numbers with leading zeros, or with
    more digits than a number keeps, stay text, as account numbers should. Otherwise every cell is text.

    Relative paths start at the workflow file's folder.

    Errors: a file that is not there, a cell too many in a line, text that is not in the given encoding; the sentence
    names the line.
    """

    category = "Data"
    icon = "file-spreadsheet"
    effect = "reads"
    keywords = ("file", "import", "text", "load")
    execution = "thread"

    path: str = Parameter(doc="File to read.", editor="file", placeholder="positions.csv", port=True)
    delimiter: Literal[",", ";", "\t", "|"] = Parameter(",", doc="Character between cells.")
    encoding: str = Parameter("utf-8-sig", doc="Encoding of the text; utf-8-sig also reads files that Excel wrote.")
    skip_rows: int = Parameter(0, ge=0, unit="lines", doc="Lines to leave out at the top.")
    detect_types: bool = Parameter(True, doc="Make numbers and dates of columns that hold nothing else.")

    data = Output(Table, doc="One record for each line.")

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Reads a file."""
        return [f"reads {file_of(parameters.get('path'))}"]

    def run(self, context: RunContext) -> Outputs:
        """The rows of the file."""
        path = context.path(self.path)
        try:
            with path.open(newline="", encoding=self.encoding) as stream:
                lines = itertools.islice(stream, self.skip_rows, None)
                rows = list(self._records(csv.reader(lines, delimiter=self.delimiter, strict=True)))
        except OSError as error:
            raise NodeError(f"{path} cannot be read: {error.strerror or error}.") from None
        except UnicodeDecodeError as error:
            line = _line_of(path, error)
            raise NodeError(
                f"{path} is not {self.encoding} text at line {line}: choose another encoding, perhaps cp1252."
            ) from None
        except LookupError:
            raise NodeError(f"There is no encoding {self.encoding!r}: utf-8-sig or cp1252 may be meant.") from None
        if self.detect_types and rows:
            _detect(rows)
        return {"data": rows}

    def first_rows(self, context: RunContext, most: int) -> Outputs:
        """The first rows of the file."""
        text, whole = first_text(context.path(self.path), self.encoding)
        lines = itertools.islice(io.StringIO(text, newline=""), self.skip_rows, None)
        rows: list[dict[str, Any]] = []
        try:
            for row in itertools.islice(self._records(csv.reader(lines, delimiter=self.delimiter, strict=True)), most):
                rows.append(row)  # noqa: PERF402 - those before an error are kept
        except NodeError:
            if whole or not rows:
                raise  # else the last line is the one in which the beginning ends
        if self.detect_types and rows:
            _detect(rows)
        return {"data": rows}

    def _records(self, reader: Any) -> Iterator[dict[str, Any]]:
        try:
            yield from self._read(reader)
        except csv.Error as error:
            line = reader.line_num + self.skip_rows
            raise NodeError(f"{self.path} is not CSV at line {line}: {error}.") from None

    def _read(self, reader: Any) -> Iterator[dict[str, Any]]:
        header = next(reader, None)
        if header is None:
            return
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise NodeError(f"Two columns of {self.path} are named {twice!r}: rename one.")
        width = len(header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) > width:
                line = reader.line_num + self.skip_rows
                raise NodeError(f"Line {line} of {self.path} has {len(cells)} cells, the header {width}.")
            cells.extend([""] * (width - len(cells)))
            yield dict(zip(header, cells, strict=True))


def _line_of(path: Path, error: UnicodeDecodeError) -> int:
    """The line of a decoding error, which itself counts from the start of the piece that was read last."""
    data = path.read_bytes()
    try:
        data.decode(error.encoding)
    except UnicodeDecodeError as again:
        return data.count(b"\n", 0, again.start) + 1
    return 1  # somebody wrote the file anew in the meantime


def _detect(rows: list[dict[str, Any]]) -> None:
    for name in rows[0]:
        filled = [row[name] for row in rows if row[name] != ""]
        for pattern, convert in ((_INTEGER, int), (_NUMBER, _float), (_DATE, dt.date.fromisoformat)):
            if filled and all(pattern.match(cell) for cell in filled):
                try:
                    values = [convert(row[name]) if row[name] != "" else None for row in rows]
                except ValueError:  # 2024-02-31 looks like a date and is none, 007 like a number
                    break
                for row, value in zip(rows, values, strict=True):
                    row[name] = value
                break


def _float(cell: str) -> float:
    """A number of a cell.

    Raises:
        ValueError: It would not be written the same again: leading zeros, too many digits, too large.
    """
    digits = cell.lstrip("+-")
    whole = digits.isdigit()
    if (digits[0] == "0" and digits[1:2].isdigit()) or (whole and len(digits) > _EXACT):
        raise ValueError(cell)
    value = float(cell)
    if math.isinf(value):
        raise ValueError(cell)
    return value
