"""The list of completions under the cursor. The focus stays in the editor, which hands keys over."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from kailash_studio.desktop.theme import Theme
from kailash_studio.services.sql_completion import Suggestion

_ROW = 26
_MOST_ROWS = 9
_WIDTH = 380
_MARKS = {
    "column": ("C", "blue"),
    "alias": ("A", "teal"),
    "table": ("T", "amber"),
    "view": ("V", "amber"),
    "schema": ("S", "pink"),
    "function": ("ƒ", "green"),
    "keyword": ("K", "purple"),
}
_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class _Drawn(QStyledItemDelegate):
    """A letter for the kind, the name with what is typed of it in bold, and the detail at the right."""

    def __init__(self, theme: Theme, popup: CompletionPopup) -> None:
        super().__init__(popup)
        self._theme, self._popup = theme, popup

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(_WIDTH - 24, _ROW)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        suggestion: Suggestion = index.data(Qt.ItemDataRole.UserRole)
        place: QRect = option.rect
        chosen = option.state & QStyle.StateFlag.State_Selected
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("accent_bg"))
            painter.drawRoundedRect(place.adjusted(0, 1, 0, -1), 5, 5)
        letter, token = _MARKS[suggestion.kind]
        tile = QRect(place.left() + 6, place.center().y() - 8, 17, 17)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour(token, 40))
        painter.drawRoundedRect(tile, 4, 4)
        painter.setPen(self._theme.colour(token))
        painter.setFont(self._theme.font(11, QFont.Weight.DemiBold))
        painter.drawText(tile, Qt.AlignmentFlag.AlignCenter, letter)
        painter.setFont(self._theme.font(12))
        painter.setPen(self._theme.colour("text3"))
        metrics = painter.fontMetrics()
        room = place.adjusted(32, 0, -8, 0)
        painter.setFont(self._theme.font(12, mono=True))
        name_width = painter.fontMetrics().horizontalAdvance(suggestion.text)
        painter.setFont(self._theme.font(12))
        detail = metrics.elidedText(
            suggestion.detail, Qt.TextElideMode.ElideRight, max(0, room.width() - name_width - 16)
        )
        painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, detail)
        self._paint_name(painter, room, suggestion.text)
        painter.restore()

    def _paint_name(self, painter: QPainter, room: QRect, name: str) -> None:
        typed = self._popup.typed
        at = name.lower().find(typed.lower()) if typed else -1
        parts = [(name, False)] if at < 0 else [
            (name[:at], False), (name[at : at + len(typed)], True), (name[at + len(typed) :], False)
        ]  # fmt: skip
        left = room.left()
        for part, hit in parts:
            painter.setFont(self._theme.font(12, QFont.Weight.Bold if hit else QFont.Weight.Normal, mono=True))
            painter.setPen(self._theme.colour("accent_hi" if hit else "text"))
            painter.drawText(room.adjusted(left - room.left(), 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, part)
            left += painter.fontMetrics().horizontalAdvance(part)


class CompletionPopup(QListWidget):
    """Suggestions to choose from.

    Signals:
        taken: The suggestion that was chosen.
    """

    taken = Signal(object)

    def __init__(self, theme: Theme, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.setObjectName("completion")
        self.setAccessibleName("Completions")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.typed = ""
        self.setItemDelegate(_Drawn(theme, self))
        self.itemClicked.connect(self._take)
        self.hide()

    def offer(self, suggestions: Sequence[Suggestion], typed: str, under: QRect) -> None:
        """Show suggestions under a place of the window; with none it hides."""
        self.typed = typed
        self.clear()
        for suggestion in suggestions:
            item = QListWidgetItem(suggestion.text)
            item.setData(Qt.ItemDataRole.UserRole, suggestion)
            self.addItem(item)
        if not suggestions:
            self.hide()
            return
        self.setCurrentRow(0)
        height = _ROW * min(len(suggestions), _MOST_ROWS) + 12
        self.setGeometry(QRect(self._corner(under, height), QSize(_WIDTH, height)))
        self.show()
        self.raise_()

    def _corner(self, under: QRect, height: int) -> QPoint:
        """Under the line, or above it where there is no room; always inside the window."""
        room = self._window.rect()
        left = max(4, min(under.left() - 32, room.width() - _WIDTH - 4))
        below = under.bottom() + 4
        top = below if below + height <= room.height() else max(4, under.top() - height - 4)
        return QPoint(left, top)

    def take_key(self, event: QKeyEvent) -> bool:
        """Whether a key was meant for the list: moving, taking, leaving."""
        if not self.isVisible() or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            return False
        if event.key() in _KEYS:
            step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1, Qt.Key.Key_PageUp: -_MOST_ROWS}.get(
                Qt.Key(event.key()), _MOST_ROWS
            )
            self.setCurrentRow(max(0, min(self.count() - 1, self.currentRow() + step)))
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Tab):
            self._take(self.currentItem())
            return True
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
            return True
        return False

    def _take(self, item: QListWidgetItem) -> None:
        suggestion = item.data(Qt.ItemDataRole.UserRole)
        self.hide()
        self.taken.emit(suggestion)

    def texts(self) -> list[str]:
        """What is offered; empty while it is hidden."""
        return [self.item(row).text() for row in range(self.count())] if self.isVisible() else []
