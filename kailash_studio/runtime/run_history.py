"""A past run as its events tell it: the states of all nodes after any event, and which nodes ended how."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kailash_studio.resilience.guard import ATTEMPT_FAILED
from kailash_studio.runtime import events as kinds
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.node_states import NodeStates, State
from kailash_studio.runtime.wording import not_called


class RunStates:
    """The states of all nodes after each event of a run.

    The events are folded once. Going from one event to another costs as much as the states that change between them,
    and never more than one look at each node, so that any two of 100,000 events are a few milliseconds apart.

    Attributes:
        events: All of them, in order.
    """

    def __init__(self, told: Sequence[Event]) -> None:
        self.events = told
        fold = NodeStates()
        self._nodes: list[str] = []  # by change: the node, and below where in the events it came
        self._at: list[int] = []
        self._places: dict[str, list[int]] = {}  # by node: where in the events its state changed, and to what
        self._states: dict[str, list[State]] = {}
        for place, event in enumerate(told):
            state = fold.state_after(event)
            if state is not None:
                self._nodes.append(event.node)
                self._at.append(place)
                self._places.setdefault(event.node, []).append(place)
                self._states.setdefault(event.node, []).append(state)

    def state(self, node: str, place: int) -> State | None:
        """The state of a node after an event; None while it has none."""
        found = bisect_right(self._places.get(node, ()), place)
        return self._states[node][found - 1] if found else None

    def between(self, before: int, after: int) -> dict[str, State | None]:
        """What is different after one event from what it was after another, in either direction.

        Args:
            before: Where in the events somebody stands; -1: before the first.
            after: Where somebody goes.
        """
        first, last = sorted((before, after))
        start, end = bisect_right(self._at, first), bisect_right(self._at, last)
        if end - start < len(self._places):
            touched = dict.fromkeys(self._nodes[start:end])
        else:
            touched = dict.fromkeys(self._places)
        changed: dict[str, State | None] = {}
        for node in touched:
            state = self.state(node, after)
            if state is not self.state(node, before):
                changed[node] = state
        return changed

    def after(self, place: int) -> dict[str, State]:
        """The states of all nodes that have one."""
        return {node: state for node, state in self.between(-1, place).items() if state is not None}


@dataclass(slots=True)
class NodeEnd:
    """How a node came out of a run.

    Attributes:
        state: ``succeeded``, ``failed``, ...; ``started`` when it never ended; empty when it never began.
        seconds: How long it took.
        attempts: How many failed, and one more where it succeeded.
        rows: By output.
        error: Why it failed, or what it recovered from.
        reason: Why it did not run.
        edited: What was given to it by hand.
        taken: It was not called: ``reused``, with the fallback that it came from, or ``pinned``; else empty.
    """

    state: str = ""
    seconds: float = 0.0
    attempts: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    error: str = ""
    reason: str = ""
    edited: list[str] = field(default_factory=list)
    taken: str = ""


_EDITED = frozenset({kinds.INPUTS_EDITED, kinds.OUTPUTS_EDITED, kinds.PARAMETERS_EDITED})
_CALLED = frozenset({kinds.NODE_SUCCEEDED})


def ends(told: Sequence[Event]) -> dict[str, NodeEnd]:
    """How each node of a run ended, in the order in which they were first heard of."""
    found: dict[str, NodeEnd] = {}
    for event in told:
        if not event.node or event.kind == kinds.LOG_WRITTEN:
            continue
        end = found.setdefault(event.node, NodeEnd())
        details: Any = event.details
        if event.kind == kinds.NODE_STARTED:
            end.state = "started"
        elif event.kind in kinds.NODE_ENDED:
            end.state = event.kind.removeprefix("node_")
            end.seconds = details.get("seconds", 0.0)
            end.rows = dict(details.get("rows", {}))
            end.error, end.reason = details.get("error", ""), details.get("reason", "")
            end.taken = not_called(details)
            end.attempts += event.kind in _CALLED and not end.taken
        elif event.kind == ATTEMPT_FAILED:
            end.attempts += 1
        elif event.kind in _EDITED:
            what, names = next(iter(details.items()))
            end.edited.append(f"{what}: {', '.join(names)}")
    for end in found.values():
        if end.state == "failed" and not end.attempts:
            end.attempts = 1  # a node without policies tells of no attempt
    return found
