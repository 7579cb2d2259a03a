"""The pool on a real server: order, limits, sessions as good as new, operation."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from fakes.pools import ME, MovableClock, connections, on_pool
from fakes.waiting import until

from kailash_studio.errors import DatabaseError, ParameterError, PoolClosedError, PoolTimeoutError
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.shared import SharedPools
from kailash_studio.services.postgres.statistics import Histogram, Owner


def test_connections_are_made_when_needed_and_used_again(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        for _ in range(5):
            async with await pool.acquire(ME) as lease:
                found = await lease.run("SELECT $1::int AS n, $2::jsonb AS j", [7, {"a": [1]}])
                assert found.columns == ("n", "j")
                assert [tuple(record) for record in found.records] == [(7, {"a": [1]})]
        told = pool.snapshot()
        assert told["connections"]["created"] == told["connections"]["idle"] == 1
        assert told["queries"] == {"executed": 5, "errors": 0, "error_rate": 0.0}
        assert told["resets"] == 0

    on_pool(postgres_target, body)


def test_the_first_that_asked_is_served_first(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        order = []

        async def work(i: int) -> None:
            async with await pool.acquire() as lease:
                order.append(i)
                await lease.run("SELECT 1")

        await asyncio.gather(*(work(i) for i in range(60)))
        assert order == list(range(60))
        assert connections(pool)["created"] == connections(pool)["peak"] == 3

    on_pool(postgres_target, body, max_connections=3)


def test_who_waits_too_long_is_told_who_holds_the_connections(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire(ME) as lease:
            await lease.run("SELECT 1")
            with pytest.raises(PoolTimeoutError) as raised:
                await pool.acquire(seconds=0.05)
            assert "No connection of main came free within 0.05 s: 1 of 1 are in use: report/run-1/fetch for" in str(
                raised.value
            )
            assert "SELECT 1" in str(raised.value)
            assert not raised.value.permanent
            assert isinstance(raised.value, TimeoutError)
            (holder,) = pool.snapshot()["holders"]
            assert holder["owner"] == {"workflow": "report", "run": "run-1", "node": "fetch"}
        assert pool.snapshot()["timeouts"] == 1
        assert connections(pool)["idle"] == 1

    on_pool(postgres_target, body, max_connections=1)


def test_a_cancelled_waiter_loses_no_connection(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        lease = await pool.acquire()
        waiting = asyncio.create_task(pool.acquire())
        second = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        waiting.cancel()
        lease.release()  # handed to the first that is still there
        handed = await second
        third = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        handed.release()  # given to the third, which is cancelled before it can know
        third.cancel()
        await asyncio.wait([waiting, third])
        assert connections(pool)["idle"] == 1

    on_pool(postgres_target, body, max_connections=1)


@pytest.mark.parametrize(
    ("leaves", "look", "clean"),
    [
        ("SET search_path = elsewhere", "SHOW search_path", '"$user", public, sample'),
        ("SELECT set_config('work_mem', '1MB', false)", "SHOW work_mem", "4MB"),
        ("CREATE TEMP TABLE left_over (a int)", "SELECT to_regclass('left_over')::text", None),
        ("SELECT pg_advisory_lock(4711)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0),
        ("LISTEN x", "SELECT count(*) FROM pg_listening_channels()", 0),
        ("BEGIN", "SELECT pg_current_xact_id_if_assigned()::text", None),
        ("PREPARE p AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements WHERE name = 'p'", 0),
    ],
)
def test_nobody_sees_what_another_left_in_the_session(
    leaves: str, look: str, clean: object, postgres_target: dict[str, Any]
) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire() as lease:
            before = (await lease.run(look)).records[0][0]
        async with await pool.acquire() as lease:
            await lease.run(leaves)
        async with await pool.acquire() as lease:
            assert (await lease.run(look)).records[0][0] == before
        counted = pool.snapshot()
        assert counted["resets"] + counted["connections"]["recycled"] >= 1

    on_pool(postgres_target, body, max_connections=1)


def test_what_the_user_gets_wrong_costs_no_health(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire() as lease:
            with pytest.raises(DatabaseError, match=r"nothing_there.*line 2, column 6") as raised:
                await lease.run("SELECT 1\nFROM nothing_there")
            assert raised.value.permanent
            with pytest.raises(DatabaseError, match="division by zero"):
                await lease.run("SELECT 1 / 0")
            with pytest.raises(DatabaseError, match="expected str, got int"):
                await lease.run("SELECT $1::text", [1])
            assert (await lease.run("SELECT 1")).row_count == 1
        told = pool.snapshot()
        assert told["queries"] == {"executed": 1, "errors": 3, "error_rate": 0.75}
        assert told["health"]["average"] == 100.0
        assert (told["connections"]["idle"], told["connections"]["lost"]) == (1, 0)

    on_pool(postgres_target, body)


def test_a_table_that_changes_under_a_prepared_statement_is_read_anew(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire() as lease:
            await lease.run("DROP TABLE IF EXISTS changing")
            await lease.run("CREATE TABLE changing AS SELECT 1 AS a")
            assert (await lease.run("SELECT * FROM changing")).columns == ("a",)
            await lease.run("ALTER TABLE changing ADD b text")
            assert (await lease.run("SELECT * FROM changing")).columns == ("a", "b")
            assert (await lease.run("UPDATE changing SET b = 'x'")).row_count == 1
            await lease.run("DROP TABLE changing")

    on_pool(postgres_target, body)


def test_a_transaction_commits_or_rolls_back_and_batches_come_as_asked(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire() as lease:
            await lease.run("DROP TABLE IF EXISTS batched")
            await lease.run("CREATE TABLE batched (n int)")
            async with lease.transaction(isolation="serializable") as transaction:
                await lease.run("INSERT INTO batched SELECT generate_series(1, 25)")
            assert await pool_fate(pool, transaction.transaction_id) == "committed"
            with pytest.raises(RuntimeError):
                async with lease.transaction():
                    await lease.run("DELETE FROM batched")
                    raise RuntimeError
            sizes = [len(batch.records) async for batch in lease.batches("SELECT n FROM batched", size=10)]
            assert sizes == [10, 10, 5]
            async with aclosing(lease.batches("SELECT n FROM batched", size=10)) as batches:
                assert (await anext(batches)).row_count == 10
            with pytest.raises(ParameterError, match="isolation is 'dirty'"):
                lease.transaction(isolation="dirty")
            await lease.run("DROP TABLE batched")

    async def pool_fate(pool: Pool, transaction_id: str) -> str:
        return await pool.fate_of(transaction_id)

    on_pool(postgres_target, body)


def test_a_run_that_ends_gives_back_what_it_forgot(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        forgotten = await pool.acquire(ME)
        other = await pool.acquire(Owner("report", "run-2", "fetch"))
        await forgotten.run("BEGIN")
        assert [str(holder.owner) for holder in pool.run_ended("run-1")] == ["report/run-1/fetch"]
        with pytest.raises(PoolClosedError, match="was taken back when run run-1 ended"):
            await forgotten.run("SELECT 1")
        await until(lambda: connections(pool)["idle"] == 1)
        assert pool.snapshot()["leaks"] == 1
        other.release()
        other.release()
        with pytest.raises(PoolClosedError, match="was released: acquire another one"):
            await other.run("SELECT 1")

    on_pool(postgres_target, body)


def test_pause_resume_evict_and_drain(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        await pool.warm(3)
        pool.pause()
        assert pool.snapshot()["state"] == "paused"
        with pytest.raises(PoolTimeoutError, match="the pool is paused; resume it"):
            await pool.acquire(seconds=0.01)
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        pool.resume()
        lease = await waiting
        assert pool.evict() == 3
        assert connections(pool)["recycled"] == 2  # the one in use follows when it comes back
        await lease.run("SELECT 1")
        lease.release()
        assert connections(pool)["recycled"] == 3
        lease = await pool.acquire()
        draining = asyncio.create_task(pool.drain(5))
        await asyncio.sleep(0.01)
        with pytest.raises(PoolClosedError, match="main is drained: make a new one"):
            await pool.acquire()
        await lease.run("SELECT 1")
        lease.release()
        assert await draining
        assert connections(pool)["size"] == 0

    on_pool(postgres_target, body)


def test_a_drain_that_waits_in_vain_cuts_off(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        lease = await pool.acquire()
        assert not await pool.drain(0.01)
        with pytest.raises(PoolClosedError, match="was cut off when the pool was closed"):
            await lease.run("SELECT 1")

    on_pool(postgres_target, body)


def test_a_workflow_at_its_limit_lets_others_pass(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        first = await pool.acquire(Owner("greedy"))
        second = asyncio.create_task(pool.acquire(Owner("greedy")))
        await asyncio.sleep(0)
        async with await pool.acquire(Owner("modest"), seconds=5):
            assert not second.done()
        with pytest.raises(PoolTimeoutError, match="greedy uses all 1 that it may"):
            await pool.acquire(Owner("greedy"), seconds=0.01)
        first.release()
        (await second).release()

    on_pool(postgres_target, body, max_per_workflow=1)


def test_a_workflow_at_its_limit_keeps_no_idle_connection_from_others(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        greedy, modest, other = Owner("greedy"), Owner("modest"), Owner("other")
        await pool.warm(2)
        first = await pool.acquire(greedy)
        second = asyncio.create_task(pool.acquire(greedy))
        await until(lambda: pool.snapshot()["waiting"] == 1)
        assert connections(pool)["idle"] == 1
        async with await pool.acquire(modest, seconds=0.0):  # at once: one is idle, and who waits may not have it
            assert not second.done()
            third = asyncio.create_task(pool.acquire(other))
            await until(lambda: pool.snapshot()["waiting"] == 2)
        (await third).release()
        # what came back is lost: the idle one goes to whoever may have one now
        assert connections(pool)["idle"] == 1
        first.connection.terminate()
        first.release()
        async with asyncio.timeout(10):
            (await second).release()
        assert connections(pool)["created"] == 2

    on_pool(postgres_target, body, max_per_workflow=1, max_connections=2)


def test_time_ends_connections_and_checks_them(postgres_target: dict[str, Any]) -> None:
    clock = MovableClock()

    async def body(pool: Pool) -> None:
        await pool.warm(4)
        clock.ahead += 40
        async with await pool.acquire() as lease:  # idle for long: it is asked first
            assert lease.connection.health.latency > 0
            assert lease.connection.health.score == 100
        pool.maintain()
        await until(lambda: connections(pool)["idle"] == 4)
        clock.ahead += 301
        async with await pool.acquire() as lease:
            pool.maintain()  # above the minimum, and idle for too long
            await until(lambda: connections(pool)["size"] == 1)
        clock.ahead += 1800
        pool.maintain()
        await until(lambda: connections(pool)["recycled"] == 1 and connections(pool)["idle"] == 1)

    on_pool(postgres_target, body, clock, min_connections=1)


def test_after_sleep_connections_are_asked_before_they_are_used(postgres_target: dict[str, Any]) -> None:
    clock = MovableClock()

    async def body(pool: Pool) -> None:
        await pool.warm(2)
        clock.wall_ahead += 3600  # the machine slept: wall time went on, the monotonic clock did not
        pool.maintain()
        assert connections(pool)["resting"] == 2
        await until(lambda: connections(pool)["idle"] == 2)
        async with await pool.acquire() as lease:
            assert lease.connection.health.latency > 0
            latency = lease.connection.health.latency
        clock.wall_ahead += 3600
        async with await pool.acquire() as lease:  # asked for before the pool looks after its connections
            assert lease.connection.health.latency != latency
            answered = lease.connection.answered
        async with await pool.acquire() as lease:
            assert lease.connection.answered >= answered
        assert connections(pool)["created"] == 2

    on_pool(postgres_target, body, clock)


def test_a_connection_below_the_threshold_is_replaced(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire() as lease:
            lease.connection.health.failed_check()
        assert connections(pool)["recycled"] == 1
        async with await pool.acquire() as lease:
            health = lease.connection.health
            health.answered(0.001, 0.001)
            assert health.score == 100
            for _ in range(8):
                health.answered(1.0, 0.001)  # a thousand times the usual latency
            assert health.score < 70
        assert connections(pool)["recycled"] == 2

    on_pool(postgres_target, body)


def test_a_cancelled_statement_is_stopped_on_the_server_and_the_connection_goes_on(
    postgres_target: dict[str, Any],
) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire() as watcher:
            lease = await pool.acquire()
            pid = (await lease.run("SELECT pg_backend_pid()")).records[0][0]
            task = asyncio.create_task(lease.run("SELECT pg_sleep(60)"))
            active = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'"

            async def is_active() -> bool:
                return bool((await watcher.run(active, [pid])).records[0][0])

            async with asyncio.timeout(10):
                while not await is_active():
                    await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            lease.release()
            async with asyncio.timeout(10):
                while await is_active():
                    await asyncio.sleep(0.01)
            async with await pool.acquire() as again:
                assert (await again.run("SELECT pg_backend_pid()")).records[0][0] == pid
        assert connections(pool)["lost"] == 0

    on_pool(postgres_target, body, max_connections=2)


def test_a_pool_without_room_is_refused() -> None:
    with pytest.raises(ParameterError, match="min_connections is 5, max_connections is 2"):
        PoolOptions(min_connections=5, max_connections=2)


def test_percentiles_are_within_a_fifth() -> None:
    histogram = Histogram()
    assert histogram.percentile(0.5) == 0
    for i in range(1, 1001):
        histogram.add(i / 1000)
    for share in (0.01, 0.5, 0.95, 0.99):
        assert abs(histogram.percentile(share) - share) <= 0.19 * share
    histogram.rotate()
    assert histogram.percentile(0.5) > 0
    histogram.rotate()
    assert histogram.percentile(0.5) == 0
    histogram.add(1e9)
    assert histogram.percentile(1.0) > 1000


def test_a_lease_that_is_given_back_in_mid_statement_takes_nobody_along(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        lease = await pool.acquire()
        task = asyncio.create_task(lease.run("SELECT pg_sleep(60)"))
        async with asyncio.timeout(10):
            while not lease.busy:
                await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        lease.release()
        with pytest.raises(DatabaseError, match="was lost"):
            await task
        async with await pool.acquire() as other:
            assert (await other.run("SELECT 1")).row_count == 1
        assert connections(pool)["lost"] == 1

    on_pool(postgres_target, body, max_connections=1)


def test_a_shared_pool_that_was_drained_is_replaced(postgres_target: dict[str, Any]) -> None:
    async def run() -> None:
        pools = await SharedPools.open()
        first = pools.at(postgres_target)
        assert pools.at(dict(postgres_target)) is first
        await first.drain(0)
        second = pools.at(postgres_target)
        assert second is not first
        async with await second.acquire(ME):
            pools.run_ended("run-1")
        (told,) = pools.snapshots()
        assert told["leaks"] == 1
        with pytest.raises(DatabaseError, match=r"There is no pool 'x' \(there is none yet\)"):
            pools.named("x")
        await pools.aclose()

    asyncio.run(run())
