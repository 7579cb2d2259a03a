"""One cell of a table, whole: a text, or a tree where it is nested."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from kailash_studio.desktop.panels.value_tree import ValueTree
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel

MOST_SHOWN = 100_000
"""Letters that are laid out; Qt takes seconds for a line of a million."""


class CellViewer(QDialog):
    """A small window that stays open beside the table; Escape closes it."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.WindowContextHelpButtonHint, False)
        self.setModal(False)
        self.setObjectName("panel")
        self.resize(560, 380)
        self._text: str | None = None
        self.where = ElidedLabel("h2", self)
        self.caption = ElidedLabel("muted", self)
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setAccessibleName("The whole value")
        self.text.setFont(theme.font(12, mono=True))
        self.tree = ValueTree(theme, self)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(self.text)
        self.stack.addWidget(self.tree)
        self.copy = QPushButton("Copy", self)
        self.copy.setToolTip("Copy the whole value, a nested one as JSON.")
        self.copy.clicked.connect(self._copy)
        close = QPushButton("Close", self)
        close.setToolTip("Close it (Escape).")
        close.clicked.connect(self.reject)
        foot = QHBoxLayout()
        foot.addWidget(self.caption, 1)
        foot.addWidget(self.copy)
        foot.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.setSpacing(8)
        layout.addWidget(self.where)
        layout.addWidget(self.stack, 1)
        layout.addLayout(foot)

    def show_waiting(self, row: int, column: str) -> None:
        """Open for a cell whose value is on the way."""
        place = f"{column}  ·  row {row + 1:,}"
        self.setWindowTitle(place)
        self.where.setText(place)
        self._show_text("", "Asking for the value…")
        self.copy.setEnabled(False)
        self.show()
        self.raise_()
        self.activateWindow()

    def show_cell(self, told: dict[str, Any]) -> None:
        """Show a value as ``table_cell`` tells it."""
        self._text = told["text"]
        self.copy.setEnabled(self._text is not None)
        if self._text is None:
            self._show_text("", "null")
        elif told["tree"]["children"]:
            said = self.tree.show_tree(told["tree"])
            self.stack.setCurrentWidget(self.tree)
            self.caption.setText(f"{told['type']} · {said}")
        else:
            letters = len(self._text)
            size = f"the first {letters:,} letters" if told["cut"] else f"{letters:,} letter{'s' * (letters != 1)}"
            shown = self._text[:MOST_SHOWN]
            part = f", of which {MOST_SHOWN:,} are shown; Copy takes all" if letters > MOST_SHOWN else ""
            self._show_text(shown, f"{told['type']} · {size}{part}")

    def show_failure(self, sentence: str) -> None:
        """Say why there is no value."""
        self._text = None
        self._show_text("", sentence)

    def _show_text(self, text: str, said: str) -> None:
        self.text.setPlainText(text)
        self.text.setPlaceholderText("null" if said == "null" else "")
        self.caption.setText(said)
        self.stack.setCurrentWidget(self.text)

    def _copy(self) -> None:
        if self._text is not None:
            QGuiApplication.clipboard().setText(self._text)
            self.caption.setText(f"Copied {len(self._text):,} letters")
