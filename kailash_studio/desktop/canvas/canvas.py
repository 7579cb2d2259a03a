"""The canvas widget: plain data in, signals out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QImage, QPainter, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from kailash_studio.desktop.canvas.drawing import FallbackRefusal, Refusal
from kailash_studio.desktop.canvas.gestures import Table
from kailash_studio.desktop.canvas.hands import NODE_TYPE_MIME, CanvasHands
from kailash_studio.desktop.canvas.metrics import DOTS, SMALL, WIDTH, height, snapped
from kailash_studio.desktop.canvas.minimap import Minimap
from kailash_studio.desktop.canvas.paper import Paper
from kailash_studio.desktop.canvas.selection import Selection
from kailash_studio.desktop.canvas.store import Store
from kailash_studio.desktop.canvas.view import ConnectionView, NodeState, NodeView
from kailash_studio.desktop.canvas.viewer import StudioViewer
from kailash_studio.desktop.canvas.zoom_bar import ZoomBar

if TYPE_CHECKING:
    from kailash_studio.desktop.icons import Icons
    from kailash_studio.desktop.theme import Theme

__all__ = ["NODE_TYPE_MIME", "Canvas"]

_TURN_MS = 66
_TURN_DEGREES = 24
_ZOOM_STEP = 1.2
_EDGE = 14
_LEAST_WIDTH_FOR_MAP = 520
_LARGEST_PICTURE = 8000
_MOST_REVEALED = 50


class Canvas(QWidget):
    """Draws a workflow's graph and tells what the user means by a gesture. It changes the graph only when told to.

    There is one exception: cards follow the mouse while they are dragged. ``nodes_moved`` tells where they are then; a
    host that does not agree calls ``move_node``.

    Attributes:
        refusal: Asked with (from node, output, to node, input) while a connection is drawn: why not, or none.
        still: Signs of running nodes stand still: what is shown is not happening now.
        fallback_refusal: Asked with (node, its fallback) while a fallback is drawn: why not, or none.
        inside: Asked for the nodes inside of one, which move with it.
        type_fits_between: Asked with (node type, connection) whether a new node can be put on the connection.
        node_fits_between: Asked with (node, connection) whether a card can.
        reveal: Asked to put a node on the canvas that is not there because it is inside of another.

    Signals:
        type_dropped: A node type came from the palette: its name, and where the new card's corner belongs.
        type_dropped_between: A node type was dropped on a connection: its name, the key, and where the corner belongs.
        node_dropped_between: A card was dropped on a connection: the node, the key, and where its corner was let go.
        connection_drawn: From node, output, to node, input; also when the input is occupied.
        fallback_drawn: A node, and the one that shall take over when it fails.
        fallback_dropped_on_canvas: A node whose fallback is still to be chosen, and where a new card's corner belongs.
        connection_dropped_on_canvas: Node, port, whether it is an output, and where a new card's corner belongs.
        connection_selected: The selected connection's key, or an empty text.
        connection_delete_requested: A connection's key.
        delete_requested: The selected nodes shall go.
        nodes_moved: Places by node id, once at the end of a drag.
        selection_changed: The selected nodes' ids.
        node_activated: A node was double-clicked.
        output_activated: A click on an output, its label, or the pill of its connection: node, output.
        quick_add_requested: Where a new card's corner belongs.
        context_menu_requested: Where on the screen, the node's id and the connection's key, each empty if none.
        zoom_changed: 1.0 is 100 %.
        drag_message: Why a connection cannot end where the cursor is, or an empty text.
    """

    type_dropped = Signal(str, float, float)
    type_dropped_between = Signal(str, str, float, float)
    node_dropped_between = Signal(str, str, float, float)
    connection_drawn = Signal(str, str, str, str)
    fallback_drawn = Signal(str, str)
    fallback_dropped_on_canvas = Signal(str, float, float)
    connection_dropped_on_canvas = Signal(str, str, bool, float, float)  # type: ignore[var-annotated]  # stubs end at 4
    connection_selected = Signal(str)
    connection_delete_requested = Signal(str)
    delete_requested = Signal()
    nodes_moved = Signal(dict)
    selection_changed = Signal(list)
    node_activated = Signal(str)
    output_activated = Signal(str, str)
    quick_add_requested = Signal(float, float)
    context_menu_requested = Signal(QPoint, str, str)
    zoom_changed = Signal(float)
    drag_message = Signal(str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.refusal: Refusal = lambda *_ends: None
        self.fallback_refusal: FallbackRefusal = lambda *_ends: None
        self.still = False
        self.inside: Callable[[str], Iterable[str]] = lambda _node: ()
        self.type_fits_between: Callable[[str, str], bool] = lambda *_on: False
        self.node_fits_between: Callable[[str, str], bool] = lambda *_on: False
        self.reveal: Callable[[str], None] = lambda _node: None
        self._paper = Paper(theme, icons)
        self._viewer = StudioViewer(self._paper, self)
        self._store = Store(self._viewer, self._paper)
        self.selected = Selection(self._store, self._viewer, self.selection_changed.emit, self.connection_selected.emit)
        self._hands = CanvasHands(Table(self, self._viewer, self._store, self._paper))
        self._viewer.serve(self._hands)
        self._map = Minimap(self._viewer, self._store, self._paper, self)
        self._zoom_bar = ZoomBar(
            self._paper, self, less=self.zoom_out, reset=self.zoom_reset, more=self.zoom_in, fit=self.fit
        )
        self._watermark = QLabel(self)
        self._watermark.setObjectName("watermark")
        self._watermark.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._watermark.hide()
        self._turn = QTimer(self, interval=_TURN_MS)
        self._turn.timeout.connect(self._turn_signs)
        self._angle = 0
        self._last_zoom = 0.0
        self._disposed = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._viewer)
        self.setFocusProxy(self._viewer)
        self._viewer.viewed.connect(self._view_changed)
        self._viewer.altered.connect(self._graph_changed)
        theme.changed.connect(self._restyle)
        self._view_changed()
        self._graph_changed()

    @property
    def viewer(self) -> StudioViewer:
        """The view; for tests and for the window's focus."""
        return self._viewer

    @property
    def store(self) -> Store:
        """The cards and connections; for tests and measurements."""
        return self._store

    # ------------------------------------------------------------------ the graph
    def set_graph(self, nodes: Iterable[NodeView], connections: Iterable[ConnectionView]) -> None:
        """Show another graph, and no run.

        Raises:
            LookupError: A connection's end is not among the nodes.
        """
        self._hands.stop()
        self._store.replace(nodes, connections)
        self.selected.settle()
        self._show_turning()

    def put_many(self, nodes: Iterable[NodeView], connections: Iterable[ConnectionView]) -> None:
        """Add many at once to what is shown.

        Raises:
            LookupError: A connection's end is not on the canvas.
        """
        self._store.put_many(nodes, connections)

    def clear(self) -> None:
        """Show nothing."""
        self.set_graph((), ())

    def put_node(self, node: NodeView) -> None:
        """Add a node, or show its new data in place."""
        self._store.put_node(node)

    def remove_node(self, node_id: str) -> None:
        """Take a node away, with its connections."""
        self._hands.stop()
        self._store.remove_node(node_id)
        self.selected.settle()

    def put_connection(self, connection: ConnectionView) -> None:
        """Add a connection, or replace the one with its key.

        Raises:
            LookupError: One of its ends is not on the canvas.
        """
        self._store.put_connection(connection)

    def select_connection(self, key: str) -> None:
        """Select a connection and nothing else."""
        line = self._store.lines.get(key)
        if line is not None:
            self.selected.choose(line)

    def chosen_connection(self) -> str:
        """The key of the selected connection, or an empty text."""
        chosen = self._viewer.chosen
        return chosen.view.key if chosen is not None else ""

    def remove_connection(self, key: str) -> None:
        """Take a connection away."""
        chosen = self._viewer.chosen
        self._store.remove_connection(key)
        if chosen is not None and chosen.view.key == key:
            self.connection_selected.emit("")

    def move_node(self, node_id: str, x: float, y: float) -> None:
        """Move a node."""
        self._store.move_node(node_id, x, y)

    def dispose(self) -> None:
        """End the library's objects in an order that it survives; the canvas is not used any more after this."""
        if self._disposed:
            return
        self._disposed = True
        self._turn.stop()
        self._map.stop()
        self._hands.stop()
        self._paper.theme.changed.disconnect(self._restyle)
        self._store.dispose()
        self.hide()
        self.deleteLater()

    def hide_node(self, node_id: str) -> None:
        """Take a node away that is inside of another; how it stands in the run is still known."""
        self._hands.stop()
        self._store.remove_node(node_id, forget=False)
        self.selected.settle()

    # ------------------------------------------------------------------ the run
    def set_states(self, states: Mapping[str, NodeState]) -> None:
        """Show how nodes stand; those not named stay as they are."""
        changed = self._store.show_states(states)
        if changed:
            self._map.recolour(changed)
            self._show_turning()

    def state(self, node_id: str) -> NodeState:
        """How a node is said to stand."""
        return self._store.state(node_id)

    def set_labels(self, labels: Mapping[str, str]) -> None:
        """Show texts on connections by key; those not named stay as they are."""
        self._store.show_labels(labels)

    def set_watermark(self, text: str) -> None:
        """Say across the canvas what kind of run is shown; empty for a real one."""
        self._watermark.setText(text)
        self._watermark.setVisible(bool(text))
        self._place_overlays()

    def clear_run(self) -> None:
        """Show no run."""
        self._store.forget_run()
        self._map.stale()
        self._show_turning()
        self._viewer.viewport().update()

    def _show_turning(self) -> None:
        """The one timer of all signs runs while a node runs and the canvas is seen."""
        turning = not self.still and self.isVisible() and self._store.any_running()
        if turning != self._turn.isActive():
            if turning:
                self._turn.start()
            else:
                self._turn.stop()

    def _turn_signs(self) -> None:
        self._angle = (self._angle + _TURN_DEGREES) % 360
        if self._viewer.zoom() < SMALL:  # signs are not painted from far
            return
        visible = self._viewer.visible()
        for card in self._store.running():
            if card.body().intersects(visible):
                card.turn(self._angle)

    # ------------------------------------------------------------------ selection
    def select(self, ids: Iterable[str]) -> None:
        """Select these nodes and no others."""
        wanted = list(ids)
        for node_id in wanted[:_MOST_REVEALED]:
            self._bring(node_id)
        self.selected.set(wanted)
        if not self.selected.ids():
            self.selected.choose(None)

    def _bring(self, node_id: str) -> None:
        if node_id not in self._store.cards:
            self.reveal(node_id)

    def selection(self) -> list[str]:
        """The selected nodes' ids."""
        return self.selected.ids()

    # ------------------------------------------------------------------ the view
    def center_on(self, node_id: str) -> None:
        """Show a node in the middle, large enough to be read."""
        self._bring(node_id)
        self._viewer.look_at(self._store.cards[node_id].grip(), max(self._viewer.zoom(), 0.6))

    def show_node(self, node_id: str) -> None:
        """Bring a node into view, where it is not seen whole."""
        self._bring(node_id)
        if not self._viewer.visible().contains(self._store.cards[node_id].grip()):
            self.center_on(node_id)

    def show_whole(self, node_id: str) -> None:
        """Show all of a card or frame, smaller where that is needed."""
        body = self._store.cards[node_id].body()
        if not self._viewer.visible().contains(body):
            self._viewer.fit(body, self._viewer.zoom())

    def fit(self) -> None:
        """Show the whole graph."""
        self._viewer.fit(self._store.extent())

    def zoom_in(self) -> None:
        """Show it larger."""
        self._hands.zoom_by(_ZOOM_STEP)

    def zoom_out(self) -> None:
        """Show more of it."""
        self._hands.zoom_by(1 / _ZOOM_STEP)

    def zoom_reset(self) -> None:
        """Show it at 100 %."""
        self._viewer.zoom_to(1.0)

    def zoom(self) -> float:
        """1.0 is 100 %."""
        return self._viewer.zoom()

    def add_position(self) -> tuple[float, float]:
        """A free place for a new card: right of the selected one, else in the middle of what is shown."""
        ids = self.selected.ids()
        if ids:
            body = self._store.cards[ids[-1]].body()
            x, y = body.right() + 72, body.top()
        else:
            middle = self._viewer.visible().center()
            x, y = middle.x() - WIDTH / 2, middle.y() - 60
        return self._free_place(x, y, self._store.cards[ids[-1]].body() if ids else QRectF())

    def free_place(self, x: float, y: float, node_id: str = "") -> tuple[float, float]:
        """Where a card lies on no other, there or below; that of a node may be where it is."""
        return self._free_place(x, y, QRectF(x, y, 1, 1), node_id)

    def _free_place(self, x: float, y: float, mine: QRectF, node_id: str = "") -> tuple[float, float]:
        taken = [
            card.body().adjusted(-DOTS, -DOTS, DOTS, DOTS)
            for card in self._store.cards.values()
            # the frame that it is in is no other card
            if card.view.id != node_id and (card.view.room is None or not card.body().contains(mine))
        ]
        size = self._store.cards[node_id].body().size() if node_id else QSizeF(WIDTH, height(2, True))
        place = QRectF(QPointF(snapped(x), snapped(y)), size)
        while any(body.intersects(place) for body in taken):
            place.translate(0, DOTS)
        return snapped(place.left()), snapped(place.top())

    def frame_at(self, x: float, y: float) -> str:
        """The innermost frame that a place is in; empty for none."""
        around = [c for c in self._store.cards.values() if c.view.room is not None and c.body().contains(x, y)]
        return min(around, key=lambda card: card.card_width * card.card_height).view.id if around else ""

    def image(self) -> QImage:
        """A picture of the whole graph, at twice the size where that is not too large."""
        extent = self._store.extent().adjusted(-40, -40, 40, 40)
        scale = min(2.0, _LARGEST_PICTURE / max(extent.width(), extent.height()))
        image = QImage((extent.size() * scale).toSize(), QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(self._paper.colour("canvas"))
        self._paper.ratio = 1.0
        painter = QPainter(image)
        painter.setRenderHints(self._viewer.renderHints())
        self._viewer.scene().render(painter, QRectF(image.rect()), extent)
        painter.end()
        return image

    # ------------------------------------------------------------------ following
    def _view_changed(self) -> None:
        zoom = self._viewer.zoom()
        if zoom != self._last_zoom:
            self._last_zoom = zoom
            self._zoom_bar.show_zoom(zoom)
            self.zoom_changed.emit(zoom)
        self._map.update()

    def _graph_changed(self) -> None:
        self._map.stale()
        self._place_overlays()

    def _place_overlays(self) -> None:
        self._map.setVisible(bool(self._store.cards) and self.width() >= _LEAST_WIDTH_FOR_MAP)
        self._map.move(self.width() - self._map.width() - _EDGE, self.height() - self._map.height() - _EDGE)
        mark = self._watermark.sizeHint()
        self._watermark.resize(mark)
        self._watermark.move((self.width() - mark.width()) // 2, _EDGE)
        bar = self._zoom_bar.sizeHint()
        self._zoom_bar.resize(bar)
        self._zoom_bar.move(_EDGE, self.height() - bar.height() - _EDGE)

    def _restyle(self) -> None:
        self._paper.refresh()
        self._viewer.restyle()
        self._store.restyle()
        self._zoom_bar.restyle()
        self._map.stale()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the overlays in their corners."""
        self._place_overlays()

    def showEvent(self, event: QShowEvent) -> None:
        """Turn the signs again."""
        self._show_turning()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let the signs rest."""
        self._show_turning()

    def sizeHint(self) -> QSize:
        """Room for a few cards."""
        return QSize(900, 560)
