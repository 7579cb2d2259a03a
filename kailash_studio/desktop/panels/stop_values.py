"""The values at a stop: each input and output as a table whose cells can be edited, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel

_MOST_ROWS = 200
_GIVE = "{}"

Key = tuple[str, str]
"""``inputs`` or ``outputs``, and the port's name; an empty name for all outputs that are to be given."""


class StopValues(QWidget):
    """Chooses a port and shows its value; what is changed is remembered for each.

    Signals:
        changed: Something was edited.
    """

    changed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._texts: dict[Key, str] = {}  # as they came; only values that are small enough to be edited
        self._edits: dict[Key, str] = {}
        self._pages: dict[Key, Mapping[str, Any]] = {}
        self.port = QComboBox(self)
        self.port.setAccessibleName("Input or output that is shown")
        self.port.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.port.setMinimumWidth(130)
        self.note = ElidedLabel("error_text", self)
        self.undo = QPushButton("Undo changes", self)
        self.undo.setObjectName("link")
        self.table = QTableWidget(self)
        self.table.setAccessibleName("The value as a table; cells can be edited")
        self.text = QPlainTextEdit(self)
        self.text.setAccessibleName("The value as JSON")
        self.stack = QStackedWidget(self)
        self.stack.addWidget(self.table)
        self.stack.addWidget(self.text)
        row = QHBoxLayout()
        row.addWidget(self.port)
        row.addWidget(self.note, 1)
        row.addWidget(self.undo)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(row)
        layout.addWidget(self.stack, 1)
        self.port.currentIndexChanged.connect(lambda _: self._show())
        self.table.cellChanged.connect(self._cell_edited)
        self.text.textChanged.connect(self._text_edited)
        self.undo.clicked.connect(self._undo)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self._fill({}, None, give=False)

    def show_values(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None, *, give: bool) -> None:
        """Show values as ``stop_values`` tells them.

        Args:
            inputs: By name.
            outputs: By name, or None before there are any.
            give: Outputs can be written by hand, although there are none.
        """
        self._fill(inputs, outputs, give=give)

    def edited(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The inputs and the outputs that were changed, by name.

        Raises:
            ValueError: A text is not JSON.
        """
        found: dict[str, dict[str, Any]] = {"inputs": {}, "outputs": {}}
        for (side, name), text in self._edits.items():
            if name and text != self._texts[side, name]:
                found[side][name] = json.loads(text)
        return found["inputs"], found["outputs"]

    def outputs(self) -> dict[str, Any]:
        """All outputs as they stand, for giving them by hand; empty where one is too large to be seen whole.

        Raises:
            ValueError: A text is not JSON.
        """
        if ("outputs", "") in self._texts:
            given = json.loads(self._edits.get(("outputs", ""), _GIVE))
            return given if isinstance(given, dict) else {}
        names = [name for side, name in self._pages if side == "outputs"]
        keys = [("outputs", name) for name in names]
        if any(key not in self._texts for key in keys):
            return {}
        return {name: json.loads(self._edits.get(("outputs", name), self._texts["outputs", name])) for name in names}

    def wrong(self) -> str:
        """Why what is written cannot be taken; empty when it can."""
        for (side, name), text in self._edits.items():
            try:
                json.loads(text)
            except ValueError as error:
                return f"{name or side} cannot be read: {error}."
        return ""

    # ------------------------------------------------------------------ showing
    def _fill(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None, *, give: bool) -> None:
        self._texts, self._edits, self._pages = {}, {}, {}
        self.port.blockSignals(True)
        self.port.clear()
        for side, values in (("inputs", inputs), ("outputs", outputs or {})):
            for name, shown in values.items():
                self._pages[side, name] = shown["page"]
                if "plain" in shown:
                    self._texts[side, name] = shown["plain"]
                self.port.addItem(f"{side[:-1]}  {name}", (side, name))
        if outputs is None and give:
            self._texts["outputs", ""] = _GIVE
            self.port.addItem("outputs to give", ("outputs", ""))
        if outputs:
            self.port.setCurrentIndex(len(inputs))  # what it gave is what one wants to see after a call
        self.port.blockSignals(False)
        self.port.setEnabled(self.port.count() > 0)
        self._show()

    def _key(self) -> Key:
        side, name = self.port.currentData() or ("", "")
        return side, name

    def _show(self) -> None:
        key = self._key()
        text = self._edits.get(key, self._texts.get(key))
        rows = _rows(text) if text is not None else None
        self.table.blockSignals(True)
        self.text.blockSignals(True)
        if rows is not None:
            self._show_rows(rows)
            self.stack.setCurrentWidget(self.table)
        else:
            self.text.setPlainText(text if text is not None else self._summary(key))
            self.text.setReadOnly(text is None)
            self.stack.setCurrentWidget(self.text)
        self.table.blockSignals(False)
        self.text.blockSignals(False)
        self._tell()

    def _summary(self, key: Key) -> str:
        page = self._pages.get(key)
        if page is None:
            return ""
        size = f"{page['total']:,} rows" if page["kind"] == "table" else str(page["tree"]["text"])
        return f"{size}: too large to be edited here. Evaluate an expression to look into it."

    def _show_rows(self, rows: list[dict[str, Any]]) -> None:
        columns = list({name: None for row in rows for name in row})
        self.table.clear()
        self.table.setColumnCount(len(columns))
        self.table.setHorizontalHeaderLabels(columns)
        self.table.setRowCount(len(rows))
        for place, row in enumerate(rows):
            for column, name in enumerate(columns):
                value = row.get(name)
                item = QTableWidgetItem("" if value is None else _cell(value))
                if isinstance(value, int | float) and not isinstance(value, bool):
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(place, column, item)

    # ------------------------------------------------------------------ editing
    def _cell_edited(self, place: int, column: int) -> None:
        key = self._key()
        rows = _rows(self._edits.get(key, self._texts[key]))
        header, item = self.table.horizontalHeaderItem(column), self.table.item(place, column)
        assert rows is not None and header is not None and item is not None
        rows[place][header.text()] = _value(item.text(), rows[place].get(header.text()))
        self._edits[key] = json.dumps(rows, ensure_ascii=False, indent=2)
        item.setForeground(self._theme.colour("amber"))
        self._tell()

    def _text_edited(self) -> None:
        if not self.text.isReadOnly():
            self._edits[self._key()] = self.text.toPlainText()
            self._tell()

    def _undo(self) -> None:
        self._edits.pop(self._key(), None)
        self._show()

    def _tell(self) -> None:
        key = self._key()
        self.undo.setVisible(key in self._edits and self._edits[key] != self._texts.get(key))
        self.note.setText(self.wrong())
        self.changed.emit()


def _rows(text: str) -> list[dict[str, Any]] | None:
    """A JSON list of records that is small enough for a table, or None."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, list) and 0 < len(value) <= _MOST_ROWS and all(isinstance(row, dict) for row in value):
        return value
    return None


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value(text: str, before: Any) -> Any:
    """What a cell means: text stays text where it was text; else JSON, and what is no JSON is text."""
    if isinstance(before, str):
        return text
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
