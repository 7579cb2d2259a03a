"""The state that a node is in after an event: the one fold of the live window and of looks at past runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kailash_studio.resilience.guard import ATTEMPT_FAILED
from kailash_studio.runtime import events
from kailash_studio.runtime.events import Event

State = dict[str, Any]
"""``state`` (started, retrying, stopped, or how the node ended) and what the event that led there told."""


class NodeStates:
    """Takes the events of one run in order; it remembers how often nodes were tried, and with what parameters.

    The states of a node that was called with other parameters than the document's have them, ``made_with``.
    """

    def __init__(self) -> None:
        self._tries: dict[str, int] = {}
        self._made_with: dict[str, Mapping[str, Any]] = {}

    def state_after(self, event: Event) -> State | None:
        """The new state of the event's node, or None where it stays what it was."""
        if event.kind == events.PARAMETERS_EDITED:
            self._made_with[event.node] = event.details.get("made_with", {})  # older records have the names alone
        state = self._state_after(event)
        if state is not None and event.node in self._made_with:
            state["made_with"] = dict(self._made_with[event.node])
        return state

    def _state_after(self, event: Event) -> State | None:
        told = event.details
        if event.kind in events.NODE_ENDED or event.kind == events.NODE_STARTED:
            tries = self._tries.get(event.node, 0)
            attempts = {"attempts": tries + 1} if tries and event.kind == events.NODE_SUCCEEDED else {}
            return {"state": event.kind.removeprefix("node_"), **told, **attempts}
        if event.kind == ATTEMPT_FAILED:
            self._tries[event.node] = told["attempt"]
            return {"state": "retrying", **told} if told["wait"] is not None else None
        if event.kind == events.NODE_STOPPED:
            return {"state": "stopped", **told}
        if event.kind == events.NODE_CONTINUED:
            return {"state": "started"}
        if event.kind == events.FALLBACK_STARTED:
            return {"state": "retrying", "fallback": told["fallback"], "error": told["error"]}
        return None
