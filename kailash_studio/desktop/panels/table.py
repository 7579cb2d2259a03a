"""The data panel: the value of any output, as a table that is fetched in pages, or as a tree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QStringListModel, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QSplitter,
    QStackedWidget,
    QTableView,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.column_profiles import ColumnProfiles
from kailash_studio.desktop.panels.filter_text import look_words
from kailash_studio.desktop.panels.table_header import TableHeader
from kailash_studio.desktop.panels.table_model import PAGE, Fetch, PagedTable
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import EmptyState, is_copying, label
from kailash_studio.errors import StudioError

AskProfile = Callable[..., Awaitable[dict[str, Any]]]
"""Asks for the profile of the shown table, under a look's filter."""

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
        self._fetch: Fetch | None = None
        self._ask_profile: AskProfile | None = None
        self._profiling: asyncio.Task[None] | None = None
        self._ports: list[tuple[str, str]] = []
        self._all = 0  # rows of the whole table
        self._icons = icons
        self._offered = QStringListModel(self)
        self.picker = QComboBox(self)
        self.picker.setModel(self._offered)
        self.picker.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.picker.setMinimumWidth(120)
        self.picker.setMaximumWidth(250)
        self.picker.setAccessibleName("Node and output")
        self.caption = label("", "muted", self)
        self.filters = self._button("Filter columns", "Filter columns (Ctrl+F in the table)")
        self.profiled = self._button(
            "Profile of the columns", "Profile of the columns: nulls, distinct values, range, distribution"
        )
        self.profiles = ColumnProfiles(theme, self)
        self.profiles.hide()
        self.view = _Table(theme, self)
        self.tree = QTreeWidget(self)
        self.tree.setHeaderLabels(["Field", "Value", "Type"])
        self.tree.setAccessibleName("Value")
        self.tree.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.tree.header().setStretchLastSection(False)
        self.tree.setColumnWidth(0, 180)
        self._empty = EmptyState(icons, "table-2", _NOTHING_YET, self)
        self._lay_out()
        self._repaint_icon()
        self.picker.activated.connect(self._picked)
        self.profiled.toggled.connect(self._profile_toggled)
        self.filters.toggled.connect(self.view.header.show_filters)
        self.view.filter_asked.connect(self._filter_asked)
        self.view.header.look_changed.connect(self._look_changed)
        self.view.header.hidden_changed.connect(self._count)
        theme.changed.connect(self._empty.repaint_icon)
        theme.changed.connect(self._repaint_icon)

    def _button(self, name: str, tip: str) -> QToolButton:
        made = QToolButton(self)
        made.setCheckable(True)
        made.setToolTip(tip)
        made.setAccessibleName(name)
        return made

    def _lay_out(self) -> None:
        self.tables = QSplitter(Qt.Orientation.Horizontal, self)
        self.tables.addWidget(self.view)
        self.tables.addWidget(self.profiles)
        self.tables.setSizes([420, 230])
        self.tables.setStretchFactor(0, 1)
        self.stack = QStackedWidget(self)
        for widget in (self.tables, self.tree, self._empty):
            self.stack.addWidget(widget)
        self.stack.setCurrentWidget(self._empty)
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 8)
        bar.setSpacing(10)
        bar.addWidget(self.picker, 3)
        bar.addWidget(self.caption)
        bar.addStretch(1)
        bar.addWidget(self.filters)
        bar.addWidget(self.profiled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.stack, 1)

    def _repaint_icon(self) -> None:
        self.filters.setIcon(self._icons.icon("filter"))
        self.profiled.setIcon(self._icons.icon("activity"))

    # ------------------------------------------------------------------ what is offered
    def set_ports(self, ports: Sequence[tuple[str, str]]) -> None:
        """Offer these nodes and outputs in the list."""
        self._ports = list(ports)
        self._offered.setStringList([f"{node}  ·  {output}" for node, output in ports])
        self._mark_shown()

    def _mark_shown(self) -> None:
        self.picker.setCurrentIndex(self._ports.index(self._shown) if self._shown in self._ports else -1)

    def _picked(self, index: int) -> None:
        self.port_chosen.emit(*self._ports[index])

    # ------------------------------------------------------------------ what is shown
    def show_port(self, node: str, output: str, fetch: Fetch, profile: AskProfile | None = None) -> None:
        """Show the value of an output; the first page is asked for now, a profile when it is wanted."""
        self._ask_profile = profile
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
        if self._profiling is not None:
            self._profiling.cancel()
        if self._model is not None:
            self._model.stop()

    def _show_table(self, fetch: Fetch, page: dict[str, Any]) -> None:
        old = self._model
        self._fetch, self._all = fetch, page.get("all", page["total"])
        self._model = PagedTable(self._theme, fetch, page, self)
        self._model.failed.connect(self.caption.setText)
        self.view.setModel(self._model)
        self.view.header.start(self._model.columns)
        self.view.fit_columns()
        self._count()
        self.filters.setEnabled(True)
        self.stack.setCurrentWidget(self.tables)
        self._profile()
        if old is not None:
            old.deleteLater()

    def _count(self) -> None:
        """Say how many rows and columns there are, and how many of them are shown."""
        model = self._model
        if model is None:
            return
        columns, hidden = len(model.columns), len(self.view.header.hidden)
        filtered = f"{model.total:,} of " if "filter" in model.look else ""
        seen = f"{columns - hidden} of " if hidden else ""
        self.caption.setText(
            f"{filtered}{self._all:,} row{'s' * (self._all != 1)} · {seen}{columns} column{'s' * (columns != 1)}"
        )

    # ------------------------------------------------------------------ how it is looked at
    def _look_changed(self) -> None:
        if self._model is not None and self._fetch is not None:
            self._stop()
            self._task = asyncio.ensure_future(self._look(self._model, self._fetch))

    async def _look(self, model: PagedTable, fetch: Fetch) -> None:
        """Ask for the first page of another look; the rows of the last one stay until it is there."""
        header = self.view.header
        look = look_words(header.sort, header.filters, dict(zip(model.columns, model.types, strict=True)))
        if look == model.look:
            self._count()
            self.view.viewport().update()  # asks anew for pages that were given up
            return
        try:
            page = await fetch(0, PAGE, **look)
        except StudioError as error:
            self.caption.setText(str(error))
            self.view.viewport().update()
            return
        model.show(look, page)
        self.view.scrollToTop()
        self._count()
        self._profile()

    def _profile_toggled(self, shown: bool) -> None:
        self.profiles.setVisible(shown)
        self._profile()

    def _profile(self) -> None:
        """Ask what the columns are like, where somebody looks; the newest question counts."""
        if self._profiling is not None:
            self._profiling.cancel()
        if self.profiled.isChecked() and self._model is not None and self._ask_profile is not None:
            self.profiles.say("Looking through the columns…")
            self._profiling = asyncio.ensure_future(self._profile_of(self._model, self._ask_profile))

    async def _profile_of(self, model: PagedTable, ask: AskProfile) -> None:
        look = {name: words for name, words in model.look.items() if name == "filter"}
        try:
            told = await ask(**look)
        except StudioError as error:
            self.profiles.say(str(error))
            return
        if not told.get("dropped"):
            self.profiles.show_profiles(told["rows"], told["columns"])

    def _filter_asked(self, column: int) -> None:
        self.filters.setChecked(True)
        if column >= 0:
            self.view.header.field(column).setFocus(Qt.FocusReason.ShortcutFocusReason)

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
    """The table; Ctrl+C copies the selection with its header, as tabs and lines.

    Signals:
        filter_asked: Ctrl+F was pressed in this column; -1: in none.
    """

    filter_asked = Signal(int)

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
        self.header = TableHeader(self)
        self.setHorizontalHeader(self.header)

    def fit_columns(self) -> None:
        """Widths from the first page."""
        model = self.model()
        metrics = self.fontMetrics()
        for column in range(model.columnCount()):
            texts = [str(model.index(row, column).data()) for row in range(min(40, model.rowCount()))]
            texts.append(str(model.headerData(column, Qt.Orientation.Horizontal)))
            widest = max((metrics.horizontalAdvance(text[:60]) for text in texts), default=0)
            self.setColumnWidth(column, max(96, min(360, widest + 46)))  # with room for the mark of a sort

    def event(self, event: QEvent) -> bool:
        """Claim what selects all and copies, before the window's shortcuts do it with nodes."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and is_copying(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy, and go to the filter of the column."""
        if event.matches(QKeySequence.StandardKey.Find):
            self.filter_asked.emit(self.currentIndex().column())
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def copy(self) -> None:
        """Put the selected cells on the clipboard."""
        chosen = self.selectionModel().selection() if self.selectionModel() is not None else None
        if chosen is None or chosen.isEmpty():
            return
        block, model = chosen.first(), self.model()
        if not isinstance(model, PagedTable):
            return
        if block.width() * block.height() > _MOST_COPIED:
            return
        order = sorted(range(block.left(), block.right() + 1), key=self.header.visualIndex)
        columns = [column for column in order if not self.header.isSectionHidden(column)]
        lines = ["\t".join(_flat(model.columns[column]) for column in columns)]
        root = QModelIndex()
        lines += [
            "\t".join(_flat(model.index(row, column, root).data()) for column in columns)
            for row in range(block.top(), block.bottom() + 1)
        ]
        QGuiApplication.clipboard().setText("\n".join(lines))


def _flat(value: Any) -> str:
    return str(value).replace("\t", " ").replace("\n", " ")
