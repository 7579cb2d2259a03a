"""What rate limits, retry budgets and places said to the nodes of a run: written down, and said again.

Other runs share them, and how soon a node comes to ask depends on how long others took. Neither is there again when a
run is played, so what they said is: by node and policy, in the order in which it was asked for. Who asks more often, or
with another policy, as in a mended workflow, is answered for real, by what has counted all that was said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from kailash_studio.resilience.clock import Clock
from kailash_studio.resilience.guard import Shared
from kailash_studio.resilience.limits import Places, RateLimit, Retries, RetryBudget, Starts
from kailash_studio.spec.policy import Resilience

Said = Mapping[str, Mapping[str, Sequence[float]]]
"""By node and policy: seconds to wait for a start; 1 or 0 for a retry; seconds until a place was taken, or, below 0,
given up on."""
_LEAST = 1e-9  # seconds, so that a place that was given up on at once is below 0


class LimitAnswers(Protocol):
    """Stands between a node's policies and what they share with other nodes and runs."""

    def around(self, node_id: str, policies: Resilience, shared: Shared, clock: Clock) -> Shared:
        """What the node is to ask instead."""


class WrittenLimits:
    """Asks for real, and writes down what was said.

    Attributes:
        said: What was said.
    """

    def __init__(self) -> None:
        self.said: dict[str, dict[str, list[float]]] = {}

    def around(self, node_id: str, policies: Resilience, shared: Shared, clock: Clock) -> Shared:
        """The same limits, each with a list of what it says to this node."""
        kept = self.said.setdefault(node_id, {})
        starts, retries, places = _names(policies)
        rate_limit: Starts | None = shared.rate_limit
        budget: Retries | None = shared.budget
        slots: Places | None = shared.slots
        if rate_limit is not None:
            rate_limit = _WrittenStarts(rate_limit, kept.setdefault(starts, []))
        if budget is not None:
            budget = _WrittenRetries(budget, kept.setdefault(retries, []))
        if isinstance(slots, asyncio.Semaphore):
            slots = _WrittenPlaces(slots, kept.setdefault(places, []), clock)
        return replace(shared, rate_limit=rate_limit, budget=budget, slots=slots)


class SaidLimits:
    """Says again what was written down."""

    def __init__(self, said: Said) -> None:
        self._left = {node: {name: iter(answers) for name, answers in own.items()} for node, own in said.items()}

    def around(self, node_id: str, policies: Resilience, shared: Shared, clock: Clock) -> Shared:
        """What says to this node what it was told; a limit that told it nothing stays as it is."""
        left = self._left.get(node_id, {})
        starts, retries, places = _names(policies)
        rate_limit: Starts | None = shared.rate_limit
        budget: Retries | None = shared.budget
        slots: Places | None = shared.slots
        if isinstance(rate_limit, RateLimit) and starts in left:
            rate_limit = _SaidStarts(rate_limit, left[starts])
        if isinstance(budget, RetryBudget) and retries in left:
            budget = _SaidRetries(budget, left[retries])
        if slots is not None and places in left:
            slots = _SaidPlaces(slots, left[places], clock)
        return replace(shared, rate_limit=rate_limit, budget=budget, slots=slots)


def _names(policies: Resilience) -> tuple[str, str, str]:
    """What the limits of a node are known by: with other numbers a limit is another one."""
    rate, retry, breaker = policies.rate_limit, policies.retry, policies.circuit_breaker
    return (
        f"rate limit {rate.key} {rate.calls}/{rate.period}" if rate is not None else "",
        f"budget {breaker.key if breaker is not None else ''} {retry.budget}" if retry is not None else "",
        f"places {policies.max_concurrent}",
    )


# ---------------------------------------------------------------------------------------------- written down
class _WrittenStarts:
    def __init__(self, limit: Starts, said: list[float]) -> None:
        self._limit, self._said = limit, said

    def reserve(self, most: float) -> float:
        self._said.append(self._limit.reserve(most))
        return self._said[-1]


class _WrittenRetries:
    def __init__(self, budget: Retries, said: list[float]) -> None:
        self._budget, self._said = budget, said
        self.called = budget.called

    def take(self) -> bool:
        paid = self._budget.take()
        self._said.append(float(paid))
        return paid


class _WrittenPlaces:
    def __init__(self, slots: asyncio.Semaphore, said: list[float], clock: Clock) -> None:
        self._slots, self._said, self._clock = slots, said, clock
        self.release = slots.release

    async def acquire(self) -> bool:
        began, at_once = self._clock.now(), not self._slots.locked()
        try:
            await self._slots.acquire()
        except asyncio.CancelledError:
            self._said.append(-max(self._clock.now() - began, _LEAST))
            raise
        self._said.append(0.0 if at_once else self._clock.now() - began)
        return True


# ---------------------------------------------------------------------------------------------- said again
class _SaidStarts:
    def __init__(self, limit: RateLimit, left: Iterator[float]) -> None:
        self._limit, self._left = limit, left

    def reserve(self, most: float) -> float:
        wait = next(self._left, None)
        if wait is None:
            return self._limit.reserve(most)
        if wait <= most:
            self._limit.reserved(wait)
        return wait


class _SaidRetries:
    def __init__(self, budget: RetryBudget, left: Iterator[float]) -> None:
        self._budget, self._left = budget, left
        self.called = budget.called

    def take(self) -> bool:
        said = next(self._left, None)
        if said is None:
            return self._budget.take()
        self._budget.taken(paid=bool(said))
        return bool(said)


class _SaidPlaces:
    def __init__(self, slots: Places, left: Iterator[float], clock: Clock) -> None:
        self._slots, self._left, self._clock = slots, left, clock
        self.release = slots.release

    async def acquire(self) -> bool:
        waited = next(self._left, 0.0)
        if waited:
            await self._clock.sleep(abs(waited))
        if waited < 0:
            raise TimeoutError("it was not free in time")
        return await self._slots.acquire()
