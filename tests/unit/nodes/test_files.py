"""CSVReaderNode and FileWriterNode on real files."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kailash_studio.errors import NodeError
from kailash_studio.spec.registry import installed_node_types


def outputs(type_name: str, inputs: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    node = installed_node_types().get(type_name)("node", **parameters)
    return dict(asyncio.run(node.async_run(**(inputs or {}))))


def read(path: Path, content: bytes | str, **parameters: Any) -> list[dict[str, Any]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    rows: list[dict[str, Any]] = outputs("CSVReaderNode", path=str(path), **parameters)["data"]
    return rows


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-2", "+3", "0"], [1, -2, 3, 0]),
        (["1", "", "3"], [1, None, 3]),
        (["1", "2.5", "-.5", "1e3"], [1.0, 2.5, -0.5, 1000.0]),
        (["2024-02-29", "", "1999-12-31"], [dt.date(2024, 2, 29), None, dt.date(1999, 12, 31)]),
        (["2024-02-29", "2024-02-31"], ["2024-02-29", "2024-02-31"]),
        (["007", "8"], ["007", "8"]),
        (["-007", "8"], ["-007", "8"]),
        (["0.5", "0"], [0.5, 0.0]),
        (["1", "x"], ["1", "x"]),
        (["1", " 2"], ["1", " 2"]),
        (["", ""], ["", ""]),
        (["123456789012345678"], [123456789012345678]),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"]),  # an account number, exact to the last digit
        (["1e999", "1"], ["1e999", "1"]),
        (["nan", "1"], ["nan", "1"]),
        (["1_000"], ["1_000"]),
        (["true", "false"], ["true", "false"]),
    ],
)
def test_a_column_has_the_type_that_all_its_cells_have(cells: list[str], values: list[Any], tmp_path: Path) -> None:
    text = "other,column\n" + "".join(f"x,{cell}\n" for cell in cells)
    seen = [row["column"] for row in read(tmp_path / "a.csv", text)]
    assert seen == values
    assert [type(value) for value in seen] == [type(value) for value in values]
    plain = [row["column"] for row in read(tmp_path / "a.csv", text, detect_types=False)]
    assert plain == cells


@pytest.mark.parametrize(
    ("content", "parameters", "rows"),
    [
        ("\ufeffname,b\nä,1\n".encode(), {}, [{"name": "ä", "b": 1}]),
        ("name;b\r\nä;1\r\n".encode("cp1252"), {"encoding": "cp1252", "delimiter": ";"}, [{"name": "ä", "b": 1}]),
        ("name\tb\nä\t1\n".encode("utf-16"), {"encoding": "utf-16", "delimiter": "\t"}, [{"name": "ä", "b": 1}]),
        (b"report of May\n\na,b\n1,2\n", {"skip_rows": 2}, [{"a": 1, "b": 2}]),
        (b'a,b\n"x, ""y""\nz",2\n\n3\n', {}, [{"a": 'x, "y"\nz', "b": 2}, {"a": "3", "b": None}]),
        (b"a,b\n", {}, []),
        (b"", {}, []),
    ],
)
def test_encodings_delimiters_and_odd_lines_are_read(
    content: bytes, parameters: dict[str, Any], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert read(tmp_path / "a.csv", content, **parameters) == rows


@pytest.mark.parametrize(
    ("content", "parameters", "said"),
    [
        (b"a,b\n1,2\n1,2,3\n", {}, r"Line 3 of .*a\.csv has 3 cells, the header 2"),
        (b"top\na,b\n1,2,3\n", {"skip_rows": 1}, r"Line 3 of .*a\.csv has 3 cells"),
        (b"a,b,a\n", {}, r"Two columns of .*a\.csv are named 'a'"),
        (b'a,b\n1,2\n3,"open\n', {}, r"a\.csv is not CSV at line 3: unexpected end of data"),
        (b"a\n" + b"x\n" * 20_000 + b"\xe4\n", {}, r"a\.csv is not utf-8-sig text at line 20002: .*perhaps cp1252"),
        (b"a\n", {"encoding": "klingon"}, r"no encoding 'klingon'"),
    ],
)
def test_what_is_no_csv_is_said_with_its_line(
    content: bytes, parameters: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(NodeError, match=said):
        read(tmp_path / "a.csv", content, **parameters)


def test_a_folder_is_no_csv_file(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="cannot be read"):
        outputs("CSVReaderNode", path=str(tmp_path))


# ------------------------------------------------------------------------------------------------- writer
ROWS = [
    {"text": 'a "b", c\nd', "number": 1.5, "exact": Decimal("0.1000000000000000055"), "day": dt.date(2024, 2, 29)},
    {"text": None, "number": float("inf"), "list": [1, "ü"], "record": {"a": None}},
]


@pytest.mark.parametrize(
    ("value", "name", "parameters", "text", "rows"),
    [
        (
            ROWS,
            "a.csv",
            {},
            'text,number,exact,day,list,record\n"a ""b"", c\nd",1.5,0.1000000000000000055,2024-02-29,,\n'
            ',inf,,,"[1, ""ü""]","{""a"": null}"\n',
            2,
        ),
        ({"data": [{"a": 1}], "row_count": 1}, "a.CSV", {"delimiter": ";"}, "a\n1\n", 1),
        ({"a": 1, "b": 2}, "a.txt", {"file_format": "csv", "delimiter": "|"}, "a|b\n1|2\n", 1),
        ({"ü": Decimal("2.50")}, "a.json", {}, '{\n  "ü": 2.5\n}\n', 1),
        ([1, 2, 3], "a.csv", {"file_format": "json"}, "[\n  1,\n  2,\n  3\n]\n", 3),
        (None, "a.json", {}, "null\n", 1),
    ],
)
def test_a_value_is_written_as_its_format_says(
    value: Any, name: str, parameters: dict[str, Any], text: str, rows: int, tmp_path: Path
) -> None:
    path = tmp_path / name
    given = outputs("FileWriterNode", {"data": value}, path=str(path), **parameters)
    assert path.read_text(encoding="utf-8") == text
    assert given == {"file": str(path), "rows": rows}


@pytest.mark.parametrize(
    ("value", "path", "parameters", "said"),
    [
        ([1], "a.csv", {}, "CSV takes rows"),
        ("text", "a.csv", {}, "CSV takes rows"),
        ([{}], "absent/a.csv", {}, r"absent.a\.csv cannot be written: No such file"),
        ([{}], "folder.csv", {}, r"folder\.csv cannot be written"),
        ([{}], "a.txt", {}, "choose the format"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    value: Any, path: str, parameters: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(NodeError, match=said):
        outputs("FileWriterNode", {"data": value}, path=str(tmp_path / path), **parameters)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.csv"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """While one file is written again and again, whoever opens it finds a whole one."""
    path = tmp_path / "a.json"
    node = installed_node_types().get("FileWriterNode")("node", path=str(path))

    async def work() -> int:
        looked = 0
        writing = asyncio.create_task(asyncio.to_thread(_write_often, node))
        while not writing.done():
            if path.exists():
                numbers = json.loads(path.read_text(encoding="utf-8"))
                assert numbers == [numbers[0]] * 5000
                looked += 1
            await asyncio.sleep(0)
        await writing
        return looked

    assert asyncio.run(work()) > 0
    assert json.loads(path.read_text(encoding="utf-8"))[0] == 29
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def _write_often(node: Any) -> None:
    for number in range(30):
        asyncio.run(node.async_run(data=[number] * 5000))


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o600)
    before = stat.S_IMODE(path.stat().st_mode)
    outputs("FileWriterNode", {"data": 1}, path=str(path))
    assert stat.S_IMODE(path.stat().st_mode) == before
    assert path.read_text() == "1\n"


NODES = installed_node_types()
READERS = ("CSVReaderNode", "ExcelReaderNode", "JSONReaderNode", "ParquetReaderNode")
WRITERS = ("FileWriterNode", "ExcelWriterNode", "ParquetWriterNode")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"path": "a.csv"}, "the file a.csv"),
        ({}, "a file whose path it is given"),
        ({"path": ""}, "a file whose path it is given"),
        ({"path": {"$parameter": "p"}}, "the file that parameter p names"),
        ({"path": {"$secret": "s"}}, "the file that secret s names"),
    ],
    ids=str,
)
def test_a_file_is_named_by_its_path_or_by_where_that_comes_from(given: dict[str, Any], named: str) -> None:
    assert {NODES.get(name).effects_of(given)[0] for name in READERS} == {f"reads {named}"}
    assert {NODES.get(name).effects_of(given)[0] for name in WRITERS} == {f"writes {named}"}
    files = {"files": {"t": given.get("path")}}
    assert NODES.get("DuckDBNode").effects_of(files) == [f"reads {named}"]
    for kind, word in (("sqlite", "SQLite file"), ("duckdb", "DuckDB file")):
        database = {"database_type": kind, "database": given.get("path")}
        said = NODES.get("AsyncSQLDatabaseNode").effects_of(database)
        assert said == [f"runs SQL on {named.replace('file', word, 1)}"]


def test_files_that_a_parameter_names_together() -> None:
    given = {"files": {"$parameter": "p"}}
    assert NODES.get("DuckDBNode").effects_of(given) == ["reads files that parameter p names"]
