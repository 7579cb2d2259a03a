"""The first rows that the node being edited would give, under its form."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from kailash_studio.desktop.panels.table_model import NUMBERS, tooltip
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, label

ROWS = 50
COLUMNS = 60
"""Columns that are shown: more cost the window time at each edit, and nobody looks through them here."""
_WIDEST = 220
_SAYS = {"run": "{name}: ", "read": "In the file: ", "written": "Would be written: "}


class PreviewStrip(QWidget):
    """A small table with a caption, or a sentence; hidden where there is nothing to preview."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._told: dict[str, Any] | None = None
        self.caption = ElidedLabel("muted", self)
        self.table = QTableWidget(self)
        self.table.setAccessibleName("Preview of the node's first rows")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.horizontalHeader().setHighlightSections(False)
        self.wrong = label("", "error_text", self)
        self.wrong.setWordWrap(True)
        self.note = label("", "muted", self)
        self.note.setWordWrap(True)
        head = QHBoxLayout()
        head.addWidget(label("Preview", "cap", self))
        head.addWidget(self.caption, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 6, 12, 10)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(self.wrong)
        layout.addWidget(self.note)
        layout.addWidget(self.table, 1)
        self.setMaximumHeight(230)
        theme.changed.connect(self._repaint)
        self.show_nothing()

    def show_nothing(self) -> None:
        """There is nothing to preview."""
        self._told = None
        self.hide()

    def say(self, sentence: str) -> None:
        """Say why there is no preview yet."""
        self._told = None
        self._show(note=sentence)

    def show_failure(self, sentence: str) -> None:
        """Say what keeps the engine from answering."""
        self._told = None
        self._show(wrong=sentence)

    def show_preview(self, told: dict[str, Any]) -> None:
        """Show ``preview_page``'s answer: the first output that is a table, or what is wrong."""
        self._told = told
        if told.get("problem"):
            self._show(wrong=told["problem"])
            return
        tables = [(name, page) for name, page in told["outputs"].items() if page["kind"] == "table"]
        if tables:
            name, page = tables[0]
            self._fill(page)
            self._show(caption=_SAYS[told["kind"]].format(name=name) + _extent(told, name, page))
        elif told["kind"] == "written":
            tree = next(iter(told["outputs"].values()))["tree"]
            self._show(note=f"Would be written: a {tree['type']}{_size(tree)}.")
        elif told["kind"] == "read":
            self._show(note="There are no rows in the file.")
        else:
            self.show_nothing()

    def _show(self, *, caption: str = "", wrong: str = "", note: str = "") -> None:
        self.caption.setText(caption)
        for said, words in ((self.wrong, wrong), (self.note, note)):
            said.setText(words)
            said.setVisible(bool(words))
        self.table.setVisible(bool(caption))
        self.show()

    def _repaint(self) -> None:
        if self._told is not None:
            self.show_preview(self._told)

    def _fill(self, page: dict[str, Any]) -> None:
        rows, names = page["rows"][:ROWS], page["columns"][:COLUMNS]
        dim, mono = self._theme.colour("text3"), self._theme.font(12, mono=True)
        table = self.table
        table.clear()
        table.setColumnCount(len(names))
        table.setRowCount(len(rows))
        for column, name in enumerate(names):
            number = page["types"][column] in NUMBERS
            side = Qt.AlignmentFlag.AlignRight if number else Qt.AlignmentFlag.AlignLeft
            head = QTableWidgetItem(name)
            head.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            head.setToolTip(f"{name}: {page['types'][column]}")
            table.setHorizontalHeaderItem(column, head)
            for place, row in enumerate(rows):
                text = row[column]
                item = QTableWidgetItem("null" if text is None else text)
                item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(tooltip(text))
                if number:
                    item.setFont(mono)
                if text is None:
                    item.setForeground(dim)
                table.setItem(place, column, item)
        table.resizeColumnsToContents()
        for column in range(len(names)):
            table.setColumnWidth(column, min(_WIDEST, table.columnWidth(column)))


def _extent(told: dict[str, Any], name: str, page: dict[str, Any]) -> str:
    """How much of it is shown; how many rows there are is only said where it is known."""
    shown = min(ROWS, len(page["rows"]))
    known = name not in told["more"]
    if known and shown == page["total"]:
        said = f"{shown} row{'s' * (shown != 1)}"
    else:
        said = f"first {shown} row{'s' * (shown != 1)}" + (f" of {page['total']}" if known else "")
    columns = len(page["columns"])
    said += f", {COLUMNS} of {columns:,} columns" if columns > COLUMNS else ""
    return said + ("" if told["whole"] else ", made of the first rows of its inputs")


def _size(tree: dict[str, Any]) -> str:
    return f" of {tree['text']}" if tree["children"] else ""
