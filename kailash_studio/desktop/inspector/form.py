"""The form: a row for each parameter, generated from its declaration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QScrollArea, QToolButton, QVBoxLayout, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector.fields import CodeField, Field, is_tall, make_field
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import label
from kailash_studio.spec.form import FormRow
from kailash_studio.spec.parameter import reference

_LABEL_WIDTH = 104


class Row(QWidget):
    """Label, editor, reset button, and the sentence of a finding."""

    def __init__(self, row: FormRow, value: Any, theme: Theme, icons: Icons) -> None:
        super().__init__()
        self.row = row
        self.refers = reference(value) is not None
        self.title = QLabel(f"{row.title} *" if row.required else row.title, self)
        self.title.setToolTip(row.doc)
        self.title.setWordWrap(True)
        self.field: Field = make_field(row, value, theme, icons)
        self.title.setBuddy(self.field)
        self.reset = QToolButton(self)
        self.reset.setIcon(icons.icon("undo-2", "text3"))
        self.reset.setToolTip("Back to the default")
        self.reset.setAccessibleName(f"Reset {row.title}")
        self.reset.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.problem = label("", "error_text", self)
        self.problem.setWordWrap(True)
        self.problem.hide()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        if is_tall(row):
            top = QHBoxLayout()
            top.addWidget(self.title, 1)
            top.addWidget(self.reset)
            grid.addLayout(top, 0, 0)
            grid.addWidget(self.field, 1, 0)
            grid.addWidget(self.problem, 2, 0)
        else:
            self.title.setFixedWidth(_LABEL_WIDTH)
            grid.addWidget(self.title, 0, 0)
            grid.addWidget(self.field, 0, 1)
            grid.addWidget(self.reset, 0, 2)
            grid.addWidget(self.problem, 1, 0, 1, 3)
            grid.setColumnStretch(1, 1)

    def say(self, sentence: str) -> None:
        """Show what is wrong; an empty text: nothing is."""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))
        if isinstance(self.field, CodeField):
            found = re.search(r"line (\d+)", sentence)
            self.field.edit.mark_error(int(found.group(1)) if found else 0)


class Form(QScrollArea):
    """The form of one node.

    Signals:
        changed: A parameter's name and its new value.
        reset: A parameter's name, to take its default again.
    """

    changed = Signal(str, object)
    reset = Signal(str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icons = theme, icons
        self._rows: dict[str, Row] = {}
        self._key: object = None
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def show_rows(
        self, key: object, rows: Sequence[FormRow], given: Mapping[str, Any], problems: Mapping[str, str]
    ) -> None:
        """Show a node's values.

        Args:
            key: Whose they are. With the same key and rows the editors stay, and what is being typed is left alone.
            rows: The rows.
            given: Values that the document holds; others show their default.
            problems: Sentence by parameter.
        """
        same = key == self._key and [row.row for row in self._rows.values()] == list(rows)
        same = same and all(r.refers == (reference(given.get(n)) is not None) for n, r in self._rows.items())
        if not same:
            self._build(key, rows, given)
        for name, row in self._rows.items():
            value = given.get(name, row.row.default)
            if not same or not row.field.is_being_edited():
                row.field.show_value(value)
            row.reset.setVisible(name in given and given[name] != row.row.default)
            row.say(problems.get(name, ""))
            row.setVisible(_matters(row.row, rows, given))

    def _build(self, key: object, rows: Sequence[FormRow], given: Mapping[str, Any]) -> None:
        self._key = key
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(12, 12, 12, 16)
        layout.setSpacing(10)
        self._rows = {}
        for declared in rows:
            row = Row(declared, given.get(declared.name), self._theme, self._icons)
            row.field.committed.connect(lambda value, name=declared.name: self.changed.emit(name, value))
            row.reset.clicked.connect(lambda _checked=False, name=declared.name: self.reset.emit(name))
            self._rows[declared.name] = row
            layout.addWidget(row)
        layout.addStretch(1)
        self.setWidget(body)

    def focus_field(self, name: str) -> bool:
        """Bring a row into view and put the cursor into it."""
        row = self._rows.get(name)
        if row is None:
            return False
        self.ensureWidgetVisible(row)
        row.field.setFocus(Qt.FocusReason.OtherFocusReason)
        return True

    def row(self, name: str) -> Row:
        """A row by its parameter's name."""
        return self._rows[name]


def _matters(row: FormRow, rows: Sequence[FormRow], given: Mapping[str, Any]) -> bool:
    if row.shown_when is None or row.name in given:
        return True
    other, values = row.shown_when
    default = next((r.default for r in rows if r.name == other), None)
    return given.get(other, default) in values
