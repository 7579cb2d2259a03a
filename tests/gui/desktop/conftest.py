"""Tests of the window's parts, each under the watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from fakes.waiting import Sit, Sitting, until
from PySide6.QtCore import QCoreApplication, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QWidget
from qasync import QEventLoop

from kailash_studio.desktop.window import MainWindow


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


@pytest.fixture
def sit(loop: QEventLoop, window: MainWindow) -> Sit:
    """Works at a window whose engine is ready."""

    async def work(sitting: Sitting) -> None:
        window.engine.start()
        await until(lambda: window.engine.state == "ready")
        await sitting()
        window.preview_link.close()  # nothing is asked any more when the window goes
        await asyncio.sleep(0.05)

    return lambda sitting: loop.run_until_complete(asyncio.wait_for(work(sitting), 90))
