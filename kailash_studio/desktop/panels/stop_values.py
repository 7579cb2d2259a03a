"""The values at a stop: each input and output as a table or a tree whose cells can be changed, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QStackedWidget,
    QToolButton,
    QTreeWidgetItem,
    QTreeWidgetItemIterator,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.panels.editable_table import EditableTable, EditableView
from kailash_studio.desktop.panels.editable_tree import EditableTree
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel

_WRITTEN = ("outputs", "")
_PATH, _TEXT = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
_CUT = "…"
_NOTHING = object()

Key = tuple[str, str]
"""``inputs`` or ``outputs``, and the port's name; an empty name for all outputs that are to be given."""
Cells = dict[str, dict[str, list[list[Any]]]]
"""What was changed, by side and port, as the engine's ``go_on`` takes it."""
FetchPage = Callable[[str, str, int, int], Awaitable[dict[str, Any]]]
"""Gives a page of a value at the stop: side, port, offset, limit."""


class StopValues(QWidget):
    """Chooses a port and shows its value; what is changed is remembered for each.

    Signals:
        changed: Something was edited.
        cell_typed: A ``Key``, a cell and its new text; ``take`` or ``refuse`` answers.
    """

    changed = Signal()
    cell_typed = Signal(object, object, object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._pages: dict[Key, Mapping[str, Any]] = {}
        self._texts: dict[Key, str] = {}  # as JSON; only of values that are small enough to be edited whole
        self._edits: dict[Key, str] = {}  # JSON that was typed
        self._cells: dict[Key, dict[Any, str | None]] = {}  # cells that were changed, by row and column or by path
        self._taken: dict[Key, dict[Any, str | None]] = {}  # those of which the engine said that they can be
        self._asked: dict[tuple[Key, Any], str | None] = {}  # those of which it has not said so yet
        self._gives: list[Any] = []
        self._fetch: FetchPage | None = None
        self._model: EditableTable | None = None
        self.port = QComboBox(self)
        self.port.setAccessibleName("Input or output that is shown")
        self.port.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.port.setMinimumWidth(130)
        self.extent = ElidedLabel("muted", self)
        self.undo = QPushButton("Undo", self)
        self.undo.setObjectName("link")
        self.undo.setToolTip("Take back what was changed in this value")
        self.as_json = QToolButton(self)
        self.as_json.setText("JSON")
        self.as_json.setCheckable(True)
        self.as_json.setToolTip("Show and change the whole value as JSON")
        self.note = ElidedLabel("error_text", self)
        self.note.hide()
        self.table = EditableView(self)
        self.tree = EditableTree(self)
        self.text = QPlainTextEdit(self)
        self.text.setAccessibleName("The value as JSON")
        self.stack = QStackedWidget(self)
        for view in (self.table, self.tree, self.text):
            self.stack.addWidget(view)
        self._lay_out()
        self.port.currentIndexChanged.connect(lambda _: self._port_chosen())
        self.as_json.toggled.connect(lambda _: self._show())
        self.tree.edit_wanted.connect(self._edit_item)
        self.tree.null_wanted.connect(self._make_null)
        self.tree.itemChanged.connect(self._item_edited)
        self.text.textChanged.connect(self._text_edited)
        self.undo.clicked.connect(self._undo)
        self.clear()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.port)
        row.addWidget(self.extent, 1)
        row.addWidget(self.undo)
        row.addWidget(self.as_json)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(row)
        layout.addWidget(self.note)
        layout.addWidget(self.stack, 1)

    # ------------------------------------------------------------------ from outside
    def clear(self) -> None:
        """Show nothing."""
        self._fill({}, None, give=False)

    def show_values(
        self,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any] | None,
        fetch: FetchPage,
        *,
        give: bool,
        gives: Sequence[Any] = (),
    ) -> None:
        """Show values as ``stop_values`` tells them.

        Args:
            inputs: By name.
            outputs: By name, or None before there are any.
            fetch: Gives further pages.
            give: Outputs can be written by hand, although there are none.
            gives: In which ways: the names, and those that must not lack.
        """
        self._fetch, self._gives = fetch, list(gives)
        self._fill(inputs, outputs, give=give)

    def edited(self) -> tuple[dict[str, Any], dict[str, Any], Cells]:
        """What was changed: inputs and outputs that were written anew, by name, and single cells.

        Where any output was changed, all outputs stand among the cells, so that the others are given as they are.

        Raises:
            ValueError: A text is not JSON.
        """
        whole: dict[str, dict[str, Any]] = {"inputs": {}, "outputs": {}}
        cells: Cells = {}
        for (side, name), text in self._edits.items():
            if name and text != self._texts[side, name]:
                whole[side][name] = json.loads(text)
        for (side, name), changed in self._cells.items():
            if changed:
                cells.setdefault(side, {})[name] = [cell_of(place, text) for place, text in changed.items()]
        if whole["outputs"] or "outputs" in cells:
            cells["outputs"] = self.untouched() | cells.get("outputs", {})
        return whole["inputs"], whole["outputs"], cells

    def written(self) -> dict[str, Any]:
        """The outputs that were written by hand where there are none, or are shown to be given.

        Raises:
            ValueError: The text is not JSON.
        """
        shown = self._texts.get(_WRITTEN, "{}") if self._key() == _WRITTEN else "{}"
        given = json.loads(self._edits.get(_WRITTEN, shown))
        return given if isinstance(given, dict) else {}

    def wanted(self) -> str:
        """What the outputs that are written by hand lack to be given; empty where they fit, or there is no place."""
        if _WRITTEN not in self._texts or not self._gives:
            return ""
        try:
            given = json.loads(self._edits.get(_WRITTEN, self._texts[_WRITTEN]))
        except ValueError as error:
            return f"outputs cannot be read: {error}."
        names, needed = self._gives[0]
        if not isinstance(given, dict):
            return f"The outputs by name are wanted: {_starter(self._gives)}"
        if any(set(must) <= given.keys() <= set(all_) and (given or not all_) for all_, must in self._gives):
            return ""
        lacking = [name for name in needed if name not in given]
        if lacking:
            return f"The output {lacking[0]} lacks: {', '.join(names)} can be given."
        unknown = next(iter(given.keys() - set(names)), "")
        return f"There is no output {unknown}: {', '.join(names) or 'none'} can be given."

    def can_give(self) -> bool:
        """Whether there are outputs to give: those that a call gave, or written ones that fit."""
        written = _WRITTEN in self._texts and (_WRITTEN in self._edits or self._key() == _WRITTEN)
        return bool(self.untouched()) or (written and not self.wanted())

    def untouched(self) -> dict[str, list[list[Any]]]:
        """All outputs that there are, with no cell changed."""
        return {name: [] for side, name in self._pages if side == "outputs"}

    def wrong(self) -> str:
        """Why what is written cannot be taken; empty when it can."""
        for (side, name), text in self._edits.items():
            try:
                json.loads(text)
            except ValueError as error:
                return f"{name or side} cannot be read: {error}."
        return ""

    def take(self, key: Key, place: Any, text: str | None) -> None:
        """A cell can be what was typed."""
        self._asked.pop((key, place), None)
        self._taken.setdefault(key, {})[place] = text

    def refuse(self, key: Key, place: Any, text: str | None, why: str) -> None:
        """A cell cannot be what was typed: it is again what it was before, and says why."""
        self._asked.pop((key, place), None)
        cells, taken = self._cells.get(key, {}), self._taken.get(key, {})
        if cells.get(place) != text:
            return  # something else was typed meanwhile
        if place in taken:
            cells[place] = taken[place]
        else:
            cells.pop(place, None)
        self._tell()
        self._say(why)
        if key == self._key() and self._model is not None and self.stack.currentWidget() is self.table:
            self._model.refused[place] = why
            self._model.look_again(place[0])
        elif key == self._key() and self.stack.currentWidget() is self.tree:
            self._mark_refused(place, why)

    def _mark_refused(self, path: tuple[str, ...], why: str) -> None:
        found = QTreeWidgetItemIterator(self.tree)
        while (item := found.value()) is not None and item.data(0, _PATH) != list(path):
            found += 1
        if item is not None:
            before = self._cells.get(self._key(), {}).get(path, item.data(0, _TEXT))
            self.tree.blockSignals(True)
            item.setText(1, "null" if before is None else before)
            item.setForeground(1, self._theme.colour("red"))
            item.setToolTip(1, why)
            self.tree.blockSignals(False)

    # ------------------------------------------------------------------ showing
    def _fill(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None, *, give: bool) -> None:
        self._pages, self._texts, self._edits, self._cells = {}, {}, {}, {}
        self._taken, self._asked = {}, {}
        self.port.blockSignals(True)
        self.port.clear()
        for side, values in (("inputs", inputs), ("outputs", outputs or {})):
            for name, shown in values.items():
                self._pages[side, name] = shown["page"]
                if "plain" in shown:
                    self._texts[side, name] = shown["plain"]
                self.port.addItem(f"{side[:-1]}  {name}", (side, name))
        if outputs is None and give:
            self._texts[_WRITTEN] = _starter(self._gives)
            self.port.addItem("outputs to give", _WRITTEN)
        if outputs:
            self.port.setCurrentIndex(len(inputs))  # what it gave is what one wants to see after a call
        self.port.blockSignals(False)
        self.port.setEnabled(self.port.count() > 0)
        self._port_chosen()

    def _key(self) -> Key:
        side, name = self.port.currentData() or ("", "")
        return side, name

    def _port_chosen(self) -> None:
        key = self._key()
        self.as_json.blockSignals(True)
        self.as_json.setChecked(key not in self._pages or key in self._edits)
        self.as_json.blockSignals(False)
        self._show()

    def _show(self) -> None:
        key = self._key()
        page = self._pages.get(key)
        if page is None or self.as_json.isChecked():
            self._show_text(key)
        elif page["kind"] == "table":
            self._show_table(key, page)
        else:
            self._show_tree(key, page["tree"])
        self._tell()

    def _show_text(self, key: Key) -> None:
        self.text.blockSignals(True)
        self.text.setPlainText(self._edits.get(key, self._texts.get(key, "")))
        self.text.setReadOnly(key not in self._texts)
        self.text.blockSignals(False)
        self.extent.setText("")
        self.stack.setCurrentWidget(self.text)

    def _show_table(self, key: Key, page: Mapping[str, Any]) -> None:
        old, fetch = self._model, self._fetch
        assert fetch is not None  # values come with it

        async def more(offset: int, limit: int, **look: Any) -> dict[str, Any]:
            return await fetch(*key, offset, limit)

        self._model = EditableTable(self._theme, more, page, self._cells.setdefault(key, {}), self)
        self._model.edited.connect(self._tell)
        self._model.failed.connect(self.extent.setText)
        self.table.setModel(self._model)
        self.table.fit_columns()
        if old is not None:
            old.stop()
            old.deleteLater()
        total, columns = page["total"], len(page["columns"])
        self.extent.setText(f"{total:,} row{'s' * (total != 1)} · {columns} column{'s' * (columns != 1)}")
        self.stack.setCurrentWidget(self.table)

    def _show_tree(self, key: Key, tree: Mapping[str, Any]) -> None:
        self.tree.blockSignals(True)
        self.tree.clear()
        root = self.tree.invisibleRootItem()
        if tree["children"]:
            for name, child in tree["children"]:
                self._add(root, name, child, (name,))
        else:
            self._add(root, "value", tree, ())
        self.tree.expandToDepth(0)
        self.tree.blockSignals(False)
        cut = tree["count"] - len(tree["children"])
        self.extent.setText(
            (tree["text"] if tree["children"] else tree["type"]) + (f", {cut:,} not shown" if cut else "")
        )
        self.stack.setCurrentWidget(self.tree)

    def _add(self, parent: QTreeWidgetItem, name: str, tree: Mapping[str, Any], path: tuple[str, ...]) -> None:
        changed = self._cells.get(self._key(), {})
        text = changed.get(path, tree["text"])
        item = QTreeWidgetItem(parent, [name, "null" if text is None else text, tree["type"]])
        item.setFont(1, self._theme.font(12, mono=True))
        item.setForeground(2, self._theme.colour("text3"))
        item.setToolTip(1, text or "")
        if path in changed:
            item.setForeground(1, self._theme.colour("amber"))
        elif tree["children"] or text is None:
            item.setForeground(1, self._theme.colour("text3"))
        if not tree["children"] and not tree["count"] and not (text or "").endswith(_CUT):
            item.setData(0, _PATH, list(path))
            item.setData(0, _TEXT, tree["text"])
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        for inner, child in tree["children"]:
            self._add(item, inner, child, (*path, inner))

    # ------------------------------------------------------------------ editing
    def _edit_item(self, item: QTreeWidgetItem) -> None:
        if item.data(0, _PATH) is not None:
            self.tree.editItem(item, 1)

    def _item_edited(self, item: QTreeWidgetItem, column: int) -> None:
        if column == 1 and item.data(0, _PATH) is not None:
            self._change(item, item.text(1))

    def _make_null(self, item: QTreeWidgetItem) -> None:
        if item.data(0, _PATH) is not None:
            self._change(item, None)

    def _change(self, item: QTreeWidgetItem, text: str | None) -> None:
        self._cells.setdefault(self._key(), {})[tuple(item.data(0, _PATH))] = text
        self.tree.blockSignals(True)
        item.setText(1, "null" if text is None else text)
        item.setForeground(1, self._theme.colour("amber"))
        self.tree.blockSignals(False)
        self._tell()

    def _text_edited(self) -> None:
        key = self._key()
        if not self.text.isReadOnly():
            self._edits[key] = self.text.toPlainText()
            if self._edits[key] == self._texts.get(key):
                del self._edits[key]
            self._tell()

    def _undo(self) -> None:
        self._edits.pop(self._key(), None)
        self._cells.pop(self._key(), None)
        self._show()

    def _tell(self) -> None:
        key = self._key()
        by_text, by_cell = key in self._edits, bool(self._cells.get(key))
        self.undo.setVisible(by_text or by_cell)
        # a value is changed in one way at a time: cells keep their types, a text is the whole value
        self.as_json.setEnabled(key in self._pages and key in self._texts and not by_cell and not by_text)
        self._say(self.wrong() or (self.wanted() if key == _WRITTEN else ""))
        if self._model is not None:
            self._model.refused.clear()
        self._ask(key)
        self.changed.emit()

    def _say(self, wrong: str) -> None:
        self.note.setText(wrong)
        self.note.setVisible(bool(wrong))

    def _ask(self, key: Key) -> None:
        """Ask about the cells whose new texts nobody has taken yet."""
        cells = self._cells.get(key, {})
        taken = self._taken[key] = {p: text for p, text in self._taken.get(key, {}).items() if p in cells}
        for place, text in cells.items():
            if (place in taken and taken[place] == text) or self._asked.get((key, place), _NOTHING) == text:
                continue
            self._asked[key, place] = text
            self.cell_typed.emit(key, place, text)


def _starter(gives: Sequence[Any]) -> str:
    """A text to begin with where outputs are written by hand."""
    names, needed = gives[0] if gives else ([], [])
    return json.dumps(dict.fromkeys(needed or names), ensure_ascii=False)


def cell_of(place: Any, text: str | None) -> list[Any]:
    """A change as the engine takes it: row and column, or a path, and what is to be there."""
    if len(place) == 2 and isinstance(place[0], int):
        return [place[0], place[1], text]
    return [list(place), text]
