"""Single cells are changed by hand; the rest of a value keeps its types."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kailash_studio.errors import EngineError
from kailash_studio.runtime.cells import with_cells
from kailash_studio.tables.table import Table

ROWS = [
    {"n": 1, "d": dt.date(2026, 7, 1), "price": Decimal("9.90"), "name": "a", "at": None},
    {"n": 2, "d": dt.date(2026, 7, 2), "price": Decimal("1.10"), "name": "b", "at": dt.datetime(2026, 7, 2, 8)},
]


@pytest.mark.parametrize("make", [lambda: [dict(row) for row in ROWS], lambda: Table.of(ROWS)])
def test_one_cell_changes_and_all_others_keep_their_types(make: Any) -> None:
    value = make()
    changed = with_cells(value, [[1, "n", "40"], [0, "at", "2026-07-09 12:30"], [1, "name", ""]], "a.rows")
    assert list(value) == ROWS, "others that have the value see no change"
    assert type(changed) is type(value)
    assert list(changed) == [
        {**ROWS[0], "at": dt.datetime(2026, 7, 9, 12, 30)},
        {**ROWS[1], "n": 40, "name": ""},
    ]
    assert type(changed[0]["price"]) is Decimal
    assert with_cells(value, [[0, "price", "12.345"]], "a.rows")[0]["price"] == Decimal("12.345")
    assert with_cells(value, [[0, "d", ""]], "a.rows")[0]["d"] is None


@pytest.mark.parametrize(
    ("old", "given", "made"),
    [
        (True, "false", False),
        (1, "12", 12),
        (1, 12.0, 12),
        (28, "28.5", 28.5),
        (28, "1e3", 1000),
        (1.5, "2", 2.0),
        (Decimal("1.0"), "0.10", Decimal("0.10")),
        ("x", "", ""),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "2026-01-02 00:00", dt.datetime(2026, 1, 2, tzinfo=dt.UTC)),
        (dt.date(2026, 1, 1), "2026-02-01", dt.date(2026, 2, 1)),
        (dt.time(1), "12:30", dt.time(12, 30)),
        (dt.timedelta(1), "1 day, 2:03:04", dt.timedelta(1, 4, 0, 0, 3, 2)),
        (dt.timedelta(1), 5, dt.timedelta(seconds=5)),
        (uuid.UUID(int=1), str(uuid.UUID(int=2)), uuid.UUID(int=2)),
        (Path("a"), "b/c", Path("b/c")),
        (b"a", "62 63", b"bc"),
        ([1], "[2, 3]", [2, 3]),
        ((1,), [2], (2,)),
        ({"a": 1}, '{"b": 2}', {"b": 2}),
        (5, "", None),
        (5, None, None),
        (None, "x", "x"),
    ],
)
def test_what_is_given_becomes_what_stood_there(old: Any, given: Any, made: Any) -> None:
    changed = with_cells({"x": old}, [[["x"], given]], "a.out")["x"]
    assert (changed, type(changed)) == (made, type(made))


def test_a_path_leads_into_any_other_value() -> None:
    value = {"data": [{"n": 1}], "row_count": 1, "deep": [{"k": (1, Decimal(2))}]}
    assert with_cells(value, [[0, "n", "5"]], "a.out")["data"] == [{"n": 5}]
    assert with_cells(value, [[["deep", 0, "k", 1], "2.50"]], "a.out")["deep"] == [{"k": (1, Decimal("2.50"))}]
    assert with_cells(7, [[[], "8"]], "a.out") == 8
    assert with_cells({"t": Table.of([{"n": 1}])}, [[["t", 0, "n"], 9]], "a.out")["t"] == [{"n": 9}]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([[0, "n", "abc"]], 'a.rows, row 1, n: "abc" is no (whole )?number, which stood there'),
        ([[0, "n", "inf"]], '"inf" is no (whole )?number'),
        ([[0, "d", "soon"]], r'"soon" is no date \(2026-07-01\)'),
        ([[0, "name", 5]], "5 is no text"),
        ([[7, "n", 1]], "there is no row 7: it has 2, counted from 0"),
        ([[0, "m", 1]], "m"),
        ([[0]], r"a cell is \[row, column, value\] or \[path, value\], not \[0\]"),
        ("n", r"cells are a list"),
    ],
)
@pytest.mark.parametrize("make", [lambda: ROWS, lambda: Table.of(ROWS)])
def test_what_cannot_be_is_said(make: Any, cells: Any, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        with_cells(make(), cells, "a.rows")


def test_a_whole_number_becomes_a_fraction_but_in_a_column_that_has_a_type() -> None:
    mixed = [{"price": 28}, {"price": 12.5}]
    changed = with_cells(mixed, [[0, "price", "28.5"]], "a.rows")
    assert changed == [{"price": 28.5}, {"price": 12.5}]
    with pytest.raises(EngineError, match=r'price: "28\.5" is no whole number, which stood there'):
        with_cells(Table.of([{"price": 28}]), [[0, "price", "28.5"]], "a.rows")
    numpy = pytest.importorskip("numpy")
    with pytest.raises(EngineError, match="no whole number"):
        with_cells([{"price": numpy.int64(28)}], [[0, "price", "28.5"]], "a.rows")


def test_a_column_of_a_table_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(EngineError, match="cannot hold"):
        with_cells(Table.of([{"n": 1}]), [[0, "n", 2**70]], "a.rows")
    with pytest.raises(EngineError, match="is no table: say the path"):
        with_cells(5, [[0, "n", 1]], "a.rows")
    assert with_cells(Table.of([{"n": None}]), [[0, "n", "x"]], "a.rows") == [{"n": "x"}]
