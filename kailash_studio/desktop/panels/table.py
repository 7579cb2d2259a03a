"""The data panel: the value of any output, as a table that is fetched in pages, or as a tree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QStackedWidget,
    QTableView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.table_model import PAGE, Fetch, PagedTable
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import EmptyState, label
from kailash_studio.errors import StudioError

_MOST_COPIED = 100_000
_NOTHING_YET = "Run the workflow, then select a node to see its data."


class RowsPanel(QWidget):
    """Shows one output's value.

    Signals:
        port_chosen: A node and output were picked from the list.
    """

    port_chosen = Signal(str, str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._model: PagedTable | None = None
        self._shown = ("", "")
        self._task: asyncio.Task[None] | None = None
        self.picker = QComboBox(self)
        self.picker.setMinimumWidth(260)
        self.picker.setAccessibleName("Node and output")
        self.picker.activated.connect(self._picked)
        self.caption = label("", "muted", self)
        self.view = _Table(theme, self)
        self.tree = QTreeWidget(self)
        self.tree.setHeaderLabels(["Field", "Value", "Type"])
        self.tree.setAccessibleName("Value")
        self.tree.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.tree.header().setStretchLastSection(False)
        self.tree.setColumnWidth(0, 280)
        self._empty = EmptyState(icons, "table-2", _NOTHING_YET, self)
        self.stack = QStackedWidget(self)
        for widget in (self.view, self.tree, self._empty):
            self.stack.addWidget(widget)
        self.stack.setCurrentWidget(self._empty)
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 8)
        bar.setSpacing(10)
        bar.addWidget(self.picker)
        bar.addWidget(self.caption)
        bar.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.stack, 1)
        theme.changed.connect(self._empty.repaint_icon)

    # ------------------------------------------------------------------ what is offered
    def set_ports(self, ports: Sequence[tuple[str, str]]) -> None:
        """Offer these nodes and outputs in the list."""
        self.picker.clear()
        for node, output in ports:
            self.picker.addItem(f"{node}  ·  {output}", (node, output))
        self._mark_shown()

    def _mark_shown(self) -> None:
        index = next((i for i in range(self.picker.count()) if tuple(self.picker.itemData(i)) == self._shown), -1)
        self.picker.setCurrentIndex(index)

    def _picked(self, index: int) -> None:
        node, output = self.picker.itemData(index)
        self.port_chosen.emit(node, output)

    # ------------------------------------------------------------------ what is shown
    def show_port(self, node: str, output: str, fetch: Fetch) -> None:
        """Show the value of an output; the first page is asked for now."""
        self._shown = (node, output)
        self._mark_shown()
        self._stop()
        self._task = asyncio.ensure_future(self._show(fetch))

    async def _show(self, fetch: Fetch) -> None:
        try:
            page = await fetch(0, PAGE)
        except StudioError as error:
            self.show_nothing(str(error))
            return
        if page["kind"] == "table":
            self._show_table(fetch, page)
        else:
            self._show_tree(page["tree"])

    def show_nothing(self, sentence: str = _NOTHING_YET) -> None:
        """Show a sentence instead."""
        self._stop()
        self._empty.say(sentence)
        self.caption.setText("")
        self.stack.setCurrentWidget(self._empty)

    def _stop(self) -> None:
        if self._task is not None and not self._task.done() and self._task is not asyncio.current_task():
            self._task.cancel()
        if self._model is not None:
            self._model.stop()

    def _show_table(self, fetch: Fetch, page: dict[str, Any]) -> None:
        old = self._model
        self._model = PagedTable(self._theme, fetch, page, self)
        self._model.failed.connect(self.caption.setText)
        self.view.setModel(self._model)
        self.view.fit_columns()
        total, columns = page["total"], len(page["columns"])
        self.caption.setText(f"{total:,} row{'s' * (total != 1)} · {columns} column{'s' * (columns != 1)}")
        self.stack.setCurrentWidget(self.view)
        if old is not None:
            old.deleteLater()

    def _show_tree(self, tree: dict[str, Any]) -> None:
        self.tree.clear()
        if tree["children"]:
            for name, child in tree["children"]:
                self._add(self.tree.invisibleRootItem(), name, child)
            hidden = tree["count"] - len(tree["children"])
            self.caption.setText(tree["text"] + (f", the first {len(tree['children'])} are shown" if hidden else ""))
        else:
            self._add(self.tree.invisibleRootItem(), "value", tree)
            self.caption.setText(tree["type"])
        self.tree.expandToDepth(0)
        self.stack.setCurrentWidget(self.tree)

    def _add(self, parent: QTreeWidgetItem, name: str, tree: dict[str, Any]) -> None:
        text = "null" if tree["text"] is None else tree["text"]
        item = QTreeWidgetItem(parent, [name, text.replace("\n", " ⏎ "), tree["type"]])
        item.setToolTip(1, text)
        item.setForeground(2, self._theme.colour("text3"))
        item.setFont(1, self._theme.font(12, mono=True))
        if tree["text"] is None or tree["children"]:
            item.setForeground(1, self._theme.colour("text3"))
        for inner, child in tree["children"]:
            self._add(item, inner, child)

    # ------------------------------------------------------------------ for tests and keyboard users
    def texts(self, rows: int) -> list[list[str | None]]:
        """The first rows as texts."""
        model = self._model
        if model is None:
            return []
        return [[model.cell(r, c) for c in range(len(model.columns))] for r in range(min(rows, model.total))]


class _Table(QTableView):
    """The table; Ctrl+C copies the selection with its header, as tabs and lines."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
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
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setDefaultSectionSize(150)

    def fit_columns(self) -> None:
        """Widths from the first page."""
        model = self.model()
        metrics = self.fontMetrics()
        for column in range(model.columnCount()):
            texts = [str(model.index(row, column).data()) for row in range(min(40, model.rowCount()))]
            texts.append(str(model.headerData(column, Qt.Orientation.Horizontal)))
            widest = max((metrics.horizontalAdvance(text[:60]) for text in texts), default=0)
            self.setColumnWidth(column, max(72, min(360, widest + 34)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def copy(self) -> None:
        """Put the selected cells on the clipboard."""
        chosen = self.selectionModel().selection() if self.selectionModel() is not None else None
        if chosen is None or chosen.isEmpty():
            return
        block, model = chosen.first(), self.model()
        if block.width() * block.height() > _MOST_COPIED:
            return
        columns = range(block.left(), block.right() + 1)
        lines = ["\t".join(str(model.headerData(column, Qt.Orientation.Horizontal)) for column in columns)]
        root = QModelIndex()
        lines += [
            "\t".join(_flat(model.index(row, column, root).data()) for column in columns)
            for row in range(block.top(), block.bottom() + 1)
        ]
        QGuiApplication.clipboard().setText("\n".join(lines))


def _flat(value: Any) -> str:
    return str(value).replace("\t", " ").replace("\n", " ")
