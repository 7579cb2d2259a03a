"""WorkflowConnectionPool nodes in a runtime that is kept: what they lead to, and what a run forgets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DatabaseTimeoutError
from kailash_studio.nodes.data import WorkflowConnectionPool
from kailash_studio.runtime import events
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event


@pytest.fixture(autouse=True)
def password(postgres_target: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAILASH_SECRET_DB", postgres_target["password"])


def described(target: dict[str, Any], **further: Any) -> dict[str, Any]:
    named = {name: target[name] for name in ("host", "port", "database", "user")}
    return {
        "connection": "details",
        **named,
        "password": {"$secret": "db"},
        "pool_name": "pool",
        "min_connections": 0,
        **further,
    }


def asking(pool: dict[str, Any]) -> WorkflowBuilder:
    builder = WorkflowBuilder("asking")
    builder.add_node("WorkflowConnectionPool", "open", **pool)
    query = "SELECT current_database() AS name"
    builder.add_node("AsyncSQLDatabaseNode", "ask", query=query, connection="pool", pool="pool")
    builder.add_connection("open", "pool", "ask", "pool")
    return builder


def test_two_workflows_with_pools_of_one_name_ask_the_database_that_each_describes(
    postgres_target: dict[str, Any],
) -> None:
    async def main() -> None:
        async with AsyncLocalRuntime() as runtime:
            for name in (postgres_target["database"], "postgres", postgres_target["database"]):
                workflow = asking(described({**postgres_target, "database": name}))
                results, _ = await runtime.execute(workflow)
                assert results["ask"]["data"] == [{"name": name}]
            for most in (3, 5):
                builder = WorkflowBuilder("counted")
                builder.add_node(
                    "WorkflowConnectionPool",
                    "open",
                    **described(postgres_target, max_connections=most, min_connections=1),
                )
                stats = {"operation": "stats", "pool_name": "pool"}  # needs no address: it looks after what is there
                builder.add_node("WorkflowConnectionPool", "stats", **stats)
                builder.add_connection("open", "pool", "stats", "connection_id")
                results, _ = await runtime.execute(builder)
                assert results["stats"]["result"]["connections"]["max"] == most

    asyncio.run(main())


def test_a_run_is_told_which_node_forgot_a_connection(postgres_target: dict[str, Any]) -> None:
    builder = WorkflowBuilder("forgetful")
    builder.add_node("WorkflowConnectionPool", "take", **described(postgres_target, operation="acquire"))
    sql: dict[str, Any] = {"connection": "pool", "pool": "pool"}
    builder.add_node("AsyncSQLDatabaseNode", "use", query="SELECT 42 AS answer", **sql)
    builder.add_connection("take", "result.connection_id", "use", "connection_id")
    told: list[Event] = []

    async def main() -> None:
        async with AsyncLocalRuntime() as runtime:
            outcome, _ = await runtime.run(builder, sink=told.extend)
            assert outcome.state == "succeeded"

    asyncio.run(main())
    (line,) = [event for event in told if event.kind == events.LOG_WRITTEN]
    assert (line.node, line.details["level"]) == ("take", "warning")
    assert "take had not released its connection of the pool pool" in line.details["text"]
    assert "SELECT 42 AS answer" in line.details["text"]
    assert told[-1].kind == events.RUN_FINISHED


def test_nodes_side_by_side_take_turns_on_one_connection(postgres_target: dict[str, Any]) -> None:
    builder = WorkflowBuilder("side by side")
    builder.add_node("WorkflowConnectionPool", "take", **described(postgres_target, operation="acquire"))
    builder.add_node("WorkflowConnectionPool", "begin", **described(postgres_target, operation="begin"))
    builder.add_connection("take", "result.connection_id", "begin", "connection_id")
    sql: dict[str, Any] = {"connection": "pool", "pool": "pool"}
    for i in range(4):
        builder.add_node("AsyncSQLDatabaseNode", f"q{i}", query=f"SELECT {i} AS n FROM pg_sleep(0.05)", **sql)
        builder.add_connection("begin", "result.connection_id", f"q{i}", "connection_id")

    async def main() -> None:
        async with AsyncLocalRuntime() as runtime:
            outcome, _ = await runtime.run(builder)
            assert outcome.state == "succeeded", outcome.failures
            assert [outcome.results[f"q{i}"]["data"] for i in range(4)] == [[{"n": i}] for i in range(4)]

    asyncio.run(main())


@pytest.mark.parametrize("first", ["acquire", "begin"])
def test_a_node_on_a_held_connection_keeps_to_its_limit_of_time(first: str, postgres_target: dict[str, Any]) -> None:
    builder = WorkflowBuilder("slow")
    builder.add_node("WorkflowConnectionPool", "acquire", **described(postgres_target, operation="acquire"))
    if first == "begin":
        builder.add_node("WorkflowConnectionPool", "begin", **described(postgres_target, operation="begin"))
        builder.add_connection("acquire", "result.connection_id", "begin", "connection_id")
    slow: dict[str, Any] = {"query": "SELECT pg_sleep(60)", "statement_timeout": 0.1}
    builder.add_node("AsyncSQLDatabaseNode", "slow", connection="pool", pool="pool", **slow)
    builder.add_connection(first, "result.connection_id", "slow", "connection_id")

    async def main() -> None:
        async with AsyncLocalRuntime() as runtime, asyncio.timeout(30):
            outcome, _ = await runtime.run(builder)
            assert isinstance(outcome.failures["slow"], DatabaseTimeoutError)

    asyncio.run(main())


@pytest.mark.usefixtures("with_database")
def test_first_calls_at_once_make_one_pool() -> None:
    async def main() -> None:
        for _ in range(2):  # a pool that was closed is a new one
            pool = WorkflowConnectionPool(name="main", min_connections=0)
            try:
                told = await asyncio.gather(*(pool.process({"operation": "acquire"}) for _ in range(5)))
                for lent in told:
                    await pool.process({"operation": "release", **lent})
                assert (await pool.process({"operation": "stats"}))["connections"]["idle"] == 5
            finally:
                await pool.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("operation", "query", "effect"),
    [
        ("initialize", "", "reads"),
        ("stats", "", "reads"),
        ("execute", "SELECT 1", "reads"),
        ("execute", "DELETE FROM t", "unsafe"),
        ("commit", "", "unsafe"),
        ("rollback", "", "reads"),
        ("drain", "", "idempotent"),
        ("close", "", "idempotent"),
        ("evict", "", "idempotent"),
    ],
)
def test_what_an_operation_does_outside(operation: str, query: str, effect: str) -> None:
    assert WorkflowConnectionPool.effect_of({"operation": operation, "query": query}) == effect
