"""Fallbacks in the document: which node stands in for which, and how its ports match."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kailash_studio.spec.port import Ports, fits
from kailash_studio.workflow.sub_workflows import PASSING, parent_of
from kailash_studio.workflow.workflow import Workflow

Pairs = tuple[tuple[str, str], ...]


def fallback_of(workflow: Workflow, node_id: str) -> str | None:
    """The node that stands in when this one has failed."""
    placed = workflow.nodes.get(node_id)
    named = placed.resilience.get("fallback") if placed is not None else None
    return named if isinstance(named, str) and named else None


def stands_in_for(workflow: Workflow, node_id: str) -> list[str]:
    """The nodes that name this one as their fallback."""
    return [other for other in workflow.nodes if fallback_of(workflow, other) == node_id]


def chain_of(workflow: Workflow, node_id: str) -> Iterator[str]:
    """The fallbacks of a node in the order in which they are tried; ends where the chain bites its tail."""
    seen = {node_id}
    present = fallback_of(workflow, node_id)
    while present is not None and present in workflow.nodes and present not in seen:
        yield present
        seen.add(present)
        present = fallback_of(workflow, present)


def refusal(workflow: Workflow, node_id: str, fallback: str) -> str | None:
    """Why a node cannot be made the fallback of another, or none."""
    for each in (node_id, fallback):
        if workflow.nodes[each].type in PASSING:
            return f"{each} is a sub-workflow or its border: fallbacks are for the nodes inside."
    if parent_of(node_id) != parent_of(fallback):
        return f"{fallback} does not stand beside {node_id}: choose a fallback in the same place."
    if fallback == node_id or node_id in chain_of(workflow, fallback):
        return f"{fallback} cannot be the fallback of {node_id}: the fallbacks would form a circle."
    others = [other for other in stands_in_for(workflow, fallback) if other != node_id]
    if others:
        return f"{fallback} is the fallback of {others[0]} already: give {node_id} one of its own."
    return None


def covered_inputs(workflow: Workflow, ports: Mapping[str, Ports], fallback: str) -> Pairs:
    """(input of the fallback, input of the node that it stands in for) pairs.

    Inputs of the same name belong together; so do one required input that is left and the only one of the node.
    """
    primaries = stands_in_for(workflow, fallback)
    if not primaries or fallback not in ports or primaries[0] not in ports:
        return ()
    mine, its = ports[fallback].inputs, ports[primaries[0]].inputs
    pairs = [(name, name) for name in mine if name in its]
    left = [name for name, port in mine.items() if port.required and name not in its]
    connected = [name for name in its if any(c.input == name for c in workflow.incoming(primaries[0]))]
    candidates = connected or [name for name, port in its.items() if port.required]
    if len(left) == 1 and len(candidates) == 1:
        pairs.append((left[0], candidates[0]))
    return tuple(pairs)


def covered_outputs(workflow: Workflow, ports: Mapping[str, Ports], node_id: str) -> Pairs:
    """(output of the node, output of its fallback) pairs.

    Outputs of the same name belong together; the only output of a fallback stands in for all others that it fits.
    """
    fallback = fallback_of(workflow, node_id)
    if fallback is None or fallback not in ports or node_id not in ports:
        return ()
    mine, its = ports[node_id].outputs, ports[fallback].outputs
    pairs = [(name, name) for name in mine if name in its]
    if len(its) == 1:
        only, port = next(iter(its.items()))
        pairs += [(name, only) for name in mine if name not in its and fits(port.type, mine[name].type)]
    return tuple(pairs)


def problems(workflow: Workflow, ports: Mapping[str, Ports], node_id: str) -> Iterator[tuple[str, str]]:
    """The (code, sentence) pairs of what is wrong with a node's fallback."""
    fallback = fallback_of(workflow, node_id)
    if fallback is None:
        return
    if fallback == node_id:
        yield "KS-1232", f"{node_id} cannot be its own fallback: choose another node."
        return
    if fallback not in workflow.nodes:
        yield (
            "KS-1232",
            f"{node_id} falls back to {fallback!r}, which is not there: choose a node or clear the fallback.",
        )
        return
    around = [node_id, *chain_of(workflow, node_id)]
    if fallback_of(workflow, around[-1]) in around:
        yield "KS-1233", f"The fallbacks {' to '.join([*around, around[0]])} are a circle: clear one of them."
    others = [other for other in stands_in_for(workflow, fallback) if other != node_id]
    if others and node_id > others[0]:
        yield "KS-1234", f"{fallback} is the fallback of {others[0]} already: give {node_id} one of its own."
    linked = [*workflow.incoming(fallback), *workflow.outgoing(fallback)]
    if linked:
        yield (
            "KS-1235",
            f"{fallback} runs only as the fallback of {node_id}, with its inputs and in its place: "
            f"remove the connection {linked[0].start} to {linked[0].end}.",
        )
    if fallback not in ports or node_id not in ports:
        return
    fed = {mine for mine, _ in covered_inputs(workflow, ports, fallback)}
    for name, port in ports[fallback].inputs.items():
        if port.required and name not in fed:
            yield "KS-1236", f"{fallback} needs {name}, which {node_id} does not have: name an input of {node_id} so."
    given = {mine for mine, _ in covered_outputs(workflow, ports, node_id)}
    for connection in workflow.outgoing(node_id):
        if connection.output not in given and connection.output in ports[node_id].outputs:
            yield (
                "KS-1237",
                f"{fallback} has no output that can stand in for {connection.start}: give it an output "
                f"{connection.output}.",
            )
            break
