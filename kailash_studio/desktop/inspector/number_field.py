"""The editor of numbers."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QLocale
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

from kailash_studio.desktop.inspector.field import Field
from kailash_studio.spec.form import FormRow

_BIG = 2**31 - 1


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
        self.spin.lineEdit().textChanged.connect(self._typed)
        self._filling = False
        self._told: float | None = None
        self._hold(self.spin, row)

    def show_value(self, value: Any) -> None:
        """Show a number; a text that means it is left as somebody writes it."""
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
        if number is None or not self.spin.hasFocus() or self._meant() != number:
            self._filling = True
            if number is not None:
                self._set(number)
            elif self._empty:
                self._set(self.spin.minimum())
            self._filling = False
            self._told = self._value(self.spin.value())  # which is rounded, and inside of the limits
        self._note()

    def has_more(self) -> bool:
        """Whether there is another number than was shown or committed last, or none yet."""
        return self._meant() != self._told

    def _meant(self) -> float | str | None:
        """The number that the text means; the text itself while it means none."""
        spin = self.spin
        if self._empty and spin.text() == spin.specialValueText():
            return None
        if not spin.hasAcceptableInput():
            return spin.text()
        return self._value(spin.valueFromText(spin.text()))

    def _value(self, number: float) -> float | None:
        return None if self._empty and number == self.spin.minimum() else number

    def _set(self, value: float) -> None:
        if isinstance(self.spin, QSpinBox):
            self.spin.setValue(int(value))
        else:
            self.spin.setValue(float(value))

    def _finish(self) -> None:
        self.spin.interpretText()
        self._tell(self._value(self.spin.value()))

    def _finish_in_passing(self) -> None:
        meant = self._meant()
        if not isinstance(meant, str) and meant is not None and self._is_whole(meant):
            self.spin.interpretText()
            self._tell(meant)

    def _is_whole(self, meant: float) -> bool:
        """Whether the text is what the editor makes of it; "1." may become 1.5, and stays as it is until then."""
        spin = self.spin
        # textFromValue takes a whole number in one of the two and any in the other
        formed = spin.textFromValue(meant) if isinstance(spin, QDoubleSpinBox) else str(meant)
        return spin.cleanText() == formed

    def _changed(self, value: float) -> None:
        if not self._filling:
            self._tell(self._value(value))
            self._note()

    def _tell(self, value: float | None) -> None:
        if value != self._told:
            self._told = value
            self.committed.emit(value)


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
