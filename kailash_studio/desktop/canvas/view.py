"""What the canvas draws, as plain data: frozen, without Qt, made by the host from the document and the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Problem = Literal["", "warning", "error"]
Kind = Literal["data", "fallback"]
State = Literal[
    "idle",
    "queued",
    "running",
    "retrying",
    "succeeded",
    "recovered",
    "failed",
    "skipped",
    "cancelled",
    "stopped",
    "stale",
]
TURNING: frozenset[State] = frozenset({"running", "retrying"})


@dataclass(frozen=True, slots=True)
class PortView:
    """One input or output of a node.

    Attributes:
        name: Unique among the node's inputs, or among its outputs.
        data_type: Decides the colour.
        doc: Shown as a tooltip.
        required: An input that must be connected.
        many: An input that takes more than one connection; drawn as a capsule.
    """

    name: str
    data_type: str = "any"
    doc: str = ""
    required: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Badge:
    """A short remark in a node's footer, for example ``exp x3`` for its retry policy."""

    text: str
    icon: str
    token: str


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node.

    Attributes:
        id: The node's id in the document.
        title: First line of the card.
        type_name: Second line of the card.
        icon: Name of an icon of the theme's set.
        category: Decides the colour of the icon's tile.
        inputs: From top to bottom.
        outputs: From top to bottom.
        x: Left edge of the card, in scene units.
        y: Top edge of the card, in scene units.
        badges: Footer, from left to right; what does not fit is counted (``+2``).
        problem: Marks the card's corner.
        problem_text: Tooltip of the mark.
        breakpoint: Marks the card's edge: ``on``, ``off``, or empty.
        known: False for a node type that is not installed; drawn with a dashed outline.
        room: Width and height of a frame around other cards, when the node is shown from inside.
    """

    id: str
    title: str
    type_name: str
    icon: str
    category: str
    inputs: tuple[PortView, ...]
    outputs: tuple[PortView, ...]
    x: float
    y: float
    badges: tuple[Badge, ...] = ()
    problem: Problem = ""
    problem_text: str = ""
    breakpoint: str = ""
    known: bool = True
    room: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One connection.

    Attributes:
        key: The host's name for it, unique in the graph.
        from_node: Id of the node that gives.
        output: Its output; not used by a fallback.
        to_node: Id of the node that takes.
        input: Its input; not used by a fallback.
        path: The part of the output that is taken, for the tooltip; empty for all of it.
        kind: ``fallback`` is drawn from the card's bottom edge, dashed and red.
        order: Of a fallback, its place among those that are tried one after the other, from 1.
        breakpoint: Marks its taking end: ``on``, ``off``, or empty.
    """

    key: str
    from_node: str
    output: str
    to_node: str
    input: str
    path: str = ""
    kind: Kind = "data"
    order: int = 0
    breakpoint: str = ""


@dataclass(frozen=True, slots=True)
class NodeState:
    """How a node stands in the run that is shown.

    Attributes:
        state: Decides the border and the sign in the top right corner.
        note: A few characters beside the type's name, for example ``42 ms`` or ``try 2/4``.
        tip: Tooltip of the sign.
    """

    state: State
    note: str = ""
    tip: str = ""
