"""What the canvas tells in passing: tooltips, the bubble at the cursor, lit ports, the words on an empty canvas."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QPainter

from kailash_studio.desktop.canvas.face import shape
from kailash_studio.desktop.canvas.metrics import HEAD, RADIUS

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.card import NodeCard
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.port import PortDot
    from kailash_studio.desktop.canvas.viewer import Hit

_BUBBLE_WIDTH = 300.0


def tip(hit: Hit, at: QPointF) -> str:
    """The tooltip of what is at a point in the scene; empty for none."""
    if hit.port is not None:
        view = hit.port.view
        needed = ", required" if view.required else ""
        doc = f"<br>{escape(view.doc)}" if view.doc else ""
        return f"<b>{escape(view.name)}</b> ({escape(view.data_type)}{needed}){doc}"
    if hit.card is not None and hit.failure:
        return f"Drag to the node that takes over when {escape(hit.card.view.title)} fails"
    if hit.card is not None:
        card = hit.card
        own = QPointF(at.x() - card.left, at.y() - card.top)
        if card.view.problem_text and card.problem_rect().adjusted(-3, -3, 3, 3).contains(own):
            return escape(card.view.problem_text)
        if card.state.tip and own.y() < HEAD:
            return escape(card.state.tip)
        dot = card.output_label_at(at.x(), at.y())
        return f"Click to see the rows of {escape(dot.view.name)}" if dot is not None and dot.view.name else ""
    if hit.line is not None:
        view_ = hit.line.view
        if view_.kind == "fallback":
            return f"{escape(view_.to_node)} takes over when {escape(view_.from_node)} fails"
        path = f" [{escape(view_.path)}]" if view_.path else ""
        return f"{escape(view_.from_node)}.{escape(view_.output)}{path} → {escape(view_.to_node)}.{escape(view_.input)}"
    return ""


def lit_port(painter: QPainter, paper: Paper, dot: PortDot, radius: float, glow: int) -> None:
    """Draw a port larger and glowing; the painter is in scene coordinates."""
    middle = dot.anchor()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(paper.brush(dot.token, glow))
    shape(painter, middle, radius + 5, many=dot.view.many)
    painter.setPen(paper.pen("canvas", 255, 2.0))
    painter.setBrush(paper.brush(dot.token))
    shape(painter, middle, radius, many=dot.view.many)


def failure_port(painter: QPainter, paper: Paper, at: QPointF, *, lit: bool) -> None:
    """Draw the port that a fallback is drawn from; the painter is in scene coordinates."""
    if lit:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(paper.brush("red", 70))
        painter.drawEllipse(at, 11, 11)
    painter.setPen(paper.pen("canvas", 255, 2.0))
    painter.setBrush(paper.brush("red"))
    painter.drawEllipse(at, 6.5 if lit else 5.0, 6.5 if lit else 5.0)


def dimmed_port(painter: QPainter, paper: Paper, dot: PortDot) -> None:
    """Draw a veil over a port that a connection cannot end at."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(paper.brush("node", 190))
    shape(painter, dot.anchor(), 6.0, many=dot.view.many)


def veil(painter: QPainter, paper: Paper, card: NodeCard) -> None:
    """Draw a veil over a card that a connection cannot end at."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(paper.brush("canvas", 120))
    painter.drawRoundedRect(card.body().adjusted(-6, -6, 6, 6), RADIUS + 6, RADIUS + 6)


def bubble(painter: QPainter, paper: Paper, at: QPointF, text: str, room: QRectF) -> None:
    """Draw a sentence beside the cursor, inside the viewport; the painter is in its coordinates."""
    font, metrics = paper.font(12)
    flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft
    words = metrics.boundingRect(QRectF(0, 0, _BUBBLE_WIDTH, 400), flags, text)
    rect = QRectF(at.x() + 16, at.y() + 14, words.width() + 38, words.height() + 14)
    rect.moveLeft(max(room.left() + 6, min(rect.left(), room.right() - rect.width() - 6)))
    if rect.bottom() > room.bottom() - 6:
        rect.moveBottom(at.y() - 12)
    painter.setPen(paper.pen("red", 170))
    painter.setBrush(paper.brush("raised", 246))
    painter.drawRoundedRect(rect, 6, 6)
    paper.icon(painter, "ban", "red", QRectF(rect.left() + 9, rect.top() + 8, 14, 14))
    painter.setFont(font)
    painter.setPen(paper.pen("text"))
    painter.drawText(rect.adjusted(29, 7, -8, -6), flags, text)


def empty(painter: QPainter, paper: Paper, room: QRectF) -> None:
    """Draw the words on an empty canvas; the painter is in the viewport's coordinates."""
    c = room.center()
    tile = QRectF(c.x() - 26, c.y() - 62, 52, 52)
    painter.setPen(paper.pen("border2", 255, 1.4, Qt.PenStyle.CustomDashLine))
    painter.setBrush(paper.brush("panel", 140))
    painter.drawRoundedRect(tile, 13, 13)
    paper.icon(painter, "plus", "text3", tile.adjusted(15, 15, -15, -15))
    centred = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
    font, _ = paper.font(15, QFont.Weight.DemiBold)
    painter.setFont(font)
    painter.setPen(paper.pen("text2"))
    painter.drawText(QRectF(room.left(), c.y() + 6, room.width(), 24), centred, "Drag a node here, or press Tab")
    font, _ = paper.font(12)
    painter.setFont(font)
    painter.setPen(paper.pen("text3"))
    words = "Draw from one port to another to connect two nodes"
    painter.drawText(QRectF(room.left(), c.y() + 32, room.width(), 20), centred, words)
