"""What policies need around them: clock, randomness, and the breakers, limits and budgets that runs share by key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from kailash_studio.errors import describe
from kailash_studio.resilience.breaker import Breaker, BreakerChange
from kailash_studio.resilience.clock import Clock, SystemClock
from kailash_studio.resilience.guard import Condition, Guard, Shared
from kailash_studio.resilience.limits import RateLimit, RetryBudget
from kailash_studio.runtime.expressions import value_of
from kailash_studio.runtime.limit_answers import LimitAnswers
from kailash_studio.spec.context import RunContext
from kailash_studio.spec.policy import CircuitBreakerPolicy, Resilience


def condition(expression: str, clock: Clock) -> Condition:
    """Whether a ``retry_if`` holds, decided in the sandboxed interpreter."""

    async def holds(context: RunContext, error: Exception) -> bool:
        told = {
            "type": type(error).__name__,
            "text": describe(error),
            "code": getattr(error, "code", ""),
            "status": getattr(error, "status", 0),
        }
        value = await value_of(expression, told, context.scope, clock, context.node_id, "retry_if", truth=True)
        return value is True

    return holds


@dataclass(slots=True)
class Surroundings:
    """One belongs to each runtime.

    Attributes:
        clock: Time.
        random: Draws jitter.
        breakers: The breakers by key.
        opened: Called for a breaker whenever a run is about to use it, to take over what another process left.
        changed: Called when a breaker changed its state.
        counted: Called when a breaker counted a failure or a success and kept its state.
        limits: Stands between nodes and the limits that they share, in a run that is recorded or played.
    """

    clock: Clock = field(default_factory=SystemClock)
    random: Random = field(default_factory=Random)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    opened: Callable[[Breaker], None] = lambda breaker: None
    changed: Callable[[BreakerChange], None] = lambda change: None
    counted: Callable[[Breaker], None] = lambda breaker: None
    limits: LimitAnswers | None = None
    _rate_limits: dict[str, RateLimit] = field(default_factory=dict)
    _budgets: dict[str, RetryBudget] = field(default_factory=dict)
    _slots: dict[str, tuple[Any, int, asyncio.Semaphore]] = field(default_factory=dict)

    def guard(self, workflow: str, node_id: str, policies: Resilience, call: Callable[..., Any], waits: bool) -> Guard:
        """A call with policies around it.

        Args:
            workflow: The workflow's name; with the node's it names what the node shares with itself in other runs.
            node_id: The node.
            policies: The node's.
            call: The call.
            waits: The call is a coroutine function.
        """
        retry, shared = policies.retry, self._shared(f"{workflow}/{node_id}", policies)
        if self.limits is not None:
            shared = self.limits.around(node_id, policies, shared, self.clock)
        return Guard(
            policies,
            call,
            waits=waits,
            clock=self.clock,
            shared=shared,
            random=self.random,
            condition=condition(retry.retry_if, self.clock) if retry is not None and retry.retry_if else None,
        )

    def breaker(self, key: str, policy: CircuitBreakerPolicy) -> Breaker:
        """The breaker of a key; the first policy that names it holds, until a run brings another one."""
        known = self.breakers.get(key)
        if known is None or known.policy.given != policy.given:
            made = Breaker(key, policy, self.clock, self._changed, self._counted)
            if known is not None:
                made.restore(known.snapshot())
            self.breakers[key] = known = made
        self.opened(known)
        return known

    def _changed(self, change: BreakerChange) -> None:
        self.changed(change)  # looked up when it happens: it may be set after the breaker was made

    def _counted(self, breaker: Breaker) -> None:
        self.counted(breaker)

    def _shared(self, own_key: str, policies: Resilience) -> Shared:
        breaker = policies.circuit_breaker
        rate, retry = policies.rate_limit, policies.retry
        shared_key = (breaker.key if breaker is not None else "") or own_key
        return Shared(
            breaker=self.breaker(shared_key, breaker) if breaker is not None else None,
            rate_limit=self._rate_limit(rate.key or own_key, rate.calls, rate.period) if rate is not None else None,
            slots=self._semaphore(own_key, policies.max_concurrent) if policies.max_concurrent is not None else None,
            budget=self._budget(shared_key, retry.budget) if retry is not None and retry.budget is not None else None,
        )

    def _rate_limit(self, key: str, calls: int, period: float) -> RateLimit:
        name = f"{key}/{calls}/{period}"
        if name not in self._rate_limits:
            self._rate_limits[name] = RateLimit(calls, period, self.clock)
        return self._rate_limits[name]

    def _budget(self, key: str, share: float) -> RetryBudget:
        name = f"{key}/{share}"
        if name not in self._budgets:
            self._budgets[name] = RetryBudget(share)
        return self._budgets[name]

    def _semaphore(self, key: str, most: int) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        known = self._slots.get(key)
        if known is None or known[0] is not loop or known[1] != most:  # a semaphore belongs to one loop
            known = self._slots[key] = (loop, most, asyncio.Semaphore(most))
        return known[2]
