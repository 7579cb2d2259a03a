"""Events in words, the same in the window's log and on a terminal."""

from __future__ import annotations

from kailash_studio.runtime.events import Event


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
    details = event.details
    kinds = ("succeeded", "failed", "skipped", "cancelled")
    return ", ".join(f"{details[kind]} {kind}" for kind in kinds if details[kind]) or "no nodes"
