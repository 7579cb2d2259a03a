"""SQL over tables and files by DuckDB, and what it must not reach."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.errors import DatabaseError, NodeError, StudioError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.spec.declared import check_parameters
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.tables.table import Table

POSITIONS = [{"symbol": "A", "quantity": 2}, {"symbol": "B", "quantity": 3}, {"symbol": "A", "quantity": 5}]
NODE = installed_node_types().get("DuckDBNode")


def run(query: str, inputs: dict[str, Any] | None = None, **parameters: Any) -> Table:
    inputs = {"rows": POSITIONS} if inputs is None else inputs
    node = NODE("node", query=query, tables=list(inputs), **parameters)
    given = asyncio.run(node.async_run(**inputs))
    assert given["row_count"] == len(given["data"])
    table: Table = given["data"]
    return table


def test_tables_and_files_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "it's prices.csv"
    path.write_text("symbol,price\nA,1.5\nB,2\n", encoding="utf-8")
    found = run(
        "SELECT symbol, sum(quantity * price) AS value FROM positions JOIN prices USING (symbol) "
        "WHERE quantity < $1 GROUP BY symbol ORDER BY symbol",
        {"positions": Table.of(POSITIONS)},
        files={"prices": str(path)},
        params=[4],
    )
    assert found == [{"symbol": "A", "value": 3.0}, {"symbol": "B", "value": 6.0}]
    parquet = installed_node_types().get("ParquetWriterNode")("write", path=str(tmp_path / "p.parquet"))
    asyncio.run(parquet.async_run(rows=POSITIONS))
    assert run("SELECT count(*) AS n FROM p", {}, files={"p": str(tmp_path / "p.parquet")}) == [{"n": 3}]
    assert run("SELECT 1.50::decimal(6,2) AS d WHERE false").column_names == ["d"]
    assert run("SELECT 1.50::decimal(6,2) AS d") == [{"d": Decimal("1.50")}]


def test_values_are_bound() -> None:
    evil = "x'; DROP TABLE rows; --"
    assert run("SELECT $1 AS v, count(*) AS n FROM rows", params=[evil]) == [{"v": evil, "n": 3}]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "only connected tables and the files"),
        ("SELECT * FROM '/etc/passwd.csv'", "passwd"),
        ("COPY (SELECT 1) TO 'out.csv'", "only connected tables"),
        ("ATTACH 'other.db'", "only connected tables"),
        ("INSTALL httpfs", "only connected tables"),
        ("SET enable_external_access = true", "onfiguration"),
        ("SELECT * FROM tables", "does not exist"),
        ("SELECT\nnothing FROM rows", "nothing"),
        ("SELEC 1", r"syntax error .*line 1"),
        ("SELECT $1", "not provided"),
    ],
)
def test_what_it_refuses(query: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatabaseError, match=said) as raised:
        run(query)
    assert raised.value.permanent
    assert str(raised.value).startswith("node: ")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_there_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"absent\.csv cannot be read"):
        run("SELECT 1", files={"f": str(tmp_path / "absent.csv")})
    with pytest.raises(NodeError, match=r"a\.xlsx ends in none of \.csv"):
        run("SELECT 1", files={"f": str(tmp_path / "a.xlsx")})


def test_its_inputs_follow_the_names() -> None:
    assert list(NODE.ports_of({"tables": ["a", "b"]}).inputs) == ["a", "b", "params"]
    assert [sentence for _, sentence in check_parameters(NODE, {"tables": ["a b"]})] == [
        "'a b' cannot name a table: take letters, digits and underscores."
    ]
    assert "are named 'a'" in check_parameters(NODE, {"tables": ["a"], "files": {"a": "x.csv"}})[0][1]
    assert NODE.effects_of({"files": {"p": "prices.csv"}}) == ["reads the file prices.csv"]


def test_cancelling_interrupts_it() -> None:
    query = "SELECT count(*) FROM range(1000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3"

    async def work() -> None:
        node = NODE("node", query=query, tables=[])
        task = asyncio.ensure_future(node.async_run())
        await asyncio.sleep(0.1)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 10

    asyncio.run(work())


def test_it_flows_in_a_workflow() -> None:
    def make() -> list[dict[str, Any]]:
        return POSITIONS

    builder = WorkflowBuilder("w")
    builder.add_node("make", PythonCodeNode.from_function(make))
    builder.add_node("DuckDBNode", "sql", query="SELECT max(quantity) AS most FROM positions", tables=["positions"])
    builder.add_connection("make", "result", "sql", "positions")
    results, _ = LocalRuntime().execute(builder)
    assert results["sql"]["data"] == [{"most": 5}]
    builder = WorkflowBuilder("w")
    builder.add_node("DuckDBNode", "sql", query="SELECT 1")
    with pytest.raises(StudioError, match="rows"):
        LocalRuntime().execute(builder)
