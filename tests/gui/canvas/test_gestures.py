"""Mouse, wheel, keys and drops: what the canvas makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QMimeData, QPoint, Qt
from PySide6.QtGui import QAccessible, QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton

from kailash_studio.desktop.canvas import NODE_TYPE_MIME, Canvas
from kailash_studio.desktop.canvas.metrics import HEAD, WIDTH, ZOOM_MAX, ZOOM_MIN

SHIFT, CONTROL, ALT = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
)


# ---------------------------------------------------------------------- moving
def test_a_drag_moves_on_the_grid_and_tells_once(pair: Canvas, hand: Any) -> None:
    hand.listen("nodes_moved")
    x, y = hand.head("a")
    hand.drag((x, y), (x + 83, y + 42), steps=12)
    assert hand.heard["nodes_moved"] == [({"a": (80.0, 40.0)},)]


def test_all_selected_move_together_and_escape_puts_them_back(pair: Canvas, hand: Any) -> None:
    hand.listen("nodes_moved", "selection_changed")
    pair.select(["a", "b"])
    x, y = hand.head("b")
    hand.drag((x, y), (x + 16, y + 8))
    assert hand.heard["nodes_moved"] == [({"a": (16.0, 8.0), "b": (416.0, 8.0)},)]
    x, y = hand.head("a")
    hand.press(x, y)
    hand.pull((x, y), (x + 100, y))
    assert pair.store.cards["a"].left > 16
    hand.key(Qt.Key.Key_Escape)
    hand.release(x + 100, y)
    assert [pair.store.cards[i].left for i in "ab"] == [16.0, 416.0]
    assert len(hand.heard["nodes_moved"]) == 1


def test_a_press_that_hardly_moves_is_a_click(pair: Canvas, hand: Any) -> None:
    hand.listen("nodes_moved", "selection_changed")
    x, y = hand.head("a")
    hand.drag((x, y), (x + 3, y + 3))
    assert hand.heard == {"nodes_moved": [], "selection_changed": [(["a"],)]}


@pytest.mark.parametrize(
    ("key", "keys", "place"),
    [
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, (8.0, 0.0)),
        (Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier, (0.0, -8.0)),
        (Qt.Key.Key_Down, SHIFT, (0.0, 40.0)),
    ],
)
def test_arrows_move_by_the_grid_and_tell_when_let_go(
    pair: Canvas, hand: Any, key: Qt.Key, keys: Qt.KeyboardModifier, place: tuple[float, float]
) -> None:
    hand.listen("nodes_moved")
    pair.select(["a"])
    QTest.keyPress(pair.viewer, key, keys)
    assert hand.heard["nodes_moved"] == []
    QTest.keyRelease(pair.viewer, key, keys)
    assert hand.heard["nodes_moved"] == [({"a": place},)]


# ---------------------------------------------------------------------- selecting
@pytest.mark.parametrize(
    ("corner", "expected"), [((300, 300), ["a"]), ((650, 300), ["a", "b"]), ((-50, -20), [])], ids=str
)
def test_a_band_selects_what_it_touches(
    pair: Canvas, hand: Any, corner: tuple[float, float], expected: list[str]
) -> None:
    hand.drag((-60, -60), corner)
    assert pair.selection() == expected


def test_shift_and_control_add_and_take_away(pair: Canvas, hand: Any) -> None:
    hand.click(*hand.head("a"))
    hand.click(*hand.head("b"), SHIFT)
    assert pair.selection() == ["a", "b"]
    hand.click(*hand.head("a"), CONTROL)
    assert pair.selection() == ["b"]
    hand.drag((-60, -60), (300, 300), SHIFT)
    assert pair.selection() == ["b", "a"]
    hand.click(-60, -60)
    assert pair.selection() == []


def test_select_all_and_escape_by_key(pair: Canvas, hand: Any) -> None:
    hand.key(Qt.Key.Key_A, CONTROL)
    assert pair.selection() == ["a", "b"]
    hand.key(Qt.Key.Key_Escape)
    assert pair.selection() == []


def test_a_line_is_selected_instead_of_nodes(pair: Canvas, hand: Any, line: Any) -> None:
    hand.listen("connection_selected", "selection_changed", "connection_delete_requested", "delete_requested")
    pair.put_connection(line("a", "b"))
    pair.select(["a"])
    middle = pair.store.lines["a.data>b.rows"].middle()
    hand.click(middle.x(), middle.y())
    assert (pair.selection(), hand.heard["connection_selected"]) == ([], [("a.data>b.rows",)])
    hand.key(Qt.Key.Key_Delete)
    assert hand.heard["connection_delete_requested"] == [("a.data>b.rows",)]
    hand.click(*hand.head("b"))
    assert hand.heard["connection_selected"][-1] == ("",)
    hand.key(Qt.Key.Key_Backspace)
    assert hand.heard["delete_requested"] == [()]
    assert len(hand.heard["connection_delete_requested"]) == 1


def test_delete_without_a_selection_asks_for_nothing(pair: Canvas, hand: Any) -> None:
    hand.listen("delete_requested", "connection_delete_requested")
    hand.key(Qt.Key.Key_Delete)
    assert hand.heard == {"delete_requested": [], "connection_delete_requested": []}


def test_an_alt_stroke_cuts_what_it_crosses(pair: Canvas, hand: Any, line: Any) -> None:
    hand.listen("connection_delete_requested")
    pair.put_connection(line("a", "b"))
    pair.put_connection(line("a", "b", "error", "limit"))
    hand.drag((300, -40), (300, 200), ALT)
    assert sorted(key for (key,) in hand.heard["connection_delete_requested"]) == ["a.data>b.rows", "a.error>b.limit"]
    hand.heard["connection_delete_requested"].clear()
    hand.drag((300, 150), (330, 250), ALT)
    assert hand.heard["connection_delete_requested"] == []


# ---------------------------------------------------------------------- opening and adding
def test_double_click_and_enter_open_a_node(pair: Canvas, hand: Any) -> None:
    hand.listen("node_activated", "quick_add_requested")
    QTest.mouseDClick(hand.viewport, Qt.MouseButton.LeftButton, pos=hand.pixel(*hand.head("b")))
    pair.select(["a"])
    hand.key(Qt.Key.Key_Return)
    assert hand.heard == {"node_activated": [("b",), ("a",)], "quick_add_requested": []}


def test_double_click_on_the_ground_adds_there(pair: Canvas, hand: Any) -> None:
    hand.listen("quick_add_requested")
    QTest.mouseDClick(hand.viewport, Qt.MouseButton.LeftButton, pos=hand.pixel(300, 250))
    ((x, y),) = hand.heard["quick_add_requested"]
    assert (x, y) == (pytest.approx(300 - WIDTH / 2, abs=4), pytest.approx(250 - HEAD / 2, abs=4))


def test_tab_adds_at_a_free_place_and_shift_tab_leaves(pair: Canvas, hand: Any) -> None:
    hand.listen("quick_add_requested")
    pair.select(["a"])
    hand.key(Qt.Key.Key_Tab)
    ((x, y),) = hand.heard["quick_add_requested"]
    assert not any(card.body().contains(x, y) for card in pair.store.cards.values())
    assert pair.viewer.hasFocus()
    QTest.keyClick(pair.viewer, Qt.Key.Key_Backtab, SHIFT)
    assert not pair.viewer.hasFocus()


@pytest.mark.parametrize(
    ("kind", "text", "taken"),
    [(NODE_TYPE_MIME, "CSVReaderNode", True), ("text/plain", "CSVReaderNode", False), (NODE_TYPE_MIME, "  ", False)],
)
def test_only_a_node_type_can_be_dropped(pair: Canvas, hand: Any, kind: str, text: str, taken: bool) -> None:
    hand.listen("type_dropped")
    data = QMimeData()
    data.setData(kind, text.encode())
    assert hand.drop(data, 300, 260) is taken
    if taken:
        ((name, x, y),) = hand.heard["type_dropped"]
        assert name == "CSVReaderNode"
        assert (x, y) == (pytest.approx(300 - WIDTH / 2, abs=4), pytest.approx(260 - HEAD / 2, abs=4))
    else:
        assert hand.heard["type_dropped"] == []


def test_right_click_selects_and_asks_for_a_menu(pair: Canvas, hand: Any, line: Any) -> None:
    hand.listen("context_menu_requested")
    pair.put_connection(line("a", "b"))
    middle = pair.store.lines["a.data>b.rows"].middle()
    for x, y in (hand.head("b"), (middle.x(), middle.y()), (-60, -60)):
        at = hand.pixel(x, y)
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, hand.viewport.mapToGlobal(at))
        QCoreApplication.sendEvent(hand.viewport, event)
    asked = [(node, key) for _, node, key in hand.heard["context_menu_requested"]]
    assert asked == [("b", ""), ("", "a.data>b.rows"), ("", "")]


# ---------------------------------------------------------------------- zoom and pan
@pytest.mark.parametrize("angle", [120, -120, 840])
def test_the_wheel_zooms_at_the_cursor(pair: Canvas, hand: Any, angle: int) -> None:
    pair.viewer.zoom_to(0.8)
    hand.listen("zoom_changed")
    at = hand.pixel(100, 60)
    hand.wheel(100, 60, angle=angle)
    assert (pair.zoom() > 0.8) == (angle > 0)
    assert hand.heard["zoom_changed"] == [(pair.zoom(),)]
    under = pair.viewer.to_scene(at.toPointF())
    assert (under.x(), under.y()) == (pytest.approx(100, abs=2), pytest.approx(60, abs=2))


def test_zoom_has_ends_and_rests_at_100_percent(pair: Canvas, hand: Any) -> None:
    pair.viewer.zoom_to(0.95)
    pair.zoom_in()
    assert pair.zoom() == 1.0
    for _ in range(60):
        hand.wheel(0, 0, angle=240)
    assert pair.zoom() == pytest.approx(ZOOM_MAX)
    for _ in range(60):
        hand.wheel(0, 0, angle=-240)
    assert pair.zoom() == pytest.approx(ZOOM_MIN)


def test_a_trackpad_pans_instead(pair: Canvas, hand: Any) -> None:
    before = pair.viewer.visible()
    hand.wheel(0, 0, angle=-30, pixels=QPoint(-40, -25), smooth=True)
    after = pair.viewer.visible()
    assert pair.zoom() == 1.0
    assert (after.left() - before.left(), after.top() - before.top()) == (40, 25)


@pytest.mark.parametrize("way", ["middle button", "space"])
def test_dragging_pans_without_selecting(pair: Canvas, hand: Any, way: str) -> None:
    button = Qt.MouseButton.MiddleButton if way == "middle button" else Qt.MouseButton.LeftButton
    if way == "space":
        QTest.keyPress(pair.viewer, Qt.Key.Key_Space)
    before, start = pair.viewer.visible(), hand.pixel(*hand.head("a"))
    QTest.mousePress(hand.viewport, button, pos=start)
    QTest.mouseMove(hand.viewport, start + QPoint(70, 30))
    QTest.mouseRelease(hand.viewport, button, pos=start + QPoint(70, 30))
    if way == "space":
        QTest.keyRelease(pair.viewer, Qt.Key.Key_Space)
    after = pair.viewer.visible()
    assert (before.left() - after.left(), before.top() - after.top()) == (70, 30)
    assert pair.selection() == []
    assert pair.store.cards["a"].left == 0


@pytest.mark.parametrize("key", [Qt.Key.Key_F, Qt.Key.Key_Home])
def test_fit_shows_all_from_anywhere(canvas: Canvas, hand: Any, node: Any, key: Qt.Key) -> None:
    canvas.set_graph([node(f"n{i}", i % 12 * 300.0, i // 12 * 200.0) for i in range(60)], [])
    canvas.viewer.zoom_to(2.0)
    canvas.viewer.pan(5000, 5000)
    hand.key(key)
    assert canvas.viewer.visible().contains(canvas.store.extent())
    assert ZOOM_MIN < canvas.zoom() < 1.0


def test_fit_of_little_stays_at_100_percent_and_of_nothing_rests(canvas: Canvas, node: Any) -> None:
    canvas.fit()
    assert canvas.zoom() == 1.0
    canvas.put_node(node("a", 4000, 4000))
    canvas.fit()
    assert canvas.zoom() == 1.0
    assert canvas.viewer.visible().contains(canvas.store.extent())


def test_zoom_keys_and_buttons_do_the_same(pair: Canvas, hand: Any) -> None:
    buttons = {b.toolTip().split(" (", maxsplit=1)[0]: b for b in pair.findChildren(QToolButton)}
    for key, title in ((Qt.Key.Key_Plus, "Zoom in"), (Qt.Key.Key_Minus, "Zoom out"), (Qt.Key.Key_0, "Zoom to 100 %")):
        pair.viewer.zoom_to(0.7)
        hand.key(key)
        by_key = pair.zoom()
        pair.viewer.zoom_to(0.7)
        buttons[title].click()
        assert pair.zoom() == by_key != 0.7
    assert buttons["Zoom to 100 %"].text() == "100%"


def test_the_view_keeps_its_zoom_when_the_window_grows(pair: Canvas) -> None:
    pair.viewer.zoom_to(0.7)
    pair.resize(1300, 900)
    assert pair.zoom() == pytest.approx(0.7)


def test_what_a_screen_reader_is_told(pair: Canvas) -> None:
    interface = QAccessible.queryAccessibleInterface(pair.viewer)
    assert interface.text(QAccessible.Text.Name) == "Canvas"
    buttons = [button for button in pair.findChildren(QToolButton) if button.isVisible()]
    assert len(buttons) == 4
    assert all(button.accessibleName() for button in buttons)


# ---------------------------------------------------------------------- fallbacks
def failure_port(canvas: Canvas, hand: Any, node_id: str) -> tuple[float, float]:
    at = canvas.store.cards[node_id].failure_point()
    return at.x(), at.y()


def test_a_fallback_is_drawn_from_the_failure_port(pair: Canvas, hand: Any) -> None:
    hand.listen("fallback_drawn", "nodes_moved", "drag_message", "fallback_dropped_on_canvas")
    start = failure_port(pair, hand, "a")
    hand.drag(start, hand.head("b"), steps=8)
    assert hand.heard["fallback_drawn"] == [("a", "b")]
    pair.fallback_refusal = lambda node, other: f"{other} cannot stand in for {node}."
    hand.drag(start, hand.head("b"), steps=8)
    assert len(hand.heard["fallback_drawn"]) == 1
    assert hand.heard["drag_message"] == [("b cannot stand in for a.",), ("",)]
    hand.drag(start, (200, 400), steps=8)
    assert hand.heard["fallback_dropped_on_canvas"] == [("a", 168.0, 400.0)]
    assert hand.heard["nodes_moved"] == []


def test_a_drawn_fallback_is_given_up_with_escape(pair: Canvas, hand: Any) -> None:
    hand.listen("fallback_drawn", "fallback_dropped_on_canvas")
    start = failure_port(pair, hand, "a")
    hand.press(*start)
    hand.pull(start, hand.head("b"))
    hand.key(Qt.Key.Key_Escape)
    hand.release(*hand.head("b"))
    assert hand.heard == {"fallback_drawn": [], "fallback_dropped_on_canvas": []}
