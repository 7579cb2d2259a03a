"""The editor of SQL: completion, matching brackets, comments, and findings under the words that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QHelpEvent, QKeyEvent, QTextCharFormat, QTextCursor, QWheelEvent
from PySide6.QtWidgets import QTextEdit, QToolTip, QWidget

from kailash_studio.desktop.editors.code import CodeEditor
from kailash_studio.desktop.editors.completion_popup import CompletionPopup
from kailash_studio.desktop.editors.sql_highlight import SqlHighlighter, points, units
from kailash_studio.desktop.theme import Theme
from kailash_studio.services.sql_catalogue import Catalogue
from kailash_studio.services.sql_completion import Suggestion, suggest
from kailash_studio.services.sql_text import tokens

_OPENING, _CLOSING = "([", ")]"
_LONGEST = 50_000  # characters up to which it looks for completions and brackets as one types


class SqlEditor(CodeEditor):
    """An editor of one SQL statement.

    Signals:
        run_asked: Ctrl+Enter was pressed; what is typed has been committed.
        edited: The text changed, at each key.
    """

    run_asked = Signal()
    edited = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, "sql", parent)
        self._catalogue: Catalogue | None = None
        self._dialect = "postgresql"
        self._findings: list[dict[str, Any]] = []
        self._popup: CompletionPopup | None = None
        self._start = 0
        self.setMouseTracking(True)
        self.textChanged.connect(self._text_changed)
        self.cursorPositionChanged.connect(self._cursor_moved)

    def set_catalogue(self, catalogue: Catalogue | None) -> None:
        """Complete from this catalogue, and colour as its database reads."""
        self._catalogue = catalogue
        if catalogue is not None:
            self._dialect = catalogue.dialect
            assert isinstance(self._highlighter, SqlHighlighter)  # an editor of SQL has that one
            self._highlighter.set_dialect(catalogue.dialect)

    # ------------------------------------------------------------------ findings
    def show_findings(self, findings: Sequence[dict[str, Any]]) -> None:
        """Underline what is found; ``SqlFinding.to_plain`` has the form."""
        text = self.toPlainText()
        self._findings = [f | {"start": units(text, f["start"]), "end": units(text, f["end"])} for f in findings]
        placed = sorted((f for f in findings if f["end"] > f["start"]), key=lambda f: f["severity"] == "error")
        self.colour_numbers({f["line"] - 1: _colour_of(f) for f in placed})
        self._mark_lines()

    def finding_at(self, position: int) -> dict[str, Any] | None:
        """The finding about the word at a place."""
        return next((f for f in self._findings if f["start"] <= position < max(f["end"], f["start"] + 1)), None)

    def go_to(self, start: int, end: int) -> None:
        """Select a part of the text and bring it into view."""
        text = self.toPlainText()
        self.setTextCursor(self._part(units(text, start), units(text, end)))
        self.ensureCursorVisible()
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def event(self, event: QEvent) -> bool:
        """A finding's sentence as the tooltip of its word."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            inside = self.viewport().mapFrom(self, event.pos())
            finding = self.finding_at(self.cursorForPosition(inside).position())
            if finding is not None:
                QToolTip.showText(event.globalPos(), finding["sentence"], self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def _more_marks(self) -> list[QTextEdit.ExtraSelection]:
        marks = [self._underline(finding) for finding in self._findings if finding["end"] > finding["start"]]
        if self.hasFocus():
            marks += [self._bracket(place) for place in self.matching_brackets()]
        return marks

    def _underline(self, finding: dict[str, Any]) -> QTextEdit.ExtraSelection:
        mark = QTextEdit.ExtraSelection()
        mark.format.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
        mark.format.setUnderlineColor(self._theme.colour(_colour_of(finding)))
        mark.cursor = self._part(finding["start"], finding["end"])
        return mark

    def _bracket(self, place: int) -> QTextEdit.ExtraSelection:
        mark = QTextEdit.ExtraSelection()
        mark.format.setBackground(self._theme.colour("accent", 90))
        mark.cursor = self._part(place, place + 1)
        return mark

    def _part(self, start: int, end: int) -> QTextCursor:
        length = self.document().characterCount() - 1
        cursor = QTextCursor(self.document())
        cursor.setPosition(min(start, length))
        cursor.setPosition(min(end, length), QTextCursor.MoveMode.KeepAnchor)
        return cursor

    def matching_brackets(self) -> list[int]:
        """The bracket before or behind the cursor and the one that belongs to it; those in texts do not count."""
        at = self.textCursor().position()
        near = [self.document().characterAt(at - 1) if at else "", self.document().characterAt(at)]
        if self.document().characterCount() > _LONGEST or not any(
            character and character in _OPENING + _CLOSING for character in near
        ):
            return []
        open_ones: list[tuple[str, int]] = []
        text = self.toPlainText()
        at = points(text, at)
        for token in tokens(text, self._dialect):
            if token.kind != "symbol" or token.text not in _OPENING + _CLOSING:
                continue
            if token.text in _OPENING:
                open_ones.append((token.text, token.start))
            elif open_ones and _OPENING.index(open_ones[-1][0]) == _CLOSING.index(token.text):
                _, start = open_ones.pop()
                if {at, at - 1} & {start, token.start}:
                    return [units(text, start), units(text, token.start)]
        return []

    # ------------------------------------------------------------------ keys
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Completion first, then Ctrl+Space, Ctrl+Enter, Ctrl+/, then the keys of every code editor."""
        if self._popup is not None and self._popup.take_key(event):
            return
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if control and event.key() == Qt.Key.Key_Space:
            self.complete(asked=True)
        elif control and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.hide_completions()
            self.commit()
            self.run_asked.emit()
        elif control and event.key() == Qt.Key.Key_Slash:
            self.toggle_comment()
        else:
            super().keyPressEvent(event)
            typed = event.text()
            goes_on = bool(typed) and not control and (typed.isalnum() or typed in "_.")
            if goes_on or (event.key() == Qt.Key.Key_Backspace and self.completions()):
                self.complete()
            elif typed:
                self.hide_completions()

    def toggle_comment(self) -> None:
        """Make comments of the chosen lines, or take the comment marks away where all have one."""
        cursor = self.textCursor()
        first = self.document().findBlock(cursor.selectionStart())
        last = self.document().findBlock(max(cursor.selectionStart(), cursor.selectionEnd() - cursor.hasSelection()))
        blocks = []
        block = first
        while block.isValid() and block.blockNumber() <= last.blockNumber():
            blocks.append(block)
            block = block.next()
        filled = [b for b in blocks if b.text().strip()] or blocks
        remove = all(b.text().lstrip().startswith("--") for b in filled)
        indent = min(len(b.text()) - len(b.text().lstrip()) for b in filled)
        cursor.beginEditBlock()
        for each in filled:
            one = QTextCursor(each)
            text = each.text()
            if remove:
                at = text.index("--")
                one.setPosition(each.position() + at)
                length = 3 if text[at + 2 : at + 3] == " " else 2
                one.setPosition(each.position() + at + length, QTextCursor.MoveMode.KeepAnchor)
                one.removeSelectedText()
            else:
                one.setPosition(each.position() + indent)
                one.insertText("-- ")
        cursor.endEditBlock()

    # ------------------------------------------------------------------ completion
    def complete(self, *, asked: bool = False) -> None:
        """Offer what could stand at the cursor.

        Args:
            asked: The person asked for it; else there is nothing to offer before something is typed.
        """
        text = self.toPlainText()
        at = points(text, self.textCursor().position())
        if not asked and len(text) > _LONGEST:
            return
        found = suggest(text, at, self._catalogue)
        dotted = text[found.start - 1 : found.start] == "."
        exact = bool(found.items) and found.items[0].text.lower() == found.typed.lower()
        if not asked and (exact or not (found.typed or dotted)):
            self.hide_completions()
            return
        self._start = units(text, found.start)
        if found.items:
            self._list().offer(found.items, found.typed, self._line_in_window(self._start))
        else:
            self.hide_completions()

    def completions(self) -> list[str]:
        """What is offered now."""
        return self._popup.texts() if self._popup is not None else []

    def hide_completions(self) -> None:
        """Offer nothing any more."""
        if self._popup is not None:
            self._popup.hide()

    def _list(self) -> CompletionPopup:
        if self._popup is None or self._popup.parentWidget() is not self.window():
            if self._popup is not None:
                self._popup.deleteLater()
            self._popup = CompletionPopup(self._theme, self.window())
            self._popup.taken.connect(self._insert)
            self.destroyed.connect(self._popup.deleteLater)  # it is the window's child, and would outlive the form
        return self._popup

    def _line_in_window(self, position: int) -> QRect:
        cursor = self.textCursor()
        cursor.setPosition(position)
        place = self.cursorRect(cursor)
        corner = self.viewport().mapTo(self.window(), place.topLeft())
        return QRect(corner, QSize(max(1, place.width()), place.height()))

    def _insert(self, taken: object) -> None:
        assert isinstance(taken, Suggestion)  # the signal's type says less
        suggestion = taken
        cursor = self.textCursor()
        at = cursor.position()
        cursor.beginEditBlock()
        cursor.setPosition(min(self._start, at))
        cursor.setPosition(at, QTextCursor.MoveMode.KeepAnchor)
        called = suggestion.kind == "function"
        cursor.insertText(f"{suggestion.text}()" if called else suggestion.text)
        if called:
            cursor.movePosition(QTextCursor.MoveOperation.Left)
        cursor.endEditBlock()
        self.setTextCursor(cursor)
        self.hide_completions()
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def insert_name(self, name: str) -> None:
        """Put a name where the cursor is."""
        self.textCursor().insertText(name)
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def _text_changed(self) -> None:
        self._findings = []  # their places hold no more; new ones are on the way
        self.colour_numbers({})
        self._mark_lines()
        self.edited.emit()

    def _cursor_moved(self) -> None:
        if self._popup is not None and self._popup.isVisible() and self.textCursor().position() < self._start:
            self.hide_completions()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Leaving hides the completions."""
        self.hide_completions()
        super().focusOutEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scrolling hides the completions: they stand at a place of the window."""
        self.hide_completions()
        super().wheelEvent(event)


def _colour_of(finding: dict[str, Any]) -> str:
    return "red" if finding["severity"] == "error" else "amber"
