"""The editors of the inspector form, one for each kind of row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QFileDialog, QLineEdit, QToolButton

from kailash_studio.desktop.editors.code import CodeEditor
from kailash_studio.desktop.editors.sql import SqlEditor
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector.field import CommittedLine, Field, LeavingEdit
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import Segments, Switch
from kailash_studio.spec.form import FormRow
from kailash_studio.spec.parameter import reference


class TextField(Field):
    """One line; for files with a button to browse, for secrets the name of a secret."""

    def __init__(self, row: FormRow, icons: Icons) -> None:
        super().__init__()
        self._row = row
        self._shown = ""
        self.edit = CommittedLine(self.has_more, self)
        self.edit.setPlaceholderText("Name of a secret" if row.kind == "secret" else row.placeholder)
        self.edit.editingFinished.connect(self.take_over)
        self.edit.textChanged.connect(self._typed)
        self._hold(self.edit, row)
        if row.kind in {"file", "save_file", "folder"}:
            browse = QToolButton(self)
            browse.setIcon(icons.icon("folder"))
            browse.setToolTip("Choose…")
            browse.setAccessibleName(f"Choose {row.title}")
            browse.clicked.connect(self._browse)
            self._layout.addWidget(browse)

    def show_value(self, value: Any) -> None:
        """Show a text."""
        referred = reference(value)
        text = referred[1] if referred is not None else "" if value is None else str(value)
        self._shown = text
        if text != self.edit.text():
            self.edit.setText(text)
        self._note()

    def has_more(self) -> bool:
        """Whether there is another text than was shown or committed last."""
        return self.edit.text() != self._shown

    def _finish(self) -> None:
        text = self.edit.text()
        if text != self._shown:
            self._shown = text
            if self._row.kind == "secret":
                self.committed.emit({"$secret": text} if text else "")
            else:
                self.committed.emit(None if self._row.nullable and not text else text)

    def _browse(self) -> None:
        dialog = QFileDialog(self.window(), self._row.title, self.edit.text())
        if self._row.kind == "folder":
            dialog.setFileMode(QFileDialog.FileMode.Directory)
        elif self._row.kind == "save_file":
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        else:
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)

        def chosen(path: str) -> None:
            self.edit.setText(str(Path(path)))
            self.take_over()

        dialog.fileSelected.connect(chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()


class CodeField(Field):
    """SQL or Python.

    Signals:
        large_asked: SQL should be edited in a window of its own.
    """

    large_asked = Signal()

    def __init__(self, row: FormRow, theme: Theme) -> None:
        super().__init__()
        self.edit = SqlEditor(theme) if row.kind == "sql" else CodeEditor(theme, row.kind)
        self.edit.setMinimumHeight(260)
        self.edit.committed.connect(self.committed.emit)
        self.edit.committed.connect(self._note)
        self.edit.textChanged.connect(self._typed)
        self._hold(self.edit, row)

    def show_value(self, value: Any) -> None:
        """Show a text."""
        self.edit.show_text("" if value is None else str(value))
        self._note()

    def has_more(self) -> bool:
        """Whether there is another text than was shown or committed last."""
        return self.edit.has_more()

    def _finish(self) -> None:
        self.edit.commit()

    def _finish_in_passing(self) -> None:
        """The editor commits after a pause itself, wherever it stands."""


class LinesField(Field):
    """Text of several lines."""

    def __init__(self, row: FormRow) -> None:
        super().__init__()
        self._shown = ""
        self.edit = LeavingEdit(self.take_over)
        self.edit.setFixedHeight(92)
        self.edit.textChanged.connect(self._typed)
        self._hold(self.edit, row)

    def show_value(self, value: Any) -> None:
        """Show a text."""
        self._shown = "" if value is None else str(value)
        if self._shown != self.edit.toPlainText():
            self.edit.setPlainText(self._shown)
        self._note()

    def has_more(self) -> bool:
        """Whether there is another text than was shown or committed last."""
        return self.edit.toPlainText() != self._shown

    def _finish(self) -> None:
        text = self.edit.toPlainText()
        if text != self._shown:
            self._shown = text
            self.committed.emit(text)


class SwitchField(Field):
    """On or off."""

    def __init__(self, row: FormRow, theme: Theme) -> None:
        super().__init__()
        self.switch = Switch(theme, self)
        self.switch.clicked.connect(self._clicked)
        self._hold(self.switch, row)
        self._layout.setStretch(0, 0)
        self._layout.addStretch(1)

    def _clicked(self) -> None:
        self.committed.emit(self.switch.isChecked())

    def show_value(self, value: Any) -> None:
        """Show a state."""
        self.switch.setChecked(bool(value))


class ChoiceField(Field):
    """One of a few: side by side when they are short, else a list."""

    def __init__(self, row: FormRow) -> None:
        super().__init__()
        names = [(value, _shown(value)) for value in row.choices]
        self._values = list(row.choices)
        self._filling = False
        self.segments: Segments | None = None
        self.combo: QComboBox | None = None
        if len(names) <= 4 and sum(len(text) for _, text in names) <= 20:
            self.segments = Segments(names, self)
            self.segments.chosen.connect(self.committed)
            self._hold(self.segments, row)
        else:
            self.combo = CalmCombo(self)
            for _, text in names:
                self.combo.addItem(text)
            self.combo.currentIndexChanged.connect(self._changed)
            self._hold(self.combo, row)

    def show_value(self, value: Any) -> None:
        """Show a choice."""
        if self.segments is not None:
            self.segments.show_value(value)
        elif self.combo is not None:
            self._filling = True
            self.combo.setCurrentIndex(self._values.index(value) if value in self._values else -1)
            self._filling = False

    def _changed(self, index: int) -> None:
        if not self._filling and index >= 0:
            self.committed.emit(self._values[index])


def _shown(value: Any) -> str:
    return {"\t": "tab", "": "none"}.get(value, str(value)) if isinstance(value, str) else str(value)


class ReferenceField(Field):
    """A value that refers to a workflow parameter or a secret; it is shown, and can be reset."""

    def __init__(self, row: FormRow) -> None:
        super().__init__()
        self.edit = QLineEdit(self)
        self.edit.setReadOnly(True)
        self._hold(self.edit, row)

    def show_value(self, value: Any) -> None:
        """Show what it refers to."""
        found = reference(value)
        self.edit.setText(f"{found[0].removeprefix('$')}: {found[1]}" if found else "")


class CalmCombo(QComboBox):
    """A combo box that the wheel changes only when it has the focus."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Choose another one, or let the form scroll."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()
