"""Gestures on the canvas of a whole window become edits of its document, and edits are drawn."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDockWidget, QLineEdit, QListWidget

from kailash_studio.desktop.canvas.compat import IN, OUT
from kailash_studio.desktop.dialogs.chooser import Chooser
from kailash_studio.desktop.window import MainWindow

_LEFT = Qt.MouseButton.LeftButton


class Hand:
    """The mouse over a window's canvas; points are in the scene."""

    def __init__(self, window: MainWindow) -> None:
        self.viewer = window.canvas.viewer
        self.store = window.canvas.store

    def at(self, x: float, y: float) -> QPoint:
        return (self.viewer.viewportTransform().map(QPointF(x, y))).toPoint()

    def head(self, node: str) -> tuple[float, float]:
        return self.store.cards[node].left + 70, self.store.cards[node].top + 20

    def port(self, node: str, kind: str, name: str) -> tuple[float, float]:
        dot = self.store.cards[node].port(kind, name)
        assert dot is not None
        return dot.anchor().x(), dot.anchor().y()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        viewport = self.viewer.viewport()
        QTest.mousePress(viewport, _LEFT, pos=self.at(*start))
        for part in (0.3, 0.7, 1.0):
            x, y = (a + (b - a) * part for a, b in zip(start, end, strict=True))
            QTest.mouseMove(viewport, self.at(x, y))
        QTest.mouseRelease(viewport, _LEFT, pos=self.at(*end))


@pytest.fixture
def pair(window: MainWindow) -> tuple[MainWindow, Hand, str, str, str]:
    """A reader, and a table view beside it with the name of its input."""
    reader = window.session.add_node("CSVReaderNode", (0, 0), {"path": "a.csv"})
    view = window.session.add_node("TableViewNode", (400, 0))
    ports = window.session.ports(view)
    assert ports is not None
    window.canvas.fit()
    return window, Hand(window), reader, view, next(iter(ports.inputs))


def _chooser(window: MainWindow) -> tuple[QLineEdit, QListWidget]:
    (chooser,) = (found for found in window.findChildren(Chooser) if found.isVisible())
    return chooser.findChild(QLineEdit), chooser.findChild(QListWidget)


def test_a_move_is_one_step_of_the_document(pair: Any) -> None:
    window, hand, reader, _, _ = pair
    before, depth = window.session.text(), len(window.session.history._done)
    x, y = hand.head(reader)
    hand.drag((x, y), (x + 80, y + 160))
    assert window.session.workflow.positions[reader] == (80, 160)
    assert len(window.session.history._done) == depth + 1
    window.session.undo()
    assert window.session.text() == before
    assert (hand.store.cards[reader].left, hand.store.cards[reader].top) == (0, 0)


def test_a_drawn_connection_is_in_the_document_and_can_be_deleted(pair: Any) -> None:
    window, hand, reader, view, taken = pair
    hand.drag(hand.port(reader, OUT, "data"), hand.port(view, IN, taken))
    (key,) = window.session.workflow.connections
    assert key == f"{reader}.data>{view}.{taken}"
    assert list(hand.store.lines) == [key]
    middle = hand.store.lines[key].middle()
    QTest.mouseClick(hand.viewer.viewport(), _LEFT, pos=hand.at(middle.x(), middle.y()))
    QTest.keyClick(hand.viewer, Qt.Key.Key_Delete)
    assert window.session.workflow.connections == {}
    assert hand.store.lines == {}


def test_a_refused_connection_is_explained_in_the_status_line(pair: Any) -> None:
    window, hand, reader, view, taken = pair
    window.session.connect_ports(reader, "data", view, taken)
    other = window.session.add_node("CSVReaderNode", (400, 300))
    before = window.session.text()
    start, end = hand.port(reader, OUT, "data"), hand.head(other)
    QTest.mousePress(hand.viewer.viewport(), _LEFT, pos=hand.at(*start))
    QTest.mouseMove(hand.viewer.viewport(), hand.at(*end))
    QTest.mouseMove(hand.viewer.viewport(), hand.at(*end) + QPoint(1, 1))
    assert window.line.currentMessage()
    QTest.mouseRelease(hand.viewer.viewport(), _LEFT, pos=hand.at(*end))
    assert window.line.currentMessage() == ""
    assert window.session.text() == before


def test_delete_removes_the_node_and_undo_brings_its_connections_back(pair: Any) -> None:
    window, hand, reader, view, taken = pair
    window.session.connect_ports(reader, "data", view, taken)
    QTest.mouseClick(hand.viewer.viewport(), _LEFT, pos=hand.at(*hand.head(reader)))
    QTest.keyClick(hand.viewer, Qt.Key.Key_Delete)
    assert list(window.session.workflow.nodes) == [view] == list(hand.store.cards)
    assert hand.store.lines == {}
    window.session.undo()
    assert set(hand.store.cards) == {reader, view}
    assert len(hand.store.lines) == 1


def test_tab_offers_node_types_and_adds_the_chosen_one(pair: Any) -> None:
    window, hand, _, _, _ = pair
    hand.viewer.setFocus()
    QTest.keyClick(hand.viewer, Qt.Key.Key_Tab)
    field, _ = _chooser(window)
    QTest.keyClicks(field, "merge")
    QTest.keyClick(field, Qt.Key.Key_Return)
    (node,) = window.canvas.selection()
    assert window.session.workflow.nodes[node].type == "MergeNode"


def test_a_connection_dropped_on_the_ground_offers_what_fits_and_connects_it(pair: Any) -> None:
    window, hand, reader, _, _ = pair
    hand.drag(hand.port(reader, OUT, "data"), (250, 320))
    field, entries = _chooser(window)
    titles = [entries.item(i).text() for i in range(entries.count())]
    assert any(title.startswith("Table") for title in titles)
    QTest.keyClicks(field, "table view")
    QTest.keyClick(field, Qt.Key.Key_Return)
    (added,) = window.canvas.selection()
    assert [(c.source, c.target) for c in window.session.workflow.connections.values()] == [(reader, added)]


def test_ports_that_code_no_longer_has_lose_their_connections(pair: Any) -> None:
    """While the code cannot be read, in the middle of typing, the connections stay."""
    window, hand, reader, _, _ = pair
    session = window.session
    code = session.add_node("PythonCodeNode", (400, 300), {"code": "def run(rows):\n    return len(rows)\n"})
    assert session.connect_ports(reader, "data", code, "rows") is None
    whole = session.workflow.nodes[code].parameters["code"]
    session.set_parameter(code, "code", "def run(rows:")
    assert len(session.workflow.connections) == 1
    session.set_parameter(code, "code", whole)
    session.set_parameter(code, "code", "def run():\n    return 1\n")
    assert session.workflow.connections == {}
    assert hand.store.lines == {}
    session.undo()
    assert len(session.workflow.connections) == 1
    assert len(hand.store.lines) == 1


@pytest.mark.parametrize("width", [1366, 1500, 1720])
def test_the_docks_stand_side_by_side(window: MainWindow, width: int, qtbot: Any) -> None:
    """Qt lays docks over each other where their contents do not fit."""
    window.resize(width, 768)
    window.show()
    for tabs in (window.docks.data_tabs, window.docks.report_tabs):
        for place in range(tabs.count()):
            tabs.setTabVisible(place, True)
            tabs.setCurrentIndex(place)
    window.dead_letters.caption.setText("123 letters")
    window.pools.show_pools([], 0.0)
    qtbot.waitUntil(lambda: window.pools.latency._graph is not None)
    docks = {dock.objectName(): dock.geometry() for dock in window.findChildren(QDockWidget)}
    assert window.width() == width
    assert docks["dock_bottom"].right() < docks["dock_inspector"].left()
    assert docks["dock_bottom"].left() > docks["dock_palette"].right()


def test_buttons_stay_where_they_are_when_something_is_edited_or_runs(window: MainWindow) -> None:
    """A click is aimed at where a button was."""
    bar = window.bar
    buttons = [
        bar.run_button,
        *(bar.widgetForAction(window.actions_by_name[n]) for n in ("pause", "step", "stop", "undo")),
    ]

    def places() -> list[int]:
        QCoreApplication.processEvents()
        return [button.mapTo(window, QPoint()).x() for button in buttons]

    before = places()
    window.session.add_node("CSVReaderNode", (0, 0))
    assert window.session.dirty
    assert places() == before
    for running, waits in ((True, False), (True, True), (False, False)):
        bar.show_running(running, waits=waits)
        assert places() == before
    window.session.undo()
    assert not window.session.dirty
    assert places() == before
