"""What an edit of a node's parameters does to its ports, and so to the connections that are drawn to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kailash_studio.spec.registry import Registry
from kailash_studio.workflow import commands
from kailash_studio.workflow.commands import Change, Edit
from kailash_studio.workflow.sub_workflows import BORDER, INPUTS, parent_of
from kailash_studio.workflow.workflow import PlacedNode, Workflow


def with_ports(workflow: Workflow, registry: Registry, edit: Edit) -> Edit:
    """An edit of one node's parameters that takes along the connections of a port that has another name now.

    Connections to ports that it takes away go with them. While code cannot be read, in the middle of typing, it has no
    ports; its connections stay then.
    """
    edit = _with_optional(edit)
    node_id: str = edit.changes[0].key
    before: PlacedNode = edit.changes[0].before
    after: PlacedNode = edit.changes[0].after
    node_type, had = registry.find(after.type), workflow.ports(node_id, registry)
    if node_type is None or had is None or node_type.problems_of(after.parameters):
        return edit
    names = _renamed(before, after)
    if names is not None:
        return Edit(edit.label, edit.changes + _with_port(workflow, node_id, after.type, *names))
    now = node_type.ports_of(after.parameters)
    inputs, outputs = had.inputs.keys() - now.inputs.keys(), had.outputs.keys() - now.outputs.keys()
    lost = [
        c.key
        for c in workflow.connections.values()
        if (c.target == node_id and c.input in inputs) or (c.source == node_id and c.output in outputs)
    ]
    if after.type in BORDER:  # what it declares are the ports of the sub-workflow as well
        around = parent_of(node_id)
        lost += [c.key for c in workflow.incoming(around) if c.input in outputs]
        lost += [c.key for c in workflow.outgoing(around) if c.output in inputs]
    return Edit(edit.label, edit.changes + commands.disconnect(workflow, lost).changes) if lost else edit


def _with_port(workflow: Workflow, node_id: str, kind: str, old: str, new: str) -> tuple[Change, ...]:
    """The changes that take connections along to the new name of a port at a border, inside and outside."""
    changes: list[Change] = []
    around, inputs = parent_of(node_id), kind == INPUTS
    for c in workflow.connections.values():
        gives = (c.source == node_id and c.output == old and inputs) or (
            c.source == around and c.output == old and not inputs
        )
        takes = (c.target == around and c.input == old and inputs) or (
            c.target == node_id and c.input == old and not inputs
        )
        if gives or takes:
            moved = replace(c, output=new if gives else c.output, input=new if takes else c.input)
            changes += [
                Change("connections", c.key, c, None, moved.key),
                Change("connections", moved.key, None, moved, c.key),
            ]
    return tuple(changes)


def _with_optional(edit: Edit) -> Edit:
    """An edit of the inputs at a border in which the optional ones have their new names, or went."""
    change = edit.changes[0]
    before, after = change.before, change.after
    ports, optional = after.parameters.get("ports"), after.parameters.get("optional")
    if after.type != INPUTS or not isinstance(ports, Mapping) or not isinstance(optional, list):
        return edit
    old, new = _renamed(before, after) or ("", "")
    had = before.parameters.get("ports", {})
    named = [new if name == old else name for name in optional]
    kept = [name for name in named if name in ports or name not in had]
    if kept == optional:
        return edit
    placed = replace(after, parameters={**after.parameters, "optional": kept})
    return replace(edit, changes=(replace(change, after=placed), *edit.changes[1:]))


def _renamed(before: PlacedNode, after: PlacedNode) -> tuple[str, str] | None:
    """The old and the new name of the one port at a border that has another name now."""
    old, new = before.parameters.get("ports"), after.parameters.get("ports")
    if after.type not in BORDER or not isinstance(old, Mapping) or not isinstance(new, Mapping) or len(old) != len(new):
        return None
    differ = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    return differ[0] if len(differ) == 1 and differ[0][1] not in old else None
