"""A port on a card: where it is and which connections end there. The card paints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtWidgets import QGraphicsItem

from kailash_studio.desktop.canvas.compat import PortItem
from kailash_studio.desktop.canvas.metrics import PORT
from kailash_studio.desktop.canvas.view import PortView

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.card import NodeCard
    from kailash_studio.desktop.canvas.line import ConnectionLine

_BOUNDS = QRectF(-PORT / 2, -PORT / 2, PORT, PORT)


class PortDot(PortItem):
    """A port. Its origin is its middle.

    Attributes:
        card: Whose it is.
        view: What it is called and takes.
        x_offset: Its place on the card.
        y_offset: Its place on the card.
        token: Colour of its data type.
    """

    def __init__(self, card: NodeCard, view: PortView, kind: str, x: float, y: float, token: str) -> None:
        QGraphicsItem.__init__(self, card)  # not PortItem's: see compat
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemHasNoContents)
        self._pipes = []
        self._name = view.name
        self._port_type = kind
        self.card = card
        self.view = view
        self.token = token
        self.x_offset, self.y_offset = x, y
        self.setPos(x, y)

    def boundingRect(self) -> QRectF:
        """The circle's square."""
        return _BOUNDS

    def lines(self) -> list[ConnectionLine]:
        """The connections that end here."""
        return self._pipes  # type: ignore[return-value]  # the library's list; only our lines are ever put there

    def anchor(self) -> QPointF:
        """Its middle in the scene."""
        return QPointF(self.card.left + self.x_offset, self.card.top + self.y_offset)
