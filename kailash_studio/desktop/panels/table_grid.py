"""The table itself: its keys, the menu of a cell, and widths for the columns in sight."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QItemSelectionModel, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView, QWidget

from kailash_studio.desktop.panels.table_header import HeaderLook, TableHeader
from kailash_studio.desktop.panels.table_model import PagedTable
from kailash_studio.desktop.widgets.basics import is_copying

_LONG_ROW = 300
_NUMBER_ROOM = 30  # beside a row's number
_LEAST, _MOST, _ROOM = 96, 360, 46  # of a column's width; with room for the mark of a sort


@dataclass(frozen=True, slots=True)
class Chosen:
    """The selected cells.

    Attributes:
        first: The topmost row, from 0.
        rows: How many rows.
        columns: Names of the columns that are shown, from left to right.
    """

    first: int
    rows: int
    columns: tuple[str, ...]


class TableGrid(QTableView):
    """The table.

    Signals:
        filter_asked: Ctrl+F was pressed in this column; -1: in none.
        copy_asked: The selection is to be copied.
        cell_asked: A cell is to be shown whole: its row and column.
        stop_asked: Escape was pressed.
    """

    filter_asked = Signal(int)
    copy_asked = Signal()
    cell_asked = Signal(int, int)
    stop_asked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Rows")
        self.setShowGrid(False)
        self.setAlternatingRowColors(False)
        self.setWordWrap(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ContiguousSelection)
        self.verticalHeader().setDefaultSectionSize(28)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.header = TableHeader(self)
        self.setHorizontalHeader(self.header)
        self._fitted: set[int] = set()
        self._changing = False
        self._apart: list[QItemSelectionModel] = []
        self.horizontalScrollBar().valueChanged.connect(self._fit)
        self.doubleClicked.connect(lambda index: self.cell_asked.emit(index.row(), index.column()))

    def show_table(self, model: PagedTable, look: HeaderLook | None, *, rows: int, keep_widths: bool) -> None:
        """Show another table, under a look of its columns where there is one.

        Args:
            model: It.
            look: The look.
            rows: How many it has without a filter: their numbers keep their room, also where none is shown, so that
                filters stay where they are being typed.
            keep_widths: Its columns are as wide as those of the one before.
        """
        self._changing = True  # Qt lays out meanwhile, with columns of both
        with self.header.held():
            self.setModel(model)
            self._select_apart(model)
            self.header.start(model.columns, look)
        room = self.verticalHeader().fontMetrics().horizontalAdvance(f"{rows:,}") + _NUMBER_ROOM
        self.verticalHeader().setMinimumWidth(room)
        self._changing = False
        if not keep_widths:
            self._fitted = set()
        self._fit()

    def _select_apart(self, model: PagedTable) -> None:
        """Keep the headers from asking whether whole columns are selected, cell by cell, each time they are drawn.

        With a million rows selected that took a minute. The names show no selection; row numbers do, unless the rows
        are so long that the same holds for them.
        """
        for old in self._apart:
            old.deleteLater()
        long_rows = len(model.columns) > _LONG_ROW
        headers = [self.header, self.verticalHeader()] if long_rows else [self.header]
        self._apart = [QItemSelectionModel(model, self) for _ in headers]
        for header, selection in zip(headers, self._apart, strict=True):
            header.setSelectionModel(selection)

    # ------------------------------------------------------------------ widths

    def _fit(self) -> None:
        """Give the columns in sight that have none yet a width for the rows that are there; there may be thousands."""
        model = self.model()
        if self._changing or not isinstance(model, PagedTable):
            return
        while True:
            fresh = [column for column in self.header.in_sight() if column not in self._fitted]
            if not fresh:
                return
            with self.header.held():
                for column in fresh:
                    self.setColumnWidth(column, self._width(model, column))
            self._fitted.update(fresh)  # narrower ones let others come into sight

    def _width(self, model: PagedTable, column: int) -> int:
        metrics = self.fontMetrics()
        texts = [*model.sample(column), str(model.headerData(column, Qt.Orientation.Horizontal))]
        widest = max(metrics.horizontalAdvance(text[:60]) for text in texts)
        return max(_LEAST, min(_MOST, widest + _ROOM))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More columns may be in sight."""
        super().resizeEvent(event)
        self._fit()

    # ------------------------------------------------------------------ keys
    def event(self, event: QEvent) -> bool:
        """Claim what selects all and copies, before the window's shortcuts do it with nodes."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and is_copying(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy, show a cell whole, sort by its column, and go to its filter."""
        at, key, modifiers = self.currentIndex(), event.key(), event.modifiers()
        plain = not modifiers & ~Qt.KeyboardModifier.KeypadModifier
        if event.matches(QKeySequence.StandardKey.Find):
            self.filter_asked.emit(at.column())
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy_asked.emit()
        elif key == Qt.Key.Key_Escape:
            self.stop_asked.emit()
            super().keyPressEvent(event)
        elif at.isValid() and plain and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.cell_asked.emit(at.row(), at.column())
        elif at.isValid() and key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and modifiers & Qt.KeyboardModifier.AltModifier:
            add = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
            self.header.sort_from_keys(at.column(), key == Qt.Key.Key_Down, add=add)
        else:
            super().keyPressEvent(event)

    # ------------------------------------------------------------------ the menu of a cell
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The menu of the cell's column, also by the menu key and Shift+F10."""
        by_mouse = event.reason() == QContextMenuEvent.Reason.Mouse
        at = self.indexAt(event.pos()) if by_mouse else self.currentIndex()
        if not at.isValid():
            return
        place = event.globalPos() if by_mouse else self._below(self.visualRect(at).bottomLeft())
        self.cell_menu(at.row(), at.column(), place)

    def _below(self, corner: QPoint) -> QPoint:
        area = self.viewport().rect()
        inside = QPoint(min(max(corner.x(), 0), area.right()), min(max(corner.y(), 0), area.bottom()))
        return self.viewport().mapToGlobal(inside)

    def cell_menu(self, row: int, column: int, place: QPoint) -> QMenu:
        """Open the menu of a cell."""
        whole, copy = QAction("Show the whole value\tEnter"), QAction("Copy\tCtrl+C")
        menu = self.header.open_menu(column, place, (whole, copy))
        for action, do in ((whole, lambda: self.cell_asked.emit(row, column)), (copy, self.copy_asked.emit)):
            action.setParent(menu)
            action.triggered.connect(do)
        copy.setEnabled(self.chosen() is not None)
        return menu

    # ------------------------------------------------------------------ the selection
    def chosen(self) -> Chosen | None:
        """The selected cells; None when there are none."""
        model = self.model()
        selection = self.selectionModel().selection() if self.selectionModel() is not None else None
        if selection is None or selection.isEmpty() or not isinstance(model, PagedTable):
            return None
        block = selection.first()
        order = sorted(range(block.left(), block.right() + 1), key=self.header.visualIndex)
        names = tuple(model.columns[column] for column in order if not self.header.isSectionHidden(column))
        return Chosen(block.top(), block.height(), names)
