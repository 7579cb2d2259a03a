"""The log: what runs and the window have to say, filtered by level and text."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import SearchField

MOST_LINES = 20_000
_LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_COLOURS = {"debug": "text3", "info": "text2", "warning": "amber", "error": "red"}


class LogLine(NamedTuple):
    """One line: seconds since 1970, level, node (or empty), text."""

    time: float
    level: str
    node: str
    text: str


class RunLog(QWidget):
    """Log lines, the newest at the bottom; it follows while the person is at the bottom."""

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._lines: deque[LogLine] = deque(maxlen=MOST_LINES)
        self._filter = SearchField(icons, "Filter: node, text…", self)
        self._filter.setMaximumWidth(260)
        self._filter.textChanged.connect(self._refill)
        self._level = QComboBox(self)
        self._level.setAccessibleName("Least level shown")
        for name in ("All", "Warnings and errors", "Errors"):
            self._level.addItem(name)
        self._level.currentIndexChanged.connect(self._refill)
        clear = QPushButton("Clear", self)
        clear.clicked.connect(self.clear)
        self.view = QPlainTextEdit(self)
        self.view.setReadOnly(True)
        self.view.setMaximumBlockCount(MOST_LINES)
        self.view.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.view.setAccessibleName("Log")
        self.view.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 8)
        bar.setSpacing(10)
        bar.addWidget(self._filter)
        bar.addWidget(self._level)
        bar.addStretch(1)
        bar.addWidget(clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.view, 1)
        theme.changed.connect(self._refill)

    def append(self, lines: Sequence[LogLine]) -> None:
        """Add lines."""
        self._lines.extend(lines)
        self._write([line for line in lines if self._shown(line)])

    def clear(self) -> None:
        """Forget all lines."""
        self._lines.clear()
        self.view.clear()

    def text(self) -> str:
        """What is shown."""
        return self.view.toPlainText()

    def _shown(self, line: LogLine) -> bool:
        least = (0, 2, 3)[self._level.currentIndex()]
        query = self._filter.text().lower()
        return _LEVELS.get(line.level, 1) >= least and (
            not query or query in line.text.lower() or query in line.node.lower()
        )

    def _refill(self) -> None:
        self.view.clear()
        self._write([line for line in self._lines if self._shown(line)])

    def _write(self, lines: Sequence[LogLine]) -> None:
        if not lines:
            return
        bar = self.view.verticalScrollBar()
        follows = bar.value() >= bar.maximum() - 4
        cursor = QTextCursor(self.view.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.beginEditBlock()
        first = self.view.document().isEmpty()
        for line in lines:
            if not first:
                cursor.insertBlock()
            first = False
            clock = time.strftime("%H:%M:%S", time.localtime(line.time))
            cursor.insertText(f"{clock}  ", self._format("text3"))
            if line.node:
                cursor.insertText(f"{line.node}  ", self._format("text"))
            cursor.insertText(line.text, self._format(_COLOURS.get(line.level, "text2")))
        cursor.endEditBlock()
        if follows:
            bar.setValue(bar.maximum())

    def _format(self, token: str) -> QTextCharFormat:
        made = QTextCharFormat()
        made.setForeground(self._theme.colour(token))
        return made
