"""The editors of the inspector form, one for each kind of row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QToolButton,
    QWidget,
)

from kailash_studio.desktop.editors.code import CodeEditor
from kailash_studio.desktop.editors.sql import SqlEditor
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import Segments, Switch
from kailash_studio.spec.form import FormRow
from kailash_studio.spec.parameter import reference

_BIG = 2**31 - 1


class Field(QWidget):
    """An editor of one value.

    Signals:
        committed: The new value, once for each change that the person finished.
    """

    committed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)

    def show_value(self, value: Any) -> None:
        """Show a value without committing it."""
        raise NotImplementedError  # pragma: no cover - each field has its own

    def is_being_edited(self) -> bool:
        """Whether the person is in the middle of typing here: in the field, with something that is not committed."""
        proxy = self.focusProxy()
        return proxy is not None and proxy.hasFocus() and self._has_more()

    def _has_more(self) -> bool:
        """Whether the editor holds something else than what was shown or committed last."""
        return False

    def _hold(self, editor: QWidget, row: FormRow) -> None:
        editor.setAccessibleName(row.title)
        editor.setToolTip(row.doc)
        self._layout.addWidget(editor, 1)
        self.setFocusProxy(editor)


class TextField(Field):
    """One line; for files with a button to browse, for secrets the name of a secret."""

    def __init__(self, row: FormRow, icons: Icons) -> None:
        super().__init__()
        self._row = row
        self._shown = ""
        self.edit = QLineEdit(self)
        self.edit.setPlaceholderText("Name of a secret" if row.kind == "secret" else row.placeholder)
        self.edit.editingFinished.connect(self._finish)
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

    def _has_more(self) -> bool:
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
            self._finish()

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
        self._hold(self.edit, row)

    def show_value(self, value: Any) -> None:
        """Show a text."""
        self.edit.show_text("" if value is None else str(value))

    def _has_more(self) -> bool:
        return self.edit.has_more()


class LinesField(Field):
    """Text of several lines."""

    def __init__(self, row: FormRow) -> None:
        super().__init__()
        self._shown = ""
        self.edit = _LeavingEdit(self._finish)
        self.edit.setFixedHeight(92)
        self._hold(self.edit, row)

    def show_value(self, value: Any) -> None:
        """Show a text."""
        self._shown = "" if value is None else str(value)
        if self._shown != self.edit.toPlainText():
            self.edit.setPlainText(self._shown)

    def _has_more(self) -> bool:
        return self.edit.toPlainText() != self._shown

    def _finish(self) -> None:
        text = self.edit.toPlainText()
        if text != self._shown:
            self._shown = text
            self.committed.emit(text)


class JsonField(Field):
    """A list, an object, or anything, written as JSON; a list of texts as one text a line."""

    def __init__(self, row: FormRow) -> None:
        super().__init__()
        self._row = row
        self._plain = row.kind == "list" and row.item == "text"
        self._shown = ""
        self.edit = _LeavingEdit(self._finish)
        self.edit.setFixedHeight(76 if row.kind != "any" else 34)
        self.edit.setPlaceholderText(
            "one on each line" if self._plain else '["a", 1]' if row.kind == "list" else 'JSON, such as 10 or "text"'
        )
        self._hold(self.edit, row)

    def show_value(self, value: Any) -> None:
        """Show a value as text."""
        if self._plain and isinstance(value, list):
            text = "\n".join(map(str, value))
        elif value in (None, [], {}) and self._row.kind != "any":
            text = ""
        elif isinstance(value, str):
            text = json.dumps(value, ensure_ascii=False)
        else:
            text = "" if value is None else json.dumps(value, ensure_ascii=False)
        self._shown = text
        if text != self.edit.toPlainText():
            self.edit.setPlainText(text)
        self._mark(wrong=False)

    def _has_more(self) -> bool:
        return self.edit.toPlainText().strip() != self._shown

    def _finish(self) -> None:
        text = self.edit.toPlainText().strip()
        if text == self._shown:
            return
        value: Any
        if self._plain:
            value = [line.strip() for line in text.split("\n") if line.strip()]
        elif not text:
            value = [] if self._row.kind == "list" else {} if self._row.kind == "object" else None
        else:
            try:
                value = json.loads(text)
            except ValueError:
                if self._row.kind != "any":
                    self._mark(wrong=True)
                    return
                value = text  # a bare word is meant as a text
        self._shown = text
        self._mark(wrong=False)
        self.committed.emit(value)

    def _mark(self, *, wrong: bool) -> None:
        self.edit.setProperty("invalid", wrong)
        self.edit.setToolTip("This is not JSON yet." if wrong else self._row.doc)
        self.edit.style().unpolish(self.edit)
        self.edit.style().polish(self.edit)


class NumberField(Field):
    """A whole or other number with its unit; an empty field stands for "not set" where that is allowed."""

    def __init__(self, row: FormRow) -> None:
        super().__init__()
        self._row = row
        self._empty = row.nullable
        self.spin = _CalmSpin(self) if row.kind == "integer" else _CalmDouble(self)
        low = row.minimum if row.minimum is not None else -_BIG
        high = row.maximum if row.maximum is not None else _BIG
        if isinstance(self.spin, QSpinBox):
            self.spin.setRange(int(low) - self._empty, int(high))
        else:
            self.spin.setDecimals(3)
            self.spin.setRange(low if not self._empty else min(low, 0.0), high)
            self.spin.setLocale(QLocale.c())
        if row.unit:
            self.spin.setSuffix(f" {row.unit}")
        if self._empty:
            self.spin.setSpecialValueText("not set")
        self.spin.lineEdit().setTextMargins(6, 0, 0, 0)  # the style sheet's padding does not reach inside
        self.spin.setKeyboardTracking(False)
        self.spin.valueChanged.connect(self._changed)
        self._filling = False
        self._hold(self.spin, row)

    def show_value(self, value: Any) -> None:
        """Show a number."""
        self._filling = True
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._set(value)
        elif self._empty:
            self._set(self.spin.minimum())
        self._filling = False

    def _has_more(self) -> bool:
        spin = self.spin
        unset = self._empty and spin.value() == spin.minimum()
        # textFromValue takes a whole number in one of the two and any in the other
        formed = spin.textFromValue(spin.value()) if isinstance(spin, QDoubleSpinBox) else str(spin.value())
        return spin.cleanText() != (spin.specialValueText() if unset else formed)

    def _set(self, value: float) -> None:
        if isinstance(self.spin, QSpinBox):
            self.spin.setValue(int(value))
        else:
            self.spin.setValue(float(value))

    def _changed(self, value: float) -> None:
        if not self._filling:
            self.committed.emit(None if self._empty and value == self.spin.minimum() else value)


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


class _LeavingEdit(QPlainTextEdit):
    """A text field that says when the person leaves it, or presses Ctrl+Enter."""

    def __init__(self, finish: Callable[[], None]) -> None:
        super().__init__()
        self._finish = finish
        self.setTabChangesFocus(True)

    def focusOutEvent(self, event: Any) -> None:
        super().focusOutEvent(event)
        self._finish()

    def keyPressEvent(self, event: Any) -> None:
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and control:
            self._finish()
        else:
            super().keyPressEvent(event)


class _CalmSpin(QSpinBox):
    """A spin box that the wheel changes only when it has the focus, so that scrolling the form changes nothing."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class _CalmDouble(QDoubleSpinBox):
    """The same for other numbers, shown without idle zeros."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def textFromValue(self, value: float) -> str:
        return f"{value:.10g}"


class CalmCombo(QComboBox):
    """A combo box that the wheel changes only when it has the focus."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Choose another one, or let the form scroll."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()
