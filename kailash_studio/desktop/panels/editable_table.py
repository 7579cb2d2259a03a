"""A table whose cells can be changed: the changes are kept beside it, and the rows come in pages."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from kailash_studio.desktop.panels.table_model import Fetch, Index, PagedTable
from kailash_studio.desktop.theme import Theme

Cells = MutableMapping[tuple[int, str], str | None]
"""What was typed, by row and column; None: null."""

_NESTED = frozenset({"record", "list", "table", "bytes"})
_CUT = "…"
_SAMPLE, _LEAST, _MOST = 30, 64, 280


class EditableTable(PagedTable):
    """Rows of a value that may be changed cell by cell.

    Attributes:
        refused: Why what was typed last into a cell is not taken, by row and column.

    Signals:
        edited: A cell was changed.
    """

    edited = Signal()

    def __init__(self, theme: Theme, fetch: Fetch, first: Mapping[str, Any], cells: Cells, parent: QObject) -> None:
        super().__init__(theme, fetch, dict(first), parent)
        self._cells = cells
        self.refused: dict[tuple[int, str], str] = {}

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Cells whose whole text is here may be edited."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if self._may(index) else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What was typed where something was, in another colour; in a third one where it was not taken."""
        key = self._key(index)
        if key in self.refused and role == Qt.ItemDataRole.ForegroundRole:
            return self._theme.colour("red")
        if key in self.refused and role == Qt.ItemDataRole.ToolTipRole:
            return self.refused[key]
        if key in self._cells:
            text = self._cells[key]
            if role == Qt.ItemDataRole.DisplayRole:
                return "null" if text is None else text
            if role == Qt.ItemDataRole.EditRole:
                return text or ""
            if role == Qt.ItemDataRole.ForegroundRole:
                return self._theme.colour("amber")
            if role == Qt.ItemDataRole.ToolTipRole:
                before = self.cell(index.row(), index.column())
                return f"It was {'null' if before is None else before}."
        elif role == Qt.ItemDataRole.EditRole:
            return self.cell(index.row(), index.column()) or ""
        elif role == Qt.ItemDataRole.ToolTipRole and not self._may(index):
            return "Too long, or nested: change it as JSON."
        return super().data(index, role)

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take what was typed; what is as before is no change."""
        if role != Qt.ItemDataRole.EditRole or not self._may(index):
            return False
        before = self.cell(index.row(), index.column())
        key = self._key(index)
        if value == before or (before is None and value == ""):
            self._cells.pop(key, None)
        else:
            self._cells[key] = value
        self.dataChanged.emit(index, index, [])
        self.edited.emit()
        return True

    def look_again(self, row: int) -> None:
        """Show a row as it is now: a change was refused."""
        if 0 <= row < self.rowCount():
            self.dataChanged.emit(self.index(row, 0), self.index(row, self.columnCount() - 1), [])

    def _key(self, index: Index) -> tuple[int, str]:
        return index.row(), self.columns[index.column()]

    def _may(self, index: Index) -> bool:
        if self.types[index.column()] in _NESTED:
            return False
        text = self.cell(index.row(), index.column())
        return text is None or not text.endswith(_CUT)


class EditableView(QTableView):
    """The table; Delete makes the selected cell null."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("The value as a table; cells can be edited")
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().setDefaultSectionSize(26)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setHighlightSections(False)
        self.setToolTip("Double-click or F2 changes a cell, Delete makes it null.")

    def fit_columns(self) -> None:
        """Widths from the first rows of the columns that can be seen at once."""
        model, metrics = self.model(), self.fontMetrics()
        for column in range(min(model.columnCount(), 40)):
            texts = [str(model.index(row, column).data()) for row in range(min(_SAMPLE, model.rowCount()))]
            texts.append(str(model.headerData(column, Qt.Orientation.Horizontal)))
            widest = max(metrics.horizontalAdvance(text[:60]) for text in texts)
            self.setColumnWidth(column, max(_LEAST, min(_MOST, widest + 30)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete: null."""
        index = self.currentIndex()
        if event.key() == Qt.Key.Key_Delete and index.isValid():
            self.model().setData(index, None)
        else:
            super().keyPressEvent(event)
