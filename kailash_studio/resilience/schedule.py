"""What a node's policies mean in time, before anything runs: attempts, waits, the worst case."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

from kailash_studio.resilience.retry import delay_bounds
from kailash_studio.spec.policy import Resilience

_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class PlannedAttempt:
    """One attempt if all before it fail.

    Attributes:
        number: From 1.
        wait: Least and longest wait before it, in seconds.
        earliest: Earliest start, when attempts fail at once and waits are short.
        latest: Latest start, when attempts take their whole timeout and waits are long; infinite without a timeout.
        longest: Longest time it may take: its timeout, or what the total timeout leaves; infinite without either.
        cut: The total timeout ends it early, or keeps it from starting.
    """

    number: int
    wait: tuple[float, float]
    earliest: float
    latest: float
    longest: float
    cut: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """All attempts of a node, and the longest time until its last one has failed; infinite without a timeout."""

    attempts: tuple[PlannedAttempt, ...]
    worst_case: float


def schedule(policies: Resilience) -> Schedule:
    """The schedule of a node's policies; at most the first 200 attempts are listed."""
    retry = policies.retry
    count = 1 + (retry.max_retries if retry is not None else 0)
    limit = math.inf if policies.timeout is None else policies.timeout
    total = math.inf if policies.total_timeout is None else policies.total_timeout
    bounds = [(0.0, 0.0), *(islice(delay_bounds(retry), count - 1) if retry is not None else ())]
    attempts = []
    earliest = latest = 0.0
    for number, (least, most) in enumerate(bounds, 1):
        earliest += least
        latest += most
        longest = max(0.0, min(limit, total - latest))
        if number <= _MOST_SHOWN:
            attempts.append(PlannedAttempt(number, (least, most), earliest, latest, longest, longest < limit))
        latest += limit
    return Schedule(tuple(attempts), min(total, latest))
