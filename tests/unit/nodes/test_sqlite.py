"""AsyncSQLDatabaseNode on real SQLite files."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DatabaseError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.services.postgres.rows import unique
from kailash_studio.services.sql import query_sqlite
from kailash_studio.spec.registry import installed_node_types

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
Sql = Callable[..., dict[str, Any]]


@pytest.fixture
def sql(tmp_path: Path) -> Sql:
    """Runs a statement on a file with a small table."""

    def call(query: str, *params: Any, **further: Any) -> dict[str, Any]:
        values: dict[str, Any] = {"database_type": "sqlite", "database": str(tmp_path / "a.db"), "query": query}
        node = installed_node_types().get("AsyncSQLDatabaseNode")("node", **values, **further)
        return dict(asyncio.run(node.async_run(params=list(params))))

    call("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)", fetch_mode="none")
    call("INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, 'z')", fetch_mode="none")
    return call


@pytest.mark.parametrize(
    ("query", "params", "further", "rows", "count"),
    [
        ("SELECT a, b FROM t WHERE a > $1 ORDER BY a", [1], {}, [{"a": 2, "b": None}, {"a": 3, "b": "z"}], 2),
        ("SELECT $2 AS second, $1 AS first, $2 AS again", ["x", 5], {}, [{"second": 5, "first": "x", "again": 5}], 1),
        ("SELECT a FROM t WHERE a = ? OR b = ?", [1, "z"], {}, [{"a": 1}, {"a": 3}], 2),
        ("SELECT a FROM t ORDER BY a", [], {"fetch_mode": "one"}, [{"a": 1}], 1),
        ("SELECT a FROM t", [], {"fetch_mode": "none"}, [], 3),
        ("SELECT a FROM t WHERE a > 9", [], {}, [], 0),
        ("SELECT '$1' AS price, ? AS b", [7], {}, [{"price": "$1", "b": 7}], 1),
        ("UPDATE t SET b = 'new' WHERE a < $1", [3], {}, [], 2),
        ("DELETE FROM t", [], {}, [], 3),
        ("INSERT INTO t VALUES (9, 'q') RETURNING a", [], {}, [{"a": 9}], 1),
    ],
)
def test_a_statement_gives_its_rows_and_their_number(
    query: str, params: list[Any], further: dict[str, Any], rows: list[dict[str, Any]], count: int, sql: Sql
) -> None:
    given = sql(query, *params, **further)
    assert (given["data"], given["row_count"]) == (rows, count)
    assert given["result"] == {"data": rows, "row_count": count, "columns": given["result"]["columns"]}


def test_changes_are_kept_also_when_only_the_first_row_is_asked_for(sql: Sql) -> None:
    assert sql("INSERT INTO t VALUES (7, 'q'), (8, 'r') RETURNING a", fetch_mode="one")["data"] == [{"a": 7}]
    assert sql("SELECT count(*) AS n FROM t")["data"] == [{"n": 5}]


@pytest.mark.parametrize(
    ("query", "params", "said", "permanent"),
    [
        ("SELEKT 1", [], 'SQLite says of a.db: near "SELEKT": syntax error', True),
        ("SELECT * FROM absent", [], "no such table: absent", True),
        ("SELECT absent FROM t", [], "no such column: absent", True),
        ("INSERT INTO t VALUES (1, 'again')", [], "UNIQUE constraint failed", True),
        ("SELECT $1, $2", [1], "a.db", True),
        ("SELECT 1; SELECT 2", [], "one statement at a time", True),
        ("SELECT $1", [[1, 2]], "a.db", True),
    ],
)
def test_a_refused_statement_names_the_file_and_the_reason(
    query: str, params: list[Any], said: str, permanent: bool, sql: Sql
) -> None:
    with pytest.raises(DatabaseError) as raised:
        sql(query, *params)
    assert str(raised.value).startswith("node: ")
    assert said in str(raised.value)
    assert raised.value.permanent is permanent


def test_a_file_in_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="there is no folder"):
        asyncio.run(query_sqlite(tmp_path / "absent" / "a.db", "SELECT 1", []))


def test_a_locked_database_is_waited_for(sql: Sql, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    done.start()
    assert sql("UPDATE t SET b = 'late'")["row_count"] == 3
    done.join()
    other.close()


@pytest.mark.parametrize("after", [0.0, 0.2])
def test_an_endless_statement_is_stopped_with_its_run(after: float, sql: Sql, tmp_path: Path) -> None:
    """Also when the run is cancelled at the very moment at which the statement starts."""
    builder = WorkflowBuilder()
    builder.add_node(
        "AsyncSQLDatabaseNode", "count", database_type="sqlite", connection="details", database="a.db", query=ENDLESS
    )

    async def work() -> Outcome:
        runtime = AsyncLocalRuntime(folder=tmp_path)
        running = asyncio.create_task(runtime.run(builder, run_id="r"))
        while not runtime.cancel("r") if after == 0 else False:
            await asyncio.sleep(0)
        if after:
            await asyncio.sleep(after)
            runtime.cancel("r")
        return (await asyncio.wait_for(running, 20))[0]

    outcome = asyncio.run(work())
    assert outcome.reasons == {"count": "the run was cancelled"}
    assert sql("UPDATE t SET b = 'free'")["row_count"] == 3


def test_many_statements_cancelled_at_once_all_stop(tmp_path: Path) -> None:
    """More than there are threads: some are cancelled before they have begun."""

    async def work() -> None:
        tasks = [asyncio.create_task(query_sqlite(tmp_path / "a.db", ENDLESS, [])) for _ in range(40)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        done, waiting = await asyncio.wait(tasks, timeout=20)
        assert not waiting
        assert all(task.cancelled() for task in done)

    asyncio.run(work())


@pytest.mark.parametrize(
    ("names", "made"),
    [
        (["a", "b"], ["a", "b"]),
        (["id", "id", "id"], ["id", "id_2", "id_3"]),
        (["id", "id_2", "id"], ["id", "id_2", "id_3"]),
        (["id", "id", "id_2"], ["id", "id_3", "id_2"]),
        ([], []),
    ],
)
def test_column_names_are_made_unique(names: list[str], made: list[str]) -> None:
    assert unique(names) == made


def test_batches_have_the_columns_and_the_order_of_the_statement(sql: Sql) -> None:
    def batch(number: int) -> list[dict[str, Any]]:
        joined = "SELECT x.a, y.a FROM t x JOIN t y USING (a) ORDER BY 1 DESC; -- all"
        return list(sql(joined, fetch_mode="many", batch_size=2, batch=number)["data"])

    assert [batch(n) for n in (1, 2, 3)] == [[{"a": 3, "a_2": 3}, {"a": 2, "a_2": 2}], [{"a": 1, "a_2": 1}], []]


def test_what_mysql_runs_in_a_comment_is_no_mere_reading() -> None:
    node_type = installed_node_types().get("AsyncSQLDatabaseNode")
    query = "SELECT 1 /*! INTO OUTFILE 'f' */"
    assert node_type.effect_of({"query": query, "database_type": "mysql"}) == "unsafe"
    assert node_type.effect_of({"query": "SELECT 1 # delete", "database_type": "mysql"}) == "reads"
