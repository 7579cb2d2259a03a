"""The table node types on rows as people have them, with plain Python as the oracle."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.errors import TableError
from kailash_studio.spec.declared import check_parameters
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.tables.table import Table

REGISTRY = installed_node_types()
ROWS = [
    {"region": "north", "client": "A", "value": 10, "price": Decimal("1.10"), "day": dt.date(2024, 1, 5)},
    {"region": "south", "client": "B", "value": None, "price": Decimal("2.20"), "day": dt.date(2024, 2, 5)},
    {"region": "north", "client": "C", "value": 30, "price": None, "day": None},
    {"region": None, "client": "D", "value": 5, "price": Decimal("4.40"), "day": dt.date(2024, 3, 5)},
]


def run(name: str, inputs: dict[str, Any] | list[dict[str, Any]] | Table, **parameters: Any) -> Table:
    given = {"rows": inputs} if not isinstance(inputs, dict) else inputs
    node = REGISTRY.get(name)("node", **parameters)
    table = asyncio.run(node.async_run(**given))["data"]
    assert isinstance(table, Table)
    return table


def clients(table: Table) -> str:
    return "".join(row["client"] for row in table)


# ------------------------------------------------------------------------------------------------- filter
@pytest.mark.parametrize(
    ("column", "operator", "value", "expected"),
    [
        ("value", ">", 5, "AC"),
        ("value", ">=", "10", "AC"),
        ("value", "!=", 10, "CD"),
        ("price", "==", 2.2, "B"),
        ("price", "<", "2.20", "A"),
        ("region", "==", "north", "AC"),
        ("region", "contains", "th", "ABC"),
        ("region", "starts with", "so", "B"),
        ("region", "ends with", "rth", "AC"),
        ("region", "is in", "north, south", "ABC"),
        ("value", "is in", [5, 30], "CD"),
        ("value", "is empty", None, "B"),
        ("region", "is not empty", None, "ABC"),
        ("day", ">", "2024-01-31", "BD"),
        ("day", "is in", ["2024-01-05"], "A"),
    ],
)
def test_filter_by_one_column(column: str, operator: str, value: Any, expected: str) -> None:
    for rows in (ROWS, Table.of(ROWS)):
        assert clients(run("FilterRowsNode", rows, column=column, operator=operator, value=value)) == expected


def test_filter_by_an_expression() -> None:
    assert clients(run("FilterRowsNode", ROWS, by="expression", expression="value > 5 and region == 'north'")) == "AC"
    result = {"data": ROWS, "row_count": 4}
    assert clients(run("FilterRowsNode", {"rows": result}, column="client", value="A")) == "A"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"column": "valeu", "value": 1}, "no column 'valeu': did you mean value"),
        ({"column": "value", "value": "ten"}, "Column 'value' holds a integer, and 'ten' is none"),
        ({"column": "value"}, "value is not set"),
        ({"column": "value", "operator": "contains", "value": "1"}, "is no text"),
        ({"column": "value", "operator": "is in", "value": 3}, "takes a list"),
        ({"column": "day", "operator": ">", "value": "soon"}, "'soon' is no date"),
        ({"by": "expression", "expression": "value + 1"}, "no condition"),
    ],
)
def test_filter_names_the_fault(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=said):
        run("FilterRowsNode", ROWS, **parameters)


def test_what_cannot_be_read_is_found_before_the_run() -> None:
    for name, parameters, where in (
        ("FilterRowsNode", {"by": "expression", "expression": "a ="}, "expression"),
        ("ComputeColumnNode", {"expression": "uper(a)"}, "expression"),
        ("AggregateNode", {"measures": ["total = sums(a)"]}, "measures"),
        ("CastColumnsNode", {"types": {"a": "integr"}}, "types"),
    ):
        assert [place for place, _ in check_parameters(REGISTRY.get(name), parameters)] == [where]


# ------------------------------------------------------------------------------------------------- columns
def test_select_keeps_drops_and_renames() -> None:
    kept = run("SelectColumnsNode", ROWS, columns=["value", "client"], rename={"value": "amount"})
    assert kept[0] == {"amount": 10, "client": "A"}
    assert run("SelectColumnsNode", ROWS, columns=["day", "price"], mode="drop").column_names == [
        "region", "client", "value",
    ]  # fmt: skip
    with pytest.raises(TableError, match="no column 'dat': did you mean"):
        run("SelectColumnsNode", ROWS, columns=["dat"])
    with pytest.raises(TableError, match="Two columns would be named 'client'"):
        run("SelectColumnsNode", ROWS, rename={"value": "client"})


def test_compute_adds_and_replaces() -> None:
    table = run("ComputeColumnNode", ROWS, column="total", expression="price * coalesce(value, 1)")
    assert [row["total"] for row in table] == [Decimal("11.00"), Decimal("2.20"), None, Decimal("22.00")]
    again = run("ComputeColumnNode", table, column="client", expression="lower(client)")
    assert clients(again) == "abcd"
    assert again.column_names == table.column_names


def test_cast_by_form_and_sign() -> None:
    rows = [
        {"a": "1.234,50", "d": "31.05.2024", "n": " 7 ", "b": "Yes", "t": "2024-05-31 08:00"},
        {"a": "", "d": "", "n": None, "b": "0", "t": None},
    ]
    types = {"a": "decimal", "d": "date", "n": "integer", "b": "boolean"}
    table = run("CastColumnsNode", rows, types=types, decimal_sign=",", date_form="%d.%m.%Y")
    assert table[0] | {"t": 0} == {"a": Decimal("1234.50"), "d": dt.date(2024, 5, 31), "n": 7, "b": True, "t": 0}
    assert [table[1][name] for name in "adnb"] == [None, None, None, False]
    assert run("CastColumnsNode", rows, types={"t": "time"})[0]["t"] == dt.datetime(2024, 5, 31, 8)
    assert run("CastColumnsNode", ROWS, types={"price": "text"})[0]["price"] == "1.10"
    assert run("CastColumnsNode", ROWS, types={"value": "decimal"}, digits=1)[0]["value"] == Decimal("10.0")


def test_cast_names_row_and_cell_or_gives_null() -> None:
    rows = [{"a": "1"}, {"a": "2"}, {"a": "x"}, {"a": "4"}]
    with pytest.raises(TableError, match="Column 'a', row 3: 'x' cannot become a number"):
        run("CastColumnsNode", rows, types={"a": "number"})
    assert run("CastColumnsNode", rows, types={"a": "number"}, if_impossible="null") == [
        {"a": 1.0}, {"a": 2.0}, {"a": None}, {"a": 4.0},
    ]  # fmt: skip
    with pytest.raises(TableError, match="cannot become a date"):
        run("CastColumnsNode", [{"a": 1}], types={"a": "date"})
    with pytest.raises(TableError, match=r"row 1: 1\.5 cannot become an integer"):
        run("CastColumnsNode", [{"a": 1.5}], types={"a": "integer"})


# ------------------------------------------------------------------------------------------------- rows
def test_sort_by_several_and_only_the_first() -> None:
    assert clients(run("SortRowsNode", ROWS, by=["region", "value desc"])) == "CABD"
    assert clients(run("SortRowsNode", ROWS, by=["value"], nulls="first")) == "BDAC"
    assert clients(run("SortRowsNode", ROWS, by=["price desc"], limit=2)) == "DB"
    assert run("SortRowsNode", [{"a desc": 2}, {"a desc": 1}], by=["a desc"])[0]["a desc"] == 1
    with pytest.raises(TableError, match="no column 'rank'"):
        run("SortRowsNode", ROWS, by=["rank desc"])


def test_distinct_first_and_last() -> None:
    assert clients(run("DistinctRowsNode", ROWS, columns=["region"])) == "ABD"
    assert clients(run("DistinctRowsNode", ROWS, columns=["region"], keep="last")) == "BCD"
    assert len(run("DistinctRowsNode", [*ROWS, *ROWS])) == 4
    with pytest.raises(TableError, match="cast or leave out"):
        run("DistinctRowsNode", [{"a": [1]}])


def test_samples() -> None:
    rows = [{"i": i} for i in range(100)]
    assert [row["i"] for row in run("SampleTableNode", rows, count=3)] == [0, 1, 2]
    assert [row["i"] for row in run("SampleTableNode", rows, method="last", count=3)] == [97, 98, 99]
    assert [row["i"] for row in run("SampleTableNode", rows, method="every n-th", step=40)] == [0, 40, 80]
    chosen = [row["i"] for row in run("SampleTableNode", rows, method="random", count=10)]
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 10
    assert chosen == [row["i"] for row in run("SampleTableNode", rows, method="random", count=10)]
    assert chosen != [row["i"] for row in run("SampleTableNode", rows, method="random", count=10, seed=2)]
    assert len(run("SampleTableNode", rows, method="random", count=1000)) == 100


# ------------------------------------------------------------------------------------------------- several rows at once
def test_aggregate() -> None:
    table = run(
        "AggregateNode",
        ROWS,
        group_by=["region"],
        measures=[
            "n = count()",
            "count(value)",
            "total = sum(price)",
            "mean(value)",
            "first(client)",
            "all = list(client)",
        ],
    )
    assert table.column_names == ["region", "n", "value_count", "total", "value_mean", "client_first", "all"]
    assert [tuple(row.values()) for row in table] == [
        ("north", 2, 2, Decimal("1.10"), 20.0, "A", ["A", "C"]),
        ("south", 1, 0, Decimal("2.20"), None, "B", ["B"]),
        (None, 1, 1, Decimal("4.40"), 5.0, "D", ["D"]),
    ]
    assert run("AggregateNode", ROWS) == [{"count": 4}]
    whole = run("AggregateNode", ROWS, measures=["sum(value)", "mean(price)", "count_distinct(region)"])
    assert whole[0]["value_sum"] == 45
    assert whole[0]["price_mean"] == pytest.approx(7.7 / 3)
    assert run("AggregateNode", Table.of(ROWS)[:0], measures=["count()", "sum(value)"]) == [
        {"count": 0, "value_sum": None}
    ]


def test_a_sum_never_overflows_unnoticed() -> None:
    big = 2**62
    assert run("AggregateNode", [{"a": big}, {"a": -big}, {"a": 5}], measures=["sum(a)"]) == [{"a_sum": 5}]
    with pytest.raises(TableError, match="larger than a whole number"):
        run("AggregateNode", [{"a": big}, {"a": big}], measures=["sum(a)"])


def test_columns_of_other_libraries_are_plain_here() -> None:
    import pyarrow as pa

    foreign = pa.table(
        {
            "category": pa.array(["x", "y", "x"]).dictionary_encode(),
            "view": pa.array(["x", "y", None], pa.string_view()),
            "large": pa.array(["x", "y", None], pa.large_string()),
            "small": pa.array([Decimal("1.5"), None, None], pa.decimal32(5, 2)),
            "lists": pa.array([["a"], [], None], pa.large_list(pa.large_string())),
        }
    )
    for name in ("category", "view", "large"):
        found = run("FilterRowsNode", {"rows": foreign}, by="expression", expression=f"upper({name}) == 'X'")
        assert found[0] == {"category": "x", "view": "x", "large": "x", "small": Decimal("1.50"), "lists": ["a"]}
    assert run("FilterRowsNode", {"rows": foreign}, column="category", value="y")[0]["view"] == "y"
    assert run("ComputeColumnNode", {"rows": foreign}, expression="small * 2")[0]["computed"] == 3


@pytest.mark.parametrize(
    ("measures", "said"),
    [
        (["sum(client)"], "Column 'client' holds no numbers"),
        (["sum(valeu)"], "no column 'valeu'"),
        (["sum(value)", "value_sum = max(value)"], "Two columns would be named 'value_sum'"),
        (["value"], "is no measure"),
        (["sum()"], "names no column"),
    ],
)
def test_aggregate_names_the_fault(measures: list[str], said: str) -> None:
    with pytest.raises(TableError, match=said):
        run("AggregateNode", ROWS, measures=measures)


def test_pivot() -> None:
    rows = [
        {"region": "n", "quarter": 2, "revenue": 5}, {"region": "n", "quarter": 1, "revenue": 1},
        {"region": "s", "quarter": 1, "revenue": 7}, {"region": "n", "quarter": 1, "revenue": 2},
    ]  # fmt: skip
    wide = {"rows_by": ["region"], "columns": "quarter", "values": "revenue"}
    assert run("PivotTableNode", rows, **wide) == [
        {"region": "n", "1": 3, "2": 5},
        {"region": "s", "1": 7, "2": None},
    ]
    assert run("PivotTableNode", rows, **wide, measure="count")[0] == {"region": "n", "1": 2, "2": 1}
    with pytest.raises(TableError, match="has 2 values, each of which would become a column"):
        run("PivotTableNode", rows, **wide, limit=1)


def test_union() -> None:
    first, second = [{"a": 1, "b": "x"}], [{"b": "y", "a": 2.5, "c": None}]
    assert run("UnionTablesNode", {"tables": [first, second, []]}) == [
        {"a": 1.0, "b": "x", "c": None}, {"a": 2.5, "b": "y", "c": None},
    ]  # fmt: skip
    assert run("UnionTablesNode", {"tables": [first, second]}, columns="common").column_names == ["a", "b"]
    with pytest.raises(TableError, match="Table 2 and table 1 do not both have the column 'c'"):
        run("UnionTablesNode", {"tables": [first, second]}, columns="same")
    with pytest.raises(TableError, match="Column 'a' holds a integer and, in table 2, a text"):
        run("UnionTablesNode", {"tables": [first, [{"a": "x"}]]})
    assert run("UnionTablesNode", {"tables": [[], []]}) == []


LEFT = [{"k": 1, "l": "a"}, {"k": 2, "l": "b"}, {"k": None, "l": "c"}, {"k": 1, "l": "d"}]
RIGHT = [{"k": 1, "r": ["x"]}, {"k": 3, "r": []}, {"k": None, "r": None}]


def test_joins() -> None:
    both = {"left": LEFT, "right": RIGHT}
    assert run("JoinTablesNode", both, on=["k"]) == [{"k": 1, "l": "a", "r": ["x"]}, {"k": 1, "l": "d", "r": ["x"]}]
    assert [row["r"] for row in run("JoinTablesNode", both, on=["k"], how="left")] == [["x"], None, None, ["x"]]
    assert [row["k"] for row in run("JoinTablesNode", both, on=["k"], how="full")] == [1, 2, None, 1, 3, None]
    assert [row["l"] for row in run("JoinTablesNode", both, on=["k"], how="right")] == ["a", "d", None, None]
    assert [row["l"] for row in run("JoinTablesNode", both, on=["k"], how="only matched")] == ["a", "d"]
    assert [row["l"] for row in run("JoinTablesNode", both, on=["k"], how="only unmatched")] == ["b", "c"]
    renamed = [{"id": Decimal("1.0"), "l": 5}]
    joined = run("JoinTablesNode", {"left": LEFT, "right": renamed}, on=["k"], right_on=["id"])
    assert joined[0] == {"k": 1, "l": "a", "l_right": 5}
    assert run("JoinTablesNode", {"left": LEFT, "right": []}, on=["k"], how="left") == LEFT
    assert len(run("JoinTablesNode", {"left": [], "right": RIGHT}, on=["k"])) == 0


def test_joins_name_the_fault() -> None:
    both = {"left": LEFT, "right": [{"k": "1"}]}
    with pytest.raises(TableError, match="'k' in left holds a integer and 'k' in right a text"):
        run("JoinTablesNode", both, on=["k"])
    with pytest.raises(TableError, match="no column 'key' in left"):
        run("JoinTablesNode", both, on=["key"])
    with pytest.raises(TableError, match="right_on names 2 columns and on names 1"):
        run("JoinTablesNode", both, on=["k"], right_on=["a", "b"])
    twice = {"left": LEFT, "right": [*RIGHT, *RIGHT]}
    with pytest.raises(TableError, match="2 left rows have several matches, the first one k 1"):
        run("JoinTablesNode", twice, on=["k"], matches="at most one")


_KEYS = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 5)), st.integers(0, 9)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(_KEYS, _KEYS)
def test_an_inner_join_is_the_double_loop(one: list[tuple[Any, int]], other: list[tuple[Any, int]]) -> None:
    left = [{"k": k, "l": v} for k, v in one]
    right = [{"k": k, "r": v} for k, v in other]
    expected = [{**a, "r": b["r"]} for a in left for b in right if a["k"] is not None and a["k"] == b["k"]]
    assert run("JoinTablesNode", {"left": left, "right": right}, on=["k"]) == expected


# ------------------------------------------------------------------------------------------------- all of them
ONE_TABLE: dict[str, dict[str, Any]] = {
    "FilterRowsNode": {"column": "a", "value": 1},
    "SelectColumnsNode": {"columns": ["a"]},
    "ComputeColumnNode": {"expression": "a + 1"},
    "CastColumnsNode": {"types": {"a": "text"}},
    "SortRowsNode": {"by": ["a"]},
    "DistinctRowsNode": {},
    "SampleTableNode": {},
    "AggregateNode": {"group_by": ["a"]},
    "PivotTableNode": {"rows_by": ["a"], "columns": "a", "values": "a"},
}


@pytest.mark.parametrize("name", ONE_TABLE)
def test_an_empty_list_and_an_empty_table_go_through(name: str) -> None:
    assert run(name, [], **ONE_TABLE[name]) == []
    assert run(name, Table.of([{"a": 1}])[:0], **ONE_TABLE[name]) == []


@pytest.mark.parametrize("name", ONE_TABLE)
def test_a_table_above_the_cap_gives_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(3)
    rows = [{"a": random.randrange(20), "b": f"row {i}"} for i in range(5000)]
    small = run(name, rows, **ONE_TABLE[name])
    monkeypatch.setenv("KAILASH_STUDIO_TABLE_MEMORY", "0")
    assert run(name, rows, **ONE_TABLE[name]) == small


def test_an_analysis_without_code() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node(
        "PythonCodeNode", "make", code=f"def make():\n    return {[{k: str(v) for k, v in r.items()} for r in ROWS]!r}"
    )
    builder.add_node("FilterRowsNode", "filled", column="value", operator="!=", value="None")
    builder.add_node("CastColumnsNode", "typed", types={"value": "integer"})
    builder.add_node("AggregateNode", "sums", group_by=["region"], measures=["total = sum(value)"])
    builder.add_node("SortRowsNode", "sorted", by=["total desc"])
    builder.add_connection("make", "result", "filled", "rows")
    for one, other in (("filled", "typed"), ("typed", "sums"), ("sums", "sorted")):
        builder.add_connection(one, "data", other, "rows")
    results, _ = LocalRuntime().execute(builder)
    assert results["sorted"]["data"] == [{"region": "north", "total": 40}, {"region": "None", "total": 5}]
