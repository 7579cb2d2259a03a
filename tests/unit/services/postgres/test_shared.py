"""The pools of a runtime: a name leads where it is said to lead, and what is replaced works on until it is empty."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakes.pools import ME
from fakes.waiting import until

from kailash_studio.errors import DatabaseError, EngineError, PoolClosedError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.database_requests import DatabaseRequests
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.shared import SharedPools
from kailash_studio.services.postgres.statistics import Owner

SMALL = PoolOptions(max_connections=2)


def on_pools(body: Callable[[SharedPools], Awaitable[None]]) -> None:
    async def run() -> None:
        pools = await SharedPools.open()
        try:
            await body(pools)
        finally:
            await pools.aclose()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    asyncio.run(run())
    gc.collect()  # a connection that was not closed warns, and warnings fail


async def database_of(pool: Pool) -> str:
    async with await pool.acquire() as lease:
        return str((await lease.run("SELECT current_database()")).records[0][0])


def test_a_name_leads_to_the_address_that_was_given_last(postgres_target: dict[str, Any]) -> None:
    elsewhere = {**postgres_target, "database": "postgres"}

    async def body(pools: SharedPools) -> None:
        first = pools.define("pool", postgres_target, SMALL).pool
        assert pools.define("pool", dict(postgres_target), SMALL).pool is first
        assert await database_of(first) == postgres_target["database"]
        second = pools.define("pool", elsewhere, SMALL).pool
        assert await database_of(second) == "postgres"
        assert pools.named("pool") is second
        assert first.is_ended, "nobody uses it any more"
        wide = pools.define("pool", elsewhere, PoolOptions(max_connections=7)).pool
        assert (wide.snapshot()["connections"]["max"], second.is_ended) == (7, False)
        await until(lambda: second.is_ended and pools.pools() == [wide])

    on_pools(body)


def test_runs_at_once_use_the_pool_that_each_of_them_described(postgres_target: dict[str, Any]) -> None:
    elsewhere = {**postgres_target, "database": "postgres"}

    async def body(pools: SharedPools) -> None:
        first = pools.define("pool", postgres_target, SMALL, run="run-1")
        lent = (await first.process({"operation": "acquire"}, ME))["connection_id"]
        second = pools.define("pool", elsewhere, SMALL, run="run-2")
        assert pools.named("pool", "run-1") is first.pool
        assert pools.named("pool", "run-2") is second.pool
        assert pools.named("pool", "run-3") is second.pool, "a run that describes none uses the last one"
        assert pools.operations("pool", "run-1", connection_id=lent) is first
        assert pools.define("pool", postgres_target, SMALL, run="run-1") is first
        assert await database_of(pools.named("pool", "run-1")) == postgres_target["database"]
        narrow = PoolOptions(max_connections=1)
        assert pools.define("pool", postgres_target, narrow, run="run-1") is first, "its first node has said how"
        with pytest.raises(
            DatabaseError, match=r"leads to .*/studio in this run, and this node wants one to .*/postgr"
        ):
            pools.define("pool", elsewhere, SMALL, run="run-1")
        assert pools.define("pool", postgres_target, SMALL, run="run-4") is first
        pools.run_ended("run-1")
        assert not first.pool.is_ended
        pools.define("pool", elsewhere, SMALL, run="run-5")
        pools.run_ended("run-4")
        await until(lambda: first.pool.is_ended and len(pools.pools()) == 1)

    on_pools(body)


def test_a_pool_that_is_drained_is_shown_until_it_is_empty(postgres_target: dict[str, Any]) -> None:
    async def body(pools: SharedPools) -> None:
        pool = pools.at(postgres_target)
        lease = await pool.acquire(ME)
        draining = asyncio.create_task(pool.drain(30))
        await until(lambda: pool.is_ended)
        new = pools.at(postgres_target)
        assert new is not pool
        (told,) = [shown for shown in pools.snapshots() if shown["state"] == "draining"]
        assert told["holders"][0]["owner"]["node"] == "fetch"
        await lease.run("SELECT 1")
        lease.release()
        assert await draining
        assert pool.state == "drained"
        assert pools.pools() == [new]
        await new.aclose()
        assert new.state == "closed"

    on_pools(body)


def test_the_window_is_told_of_pools_that_are_drained_until_they_are_empty(postgres_target: dict[str, Any]) -> None:
    async def run() -> None:
        async with AsyncLocalRuntime() as runtime:
            assert runtime._resources is not None
            pools = await runtime._resources.get(SharedPools, SharedPools.open)
            asked = DatabaseRequests(runtime).handlers()

            def states() -> list[str]:
                told: Any = asked["pools"]({})
                return [shown["state"] for shown in told["pools"]]

            pool = pools.define("main", postgres_target, SMALL).pool
            lease = await pool.acquire(ME)
            asked["pool_do"]({"pool": pool.id, "what": "drain"})
            await until(lambda: states() == ["draining"])
            with pytest.raises(EngineError, match="The pool is not open any more"):
                asked["pool_do"]({"pool": pool.id, "what": "pause"})
            lease.release()
            await until(lambda: not states())

    asyncio.run(run())


def test_the_window_acts_on_one_of_the_pools_of_a_name(postgres_target: dict[str, Any]) -> None:
    elsewhere = {**postgres_target, "database": "postgres"}

    async def run() -> None:
        async with AsyncLocalRuntime() as runtime:
            assert runtime._resources is not None
            pools = await runtime._resources.get(SharedPools, SharedPools.open)
            asked = DatabaseRequests(runtime).handlers()
            first = pools.define("main", postgres_target, SMALL, workflow="nightly", run="run-1").pool
            second = pools.define("main", elsewhere, SMALL, workflow="weekly", run="run-2").pool
            pools.define("main", elsewhere, SMALL, workflow="monthly", run="run-3")
            told: Any = asked["pools"]({})
            places = {shown["id"]: (shown["name"], shown["address"], shown["workflows"]) for shown in told["pools"]}
            assert places == {
                first.id: ("main", first.place, ["nightly"]),
                second.id: ("main", second.place, ["monthly", "weekly"]),
            }
            for what, states in (("pause", ("open", "paused")), ("resume", ("open", "open"))):
                asked["pool_do"]({"pool": second.id, "what": what})
                assert (first.state, second.state) == states
            asked["pool_do"]({"pool": first.id, "what": "drain"})
            await until(lambda: first.is_ended)
            assert second.state == "open"
            at = pools.at(postgres_target, workflow="nightly")
            assert pools.at(postgres_target, workflow="weekly") is at
            assert at.snapshot()["workflows"] == ["nightly", "weekly"]

    asyncio.run(run())


def test_what_a_run_was_reading_ends_with_it_in_silence(
    postgres_target: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def body(pools: SharedPools) -> None:
        warned: list[str] = []
        owner = Owner("report", "run-1", "fetch", None, warned.append)
        operations = pools.define("pool", postgres_target, SMALL, run="run-1")
        lent = await operations.process({"operation": "acquire"}, owner)
        request = {**lent, "operation": "execute", "fetch_mode": "many", "batch_size": 10}
        query = "SELECT n FROM generate_series(1, 100) n"
        assert (await operations.process({**request, "query": query}, owner))["row_count"] == 10
        pools.run_ended("run-1")
        assert warned == [
            f"fetch had not released its connection of the pool pool when the run ended (its last statement: {query}): "
            "it was taken back, and what was not committed is rolled back."
        ]
        with pytest.raises(PoolClosedError, match="has lent no connection"):
            await operations.process({**lent, "operation": "fetch"}, owner)
        assert not operations._held
        await until(lambda: operations.pool.snapshot()["connections"]["idle"] == 1)
        gc.collect()

    with caplog.at_level(logging.WARNING):
        on_pools(body)
    assert not caplog.records
