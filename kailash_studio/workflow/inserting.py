"""Putting a node between two others: a connection becomes one into the node, and one out of it."""

from __future__ import annotations

from kailash_studio.spec.node import Node
from kailash_studio.spec.port import DataType, Ports, fits
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow import commands
from kailash_studio.workflow.commands import Change, Edit
from kailash_studio.workflow.fallback import fallback_of, stands_in_for
from kailash_studio.workflow.sub_workflows import SUB_WORKFLOW, parent_of
from kailash_studio.workflow.workflow import Connection, Workflow

Place = tuple[float, float]


def type_fits(workflow: Workflow, registry: Registry, type_name: str, key: str) -> bool:
    """Whether a new node of a type can be put on a connection."""
    return bool(_halves(workflow, registry, "new", _ports_of(registry, type_name), key))


def node_fits(workflow: Workflow, registry: Registry, node_id: str, key: str) -> bool:
    """Whether a node that is there can be: it is connected with nothing, and stands beside both ends."""
    connection = workflow.connections.get(key)
    if connection is None or parent_of(node_id) != parent_of(connection.source):
        return False
    if workflow.incoming(node_id) or workflow.outgoing(node_id):
        return False
    if stands_in_for(workflow, node_id) or fallback_of(workflow, node_id) in (connection.source, connection.target):
        return False
    return bool(_halves(workflow, registry, node_id, _ports_at(workflow, registry, node_id), key))


def add_between(
    workflow: Workflow, registry: Registry, type_name: str, position: Place, key: str
) -> tuple[str, Edit] | None:
    """Place a new node on a connection, by its first input and output that fit; None where none do.

    Raises:
        DocumentError: It would stand too deep.
    """
    ports = _ports_of(registry, type_name)
    if not _halves(workflow, registry, "new", ports, key):
        return None
    connection = workflow.connections[key]
    version, parent = registry.get(type_name).type_version, parent_of(connection.source)
    node_id, added = commands.add_node(workflow, type_name, position, type_version=version, parent=parent)
    changes = (*added.changes, *_halves(workflow, registry, node_id, ports, key))
    return node_id, Edit(f"add {node_id} to a connection", changes)


def put_between(workflow: Workflow, registry: Registry, node_id: str, position: Place, key: str) -> Edit | None:
    """Move a node that is there onto a connection; None where it does not fit."""
    if not node_fits(workflow, registry, node_id, key):
        return None
    moved = commands.move_nodes(workflow, {node_id: position})
    changes = _halves(workflow, registry, node_id, _ports_at(workflow, registry, node_id), key)
    return Edit(f"put {node_id} on a connection", (*moved.changes, *changes))


def _ports_of(registry: Registry, type_name: str) -> Ports | None:
    node_type = registry.find(type_name)
    if node_type is None or type_name == SUB_WORKFLOW:
        return None
    return _without_parameters(node_type.ports_of({}), node_type)


def _ports_at(workflow: Workflow, registry: Registry, node_id: str) -> Ports | None:
    ports, node_type = workflow.ports(node_id, registry), registry.find(workflow.nodes[node_id].type)
    return _without_parameters(ports, node_type) if ports is not None and node_type is not None else ports


def _without_parameters(ports: Ports, node_type: type[Node]) -> Ports:
    """A table that goes on belongs to an input, not to a parameter that may be connected."""
    inputs = {name: port for name, port in ports.inputs.items() if name not in node_type.declarations}
    return Ports(inputs, ports.outputs)


def _halves(workflow: Workflow, registry: Registry, node_id: str, own: Ports | None, key: str) -> tuple[Change, ...]:
    """The changes of the connections; none where nothing fits."""
    whole = workflow.connections.get(key)
    if whole is None or own is None:
        return ()
    source, target = workflow.ports(whole.source, registry), workflow.ports(whole.target, registry)
    if source is None or target is None or whole.output not in source.outputs or whole.input not in target.inputs:
        return ()
    given = DataType.ANY if whole.path else source.outputs[whole.output].type
    taken = target.inputs[whole.input].type
    able = [(not port.required, name) for name, port in own.inputs.items() if fits(given, port.type)]
    takes = [name for _, name in sorted(able, key=lambda item: item[0])]
    gives = [name for name, port in own.outputs.items() if fits(port.type, taken)]
    if not takes or not gives:
        return ()
    first = Connection(whole.source, whole.output, node_id, takes[0], whole.path)
    second = Connection(node_id, gives[0], whole.target, whole.input)
    made = (Change("connections", half.key, None, half) for half in (first, second))
    return (Change("connections", key, whole, None), *made)
