"""The canvas from far: thousands of cards and connections in a handful of painter calls, without details."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen

from kailash_studio.desktop.canvas import signs
from kailash_studio.desktop.canvas.line import DIMMED, RESTING
from kailash_studio.desktop.canvas.metrics import HEAD, WIDTH

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.card import NodeCard
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.store import Store

_WHOLE = frozenset({"failed", "running", "retrying", "recovered", "cancelled", "stopped", "stale"})


class FarPainter:
    """Paints cards as plain rectangles and connections as hair lines, in batches of one colour.

    The batches are kept until ``stale`` says that something moved, came or went. A card whose state changes goes from
    one batch to another.
    """

    def __init__(self, store: Store, paper: Paper) -> None:
        self._store = store
        self._paper = paper
        self._lines: dict[str, QPainterPath] | None = None
        self._heads: dict[str, dict[NodeCard, QRectF]] | None = None
        self._token_of: dict[NodeCard, str] = {}
        self._bodies: list[QRectF] = []

    def stale(self) -> None:
        """Something moved, came or went."""
        self._heads = self._lines = None

    def lines_stale(self) -> None:
        """Connections look different."""
        self._lines = None

    def recolour(self, card: NodeCard) -> None:
        """A card's state has changed."""
        if self._heads is None:
            return
        self._heads[self._token_of[card]].pop(card)
        self._sort(card, self._heads)

    def paint(self, painter: QPainter) -> None:
        """Paint everything; the painter is in scene coordinates."""
        paper = self._paper
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for token, path in self._line_batches().items():
            painter.setPen(paper.pen(token, 255, 0.0))
            painter.drawPath(path)
        heads = self._head_batches()
        painter.setPen(paper.pen("border2", 255, 0.0))
        painter.setBrush(paper.brush("node"))
        painter.drawRects(self._bodies)
        painter.setPen(Qt.PenStyle.NoPen)
        for token, rects in heads.items():
            painter.setBrush(paper.brush(token))
            painter.drawRects(list(rects.values()))
        self._paint_selected(painter)

    def _paint_selected(self, painter: QPainter) -> None:
        """Chosen cards and connections, a few in most cases, over the batches."""
        paper = self._paper
        selected = [card.body() for card in self._store.selected_cards()]
        if selected:
            painter.setPen(paper.pen("accent", 255, 14.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRects(selected)
        for line in self._store.emphasised_lines():
            pen = QPen(line.stroke())  # a copy: the pens of the paper are shared
            pen.setWidthF(pen.widthF() * 2)
            painter.setPen(pen)
            painter.drawPath(line.path())

    def _line_batches(self) -> dict[str, QPainterPath]:
        if self._lines is None:
            self._lines = defaultdict(QPainterPath)
            for line in self._store.lines.values():
                strength = DIMMED if line.dimmed else RESTING
                self._lines[self._paper.mixed(line.token, strength, "canvas")].addPath(line.path())
        return self._lines

    def _head_batches(self) -> dict[str, dict[NodeCard, QRectF]]:
        if self._heads is None:
            self._heads = defaultdict(dict)
            self._bodies = []
            for card in self._store.cards.values():
                self._bodies.append(card.body())
                self._sort(card, self._heads)
        return self._heads

    def _sort(self, card: NodeCard, heads: dict[str, dict[NodeCard, QRectF]]) -> None:
        """Put a card into the batch of its colour.

        The whole card takes the colour of a state that needs attention, the heading alone that of the category.
        """
        paper, state = self._paper, card.state.state
        category = paper.theme.category_colour(card.view.category)
        token = paper.mixed(signs.token_of(state, card.view.problem, category), 170, "node")
        tall = card.card_height if state in _WHOLE else HEAD
        heads[token][card] = QRectF(card.left, card.top, WIDTH, tall)
        self._token_of[card] = token
