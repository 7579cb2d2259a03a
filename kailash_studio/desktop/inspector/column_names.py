"""Completes the names of an input's columns in a field; any other text may stand there, too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QRect, Qt
from PySide6.QtGui import QKeyEvent, QTextCursor
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit

from kailash_studio.desktop.editors.completion_popup import CompletionPopup
from kailash_studio.desktop.theme import Theme
from kailash_studio.services.sql_completion import Suggestion

_WORD = re.compile(r"[^\W\d]\w*$")
_MOST = 200


class ColumnNames(QObject):
    """Offers names while somebody types, and all of them on Ctrl+Space, on Down in a line, and when asked."""

    def __init__(self, editor: QLineEdit | QPlainTextEdit, theme: Theme, *, expression: bool) -> None:
        """Watch an editor.

        Args:
            editor: A line, or one name on each line.
            theme: Colours.
            expression: The names stand inside of something else; each word may be one.
        """
        super().__init__(editor)
        self._editor, self._theme, self._expression = editor, theme, expression
        self.names: Sequence[str] = ()
        self._adding = False  # what is chosen comes on a line of its own
        self._keyed = False  # the text changes because of a key
        self._popup: CompletionPopup | None = None
        editor.installEventFilter(self)
        editor.textChanged.connect(self._text_changed)

    def ask(self) -> None:
        """Offer all names."""
        self._editor.setFocus()
        self._offer(asked=True)

    def offered(self) -> list[str]:
        """What is offered now."""
        return self._popup.texts() if self._popup is not None else []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Hand keys over to the list while it is there, and open it."""
        popup = self._popup
        if event.type() == QEvent.Type.FocusOut and popup is not None:
            popup.hide()
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            if event.key() == Qt.Key.Key_Escape and popup is not None and popup.isVisible():
                event.accept()
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if popup is not None and popup.take_key(event):
                return True
            if self._asks(event):
                self._offer(asked=True)
                return True
            if popup is not None:
                popup.hide()
            self._keyed = True
        return False

    def _asks(self, event: QKeyEvent) -> bool:
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        down = event.key() == Qt.Key.Key_Down and plain and isinstance(self._editor, QLineEdit)
        space = event.key() == Qt.Key.Key_Space and event.modifiers() == Qt.KeyboardModifier.ControlModifier
        return bool(self.names) and (down or space)

    def _text_changed(self) -> None:
        if self._keyed and self._editor.hasFocus():
            self._offer(asked=False)
        self._keyed = False

    def _lines(self) -> list[str]:
        """The names of a list that are there; a line has none."""
        if self._expression or isinstance(self._editor, QLineEdit):
            return []
        return [line.strip() for line in self._editor.toPlainText().split("\n")]

    def _line(self) -> str:
        """The name in a list that the cursor stands in."""
        if self._expression or isinstance(self._editor, QLineEdit):
            return ""
        return self._editor.textCursor().block().text().strip()

    def _typed(self) -> str:
        """What is typed of a name, up to the cursor: the line, or its last word in an expression."""
        if isinstance(self._editor, QLineEdit):
            before = self._editor.text()[: self._editor.cursorPosition()]
        else:
            cursor = self._editor.textCursor()
            before = cursor.block().text()[: cursor.positionInBlock()]
        if not self._expression:
            return before.lstrip()
        found = _WORD.search(before)
        return found.group() if found is not None else ""

    def _offer(self, *, asked: bool) -> None:
        typed = self._typed()
        if not self.names or not (typed or asked):
            return
        low = typed.lower()
        fitting = [name for name in self.names if name.lower().startswith(low)]
        if not self._expression:
            fitting += [name for name in self.names if low in name.lower() and name not in fitting]
        lines = self._lines()
        self._adding = asked and bool(self._line()) and (not typed or not fitting or typed in self.names)
        if self._adding:
            fitting = [name for name in self.names if name not in lines]
        elif asked and (not fitting or typed in self.names):
            fitting = list(self.names)
        elif typed in fitting:
            fitting = []  # it is there already
        if fitting or self._popup is not None:
            self._list().offer([Suggestion(name, "column") for name in fitting[:_MOST]], typed, self._place())

    def _place(self) -> QRect:
        editor = self._editor
        if isinstance(editor, QLineEdit):
            place = editor.rect().adjusted(32, 0, 0, 0)
            return QRect(editor.mapTo(editor.window(), place.topLeft()), place.size())
        place = editor.cursorRect()
        return QRect(editor.viewport().mapTo(editor.window(), place.topLeft()), place.size())

    def _list(self) -> CompletionPopup:
        if self._popup is None:
            self._popup = CompletionPopup(self._theme, self._editor.window())
            self._popup.taken.connect(self._take)
            self.destroyed.connect(self._popup.deleteLater)  # it is the window's child, and would outlive the form
        return self._popup

    def _take(self, suggestion: object) -> None:
        """Put a name where a part of it is typed; one that was there already gives way."""
        assert isinstance(suggestion, Suggestion)  # the list's; Qt's signals carry objects
        name, typed = suggestion.text, self._typed()
        quoted = self._expression and not name.isidentifier()
        text = f"`{name}`" if quoted else name
        editor = self._editor
        if isinstance(editor, QLineEdit):
            end = editor.cursorPosition()
            start = end - len(typed)
            editor.setSelection(start, (end if self._expression else len(editor.text())) - start)
            editor.insert(text)
        else:
            cursor = editor.textCursor()
            if self._adding:
                cursor.movePosition(QTextCursor.MoveOperation.End)
                text = f"\n{name}" if cursor.block().text().strip() else name
            elif self._expression:
                cursor.movePosition(QTextCursor.MoveOperation.Left, QTextCursor.MoveMode.KeepAnchor, len(typed))
            else:
                cursor.movePosition(QTextCursor.MoveOperation.StartOfBlock)
                cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
            cursor.insertText(text)
            editor.setTextCursor(cursor)
