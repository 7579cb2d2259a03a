"""Views of values for people: a page of a table as texts, or a value as a tree; large values stay where they are."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from kailash_studio.tables.records import type_word
from kailash_studio.tables.table import Table

MAX_LIMIT = 1_000
MAX_CELLS = 40_000
"""Cells of a page: of a wide table it has fewer rows, so that the window is not held up by reading it."""
LEAST_ROWS = 20
MAX_TEXT = 2_000
MAX_CHILDREN = 500
MAX_TREE_DEPTH = 12


def rows_of(value: Any) -> Sequence[Any] | None:
    """The rows of a value that is a table: a list of records, or a record that has one under ``data``."""
    if isinstance(value, Mapping) and isinstance(value.get("data"), list | Table) and "row_count" in value:
        value = value["data"]
    if isinstance(value, Table):
        return value
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value[:100]):
        return value
    return None


def page_of(value: Any, offset: int, limit: int, order: Any = None) -> dict[str, Any]:
    """A page of a table, or the tree of any other value.

    Args:
        value: What flowed.
        offset: Rows to leave out at the top.
        limit: Rows to give at most.
        order: Which rows are counted, in which order, as an Arrow array of row numbers; None: all as they are.

    Returns:
        For a table ``kind`` "table", ``columns``, ``types``, ``rows`` (texts, None for null), ``offset``, ``total``
        (rows in the order) and ``all`` (rows of the table); else ``kind`` "value" and ``tree``. Of a wide table fewer
        rows are given than were asked for, as many in each page: ``limit`` says how many.
    """
    rows = rows_of(value)
    if rows is None:
        return {"kind": "value", "tree": tree_of(value), "total": 1}
    names = columns_of(rows)
    most = max(LEAST_ROWS, MAX_CELLS // max(1, len(names)))
    fewer: dict[str, Any] = {"limit": most} if most < limit else {}
    limit = min(limit, MAX_LIMIT, most)
    if isinstance(rows, Table):
        return _page_of_table(rows, max(offset, 0), limit, order) | fewer
    start, end = max(offset, 0), max(offset, 0) + limit
    chosen = rows[start:end] if order is None else [rows[number] for number in order[start:end].to_pylist()]
    return {
        "kind": "table",
        "columns": names,
        "types": [_type_of_column(rows, name) for name in names],
        "rows": [[text_of(row.get(name)) if isinstance(row, Mapping) else None for name in names] for row in chosen],
        "offset": max(offset, 0),
        "total": len(rows) if order is None else len(order),
        "all": len(rows),
    } | fewer


def columns_of(rows: Sequence[Any]) -> list[str]:
    """The columns of a table, or those that come up in the first records of a list."""
    if isinstance(rows, Table):
        return rows.column_names
    columns: dict[str, None] = {}
    for row in rows[:1000]:
        if isinstance(row, Mapping):
            columns.update(dict.fromkeys(map(str, row)))
    return list(columns)


def _page_of_table(table: Table, offset: int, limit: int, order: Any) -> dict[str, Any]:
    """A page by the table's own columns; no other row is looked at."""
    end = offset + max(limit, 0)
    chosen = table[offset:end] if order is None else Table(table.arrow.take(order[offset:end]))
    return {
        "kind": "table",
        "columns": table.column_names,
        "types": [type_word(field.type) for field in table.arrow.schema],
        "rows": [[text_of(cell) for cell in row.values()] for row in chosen],
        "offset": offset,
        "total": len(table) if order is None else len(order),
        "all": len(table),
    }


def _type_of_column(rows: Sequence[Any], name: str) -> str:
    for row in rows[:1000]:
        value = row.get(name) if isinstance(row, Mapping) else None
        if value is not None:
            return type_name(value)
    return "null"


def type_name(value: Any) -> str:
    """A word for a value's type, in people's terms."""
    for kind, word in (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (Decimal, "decimal"),
        (str, "text"),
        (dt.datetime, "time"),
        (dt.date, "date"),
        (dt.timedelta, "duration"),
        (Mapping, "record"),
        (Table, "table"),
        (list | tuple | set | frozenset, "list"),
        (bytes | bytearray, "bytes"),
    ):
        if isinstance(value, kind):
            return word
    return "null" if value is None else type(value).__name__


def text_of(value: Any) -> str | None:
    """A cell's text; None for null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray):
        text = bytes(value[:64]).hex(" ")
    elif isinstance(value, Mapping | list | tuple | set | frozenset | Table):
        text = f"{len(value)} items" if len(value) > 50 else repr(value)
    else:
        text = str(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def whole_text(value: Any) -> str:
    """A value as a text with nothing left out: nested ones as JSON, bytes as hexadecimal digits, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex(" ")
    if isinstance(value, Mapping | list | tuple | set | frozenset | Table):
        try:
            return json.dumps(value, ensure_ascii=False, default=_json_of)
        except (TypeError, ValueError, RecursionError):
            return repr(value)  # keys that JSON does not have, or a value that holds itself
    return str(value)


def _json_of(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, set | frozenset | Table) else whole_text(value)


def tree_of(value: Any, depth: int = 0) -> dict[str, Any]:
    """A value as ``{"type", "text", "children": [[label, tree], ...], "count"}``, cut at sizes a person can read."""
    node: dict[str, Any] = {"type": type_name(value), "text": None, "children": [], "count": 0}
    if isinstance(value, Mapping | list | tuple | set | frozenset | Table):
        node["count"] = len(value)
        node["text"] = f"{len(value)} {'fields' if isinstance(value, Mapping) else 'items'}"
        if depth < MAX_TREE_DEPTH:
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            for index, (label, item) in enumerate(items):
                if index >= MAX_CHILDREN:
                    break
                node["children"].append([str(label), tree_of(item, depth + 1)])
    else:
        node["text"] = text_of(value)
    return node
