"""The shape of a workflow: order, cycles, and places on a canvas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from kailash_studio.workflow.sub_workflows import borders, order_links, parent_of, wired
from kailash_studio.workflow.workflow import Workflow

COLUMN = 296.0
ROW = 168.0


def successors(workflow: Workflow) -> dict[str, list[str]]:
    """The nodes that each node gives to, each named once, in canonical order; those that wait for it besides."""
    found: dict[str, dict[str, None]] = {node_id: {} for node_id in workflow.nodes}
    for connection in sorted(wired(workflow).connections.values(), key=lambda c: c.key):
        if connection.source in found and connection.target in found:
            found[connection.source][connection.target] = None
    for first, later in order_links(workflow):
        found[first][later] = None
    return {node_id: list(targets) for node_id, targets in found.items()}


def descendants(workflow: Workflow, node_id: str) -> set[str]:
    """All nodes that a node feeds, directly or through others."""
    return _reached(successors(workflow), [node_id])


def ancestors(workflow: Workflow, node_id: str) -> set[str]:
    """All nodes that feed a node, directly or through others."""
    return _reached(_backwards(successors(workflow)), [node_id])


def between(workflow: Workflow, node_ids: Iterable[str]) -> set[str]:
    """All nodes that some of these feed and that feed some of these."""
    starts, following = list(node_ids), successors(workflow)
    return _reached(following, starts) & _reached(_backwards(following), starts)


def _backwards(following: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    before: dict[str, list[str]] = {name: [] for name in following}
    for source, targets in following.items():
        for target in targets:
            before[target].append(source)
    return before


def _reached(following: Mapping[str, Iterable[str]], starts: Iterable[str]) -> set[str]:
    todo, seen = list(starts), set[str]()
    while todo:
        for node_id in following.get(todo.pop(), ()):
            if node_id not in seen:
                seen.add(node_id)
                todo.append(node_id)
    return seen


def topological_order(following: Mapping[str, Iterable[str]]) -> tuple[list[str], list[str]]:
    """An order in which each node comes after those it needs (Kahn 1962), and the nodes that have none.

    The second list holds the nodes on cycles and all that hang on them; it is empty for a runnable graph.
    """
    waiting = dict.fromkeys(following, 0)
    for targets in following.values():
        for target in targets:
            waiting[target] += 1
    ready = sorted((node_id for node_id, count in waiting.items() if not count), reverse=True)
    order: list[str] = []
    while ready:
        node_id = ready.pop()
        order.append(node_id)
        for target in following[node_id]:
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return order, [node_id for node_id, count in waiting.items() if count]


def widest(workflow: Workflow, chosen: Iterable[str]) -> int:
    """How many of some nodes can be ready at once: the most that stand equally far from the beginning.

    Nodes of which one feeds the other are never counted together; it is an estimate from below for graphs in which
    branches of different lengths run beside each other.
    """
    following = successors(workflow)
    order, _ = topological_order(following)
    depth: dict[str, int] = {}
    for node_id in order:
        depth.setdefault(node_id, 0)
        for other in following[node_id]:
            depth[other] = max(depth.get(other, 0), depth[node_id] + 1)
    counts: dict[int, int] = {}
    for node_id in chosen:
        counts[depth[node_id]] = counts.get(depth[node_id], 0) + 1
    return max(counts.values(), default=0)


def cycle(following: Mapping[str, Iterable[str]]) -> list[str]:
    """One cycle, as the nodes along it with the first repeated at the end; empty where there is none."""
    _, stuck = topological_order(following)
    if not stuck:
        return []
    left = set(stuck)
    # Each stuck node has a stuck predecessor; walking back along them must come round.
    before: dict[str, str] = {}
    for node_id in stuck:
        for target in following[node_id]:
            if target in left:
                before.setdefault(target, node_id)
    seen: dict[str, int] = {}
    walk: list[str] = []
    node_id = next(node for node in stuck if node in before)
    while node_id not in seen:
        seen[node_id] = len(walk)
        walk.append(node_id)
        node_id = before[node_id]
    found = walk[seen[node_id] :]
    found.reverse()
    return [*found, found[0]]


def would_close_cycle(workflow: Workflow, source: str, target: str) -> bool:
    """Whether a connection from ``source`` to ``target`` would let a node wait for itself."""
    if source == target:
        return True
    if all(connection.source != target for connection in workflow.connections.values()):
        return False  # it gives to nobody yet, as most nodes that a builder connects
    following = successors(workflow)
    todo, seen = [target], {target}
    while todo:
        for node_id in following.get(todo.pop(), ()):
            if node_id == source:
                return True
            if node_id not in seen:
                seen.add(node_id)
                todo.append(node_id)
    return False


def arranged(workflow: Workflow) -> dict[str, tuple[float, float]]:
    """Places in layers from left to right, each node right of all that it needs; each sub-workflow has its own.

    Within a layer nodes are ordered by the mean row of their predecessors (the barycentre heuristic of Sugiyama, Tagawa
    and Toda 1981).
    """
    following = _following_beside(workflow)
    levels: dict[str, dict[str, list[str]]] = {}
    for node_id, targets in following.items():
        levels.setdefault(parent_of(node_id), {})[node_id] = targets
    return {node_id: place for level in levels.values() for node_id, place in _arranged(level).items()}


def _following_beside(workflow: Workflow) -> dict[str, list[str]]:
    """What each node gives to beside it; the borders of a sub-workflow come first and last."""
    found: dict[str, dict[str, None]] = {node_id: {} for node_id in workflow.nodes}
    fed: set[str] = set()
    for connection in sorted(workflow.connections.values(), key=lambda c: c.key):
        source, target = connection.source, connection.target
        if source in found and target in found and parent_of(source) == parent_of(target):
            found[source][target] = None
            fed.add(target)
    known = borders(workflow)
    for node_id in workflow.nodes if known else ():
        border = known.get(parent_of(node_id))
        if border is not None and border.inputs and node_id not in fed and node_id != border.inputs:
            found[border.inputs][node_id] = None
        if border is not None and border.outputs and not found[node_id] and node_id != border.outputs:
            found[node_id][border.outputs] = None
    return {node_id: list(targets) for node_id, targets in found.items()}


def _arranged(following: Mapping[str, list[str]]) -> dict[str, tuple[float, float]]:
    order, stuck = topological_order(following)
    depth: dict[str, int] = dict.fromkeys([*order, *stuck], 0)
    preceding: dict[str, list[str]] = defaultdict(list)
    for node_id in order:
        for target in following[node_id]:
            depth[target] = max(depth[target], depth[node_id] + 1)
            preceding[target].append(node_id)
    layers: dict[int, list[str]] = defaultdict(list)
    for node_id in [*order, *stuck]:
        layers[depth[node_id]].append(node_id)
    row: dict[str, float] = {}
    places: dict[str, tuple[float, float]] = {}
    for column in sorted(layers):
        members = layers[column]
        wish = {m: _mean([row[p] for p in preceding[m] if p in row], i) for i, m in enumerate(members)}
        members.sort(key=lambda m: wish[m])
        shift = _mean([wish[m] for m in members], 0.0) - (len(members) - 1) / 2
        for index, member in enumerate(members):
            row[member] = index + shift
            places[member] = (column * COLUMN, round(row[member] * ROW / 8) * 8.0)
    return places


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def missing_places(workflow: Workflow) -> dict[str, tuple[float, float]]:
    """Places for the nodes that have none, clear of those that have one."""
    without = [node_id for node_id in workflow.nodes if node_id not in workflow.positions]
    if not without:
        return {}
    places = arranged(workflow)
    found: dict[str, tuple[float, float]] = {}
    for parent in {parent_of(n) for n in without}:
        mine = [n for n in without if parent_of(n) == parent]
        below = [y for n, (_, y) in workflow.positions.items() if n in workflow.nodes and parent_of(n) == parent]
        shift = max(below) + ROW - min(places[n][1] for n in mine) if below else 0.0
        found |= {n: (places[n][0], places[n][1] + shift) for n in mine}
    return found
