"""A node on the canvas: one item that paints the whole card; its picture is kept, its state is painted over it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPixmap, QTransform
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from kailash_studio.desktop.canvas import face, signs
from kailash_studio.desktop.canvas.compat import IN, OUT, AbstractNodeItem, NodeObject
from kailash_studio.desktop.canvas.line import ConnectionLine
from kailash_studio.desktop.canvas.metrics import (
    FAILURE_X,
    HEAD,
    MARGIN,
    PORT_REACH,
    RADIUS,
    SMALL,
    WIDTH,
    height,
    port_y,
)
from kailash_studio.desktop.canvas.paper import FaceKey, Paper
from kailash_studio.desktop.canvas.port import PortDot
from kailash_studio.desktop.canvas.view import NodeState, NodeView, PortView

_IDLE = NodeState("idle")
_UNSEEN_OPACITY = 0.45


class NodeCard(AbstractNodeItem):
    """The item of one node.

    Attributes:
        view: What it shows.
        state: How the node stands in the run that is shown.
        inputs: From top to bottom.
        outputs: From top to bottom.
        left: Its place in the scene.
        top: Its place in the scene.
        card_height: Height of the card without its margin.
        card_width: Width of the card without its margin.
        fallbacks: Fallback connections that begin or end here.
        angle: Where the arc of a running node stands, in degrees.
        note_room: Width that the type's name leaves for the state's note.
    """

    def __init__(self, view: NodeView, paper: Paper) -> None:
        super().__init__(view.title)
        self.setCacheMode(QGraphicsItem.CacheMode.NoCache)
        self.setFlags(QGraphicsItem.GraphicsItemFlag.ItemIsSelectable)
        self.view = view
        self.state = _IDLE
        self.inputs: list[PortDot] = []
        self.outputs: list[PortDot] = []
        self.left = self.top = self.card_height = 0.0
        self.card_width = WIDTH
        self.fallbacks: list[ConnectionLine] = []
        self.angle = 0
        self.note_room = 0
        self._paper = paper
        self._number = 0
        self._bounds = QRectF()
        self.dress(view)

    def dress(self, view: NodeView) -> None:
        """Show other data; the ports stay as they are when they are the same, with their connections."""
        old, wide = self.view, self.card_width
        least = height(max(len(view.inputs), len(view.outputs)), bool(view.badges))
        self.card_width, self.card_height = WIDTH, least
        if view.room is not None:
            self.card_width, self.card_height = max(WIDTH, view.room[0]), max(least, view.room[1])
        if view is old or (old.inputs, old.outputs) != (view.inputs, view.outputs) or wide != self.card_width:
            self._make_ports(view)
        self.view = view
        bounds = QRectF(-MARGIN, -MARGIN, self.card_width + 2 * MARGIN, self.card_height + 2 * MARGIN)
        if bounds != self._bounds:
            self.prepareGeometryChange()
            self._bounds = bounds
            self._width, self._height = self.card_width, self.card_height
        self.rest()
        self.face_changed()

    def rest(self, *, raised: bool = False) -> None:
        """Lie where a card lies: above connections, a frame below all that it is around."""
        depth = self.view.id.count(":") / 100
        self.setZValue(-3.0 + depth if self.view.room is not None else 2.0 if raised else 1.0)

    def _make_ports(self, view: NodeView) -> None:
        """Make the ports, keeping the dot of each port that was there before, since connections hold on to it."""
        kept = {(dot.port_type, dot.view.name): dot for dot in self.ports()}
        self.inputs = [self._port(kept, port, IN, 0.0, i) for i, port in enumerate(view.inputs)]
        self.outputs = [self._port(kept, port, OUT, self.card_width, i) for i, port in enumerate(view.outputs)]
        scene = self.scene()
        for dot in kept.values():  # the caller has removed the connections of what is left over
            if scene is not None:
                scene.removeItem(dot)

    def _port(self, kept: dict[tuple[str, str], PortDot], port: PortView, kind: str, x: float, row: int) -> PortDot:
        token = self._paper.theme.type_colour(port.data_type)
        dot = kept.pop((kind, port.name), None)
        if dot is None:
            return PortDot(self, port, kind, x, port_y(row), token)
        dot.view, dot.token, dot.x_offset, dot.y_offset = port, token, x, port_y(row)
        dot.setPos(x, dot.y_offset)
        return dot

    # ------------------------------------------------------------------ ports and connections
    def ports(self) -> Iterator[PortDot]:
        """Inputs, then outputs."""
        yield from self.inputs
        yield from self.outputs

    def port(self, kind: str, name: str) -> PortDot | None:
        """A port by its name."""
        for dot in self.inputs if kind == IN else self.outputs:
            if dot.view.name == name:
                return dot
        return None

    def lines(self) -> list[ConnectionLine]:
        """Every connection that begins or ends here."""
        return [line for dot in self.ports() for line in dot.lines()] + self.fallbacks

    def place(self, x: float, y: float) -> None:
        """Move to a place in the scene and lay the connections anew."""
        self.left, self.top = x, y
        self.setPos(x, y)
        for line in self.lines():
            line.draw_path()

    def port_near(self, x: float, y: float, reach: float = PORT_REACH) -> PortDot | None:
        """The port whose middle is nearest to a point in the scene, within a distance."""
        best, best_distance = None, reach
        for dot in self.ports():
            distance = math.hypot(self.left + dot.x_offset - x, self.top + dot.y_offset - y)
            if distance <= best_distance:
                best, best_distance = dot, distance
        return best

    # ------------------------------------------------------------------ geometry
    def boundingRect(self) -> QRectF:
        """The card with its margin."""
        return self._bounds

    def body(self) -> QRectF:
        """The card in the scene."""
        return QRectF(self.left, self.top, self.card_width, self.card_height)

    def grip(self) -> QRectF:
        """Where it can be taken hold of, in the scene: all of a card, the heading of a frame."""
        return QRectF(self.left, self.top, self.card_width, HEAD if self.view.room is not None else self.card_height)

    def sign_rect(self) -> QRectF:
        """Where the state's sign is painted, in the card's own coordinates."""
        return QRectF(self.card_width - 28, 8, 18, 18)

    def problem_rect(self) -> QRectF:
        """Where the problem's mark is painted, in the card's own coordinates."""
        return QRectF(-4, -4, 16, 16)

    def failure_point(self) -> QPointF:
        """The failure port in the scene: a fallback is drawn from here."""
        return QPointF(self.left + FAILURE_X, self.top + self.card_height)

    def output_label_at(self, x: float, y: float) -> PortDot | None:
        """The output whose label is at a point in the scene."""
        for dot in self.outputs:
            if (
                abs(self.top + dot.y_offset - y) <= 9
                and self.left + self.card_width - WIDTH / 2 < x <= self.left + self.card_width
            ):
                return dot
        return None

    # ------------------------------------------------------------------ state
    def show_state(self, state: NodeState) -> bool:
        """Show how the node stands; only what changes is painted again.

        Returns:
            Whether its connections are dimmed now, or not any more.
        """
        old, self.state = self.state, state
        skips = (old.state == "skipped") != (state.state == "skipped")
        if skips:
            for line in self.lines():
                line.dimmed = line.source.state.state == "skipped" or line.target.state.state == "skipped"
                line.update()
        self.note_room = face.note_room(self._paper, state.note)
        self.update()
        return skips

    def turn(self, angle: int) -> None:
        """Move the arc of a running node; only the sign is painted again."""
        self.angle = angle
        self.update(self.sign_rect())

    def face_changed(self) -> None:
        """Paint the kept picture anew."""
        self._number = self._paper.next_face()
        self.update()

    # ------------------------------------------------------------------ drawing
    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the kept picture on whole device pixels, then the state over it."""
        paper = self._paper
        world = painter.worldTransform()
        zoom, ratio = world.m11(), paper.ratio
        x, y = round(world.dx() * ratio) / ratio, round(world.dy() * ratio) / ratio
        own = QTransform(zoom, 0, 0, zoom, x, y)
        unseen = self.state.state == "skipped"
        if unseen:
            painter.setOpacity(_UNSEEN_OPACITY)
        if self.isSelected():
            painter.setWorldTransform(own)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(paper.brush("accent", 70))
            painter.drawRoundedRect(QRectF(-4, -4, self.card_width + 8, self.card_height + 8), RADIUS + 4, RADIUS + 4)
        if self.view.room is not None:  # too large to be kept as a picture
            painter.setWorldTransform(own)
            face.draw(painter, paper, self, small=zoom < SMALL)
            face.draw_frame(painter, paper, self)
        else:
            self._draw_kept(painter, zoom * ratio, QPointF(x, y))
            painter.setWorldTransform(own)
        if self.state is not _IDLE and zoom >= SMALL:
            self._draw_state(painter)
        if self.view.problem:
            signs.problem(painter, paper, self.problem_rect(), "red" if self.view.problem == "error" else "amber")
        if unseen:
            painter.setOpacity(1.0)

    def _draw_kept(self, painter: QPainter, pixels: float, corner: QPointF) -> None:
        ratio = self._paper.ratio
        margin = math.ceil(MARGIN * pixels)
        painter.setWorldTransform(QTransform())
        corner -= QPointF(margin / ratio, margin / ratio)
        painter.drawPixmap(corner, self._picture(pixels, margin))
        painter.drawPixmap(corner, self._frame(pixels, margin))

    def _picture(self, pixels: float, margin: int) -> QPixmap:
        """The kept picture of this card, drawn when there is none for this zoom."""
        small = pixels / self._paper.ratio < SMALL
        # from far the note is not painted, so its room does not matter
        key = (self._number, -1 if small else self.note_room, round(pixels, 4))
        return self._kept(key, pixels, margin, lambda painter: face.draw(painter, self._paper, self, small=small))

    def _frame(self, pixels: float, margin: int) -> QPixmap:
        """The kept picture of the border; cards of the same height and state share it."""
        look = (self.isSelected(), self.state.state, self.view.known)
        key = (look, self.card_height, -1, round(pixels, 4))
        return self._kept(key, pixels, margin, lambda painter: face.draw_frame(painter, self._paper, self))

    def _kept(self, key: FaceKey, pixels: float, margin: int, draw: Callable[[QPainter], None]) -> QPixmap:
        found = self._paper.face(key)
        if found is not None:
            return found
        picture = QPixmap(math.ceil(WIDTH * pixels) + 2 * margin, math.ceil(self.card_height * pixels) + 2 * margin)
        picture.fill(Qt.GlobalColor.transparent)
        ratio, self._paper.ratio = self._paper.ratio, 1.0
        painter = QPainter(picture)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing)
        painter.translate(margin, margin)
        painter.scale(pixels, pixels)
        draw(painter)
        painter.end()
        self._paper.ratio = ratio
        picture.setDevicePixelRatio(ratio)
        self._paper.keep_face(key, picture)
        return picture

    def _draw_state(self, painter: QPainter) -> None:
        signs.state(painter, self._paper, self.sign_rect(), self.state.state, self.angle)
        if self.state.note:
            font, metrics = self._paper.font(11, mono=True)
            painter.setFont(font)
            failed = self.state.state == "failed"
            painter.setPen(self._paper.pen("red" if failed else "text2"))
            text = metrics.elidedText(self.state.note, Qt.TextElideMode.ElideRight, face.NOTE_WIDTH)
            painter.drawText(
                QRectF(self.card_width - 12 - face.NOTE_WIDTH, 28, face.NOTE_WIDTH, 16),
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
                text,
            )


class StudioNode(NodeObject):
    """The library's node of one card, so that its ``NodeGraph`` knows what is on the canvas."""

    __identifier__ = "kailash_studio"
    NODE_NAME = "Node"

    def __init__(self, view: NodeView, paper: Paper) -> None:
        super().__init__(lambda: NodeCard(view, paper))  # type: ignore[arg-type]  # anything that makes the item
        self.model.id = self.view.id = view.id
