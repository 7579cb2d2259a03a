"""The grid of a statement's values: name, type as the database says, value; and how values are written as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from kailash_studio.desktop.theme import Theme
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


def _number(name: str) -> int:
    return int(name[1:]) if name.startswith("$") else 0


def _is_text(kind: str) -> bool:
    return kind.startswith(_TEXTS) and not kind.endswith("[]")


class ParameterGrid(QTableWidget):
    """Name, type and value of each placeholder.

    Signals:
        changed: All values as the document holds them: a list for ``$1``, ``$2``, an object for names.
    """

    changed = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self._theme = theme
        self._values: list[Any] | dict[str, Any] = []
        self._asked: list[tuple[str, str]] = []
        self._declared: Mapping[str, Any] = {}
        self._names: list[str] = []
        self._filling = False
        self._known = False
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

    def show_parameters(
        self,
        asked: Sequence[tuple[str, str]],
        values: list[Any] | dict[str, Any],
        declared: Mapping[str, Any],
        *,
        known: bool = True,
    ) -> None:
        """Show what a statement asks for, and what it is given.

        Args:
            asked: Placeholder and type of each.
            values: What is given.
            declared: The workflow's parameters, for references.
            known: The statement has been looked at: what it does not ask for is not used.
        """
        self._asked, self._values, self._declared = list(asked), values, declared
        self._known = known
        if self.state() == QAbstractItemView.State.EditingState:
            return  # what is being typed is left alone; the end of it shows everything anew
        kinds = dict(asked)
        given = self.given()
        spare = [(name, "") for name in given if name not in kinds]
        self._names = sorted((name for name, _ in [*asked, *spare]), key=_number)
        self._filling = True
        self.setRowCount(len(self._names))
        for row, name in enumerate(self._names):
            self._fill(row, name, kinds, given)
        self._filling = False

    def given(self) -> dict[str, Any]:
        """The values by placeholder."""
        if isinstance(self._values, dict):
            return {f":{name}": value for name, value in self._values.items()}
        return {f"${number}": value for number, value in enumerate(self._values, 1)}

    def _fill(self, row: int, name: str, kinds: Mapping[str, str], given: Mapping[str, Any]) -> None:
        used = name in kinds or not self._known
        kind = kinds.get(name, "") if used else "not used"
        cells = (name, kind, show_value(given[name], kinds.get(name, "")) if name in given else "")
        for column, text in enumerate(cells):
            item = QTableWidgetItem(text)
            if column != 2:
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
            return f"Bound as {type(given[name]).__name__ if given[name] is not None else 'null'}."
        default = self._declared.get(found[1], {}).get("default")
        return f"The workflow parameter {found[1]}, by default {default!r}."

    def _cell_changed(self, row: int, column: int) -> None:
        if self._filling or column != 2:
            return
        name, item = self._names[row], self.item(row, column)
        kind = dict(self._asked).get(name, "")
        text = item.text() if item is not None else ""
        if text == "" and name not in self.given():
            return
        self._set(name, read_value(text, kind))

    def _set(self, name: str, value: Any) -> None:
        if name.startswith(":"):
            values: Any = dict(self._values) if isinstance(self._values, dict) else {}
            values[name[1:]] = value
        else:
            values = list(self._values) if isinstance(self._values, list) else []
            values += [None] * (int(name[1:]) - len(values))
            values[int(name[1:]) - 1] = value
        self._hand_over(values)

    def _hand_over(self, values: Any) -> None:
        if values != self._values:
            self._values = values
            self.changed.emit(values)
        self.show_parameters(self._asked, self._values, self._declared)

    def take_away(self, row: int) -> None:
        """Take a value away; one in the middle of a list becomes null, since those behind it keep their numbers."""
        name = self._names[row]
        if isinstance(self._values, dict):
            self._hand_over({key: value for key, value in self._values.items() if f":{key}" != name})
        elif name in self.given():
            number = int(name[1:])
            last = number == len(self._values)
            self._hand_over(self._values[:-1] if last else [*self._values[: number - 1], None, *self._values[number:]])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete takes the value of the row away; Enter edits it."""
        row = self.currentRow()
        if self.state() == QAbstractItemView.State.EditingState:
            event.ignore()  # Enter of the cell's own editor comes through here as well
        elif event.key() == Qt.Key.Key_Delete and row >= 0:
            self.take_away(row)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row >= 0:
            item = self.item(row, 2)
            if item is not None:
                self.setCurrentItem(item)
                self.editItem(item)
        else:
            super().keyPressEvent(event)
