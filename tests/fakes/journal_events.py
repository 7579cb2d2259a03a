"""Events as a run has them, for tests that write journals themselves."""

from __future__ import annotations

from kailash_studio.runtime.events import Event


def succeeded(run: str, number: int) -> Event:
    return Event(number, "node_succeeded", run, f"n{number}", 0.0, 0.0, -1, {"outputs": ["result"], "rows": {}})
