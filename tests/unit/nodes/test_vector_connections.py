"""Where AsyncPostgreSQLVectorNode runs: saved connections, pools, addresses; limits and cancelling reach the server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from fakes.tcp_proxy import TcpProxy, proxied

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.errors import (
    DatabaseError,
    DatabaseTimeoutError,
    DatabaseUnreachableError,
    ParameterError,
    WorkflowExecutionError,
)
from kailash_studio.nodes.data import AsyncPostgreSQLVectorNode, WorkflowConnectionPool
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.services.connections import Connections, SavedConnection
from kailash_studio.services.credentials.chain import default_chain
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.shared import SharedPools
from kailash_studio.services.postgres.statistics import Owner
from kailash_studio.services.vectors.connection import on_pool
from kailash_studio.services.vectors.store import VectorStore
from kailash_studio.spec.form import form_rows
from kailash_studio.spec.registry import installed_node_types

KIND = "AsyncPostgreSQLVectorNode"
ROWS = [{"id": str(n), "vector": [1, n]} for n in range(500)]


@pytest.fixture
def table() -> str:
    return f"v_{uuid.uuid4().hex[:10]}"


@pytest.fixture
def books(postgres_target: dict[str, Any], tmp_path: Path) -> Iterator[None]:
    """``vector_books`` leads to the embedded server, ``vector_file`` to a file; other tests share the place of both."""
    default_chain().set("vector_password", str(postgres_target.get("password") or "none"))
    given = {name: postgres_target[name] for name in ("host", "port", "database", "user")}
    Connections().put(SavedConnection("vector_books", **given, secret="vector_password"))
    Connections().put(SavedConnection("vector_file", kind="sqlite", database=str(tmp_path / "book.db")))
    yield
    for name in ("vector_books", "vector_file"):
        Connections().remove(name)


def a_table_is_made_filled_and_searched(builder: WorkflowBuilder, table: str, **where: Any) -> None:
    builder.add_node(KIND, "create", operation="create", table_name=table, dimensions=2, **where)
    builder.add_node(KIND, "store", operation="upsert", **where)
    builder.add_node(KIND, "search", vector=[1, 0], limit=3, **where)
    builder.add_connection("create", "table", "store", "table_name")
    builder.add_connection("store", "table", "search", "table_name")


def test_it_runs_on_a_saved_connection(books: None, table: str) -> None:
    builder = WorkflowBuilder("saved")
    a_table_is_made_filled_and_searched(builder, table, connection="saved", saved="vector_books")
    results, _ = LocalRuntime().execute(builder, parameters={"store": {"rows": ROWS}})
    assert [match["id"] for match in results["search"]["matches"]] == ["0", "1", "2"]


@pytest.mark.parametrize("kind", [KIND, "WorkflowConnectionPool"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", r"there: There is no connection 'absent'"),
        ("vector_file", r"there: The connection vector_file is of kind sqlite: this node needs one of kind postgresql"),
    ],
)
def test_a_saved_connection_that_will_not_do_is_named(books: None, kind: str, name: str, said: str) -> None:
    builder = WorkflowBuilder("saved")
    more = {"table_name": "t", "vector": [1]} if kind == KIND else {}
    builder.add_node(kind, "there", connection="saved", saved=name, **more)
    with pytest.raises(WorkflowExecutionError, match=said) as raised:
        LocalRuntime().execute(builder)
    assert isinstance(raised.value.failures["there"], ParameterError)


def test_it_runs_on_the_pool_of_a_node_which_may_be_on_a_saved_connection(books: None, table: str) -> None:
    builder = WorkflowBuilder("pool")
    builder.add_node("WorkflowConnectionPool", "few", connection="saved", saved="vector_books", max_connections=2)
    a_table_is_made_filled_and_searched(builder, table, connection="pool")
    for node in ("create", "store", "search"):
        builder.add_connection("few", "pool", node, "pool")

    async def work() -> None:
        async with AsyncLocalRuntime() as runtime:
            results, _ = await runtime.execute(builder, parameters={"store": {"rows": ROWS}})
            assert len(results["search"]["matches"]) == 3
            assert runtime._resources is not None
            shared = runtime._resources.opened(SharedPools)
            assert isinstance(shared, SharedPools)
            (pool,) = shared.pools()
            snapshot = pool.snapshot()
            assert snapshot["name"] == "few"
            assert snapshot["connections"]["lost"] == 0
            assert snapshot["connections"]["created"] <= 2

    asyncio.run(work())


def test_a_pool_on_a_saved_connection_serves_python(books: None) -> None:
    async def work() -> Any:
        async with WorkflowConnectionPool(name="mine", saved="vector_books", min_connections=1) as pool:
            return await pool.process({"operation": "execute", "query": "SELECT 7 AS n"})

    assert asyncio.run(work())["data"] == [{"n": 7}]


def test_a_pool_that_nobody_made_is_named(with_database: Path) -> None:
    node = AsyncPostgreSQLVectorNode("vectors", table_name="t", vector=[1], pool="nobody")
    with pytest.raises(DatabaseError, match="vectors: There is no pool 'nobody'"):
        asyncio.run(node.async_run())


@pytest.mark.parametrize("kind", [KIND, "WorkflowConnectionPool"])
def test_the_form_shows_what_the_chosen_connection_needs(kind: str) -> None:
    def shown(name: str) -> dict[str, Any]:
        rows = {row.name: row for row in form_rows(installed_node_types().get(name))}
        return {
            parameter: (rows[parameter].shown_when, rows[parameter].doc)
            for parameter in ("saved", "pool")
            if parameter in rows
        }

    wanted = shown("AsyncSQLDatabaseNode")
    assert shown(kind) == {name: wanted[name] for name in (("saved", "pool") if kind == KIND else ("saved",))}


def test_what_is_touched_and_what_is_missing_is_known_before() -> None:
    vectors, pool = installed_node_types().get(KIND), installed_node_types().get("WorkflowConnectionPool")
    for given in ({"connection": "saved", "saved": "books"}, {"saved": "books"}):
        assert vectors.effects_of({**given, "table_name": "t"}) == [
            "searches the table t on the saved connection books"
        ]
        assert pool.effects_of(given) == ["connects to the saved connection books"]
    for given in ({"connection": "pool", "pool": {"$parameter": "which"}}, {"pool": "p"}):
        assert vectors.effects_of({**given, "operation": "upsert"}) == ["changes a table on the pool's database"]
    assert vectors.problems_of({"connection": "pool", "pool": ""}) == [
        ("pool", "pool is not set: give the name of a WorkflowConnectionPool node.")
    ]
    assert vectors.problems_of({"connection": "pool"}) == [], "it may come through the port"
    for kind in (vectors, pool, installed_node_types().get("AsyncSQLDatabaseNode")):
        for nothing in ({"saved": ""}, {}):
            assert kind.problems_of({"connection": "saved", **nothing}) == [
                ("saved", "saved is not set: give the name of a saved connection.")
            ]


@pytest.mark.parametrize(
    "address", ["postgresql://u:p@127.0.0.1:xyz/d", "postgresql://u:xqz/wvk@127.0.0.1/d", "nothing"]
)
def test_an_address_that_is_none_is_not_tried_again_and_not_quoted(address: str) -> None:
    node = AsyncPostgreSQLVectorNode("vectors", table_name="t", vector=[1], connection_string=address)
    with pytest.raises(DatabaseError, match=r"vectors: .* is not well described: connection_string should") as raised:
        asyncio.run(node.async_run())
    assert raised.value.permanent
    assert "xqz" not in str(raised.value)
    assert "wvk" not in str(raised.value)


def test_a_server_that_is_not_there_is_named() -> None:
    address = "postgresql://user:geheim@127.0.0.1:9/db"
    node = AsyncPostgreSQLVectorNode("vectors", table_name="t", vector=[1], connection_string=address)
    with pytest.raises(DatabaseUnreachableError, match=r"127\.0\.0\.1:9/db cannot be reached") as raised:
        asyncio.run(node.async_run())
    assert "geheim" not in str(raised.value)
    assert not raised.value.permanent


async def locked(target: dict[str, Any], table: str, work: Callable[[Any], Awaitable[None]]) -> None:
    """Do something while somebody has locked the table; ``work`` is given a connection to look with."""
    holder, looker = await asyncpg.connect(**target), await asyncpg.connect(**target)
    try:
        async with holder.transaction():
            await holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            await work(looker)
        await holder.execute(f"DROP TABLE {table}")
    finally:
        await holder.close()
        await looker.close()


async def waiting(looker: Any, table: str, wanted: int) -> None:
    """Until so many statements of ours wait for the table, or none is left."""
    async with asyncio.timeout(30):
        while True:
            found = await looker.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND application_name = 'kailash-studio' "
                "AND wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'",
                table,
            )
            if found == wanted:
                return
            await asyncio.sleep(0.02)


OPERATIONS: list[dict[str, Any]] = [
    {"operation": "search", "vector": [1, 0]},
    {"operation": "upsert"},  # by COPY
    {"operation": "delete", "ids": ["1"]},
    {"operation": "index"},
]


async def made(table: str) -> None:
    await AsyncPostgreSQLVectorNode(operation="create", table_name=table, dimensions=2).async_run()


@pytest.mark.parametrize("parameters", OPERATIONS, ids=lambda given: str(given["operation"]))
def test_the_time_limit_is_the_servers(postgres_target: dict[str, Any], table: str, parameters: dict[str, Any]) -> None:
    node = AsyncPostgreSQLVectorNode("vectors", table_name=table, statement_timeout=0.3, **parameters)

    async def work(looker: Any) -> None:
        with pytest.raises(DatabaseTimeoutError, match="vectors: The database says: canceling statement due to"):
            await node.async_run(**({"rows": ROWS} if parameters["operation"] == "upsert" else {}))
        await waiting(looker, table, 0)

    async def main() -> None:
        await made(table)
        await locked(postgres_target, table, work)

    asyncio.run(main())


@pytest.mark.parametrize("within", [False, True])
def test_the_server_answers_when_its_limit_is_reached(postgres_target: dict[str, Any], within: bool) -> None:
    async def work() -> None:
        async with Pool(postgres_target) as pool, on_pool(pool, Owner(), 0.3) as connection:
            with pytest.raises(DatabaseTimeoutError, match="The database says: canceling statement due to"):
                async with connection.transaction() if within else nullcontext():
                    await connection.fetch("SELECT pg_sleep(60)")
            assert (await connection.fetch("SELECT 7 AS n"))[0]["n"] == 7

    asyncio.run(work())


@pytest.mark.parametrize("parameters", OPERATIONS, ids=lambda given: str(given["operation"]))
def test_cancelling_a_run_stops_the_statement_on_the_server(
    postgres_target: dict[str, Any], table: str, parameters: dict[str, Any]
) -> None:
    builder = WorkflowBuilder("slow")
    builder.add_node(KIND, "vectors", table_name=table, **parameters)
    rows = {"vectors": {"rows": ROWS}} if parameters["operation"] == "upsert" else {}

    async def main() -> None:
        await made(table)
        async with AsyncLocalRuntime() as runtime:

            async def work(looker: Any) -> None:
                running = asyncio.create_task(runtime.run(builder, rows, run_id="run-1"))
                await waiting(looker, table, 1)
                runtime.cancel("run-1")
                outcome, _ = await running
                assert outcome.state == "cancelled"
                await waiting(looker, table, 0)

            await locked(postgres_target, table, work)
            assert runtime._resources is not None
            shared = runtime._resources.opened(SharedPools)
            assert isinstance(shared, SharedPools)
            (pool,) = shared.pools()
            async with await pool.acquire() as lease:
                assert (await lease.run("SHOW statement_timeout")).records[0][0] == "1h"
            assert pool.snapshot()["connections"]["lost"] == 0

    asyncio.run(main())


@pytest.mark.parametrize("parameters", OPERATIONS[1:3], ids=lambda given: str(given["operation"]))
def test_a_change_whose_answer_is_lost_may_be_done_again(
    postgres_target: dict[str, Any], table: str, parameters: dict[str, Any]
) -> None:
    node = AsyncPostgreSQLVectorNode("vectors", table_name=table, **parameters)
    rows = {"rows": ROWS[:10]} if parameters["operation"] == "upsert" else {}  # so few by one statement

    async def work(looker: Any) -> None:
        running = asyncio.create_task(node.async_run(**rows))
        await waiting(looker, table, 1)
        await looker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND application_name = 'kailash-studio' AND query LIKE '%' || $1 || '%'",
            table,
        )
        with pytest.raises(DatabaseUnreachableError) as raised:
            await running
        assert not raised.value.permanent

    async def main() -> None:
        await made(table)
        await locked(postgres_target, table, work)

    asyncio.run(main())


def test_a_table_that_is_made_anew_with_other_types_is_searched_on_the_same_connection(
    postgres_target: dict[str, Any], table: str
) -> None:
    """The pool's connection has prepared the statements for the table that was there before."""
    found = []
    builder = WorkflowBuilder("search")
    builder.add_node(KIND, "search", table_name=table, vector=[1, 2], limit=1)

    async def main() -> None:
        other = await asyncpg.connect(**postgres_target)
        async with AsyncLocalRuntime() as runtime:
            for kind, value in (("text", "'a'"), ("bigint", "7")):
                await other.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (id {kind}, v vector(2))")
                await other.execute(f"INSERT INTO {table} VALUES ({value}, '[1,2]')")
                results, _ = await runtime.execute(builder)
                found.append(results["search"]["matches"][0]["id"])
        await other.execute(f"DROP TABLE {table}")
        await other.close()

    asyncio.run(main())
    assert found == ["a", 7]


@pytest.mark.parametrize("operation", ["search", "upsert few", "upsert many", "delete", "index"])
def test_a_server_that_falls_silent_is_given_up(postgres_target: dict[str, Any], table: str, operation: str) -> None:
    async def work() -> None:
        await made(table)
        async with proxied(postgres_target) as (proxy, behind), Pool(behind) as pool:
            with pytest.raises((DatabaseTimeoutError, DatabaseUnreachableError)) as raised:
                async with asyncio.timeout(60), on_pool(pool, Owner(), 0.5) as connection:
                    store = VectorStore(connection, table)
                    await store.shape()
                    proxy.mode = "black_hole"
                    match operation:
                        case "search":
                            await store.search([1, 2])
                        case "delete":
                            await store.delete(["1"])
                        case "index":
                            await store.index()
                        case _:
                            await store.upsert(ROWS[:10] if operation == "upsert few" else ROWS)
            assert not raised.value.permanent
            assert isinstance(raised.value, DatabaseError)
            assert pool.snapshot()["connections"]["lost"] == 1
            proxy.mode = "pass"
        await dropped(postgres_target, table)

    asyncio.run(work())


def test_a_server_that_falls_silent_in_the_middle_of_a_load_is_given_up(
    postgres_target: dict[str, Any], table: str
) -> None:
    async def work() -> None:
        await made(table)
        async with proxied(postgres_target) as (proxy, behind), Pool(behind) as pool:
            with pytest.raises((DatabaseTimeoutError, DatabaseUnreachableError)) as raised:
                async with asyncio.timeout(60), on_pool(pool, Owner(), 0.5) as connection:
                    await VectorStore(connection, table).upsert(silent(proxy, ROWS))
            assert not raised.value.permanent
            assert isinstance(raised.value, DatabaseError)
            proxy.mode = "pass"
        await dropped(postgres_target, table)

    asyncio.run(work())


async def dropped(target: dict[str, Any], table: str) -> None:
    other = await asyncpg.connect(**target)
    await other.execute(f"DROP TABLE {table}")
    await other.close()


def silent(proxy: TcpProxy, rows: list[dict[str, Any]]) -> list[Any]:
    """Rows of which reading the last one makes the server fall silent, so in the middle of a COPY."""

    class Row(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            if key == "vector":
                proxy.mode = "black_hole"
            return super().get(key, default)

    return [*rows[:-1], Row(rows[-1])]
