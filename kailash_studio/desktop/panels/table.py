"""The data panel: the value of any output, as a table that is fetched in pages, or as a tree."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QStringListModel, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSplitter, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.cell_viewer import CellViewer
from kailash_studio.desktop.panels.column_profiles import ColumnProfiles
from kailash_studio.desktop.panels.filter_text import look_words
from kailash_studio.desktop.panels.table_copy import lines_of
from kailash_studio.desktop.panels.table_grid import Chosen, TableGrid
from kailash_studio.desktop.panels.table_header import HeaderLook
from kailash_studio.desktop.panels.table_model import PAGE, PagedTable
from kailash_studio.desktop.panels.value_tree import ValueTree
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.values import Asked
from kailash_studio.desktop.widgets.basics import ElidedLabel, EmptyState
from kailash_studio.errors import StudioError

_KEPT_LOOKS = 30
_PORT = "{}  ·  {}"
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
        self._asked: Asked | None = None
        self._task: asyncio.Task[None] | None = None
        self._profiling: asyncio.Task[None] | None = None
        self._copying: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None  # of a cell that is shown whole
        self._viewer: CellViewer | None = None
        self._table_port = ("", "")  # whose table the header knows
        self._looks: OrderedDict[tuple[str, str], HeaderLook] = OrderedDict()
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
        self.caption = ElidedLabel("muted", self)
        self.filters = self._button("Filter columns", "Filter columns (Ctrl+F in the table)")
        self.profiled = self._button(
            "Profile of the columns", "Profile of the columns: nulls, distinct values, range, distribution"
        )
        self.profiles = ColumnProfiles(theme, self)
        self.profiles.hide()
        self.view = TableGrid(self)
        self.tree = ValueTree(theme, self)
        self._empty = EmptyState(icons, "table-2", _NOTHING_YET, self)
        self._lay_out()
        self._repaint_icon()
        self.picker.activated.connect(self._picked)
        self.profiled.toggled.connect(self._profile_toggled)
        self.filters.toggled.connect(self.view.header.show_filters)
        self.view.filter_asked.connect(self._filter_asked)
        self.view.copy_asked.connect(self.copy)
        self.view.stop_asked.connect(self._stop_copying)
        self.view.cell_asked.connect(self.show_cell)
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
        bar.addWidget(self.picker, 4)
        bar.addWidget(self.caption, 5)
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
        self._offered.setStringList([_PORT.format(node, output) for node, output in ports])
        self._mark_shown()

    def _mark_shown(self) -> None:
        """Name what is shown, also where it is not among what is offered."""
        node, output = self._shown
        self.picker.setPlaceholderText(_PORT.format(node, output) if output else node)
        self.picker.setCurrentIndex(self._ports.index(self._shown) if self._shown in self._ports else -1)
        self.picker.setToolTip(self.picker.currentText() or self.picker.placeholderText())

    def _picked(self, index: int) -> None:
        self.port_chosen.emit(*self._ports[index])

    # ------------------------------------------------------------------ what is shown
    def show_port(self, node: str, output: str, asked: Asked) -> None:
        """Show the value of an output; the first page is asked for now, a profile when it is wanted.

        A table with the same columns as that output had before is sorted, filtered and hidden as it was then.
        """
        self._shown = (node, output)
        self._mark_shown()
        self._stop()
        self._task = asyncio.ensure_future(self._show(asked))

    def forget_looks(self) -> None:
        """Another workflow is open: how the tables of the former one were looked at means nothing there."""
        self._looks.clear()
        self._table_port = ("", "")

    async def _show(self, asked: Asked) -> None:
        trouble, words, kept = "", {}, None
        try:
            page = await asked.page(0, PAGE)
            if page["kind"] == "table":
                kept = self._kept_look(page["columns"])
                words = self._words(page, kept)
            if words:
                every = page
                try:
                    page = await asked.page(0, PAGE, **words)
                except StudioError as error:  # a column's type has changed, and the filter fits no more
                    page, words, kept, trouble = every, {}, None, str(error)
        except StudioError as error:
            self._say(str(error))
            return
        self._asked = asked
        if page["kind"] == "table":
            self._show_table(asked, page, words, kept)
            if trouble:
                self.caption.setText(trouble)
        else:
            self.caption.setText(self.tree.show_tree(page["tree"]))
            self.stack.setCurrentWidget(self.tree)

    def _kept_look(self, columns: list[str]) -> HeaderLook | None:
        """How the shown port's table was looked at before, if it had these columns."""
        header = self.view.header
        if self._table_port != ("", ""):
            self._looks[self._table_port] = header.look()
            self._looks.move_to_end(self._table_port)
            while len(self._looks) > _KEPT_LOOKS:
                self._looks.popitem(last=False)
        look = self._looks.get(self._shown)
        return look if look is not None and look.columns == tuple(columns) else None

    def _words(self, page: dict[str, Any], look: HeaderLook | None) -> dict[str, Any]:
        if look is None:
            return {}
        texts: Mapping[str, str] = dict(look.texts) if self.view.header.filtering else {}
        return look_words(look.sort, texts, dict(zip(page["columns"], page["types"], strict=True)))

    def show_nothing(self, sentence: str = _NOTHING_YET, node: str = "") -> None:
        """Show a sentence instead, and in the list the node that it is about."""
        self._shown = (node, "")
        self._mark_shown()
        self._say(sentence)

    def _say(self, sentence: str) -> None:
        self._stop()
        self._empty.say(sentence)
        self.caption.setText("")
        self.stack.setCurrentWidget(self._empty)

    def _stop(self) -> None:
        if self._task is not None and not self._task.done() and self._task is not asyncio.current_task():
            self._task.cancel()
        for task in (self._profiling, self._opening):  # what is copied goes on: it knows its output and look
            if task is not None:
                task.cancel()
        if self._model is not None:
            self._model.stop()

    def _show_table(self, asked: Asked, page: dict[str, Any], words: dict[str, Any], look: HeaderLook | None) -> None:
        old, at = self._model, self.view.currentIndex()
        same = self._table_port == self._shown and old is not None and old.columns == page["columns"]
        self._table_port, self._all = self._shown, page.get("all", page["total"])
        self._model = PagedTable(self._theme, asked.page, page, self, words)
        self._model.failed.connect(self.caption.setText)
        self.view.show_table(self._model, look, rows=self._all, keep_widths=same)
        if same:
            self._stand_in(at.row(), at.column())
        self._count()
        self.filters.setEnabled(True)
        self.stack.setCurrentWidget(self.tables)
        self._profile()
        if old is not None:
            old.deleteLater()

    def _stand_in(self, row: int, column: int) -> None:
        """Go on in the cell in which somebody stood, so that the keys go on working."""
        if self._model is not None and row >= 0 and column >= 0 and self._model.total:
            self.view.setCurrentIndex(self._model.index(min(row, self._model.total - 1), column))

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
        if self._model is not None and self._asked is not None:
            self._stop()
            self._task = asyncio.ensure_future(self._look(self._model, self._asked))

    async def _look(self, model: PagedTable, asked: Asked) -> None:
        """Ask for the first page of another look; the rows of the last one stay until it is there."""
        header = self.view.header
        look = look_words(header.sort, header.filters, dict(zip(model.columns, model.types, strict=True)))
        if look == model.look:
            self._count()
            self.view.viewport().update()  # asks anew for pages that were given up
            return
        try:
            page = await asked.page(0, PAGE, **look)
        except StudioError as error:
            self.caption.setText(str(error))
            self.view.viewport().update()
            return
        column = self.view.currentIndex().column()
        model.show(look, page)
        self.view.scrollToTop()
        self._stand_in(0, column)
        self._count()
        self._profile()

    def _profile_toggled(self, shown: bool) -> None:
        self.profiles.setVisible(shown)
        self._profile()

    def _profile(self) -> None:
        """Ask what the columns are like, where somebody looks; the newest question counts."""
        if self._profiling is not None:
            self._profiling.cancel()
        if self.profiled.isChecked() and self._model is not None and self._asked is not None:
            self.profiles.say("Looking through the columns…")
            self._profiling = asyncio.ensure_future(self._profile_of(self._model, self._asked))

    async def _profile_of(self, model: PagedTable, asked: Asked) -> None:
        look = {name: words for name, words in model.look.items() if name == "filter"}
        try:
            told = await asked.profile(**look)
        except StudioError as error:
            self.profiles.say(str(error))
            return
        if not told.get("dropped"):
            self.profiles.show_profiles(told["rows"], told["columns"])

    def _filter_asked(self, column: int) -> None:
        self.filters.setChecked(True)
        if column >= 0:
            self.view.header.field(column).setFocus(Qt.FocusReason.ShortcutFocusReason)

    # ------------------------------------------------------------------ copying, and whole cells
    def copy(self) -> None:
        """Put the selected cells on the clipboard; the engine gives those that are not here."""
        chosen = self.view.chosen()
        if chosen is not None and self._model is not None and self._asked is not None:
            self._stop_copying()
            self._copying = asyncio.ensure_future(self._copy(chosen, self._model.look, self._asked))

    async def _copy(self, chosen: Chosen, look: dict[str, Any], asked: Asked) -> None:
        try:
            text, said = await lines_of(asked.copy, chosen, look, self.caption.setText)
        except StudioError as error:
            self.caption.setText(str(error))
            return
        QGuiApplication.clipboard().setText(text)
        self._say_of_copy(said)

    def _say_of_copy(self, said: str) -> None:
        if self.stack.currentWidget() is self.tables:
            self._count()
            said = f"{said}  ·  {self.caption.whole}"
        self.caption.setText(said)

    def _stop_copying(self) -> None:
        if self._copying is not None and not self._copying.done():
            self._copying.cancel()
            self._say_of_copy("Nothing was copied")

    def show_cell(self, row: int, column: int) -> None:
        """Show a cell whole, in a small window of its own."""
        model = self._model
        if model is None or self._asked is None or not (0 <= row < model.total and 0 <= column < len(model.columns)):
            return
        if self._viewer is None:
            self._viewer = CellViewer(self._theme, self)
        if self._opening is not None:
            self._opening.cancel()
        self._viewer.show_waiting(row, model.columns[column])
        asking = self._asked.cell(row, model.columns[column], **model.look)
        self._opening = asyncio.ensure_future(self._open_cell(self._viewer, asking))

    async def _open_cell(self, viewer: CellViewer, asking: Awaitable[dict[str, Any]]) -> None:
        try:
            viewer.show_cell(await asking)
        except StudioError as error:
            viewer.show_failure(str(error))

    # ------------------------------------------------------------------ for tests and keyboard users
    def texts(self, rows: int) -> list[list[str | None]]:
        """The first rows as texts."""
        model = self._model
        if model is None:
            return []
        return [[model.cell(r, c) for c in range(len(model.columns))] for r in range(min(rows, model.total))]
