"""AsyncSQLDatabaseNode on DuckDB files: shared in a run, tables out, nothing else within reach, interrupted in time."""

from __future__ import annotations

import asyncio
import datetime as dt
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


KINDS = """
SELECT 1 AS i, 'é' AS t, sum(r) AS total, timestamptz '2020-01-01 12:00+02' AS at, interval 3 days AS span,
       '00000000-0000-0000-0000-000000000007'::UUID AS id, map {'a': 1} AS m, '101'::BIT AS bits,
       time '12:00' AS clock, [1, 2] AS l, {'a': 1} AS o, 1.5::DECIMAL(4, 2) AS exact, date '2020-02-29' AS day,
       'x'::BLOB AS b, 7::HUGEINT AS h
FROM range(5) AS s(r)
"""


def test_a_value_is_the_same_however_many_rows_are_asked_for(file: Path) -> None:
    (whole,) = outputs(file, KINDS)["data"]
    (one,) = outputs(file, KINDS, fetch_mode="one")["data"]
    (many,) = outputs(file, KINDS, fetch_mode="many")["data"]
    assert whole == one == many
    assert [type(value) for value in whole.values()] == [type(value) for value in one.values()]
    assert whole["at"] == dt.datetime(2020, 1, 1, 10, tzinfo=dt.UTC)
    outputs(file, "CREATE TABLE stamped (stamp TIMESTAMPTZ)")
    assert outputs(file, "INSERT INTO stamped VALUES ('2020-01-01 12:00+02') RETURNING stamp")["data"] == [
        {"stamp": whole["at"]}
    ]


def test_batches_have_the_columns_and_the_order_of_the_statement(file: Path) -> None:
    def batch(number: int, query: str) -> list[dict[str, Any]]:
        return list(outputs(file, query, fetch_mode="many", batch_size=2, batch=number)["data"])

    joined = "SELECT a.i, b.i FROM sold a JOIN sold b USING (i) ORDER BY 1 DESC; -- all"
    assert [batch(n, joined) for n in (1, 2, 3, 4)] == [
        [{"i": 5, "i_2": 5}, {"i": 4, "i_2": 4}], [{"i": 3, "i_2": 3}, {"i": 2, "i_2": 2}], [{"i": 1, "i_2": 1}], [],
    ]  # fmt: skip
    for number in (1, 2):
        with pytest.raises(DatabaseError, match=r"\(line 2\)"):
            batch(number, "SELECT i\nFROM FROM sold")


def test_a_limit_computes_no_more_than_it_needs(file: Path) -> None:
    endless = "SELECT i FROM range(1000000000000) AS r(i)"
    found = outputs(file, endless, fetch_mode="many", batch_size=3, batch=4, statement_timeout=60)
    assert (found["data"], found["result"]["has_more"]) == ([{"i": 9}, {"i": 10}, {"i": 11}], True)


def test_a_file_is_let_go_of_when_its_last_run_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "between.duckdb"
    own = {"database_type": "duckdb", "connection": "details", "database": path.name}
    builder = WorkflowBuilder("between")
    builder.add_node("AsyncSQLDatabaseNode", "make", {**own, "query": "CREATE TABLE IF NOT EXISTS t (n INT)"})
    builder.add_node("AsyncSQLDatabaseNode", "put", {**own, "query": "INSERT INTO t VALUES (1)"})
    builder.add_node("AsyncSQLDatabaseNode", "count", {**own, "query": "SELECT count(*) AS n FROM t"})
    builder.add_connection("make", "data", "put", "params")
    builder.add_connection("put", "data", "count", "params")
    look = f"import duckdb; print(duckdb.connect({str(path)!r}).execute('SELECT count(*) FROM t').fetchall()[0][0])"

    async def counted(runtime: AsyncLocalRuntime) -> int:
        outcome = (await runtime.run(builder))[0]
        assert outcome.state == "succeeded", outcome.failures
        return int(outcome.results["count"]["data"][0]["n"])

    async def main() -> None:
        async with AsyncLocalRuntime(folder=tmp_path) as runtime:
            assert [await counted(runtime), await counted(runtime)] == [1, 2]
            deadline = time.monotonic() + 30
            while True:  # another program is let in
                other = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", look, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
                )
                said, wrong = await other.communicate()
                if other.returncode == 0:
                    break
                assert time.monotonic() < deadline, wrong
            assert int(said) == 2
            path.unlink()
            assert await counted(runtime) == 1
            assert path.exists()

    asyncio.run(main())


def test_a_file_stays_open_while_another_run_uses_it(file: Path) -> None:
    async def main() -> None:
        files = DuckDBFiles()
        for run in ("one", "two"):
            await files.query(file, "SELECT 1", [], run=run)
        files.run_ended("one")
        assert len(files._open) == 1
        busy = asyncio.ensure_future(files.query(file, "SELECT count(*) FROM range(3000000)", [], run="two"))
        while not next(iter(files._open.values())).busy:
            await asyncio.sleep(0)
        files.run_ended("two")
        assert len((await busy).rows) == 1
        assert files._open == {}
        assert (await files.query(file, "SELECT count(*) AS n FROM sold", [], limit=1)).rows == [{"n": 5}]
        await files.aclose()

    asyncio.run(main())


def test_a_damaged_file_whose_name_speaks_of_locks_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "blocks.duckdb"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(DatabaseError, match="cannot be opened") as raised:
        outputs(path, "SELECT 1")
    assert raised.value.permanent


@pytest.mark.parametrize("given", [
    {"database_type": {"$parameter": "kind"}, "query": "SELECT 1"},
    {"fetch_mode": "many", "batch": {"$parameter": "which"}, "query": "DELETE FROM t"},
])  # fmt: skip
def test_what_is_known_only_in_the_run_is_no_problem_beforehand(given: dict[str, Any]) -> None:
    assert installed_node_types().get("AsyncSQLDatabaseNode").problems_of(given) == []
