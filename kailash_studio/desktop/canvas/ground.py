"""The ground of the canvas: a dotted grid from one small picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPixmap

from kailash_studio.desktop.canvas.metrics import DOTS

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.paper import Paper

_LEAST_STEP = 14
"""Dots closer than this, in pixels, would be a haze: every second one is left out."""


class Ground:
    """Lays the picture of one dot side by side; its side is a whole number of device pixels, so the dots stay sharp."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self._tile: QPixmap | None = None
        self._key: tuple[int, float, float] | None = None

    def forget(self) -> None:
        """The colours have changed."""
        self._tile = None

    def paint(self, painter: QPainter, room: QRectF, scrolled: QPointF, zoom: float) -> None:
        """Fill the viewport.

        Args:
            painter: Its transformation is reset.
            room: The viewport.
            scrolled: Distance of the viewport's corner from the scene's origin, in pixels.
            zoom: Pixels for each unit of the scene.
        """
        step = float(DOTS)
        while step * zoom < _LEAST_STEP:
            step *= 2
        ratio = self._paper.ratio
        pixels = max(1, round(step * zoom * ratio))
        side = pixels / ratio
        painter.resetTransform()
        # a dot is in the middle of its tile, so that its edge is not cut
        offset = QPointF((scrolled.x() + side / 2) % side, (scrolled.y() + side / 2) % side)
        painter.drawTiledPixmap(room, self._picture(pixels, ratio, min(1.0, max(0.7, round(zoom, 1)))), offset)

    def _picture(self, pixels: int, ratio: float, size: float) -> QPixmap:
        if self._tile is None or self._key != (pixels, ratio, size):
            tile = QPixmap(pixels, pixels)
            tile.fill(self._paper.colour("canvas"))
            painter = QPainter(tile)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._paper.brush("dot"))
            radius = 1.25 * ratio * size
            painter.drawEllipse(QPointF(pixels / 2, pixels / 2), radius, radius)
            painter.end()
            tile.setDevicePixelRatio(ratio)
            self._tile, self._key = tile, (pixels, ratio, size)
        return self._tile
