"""Nodes that are dropped or added on a connection stand in between, in one step that Undo takes back."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QCoreApplication, QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest

from kailash_studio.desktop.canvas import NODE_TYPE_MIME
from kailash_studio.desktop.dialogs.chooser import Chooser
from kailash_studio.desktop.window import MainWindow

_LEFT, _NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
KEY = "csv_reader.data>table_view.rows"


@pytest.fixture
def pair(window: MainWindow) -> MainWindow:
    """A reader and a view, close to one another."""
    session = window.session
    first, second = session.add_node("CSVReaderNode", (0, 0)), session.add_node("TableViewNode", (300, 160))
    assert not session.connect_ports(first, "data", second, "rows")
    window.canvas.fit()
    return window


def pixel(window: MainWindow, point: QPointF) -> QPoint:
    viewer = window.canvas.viewer
    bars = viewer.horizontalScrollBar().value(), viewer.verticalScrollBar().value()
    return QPoint(round(point.x() * viewer.zoom() - bars[0]), round(point.y() * viewer.zoom() - bars[1]))


def drop(window: MainWindow, type_name: str, *, lit: bool) -> None:
    """Drag a node type onto the middle of the connection, and let it go."""
    line = window.canvas.store.lines[KEY]
    at, viewport, data = pixel(window, line.middle()), window.canvas.viewer.viewport(), QMimeData()
    data.setData(NODE_TYPE_MIME, type_name.encode())
    QCoreApplication.sendEvent(viewport, QDragEnterEvent(at, Qt.DropAction.CopyAction, data, _LEFT, _NONE))
    assert line.hovered is lit
    QCoreApplication.sendEvent(viewport, QDropEvent(QPointF(at), Qt.DropAction.CopyAction, data, _LEFT, _NONE))


def apart(window: MainWindow) -> bool:
    bodies = [card.body() for card in window.canvas.store.cards.values()]
    return not any(a.intersects(b) for number, a in enumerate(bodies) for b in bodies[:number])


BETWEEN = ["csv_reader.data>distinct_rows.rows", "distinct_rows.data>table_view.rows"]


def test_a_type_from_the_palette_is_put_on_the_connection_it_is_dropped_on(pair: MainWindow) -> None:
    before = pair.session.text()
    drop(pair, "DistinctRowsNode", lit=True)
    assert sorted(pair.session.workflow.connections) == BETWEEN
    assert sorted(pair.canvas.store.lines) == BETWEEN
    assert apart(pair), "it lies on no other card"
    assert pair.canvas.selection() == ["distinct_rows"]
    pair.session.undo()
    assert pair.session.text() == before, "one step"


def test_what_does_not_fit_is_only_placed(pair: MainWindow) -> None:
    drop(pair, "CSVReaderNode", lit=False)
    assert list(pair.session.workflow.connections) == [KEY]
    assert "csv_reader_2" in pair.session.workflow.nodes


@pytest.mark.parametrize("connected", [False, True])
def test_a_card_that_is_dropped_on_a_connection_is_put_on_it_unless_it_is_connected(
    pair: MainWindow, connected: bool
) -> None:
    session, canvas = pair.session, pair.canvas
    node = session.add_node("DistinctRowsNode", (0, 400))
    if connected:
        assert not session.connect_ports("csv_reader", "data", node, "rows")
    canvas.fit()
    before, card, line = session.text(), canvas.store.cards[node], canvas.store.lines[KEY]
    start, end = pixel(pair, QPointF(card.left + 100, card.top + 20)), pixel(pair, line.middle())
    viewport = canvas.viewer.viewport()
    QTest.mousePress(viewport, _LEFT, _NONE, start)
    for step in range(1, 7):
        QTest.mouseMove(viewport, start + (end - start) * step / 6)
    assert line.hovered is not connected
    QTest.mouseRelease(viewport, _LEFT, _NONE, end)
    if connected:
        assert KEY in session.workflow.connections
        return
    assert sorted(session.workflow.connections) == BETWEEN
    assert apart(pair)
    session.undo()
    assert session.text() == before, "the move and the connections are one step"
    assert (card.left, card.top) == (0, 400)


def test_a_node_that_is_added_while_a_connection_is_selected_is_put_on_it(pair: MainWindow) -> None:
    pair.canvas.select_connection(KEY)
    pair.palette_panel.add_requested.emit("DistinctRowsNode")
    assert sorted(pair.session.workflow.connections) == BETWEEN
    assert apart(pair)
    pair.session.undo()
    assert list(pair.session.workflow.connections) == [KEY]
    pair.canvas.select_connection(KEY)
    pair.palette_panel.add_requested.emit("CSVReaderNode")
    assert list(pair.session.workflow.connections) == [KEY], "it takes nothing: it is only placed"
    assert "csv_reader_2" in pair.session.workflow.nodes


def test_tab_puts_the_node_that_is_chosen_on_the_selected_connection(pair: MainWindow) -> None:
    pair.activateWindow()
    pair.canvas.viewer.setFocus()
    pair.canvas.select_connection(KEY)
    QTest.keyClick(pair.canvas.viewer, Qt.Key.Key_Tab)
    chooser = pair.findChild(Chooser)
    assert chooser is not None
    QTest.keyClicks(chooser._field, "distinct")
    QTest.keyClick(chooser._field, Qt.Key.Key_Return)
    assert sorted(pair.session.workflow.connections) == BETWEEN
