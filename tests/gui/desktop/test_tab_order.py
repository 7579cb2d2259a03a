"""Tab goes through each dialog as it is seen: never back up in a column that it has left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from fakes.waiting import Sit, until
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QLineEdit, QWidget

import kailash_studio.desktop
from kailash_studio.desktop.dialogs.chooser import Choice, Chooser
from kailash_studio.desktop.dialogs.connections import ConnectionsDialog
from kailash_studio.desktop.dialogs.crash_report import CrashReportDialog
from kailash_studio.desktop.dialogs.fault import FaultDialog
from kailash_studio.desktop.editors.sql_workbench import SqlWorkbench
from kailash_studio.desktop.panels.cell_viewer import CellViewer
from kailash_studio.desktop.window import MainWindow
from kailash_studio.resilience.faults import Fault

_SLACK = 4  # pixels that neighbours in a row may differ
Make = Callable[[MainWindow], QDialog]


def _connections(window: MainWindow) -> QDialog:
    made = ConnectionsDialog(window.engine, window.icons, window)
    made.name.setText("a name, so that all can be pressed")
    return made


def _viewer(window: MainWindow) -> QDialog:
    made = CellViewer(window.theme, window)
    made.show_cell({"text": "a", "tree": {"children": []}, "cut": False, "type": "text"})
    return made


MAKES: dict[type[QDialog], Make] = {
    ConnectionsDialog: _connections,
    FaultDialog: lambda window: FaultDialog("n", Fault(), lambda _: None, window, has_breaker=True),
    CrashReportDialog: lambda window: CrashReportDialog(Path("report.txt"), "text", window.theme, window),
    CellViewer: _viewer,
    Chooser: lambda window: Chooser(window, "Find…", [Choice("one", "", 1)]),
    SqlWorkbench: lambda window: SqlWorkbench(window.theme, window.icons, "n", "query", window),
}


def in_tab_order(dialog: QDialog) -> list[QWidget]:
    """The fields that can be reached with Tab, from the first of them."""
    found, widget = [], dialog.nextInFocusChain()
    while widget is not None and widget is not dialog:
        reached = widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.focusProxy() is None
        if reached and widget.window() is dialog and widget.isVisible() and widget.isEnabled():
            found.append(widget)
        widget = widget.nextInFocusChain()
    return found


def place(widget: QWidget) -> QRect:
    return QRect(widget.mapTo(widget.window(), QPoint()), widget.size())


def leads_on(before: QRect, after: QRect) -> bool:
    """Whether the eye goes on: to the right of it, or below it."""
    right = after.left() >= before.right() - _SLACK
    return right or after.top() >= before.bottom() - _SLACK


@pytest.mark.parametrize("kind", MAKES, ids=lambda kind: kind.__name__)
def test_tab_goes_as_the_eye_does(kind: type[QDialog], window: MainWindow, sit: Sit) -> None:
    async def sitting() -> None:
        dialog = MAKES[kind](window)
        dialog.show()
        await until(dialog.isVisible)
        order = in_tab_order(dialog)
        assert len(order) > 1
        for before, after in pairwise(order):
            said = f"{_name(before)} is followed by {_name(after)}"
            assert leads_on(place(before), place(after)), said
        await until(lambda: not getattr(dialog, "_tasks", None))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.done(0)
        await asyncio.sleep(0.05)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)

    sit(sitting)


def _name(widget: QWidget) -> str:
    return widget.accessibleName() or getattr(widget, "text", str)() or type(widget).__name__


def test_no_dialog_is_left_out(window: MainWindow) -> None:
    root = Path(kailash_studio.desktop.__file__).parent
    classes = {
        line.partition("(")[0].removeprefix("class ")
        for path in root.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if line.startswith("class ") and "(QDialog)" in line
    }
    assert classes == {kind.__name__ for kind in MAKES}


def test_who_tabs_from_the_user_types_a_password_that_nobody_reads(window: MainWindow, sit: Sit) -> None:
    async def sitting() -> None:
        dialog = ConnectionsDialog(window.engine, window.icons, window)
        dialog.show()
        await until(lambda: not dialog._tasks)
        dialog.activateWindow()
        dialog.name.setFocus()
        passed = []
        while (at := dialog.focusWidget()) is not dialog.save and len(passed) < 20:
            assert at is not None
            passed.append(at.accessibleName())
            if at is dialog.name:
                QTest.keyClicks(at, "prod")
            if at is dialog.user:
                QTest.keyClick(at, Qt.Key.Key_Tab)
                at = dialog.focusWidget()
                assert isinstance(at, QLineEdit) and at.echoMode() == QLineEdit.EchoMode.Password
                passed.append(at.accessibleName())
            QTest.keyClick(at, Qt.Key.Key_Tab)
        assert passed[:9] == [name for name, _ in dialog._rows]
        dialog.done(0)
        await asyncio.sleep(0.05)

    sit(sitting)
