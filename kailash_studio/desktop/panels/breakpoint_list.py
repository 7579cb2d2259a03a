"""The list of breakpoints: ticked, changed and removed in place."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QComboBox,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from kailash_studio.desktop.widgets.columns import Columns
from kailash_studio.runtime.debugger import WHENS, Breakpoint

_NODE = Qt.ItemDataRole.UserRole
_PLACE, _WHEN, _CONDITION, _HITS, _LOG = range(5)


class _NotTyped(QStyledItemDelegate):
    """Cells of a row that can be changed, but not these."""

    def createEditor(
        self, parent: QWidget | None, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QWidget:
        """None; Qt takes that for an answer, though its stubs do not say so."""
        return None  # type: ignore[return-value]


class BreakpointList(QTreeWidget):
    """The breakpoints, one a row.

    What happens in a row is told from inside of Qt's handling of that row, so rows are kept and filled anew: one that
    is taken away there takes the window with it.

    Signals:
        changed: Its place in the list, and what it is now.
        removed: Its place in the list.
        node_wanted: A node was chosen.
    """

    changed = Signal(int, object)
    removed = Signal(int)
    node_wanted = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._points: list[Breakpoint] = []
        self._not_typed = _NotTyped(self)
        self.setHeaderLabels(["Breakpoint", "When", "Condition", "Hit", "Log"])
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAccessibleName("Breakpoints")
        self.setToolTip("Space switches it on or off, F2 changes its condition, Delete removes it.")
        Columns(self, _CONDITION, kept=90)
        for column in (_PLACE, _WHEN):
            self.setItemDelegateForColumn(column, self._not_typed)
        self.itemChanged.connect(self._edited)
        self.itemActivated.connect(lambda item, _: self.node_wanted.emit(item.data(0, _NODE)))

    def show_points(self, points: list[Breakpoint]) -> None:
        """Show them."""
        self._points = points
        self.blockSignals(True)
        while self.topLevelItemCount() > len(points):
            self.takeTopLevelItem(self.topLevelItemCount() - 1)
        for index, point in enumerate(points):
            item = self.topLevelItem(index)
            self._fill(index, item if item is not None else self._fresh(), point)
        self.blockSignals(False)

    def _fresh(self) -> QTreeWidgetItem:
        item = QTreeWidgetItem(self)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable | Qt.ItemFlag.ItemIsUserCheckable)
        item.setToolTip(_CONDITION, "An expression over inputs, outputs and error; empty: it always stops.")
        item.setToolTip(_HITS, "Stop at this time only; empty: each time.")
        item.setToolTip(_LOG, "An expression that is written into the log instead of stopping.")
        return item

    def _fill(self, index: int, item: QTreeWidgetItem, point: Breakpoint) -> None:
        item.setData(0, _NODE, point.node)
        item.setToolTip(_PLACE, _place(point))
        item.setCheckState(0, Qt.CheckState.Checked if point.enabled else Qt.CheckState.Unchecked)
        words = (_place(point), "value" if point.connection else "", point.condition, _hits(point), point.log)
        for column, word in enumerate(words):
            if item.text(column) != word:
                item.setText(column, word)
        choice = self.itemWidget(item, _WHEN)
        if point.connection:
            self.removeItemWidget(item, _WHEN)
            return
        if not isinstance(choice, QComboBox):
            choice = self._when_choice(index)
            self.setItemWidget(item, _WHEN, choice)
        choice.setAccessibleName(f"When {point.node} stops")
        choice.blockSignals(True)
        choice.setCurrentText(point.when)
        choice.blockSignals(False)

    def _when_choice(self, index: int) -> QComboBox:
        choice = QComboBox(self)
        choice.addItems(list(WHENS))
        choice.currentTextChanged.connect(
            lambda when: self.changed.emit(index, replace(self._points[index], when=when))
        )
        return choice

    def _edited(self, item: QTreeWidgetItem) -> None:
        index = self.indexOfTopLevelItem(item)
        old = self._points[index]
        hits = item.text(_HITS).strip()
        if hits and not hits.isdecimal():
            item.setText(_HITS, _hits(old))
            return
        new = replace(
            old,
            enabled=item.checkState(0) == Qt.CheckState.Checked,
            condition=item.text(_CONDITION).strip(),
            hits=int(hits or 0),
            log=item.text(_LOG).strip(),
        )
        if new != old:
            self.changed.emit(index, new)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on its box also goes to the row, which Qt leaves out: keys that follow are meant for it."""
        at = self.indexAt(event.position().toPoint())
        if at.isValid():
            self.setCurrentIndex(at)
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space ticks, Delete removes, F2 changes; in whichever column one is, but not what a field in a row let by."""
        item = self.currentItem()
        mine = self.hasFocus() and event.modifiers() == Qt.KeyboardModifier.NoModifier
        if item is None or not mine:
            super().keyPressEvent(event)
        elif event.key() == Qt.Key.Key_Space:
            on = item.checkState(0) == Qt.CheckState.Checked
            item.setCheckState(0, Qt.CheckState.Unchecked if on else Qt.CheckState.Checked)
        elif event.key() == Qt.Key.Key_Delete:
            self.removed.emit(self.indexOfTopLevelItem(item))
        elif event.key() == Qt.Key.Key_F2:
            self.editItem(item, max(self.currentColumn(), _CONDITION))
        else:
            super().keyPressEvent(event)


def _place(point: Breakpoint) -> str:
    """Where a breakpoint is, as the list says it."""
    return point.connection.replace(">", " \N{RIGHTWARDS ARROW} ") if point.connection else point.node


def _hits(point: Breakpoint) -> str:
    return str(point.hits) if point.hits else ""
