"""Sub-workflows in the window: made by a key, seen from inside in their place, edited, run, stepped through."""

from __future__ import annotations

import pytest
from fakes.waiting import Sit, until
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from kailash_studio.desktop.inspector.ports_field import PortsField
from kailash_studio.desktop.window import MainWindow
from kailash_studio.workflow.sub_workflows import parent_of
from kailash_studio.workflow.writer import write


def draw(window: MainWindow, double: str = "def double(x): return x * 2") -> None:
    """start > add > double > end, and note below."""
    session = window.session
    nodes = {
        "start": ((0, 0), "def start(): return 20"),
        "add": ((300, 0), "def add(x): return x + 1"),
        "double": ((600, 0), double),
        "end": ((900, 0), "def end(x): return [x]"),
        "note": ((300, 200), "def note(): return 1"),
    }
    for name, (place, code) in nodes.items():
        made = session.add_node("PythonCodeNode", place, {"code": code})
        assert not session.rename(made, name)
    for source, target in (("start", "add"), ("add", "double"), ("double", "end")):
        assert not session.connect_ports(source, "result", target, "x")


def key(window: MainWindow, name: str) -> None:
    window.actions_by_name[name].trigger()


def made(window: MainWindow, *nodes: str) -> None:
    window.canvas.select(nodes)
    key(window, "group")


def head(window: MainWindow, node: str) -> QPoint:
    card = window.canvas.store.cards[node]
    return window.canvas.viewer.mapFromScene(QPointF(card.left + 120, card.top + 14))


def seen(window: MainWindow) -> set[str]:
    return set(window.canvas.store.cards)


def test_the_selected_nodes_become_one_card_and_undo_brings_them_back(window: MainWindow) -> None:
    draw(window)
    before, cards = write(window.session.workflow), seen(window)
    made(window, "add", "double")
    assert seen(window) == {"start", "part", "end", "note"}
    assert window.canvas.selection() == ["part"]
    card = window.canvas.store.cards["part"]
    assert [dot.view.name for dot in card.ports()] == ["x", "result"]
    assert [badge.text for badge in card.view.badges] == ["2 nodes inside"]
    assert {"start.result>part.x", "part.result>end.x"} == set(window.canvas.store.lines)
    key(window, "undo")
    assert write(window.session.workflow) == before
    assert seen(window) == cards
    key(window, "redo")
    window.canvas.select(["part"])
    key(window, "ungroup")
    assert seen(window) == cards
    assert sorted(window.canvas.selection()) == ["add", "double"]


def test_a_double_click_shows_it_from_inside_in_its_place_and_another_folds_it(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    canvas, text = window.canvas, write(window.session.workflow)
    places = {node: (card.left, card.top) for node, card in canvas.store.cards.items()}
    canvas.fit()
    QTest.mouseDClick(canvas.viewer.viewport(), Qt.MouseButton.LeftButton, pos=head(window, "part"))
    cards = canvas.store.cards
    assert {"part:inputs", "part:add", "part:double", "part:outputs"} < seen(window)
    frame = cards["part"]
    assert (frame.left, frame.top) == places["part"]
    for node, card in cards.items():
        if parent_of(node) == "part":
            assert frame.body().contains(card.body())
        elif node != "part":
            assert not frame.body().intersects(card.body()), node
    assert cards["end"].left > frame.body().right()
    assert cards["note"].top > frame.body().bottom()
    assert "part:add.result>part:double.x" in canvas.store.lines
    assert write(window.session.workflow) == text
    canvas.fit()
    QTest.mouseDClick(canvas.viewer.viewport(), Qt.MouseButton.LeftButton, pos=head(window, "part"))
    assert {node: (card.left, card.top) for node, card in canvas.store.cards.items()} == places


def test_a_frame_is_dragged_by_its_heading_and_what_is_inside_goes_along(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    key(window, "unfold")
    canvas = window.canvas
    canvas.fit()
    cards = canvas.store.cards
    before = {node: (card.left, card.top) for node, card in cards.items()}
    inner = dict(window.session.workflow.positions)
    viewport, start = canvas.viewer.viewport(), head(window, "part")
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 6):
        QTest.mouseMove(viewport, start + QPoint(0, -12 * step))
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=start + QPoint(0, -60))
    up = before["part"][1] - cards["part"].top
    assert up > 0
    assert before["part:add"][1] - cards["part:add"].top == up
    assert window.session.workflow.positions["part:add"] == inner["part:add"]
    assert window.session.workflow.positions["part"][1] == inner["part"][1] - up
    key(window, "undo")
    assert {node: (card.left, card.top) for node, card in cards.items()} == before


def test_a_card_inside_is_dragged_alone_and_the_frame_grows_around_it(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    key(window, "unfold")
    canvas = window.canvas
    canvas.fit()
    before = canvas.store.cards["part"].body()
    viewport, start = canvas.viewer.viewport(), head(window, "part:add")
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 6):
        QTest.mouseMove(viewport, start + QPoint(0, 20 * step))
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=start + QPoint(0, 100))
    after = canvas.store.cards["part"].body()
    assert after.height() > before.height()
    assert after.contains(canvas.store.cards["part:add"].body())


def test_nodes_are_added_pasted_and_removed_inside(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    key(window, "unfold")
    frame = window.canvas.store.cards["part"].body()
    new = window.canvas_link.add("MergeNode", frame.left() + 200, frame.bottom() - 60)
    assert new == "part:merge"
    card = window.canvas.store.cards[new]
    assert (card.left, card.top) == (frame.left() + 200, frame.bottom() - 60)
    assert window.canvas.store.cards["part"].body().contains(card.body())
    window.canvas.select(["part:add"])
    key(window, "duplicate")
    assert window.canvas.selection() == ["part:add_2"]
    window.editing._add_beside("SwitchNode")
    assert window.canvas.selection() == ["part:switch"]
    window.canvas.select(["part"])
    key(window, "delete")
    assert seen(window) == {"start", "end", "note"}
    key(window, "undo")
    assert "part" in seen(window)
    assert "part:switch" in window.session.workflow.nodes


def test_a_new_sub_workflow_from_the_palette_comes_with_its_border(window: MainWindow) -> None:
    node = window.canvas_link.add("SubWorkflowNode", 0, 0)
    assert seen(window) == {node}
    key(window, "unfold")
    assert seen(window) == {node, f"{node}:inputs", f"{node}:outputs"}
    assert not window.session.findings
    window.session.set_parameter(f"{node}:inputs", "ports", {"rows": "table"})
    assert [dot.view.name for dot in window.canvas.store.cards[node].ports()] == ["rows"]
    assert [dot.view.name for dot in window.canvas.store.cards[f"{node}:inputs"].ports()] == ["rows"]


def test_an_input_that_is_declared_no_more_takes_its_connections_along_inside_and_outside(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    window.session.set_parameter("part:inputs", "ports", {})
    assert set(window.session.workflow.connections) == {
        "part.result>end.x",
        "part:add.result>part:double.x",
        "part:double.result>part:outputs.result",
    }
    key(window, "undo")
    assert len(window.session.workflow.connections) == 5


def test_the_interface_is_edited_line_by_line_and_a_new_name_keeps_the_connections(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    window.jump("nodes/part:inputs")
    field = window.inspector.form.row("ports").field
    assert isinstance(field, PortsField)
    assert [(line.name.text(), line.kind.currentText()) for line in field.lines] == [("x", "any")]
    field.lines[0].name.setFocus()
    field.lines[0].name.selectAll()
    QTest.keyClicks(field.lines[0].name, "amount")
    QTest.keyClick(field.lines[0].name, Qt.Key.Key_Return)
    flow = window.session.workflow
    assert {"start.result>part.amount", "part:inputs.amount>part:add.x"} < flow.connections.keys()
    assert {"start.result>part.amount", "part:inputs.amount>part:add.x"} < window.canvas.store.lines.keys()
    QTest.mouseClick(field.add, Qt.MouseButton.LeftButton)
    QTest.keyClicks(field.lines[1].name, "rows")
    field.lines[1].kind.setCurrentText("table")
    assert flow.nodes["part:inputs"].parameters["ports"] == {"amount": "any", "rows": "table"}
    assert [port.name for port in window.canvas.store.cards["part"].view.inputs] == ["amount", "rows"]
    QTest.mouseClick(field.lines[0].remove, Qt.MouseButton.LeftButton)
    assert flow.nodes["part:inputs"].parameters["ports"] == {"rows": "table"}
    assert not any("amount" in name for name in flow.connections)
    for _ in range(3):
        key(window, "undo")
    assert "start.result>part.x" in flow.connections


def test_a_sub_workflow_says_where_its_interface_and_its_policies_are(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    window.inspector.tabs.setCurrentWidget(window.inspector.policies)
    texts = [
        said.text() for form in (window.inspector.form, window.inspector.policies) for said in form.findChildren(QLabel)
    ]
    assert any("declared inside" in text for text in texts)
    assert any("set on each of the nodes inside" in text for text in texts)


def test_what_is_sought_inside_is_revealed(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    made(window, "part", "start")
    assert seen(window) == {"part_2", "end", "note"}
    window.jump("nodes/part_2:part:double/parameters/code")
    assert window.canvas.selection() == ["part_2:part:double"]
    outer = window.canvas.store.cards["part_2"].body()
    assert outer.contains(window.canvas.store.cards["part_2:part"].body())
    assert not outer.intersects(window.canvas.store.cards["end"].body())


def test_a_problem_inside_marks_the_folded_card(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    window.session.set_parameter("part:add", "code", "def add(x: return x")
    window.session.validate_now()
    assert window.canvas.store.cards["part"].view.problem == "error"


def test_it_runs_and_its_card_says_how_its_inside_stands(window: MainWindow, sit: Sit) -> None:
    async def work() -> None:
        draw(window, "def double(x): raise ValueError('no')")
        made(window, "add", "double")
        await ended(window)
        cards = window.canvas.store.cards
        assert cards["part"].state.state == "failed"
        assert cards["part"].state.tip == "1 inside failed"
        assert cards["end"].state.state == "skipped"
        window.canvas.select(["part"])
        key(window, "unfold")
        assert cards["part:double"].state.state == "failed"
        window.session.set_parameter("part:double", "code", "def double(x): return x * 2")
        await ended(window)
        assert cards["part"].state.state == "succeeded"
        assert "inside" not in cards["part"].state.note

    sit(work)


async def ended(window: MainWindow) -> None:
    before = window.runs.current.run_id if window.runs.current else ""
    key(window, "run")
    runs = window.runs
    await until(lambda: runs.current is not None and runs.current.run_id != before and not runs.running)


def test_stepping_goes_into_it_over_it_and_out_of_it(window: MainWindow, sit: Sit) -> None:
    async def stands(node: str, when: str) -> None:
        await until(lambda: window.runs.stopped().get(node, {}).get("when") == when)
        await until(lambda: window.debugger._when == when)

    async def work() -> None:
        draw(window)
        made(window, "add", "double")
        window.breakpoints.toggle("part")
        key(window, "run")
        await stands("part:inputs", "before")
        assert window.canvas.selection() == ["part"]
        assert window.canvas.store.cards["part"].state.state == "stopped"
        key(window, "step_into")
        await stands("part:add", "before")
        assert window.canvas.selection() == ["part:add"]
        key(window, "step_out")
        await stands("end", "before")
        assert window.canvas.store.cards["part"].state.state == "succeeded"
        key(window, "run")
        await until(lambda: not window.runs.running)
        key(window, "run")
        await stands("part:inputs", "before")
        key(window, "step")
        await stands("end", "before")
        key(window, "run")
        await until(lambda: not window.runs.running)

    sit(work)


def test_a_past_run_shows_its_sub_workflows_from_inside_as_they_stood(window: MainWindow, sit: Sit) -> None:
    async def work() -> None:
        draw(window, "def double(x): raise ValueError('no')")
        made(window, "add", "double")
        await ended(window)
        assert window.runs.current is not None
        past = window.history.past
        past.open(window.runs.current.run_id, node="part:double")
        await until(lambda: past.looking and past.at == past.total - 1 and past.view is not None)
        assert past.view is not None
        cards = past.view.canvas.store.cards
        await until(lambda: "part:double" in cards and cards["part:double"].state.state == "failed")
        assert past.view.canvas.selection() == ["part:double"]
        assert cards["part"].state.state == "failed"
        past.view.canvas.node_activated.emit("part")
        assert "part:double" not in cards
        assert cards["part"].state.state == "failed"
        past.leave()

    sit(work)


def places(window: MainWindow) -> dict[str, tuple[float, float]]:
    return {node: (card.left, card.top) for node, card in window.canvas.store.cards.items()}


@pytest.mark.parametrize("away", ["delete", "ungroup", "rename", "undo"])
def test_cards_come_back_when_an_open_sub_workflow_is_not_there_any_more(window: MainWindow, away: str) -> None:
    draw(window)
    made(window, "add", "double")
    key(window, "unfold")
    window.canvas.select(["part"])
    if away == "rename":
        assert not window.session.rename("part", "other")
    else:
        key(window, away)
    own = window.session.workflow.positions
    assert {n: place for n, place in places(window).items() if ":" not in n} == {n: own[n] for n in seen(window)}


def test_what_stands_at_the_border_goes_with_its_sub_workflow(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    key(window, "unfold")
    window.canvas.select(["part:inputs", "part:double"])
    key(window, "delete")
    assert "part:inputs" in window.session.workflow.nodes
    assert "part:double" not in window.session.workflow.nodes
    assert "part:inputs is a part of part" in window.line.currentMessage()
    window.canvas.select(["part:inputs"])
    key(window, "duplicate")
    assert len(window.session.workflow.nodes) == 7
    window.canvas.select(["part", "part:inputs"])
    key(window, "delete")
    assert seen(window) == {"start", "end", "note"}


def test_nodes_are_pasted_where_they_come_from_or_where_one_is(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    key(window, "unfold")
    window.canvas.select(["part:double"])
    key(window, "cut")
    key(window, "paste")
    assert window.canvas.selection() == ["part:double"]
    window.session.move({"note": (9000.0, 9000.0)})
    window.canvas.select(["note"])
    key(window, "copy")
    window.canvas.select(["part:add"])
    key(window, "paste")
    assert window.canvas.selection() == ["part:note"]
    assert window.canvas.store.cards["part"].body().height() < 900, "it is put below what is inside"


def test_a_folded_card_tells_of_breakpoints_inside(window: MainWindow) -> None:
    draw(window)
    made(window, "add", "double")
    window.breakpoints.toggle("part:double")

    def badges() -> list[str]:
        return [badge.text for badge in window.canvas.store.cards["part"].view.badges]

    assert "stops inside" in badges()
    key(window, "unfold")
    assert "stops inside" not in badges()
    assert window.canvas.store.cards["part:double"].view.breakpoint == "on"
    window.breakpoints.toggle("part:double")
    key(window, "unfold")
    assert "stops inside" not in badges()
