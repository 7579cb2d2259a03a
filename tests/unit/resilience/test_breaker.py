"""The breaker against an independent model: overlapping calls, cancels, late results, restarts; and planted mutants."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from kailash_studio.errors import CircuitOpenError
from kailash_studio.resilience.breaker import TRANSITIONS, Breaker, BreakerChange, BreakerSnapshot, Permit
from kailash_studio.spec.policy import CircuitBreakerPolicy


class Clock:
    """A clock that is set by hand; the wall clock may jump."""

    def __init__(self) -> None:
        self.time = 100.0
        self.shift = 1e9

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time + self.shift

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("a breaker does not wait")


class Model:
    """What a breaker should do, written without looking at how it does it."""

    def __init__(self, kind: type[Breaker], failures: int, successes: int, timeout: int) -> None:
        self.kind = kind
        self.clock = Clock()
        self.policy = CircuitBreakerPolicy(
            failure_threshold=failures, success_threshold=successes, timeout=float(timeout)
        )
        self.changes: list[BreakerChange] = []
        self.breaker = self.kind("key", self.policy, self.clock, self.changes.append)
        self.state, self.epoch, self.opened_at = "closed", 0, 0.0
        self.failed = self.succeeded = 0
        self.probe: int | None = None
        self.live: dict[int, tuple[Permit, int]] = {}
        self.number = 0

    def become(self, state: str) -> None:
        self.state, self.epoch = state, self.epoch + 1
        self.failed = self.succeeded = 0
        self.probe = None
        if state in {"open", "forced_open"}:
            self.opened_at = self.clock.time

    def time_passes(self, seconds: float) -> None:
        self.clock.time += seconds

    def somebody_sets_the_wall_clock(self, seconds: float) -> None:
        self.clock.shift += seconds

    def call(self) -> int:
        due = self.state == "open" and self.clock.time >= self.opened_at + self.policy.timeout
        allowed = self.state == "closed" or due or (self.state == "half_open" and self.probe is None)
        self.number += 1
        try:
            permit = self.breaker.acquire()
        except CircuitOpenError as refused:
            assert not allowed, f"refused while {self.state}"
            assert refused.retry_after >= 0
            assert refused.key == "key"
            return self.number
        assert allowed, f"let through while {self.state}"
        if due:
            self.become("half_open")
        if self.state == "half_open":
            self.probe = self.number
        self.live[self.number] = (permit, self.epoch)
        return self.number

    def ended(self, call: int) -> Permit | None:
        """The permit of a call that is under way, and whether it is of now."""
        known = self.live.pop(call, None)
        if known is None:
            return None
        self.current = known[1] == self.epoch
        return known[0]

    def it_succeeds(self, call: int) -> None:
        permit = self.ended(call)
        if permit is None:
            return
        self.breaker.success(permit, 0.1)
        if not self.current:
            return
        if self.state == "half_open":
            self.probe = None
            self.succeeded += 1
            if self.succeeded >= self.policy.success_threshold:
                self.become("closed")
        else:
            self.failed = 0

    def it_fails(self, call: int) -> None:
        permit = self.ended(call)
        if permit is None:
            return
        self.breaker.failure(permit, 0.1)
        if not self.current:
            return
        if self.state == "half_open":
            self.become("open")
        else:
            self.failed += 1
            if self.failed >= self.policy.failure_threshold:
                self.become("open")

    def it_is_cancelled(self, call: int) -> None:
        permit = self.ended(call)
        if permit is None:
            return
        self.breaker.release(permit)
        if self.current and self.state == "half_open":
            self.probe = None

    def somebody_forces_it_open(self) -> None:
        self.breaker.force_open()
        if self.state != "forced_open":
            self.become("forced_open")

    def somebody_resets_it(self) -> None:
        self.breaker.reset()
        if self.state != "closed":
            self.become("closed")
        self.failed = 0

    def another_process_takes_over(self) -> None:
        kept = self.breaker.snapshot()
        clock = Clock()
        clock.time, clock.shift = 7.0, self.clock.wall() - 7.0  # its monotonic clock started elsewhere
        moved = self.opened_at - self.clock.time + 7.0
        self.clock = clock
        self.breaker = self.kind("key", self.policy, clock, self.changes.append)
        self.breaker.restore(kept)
        self.opened_at = moved
        self.epoch += 1
        self.probe = None
        self.live.clear()

    def it_is_in_the_models_state(self) -> None:
        assert self.breaker.state == self.state
        before = "closed"
        for change in self.changes:
            assert change.before == before
            assert change.after in TRANSITIONS[change.before]
            assert change.reason
            before = change.after
        if self.state == "open":
            left = max(0.0, self.opened_at + self.policy.timeout - self.clock.time)
            assert self.breaker.retry_after() == pytest.approx(left, abs=1e-5)


def walk(kind: type[Breaker], seed: int, steps: int = 250) -> None:
    """Random steps of a breaker beside its model; raises where they differ."""
    rng = Random(seed)
    model = Model(kind, rng.randint(1, 4), rng.randint(1, 3), rng.randint(1, 10))
    for _ in range(steps):
        live = list(model.live) or [0]
        match rng.choices(range(9), (30, 16, 20, 8, 18, 3, 1, 1, 2))[0]:
            case 0:
                model.call()
            case 1:
                model.it_succeeds(rng.choice(live))
            case 2:
                model.it_fails(rng.choice(live))
            case 3:
                model.it_is_cancelled(rng.choice(live))
            case 4:
                model.time_passes(rng.choice([0.0, 0.5, 1.0, 3.0, 12.0]))
            case 5:
                model.somebody_sets_the_wall_clock(rng.choice([-3600.0, 3600.0]))
            case 6:
                model.somebody_forces_it_open()
            case 7:
                model.somebody_resets_it()
            case _:
                model.another_process_takes_over()
        model.it_is_in_the_models_state()


@pytest.mark.parametrize("block", range(8))
def test_the_breaker_does_what_the_model_does(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        walk(Breaker, seed)


# ------------------------------------------------------------------------------------------------- mutants
class CountsLateResults(Breaker):
    def success(self, permit: Permit, seconds: float = 0.0) -> None:
        super().success(Permit(self._generation), seconds)


class CountsLateFailures(Breaker):
    def failure(self, permit: Permit, seconds: float = 0.0) -> None:
        super().failure(Permit(self._generation), seconds)


class LetsAllProbesThrough(Breaker):
    def acquire(self) -> Permit:
        self._probing = False
        return super().acquire()


class KeepsACancelledProbe(Breaker):
    def release(self, permit: Permit) -> None:
        """Forget to."""


class CountsCancelAsFailure(Breaker):
    def release(self, permit: Permit) -> None:
        self.failure(permit)


class ForgetsToForget(Breaker):
    """Failures are counted over all time instead of in a row."""

    def success(self, permit: Permit, seconds: float = 0.0) -> None:
        failures = self._failures
        super().success(permit, seconds)
        if self.state == "closed":
            self._failures = failures


class OpensTooLate(Breaker):
    def failure(self, permit: Permit, seconds: float = 0.0) -> None:
        if self.state == "closed" and self._failures == self.policy.failure_threshold - 1 and self.refused % 2 == 0:
            self.refused += 1
            return
        super().failure(permit, seconds)


class ClosesAfterOneProbe(Breaker):
    def success(self, permit: Permit, seconds: float = 0.0) -> None:
        if self.state == "half_open":
            self._successes = self.policy.success_threshold
        super().success(permit, seconds)


class StaysOpenForEver(Breaker):
    def acquire(self) -> Permit:
        if self.state == "open":
            raise self._refusal(1.0)
        return super().acquire()


class ProbesTooEarly(Breaker):
    def acquire(self) -> Permit:
        if self.state == "open":
            self._opened_at -= 1.0
        return super().acquire()


class FailedProbeKeepsItHalfOpen(Breaker):
    def failure(self, permit: Permit, seconds: float = 0.0) -> None:
        if self.state == "half_open":
            self.release(permit)
        else:
            super().failure(permit, seconds)


class MeasuresByTheWall(Breaker):
    def acquire(self) -> Permit:
        if self.state == "open" and self._clock.wall() > 1e9 + 1000:
            self._opened_at = -1e9
        return super().acquire()


class RestoreForgetsWhenItOpened(Breaker):
    def restore(self, snapshot: BreakerSnapshot) -> None:
        super().restore(snapshot)
        self._opened_at = self._clock.now()


class RestoreTakesOldPermits(Breaker):
    def restore(self, snapshot: BreakerSnapshot) -> None:
        super().restore(snapshot)
        self._probing = snapshot.state == "half_open"


class ForcedOpenCanBeTalkedTo(Breaker):
    def acquire(self) -> Permit:
        return Permit(self._generation) if self.state == "forced_open" else super().acquire()


MUTANTS = [
    mutant
    for mutant in list(globals().values())
    if isinstance(mutant, type) and issubclass(mutant, Breaker) and mutant is not Breaker
]


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= 12


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_planted_mutant_is_caught(mutant: type[Breaker]) -> None:
    with pytest.raises(AssertionError):
        for seed in range(400):
            walk(mutant, seed)


# ------------------------------------------------------------------------------------------------- windows
def breaker(**policy: Any) -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker("key", CircuitBreakerPolicy(**policy), clock), clock


def use(breaker: Breaker, *, fails: bool, seconds: float = 0.0) -> None:
    permit = breaker.acquire()
    report: Callable[[Permit, float], None] = breaker.failure if fails else breaker.success
    report(permit, seconds)


def test_a_failure_rate_over_calls_opens_it_only_after_the_least_number() -> None:
    made, _ = breaker(failure_rate=0.5, window="calls", window_size=10, minimum_calls=6)
    for fails in (True, True, True, False, False):
        use(made, fails=fails)
    assert made.state == "closed", "five calls say nothing yet"
    use(made, fails=False)
    assert made.state == "open"
    assert made.reason == "3 of 6 calls failed"


def test_a_window_of_calls_forgets_the_oldest() -> None:
    made, _ = breaker(failure_rate=0.5, window="calls", window_size=4, minimum_calls=4)
    for fails in (True, False, False, False, True, False, False, False):
        use(made, fails=fails)
    assert made.state == "closed"
    assert made.failure_share() == 0.25


def test_a_window_of_seconds_forgets_what_is_older() -> None:
    made, clock = breaker(failure_rate=0.6, window="seconds", window_size=10, minimum_calls=2)
    use(made, fails=True)
    clock.time += 11
    use(made, fails=False)
    use(made, fails=True)
    assert made.state == "closed"
    assert made.failure_share() == 0.5
    use(made, fails=True)
    assert made.state == "open"


def test_slow_calls_open_it_and_a_slow_probe_keeps_it_open() -> None:
    made, clock = breaker(slow_call=2.0, slow_rate=0.5, window_size=4, minimum_calls=2, timeout=5.0)
    use(made, fails=False, seconds=3.0)
    use(made, fails=False, seconds=0.1)
    assert made.state == "open"
    assert "slow" in made.reason
    clock.time += 5
    use(made, fails=False, seconds=3.0)
    assert made.state == "open"
    clock.time += 5
    use(made, fails=False, seconds=0.1)
    use(made, fails=False, seconds=0.1)
    assert made.state == "closed"


def test_a_refusal_says_which_breaker_why_and_until_when() -> None:
    made, clock = breaker(failure_threshold=1, timeout=60.0)
    use(made, fails=True)
    clock.time += 20
    with pytest.raises(CircuitOpenError, match=r"key is open \(1 failures in a row\) and asks again in 40\.0 s"):
        made.acquire()
    made.force_open()
    with pytest.raises(CircuitOpenError, match=r"forced open .* reset it"):
        made.acquire()
