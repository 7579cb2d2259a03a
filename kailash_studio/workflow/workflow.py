"""The workflow as data: placed nodes, connections, parameters, layout.

Entries are never changed in place, only replaced; see ``commands``. What a reader did not understand is kept beside
the rest and written back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kailash_studio.errors import DocumentError
from kailash_studio.spec.node import Node
from kailash_studio.spec.port import Ports
from kailash_studio.workflow.resilience import Monitor, ResilienceCalls
from kailash_studio.workflow.sub_workflows import SUB_WORKFLOW, inner_id, interface

if TYPE_CHECKING:
    from kailash_studio.spec.registry import Registry

FORMAT = "kailash-studio/workflow"
VERSION = 1
SUFFIX = ".kailash.json"

_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
NODE_ID = re.compile(rf"{_NAME}(?::{_NAME}){{0,7}}\Z")
LONGEST = 64  # characters of a name


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """One node of a workflow.

    Attributes:
        type: Name of its node type; perhaps one that is not installed.
        type_version: Version of the node type that the parameters were written for.
        parameters: Raw values as in the file, references included, texts joined.
        resilience: Raw policies as in the file.
        extra: Fields that this version does not know; written back.
    """

    type: str
    type_version: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)
    resilience: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection.

    Attributes:
        source: Id of the node that gives.
        output: Its output port.
        path: Steps into the value, for ``result.data`` the one step ``data``.
        target: Id of the node that takes.
        input: Its input port.
        extra: Fields that this version does not know; written back.
    """

    source: str
    output: str
    target: str
    input: str
    path: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """What identifies it in a workflow: both ends as written in the file."""
        return f"{self.start}>{self.end}"

    @property
    def start(self) -> str:
        """The giving end as written in the file."""
        return ".".join((self.source, self.output, *self.path))

    @property
    def end(self) -> str:
        """The taking end as written in the file."""
        return f"{self.target}.{self.input}"


@dataclass(slots=True)
class Workflow(ResilienceCalls):
    """A workflow in memory.

    Attributes:
        name: Title for people.
        description: What it is for.
        parameters: Declared workflow parameters: name to ``{"type", "default", "doc"}``.
        nodes: Placed nodes by id; those inside of another begin with its id and a colon, see ``sub_workflows``.
        connections: Connections by key.
        positions: Place on the canvas by node id, in scene units.
        notes: Notes on the canvas, raw.
        frames: Frames on the canvas, raw.
        extra: Top-level fields that this version does not know; written back.
        unread: Entries of ``nodes``, ``connections``, ``layout`` that could not be understood; written back.
        version: Format version of the file that it came from; newer files keep theirs.
        instances: Nodes given as Python objects; they run as they are, and are written as their declaration.
        monitor: What a runtime knows of the workflow's runs, once it has run.
    """

    name: str = ""
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, PlacedNode] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    positions: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: list[Any] = field(default_factory=list)
    frames: list[Any] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    unread: dict[str, Any] = field(default_factory=dict)
    version: int = VERSION
    instances: dict[str, Node] = field(default_factory=dict)
    monitor: Monitor | None = field(default=None, compare=False, repr=False)

    def build(self) -> Workflow:
        """Itself, so that a builder and a built workflow can be used alike."""
        return self

    def as_it_is(self) -> Workflow:
        """The workflow, as it stays when it is edited; entries are never changed in place."""
        return replace(
            self,
            nodes=dict(self.nodes),
            connections=dict(self.connections),
            positions=dict(self.positions),
            parameters=dict(self.parameters),
            notes=list(self.notes),
            frames=list(self.frames),
        )

    def node(self, node_id: str) -> PlacedNode:
        """A node by id.

        Raises:
            DocumentError: There is none; the message lists near names.
        """
        try:
            return self.nodes[node_id]
        except KeyError:
            raise DocumentError(f"There is no node {node_id!r}{near(node_id, self.nodes)}") from None

    def incoming(self, node_id: str) -> list[Connection]:
        """The connections that end at a node, in canonical order."""
        return sorted((c for c in self.connections.values() if c.target == node_id), key=lambda c: c.key)

    def outgoing(self, node_id: str) -> list[Connection]:
        """The connections that start at a node, in canonical order."""
        return sorted((c for c in self.connections.values() if c.source == node_id), key=lambda c: c.key)

    def ports(self, node_id: str, registry: Registry) -> Ports | None:
        """The ports of a node, or None when its type is not installed."""
        placed = self.node(node_id)
        instance = self.instances.get(node_id)
        node_type = type(instance) if instance is not None else registry.find(placed.type)
        if placed.type == SUB_WORKFLOW:
            return interface(self, node_id, registry)
        return None if node_type is None else node_type.ports_of(placed.parameters)

    def free_id(self, wanted: str, taken: Iterable[str] = (), *, parent: str = "") -> str:
        """An id like the wanted one that no node has: the same, or with a number behind it.

        Args:
            wanted: The name, without the sub-workflow that it is for.
            taken: Ids that are not free either.
            parent: The sub-workflow that the node is for.

        Raises:
            DocumentError: It would stand too deep.
        """
        base = re.sub(r"[^A-Za-z0-9_-]", "_", wanted) or "node"
        base = base if NODE_ID.match(base) else f"node_{base}"[:60]
        used = {*self.nodes, *taken}
        stem, number, name = re.sub(r"_\d+\Z", "", base), 2, base
        while inner_id(parent, name) in used:
            ending = f"_{number}"
            name, number = stem[: LONGEST - len(ending)] + ending, number + 1
        check_ids([inner_id(parent, name)])
        return inner_id(parent, name)

    @classmethod
    def load(cls, path: str | Path) -> Workflow:
        """Read a workflow file; findings are dropped, use ``reader.read_file`` to see them.

        Raises:
            DocumentError: It cannot be read at all.
        """
        from kailash_studio.workflow.reader import read_file

        return read_file(Path(path)).workflow

    def save(self, path: str | Path) -> None:
        """Write the workflow file, canonically and atomically.

        Raises:
            DocumentError: A node cannot be written: a secret in clear, or a function that needs its module.
        """
        from kailash_studio.workflow.writer import write_file

        write_file(self, Path(path))

    def to_json(self) -> str:
        """The canonical text of the workflow file.

        Raises:
            DocumentError: As in ``save``.
        """
        from kailash_studio.workflow.writer import write

        return write(self)


def check_ids(node_ids: Iterable[str]) -> None:
    """Refuse ids that no file could hold.

    Raises:
        DocumentError: One stands too deep in sub-workflows.
    """
    for node_id in node_ids:
        if not NODE_ID.match(node_id):
            raise DocumentError(f"{node_id} would stand too deep: sub-workflows stand in others up to seven deep.")


def near(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: a hint at a similar one, or the list of all."""
    import difflib

    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    if not names:
        return "; there are none yet."
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"; there is {shown}."


def split_endpoint(text: str) -> tuple[str, str, tuple[str, ...]]:
    """Node id, port and path of an endpoint as written in a file: ``fetch.result.data``.

    Raises:
        ValueError: It is not of that form.
    """
    node_id, *rest = text.split(".")
    if not NODE_ID.match(node_id) or not rest or not all(rest):
        raise ValueError(f"{text!r} is not of the form node.port")
    return node_id, rest[0], tuple(rest[1:])
