"""Previews: what a node would give, without running anything that touches the outside."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from kailash_studio.errors import NodeError, ParameterError, StudioError, TableError
from kailash_studio.runtime import preview as module
from kailash_studio.runtime.preview import can_preview, kind_of, preview, preview_page, resolved
from kailash_studio.services.table_files import first_rows
from kailash_studio.services.table_files.excel import write_excel
from kailash_studio.services.table_files.parquet import write_parquet
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.tables.table import Table
from kailash_studio.workflow.reader import read

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
        ("CSVReaderNode", {"path": "x.csv"}, {}, ParameterError, "has no preview"),
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


def test_only_types_that_touch_nothing_can_be_previewed_without_leave() -> None:
    kinds = {node_type.type_name(): kind_of(node_type) for node_type in REGISTRY}
    assert {name for name in kinds if can_preview(REGISTRY.get(name))} == {
        name for name, kind in kinds.items() if kind in {"run", "written"}
    }
    tables = {node_type.type_name() for node_type in REGISTRY if node_type.category == "Tables"}
    assert {name for name in tables if kinds[name] != "run"} == {"DuckDBNode"}, "it may read files"
    run = [name for name, kind in kinds.items() if kind == "run"]
    assert not any(REGISTRY.get(name).effects_of({"path": "x"}) for name in run)
    written = {name for name, kind in kinds.items() if kind == "written"}
    assert written == {"FileWriterNode", "ExcelWriterNode", "ParquetWriterNode"}
    read = {name for name, kind in kinds.items() if kind == "read"}
    assert read == {"CSVReaderNode", "ExcelReaderNode", "JSONReaderNode", "ParquetReaderNode"}


# ---------------------------------------------------------------------- files
def files_in(folder: Path) -> dict[str, str]:
    """A file of each format with the same 500 rows, by reader."""
    table = Table.of(ROWS)
    files = {"CSVReaderNode": "a.csv", "JSONReaderNode": "a.json", "ParquetReaderNode": "a.parquet"}
    (folder / "a.csv").write_text("a,b\n" + "".join(f"{row['a']},{row['b']}\n" for row in ROWS))
    (folder / "a.json").write_text(json.dumps(ROWS))
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    write_parquet(table, folder / "a.parquet")
    write_excel(table, folder / "a.xlsx")
    return files | {"ExcelReaderNode": "a.xlsx"}


def test_readers_show_the_first_rows_of_their_file(tmp_path: Path) -> None:
    for name, file in [*files_in(tmp_path).items(), ("JSONReaderNode", "a.jsonl")]:
        found = preview(REGISTRY.get(name), {"path": file}, {}, 20, folder=tmp_path)
        assert list(found.outputs["data"]) == ROWS[:20], name
        assert found.more == {"data"}
        found = preview(REGISTRY.get(name), {"path": file}, {}, 500, folder=tmp_path)
        assert len(found.outputs["data"]) == 500
        assert found.more == frozenset(), "it is known that this is all"
        path = {"path": str(tmp_path / file)}
        assert list(preview(REGISTRY.get(name), {}, path, 1, folder=tmp_path).outputs["data"]) == ROWS[:1], "connected"


def test_little_of_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files_in(tmp_path)
    monkeypatch.setattr(first_rows, "MOST_TEXT", 100)
    monkeypatch.setattr(first_rows, "MOST_BYTES", 1_000)
    for name, file in (("CSVReaderNode", "a.csv"), ("JSONReaderNode", "a.jsonl")):
        rows = list(preview(REGISTRY.get(name), {"path": file}, {}, folder=tmp_path).outputs["data"])
        assert 0 < len(rows) < 20
        assert rows == ROWS[: len(rows)], "the line in which the beginning ends is left out"
    for name, file in (("JSONReaderNode", "a.json"), ("ExcelReaderNode", "a.xlsx")):
        with pytest.raises(NodeError, match="can only be read as a whole, so it has no preview"):
            preview(REGISTRY.get(name), {"path": file}, {}, folder=tmp_path)
    for name, file in (("CSVReaderNode", "/dev/zero"), ("ParquetReaderNode", "absent.parquet")):
        with pytest.raises(NodeError, match="There is no file"):
            preview(REGISTRY.get(name), {"path": file}, {}, folder=tmp_path)


def test_writers_show_what_they_would_write_and_write_nothing(tmp_path: Path) -> None:
    for name, port in (("FileWriterNode", "data"), ("ExcelWriterNode", "rows"), ("ParquetWriterNode", "rows")):
        path = tmp_path / f"out{ {'F': '.csv', 'E': '.xlsx', 'P': '.parquet'}[name[0]] }"
        found = preview(REGISTRY.get(name), {"path": str(path)}, {port: Table.of(ROWS)}, 20)
        assert list(found.outputs[port]) == ROWS[:20]
        assert found.more == {port}
        assert not path.exists()
    with pytest.raises(NodeError, match="CSV takes rows"):
        preview(REGISTRY.get("FileWriterNode"), {"path": "x.csv"}, {"data": 5})
    assert preview(REGISTRY.get("FileWriterNode"), {"path": "x.json"}, {"data": {"a": 1}}).outputs == {"data": {"a": 1}}


def test_the_parameters_of_the_workflow_stand_for_references() -> None:
    workflow = read(
        json.dumps(
            {
                "format": "kailash-studio/workflow",
                "version": 1,
                "name": "w",
                "parameters": {"least": {"type": "integer", "default": 495}, "open": {"type": "integer"}},
                "nodes": {
                    name: {
                        "type": "FilterRowsNode",
                        "type_version": 1,
                        "parameters": {"column": "a", "operator": ">", "value": value},
                    }
                    for name, value in (
                        ("kept", {"$parameter": "least"}),
                        ("open", {"$parameter": "open"}),
                        ("absent", {"$parameter": "absent"}),
                        ("secret", {"$secret": "absent"}),
                    )
                },
                "connections": [],
            }
        )
    ).workflow
    found = preview(REGISTRY.get("FilterRowsNode"), resolved(workflow, "kept"), {"rows": ROWS})
    assert [row["a"] for row in found.outputs["data"]] == [496, 497, 498, 499]
    for node, said in (("open", "has no value"), ("absent", "has no parameter 'absent'"), ("secret", "no secrets")):
        with pytest.raises(StudioError, match=said):
            resolved(workflow, node)
