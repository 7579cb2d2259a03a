"""The whole graph, small, with the part that is shown; a press moves the view there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from kailash_studio.desktop.canvas import signs
from kailash_studio.desktop.canvas.metrics import WIDTH

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.card import NodeCard
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.store import Store
    from kailash_studio.desktop.canvas.viewer import StudioViewer

_REST_MS = 300
"""The cards are painted anew at most this often."""
_MANY, _LONG_REST_MS = 2000, 1500  # so many cards take some 10 ms
_EDGE = 7.0
_AIR = 40.0
_TINY = 4.0  # pixels below which a card has no round corners


class Minimap(QWidget):
    """An overlay in the corner; cards in one colour each.

    What was painted is kept; cards whose state changes are painted onto it.
    """

    def __init__(self, viewer: StudioViewer, store: Store, paper: Paper, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer, self._store, self._paper = viewer, store, paper
        self._cards: QPixmap | None = None
        self._changed: dict[NodeCard, None] = {}
        self._all_changed = False
        self._painted: tuple[QRectF, float] = (QRectF(), 0.0)
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._refresh)
        self.setFixedSize(QSize(176, 104))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Overview of the canvas")
        self.setToolTip("Overview: press or drag to move the view")

    def stale(self) -> None:
        """Cards came, went or moved; while many come one after the other, they are painted at the end."""
        self._all_changed = True
        self._changed.clear()
        many = len(self._store.cards) > _MANY
        if many or not self._rest.isActive():
            self._rest.start(_LONG_REST_MS if many else _REST_MS)

    def recolour(self, cards: Iterable[NodeCard]) -> None:
        """The states of cards have changed."""
        if not self._all_changed:
            self._changed |= dict.fromkeys(cards)
        if not self._rest.isActive():
            self._rest.start(_REST_MS)

    def stop(self) -> None:
        """Paint nothing any more."""
        self._rest.stop()

    def _refresh(self) -> None:
        if self._all_changed:
            self._cards, self._all_changed = None, False
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
        whole, ratio = self._whole(), self.devicePixelRatioF()
        if self._cards is not None and self._rest.isActive() and len(self._store.cards) > _MANY:
            whole = self._painted[0]  # a large graph that is just being drawn: the picture is a little behind
        scale, origin = self._scale(whole)
        if self._cards is None or self._painted != (whole, ratio):
            self._cards = self._paint_cards(scale, origin, ratio)
            self._painted = (whole, ratio)
        elif self._changed:
            on_picture = QPainter(self._cards)
            self._paint(on_picture, self._changed, scale, origin)
            on_picture.end()
        self._changed.clear()
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
        self._paint(painter, self._store.cards.values(), scale, origin)
        painter.end()
        return picture

    def _paint(self, painter: QPainter, cards: Iterable[NodeCard], scale: float, origin: QPointF) -> None:
        """Paint cards, all of one colour in a row; tiny ones as plain rectangles."""
        paper = self._paper
        batches: defaultdict[str, list[QRectF]] = defaultdict(list)
        colours: dict[str, str] = {}
        left, top = origin.x(), origin.y()
        for card in cards:
            view = card.view
            if view.room is not None:
                continue
            category = colours.get(view.category)
            if category is None:
                category = colours[view.category] = paper.theme.category_colour(view.category)
            token = signs.token_of(card.state.state, view.problem, category)
            wide, tall = max(1.0, card.card_width * scale), max(1.0, card.card_height * scale)
            batches[token].append(QRectF(card.left * scale + left, card.top * scale + top, wide, tall))
        painter.setPen(Qt.PenStyle.NoPen)
        tiny = scale * WIDTH < _TINY
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, not tiny)
        for token, rects in batches.items():
            painter.setBrush(paper.brush(paper.mixed(token, 160, "panel")))
            if tiny:
                painter.drawRects(rects)
            else:
                for rect in rects:
                    painter.drawRoundedRect(rect, 1.5, 1.5)

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
