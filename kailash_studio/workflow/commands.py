"""The changes a user can make, each as one ``Edit`` that can be done and undone exactly.

A command is a function of the workflow that returns an edit: the entries that change, before and after. Applying an
edit forward or backward is then the same few lines for all of them; see ``history``.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from kailash_studio.errors import DocumentError
from kailash_studio.workflow.graph import COLUMN, ROW
from kailash_studio.workflow.sub_workflows import (
    INPUTS,
    OUTPUTS,
    SEPARATOR,
    SUB_WORKFLOW,
    beside,
    inner_id,
    is_sub_workflow,
    name_of,
    parent_of,
    within,
)
from kailash_studio.workflow.workflow import NODE_ID, Connection, PlacedNode, Workflow, check_ids

Section = Literal["nodes", "connections", "positions", "parameters", "information"]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of one section, before and after; None stands for "not there".

    Attributes:
        section: Which.
        key: The entry's name there.
        before: What it was.
        after: What it is.
        moved: The key that an entry has from now on, where it went; or had before, where it came.
    """

    section: Section
    key: str
    before: Any
    after: Any
    moved: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """A named step of the history.

    Attributes:
        label: For the menu: "Undo add csv_reader".
        changes: What changes; no entry twice.
        merge: Edits in a row with the same non-empty mark become one step (typing, nudging).
    """

    label: str
    changes: tuple[Change, ...]
    merge: str = ""

    def reversed(self) -> Edit:
        """The edit that takes this one back."""
        back = tuple(replace(c, before=c.after, after=c.before) for c in reversed(self.changes))
        return Edit(self.label, back)


def new_keys(changes: Iterable[Change], section: Section = "nodes") -> dict[str, str]:
    """The new keys of the entries that have another one now: what hangs on a node or a connection follows it."""
    return {c.key: c.moved for c in changes if c.section == section and c.after is None and c.moved}


def apply(workflow: Workflow, edit: Edit) -> None:
    """Do an edit; this is the only place where a workflow's entries change."""
    for change in edit.changes:
        if change.section == "information":
            setattr(workflow, change.key, change.after)
            continue
        entries: dict[str, Any] = getattr(workflow, change.section)
        if change.after is None:
            entries.pop(change.key, None)
        else:
            entries[change.key] = change.after
        if change.section == "nodes" and not _same_declaration(change):
            workflow.instances.pop(change.key, None)  # an edited node is its declaration from then on


def _same_declaration(change: Change) -> bool:
    """Whether a node keeps its type and parameters: policies around it do not make it another one."""
    before, after = change.before, change.after
    return (
        isinstance(before, PlacedNode)
        and isinstance(after, PlacedNode)
        and (before.type, before.parameters) == (after.type, after.parameters)
    )


# ---------------------------------------------------------------------------------------------- the commands
def add_node(
    workflow: Workflow,
    type_name: str,
    position: tuple[float, float],
    *,
    node_id: str = "",
    parameters: Mapping[str, Any] | None = None,
    type_version: int = 1,
    parent: str = "",
) -> tuple[str, Edit]:
    """Place a node; its id is the wanted one, or the type's name in snake_case, made free.

    Args:
        workflow: The document.
        type_name: The node's type; a sub-workflow comes with the nodes at its border.
        position: Its place, among those in the same sub-workflow.
        node_id: The wanted name.
        parameters: Raw values.
        type_version: That of the node type.
        parent: The sub-workflow that it is placed in.

    Raises:
        DocumentError: It would stand too deep.
    """
    new_id = workflow.free_id(node_id or snake_case(type_name), parent=parent)
    changes = _placed(new_id, PlacedNode(type_name, type_version, dict(parameters or {})), position)
    if type_name == SUB_WORKFLOW:
        changes += _placed(inner_id(new_id, "inputs"), PlacedNode(INPUTS), (0.0, 0.0))
        changes += _placed(inner_id(new_id, "outputs"), PlacedNode(OUTPUTS), (2 * COLUMN, 0.0))
    check_ids(change.key for change in changes)
    return new_id, Edit(f"add {new_id}", tuple(changes))


def _placed(node_id: str, placed: PlacedNode, position: tuple[float, float]) -> list[Change]:
    return [Change("nodes", node_id, None, placed), Change("positions", node_id, None, _place(position))]


def remove_nodes(workflow: Workflow, node_ids: Iterable[str]) -> Edit:
    """Take nodes away, with their connections, and all that stands inside of them."""
    chosen = [node_id for node_id in node_ids if node_id in workflow.nodes]
    gone = _with_inside(workflow, chosen)
    lost = set(gone)
    changes = [
        Change("connections", key, connection, None)
        for key, connection in workflow.connections.items()
        if connection.source in lost or connection.target in lost
    ]
    changes += _with_fallback_of(workflow, dict.fromkeys(gone), skipping=lost)
    for node_id in gone:
        changes.append(Change("nodes", node_id, workflow.nodes[node_id], None))
        if node_id in workflow.positions:
            changes.append(Change("positions", node_id, workflow.positions[node_id], None))
    return Edit(f"remove {gone[0]}" if len(chosen) == 1 else f"remove {len(gone)} nodes", tuple(changes))


def _with_inside(workflow: Workflow, node_ids: Iterable[str]) -> list[str]:
    """Nodes and all that stands inside of them, each once."""
    found = dict.fromkeys(node_ids)
    for node_id in list(found):
        if is_sub_workflow(workflow, node_id):
            found |= dict.fromkeys(within(workflow, node_id))
    return list(found)


def rename_node(workflow: Workflow, node_id: str, new_id: str) -> Edit:
    """Give a node another id; its connections go with it, and all that stands inside of it.

    Raises:
        DocumentError: The id is taken, not a name, or that of another place.
    """
    workflow.node(node_id)
    if new_id == node_id:
        return Edit(f"rename {node_id}", ())
    if not NODE_ID.match(new_id) or parent_of(new_id) != parent_of(node_id):
        raise DocumentError(
            f"{name_of(new_id)!r} cannot be a node's id: use letters, digits, - and _, at most 64, "
            "starting with a letter."
        )
    if new_id in workflow.nodes:
        raise DocumentError(f"There is a node {new_id!r} already: choose another id.")
    names = {old: new_id + old[len(node_id) :] for old in _with_inside(workflow, [node_id])}
    return Edit(f"rename {node_id} to {new_id}", renamed(workflow, names))


def renamed(workflow: Workflow, names: Mapping[str, str]) -> tuple[Change, ...]:
    """The changes that give nodes other ids; connections, places and fallbacks go along.

    Raises:
        DocumentError: One would stand too deep.
    """
    check_ids(names.values())
    changes = []
    for old, new in names.items():
        placed = workflow.nodes[old]
        fallback = placed.resilience.get("fallback")
        after = _naming(placed, names) if isinstance(fallback, str) and fallback in names else placed
        changes += [Change("nodes", old, placed, None, new), Change("nodes", new, None, after, old)]
        if old in workflow.positions:
            place = workflow.positions[old]
            changes += [Change("positions", old, place, None), Change("positions", new, None, place)]
    changes += _with_fallback_of(workflow, names, skipping=names)
    for key, connection in workflow.connections.items():
        source, target = connection.source, connection.target
        if source in names or target in names:
            moved = replace(connection, source=names.get(source, source), target=names.get(target, target))
            changes += [
                Change("connections", key, connection, None, moved.key),
                Change("connections", moved.key, None, moved, key),
            ]
    return tuple(changes)


def set_parameter(workflow: Workflow, node_id: str, name: str, value: Any) -> Edit:
    """Give a parameter a value; a row of such edits of one parameter is one step."""
    placed = workflow.node(node_id)
    after = replace(placed, parameters={**placed.parameters, name: value})
    return Edit(f"change {name} of {node_id}", (Change("nodes", node_id, placed, after),), f"{node_id}/{name}")


def reset_parameter(workflow: Workflow, node_id: str, name: str) -> Edit:
    """Take a parameter's value away, so that the default holds."""
    placed = workflow.node(node_id)
    after = replace(placed, parameters={key: value for key, value in placed.parameters.items() if key != name})
    return Edit(f"reset {name} of {node_id}", (Change("nodes", node_id, placed, after),))


def set_resilience(workflow: Workflow, node_id: str, name: str, value: Any) -> Edit:
    """Give a policy of a node a value, or take it away with None.

    A row of edits of one value is one step; switching a policy on or off is a step of its own.
    """
    placed = workflow.node(node_id)
    before = placed.resilience.get(name)
    policies = {key: old for key, old in placed.resilience.items() if key != name}
    if value is not None:
        policies[name] = value
    merge = f"{node_id}/resilience/{name}"
    if isinstance(before, dict) and isinstance(value, dict):
        changed = sorted(key for key in before.keys() | value.keys() if before.get(key) != value.get(key))
        merge = f"{merge}/{changed[0]}" if len(changed) == 1 and changed[0] in value else ""
    elif isinstance(before, dict) or isinstance(value, dict):
        merge = ""
    after = replace(placed, resilience=policies)
    return Edit(f"change {name} of {node_id}", (Change("nodes", node_id, placed, after),), merge)


def connect(workflow: Workflow, connection: Connection, *, replacing: Iterable[Connection] = ()) -> Edit:
    """Draw a connection, taking away those it replaces."""
    changes = [Change("connections", old.key, old, None) for old in replacing]
    changes.append(Change("connections", connection.key, workflow.connections.get(connection.key), connection))
    return Edit(f"connect {connection.start} to {connection.end}", tuple(changes))


def disconnect(workflow: Workflow, keys: Iterable[str]) -> Edit:
    """Take connections away."""
    gone = [workflow.connections[key] for key in keys if key in workflow.connections]
    label = f"disconnect {gone[0].start} from {gone[0].end}" if len(gone) == 1 else f"remove {len(gone)} connections"
    return Edit(label, tuple(Change("connections", c.key, c, None) for c in gone))


def move_nodes(workflow: Workflow, places: Mapping[str, tuple[float, float]], *, merge: str = "") -> Edit:
    """Put nodes somewhere else; places are kept to a hundredth of a scene unit."""
    changes = tuple(
        Change("positions", node_id, workflow.positions.get(node_id), _place(place))
        for node_id, place in places.items()
        if node_id in workflow.nodes
    )
    return Edit(f"move {len(changes)} nodes" if len(changes) > 1 else "move", changes, merge)


def set_information(workflow: Workflow, key: Literal["name", "description"], value: str) -> Edit:
    """Change the name or the description."""
    return Edit(f"change {key}", (Change("information", key, getattr(workflow, key), value),), f"information/{key}")


def declare_parameter(workflow: Workflow, name: str, declaration: Mapping[str, Any] | None) -> Edit:
    """Declare, change or (with None) remove a workflow parameter."""
    before = workflow.parameters.get(name)
    return Edit(f"change parameter {name}", (Change("parameters", name, before, declaration),))


def _with_fallback_of(workflow: Workflow, names: Mapping[str, str | None], *, skipping: Container[str]) -> list[Change]:
    """The nodes that fall back to one of these, naming its new id, or no fallback any more."""
    return [
        Change("nodes", node_id, placed, _naming(placed, names))
        for node_id, placed in workflow.nodes.items()
        if placed.resilience.get("fallback") in names and node_id not in skipping
    ]


def _naming(placed: PlacedNode, names: Mapping[str, str | None]) -> PlacedNode:
    """A node with its fallback renamed, or without it where the new id is none or not told."""
    fallback = placed.resilience.get("fallback")
    if not isinstance(fallback, str):
        return placed
    rest = {name: value for name, value in placed.resilience.items() if name != "fallback"}
    new = names.get(fallback)
    return replace(placed, resilience={**rest, "fallback": new} if new else rest)


# ---------------------------------------------------------------------------------------------- copy and paste
def fragment(workflow: Workflow, node_ids: Iterable[str]) -> Workflow:
    """The chosen nodes and what is inside of them, with the connections among them, as a workflow of their own.

    Nodes from inside of a sub-workflow stand in none there.
    """
    chosen = [node_id for node_id in node_ids if node_id in workflow.nodes]
    roots = [node_id for node_id in chosen if not any(node_id.startswith(other + SEPARATOR) for other in chosen)]
    names: dict[str, str] = {}
    for root in roots:
        free = Workflow(nodes=dict.fromkeys(names.values(), PlacedNode(""))).free_id(name_of(root))
        names |= {old: free + old[len(root) :] for old in _with_inside(workflow, [root])}
    connections = {}
    for c in workflow.connections.values():
        if c.source in names and c.target in names:
            moved = replace(c, source=names[c.source], target=names[c.target])
            connections[moved.key] = moved
    return Workflow(
        nodes={new: _naming(workflow.nodes[old], names) for old, new in names.items()},
        connections=connections,
        positions={names[old]: workflow.positions[old] for old in names if old in workflow.positions},
    )


def paste(
    workflow: Workflow, piece: Workflow, offset: tuple[float, float], *, parent: str = ""
) -> tuple[list[str], Edit]:
    """Add the nodes and connections of a fragment under free ids, moved by an offset, into a sub-workflow or none.

    Returns:
        The new ids, without those inside of others; the edit.

    Raises:
        DocumentError: They would stand too deep.
    """
    names: dict[str, str] = {}
    roots = [node_id for node_id in piece.nodes if parent_of(node_id) not in piece.nodes]
    for root in roots:
        free = workflow.free_id(name_of(root), names.values(), parent=parent)
        names |= {old: free + old[len(root) :] for old in [root, *within(piece, root)]}
    check_ids(names.values())
    changes = [Change("nodes", names[node_id], None, _naming(p, names)) for node_id, p in piece.nodes.items()]
    for node_id, (x, y) in piece.positions.items():
        if node_id in names:
            step = offset if node_id in roots else (0.0, 0.0)
            changes.append(Change("positions", names[node_id], None, _place((x + step[0], y + step[1]))))
    for old in piece.connections.values():
        if old.source in names and old.target in names:
            new = replace(old, source=names[old.source], target=names[old.target])
            changes.append(Change("connections", new.key, None, new))
    label = "paste" if len(roots) == 1 else f"paste {len(names)} nodes"
    return [names[root] for root in roots], Edit(label, tuple(changes))


def below(workflow: Workflow, piece: Workflow, parent: str) -> tuple[float, float]:
    """The offset that puts a fragment below what stands in a sub-workflow, or in none."""
    there = [workflow.positions[n] for n in beside(workflow, parent) if n in workflow.positions]
    moved = [place for n, place in piece.positions.items() if parent_of(n) not in piece.nodes]
    if not there or not moved:
        return 0.0, 0.0
    left, bottom = min(x for x, _ in there), max(y for _, y in there)
    return left - min(x for x, _ in moved), bottom + ROW - min(y for _, y in moved)


def snake_case(type_name: str) -> str:
    """``CSVReaderNode`` as ``csv_reader``."""
    import re

    words = re.sub(r"Node$", "", type_name) or type_name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", words)
    return words.lower()


def _place(position: tuple[float, float]) -> tuple[float, float]:
    return round(position[0], 2), round(position[1], 2)
