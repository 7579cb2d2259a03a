"""Configured against happened: what the policies of a node promised, and what a run did, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kailash_studio.errors import ParameterError
from kailash_studio.resilience import guard
from kailash_studio.resilience.schedule import Schedule, schedule
from kailash_studio.runtime import events
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.standing import without
from kailash_studio.runtime.wording import duration
from kailash_studio.spec.policy import Resilience

_SLACK = 0.05  # seconds that a wait may take longer than planned before it counts as different


@dataclass(frozen=True, slots=True)
class Comparison:
    """One node of one run.

    Attributes:
        node: The node.
        configured: Its policies, as a sentence.
        happened: What was done around its calls, as a sentence; times in which it stood still do not count.
        differences: Where the two are not the same, each with its reason; empty when all went as configured.
    """

    node: str
    configured: str
    happened: str
    differences: tuple[str, ...]


def compare(policies: Mapping[str, Mapping[str, Any]], told: Sequence[Event]) -> list[Comparison]:
    """Compare each node that has policies; those that did not run are left out.

    Args:
        policies: Raw policies by node, as in the document.
        told: The events of a run.
    """
    by_node: dict[str, list[Event]] = {}
    for event in told:
        by_node.setdefault(event.node, []).append(event)
    found = []
    for node, raw in policies.items():
        mine = by_node.get(node, [])
        started = next((event for event in mine if event.kind == events.NODE_STARTED), None)
        if not raw or started is None:
            continue
        try:
            given = Resilience(**raw)
        except ParameterError:
            continue  # it refers to values of the run; the attempts are in the log
        stops = _stops(mine)
        happened, differences = _happened(mine, started, stops), tuple(_differences(given, mine, stops))
        found.append(Comparison(node, configured(given), happened, differences))
    return found


def configured(policies: Resilience) -> str:
    """Policies as a sentence: "3 retries, exponential from 2 s; breaker after 5 failures; 10 s an attempt"."""
    parts = []
    retry, breaker = policies.retry, policies.circuit_breaker
    if retry is not None:
        spread = f", {retry.jitter} jitter" if retry.jitter != "none" else ""
        start = f" from {duration(retry.base_delay)}" if retry.strategy != "immediate" else ""
        parts.append(
            f"{retry.max_retries} {'retry' if retry.max_retries == 1 else 'retries'}, {retry.strategy}{start}{spread}"
        )
    if breaker is not None:
        parts.append(f"breaker after {breaker.failure_threshold} failures")
    if policies.timeout is not None:
        parts.append(f"{duration(policies.timeout)} an attempt")
    if policies.total_timeout is not None:
        parts.append(f"{duration(policies.total_timeout)} in all")
    if policies.fallback:
        parts.append(f"then {policies.fallback}")
    return "; ".join(parts)


def _stops(mine: Sequence[Event]) -> list[tuple[float, float]]:
    """When a node stood still and went on; one that never did has no attempt after it."""
    begun = {event.details["stop"]: event.time for event in mine if event.kind == events.NODE_STOPPED}
    gone_on = [(event.details["stop"], event.time) for event in mine if event.kind == events.NODE_CONTINUED]
    return [(begun[number], time) for number, time in gone_on if number in begun]


def _happened(mine: Sequence[Event], started: Event, stops: Sequence[tuple[float, float]]) -> str:
    failed = [event for event in mine if event.kind == guard.ATTEMPT_FAILED]
    begun = [without(stops, started.time, event.time - event.details["seconds"]) for event in failed]
    starts = [duration(seconds) if seconds >= 0.001 else "0 s" for seconds in begun]
    parts = []
    if failed:
        count = f"{len(failed)} attempt{'s' * (len(failed) != 1)} failed"
        parts.append(f"{count}, begun at {', '.join(starts)}")
    parts += [
        f"attempt {event.details['attempt']} succeeded" for event in mine if event.kind == guard.ATTEMPT_SUCCEEDED
    ]
    parts += ["refused by its breaker" for event in mine if event.kind == guard.CALL_REFUSED]
    parts += [f"recovered by {event.details['by']}" for event in mine if event.kind == events.NODE_RECOVERED]
    if not parts:
        parts.append("succeeded at once" if any(e.kind == events.NODE_SUCCEEDED for e in mine) else "no attempt ended")
    return "; ".join(parts)


def _differences(policies: Resilience, mine: Sequence[Event], stops: Sequence[tuple[float, float]]) -> list[str]:
    failed = [event for event in mine if event.kind == guard.ATTEMPT_FAILED]
    planned: Schedule = schedule(policies)
    found = []
    for event, after in zip(failed, planned.attempts[1:], strict=False):
        wait = event.details["wait"]
        if wait is None:
            continue
        least, most = after.wait
        if not least - 1e-6 <= wait <= most + 1e-6:
            why = event.details["why"] or "for a reason that is not known"
            found.append(f"waited {duration(wait)} before attempt {after.number}: {why}")
    for before, later in pairwise(failed):
        began = later.time - later.details["seconds"]
        late = without(stops, before.time, began) - (before.details["wait"] or 0.0)
        if late > _SLACK:
            found.append(f"attempt {later.details['attempt']} began {duration(late)} later than planned")
    last = failed[-1] if failed else None
    if last is not None and last.details["wait"] is None and len(failed) < len(planned.attempts):
        found.append(f"{len(failed)} of {len(planned.attempts)} attempts: {last.details['why']}")
    return found
