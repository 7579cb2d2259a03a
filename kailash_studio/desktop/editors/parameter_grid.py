"""The grid of a statement's values: name, type as the database says, value; and how values are written as text."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemDelegate,
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from kailash_studio.desktop.theme import Theme
from kailash_studio.services.sql_text import Given
from kailash_studio.spec.parameter import reference

# types whose values are written as they are, so that nobody has to quote a name or a date
_TEXTS = (
    "text",
    "varchar",
    "char",
    "bpchar",
    "name",
    "uuid",
    "date",
    "time",
    "timestamp",
    "interval",
    "enum",
    "vector",
)


def read_value(text: str, kind: str = "") -> Any:
    """The value that a text stands for: ``@name`` a workflow parameter, ``null``, else JSON, else the text itself.

    Args:
        text: As it is written in the grid.
        kind: The type as the database says; empty when it is not known.
    """
    text = text.strip()
    if text.startswith("@") and text[1:].isidentifier():
        return {"$parameter": text[1:]}
    if text == "null":
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if _is_text(kind) and not isinstance(value, str) else value


def show_value(value: Any, kind: str = "") -> str:
    """How a value is written; ``read_value`` reads it back."""
    found = reference(value)
    if found is not None:
        return f"@{found[1]}" if found[0] == "$parameter" else f"{found[0]}: {found[1]}"
    if isinstance(value, str) and read_value(value, kind) == value and value == value.strip():
        return value
    return json.dumps(value, ensure_ascii=False)


def _order(name: str) -> tuple[bool, int]:
    """Numbers first, then names as they come."""
    return (False, int(name[1:])) if name.startswith("$") else (True, 0)


def _is_text(kind: str) -> bool:
    return kind.startswith(_TEXTS) and not kind.endswith("[]")


class ParameterGrid(QTableWidget):
    """Name, type and value of each placeholder.

    Signals:
        changed: All values, ``Given``.
        run_asked: Test them.
    """

    changed = Signal(object)
    run_asked = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self._theme = theme
        self._given = Given()
        self._fixed: Collection[str] = ()
        self._asked: list[tuple[str, str]] = []
        self._declared: Mapping[str, Any] = {}
        self._names: list[str] = []
        self._filling = False
        self._known = False
        self._run_after = False
        self.setAccessibleName("Parameters")
        self.setHorizontalHeaderLabels(["Name", "Type", "Value"])
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(30)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.setColumnWidth(0, 84)
        self.setColumnWidth(1, 92)
        self.setShowGrid(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.AnyKeyPressed
            | QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.SelectedClicked
        )
        self.cellChanged.connect(self._cell_changed)

    def settle(self) -> None:
        """Take the value that is being written; its cell takes it when the keyboard goes back to the table."""
        if self.state() == QAbstractItemView.State.EditingState:
            self.setFocus()

    def show_parameters(
        self,
        asked: Sequence[tuple[str, str]],
        given: Given,
        declared: Mapping[str, Any],
        *,
        fixed: Collection[str] = (),
        known: bool = True,
    ) -> None:
        """Show what a statement asks for, and what it is given.

        Args:
            asked: Placeholder and type of each.
            given: What is given.
            declared: The workflow's parameters, for references.
            fixed: Which cannot be changed here: ``$`` those with numbers, ``:`` those with names.
            known: The statement has been looked at: what it does not ask for is not used.
        """
        self._asked, self._given, self._declared = list(asked), given, declared
        self._fixed, self._known = fixed, known
        if self.state() == QAbstractItemView.State.EditingState:
            return  # what is being typed is left alone; the end of it shows everything anew
        kinds = dict(asked)
        values = given.placeholders
        spare = [(name, "") for name in values if name not in kinds]
        self._names = sorted((name for name, _ in [*asked, *spare]), key=_order)
        self._filling = True
        self.setRowCount(len(self._names))
        for row, name in enumerate(self._names):
            self._fill(row, name, kinds, values)
        self._filling = False

    def _fill(self, row: int, name: str, kinds: Mapping[str, str], given: Mapping[str, Any]) -> None:
        used = name in kinds or not self._known
        kind = kinds.get(name, "") if used else "not used"
        cells = (name, kind, show_value(given[name], kinds.get(name, "")) if name in given else "")
        for column, text in enumerate(cells):
            item = QTableWidgetItem(text)
            if column != 2 or name[0] in self._fixed:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            item.setFont(self._theme.font(12, mono=column != 1))
            tokens = ("amber", "text3" if used else "red", "text")
            item.setForeground(self._theme.colour(tokens[column]))
            item.setToolTip(self._tip(name, given) if column == 2 else text)
            self.setItem(row, column, item)

    def _tip(self, name: str, given: Mapping[str, Any]) -> str:
        if name not in given:
            return "No value yet. A text, a number, null, JSON, or @name for a workflow parameter."
        found = reference(given[name])
        if found is None:
            tip = f"Bound as {type(given[name]).__name__ if given[name] is not None else 'null'}."
        else:
            default = self._declared.get(found[1], {}).get("default")
            tip = f"The workflow parameter {found[1]}, by default {default!r}."
        if name.startswith("$") and int(name[1:]) < len(self._given.listed):
            tip += " Delete makes it null, since those behind it keep their numbers."
        return tip

    def _cell_changed(self, row: int, column: int) -> None:
        if self._filling or column != 2:
            return
        name, item = self._names[row], self.item(row, column)
        kind = dict(self._asked).get(name, "")
        text = item.text() if item is not None else ""
        if text == "" and name not in self._given.placeholders:
            return
        self._set(name, read_value(text, kind))

    def _set(self, name: str, value: Any) -> None:
        listed = list(self._given.listed)
        if name.startswith(":"):
            self._hand_over(Given(listed, {**self._given.named, name[1:]: value}))
            return
        listed += [None] * (int(name[1:]) - len(listed))
        listed[int(name[1:]) - 1] = value
        self._hand_over(Given(listed, self._given.named))

    def _hand_over(self, given: Given) -> None:
        if given != self._given:
            self._given = given
            self.changed.emit(given)
        self.show_parameters(self._asked, self._given, self._declared, fixed=self._fixed, known=self._known)

    def take_away(self, row: int) -> None:
        """Take a value away; one in the middle of a list becomes null, since those behind it keep their numbers."""
        name, given = self._names[row], self._given
        if name not in given.placeholders or name[0] in self._fixed:
            return
        if name.startswith(":"):
            self._hand_over(Given(given.listed, {k: value for k, value in given.named.items() if k != name[1:]}))
            return
        listed = list(given.listed)
        listed[int(name[1:]) - 1] = None
        self._hand_over(Given(listed[:-1] if int(name[1:]) == len(listed) else listed, given.named))

    def closeEditor(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        """A value was written, or not; where Ctrl+Enter ended it, it is tested now."""
        super().closeEditor(editor, hint)
        if self._run_after:
            self._run_after = False
            self.run_asked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete takes the value of the row away; Enter edits it; Ctrl+Enter tests."""
        row = self.currentRow()
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            if self.state() == QAbstractItemView.State.EditingState:
                self._run_after = True  # the cell takes the value first
            else:
                self.run_asked.emit()
        elif self.state() == QAbstractItemView.State.EditingState:
            event.ignore()  # Enter of the cell's own editor comes through here as well
        elif event.key() == Qt.Key.Key_Delete and row >= 0:
            self.take_away(row)
        elif enter and row >= 0:
            item = self.item(row, 2)
            if item is not None and item.flags() & Qt.ItemFlag.ItemIsEditable:
                self.setCurrentItem(item)
                self.editItem(item)
        else:
            super().keyPressEvent(event)
