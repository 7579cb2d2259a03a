"""Those that wait for a connection, first come first served, each until its deadline."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Callable

from kailash_studio.errors import DatabaseError
from kailash_studio.services.postgres.connection import Connection
from kailash_studio.services.postgres.statistics import Owner

_NEVER = float("inf")


class Waiter:
    """One that waits; ``future`` brings the connection."""

    __slots__ = ("deadline", "future", "owner", "seconds")

    def __init__(self, future: asyncio.Future[Connection], owner: Owner, now: float, seconds: float) -> None:
        self.future = future
        self.owner = owner
        self.seconds = seconds
        self.deadline = now + seconds


class Queue:
    """The queue of a pool, and how many connections each workflow may have and has.

    A workflow at its limit is passed over; those behind it go on.

    Attributes:
        waiters: Those that wait, the first one first.
        limited: Whether a workflow has a limit; without one, nobody needs to count.
    """

    def __init__(self, limit: int, now: Callable[[], float], too_late: Callable[[Waiter], DatabaseError]) -> None:
        """Prepare.

        Args:
            limit: The most that one workflow may use at once; 0: no limit.
            now: The clock.
            too_late: Makes the error of one whose deadline is over.
        """
        self._limit = limit
        self.limited = limit > 0
        self._now = now
        self._too_late = too_late
        self.waiters: deque[Waiter] = deque()
        self._used: dict[str, int] = {}  # connections in use by workflow, while there is a limit
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = _NEVER

    def join(self, owner: Owner, seconds: float) -> Waiter:
        """Wait at the end of the queue."""
        waiter = Waiter(asyncio.get_running_loop().create_future(), owner, self._now(), seconds)
        self.waiters.append(waiter)
        if waiter.deadline < self._alarm_at:  # one timer for all: a timer for each would cost more than the hand-off
            self._set_alarm(waiter.deadline)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """One does not wait any more."""
        try:
            self.waiters.remove(waiter)
        except ValueError:
            return  # passed over already

    def first(self) -> Waiter | None:
        """Take the first that may have a connection out of the queue."""
        waiters = self.waiters
        if not self._limit:
            while waiters:
                waiter = waiters.popleft()
                if not waiter.future.done():
                    return waiter
            return None
        for waiter in waiters:
            if not waiter.future.done() and self.may_use(waiter.owner):
                waiters.remove(waiter)
                return waiter
        return None

    def wanted(self) -> int:
        """How many connections those that wait could take."""
        waiting = [waiter.owner.workflow for waiter in self.waiters if not waiter.future.done()]
        if not self._limit:
            return len(waiting)
        return sum(
            min(waiting.count(workflow), max(0, self._limit - self._used.get(workflow, 0))) for workflow in {*waiting}
        )

    def may_use(self, owner: Owner) -> bool:
        """Whether its workflow may have one more."""
        return not self._limit or self._used.get(owner.workflow, 0) < self._limit

    def count(self, owner: Owner, change: int) -> None:
        """A workflow has one more or one less."""
        if self._limit:
            self._used[owner.workflow] = self._used.get(owner.workflow, 0) + change

    def refuse(self, error: DatabaseError) -> None:
        """Nobody can have a connection: all that wait are told at once."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.future.done():
                waiter.future.set_exception(copy.copy(error))
        self._set_alarm(_NEVER)

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = None
        if at != _NEVER:
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, at - self._now()), self.expire)

    def expire(self) -> None:
        """Those that have waited long enough are told so."""
        now = self._now()
        for waiter in [waiter for waiter in self.waiters if waiter.deadline <= now and not waiter.future.done()]:
            self.leave(waiter)
            waiter.future.set_exception(self._too_late(waiter))
        self._set_alarm(min((waiter.deadline for waiter in self.waiters), default=_NEVER))
