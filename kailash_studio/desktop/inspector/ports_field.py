"""The editor of declared ports: a name and a type on each line."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QToolButton, QVBoxLayout, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector.field import Field
from kailash_studio.desktop.inspector.fields import CalmCombo
from kailash_studio.spec.form import FormRow
from kailash_studio.spec.port import DataType


class _Line(QWidget):
    """One port.

    Attributes:
        name: Its name.
        kind: Its type.
        remove: Takes it away.
    """

    def __init__(self, name: str, kind: str, icons: Icons) -> None:
        super().__init__()
        self.name, self.kind, self.remove = QLineEdit(name, self), CalmCombo(self), QToolButton(self)
        self.name.setAccessibleName("Name")
        self.name.setPlaceholderText("name")
        self.kind.setAccessibleName(f"Type of {name}" if name else "Type")
        self.kind.addItems([str(known) for known in DataType])
        if self.kind.findText(kind) < 0:
            self.kind.addItem(kind)
        self.kind.setCurrentText(kind)
        self.remove.setIcon(icons.icon("x", "text3"))
        self.remove.setToolTip("Remove, with the connections inside and outside")
        self.remove.setAccessibleName(f"Remove {name}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.name, 3)
        layout.addWidget(self.kind, 2)
        layout.addWidget(self.remove)


class PortsField(Field):
    """Names with their types; a name that is changed keeps its place, and so its connections."""

    def __init__(self, row: FormRow, icons: Icons) -> None:
        super().__init__()
        self._icons = icons
        self._shown: dict[str, str] = {}
        self._told: list[tuple[str, str]] = []
        self.lines: list[_Line] = []
        self.add = QToolButton(self)
        self.add.setText("Add")
        self.add.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.add.setIcon(icons.icon("plus"))
        self.add.setToolTip(row.doc)
        self.add.setAccessibleName(f"Add to {row.title}")
        self.add.clicked.connect(self._add)
        column = QVBoxLayout()
        column.setSpacing(4)
        self._column = column
        column.addWidget(self.add)
        self._layout.addLayout(column, 1)
        self.setFocusProxy(self.add)

    def show_value(self, value: Any) -> None:
        """Show the ports."""
        shown = {str(name): str(kind) for name, kind in value.items()} if isinstance(value, dict) else {}
        self._told = list(shown.items())
        if shown == self._shown and len(self.lines) == len(shown):
            return
        self._shown = shown
        for line in self.lines:
            line.hide()
            line.deleteLater()  # not at once: an edit in it may have led here
        self.lines = []
        for name, kind in shown.items():
            self._put(name, kind)
        self._note()

    def is_being_edited(self) -> bool:
        """Whether a name is being typed, or a line has none yet."""
        return any(line.name.hasFocus() and line.name.isModified() for line in self.lines) or len(self.lines) > len(
            self._shown
        )

    def has_more(self) -> bool:
        """Whether a name that was changed is not told yet."""
        return list(self._named().items()) != self._told

    def _named(self) -> dict[str, str]:
        """The ports that have a name."""
        named = [(line.name.text().strip(), line.kind.currentText()) for line in self.lines]
        return {name: kind for name, kind in named if name}

    def _put(self, name: str, kind: str) -> _Line:
        line = _Line(name, kind, self._icons)
        line.name.editingFinished.connect(self.take_over)
        line.name.textEdited.connect(lambda _: self._note())
        line.kind.currentIndexChanged.connect(lambda _: self._finish())
        line.remove.clicked.connect(partial(self._remove, line))
        self.lines.append(line)
        self._column.insertWidget(self._column.count() - 1, line)
        return line

    def _add(self) -> None:
        line = self._put("", str(DataType.ANY))
        line.name.setFocus()

    def _remove(self, line: _Line) -> None:
        self.lines.remove(line)
        line.hide()
        line.deleteLater()
        self._finish()

    def _finish(self) -> None:
        """Tell the ports that have a name."""
        told = self._named()
        if list(told.items()) != list(self._shown.items()):
            self._told = list(told.items())
            if len(told) == len(self.lines):
                self._shown = told
            self.committed.emit(told)
