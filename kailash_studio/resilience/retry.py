"""Waits between attempts, and which errors are worth another one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random

from kailash_studio.spec.policy import RetryPolicy


def base_delays(policy: RetryPolicy) -> Iterator[float]:
    """The wait before retry n, from n = 1, without jitter, each at most ``max_delay``; without end.

    immediate 0, linear base x n, exponential base x 2^(n-1), fibonacci base x F(n) with F = 1, 1, 2, 3, 5.
    """
    base, most = policy.base_delay, policy.max_delay
    match policy.strategy:
        case "immediate":
            yield from itertools.repeat(0.0)
        case "linear":
            yield from (min(base * n, most) for n in itertools.count(1))
        case "exponential":
            delay = base
            while True:
                yield min(delay, most)
                delay = min(delay * 2, most)  # capped before it is doubled again: it must not grow past all floats
        case "fibonacci":
            one, next_one = base, base
            while True:
                yield min(one, most)
                one, next_one = min(next_one, most), min(one + next_one, 2 * most)


def delays(policy: RetryPolicy, random: Random) -> Iterator[float]:
    """The waits of one node run, with jitter drawn; without end.

    full: anything up to the wait; equal: at least half of it; decorrelated: anything between ``base_delay`` and three
    times the wait before (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """
    previous = policy.base_delay
    for delay in base_delays(policy):
        match policy.jitter:
            case "full":
                yield random.uniform(0.0, delay)
            case "equal":
                yield delay / 2 + random.uniform(0.0, delay / 2)
            case "decorrelated":
                drawn = random.uniform(policy.base_delay, max(previous * 3, policy.base_delay))
                previous = min(policy.max_delay, drawn)
                yield previous
            case _:
                yield delay


def delay_bounds(policy: RetryPolicy) -> Iterator[tuple[float, float]]:
    """The least and the longest wait before retry n, from n = 1; without end."""
    longest = policy.base_delay
    for delay in base_delays(policy):
        match policy.jitter:
            case "full":
                yield 0.0, delay
            case "equal":
                yield delay / 2, delay
            case "decorrelated":
                longest = min(policy.max_delay, longest * 3)
                yield min(policy.base_delay, policy.max_delay), longest
            case _:
                yield delay, delay


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it."""
    seen: set[int] = set()
    present: BaseException | None = error
    while present is not None and id(present) not in seen:
        seen.add(id(present))
        yield present
        present = present.__cause__ or (None if present.__suppress_context__ else present.__context__)


def is_permanent(error: BaseException) -> bool:
    """Whether the same call would fail the same way: the error says so itself (``permanent``)."""
    return bool(getattr(error, "permanent", False))


def is_named(error: BaseException, names: frozenset[str]) -> bool:
    """Whether the error, a cause of it, or a base class of either has one of these names."""
    return any(
        cls.__name__ in names or f"{cls.__module__}.{cls.__qualname__}" in names
        for link in chain(error)
        for cls in type(link).__mro__
    )
