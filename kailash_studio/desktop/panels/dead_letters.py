"""Dead letters: what nodes have given up, those that failed alike taken together, with replay and discard."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.letter_details import LetterDetails
from kailash_studio.desktop.panels.rate_plot import RatePlot
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, EmptyState, SearchField, label
from kailash_studio.desktop.widgets.columns import Columns

_LETTER = Qt.ItemDataRole.UserRole  # the id of a letter; of a group, that of its newest
_GROUP = Qt.ItemDataRole.UserRole + 1  # the fingerprint of a group of several
_COUNT = Qt.ItemDataRole.UserRole + 2
_AFTER_MS = 150
_PAGE = 200
_STATES = (("Waiting", "new"), ("Poison", "poison"), ("Resolved", "resolved"), ("Discarded", "discarded"), ("All", ""))
_COLOURS = {"new": "red", "poison": "purple", "replaying": "accent", "resolved": "green", "discarded": "text3"}
_MORE = "more"


@dataclass(frozen=True)
class Choice:
    """What an action is to be done to.

    Attributes:
        letters: Ids.
        groups: Fingerprints: all that failed so among those that the filter shows.
        state: Filter by state.
        text: Filter by text.
    """

    letters: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    state: str = ""
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.letters or self.groups)


class _List(QTreeWidget):
    """A tree in which Delete discards."""

    deleted = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Tell of Delete."""
        if event.key() == Qt.Key.Key_Delete and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.deleted.emit()
        else:
            super().keyPressEvent(event)


class DeadLetters(QWidget):
    """The list of dead letters, and what the chosen one was given.

    Signals:
        wanted: The groups should be asked for anew: state, text, how many.
        members_wanted: The letters of a group: fingerprint, state, text, how many.
        details_wanted: The id of a letter.
        replay_wanted: A choice, inputs that were changed, whether in the workflow that is open.
        forecast_wanted: A choice, whether in the workflow that is open.
        stop_wanted: The replay under way should stop.
        discard_wanted: A choice.
        restore_wanted: A choice of discarded letters.
    """

    wanted = Signal(str, str, int)
    members_wanted = Signal(str, str, str, int)
    details_wanted = Signal(str)
    replay_wanted = Signal(object, object, bool)
    forecast_wanted = Signal(object, bool)
    stop_wanted = Signal()
    discard_wanted = Signal(object)
    restore_wanted = Signal(object)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self._limit = _PAGE
        self._details_of = ""
        self.filter = SearchField(icons, "Filter: node, error…", self)
        self.filter.setMinimumWidth(48)
        self.filter.setMaximumWidth(180)
        self.state = QComboBox(self)
        self.state.setAccessibleName("State of the letters")
        self.state.setMinimumWidth(98)
        for text, value in _STATES:
            self.state.addItem(text, value)
        self.caption = label("", "muted", self)
        self.rate = RatePlot(theme, self)
        self.replay = QPushButton(icons.icon("rotate-cw"), "Replay", self)
        self.replay.setToolTip(
            "Run the work of the selected letters again; what stood above them is taken over (Ctrl+Enter)."
        )
        self.discard = QToolButton(self)
        self.more_actions = QToolButton(self)
        self.more_actions.setIcon(icons.icon("ellipsis"))
        self.more_actions.setAccessibleName("More that can be done with the selected letters")
        self.more_actions.setToolTip("More that can be done with the selected letters")
        self.progress = ElidedLabel("cap", self)
        self.stop = QPushButton(icons.icon("square"), "Stop", self)
        self.list = self._make_list()
        self.more = QPushButton("Show more", self)
        self.more.setObjectName("link")
        self.details = LetterDetails(icons, self)
        self._empty = EmptyState(icons, "inbox", "No dead letters. Nothing has been given up.", self)
        self.actions_by_name = self._make_actions()
        self._lay_out()
        self._connect()
        self.show_progress(None)
        self._selected()
        self.show_groups([], 0)

    # ------------------------------------------------------------------ putting together
    def _make_list(self) -> _List:
        made = _List(self)
        made.setHeaderLabels(["Node", "Error", "Letters", "Last", "State"])
        made.setUniformRowHeights(True)
        made.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        made.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        made.setAccessibleName("Dead letters, by how they failed")
        Columns(made, 1, kept=100, most=240, first=(2,))
        return made

    def _make_actions(self) -> dict[str, QAction]:
        """What can be done with a selection; in the menu, and by keys in the list."""
        made: dict[str, QAction] = {}
        for name, text, icon, key, call in (
            ("replay", "Replay", "rotate-cw", "Ctrl+Return", lambda: self._replay({}, here=False)),
            (
                "here",
                "Replay in the open workflow",
                "workflow",
                "Ctrl+Shift+Return",
                lambda: self._replay({}, here=True),
            ),
            ("forecast", "What would a replay do?", "circle-question-mark", "", lambda: self._forecast(here=False)),
            ("forecast_here", "What would it do in the open workflow?", "", "", lambda: self._forecast(here=True)),
            ("discard", "Discard", "trash-2", "", lambda: self.discard_wanted.emit(self.chosen())),
            ("restore", "Restore", "undo-2", "", lambda: self.restore_wanted.emit(self.chosen())),
        ):
            action = QAction(text, self.list)
            if icon:
                action.setIcon(self._icons.icon(icon))
            if key:
                action.setShortcut(key)
                action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            action.triggered.connect(lambda _checked=False, do=call: do())
            self.list.addAction(action)
            made[name] = action
        return made

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 6)
        bar.setSpacing(6)
        bar.addWidget(self.filter)
        bar.addWidget(self.state)
        bar.addWidget(self.caption)
        bar.addWidget(self.rate, 1)
        bar.addWidget(self.replay)
        bar.addWidget(self.discard)
        bar.addWidget(self.more_actions)
        self._progress_line = QWidget(self)
        line = QHBoxLayout(self._progress_line)
        line.setContentsMargins(12, 0, 12, 6)
        line.addWidget(self.progress, 1)
        line.addWidget(self.stop)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.list)
        split.addWidget(self.details)
        split.setSizes([400, 200])
        split.setStretchFactor(0, 2)
        split.setStretchFactor(1, 1)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(split, 1)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignHCenter)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(page)
        self.stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self._progress_line)
        layout.addWidget(self.stack, 1)

    def _connect(self) -> None:
        self._later = QTimer(self, singleShot=True, interval=_AFTER_MS)
        self._later.timeout.connect(self.ask)
        self.filter.textChanged.connect(lambda _: self._from_the_start())
        self.state.currentIndexChanged.connect(lambda _: self._from_the_start())
        self.more.clicked.connect(self._ask_more)
        self.list.itemSelectionChanged.connect(self._selected)
        self.list.itemExpanded.connect(self._expanded)
        self.list.itemActivated.connect(self._activated)
        self.list.deleted.connect(self.actions_by_name["discard"].trigger)
        self.list.customContextMenuRequested.connect(self._menu_at)
        self.replay.clicked.connect(self.actions_by_name["replay"].trigger)
        self.discard.clicked.connect(self._discard_or_restore)
        self.more_actions.clicked.connect(
            lambda: self._menu().popup(self.more_actions.mapToGlobal(QPoint(0, self.more_actions.height())))
        )
        self.details.replay_wanted.connect(lambda edited: self._replay(edited, here=False))
        self.stop.clicked.connect(self.stop_wanted)
        self._theme.changed.connect(self._empty.repaint_icon)

    # ------------------------------------------------------------------ what is shown
    def ask(self) -> None:
        """Ask for the list as it is filtered."""
        self.wanted.emit(self.state.currentData(), self.filter.text(), self._limit)

    def show_groups(self, groups: list[list[Any]], total: int) -> None:
        """Show those that failed alike.

        Args:
            groups: Of each: fingerprint, count, node, error, first, last, the newest's id and workflow, of how many
                workflows they are. Where all are of one, it goes without saying.
            total: How many letters there are.
        """
        chosen, opened = self._marked()
        self.list.blockSignals(True)
        self.list.clear()
        self.list.setColumnHidden(4, bool(self.state.currentData()))  # they are all the same then
        several = len({group[7] for group in groups}) > 1 or any(group[8] > 1 for group in groups)
        for fingerprint, count, node, error, first, last, newest, workflow, workflows in groups:
            said = error.removeprefix(f"{node}: ")
            of = f"{workflows} workflows" if workflows > 1 else workflow or "a workflow without a name"
            named = f"{node}  ·  {of}" if several else node
            item = QTreeWidgetItem(self.list, [named, said, f"{count:,}", _when(last), ""])
            item.setToolTip(0, f"{node} of {of}")
            item.setData(0, _LETTER, newest)
            item.setData(0, _COUNT, count)
            item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setToolTip(1, f"{error}\nfails like others with fingerprint {fingerprint}")
            item.setToolTip(3, _span(first, last))
            state = self.state.currentData()
            if count > 1:
                item.setData(0, _GROUP, fingerprint)
                item.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator)
            self._paint_state(item, state)
            item.setSelected((fingerprint if count > 1 else newest) in chosen)
        self.list.blockSignals(False)
        self.caption.setText(f"{total:,} letter{'s' * (total != 1)}" if total else "")
        self.more.setVisible(len(groups) >= self._limit)
        filtered = bool(self.filter.text()) or self.state.currentIndex() != 0
        self._empty.say("No dead letters fit." if filtered else "No dead letters. Nothing has been given up.")
        self.stack.setCurrentIndex(0 if groups else 1)
        for item in self._top():
            if item.data(0, _GROUP) in opened:
                item.setExpanded(True)
        self._selected()

    def show_members(self, fingerprint: str, rows: list[list[Any]], total: int) -> None:
        """Show the letters of a group: id, time, workflow, node, error, attempts, state."""
        chosen, _ = self._marked()
        for item in self._top():
            if item.data(0, _GROUP) != fingerprint:
                continue
            self.list.blockSignals(True)
            item.takeChildren()
            for letter_id, wall, workflow, _, error, tries, state in rows:
                words = [workflow, error, f"{tries} tr{'ies' if tries != 1 else 'y'}", _when(wall), ""]
                child = QTreeWidgetItem(item, words)
                child.setData(0, _LETTER, letter_id)
                child.setData(0, _COUNT, 1)
                child.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                child.setForeground(0, self._theme.colour("text2"))
                child.setToolTip(1, error)
                child.setToolTip(3, _span(wall, wall))
                self._paint_state(child, state)
                child.setSelected(letter_id in chosen)
            if total > len(rows):
                rest = QTreeWidgetItem(item, ["", f"{total - len(rows):,} more: press Enter to show them", "", "", ""])
                rest.setData(0, _LETTER, _MORE)
                rest.setForeground(1, self._theme.colour("accent_hi"))
                rest.setFlags(
                    Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemNeverHasChildren | Qt.ItemFlag.ItemIsSelectable
                )
            self.list.blockSignals(False)

    def show_details(self, letter: dict[str, Any]) -> None:
        """Show what a letter was given and what was tried."""
        items = self.list.selectedItems()
        if len(items) == 1 and items[0].data(0, _LETTER) == letter["id"]:  # another may be selected meanwhile
            self._details_of = letter["id"]
            self.details.show_letter(letter, items[0].data(0, _COUNT))

    def show_forecast(self, sentences: list[str], count: int) -> None:
        """Show what a replay would do."""
        rest = f"\n\nand {count - len(sentences):,} more in the same way" if count > len(sentences) else ""
        self._details_of = ""
        self.details.show_text("Nothing has been done. A replay would do this:\n\n" + "\n\n".join(sentences) + rest)

    def show_progress(self, told: dict[str, Any] | None) -> None:
        """Show how a replay goes: total, resolved, failed, refused, reason, ended."""
        self._progress_line.setVisible(told is not None)
        if told is None:
            return
        done = told["resolved"] + told["failed"] + told["refused"]
        parts = [f"{told[what]:,} {what}" for what in ("resolved", "failed", "refused") if told[what]]
        begin = "Replayed" if told["ended"] else "Replaying"
        said = f"{begin} {done:,} of {told['total']:,}" + (f": {', '.join(parts)}" if parts else "")
        self.progress.setText(said + (f" · {told['reason']}" if told["reason"] else ""))
        self.stop.setVisible(not told["ended"])

    # ------------------------------------------------------------------ what is chosen
    def chosen(self) -> Choice:
        """What is selected, with the filter that it was selected under."""
        items = [item for item in self.list.selectedItems() if item.data(0, _LETTER) != _MORE]
        groups = [item.data(0, _GROUP) for item in items if item.data(0, _GROUP)]
        letters = [item.data(0, _LETTER) for item in items if not item.data(0, _GROUP)]
        return Choice(letters, groups, self.state.currentData(), self.filter.text())

    def _marked(self) -> tuple[set[str], set[str]]:
        """Keys of what is selected, and the groups that are opened."""
        chosen = self.chosen()
        opened = {item.data(0, _GROUP) for item in self._top() if item.isExpanded()}
        return {*chosen.letters, *chosen.groups}, opened

    def _top(self) -> list[QTreeWidgetItem]:
        found = (self.list.topLevelItem(number) for number in range(self.list.topLevelItemCount()))
        return [item for item in found if item is not None]

    def _selected(self) -> None:
        items = self.list.selectedItems()
        gone = self.state.currentData() == "discarded"
        for name, action in self.actions_by_name.items():
            action.setEnabled(bool(self.chosen()) and (name == "restore") == gone)
        self.replay.setEnabled(bool(self.chosen()) and not gone)
        self.discard.setEnabled(bool(self.chosen()))
        self.more_actions.setEnabled(bool(self.chosen()))
        self.discard.setIcon(self._icons.icon("undo-2" if gone else "trash-2"))
        self.discard.setAccessibleName("Restore" if gone else "Discard")
        self.discard.setToolTip(
            "Let the selected letters wait again."
            if gone
            else "Give the selected letters up (Delete); they stay listed as discarded, and can be restored."
        )
        newest = items[0].data(0, _LETTER) if len(items) == 1 else ""
        if newest and newest != _MORE:
            if newest != self._details_of:
                self.details_wanted.emit(newest)
        else:
            self._details_of = ""
            self.details.show_nothing()

    def _expanded(self, item: QTreeWidgetItem) -> None:
        if item.data(0, _GROUP):
            self._ask_members(item, max(_PAGE, item.childCount()))

    def _activated(self, item: QTreeWidgetItem) -> None:
        parent = item.parent()
        if parent is not None and item.data(0, _LETTER) == _MORE:
            self._ask_members(parent, parent.childCount() - 1 + _PAGE)

    def _ask_members(self, item: QTreeWidgetItem, limit: int) -> None:
        self.members_wanted.emit(item.data(0, _GROUP), self.state.currentData(), self.filter.text(), limit)

    # ------------------------------------------------------------------ actions
    def _replay(self, edited: dict[str, Any], *, here: bool) -> None:
        if self.chosen():
            self.replay_wanted.emit(self.chosen(), edited, here)

    def _forecast(self, *, here: bool) -> None:
        self.forecast_wanted.emit(self.chosen(), here)

    def _discard_or_restore(self) -> None:
        gone = self.state.currentData() == "discarded"
        self.actions_by_name["restore" if gone else "discard"].trigger()

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name, action in self.actions_by_name.items():
            if name == "discard":
                menu.addSeparator()
            menu.addAction(action)
        return menu

    def _menu_at(self, where: QPoint) -> None:
        if self.chosen():
            self._menu().popup(self.list.viewport().mapToGlobal(where))

    def _paint_state(self, item: QTreeWidgetItem, state: str) -> None:
        item.setText(4, "waiting" if state == "new" else state)
        item.setForeground(4, self._theme.colour(_COLOURS.get(state, "text2")))

    def _from_the_start(self) -> None:
        self._limit = _PAGE
        self._later.start()

    def _ask_more(self) -> None:
        self._limit += _PAGE
        self.ask()


def _when(wall: float) -> str:
    """The time, or the day of what is older than a day."""
    return time.strftime("%H:%M:%S" if time.time() - wall < 86_400 else "%d %b", time.localtime(wall))


def _span(first: float, last: float) -> str:
    words = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall)) for wall in (first, last)]
    return words[0] if words[0] == words[1] else f"{words[0]} to {words[1]}"
