"""Circuit breakers: state of each, the last day as a band, opened and reset by hand."""

from __future__ import annotations

import time
from typing import Any

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import EmptyState, label
from kailash_studio.desktop.widgets.columns import Columns

STATE_TOKENS = {"closed": "green", "open": "red", "half_open": "amber", "forced_open": "purple"}
_DAY = 86_400.0
_KEY = Qt.ItemDataRole.UserRole


class Band(QWidget):
    """The states of the last day, from left to right, as colours."""

    def __init__(self, theme: Theme, changes: list[list[Any]], now: float, state: str) -> None:
        super().__init__()
        self._theme, self._changes, self._now, self._state = theme, changes, now, state
        said = [f"{time.strftime('%H:%M:%S', time.localtime(wall))} {after}" for wall, after in changes[-8:]]
        self.setToolTip("\n".join(said) or f"{state} for the last day")

    def sizeHint(self) -> QSize:
        """As high as a row."""
        return QSize(160, 24)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A piece for each state, at least a pixel wide."""
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        begin = self._now - _DAY
        pieces = [
            (begin, "closed" if self._changes else self._state),
            *((wall, after) for wall, after in self._changes),
        ]
        for i, (start, state) in enumerate(pieces):
            end = pieces[i + 1][0] if i + 1 < len(pieces) else self._now
            left = (start - begin) / _DAY * self.width()
            width = max(1.5, (end - start) / _DAY * self.width())
            painter.setBrush(self._theme.colour(STATE_TOKENS.get(state, "text3"), 200))
            painter.drawRect(QRectF(left, 8, width, self.height() - 16))


class Breakers(QWidget):
    """The list of breakers.

    Attributes:
        told: What is shown.

    Signals:
        set_wanted: A key, and whether it is to be forced open or reset.
    """

    set_wanted = Signal(str, bool)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self.told: list[dict[str, Any]] = []
        self.caption = label("", "muted", self)
        self.force = QPushButton(icons.icon("ban"), "Force open", self)
        self.force.setToolTip("Refuse all calls of the selected breaker until it is reset.")
        self.reset = QPushButton(icons.icon("rotate-cw"), "Reset", self)
        self.reset.setToolTip("Close the selected breaker and forget what it counted.")
        self.list = QTreeWidget(self)
        self.list.setHeaderLabels(["Breaker", "State", "Failures", "Why", "Last 24 hours"])
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setAccessibleName("Circuit breakers")
        Columns(self.list, 3, kept=100, most=180, fixed={4: 96})
        self._empty = EmptyState(
            icons, "zap", "No circuit breakers yet. Switch one on in a node's Resilience tab.", self
        )
        self.stack = QStackedWidget(self)
        self.stack.addWidget(self.list)
        self.stack.addWidget(self._empty)
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 8)
        bar.setSpacing(10)
        bar.addWidget(self.caption)
        bar.addStretch(1)
        bar.addWidget(self.force)
        bar.addWidget(self.reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.stack, 1)
        self.list.itemSelectionChanged.connect(self._selected)
        self.force.clicked.connect(lambda: self._set(forced=True))
        self.reset.clicked.connect(lambda: self._set(forced=False))
        theme.changed.connect(self._empty.repaint_icon)
        self.show_breakers([])

    def show_breakers(self, breakers: list[dict[str, Any]]) -> None:
        """Show them; the selected one stays selected."""
        self.told = breakers
        chosen = self.chosen()
        self.list.clear()
        now = time.time()
        for told in breakers:
            state = told["state"]
            rate = told["failure_rate"]
            failures = f"{told['failures']} in a row" if rate is None else f"{rate:.0%}"
            failures = failures if state == "closed" else ""  # it counts nothing while it refuses
            words = [told["key"], state.replace("_", " "), failures, told["reason"], ""]
            item = QTreeWidgetItem(self.list, words)
            item.setData(0, _KEY, told["key"])
            item.setForeground(1, self._theme.colour(STATE_TOKENS.get(state, "text2")))
            item.setForeground(3, self._theme.colour("text2"))
            item.setToolTip(2, "of the calls in its window" if rate is not None else "since the last success")
            item.setToolTip(3, told["reason"])
            self.list.setItemWidget(item, 4, Band(self._theme, told["changes"], now, state))
            item.setSelected(told["key"] == chosen)
        refusing = sum(told["state"] in {"open", "forced_open"} for told in breakers)
        self.caption.setText(
            f"{len(breakers)} breaker{'s' * (len(breakers) != 1)}, {refusing} open" if breakers else ""
        )
        self.stack.setCurrentIndex(0 if breakers else 1)
        self._selected()

    def chosen(self) -> str:
        """The selected key, or empty."""
        items = self.list.selectedItems()
        return str(items[0].data(0, _KEY)) if items else ""

    def _selected(self) -> None:
        self.force.setEnabled(bool(self.chosen()))
        self.reset.setEnabled(bool(self.chosen()))

    def _set(self, *, forced: bool) -> None:
        if self.chosen():
            self.set_wanted.emit(self.chosen(), forced)
