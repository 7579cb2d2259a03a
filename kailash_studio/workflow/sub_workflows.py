"""Sub-workflows in the document: nodes inside of nodes, and what runs when.

A document stays flat. What stands inside the sub-workflow ``clean`` has an id that begins with ``clean:``. In all other
ways it is a node like any other: it has policies, breakpoints, results, an entry in the journal. Two nodes inside are
the border: one gives what the sub-workflow is given, the other takes what it gives. Their ports are the interface.

A sub-workflow runs like a function that is called: nothing inside begins before its inputs are there, and it has ended
when everything inside has ended. ``wired`` and ``order_links`` say that in connections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kailash_studio.spec.port import Input, Output, Ports

if TYPE_CHECKING:
    from kailash_studio.spec.registry import Registry
    from kailash_studio.workflow.workflow import Connection, Workflow

SEPARATOR = ":"
SUB_WORKFLOW, INPUTS, OUTPUTS = "SubWorkflowNode", "SubWorkflowInputNode", "SubWorkflowOutputNode"
BORDER = frozenset({INPUTS, OUTPUTS})
PASSING = BORDER | {SUB_WORKFLOW}  # they hand on what they are given


@dataclass(frozen=True, slots=True)
class Border:
    """The nodes at the border of a sub-workflow; empty where one is missing.

    Attributes:
        inputs: The one that gives what the sub-workflow is given.
        outputs: The one that takes what the sub-workflow gives.
    """

    inputs: str = ""
    outputs: str = ""


def parent_of(node_id: str) -> str:
    """The sub-workflow that a node stands in; empty for none."""
    return node_id.rpartition(SEPARATOR)[0]


def name_of(node_id: str) -> str:
    """A node's name among those beside it."""
    return node_id.rpartition(SEPARATOR)[2]


def inner_id(parent: str, name: str) -> str:
    """The id of a node of this name inside of a sub-workflow, or outside of all."""
    return f"{parent}{SEPARATOR}{name}" if parent else name


def within(workflow: Workflow, node_id: str) -> list[str]:
    """All nodes inside of a node, at any depth."""
    prefix = node_id + SEPARATOR
    return [other for other in workflow.nodes if other.startswith(prefix)]


def beside(workflow: Workflow, parent: str) -> list[str]:
    """The nodes that stand directly in a sub-workflow, or in none."""
    return [node_id for node_id in workflow.nodes if parent_of(node_id) == parent]


def is_sub_workflow(workflow: Workflow, node_id: str) -> bool:
    """Whether a node is one that others stand in."""
    placed = workflow.nodes.get(node_id)
    return placed is not None and placed.type == SUB_WORKFLOW


def borders(workflow: Workflow) -> dict[str, Border]:
    """The border of each sub-workflow, by its id; the first of its kind counts."""
    found = {node_id: Border() for node_id, placed in workflow.nodes.items() if placed.type == SUB_WORKFLOW}
    for node_id in sorted(n for n, placed in workflow.nodes.items() if placed.type in BORDER) if found else ():
        kind, parent = workflow.nodes[node_id].type, parent_of(node_id)
        border = found.get(parent)
        if border is not None and kind == INPUTS and not border.inputs:
            found[parent] = replace(border, inputs=node_id)
        elif border is not None and kind == OUTPUTS and not border.outputs:
            found[parent] = replace(border, outputs=node_id)
    return found


def entered(workflow: Workflow, node_id: str) -> str:
    """The sub-workflow whose inputs a node gives; other nodes themselves."""
    around = parent_of(node_id)
    return around if around and borders(workflow).get(around, Border()).inputs == node_id else node_id


def interface(workflow: Workflow, node_id: str, registry: Registry, border: Border | None = None) -> Ports:
    """The ports of a sub-workflow: those that the nodes at its border declare.

    Args:
        workflow: The document.
        node_id: The sub-workflow.
        registry: The node types.
        border: Its border, where the caller knows it already.
    """
    border = border or borders(workflow).get(node_id, Border())
    given, taken = _ports(workflow, border.inputs, registry), _ports(workflow, border.outputs, registry)
    return Ports(
        {n: Input(port.type, port.doc, required=not port.conditional) for n, port in given.outputs.items()},
        {n: Output(port.type, port.doc) for n, port in taken.inputs.items()},
    )


def _ports(workflow: Workflow, node_id: str, registry: Registry) -> Ports:
    placed = workflow.nodes.get(node_id)
    node_type = registry.find(placed.type) if placed is not None else None
    return Ports({}, {}) if placed is None or node_type is None else node_type.ports_of(placed.parameters)


# ---------------------------------------------------------------------------------------------- how it runs
def ports_in_run(workflow: Workflow, node_id: str, ports: Mapping[str, Ports]) -> Ports:
    """The ports that a node has in a run, where those at a border and around it hand on what comes.

    Args:
        workflow: The document.
        node_id: The node.
        ports: Those of all nodes of the document.
    """
    mine, kind = ports[node_id], workflow.nodes[node_id].type
    if kind == INPUTS:
        inputs = {n: Input(p.type, p.doc, required=not p.conditional) for n, p in mine.outputs.items()}
        return Ports(inputs, mine.outputs)
    if kind in {OUTPUTS, SUB_WORKFLOW}:  # a branch inside that was not taken leaves an output out
        types = {n: p.type for n, p in (mine.inputs if kind == OUTPUTS else mine.outputs).items()}
        inputs = {n: Input(given, required=False) for n, given in types.items()}
        return Ports(inputs, {n: Output(given, conditional=True) for n, given in types.items()})
    return mine


def wired(workflow: Workflow) -> Workflow:
    """The document as values flow in a run: into a sub-workflow through its border, and out of it."""
    found = borders(workflow)
    if not found:
        return workflow
    flow: dict[str, Connection] = {}
    for connection in workflow.connections.values():
        first = found.get(connection.target, Border()).inputs
        taken = replace(connection, target=first) if first else connection
        flow[taken.key] = taken
    for node_id, border in found.items():
        for name in _declared(workflow, border.outputs):
            handed = _connection(border.outputs, name, node_id)
            flow[handed.key] = handed
    return replace(workflow, connections=flow, monitor=None)


def _connection(source: str, name: str, target: str) -> Connection:
    from kailash_studio.workflow.workflow import Connection

    return Connection(source, name, target, name)


def _declared(workflow: Workflow, node_id: str) -> list[str]:
    placed = workflow.nodes.get(node_id)
    declared: Any = placed.parameters.get("ports") if placed is not None else None
    return list(declared) if isinstance(declared, Mapping) else []


def begins_after(workflow: Workflow) -> dict[str, str]:
    """The node at the border without which each of these does not run, whatever else feeds them."""
    found: dict[str, str] = {}
    known = borders(workflow)
    spares = _spares(workflow) if known else set()
    for node_id in workflow.nodes if known else ():
        border = known.get(parent_of(node_id), Border())
        first = known[node_id].inputs if node_id in known else node_id
        if border.inputs and first and node_id != border.inputs and node_id not in spares:
            found[first] = border.inputs
    for node_id, border in known.items():
        for end in (border.outputs, node_id) if border.inputs else ():
            if end:
                found[end] = border.inputs
    return found


def ends_after(workflow: Workflow) -> dict[str, list[str]]:
    """The nodes inside that a sub-workflow waits for beside its connections: where one fails, it has failed."""
    found: dict[str, list[str]] = {}
    known = borders(workflow)
    feeding = {connection.source for connection in workflow.connections.values()}
    spares = _spares(workflow)
    for node_id in workflow.nodes if known else ():
        parent = parent_of(node_id)
        if parent in known and node_id not in feeding and node_id not in spares:
            found.setdefault(parent, []).append(node_id)
    return found


def order_links(workflow: Workflow) -> Iterator[tuple[str, str]]:
    """(first, later) pairs that no connection says."""
    for later, first in begins_after(workflow).items():
        yield first, later
    for later, several in ends_after(workflow).items():
        for first in several:
            yield first, later


def _spares(workflow: Workflow) -> set[str]:
    """The nodes that stand in for others: they begin and end with those."""
    return {spare for placed in workflow.nodes.values() if isinstance(spare := placed.resilience.get("fallback"), str)}
