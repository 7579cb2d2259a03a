"""Tells the person of errors of the window itself, and shows the reports."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from kailash_studio.desktop.crash_reports import CrashReports
from kailash_studio.desktop.dialogs.crash_report import CrashReportDialog
from kailash_studio.desktop.notice import Notice
from kailash_studio.desktop.theme import Theme


class CrashLink(QObject):
    """Between the window and its crash reports."""

    def __init__(self, theme: Theme, notice: Notice, say: Callable[[str], None], window: QWidget) -> None:
        super().__init__(window)
        self._theme, self._notice, self._say, self._window = theme, notice, say, window
        self._reports: CrashReports | None = None

    def use(self, reports: CrashReports) -> None:
        """Tell of what these say."""
        self._reports = reports
        reports.written.connect(self._written)

    def offer(self) -> None:
        """After a crash, say so and offer to show the report."""
        if self._reports is None or not self._reports.left():
            return
        self._notice.say(
            "The last window did not end in order. That should not happen, sorry. A report was written; it stays here.",
            [("Show crash report", self.show)],
        )

    def show(self) -> None:
        """Show the newest report."""
        self._notice.hide()
        path = self._reports.newest() if self._reports is not None else None
        if path is None:
            self._say("There is no crash report: the window has met no error of its own.")
            return
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            self._say(f"The crash report {path} cannot be read: {error.strerror or error}.")
            return
        CrashReportDialog(path, text, self._theme, self._window).show()

    def _written(self) -> None:
        self._say("The window met an error of its own and goes on: Help > Show crash report shows it.")
