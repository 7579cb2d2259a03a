"""Previews: what a node would give, without running anything that touches the outside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kailash_studio.errors import NodeError, ParameterError, TableError
from kailash_studio.runtime import preview as module
from kailash_studio.runtime.preview import can_preview, preview, preview_page
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.tables.table import Table

REGISTRY = installed_node_types()
ROWS = [{"a": i, "b": f"row {i}"} for i in range(500)]


def test_the_first_rows_of_the_result() -> None:
    found = preview(REGISTRY.get("FilterRowsNode"), {"column": "a", "operator": ">", "value": 9}, {"rows": ROWS}, 5)
    assert found.outputs["data"] == ROWS[10:15]
    assert found.whole


def test_large_inputs_are_cut_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    for rows in (ROWS, Table.of(ROWS), {"data": ROWS, "row_count": 500}):
        found = preview(REGISTRY.get("AggregateNode"), {"measures": ["n = count()"]}, {"rows": rows})
        assert found.outputs["data"] == [{"n": 100}]
        assert not found.whole
    union: Any = {"tables": [ROWS, Table.of(ROWS)]}
    found = preview(REGISTRY.get("UnionTablesNode"), {}, union, 1000)
    assert len(found.outputs["data"]) == 200
    assert not found.whole
    assert preview(REGISTRY.get("UnionTablesNode"), {}, {"tables": [ROWS[:50]]}).whole


@pytest.mark.parametrize(
    ("name", "parameters", "inputs", "error", "said"),
    [
        ("ComputeColumnNode", {}, {"rows": ROWS}, ParameterError, "expression is not set"),
        ("ComputeColumnNode", {"expression": "a +"}, {"rows": ROWS}, ParameterError, "cannot be read"),
        ("ComputeColumnNode", {"expression": "c"}, {"rows": ROWS}, TableError, "no column 'c'"),
        ("ComputeColumnNode", {"expression": "a"}, {}, NodeError, "rows has no value yet"),
        ("FileWriterNode", {"path": "x.csv"}, {"data": ROWS}, ParameterError, "has no preview"),
        ("AsyncSQLDatabaseNode", {"query": "DROP TABLE x"}, {}, ParameterError, "has no preview"),
    ],
)
def test_what_is_wrong(
    name: str, parameters: dict[str, Any], inputs: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        preview(REGISTRY.get(name), parameters, inputs)
    assert said in asyncio.run(preview_page(REGISTRY.get(name), parameters, inputs))["problem"]


def test_a_page_for_the_window() -> None:
    page = asyncio.run(preview_page(REGISTRY.get("SortRowsNode"), {"by": ["a desc"]}, {"rows": ROWS}, 2))
    assert page["whole"]
    assert page["outputs"]["data"]["rows"] == [["499", "row 499"], ["498", "row 498"]]


def test_only_types_that_touch_nothing_can_be_previewed() -> None:
    can = {node_type.type_name() for node_type in REGISTRY if can_preview(node_type)}
    tables = {node_type.type_name() for node_type in REGISTRY if node_type.category == "Tables"}
    assert tables - can == {"DuckDBNode"}, "it may read files"
    assert not any(REGISTRY.get(name).effects_of({"path": "x"}) for name in can)
