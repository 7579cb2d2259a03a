"""The Table value: a list of records to everything that knows lists, Arrow to everything that knows Arrow."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.errors import NodeError, NodeOutputError, TableError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.pages import page_of, tree_of
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.spec.values import from_wire, rows_of, step_into, to_plain, to_wire
from kailash_studio.tables import ipc
from kailash_studio.tables.table import Table, without_tables

ROWS: list[dict[str, Any]] = [
    {"name": "ä", "price": Decimal("1.10"), "day": dt.date(2024, 2, 29), "at": None, "ok": True, "n": 1},
    {
        "name": None,
        "price": Decimal("-2.50"),
        "day": None,
        "at": dt.datetime(2024, 1, 1, 12),
        "ok": None,
        "n": -(2**60),
    },
]


def test_it_is_the_list_of_records_that_it_was_made_of() -> None:
    table = Table.of(ROWS)
    assert table == ROWS
    assert ROWS == table  # noqa: SIM300 - the other way round
    assert table != [*ROWS, {}]
    assert table != 5
    assert len(table) == 2
    assert table[0] == ROWS[0]
    assert table[-1] == ROWS[1]
    assert list(reversed(table)) == ROWS[::-1]
    assert [*table] == ROWS
    assert ROWS[1] in table
    assert table[1:] == ROWS[1:]
    assert table[::-1] == ROWS[::-1]
    assert table[5:] == []
    assert not table[5:]
    with pytest.raises(IndexError, match="no row 2"):
        table[2]
    with pytest.raises(TypeError):
        hash(table)


_CELLS = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.dates()), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.binary()), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), st.decimals(-(10**9), 10**9, places=4)), min_size=3, max_size=3),
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _CELLS, min_size=1, max_size=4))
def test_whatever_goes_in_comes_out_and_survives_the_journal(columns: dict[str, list[Any]]) -> None:
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    table = Table.of(rows)
    assert table == rows
    alone = contents.decode(contents.encode(table) or b"")
    inside = contents.decode(contents.encode({"data": table}) or b"")["data"]
    for kept in (alone, inside):
        assert isinstance(kept, Table)
        assert kept == rows
        assert kept.arrow.schema == table.arrow.schema


def test_a_changed_record_changes_no_table() -> None:
    table = Table.of([{"a": 1}])
    table[0]["a"] = 2
    assert table[0] == {"a": 1}
    assert copy.deepcopy(table) is table
    assert copy.copy(table) is table


def test_missing_keys_are_null_and_columns_come_in_the_order_of_their_first_row() -> None:
    table = Table.of([{"b": 1}, {"a": "x", "b": 2}])
    assert table.column_names == ["b", "a"]
    assert table == [{"b": 1, "a": None}, {"b": 2, "a": "x"}]
    assert Table.of([]) == []
    assert Table.of([{}, {}]) == [{}, {}] or len(Table.of([{}, {}])) == 0


def test_numbers_of_several_kinds_find_a_common_one_and_other_mixtures_name_the_row() -> None:
    assert Table.of([{"a": 1}, {"a": 2.5}]) == [{"a": 1.0}, {"a": 2.5}]
    assert Table.of([{"a": 1}, {"a": Decimal("2.5")}]) == [{"a": Decimal(1)}, {"a": Decimal("2.5")}]
    assert Table.of([{"a": 1.5}, {"a": Decimal("2.5")}]) == [{"a": 1.5}, {"a": 2.5}]
    assert Table.of([{"a": 2**70}])[0]["a"] == 2**70
    number = UUID(int=7)
    assert str(Table.of([{"a": number}])[0]["a"]) == str(number)
    with pytest.raises(NodeError, match=r"Column 'a' holds whole numbers and, in row 3, texts \('x'\)"):
        Table.of([{"a": 1}, {"a": None}, {"a": "x"}])
    with pytest.raises(NodeError, match="Column 'a' holds values of type object"):
        Table.of([{"a": object()}])
    with pytest.raises(NodeError, match="Row 2 is a int, no record"):
        Table.of([{"a": 1}, 5])
    with pytest.raises(NodeError, match="A str is no table"):
        Table.of("text")


def test_it_takes_an_sql_result_and_anything_of_arrow() -> None:
    assert Table.of({"data": ROWS, "row_count": 2}) == ROWS
    table = Table.of(ROWS)
    assert Table.of({"data": table}) is table
    assert Table.of(pa.table({"a": [1]}).to_batches()[0]) == [{"a": 1}]
    assert pa.table(table).equals(table.arrow)
    twice = Table(pa.table([[1], [2], [3]], names=["a", "a", "a_2"]))
    assert twice.column_names == ["a", "a_3", "a_2"]


def test_times_in_nanoseconds_are_read_as_python_has_them() -> None:
    table = Table(pa.table({"at": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))}))
    assert table[0]["at"] == dt.datetime(2023, 11, 14, 22, 13, 20, 123456)


def test_it_is_plain_json_as_records_are_and_exact_on_the_wire() -> None:
    table = Table.of(ROWS)
    assert to_plain({"data": table}) == to_plain({"data": ROWS})
    json.dumps(to_plain(table))
    assert from_wire(json.loads(json.dumps(to_wire([table])))) == [ROWS]
    assert step_into({"data": table}, ["data", "1", "price"], "x") == Decimal("-2.50")
    assert rows_of({"data": table, "other": 1}) == {"data": 2}
    assert without_tables({"data": table, "more": [table, 1]}) == {"data": ROWS, "more": [ROWS, 1]}
    with pytest.raises(ValueError, match="no table"):
        ipc.from_bytes(b"abc")


def test_one_too_large_is_not_kept_and_does_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table.of(ROWS)
    monkeypatch.setattr(ipc, "MOST_BYTES", 10)
    with pytest.raises(NodeOutputError, match="keep fewer rows"):
        to_wire(table)
    monkeypatch.undo()
    monkeypatch.setattr(contents, "MOST_BYTES", 8)
    assert contents.encode({"data": table}) is None
    assert contents.encode({"data": {"data": table}}) is None
    assert contents.encode(table) is None


def test_a_page_shows_it_as_it_shows_records() -> None:
    rows = [{"n": i, "name": f"row {i}", "price": Decimal(i) / 4} for i in range(2000)]
    table = Table.of(rows)
    assert page_of(table, 1500, 7) == {**page_of(rows, 1500, 7), "rows": page_of(table, 1500, 7)["rows"]}
    assert [row[:2] for row in page_of(table, 1500, 7)["rows"]] == [row[:2] for row in page_of(rows, 1500, 7)["rows"]]
    assert page_of({"data": table, "row_count": 2000}, 0, 3)["total"] == 2000
    empty = page_of(table[:0], 0, 10)
    assert (empty["columns"], empty["types"], empty["rows"]) == (
        ["n", "name", "price"],
        ["integer", "text", "decimal"],
        [],
    )
    assert tree_of({"data": table})["children"][0][1]["type"] == "table"


def test_other_nodes_take_it_as_rows(tmp_path: Path) -> None:
    table = Table.of([{"a": 1, "b": "x"}, {"a": 2, "b": None}])
    registry = installed_node_types()

    def outputs(name: str, parameters: dict[str, Any], **inputs: Any) -> dict[str, Any]:
        return dict(asyncio.run(registry.get(name)("node", **parameters).async_run(**inputs)))

    for ending, text in (("csv", "a,b\n1,x\n2,\n"), ("json", "[")):
        path = tmp_path / f"out.{ending}"
        given = outputs("FileWriterNode", {"path": str(path)}, data={"data": table, "row_count": 2})
        assert given["rows"] in {1, 2}
        assert path.read_text(encoding="utf-8").startswith(text) or ending == "json"
    assert outputs("MergeNode", {}, data=[table, [{"a": 3}]])["merged"] == [*table, {"a": 3}]
    both = outputs("MergeNode", {}, data=[table, Table.of([{"a": 2.5}])])["merged"]
    assert isinstance(both, Table), "a million rows stay Arrow"
    assert both == [{"a": 1.0, "b": "x"}, {"a": 2.0, "b": None}, {"a": 2.5, "b": None}]
    with pytest.raises(TableError, match="cannot be chained"):
        outputs("MergeNode", {}, data=[table, Table.of([{"a": "x"}])])
    assert outputs("TableViewNode", {}, rows=table)["data"] is table
    code = "def f(rows):\n    rows.append({'a': 5})\n    return [row['a'] for row in rows]\n"
    for sandbox in ("light", "full"):
        assert outputs("PythonCodeNode", {"code": code, "sandbox": sandbox}, rows=table)["result"] == [1, 2, 5]


def test_it_flows_through_a_run_and_a_functions_records_too() -> None:
    def make() -> Table:
        return Table.of([{"a": 1}, {"a": 2}])

    def total(rows: list[dict[str, Any]]) -> int:
        return sum(row["a"] for row in rows)

    builder = WorkflowBuilder("w")
    builder.add_node("make", PythonCodeNode.from_function(make))
    builder.add_node("total", PythonCodeNode.from_function(total))
    builder.add_connection("make", "result", "total", "rows")
    results, _ = LocalRuntime().execute(builder)
    assert results["total"]["result"] == 3
    assert results["make"]["result"] == [{"a": 1}, {"a": 2}]


def test_a_run_without_tables_imports_no_pyarrow() -> None:
    code = (
        "import sys\n"
        "from kailash_studio import LocalRuntime, WorkflowBuilder\n"
        "from kailash_studio.nodes.code import PythonCodeNode\n"
        "from kailash_studio.runtime import host\n"
        "b = WorkflowBuilder()\n"
        "def f(): return [{}]\n"
        "b.add_node('make', PythonCodeNode.from_function(f))\n"
        "b.add_node('MergeNode', 'merge')\n"
        "b.add_connection('make', 'result', 'merge', 'data')\n"
        "assert LocalRuntime().execute(b)[0]['merge']['merged'] == [{}]\n"
        "assert 'pyarrow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
