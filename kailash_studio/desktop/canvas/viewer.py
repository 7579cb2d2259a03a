"""The view of the graph: zoom and pan, background, what is under the mouse. Gestures are another module's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QGraphicsView, QToolTip, QWidget

from kailash_studio.desktop.canvas import hints
from kailash_studio.desktop.canvas.card import NodeCard
from kailash_studio.desktop.canvas.compat import NodeViewer
from kailash_studio.desktop.canvas.ground import Ground
from kailash_studio.desktop.canvas.line import ConnectionLine
from kailash_studio.desktop.canvas.metrics import FAR, LINE_REACH, PORT_REACH, SMALL, ZOOM_MAX, ZOOM_MIN

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.events import Hands
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.port import PortDot
    from kailash_studio.desktop.canvas.store import Store

_SCENE = QRectF(-1e6, -1e6, 2e6, 2e6)
_FIT_MARGIN = 48
_NO_GRID = 0
_DROP_REACH = 14  # px around a connection in which a card is dropped on it
_LOOSE = 3
"""How much larger than its parts a rectangle may be that is painted instead of them."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What is at a point: at most a card, or one of its ports (``failure``: that of a failure), or a connection."""

    card: NodeCard | None = None
    port: PortDot | None = None
    line: ConnectionLine | None = None
    on_pill: bool = False
    failure: bool = False


class StudioViewer(NodeViewer):
    """The library's viewer with its own zoom, pan, painting and hit test.

    Signals:
        viewed: Another part of the scene is shown, or at another zoom.
        altered: Something came, went or moved.
    """

    viewed = Signal()
    altered = Signal()

    def __init__(self, paper: Paper, parent: QWidget) -> None:
        super().__init__(parent)
        self._paper = paper
        self._store: Store | None = None
        self._bare = True
        self._hands: Hands | None = None
        self._pending: ConnectionLine | None = None
        self._hovered_line: ConnectionLine | None = None
        self._hovered_port: PortDot | None = None
        self._hovered_card = ""  # its id: the card may be gone when it is looked for
        self._hovered_failure = False
        self._chosen: ConnectionLine | None = None
        self._ground = Ground(paper)
        self._remove_stock_parts()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setCacheMode(QGraphicsView.CacheModeFlag.CacheNone)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.MinimalViewportUpdate)
        self.setOptimizationFlags(
            QGraphicsView.OptimizationFlag.DontSavePainterState
            | QGraphicsView.OptimizationFlag.DontAdjustForAntialiasing
        )
        self.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setSceneRect(_SCENE)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Canvas")
        self.look_at(QRectF(0, 0, 1, 1))

    def _remove_stock_parts(self) -> None:
        """Take away what the library would draw or answer by itself."""
        self.scene().grid_mode = _NO_GRID  # type: ignore[attr-defined]  # the library's scene
        self.scene().setBackgroundBrush(Qt.BrushStyle.NoBrush)  # the viewer paints the ground
        for item in (self._LIVE_PIPE, self._SLICER_PIPE, self._cursor_text):
            self.scene().removeItem(item)
        for widget in (self._search_widget, self._ctx_graph_menu, self._ctx_node_menu, self._ctx_menu_bar):
            widget.hide()
            widget.setParent(self)  # the search box has no parent, so it would outlive the viewer
            widget.deleteLater()
        self._rubber_band.deleteLater()

    def serve(self, hands: Hands) -> None:
        """Name who takes the events."""
        self._hands = hands

    def show_store(self, store: Store) -> None:
        """Name what is drawn."""
        self._store = store

    @property
    def store(self) -> Store:
        """What is drawn."""
        assert self._store is not None
        return self._store

    # ------------------------------------------------------------------ the library's hooks
    def _update_scene(self) -> None:
        """Nothing: the stock one fits the view to a rectangle and loses two pixels of it each time."""

    def context_menus(self) -> dict[str, QWidget]:
        """None of the library's."""
        return {}

    def establish_connection(self, start_port: PortDot, end_port: PortDot) -> None:  # type: ignore[override]
        """Every connection between ports, however made, comes through here."""
        line, self._pending = self._pending, None
        assert line is not None, "Connections are made by the store."
        line.set_connections(start_port, end_port)
        self.show_line(line)

    def connect_ports(self, line: ConnectionLine, output: PortDot, taken: PortDot) -> None:
        """Draw a connection between two ports."""
        self._pending = line
        self.establish_connection(output, taken)

    def show_line(self, line: ConnectionLine) -> None:
        """Draw a connection."""
        line.draw_path()
        self.scene().addItem(line)

    def forget(self, line: ConnectionLine | None) -> None:
        """Let go of a connection that is taken away, or of everything."""
        if line is None or self._hovered_line is line:
            self._hovered_line = None
        if line is None or self._chosen is line:
            self._chosen = None
        if line is None or (self._hovered_port is not None and line in self._hovered_port.connected_pipes):
            self._hovered_port = None

    # ------------------------------------------------------------------ zoom and pan
    def zoom(self) -> float:
        """How many pixels one unit of the scene takes."""
        return float(self.transform().m11())

    def to_scene(self, point: QPointF) -> QPointF:
        """A point of the viewport in the scene, without rounding."""
        zoom = self.zoom()
        return QPointF(
            (point.x() + self.horizontalScrollBar().value()) / zoom,
            (point.y() + self.verticalScrollBar().value()) / zoom,
        )

    def zoom_to(self, zoom: float, anchor: QPointF | None = None) -> None:
        """Set the zoom; what is at the anchor (by default the middle) stays where it is."""
        zoom = min(ZOOM_MAX, max(ZOOM_MIN, zoom))
        point = anchor if anchor is not None else QRectF(self.viewport().rect()).center()
        self._show(self.to_scene(point), point, zoom)

    def pan(self, dx: float, dy: float) -> None:
        """Move the content by pixels."""
        self.horizontalScrollBar().setValue(round(self.horizontalScrollBar().value() - dx))
        self.verticalScrollBar().setValue(round(self.verticalScrollBar().value() - dy))
        self.viewed.emit()

    def look_at(self, rect: QRectF, zoom: float | None = None) -> None:
        """Show the middle of a rectangle in the middle, at a zoom."""
        self._show(rect.center(), QRectF(self.viewport().rect()).center(), zoom or self.zoom())

    def fit(self, rect: QRectF, most: float = 1.0) -> None:
        """Show the whole of a rectangle, not larger than at 100 %, or at another zoom."""
        if rect.isEmpty():
            self.look_at(QRectF(0, 0, 1, 1), 1.0)
            return
        room = self.viewport().size()
        wide, tall = max(1, room.width() - 2 * _FIT_MARGIN), max(1, room.height() - 2 * _FIT_MARGIN)
        zoom = min(most, wide / rect.width(), tall / rect.height())
        self.look_at(rect, max(ZOOM_MIN, zoom))

    def visible(self) -> QRectF:
        """The part of the scene that is shown."""
        rect = QRectF(self.viewport().rect())
        return QRectF(self.to_scene(rect.topLeft()), self.to_scene(rect.bottomRight()))

    def _show(self, scene_point: QPointF, at: QPointF, zoom: float) -> None:
        if zoom != self.zoom():
            self.setTransform(QTransform.fromScale(zoom, zoom))
        self.horizontalScrollBar().setValue(round(scene_point.x() * zoom - at.x()))
        self.verticalScrollBar().setValue(round(scene_point.y() * zoom - at.y()))
        self.viewed.emit()

    def graph_changed(self) -> None:
        """Something came, went or moved: what is painted in batches is painted again, and words where nothing is."""
        self.repaint_far()
        bare = not self.store.cards
        if bare != self._bare:
            self._bare = bare
            self.viewport().update()
        self.altered.emit()

    # ------------------------------------------------------------------ what is where
    def hit(self, point: QPointF) -> Hit:
        """What is at a point of the viewport."""
        at, zoom = self.to_scene(point), self.zoom()
        reach = max(PORT_REACH, min(20.0, 8 / zoom))
        line_reach = max(LINE_REACH, 5 / zoom)
        cards, lines = self._near(at, max(reach, line_reach))
        if zoom >= FAR:
            for card in cards:
                port = card.port_near(at.x(), at.y(), reach)
                if port is not None:
                    return Hit(card, port)
                off = card.failure_point() - at
                if math.hypot(off.x(), off.y()) <= reach:
                    return Hit(card, failure=True)
        for card in cards:
            if card.grip().contains(at):
                return Hit(card)
        for line in lines:
            if line.pill().contains(at):
                return Hit(line=line, on_pill=True)
        nearest = min(lines, key=lambda line: line.distance(at.x(), at.y()), default=None)
        if nearest is not None and nearest.distance(at.x(), at.y()) <= line_reach:
            return Hit(line=nearest)
        return Hit()

    def line_under(self, point: QPointF, card: NodeCard | None = None) -> ConnectionLine | None:
        """The connection at a point of the viewport where a card lies on none other, or is that card."""
        at = self.to_scene(point)
        cards, lines = self._near(at, _DROP_REACH / self.zoom())
        if any(each is not card and each.view.room is None and each.grip().contains(at) for each in cards):
            return None
        lines = [line for line in lines if line.view.kind == "data"]
        nearest = min(lines, key=lambda line: line.distance(at.x(), at.y()), default=None)
        near = nearest is not None and nearest.distance(at.x(), at.y()) <= _DROP_REACH / self.zoom()
        return nearest if near else None

    def _near(self, at: QPointF, reach: float) -> tuple[list[NodeCard], list[ConnectionLine]]:
        square = QRectF(at.x() - reach, at.y() - reach, 2 * reach, 2 * reach)
        items = self.scene().items(square, Qt.ItemSelectionMode.IntersectsItemBoundingRect)
        return [i for i in items if isinstance(i, NodeCard)], [i for i in items if isinstance(i, ConnectionLine)]

    def cards_near(self, at: QPointF, reach: float) -> list[NodeCard]:
        """Cards within a distance of a point in the scene, topmost first."""
        return self._near(at, reach)[0]

    # ------------------------------------------------------------------ emphasis
    def light(self, line: ConnectionLine | None) -> None:
        """Emphasise the connection that something would be dropped on, and nothing else."""
        if line is not self._hovered_line:
            self.hover(Hit(line=line))

    def hover(self, hit: Hit) -> None:
        """Emphasise what is under the mouse."""
        if hit.line is not self._hovered_line:
            for line in (self._hovered_line, hit.line):
                if line is not None:
                    line.hovered = line is hit.line
                    line.update()
            self._hovered_line = hit.line
            self.repaint_far()
        card = hit.card.view.id if hit.card is not None else ""
        over = (hit.port, card, hit.failure)
        if over != (self._hovered_port, self._hovered_card, self._hovered_failure):
            self._hovered_port, self._hovered_card, self._hovered_failure = over
            self.viewport().update()

    def choose(self, line: ConnectionLine | None) -> None:
        """Emphasise the selected connection."""
        old, self._chosen = self._chosen, line
        for each in (old, line):
            if each is not None:
                each.chosen = each is line
                each.setZValue(0.0 if each.chosen else -1.0)
                each.update()
        self.repaint_far()

    @property
    def chosen(self) -> ConnectionLine | None:
        """The selected connection."""
        return self._chosen

    def marked_lines(self) -> Iterator[ConnectionLine]:
        """The hovered and the selected connection."""
        yield from (line for line in (self._hovered_line, self._chosen) if line is not None)

    def repaint_far(self, parts: Sequence[QRectF] | None = None) -> None:
        """Paint parts of the scene again, or all of it, when it is painted in batches; items repaint themselves."""
        if self.zoom() >= FAR:
            return
        if parts is None:
            self.viewport().update()
            return
        mapped = self.viewportTransform().mapRect
        rects = [mapped(part).toAlignedRect().adjusted(-1, -1, 1, 1) for part in parts]
        around = QRect()
        for rect in rects:
            around = around.united(rect)
        # one rectangle is painted faster than many, as long as it is not much larger than they are
        if _area(around) <= _LOOSE * sum(map(_area, rects)):
            self.viewport().update(around)
        else:
            for rect in rects:
                self.viewport().update(rect)

    # ------------------------------------------------------------------ painting
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint items one by one, or all of them in batches when the zoom is low."""
        self._paper.ratio = self.viewport().devicePixelRatioF()
        if self.zoom() >= FAR or self._store is None:
            super().paintEvent(event)
            return
        far, view = self._store.far, self.viewportTransform()
        painter = QPainter(self.viewport())  # which is clipped to the event's region
        painter.drawPixmap(0, 0, far.picture(view, self.viewport().size(), self._paper.ratio, self._lay_ground))
        painter.setTransform(view)
        far.paint_selected(painter)
        painter.setRenderHints(self.renderHints())
        self.drawForeground(painter, QRectF())
        painter.end()

    def drawBackground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        """Fill the ground and lay the dots, which move with the content."""
        self._lay_ground(painter)

    def _lay_ground(self, painter: QPainter) -> None:
        scrolled = QPointF(self.horizontalScrollBar().value(), self.verticalScrollBar().value())
        self._ground.paint(painter, QRectF(self.viewport().rect()), scrolled, self.zoom())

    def drawForeground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        """Draw what passes: the port under the mouse, a gesture, the hint on an empty canvas."""
        if self._hovered_port is not None:
            hints.lit_port(painter, self._paper, self._hovered_port, 6.5, 60)
        card = self._store.cards.get(self._hovered_card) if self._store is not None else None
        if card is not None and self.zoom() >= SMALL:
            hints.failure_port(painter, self._paper, card.failure_point(), lit=self._hovered_failure)
        if self._hands is not None:
            self._hands.paint(painter)
        if self._store is not None and not self._store.cards:
            painter.resetTransform()
            hints.empty(painter, self._paper, QRectF(self.viewport().rect()))

    def restyle(self) -> None:
        """Paint everything in the colours of another theme."""
        self._ground.forget()
        self.viewport().update()

    # ------------------------------------------------------------------ events, handed on
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a gesture."""
        if self._hands is not None:
            self._hands.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with a gesture, or hover."""
        if self._hands is not None:
            self._hands.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a gesture."""
        if self._hands is not None:
            self._hands.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open a node, or add one."""
        if self._hands is not None:
            self._hands.double_click(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom, or pan with a trackpad."""
        if self._hands is not None:
            self._hands.wheel(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys of the canvas; others go on to the window."""
        if self._hands is None or not self._hands.key_press(event):
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """End what a held key does."""
        if self._hands is None or not self._hands.key_release(event):
            event.ignore()

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab adds a node; Shift+Tab leaves the canvas."""
        if forward and self._hands is not None:
            self._hands.tab()
            return True
        return super().focusNextPrevChild(forward)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Nothing of the library's, which would fill its menu bar."""

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Let go of held keys."""
        if self._hands is not None:
            self._hands.lost()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask the host for a menu."""
        if self._hands is not None:
            self._hands.context_menu(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a node type."""
        self.dragMoveEvent(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Show where it would be put."""
        if self._hands is not None:
            self._hands.drag(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Show nothing any more."""
        if self._hands is not None:
            self._hands.drag_left()

    def dropEvent(self, event: QDropEvent) -> None:
        """Put a node type here."""
        if self._hands is not None:
            self._hands.drop(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the mouse."""
        self.hover(Hit())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the zoom; the stock one changes it."""
        QGraphicsView.resizeEvent(self, event)
        self.viewed.emit()

    def viewportEvent(self, event: QEvent) -> bool:
        """Tooltips and pinching."""
        kind = event.type()
        if kind == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            self._show_tip(event.globalPos(), QPointF(event.pos()))
            return True
        if kind == QEvent.Type.NativeGesture and isinstance(event, QNativeGestureEvent):
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
                self.zoom_to(self.zoom() * (1 + event.value()), event.position())
            return True
        if kind == QEvent.Type.Leave:
            self.hover(Hit())
        return super().viewportEvent(event)

    def _show_tip(self, where: QPoint, point: QPointF) -> None:
        text = hints.tip(self.hit(point), self.to_scene(point))
        if text:
            QToolTip.showText(where, text, self.viewport())
        else:
            QToolTip.hideText()


def _area(rect: QRect) -> int:
    return rect.width() * rect.height()
