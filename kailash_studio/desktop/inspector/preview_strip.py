"""The first rows that the node being edited would give, under its form."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from kailash_studio.desktop.widgets.basics import ElidedLabel, label

_ROWS = 50
_NUMBERS = {"integer", "number", "decimal"}


class PreviewStrip(QWidget):
    """A small table with a caption; hidden where there is nothing to preview."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.caption = ElidedLabel("muted", self)
        self.table = QTableWidget(self)
        self.table.setAccessibleName("Preview of the node's first rows")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.wrong = label("", "error_text", self)
        self.wrong.setWordWrap(True)
        head = QHBoxLayout()
        head.addWidget(label("Preview", "cap", self))
        head.addWidget(self.caption, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 6, 12, 10)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(self.wrong)
        layout.addWidget(self.table, 1)
        self.setMaximumHeight(230)
        self.show_nothing()

    def show_nothing(self) -> None:
        """There is nothing to preview."""
        self.hide()

    def show_preview(self, told: dict[str, Any]) -> None:
        """Show ``preview_page``'s answer: the first output that is a table, or what is wrong."""
        problem = told.get("problem", "")
        self.wrong.setText(problem)
        self.wrong.setVisible(bool(problem))
        tables = [(name, page) for name, page in told.get("outputs", {}).items() if page["kind"] == "table"]
        self.table.setVisible(bool(tables))
        self.caption.setText("")
        if tables:
            name, page = tables[0]
            rest = "" if told["whole"] else " of the first rows of its inputs"
            self.caption.setText(f"{name}: {page['total']:,} rows shown{rest}")
            self._fill(page)
        self.setVisible(bool(problem or tables))

    def _fill(self, page: dict[str, Any]) -> None:
        rows = page["rows"][:_ROWS]
        self.table.setColumnCount(len(page["columns"]))
        self.table.setHorizontalHeaderLabels(page["columns"])
        self.table.setRowCount(len(rows))
        for place, row in enumerate(rows):
            for column, text in enumerate(row):
                item = QTableWidgetItem("" if text is None else text)
                if page["types"][column] in _NUMBERS:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(place, column, item)
