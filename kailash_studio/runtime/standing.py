"""The times in which steps of a run stood still, and what that leaves of a step's own time."""

from __future__ import annotations

from collections.abc import Iterable

from kailash_studio.runtime.plan import Plan
from kailash_studio.workflow.sub_workflows import parent_of


class Standing:
    """Remembers where a run stood still; one without a stop pays nothing."""

    def __init__(self, plan: Plan) -> None:
        """Prepare it for one run."""
        self._plan = plan
        self._spans: dict[int, list[tuple[float, float]]] = {}

    def add(self, node: str, start: float, end: float) -> None:
        """A node stood still: with it the sub-workflows around it, and the nodes that it stands in for."""
        steps, positions = self._plan.steps, self._plan.positions
        front, seen = [positions.get(node, -1)], set[int]()
        while front:
            i = front.pop()
            if i >= 0 and i not in seen:
                seen.add(i)
                self._spans.setdefault(i, []).append((start, end))
                front += [steps[i].stands_in_for, positions.get(parent_of(steps[i].node_id), -1)]

    def own(self, i: int, began: float, ended: float) -> float:
        """The seconds between two times in which a step did not stand still, nor anything inside of it."""
        spans = self._spans.get(i)
        return ended - began if spans is None else without(spans, began, ended)


def without(stops: Iterable[tuple[float, float]], began: float, ended: float) -> float:
    """The seconds between two times that are in none of some stops, given with their starts and ends."""
    stood, last = 0.0, began
    for start, end in sorted(stops):
        since, until = max(start, last), min(end, ended)
        if until > since:
            stood, last = stood + until - since, until
    return ended - began - stood
