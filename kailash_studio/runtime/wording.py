"""Events in words, the same in the window's log and on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kailash_studio.resilience import guard
from kailash_studio.runtime import events
from kailash_studio.runtime.events import Event
from kailash_studio.services.postgres.statistics import ACQUIRE_ENDED


def duration(seconds: float) -> str:
    """A duration as people read it: 42 ms, 1.24 s, 3 min 20 s."""
    if seconds < 0.0005:
        return "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 99.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def rows(event: Event) -> str:
    """The rows that a node gave, by output; empty when it gave no tables."""
    return ", ".join(f"{name} {count:,} row{'s' * (count != 1)}" for name, count in event.details["rows"].items())


def counts(event: Event) -> str:
    """How many nodes of a finished run ended in which way."""
    told = {"reused": 0, "pinned": 0, **event.details}
    told["succeeded"] -= told["reused"] + told["pinned"]
    kinds = ("succeeded", "reused", "pinned", "recovered", "failed", "skipped", "cancelled")
    return ", ".join(f"{told[kind]} {kind}" for kind in kinds if told[kind]) or "no nodes"


def not_called(told: Mapping[str, Any]) -> str:
    """Where a node's outputs came from without a call: reused, or pinned; empty where it was called."""
    if told.get("pinned"):
        return "pinned"
    if not told.get("reused"):
        return ""
    return f"reused, from {told['by']}" if told.get("by") else "reused"


def succeeded(told: Mapping[str, Any]) -> str:
    """That a node has outputs, and how it came by them."""
    if told.get("pinned"):
        return "Pinned, and not called"
    if not told.get("reused"):
        return f"Succeeded in {duration(told['seconds'])}"
    return "Reused from an earlier run" + (f", in which {told['by']} stood in for it" if told.get("by") else "")


STANDS = {
    "before": "before its call",
    "after": "after its call",
    "error": "over its failure",
    "retry": "before another attempt",
    "fallback": "before its fallback",
}
_DOES = {"give": "its outputs are given by hand", "skip": "it is skipped", "again": "it is called again"}


_LONG_WAIT = 0.1  # seconds for a connection that are worth a line of the log


def sentence(event: Event) -> str:
    """Any event as one sentence, its node not named."""
    told = event.details
    match event.kind:
        case events.RUN_STARTED:
            return f"The run started: {told['nodes']:,} nodes."
        case events.RUN_FINISHED:
            ended = "was cancelled" if told["state"] == "cancelled" else told["state"]
            return f"The run {ended} after {duration(told['seconds'])}: {counts(event)}."
        case events.NODE_STARTED:
            return "Started."
        case events.NODE_SUCCEEDED:
            given = f": {rows(event)}" if told["rows"] else ""
            return f"{succeeded(told)}{given}."
        case events.NODE_FAILED:
            return f"Failed: {own_error(event)}"
        case events.NODE_SKIPPED | events.NODE_CANCELLED:
            return f"{event.kind.removeprefix('node_').capitalize()}: {told['reason'].rstrip('.')}."
        case events.LOG_WRITTEN:
            return str(told["text"])
        case kind if kind == ACQUIRE_ENDED:
            return acquired(event)
        case _:
            said = around(event)
            return said[1] if said is not None else f"{event.kind.replace('_', ' ').capitalize()}."


def acquired(event: Event) -> str:
    """How long a node waited for a connection."""
    told = event.details
    if not told["got"]:
        return f"No connection of {told['pool']} in {duration(told['seconds'])}."
    return f"A connection of {told['pool']} after {duration(told['seconds'])}."


def own_error(event: Event) -> str:
    """The error that an event tells of, without its node's name where the line says that already."""
    error = str(event.details["error"])
    return error.removeprefix(f"{event.node}: ")


def around(event: Event) -> tuple[str, str] | None:
    """What happened around a node's call, as level and sentence; None for events of other kinds."""
    told = event.details
    match event.kind:
        case guard.ATTEMPT_FAILED:
            then = f"again in {duration(told['wait'])}" if told["wait"] is not None else told["why"]
            then += f", as {told['why']}" if told["wait"] is not None and told["why"] else ""
            failed = f"Attempt {told['attempt']} failed after {duration(told['seconds'])}"
            return "warning", f"{failed} ({then}): {own_error(event)}"
        case guard.ATTEMPT_SUCCEEDED:
            return "info", f"Attempt {told['attempt']} succeeded."
        case guard.ATTEMPT_HEDGED:
            return "info", f"No answer after {duration(told['after'])}: a second, equal call was started."
        case guard.CALL_REFUSED:
            return "warning", f"Not called: {own_error(event)}"
        case guard.CALL_HELD:
            return "info", f"Held for {duration(told['seconds'])} by its rate limit."
        case guard.BREAKER_CHANGED:
            level = "warning" if told["after"] in {"open", "forced_open"} else "info"
            return level, f"Circuit breaker {told['key']}: {told['before']} to {told['after']}, {told['reason']}."
        case events.FALLBACK_STARTED:
            return "warning", f"Failed, so its fallback {told['fallback']} runs: {own_error(event)}"
        case kind if kind == ACQUIRE_ENDED:
            long = told["seconds"] >= _LONG_WAIT or not told["got"]
            return ("info" if told["got"] else "warning", acquired(event)) if long else None
        case events.NODE_RECOVERED:
            given = f": {rows(event)}" if told["rows"] else ""
            return "warning", f"Recovered by {told['by']} in {duration(told['seconds'])}{given}."
        case _:
            return _by_hand(event)


def _by_hand(event: Event) -> tuple[str, str] | None:
    """What somebody did to a run, or a full disk."""
    told = event.details
    match event.kind:
        case events.INPUTS_EDITED | events.OUTPUTS_EDITED | events.PARAMETERS_EDITED:
            what, names = next(iter(told.items()))
            return "info", f"Given by hand, {what}: {', '.join(names)}."
        case events.NODE_STOPPED:
            return "info", f"Stopped {STANDS[told['when']]} ({told['reason']})."
        case events.NODE_CONTINUED:
            return "info", "Goes on." if told["do"] == "go_on" else f"Goes on: {_DOES[told['do']]}."
        case events.RUN_PAUSED:
            return "warning", f"The run is paused. {told['reason']}."
        case events.RUN_CONTINUED:
            return "info", "The run goes on."
        case _:
            return None
