"""Two values side by side: of tables the cells of the first rows that differ, of other values the parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from kailash_studio.runtime.pages import rows_of, text_of, type_name
from kailash_studio.tables.table import Table

MOST_CELLS = 200
_PIECE = 8_192  # rows that are compared at once
_MAX_DEPTH = 12

Difference = list[Any]
"""Where (``row 3``, ``items[2].price``), which column or empty, and both values as texts; None: null or absent."""


def value_changes(before: Any, after: Any, *, limit: int = MOST_CELLS) -> dict[str, Any]:
    """How two values differ.

    Args:
        before: What one run gave.
        after: What the other gave.
        limit: How many differences are told at most; the others are not looked for.

    Returns:
        ``same``; ``kinds``: a word for the type of each; ``rows``: how many each has, None for what is no table;
        ``columns``: those that only one has, as sentences; ``cells``: the first ``Difference``s; ``more``: whether
        there are further ones. Rows are compared by their place.
    """
    tables = rows_of(before), rows_of(after)
    told: dict[str, Any] = {
        "kinds": [type_name(before), type_name(after)],
        "rows": [None if rows is None else len(rows) for rows in tables],
        "columns": [],
    }
    if tables[0] is not None and tables[1] is not None:
        told["columns"] = _columns(tables[0], tables[1])
        found = _table_changes(tables[0], tables[1])
    else:
        found = _part_changes(before, after, "", 0)
    cells = list(islice(found, limit + 1))
    told["cells"], told["more"] = cells[:limit], len(cells) > limit
    told["same"] = not cells and not told["columns"]
    return told


def _names(rows: Sequence[Any]) -> list[str]:
    if isinstance(rows, Table):
        return rows.column_names
    names: dict[str, None] = {}
    for row in rows[:1000]:
        if isinstance(row, Mapping):
            names.update(dict.fromkeys(map(str, row)))
    return list(names)


def _columns(before: Sequence[Any], after: Sequence[Any]) -> list[str]:
    old, new = _names(before), _names(after)
    said = [f"column {name} is gone" for name in old if name not in new]
    said += [f"column {name} is new" for name in new if name not in old]
    if not said and old != new:
        said.append(f"the columns have another order: {', '.join(new)}")
    return said


def _table_changes(before: Sequence[Any], after: Sequence[Any]) -> Iterator[Difference]:
    shared = min(len(before), len(after))
    for first in range(0, shared, _PIECE):
        pieces = [rows[first : min(first + _PIECE, shared)] for rows in (before, after)]
        if _all_equal(pieces[0], pieces[1]):
            continue
        for offset, (old, new) in enumerate(zip(*pieces, strict=True)):
            if old != new:
                yield from _row_changes(first + offset, old, new)
    for number in range(shared, max(len(before), len(after))):
        if number < len(before):
            yield [f"row {number + 1}", "", text_of(before[number]), None]
        else:
            yield [f"row {number + 1}", "", None, text_of(after[number])]


def _all_equal(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Whether two pieces are equal, looked at as a whole; False where that is not known."""
    if isinstance(before, Table) and isinstance(after, Table):
        return bool(before.arrow.equals(after.arrow))
    return not isinstance(before, Table) and not isinstance(after, Table) and before == after


def _row_changes(number: int, old: Any, new: Any) -> Iterator[Difference]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield [f"row {number + 1}", "", text_of(old), text_of(new)]
        return
    for name in {**old, **new}:
        if not _same(old.get(name), new.get(name)):
            yield [f"row {number + 1}", str(name), text_of(old.get(name)), text_of(new.get(name))]


def _part_changes(old: Any, new: Any, path: str, depth: int) -> Iterator[Difference]:
    """The parts of two values that differ, the outer ones first; lists are compared by place."""
    if _same(old, new):
        return
    if depth < _MAX_DEPTH and isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in {**old, **new}:
            inner = f"{path}.{name}" if path else str(name)
            if name in old and name in new:
                yield from _part_changes(old[name], new[name], inner, depth + 1)
            else:
                yield [inner, "", text_of(old.get(name)), text_of(new.get(name))]
    elif depth < _MAX_DEPTH and _is_list(old) and _is_list(new):
        for place in range(max(len(old), len(new))):
            sides = [list(side[place : place + 1]) for side in (old, new)]
            if sides[0] and sides[1]:
                yield from _part_changes(sides[0][0], sides[1][0], f"{path}[{place}]", depth + 1)
            else:
                yield [f"{path}[{place}]", "", *(text_of(side[0]) if side else None for side in sides)]
    else:
        yield [path or "value", "", text_of(old), text_of(new)]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | Table)


def _same(old: Any, new: Any) -> bool:
    """Equality, with which a number that is none (NaN) equals another."""
    if isinstance(old, bool) != isinstance(new, bool):
        return False
    return bool(old == new) or (old != old and new != new)  # noqa: PLR0124 - that is what NaN is
