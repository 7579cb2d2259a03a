"""The longest time that a workflow can take under its policies, known before anything runs.

What has no timeout has no longest time. Time that a node waits for its turn (``max_concurrent``, a rate limit) is not
part of it, unless a total timeout cuts it short; nor is the time of the program itself between nodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import ParameterError
from kailash_studio.resilience.schedule import schedule
from kailash_studio.spec.policy import Resilience
from kailash_studio.workflow.fallback import chain_of, fallback_of
from kailash_studio.workflow.graph import successors, topological_order
from kailash_studio.workflow.sub_workflows import PASSING
from kailash_studio.workflow.workflow import Workflow


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The longest times, in seconds; infinite where there is no timeout.

    Attributes:
        nodes: Of each node alone, with its retries and its fallbacks.
        path: The nodes of the longest way through the graph, in order.
        total: Of the whole run.
        unlimited: The nodes without a timeout.
    """

    nodes: Mapping[str, float]
    path: tuple[str, ...]
    total: float
    unlimited: tuple[str, ...]


def worst_case(workflow: Workflow) -> WorstCase:
    """The worst case of a workflow; policies that cannot be read count as none."""
    known: dict[str, float] = {}  # many nodes have the same policies
    alone = {}
    for node_id, placed in workflow.nodes.items():
        key = repr(placed.resilience)
        if key not in known:
            known[key] = _alone(placed.resilience)
        alone[node_id] = 0.0 if placed.type in PASSING else known[key]  # they hand on, and call nothing
    spares = {fallback_of(workflow, node_id) for node_id in workflow.nodes}
    nodes = {
        node_id: seconds + sum(alone[fallback] for fallback in chain_of(workflow, node_id))
        for node_id, seconds in alone.items()
        if node_id not in spares
    }
    following = successors(workflow)
    order, _ = topological_order(following)
    latest: dict[str, tuple[float, str]] = {}  # when it ends at the latest, and after whom it came
    ends: dict[str, float] = {}
    for node_id in order:
        if node_id not in nodes:
            continue
        begin, _ = latest.get(node_id, (0.0, ""))
        ends[node_id] = begin + nodes[node_id]
        for target in following[node_id]:
            if target not in latest or latest[target][0] < ends[node_id]:
                latest[target] = (ends[node_id], node_id)
    last = max(ends, key=lambda node_id: ends[node_id], default="")
    path = []
    while last:
        path.append(last)
        last = latest.get(last, (0.0, ""))[1]
    path.reverse()
    unlimited = tuple(sorted(node_id for node_id, seconds in alone.items() if math.isinf(seconds)))
    return WorstCase(nodes, tuple(path), max(ends.values(), default=0.0), unlimited)


def _alone(policies: Mapping[str, Any]) -> float:
    try:
        return schedule(Resilience(**policies)).worst_case
    except ParameterError:
        return math.inf  # a reference, or a mistake that validation names
