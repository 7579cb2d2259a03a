"""The time of a run that is played again: it begins when the run began, and waiting takes no time."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Iterator

from kailash_studio.resilience.clock import Clock

_TURNS = 20  # of the loop in which nothing happens, until nobody can be about to do something


class PlayedClock:
    """A clock that goes on when nothing else can happen.

    Who waits longest is woken last, as by a real clock. What really takes time, a call of the sandbox for example,
    holds it, and such calls are made one after the other: so all that happens comes in one order each time.
    """

    def __init__(self, wall: float) -> None:
        self._wall, self._now = wall, 0.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0
        self._happened = 0
        self._busy = 0
        self._free = asyncio.Event()
        self._free.set()
        self._driver: asyncio.Task[None] | None = None

    def now(self) -> float:
        """Seconds since the run began."""
        return self._now

    def wall(self) -> float:
        """Seconds since 1970, of the recorded run."""
        return self._wall + self._now

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """No limit: which calls were given up on is recorded, and how long a replay takes says nothing."""
        return asyncio.timeout(None)

    async def sleep(self, seconds: float) -> None:
        """Let all who wait for an earlier time go first."""
        self._number += 1
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self._now + max(0.0, seconds), self._number, woken))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive(), name="played clock")
        await woken

    def touch(self) -> None:
        """Something happened: whoever waits waits for what may come of it."""
        self._happened += 1

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Stand still while something takes real time."""
        self._busy += 1
        self._free.clear()
        try:
            yield
        finally:
            self._busy -= 1
            self._happened += 1
            if not self._busy:
                self._free.set()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Make a call that takes real time, alone."""
        await self.sleep(0)
        with self.hold():
            yield

    async def _drive(self) -> None:
        while self._waiting:
            seen, still = self._happened, 0
            while still < _TURNS:
                await self._free.wait()
                await asyncio.sleep(0)
                still = still + 1 if seen == self._happened and not self._busy else 0
                seen = self._happened
            time, _, woken = heapq.heappop(self._waiting)
            if not woken.done():  # else whoever waited was cancelled
                self._now = max(self._now, time)
                self._happened += 1
                woken.set_result(None)


def alone(clock: Clock) -> contextlib.AbstractAsyncContextManager[None]:
    """What takes real time waits for its turn of a clock that is played; any other one goes on."""
    return clock.turn() if isinstance(clock, PlayedClock) else contextlib.nullcontext()
