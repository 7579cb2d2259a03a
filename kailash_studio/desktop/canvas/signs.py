"""The small signs that are painted with paths: the state of a node and the mark of a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPolygonF

from kailash_studio.desktop.canvas.view import TURNING

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.view import Problem, State

STATE_TOKENS: dict[str, str] = {
    "queued": "text3",
    "running": "accent",
    "retrying": "amber",
    "recovered": "amber",
    "succeeded": "green",
    "failed": "red",
    "skipped": "text3",
    "cancelled": "amber",
    "stopped": "purple",
    "stale": "amber",
}


def state(painter: QPainter, paper: Paper, rect: QRectF, value: State, angle: int) -> None:
    """Draw the sign of a state; nothing for idle.

    Args:
        painter: In the card's coordinates.
        paper: Colours.
        rect: A square of about 18 units.
        value: The state.
        angle: Where the arc of a running node stands, in degrees.
    """
    token = STATE_TOKENS.get(value)
    if token is None:
        return
    disc = rect.adjusted(2, 2, -2, -2)
    c = disc.center()
    if value in {"succeeded", "recovered", "failed", "cancelled", "stopped"}:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(paper.brush(token))
        painter.drawEllipse(disc)
        painter.setPen(paper.pen("node_head", 255, 1.7))
        if value in {"succeeded", "recovered"}:
            painter.drawPolyline(QPolygonF([c + QPointF(-3, 0.3), c + QPointF(-0.8, 2.4), c + QPointF(3.2, -2.2)]))
        elif value == "stopped":
            for x in (-1.8, 1.8):
                painter.drawLine(c + QPointF(x, -2.6), c + QPointF(x, 2.6))
        elif value == "failed":
            painter.drawLine(c + QPointF(0, -3.4), c + QPointF(0, 0.6))
            painter.drawPoint(c + QPointF(0, 3.4))
        else:
            painter.drawLine(c + QPointF(-2.4, -2.4), c + QPointF(2.4, 2.4))
            painter.drawLine(c + QPointF(-2.4, 2.4), c + QPointF(2.4, -2.4))
        return
    painter.setBrush(Qt.BrushStyle.NoBrush)
    ring = disc.adjusted(0.8, 0.8, -0.8, -0.8)
    if value in TURNING:
        painter.setPen(paper.pen(token, 60, 2.0))
        painter.drawEllipse(ring)
        painter.setPen(paper.pen(token, 255, 2.0))
        painter.drawArc(ring, -angle * 16, 110 * 16)
        return
    painter.setPen(paper.pen(token, 255, 1.4))
    painter.drawEllipse(ring)
    if value in {"queued", "stale"}:
        painter.drawPolyline(QPolygonF([c + QPointF(0, -3.4), c, c + QPointF(2.4, 1.6)]))
    else:
        painter.drawLine(c + QPointF(-4, 4), c + QPointF(4, -4))


def problem(painter: QPainter, paper: Paper, rect: QRectF, token: str) -> None:
    """Draw the mark of a problem in a card's corner."""
    painter.setPen(paper.pen("canvas", 255, 2.0))
    painter.setBrush(paper.brush(token))
    painter.drawEllipse(rect.adjusted(1, 1, -1, -1))
    c = rect.center()
    painter.setPen(paper.pen("node", 255, 1.7))
    painter.drawLine(c + QPointF(0, -3.2), c + QPointF(0, 0.6))
    painter.drawPoint(c + QPointF(0, 3.2))


def breakpoint_mark(painter: QPainter, paper: Paper, centre: QPointF, *, on: bool) -> None:
    """Draw the disc of a breakpoint on a card's left edge or a connection; a ring when it is switched off."""
    painter.setPen(paper.pen("red" if not on else "canvas", 255, 2.0))
    painter.setBrush(paper.brush("red" if on else "canvas"))
    painter.drawEllipse(centre, 6.0, 6.0)


def token_of(value: State, mark: Problem, category: str) -> str:
    """The one colour of a node where there is room for no more: minimap, and the canvas from far."""
    if value in {"failed", "running", "retrying", "recovered", "cancelled", "stopped"}:
        return STATE_TOKENS[value]
    return "red" if mark == "error" else category
