"""A transaction over several nodes of a workflow, on the embedded server."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.outcome import Outcome

pytestmark = pytest.mark.usefixtures("with_database")

POOL: dict[str, Any] = {"pool_name": "ledger", "max_connections": 2}
SQL: dict[str, Any] = {"connection": "pool", "pool": "ledger"}


def ledger(second: str) -> WorkflowBuilder:
    """Two bookings that belong together; ``second`` is the statement of the second one."""
    builder = WorkflowBuilder("ledger")
    builder.add_node("WorkflowConnectionPool", "acquire", operation="acquire", **POOL)
    builder.add_node("WorkflowConnectionPool", "begin", operation="begin", **POOL)
    first = "INSERT INTO bookings VALUES ('a', -5)"
    builder.add_node("AsyncSQLDatabaseNode", "take", query=first, fetch_mode="none", **SQL)
    builder.add_node("AsyncSQLDatabaseNode", "give", query=second, fetch_mode="none", **SQL)
    builder.add_node("WorkflowConnectionPool", "commit", operation="commit", **POOL)
    builder.add_node("WorkflowConnectionPool", "release", operation="release", **POOL)
    names = ["acquire", "begin", "take", "give", "commit", "release"]
    for giver, taker in pairwise(names):
        builder.add_connection(giver, "result.connection_id", taker, "connection_id")
    return builder


def booked(second: str) -> tuple[Outcome, list[int]]:
    """Run it, and read what is in the table afterwards, in a runtime that keeps its pools."""

    def statement(query: str) -> WorkflowBuilder:
        builder = WorkflowBuilder("one")
        builder.add_node("AsyncSQLDatabaseNode", "q", query=query)
        return builder

    async def work() -> tuple[Outcome, list[int]]:
        async with AsyncLocalRuntime() as runtime:
            await runtime.run(statement("DROP TABLE IF EXISTS bookings"))
            await runtime.run(statement("CREATE TABLE bookings (account text, amount int)"))
            outcome, _ = await runtime.run(ledger(second))
            read, _ = await runtime.run(statement("SELECT amount FROM bookings ORDER BY amount"))
            return outcome, [row["amount"] for row in read.results["q"]["data"]]

    return asyncio.run(work())


def test_both_statements_are_committed_together() -> None:
    outcome, amounts = booked("INSERT INTO bookings VALUES ('b', 5)")
    assert outcome.state == "succeeded", outcome.failures
    assert amounts == [-5, 5]
    assert outcome.results["release"]["result"] == {"released": True}


def test_a_failure_in_between_takes_all_of_it_back() -> None:
    outcome, amounts = booked("INSERT INTO bookings VALUES ('b', 'five')")
    assert list(outcome.failures) == ["give"]
    assert outcome.reasons["commit"] == "give failed"
    assert amounts == [], "what was not committed is rolled back when the run ends"


def test_a_pool_opens_as_many_connections_as_nodes_can_be_ready_at_once() -> None:
    builder = WorkflowBuilder("wide")
    builder.add_node("WorkflowConnectionPool", "open", pool_name="wide", min_connections=1, max_connections=5)
    for number in range(4):
        builder.add_node("AsyncSQLDatabaseNode", f"q{number}", query="SELECT 1 AS n", connection="pool", pool="wide")
        builder.add_connection("open", "pool", f"q{number}", "pool")
    builder.add_node("AsyncSQLDatabaseNode", "last", query="SELECT 1 AS n", connection="pool", pool="wide")
    builder.add_connection("q0", "data", "last", "params")
    opened: list[int] = []

    async def work() -> None:
        async with AsyncLocalRuntime() as runtime:
            outcome, _ = await runtime.run(builder)
            opened.append(outcome.results["open"]["result"]["connections"])

    asyncio.run(work())
    assert opened == [4]
