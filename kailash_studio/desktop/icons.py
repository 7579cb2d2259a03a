"""Icons: Lucide's SVGs from the resources, tinted by tokens and kept as pixmaps."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from kailash_studio.desktop.theme import Theme
from kailash_studio.folders import resources

_FALLBACK = "box"
_SIZES = (16, 20, 24, 32)


class Icons:
    """Gives icons by their Lucide names; an unknown name gives a box."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._folder = resources() / "icons"
        self._sources: dict[str, str] = {}
        self._pixmaps: dict[tuple[str, str, float, float], QPixmap] = {}
        self._icons: dict[tuple[str, str], QIcon] = {}
        theme.changed.connect(self._forget)

    def _forget(self) -> None:
        self._pixmaps.clear()
        self._icons.clear()

    def pixmap(self, name: str, token: str, px: float, ratio: float = 1.0) -> QPixmap:
        """An icon of a size in logical pixels, for a screen of a device pixel ratio."""
        key = (name, token, px, ratio)
        found = self._pixmaps.get(key)
        if found is None:
            found = self._pixmaps[key] = self._drawn(name, token, px, ratio)
        return found

    def _drawn(self, name: str, token: str, px: float, ratio: float) -> QPixmap:
        colour = self._theme.colour(token).name()
        renderer = QSvgRenderer(QByteArray(self._source(name).replace("currentColor", colour).encode()))
        side = max(1, round(px * ratio))
        pixmap = QPixmap(side, side)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter, QRectF(0, 0, side, side))
        painter.end()
        pixmap.setDevicePixelRatio(ratio)
        return pixmap

    def _source(self, name: str) -> str:
        source = self._sources.get(name)
        if source is None:
            path = self._folder / f"{name}.svg"
            if not path.is_file():
                path = self._folder / f"{_FALLBACK}.svg"
            source = self._sources[name] = path.read_text(encoding="utf-8")
        return source

    def icon(self, name: str, token: str = "text2") -> QIcon:
        """An icon for buttons and menus, dimmed when disabled and brighter when on."""
        key = (name, token)
        found = self._icons.get(key)
        if found is None:
            found = QIcon()
            for size in _SIZES:
                for mode, tint in (
                    (QIcon.Mode.Normal, token),
                    (QIcon.Mode.Active, "text" if token == "text2" else token),
                    (QIcon.Mode.Selected, "text" if token == "text2" else token),
                    (QIcon.Mode.Disabled, "border2"),
                ):
                    for ratio in (1.0, 2.0):
                        found.addPixmap(self.pixmap(name, tint, size, ratio), mode, QIcon.State.Off)
                found.addPixmap(self.pixmap(name, "accent_hi", size, 2.0), QIcon.Mode.Normal, QIcon.State.On)
            self._icons[key] = found
        return found

    @property
    def small(self) -> QSize:
        """The size of icons in lists and menus."""
        return QSize(16, 16)
