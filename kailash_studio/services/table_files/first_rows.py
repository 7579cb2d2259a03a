"""The first rows of a file, for a preview that is made after each key that somebody presses: little is read."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from kailash_studio.errors import NodeError
from kailash_studio.services.table_files import reading
from kailash_studio.services.table_files.excel import read_excel
from kailash_studio.services.table_files.json_rows import LINES, read_json
from kailash_studio.services.table_files.parquet import opened
from kailash_studio.tables.records import arrow_of_records
from kailash_studio.tables.table import Table
from kailash_studio.tables.types import plain

MOST_BYTES = 16 * 2**20
"""Files that can only be read as a whole are previewed up to this size."""
MOST_TEXT = 4 * 2**20


def checked(path: Path, *, whole: bool = False) -> Path:
    """A path to read a preview from.

    Raises:
        NodeError: It is no file (a device would never end), or too large where it has to be read as a whole.
    """
    if not path.is_file():
        raise NodeError(f"There is no file {path} to preview.")
    with reading(path):
        size = path.stat().st_size
    if whole and size > MOST_BYTES:
        raise NodeError(
            f"{path.name} has {size / 2**20:,.0f} MiB and can only be read as a whole, so it has no preview: run it."
        )
    return path


def first_text(path: Path, encoding: str) -> tuple[str, bool]:
    """The lines at the beginning of a text, and whether they are all of it.

    Raises:
        NodeError: It cannot be read, is not in that encoding, or there is no such encoding.
    """
    with reading(checked(path)), path.open("rb") as stream:
        data = stream.read(MOST_TEXT + 1)
    whole = len(data) <= MOST_TEXT
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data[:MOST_TEXT], final=whole)
    except LookupError:
        raise NodeError(f"There is no encoding {encoding!r}: utf-8-sig or cp1252 may be meant.") from None
    except UnicodeDecodeError:
        raise NodeError(f"{path} is not {encoding} text: choose another encoding, perhaps cp1252.") from None
    return (text if whole else text[: text.rfind("\n") + 1]), whole


def first_of_parquet(path: Path, columns: Sequence[str], most: int) -> Table:
    """The first rows of a Parquet file.

    Raises:
        NodeError: It cannot be read, or is not Parquet.
        TableError: It does not have a column.
    """
    import pyarrow as pa

    with opened(checked(path), columns) as (file, chosen, schema):
        batches = islice(file.iter_batches(batch_size=most, columns=chosen), 1)
        return Table(plain(pa.Table.from_batches([batch.select(chosen) for batch in batches], schema)))


def first_of_json(path: Path, inside: str, most: int, *, mixed_as_text: bool) -> Table:
    """The first records of a JSON file; only of one with a record on each line can a part be read.

    Raises:
        NodeError: It cannot be read, is not JSON, has no list there, or is too large.
        TableError: A column holds values of several types.
    """
    if path.suffix.lower() not in LINES:
        return read_json(checked(path, whole=True), inside, mixed_as_text=mixed_as_text)[:most]
    records: list[Any] = []
    for number, line in enumerate(first_text(path, "utf-8-sig")[0].split("\n"), 1):
        if line.strip() and len(records) < most:
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise NodeError(f"{path} is not JSON at line {number}: {error.msg}.") from None
    return Table(arrow_of_records(records, mixed_as_text=mixed_as_text))


def first_of_excel(path: Path, sheet: str, skip_rows: int, most: int) -> Table:
    """The first rows of a sheet.

    Raises:
        NodeError: The file cannot be read, has no such sheet, or is too large.
    """
    return read_excel(checked(path, whole=True), sheet, skip_rows)[:most]
