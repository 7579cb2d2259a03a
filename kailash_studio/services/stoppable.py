"""Work in threads that ends when nobody waits for it any more, and whose outcome is never lost on the way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from kailash_studio.errors import DatabaseTimeoutError

T = TypeVar("T")

_AGAIN_SECONDS = 0.05


async def in_thread(
    work: Callable[[threading.Event], T],
    *,
    seconds: float | None = None,
    too_long: str = "",
    interrupt: Callable[[], object] | None = None,
) -> T:
    """Call something in a thread; when it is cancelled or takes too long, it is made to stop and waited for.

    What it gives although it was told to stop is what counts: a change that happened is not reported as one that did
    not. What has not begun by then never does.

    Args:
        work: Called in the thread, with an event that is set when it has to stop.
        seconds: Seconds that it may take, from now on; None: any.
        too_long: The sentence that tells that it took longer.
        interrupt: Makes it stop, for what does not look at the event; called until it has ended.

    Raises:
        DatabaseTimeoutError: It took too long, and was stopped.
    """
    stopped, begins, begun = threading.Event(), threading.Lock(), False

    def call() -> T:
        nonlocal begun
        with begins:
            if stopped.is_set():
                raise DatabaseTimeoutError(too_long)  # nobody waits for it any more
            begun = True
        return work(stopped)

    async def end() -> None:
        with begins:
            stopped.set()
        while begun and not done.done():  # what has not begun does nothing when its turn comes
            if interrupt is not None:
                interrupt()  # again and again: one that comes before the statement begins is lost
            await asyncio.wait([done], timeout=_AGAIN_SECONDS)

    done = asyncio.ensure_future(asyncio.to_thread(call))
    done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # looked at, whoever waits
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await asyncio.shield(done)
    except TimeoutError:
        if not limit.expired():
            raise  # the work's own
    except asyncio.CancelledError:
        await asyncio.shield(asyncio.ensure_future(end()))
        raise
    if done.done():
        return done.result()  # it was ready just as its time was up
    await asyncio.shield(asyncio.ensure_future(end()))
    if begun and not done.cancelled() and done.exception() is None:
        return done.result()
    raise DatabaseTimeoutError(too_long)
