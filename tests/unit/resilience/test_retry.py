"""Waits: by the guide's formulas, against tenacity as an oracle, and within the bounds that the schedule shows."""

from __future__ import annotations

from itertools import islice
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import tenacity
from hypothesis import given, settings
from hypothesis import strategies as st

from kailash_studio.errors import DatabaseError, HttpError, NodeTimeoutError, ParameterError
from kailash_studio.resilience.retry import base_delays, chain, delay_bounds, delays, is_named, is_permanent
from kailash_studio.resilience.schedule import schedule
from kailash_studio.spec.policy import Resilience, RetryPolicy

STRATEGIES = ("immediate", "linear", "exponential", "fibonacci")
JITTERS = ("none", "full", "equal", "decorrelated")

policies = st.builds(
    lambda strategy, jitter, base, more, retries: RetryPolicy(
        strategy=strategy, jitter=jitter, base_delay=base, max_delay=base + more, max_retries=retries
    ),
    st.sampled_from(STRATEGIES),
    st.sampled_from(JITTERS),
    st.floats(0, 100),
    st.floats(0, 1000),
    st.integers(0, 40),
)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("immediate", [0, 0, 0, 0, 0, 0]),
        ("linear", [2, 4, 6, 8, 10, 12]),
        ("exponential", [2, 4, 8, 16, 30, 30]),
        ("fibonacci", [2, 2, 4, 6, 10, 16]),
    ],
)
def test_the_guides_waits(strategy: str, expected: list[float]) -> None:
    policy = RetryPolicy(strategy=strategy, base_delay=2.0, max_delay=30.0)
    assert list(islice(base_delays(policy), 6)) == expected
    assert list(islice(delays(policy, Random(1)), 6)) == expected, "no jitter unless asked for"


def oracle(policy: RetryPolicy) -> Any:
    """The same strategy in tenacity."""
    match policy.strategy:
        case "immediate":
            return tenacity.wait_none()
        case "linear":
            return tenacity.wait_incrementing(policy.base_delay, policy.base_delay, policy.max_delay)
        case "exponential":
            return tenacity.wait_exponential(policy.base_delay, policy.max_delay)
        case _:
            return None


@given(policies)
@settings(max_examples=200, deadline=None)
def test_waits_agree_with_tenacity(policy: RetryPolicy) -> None:
    wait = oracle(policy)
    if wait is None:
        return
    for number, ours in enumerate(islice(base_delays(policy), 30), 1):
        state: Any = SimpleNamespace(attempt_number=number)
        assert ours == pytest.approx(wait(state), rel=1e-9, abs=1e-9)


@given(policies, st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_every_wait_is_within_its_bounds_and_the_cap(policy: RetryPolicy, seed: int) -> None:
    drawn = islice(delays(policy, Random(seed)), 40)
    for wait, (least, most) in zip(drawn, delay_bounds(policy), strict=False):
        assert least - 1e-9 <= wait <= most + 1e-9
        assert 0 <= wait <= policy.max_delay + 1e-9


@pytest.mark.parametrize("jitter", ["full", "equal", "decorrelated"])
def test_jitter_uses_its_whole_band(jitter: str) -> None:
    policy = RetryPolicy(strategy="exponential", base_delay=1.0, max_delay=100.0, jitter=jitter)
    third = [list(islice(delays(policy, Random(seed)), 3))[2] for seed in range(2000)]
    least, most = list(islice(delay_bounds(policy), 3))[2]
    assert min(third) < least + 0.1 * (most - least)
    assert max(third) > most - 0.15 * (most - least)


def test_waits_never_overflow() -> None:
    for strategy in STRATEGIES:
        policy = RetryPolicy(strategy=strategy, base_delay=1.0, max_delay=60.0)
        assert list(islice(base_delays(policy), 5000))[-1] in (0.0, 60.0)


def test_what_is_permanent_is_known() -> None:
    assert is_permanent(ParameterError("x"))
    assert is_permanent(DatabaseError("x", sqlstate="42P01"))
    assert is_permanent(DatabaseError("x", sqlstate="23505"))
    assert not is_permanent(DatabaseError("x", sqlstate="40001"))
    assert not is_permanent(DatabaseError("x", sqlstate="57014"))
    assert is_permanent(HttpError("x", status=404))
    assert not any(is_permanent(HttpError("x", status=status)) for status in (0, 408, 425, 429, 500, 503))
    assert not is_permanent(ValueError("x"))


def test_errors_are_known_by_their_class_its_bases_and_their_causes() -> None:
    assert is_named(NodeTimeoutError("x"), frozenset({"TimeoutError"}))
    assert is_named(ConnectionResetError("x"), frozenset({"ConnectionError"}))
    assert not is_named(ValueError("x"), frozenset({"ConnectionError"}))
    outer = RuntimeError("outer")
    outer.__cause__ = ConnectionRefusedError("inner")
    assert is_named(outer, frozenset({"ConnectionError"}))
    hidden = RuntimeError("hidden")
    hidden.__context__ = ConnectionRefusedError("inner")
    hidden.__suppress_context__ = True
    assert not is_named(hidden, frozenset({"ConnectionError"}))
    outer.__cause__.__cause__ = outer  # type: ignore[union-attr]
    assert len(list(chain(outer))) == 2


@given(policies, st.none() | st.floats(0.1, 50), st.none() | st.floats(0.1, 200))
@settings(max_examples=200, deadline=None)
def test_the_schedule_is_the_sum_of_its_parts(policy: RetryPolicy, timeout: float | None, total: float | None) -> None:
    planned = schedule(Resilience(retry=dict(policy.given), timeout=timeout, total_timeout=total))
    assert len(planned.attempts) == policy.max_retries + 1
    most = sum(high for _, high in islice(delay_bounds(policy), policy.max_retries))
    limit = float("inf") if timeout is None else timeout
    alone = most + limit * (policy.max_retries + 1)
    expected = min(alone, float("inf") if total is None else total)
    assert planned.worst_case == pytest.approx(expected) or planned.worst_case == expected
    for attempt in planned.attempts:
        assert attempt.wait[0] <= attempt.wait[1]
        assert attempt.earliest <= attempt.latest
        assert attempt.longest <= limit
        if total is None:
            assert not attempt.cut
