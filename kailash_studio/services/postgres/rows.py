"""The driver's records as rows of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kailash_studio.services.postgres.connection import Fetched


def unique(names: Sequence[str]) -> list[str]:
    """Column names with repeated ones numbered: id, id_2."""
    used: dict[str, int] = {}
    taken = set(names)
    found = []
    for name in names:
        used[name] = used.get(name, 0) + 1
        fresh = name
        while used[name] > 1 and fresh in taken:
            fresh = f"{name}_{used[name]}"
            if fresh in taken:
                used[name] += 1
        taken.add(fresh)
        found.append(fresh)
    return found


def as_rows(found: Fetched, *, keep: bool = True) -> dict[str, Any]:
    """Rows as records under ``data``, their number under ``row_count``, names under ``columns``.

    Args:
        found: What a statement gave.
        keep: Else the rows are left out and only counted.
    """
    columns = unique(found.columns)
    rows = [dict(zip(columns, record, strict=True)) for record in found.records] if keep else []
    return {"data": rows, "row_count": found.row_count, "columns": columns}
