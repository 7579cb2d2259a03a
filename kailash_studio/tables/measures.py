"""Measures of groups as people write them, ``total = sum(price)``, and their computation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import TableError
from kailash_studio.tables.columns import check_columns

FUNCTIONS = {
    "sum": "sum",
    "mean": "mean",
    "average": "mean",
    "min": "min",
    "max": "max",
    "count": "count",
    "count_distinct": "count_distinct",
    "first": "first",
    "last": "last",
    "approximate_median": "approximate_median",
    "stddev": "stddev",
    "variance": "variance",
    "any": "any",
    "all": "all",
    "list": "list",
}
_WRITTEN = re.compile(r"(?:(?P<name>[^=]+?)\s*=\s*)?(?P<function>\w+)\s*\(\s*(?P<column>.*?)\s*\)\s*\Z", re.DOTALL)
_NUMERIC = {"sum", "mean", "approximate_median", "stddev", "variance"}


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure.

    Attributes:
        name: Of the new column.
        function: Arrow's name of what is computed.
        column: What of; empty: of rows (``count()``).
    """

    name: str
    function: str
    column: str


def parse(text: str) -> Measure:
    """Read ``name = function(column)``; without a name it is ``column_function``.

    Raises:
        TableError: It is not of that form.
    """
    found = _WRITTEN.match(text.strip())
    if found is None:
        raise TableError(f"{text!r} is no measure: write it as total = sum(price).")
    function, column = found["function"].lower(), found["column"].strip("`")
    if function not in FUNCTIONS:
        raise TableError(f"There is no measure {function}: there are {', '.join(FUNCTIONS)}.")
    if not column and function != "count":
        raise TableError(f"{text!r} names no column: write {function}(price).")
    name = found["name"] or (f"{column}_{function}" if column else function)
    return Measure(name.strip().strip("`"), FUNCTIONS[function], column)


def aggregated(arrow: Any, keys: Sequence[str], measures: Sequence[Measure]) -> Any:
    """A ``pyarrow.Table`` with a row for each group, in the order in which the groups come up.

    Raises:
        TableError: A column is not there, two have the same name, or one holds no numbers.
    """
    import pyarrow as pa

    check_columns(arrow, [*keys, *(measure.column for measure in measures if measure.column)])
    names = [*keys, *(measure.name for measure in measures)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"Two columns would be named {twice!r}: write new_name = function(column).")
    source = [(f"key_{i}", arrow.column(key)) for i, key in enumerate(keys)]
    wanted: list[tuple[Any, str]] = []
    results: list[str] = []
    exact: set[str] = set()
    for i, measure in enumerate(measures):
        if not measure.column:
            wanted.append(([], "count_all"))
            results.append("count_all")
            continue
        cells = _cells(arrow.column(measure.column), measure)
        if measure.function == "sum" and _may_overflow(cells):
            exact.add(f"cells_{i}_sum")
            cells = cells.cast(pa.decimal128(38, 0))
        source.append((f"cells_{i}", cells))
        wanted.append((f"cells_{i}", measure.function))
        results.append(f"cells_{i}_{measure.function}")
    if not source:
        source = [("row", pa.nulls(arrow.num_rows))]  # a table without columns would have no rows to count
    table = pa.table([column for _, column in source], names=[name for name, _ in source])
    # on one thread groups come in the order of their first row, and first and last mean something
    made = table.group_by([f"key_{i}" for i in range(len(keys))], use_threads=False).aggregate(wanted)
    columns = [made.column(f"key_{i}") for i in range(len(keys))]
    columns += [_whole(made.column(name), names) if name in exact else made.column(name) for name in results]
    return pa.table(columns, names=names)


def _may_overflow(cells: Any) -> bool:
    """Whether a sum of whole numbers could pass 64 bits, where Arrow would go on from the other end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_integer(cells.type) or not len(cells):
        return False
    ends = pc.min_max(cells)
    largest = max(abs(ends["min"].as_py() or 0), abs(ends["max"].as_py() or 0))
    return bool(largest * len(cells) >= 2**63)


def _whole(sums: Any, names: Sequence[str]) -> Any:
    import pyarrow as pa

    try:
        return sums.cast(pa.int64())
    except pa.ArrowInvalid:
        raise TableError(
            f"A sum for {', '.join(names)} is larger than a whole number can be: cast the column to number before."
        ) from None


def _cells(column: Any, measure: Measure) -> Any:
    import pyarrow as pa

    types = pa.types
    kind = column.type
    if measure.function in _NUMERIC and not (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    ):
        raise TableError(
            f"Column {measure.column!r} holds no numbers, so it has no {measure.function}: cast it before."
        )
    if types.is_null(kind):
        return column.cast(pa.float64())
    if types.is_decimal(kind) and measure.function in _NUMERIC - {"sum"}:
        return column.cast(pa.float64())  # Arrow's mean of decimals would keep no more digits than they have
    return column
