"""Work in threads: what happened is told as such, what was stopped before its turn never happens."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kailash_studio.errors import DatabaseTimeoutError
from kailash_studio.services.sql import query_sqlite
from kailash_studio.services.stoppable import in_thread


def test_what_was_done_although_it_was_told_to_stop_is_given() -> None:
    def work(stopped: threading.Event) -> str:
        assert stopped.wait(20)
        return "done"

    assert asyncio.run(in_thread(work, seconds=0.05, too_long="too long")) == "done"


def test_what_gives_up_when_it_is_told_to_took_too_long() -> None:
    def work(stopped: threading.Event) -> None:
        assert stopped.wait(20)
        raise ValueError("interrupted")

    with pytest.raises(DatabaseTimeoutError, match="too long"):
        asyncio.run(in_thread(work, seconds=0.05, too_long="too long"))


@pytest.mark.parametrize("fails", [True, False])
def test_what_is_ready_just_as_its_time_is_up_counts(fails: bool) -> None:
    async def main() -> str:
        begun, go = threading.Event(), threading.Event()

        def work(_: threading.Event) -> str:
            begun.set()
            assert go.wait(20)
            if fails:
                raise ValueError("its own")
            return "done"

        task = asyncio.ensure_future(in_thread(work, seconds=0.5, too_long="too long"))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        go.set()
        time.sleep(0.8)  # the loop is held up: the answer and the end of the time come in one turn
        return await task

    if fails:
        with pytest.raises(ValueError, match="its own"):
            asyncio.run(main())
    else:
        assert asyncio.run(main()) == "done"


def test_an_error_of_time_of_the_works_own_is_handed_on() -> None:
    def work(_: threading.Event) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        asyncio.run(in_thread(work, seconds=20, too_long="too long"))


def test_cancelling_again_goes_on_interrupting() -> None:
    interrupted = threading.Event()

    def work(stopped: threading.Event) -> None:
        assert stopped.wait(20)
        assert interrupted.wait(20)

    async def main() -> None:
        calls = 0

        def interrupt() -> None:
            nonlocal calls
            calls += 1
            if calls == 3:
                interrupted.set()

        task = asyncio.ensure_future(in_thread(work, interrupt=interrupt))
        await asyncio.sleep(0.05)
        task.cancel()
        async with asyncio.timeout(10):
            while not calls:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while not interrupted.is_set():
                await asyncio.sleep(0.01)

    asyncio.run(main())


def test_a_statement_that_waits_for_a_thread_until_its_time_is_up_never_happens(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (i INT)")

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        release = threading.Event()
        holding = asyncio.get_running_loop().run_in_executor(None, release.wait, 60)
        with pytest.raises(DatabaseTimeoutError, match=r"within 0\.1 s on a\.db"):
            await query_sqlite(path, "INSERT INTO t VALUES (1)", [], seconds=0.1)
        cancelled = asyncio.ensure_future(query_sqlite(path, "INSERT INTO t VALUES (2)", []))
        await asyncio.sleep(0.05)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert not holding.done()
        release.set()
        await asyncio.to_thread(int)  # behind them in the queue

    asyncio.run(main())
    assert connection.execute("SELECT * FROM t").fetchall() == []
    connection.close()


def test_a_change_that_happens_just_in_time_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (i INT)")
    connection.execute("BEGIN IMMEDIATE")

    async def main() -> Any:
        task = asyncio.ensure_future(query_sqlite(path, "INSERT INTO t VALUES (1)", [], seconds=0.3))
        await asyncio.sleep(0.1)
        connection.execute("COMMIT")
        time.sleep(1.0)  # the loop is held up, so the thread ends before anybody looks
        return await task

    assert asyncio.run(main()).row_count == 1
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
    connection.close()
