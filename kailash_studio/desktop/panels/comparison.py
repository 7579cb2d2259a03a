"""Two runs side by side: where they part, every node of both, and what is different at the chosen one."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QTableView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.run_history import when
from kailash_studio.desktop.panels.timeline_chart import STATE_TOKENS
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, EmptyState
from kailash_studio.runtime.wording import duration

Index = QModelIndex | QPersistentModelIndex
_COLUMNS = ("Node", "What differs", "State", "Rows", "Time")
_WIDTHS = (110, 0, 150, 70, 118)
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_NOTHING = "Select two runs in the list of runs and compare them."
_ROOT = QModelIndex()


class NodePairs(QAbstractTableModel):
    """Nodes of two runs; the one where they part is the first row."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._all: list[list[Any]] = []
        self._first = ""
        self.rows: list[list[Any]] = []

    def show_pairs(self, nodes: list[list[Any]], first: str, *, differing: bool) -> None:
        """Show nodes as the engine tells them; with ``differing`` those alone that differ."""
        self.beginResetModel()
        self._all, self._first = nodes, first
        shown = [pair for pair in nodes if pair[3] or not differing]
        self.rows = sorted(shown, key=lambda pair: (pair[0] != first, not pair[3]))  # stable: else in the graph's order
        self.endResetModel()

    def filter(self, *, differing: bool) -> None:
        """Show those that differ, or all."""
        self.show_pairs(self._all, self._first, differing=differing)

    def rowCount(self, parent: Index = _ROOT) -> int:
        """How many nodes are shown."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """How many columns there are."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The columns' names."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return _COLUMNS[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell's text, explanation, colour and alignment."""
        pair, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(pair, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(pair[3]) if column < 2 else f"{_told(pair[1])}\nnow {_told(pair[2])}"
        if role == Qt.ItemDataRole.TextAlignmentRole and column > 2:
            return _RIGHT
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._theme.colour(_token(pair, column))
        return None

    def _text(self, pair: list[Any], column: int) -> str:
        node, before, after, reasons, _ = pair
        match column:
            case 0:
                return ("▸ " if node == self._first else "") + str(node)
            case 1:
                return " · ".join(reasons)
            case 2:
                return _both(*(side.get("taken") or side["state"] or "never begun" for side in (before, after)))
            case 3:
                return _both(*(_rows(side["rows"]) for side in (before, after)))
            case _:
                return _both(*(duration(side["seconds"]) if side["seconds"] else "" for side in (before, after)))


def _rows(counts: dict[str, int]) -> str:
    """The rows of the output that has most of them; the others are in the tooltip."""
    return f"{max(counts.values()):,}" if counts else ""


def _both(before: str, after: str) -> str:
    """One text where both are the same, else both; a dash for nothing."""
    return before if before == after else f"{before or '-'} → {after or '-'}"


def _token(pair: list[Any], column: int) -> str:
    _, before, after, reasons, _ = pair
    if column < 2:
        return "text" if reasons else "text3"
    if column == 2:
        return STATE_TOKENS.get(after["state"], "text3")
    return "amber" if column == 3 and before["rows"] != after["rows"] else "text2"


def _told(side: dict[str, Any]) -> str:
    tries = f", {side['attempts']} attempts" if side["attempts"] > 1 else ""
    rows = ", ".join(f"{name} {count:,} rows" for name, count in side["rows"].items())
    head = side.get("taken") or f"{side['state'] or 'never begun'} in {duration(side['seconds'])}{tries}"
    return "\n".join(part for part in (head, rows, side["error"]) if part)


class Comparison(QWidget):
    """How two runs differ.

    Signals:
        node_wanted: A node was chosen: show it on the canvas.
        values_wanted: A node and an output whose values differ should be compared.
    """

    node_wanted = Signal(str)
    values_wanted = Signal(str, str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self._told: dict[str, Any] = {}
        self._awaited: set[tuple[str, str]] = set()
        self.caption = ElidedLabel("muted", self)
        self.parting = QPushButton("", self)
        self.parting.setObjectName("link")
        self.parting.setToolTip("Show the first node that differs on the canvas.")
        self.differing = QCheckBox("What differs", self)
        self.differing.setToolTip("List the nodes that differ alone, or all of both runs.")
        self.differing.setChecked(True)
        self.model = NodePairs(theme, self)
        self.nodes = self._make_nodes()
        self.details = self._make_details()
        self._empty = EmptyState(icons, "split", _NOTHING, self)
        self._lay_out()
        self.differing.toggled.connect(lambda on: self.model.filter(differing=on))
        self.parting.clicked.connect(lambda: self.choose(self._told["first"]))
        self.nodes.clicked.connect(lambda _: self._activate())
        self.nodes.activated.connect(lambda _: self._activate())
        self.nodes.selectionModel().currentRowChanged.connect(lambda *_: self._show_details())
        theme.changed.connect(self._dress)
        self.show_nothing()

    def _make_nodes(self) -> QTableView:
        made = QTableView(self)
        made.setModel(self.model)
        made.setAccessibleName("Nodes of both runs")
        made.setShowGrid(False)
        made.setWordWrap(False)
        made.setTabKeyNavigation(False)
        made.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        made.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        made.verticalHeader().hide()
        made.verticalHeader().setDefaultSectionSize(28)
        made.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = made.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(40)
        for column, width in enumerate(_WIDTHS):
            if width:
                made.setColumnWidth(column, width)
        return made

    def _make_details(self) -> QTreeWidget:
        made = QTreeWidget(self)
        made.setAccessibleName("What differs at the chosen node")
        made.setHeaderLabels(["Where", "Column", "Before", "Now"])
        made.setRootIsDecorated(False)
        made.setUniformRowHeights(True)
        made.header().setStretchLastSection(False)
        for column in (2, 3):
            made.header().setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        made.setColumnWidth(0, 150)
        made.setColumnWidth(1, 100)
        return made

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 6, 12, 4)
        bar.setSpacing(10)
        bar.addWidget(self.parting)
        bar.addWidget(self.caption, 1)
        bar.addWidget(self.differing)
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(self.nodes)
        split.addWidget(self.details)
        split.setSizes([150, 130])
        split.setChildrenCollapsible(False)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(split)
        self.stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.stack, 1)
        self.setFocusProxy(self.nodes)

    def _dress(self) -> None:
        self._empty.repaint_icon()
        self.model.layoutChanged.emit()

    # ------------------------------------------------------------------ what is shown
    @property
    def runs(self) -> tuple[str, str]:
        """The two runs, the earlier first; empty when none are compared."""
        runs = self._told.get("runs", ({"run_id": ""}, {"run_id": ""}))
        return runs[0]["run_id"], runs[1]["run_id"]

    def show_nothing(self, sentence: str = _NOTHING) -> None:
        """Show a sentence instead."""
        self._told = {}
        self.caption.setText("")
        self.parting.hide()
        self.differing.hide()
        self.details.clear()
        self.model.show_pairs([], "", differing=True)
        self._empty.say(sentence)
        self.stack.setCurrentIndex(1)

    def show_diff(self, told: dict[str, Any]) -> None:
        """Show how two runs differ; see ``runtime.history_requests``."""
        if told["same"]:
            self.show_nothing(f"{_names(told)} are the same but for their times.")
            self._told = told
            return
        self._told = told
        first = told["first"]
        self.parting.setText(f"They part at {first}" if first else "No node differs")
        self.parting.setEnabled(bool(first))
        self.parting.show()
        self.differing.show()
        self.caption.setText(" · ".join([_names(told), *told["general"]]))
        self.details.clear()
        self.stack.setCurrentIndex(0)
        self.model.show_pairs(told["nodes"], first, differing=self.differing.isChecked())
        if self.model.rows:
            self.nodes.selectRow(0)

    def choose(self, node: str) -> None:
        """Choose a node of the list, and ask for it on the canvas."""
        row = next((row for row, pair in enumerate(self.model.rows) if pair[0] == node), -1)
        if row >= 0:
            self.nodes.selectRow(row)
            self._activate()

    def chosen(self) -> str:
        """The chosen node, or empty."""
        row = self.nodes.currentIndex().row()
        return str(self.model.rows[row][0]) if 0 <= row < len(self.model.rows) else ""

    def _activate(self) -> None:
        if self.chosen():
            self.node_wanted.emit(self.chosen())

    def _show_details(self) -> None:
        """What differs at the chosen node; values are asked for."""
        self.details.clear()
        self._awaited = set()
        node = self.chosen()
        if not node:
            return
        changes = [change for change in self._told["changes"] if change[0] == node]
        for _, what, name, before, after in changes:
            self._add(what, name, before, after)
        (pair,) = [pair for pair in self.model.rows if pair[0] == node]
        if pair[1]["error"] != pair[2]["error"]:
            self._add("outcome", "error", pair[1]["error"] or None, pair[2]["error"] or None)
        self._awaited = {(node, output) for output in pair[4]}
        for output in pair[4]:
            self.values_wanted.emit(node, output)

    def show_values(self, node: str, output: str, told: dict[str, Any]) -> None:
        """Add the differences of an output's values, where they are waited for still."""
        if not self._is_awaited(node, output):
            return
        for sentence in told["columns"]:
            self._add(output, "", sentence, None)
        for where, column, before, after in told["cells"]:
            self._add(f"{output}, {where}", column, before, after)
        if told["more"]:
            self._add(output, "", "and more", None)
        if told["same"]:
            self._add(output, "", "The values are equal; they are written differently.", None)

    def show_values_missing(self, node: str, output: str, sentence: str) -> None:
        """Say why values cannot be compared."""
        if self._is_awaited(node, output):
            self._add(output, "", sentence, None)

    def _is_awaited(self, node: str, output: str) -> bool:
        awaited = (node, output) in self._awaited
        self._awaited.discard((node, output))
        return awaited

    def _add(self, where: str, column: str, before: str | None, after: str | None) -> None:
        texts = [" ".join((text or "").split()) for text in (before, after)]
        item = QTreeWidgetItem(self.details, [where, column, *texts])
        for place, text in ((2, before), (3, after)):
            item.setToolTip(place, text or "")
            item.setFont(place, self._theme.font(12, mono=True))
        item.setForeground(0, self._theme.colour("text3"))
        item.setForeground(2, self._theme.colour("red" if after is not None else "text2"))
        item.setForeground(3, self._theme.colour("green"))


def _names(told: dict[str, Any]) -> str:
    parts: list[str] = []
    for run in told["runs"]:
        name = f"{run['workflow']} " if run["workflow"] != told["runs"][0]["workflow"] or not parts else ""
        parts.append(f"{name}{when(run['started'])}")
    return " and ".join(parts)
