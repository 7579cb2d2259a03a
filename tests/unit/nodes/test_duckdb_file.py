"""AsyncSQLDatabaseNode on DuckDB files: shared in a run, tables out, nothing else within reach, interrupted in time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DatabaseError, DatabaseTimeoutError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.services.connections import Connections, SavedConnection, tried
from kailash_studio.services.duckdb_file import DuckDBFiles
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.tables.table import Table

BUSY = "SELECT count(*) FROM range(100000000) a, range(1000000) b"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "book.duckdb"
    outputs(path, "CREATE TABLE sold AS SELECT i, (i * 1.5)::DECIMAL(9, 2) AS price FROM range(1, 6) AS r(i)")
    return path


def outputs(path: Path, query: str, *params: Any, **further: Any) -> dict[str, Any]:
    own = {"database_type": "duckdb", "connection": "details", "database": str(path), "query": query}
    node = installed_node_types().get("AsyncSQLDatabaseNode")("node", **own, params=list(params), **further)
    return dict(asyncio.run(node.async_run()))


def test_rows_come_as_a_table_with_values_bound(file: Path) -> None:
    found = outputs(file, "SELECT * FROM sold WHERE i > $1 AND $2 <> '' ORDER BY i", 3, "'; DROP TABLE sold; --")
    assert isinstance(found["data"], Table)
    assert [str(row["price"]) for row in found["data"]] == ["6.00", "7.50"]
    assert found["result"]["columns"] == ["i", "price"]
    assert found["row_count"] == 2


def test_fetch_modes_and_changes_are_as_on_other_databases(file: Path) -> None:
    assert outputs(file, "SELECT i FROM sold ORDER BY i", fetch_mode="one")["data"] == [{"i": 1}]
    last = outputs(file, "SELECT i FROM sold ORDER BY i", fetch_mode="many", batch_size=2, batch=3)
    assert (last["data"], last["result"]["has_more"]) == ([{"i": 5}], False)
    changed = outputs(file, "UPDATE sold SET price = 0 WHERE i < :n", values={"n": 3})
    assert (list(changed["data"]), changed["row_count"]) == ([], 2)
    assert outputs(file, "DELETE FROM sold WHERE i = 5 RETURNING i")["data"] == [{"i": 5}]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM nothing", "nothing does not exist"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT * FROM read_csv('/etc/passwd')", "Cannot access file"),
        ("COPY sold TO 'out.csv'", "Cannot access file"),
        ("ATTACH 'other.duckdb'", "Cannot access file"),
        ("SET enable_external_access = true", "locked"),
        ("INSTALL httpfs", "only the tables of its own file"),
    ],
)
def test_what_is_refused_is_said_and_nothing_else_is_reached(file: Path, query: str, said: str) -> None:
    with pytest.raises(DatabaseError, match=said) as raised:
        outputs(file, query)
    assert raised.value.permanent
    assert list(file.parent.iterdir()) == [file]


def test_nodes_of_a_run_share_the_file(tmp_path: Path) -> None:
    own = {"database_type": "duckdb", "connection": "details", "database": "shared.duckdb"}
    builder = WorkflowBuilder("shared")
    builder.add_node("AsyncSQLDatabaseNode", "make", {**own, "query": "CREATE TABLE t (n INT)"})
    for n in range(6):
        builder.add_node("AsyncSQLDatabaseNode", f"put{n}", {**own, "query": f"INSERT INTO t VALUES ({n})"})
        builder.add_connection("make", "data", f"put{n}", "params")
    builder.add_node("MergeNode", "all", mode="list")
    builder.add_node("AsyncSQLDatabaseNode", "sum", {**own, "query": "SELECT sum(n)::INT AS s FROM t"})
    for n in range(6):
        builder.add_connection(f"put{n}", "data", "all", "data")
    builder.add_node("PythonCodeNode", "none", code="def none(x): return []")
    builder.add_connection("all", "merged", "none", "x")
    builder.add_connection("none", "result", "sum", "params")

    async def main() -> Any:
        return (await AsyncLocalRuntime(folder=tmp_path).run(builder))[0]

    outcome = asyncio.run(main())
    assert outcome.state == "succeeded", outcome.failures
    assert outcome.results["sum"]["data"] == [{"s": 15}]


def test_a_file_that_another_program_has_open_can_be_tried_again(file: Path) -> None:
    code = f"import duckdb, sys; held = duckdb.connect({str(file)!r}); print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(DatabaseError, match="open in another program") as raised:
        outputs(file, "SELECT 1")
    assert not raised.value.permanent
    other.communicate(b"")
    assert outputs(file, "SELECT 1 AS one")["data"].to_list() == [{"one": 1}]


@pytest.mark.parametrize("junk", [True, False])
def test_a_file_that_is_none_is_told(tmp_path: Path, junk: bool) -> None:
    path = tmp_path / "junk.duckdb" if junk else tmp_path / "no folder" / "x.duckdb"
    if junk:
        path.write_bytes(b"x" * 5000)
    with pytest.raises(DatabaseError, match="cannot be opened") as raised:
        outputs(path, "SELECT 1")
    assert raised.value.permanent == junk


def test_a_statement_is_interrupted_when_it_is_cancelled_or_takes_too_long(file: Path) -> None:
    with pytest.raises(DatabaseTimeoutError, match=r"did not finish within 0\.3 s on book\.duckdb"):
        outputs(file, BUSY, statement_timeout=0.3)

    async def main() -> float:
        files = DuckDBFiles()
        task = asyncio.ensure_future(files.query(file, BUSY, []))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await files.aclose()
        return time.monotonic() - began

    assert asyncio.run(main()) < 20


def test_a_sqlite_statement_that_takes_too_long_is_interrupted(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    own = {"database_type": "sqlite", "connection": "details", "database": str(tmp_path / "a.sqlite")}
    node = installed_node_types().get("AsyncSQLDatabaseNode")("node", **own, query=endless, statement_timeout=0.3)
    with pytest.raises(DatabaseTimeoutError, match=r"SQLite did not finish within 0\.3 s"):
        asyncio.run(node.async_run())


def test_a_saved_connection_leads_to_it(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(tmp_path / "home"))
    saved = SavedConnection("book", "duckdb", database=str(file))
    Connections().put(saved)
    assert asyncio.run(tried(saved, lambda name: "")).endswith(", 1 tables.")
    node = installed_node_types().get("AsyncSQLDatabaseNode")("n", query="SELECT max(i) AS m FROM sold", saved="book")
    assert asyncio.run(node.async_run())["data"].to_list() == [{"m": 5}]
