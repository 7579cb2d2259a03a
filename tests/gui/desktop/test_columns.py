"""Lists and tabs where there is little room: the column that matters has it, and nothing is out of sight."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QTabWidget, QToolTip, QTreeWidget, QTreeWidgetItem, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.breakers import Breakers
from kailash_studio.desktop.panels.dead_letters import DeadLetters
from kailash_studio.desktop.panels.debugger import Debugger
from kailash_studio.desktop.panels.palette import Palette, PaletteEntry
from kailash_studio.desktop.panels.problems import Problems
from kailash_studio.desktop.panels.run_history import RunHistory
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.columns import Columns, shared
from kailash_studio.desktop.widgets.tabs import RoomyTabs
from kailash_studio.desktop.window import MainWindow
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.spec.finding import Finding

_SIDE = 480  # px that the lists at the foot have beside a wide table, in a window of 1720
_TEXT = "a text that is far too long for the column that it stands in"
_LONG = "load_portfolio_positions"
Make = Callable[[Theme, Icons], tuple[QWidget, QTreeWidget]]


def _runs(theme: Theme, icons: Icons) -> tuple[QWidget, QTreeWidget]:
    panel = RunHistory(theme, icons)
    told = {"run_id": "r", "workflow": "portfolio_analysis", "started": time.time() - 2e5, "seconds": 12.5, "failed": 2}
    told |= {"origin": "command line", "resumed_from": "", "error": ""}
    panel.show_runs([told | {"state": state} for state in ("interrupted", "succeeded")], 2)
    return panel, panel.list


def _letters(theme: Theme, icons: Icons) -> tuple[QWidget, QTreeWidget]:
    panel = DeadLetters(theme, icons)
    panel.show_groups([["a" * 16, 12, _LONG, "HTTP 503 from a partner", 1e9, 1e9, "b" * 32, "nightly", 1]], 12)
    return panel, panel.list


def _breakers(theme: Theme, icons: Icons) -> tuple[QWidget, QTreeWidget]:
    panel = Breakers(theme, icons)
    told = {"failures": 3, "failure_rate": None, "reason": "5 of the last 10 calls failed", "changes": []}
    panel.show_breakers([{"key": _LONG, "state": "half_open", **told}])
    return panel, panel.list


def _problems(theme: Theme, icons: Icons) -> tuple[QWidget, QTreeWidget]:
    panel = Problems(theme, icons)
    panel.set_findings([Finding("error", "KS-1203", "", "The workflow has a cycle: take one of the connections away.")])
    return panel, panel.table


@pytest.mark.parametrize(
    ("make", "main", "least"), [(_runs, 1, 120), (_letters, 1, 70), (_breakers, 3, 90), (_problems, 1, 300)]
)
@pytest.mark.parametrize("width", [_SIDE, 700])
def test_the_column_that_matters_has_the_room(
    make: Make, main: int, least: int, width: int, theme: Theme, icons: Icons, shown: Any, qtbot: Any
) -> None:
    panel, view = make(theme, icons)
    panel.resize(width, 300)
    shown(panel)
    qtbot.waitUntil(lambda: view.columnWidth(main) >= least)
    assert view.horizontalScrollBar().maximum() == 0, "every column is in sight"


def test_what_holds_little_takes_little_and_grows_with_it(theme: Theme, icons: Icons, shown: Any, qtbot: Any) -> None:
    panel, view = _problems(theme, icons)
    panel.resize(900, 300)
    shown(panel)
    qtbot.waitUntil(lambda: view.columnWidth(0) < 100)
    assert isinstance(panel, Problems)
    panel.set_findings([Finding("error", "KS-1201", f"nodes/{_LONG}/parameters/query", "It is not set.")])
    qtbot.waitUntil(lambda: view.columnWidth(0) > 180)


def test_breakpoints_show_their_choices_and_conditions(theme: Theme, icons: Icons, shown: Any, qtbot: Any) -> None:
    panel = Debugger(theme, icons)
    panel.show_breakpoints([Breakpoint(_LONG, "before", "len(inputs['rows']) > 1000"), Breakpoint("score", "fallback")])
    tabs = next(tabs for tabs in panel.findChildren(QTabWidget) if tabs.indexOf(panel.points) >= 0)
    for width in (620, 370):
        panel.resize(width, 300)
        shown(panel)
        tabs.setCurrentWidget(panel.points)
        qtbot.waitUntil(lambda: panel.points.columnWidth(2) >= 70)
        choices = panel.points.findChildren(QComboBox)
        qtbot.waitUntil(lambda choices=choices: all(c.width() >= c.sizeHint().width() - 1 for c in choices))
        assert panel.points.horizontalScrollBar().maximum() == 0
        assert panel.values.isVisible() == (width == 620)
        tabs.setCurrentIndex(0)
        assert panel.values.isVisible(), "what it is about is there again"


def _list(shown: Any) -> QTreeWidget:
    view = QTreeWidget()
    view.setColumnCount(3)
    view.setHeaderLabels(["a", "b", "c"])
    QTreeWidgetItem(view, [_TEXT, "b", "c"])
    Columns(view, 1, kept=60, most=120)
    view.resize(300, 120)
    shown(view)
    QCoreApplication.processEvents()
    return view


def test_a_cut_text_is_its_own_tooltip(shown: Any) -> None:
    view = _list(shown)
    assert _tip(view, 2) == ""
    assert _tip(view, 0) == _TEXT
    first = view.topLevelItem(0)
    assert first is not None
    first.setToolTip(0, "run 7")
    assert _tip(view, 0) == f"{_TEXT}\nrun 7"


def _tip(view: QTreeWidget, column: int) -> str:
    """What is told of a cell of the first row."""
    row = view.visualItemRect(view.topLevelItem(0))  # type: ignore[arg-type]
    at = QPoint(view.columnViewportPosition(column) + 10, row.center().y())
    asking = QHelpEvent(QHelpEvent.Type.ToolTip, at, view.viewport().mapToGlobal(at))
    QCoreApplication.sendEvent(view.viewport(), asking)
    return QToolTip.text()


def test_a_width_that_a_person_gives_stays(shown: Any) -> None:
    view = _list(shown)
    assert view.columnWidth(0) == 120
    header = view.header()
    edge = QPoint(view.columnViewportPosition(1) - 1, header.height() // 2)
    QTest.mousePress(header.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, edge)
    QTest.mouseMove(header.viewport(), edge - QPoint(40, 0))
    QTest.mouseRelease(
        header.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, edge - QPoint(40, 0)
    )
    given = view.columnWidth(0)
    assert given < 120
    QTreeWidgetItem(view, ["another", "b", "c"])
    view.resize(360, 120)
    QCoreApplication.processEvents()
    assert view.columnWidth(0) == given


@pytest.mark.parametrize(
    ("room", "widths"),
    [(400, [100, 80]), (260, [100, 60]), (225, [71, 54]), (180, [50, 50]), (100, [25, 25]), (80, [20, 20])],
)
def test_room_is_shared_in_steps(room: int, widths: list[int]) -> None:
    floors = [([100, 60], 100), ([50, 50], 100), ([20, 20], 50)]
    assert shared(room, [100, 80], floors) == widths


def test_a_title_is_cut_before_a_count(icons: Icons, shown: Any) -> None:
    tabs = RoomyTabs(None)  # type: ignore[arg-type]
    panels = [QWidget() for _ in range(5)]
    for panel, title in zip(panels, ("Log", "Problems", "Dead letters", "Breakers", "Runs"), strict=True):
        tabs.add(panel, icons.icon("inbox"), title)
    tabs.resize(900, 100)
    shown(tabs)
    for number, title in ((1, "Problems  12"), (2, "Dead letters  128"), (3, "Breakers  2")):
        tabs.name(panels[number], title)
    assert not tabs.tabIcon(0).isNull()
    tabs.resize(_SIDE, 100)
    QCoreApplication.processEvents()
    assert tabs.tabIcon(0).isNull(), "names come before pictures"
    assert tabs.tabBar().sizeHint().width() <= tabs.width(), "all of them, whole"
    assert tabs.elideMode() == Qt.TextElideMode.ElideMiddle, "further cuts leave the end, where a count stands"
    assert tabs.tabToolTip(2) == "Dead letters  128"
    for number in (2, 3):
        tabs.setTabVisible(number, False)
    assert not tabs.tabIcon(0).isNull()
    for number in (2, 3):
        tabs.setTabVisible(number, True)
    assert tabs.tabIcon(0).isNull()
    tabs.resize(900, 100)
    QCoreApplication.processEvents()
    assert not tabs.tabIcon(0).isNull()


def test_the_window_has_such_tabs(window: MainWindow) -> None:
    for tabs in (window.docks.data_tabs, window.docks.report_tabs):
        assert isinstance(tabs, RoomyTabs)
    window.status_link.show_operations(7, 0)
    tabs = window.docks.report_tabs
    assert tabs.tabText(tabs.indexOf(window.dead_letters)) == "Dead letters  7"


def test_the_palette_cuts_a_title_and_does_not_scroll_for_it(theme: Theme, icons: Icons, shown: Any) -> None:
    panel = Palette(theme, icons)
    panel.set_types([PaletteEntry("XNode", "A node type with a very long title indeed", "Data", "table-2", "Does it.")])
    panel.resize(220, 400)
    shown(panel)
    assert panel.tree.horizontalScrollBar().maximum() == 0
