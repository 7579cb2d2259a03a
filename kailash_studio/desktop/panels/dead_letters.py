"""Dead letters: what nodes have given up, with replay and discard."""

from __future__ import annotations

import json
import time
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import EmptyState, SearchField, label

_ID = Qt.ItemDataRole.UserRole
_AFTER_MS = 150
_PAGE = 200
_STATES = (("Waiting", "new"), ("Poison", "poison"), ("Resolved", "resolved"), ("Discarded", "discarded"), ("All", ""))
_COLOURS = {"new": "red", "poison": "purple", "replaying": "accent", "resolved": "green", "discarded": "text3"}


class DeadLetters(QWidget):
    """The list of dead letters, and what the chosen one was given.

    Signals:
        wanted: The list should be asked for anew: state, text, how many.
        details_wanted: An id.
        replay_wanted: Ids.
        discard_wanted: Ids.
    """

    wanted = Signal(str, str, int)
    details_wanted = Signal(str)
    replay_wanted = Signal(list)
    discard_wanted = Signal(list)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._limit = _PAGE
        self.filter = SearchField(icons, "Filter: node, error…", self)
        self.filter.setMaximumWidth(220)
        self.state = QComboBox(self)
        self.state.setAccessibleName("State of the letters")
        for text, value in _STATES:
            self.state.addItem(text, value)
        self.caption = label("", "muted", self)
        self.replay = QPushButton(icons.icon("rotate-cw"), "Replay", self)
        self.replay.setToolTip("Run the work of the selected letters again, with what stood above them.")
        self.discard = QPushButton(icons.icon("trash-2"), "Discard", self)
        self.discard.setToolTip("Give the selected letters up for good; they stay listed as discarded.")
        self.list = QTreeWidget(self)
        self.list.setHeaderLabels(["Time", "Node", "Error", "Tries", "State"])
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setAccessibleName("Dead letters")
        header = self.list.header()
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        header.setStretchLastSection(False)
        for column, width in ((0, 70), (1, 120), (3, 48), (4, 80)):
            self.list.setColumnWidth(column, width)
        self.more = QPushButton("Show more", self)
        self.more.setObjectName("link")
        self.inputs = QPlainTextEdit(self)
        self.inputs.setReadOnly(True)
        self.inputs.setAccessibleName("Inputs and attempts of the chosen letter")
        self.inputs.setPlaceholderText("Select a letter to see its inputs and attempts.")
        self._empty = EmptyState(icons, "inbox", "No dead letters. Nothing has been given up.", self)
        self._lay_out()
        self._later = QTimer(self, singleShot=True, interval=_AFTER_MS)
        self._later.timeout.connect(self.ask)
        self.filter.textChanged.connect(lambda _: self._from_the_start())
        self.state.currentIndexChanged.connect(lambda _: self._from_the_start())
        self.more.clicked.connect(self._ask_more)
        self.list.itemSelectionChanged.connect(self._selected)
        self.replay.clicked.connect(lambda: self.replay_wanted.emit(self.chosen()))
        self.discard.clicked.connect(lambda: self.discard_wanted.emit(self.chosen()))
        theme.changed.connect(self._empty.repaint_icon)
        self._selected()
        self.show_rows([], 0)

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 8)
        bar.setSpacing(10)
        for widget in (self.filter, self.state, self.caption):
            bar.addWidget(widget)
        bar.addStretch(1)
        bar.addWidget(self.replay)
        bar.addWidget(self.discard)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.list)
        split.addWidget(self.inputs)
        split.setSizes([620, 240])
        page = QWidget(self)
        column_layout = QVBoxLayout(page)
        column_layout.setContentsMargins(0, 0, 0, 0)
        column_layout.setSpacing(0)
        column_layout.addWidget(split, 1)
        column_layout.addWidget(self.more, 0, Qt.AlignmentFlag.AlignHCenter)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(page)
        self.stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.stack, 1)

    def chosen(self) -> list[str]:
        """The ids of the selected letters."""
        return [item.data(0, _ID) for item in self.list.selectedItems()]

    def ask(self) -> None:
        """Ask for the list as it is filtered."""
        self.wanted.emit(self.state.currentData(), self.filter.text(), self._limit)

    def show_rows(self, rows: list[list[Any]], total: int) -> None:
        """Show letters: id, time, workflow, node, error, attempts, state, fingerprint."""
        kept = set(self.chosen())
        self.list.blockSignals(True)
        self.list.clear()
        for letter_id, wall, workflow, node, error, tries, state, fingerprint in rows:
            when = time.strftime("%H:%M:%S", time.localtime(wall))
            item = QTreeWidgetItem(self.list, [when, node, error, str(tries), state])
            item.setData(0, _ID, letter_id)
            item.setToolTip(0, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall)))
            item.setToolTip(1, f"{node} of {workflow}" if workflow else node)
            item.setToolTip(2, f"{error}\nfails like others with fingerprint {fingerprint}")
            item.setForeground(4, self._theme.colour(_COLOURS.get(state, "text2")))
            item.setSelected(letter_id in kept)
        self.list.blockSignals(False)
        self.caption.setText(f"{total:,} letter{'s' * (total != 1)}" if total else "")
        self.more.setVisible(total > len(rows))
        filtered = bool(self.filter.text()) or self.state.currentIndex() != 0
        self._empty.say("No dead letters fit." if filtered else "No dead letters. Nothing has been given up.")
        self.stack.setCurrentIndex(0 if rows else 1)
        self._selected()

    def show_details(self, letter: dict[str, Any]) -> None:
        """Show what a letter was given and what was tried."""
        if self.chosen()[:1] != [letter["id"]]:
            return  # another one was selected meanwhile
        tried = "\n".join(f"attempt {a['attempt']}: {a['error']}" for a in letter["attempt_log"])
        given = json.dumps(letter["inputs"], indent=2, ensure_ascii=False)
        self.inputs.setPlainText(f"{tried}\n\ninputs: {given}\n\nrun {letter['run_id']}")

    def _from_the_start(self) -> None:
        self._limit = _PAGE
        self._later.start()

    def _ask_more(self) -> None:
        self._limit += _PAGE
        self.ask()

    def _selected(self) -> None:
        chosen = self.chosen()
        self.replay.setEnabled(bool(chosen))
        self.discard.setEnabled(bool(chosen))
        if len(chosen) == 1:
            self.details_wanted.emit(chosen[0])
        else:
            self.inputs.clear()
