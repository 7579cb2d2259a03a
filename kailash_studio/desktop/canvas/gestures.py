"""Mouse gestures: one object from press to release. They show what would happen and tell the canvas what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath

from kailash_studio.desktop.canvas import hints
from kailash_studio.desktop.canvas.compat import OUT
from kailash_studio.desktop.canvas.drawing import ConnectionDrag
from kailash_studio.desktop.canvas.line import fallback_curve
from kailash_studio.desktop.canvas.metrics import FAILURE_X, GRID, HEAD, RADIUS, ROW, WIDTH, snapped

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.canvas import Canvas
    from kailash_studio.desktop.canvas.card import NodeCard
    from kailash_studio.desktop.canvas.line import ConnectionLine
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.port import PortDot
    from kailash_studio.desktop.canvas.store import Store
    from kailash_studio.desktop.canvas.viewer import StudioViewer

START = 4.0
"""How many pixels the mouse moves before a press becomes a drag."""


class Gesture(Protocol):
    """What happens between a press and its release."""

    def move(self, point: QPointF) -> None:
        """The mouse is at a point of the viewport now."""

    def finish(self, point: QPointF) -> None:
        """The button was released."""

    def cancel(self) -> None:
        """Leave everything as it was."""

    def paint(self, painter: QPainter) -> None:
        """Draw what would happen; the painter is in scene coordinates."""


class Table:
    """What gestures work on: the canvas and its parts."""

    def __init__(self, canvas: Canvas, viewer: StudioViewer, store: Store, paper: Paper) -> None:
        self.canvas = canvas
        self.viewer = viewer
        self.store = store
        self.paper = paper
        self.selection = canvas.selected

    def with_inside(self, ids: Iterable[str]) -> list[str]:
        """Cards, and with a frame the cards that it is around."""
        found = dict.fromkeys(ids)
        for node_id in list(found):
            if self.store.cards[node_id].view.room is not None:
                found |= dict.fromkeys(i for i in self.canvas.inside(node_id) if i in self.store.cards)
        return list(found)


class _Quiet:
    """The parts that most gestures leave out."""

    def cancel(self) -> None:
        """Nothing was changed."""

    def paint(self, painter: QPainter) -> None:
        """Nothing to draw."""


class Pan(_Quiet):
    """Moves the view."""

    def __init__(self, table: Table, point: QPointF) -> None:
        self._table = table
        self._last = point
        table.viewer.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)

    def move(self, point: QPointF) -> None:
        """Move the content with the mouse."""
        self._table.viewer.pan(point.x() - self._last.x(), point.y() - self._last.y())
        self._last = point

    def finish(self, point: QPointF) -> None:
        """Stay here."""


class MoveCards(_Quiet):
    """Moves the selected cards on the grid; a press without a move is a click."""

    def __init__(self, table: Table, card: NodeCard, point: QPointF, *, add: bool) -> None:
        self._table = table
        self._card = card
        self._origin = point
        self._moving = False
        self._add = add
        self._was_selected = card.view.id in table.selection
        if add:
            table.selection.toggle(card.view.id)
        elif not self._was_selected:
            table.selection.set([card.view.id])
        moved = table.with_inside(table.selection.ids())
        self._line: ConnectionLine | None = None  # what it would be put on
        self._places = {i: (table.store.cards[i].left, table.store.cards[i].top) for i in moved}

    def move(self, point: QPointF) -> None:
        """Move by whole steps of the grid, so that the pressed card lies on it."""
        offset = point - self._origin
        if not self._moving and max(abs(offset.x()), abs(offset.y())) < START:
            return
        place = self._places.get(self._card.view.id)
        if place is None:  # Shift has just taken it out of the selection
            return
        self._moving = True
        zoom = self._table.viewer.zoom()
        dx = snapped(place[0] + offset.x() / zoom) - place[0]
        dy = snapped(place[1] + offset.y() / zoom) - place[1]
        for node_id, (x, y) in self._places.items():
            self._table.store.move_node(node_id, x + dx, y + dy)
        self._mark(self._line_under(point))

    def _line_under(self, point: QPointF) -> ConnectionLine | None:
        """The connection that the card would be put on, were it let go now."""
        line = self._table.viewer.line_under(point, self._card) if len(self._places) == 1 else None
        fits = line is not None and self._table.canvas.node_fits_between(self._card.view.id, line.view.key)
        return line if fits else None

    def _mark(self, line: ConnectionLine | None) -> None:
        self._line = line
        self._table.viewer.light(line)

    def finish(self, point: QPointF) -> None:
        """Tell where the cards are now, or what was clicked."""
        if not self._moving:
            self._click(point)
            return
        line, node_id = self._line, self._card.view.id
        self._mark(None)
        if line is not None and node_id in self._table.store.cards:
            card = self._table.store.cards[node_id]
            self._table.canvas.node_dropped_between.emit(node_id, line.view.key, card.left, card.top)
            return
        cards = self._table.store.cards
        moved = {
            node_id: (cards[node_id].left, cards[node_id].top)
            for node_id, place in self._places.items()
            if node_id in cards and (cards[node_id].left, cards[node_id].top) != place
        }
        if moved:
            self._table.canvas.nodes_moved.emit(moved)

    def _click(self, point: QPointF) -> None:
        if self._add:
            return
        if len(self._table.selection.ids()) > 1:
            self._table.selection.set([self._card.view.id])
        at = self._table.viewer.to_scene(point)
        dot = self._card.output_label_at(at.x(), at.y())
        if dot is not None:
            self._table.canvas.output_activated.emit(self._card.view.id, dot.view.name)

    def cancel(self) -> None:
        """Put the cards back."""
        self._mark(None)
        for node_id, place in self._places.items():
            if node_id in self._table.store.cards:
                self._table.store.move_node(node_id, *place)


class Connect:
    """Draws a connection; a press on an output without a move is a click on it."""

    def __init__(self, table: Table, port: PortDot, point: QPointF) -> None:
        self._table = table
        self._origin = point
        self._drag = ConnectionDrag(table.viewer, table.paper, port, point, table.canvas.refusal)
        self._drawing = False

    def move(self, point: QPointF) -> None:
        """Follow the mouse and tell why the connection cannot end where it is."""
        offset = point - self._origin
        if not self._drawing and max(abs(offset.x()), abs(offset.y())) < START:
            return
        self._drawing = True
        before = self._drag.reason
        self._drag.move(point)
        if self._drag.reason != before:
            self._table.canvas.drag_message.emit(self._drag.reason)
        self._table.viewer.viewport().update()

    def finish(self, point: QPointF) -> None:
        """Tell what was connected, or that it was dropped on the empty canvas."""
        drag, canvas = self._drag, self._table.canvas
        start = drag.start
        self.cancel()
        if not self._drawing:
            if start.port_type == OUT:
                canvas.output_activated.emit(start.card.view.id, start.view.name)
            return
        connection = drag.connection()
        if connection is not None:
            canvas.connection_drawn.emit(*connection)
        elif not drag.over_card:
            at = self._table.viewer.to_scene(point)
            is_output = start.port_type == OUT
            x = snapped(at.x() if is_output else at.x() - WIDTH)
            y = snapped(at.y() - HEAD - ROW / 2)
            canvas.connection_dropped_on_canvas.emit(start.card.view.id, start.view.name, is_output, x, y)

    def cancel(self) -> None:
        """Draw nothing any more."""
        if self._drag.reason:
            self._table.canvas.drag_message.emit("")
        self._table.viewer.viewport().update()

    def paint(self, painter: QPainter) -> None:
        """Draw the connection as it would be."""
        if self._drawing:
            self._drag.paint(painter)


class DrawFallback:
    """Draws from a card's failure port to the card that takes over; a press without a move selects the card."""

    def __init__(self, table: Table, card: NodeCard, point: QPointF) -> None:
        self._table, self._card, self._origin = table, card, point
        self._point = point
        self._over: NodeCard | None = None
        self._reasons: dict[str, str] = {}
        self._reason = ""
        self._drawing = False

    def move(self, point: QPointF) -> None:
        """Follow the mouse and tell why the card under it cannot take over."""
        offset = point - self._origin
        if not self._drawing and max(abs(offset.x()), abs(offset.y())) < START:
            return
        self._drawing, self._point = True, point
        over = self._table.viewer.hit(point).card
        self._over = over if over is not self._card else None
        before, self._reason = self._reason, self._why_not(self._over) if self._over is not None else ""
        if self._reason != before:
            self._table.canvas.drag_message.emit(self._reason)
        self._table.viewer.viewport().update()

    def _why_not(self, card: NodeCard) -> str:
        """Asked once for each card."""
        name = card.view.id
        if name not in self._reasons:
            self._reasons[name] = self._table.canvas.fallback_refusal(self._card.view.id, name) or ""
        return self._reasons[name]

    def finish(self, point: QPointF) -> None:
        """Tell what was drawn, or that it was dropped on the empty canvas."""
        table, node_id = self._table, self._card.view.id
        over, reason, drawing = self._over, self._reason, self._drawing
        self.cancel()
        if not drawing:
            table.selection.set([node_id])
        elif over is not None and not reason:
            table.canvas.fallback_drawn.emit(node_id, over.view.id)
        elif over is None and not self._card.body().contains(table.viewer.to_scene(point)):
            at = table.viewer.to_scene(point)
            table.canvas.fallback_dropped_on_canvas.emit(node_id, snapped(at.x() - FAILURE_X), snapped(at.y()))

    def cancel(self) -> None:
        """Draw nothing any more."""
        if self._reason:
            self._table.canvas.drag_message.emit("")
        self._drawing = False
        self._table.viewer.viewport().update()

    def paint(self, painter: QPainter) -> None:
        """Draw the dashed line, light up the card that would take over, and veil it when it cannot."""
        if not self._drawing:
            return
        paper, viewer = self._table.paper, self._table.viewer
        if self._over is not None and self._reason:
            hints.veil(painter, paper, self._over)
        elif self._over is not None:
            painter.setPen(paper.pen("red", 255, 2.0))
            painter.setBrush(paper.brush("red", 24))
            painter.drawRoundedRect(self._over.body().adjusted(-4, -4, 4, 4), RADIUS + 4, RADIUS + 4)
        at = viewer.to_scene(self._point)
        if self._over is not None and not self._reason:
            a, b, c, d = fallback_curve(self._card, self._over)
        else:
            a, d = self._card.failure_point(), at
            bend = max(24.0, abs(d.y() - a.y()) * 0.5)
            b, c = a + QPointF(0, bend), d - QPointF(0, bend if d.y() > a.y() else 0)
        path = QPainterPath(a)
        path.cubicTo(b, c, d)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(paper.pen("red", 255, 2.4, Qt.PenStyle.CustomDashLine))
        painter.drawPath(path)
        hints.failure_port(painter, paper, a, lit=True)
        hints.failure_port(painter, paper, d, lit=False)
        if self._reason:
            painter.resetTransform()
            hints.bubble(painter, paper, self._point, self._reason, QRectF(viewer.viewport().rect()))


class Band(_Quiet):
    """Selects what a rectangle touches; a press without a move selects nothing."""

    def __init__(self, table: Table, point: QPointF, *, add: bool) -> None:
        self._table = table
        self._origin = table.viewer.to_scene(point)
        self._rect = QRectF(self._origin, self._origin)
        self._before = table.selection.ids()
        self._kept = self._before if add else []
        if not add:
            table.selection.choose(None)
            table.selection.set(())

    def move(self, point: QPointF) -> None:
        """Select what the rectangle touches now."""
        self._rect = QRectF(self._origin, self._table.viewer.to_scene(point)).normalized()
        touched = [i for i, card in self._table.store.cards.items() if card.grip().intersects(self._rect)]
        self._table.selection.set([*self._kept, *touched])
        self._table.viewer.viewport().update()

    def finish(self, point: QPointF) -> None:
        """Keep the selection."""
        self._table.viewer.viewport().update()

    def cancel(self) -> None:
        """Take the former selection back."""
        self._table.selection.set(self._before)
        self._table.viewer.viewport().update()

    def paint(self, painter: QPainter) -> None:
        """Draw the rectangle."""
        painter.setPen(self._table.paper.pen("accent", 200, 0.0))
        painter.setBrush(self._table.paper.brush("accent", 28))
        painter.drawRect(self._rect)


class PickLine(_Quiet):
    """Selects a connection; a click on its pill asks for its rows."""

    def __init__(self, table: Table, line: ConnectionLine, *, on_pill: bool) -> None:
        self._table = table
        self._line = line
        self._on_pill = on_pill
        table.selection.choose(line)

    def move(self, point: QPointF) -> None:
        """Connections are not pulled off."""

    def finish(self, point: QPointF) -> None:
        """Ask for the rows."""
        if self._on_pill:
            self._table.canvas.output_activated.emit(self._line.view.from_node, self._line.view.output)


class Cut(_Quiet):
    """Asks to delete the connections that a straight stroke crosses."""

    def __init__(self, table: Table, point: QPointF) -> None:
        self._table = table
        self._from = self._to = table.viewer.to_scene(point)

    def move(self, point: QPointF) -> None:
        """Lengthen the stroke."""
        self._to = self._table.viewer.to_scene(point)
        self._table.viewer.viewport().update()

    def finish(self, point: QPointF) -> None:
        """Ask for each connection that was crossed."""
        self._table.viewer.viewport().update()
        stroke = (self._from.x(), self._from.y(), self._to.x(), self._to.y())
        crossed = [key for key, line in self._table.store.lines.items() if line.crossed_by(*stroke)]
        for key in crossed:
            self._table.canvas.connection_delete_requested.emit(key)

    def cancel(self) -> None:
        """Draw nothing any more."""
        self._table.viewer.viewport().update()

    def paint(self, painter: QPainter) -> None:
        """Draw the stroke."""
        painter.setPen(self._table.paper.pen("red", 255, 0.0, Qt.PenStyle.DashLine))
        painter.drawLine(self._from, self._to)


class Nudge:
    """Moves the selection with the arrow keys; told once, when the last key is let go."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._before: dict[str, tuple[float, float]] = {}

    def by(self, steps_x: int, steps_y: int) -> None:
        """Move by steps of the grid; the first step brings a card onto it."""
        store = self._table.store
        for node_id in self._table.with_inside(self._table.selection.ids()):
            card = store.cards[node_id]
            self._before.setdefault(node_id, (card.left, card.top))
            store.move_node(node_id, card.left + steps_x * GRID, card.top + steps_y * GRID)

    def finish(self) -> None:
        """Tell where the cards are now."""
        cards, before = self._table.store.cards, self._before
        self._before = {}
        moved = {
            node_id: (cards[node_id].left, cards[node_id].top)
            for node_id, place in before.items()
            if node_id in cards and (cards[node_id].left, cards[node_id].top) != place
        }
        if moved:
            self._table.canvas.nodes_moved.emit(moved)
