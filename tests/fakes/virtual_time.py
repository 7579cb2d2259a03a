"""An asyncio loop whose time is a number: waiting takes none, and a seed can shuffle the order of what is ready."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(AssertionError):
    """Nothing is ready and nothing is scheduled: every task waits for ever."""


class _Selector(selectors.SelectSelector):
    """Looks at real files without waiting; what would be waited for is added to the time."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise DeadlockError("every task is blocked for ever")
        self.loop.moment += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop.

    Attributes:
        moment: The time, in seconds.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.moment = 1000.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self._random = random.Random(seed) if seed is not None else None
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.moment

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        if self._random is not None and len(ready) > 1:
            handles = list(ready)
            self._random.shuffle(handles)
            ready.clear()
            ready.extend(handles)
        super()._run_once()  # type: ignore[misc]

    def run_in_executor(self, executor: Any, function: Any, *arguments: Any) -> Any:
        """Thread work is done inline, in its turn: the same each time."""
        future = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)

        self.call_soon(work)
        return future


class VirtualClock:
    """The clock that belongs to a virtual loop; ``wall`` can be set back and forth, as a real one is."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.shift = 1_700_000_000.0

    def now(self) -> float:
        return self._loop.moment

    def wall(self) -> float:
        return self._loop.moment + self.shift

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_virtually(make: Any, seed: int | None = None) -> Any:
    """Run ``make(clock)`` to its end on a virtual loop; nothing may be left behind."""
    loop = VirtualLoop(seed)
    try:
        asyncio.set_event_loop(loop)
        work: Coroutine[Any, Any, Any] = make(VirtualClock(loop))
        result = loop.run_until_complete(work)
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        assert not left, f"tasks were left behind: {left}"
        return result
    finally:
        asyncio.set_event_loop(None)
        loop.close()
