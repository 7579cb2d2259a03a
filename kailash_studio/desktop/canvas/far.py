"""The canvas from far: thousands of cards and connections in a handful of painter calls, without details."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen, QPixmap, QTransform

from kailash_studio.desktop.canvas import signs
from kailash_studio.desktop.canvas.line import DIMMED, RESTING
from kailash_studio.desktop.canvas.metrics import HEAD

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.card import NodeCard
    from kailash_studio.desktop.canvas.line import ConnectionLine
    from kailash_studio.desktop.canvas.paper import Paper
    from kailash_studio.desktop.canvas.store import Store

_BATCH = 400  # connections
_WHOLE = frozenset({"failed", "running", "retrying", "recovered", "cancelled", "stopped", "stale"})


class _Lines:
    """Connections as paths of one colour, in batches small enough to be made anew when one of theirs changes."""

    def __init__(self, token_of: Callable[[ConnectionLine], str]) -> None:
        self._token_of = token_of
        self._batches: list[dict[ConnectionLine, None]] = []
        self._paths: list[dict[str, QPainterPath] | None] = []  # of each batch; None: it is to be made
        self._place: dict[ConnectionLine, int] = {}

    def __contains__(self, line: ConnectionLine) -> bool:
        return line in self._place

    def add(self, line: ConnectionLine) -> None:
        """One that came."""
        if not self._batches or len(self._batches[-1]) >= _BATCH:
            self._batches.append({})
            self._paths.append({})
        place = self._place[line] = len(self._batches) - 1
        self._batches[place][line] = None
        paths = self._paths[place]
        if paths is not None:
            paths.setdefault(self._token_of(line), QPainterPath()).addPath(line.path())

    def change(self, line: ConnectionLine) -> None:
        """One that looks different."""
        self._paths[self._place[line]] = None

    def drop(self, line: ConnectionLine) -> None:
        """One that went."""
        place = self._place.pop(line)
        del self._batches[place][line]
        self._paths[place] = None

    def paths(self) -> Iterator[tuple[str, QPainterPath]]:
        """Colours and paths."""
        for place, lines in enumerate(self._batches):
            paths = self._paths[place]
            if paths is None:
                paths = self._paths[place] = {}
                for line in lines:
                    paths.setdefault(self._token_of(line), QPainterPath()).addPath(line.path())
            yield from paths.items()


class FarPainter:
    """Paints cards as plain rectangles and connections as hair lines, in batches of one colour.

    What comes, goes and changes is told, and costs what it is, not what the graph is large. What was painted is kept
    as a picture: cards whose state changes, and what is only added, are painted onto it.
    """

    def __init__(self, store: Store, paper: Paper) -> None:
        self._store = store
        self._paper = paper
        self._known = True
        self._empty()
        self._picture: QPixmap | None = None
        self._painted: tuple[QTransform, QSize, float] | None = None  # of the picture, while it is good
        self._fresh_cards: dict[NodeCard, None] = {}
        self._fresh_lines: dict[ConnectionLine, None] = {}

    def _empty(self) -> None:
        self._lines = _Lines(self._line_token)
        self._heads: defaultdict[str, dict[NodeCard, QRectF]] = defaultdict(dict)
        self._token_of: dict[NodeCard, str] = {}
        self._bodies: dict[NodeCard, QRectF] = {}
        self._frames: dict[NodeCard, QRectF] = {}

    def clear(self) -> None:
        """Nothing is there any more."""
        self._known = True
        self._empty()
        self._forget_picture()

    def restyle(self) -> None:
        """All of it has other colours; they are found when it is painted."""
        self.clear()
        self._known = False

    def _forget_picture(self) -> None:
        self._painted = None
        self._fresh_cards.clear()
        self._fresh_lines.clear()

    # ------------------------------------------------------------------ what comes, goes and changes
    def put_card(self, card: NodeCard) -> None:
        """A card came, or has another place or size."""
        if not self._known:
            return
        if card in self._token_of:
            self._take_out(card)
            self._forget_picture()
        self._take_in(card)
        self._renew(card)

    def drop_card(self, card: NodeCard) -> None:
        """A card went."""
        if card in self._token_of:
            self._take_out(card)
            self._forget_picture()

    def put_line(self, line: ConnectionLine) -> None:
        """A connection came, or looks different."""
        if not self._known:
            return
        if line in self._lines:
            self._lines.change(line)
            self._forget_picture()
        else:
            self._lines.add(line)
            if self._painted is not None:
                self._fresh_lines[line] = None

    def drop_line(self, line: ConnectionLine) -> None:
        """A connection went."""
        if line in self._lines:
            self._lines.drop(line)
            self._forget_picture()

    def recolour(self, card: NodeCard) -> None:
        """A card's state has changed."""
        if card in self._token_of:
            self._heads[self._token_of[card]].pop(card)
            self._sort(card)
            self._renew(card)

    def _take_in(self, card: NodeCard) -> None:
        (self._bodies if card.view.room is None else self._frames)[card] = card.body()
        self._sort(card)

    def _take_out(self, card: NodeCard) -> None:
        self._bodies.pop(card, None)
        self._frames.pop(card, None)
        self._heads[self._token_of.pop(card)].pop(card)

    def _sort(self, card: NodeCard) -> None:
        """Put a card into the batch of its colour.

        The whole card takes the colour of a state that needs attention, the heading alone that of the category.
        """
        paper, state = self._paper, card.state.state
        category = paper.theme.category_colour(card.view.category)
        token = paper.mixed(signs.token_of(state, card.view.problem, category), 170, "node")
        tall = card.card_height if state in _WHOLE and card.view.room is None else HEAD
        self._heads[token][card] = QRectF(card.left, card.top, card.card_width, tall)
        self._token_of[card] = token

    def _line_token(self, line: ConnectionLine) -> str:
        return self._paper.mixed(line.token, DIMMED if line.dimmed else RESTING, "canvas")

    def _renew(self, card: NodeCard) -> None:
        if card.view.room is not None:  # what is inside of a frame is over it
            self._forget_picture()
        elif self._painted is not None:
            self._fresh_cards[card] = None

    def _know_all(self) -> None:
        if not self._known:
            self._known = True
            for card in self._store.cards.values():
                self._take_in(card)
            for line in self._store.lines.values():
                self._lines.add(line)

    # ------------------------------------------------------------------ painting
    def picture(self, view: QTransform, room: QSize, ratio: float, ground: Callable[[QPainter], None]) -> QPixmap:
        """Everything as it is seen, but for what is selected.

        Args:
            view: From the scene to the viewport.
            room: The viewport's size in pixels of the window.
            ratio: Device pixels for each of them.
            ground: Fills the viewport.
        """
        size = room * ratio
        if self._picture is None or self._picture.size() != size:
            self._picture, self._painted = QPixmap(size), None
        self._picture.setDevicePixelRatio(ratio)
        painter = QPainter(self._picture)
        if self._painted != (view, room, ratio):
            ground(painter)
            painter.setTransform(view)
            self._paint_all(painter)
            self._forget_picture()
            self._painted = (QTransform(view), room, ratio)
        elif self._fresh_cards or self._fresh_lines:
            painter.setTransform(view)
            self._paint_fresh(painter)
        painter.end()
        return self._picture

    def _paint_fresh(self, painter: QPainter) -> None:
        """Paint over what changed, and what came; cards are over connections."""
        paper = self._paper
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for line in self._fresh_lines:
            painter.setPen(paper.pen(self._line_token(line), 255, 0.0))
            painter.drawPath(line.path())
        if self._fresh_lines:
            self._paint_cards(painter, self._bodies.values(), self._heads)
        else:
            heads: defaultdict[str, dict[NodeCard, QRectF]] = defaultdict(dict)
            for card in self._fresh_cards:
                token = self._token_of[card]
                heads[token][card] = self._heads[token][card]
            self._paint_cards(painter, [self._bodies[card] for card in self._fresh_cards], heads)
        self._fresh_cards.clear()
        self._fresh_lines.clear()

    def _paint_cards(
        self, painter: QPainter, bodies: Iterable[QRectF], heads: Mapping[str, Mapping[NodeCard, QRectF]]
    ) -> None:
        paper = self._paper
        painter.setPen(paper.pen("border2", 255, 0.0))
        painter.setBrush(paper.brush("node"))
        painter.drawRects(list(bodies))
        painter.setPen(Qt.PenStyle.NoPen)
        for token, rects in heads.items():
            painter.setBrush(paper.brush(token))
            painter.drawRects(list(rects.values()))

    def _paint_all(self, painter: QPainter) -> None:
        paper = self._paper
        self._know_all()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(paper.pen("border2", 255, 0.0))
        painter.setBrush(paper.brush("panel", 150))
        painter.drawRects(list(self._frames.values()))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for token, path in self._lines.paths():
            painter.setPen(paper.pen(token, 255, 0.0))
            painter.drawPath(path)
        self._paint_cards(painter, self._bodies.values(), self._heads)

    def paint_selected(self, painter: QPainter) -> None:
        """Chosen cards and connections, a few in most cases, over the picture; the painter is in scene coordinates."""
        paper = self._paper
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
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
