"""Making a sub-workflow of nodes, and taking one apart: commands, as those of ``commands``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kailash_studio.errors import DocumentError
from kailash_studio.spec.port import DataType, Input, Ports
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.commands import Change, Edit, renamed
from kailash_studio.workflow.fallback import chain_of, stands_in_for
from kailash_studio.workflow.graph import COLUMN, between
from kailash_studio.workflow.name_order import disorder, in_order, several
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
from kailash_studio.workflow.validation import ports_of
from kailash_studio.workflow.workflow import Connection, PlacedNode, Workflow


class _Interface:
    """Ports that are found one after the other: one for each end outside or inside that values come from.

    Ports of the same name are numbered so that they sort in the order in which they were asked for: an input that takes
    several connections takes them in the order of their ends' names.
    """

    def __init__(self) -> None:
        self._wanted: dict[str, str] = {}  # by the giving end
        self._kinds: dict[str, set[str]] = {}
        self._optional: set[str] = set()

    def add(self, start: str, wanted: str, kind: str, *, optional: bool = False) -> None:
        """Ask for a port for what this end gives; the name that was wanted first counts."""
        base = "".join(c if c.isalnum() or c == "_" else "_" for c in wanted)
        base = base if base[:1].isalpha() or base[:1] == "_" else f"_{base}"
        self._wanted.setdefault(start, base)
        self._kinds.setdefault(start, set()).add(kind)
        if optional:
            self._optional.add(start)

    def names(self) -> dict[str, str]:
        """The port for what each end gives."""
        found: dict[str, str] = {}  # by the port
        count = Counter(self._wanted.values())
        next_number = dict.fromkeys(count, 2)
        for start, base in self._wanted.items():
            width, name = len(str(count[base])), base
            while name in found:
                name = f"{base}_{next_number[base]:0{width}}"
                next_number[base] += 1
            found[name] = start
        return {start: name for name, start in found.items()}

    def parameters(self) -> dict[str, Any]:
        """What the node at the border declares: where one port goes to several types, it takes anything."""
        ports, optional = {}, []
        for start, name in self.names().items():
            kinds = self._kinds[start]
            ports[name] = next(iter(kinds)) if len(kinds) == 1 else str(DataType.ANY)
            optional += [name] if start in self._optional else []
        return {"ports": ports} | ({"optional": optional} if optional else {}) if ports else {}


@dataclass(frozen=True, slots=True)
class _Enclosed:
    """Nodes as one sub-workflow of these names.

    Attributes:
        made: The sub-workflow.
        names: New ids of what comes inside.
        border: The nodes at its border.
        given: What it takes.
        taken: What it gives.
        inside: What each connection of before is now, at its taking end.
        outside: The other half of those that go through the border.
    """

    made: str
    names: Mapping[str, str]
    border: Border
    given: _Interface
    taken: _Interface
    inside: Mapping[str, Connection]
    outside: Mapping[str, Connection]


def enclose(workflow: Workflow, registry: Registry, node_ids: Iterable[str], name: str = "part") -> tuple[str, Edit]:
    """Make one sub-workflow of nodes; what they are given and what they give becomes its interface.

    Fallbacks of the nodes come along. An input is optional where something inside can do without it, as a merge can
    behind a switch: the workflow gives what it gave before.

    Returns:
        The id of the sub-workflow; the edit.

    Raises:
        DocumentError: They cannot be one: they stand in several places or too deep, or others stand between them.
    """
    chosen = _chosen(workflow, node_ids)
    ports = ports_of(workflow, registry)
    several = _several(workflow, ports)
    ordered = sorted({name_of(c.source) for group in several for c in group if c.source in chosen})
    found = changed = None
    for made, first, by_node in _ways(workflow, parent_of(next(iter(chosen))), name, ordered[:_MOST]):
        found = _enclosed(workflow, chosen, ports, made, first, by_node=by_node)
        changed = _other_order(several, found)
        if not changed:
            break
    assert found is not None  # there is always a way; it may be none that is wanted
    if changed:
        raise DocumentError(
            f"{changed} takes its values in the order of their nodes' names, which would be another: "
            "rename nodes first, or select others."
        )
    return found.made, _edit(workflow, chosen, found)


def _ways(workflow: Workflow, parent: str, name: str, ordered: list[str]) -> Iterator[tuple[str, str, bool]]:
    """Names of the sub-workflow and of the node that gives its inputs, and whether outputs are named by their nodes.

    The first is the usual one; in the others values come to an input in another order.
    """
    for wanted in [name, *(f"{inner}_{name}" for inner in ordered)]:
        made = workflow.free_id(wanted, parent=parent)
        for first in ["inputs", "A_inputs", *(f"{inner}_inputs" for inner in ordered)]:
            yield made, first, False
            yield made, first, True


_MOST = 4  # names of nodes that are tried


def _several(workflow: Workflow, ports: Mapping[str, Ports]) -> list[list[Connection]]:
    """The connections of each input that takes several of them and has some, in their order."""
    found: dict[str, list[Connection]] = {}
    for c in sorted(workflow.connections.values(), key=lambda c: c.key):
        own = ports.get(c.target)
        if own is not None and c.input in own.inputs and own.inputs[c.input].many:
            found.setdefault(c.end, []).append(c)
    return [connections for connections in found.values() if len(connections) > 1]


def _other_order(several: Iterable[list[Connection]], enclosed: _Enclosed) -> str:
    """The first input to which values would come in another order; empty for none."""
    for connections in several:
        keys = [enclosed.inside.get(c.key, c).key for c in connections]
        if keys != sorted(keys):
            return connections[0].end
    return ""


def _enclosed(
    workflow: Workflow,
    chosen: Mapping[str, None],
    ports: Mapping[str, Ports],
    made: str,
    first: str,
    *,
    by_node: bool,
) -> _Enclosed:
    parent = parent_of(next(iter(chosen)))
    moving = [node_id for node_id in workflow.nodes if _stands_in(node_id, chosen)]
    names = {old: inner_id(made, old[len(parent) + 1 :] if parent else old) for old in moving}
    border = Border(*(Workflow().free_id(n, names.values(), parent=made) for n in (first, "outputs")))
    given, taken = _Interface(), _Interface()

    def port_of(c: Connection) -> Input | None:
        own = ports.get(c.target)
        return own.inputs.get(c.input) if own is not None else None

    def many_first(c: Connection) -> tuple[bool, str]:
        port = port_of(c)
        return port is None or not port.many, c.key

    through = [c for c in workflow.connections.values() if (c.source in chosen) != (c.target in chosen)]
    for c in sorted(through, key=many_first):
        if c.target in chosen:
            port = port_of(c)
            optional = port is not None and (port.many or not port.required)
            given.add(c.start, c.input, str(port.type if port is not None else DataType.ANY), optional=optional)
        else:
            own = ports.get(c.source)
            whole = own is not None and c.output in own.outputs and not c.path
            kind = own.outputs[c.output].type if own is not None and whole else DataType.ANY
            wanted = c.path[-1] if c.path else c.output
            taken.add(c.start, f"{name_of(c.source)}_{wanted}" if by_node else wanted, str(kind))
    enters, leaves = given.names(), taken.names()
    inside = {c.key: replace(c, source=names[c.source], target=names[c.target]) for c in _among(workflow, chosen)}
    outside = {}
    for c in through:
        if c.target in chosen:
            inside[c.key] = Connection(border.inputs, enters[c.start], names[c.target], c.input)
            outside[c.key] = replace(c, target=made, input=enters[c.start])
        else:
            inside[c.key] = Connection(made, leaves[c.start], c.target, c.input, (), c.extra)
            outside[c.key] = Connection(names[c.source], c.output, border.outputs, leaves[c.start], c.path)
    return _Enclosed(made, names, border, given, taken, inside, outside)


def _stands_in(node_id: str, chosen: Container[str]) -> bool:
    while node_id and node_id not in chosen:
        node_id = parent_of(node_id)
    return bool(node_id)


def _among(workflow: Workflow, chosen: Mapping[str, None]) -> list[Connection]:
    return [c for c in workflow.connections.values() if c.source in chosen and c.target in chosen]


def _edit(workflow: Workflow, chosen: Mapping[str, None], found: _Enclosed) -> Edit:
    made, border = found.made, found.border
    places = [workflow.positions[n] for n in chosen if n in workflow.positions] or [(0.0, 0.0)]
    left, top = min(x for x, _ in places), min(y for _, y in places)
    right = max(x for x, _ in places)
    middle = (min(y for _, y in places) + max(y for _, y in places)) / 2
    lost = [workflow.connections[key] for key in found.outside]
    without = replace(workflow, connections={k: c for k, c in workflow.connections.items() if k not in found.outside})
    changes = [Change("connections", c.key, c, None, found.inside[c.key].key) for c in lost]
    changes += renamed(without, found.names)
    changes += [
        Change("nodes", made, None, PlacedNode(SUB_WORKFLOW)),
        Change("nodes", border.inputs, None, PlacedNode(INPUTS, parameters=found.given.parameters())),
        Change("nodes", border.outputs, None, PlacedNode(OUTPUTS, parameters=found.taken.parameters())),
        Change("positions", made, None, (left, top)),
        Change("positions", border.inputs, None, (left - COLUMN, middle)),
        Change("positions", border.outputs, None, (right + COLUMN, middle)),
    ]
    changes += [Change("connections", found.inside[key].key, None, found.inside[key], key) for key in found.outside]
    fresh = {c.key: c for c in found.outside.values()}
    changes += [Change("connections", key, None, c) for key, c in fresh.items()]
    return Edit(f"make {made} of {len(chosen)} node{'s' * (len(chosen) != 1)}", _merged(changes))


def take_apart(workflow: Workflow, node_id: str) -> tuple[list[str], Edit]:
    """Put what stands inside of a sub-workflow in its place.

    Inputs that take several connections take them in the order that they had: names are chosen for it.

    Returns:
        The ids of what stood inside; the edit.

    Raises:
        DocumentError: It is no sub-workflow, or there are no names with which the order stays.
    """
    if not is_sub_workflow(workflow, node_id):
        raise DocumentError(f"{node_id} is no sub-workflow: choose one to take apart.")
    border = borders(workflow)[node_id]
    gone = {node_id, *(n for n in beside(workflow, node_id) if workflow.nodes[n].type in BORDER)}
    through = _joined(workflow, node_id, border)
    names = _names_outside(workflow, node_id, gone, dict(reversed(through)))
    kept = {k: c for k, c in workflow.connections.items() if c.source not in gone and c.target not in gone}
    joined = [
        (key, replace(c, source=names.get(c.source, c.source), target=names.get(c.target, c.target)))
        for key, c in through
    ]
    moves = {key: c.key for key, c in reversed(joined)}  # of several that one goes on as, the first
    bare = replace(workflow, connections=kept, nodes={n: p for n, p in workflow.nodes.items() if n not in gone})
    changes = [
        Change("connections", k, c, None, moves.get(k, "")) for k, c in workflow.connections.items() if k not in kept
    ]
    changes += renamed(bare, names)
    for old in gone:
        changes.append(Change("nodes", old, workflow.nodes[old], None))
        if old in workflow.positions:
            changes.append(Change("positions", old, workflow.positions[old], None))
    for key, c in {c.key: (key, c) for key, c in joined}.values():
        changes.append(Change("connections", c.key, None, c, key if moves[key] == c.key else ""))
    moved = _put_in_place(workflow, node_id, names)
    changes = [
        replace(c, after=moved.get(c.key, c.after)) if c.section == "positions" and c.after else c for c in changes
    ]
    outer = [names[inner] for inner in beside(workflow, node_id) if inner in names]
    return outer, Edit(f"take {node_id} apart", _merged(changes))


def _names_outside(
    workflow: Workflow, node_id: str, gone: Container[str], through: Mapping[str, Connection]
) -> dict[str, str]:
    """New ids of what stands in a sub-workflow that is taken apart.

    Args:
        workflow: The document.
        node_id: The sub-workflow.
        gone: The nodes that will not be there any more.
        through: What connections through the border go on as, by the keys that they have.
    """
    usual: dict[str, str] = {}
    for inner in beside(workflow, node_id):
        if inner not in gone:
            usual[inner] = workflow.free_id(name_of(inner), usual.values(), parent=parent_of(node_id))

    def with_inside(names: Mapping[str, str]) -> dict[str, str]:
        return {
            old: name + old[len(inner) :] for inner, name in names.items() for old in [inner, *within(workflow, inner)]
        }

    def follow(c: Connection) -> Connection | None:
        return through.get(c.key) if c.source in gone or c.target in gone else c

    taken = several(workflow.connections.values(), follow)
    found = with_inside(usual)
    if disorder(taken, found):
        found = with_inside(in_order(taken, usual, workflow.nodes))
        wrong = disorder(taken, found)
        if wrong:
            end, first, second = wrong[0].end, wrong[1].start, wrong[2].start
            if first == second:
                raise DocumentError(f"{end} takes {first} twice, which it cannot without {node_id}: connect it once.")
            raise DocumentError(
                f"{end} takes {first} before {second}, and would not without {node_id}, as it takes its values in the "
                "order of their nodes' names: rename nodes first, or connect them otherwise."
            )
    return found


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
    missing = sorted((between(workflow, chosen) & level) - chosen.keys())
    if missing:
        raise DocumentError(
            f"{missing[0]} stands between the nodes: select it as well, else values would run in a circle."
        )
    return chosen


def _joined(workflow: Workflow, node_id: str, border: Border) -> list[tuple[str, Connection]]:
    """What goes through the border, as connections without it, each with the key of the one that goes on as it."""
    found: list[tuple[str, Connection]] = []
    for inner in workflow.connections.values():
        if inner.source == border.inputs and inner.target != border.outputs:
            found += [
                (inner.key, replace(outer, target=inner.target, input=inner.input, path=outer.path + inner.path))
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
                (outer.key, Connection(start.source, start.output, outer.target, outer.input, start.path + outer.path))
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
