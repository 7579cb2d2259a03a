"""The policies of one node folded around its call: total timeout(retry(breaker(limits(attempt timeout(the call))))).

The fallback around all this is another node, so it is the engine's. A node without policies gets no guard.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from kailash_studio.errors import CircuitOpenError, NodeTimeoutError, describe
from kailash_studio.resilience.breaker import Breaker
from kailash_studio.resilience.clock import Clock, time_limit
from kailash_studio.resilience.limits import Places, Retries, Starts
from kailash_studio.resilience.retry import delays, is_named, is_permanent
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.policy import Resilience, RetryPolicy

ATTEMPT_FAILED = "attempt_failed"
ATTEMPT_SUCCEEDED = "attempt_succeeded"
ATTEMPT_HEDGED = "attempt_hedged"
CALL_REFUSED = "call_refused"
CALL_HELD = "call_held"
BREAKER_CHANGED = "breaker_changed"

Call = Callable[[RunContext], Any]
Condition = Callable[[RunContext, Exception], Awaitable[bool]]


class GivenUpError(TimeoutError):
    """A call that is played again was given up on when it was made; the limit that ended it is said here again."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What a guard shares with other nodes and runs, by key; None where the policy is not set."""

    breaker: Breaker | None = None
    rate_limit: Starts | None = None
    slots: Places | None = None
    budget: Retries | None = None


class Guard:
    """A call with its policies; call it like the call itself, and await the outputs.

    Each attempt that fails is told to the run (``attempt_failed`` with the wait that follows, or why none does).
    """

    __slots__ = ("_call", "_clock", "_condition", "_named", "_policies", "_random", "_retry", "_shared", "_waits")

    def __init__(
        self,
        policies: Resilience,
        call: Call,
        *,
        waits: bool,
        clock: Clock,
        shared: Shared,
        random: Random,
        condition: Condition | None = None,
    ) -> None:
        """Fold policies around a call.

        Args:
            policies: The node's.
            call: Takes the context; gives outputs, or an awaitable of them where ``waits``.
            waits: The call is a coroutine function.
            clock: Time.
            shared: Breaker and limits.
            random: Draws jitter.
            condition: Whether ``retry_if`` holds for an error.
        """
        self._policies = policies
        self._retry: RetryPolicy | None = policies.retry if policies.retry and policies.retry.max_retries else None
        self._call = call
        self._waits = waits
        self._clock = clock
        self._shared = shared
        self._random = random
        self._condition = condition
        self._named = frozenset(policies.retry.retry_on) if policies.retry else frozenset()

    async def __call__(self, context: RunContext) -> Outputs:
        """Make attempts until one succeeds or no further one is allowed; then raise the last error."""
        clock, shared = self._clock, self._shared
        total = self._policies.total_timeout
        deadline = math.inf if total is None else clock.now() + total
        waits = delays(self._retry, self._random) if self._retry is not None else None
        if shared.budget is not None:
            shared.budget.called()
        attempt = 0
        while True:
            attempt += 1
            began = clock.now()
            try:
                outputs = await self._attempt(context, attempt, deadline)
            except CircuitOpenError as refused:
                details = {"attempt": attempt, "key": refused.key, "error": str(refused)}
                context.scope.note(CALL_REFUSED, context.node_id, details)
                raise
            except Exception as error:
                now = clock.now()
                wait, why = await self._next_wait(context, error, attempt, waits, deadline - now)
                details = {
                    "attempt": attempt,
                    "error": describe(error),
                    "code": getattr(error, "code", ""),
                    "seconds": now - began,
                    "wait": wait,
                    "why": why,
                }
                context.scope.note(ATTEMPT_FAILED, context.node_id, details)
                if wait is None:
                    raise
                if context.scope.retrying is not None:
                    stood = clock.now()
                    await context.scope.retrying(context, describe(error))
                    deadline += clock.now() - stood  # time in which somebody looks at it does not count
                if wait > 0:
                    await clock.sleep(wait)
            else:
                if attempt > 1:
                    context.scope.note(ATTEMPT_SUCCEEDED, context.node_id, {"attempt": attempt})
                return outputs

    # ------------------------------------------------------------------ one attempt
    async def _attempt(self, context: RunContext, attempt: int, deadline: float) -> Outputs:
        shared = self._shared
        breaker = shared.breaker
        if breaker is None and shared.rate_limit is None and shared.slots is None:
            return await self._limited(context, attempt, deadline)
        if breaker is not None:
            breaker.ask()  # what would be refused neither waits for the limits nor takes anything of them
        if shared.rate_limit is not None:
            left = deadline - self._clock.now()
            wait = shared.rate_limit.reserve(left)
            if wait > left:
                raise self._too_long(context.node_id, wait, cut=True)
            if wait > 0:
                context.scope.note(CALL_HELD, context.node_id, {"attempt": attempt, "seconds": wait})
                await self._clock.sleep(wait)
        if shared.slots is not None:
            await self._take(shared.slots, context.node_id, deadline)
            try:
                return await self._through(breaker, context, attempt, deadline)
            finally:
                shared.slots.release()
        return await self._through(breaker, context, attempt, deadline)

    async def _take(self, slots: Places, node_id: str, deadline: float) -> None:
        """Wait for a place among the calls at the same time, no longer than the total timeout leaves."""
        if deadline == math.inf:
            await slots.acquire()
            return
        left = max(0.0, deadline - self._clock.now())
        try:
            async with time_limit(self._clock, left):
                await slots.acquire()
        except TimeoutError:
            raise self._too_long(node_id, left, cut=True) from None

    async def _through(self, breaker: Breaker | None, context: RunContext, attempt: int, deadline: float) -> Outputs:
        if breaker is None:
            return await self._limited(context, attempt, deadline)
        before = breaker.state
        permit = breaker.acquire()
        if breaker.state != before:
            _tell(context, breaker, before)
        began = self._clock.now()
        try:
            outputs = await self._limited(context, attempt, deadline)
        except Exception as error:
            if is_permanent(error):  # a fault of the call, which tells nothing about what is called
                breaker.release(permit)
            else:
                before = breaker.state
                breaker.failure(permit, self._clock.now() - began)
                if breaker.state != before:
                    _tell(context, breaker, before)
            raise
        except BaseException:  # cancelled: neither success nor failure
            breaker.release(permit)
            raise
        before = breaker.state
        breaker.success(permit, self._clock.now() - began)
        if breaker.state != before:
            _tell(context, breaker, before)
        return outputs

    async def _limited(self, context: RunContext, attempt: int, deadline: float) -> Outputs:
        limit = self._policies.timeout
        cut = False
        if deadline != math.inf:
            left = deadline - self._clock.now()
            if limit is None or left < limit:
                limit, cut = left, True
        if limit is None:
            return await self._once(context, attempt)
        try:
            async with time_limit(self._clock, max(limit, 0.0)) as scope:
                return await self._once(context, attempt)
        except TimeoutError as error:
            if not scope.expired() and not isinstance(error, GivenUpError):
                raise
            raise self._too_long(context.node_id, limit, cut=cut) from (error.__cause__ if error.__cause__ else None)

    def _too_long(self, node_id: str, limit: float, *, cut: bool) -> NodeTimeoutError:
        if cut:
            total = self._policies.total_timeout
            return NodeTimeoutError(f"{node_id} took longer than its total timeout of {total:g} s: raise it.")
        return NodeTimeoutError(f"{node_id} took longer than its timeout of {limit:g} s: raise it, or do less at once.")

    async def _once(self, context: RunContext, attempt: int) -> Outputs:
        outputs: Outputs
        if not self._waits:
            outputs = self._call(context)
        elif self._policies.hedge_after is None:
            outputs = await self._call(context)
        else:
            outputs = await self._hedged(context, attempt, self._policies.hedge_after)
        return outputs

    async def _hedged(self, context: RunContext, attempt: int, after: float) -> Outputs:
        """Two equal calls, the second one later; the first answer counts and the other call is cancelled."""
        tasks = {asyncio.ensure_future(self._task(context))}
        try:
            done, _ = await asyncio.wait(tasks, timeout=after)
            if not done:
                context.scope.note(ATTEMPT_HEDGED, context.node_id, {"attempt": attempt, "after": after})
                tasks.add(asyncio.ensure_future(self._task(context)))
            while True:
                done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                good = next((task for task in done if task.exception() is None), None)
                if good is not None or not pending:
                    return (good or next(iter(done))).result()
                tasks = pending
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _task(self, context: RunContext) -> Outputs:
        outputs: Outputs = await self._call(context)
        return outputs

    # ------------------------------------------------------------------ another one?
    async def _next_wait(
        self, context: RunContext, error: Exception, attempt: int, waits: Iterator[float] | None, left: float
    ) -> tuple[float | None, str]:
        """The wait before the next attempt and why it is that long, or None and why there is none."""
        retry = self._retry
        if retry is None or waits is None:
            return None, "no retries are configured"
        if attempt > retry.max_retries:
            used = f"all {retry.max_retries} retries are" if retry.max_retries != 1 else "the one retry is"
            return None, f"{used} used up"
        if self._named:
            if not is_named(error, self._named):
                return None, f"{type(error).__name__} is not among {', '.join(sorted(self._named))}"
        elif is_permanent(error):
            return None, "trying again cannot help"
        if self._condition is not None and not await self._condition(context, error):
            return None, f"the condition {retry.retry_if!r} does not hold"
        wait, why = next(waits), ""
        asked = getattr(error, "retry_after", None)
        if asked is not None and asked > wait:
            wait, why = asked, f"the other side asked for {asked:g} s"
        if wait >= left:
            return None, f"the total timeout leaves {max(left, 0.0):.2f} s, less than the wait of {wait:.2f} s"
        if self._shared.budget is not None and not self._shared.budget.take():
            return None, "the retry budget is used up"
        return wait, why


def _tell(context: RunContext, breaker: Breaker, before: str) -> None:
    details = {"key": breaker.key, "before": before, "after": breaker.state, "reason": breaker.reason}
    context.scope.note(BREAKER_CHANGED, context.node_id, details)
