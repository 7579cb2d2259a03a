"""Starting a process: what other threads keep is let alone, a line in both directions, and an end in order."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import psutil
import pytest
import uvloop

from kailash_studio.services.child_process import ChildProcess

LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
Run = Callable[[Coroutine[Any, Any, Any]], Any]
ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"


class _Kept:
    """Something that a thread keeps, and that tells when it is taken apart."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __del__(self) -> None:
        os.write(self._pipe, b"x")


async def start(program: str) -> ChildProcess:
    return await ChildProcess.start([sys.executable, "-c", program], dict(os.environ))


@LOOPS
def test_what_other_threads_keep_is_not_taken_apart_in_the_child(run: Run) -> None:
    """It would wait there for locks whose holders are not there, and this process for it."""
    told, pipe = os.pipe()
    kept, over = threading.Event(), threading.Event()
    local = threading.local()

    def keep() -> None:
        local.kept = _Kept(pipe)
        kept.set()
        over.wait(60)

    thread = threading.Thread(target=keep)
    thread.start()

    async def work() -> None:
        await (await start(ECHO)).kill()

    try:
        assert kept.wait(30)
        run(work())
        os.set_blocking(told, False)
        with pytest.raises(BlockingIOError):
            os.read(told, 1)
    finally:
        over.set()
        thread.join()
    assert os.read(told, 2) == b"x", "the thread itself does it"
    os.close(told)
    os.close(pipe)


@LOOPS
def test_questions_and_answers_larger_than_what_the_system_holds(run: Run) -> None:
    data = os.urandom(2**20).hex().encode() + b"\n"

    async def work() -> bytes:
        child = await start(ECHO)
        child.questions.write(data)
        answer = await child.answers.readexactly(len(data))
        await child.kill()
        assert not child.alive
        return answer

    assert run(work()) == data


@LOOPS
def test_a_program_that_ends_is_heard_of(run: Run) -> None:
    async def work() -> tuple[bytes, int]:
        child = await start("import sys; print('bye', end='', flush=True); sys.exit(3)")
        said, status = await child.answers.read(), await child.ended()
        await child.kill()
        return said, status

    assert run(work()) == (b"bye", 3)


@LOOPS
def test_a_program_that_is_not_there_leaves_nothing_open(run: Run) -> None:
    this = psutil.Process()

    async def fail() -> None:
        with pytest.raises(FileNotFoundError):
            await ChildProcess.start(["/nowhere/to/be/found"], {})

    async def work() -> None:
        await fail()  # a loop opens things of its own with the first line
        await asyncio.sleep(0)
        before = this.num_fds()
        for _ in range(5):
            await fail()
        async with asyncio.timeout(30):
            while this.num_fds() > before:
                await asyncio.sleep(0.01)

    run(work())
