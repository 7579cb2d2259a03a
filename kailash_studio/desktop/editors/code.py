"""The code editor: line numbers, highlighting for SQL and Python, indentation."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QFont,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QSyntaxHighlighter,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
)
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from kailash_studio.desktop.editors.sql_highlight import SqlHighlighter
from kailash_studio.desktop.theme import Theme

COMMIT_AFTER_MS = 400

_PYTHON_WORDS = " ".join(keyword.kwlist)

Rule = tuple[re.Pattern[str], str, bool]


def _rules() -> list[Rule]:
    words = "|".join(_PYTHON_WORDS.split())
    return [
        (re.compile(rf"\b({words})\b"), "purple", True),
        (re.compile(r"\b\d[\d_]*(\.\d+)?\b"), "teal", False),
        (re.compile(r"(?<=\bdef )\w+|(?<=\bclass )\w+|^\s*@\w+"), "blue", False),
        (re.compile(r"""[rbfRBF]?("([^"\\]|\\.)*"?|'([^'\\]|\\.)*'?)"""), "green", False),
        (re.compile(r"#.*$"), "text3", False),
    ]


class PythonHighlighter(QSyntaxHighlighter):
    """Colours words, numbers, texts, comments and, over several lines, docstrings."""

    def __init__(self, document: QTextDocument, theme: Theme) -> None:
        super().__init__(document)
        self._theme = theme
        self._rules = _rules()
        self._blocks = (('"""', '"""', "green"), ("'''", "'''", "green"))

    def _format(self, token: str, bold: bool = False) -> QTextCharFormat:
        made = QTextCharFormat()
        made.setForeground(self._theme.colour(token))
        if bold:
            made.setFontWeight(QFont.Weight.DemiBold)
        return made

    def highlightBlock(self, text: str) -> None:
        """Colour one line."""
        for pattern, token, bold in self._rules:
            for found in pattern.finditer(text):
                self.setFormat(found.start(), found.end() - found.start(), self._format(token, bold))
        self._colour_blocks(text)

    def _colour_blocks(self, text: str) -> None:
        self.setCurrentBlockState(0)
        at, open_block = 0, max(0, self.previousBlockState())
        while True:
            if open_block:
                _, end, token = self._blocks[open_block - 1]
                stop = text.find(end, at)
                until = len(text) if stop < 0 else stop + len(end)
                start = max(0, at - len(end)) if at else 0
                self.setFormat(start, until - start, self._format(token))
                if stop < 0:
                    self.setCurrentBlockState(open_block)
                    return
                at, open_block = until, 0
            starts = [(text.find(s, at), i + 1) for i, (s, _, _) in enumerate(self._blocks) if text.find(s, at) >= 0]
            if not starts:
                return
            begin, open_block = min(starts)
            at = begin + len(self._blocks[open_block - 1][0])


class _Gutter(QWidget):
    """The line numbers."""

    def __init__(self, editor: CodeEditor) -> None:
        super().__init__(editor)
        self._editor = editor

    def sizeHint(self) -> QSize:
        return QSize(self._editor.gutter_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        self._editor.paint_gutter(event, self)


class CodeEditor(QPlainTextEdit):
    """An editor of SQL or Python.

    Signals:
        committed: The text, after a moment of rest, on leaving, and on Ctrl+Enter; only when it changed.
    """

    committed = Signal(str)

    def __init__(self, theme: Theme, language: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._committed = ""
        self._error_line = 0
        self._line_tokens: dict[int, str] = {}
        self.setFont(theme.font(12, mono=True))
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setTabStopDistance(self.fontMetrics().horizontalAdvance(" ") * 4)
        self.setTabChangesFocus(False)
        made = SqlHighlighter if language == "sql" else PythonHighlighter
        self._highlighter: QSyntaxHighlighter = made(self.document(), theme)
        self._gutter = _Gutter(self)
        self._rest = QTimer(self, singleShot=True, interval=COMMIT_AFTER_MS)
        self._rest.timeout.connect(self.commit)
        self.textChanged.connect(self._rest.start)
        self.blockCountChanged.connect(lambda _: self._set_margin())
        self.updateRequest.connect(self._scroll_gutter)
        self.cursorPositionChanged.connect(self._mark_lines)
        theme.changed.connect(self._repaint)
        self._set_margin()

    # ------------------------------------------------------------------ text
    def show_text(self, text: str) -> None:
        """Show a text that is committed already; the cursor stays where it can."""
        self._committed = text
        if text != self.toPlainText():
            position = self.textCursor().position()
            self.setPlainText(text)
            cursor = self.textCursor()
            cursor.setPosition(min(position, len(text)))
            self.setTextCursor(cursor)
        self._rest.stop()

    def has_more(self) -> bool:
        """Whether the text differs from what was shown or committed last."""
        return self.toPlainText() != self._committed

    def commit(self) -> None:
        """Hand the text over if it changed."""
        self._rest.stop()
        text = self.toPlainText()
        if text != self._committed:
            self._committed = text
            self.committed.emit(text)

    def mark_error(self, line: int) -> None:
        """Mark a line, counted from 1, as wrong; 0: none."""
        if line != self._error_line:
            self._error_line = line
            self._mark_lines()
            self._gutter.update()

    def colour_numbers(self, tokens: Mapping[int, str]) -> None:
        """Give line numbers, counted from 0, colours of their own."""
        if tokens != self._line_tokens:
            self._line_tokens = dict(tokens)
            self._gutter.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Leaving commits."""
        self.commit()
        super().focusOutEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Tab indents, Enter keeps the indentation, Ctrl+Enter commits."""
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter if control:
                self.commit()
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                line = self.textCursor().block().text()[: self.textCursor().positionInBlock()]
                indent = line[: len(line) - len(line.lstrip())]
                deeper = "    " if line.rstrip().endswith(":") else ""
                self.insertPlainText("\n" + indent + deeper)
                self.ensureCursorVisible()
            case Qt.Key.Key_Tab if not control:
                self._indent()
            case Qt.Key.Key_Backtab:
                self._outdent()
            case _:
                super().keyPressEvent(event)

    def _indent(self) -> None:
        cursor = self.textCursor()
        if cursor.hasSelection():
            self._each_line(lambda one: one.insertText("    "))
        else:
            cursor.insertText(" " * (4 - cursor.positionInBlock() % 4))

    def _outdent(self) -> None:
        def remove(one: QTextCursor) -> None:
            text = one.block().text()
            for _ in range(min(4, len(text) - len(text.lstrip(" ")))):
                one.deleteChar()

        self._each_line(remove)

    def _each_line(self, change: object) -> None:
        cursor = self.textCursor()
        first = self.document().findBlock(cursor.selectionStart()).blockNumber()
        last = self.document().findBlock(cursor.selectionEnd()).blockNumber()
        cursor.beginEditBlock()
        for number in range(first, last + 1):
            one = QTextCursor(self.document().findBlockByNumber(number))
            change(one)  # type: ignore[operator]
        cursor.endEditBlock()

    # ------------------------------------------------------------------ looks
    def _repaint(self) -> None:
        self._highlighter.rehighlight()
        self._mark_lines()
        self._gutter.update()

    def _mark_lines(self) -> None:
        marks: list[QTextEdit.ExtraSelection] = []
        if self.hasFocus() or self._error_line:
            rows: Sequence[tuple[int, str, int]] = (
                (self.textCursor().blockNumber(), "hover", 110),
                (self._error_line - 1, "red", 50),
            )
            for number, token, alpha in rows:
                block = self.document().findBlockByNumber(number)
                if number >= 0 and block.isValid():
                    mark = QTextEdit.ExtraSelection()
                    mark.format.setBackground(self._theme.colour(token, alpha))
                    mark.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
                    mark.cursor = QTextCursor(block)
                    marks.append(mark)
        self.setExtraSelections([*marks, *self._more_marks()])

    def _more_marks(self) -> list[QTextEdit.ExtraSelection]:
        """Marks of an editor that knows more of its language."""
        return []

    def gutter_width(self) -> int:
        """Room for the line numbers."""
        digits = max(2, len(str(self.blockCount())))
        return self.fontMetrics().horizontalAdvance("9") * digits + 14

    def _set_margin(self) -> None:
        self.setViewportMargins(self.gutter_width(), 0, 0, 0)

    def _scroll_gutter(self, rectangle: QRect, by: int) -> None:
        if by:
            self._gutter.scroll(0, by)
        else:
            self._gutter.update(0, rectangle.y(), self._gutter.width(), rectangle.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the gutter as high as the text."""
        super().resizeEvent(event)
        inside = self.contentsRect()
        self._gutter.setGeometry(QRect(inside.left(), inside.top(), self.gutter_width(), inside.height()))

    def paint_gutter(self, event: QPaintEvent, gutter: QWidget) -> None:
        """Draw the numbers of the lines in view."""
        painter = QPainter(gutter)
        painter.setFont(self._theme.font(11, mono=True))
        block = self.firstVisibleBlock()
        top = self.blockBoundingGeometry(block).translated(self.contentOffset()).top()
        current = self.textCursor().blockNumber()
        while block.isValid() and top <= event.rect().bottom():
            height = self.blockBoundingRect(block).height()
            if block.isVisible():
                number = block.blockNumber()
                token = "red" if number == self._error_line - 1 else "text2" if number == current else "text3"
                token = self._line_tokens.get(number, token)
                painter.setPen(self._theme.colour(token))
                place = QRect(0, round(top), gutter.width() - 7, round(height))
                painter.drawText(place, Qt.AlignmentFlag.AlignRight, str(block.blockNumber() + 1))
            block, top = block.next(), top + height
