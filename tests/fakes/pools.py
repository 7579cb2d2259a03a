"""What tests of the pool share: a pool on a real server for a while, a clock to put forward."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

from kailash_studio.resilience.clock import SystemClock
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.statistics import Owner

ME = Owner("report", "run-1", "fetch")


class MovableClock(SystemClock):
    """The real clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.wall_ahead = 0.0
        real, wall = SystemClock.now, SystemClock.wall
        self.now = lambda: real() + self.ahead  # type: ignore[method-assign]
        self.wall = lambda: wall() + self.ahead + self.wall_ahead  # type: ignore[method-assign]


def on_pool(
    target: dict[str, Any], body: Callable[[Pool], Awaitable[None]], clock: SystemClock | None = None, **options: Any
) -> None:
    async def run() -> None:
        async with Pool(target, PoolOptions(**options), name="main", clock=clock, chance=lambda: 0.0) as pool:
            await body(pool)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    asyncio.run(run())
    gc.collect()  # a connection that was not closed warns, and warnings fail


def connections(pool: Pool) -> dict[str, int]:
    return dict(pool.snapshot()["connections"])
