"""What the editors of the inspector form have in common: when what is typed becomes an edit, and when it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPlainTextEdit, QWidget

from kailash_studio.spec.form import FormRow

PAUSE_MS = 350
"""Somebody who types has stopped for so long: what is typed is taken as it is, and can be looked at."""


class Field(QWidget):
    """An editor of one value.

    What is typed is committed after a pause, on leaving and on Enter, and by ``take_over`` before anything else is done
    with the document. All that is committed of one typing is one step of undo.

    Signals:
        committed: The new value, once for each change.
        noted: ``has_more`` or ``draft`` have changed.
    """

    committed = Signal(object)
    noted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.live = False  # whether a pause commits: not where half a text would take connections away
        self._noted: tuple[bool, str | None] = (False, None)
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._pause.timeout.connect(self._rested)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)

    def show_value(self, value: Any) -> None:
        """Show a value without committing it."""
        raise NotImplementedError  # pragma: no cover - each field has its own

    def is_being_edited(self) -> bool:
        """Whether the person is in the middle of typing here, or has left something that is no value yet."""
        return self.has_more()

    def has_more(self) -> bool:
        """Whether the editor holds something else than what was shown or committed last."""
        return False

    def take_over(self) -> None:
        """Commit what is typed; what is no value stays, and is marked."""
        self._pause.stop()
        self._finish()
        self._note()

    def draft(self) -> str | None:
        """The text that was to be taken over and is no value; None when there is none."""
        return None

    def restore(self, draft: str) -> None:
        """Show a draft again."""

    def _finish(self) -> None:
        """Commit what is typed, if it is a value."""

    def _finish_in_passing(self) -> None:
        """The same in the middle of typing: nothing of the text may change."""
        self._finish()

    def _typed(self) -> None:
        """The text has changed, by somebody or by ``show_value``."""
        if self.live and self.has_more():
            self._pause.start()
        self._note()

    def _rested(self) -> None:
        self._finish_in_passing()
        self._note()

    def _note(self) -> None:
        now = (self.has_more(), self.draft())
        if now != self._noted:
            self._noted = now
            self.noted.emit()

    def put_behind(self, widget: QWidget) -> None:
        """Put something behind the editor."""
        self._layout.addWidget(widget)

    def _hold(self, editor: QWidget, row: FormRow) -> None:
        editor.setAccessibleName(row.title)
        editor.setToolTip(row.doc)
        self._layout.addWidget(editor, 1)
        self.setFocusProxy(editor)


class CommittedLine(QLineEdit):
    """A line whose text becomes an edit of the workflow: once it is one, Undo and Redo are those of the workflow."""

    def __init__(self, has_more: Callable[[], bool], parent: QWidget | None = None) -> None:
        """Make one; ``has_more`` tells whether it holds something else than the workflow does."""
        super().__init__(parent)
        self._has_more = has_more

    def event(self, event: QEvent) -> bool:
        """The window's keys for Undo and Redo hold here, but in the middle of typing."""
        keys = QKeySequence.StandardKey
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and (event.matches(keys.Undo) or event.matches(keys.Redo))
            and not self._has_more()
        ):
            event.ignore()
            return False
        return super().event(event)


class LeavingEdit(QPlainTextEdit):
    """A text field that says when the person leaves it, or presses Ctrl+Enter."""

    def __init__(self, finish: Callable[[], None]) -> None:
        super().__init__()
        self._finish = finish
        self.setTabChangesFocus(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Leaving finishes."""
        super().focusOutEvent(event)
        self._finish()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Enter finishes."""
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and control:
            self._finish()
        else:
            super().keyPressEvent(event)
