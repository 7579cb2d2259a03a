"""Parquet, Excel and JSON files, for real."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kailash_studio.errors import NodeError, TableError
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.tables import store
from kailash_studio.tables.table import Table

DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime(2024, 1, 1, 8)
ROWS = [
    {"name": "ä", "n": 1, "price": Decimal("1.10"), "day": DAY, "at": MOMENT, "ok": True},
    {"name": "=1+1", "n": None, "price": Decimal("2.50"), "day": None, "at": None, "ok": None},
]


def outputs(name: str, parameters: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    return dict(asyncio.run(installed_node_types().get(name)("node", **parameters).async_run(**inputs)))


def read(name: str, path: Path, **parameters: Any) -> Table:
    table = outputs(name, {"path": str(path), **parameters})["data"]
    assert isinstance(table, Table)
    return table


def test_parquet_keeps_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    rows = [{**row, "list": [1, 2], "record": {"x": 1}} for row in ROWS]
    assert outputs("ParquetWriterNode", {"path": str(path)}, rows=rows) == {"file": str(path), "row_count": 2}
    assert read("ParquetReaderNode", path) == rows
    assert read("ParquetReaderNode", path, columns=["price", "name"]).column_names == ["price", "name"]
    monkeypatch.setenv(store.VARIABLE, "0")
    assert read("ParquetReaderNode", path) == rows
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_excel_keeps_what_excel_has(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    rows = [{**row, "big": 10**17, "list": [1, 2], "zone": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)} for row in ROWS]
    outputs("ExcelWriterNode", {"path": str(path), "sheet": "Clients"}, rows=Table.of(rows[:1] + rows[1:]))
    table = read("ExcelReaderNode", path, sheet="Clients")
    assert table.column_names == [*ROWS[0], "big", "list", "zone"]
    assert table[0] == {
        "name": "ä", "n": 1, "price": 1.1, "day": dt.date(2024, 2, 29), "at": dt.datetime(2024, 1, 1, 8), "ok": True,
        "big": str(10**17), "list": '[1, 2]', "zone": table[0]["zone"],
    }  # fmt: skip
    assert table[1]["name"] == "=1+1", "a text stays a text"
    with pytest.raises(NodeError, match="has no sheet 'x': it has Clients"):
        read("ExcelReaderNode", path, sheet="x")


def test_excel_keeps_long_whole_numbers_apart_and_columns_of_numbers_numbers(tmp_path: Path) -> None:
    path = tmp_path / "ids.xlsx"
    ids = [10_000_000_000_000_000_001, 10_000_000_000_000_000_003]
    rows = [{"id": ids[0], "x": 1.5}, {"id": ids[1], "x": float("nan")}, {"id": ids[1], "x": 2.5}]
    outputs("ExcelWriterNode", {"path": str(path)}, rows=Table.of(rows))
    table = read("ExcelReaderNode", path)
    assert [row["id"] for row in table] == [str(ids[0]), str(ids[1]), str(ids[1])]
    assert [row["x"] for row in table] == [1.5, None, 2.5]


def test_excel_as_people_make_it(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "odd.xlsx"
    with xlsxwriter.Workbook(str(path)) as workbook:
        page = workbook.add_worksheet()
        lines = [
            ["Report of May"],
            [],
            ["id", "", "id", "note"],
            [1, 2.5, "x", "a"],
            [],
            [2, 3, 7, ""],
            ["", "", True, ""],
        ]
        for number, line in enumerate(lines):
            page.write_row(number, 0, line)
        workbook.add_worksheet("empty")
    assert read("ExcelReaderNode", path, skip_rows=2) == [
        {"id": 1, "column_2": 2.5, "id_2": "x", "note": "a"},
        {"id": 2, "column_2": 3.0, "id_2": "7", "note": None},
        {"id": None, "column_2": None, "id_2": "true", "note": None},
    ]
    assert read("ExcelReaderNode", path, sheet="empty") == []


def test_too_many_rows_for_a_sheet(tmp_path: Path) -> None:
    import pyarrow as pa

    table = Table(pa.table({"a": range(1_048_576)}))
    with pytest.raises(NodeError, match="1048576 rows do not fit on a sheet, which holds 1048575"):
        outputs("ExcelWriterNode", {"path": str(tmp_path / "a.xlsx")}, rows=table)
    assert list(tmp_path.iterdir()) == []


def test_json_at_the_top_inside_and_by_lines(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": {"x": [1]}}, {"a": None, "b": {"x": []}, "c": "ü"}]
    whole = [{"c": None, **row} for row in rows]
    for name, text, parameters in (
        ("a.json", json.dumps(rows), {}),
        ("b.json", json.dumps({"result": {"items": rows}}), {"inside": "result.items"}),
        ("c.jsonl", "\n\n".join(json.dumps(row) for row in rows), {}),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert read("JSONReaderNode", tmp_path / name, **parameters) == whole
    outputs("FileWriterNode", {"path": str(tmp_path / "d.json")}, data=Table.of(rows))
    assert read("JSONReaderNode", tmp_path / "d.json") == whole


@pytest.mark.parametrize(
    ("text", "parameters", "said"),
    [
        ("{", {}, "not JSON at line 1, column 2"),
        ('{"data": []}', {}, "say where inside the list is, such as data"),
        ('{"data": []}', {"inside": "rows"}, "has no 'rows'; there is data"),
        ("5", {}, "holds no list of records"),
        ("[5]", {}, "Row 1 is a int, no record"),
        ('[{"a": 1}, {"a": "x"}]', {}, "Column 'a' holds whole numbers and, in row 2, texts"),
    ],
)
def test_json_that_is_no_table(tmp_path: Path, text: str, parameters: dict[str, Any], said: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NodeError, match=said):
        read("JSONReaderNode", path, **parameters)


def test_mixed_json_can_become_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": "x"}\n{"a": {"b": true}}\n', encoding="utf-8")
    assert [row["a"] for row in read("JSONReaderNode", path, if_mixed="text")] == ["1", "x", '{"b": true}']
    path.write_text('{"a": 1}\n{"a": \n', encoding="utf-8")
    with pytest.raises(NodeError, match="not JSON at line 2"):
        read("JSONReaderNode", path)


@pytest.mark.parametrize("name", ["ParquetReaderNode", "ExcelReaderNode", "JSONReaderNode"])
def test_a_file_that_is_not_there_or_is_something_else(name: str, tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"absent.* cannot be read: No such file"):
        read(name, tmp_path / "absent.file")
    (tmp_path / "odd.file").write_bytes(b"\xff\xfe\x00not this")
    with pytest.raises(NodeError, match=r"odd\.file is no"):
        read(name, tmp_path / "odd.file")


def test_a_column_that_a_parquet_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    outputs("ParquetWriterNode", {"path": str(path)}, rows=ROWS)
    with pytest.raises(TableError, match=r"no column 'prise' in a\.parquet: did you mean price"):
        read("ParquetReaderNode", path, columns=["prise"])


@pytest.mark.parametrize("name", ["ParquetWriterNode", "ExcelWriterNode"])
def test_what_cannot_be_written_leaves_the_old_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.file"
    path.write_text("old")
    with pytest.raises(NodeError, match="there already"):
        outputs(name, {"path": str(path), "if_exists": "fail"}, rows=ROWS)
    with pytest.raises(NodeError, match="cannot be written"):
        outputs(name, {"path": str(tmp_path / "no" / "a")}, rows=ROWS)
    assert path.read_text() == "old"
