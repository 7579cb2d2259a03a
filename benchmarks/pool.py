"""The pool beside raw asyncpg and the pools of others: ``python benchmarks/pool.py [--quick]``.

One operation: acquire, SELECT 1, release, on 10 connections to the embedded server. The candidates take turns in short
rounds, so that a busy machine slows all of them; medians and ratios are printed. Exit status 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg

from kailash_studio.services.embedded_database import EmbeddedDatabase
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool

CONNECTIONS = 10
GOAL_RAW = 0.85  # of raw asyncpg's operations a second, at 10 workers
GOAL_ASYNCPG = 2.0  # times asyncpg.Pool's, at 10 to 200 workers
GOAL_TAIL = 2.0  # p99 against p50, at 200 workers
GOAL_FAIR = 1.2  # the longest wait of 100 workers against the ideal
GOAL_US = 60.0  # CPU of an operation

Operation = Callable[[int], Awaitable[Any]]
Target = dict[str, Any]


@asynccontextmanager
async def raw(target: Target) -> AsyncIterator[Operation]:
    connections = [await asyncpg.connect(**target) for _ in range(CONNECTIONS)]

    async def operation(worker: int) -> Any:
        return await connections[worker].fetchval("SELECT 1")

    yield operation
    for connection in connections:
        await connection.close()


@asynccontextmanager
async def ours(target: Target) -> AsyncIterator[Operation]:
    async with Pool(target, PoolOptions(max_connections=CONNECTIONS)) as pool:
        await pool.warm(CONNECTIONS)

        async def operation(worker: int) -> Any:
            async with await pool.acquire() as lease:
                return await lease.run("SELECT 1")

        yield operation


@asynccontextmanager
async def of_asyncpg(target: Target) -> AsyncIterator[Operation]:
    async with asyncpg.create_pool(**target, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:

        async def operation(worker: int) -> Any:
            async with pool.acquire() as connection:
                return await connection.fetchval("SELECT 1")

        yield operation


@asynccontextmanager
async def of_psycopg(target: Target) -> AsyncIterator[Operation]:
    from psycopg_pool import AsyncConnectionPool

    words = {**target, "dbname": target["database"]}
    del words["database"]
    async with AsyncConnectionPool(
        kwargs={**words, "autocommit": True}, min_size=CONNECTIONS, max_size=CONNECTIONS, open=False
    ) as pool:
        await pool.wait()

        async def operation(worker: int) -> Any:
            async with pool.connection() as connection:
                return await (await connection.execute("SELECT 1")).fetchone()

        yield operation


@asynccontextmanager
async def of_sqlalchemy(target: Target) -> AsyncIterator[Operation]:
    from sqlalchemy import URL, text
    from sqlalchemy.ext.asyncio import create_async_engine

    url = URL.create(
        "postgresql+asyncpg",
        username=target["user"],
        password=target["password"],
        host=target["host"],
        port=target["port"],
        database=target["database"],
    )
    engine = create_async_engine(url, pool_size=CONNECTIONS, max_overflow=0, isolation_level="AUTOCOMMIT")
    statement = text("SELECT 1")

    async def operation(worker: int) -> Any:
        async with engine.connect() as connection:
            return (await connection.execute(statement)).scalar()

    yield operation
    await engine.dispose()


@asynccontextmanager
async def of_kailash(target: Target) -> AsyncIterator[Operation]:
    """The package ``kailash``: its own WorkflowConnectionPool, by the requests that its guide shows."""
    from kailash.nodes.data import WorkflowConnectionPool

    words = {**target, "database_type": "postgresql", "pre_warm": False}
    pool = WorkflowConnectionPool(
        name="benchmark", min_connections=CONNECTIONS, max_connections=CONNECTIONS, operation="initialize", **words
    )
    async with pool:

        async def operation(worker: int) -> Any:
            lent = (await pool.process({"operation": "acquire"}))["connection_id"]
            request = {"connection_id": lent, "query": "SELECT 1", "fetch_mode": "one"}
            try:
                found = await pool.process({"operation": "execute", **request})
            finally:
                await pool.process({"operation": "release", "connection_id": lent})
            assert found["success"], found["error"]

        yield operation


CANDIDATES = {
    "raw asyncpg": ("asyncpg", raw),
    "kailash studio": ("asyncpg", ours),
    "asyncpg.Pool": ("asyncpg", of_asyncpg),
    "psycopg_pool": ("psycopg_pool", of_psycopg),
    "sqlalchemy": ("sqlalchemy", of_sqlalchemy),
    "kailash": ("kailash", of_kailash),
}


async def round_of(operation: Operation, workers: int, count: int) -> tuple[float, float, list[float]]:
    """Operations a second, CPU microseconds of one, and how long each took."""
    took: list[float] = []

    async def work(worker: int) -> None:
        for _ in range(max(1, count // workers)):
            began = time.perf_counter()
            await operation(worker)
            took.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(worker) for worker in range(workers)))
    return (
        len(took) / (time.perf_counter() - began),
        (time.process_time() - cpu) / len(took) * 1e6,
        sorted(took),
    )


async def fairness(target: Target) -> float:
    """100 workers that hold one of 10 connections for 20 ms, once each: the longest wait against ten rounds of it."""
    async with Pool(target, PoolOptions(max_connections=CONNECTIONS)) as pool:
        await pool.warm(CONNECTIONS)

        async def work() -> float:
            began = time.perf_counter()
            async with await pool.acquire() as lease:
                waited = time.perf_counter() - began
                await lease.run("SELECT pg_sleep(0.02)")
            return waited

        async with await pool.acquire() as lease:
            began = time.perf_counter()
            for _ in range(5):
                await lease.run("SELECT pg_sleep(0.02)")
            hold = (time.perf_counter() - began) / 5
        waits = await asyncio.gather(*(work() for _ in range(100)))
    return max(waits) / (hold * 9)


def percentile(took: list[float], share: float) -> float:
    return took[min(len(took) - 1, int(share * len(took)))]


async def measure(rounds: int) -> bool:
    embedded = await EmbeddedDatabase.open()
    target = await embedded.target()
    rates: dict[tuple[str, int], list[float]] = {}
    cpu: dict[str, list[float]] = {}
    tails: list[float] = []
    async with AsyncExitStack() as stack:
        operations = {}
        for name, (module, make) in CANDIDATES.items():
            if importlib.util.find_spec(module) is None:
                print(f"{name:<16} not installed")
            else:
                operations[name] = await stack.enter_async_context(make(target))
        for workers in (10, 50, 200):
            names = [name for name in operations if name != "raw asyncpg" or workers == CONNECTIONS]
            for turn in range(rounds + 1):
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    rate, spent, took = await round_of(operations[name], workers, 1000)
                    if not turn:
                        continue  # the first round prepares statements
                    rates.setdefault((name, workers), []).append(rate)
                    if name == "kailash studio" and workers == 200:
                        tails.append(percentile(took, 0.99) / percentile(took, 0.5))
                    if workers == CONNECTIONS:
                        cpu.setdefault(name, []).append(spent)
        fair = statistics.median([await fairness(target) for _ in range(3)])
    await embedded.aclose()
    middle = {key: statistics.median(found) for key, found in rates.items()}
    for name in operations:
        shown = "  ".join(
            f"{workers:>3}: {middle[name, workers]:8.0f}" for workers in (10, 50, 200) if (name, workers) in middle
        )
        print(f"{name:<16} {statistics.median(cpu[name]):6.1f} us CPU   operations a second  {shown}")

    def against(other: str, workers: int) -> float:
        pairs = zip(rates["kailash studio", workers], rates[other, workers], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    goals = [
        ("of raw asyncpg at 10 workers", against("raw asyncpg", 10), GOAL_RAW, True),
        *((f"x asyncpg.Pool at {n}", against("asyncpg.Pool", n), GOAL_ASYNCPG, True) for n in (10, 50, 200)),
        ("p99 / p50 at 200 workers", statistics.median(tails), GOAL_TAIL, False),
        ("longest wait / ideal, 100 workers", fair, GOAL_FAIR, False),
        ("us of CPU an operation", statistics.median(cpu["kailash studio"]), GOAL_US, False),
    ]
    good = True
    for what, found, goal, least in goals:
        met = found >= goal if least else found <= goal
        good &= met
        print(f"{found:7.2f} {what:<36} goal: at {'least' if least else 'most'} {goal:g}: {'met' if met else 'MISSED'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--uvloop", action="store_true", help="on the loop that the window's engine runs on")
    given = parser.parse_args()
    if given.uvloop:
        import uvloop

        return 0 if uvloop.run(measure(5 if given.quick else 21)) else 1
    return 0 if asyncio.run(measure(5 if given.quick else 21)) else 1


if __name__ == "__main__":
    sys.exit(main())
