"""The theme: tokens as colours and fonts, and the look of the whole application made from them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from kailash_studio.desktop.style import style_sheet
from kailash_studio.desktop.tokens import CATEGORIES, DATA_TYPES, THEMES
from kailash_studio.folders import resources, user_data

UI_FAMILY = "Inter"
MONO_FAMILY = "JetBrains Mono"


class Theme(QObject):
    """One of the two themes; passed to whoever paints.

    Signals:
        changed: Another theme holds now.
    """

    changed = Signal()

    def __init__(self, name: str = "dark", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = name if name in THEMES else "dark"
        self._app: QApplication | None = None
        self._colours: dict[tuple[str, int], QColor] = {}

    def set_name(self, name: str) -> None:
        """Change to another theme."""
        if name != self.name and name in THEMES:
            self.name = name
            self._colours.clear()
            if self._app is not None:
                self._dress(self._app)
            self.changed.emit()

    def apply(self, app: QApplication) -> None:
        """Give an application this look, now and when the theme changes."""
        self._app = app
        for path in sorted((resources() / "fonts").glob("*.[ot]tf")):
            QFontDatabase.addApplicationFont(str(path))
        app.setStyle(QStyleFactory.create("Fusion"))
        app.setFont(self.font())
        self._dress(app)

    def _dress(self, app: QApplication) -> None:
        app.setPalette(self._palette())
        app.setStyleSheet(style_sheet(THEMES[self.name], self._arrow_files()))

    def colour(self, token: str, alpha: int = 255) -> QColor:
        """The colour of a token; do not change the object."""
        key = (token, alpha)
        found = self._colours.get(key)
        if found is None:
            found = QColor(THEMES[self.name][token])
            found.setAlpha(alpha)
            self._colours[key] = found
        return found

    def rgba(self, token: str, alpha: int = 255) -> tuple[int, int, int, int]:
        """The colour of a token as four numbers from 0 to 255."""
        colour = self.colour(token, alpha)
        return colour.red(), colour.green(), colour.blue(), colour.alpha()

    def font(self, px: int = 13, weight: QFont.Weight = QFont.Weight.Normal, mono: bool = False) -> QFont:
        """The interface's font, or the one of code and figures, at a size in pixels."""
        font = QFont(MONO_FAMILY if mono else UI_FAMILY)
        font.setPixelSize(px)
        font.setWeight(weight)
        font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
        return font

    @staticmethod
    def category_colour(category: str) -> str:
        """The token of a node category."""
        return CATEGORIES.get(category, "text2")

    @staticmethod
    def type_colour(data_type: str) -> str:
        """The token of a port's data type."""
        return DATA_TYPES.get(data_type, "text2")

    def _palette(self) -> QPalette:
        role = QPalette.ColorRole
        palette = QPalette()
        for where, token in (
            (role.Window, "window"),
            (role.WindowText, "text"),
            (role.Base, "panel"),
            (role.AlternateBase, "raised"),
            (role.Text, "text"),
            (role.Button, "raised"),
            (role.ButtonText, "text"),
            (role.BrightText, "on_accent"),
            (role.Highlight, "fill"),
            (role.HighlightedText, "on_accent"),
            (role.ToolTipBase, "raised"),
            (role.ToolTipText, "text"),
            (role.PlaceholderText, "text3"),
            (role.Link, "accent"),
            (role.Mid, "border"),
            (role.Dark, "border"),
            (role.Light, "hover"),
            (role.Midlight, "border2"),
            (role.Shadow, "shadow"),
        ):
            palette.setColor(where, self.colour(token))
        for where in (role.Text, role.ButtonText, role.WindowText):
            palette.setColor(QPalette.ColorGroup.Disabled, where, self.colour("border2"))
        return palette

    def _arrow_files(self) -> dict[str, str]:
        """Arrows and ticks as files, since a style sheet can only name files; SVG stays sharp at any size."""
        folder = user_data() / "theme"
        folder.mkdir(exist_ok=True)
        files = {}
        for name, icon, token in (
            ("down", "chevron-down", "text3"),
            ("up", "chevron-up", "text3"),
            ("right", "chevron-right", "text3"),
            ("tick", "check", "on_accent"),
        ):
            colour = THEMES[self.name][token]
            path: Path = folder / f"{icon}-{colour.lstrip('#')}.svg"
            if not path.exists():
                source = (resources() / "icons" / f"{icon}.svg").read_text(encoding="utf-8")
                path.write_text(source.replace("currentColor", colour), encoding="utf-8")
            files[name] = path.as_posix()
        return files
