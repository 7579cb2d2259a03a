"""AsyncSQLDatabaseNode on the embedded PostgreSQL, through the pool that the nodes of a runtime share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, ParameterError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.wording import sentence
from kailash_studio.services.postgres.shared import SharedPools
from kailash_studio.services.postgres.statistics import ACQUIRE_ENDED
from kailash_studio.spec.registry import installed_node_types

SERIES = "SELECT n FROM generate_series(1, $1::int) n"


def outputs(query: str, params: Any = (), **further: Any) -> dict[str, Any]:
    params = params if isinstance(params, dict) else list(params)
    node = installed_node_types().get("AsyncSQLDatabaseNode")("node", query=query, params=params, **further)
    return dict(asyncio.run(node.async_run()))


@pytest.mark.parametrize(
    ("query", "params", "further", "rows", "count"),
    [
        (SERIES, [3], {}, [1, 2, 3], 3),
        (SERIES, [3], {"fetch_mode": "one"}, [1], 1),
        (SERIES, [3], {"fetch_mode": "none"}, [], 3),
        (SERIES, [5], {"fetch_mode": "many", "batch_size": 2}, [1, 2], 2),
        ("SELECT :a::int + :b::int AS n", {"a": 1, "b": 2}, {}, [3], 1),
        ("SELECT :a::int AS n", [], {"values": {"a": 4}}, [4], 1),
        ("SELECT 1 AS n, 'a:b' AS t", [], {}, [1], 1),
    ],
)
def test_fetch_modes_and_values(
    query: str, params: Any, further: dict[str, Any], rows: list[int], count: int, with_database: Path
) -> None:
    given = outputs(query, params, **further)
    assert ([row["n"] for row in given["data"]], given["row_count"]) == (rows, count)
    assert given["result"]["data"] == given["data"]
    assert given["result"].get("has_more", False) == (further.get("fetch_mode") == "many")


def test_the_statement_timeout_is_told_with_the_node(with_database: Path) -> None:
    with pytest.raises(DatabaseTimeoutError, match="node: The database says: canceling statement due to statement"):
        outputs("SELECT pg_sleep(60)", statement_timeout=0.05)
    with pytest.raises(DatabaseError, match="node: The statement wants a value for :b"):
        outputs("SELECT :b", {"a": 1})


def test_nodes_of_one_server_share_connections_and_a_cancelled_run_stops_its_statement(with_database: Path) -> None:
    builder = WorkflowBuilder("many")
    for i in range(30):
        builder.add_node("AsyncSQLDatabaseNode", f"q{i}", query=SERIES, params=[i])
    slow = WorkflowBuilder("slow")
    slow.add_node("AsyncSQLDatabaseNode", "slow", query="SELECT pg_sleep(60)")

    async def main() -> None:
        async with AsyncLocalRuntime() as runtime:
            await runtime.execute(builder)
            assert runtime._resources is not None
            shared = runtime._resources.opened(SharedPools)
            assert isinstance(shared, SharedPools)
            (pool,) = shared.pools()
            assert pool.snapshot()["connections"]["created"] <= 20
            running = asyncio.create_task(runtime.run(slow, run_id="run-1"))
            async with asyncio.timeout(10):
                while not [holder for holder in pool.holders() if "pg_sleep" in holder.statement]:
                    await asyncio.sleep(0.01)
            (holder,) = pool.holders()
            assert holder.owner[:3] == ("slow", "run-1", "slow")
            runtime.cancel("run-1")
            outcome, _ = await running
            assert outcome.state == "cancelled"
            async with await pool.acquire() as lease, asyncio.timeout(10):
                active = (
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'"
                )
                while (await lease.run(active)).records[0][0]:
                    await asyncio.sleep(0.01)
            assert pool.snapshot()["connections"]["lost"] == 0

    asyncio.run(main())


def test_the_run_is_told_how_long_each_node_waited_for_a_connection(with_database: Path) -> None:
    told: list[Event] = []

    async def work() -> None:
        async with AsyncLocalRuntime(on_events=told.extend) as runtime:
            one, other = WorkflowBuilder("pool alone"), WorkflowBuilder("two queries")
            one.add_node("WorkflowConnectionPool", "pool", max_connections=1, min_connections=1, acquire_timeout=0.5)
            await runtime.run(one)
            for name, seconds in (("a", 0.9), ("b", 0.9), ("c", 0.9)):
                other.add_node(
                    "AsyncSQLDatabaseNode", name, query=f"SELECT pg_sleep({seconds})", connection="pool", pool="pool"
                )
            await runtime.run(other)

    asyncio.run(work())
    waits = [event for event in told if event.kind == ACQUIRE_ENDED]
    assert sorted(event.details["got"] for event in waits) == [False, False, True], "one has it for 0.9 s"
    assert {event.details["pool"] for event in waits} == {"pool"}
    for event in waits:
        if not event.details["got"]:
            assert event.details["seconds"] == pytest.approx(0.5, abs=0.2)
            assert sentence(event).startswith("No connection of pool in ")


def test_each_batch_is_fetched_by_its_number_and_the_last_one_says_that_there_is_no_more() -> None:
    query = "SELECT i FROM generate_series(1, 25) AS i ORDER BY i; "
    found = [outputs(query, fetch_mode="many", batch_size=10, batch=number)["result"] for number in (1, 2, 3, 4)]
    assert [[row["i"] for row in each["data"]] for each in found] == [
        list(range(1, 11)), list(range(11, 21)), list(range(21, 26)), []
    ]  # fmt: skip
    assert [each["has_more"] for each in found] == [True, True, False, False]
    assert [each["batch"] for each in found] == [1, 2, 3, 4]


def test_a_later_batch_of_a_change_is_refused() -> None:
    query = "INSERT INTO clients SELECT * FROM clients WHERE false RETURNING *"
    with pytest.raises(ParameterError, match="only read"):
        outputs(query, fetch_mode="many", batch=2)
    problems = (
        installed_node_types()
        .get("AsyncSQLDatabaseNode")
        .problems_of({"query": query, "fetch_mode": "many", "batch": 2})
    )
    assert problems == [("batch", "batch is for statements that only read: others give the first one alone.")]
