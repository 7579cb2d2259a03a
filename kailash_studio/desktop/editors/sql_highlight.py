"""Highlighting of SQL from its tokens, the same that completion and lint read."""

from __future__ import annotations

from PySide6.QtGui import QFont, QSyntaxHighlighter, QTextCharFormat, QTextDocument

from kailash_studio.desktop.theme import Theme
from kailash_studio.services.sql_text import Token, tokens
from kailash_studio.services.sql_words import KEYWORDS

_TOKENS = {"text": "green", "comment": "text3", "value": "amber", "number": "teal", "name": "text"}
# what is open at the end of a line, as the state that Qt hands to the next; comments count their depth
_TEXT, _ESCAPED, _NAME, _TAGS = 1000, 1001, 1002, 2000


def units(text: str, at: int) -> int:
    """A place in a Python text as Qt counts it: a character outside the first 65,536 counts twice there."""
    return at if text.isascii() else at + sum(character > "\uffff" for character in text[:at])


def points(text: str, at: int) -> int:
    """A place as Qt counts it in a Python text."""
    return at if text.isascii() else len(text.encode("utf-16-le")[: 2 * at].decode("utf-16-le", "ignore"))


class SqlHighlighter(QSyntaxHighlighter):
    """Colours a line at a time; what is open from the lines before is put before it."""

    def __init__(self, document: QTextDocument, theme: Theme) -> None:
        super().__init__(document)
        self._theme = theme
        self._tags: list[str] = []
        self._dialect = "postgresql"

    def set_dialect(self, dialect: str) -> None:
        """Colour by the lexical rules of a database."""
        if dialect != self._dialect:
            self._dialect = dialect
            self.rehighlight()

    def highlightBlock(self, text: str) -> None:
        """Colour one line."""
        opened = self._opening(max(0, self.previousBlockState()))
        self.setCurrentBlockState(0)
        whole = opened + text
        found = list(tokens(whole, self._dialect))
        for index, token in enumerate(found):
            colour, bold = self._look(token, found, index)
            start = max(token.start - len(opened), 0)
            if colour and token.end > len(opened):
                first, behind = units(text, start), units(text, token.end - len(opened))
                self.setFormat(first, behind - first, self._format(colour, bold))
        if found and not found[-1].closed:
            self.setCurrentBlockState(self._state(found[-1]))

    @staticmethod
    def _look(token: Token, found: list[Token], index: int) -> tuple[str, bool]:
        if token.kind != "word":
            return _TOKENS.get(token.kind, ""), False
        dotted = index > 0 and found[index - 1].text == "."
        called = index + 1 < len(found) and found[index + 1].text == "("
        if token.lower in KEYWORDS and not dotted:
            return "purple", True
        return ("blue", False) if called else ("", False)

    def _opening(self, state: int) -> str:
        if state >= _TAGS:
            return self._tags[state - _TAGS]
        return {_TEXT: "'", _ESCAPED: "E'", _NAME: '"'}.get(state, "/*" * state)

    def _state(self, token: Token) -> int:
        if token.text[0] == '"':
            return _NAME  # a text in MySQL, a name elsewhere: the quotes go on
        if token.kind == "comment":
            return max(1, token.text.count("/*") - token.text.count("*/"))
        if token.kind == "name":
            return _NAME
        if token.text.startswith("$"):
            tag = token.text[: token.text.index("$", 1) + 1]
            if tag not in self._tags:
                self._tags.append(tag)
            return _TAGS + self._tags.index(tag)
        return _ESCAPED if token.text[0] in "eE" else _TEXT

    def _format(self, colour: str, bold: bool) -> QTextCharFormat:
        made = QTextCharFormat()
        made.setForeground(self._theme.colour(colour))
        if bold:
            made.setFontWeight(QFont.Weight.DemiBold)
        return made
