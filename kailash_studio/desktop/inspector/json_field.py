"""The editor of lists, objects, and values of any kind."""

from __future__ import annotations

import json
from typing import Any

from kailash_studio.desktop.inspector.field import Field, LeavingEdit
from kailash_studio.spec.form import FormRow
from kailash_studio.spec.parameter import reference

_EXAMPLES = {"list": '["a", 1]', "object": '{"name": 1}', "any": 'JSON, such as 10 or "text"'}


class JsonField(Field):
    """A list, an object, or anything, written as JSON; a list of texts as one text a line."""

    def __init__(self, row: FormRow) -> None:
        super().__init__()
        self._row = row
        self._plain = row.kind == "list" and row.item == "text"
        self._shown = ""
        self._wrong = False
        self.edit = LeavingEdit(self.take_over)
        self.edit.setFixedHeight(76 if row.kind != "any" else 34)
        self.edit.setPlaceholderText("one on each line" if self._plain else _EXAMPLES[row.kind])
        self.edit.textChanged.connect(self._typed)
        self._hold(self.edit, row)

    def show_value(self, value: Any) -> None:
        """Show a value as text; a text that means it is left as somebody writes it."""
        typed = self.edit.toPlainText()
        if self.edit.hasFocus() and self._means(typed.strip(), value):
            self._shown = typed.strip()
        else:
            self._shown = self._written(value)
            if self._shown != typed:
                self.edit.setPlainText(self._shown)
        self._mark(wrong=False)
        self._note()

    def _written(self, value: Any) -> str:
        if self._plain and isinstance(value, list):
            return "\n".join(map(str, value))
        if value is None or (value in ([], {}) and self._row.kind != "any"):
            return ""
        return json.dumps(value, ensure_ascii=False)

    def _read(self, text: str) -> Any:
        """The value that a text means.

        Raises:
            ValueError: None yet.
        """
        if self._plain:
            return [line.strip() for line in text.split("\n") if line.strip()]
        if not text:
            return [] if self._row.kind == "list" else {} if self._row.kind == "object" else None
        try:
            return json.loads(text)
        except ValueError:
            if self._row.kind == "any":
                return text  # a bare word is meant as a text
            raise

    def _means(self, text: str, value: Any) -> bool:
        try:
            return json.dumps(self._read(text)) == json.dumps(value)  # which tells 1 from true
        except ValueError:
            return False

    def has_more(self) -> bool:
        """Whether there is another text than was shown or committed last."""
        return self.edit.toPlainText().strip() != self._shown

    def draft(self) -> str | None:
        """What was to be taken over and is no JSON."""
        return self.edit.toPlainText() if self._wrong and self.has_more() else None

    def restore(self, draft: str) -> None:
        """Show it again, and mark it."""
        self.edit.setPlainText(draft)
        self.take_over()

    def _finish(self) -> None:
        text = self.edit.toPlainText().strip()
        if text == self._shown:
            self._mark(wrong=False)
            return
        try:
            value = self._read(text)
        except ValueError:
            self._mark(wrong=True)
            return
        self._shown = text
        self._mark(wrong=False)
        self.committed.emit(value)

    def _finish_in_passing(self) -> None:
        text = self.edit.toPlainText().strip()
        try:
            value = self._read(text)
        except ValueError:
            return  # it may be one in a moment
        if reference(value) is None:  # which has a field of its own that cannot be written in
            self._finish()

    def _mark(self, *, wrong: bool) -> None:
        if wrong != self._wrong:
            self._wrong = wrong
            self.edit.setProperty("invalid", wrong)
            self.edit.setToolTip("This is not JSON yet." if wrong else self._row.doc)
            self.edit.style().unpolish(self.edit)
            self.edit.style().polish(self.edit)
