"""Starts the desktop: application, theme, window, and one loop for Qt and asyncio."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from kailash_studio import __version__
from kailash_studio.desktop.crash_reports import CrashReports
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.spec.registry import installed_node_types

_SWITCH_SECONDS = 0.0005  # instead of 0.005


def start(words: Sequence[str]) -> int:
    """Open the window, with the first file in it, and return the exit status when it closes."""
    app = make_application(sys.argv[:1])
    reports = CrashReports()
    reports.begin()
    settings = Settings.load()
    theme = Theme(settings.theme)
    theme.apply(app)
    try:
        return run_loop(app, _open_window(theme, settings, [Path(word) for word in words], reports))
    finally:
        reports.end()


def make_application(words: Sequence[str]) -> QApplication:
    """The QApplication, named."""
    app = QApplication.instance() or QApplication(list(words))
    assert isinstance(app, QApplication)  # nothing else of ours makes one
    app.setApplicationName("kailash-studio")
    app.setApplicationDisplayName("Kailash Studio")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("kailash-studio")
    app.setQuitOnLastWindowClosed(False)  # the loop ends when the window has closed in order
    return app


async def _open_window(theme: Theme, settings: Settings, files: Sequence[Path], reports: CrashReports) -> int:
    loop = asyncio.get_running_loop()
    reports.watch(loop)
    window = MainWindow(theme, settings, installed_node_types())
    window.crash_link.use(reports)
    window.show()
    window.start(files)
    if os.name == "posix":
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, window.close_without_asking)
    await window.closed
    window.dispose()
    return 0


def run_loop(app: QApplication, main: Any) -> int:
    """Run a coroutine on a loop that serves Qt and asyncio, to its end."""
    import qasync

    # Each call from Qt into Python may wait this long for a thread that computes, and painting makes hundreds of them.
    sys.setswitchinterval(_SWITCH_SECONDS)
    loop = qasync.QEventLoop(app)
    collector = WindowCollector()
    try:
        with loop:
            status: int = loop.run_until_complete(main)
            return status
    finally:
        collector.stop()


class WindowCollector(QObject):
    """Runs the cyclic garbage collector on the window's thread only.

    A collection in another thread may destroy Qt objects there, which crashes Qt.
    """

    def __init__(self) -> None:
        super().__init__()
        gc.disable()
        self._thresholds = gc.get_threshold()
        self._timer = QTimer(self, interval=500)
        self._timer.timeout.connect(self._collect)
        self._timer.start()

    def _collect(self) -> None:
        young, middle, old = gc.get_count()
        if old > self._thresholds[2]:
            gc.collect(2)
        elif middle > self._thresholds[1]:
            gc.collect(1)
        elif young > self._thresholds[0]:
            gc.collect(0)

    def stop(self) -> None:
        """Hand the collector back."""
        self._timer.stop()
        gc.enable()
