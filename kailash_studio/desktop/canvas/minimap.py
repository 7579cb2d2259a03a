"""The whole graph, small, with the part that is shown; a press moves the view there."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from kailash_studio.desktop.canvas import signs
from kailash_studio.desktop.canvas.metrics import WIDTH

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.store import Store
    from kailash_studio.desktop.canvas.viewer import StudioViewer

_REST_MS = 300
"""The cards are painted anew at most this often."""
_MANY, _LONG_REST_MS = 2000, 1500  # so many cards take some 20 ms
_EDGE = 7.0
_AIR = 40.0
_TINY = 4.0  # pixels below which a card has no round corners


class Minimap(QWidget):
    """An overlay in the corner; cards in one colour each."""

    def __init__(self, viewer: StudioViewer, store: Store, paper: Paper, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer, self._store, self._paper = viewer, store, paper
        self._cards: QPixmap | None = None
        self._painted: tuple[QRectF, float] = (QRectF(), 0.0)
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._refresh)
        self.setFixedSize(QSize(176, 104))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Overview of the canvas")
        self.setToolTip("Overview: press or drag to move the view")

    def stale(self) -> None:
        """Cards came, went, moved or changed their state."""
        if not self._rest.isActive():
            self._rest.start(_REST_MS if len(self._store.cards) <= _MANY else _LONG_REST_MS)

    def stop(self) -> None:
        """Paint nothing any more."""
        self._rest.stop()

    def _refresh(self) -> None:
        self._cards = None
        self.update()

    def _whole(self) -> QRectF:
        return self._store.extent().united(self._viewer.visible()).adjusted(-_AIR, -_AIR, _AIR, _AIR)

    def _scale(self, whole: QRectF) -> tuple[float, QPointF]:
        """Pixels for each unit, and where the scene's origin is."""
        wide, tall = self.width() - 2 * _EDGE, self.height() - 2 * _EDGE
        scale = min(wide / max(1.0, whole.width()), tall / max(1.0, whole.height()))
        left = _EDGE + (wide - whole.width() * scale) / 2 - whole.left() * scale
        return scale, QPointF(left, _EDGE + (tall - whole.height() * scale) / 2 - whole.top() * scale)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the cards, kept as a picture while the view moves inside the graph, and the shown part."""
        whole = self._whole()
        scale, origin = self._scale(whole)
        ratio = self.devicePixelRatioF()
        if self._cards is None or self._painted != (whole, ratio):
            self._cards = self._paint_cards(scale, origin, ratio)
            self._painted = (whole, ratio)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._cards)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        visible = self._viewer.visible()
        painter.setPen(self._paper.pen("accent", 200))
        painter.setBrush(self._paper.brush("accent", 22))
        shown = QRectF(visible.topLeft() * scale + origin, visible.size() * scale)
        painter.drawRoundedRect(shown.intersected(QRectF(self.rect()).adjusted(3, 3, -3, -3)), 3, 3)
        painter.end()

    def _paint_cards(self, scale: float, origin: QPointF, ratio: float) -> QPixmap:
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        paper = self._paper
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(paper.pen("border2"))
        painter.setBrush(paper.brush("panel", 235))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        if scale * WIDTH < _TINY:
            self._paint_tiny_cards(painter, scale, origin)
            painter.end()
            return picture
        for card in self._store.cards.values():
            category = paper.theme.category_colour(card.view.category)
            token = signs.token_of(card.state.state, card.view.problem, category)
            painter.setBrush(paper.brush(token, 160))
            body = card.body()
            painter.drawRoundedRect(QRectF(body.topLeft() * scale + origin, body.size() * scale), 1.5, 1.5)
        painter.end()
        return picture

    def _paint_tiny_cards(self, painter: QPainter, scale: float, origin: QPointF) -> None:
        """Thousands of cards: plain rectangles, all of one colour in one call."""
        paper = self._paper
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        batches: defaultdict[str, list[QRectF]] = defaultdict(list)
        left, top, wide = origin.x(), origin.y(), max(1.0, WIDTH * scale)
        for card in self._store.cards.values():
            category = paper.theme.category_colour(card.view.category)
            token = signs.token_of(card.state.state, card.view.problem, category)
            tall = max(1.0, card.card_height * scale)
            batches[token].append(QRectF(card.left * scale + left, card.top * scale + top, wide, tall))
        for token, rects in batches.items():
            painter.setBrush(paper.brush(token, 160))
            painter.drawRects(rects)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the view there."""
        self._go(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the view along."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._go(event)

    def _go(self, event: QMouseEvent) -> None:
        scale, origin = self._scale(self._whole())
        at = (event.position() - origin) / scale
        self._viewer.look_at(QRectF(at.x(), at.y(), 0, 0))
