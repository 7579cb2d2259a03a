"""Tests of the window's parts, each under the watch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QCoreApplication, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QWidget


@pytest.fixture(autouse=True)
def watched(watch: object) -> None:
    """Set up first and torn down last: nothing may be left behind."""


@pytest.fixture
def wheel_over() -> Callable[[QWidget], None]:
    """Turns the wheel by one step over the middle of a widget."""

    def turn(widget: QWidget) -> None:
        middle = QPointF(widget.rect().center())
        where = QPointF(widget.mapToGlobal(middle.toPoint()))
        none, keys, phase = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(middle, where, QPoint(), QPoint(0, 120), none, keys, phase, False)
        QCoreApplication.sendEvent(widget, event)

    return turn
