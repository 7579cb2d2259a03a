"""A workflow as the canvas draws it; the same for the open one and for those of past runs."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from typing import Any

from kailash_studio.desktop.canvas.view import Badge, ConnectionView, NodeView, PortView
from kailash_studio.spec.port import Input, Output, Ports
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.fallback import fallback_of, stands_in_for
from kailash_studio.workflow.sub_workflows import PASSING, is_sub_workflow, name_of, within
from kailash_studio.workflow.workflow import Connection, Workflow

FALLBACK = "fallback of "  # before a node's id: the key of the connection to its fallback


def ports_of(workflow: Workflow, registry: Registry, node_id: str) -> Ports:
    """The ports of a node; for an unknown type, those that its connections name."""
    ports = workflow.ports(node_id, registry)
    if ports is not None:
        return ports
    return Ports(
        {c.input: Input(required=False, many=True) for c in workflow.incoming(node_id)},
        {c.output: Output() for c in workflow.outgoing(node_id)},
    )


def connected_inputs(workflow: Workflow) -> dict[str, set[str]]:
    """The inputs of each node that something is connected with."""
    found: dict[str, set[str]] = {node_id: set() for node_id in workflow.nodes}
    for connection in workflow.connections.values():
        found.setdefault(connection.target, set()).add(connection.input)
    return found


def node_views(workflow: Workflow, registry: Registry, shown: Iterable[str]) -> list[NodeView]:
    """The nodes that are shown."""
    connected = connected_inputs(workflow)
    return [node_view(workflow, registry, node_id, connected[node_id]) for node_id in shown]


def node_view(
    workflow: Workflow, registry: Registry, node_id: str, connected: Collection[str] | None = None
) -> NodeView:
    """A node, without marks of problems and breakpoints.

    Args:
        workflow: The document.
        registry: The node types.
        node_id: The node.
        connected: Its inputs that something is connected with, where the caller has looked for them already.
    """
    placed = workflow.nodes[node_id]
    node_type = registry.find(placed.type)
    ports = ports_of(workflow, registry, node_id)
    x, y = workflow.positions.get(node_id, (0.0, 0.0))
    if connected is None:
        connected = {c.input for c in workflow.incoming(node_id)}
    declared = node_type.declarations if node_type is not None else {}
    return NodeView(
        id=node_id,
        title=name_of(node_id),
        type_name=node_type.title if node_type is not None else placed.type,
        icon=node_type.icon if node_type is not None else "circle-help",
        category=node_type.category if node_type is not None else "",
        inputs=tuple(
            PortView(name, str(port.type), port.doc, port.required, port.many)
            for name, port in ports.inputs.items()
            # a parameter that may be connected shows its port when it is, so that plain nodes stay plain
            if name not in declared or name in connected or node_type is None
        ),
        outputs=tuple(PortView(name, str(port.type), port.doc) for name, port in ports.outputs.items()),
        x=x,
        y=y,
        badges=_inside(workflow, node_id) + _badges(placed.resilience),
        known=node_type is not None,
    )


def connections(workflow: Workflow, registry: Registry, shown: Container[str]) -> list[ConnectionView]:
    """All connections among the nodes that are shown, and those to fallbacks."""
    seen = [c for c in workflow.connections.values() if c.source in shown and c.target in shown]
    drawn = [connection_view(c) for c in seen if can_be_drawn(workflow, registry, c)]
    return drawn + [fallback_view(workflow, *pair) for pair in fallbacks(workflow) if pair[0] in shown]


def connection_view(connection: Connection) -> ConnectionView:
    """A connection of the document."""
    return ConnectionView(
        key=connection.key,
        from_node=connection.source,
        output=connection.output,
        to_node=connection.target,
        input=connection.input,
        path=".".join(connection.path),
    )


def can_be_drawn(workflow: Workflow, registry: Registry, connection: Connection) -> bool:
    """Whether both its ports are there; a connection that has lost one is in the list of problems."""
    if connection.source not in workflow.nodes or connection.target not in workflow.nodes:
        return False
    source = ports_of(workflow, registry, connection.source)
    target = ports_of(workflow, registry, connection.target)
    return connection.output in source.outputs and connection.input in target.inputs


def fallbacks(workflow: Workflow) -> list[tuple[str, str]]:
    """Each node with its fallback, where both are there."""
    pairs = [(node_id, fallback_of(workflow, node_id)) for node_id in workflow.nodes]
    return [(node_id, named) for node_id, named in pairs if named in workflow.nodes and named is not None]


def fallback_view(workflow: Workflow, node_id: str, fallback: str) -> ConnectionView:
    """The line from a node to its fallback, with its place among those that are tried one after the other."""
    order, first = 1, stands_in_for(workflow, node_id)
    while first and order < len(workflow.nodes):
        order, first = order + 1, stands_in_for(workflow, first[0])
    return ConnectionView(f"{FALLBACK}{node_id}", node_id, "", fallback, "", kind="fallback", order=order)


def _inside(workflow: Workflow, node_id: str) -> tuple[Badge, ...]:
    """How many nodes a sub-workflow is made of."""
    if not is_sub_workflow(workflow, node_id):
        return ()
    count = sum(workflow.nodes[inner].type not in PASSING for inner in within(workflow, node_id))
    return (Badge(f"{count} node{'s' * (count != 1)} inside", "layers", "accent"),)


def _badges(resilience: Any) -> tuple[Badge, ...]:
    """The policies of a node as remarks in its foot: exp x3, breaker, 30 s."""
    badges = []
    retry, breaker, timeout = (resilience.get(name) for name in ("retry", "circuit_breaker", "timeout"))
    if isinstance(retry, dict):
        word = {"immediate": "now", "linear": "lin", "fibonacci": "fib"}.get(retry.get("strategy", ""), "exp")
        badges.append(Badge(f"{word} x{retry.get('max_retries', 3)}", "rotate-cw", "amber"))
    if isinstance(breaker, dict):
        badges.append(Badge("breaker", "zap", "red"))
    if isinstance(timeout, int | float):
        badges.append(Badge(f"{timeout:g} s", "timer", "amber"))
    return tuple(badges)
