"""What is on the canvas: cards by node id, connections by key, and how they are put there and taken away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from PySide6.QtCore import QRectF
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QGraphicsScene

from kailash_studio.desktop.canvas.card import NodeCard, StudioNode
from kailash_studio.desktop.canvas.compat import IN, OUT, NodeGraph
from kailash_studio.desktop.canvas.far import FarPainter
from kailash_studio.desktop.canvas.line import ConnectionLine
from kailash_studio.desktop.canvas.paper import Paper
from kailash_studio.desktop.canvas.view import TURNING, ConnectionView, NodeState, NodeView
from kailash_studio.desktop.canvas.viewer import StudioViewer
from kailash_studio.workflow.sub_workflows import SEPARATOR

_IDLE = NodeState("idle")
_INSIDE = {"stopped": "stand still", "failed": "failed"}
_TOLD = _INSIDE.keys()


class Store:
    """Cards and connections of one canvas, kept in the library's scene and graph.

    Attributes:
        cards: By node id.
        lines: By the connection's key.
        far: Paints them when the zoom is low.
    """

    def __init__(self, viewer: StudioViewer, paper: Paper) -> None:
        self.cards: dict[str, NodeCard] = {}
        self.lines: dict[str, ConnectionLine] = {}
        self.far = FarPainter(self, paper)
        self._paper = paper
        self._viewer = viewer
        # a stack of its own that nothing is ever pushed to: the library asks for one
        self._graph = NodeGraph(viewer, viewer=viewer, undo_stack=QUndoStack(viewer))
        self._states: dict[str, NodeState] = {}
        self._running: dict[str, None] = {}
        self._inside: dict[str, Counter[str]] = {}
        self._labels: dict[str, str] = {}
        self._bulk = False
        self._extent: QRectF | None = None
        viewer.show_store(self)

    @property
    def graph(self) -> NodeGraph:
        """The library's graph."""
        return self._graph

    @property
    def scene(self) -> QGraphicsScene:
        """The library's scene."""
        return self._viewer.scene()

    # ------------------------------------------------------------------ nodes
    def put_node(self, view: NodeView) -> None:
        """Add a node, or show its new data in place; connections whose port is gone are taken away."""
        card = self.cards.get(view.id)
        if card is None:
            card = self._add(view)
            self.far.put_card(card)
            if self._extent is not None:
                self._extent = self._extent.united(card.body())
            self._changed()
            return
        if (card.view.inputs, card.view.outputs) != (view.inputs, view.outputs):
            inputs, outputs = {p.name for p in view.inputs}, {p.name for p in view.outputs}
            for line in card.lines():
                kept = line.view.kind == "fallback" or (
                    line.view.output in outputs if line.source is card else line.view.input in inputs
                )
                if not kept:
                    self.remove_connection(line.view.key)
        card.dress(view)
        self._place(card, view.x, view.y)

    def _place(self, card: NodeCard, x: float, y: float) -> None:
        """Put a card, which may have another size, somewhere; its connections go with it."""
        card.place(x, y)
        self.far.put_card(card)
        for line in card.lines():
            self.far.put_line(line)
        self._extent = None
        self._changed()

    def _add(self, view: NodeView) -> NodeCard:
        node = StudioNode(view, self._paper)
        card: NodeCard = node.view
        self._graph.model.nodes[view.id] = node
        self.cards[view.id] = card
        self._viewer.add_node(card, (view.x, view.y))
        card.place(view.x, view.y)
        state = self._shown(view.id)
        if state is not _IDLE:
            card.show_state(state)
            if state.state in TURNING:
                self._running[view.id] = None
        return card

    def remove_node(self, node_id: str, *, forget: bool = True) -> None:
        """Take a node away, with its connections; a node that is not there is gone already.

        Args:
            node_id: The node.
            forget: Also how it stands in the run.
        """
        card = self.cards.pop(node_id, None)
        if card is None:
            return
        for line in card.lines():
            self.remove_connection(line.view.key)
        self.far.drop_card(card)
        self._extent = None
        card.setSelected(False)
        card.delete()
        self._graph.model.nodes.pop(node_id)
        if forget:
            self._count(node_id, self._states.pop(node_id, _IDLE), _IDLE)
        self._running.pop(node_id, None)
        self._changed()

    def move_node(self, node_id: str, x: float, y: float) -> None:
        """Move a node."""
        card = self.cards[node_id]
        if (card.left, card.top) != (x, y):
            self._place(card, x, y)

    # ------------------------------------------------------------------ connections
    def put_connection(self, view: ConnectionView) -> None:
        """Add a connection, or replace the one with its key.

        Raises:
            LookupError: One of its ends is not on the canvas.
        """
        old = self.lines.get(view.key)
        was_chosen = False
        if old is not None:
            if old.view == view:
                return
            was_chosen = old.chosen
            self.remove_connection(view.key)
        source, target = self.cards.get(view.from_node), self.cards.get(view.to_node)
        if source is None or target is None:
            raise LookupError(f"Connection {view.key}: {view.from_node} or {view.to_node} is not on the canvas.")
        line = ConnectionLine(view, source, target, self._paper)
        if view.kind == "fallback":
            source.fallbacks.append(line)
            target.fallbacks.append(line)
            self._viewer.show_line(line)
        else:
            output, taken = source.port(OUT, view.output), target.port(IN, view.input)
            if output is None or taken is None:
                raise LookupError(f"Connection {view.key}: a port of it is not on the canvas.")
            self._viewer.connect_ports(line, output, taken)
            source.face_changed()
            target.face_changed()
        line.dimmed = source.state.state == "skipped" or target.state.state == "skipped"
        line.label = self._labels.get(view.key, "")
        line.near = source.isSelected() or target.isSelected()
        self.lines[view.key] = line
        self.far.put_line(line)
        if was_chosen:
            self._viewer.choose(line)
        self._changed()

    def remove_connection(self, key: str) -> None:
        """Take a connection away; one that is not there went with its node."""
        line = self.lines.pop(key, None)
        if line is None:
            return
        self.far.drop_line(line)
        self._viewer.forget(line)
        line.delete()
        for card in (line.source, line.target):
            if line in card.fallbacks:
                card.fallbacks.remove(line)
            card.face_changed()
        self._changed()

    # ------------------------------------------------------------------ all of it
    def replace(self, nodes: Iterable[NodeView], connections: Iterable[ConnectionView]) -> None:
        """Show another graph."""
        self.clear()
        self.put_many(nodes, connections)

    def put_many(self, nodes: Iterable[NodeView], connections: Iterable[ConnectionView]) -> None:
        """Add many at once."""
        self._bulk = True
        try:
            for view in nodes:
                self.put_node(view)
            for connection in connections:
                self.put_connection(connection)
        finally:
            self._bulk = False
            self._changed()

    def clear(self) -> None:
        """Take everything away."""
        self._viewer.forget(None)
        # the scene deletes its items; what still refers to them must go first
        self._graph.model.nodes.clear()
        self.cards.clear()
        self.lines.clear()
        self._states.clear()
        self._inside.clear()
        self._labels.clear()
        self._running.clear()
        self.scene.clear()
        self._paper.forget_faces()
        self.far.clear()
        self._extent = None
        self._changed()

    def dispose(self) -> None:
        """End the library's objects in the order that it survives: undo stack, scene, then the viewer by its owner."""
        self._graph.undo_stack().clear()
        self.clear()
        self._graph.deleteLater()

    def _changed(self) -> None:
        if not self._bulk:
            self._viewer.graph_changed()

    def extent(self) -> QRectF:
        """The rectangle around all cards, empty when there are none."""
        if self._extent is None:
            self._extent = united(card.body() for card in self.cards.values())
        return self._extent

    # ------------------------------------------------------------------ the run
    def show_states(self, states: Mapping[str, NodeState]) -> list[NodeCard]:
        """Show how nodes stand; those not named stay as they are.

        Returns:
            The cards that look different now.
        """
        changed: list[NodeCard] = []
        dimmed = False
        touched: dict[str, None] = {}
        for node_id, state in states.items():
            old = self._states.get(node_id, _IDLE)
            if old != state:
                self._states[node_id] = state
                touched[node_id] = None
                touched |= dict.fromkeys(self._count(node_id, old, state))
        for node_id in touched:
            card, state = self.cards.get(node_id), self._shown(node_id)
            if card is None or card.state == state:  # inside of another, or the run is older than the graph
                continue
            changed.append(card)
            if card.show_state(state):
                dimmed = True
                for line in card.lines():
                    self.far.put_line(line)
            self.far.recolour(card)
            if state.state in TURNING:
                self._running[node_id] = None
            else:
                self._running.pop(node_id, None)
        if dimmed:
            self._viewer.repaint_far()
        elif changed:
            self._viewer.repaint_far([card.grip() for card in changed])
        return changed

    def state(self, node_id: str) -> NodeState:
        """How a node was last said to stand."""
        return self._states.get(node_id, _IDLE)

    def _count(self, node_id: str, old: NodeState, new: NodeState) -> list[str]:
        """Count what the nodes around a node have to tell of their inside; gives those whose count changed."""
        if SEPARATOR not in node_id or old.state == new.state or not {old.state, new.state} & _TOLD:
            return []
        around, parts = [], node_id.split(SEPARATOR)[:-1]
        for depth in range(1, len(parts) + 1):
            name = SEPARATOR.join(parts[:depth])
            counts = self._inside.setdefault(name, Counter())
            counts[old.state] -= 1
            counts[new.state] += 1
            around.append(name)
        return around

    def _shown(self, node_id: str) -> NodeState:
        """How a node is shown to stand: one in which something stands still or has failed says so."""
        counts = self._inside.get(node_id)
        for state in ("stopped", "failed") if counts else ():
            if counts is not None and counts[state] > 0:
                return NodeState(state, "inside", f"{counts[state]} inside {_INSIDE[state]}")
        return self._states.get(node_id, _IDLE)

    def show_labels(self, labels: Mapping[str, str]) -> None:
        """Show texts on connections; those not named stay as they are."""
        self._labels |= labels
        for key, label in labels.items():
            line = self.lines.get(key)
            if line is not None and line.label != label:
                line.label = label
                line.update()

    def forget_run(self) -> None:
        """Every node idle, no texts on connections."""
        self.show_states(dict.fromkeys(list(self._states), _IDLE))
        self._states.clear()
        self._inside.clear()
        self.show_labels(dict.fromkeys(self.lines, ""))
        self._labels.clear()

    def running(self) -> list[NodeCard]:
        """The cards whose sign turns."""
        return [self.cards[node_id] for node_id in self._running]

    def any_running(self) -> bool:
        """Whether a node runs."""
        return bool(self._running)

    # ------------------------------------------------------------------ emphasis
    def restyle(self) -> None:
        """Take the colours of another theme; the kept pictures are gone already."""
        self.far.restyle()

    def selected_cards(self) -> list[NodeCard]:
        """The selected cards."""
        return [card for card in self.scene.selectedItems() if isinstance(card, NodeCard)]

    def emphasised_lines(self) -> list[ConnectionLine]:
        """The chosen, hovered and near connections."""
        near = {line.view.key: line for card in self.selected_cards() for line in card.lines()}
        for line in self._viewer.marked_lines():
            near[line.view.key] = line
        return list(near.values())


def united(rects: Iterable[QRectF]) -> QRectF:
    """The rectangle around rectangles."""
    result = QRectF()
    for rect in rects:
        result = result.united(rect)
    return result
