"""The gesture that draws a connection: where it may end, what it snaps to, and why not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath

from kailash_studio.desktop.canvas import hints
from kailash_studio.desktop.canvas.compat import OUT
from kailash_studio.desktop.canvas.line import curve
from kailash_studio.desktop.canvas.metrics import SNAP

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.card import NodeCard
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.port import PortDot
    from kailash_studio.desktop.canvas.viewer import StudioViewer

Refusal = Callable[[str, str, str, str], str | None]
FallbackRefusal = Callable[[str, str], str | None]

_SAME_NODE = "A node cannot take its own output."
_SAME_KIND = "Connect an output with an input."
_MOST_CARDS = 400
"""With more cards in sight, only those near the cursor are lit or veiled, so that a drag never stalls."""


class ConnectionDrag:
    """A connection that is being drawn.

    Attributes:
        start: Where it began.
        end: The legal port that it would end at now.
        reason: Why it cannot end where the cursor is; empty when it can, or on the empty canvas.
        point: The cursor in the viewport.
    """

    def __init__(self, viewer: StudioViewer, paper: Paper, start: PortDot, point: QPointF, refusal: Refusal) -> None:
        self.start = start
        self.end: PortDot | None = None
        self.reason = ""
        self.point = point
        self._viewer = viewer
        self._paper = paper
        self._refusal = refusal
        self._asked: dict[PortDot, str] = {}
        self._over: NodeCard | None = None

    @property
    def over_card(self) -> bool:
        """Whether the cursor is on a card."""
        return self._over is not None

    def connection(self) -> tuple[str, str, str, str] | None:
        """From node, output, to node, input; none where it cannot end."""
        return self._ends(self.end) if self.end is not None else None

    def _ends(self, other: PortDot) -> tuple[str, str, str, str]:
        output, taken = (self.start, other) if self.start.port_type == OUT else (other, self.start)
        return output.card.view.id, output.view.name, taken.card.view.id, taken.view.name

    def why_not(self, other: PortDot) -> str:
        """The reason for which the connection cannot end at a port; empty when it can. Asked once for each port."""
        known = self._asked.get(other)
        if known is None:
            if other.card is self.start.card:
                known = _SAME_NODE
            elif other.port_type == self.start.port_type:
                known = _SAME_KIND
            else:
                known = self._refusal(*self._ends(other)) or ""
            self._asked[other] = known
        return known

    def candidates(self, card: NodeCard) -> list[PortDot]:
        """The ports of a card at the other end's side."""
        return card.inputs if self.start.port_type == OUT else card.outputs

    def move(self, point: QPointF) -> None:
        """Follow the cursor: snap to a legal port near by, or to the one legal port of the card under it."""
        self.point = point
        at, reach = self._viewer.to_scene(point), max(SNAP, SNAP / self._viewer.zoom())
        near = [
            (math.hypot(dot.anchor().x() - at.x(), dot.anchor().y() - at.y()), dot)
            for card in self._viewer.cards_near(at, reach)
            for dot in card.ports()
            if dot is not self.start
        ]
        near = sorted(((d, dot) for d, dot in near if d <= reach), key=lambda pair: pair[0])
        self._over = next((c for c in self._viewer.cards_near(at, 1) if c.grip().contains(at)), None)
        self.end = next((dot for _, dot in near if not self.why_not(dot)), None)
        self.reason = ""
        if self.end is None and near:
            sided = [dot for _, dot in near if dot.port_type != self.start.port_type]
            self.reason = self.why_not(sided[0] if sided else near[0][1])
            self._over = self._over or near[0][1].card
        elif self.end is None and self._over is not None and self._over is not self.start.card:
            self._ask_card(self._over)

    def _ask_card(self, card: NodeCard) -> None:
        ports = self.candidates(card)
        legal = [dot for dot in ports if not self.why_not(dot)]
        if len(legal) == 1:
            self.end = legal[0]
        elif not legal:
            side = "inputs" if self.start.port_type == OUT else "outputs"
            self.reason = self.why_not(ports[0]) if ports else f"{card.view.title} has no {side}."

    # ------------------------------------------------------------------ drawing
    def paint(self, painter: QPainter) -> None:
        """Draw the line, light up where it may end and veil where it may not."""
        paper, viewer = self._paper, self._viewer
        visible = viewer.visible()
        cards = [card for card in viewer.store.cards.values() if card.body().intersects(visible)]
        if len(cards) > _MOST_CARDS:
            at = viewer.to_scene(self.point)
            cards = sorted(cards, key=lambda card: (card.body().center() - at).manhattanLength())[:_MOST_CARDS]
        for card in cards:
            if card is not self.start.card:
                self._paint_card(painter, card)
        end = self.end.anchor() if self.end is not None else viewer.to_scene(self.point)
        self._paint_line(painter, end)
        hints.lit_port(painter, paper, self.start, 6.5, 70)
        if self.end is not None:
            hints.lit_port(painter, paper, self.end, 8.0, 110)
        if self.reason:
            painter.resetTransform()
            hints.bubble(painter, paper, self.point, self.reason, QRectF(viewer.viewport().rect()))

    def _paint_card(self, painter: QPainter, card: NodeCard) -> None:
        legal = [dot for dot in self.candidates(card) if not self.why_not(dot)]
        if not legal and card.view.room is None:
            hints.veil(painter, self._paper, card)
            return
        for dot in self.candidates(card):
            if dot is self.end:
                continue
            if dot in legal:
                hints.lit_port(painter, self._paper, dot, 6.5, 55)
            else:
                hints.dimmed_port(painter, self._paper, dot)

    def _paint_line(self, painter: QPainter, end: QPointF) -> None:
        paper, here = self._paper, self.start.anchor()
        a, b, c, d = curve(here, end) if self.start.port_type == OUT else curve(end, here)
        path = QPainterPath(a)
        path.cubicTo(b, c, d)
        giver = self.end if self.end is not None and self.start.port_type != OUT else self.start
        token = "red" if self.reason else giver.token
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(paper.pen(token, 50, 7.0))
        painter.drawPath(path)
        style = Qt.PenStyle.SolidLine if self.end is not None else Qt.PenStyle.CustomDashLine
        painter.setPen(paper.pen(token, 255, 2.4, style))
        painter.drawPath(path)
        if self.end is None and not self.reason:
            painter.setPen(paper.pen("canvas", 255, 2.0))
            painter.setBrush(paper.brush(token))
            painter.drawEllipse(end, 5, 5)
