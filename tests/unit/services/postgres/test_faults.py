"""The fault matrix: what each way of failing gives, how soon, and what the pool is afterwards.

A real server, a proxy between it and the pool that breaks things. ``docs/pool.md`` has the table for people.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fakes.postgres_server import FAST, IMMEDIATE, KILL, OwnServer
from fakes.tcp_proxy import TcpProxy, proxied

from kailash_studio.errors import (
    DatabaseConflictError,
    DatabaseError,
    DatabaseTimeoutError,
    DatabaseUnreachableError,
    OutcomeUnknownError,
    PoolTimeoutError,
)
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool

Body = Callable[[Pool, TcpProxy], Awaitable[None]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    made = OwnServer(tmp_path_factory.mktemp("own_server"))
    yield made
    made.close()


@asynccontextmanager
async def a_pool(server: OwnServer, **options: Any) -> AsyncIterator[tuple[Pool, TcpProxy]]:
    further = {name: options.pop(name) for name in ("password", "user", "database") if name in options}
    chosen = {"max_connections": 4, "acquire_timeout": 5.0, "connect_timeout": 5.0, **options}
    async with (
        proxied({**server.target, **further}) as (proxy, target),
        Pool(target, PoolOptions(**chosen), name="main") as pool,
    ):
        yield pool, proxy


def check(server: OwnServer, body: Body, **options: Any) -> None:
    async def run() -> None:
        async with a_pool(server, **options) as (pool, proxy):
            await body(pool, proxy)

    asyncio.run(run())
    gc.collect()  # a connection that nobody closed warns


async def serves(pool: Pool) -> None:
    """The pool hands out connections that work, without a further error."""
    async with await pool.acquire() as lease:
        assert (await lease.run("SELECT 1")).records[0][0] == 1


async def statement(pool: Pool, text: str) -> Any:
    async with await pool.acquire() as lease:
        return (await lease.run(text)).records


async def busy(server: OwnServer, pool: Pool, text: str = "SELECT pg_sleep(60)") -> tuple[asyncio.Task[Any], int]:
    """A statement under way, and the server process that runs it."""
    lease = await pool.acquire()
    pid = (await lease.run("SELECT pg_backend_pid()")).records[0][0]

    async def work() -> Any:
        try:
            return await lease.run(text)
        finally:
            lease.release()

    task = asyncio.create_task(work())
    async with Pool(server.target, PoolOptions(max_connections=1)) as watcher, asyncio.timeout(10):
        wanted = (
            f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND state = 'active' AND query LIKE '%sleep%'"
        )
        while not (await statement(watcher, wanted))[0][0]:
            await asyncio.sleep(0.01)
    return task, pid


async def kill_backend(server: OwnServer, pid: int) -> None:
    async with Pool(server.target, PoolOptions(max_connections=1)) as other:
        await statement(other, f"SELECT pg_terminate_backend({pid})")


def test_backend_killed_while_it_reads(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        task, pid = await busy(server, pool)
        await kill_backend(server, pid)
        with pytest.raises(DatabaseUnreachableError, match="terminating connection due to administrator") as raised:
            await task
        assert (raised.value.sqlstate, raised.value.permanent) == ("57P01", False)
        assert pool.snapshot()["connections"]["lost"] == 1
        await serves(pool)

    check(server, body)


def test_backend_killed_while_idle_is_not_noticed_by_anybody(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        async with await pool.acquire() as lease:
            pid = (await lease.run("SELECT pg_backend_pid()")).records[0][0]
        await kill_backend(server, pid)
        (idle,) = pool._stock.idle
        async with asyncio.timeout(10):
            while idle.usable:  # the news is on its way
                await asyncio.sleep(0.005)
        for _ in range(5):
            await serves(pool)

    check(server, body)


@pytest.mark.parametrize(("how", "state"), [(FAST, "57P01"), (IMMEDIATE, "08003"), (KILL, "08003")])
def test_server_restarted(how: Any, state: str, server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        await pool.warm(3)
        task, _ = await busy(server, pool)
        await server.end(how)
        try:
            began = time.monotonic()
            with pytest.raises(DatabaseUnreachableError) as raised:
                await task
            assert time.monotonic() - began < 5
            assert (raised.value.sqlstate, raised.value.permanent) == (state, False)
            with pytest.raises(DatabaseUnreachableError):
                await pool.acquire()
        finally:
            await server.start()
        await asyncio.gather(*(serves(pool) for _ in range(10)))
        assert pool.snapshot()["connections"]["size"] <= 4

    check(server, body)


def test_refused(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        await proxy.refuse()
        began = time.monotonic()
        with pytest.raises(DatabaseUnreachableError, match="cannot be reached") as raised:
            await pool.acquire()
        assert time.monotonic() - began < 2
        assert isinstance(raised.value, ConnectionError)
        assert pool.snapshot()["failed_connects"] == 1
        await proxy.listen()
        await serves(pool)

    check(server, body)


def test_black_hole_while_connecting(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        proxy.mode = "black_hole"
        began = time.monotonic()
        with pytest.raises(DatabaseUnreachableError, match=r"no answer within 0\.15 s"):
            await pool.acquire()
        assert time.monotonic() - began < 2
        proxy.mode = "pass"
        proxy.reset()

    check(server, body, connect_timeout=0.15)


def test_black_hole_while_connecting_and_the_waiter_is_faster(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        proxy.mode = "black_hole"
        with pytest.raises(PoolTimeoutError, match="has not answered yet"):
            await pool.acquire(seconds=0.02)

    check(server, body, connect_timeout=0.15)


@pytest.mark.parametrize(
    ("text", "error"),
    [("SELECT 1", DatabaseTimeoutError), ("INSERT INTO pg_temp.x VALUES (1)", OutcomeUnknownError)],
)
def test_black_hole_in_a_statement(text: str, error: type[DatabaseError], server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        async with await pool.acquire() as lease:
            await lease.run("CREATE TEMP TABLE x (a int)")
            await lease.run(text)  # prepared now
            proxy.mode = "black_hole"
            began = time.monotonic()
            with pytest.raises(error) as raised:
                await lease.run(text)
            assert time.monotonic() - began < 2
            assert raised.value.permanent == (error is OutcomeUnknownError)
        assert pool.snapshot()["connections"]["lost"] == 1
        proxy.mode = "pass"
        await serves(pool)

    check(server, body, statement_timeout=0.2)


def test_black_hole_while_idle_is_found_by_the_check(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        await serves(pool)
        proxy.mode = "black_hole"
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0.1)
        proxy.mode = "pass"  # what is open stays dumb: its request was swallowed
        lease = await waiting
        assert (await lease.run("SELECT 1")).row_count == 1
        lease.release()
        assert pool.snapshot()["connections"]["lost"] == 1

    check(server, body, validate_after=0.0, check_timeout=0.15, max_connections=1)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT pg_sleep(60)", DatabaseUnreachableError),
        ("INSERT INTO doubtful SELECT 1 FROM pg_sleep(60)", OutcomeUnknownError),
    ],
)
def test_reset_in_a_statement(text: str, error: type[DatabaseError], server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        await statement(pool, "CREATE TABLE IF NOT EXISTS doubtful (a int)")
        task, pid = await busy(server, pool, text)
        proxy.reset()
        with pytest.raises(error) as raised:
            await task
        assert raised.value.permanent == (error is OutcomeUnknownError)
        await kill_backend(server, pid)
        await serves(pool)

    check(server, body)


def test_answers_that_come_byte_by_byte_are_given_up(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        async with await pool.acquire() as lease:
            await lease.run("SELECT repeat('x', 1000)")
            proxy.mode = "slow"
            began = time.monotonic()
            with pytest.raises(DatabaseTimeoutError, match=r"did not finish within 0\.2 s"):
                await lease.run("SELECT repeat('x', 1000)")
            assert time.monotonic() - began < 2
        proxy.mode = "pass"
        await serves(pool)

    check(server, body, statement_timeout=0.2)


def test_too_many_connections(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        async with Pool(server.target, PoolOptions(max_connections=1)) as other:
            try:
                await statement(other, "ALTER ROLE studio CONNECTION LIMIT 0")
                await statement(other, "CREATE ROLE narrow LOGIN PASSWORD 'narrow' CONNECTION LIMIT 1")
                async with a_pool(server, user="narrow", password="narrow") as (full, _):
                    held = await full.acquire()
                    with pytest.raises(PoolTimeoutError, match=r"More cannot be opened.*no connection left"):
                        await full.acquire(seconds=0.1)
                    waiting = asyncio.create_task(full.acquire())
                    await asyncio.sleep(0)
                    held.release()  # those that are there serve all
                    (await waiting).release()
                    async with a_pool(server, user="narrow", password="narrow") as (empty, _):
                        with pytest.raises(DatabaseUnreachableError, match="no connection left") as raised:
                            await empty.acquire()
                        assert (raised.value.sqlstate, raised.value.permanent) == ("53300", False)
            finally:
                await statement(other, "ALTER ROLE studio CONNECTION LIMIT -1")
                await statement(other, "DROP ROLE IF EXISTS narrow")

    check(server, body)


@pytest.mark.parametrize(
    ("wrong", "state"), [({"password": "guess"}, "28P01"), ({"database": "nowhere"}, "3D000"), ({"user": "x"}, "28P01")]
)
def test_a_login_that_cannot_work_is_permanent(wrong: dict[str, str], state: str, server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        found = await asyncio.gather(*(pool.acquire() for _ in range(6)), return_exceptions=True)
        for error in found:
            assert isinstance(error, DatabaseError)
            assert (error.sqlstate, error.permanent) == (state, True)

    check(server, body, **wrong)


def test_cancelled_in_mid_query(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        task, pid = await busy(server, pool)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await statement(pool, "SELECT pg_backend_pid()"))[0][0] == pid
        assert pool.snapshot()["connections"]["lost"] == 0

    check(server, body, max_connections=1)


def test_statement_timeout_is_the_servers(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        with pytest.raises(DatabaseTimeoutError, match="statement timeout") as raised:
            await statement(pool, "SELECT pg_sleep(60)")
        assert raised.value.sqlstate == "57014"
        async with await pool.acquire() as lease:
            with pytest.raises(DatabaseTimeoutError, match="statement timeout"):
                await lease.run("SELECT pg_sleep(60)", seconds=0.01)
        assert pool.snapshot()["connections"]["lost"] == 0
        await serves(pool)

    check(server, body, statement_timeout=0.05)


def test_a_server_that_only_reads_since_another_took_over_is_left(
    server: OwnServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    standby = OwnServer(tmp_path_factory.mktemp("standby"), standby_of=server)

    async def run() -> None:
        async with (
            proxied(standby.target) as (proxy, target),
            Pool(target, PoolOptions(max_connections=2), name="main") as pool,
        ):
            await pool.warm(2)
            await serves(pool)
            proxy.lead_to(server.target["port"])
            with pytest.raises(DatabaseError, match=r"read-only transaction.*takes no changes now") as raised:
                await statement(pool, "CREATE TABLE IF NOT EXISTS after_failover (a int)")
            assert (raised.value.sqlstate, raised.value.permanent) == ("25006", False)
            told = pool.snapshot()["connections"]
            assert (told["recycled"], told["idle"]) == (2, 0), "the idle one goes as well"
            await statement(pool, "CREATE TABLE IF NOT EXISTS after_failover (a int)")
            assert pool.snapshot()["connections"]["created"] == 3

    try:
        asyncio.run(run())
    finally:
        standby.close()
    gc.collect()


def test_a_change_in_a_transaction_that_was_begun_to_read_costs_no_session(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        async with await pool.acquire() as lease:
            with pytest.raises(DatabaseError, match="read-only transaction") as raised:
                async with lease.transaction(read_only=True):
                    await lease.run("CREATE TABLE refused (a int)")
            assert raised.value.sqlstate == "25006"
        told = pool.snapshot()
        assert (told["health"]["lowest"], told["connections"]["recycled"]) == (100.0, 0)

    check(server, body)


def test_a_pool_that_is_closed_does_not_wait_for_what_it_was_opening(server: OwnServer) -> None:
    async def run() -> None:
        async with a_pool(server, connect_timeout=60.0) as (pool, proxy):
            proxy.mode = "black_hole"
            with pytest.raises(PoolTimeoutError, match="has not answered yet"):
                await pool.acquire(seconds=0.05)
            assert pool.snapshot()["connections"]["opening"] == 1
            async with asyncio.timeout(30):
                await pool.aclose()
            assert pool.snapshot()["connections"]["opening"] == 0
            proxy.reset()

    asyncio.run(run())
    gc.collect()


def test_the_system_looks_after_a_silent_link(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        async with await pool.acquire() as lease:
            link = lease.connection.raw._transport.get_extra_info("socket")
            assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            if sys.platform == "linux":
                assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
                assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000

    check(server, body)


async def with_rows(pool: Pool) -> None:
    await statement(pool, "DROP TABLE IF EXISTS contested")
    await statement(pool, "CREATE TABLE contested AS SELECT 1 AS id, 0 AS n UNION ALL SELECT 2, 0")


def test_deadlock(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        await with_rows(pool)
        both = asyncio.Barrier(2)

        async def change(first: int, second: int) -> None:
            async with await pool.acquire() as lease, lease.transaction():
                await lease.run("SET LOCAL deadlock_timeout = '20ms'")
                await lease.run("UPDATE contested SET n = n + 1 WHERE id = $1", [first])
                await both.wait()
                await lease.run("UPDATE contested SET n = n + 1 WHERE id = $1", [second])

        found = await asyncio.gather(change(1, 2), change(2, 1), return_exceptions=True)
        (error,) = [outcome for outcome in found if outcome is not None]
        assert isinstance(error, DatabaseConflictError)
        assert (error.sqlstate, error.permanent) == ("40P01", False)
        assert sorted(record[0] for record in await statement(pool, "SELECT n FROM contested")) == [1, 1]
        assert pool.snapshot()["connections"]["lost"] == 0

    check(server, body)


def test_serialization_failure(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        await with_rows(pool)
        both = asyncio.Barrier(2)

        async def change() -> None:
            async with await pool.acquire() as lease, lease.transaction(isolation="serializable"):
                await lease.run("SELECT sum(n) FROM contested")
                await both.wait()
                await lease.run("UPDATE contested SET n = n + 1 WHERE id = 1")

        found = await asyncio.gather(change(), change(), return_exceptions=True)
        (error,) = [outcome for outcome in found if outcome is not None]
        assert isinstance(error, DatabaseConflictError)
        assert (error.sqlstate, error.permanent) == ("40001", False)
        await serves(pool)

    check(server, body)


def test_the_answer_to_a_commit_is_lost_and_its_fate_can_be_asked(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        await statement(pool, "CREATE TABLE IF NOT EXISTS doubtful (a int)")
        lease = await pool.acquire()
        async with lease.transaction():  # the next COMMIT is prepared: what is lost is its answer
            await lease.run("INSERT INTO doubtful VALUES (6)")
        transaction = lease.transaction()
        await transaction.begin()
        await lease.run("INSERT INTO doubtful VALUES (7)")
        committing = asyncio.create_task(transaction.commit())
        async with asyncio.timeout(10):
            while not lease.statement.startswith("COMMIT"):
                await asyncio.sleep(0)
            proxy.mode = "deaf"
            while not proxy.swallowed:
                await asyncio.sleep(0.005)
        proxy.reset()
        with pytest.raises(OutcomeUnknownError, match=r"pg_xact_status\('\d+'\) tells") as raised:
            await committing
        assert raised.value.permanent
        lease.release()
        proxy.mode = "pass"
        assert await pool.fate_of(raised.value.transaction_id) == "committed"

    check(server, body)


def test_a_commit_that_changed_nothing_can_be_repeated(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        async with await pool.acquire() as lease:
            async with lease.transaction():
                await lease.run("SELECT 1")
            transaction = lease.transaction()
            await transaction.begin()
            await lease.run("SELECT 1")
            transaction._read_only = True  # its COMMIT is the next statement
            proxy.mode = "deaf"
            committing = asyncio.create_task(transaction.commit())
            async with asyncio.timeout(10):
                while not proxy.swallowed:
                    await asyncio.sleep(0.005)
            proxy.reset()
            with pytest.raises(DatabaseUnreachableError):
                await committing

    check(server, body)


def test_five_immediate_restarts_under_eight_clients_lose_no_acknowledged_write(server: OwnServer) -> None:
    async def body(pool: Pool, proxy: TcpProxy) -> None:
        await statement(pool, "DROP TABLE IF EXISTS ledger")
        await statement(pool, "CREATE TABLE ledger (client int, number int)")
        acknowledged: set[tuple[int, int]] = set()
        unknown: set[tuple[int, int]] = set()
        refused: set[tuple[int, int]] = set()
        over = asyncio.Event()

        async def client(i: int) -> None:
            number = 0
            while not over.is_set():
                number += 1
                try:
                    async with await pool.acquire() as lease:
                        await lease.run("INSERT INTO ledger VALUES ($1, $2)", [i, number])
                    acknowledged.add((i, number))
                except OutcomeUnknownError:
                    unknown.add((i, number))
                except DatabaseUnreachableError:
                    refused.add((i, number))
                    await asyncio.sleep(0.01)

        clients = [asyncio.create_task(client(i)) for i in range(8)]
        for _ in range(5):
            before = len(acknowledged)
            async with asyncio.timeout(60):
                while len(acknowledged) < before + 50:
                    await asyncio.sleep(0.01)
            await server.end(IMMEDIATE)
            await server.start()
        over.set()
        await asyncio.gather(*clients)
        there = [(record[0], record[1]) for record in await statement(pool, "SELECT client, number FROM ledger")]
        assert len(there) == len(set(there)), "something was written twice"
        assert acknowledged <= set(there)
        assert not refused & set(there), "what was said to have failed had happened"
        assert set(there) <= acknowledged | unknown
        assert pool.snapshot()["connections"]["size"] <= 4

    check(server, body, acquire_timeout=60.0, connect_timeout=60.0)  # however slowly a busy machine restarts it
