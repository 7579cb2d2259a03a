"""Running a part of a workflow again: what is taken over from an earlier run, what is called, and what to ask first.

Pure decisions over two documents: the one that ran, and the one that is there now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from kailash_studio.errors import EngineError
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.graph import descendants, successors, topological_order
from kailash_studio.workflow.sub_workflows import parent_of, wired, within
from kailash_studio.workflow.workflow import Workflow

Mode = Literal["failed", "from", "only"]
MODES: tuple[Mode, ...] = ("failed", "from", "only")

_REFERENCE = "$parameter"


@dataclass(frozen=True, slots=True)
class Rerun:
    """What is done when a part is run again.

    Attributes:
        known: Nodes whose results are taken over.
        calls: Nodes that may be called; all others are left out.
        stale: Why a result that was there does not count any more, by node.
        asks: Nodes that were called before, are called again, and whose calls count each time (``unsafe``), with what
            they do.
    """

    known: frozenset[str]
    calls: frozenset[str]
    stale: Mapping[str, str]
    asks: Mapping[str, str]


def as_called(ran: Workflow, made_with: Mapping[str, Mapping[str, Any]]) -> Workflow:
    """The document of a run with the parameters that nodes were called with where they were given by hand."""
    nodes = {
        node: replace(placed, parameters={**placed.parameters, **made_with[node]})
        for node, placed in ran.nodes.items()
        if node in made_with
    }
    return replace(ran, nodes={**ran.nodes, **nodes}, monitor=None) if nodes else ran


def stale_nodes(
    before: Workflow, now: Workflow, outdated: Mapping[str, str] | None = None, registry: Registry | None = None
) -> dict[str, str]:
    """The nodes whose results of a run of ``before`` are not those that ``now`` would give, each with the reason.

    A node is stale when its type, its parameters or what is connected to it have changed, when its result was made from
    other values than stand above it (``outdated``, see ``grounds``), or when a node above it is stale. Its policies,
    its place and its remarks do not matter, nor with a registry whether a default is written down.
    """
    outdated = outdated or {}
    order, _ = topological_order(successors(now))
    old, new = _incoming(before), _incoming(now)
    changed = {n for n in before.parameters.keys() | now.parameters.keys() if _value(before, n) != _value(now, n)}
    stale: dict[str, str] = {}
    for node in order:
        reason = _changed(before, now, node, changed, registry) or _connected_otherwise(
            old.get(node, {}), new.get(node, {})
        )
        reason = reason or outdated.get(node, "")
        if not reason:
            above = next(
                (source for ends in new.get(node, {}).values() for source in ends if _node(source) in stale), ""
            )
            reason = f"{_node(above)}, which feeds it, has changed" if above else ""
        if reason:
            stale[node] = reason
    return stale


def plan_rerun(
    before: Workflow,
    now: Workflow,
    registry: Registry,
    *,
    finished: Collection[str],
    called: Collection[str],
    mode: Mode,
    nodes: Iterable[str] = (),
    untaken: Collection[str] = (),
    outdated: Mapping[str, str] | None = None,
    pinned: Collection[str] = (),
) -> Rerun:
    """What to do.

    Args:
        before: The document that ran.
        now: The document as it is.
        registry: The installed node types.
        finished: Nodes of which the earlier run has all outputs.
        called: Nodes that the earlier run has called.
        mode: ``failed``: all that has no result that counts; ``from``: these nodes and what they feed, and whatever
            above them has no result that counts; ``only``: these nodes, on the results that are there.
        nodes: Which.
        untaken: Nodes that the earlier run has skipped because a branch was not taken: they lack nothing.
        outdated: Why results do not count although their nodes are as they were; see ``grounds``.
        pinned: Nodes whose outputs are pinned: they are never called.

    Raises:
        EngineError: A node is not there, or ``only`` lacks a result above it.
    """
    chosen = list(nodes)
    for node in list(chosen):
        if node not in now.nodes:
            raise EngineError(f"There is no node {node} in the workflow any more.")
        chosen += within(now, node)
    there = {node for node in (*finished, *pinned) if node in now.nodes}
    changed = stale_nodes(before, now, outdated, registry)
    stale = {node: why for node, why in changed.items() if node in finished and node not in pinned}
    counts = there - stale.keys()
    if mode == "only":
        calls = set(chosen)
        _check_inputs(now, calls, there.union(untaken))
        # what it is called on may be stale; what else is stale must not come back as if it were not
        counts |= there & {c.source for c in wired(now).connections.values() if c.target in calls}
        counts -= {around for node in calls for around in _around(node)}  # what is called inside is not what they gave
    elif mode == "failed":
        settled = {node for node in untaken if node in now.nodes and node not in changed}
        calls = now.nodes.keys() - counts
        for node in calls - settled:
            calls |= descendants(now, node)
    else:
        calls = set(chosen)
        for node in chosen:
            calls |= descendants(now, node)
        calls |= _lacking(now, calls, counts)
    calls = _with_fallbacks(now, calls) - set(pinned)
    asks = {node: does_outside(now, registry, node) for node in sorted(calls) if node in called}
    return Rerun(
        known=frozenset(counts - calls),
        calls=frozenset(calls),
        stale=stale,
        asks={node: what for node, what in asks.items() if what},
    )


def _around(node: str) -> Iterator[str]:
    """The sub-workflows that a node stands in."""
    while node := parent_of(node):
        yield node


def _node(start: str) -> str:
    return start.partition(".")[0]


def _incoming(workflow: Workflow) -> dict[str, dict[str, list[str]]]:
    """What feeds each input of each node: beginnings of connections, in order."""
    found: dict[str, dict[str, list[str]]] = {}
    for connection in sorted(wired(workflow).connections.values(), key=lambda c: c.key):
        found.setdefault(connection.target, {}).setdefault(connection.input, []).append(connection.start)
    return found


def _value(workflow: Workflow, name: str) -> Any:
    declared = workflow.parameters.get(name)
    return declared.get("default") if isinstance(declared, Mapping) else declared


def _changed(before: Workflow, now: Workflow, node: str, parameters: Collection[str], registry: Registry | None) -> str:
    new, old = now.nodes[node], before.nodes.get(node)
    if old is None:
        return "it was not in the run"
    if old.type != new.type or old.type_version != new.type_version:
        return "its type has changed"
    names = old.parameters.keys() | new.parameters.keys()
    differ = sorted(name for name in names if old.parameters.get(name) != new.parameters.get(name))
    node_type = registry.find(new.type) if differ and registry is not None else None
    if node_type is not None:
        kept = {name: declared.default for name, declared in node_type.declarations.items()}
        differ = [n for n in differ if old.parameters.get(n, kept.get(n)) != new.parameters.get(n, kept.get(n))]
    if differ:
        return f"{', '.join(differ)} {'has' if len(differ) == 1 else 'have'} changed"
    referred = sorted(name for name in _references(new.parameters) if name in parameters)
    return f"the workflow's parameter {referred[0]} has changed" if referred else ""


def _references(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        named = value.get(_REFERENCE)
        if isinstance(named, str):
            return {named}
        return {name for inner in value.values() for name in _references(inner)}
    if isinstance(value, list | tuple):
        return {name for inner in value for name in _references(inner)}
    return set()


def _connected_otherwise(old: Mapping[str, list[str]], new: Mapping[str, list[str]]) -> str:
    differ = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return f"its input {differ[0]} is connected otherwise" if differ else ""


def _check_inputs(now: Workflow, calls: Collection[str], counts: Collection[str]) -> None:
    for connection in wired(now).connections.values():
        if connection.target in calls and connection.source not in counts and connection.source not in calls:
            raise EngineError(
                f"{connection.target} cannot run alone: {connection.source}, which feeds it, has no result yet. "
                f"Run from {connection.source}."
            )


def _lacking(now: Workflow, calls: Collection[str], counts: Collection[str]) -> set[str]:
    """The nodes above that have no result that counts."""
    above: dict[str, list[str]] = {}
    for node, targets in successors(now).items():
        for target in targets:
            above.setdefault(target, []).append(node)
    found: set[str] = set()
    front = list(calls)
    while front:
        for source in above.get(front.pop(), ()):
            if source not in counts and source not in calls and source not in found:
                found.add(source)
                front.append(source)
    return found


def _with_fallbacks(now: Workflow, calls: Iterable[str]) -> set[str]:
    found = set(calls)
    for node in list(found):
        fallback = now.nodes[node].resilience.get("fallback")
        while isinstance(fallback, str) and fallback in now.nodes and fallback not in found:
            found.add(fallback)
            fallback = now.nodes[fallback].resilience.get("fallback")
    return found


def does_outside(now: Workflow, registry: Registry, node: str) -> str:
    """What a node does outside, where each of its calls counts; else nothing."""
    placed = now.nodes[node]
    node_type = registry.find(placed.type)
    if node_type is None or node_type.effect_of(placed.parameters) != "unsafe":
        return ""
    return " and ".join(node_type.effects_of(placed.parameters)) or "does something that this program does not know"
