"""What every item needs for drawing: theme, icons, fonts, pens, and the pictures of cards drawn before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap

if TYPE_CHECKING:
    from kailash_studio.desktop.icons import Icons
    from kailash_studio.desktop.theme import Theme

_CACHE_BYTES = 96 * 1024 * 1024
"""About 300 cards at 100 % on a display of double density."""

FaceKey = tuple[Hashable, ...]
"""What a picture shows, and at which zoom."""


class Paper:
    """Drawing tools of one canvas, made once and kept until the theme changes.

    Attributes:
        theme: Colours and fonts.
        icons: Tinted icons.
        ratio: Device pixels for each pixel of what is painted on.
    """

    def __init__(self, theme: Theme, icons: Icons) -> None:
        self.theme = theme
        self.icons = icons
        self.ratio = 1.0
        self._fonts: dict[tuple[int, QFont.Weight, bool], tuple[QFont, QFontMetricsF]] = {}
        self._mixed: dict[str, QColor] = {}
        self._digit = 0.0
        self._pens: dict[tuple[str, int, float, Qt.PenStyle], QPen] = {}
        self._brushes: dict[tuple[str, int], QBrush] = {}
        self._faces: OrderedDict[FaceKey, QPixmap] = OrderedDict()
        self._face_bytes = 0
        self._face_count = 0

    def refresh(self) -> None:
        """Forget everything that was made from the former theme."""
        self._fonts.clear()
        self._mixed.clear()
        self._digit = 0.0
        self._pens.clear()
        self._brushes.clear()
        self.forget_faces()

    # ------------------------------------------------------------------ tools
    def font(
        self, px: int, weight: QFont.Weight = QFont.Weight.Normal, mono: bool = False
    ) -> tuple[QFont, QFontMetricsF]:
        """A font with its metrics."""
        key = (px, weight, mono)
        found = self._fonts.get(key)
        if found is None:
            font = self.theme.font(px, weight, mono)
            found = self._fonts[key] = (font, QFontMetricsF(font))
        return found

    def note_width(self, note: str) -> float:
        """Width of a short text in the small font of figures, whose characters are all as wide."""
        if not self._digit:
            self._digit = self.font(11, mono=True)[1].horizontalAdvance("0")
        return len(note) * self._digit

    def colour(self, token: str, alpha: int = 255) -> QColor:
        """A colour of the theme, or a mixed one."""
        return self._mixed.get(token) or self.theme.colour(token, alpha)

    def brush(self, token: str, alpha: int = 255) -> QBrush:
        """A filled brush."""
        key = (token, alpha)
        found = self._brushes.get(key)
        if found is None:
            found = self._brushes[key] = QBrush(self.colour(token, alpha))
        return found

    def pen(self, token: str, alpha: int = 255, width: float = 1.0, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
        """A pen with round ends; width 0 is one device pixel at any zoom."""
        key = (token, alpha, width, style)
        found = self._pens.get(key)
        if found is None:
            found = QPen(self.colour(token, alpha), width, style, Qt.PenCapStyle.RoundCap)
            if style == Qt.PenStyle.CustomDashLine:
                found.setDashPattern([3.0, 2.6])
            self._pens[key] = found
        return found

    def mixed(self, token: str, alpha: int, ground: str) -> str:
        """A colour laid over a ground, as a token of its own: clear strokes take seven times as long as opaque ones."""
        name = f"{token}/{alpha}/{ground}"
        if name not in self._mixed:
            over, under = self.theme.rgba(token), self.theme.rgba(ground)
            self._mixed[name] = QColor(
                *((a * alpha + b * (255 - alpha)) // 255 for a, b in zip(over, under, strict=True))
            )
        return name

    def icon(self, painter: QPainter, name: str, token: str, rect: QRectF) -> None:
        """Draw an icon sharp at the painter's zoom."""
        scale = painter.worldTransform().m11() * self.ratio
        # quarters keep the number of rendered sizes small while the zoom runs through its whole range
        ratio = min(5.0, max(0.5, -(-scale * 4 // 1) / 4))
        pixmap = self.icons.pixmap(name, token, rect.width(), ratio)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(rect, pixmap, QRectF(pixmap.rect()))

    # ------------------------------------------------------------------ pictures of cards
    def next_face(self) -> int:
        """A number for a look of a card, which no other look has: a card may come after one of its name."""
        self._face_count += 1
        return self._face_count

    def face(self, key: FaceKey) -> QPixmap | None:
        """The picture kept under a key, and mark it as used."""
        found = self._faces.get(key)
        if found is not None:
            self._faces.move_to_end(key)
        return found

    def keep_face(self, key: FaceKey, face: QPixmap) -> None:
        """Keep a picture; the ones not used for longest go when there are too many."""
        self._faces[key] = face
        self._face_bytes += _size(face)
        while self._face_bytes > _CACHE_BYTES and len(self._faces) > 1:
            self._face_bytes -= _size(self._faces.popitem(last=False)[1])

    def forget_faces(self) -> None:
        """Forget all pictures."""
        self._faces.clear()
        self._face_bytes = 0


def _size(pixmap: QPixmap) -> int:
    return pixmap.width() * pixmap.height() * 4
