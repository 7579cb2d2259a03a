"""Limits on how often: rate limit and retry budget. How many at once is left to ``asyncio.Semaphore``, being fair."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from kailash_studio.resilience.clock import Clock

_BURST = 100  # calls whose share of retries may be saved up


class Starts(Protocol):
    """What a guard asks when it may start a call: a rate limit, or what tells again what one said."""

    def reserve(self, most: float) -> float:
        """The seconds until the next place, which is taken unless it is more than ``most`` away."""


class Retries(Protocol):
    """What a guard asks whether it may try again: a retry budget, or what tells again what one said."""

    def called(self) -> None:
        """A first attempt was made."""

    def take(self) -> bool:
        """Pay for a retry; False when there is nothing left."""


class Places(Protocol):
    """What a guard asks for a place among calls at the same time: a semaphore, or what tells again what one said."""

    async def acquire(self) -> bool:
        """Wait for a place and take it.

        Raises:
            TimeoutError: It was not free in time when it was asked for.
        """

    def release(self) -> None:
        """Give it back."""


class RateLimit:
    """At most ``calls`` starts in any ``period``, by a log of the last starts.

    Callers are let through in the order in which they asked; each is told how long to wait.
    """

    def __init__(self, calls: int, period: float, clock: Clock) -> None:
        self._period = period
        self._clock = clock
        self._starts: deque[float] = deque(maxlen=calls)

    def reserve(self, most: float) -> float:
        """The seconds until the next place, which is taken unless it is more than ``most`` away."""
        now = due = self._clock.now()
        if self._starts:
            due = max(due, self._starts[-1])
            if len(self._starts) == self._starts.maxlen:
                due = max(due, self._starts[0] + self._period)
        wait = due - now
        if wait <= most:
            self._starts.append(due)
        return wait

    def reserved(self, wait: float) -> None:
        """Count a place that somebody was given, so many seconds from now."""
        due = self._clock.now() + wait
        self._starts.append(max(due, self._starts[-1]) if self._starts else due)


class RetryBudget:
    """Retries as a share of calls: each call earns a share of a retry, each retry costs one.

    A dead dependency then gets at most ``1 + share`` times the load, however many retries each caller has.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._balance = 0.0
        self.refused = 0

    def called(self) -> None:
        """A first attempt was made."""
        self._balance = min(self._balance + self._share, max(1.0, self._share * _BURST))

    def take(self) -> bool:
        """Pay for a retry; False when there is nothing left."""
        if self._balance + 1e-9 >= 1.0:
            self._balance -= 1.0
            return True
        self.refused += 1
        return False

    def taken(self, *, paid: bool) -> None:
        """Count what somebody was answered who wanted a retry; when it was refused, nothing was left."""
        self._balance = max(0.0, self._balance - 1.0) if paid else min(self._balance, 0.0)
        self.refused += not paid
