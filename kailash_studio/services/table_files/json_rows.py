"""JSON: one document with a list of records somewhere inside, or a record on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from kailash_studio.errors import NodeError
from kailash_studio.services.table_files import reading
from kailash_studio.tables.records import arrow_of_records
from kailash_studio.tables.store import TableWriter, kept
from kailash_studio.tables.table import Table

_LINES_AT_ONCE = 20_000
LINES = (".jsonl", ".ndjson")


def read_json(path: Path, inside: str = "", *, mixed_as_text: bool = False) -> Table:
    """The records of a JSON file as a table.

    Args:
        path: The file; ``.jsonl`` and ``.ndjson`` hold a record on each line.
        inside: Where in the document the list is: ``result.items``.
        mixed_as_text: Columns with values of several types become text.

    Raises:
        NodeError: It cannot be read, is not JSON, or has no list of records there.
        TableError: A column holds values of several types.
    """
    with reading(path):
        try:
            with path.open(encoding="utf-8-sig") as stream:
                if path.suffix.lower() in LINES:
                    return _lines(stream, path, mixed_as_text)
                document = json.load(stream)
        except UnicodeDecodeError:
            raise NodeError(f"{path} is not UTF-8 text, which JSON is.") from None
        except json.JSONDecodeError as error:
            raise NodeError(f"{path} is not JSON at line {error.lineno}, column {error.colno}: {error.msg}.") from None
        except RecursionError:
            raise NodeError(f"{path} is nested too deeply.") from None
    records = _found(document, inside, path)
    return kept(arrow_of_records(records, mixed_as_text=mixed_as_text))


def _found(document: Any, inside: str, path: Path) -> list[Any]:
    value, way = document, ""
    for key in filter(None, inside.split(".")):
        way = f"{way}.{key}".lstrip(".")
        if not isinstance(value, Mapping) or key not in value:
            has = ", ".join(list(value)[:8]) if isinstance(value, Mapping) else f"a {type(value).__name__}"
            raise NodeError(f"{path} has no {way!r}; there is {has or 'nothing'}.")
        value = value[key]
    if isinstance(value, list):
        return value
    lists = [key for key, item in value.items() if isinstance(item, list)] if isinstance(value, Mapping) else []
    if lists:
        raise NodeError(f"{path} holds a record, no list: say where inside the list is, such as {lists[0]}.")
    return [value] if isinstance(value, Mapping) else _no_list(path)


def _no_list(path: Path) -> list[Any]:
    raise NodeError(f"{path} holds no list of records.")


def _lines(stream: TextIO, path: Path, mixed_as_text: bool) -> Table:
    with TableWriter() as writer:
        for records in _pieces(stream, path):
            for batch in arrow_of_records(records, mixed_as_text=mixed_as_text).to_batches():
                writer.write(batch)
        return writer.finish()


def _pieces(stream: TextIO, path: Path) -> Iterator[list[Any]]:
    number = 0
    while lines := list(islice(stream, _LINES_AT_ONCE)):
        records = []
        for offset, line in enumerate(lines, number + 1):
            if line.strip():
                try:
                    records.append(json.loads(line))
                except json.JSONDecodeError as error:
                    raise NodeError(f"{path} is not JSON at line {offset}: {error.msg}.") from None
        yield records
        number += len(lines)
