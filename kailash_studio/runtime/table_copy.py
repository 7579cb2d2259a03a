"""The cells of a table as text for a clipboard: whole values, with tabs and lines between, as spreadsheets read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kailash_studio.runtime.pages import whole_text
from kailash_studio.tables.records import records_of
from kailash_studio.tables.table import Table

MAX_CELL = 1_000_000
LETTERS = 500_000
"""Where a piece ends: the window reads one in a few milliseconds."""
_ROWS = 250


def copied(rows: Sequence[Any], order: Any, offset: int, limit: int, columns: Sequence[str]) -> dict[str, Any]:
    """Some rows as lines.

    Args:
        rows: A table or a list of records.
        order: Which rows are counted, as for a page; None: all as they are.
        offset: Rows to leave out.
        limit: Rows to give at most; long ones are fewer, and the rest is to be asked for.
        columns: The cells of a line, in this order.

    Returns:
        ``text``, ``rows``: how many lines they are, and ``cut``: how many cells were longer than ``MAX_CELL``.
    """
    total = len(rows) if order is None else len(order)
    end = min(total, offset + max(limit, 0))
    lines: list[str] = []
    letters = cut = 0
    for first in range(max(offset, 0), end, _ROWS):
        for row in _records(rows, order, first, min(end, first + _ROWS), columns):
            texts = [whole_text(row.get(name)) for name in columns]
            cut += sum(len(text) > MAX_CELL for text in texts)
            line = "\t".join([quoted(text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…") for text in texts])
            lines.append(line)
            letters += len(line) + 1
            if letters >= LETTERS:
                return {"text": "\n".join(lines), "rows": len(lines), "cut": cut}
    return {"text": "\n".join(lines), "rows": len(lines), "cut": cut}


def _records(rows: Sequence[Any], order: Any, first: int, end: int, columns: Sequence[str]) -> list[dict[str, Any]]:
    if isinstance(rows, Table):
        arrow = rows.arrow.select(list(columns))
        return records_of(arrow.slice(first, end - first) if order is None else arrow.take(order[first:end]))
    numbers = range(first, end) if order is None else order[first:end].to_pylist()
    return [_by_name(rows[number]) for number in numbers]


def _by_name(row: Any) -> dict[str, Any]:
    return {str(name): cell for name, cell in row.items()} if isinstance(row, Mapping) else {}


def quoted(text: str) -> str:
    """A cell as a spreadsheet takes it back whole: in quotes where it holds what parts cells or lines."""
    if any(sign in text for sign in '\t\n\r"'):
        return '"' + text.replace('"', '""') + '"'
    return text
