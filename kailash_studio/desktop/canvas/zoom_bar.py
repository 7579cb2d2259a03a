"""The zoom's buttons and its value, in the corner of the canvas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QWidget

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.paper import Paper


class ZoomBar(QFrame):
    """Less, the value (a press sets 100 %), more, the whole graph."""

    def __init__(
        self,
        paper: Paper,
        parent: QWidget,
        *,
        less: Callable[[], None],
        reset: Callable[[], None],
        more: Callable[[], None],
        fit: Callable[[], None],
    ) -> None:
        super().__init__(parent)
        self._paper = paper
        self.setObjectName("canvas_zoom")
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 3, 4, 3)
        row.setSpacing(1)
        self._icons: list[tuple[QToolButton, str]] = []
        row.addWidget(self._button("minus", "Zoom out (-)", less))
        self._value = self._button("", "Zoom to 100 % (0)", reset)
        self._value.setFixedWidth(50)
        row.addWidget(self._value)
        row.addWidget(self._button("plus", "Zoom in (+)", more))
        row.addWidget(self._button("maximize", "Show the whole workflow (F)", fit))
        self.restyle()

    def _button(self, icon: str, tip: str, action: Callable[[], None]) -> QToolButton:
        button = QToolButton(self)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setIconSize(QSize(15, 15))
        button.setAutoRaise(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(action)
        if icon:
            self._icons.append((button, icon))
        return button

    def show_zoom(self, zoom: float) -> None:
        """Show the zoom in percent."""
        self._value.setText(f"{round(zoom * 100)}%")

    def restyle(self) -> None:
        """Take the colours of the theme."""
        theme = self._paper.theme
        for button, icon in self._icons:
            button.setIcon(self._paper.icons.icon(icon, "text2"))
        self._value.setFont(theme.font(12))
        name = {token: theme.colour(token).name() for token in ("raised", "border", "text2", "text", "hover", "accent")}
        self.setStyleSheet(
            f"#canvas_zoom {{ background: {name['raised']}; border: 1px solid {name['border']}; border-radius: 8px; }}"
            f"QToolButton {{ color: {name['text2']}; border: 1px solid transparent; border-radius: 6px; padding: 5px; "
            f"background: transparent; font-size: 12px; }}"
            f"QToolButton:hover {{ background: {name['hover']}; color: {name['text']}; }}"
            f"QToolButton:focus {{ border-color: {name['accent']}; }}"
        )
        self.adjustSize()
