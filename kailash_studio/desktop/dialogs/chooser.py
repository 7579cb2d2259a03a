"""A list to type in: commands, nodes, ports. One dialog for every "choose one of many"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry.

    Attributes:
        text: What is shown and searched.
        detail: Shown behind it, searched with less weight.
        value: What is handed over.
        icon: Shown before it.
        why_not: Why it cannot be taken now; it is shown greyed then, with this in place of the detail.
    """

    text: str
    detail: str
    value: Any
    icon: QIcon | None = None
    why_not: str = ""


def score(query: str, text: str) -> int:
    """How well a query fits a text: 0 not at all; whole words and beginnings count most (case does not)."""
    query, text = query.lower().strip(), text.lower()
    if not query:
        return 1
    at = text.find(query)
    if at == 0:
        return 1000 - len(text)
    if at > 0:
        return (800 if not text[at - 1].isalnum() else 500) - len(text)
    position, gaps = -1, 0
    for letter in query:
        found = text.find(letter, position + 1)
        if found < 0:
            return 0
        gaps += found - position - 1
        position = found
    return max(1, 200 - gaps * 4)


class Chooser(QDialog):
    """A search field over a list; Enter takes the first.

    Signals:
        chosen: The value of the entry that was taken.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget, placeholder: str, choices: Sequence[Choice]) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("chooser")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._choices = choices
        self._field = QLineEdit(self)
        self._field.setPlaceholderText(placeholder)
        self._field.setAccessibleName(placeholder)
        self._field.textChanged.connect(self._fill)
        self._field.installEventFilter(self)
        self._list = QListWidget(self)
        self._list.setIconSize(QSize(16, 16))
        self._list.setUniformItemSizes(True)
        self._list.setAccessibleName("Choices")
        self._list.itemActivated.connect(self._take)
        self._list.itemClicked.connect(self._take)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self._field)
        layout.addWidget(self._list)
        self.resize(560, 400)
        self._fill("")

    def open_over(self, widget: QWidget) -> None:
        """Show it in the upper middle of a widget."""
        corner = widget.mapToGlobal(widget.rect().topLeft())
        self.move(corner.x() + (widget.width() - self.width()) // 2, corner.y() + 72)
        self.show()
        self._field.setFocus()

    def _fill(self, query: str) -> None:
        ranked = []
        for index, choice in enumerate(self._choices):
            points = max(score(query, choice.text), score(query, choice.detail) // 2)
            if points:  # what can be taken comes before what fits as well
                ranked.append((-points if query else 0, bool(choice.why_not), index))
        ranked.sort()
        self._list.clear()
        for *_, index in ranked[:_MOST_SHOWN]:
            choice = self._choices[index]
            detail = choice.why_not or choice.detail
            item = QListWidgetItem(f"{choice.text}    {detail}" if detail else choice.text)
            if choice.why_not:
                item.setFlags(Qt.ItemFlag.ItemIsSelectable)  # it can be gone to and read, and is greyed
            if choice.icon is not None:
                item.setIcon(choice.icon)
            item.setData(Qt.ItemDataRole.UserRole, index)
            self._list.addItem(item)
        if not ranked:
            item = QListWidgetItem("Nothing fits.")
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self._list.addItem(item)
        self._list.setCurrentRow(0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let Up, Down and Enter in the field work on the list."""
        if watched is self._field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            row, step = self._list.currentRow(), {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
            if step:
                self._list.setCurrentRow(max(0, min(self._list.count() - 1, row + step)))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                item = self._list.currentItem()
                if item is not None:
                    self._take(item)
                return True
        return super().eventFilter(watched, event)

    def _take(self, item: QListWidgetItem) -> None:
        index = item.data(Qt.ItemDataRole.UserRole)
        if index is not None and not self._choices[index].why_not:
            self.close()
            self.chosen.emit(self._choices[index].value)


def choose(parent: QWidget, placeholder: str, choices: Sequence[Choice], then: Callable[[Any], object]) -> Chooser:
    """Let the person choose, and go on with what was chosen."""
    chooser = Chooser(parent, placeholder, choices)
    chooser.chosen.connect(then)
    chooser.open_over(parent)
    return chooser
