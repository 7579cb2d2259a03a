"""Making a sub-workflow of nodes, and taking one apart: commands, as those of ``commands``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kailash_studio.errors import DocumentError
from kailash_studio.spec.port import DataType
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.commands import Change, Edit, renamed
from kailash_studio.workflow.fallback import chain_of, stands_in_for
from kailash_studio.workflow.graph import COLUMN, descendants
from kailash_studio.workflow.sub_workflows import (
    BORDER,
    INPUTS,
    OUTPUTS,
    SEPARATOR,
    SUB_WORKFLOW,
    Border,
    beside,
    borders,
    inner_id,
    is_sub_workflow,
    name_of,
    parent_of,
    within,
)
from kailash_studio.workflow.workflow import Connection, PlacedNode, Workflow


@dataclass(slots=True)
class _Interface:
    """Ports that are found one after the other: one for each end outside or inside that values come from."""

    types: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # by the giving end

    def name(self, start: str, wanted: str, kind: str) -> str:
        """The port for what this end gives."""
        if start not in self.names:
            base = "".join(c if c.isalnum() or c == "_" else "_" for c in wanted)
            base = base if base[:1].isalpha() or base[:1] == "_" else f"_{base}"
            name, number = base, 2
            while name in self.types:
                name, number = f"{base}_{number}", number + 1
            self.names[start], self.types[name] = name, kind
        return self.names[start]


def enclose(workflow: Workflow, registry: Registry, node_ids: Iterable[str], name: str = "part") -> tuple[str, Edit]:
    """Make one sub-workflow of nodes; what they are given and what they give becomes its interface.

    Fallbacks of the nodes come along.

    Returns:
        The id of the sub-workflow; the edit.

    Raises:
        DocumentError: They cannot be one: they stand in several places, or others stand between them.
    """
    chosen = _chosen(workflow, node_ids)
    parent = parent_of(next(iter(chosen)))
    made = workflow.free_id(name, parent=parent)
    names = {old: inner_id(made, old[len(parent) + 1 :] if parent else old) for old in chosen}
    names |= {i: inner_id(made, i[len(parent) + 1 :] if parent else i) for n in chosen for i in within(workflow, n)}
    border = Border(*(_free(made, wanted, names.values()) for wanted in ("inputs", "outputs")))
    ports = {node_id: workflow.ports(node_id, registry) for node_id in chosen}
    given, taken = _Interface(), _Interface()
    connections: list[Connection] = []
    lost: list[Connection] = []
    for c in sorted(workflow.connections.values(), key=lambda c: c.key):
        into, out_of = c.target in chosen and c.source not in chosen, c.source in chosen and c.target not in chosen
        if into:
            own = ports[c.target]
            kind = own.inputs[c.input].type if own is not None and c.input in own.inputs else DataType.ANY
            port = given.name(c.start, c.input, str(kind))
            connections += [
                replace(c, target=made, input=port),
                Connection(border.inputs, port, names[c.target], c.input),
            ]
        elif out_of:
            own = ports[c.source]
            whole = own is not None and c.output in own.outputs and not c.path
            kind = own.outputs[c.output].type if own is not None and whole else DataType.ANY
            port = taken.name(c.start, c.path[-1] if c.path else c.output, str(kind))
            connections += [
                Connection(names[c.source], c.output, border.outputs, port, c.path),
                Connection(made, port, c.target, c.input, (), c.extra),
            ]
        if into or out_of:
            lost.append(c)
    places = [workflow.positions[n] for n in chosen if n in workflow.positions] or [(0.0, 0.0)]
    left, top = min(x for x, _ in places), min(y for _, y in places)
    right = max(x for x, _ in places)
    middle = (min(y for _, y in places) + max(y for _, y in places)) / 2
    without = replace(workflow, connections={k: c for k, c in workflow.connections.items() if c not in lost})
    changes = [Change("connections", c.key, c, None) for c in lost]
    changes += renamed(without, names)
    changes += [
        Change("nodes", made, None, PlacedNode(SUB_WORKFLOW)),
        Change("nodes", border.inputs, None, PlacedNode(INPUTS, parameters=_ports(given.types))),
        Change("nodes", border.outputs, None, PlacedNode(OUTPUTS, parameters=_ports(taken.types))),
        Change("positions", made, None, (left, top)),
        Change("positions", border.inputs, None, (left - COLUMN, middle)),
        Change("positions", border.outputs, None, (right + COLUMN, middle)),
    ]
    changes += [Change("connections", key, None, c) for key, c in {c.key: c for c in connections}.items()]
    return made, Edit(f"make {made} of {len(chosen)} node{'s' * (len(chosen) != 1)}", _merged(changes))


def take_apart(workflow: Workflow, node_id: str) -> tuple[list[str], Edit]:
    """Put what stands inside of a sub-workflow in its place.

    Returns:
        The ids of what stood inside; the edit.

    Raises:
        DocumentError: It is no sub-workflow.
    """
    if not is_sub_workflow(workflow, node_id):
        raise DocumentError(f"{node_id} is no sub-workflow: choose one to take apart.")
    border, parent = borders(workflow)[node_id], parent_of(node_id)
    gone = {node_id, *(n for n in beside(workflow, node_id) if workflow.nodes[n].type in BORDER)}
    names: dict[str, str] = {}
    for inner in beside(workflow, node_id):
        if inner not in gone:
            free = workflow.free_id(name_of(inner), names.values(), parent=parent)
            names |= {old: free + old[len(inner) :] for old in [inner, *within(workflow, inner)]}
    kept = {k: c for k, c in workflow.connections.items() if c.source not in gone and c.target not in gone}
    joined = [
        replace(c, source=names.get(c.source, c.source), target=names.get(c.target, c.target))
        for c in _joined(workflow, node_id, border)
    ]
    bare = replace(workflow, connections=kept, nodes={n: p for n, p in workflow.nodes.items() if n not in gone})
    changes = [Change("connections", k, c, None) for k, c in workflow.connections.items() if k not in kept]
    changes += renamed(bare, names)
    for old in gone:
        changes.append(Change("nodes", old, workflow.nodes[old], None))
        if old in workflow.positions:
            changes.append(Change("positions", old, workflow.positions[old], None))
    changes += [Change("connections", key, None, c) for key, c in {c.key: c for c in joined}.items()]
    moved = _put_in_place(workflow, node_id, names)
    changes = [
        replace(c, after=moved.get(c.key, c.after)) if c.section == "positions" and c.after else c for c in changes
    ]
    outer = [names[inner] for inner in beside(workflow, node_id) if inner in names]
    return outer, Edit(f"take {node_id} apart", _merged(changes))


def _chosen(workflow: Workflow, node_ids: Iterable[str]) -> dict[str, None]:
    """The nodes with their fallbacks, when they can be one sub-workflow."""
    named = [node_id for node_id in node_ids if node_id in workflow.nodes]
    chosen = {n: None for n in named if not any(n.startswith(other + SEPARATOR) for other in named)}
    if not chosen:
        raise DocumentError("Select the nodes first that a sub-workflow is to be made of.")
    for node_id in list(chosen):
        chosen |= dict.fromkeys(chain_of(workflow, node_id))
    for node_id in chosen:
        if workflow.nodes[node_id].type in BORDER:
            raise DocumentError(f"{node_id} is the border of {parent_of(node_id)}: leave it out of the selection.")
        outside = [other for other in stands_in_for(workflow, node_id) if other not in chosen]
        if outside:
            raise DocumentError(f"{node_id} is the fallback of {outside[0]}: select {outside[0]} as well.")
    parents = {parent_of(node_id) for node_id in chosen}
    if len(parents) > 1:
        raise DocumentError("The nodes stand in several sub-workflows: select nodes that stand side by side.")
    level = set(beside(workflow, parents.pop()))
    below = {n for node_id in chosen for n in descendants(workflow, node_id)} & level
    for between in sorted(below - chosen.keys()):
        if chosen.keys() & descendants(workflow, between):
            raise DocumentError(
                f"{between} stands between the nodes: select it as well, else values would run in a circle."
            )
    return chosen


def _free(parent: str, name: str, taken: Iterable[str]) -> str:
    return Workflow().free_id(name, taken, parent=parent)


def _ports(types: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {"ports": dict(types)} if types else {}


def _joined(workflow: Workflow, node_id: str, border: Border) -> list[Connection]:
    """What goes through the border, as connections without it."""
    found = []
    for inner in workflow.connections.values():
        if inner.source == border.inputs and inner.target != border.outputs:
            found += [
                replace(outer, target=inner.target, input=inner.input, path=outer.path + inner.path)
                for outer in workflow.connections.values()
                if outer.target == node_id and outer.input == inner.output
            ]
        if inner.target == border.outputs:
            starts = [inner]
            if inner.source == border.inputs:  # straight through
                starts = [
                    replace(outer, path=outer.path + inner.path)
                    for outer in workflow.connections.values()
                    if outer.target == node_id and outer.input == inner.output
                ]
            found += [
                Connection(start.source, start.output, outer.target, outer.input, start.path + outer.path)
                for start in starts
                for outer in workflow.connections.values()
                if outer.source == node_id and outer.output == inner.input
            ]
    return found


def _put_in_place(workflow: Workflow, node_id: str, names: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """New places of what stood directly inside: from where the sub-workflow was."""
    mine = {n: workflow.positions[n] for n in beside(workflow, node_id) if n in names and n in workflow.positions}
    if not mine or node_id not in workflow.positions:
        return {}
    left, top = min(x for x, _ in mine.values()), min(y for _, y in mine.values())
    x, y = workflow.positions[node_id]
    return {names[n]: (round(px - left + x, 2), round(py - top + y, 2)) for n, (px, py) in mine.items()}


def _merged(changes: Iterable[Change]) -> tuple[Change, ...]:
    """No entry twice: what goes and comes back is one change."""
    found: dict[tuple[str, str], Change] = {}
    for change in changes:
        key = (change.section, change.key)
        known = found.get(key)
        found[key] = change if known is None else replace(known, after=change.after)
    return tuple(change for change in found.values() if change.before != change.after)
