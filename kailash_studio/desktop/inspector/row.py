"""One row of the form: label, editor, reset button, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QToolButton, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector.column_names import ColumnNames
from kailash_studio.desktop.inspector.field import Field
from kailash_studio.desktop.inspector.fields import CodeField, TextField
from kailash_studio.desktop.inspector.json_field import JsonField
from kailash_studio.desktop.inspector.made import is_tall, make_field
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import label
from kailash_studio.spec.form import FormRow
from kailash_studio.spec.parameter import reference

_LABEL_WIDTH = 104
NO_DRAFTS: Mapping[str, str] = MappingProxyType({})


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
        self.large: QToolButton | None = None
        if row.kind == "sql" and isinstance(self.field, CodeField):
            self.large = QToolButton(self)
            self.large.setIcon(icons.icon("maximize", "text3"))
            self.large.setToolTip("Edit in a window of its own, with tables, test run and plan")
            self.large.setAccessibleName(f"Edit {row.title} in a window")
            self.large.clicked.connect(self.field.large_asked)
        self.columns, self.choose = self._complete_columns(theme, icons)
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
            if self.large is not None:
                top.addWidget(self.large)
            if self.choose is not None:
                top.addWidget(self.choose)
            top.addWidget(self.reset)
            grid.addLayout(top, 0, 0)
            grid.addWidget(self.field, 1, 0)
            grid.addWidget(self.problem, 2, 0)
        else:
            if self.choose is not None:
                self.field.put_behind(self.choose)
            self.title.setFixedWidth(_LABEL_WIDTH)
            grid.addWidget(self.title, 0, 0)
            grid.addWidget(self.field, 0, 1)
            grid.addWidget(self.reset, 0, 2)
            grid.addWidget(self.problem, 1, 0, 1, 3)
            grid.setColumnStretch(1, 1)

    def _complete_columns(self, theme: Theme, icons: Icons) -> tuple[ColumnNames | None, QToolButton | None]:
        """What offers the names of columns, and the button for it, where the row is meant for them."""
        if not self.row.columns_of or not isinstance(self.field, TextField | JsonField):
            return None, None
        columns = ColumnNames(self.field.edit, theme, expression=self.row.expression)
        button = QToolButton(self)
        button.setIcon(icons.icon("chevron-down", "text3"))
        button.setToolTip("Choose a column of the input (Ctrl+Space)")
        button.setAccessibleName(f"Choose a column for {self.row.title}")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(columns.ask)
        button.hide()
        return columns, button

    def offer_columns(self, names: Sequence[str]) -> None:
        """Offer these names of columns while somebody types."""
        if self.columns is not None and self.choose is not None:
            self.columns.names = names
            self.choose.setVisible(bool(names))

    def say(self, sentence: str) -> None:
        """Show what is wrong; an empty text: nothing is."""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))
        if isinstance(self.field, CodeField):
            found = re.search(r"line (\d+)", sentence)
            self.field.edit.mark_error(int(found.group(1)) if found else 0)

    def show_value(
        self,
        given: Mapping[str, Any],
        problems: Mapping[str, str],
        *,
        fresh: bool,
        drafts: Mapping[str, str] = NO_DRAFTS,
    ) -> None:
        """Show what the document holds of this parameter, or its default.

        Args:
            given: Values that the document holds.
            problems: Sentence by parameter.
            fresh: The row was just made; else what is being typed is left alone.
            drafts: Texts that are no value yet, by parameter; they are shown in a row that was just made.
        """
        name = self.row.name
        if fresh or not self.field.is_being_edited():
            self.field.show_value(given.get(name, self.row.default))
        if fresh and name in drafts:
            self.field.restore(drafts[name])
        self.reset.setVisible(name in given and given[name] != self.row.default)
        self.say(problems.get(name, ""))
