"""The circuit breaker: lets calls through while what they call seems well, and refuses them for a while when not.

Four states; ``TRANSITIONS`` says which may follow which. In ``half_open`` one probe at a time is let through. A permit
carries the generation of the state that gave it, so that results of calls from before a change count for nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from kailash_studio.errors import CircuitOpenError
from kailash_studio.resilience.clock import Clock
from kailash_studio.spec.policy import CircuitBreakerPolicy

BreakerState = Literal["closed", "open", "half_open", "forced_open"]

TRANSITIONS: dict[BreakerState, frozenset[BreakerState]] = {
    "closed": frozenset({"open", "forced_open"}),
    "open": frozenset({"half_open", "forced_open", "closed"}),
    "half_open": frozenset({"closed", "open", "forced_open"}),
    "forced_open": frozenset({"closed"}),
}


class Permit(NamedTuple):
    """The right to make one call; given back with success, failure or release."""

    generation: int


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """What outlives a process.

    Attributes:
        state: The state.
        opened_wall: When it opened, seconds since 1970.
        failures: Failures in a row.
        successes: Successes of probes in a row.
        reason: Why it is in this state.
        updated_wall: When this was taken.
    """

    state: BreakerState
    opened_wall: float = 0.0
    failures: int = 0
    successes: int = 0
    reason: str = ""
    updated_wall: float = 0.0


class BreakerChange(NamedTuple):
    """One change of state."""

    key: str
    before: BreakerState
    after: BreakerState
    reason: str


class Breaker:
    """One breaker. Not for use from several threads: all its calls come from one loop."""

    def __init__(
        self,
        key: str,
        policy: CircuitBreakerPolicy,
        clock: Clock,
        on_change: Callable[[BreakerChange], None] = lambda change: None,
        on_count: Callable[[Breaker], None] = lambda breaker: None,
    ) -> None:
        """Make a closed breaker.

        Args:
            key: Names it.
            policy: When it opens and closes.
            clock: Time.
            on_change: Called after each change of its state.
            on_count: Called when it counted something that a snapshot holds, and kept its state.
        """
        self.key = key
        self.policy = policy
        self.state: BreakerState = "closed"
        self.reason = ""
        self.refused = 0
        self._clock = clock
        self._on_change = on_change
        self._on_count = on_count
        self._generation = 0
        self._failures = 0
        self._successes = 0
        self._probing = False
        self._opened_at = 0.0
        rated = policy.failure_rate is not None or policy.slow_rate is not None
        self._window = _Window(policy, clock) if rated else None

    # ------------------------------------------------------------------ around a call
    def ask(self) -> None:
        """Refuse what ``acquire`` would refuse now; nothing is taken.

        Raises:
            CircuitOpenError: It is open, or another probe is under way; says when it may be worth asking again.
        """
        if self.state == "closed":
            return
        if self.state == "open":
            left = self._opened_at + self.policy.timeout - self._clock.now()
            if left > 0:
                raise self._refusal(left)
        elif self.state == "forced_open":
            raise self._refusal(self.policy.timeout)
        if self._probing:
            raise self._refusal(0.0)

    def acquire(self) -> Permit:
        """The right to call now.

        Raises:
            CircuitOpenError: It is open, or another probe is under way; says when it may be worth asking again.
        """
        self.ask()
        if self.state == "open":
            self._change("half_open", f"{self.policy.timeout:g} s have passed")
        if self.state == "half_open":
            self._probing = True
        return Permit(self._generation)

    def success(self, permit: Permit, seconds: float = 0.0) -> None:
        """The call answered, after so many seconds."""
        if permit.generation != self._generation:
            return
        slow = self.policy.slow_call is not None and seconds > self.policy.slow_call
        if self.state == "half_open":
            self._probing = False
            if slow and self.policy.slow_rate is not None:
                self._open(f"a probe took {seconds:.2f} s")
                return
            self._successes += 1
            if self._successes >= self.policy.success_threshold:
                self._change("closed", f"{self._successes} probes succeeded")
            else:
                self._on_count(self)
        elif self._window is not None:
            self._judge(failed=False, slow=slow)
        elif self._failures:
            self._failures = 0
            self._on_count(self)

    def failure(self, permit: Permit, seconds: float = 0.0) -> None:
        """The call failed, after so many seconds."""
        if permit.generation != self._generation:
            return
        if self.state == "half_open":
            self._probing = False
            self._open("a probe failed")
        elif self._window is not None:
            self._judge(failed=True, slow=self.policy.slow_call is not None and seconds > self.policy.slow_call)
        else:
            self._failures += 1
            if self._failures >= self.policy.failure_threshold:
                self._open(f"{self._failures} failures in a row")
            else:
                self._on_count(self)

    def release(self, permit: Permit) -> None:
        """The call was cancelled, or failed for a reason that tells nothing: neither success nor failure."""
        if permit.generation == self._generation and self.state == "half_open":
            self._probing = False

    def _judge(self, *, failed: bool, slow: bool) -> None:
        assert self._window is not None  # callers look first
        self._window.add(failed=failed, slow=slow)
        calls, failures, slows = self._window.counts()
        if calls < self.policy.minimum_calls:
            return
        most, most_slow = self.policy.failure_rate, self.policy.slow_rate
        if most is not None and failures / calls >= most:
            self._open(f"{failures} of {calls} calls failed")
        elif most_slow is not None and slows / calls >= most_slow:
            self._open(f"{slows} of {calls} calls were slow")

    # ------------------------------------------------------------------ by hand
    def force_open(self, reason: str = "opened by hand") -> None:
        """Refuse all calls until ``reset``."""
        if self.state != "forced_open":
            self._opened_at = self._clock.now()
            self._change("forced_open", reason)

    def reset(self, reason: str = "reset by hand") -> None:
        """Close it and forget what was counted."""
        if self.state == "closed":
            self._forget()
        else:
            self._change("closed", reason)

    # ------------------------------------------------------------------ across processes
    def snapshot(self) -> BreakerSnapshot:
        """What another process needs to go on from here."""
        wall = self._clock.wall()
        opened = wall - (self._clock.now() - self._opened_at) if self.state in {"open", "forced_open"} else 0.0
        return BreakerSnapshot(self.state, opened, self._failures, self._successes, self.reason, wall)

    def restore(self, snapshot: BreakerSnapshot) -> None:
        """Take the state that another process left. A probe that it was making is not waited for."""
        self._generation += 1
        self.state, self.reason = snapshot.state, snapshot.reason
        self._failures, self._successes = snapshot.failures, snapshot.successes
        self._probing = False
        # a clock that was set back must not keep it open for longer than its timeout
        age = max(0.0, self._clock.wall() - snapshot.opened_wall)
        self._opened_at = self._clock.now() - age

    def retry_after(self) -> float:
        """Seconds until a probe may be let through; 0 when calls are let through, infinite when forced open."""
        match self.state:
            case "open":
                return max(0.0, self._opened_at + self.policy.timeout - self._clock.now())
            case "forced_open":
                return math.inf
            case _:
                return 0.0

    def failure_share(self) -> float | None:
        """The share of failed calls in the window, or None without one."""
        if self._window is None:
            return None
        calls, failures, _ = self._window.counts()
        return failures / calls if calls else 0.0

    # ------------------------------------------------------------------ parts
    def _refusal(self, left: float) -> CircuitOpenError:
        self.refused += 1
        when = f"asks again in {left:.1f} s" if self.state == "open" else "waits for its probe"
        if self.state == "forced_open":
            when = "was opened by hand: reset it"
        return CircuitOpenError(
            f"The circuit breaker {self.key} is {self.state.replace('_', ' ')} ({self.reason}) and {when}.",
            key=self.key,
            retry_after=left,
        )

    def _open(self, reason: str) -> None:
        self._opened_at = self._clock.now()
        self._change("open", reason)

    def _change(self, after: BreakerState, reason: str) -> None:
        before = self.state
        assert after in TRANSITIONS[before], f"{before} to {after}"
        self.state, self.reason = after, reason
        self._generation += 1
        self._forget()
        self._on_change(BreakerChange(self.key, before, after, reason))

    def _forget(self) -> None:
        self._failures = self._successes = 0
        self._probing = False
        if self._window is not None:
            self._window.clear()


class _Window:
    """Counts of the last calls, or of the calls of the last seconds."""

    def __init__(self, policy: CircuitBreakerPolicy, clock: Clock) -> None:
        self._by_time = policy.window == "seconds"
        self._size = policy.window_size
        self._clock = clock
        # by calls: one (0, calls, failures, slows) for each call; by seconds: one for each second
        self._cells: deque[list[int]] = deque()
        self._sums = [0, 0, 0]

    def add(self, *, failed: bool, slow: bool) -> None:
        second = int(self._clock.now()) if self._by_time else 0
        if self._by_time and self._cells and self._cells[-1][0] == second:
            cell = self._cells[-1]
        else:
            cell = [second, 0, 0, 0]
            self._cells.append(cell)
        for place, count in enumerate((1, int(failed), int(slow))):
            cell[place + 1] += count
            self._sums[place] += count
        self._drop_old()

    def counts(self) -> tuple[int, int, int]:
        """Calls, failures, slow calls."""
        self._drop_old()
        return self._sums[0], self._sums[1], self._sums[2]

    def clear(self) -> None:
        self._cells.clear()
        self._sums = [0, 0, 0]

    def _drop_old(self) -> None:
        oldest = int(self._clock.now()) - self._size
        while self._cells and (self._cells[0][0] <= oldest if self._by_time else len(self._cells) > self._size):
            for place, count in enumerate(self._cells.popleft()[1:]):
                self._sums[place] -= count
