"""The part of a card that a run does not change: ground, heading, ports, badges. It is painted once and kept."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QPainter, QPainterPath

from kailash_studio.desktop.canvas import signs
from kailash_studio.desktop.canvas.metrics import FOOT, HEAD, PORT, RADIUS, WIDTH

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.card import NodeCard
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.port import PortDot
    from kailash_studio.desktop.canvas.view import Badge

NOTE_WIDTH = 96
_BORDERS = {
    "running": "accent",
    "failed": "red",
    "succeeded": "green",
    "cancelled": "amber",
    "stopped": "purple",
    "stale": "amber",
} | dict.fromkeys(("retrying", "recovered"), "amber")
_NOTE_STEP = 8
_TEXT_LEFT = 50.0
_LABEL_ROOM = 92.0
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_ELIDE = Qt.TextElideMode.ElideRight


def draw(painter: QPainter, paper: Paper, card: NodeCard, *, small: bool) -> None:
    """Draw a card without its border and state.

    Args:
        painter: In the card's coordinates.
        paper: Colours, fonts, icons.
        card: The card.
        small: The zoom is too low for more than a title.
    """
    if card.view.room is None:
        _draw_ground(painter, paper, card)
    else:
        _draw_frame_ground(painter, paper, card)
    category = paper.theme.category_colour(card.view.category)
    tile = QRectF(11, 11, 30, 30)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(paper.brush(category, 40))
    painter.drawRoundedRect(tile, 7, 7)
    paper.icon(painter, card.view.icon, category, tile.adjusted(6, 6, -6, -6))
    if small:
        _draw_large_title(painter, paper, card)
    else:
        _draw_heading(painter, paper, card)
        _draw_badges(painter, paper, card)
    if card.view.breakpoint:
        signs.breakpoint_mark(painter, paper, QPointF(0, HEAD / 2), on=card.view.breakpoint == "on")
    for dot in card.ports():
        _draw_port(painter, paper, dot)
        if not small:
            _draw_label(painter, paper, dot)


def draw_frame(painter: QPainter, paper: Paper, card: NodeCard) -> None:
    """Draw a card's border; the painter is in the card's coordinates."""
    token, known, selected = _BORDERS.get(card.state.state), card.view.known, card.isSelected()
    strong = selected or token in {"accent", "red", "amber", "purple"}
    style = Qt.PenStyle.SolidLine if known else Qt.PenStyle.CustomDashLine
    if selected:
        pen = paper.pen("accent", 255, 1.8, style)
    elif token is not None:
        pen = paper.pen(token, 220 if strong else 110, 1.8 if strong else 1.0, style)
    elif not known:
        pen = paper.pen("amber", 220, 1.4, style)
    else:
        pen = paper.pen("border2")
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(QRectF(0.5, 0.5, card.card_width - 1, card.card_height - 1), RADIUS, RADIUS)


def note_room(paper: Paper, note: str) -> int:
    """Room that the type's name leaves for a note, in steps, so that a changing time seldom changes the picture."""
    if not note:
        return 0
    return min(NOTE_WIDTH, -int(-paper.note_width(note) // _NOTE_STEP) * _NOTE_STEP) + 4


def _draw_ground(painter: QPainter, paper: Paper, card: NodeCard) -> None:
    w, h = WIDTH, card.card_height
    painter.setPen(Qt.PenStyle.NoPen)
    for spread, alpha in ((7, 9), (4, 15), (2, 21)):
        painter.setBrush(paper.brush("shadow", alpha))
        painter.drawRoundedRect(
            QRectF(-spread / 2, 1, w + spread, h + spread * 0.7), RADIUS + spread / 2, RADIUS + spread / 2
        )
    rect = QRectF(0, 0, w, h)
    painter.setBrush(paper.brush("node"))
    painter.drawRoundedRect(rect, RADIUS, RADIUS)
    painter.fillPath(_head_path(), paper.brush("node_head"))
    painter.fillRect(QRectF(1, HEAD - 1, w - 2, 1), paper.colour("border"))
    if card.view.badges:
        painter.fillRect(QRectF(1, h - FOOT, w - 2, 1), paper.colour("border"))


def _draw_frame_ground(painter: QPainter, paper: Paper, card: NodeCard) -> None:
    """The ground of a frame: one sees through it, and its heading is that of a card."""
    rect = QRectF(0, 0, card.card_width, card.card_height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(paper.brush("panel", 150))
    painter.drawRoundedRect(rect, RADIUS, RADIUS)
    painter.save()
    painter.setClipRect(QRectF(0, 0, card.card_width, HEAD), Qt.ClipOperation.IntersectClip)
    painter.setBrush(paper.brush("node_head"))
    painter.drawRoundedRect(rect, RADIUS, RADIUS)
    painter.restore()
    painter.fillRect(QRectF(1, HEAD - 1, card.card_width - 2, 1), paper.colour("border"))


@cache
def _head_path() -> QPainterPath:
    """The heading: round above, straight below."""
    path = QPainterPath(QPointF(0, HEAD))
    path.lineTo(0, RADIUS)
    path.arcTo(0, 0, 2 * RADIUS, 2 * RADIUS, 180, -90)
    path.lineTo(WIDTH - RADIUS, 0)
    path.arcTo(WIDTH - 2 * RADIUS, 0, 2 * RADIUS, 2 * RADIUS, 90, -90)
    path.lineTo(WIDTH, HEAD)
    path.closeSubpath()
    return path


def _draw_heading(painter: QPainter, paper: Paper, card: NodeCard) -> None:
    font, metrics = paper.font(13, QFont.Weight.DemiBold)
    painter.setFont(font)
    painter.setPen(paper.pen("text"))
    room = card.card_width - _TEXT_LEFT - 32
    title = metrics.elidedText(card.view.title, _ELIDE, room)
    painter.drawText(QRectF(_TEXT_LEFT, 8, room, 20), _LEFT, title)
    font, metrics = paper.font(11)
    painter.setFont(font)
    painter.setPen(paper.pen("text3"))
    room = card.card_width - _TEXT_LEFT - 12 - card.note_room
    painter.drawText(QRectF(_TEXT_LEFT, 28, room, 16), _LEFT, metrics.elidedText(card.view.type_name, _ELIDE, room))


def _draw_large_title(painter: QPainter, paper: Paper, card: NodeCard) -> None:
    font, metrics = paper.font(22, QFont.Weight.DemiBold)
    painter.setFont(font)
    painter.setPen(paper.pen("text"))
    room = card.card_width - _TEXT_LEFT - 8
    painter.drawText(QRectF(_TEXT_LEFT, 0, room, HEAD), _LEFT, metrics.elidedText(card.view.title, _ELIDE, room))


def _draw_port(painter: QPainter, paper: Paper, dot: PortDot) -> None:
    middle = QPointF(dot.x_offset, dot.y_offset)
    connected = bool(dot.connected_pipes)
    painter.setPen(paper.pen("canvas", 255, 2.0))
    painter.setBrush(paper.brush(dot.token if connected else "node"))
    shape(painter, middle, PORT / 2, many=dot.view.many)
    if not connected:
        painter.setPen(paper.pen(dot.token, 255, 1.6))
        shape(painter, middle, PORT / 2 - 1.2, many=dot.view.many)


def shape(painter: QPainter, middle: QPointF, radius: float, *, many: bool) -> None:
    """Draw a port's outline: a circle, or a capsule where many connections may end."""
    if many:
        tall = radius + 3
        rect = QRectF(middle.x() - radius, middle.y() - tall, 2 * radius, 2 * tall)
        painter.drawRoundedRect(rect, radius, radius)
    else:
        painter.drawEllipse(middle, radius, radius)


def _draw_label(painter: QPainter, paper: Paper, dot: PortDot) -> None:
    font, metrics = paper.font(11)
    painter.setFont(font)
    is_input = dot.x_offset == 0.0
    missing = is_input and dot.view.required and not dot.connected_pipes
    painter.setPen(paper.pen("text2"))
    text = metrics.elidedText(dot.view.name, _ELIDE, _LABEL_ROOM)
    top = dot.y_offset - 9
    if is_input:
        painter.drawText(QRectF(10, top, _LABEL_ROOM, 18), _LEFT, text)
        if missing:
            painter.setPen(paper.pen("amber"))
            painter.drawText(QRectF(12 + metrics.horizontalAdvance(text), top, 10, 18), _LEFT, "*")
    else:
        painter.drawText(QRectF(dot.x_offset - 10 - _LABEL_ROOM, top, _LABEL_ROOM, 18), _RIGHT, text)


def _draw_badges(painter: QPainter, paper: Paper, card: NodeCard) -> None:
    font, metrics = paper.font(10, QFont.Weight.Medium)
    x, y, right = 9.0, card.card_height - FOOT + 6, card.card_width - 9
    for index, badge in enumerate(card.view.badges):
        left_over = len(card.view.badges) - index
        width = metrics.horizontalAdvance(badge.text) + 25
        reserved = 26 if left_over > 1 else 0
        if x + width > right - reserved:
            if index == 0:  # the first one is always there, shortened
                _draw_badge(painter, paper, badge, QRectF(x, y, right - reserved - x, 17))
                x, left_over = right - reserved + 5, left_over - 1
            if left_over:
                painter.setFont(font)
                painter.setPen(paper.pen("text3"))
                painter.drawText(QRectF(x, y, 26, 17), _LEFT, f"+{left_over}")
            return
        _draw_badge(painter, paper, badge, QRectF(x, y, width, 17))
        x += width + 5


def _draw_badge(painter: QPainter, paper: Paper, badge: Badge, rect: QRectF) -> None:
    font, metrics = paper.font(10, QFont.Weight.Medium)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(paper.brush(badge.token, 30))
    painter.drawRoundedRect(rect, 4.5, 4.5)
    paper.icon(painter, badge.icon, badge.token, QRectF(rect.x() + 5, rect.y() + 3, 11, 11))
    painter.setFont(font)
    painter.setPen(paper.pen(badge.token))
    room = rect.width() - 24
    painter.drawText(rect.adjusted(19, 0, 0, 0), _LEFT, metrics.elidedText(badge.text, _ELIDE, room + 1))
