"""Queries with many rows as tables: the same values either way, under the pool's limits, stopped on the server."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from fakes.black_hole import black_hole
from fakes.tcp_proxy import proxied

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError, PoolTimeoutError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.services.embedded_database import EmbeddedDatabase
from kailash_studio.services.postgres import large, shared
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.statistics import Owner
from kailash_studio.services.sql import query_postgresql
from kailash_studio.tables.table import Table

pytestmark = pytest.mark.usefixtures("with_database")

MANY = "FROM generate_series(1, 30000) AS i"


def on_pool(work: Callable[[Pool], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        database = await EmbeddedDatabase.open()
        try:
            async with Pool(await database.target(), PoolOptions(**options)) as pool:
                return await work(pool)
        finally:
            await database.aclose()

    return asyncio.run(main())


async def query(pool: Pool, statement: str, *params: Any, **further: Any) -> Any:
    return (await query_postgresql(pool, Owner("w", "r", "n"), statement, params, **further)).rows


ANY_TYPES = f"""
SELECT i, i::int2 % 9 AS small, i::int8 * 10000000000 AS big, i / 7.0::float4 AS f4, i / 7.0::float8 AS f8,
       (i / 3.0)::numeric(12, 4) AS exact, i % 2 = 0 AS even, 'é' || i AS txt, ('v' || i)::varchar(9) AS v,
       (i % 9)::text::char(3) AS padded, date '1999-12-30' + i % 400 AS d, timestamp '2020-01-01 12:00:00.123456' AS ts,
       timestamptz '2020-01-01 12:00+02' AS tz, decode('00ff', 'hex') AS b, NULLIF(i % 3, 0) AS gap, NULL::date AS never
{MANY} ORDER BY i
"""


def test_the_rows_are_the_same_whichever_way_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(pool: Pool) -> tuple[Any, Any]:
        table = await query(pool, ANY_TYPES)
        monkeypatch.setattr(large, "ROWS", 1_000_000)
        pool.row_counts = large.RowCounts()
        return table, await query(pool, ANY_TYPES)

    table, records = on_pool(both)
    assert isinstance(table, Table)
    assert isinstance(records, list)
    assert len(table) == len(records) == 30_000
    for at in (0, 1, 2, 12_345, 29_999):
        assert table[at] == records[at]
        assert [type(value) for value in table[at].values()] == [type(value) for value in records[at].values()]
    assert table.column_names == Table.of(records).column_names


def test_a_small_query_and_one_that_cannot_be_told_from_a_change_give_records() -> None:
    async def work(pool: Pool) -> list[Any]:
        await query(pool, "CREATE TEMP TABLE grown AS SELECT generate_series(1, 30000) AS i")
        return [
            await query(pool, "SELECT i FROM generate_series(1, 10) AS i"),
            await query(pool, f"SELECT i, '{{}}'::jsonb AS j {MANY}"),
            await query(pool, f"SELECT i {MANY}", limit=5),
        ]

    assert all(isinstance(rows, list) for rows in on_pool(work, max_connections=1))


def test_values_are_bound_with_the_types_that_the_server_wants() -> None:
    statement = """
        SELECT i, $2::text AS t, $3::numeric + i AS n FROM generate_series(1, $6) AS i
        WHERE i > $1 AND date '2020-01-01' + i >= $4 AND $5 -- and $7 is nothing
    """
    hostile = "'; DROP TABLE clients; -- $1"

    async def work(pool: Pool) -> Any:
        return await query(pool, statement, 100, hostile, Decimal("0.5"), dt.date(2020, 6, 1), True, 900_000)

    table = on_pool(work)
    assert isinstance(table, Table)
    assert table[0] == {"i": 152, "t": hostile, "n": Decimal("152.5")}
    assert len(table) == 900_000 - 151


def test_a_value_that_does_not_fit_is_told_as_ever() -> None:
    with pytest.raises(DatabaseError, match=r"\$1"):
        on_pool(lambda pool: query(pool, f"SELECT i {MANY} WHERE i > $1", "many"))


def test_what_is_known_of_a_statement_decides_the_next_time() -> None:
    statement = "SELECT i FROM generate_series(1, (SELECT 25000 + 0)) AS i"  # the planner expects 1000

    async def work(pool: Pool) -> tuple[Any, Any]:
        return await query(pool, statement), await query(pool, statement)

    first, second = on_pool(work)
    assert isinstance(first, list)
    assert isinstance(second, Table)
    assert second.to_list() == first


def test_a_large_query_counts_against_the_limit_and_is_shown_as_held() -> None:
    slow = f"SELECT i, CASE WHEN i = 1 THEN pg_sleep(0.8)::text END AS s {MANY}"

    async def work(pool: Pool) -> tuple[Any, Any]:
        task = asyncio.ensure_future(query(pool, slow))
        while not (pool.holders() and pool.holders()[0].statement):
            await asyncio.sleep(0.01)
        with pytest.raises(PoolTimeoutError, match="w/r/n for"):
            await pool.acquire(Owner("w", "r", "other"), seconds=0.2)
        return await task, pool.holders()

    table, left = on_pool(work, max_connections=1)
    assert isinstance(table, Table)
    assert left == []


async def _running(pool: Pool) -> int:
    asked = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE '%largest_mark%' AND pid <> pg_backend_pid()"
    asked += " AND state = 'active'"
    return int((await query(pool, asked))[0]["n"])


def test_a_cancelled_one_ends_on_the_server() -> None:
    slow = f"SELECT i AS largest_mark, CASE WHEN i = 5 THEN pg_sleep(30)::text END AS s {MANY}"

    async def work(pool: Pool) -> None:
        task = asyncio.ensure_future(query(pool, slow))
        while not await _running(pool):
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while await _running(pool):
                await asyncio.sleep(0.02)
        assert pool.holders() == []

    on_pool(work)


def test_one_that_takes_too_long_is_stopped_by_the_server() -> None:
    slow = f"SELECT i, CASE WHEN i = 5 THEN pg_sleep(30)::text END AS s {MANY}"
    with pytest.raises(DatabaseTimeoutError, match=r"0\.5 s"):
        on_pool(lambda pool: query(pool, slow, seconds=0.5))


def test_the_sql_node_hands_a_table_on_and_the_journal_keeps_it(tmp_path: Path) -> None:
    builder = WorkflowBuilder("large")
    builder.add_node("AsyncSQLDatabaseNode", "rows", query=f"SELECT i, (i % 7)::numeric AS kind {MANY}")
    builder.add_node("FilterRowsNode", "some", by="expression", expression="kind == 3")
    builder.add_node("PythonCodeNode", "count", code="def count(rows): return [len(rows), float(rows[5]['kind'])]")
    builder.add_connection("rows", "data", "some", "rows")
    builder.add_connection("rows", "result.data", "count", "rows")

    async def main() -> tuple[Any, Any]:
        journal = Journal(tmp_path / "journal.db")
        try:
            outcome, run_id = await AsyncLocalRuntime(journal=journal).run(builder)
            assert outcome.state == "succeeded", outcome.failures
            return outcome.results, journal.finished_in_all(run_id)
        finally:
            journal.close()

    results, kept = asyncio.run(main())
    assert isinstance(results["rows"]["data"], Table)
    assert results["rows"]["row_count"] == 30_000
    assert results["rows"]["result"]["columns"] == ["i", "kind"]
    assert len(results["some"]["data"]) == 4286
    assert results["count"]["result"] == [30_000, 6.0]
    assert kept["rows"]["data"] == results["rows"]["data"]
    assert kept["rows"]["result"]["data"] == results["rows"]["data"]


@pytest.mark.parametrize("column", [
    "CASE WHEN i = 29000 THEN 'NaN'::numeric ELSE 0.1 END",
    "CASE WHEN i = 29000 THEN 10::numeric ^ 90 ELSE 0.1 END",
    "CASE WHEN i = 29000 THEN 'infinity'::timestamptz ELSE '2020-01-01 12:00+00' END",
    "CASE WHEN i = 29000 THEN '-infinity'::timestamp ELSE '2020-01-01' END",
    "CASE WHEN i = 29000 THEN 'infinity'::date ELSE '2020-01-01' END",
    "'x'::\"char\"",
])  # fmt: skip
def test_values_that_a_table_does_not_have_come_as_ever(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    statement = f"SELECT i, {column} AS v {MANY} ORDER BY i"

    async def work(pool: Pool) -> tuple[Any, Any, Any]:
        first = await query(pool, statement)
        executed = pool.statistics.executed
        again = await query(pool, statement)
        assert pool.statistics.executed == executed + 1  # it is remembered: no table is tried, nothing is planned
        monkeypatch.setattr(large, "ROWS", 1_000_000)
        pool.row_counts = large.RowCounts()
        return first, again, await query(pool, statement)

    first, again, records = on_pool(work)
    assert isinstance(first, list) and isinstance(again, list)
    assert str(first[28_990:29_010]) == str(again[28_990:29_010]) == str(records[28_990:29_010])  # NaN is not itself


@pytest.mark.parametrize(("wanted", "value"), [
    ("i > $1::int4", True),
    ("$1::timestamptz > now() - interval '9999 days'", dt.datetime(2024, 1, 1, 12)),
    ("$1::timestamp > '2000-01-01'", dt.date(2024, 1, 1)),
    ("$1::date > '2000-01-01'", dt.datetime(2024, 1, 1, 12)),
    ("$1::float4 <> 5", "NaN"),
])  # fmt: skip
def test_a_value_of_another_type_than_the_servers_means_what_it_does_in_a_small_query(wanted: str, value: Any) -> None:
    async def outcome(pool: Pool, many: str) -> str:
        try:
            return str(len(await query(pool, f"SELECT i FROM generate_series(1, {many}) AS i WHERE {wanted}", value)))
        except DatabaseError as error:
            return str(error)

    async def both(pool: Pool) -> tuple[str, str]:
        return await outcome(pool, "2"), await outcome(pool, "900000")

    small, many = on_pool(both)
    assert small == many or (small, many) in {("1", "899999"), ("2", "900000")}


async def _hung(pool: Pool, statement: str) -> float:
    began = time.monotonic()
    with pytest.raises(DatabaseTimeoutError):
        await query(pool, statement, seconds=0.5)
    return time.monotonic() - began


@pytest.mark.parametrize("statement", ["SELECT i FROM held WHERE i > 0", f"SELECT i {MANY}"])
def test_looking_whether_a_query_is_large_keeps_the_limit_of_time(statement: str) -> None:
    """On a table that is locked, and on a server that does not answer any more."""

    async def main() -> None:
        database = await EmbeddedDatabase.open()
        try:
            target = await database.target()
            async with proxied(target) as (proxy, behind), Pool(behind, PoolOptions(max_connections=1)) as pool:
                other = await asyncpg.connect(**target)
                await query(pool, "CREATE TABLE IF NOT EXISTS held AS SELECT 1 AS i")
                if "held" in statement:
                    await other.execute("BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
                    for _ in range(2):
                        assert await _hung(pool, statement) < 5
                    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
                    async with asyncio.timeout(10):
                        while await other.fetchval(waiting, "%FROM held WHERE%"):
                            await asyncio.sleep(0.02)
                    await other.execute("ROLLBACK")
                    assert await query(pool, statement) == [{"i": 1}]
                    await other.execute("BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
                    assert await _hung(pool, statement) < 5  # it is prepared by now, and the plan waits
                    await other.execute("ROLLBACK")
                else:
                    proxy.mode = "black_hole"
                    assert await _hung(pool, statement) < 5
                await other.close()
                assert pool.holders() == []
        finally:
            await database.aclose()

    asyncio.run(main())


def test_batches_keep_the_limit_of_time_on_a_server_that_does_not_answer_any_more() -> None:
    async def main() -> None:
        database = await EmbeddedDatabase.open()
        try:
            async with (
                proxied(await database.target()) as (proxy, behind),
                Pool(behind, PoolOptions(statement_timeout=0.5)) as pool,
                await pool.acquire() as lease,
            ):
                await lease.run("BEGIN")
                proxy.mode = "black_hole"
                with pytest.raises(DatabaseTimeoutError):
                    async with asyncio.timeout(10):
                        await anext(lease.batches("SELECT 1 AS one"))
        finally:
            await database.aclose()

    asyncio.run(main())


def test_cancelling_while_it_is_looked_leaves_a_session_that_is_reset() -> None:
    async def work(pool: Pool) -> None:
        other = await asyncpg.connect(**pool.target)
        await query(pool, "CREATE TABLE IF NOT EXISTS held AS SELECT 1 AS i")
        await other.execute("BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        task = asyncio.ensure_future(query(pool, "SELECT i AS cancelled_look FROM held"))
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
        async with asyncio.timeout(10):
            while not await other.fetchval(asked, "%cancelled_look%"):
                await asyncio.sleep(0.02)
        before = pool.statistics.resets
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.statistics.resets == before + 1
        await other.execute("ROLLBACK")
        await other.close()
        assert await query(pool, "SELECT 1 AS one") == [{"one": 1}]

    on_pool(work, max_connections=1)


def test_the_sql_node_gives_a_server_up_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_SHARED", replace(shared._SHARED, connect_timeout=0.5))

    async def main() -> None:
        async with black_hole() as port:
            builder = WorkflowBuilder("silent")
            own = {"connection": "details", "host": "127.0.0.1", "port": port, "database": "x", "user": "u"}
            builder.add_node("AsyncSQLDatabaseNode", "rows", {**own, "query": f"SELECT i {MANY}"})
            outcome, _ = await AsyncLocalRuntime().run(builder)
            assert isinstance(outcome.failures["rows"], DatabaseUnreachableError)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_session_that_only_described_a_statement_holds_no_table() -> None:
    async def work(pool: Pool) -> None:
        await query(pool, "CREATE TABLE IF NOT EXISTS many AS SELECT i FROM generate_series(1, 30000) AS i")
        await query(pool, "ANALYZE many")
        statement = "SELECT i FROM many WHERE i > $1"
        assert isinstance(await query(pool, statement, 0), Table)
        other = await asyncpg.connect(**pool.target)
        await other.execute("SET lock_timeout = '5s'")
        pool.evict()
        assert isinstance(await query(pool, statement, 0), Table)  # on a new connection, which only describes it
        await other.execute("BEGIN; LOCK TABLE many IN ACCESS EXCLUSIVE MODE; COMMIT")
        with pytest.raises(DatabaseError, match=r"\$1 does not take"):
            await query(pool, "SELECT i FROM many WHERE date '2020-01-01' + i > $1", "tomorrow")
        await other.execute("DROP TABLE many")
        await other.close()

    on_pool(work, max_connections=2, min_connections=0)
