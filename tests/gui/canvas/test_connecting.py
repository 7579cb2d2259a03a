"""Connections are drawn with the mouse; the host decides, the canvas shows what is possible."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage

from kailash_studio.desktop.canvas import Canvas, NodeView, PortView

TOO_WIDE = "limit takes a number, not a table."


def refuse_tables(_source: str, output: str, _target: str, taken: str) -> str | None:
    return TOO_WIDE if (output, taken) == ("data", "limit") else None


@pytest.fixture
def ready(pair: Canvas, hand: Any) -> Any:
    pair.refusal = refuse_tables
    hand.listen("connection_drawn", "drag_message", "connection_dropped_on_canvas", "output_activated", "nodes_moved")
    return hand


@pytest.mark.parametrize("backwards", [False, True], ids=["from the output", "from the input"])
def test_port_to_port_in_both_directions(ready: Any, backwards: bool) -> None:
    ends = [ready.port("a", "data", is_output=True), ready.port("b", "rows")]
    if backwards:
        ends.reverse()
    ready.drag(*ends)
    assert ready.heard["connection_drawn"] == [("a", "data", "b", "rows")]
    assert ready.canvas.store.lines == {}, "the canvas waits to be told"
    assert ready.heard["nodes_moved"] == []


@pytest.mark.parametrize(("dx", "dy", "snaps"), [(0, 0, True), (-12, 8, True), (-40, -90, False)])
def test_the_end_snaps_to_a_port_nearby(ready: Any, dx: float, dy: float, snaps: bool) -> None:
    x, y = ready.port("b", "rows")
    ready.drag(ready.port("a", "data", is_output=True), (x + dx, y + dy))
    assert ready.heard["connection_drawn"] == ([("a", "data", "b", "rows")] if snaps else [])
    assert len(ready.heard["connection_dropped_on_canvas"]) == (0 if snaps else 1)


def test_an_illegal_port_shows_the_reason_and_is_not_connected(ready: Any) -> None:
    start, end = ready.port("a", "data", is_output=True), ready.port("b", "limit")
    ready.press(*start)
    ready.pull(start, (end[0], end[1] + 10))
    assert ready.heard["drag_message"][-1] == (TOO_WIDE,)
    ready.release(end[0], end[1] + 10)
    assert ready.heard["drag_message"][-1] == ("",)
    assert ready.heard["connection_drawn"] == []


def test_own_node_and_same_side_are_refused_without_asking_the_host(ready: Any) -> None:
    asked: list[tuple[str, ...]] = []
    ready.canvas.refusal = lambda *ends: asked.append(ends)
    start = ready.port("a", "data", is_output=True)
    for end, reason in (
        (ready.port("a", "rows"), "A node cannot take its own output."),
        (ready.port("b", "error", is_output=True), "Connect an output with an input."),
    ):
        ready.drag(start, end)
        assert (reason,) in ready.heard["drag_message"]
    assert ready.heard["connection_drawn"] == []
    assert not [ends for ends in asked if ends[0] == ends[2]]


def test_a_body_with_one_legal_port_takes_the_connection(ready: Any) -> None:
    ready.drag(ready.port("a", "data", is_output=True), ready.head("b"))
    assert ready.heard["connection_drawn"] == [("a", "data", "b", "rows")]


def test_a_body_with_two_legal_ports_leaves_the_choice_open(ready: Any) -> None:
    ready.canvas.refusal = lambda *_ends: None
    ready.drag(ready.port("a", "data", is_output=True), ready.head("b"))
    assert ready.heard["connection_drawn"] == []
    assert ready.heard["connection_dropped_on_canvas"] == []


def test_a_body_without_ports_on_that_side_says_so(ready: Any, node: Any) -> None:
    ready.canvas.put_node(node("b", 400, 0, inputs=()))
    ready.drag(ready.port("a", "data", is_output=True), ready.head("b"))
    assert ("b has no inputs.",) in ready.heard["drag_message"]


@pytest.mark.parametrize("is_output", [True, False])
def test_dropped_on_the_ground_it_tells_where_a_new_card_belongs(ready: Any, is_output: bool) -> None:
    ready.drag(ready.port("a", "data" if is_output else "rows", is_output=is_output), (300, 240))
    ((node_id, port, side, x, y),) = ready.heard["connection_dropped_on_canvas"]
    assert (node_id, port, side) == ("a", "data" if is_output else "rows", is_output)
    # the new card's first port lies where the mouse was let go, on the grid
    assert x == pytest.approx(300 if is_output else 300 - 214, abs=4)
    assert 240 - 52 - 4 - 22 <= y <= 240 - 52
    assert (x % 8, y % 8) == (0, 0)


def test_escape_gives_up(ready: Any) -> None:
    start, end = ready.port("a", "data", is_output=True), ready.port("b", "rows")
    ready.press(*start)
    ready.pull(start, end)
    ready.key(Qt.Key.Key_Escape)
    ready.release(*end)
    assert ready.heard["connection_drawn"] == []


def test_a_click_on_an_output_asks_for_its_data(ready: Any) -> None:
    ready.click(*ready.port("a", "error", is_output=True))
    x, y = ready.port("a", "data", is_output=True)
    ready.click(x - 30, y)  # its label
    assert ready.heard["output_activated"] == [("a", "error"), ("a", "data")]
    assert ready.heard["connection_drawn"] == []


# ---------------------------------------------------------------------- what is lit
def _colour_at(image: QImage, at: QPoint) -> QColor:
    return image.pixelColor(at)


def _strength(before: QImage, now: QImage, at: QPoint) -> int:
    """How much a pixel differs between two pictures."""
    a, b = _colour_at(before, at), _colour_at(now, at)
    return abs(a.red() - b.red()) + abs(a.green() - b.green()) + abs(a.blue() - b.blue())


def test_legal_targets_are_lit_and_illegal_ones_are_not(canvas: Canvas, hand: Any, node: Any) -> None:
    """The pixels beside a port change where a connection may end, and a card that takes nothing is veiled."""
    numbers: NodeView = node("numbers", 400, 240, inputs=(PortView("limit", "number"),))
    canvas.set_graph([node("a", 0, 0), node("b", 400, 0), numbers], [])
    canvas.fit()
    canvas.zoom_reset()
    canvas.refusal = refuse_tables
    resting = canvas.viewer.viewport().grab().toImage()
    start = hand.port("a", "data", is_output=True)
    hand.press(*start)
    hand.pull(start, (260, 150))
    drawing = canvas.viewer.viewport().grab().toImage()

    def change(node_id: str, port: str) -> int:
        x, y = hand.port(node_id, port)
        return _strength(resting, drawing, hand.pixel(x - 8, y))

    assert change("b", "rows") > 40
    assert change("b", "limit") < 12
    assert change("numbers", "limit") < 12
    veiled = hand.pixel(numbers.x + 150, numbers.y + 60)
    assert _strength(resting, drawing, veiled) > 0
    hand.release(260, 150)
    assert canvas.viewer.viewport().grab().toImage() == resting


def test_a_connected_input_still_reports_the_gesture(ready: Any, line: Any) -> None:
    """Replacing is the host's decision."""
    ready.canvas.put_node(NodeView("c", "c", "X", "box", "Data", (), (PortView("out", "number"),), 0, 200))
    ready.canvas.put_connection(line("a", "b", "error", "limit"))
    ready.drag(ready.port("c", "out", is_output=True), ready.port("b", "limit"))
    assert ready.heard["connection_drawn"] == [("c", "out", "b", "limit")]
