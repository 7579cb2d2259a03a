"""Time as a parameter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What tells the time to everything that waits or stamps."""

    def now(self) -> float:
        """Monotonic seconds from an arbitrary start."""

    def wall(self) -> float:
        """Seconds since 1970 in UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.perf_counter)
    wall = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Wait on the running asyncio loop."""
        await asyncio.sleep(seconds)


def time_limit(clock: Clock, seconds: float) -> asyncio.Timeout:
    """Seconds for what stands in its block, on the running loop; a clock may have a limit of its own (``timeout``)."""
    own: Callable[[float], asyncio.Timeout] = getattr(clock, "timeout", asyncio.timeout)
    return own(seconds)
