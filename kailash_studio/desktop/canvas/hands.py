"""Turns the viewer's events into gestures and the canvas' signals."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QMimeData, QPointF, QRectF, Qt
from PySide6.QtGui import (
    QContextMenuEvent,
    QCursor,
    QDragMoveEvent,
    QDropEvent,
    QInputDevice,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QWheelEvent,
)

from kailash_studio.desktop.canvas.gestures import (
    Band,
    Connect,
    Cut,
    DrawFallback,
    Gesture,
    MoveCards,
    Nudge,
    Pan,
    PickLine,
    Table,
)
from kailash_studio.desktop.canvas.line import ConnectionLine
from kailash_studio.desktop.canvas.metrics import HEAD, RADIUS, WIDTH, height, snapped

NODE_TYPE_MIME = "application/x-kailash-node-type"

_WHEEL = 1.0015
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_LEAP = 5
"""Steps of the grid with Shift."""
_PAN_STEP = 60
_Button = Qt.MouseButton
_Modifier = Qt.KeyboardModifier


class CanvasHands:
    """Takes the viewer's events."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._gesture: Gesture | None = None
        self._button = _Button.NoButton
        self._nudge = Nudge(table)
        self._space = False
        self._ghost: QPointF | None = None
        key, canvas = Qt.Key, table.canvas
        self._keys: dict[Qt.Key, Callable[[], bool | None]] = {
            key.Key_Escape: self._escape,
            key.Key_Delete: self._delete,
            key.Key_Backspace: self._delete,
            key.Key_Space: self._take_space,
            key.Key_Return: self._open,
            key.Key_Enter: self._open,
            key.Key_F: canvas.fit,
            key.Key_Home: canvas.fit,
            key.Key_Plus: canvas.zoom_in,
            key.Key_Equal: canvas.zoom_in,
            key.Key_Minus: canvas.zoom_out,
            key.Key_0: canvas.zoom_reset,
        }

    # ------------------------------------------------------------------ mouse
    def press(self, event: QMouseEvent) -> None:
        """Begin the gesture that belongs to what is under the mouse."""
        if self._gesture is not None:
            return
        self._nudge.finish()
        point, button, modifiers = event.position(), event.button(), event.modifiers()
        table = self._table
        if button == _Button.MiddleButton or (button == _Button.LeftButton and self._space):
            self._begin(Pan(table, point), button)
            return
        if button != _Button.LeftButton:
            return
        hit = table.viewer.hit(point)
        add = bool(modifiers & (_Modifier.ShiftModifier | _Modifier.ControlModifier))
        if hit.port is not None and not add:
            self._begin(Connect(table, hit.port, point), button)
        elif hit.card is not None and hit.failure and not add:
            self._begin(DrawFallback(table, hit.card, point), button)
        elif hit.card is not None:
            self._begin(MoveCards(table, hit.card, point, add=add), button)
        elif modifiers & _Modifier.AltModifier:
            self._begin(Cut(table, point), button)
        elif hit.line is not None:
            self._begin(PickLine(table, hit.line, on_pill=hit.on_pill and hit.line.view.kind == "data"), button)
        else:
            self._begin(Band(table, point, add=add), button)

    def _begin(self, gesture: Gesture, button: Qt.MouseButton) -> None:
        self._gesture, self._button = gesture, button

    def move(self, event: QMouseEvent) -> None:
        """Go on with the gesture, or emphasise what is under the mouse."""
        if self._gesture is not None:
            self._gesture.move(event.position())
            return
        hit = self._table.viewer.hit(event.position())
        self._table.viewer.hover(hit)
        if self._space:
            shape = Qt.CursorShape.OpenHandCursor
        elif hit.port is not None or hit.failure:
            shape = Qt.CursorShape.CrossCursor
        elif hit.line is not None:
            shape = Qt.CursorShape.PointingHandCursor
        else:
            shape = Qt.CursorShape.ArrowCursor
        self._cursor(shape)

    def _cursor(self, shape: Qt.CursorShape) -> None:
        viewport = self._table.viewer.viewport()
        if viewport.cursor().shape() != shape:
            viewport.setCursor(shape)

    def release(self, event: QMouseEvent) -> None:
        """End the gesture."""
        if self._gesture is None or event.button() != self._button:
            return
        gesture, self._gesture = self._gesture, None
        self._cursor(Qt.CursorShape.OpenHandCursor if self._space else Qt.CursorShape.ArrowCursor)
        gesture.finish(event.position())

    def double_click(self, event: QMouseEvent) -> None:
        """Open a node, or ask for a new one on the empty canvas."""
        if event.button() != _Button.LeftButton:
            return
        hit = self._table.viewer.hit(event.position())
        if hit.card is not None:
            self._table.canvas.node_activated.emit(hit.card.view.id)
        elif hit.line is None:
            self._quick_add(self._table.viewer.to_scene(event.position()))

    def _quick_add(self, at: QPointF) -> None:
        self._table.canvas.quick_add_requested.emit(snapped(at.x() - WIDTH / 2), snapped(at.y() - HEAD / 2))

    def wheel(self, event: QWheelEvent) -> None:
        """Zoom at the cursor; a trackpad that tells pixels pans."""
        viewer = self._table.viewer
        pixels, angle = event.pixelDelta(), event.angleDelta()
        zooming = event.modifiers() & _Modifier.ControlModifier
        # X11 fills in pixels for wheels as well: they count only from a device, or with a phase, that scrolls smoothly
        smooth = event.phase() != Qt.ScrollPhase.NoScrollPhase or (
            event.device() is not None and event.device().type() == QInputDevice.DeviceType.TouchPad
        )
        event.accept()
        if not pixels.isNull() and smooth and not zooming:
            viewer.pan(pixels.x(), pixels.y())
            return
        turned = angle.y() or angle.x()
        if turned:
            self.zoom_by(_WHEEL**turned, event.position())

    def zoom_by(self, factor: float, anchor: QPointF | None = None) -> None:
        """Zoom, resting at 100 % on the way."""
        viewer = self._table.viewer
        old, new = viewer.zoom(), viewer.zoom() * factor
        if (old - 1) * (new - 1) < 0 and abs(old - 1) > 1e-6:
            new = 1.0
        viewer.zoom_to(new, anchor)

    def context_menu(self, event: QContextMenuEvent) -> None:
        """Ask for a menu, for a node that is selected by that, a connection, or the canvas."""
        table = self._table
        ids = table.selection.ids()
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            card = table.store.cards[ids[-1]] if ids else None
            line = table.viewer.chosen if card is None else None
        else:
            hit = table.viewer.hit(QPointF(event.pos()))
            card, line = hit.card, hit.line
        if card is not None and card.view.id not in table.selection:
            table.selection.set([card.view.id])
        if line is not None:
            table.selection.choose(line)
        table.canvas.context_menu_requested.emit(
            event.globalPos(), card.view.id if card is not None else "", line.view.key if line is not None else ""
        )

    # ------------------------------------------------------------------ drops from the palette
    def drag(self, event: QDragMoveEvent) -> None:
        """Show where the node would be put."""
        if not event.mimeData().hasFormat(NODE_TYPE_MIME):
            event.ignore()
            return
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self._ghost = self._place(event.position())
        self._table.viewer.light(self._line_under(event))
        self._table.viewer.viewport().update()

    def drag_left(self) -> None:
        """Show nothing."""
        self._ghost = None
        self._table.viewer.light(None)
        self._table.viewer.viewport().update()

    def drop(self, event: QDropEvent) -> None:
        """Tell what was dropped where."""
        name = _type_name(event.mimeData())
        place, line = self._place(event.position()), self._line_under(event)
        self.drag_left()
        if not name:
            event.ignore()
            return
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self._table.viewer.setFocus(Qt.FocusReason.MouseFocusReason)
        if line is not None:
            self._table.canvas.type_dropped_between.emit(name, line.view.key, place.x(), place.y())
        else:
            self._table.canvas.type_dropped.emit(name, place.x(), place.y())

    def _line_under(self, event: QDropEvent) -> ConnectionLine | None:
        """The connection that what is dragged would be put on."""
        line = self._table.viewer.line_under(event.position())
        name = _type_name(event.mimeData())
        return line if line is not None and self._table.canvas.type_fits_between(name, line.view.key) else None

    def _place(self, point: QPointF) -> QPointF:
        """Where a card's corner is when the cursor holds the middle of its heading."""
        at = self._table.viewer.to_scene(point)
        return QPointF(snapped(at.x() - WIDTH / 2), snapped(at.y() - HEAD / 2))

    # ------------------------------------------------------------------ keys
    def tab(self) -> None:
        """Ask for a new node at the cursor, or at a free place when the cursor is elsewhere."""
        viewer = self._table.viewer
        point = QPointF(viewer.viewport().mapFromGlobal(QCursor.pos()))
        if viewer.underMouse() and viewer.viewport().rect().contains(point.toPoint()):
            self._quick_add(viewer.to_scene(point))
        else:
            self._table.canvas.quick_add_requested.emit(*self._table.canvas.add_position())

    def key_press(self, event: QKeyEvent) -> bool:
        """A key of the canvas.

        Returns:
            Whether it was one.
        """
        key, modifiers = Qt.Key(event.key()), event.modifiers() & ~_Modifier.KeypadModifier
        if key in _ARROWS and not modifiers & ~_Modifier.ShiftModifier:
            self._arrow(key, _LEAP if modifiers else 1)
            return True
        if key == Qt.Key.Key_A and modifiers == _Modifier.ControlModifier:
            self._table.selection.set(self._table.store.cards)
            return True
        action = self._keys.get(key)
        if action is None or modifiers & ~_Modifier.ShiftModifier:
            return False
        return action() is not False

    def _take_space(self) -> None:
        self._space = True
        if self._gesture is None:
            self._cursor(Qt.CursorShape.OpenHandCursor)

    def _open(self) -> bool:
        ids = self._table.selection.ids()
        if ids:
            self._table.canvas.node_activated.emit(ids[-1])
        return bool(ids)

    def _arrow(self, key: Qt.Key, steps: int) -> None:
        x, y = _ARROWS[key]
        if self._table.selection.ids():
            self._nudge.by(x * steps, y * steps)
        else:
            self._table.viewer.pan(-x * _PAN_STEP, -y * _PAN_STEP)

    def _delete(self) -> None:
        chosen = self._table.viewer.chosen
        if chosen is not None:
            self._table.canvas.connection_delete_requested.emit(chosen.view.key)
        elif self._table.selection.ids():
            self._table.canvas.delete_requested.emit()

    def _escape(self) -> bool:
        if self._gesture is not None:
            gesture, self._gesture = self._gesture, None
            gesture.cancel()
            self._cursor(Qt.CursorShape.ArrowCursor)
            return True
        if self._table.selection.ids() or self._table.viewer.chosen is not None:
            self._table.selection.choose(None)
            self._table.selection.set(())
            return True
        return False

    def key_release(self, event: QKeyEvent) -> bool:
        """A held key is let go.

        Returns:
            Whether it was one of the canvas.
        """
        if event.isAutoRepeat():
            return False
        if Qt.Key(event.key()) in _ARROWS:
            self._nudge.finish()
            return True
        if event.key() == Qt.Key.Key_Space:
            self._space = False
            if self._gesture is None:
                self._cursor(Qt.CursorShape.ArrowCursor)
            return True
        return False

    def lost(self) -> None:
        """The keyboard is elsewhere: no key is held any more."""
        self._nudge.finish()
        self._space = False

    def stop(self) -> None:
        """The graph is replaced: what was begun is about cards that are gone."""
        self._gesture = None
        self._nudge = Nudge(self._table)

    # ------------------------------------------------------------------ painting
    def paint(self, painter: QPainter) -> None:
        """Draw the gesture, or where a node would be put."""
        if self._gesture is not None:
            self._gesture.paint(painter)
        if self._ghost is not None:
            paper = self._table.paper
            painter.setPen(paper.pen("accent", 220, 1.6, Qt.PenStyle.CustomDashLine))
            painter.setBrush(paper.brush("accent", 24))
            painter.drawRoundedRect(QRectF(self._ghost.x(), self._ghost.y(), WIDTH, height(1, False)), RADIUS, RADIUS)


def _type_name(data: QMimeData) -> str:
    """The node type's name in what was dropped; empty when there is none that can be read."""
    if not data.hasFormat(NODE_TYPE_MIME):
        return ""
    raw = bytes(data.data(NODE_TYPE_MIME).data())
    return raw.decode("utf-8", errors="replace").strip()
