"""A connection: its curve, its emphasis and the pill with the number of rows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsPathItem, QStyleOptionGraphicsItem, QWidget

from kailash_studio.desktop.canvas import signs
from kailash_studio.desktop.canvas.compat import PipeItem
from kailash_studio.desktop.canvas.metrics import FAILURE_X, HEAD, SMALL
from kailash_studio.desktop.canvas.view import ConnectionView

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.card import NodeCard
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.port import PortDot

_ABOVE_BACKGROUND = -1.0
_SAMPLES = tuple(i / 24 for i in range(25))
RESTING, DIMMED = 210, 60
"""How strong the colour of a connection is."""

Controls = tuple[QPointF, QPointF, QPointF, QPointF]


def curve(start: QPointF, end: QPointF) -> Controls:
    """Control points of the curve from an output to an input, both horizontal at their ends.

    Backwards, the handles stay long enough for the line to leave its card before it turns.
    """
    distance = end.x() - start.x()
    reach = max(36.0, distance * 0.48) if distance >= 0 else max(60.0, min(220.0, -distance * 0.6))
    return start, QPointF(start.x() + reach, start.y()), QPointF(end.x() - reach, end.y()), end


def fallback_curve(start: NodeCard, end: NodeCard) -> Controls:
    """Control points from the bottom of a card to its fallback's top when that is below, else to its left edge."""
    a = start.failure_point()
    if end.top > a.y() + 16:
        b = QPointF(end.left + FAILURE_X, end.top)
        reach = max(24.0, (b.y() - a.y()) * 0.5)
        return a, QPointF(a.x(), a.y() + reach), QPointF(b.x(), b.y() - reach), b
    b = QPointF(end.left, end.top + HEAD / 2)
    reach = max(40.0, abs(b.x() - a.x()) * 0.5)
    return a, QPointF(a.x(), a.y() + 60), QPointF(b.x() - reach, b.y()), b


class ConnectionLine(PipeItem):
    """The item of one connection.

    Attributes:
        view: What it connects.
        source: The card that gives.
        target: The card that takes.
        token: Its colour.
        label: Text of the pill; empty for none. Without one a fallback tells its place in the order of those tried.
        hovered: The mouse is on it.
        chosen: It is the selected connection.
        near: One of its cards is selected.
        dimmed: Nothing came along here in the run that is shown.
    """

    def __init__(self, view: ConnectionView, source: NodeCard, target: NodeCard, paper: Paper) -> None:
        QGraphicsPathItem.__init__(self)  # not PipeItem's: see compat
        self.setZValue(_ABOVE_BACKGROUND)
        self._input_port: PortDot | None = None
        self._output_port: PortDot | None = None
        self.view = view
        self.source, self.target = source, target
        self.token = "red" if view.kind == "fallback" else "text3"
        self.label = ""
        self.hovered = self.chosen = self.near = self.dimmed = False
        self._paper = paper
        self._controls: Controls = (QPointF(), QPointF(), QPointF(), QPointF())
        self._bounds = QRectF()
        self._sampled: list[tuple[float, float]] = []

    def set_connections(self, port1: PortDot, port2: PortDot) -> None:  # type: ignore[override]
        """Take the ports and the colour of what the output gives."""
        super().set_connections(port1, port2)
        self.token = port1.token

    def draw_path(self, *_ports: object) -> None:
        """Lay the curve anew after a card moved; the library's name for it."""
        if self.view.kind == "fallback":
            controls = fallback_curve(self.source, self.target)
        else:
            assert self._output_port is not None and self._input_port is not None
            controls = curve(self._output_port.anchor(), self._input_port.anchor())
        self._controls = controls
        a, b, c, d = controls
        path = QPainterPath(a)
        path.cubicTo(b, c, d)
        xs, ys = (a.x(), b.x(), c.x(), d.x()), (a.y(), b.y(), c.y(), d.y())
        left, top = min(xs), min(ys)
        self._bounds = QRectF(left, top, max(xs) - left, max(ys) - top).adjusted(-34, -12, 34, 12)  # 34: half a pill
        self._sampled = []
        self.setPath(path)

    # ------------------------------------------------------------------ geometry
    def boundingRect(self) -> QRectF:
        """The curve and the pill."""
        return self._bounds

    def shape(self) -> QPainterPath:
        """The curve; the stock one would stroke it for each question."""
        return self.path()

    def middle(self) -> QPointF:
        """Where the pill is."""
        a, b, c, d = self._controls
        return QPointF((a.x() + 3 * (b.x() + c.x()) + d.x()) / 8, (a.y() + 3 * (b.y() + c.y()) + d.y()) / 8)

    def pill(self) -> QRectF:
        """The rectangle of the pill, empty without a label."""
        text = self._pill_text()
        if not text:
            return QRectF()
        _, metrics = self._paper.font(10, QFont.Weight.Medium, True)
        width, middle = metrics.horizontalAdvance(text) + 12, self.middle()
        return QRectF(middle.x() - width / 2, middle.y() - 8, width, 16)

    def _pill_text(self) -> str:
        return self.label or (f"fallback {self.view.order}" if self.view.order else "")

    def _points(self) -> list[tuple[float, float]]:
        if not self._sampled:
            a, b, c, d = self._controls
            for t in _SAMPLES:
                u = 1 - t
                k0, k1, k2, k3 = u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t
                self._sampled.append(
                    (
                        k0 * a.x() + k1 * b.x() + k2 * c.x() + k3 * d.x(),
                        k0 * a.y() + k1 * b.y() + k2 * c.y() + k3 * d.y(),
                    )
                )
        return self._sampled

    def distance(self, x: float, y: float) -> float:
        """Distance of a point in the scene from the line."""
        points = self._points()
        nearest = float("inf")
        for (x1, y1), (x2, y2) in pairwise(points):
            dx, dy = x2 - x1, y2 - y1
            length = dx * dx + dy * dy
            t = max(0.0, min(1.0, ((x - x1) * dx + (y - y1) * dy) / length)) if length else 0.0
            nearest = min(nearest, (x1 + t * dx - x) ** 2 + (y1 + t * dy - y) ** 2)
        return float(nearest**0.5)

    def crossed_by(self, x1: float, y1: float, x2: float, y2: float) -> bool:
        """Whether a straight stroke crosses the line."""

        def side(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> bool:
            return (bx - ax) * (py - ay) > (by - ay) * (px - ax)

        points = self._points()
        return any(
            side(x1, y1, x2, y2, ax, ay) != side(x1, y1, x2, y2, bx, by)
            and side(ax, ay, bx, by, x1, y1) != side(ax, ay, bx, by, x2, y2)
            for (ax, ay), (bx, by) in pairwise(points)
        )

    # ------------------------------------------------------------------ drawing
    def stroke(self, *, small: bool = False) -> QPen:
        """The pen for its present emphasis; a hair line for those without when the zoom is low."""
        paper = self._paper
        style = Qt.PenStyle.CustomDashLine if self.view.kind == "fallback" else Qt.PenStyle.SolidLine
        if self.chosen:
            return paper.pen("accent_hi", 255, 3.2, style)
        if self.hovered:
            return paper.pen(self.token, 255, 3.0, style)
        if self.dimmed:
            return paper.pen(paper.mixed(self.token, DIMMED, "canvas"), 255, 0.0 if small else 1.8, style)
        if self.near:
            return paper.pen(self.token, 255, 2.4, style)
        return paper.pen(paper.mixed(self.token, RESTING, "canvas"), 255, 0.0 if small else 2.0, style)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the curve and the pill."""
        small = painter.worldTransform().m11() < SMALL
        painter.setPen(self.stroke(small=small))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(self.path())
        if self.view.kind == "fallback":
            self._draw_ends(painter)
        if self.view.breakpoint:
            before_end = self.path().pointAtPercent(0.85)  # where neither the pill nor the port is
            signs.breakpoint_mark(painter, self._paper, before_end, on=self.view.breakpoint == "on")
        if self._pill_text() and not small:
            self._draw_pill(painter)

    def _draw_ends(self, painter: QPainter) -> None:
        painter.setPen(self._paper.pen("canvas", 255, 2.0))
        painter.setBrush(self._paper.brush(self.token))
        for end in (self._controls[0], self._controls[3]):
            painter.drawEllipse(end, 4.5, 4.5)

    def _draw_pill(self, painter: QPainter) -> None:
        font, _ = self._paper.font(10, QFont.Weight.Medium, True)
        rect = self.pill()
        token = "accent_hi" if self.chosen else self.token
        painter.setPen(self._paper.pen(token, DIMMED if self.dimmed else 150))
        painter.setBrush(self._paper.brush("canvas"))
        painter.drawRoundedRect(rect, 8, 8)
        painter.setFont(font)
        painter.setPen(self._paper.pen("text3" if self.dimmed else "text2"))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, self._pill_text())
