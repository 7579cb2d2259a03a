"""Headers, search fields, switches, segments, empty states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QPainter, QPaintEvent, QPen, QResizeEvent, QTextOption
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme


def label(text: str, name: str, parent: QWidget | None = None) -> QLabel:
    """A label that the style sheet knows by name: h2, cap, muted, error_text."""
    made = QLabel(text, parent)
    made.setObjectName(name)
    return made


def tab_as_laid_out(layout: QLayout) -> None:
    """Let Tab go through a layout's fields as they are seen, not as they were made."""
    for before, after in pairwise(_fields(layout)):
        QWidget.setTabOrder(before, after)


def _fields(layout: QLayout) -> list[QWidget]:
    found: list[QWidget] = []
    for index in range(layout.count()):
        item = layout.itemAt(index)
        inner = item.layout() if item is not None else None
        widget = item.widget() if item is not None else None
        found += _fields(inner) if inner is not None else _fields_in(widget) if widget is not None else []
    return found


def _fields_in(widget: QWidget) -> list[QWidget]:
    if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
        return [widget]
    if isinstance(widget, QSplitter):
        parts = (widget.widget(index) for index in range(widget.count()))
        return [field for part in parts if part is not None for field in _fields_in(part)]
    inner = widget.layout()
    return _fields(inner) if inner is not None else []


def is_copying(event: QKeyEvent) -> bool:
    """Whether a key copies or selects all: what lists do with their rows, and the window's actions do with nodes."""
    return event.matches(QKeySequence.StandardKey.Copy) or event.matches(QKeySequence.StandardKey.SelectAll)


class ElidedLabel(QLabel):
    """A line that ends in an ellipsis where it does not fit; the whole is its tooltip."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.whole = ""

    def setText(self, text: str) -> None:
        """Show a text, as much of it as fits."""
        self.whole = text
        self.setToolTip(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the text to the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        super().setText(self.fontMetrics().elidedText(self.whole, Qt.TextElideMode.ElideRight, self.width()))


class WholeText(QPlainTextEdit):
    """A text that is shown whole: it wraps, may be copied, and scrolls where it has many lines. An empty one hides."""

    _LINES = 4

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.setProperty("bare", True)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)  # it wraps anywhere
        self.setAccessibleName("Result")
        self.document().setDocumentMargin(1)
        self.document().documentLayout().documentSizeChanged.connect(lambda _: self._fit())
        self.say("", name)

    def say(self, text: str, name: str) -> None:
        """Show a text in the look that the style sheet has for a name."""
        if name != self.objectName():
            self.setObjectName(name)
            self.style().unpolish(self)
            self.style().polish(self)
        self.setPlainText(text)
        self.setVisible(bool(text))
        self._fit()

    def _fit(self) -> None:
        lines = min(self._LINES, max(1, int(self.document().size().height())))  # of a plain text: in lines
        block = self.document().firstBlock()
        line = self.blockBoundingRect(block).height() / max(1, block.lineCount())
        self.setFixedHeight(math.ceil(lines * max(line, self.fontMetrics().lineSpacing())) + 4)


def panel_header(title: str, parent: QWidget) -> QWidget:
    """The header line of a panel."""
    header = QWidget(parent)
    layout = QHBoxLayout(header)
    layout.setContentsMargins(12, 10, 12, 4)
    layout.addWidget(label(title, "h2"))
    layout.addStretch(1)
    return header


class SearchField(QLineEdit):
    """A line to search in; Down and Enter are handed on.

    Signals:
        moved_down: Down was pressed.
        entered: Enter was pressed.
    """

    moved_down = Signal()
    entered = Signal()

    def __init__(self, icons: Icons, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self.setPlaceholderText(placeholder)
        self.setAccessibleName(placeholder)
        self.setClearButtonEnabled(True)
        self._mark = self.addAction(icons.icon("search", "text3"), QLineEdit.ActionPosition.LeadingPosition)

    def repaint_icon(self) -> None:
        """Take the icon of the present theme."""
        self._mark.setIcon(self._icons.icon("search", "text3"))

    def event(self, event: QEvent) -> bool:
        """Claim Escape while there is a text to clear, before a shortcut of the window gets it."""
        overrides = event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent)
        if overrides and event.key() == Qt.Key.Key_Escape and self.text():  # type: ignore[attr-defined]
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Hand Down and Enter on; Escape clears."""
        match event.key():
            case Qt.Key.Key_Down:
                self.moved_down.emit()
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self.entered.emit()
            case Qt.Key.Key_Escape if self.text():
                self.clear()
            case _:
                super().keyPressEvent(event)


class Switch(QAbstractButton):
    """On or off."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        """Its one size."""
        return QSize(34, 20)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A track and a knob."""
        colour = self._theme.colour
        on = self.isChecked()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(1.5, self.height() / 2 - 8, 31, 16)
        edge = "accent_hi" if self.hasFocus() else "fill" if on else "border2"
        painter.setPen(QPen(colour(edge), 1.4 if self.hasFocus() else 1.0))
        painter.setBrush(colour("fill" if on else "raised"))
        painter.drawRoundedRect(track, 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("on_accent" if on else "text3"))
        painter.drawEllipse(QPointF(track.right() - 8 if on else track.left() + 8, track.center().y()), 5.2, 5.2)


class Segments(QWidget):
    """A few choices side by side.

    Signals:
        chosen: The value of the segment that was pressed.
    """

    chosen = Signal(object)

    def __init__(self, choices: Sequence[tuple[Any, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._group = QButtonGroup(self)
        self._values = [value for value, _ in choices]
        for index, (_, text) in enumerate(choices):
            button = QPushButton(text, self)
            button.setObjectName("seg")
            button.setCheckable(True)
            last = len(choices) - 1
            button.setProperty(
                "pos", "only" if last == 0 else "first" if index == 0 else "last" if index == last else "mid"
            )
            self._group.addButton(button, index)
            layout.addWidget(button, 1)
        self._group.idClicked.connect(lambda index: self.chosen.emit(self._values[index]))

    def show_value(self, value: Any) -> None:
        """Mark a value's segment; none when it is not one of them."""
        self._group.setExclusive(False)
        for button in self._group.buttons():
            index = self._group.id(button)
            button.setChecked(self._values[index] == value and type(self._values[index]) is type(value))
        self._group.setExclusive(True)


class EmptyState(QWidget):
    """What a panel shows when there is nothing to show."""

    def __init__(self, icons: Icons, icon: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons, self._icon = icons, icon
        self._mark = QLabel(self)
        self._text = label(text, "muted")
        self._text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._text.setWordWrap(True)
        self._mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(self._mark)
        layout.addWidget(self._text)
        layout.addStretch(1)
        self.repaint_icon()

    def repaint_icon(self) -> None:
        """Take the icon of the present theme."""
        self._mark.setPixmap(self._icons.pixmap(self._icon, "border2", 26, self.devicePixelRatioF()))

    def say(self, text: str) -> None:
        """Change the text."""
        self._text.setText(text)
