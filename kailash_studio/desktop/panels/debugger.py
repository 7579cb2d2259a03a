"""The debugger: nodes that stand still, what they were given and gave, and the breakpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QSplitter,
    QTabWidget,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.breakpoint_list import BreakpointList
from kailash_studio.desktop.panels.stop_values import FetchPage, StopValues
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, WholeText
from kailash_studio.desktop.widgets.columns import Columns
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.runtime.wording import STANDS

_STOP = Qt.ItemDataRole.UserRole
_BOTH = 560  # px from which breakpoints and values stand side by side
_BUTTONS = (
    ("go_on", "Continue", "play", "Let it go on, with what you have changed (F5)."),
    ("step", "Step", "step-forward", "Let it go on and stop at what comes next (F10)."),
    ("again", "Again", "rotate-cw", "Call the node once more, with what you have changed."),
    ("give", "Give", "log-out", "Take these outputs instead of those of a call."),
    ("skip", "Skip", "skip-forward", "Do not call the node in this run."),
)


class Debugger(QWidget):
    """Stops, values, breakpoints.

    Signals:
        values_wanted: The number of a stop.
        decided: The number of a stop; ``go_on``, ``step``, ``again``, ``give`` or ``skip``; what was changed, as the
            engine takes it: ``inputs`` and ``outputs`` by name, ``cells``.
        evaluate_wanted: The number of a stop, an expression; what was changed, as in ``decided``.
        cell_typed: The number of a stop, and what ``StopValues`` tells of a cell.
        breakpoint_changed: Its place in the list, and what it is now.
        breakpoint_removed: Its place in the list.
        node_wanted: A node was chosen.
    """

    values_wanted = Signal(int)
    decided = Signal(int, str, object)  # a dict would come out of Qt with its keys, and those inside, sorted
    evaluate_wanted = Signal(int, str, object)
    cell_typed = Signal(int, object, object, object)
    breakpoint_changed = Signal(int, object)
    breakpoint_removed = Signal(int)
    node_wanted = Signal(str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self._when = ""
        self.caption = ElidedLabel("muted", self)
        self.buttons: dict[str, QToolButton] = {}
        for name, text, icon, tip in _BUTTONS:
            button = QToolButton(self)
            button.setIcon(icons.icon(icon))
            button.setAccessibleName(text)
            button.setToolTip(f"{text}: {tip[0].lower()}{tip[1:]}")
            button.clicked.connect(lambda _=False, do=name: self.decide(do))
            self.buttons[name] = button
        self._give_tip = self.buttons["give"].toolTip()
        self.stops = self._make_stops()
        self.points = BreakpointList(self)
        self.values = StopValues(theme, self)
        self.expression = QLineEdit(self)
        self.expression.setPlaceholderText("Evaluate: len(inputs['rows'])")
        self.expression.setAccessibleName("Expression over inputs, outputs and error")
        self.result = WholeText("muted", self)
        self._lay_out()
        self.stops.itemSelectionChanged.connect(self._chosen_changed)
        self.points.changed.connect(self.breakpoint_changed)
        self.points.removed.connect(self.breakpoint_removed)
        self.points.node_wanted.connect(self.node_wanted)
        self.expression.returnPressed.connect(self._evaluate)
        self.values.changed.connect(self._enable)
        self.values.cell_typed.connect(lambda *typed: self.cell_typed.emit(self.chosen(), *typed))
        self.show_stops({})

    def _make_stops(self) -> QTreeWidget:
        made = QTreeWidget(self)
        made.setHeaderLabels(["Stands still", "Where", "Why"])
        made.setRootIsDecorated(False)
        made.setUniformRowHeights(True)
        made.setAccessibleName("Nodes that stand still")
        Columns(made, 2, kept=90)
        return made

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 6)
        bar.setSpacing(6)
        bar.addWidget(self.caption, 1)
        for button in self.buttons.values():
            bar.addWidget(button)
        left = QTabWidget(self)
        left.setDocumentMode(True)
        left.addTab(self.stops, "Stops")
        left.addTab(self.points, "Breakpoints")
        right = QWidget(self)
        column = QVBoxLayout(right)
        column.setContentsMargins(8, 0, 8, 6)
        column.setSpacing(6)
        column.addWidget(self.values, 1)
        column.addWidget(self.expression)
        column.addWidget(self.result)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(left)
        split.addWidget(right)
        split.setSizes([250, 330])
        left.setMinimumWidth(170)  # both names
        left.currentChanged.connect(self._make_room)
        self._lists, self._beside, self._split = left, right, split
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(split, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """What stands beside the breakpoints has room, or none."""
        super().resizeEvent(event)
        self._beside.setVisible(not self._lists.currentIndex() or self.width() >= _BOTH)

    def _make_room(self, tab: int) -> None:
        """Breakpoints have more columns than stops, and what stands beside them is about stops."""
        self._beside.setVisible(not tab or self.width() >= _BOTH)
        self._split.setSizes([380, 200] if tab else [250, 330])

    # ------------------------------------------------------------------ stops
    def show_stops(self, stopped: Mapping[str, Mapping[str, Any]]) -> None:
        """Show the nodes that stand still: their states by node, with ``stop``, ``when``, ``reason``."""
        chosen = self.chosen()
        self.stops.blockSignals(True)
        self.stops.clear()
        for node, state in sorted(stopped.items(), key=lambda pair: -pair[1]["stop"]):
            item = QTreeWidgetItem(self.stops, [node, state["when"], state["reason"]])
            item.setData(0, _STOP, state["stop"])
            item.setToolTip(2, state.get("error") or state["reason"])
            item.setSelected(state["stop"] == chosen)
        first = self.stops.topLevelItem(0)
        if first is not None and not self.stops.selectedItems():
            first.setSelected(True)
        self.stops.blockSignals(False)
        count = len(stopped)
        self.caption.setText(f"{count} node{'s' * (count != 1)} stand{'s' * (count == 1)} still" if count else "")
        if self.chosen() != chosen or not count:
            self._chosen_changed()

    def chosen(self) -> int:
        """The number of the selected stop, or 0."""
        items = self.stops.selectedItems()
        return int(items[0].data(0, _STOP)) if items else 0

    def show_values(self, number: int, told: Mapping[str, Any], fetch: FetchPage) -> None:
        """Show what a stopped node was given and gave; ``fetch`` gives further pages."""
        if number != self.chosen():
            return  # another one is selected meanwhile
        self._when = told["when"]
        error = told["error"].removeprefix(f"{told['node']}: ")
        self.caption.setText(f"{told['node']} stands {STANDS[self._when]}" + (f": {error}" if error else ""))
        give = self._when in {"before", "error"}
        self.values.show_values(told["inputs"], told["outputs"], fetch, give=give, gives=told.get("gives", []))
        self._enable()

    def show_result(self, text: str, *, wrong: bool = False) -> None:
        """Show what an expression gave, or why it gave nothing."""
        self.result.say(text, "error_text" if wrong else "muted")

    def decide(self, do: str) -> None:
        """Let the selected node go on in one of the ways; to go on or step, its values need not have arrived yet."""
        at_once = not self._when and do in {"go_on", "step"}
        if self.chosen() and (at_once or self.buttons[do].isEnabled()):
            self.values.finish_typing()
            inputs, outputs, cells = self.values.edited()
            if do == "give":
                outputs |= self.values.written()
                cells.setdefault("outputs", self.values.untouched())
            self.decided.emit(self.chosen(), do, {"inputs": inputs, "outputs": outputs, "cells": cells})

    def _chosen_changed(self) -> None:
        self._when = ""
        self.values.clear()
        self.show_result("")
        self._enable()
        if self.chosen():
            self.values_wanted.emit(self.chosen())

    def _enable(self) -> None:
        here, wrong = bool(self._when), bool(self.values.wrong())
        able = {
            "go_on": here and not wrong,
            "step": here and not wrong,
            "again": self._when in {"after", "error"} and not wrong,
            "give": here and self._when != "retry" and not wrong and self.values.can_give(),
            "skip": here and self._when != "retry",
        }
        for name, button in self.buttons.items():
            button.setEnabled(able[name])
        lacks = self.values.wanted() if here else ""
        self.buttons["give"].setToolTip(f"Give: {lacks}" if lacks else self._give_tip)

    def _evaluate(self) -> None:
        if not self.chosen() or not self.expression.text().strip():
            return
        self.values.finish_typing()
        if self.values.wrong():
            self.show_result(self.values.wrong(), wrong=True)
            return
        inputs, outputs, cells = self.values.edited()
        outputs |= self.values.written()
        changes = {"inputs": inputs, "outputs": outputs, "cells": cells}
        self.evaluate_wanted.emit(self.chosen(), self.expression.text(), changes)

    # ------------------------------------------------------------------ breakpoints
    def show_breakpoints(self, points: list[Breakpoint]) -> None:
        """Show them."""
        self.points.show_points(points)


def described(page: Mapping[str, Any]) -> str:
    """A page of a value in one line."""
    if page["kind"] == "table":
        return f"{page['total']:,} rows of {', '.join(page['columns'][:6])}"
    return _line(page["tree"])


def _line(tree: Mapping[str, Any]) -> str:
    """A tree of values in one line, cut where it gets long."""
    if not tree["children"]:
        return str(tree["text"])
    named = tree["type"] == "record"
    parts = [f"{name}: {_line(child)}" if named else _line(child) for name, child in tree["children"][:20]]
    more = ["…"] if tree["count"] > 20 else []
    return ("{%s}" if named else "[%s]") % ", ".join(parts + more)
