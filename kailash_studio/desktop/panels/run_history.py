"""Past runs: a list with filters; a run is opened on the canvas as it was, two are compared."""

from __future__ import annotations

import time
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, EmptyState, SearchField
from kailash_studio.desktop.widgets.columns import Columns
from kailash_studio.runtime.wording import duration

_AFTER_MS = 150
_PAGE = 200
_RUN = Qt.ItemDataRole.UserRole
_STATES = (
    ("Any state", ""),
    ("Succeeded", "succeeded"),
    ("Failed", "failed"),
    ("Cancelled", "cancelled"),
    ("Under way", "running"),
    ("Interrupted", "interrupted"),
)
_DAY = 86_400.0
_TIMES = (
    ("Any time", 0.0),
    ("Last hour", 3_600.0),
    ("Last day", _DAY),
    ("Last week", 7 * _DAY),
    ("Last 30 days", 30 * _DAY),
)
_LOOKS = {
    "succeeded": ("circle-check", "green", "succeeded"),
    "failed": ("circle-alert", "red", "failed"),
    "cancelled": ("circle-slash", "amber", "cancelled"),
    "running": ("clock", "accent", "under way"),
    "interrupted": ("circle-slash", "amber", "interrupted"),
}
_COLUMNS = ("State", "Workflow", "Started", "Took", "Failed", "From")
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class _List(QTreeWidget):
    """A list in which Enter opens, also where a window has Enter for something else."""

    open_asked = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Tell of Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_asked.emit()
        else:
            super().keyPressEvent(event)


class RunHistory(QWidget):
    """The list of past runs.

    Attributes:
        question: What was asked for last; an answer to another question comes too late.

    Signals:
        wanted: Runs should be asked for: the fields of ``RunFilter`` that are set, and how many.
        open_wanted: A run's id.
        compare_wanted: The ids of two runs, the older first.
    """

    wanted = Signal(dict, int)
    open_wanted = Signal(str)
    compare_wanted = Signal(str, str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self._limit = _PAGE
        self.question: tuple[dict[str, Any], int] = ({}, 0)
        self._told: list[dict[str, Any]] = []
        self._total = 0
        self._instead = ""
        self.fields = {
            name: self._field(text)
            for name, text in (("workflow", "Workflow…"), ("node", "Node…"), ("error", "Error…"))
        }
        self.fields["node"].setToolTip("Runs in which a node whose name begins so was called")
        self.fields["error"].setToolTip("Runs in which a node, or one of its attempts, failed with this text")
        self.state = self._choice("State of the runs", _STATES)
        self.time = self._choice("When the runs began", _TIMES)
        self.caption = ElidedLabel("muted", self)
        self.open = QPushButton("Open", self)
        self.open.setToolTip("Show the selected run on the canvas as it was (Enter).")
        self.compare = QPushButton("Compare", self)
        self.list = self._make_list()
        self.more = QPushButton("Show more", self)
        self.more.setObjectName("link")
        self._empty = EmptyState(icons, "history", "", self)
        self._later = QTimer(self, singleShot=True, interval=_AFTER_MS)
        self._lay_out()
        self._connect()
        self._paint_icons()
        self.show_runs([], 0)

    def _field(self, text: str) -> SearchField:
        made = SearchField(self._icons, text, self)
        made.setMinimumWidth(70)
        return made

    def _choice(self, name: str, choices: Any) -> QComboBox:
        made = QComboBox(self)
        made.setAccessibleName(name)
        made.setMinimumWidth(98)
        for text, value in choices:
            made.addItem(text, value)
        return made

    def _make_list(self) -> _List:
        made = _List(self)
        made.setAccessibleName("Past runs")
        made.setHeaderLabels(list(_COLUMNS))
        made.setRootIsDecorated(False)
        made.setUniformRowHeights(True)
        made.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        Columns(made, 1, kept=140, first=(0, 5))  # a state has its icon, too
        return made

    def _lay_out(self) -> None:
        filters, bar = QHBoxLayout(), QHBoxLayout()
        for row, margins in ((filters, (12, 8, 12, 4)), (bar, (12, 0, 12, 6))):
            row.setContentsMargins(*margins)
            row.setSpacing(8)
        for field in self.fields.values():
            filters.addWidget(field, 1)
        bar.addWidget(self.state)
        bar.addWidget(self.time)
        bar.addWidget(self.caption, 1)
        bar.addWidget(self.open)
        bar.addWidget(self.compare)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(self.list)
        self.stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(filters)
        layout.addLayout(bar)
        layout.addWidget(self.stack, 1)
        layout.addWidget(self.more, 0, Qt.AlignmentFlag.AlignHCenter)

    def _connect(self) -> None:
        self._later.timeout.connect(self.ask)
        for field in self.fields.values():
            field.textChanged.connect(self._from_the_start)
            field.moved_down.connect(self.list.setFocus)
            field.entered.connect(self.list.setFocus)
        for choice in (self.state, self.time):
            choice.currentIndexChanged.connect(self._from_the_start)
        self.list.itemSelectionChanged.connect(self._selected)
        self.list.itemDoubleClicked.connect(lambda _: self.open_chosen())
        self.list.open_asked.connect(self.open_chosen)
        self.open.clicked.connect(self.open_chosen)
        self.more.clicked.connect(self._ask_more)
        self._theme.changed.connect(self._paint_icons)
        self._theme.changed.connect(self._fill)

    def use_action(self, compare: QAction) -> None:
        """The window's action that compares; its button here follows it."""
        self.compare.setToolTip(compare.toolTip())
        self.compare.clicked.connect(compare.trigger)
        self._selected()

    def _paint_icons(self) -> None:
        self.open.setIcon(self._icons.icon("history"))
        self.compare.setIcon(self._icons.icon("split"))
        self._empty.repaint_icon()
        for field in self.fields.values():
            field.repaint_icon()

    # ------------------------------------------------------------------ asking
    def showEvent(self, event: QShowEvent) -> None:
        """Ask when somebody looks."""
        self.ask()

    def ask(self) -> None:
        """Ask for what the filters let through."""
        self._later.stop()
        self.question = self.filter(), self._limit
        self.wanted.emit(*self.question)

    def filter(self) -> dict[str, Any]:
        """The fields of ``RunFilter`` that are set."""
        found: dict[str, Any] = {name: field.text().strip() for name, field in self.fields.items()}
        found["state"] = self.state.currentData()
        found["since"] = time.time() - self.time.currentData() if self.time.currentData() else 0.0
        return {name: value for name, value in found.items() if value}

    def _from_the_start(self) -> None:
        self._limit = _PAGE
        self._later.start()

    def _ask_more(self) -> None:
        self._limit += _PAGE
        self.ask()

    # ------------------------------------------------------------------ what is shown
    def show_runs(self, runs: list[dict[str, Any]], total: int) -> None:
        """Show runs, the newest first; what was selected stays so."""
        self._told, self._total, self._instead = runs, total, ""
        self._fill()

    def show_nothing(self, sentence: str) -> None:
        """Show a sentence instead: there are no runs to be asked for."""
        self._told, self._total, self._instead = [], 0, sentence
        self._fill()

    def _fill(self) -> None:
        chosen = set(self.chosen())
        self.list.blockSignals(True)
        self.list.clear()
        for run in self._told:
            item = self._item(run)
            item.setSelected(run["run_id"] in chosen)
        self.list.blockSignals(False)
        total = self._total
        self.caption.setText(f"{total:,} run{'s' * (total != 1)}" if total else "")
        self.more.setVisible(total > len(self._told))
        fitting = "No run fits these filters." if self.filter() else "No runs yet: what runs is kept, and listed here."
        self._empty.say(self._instead or fitting)
        self.stack.setCurrentIndex(0 if self._told else 1)
        self._selected()

    def _item(self, run: dict[str, Any]) -> QTreeWidgetItem:
        icon, token, word = _LOOKS.get(run["state"], ("circle", "text3", run["state"]))
        took = duration(run["seconds"]) if run["state"] not in {"running", "interrupted"} else ""
        failed = f"{run['failed']:,}" if run["failed"] else ""
        item = QTreeWidgetItem(
            self.list, [word, run["workflow"] or "without a name", when(run["started"]), took, failed, run["origin"]]
        )
        item.setData(0, _RUN, run["run_id"])
        item.setIcon(0, self._icons.icon(icon, token))
        item.setForeground(0, self._theme.colour(token))
        item.setForeground(4, self._theme.colour("red"))
        item.setForeground(5, self._theme.colour("text3"))
        for column in (3, 4):
            item.setTextAlignment(column, _RIGHT)
        came = f"\ngoes on from {run['resumed_from']}" if run["resumed_from"] else ""
        error = f"\n{run['error']}" if run["error"] else ""
        for column in range(len(_COLUMNS)):
            item.setToolTip(column, f"{run['run_id']}{came}{error}")
        return item

    # ------------------------------------------------------------------ what is chosen
    def chosen(self) -> list[str]:
        """The ids of the selected runs, the newest first."""
        ids = {item.data(0, _RUN) for item in self.list.selectedItems()}
        return [run["run_id"] for run in self._told if run["run_id"] in ids]

    def pair(self) -> tuple[str, str] | None:
        """The two runs to compare, the older first: the selected ones, or one and the run before it of its workflow."""
        chosen = self.chosen()
        if len(chosen) == 2:
            return chosen[1], chosen[0]
        if len(chosen) != 1:
            return None
        place = next(i for i, run in enumerate(self._told) if run["run_id"] == chosen[0])
        name = self._told[place]["workflow"]
        older = next((run["run_id"] for run in self._told[place + 1 :] if run["workflow"] == name), None)
        return (older, chosen[0]) if older is not None else None

    def _selected(self) -> None:
        self.open.setEnabled(len(self.chosen()) == 1)
        self.compare.setEnabled(self.pair() is not None)

    def open_chosen(self) -> None:
        """Open the selected run."""
        chosen = self.chosen()
        if len(chosen) == 1:
            self.open_wanted.emit(chosen[0])

    def compare_chosen(self) -> None:
        """Compare the selected runs."""
        pair = self.pair()
        if pair is not None:
            self.compare_wanted.emit(*pair)


def when(wall: float) -> str:
    """Day and time, without the year of this year."""
    told = time.localtime(wall)
    this_year = told.tm_year == time.localtime().tm_year
    return time.strftime("%d %b %H:%M:%S" if this_year else "%Y-%m-%d %H:%M", told)
