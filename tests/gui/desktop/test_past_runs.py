"""Past runs in the window: the list, the look at one, the timeline, the comparison; with a real engine and journal."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from fakes.stalls import StallMeter
from fakes.waiting import Sit, until
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.comparison import Comparison
from kailash_studio.desktop.panels.run_history import RunHistory
from kailash_studio.desktop.panels.timeline import Timeline
from kailash_studio.desktop.panels.timeline_chart import HEAD, NAMES, ROW
from kailash_studio.desktop.past import Past
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.errors import WorkflowExecutionError
from kailash_studio.runtime.journal.journal import Journal

ROWS = "def rows(): return [{'id': i, 'price': PRICE * i} for i in range(3)]"


def workflow(price: int = 10, *, fails: bool = False, name: str = "nightly") -> WorkflowBuilder:
    builder = WorkflowBuilder(name)
    builder.add_node("PythonCodeNode", "rows", code=ROWS.replace("PRICE", str(price)))
    code = "def worth(x): raise ValueError('no prices')" if fails else "def worth(x): return len(x)"
    builder.add_node("PythonCodeNode", "worth", code=code)
    builder.add_node("PythonCodeNode", "after", code="def after(x): return x")
    builder.add_connection("rows", "result", "worth", "x")
    builder.add_connection("worth", "result", "after", "x")
    if fails:
        builder.configure_retry("worth", max_retries=1, base_delay=0.05, retry_on=["Exception"])
    return builder


def ran(builder: WorkflowBuilder) -> str:
    """Run into the journal that the window will read; the run's id."""
    journal = Journal()
    try:
        return LocalRuntime(journal=journal).execute(builder)[1]
    except WorkflowExecutionError as error:
        return error.run_id
    finally:
        journal.close()


async def opened(window: MainWindow, run_id: str) -> Past:
    """Open a run from the list, as a person does."""
    history = window.history
    window.actions_by_name["runs"].trigger()
    await until(lambda: any(run["run_id"] == run_id for run in history.list._told))
    choose(history.list, run_id)
    QTest.keyClick(history.list.list, Qt.Key.Key_Return)
    await until(lambda: history.past.run_id == run_id and history.past.at == history.past.total - 1)
    return history.past


def choose(panel: RunHistory, *run_ids: str) -> None:
    panel.list.clearSelection()
    for row in range(panel.list.topLevelItemCount()):
        item = panel.list.topLevelItem(row)
        assert item is not None
        item.setSelected(item.data(0, Qt.ItemDataRole.UserRole) in run_ids)


def shown(past: Past) -> dict[str, str]:
    """The states on the canvas of the past."""
    assert past.view is not None
    return {node: card.state.state for node, card in past.view.canvas.store.cards.items()}


# ---------------------------------------------------------------------- in the window
def test_a_run_is_opened_as_it_was_and_the_open_workflow_is_not_touched(window: MainWindow, sit: Sit) -> None:
    run_id = ran(workflow(fails=True))
    kept = window.session.add_node("CSVReaderNode", (40, 40))
    window.canvas.select([kept])
    text, label = window.session.text(), window.session.history.undo_label

    async def sitting() -> None:
        past = await opened(window, run_id)
        view = past.view
        assert view is not None and view.canvas.isVisible() and not window.canvas.isVisible()
        assert shown(past) == {"rows": "succeeded", "worth": "failed", "after": "skipped"}
        assert view.title.toolTip().startswith(f"Run {run_id} of nightly as it was, ")
        assert view.canvas.store.lines["rows.result>worth.x"].label == "3"
        assert view.sentence.toolTip().startswith("The run failed after ")
        # nothing can be changed, by key, by menu or by mouse
        for name in ("undo", "delete", "paste", "select_all", "add", "arrange", "rename", "breakpoint", "sql"):
            assert not window.actions_by_name[name].isEnabled(), name
        assert not window.palette_panel.isEnabled()
        window.canvas.select([])  # tells the editing part, which enables what it knows of
        window.canvas.select([kept])
        assert not window.actions_by_name["delete"].isEnabled()
        view.canvas.viewer.setFocus()
        QTest.keyClick(view.canvas.viewer, Qt.Key.Key_Delete)
        view.canvas.nodes_moved.emit({"rows": (900.0, 900.0)})
        card = view.canvas.store.cards["rows"]
        assert (card.left, card.top) == past.workflow.positions["rows"]
        assert view.canvas.refusal("rows", "result", "after", "x") == "A past run cannot be changed."
        assert past.show_node("worth")
        assert window.history.side.currentWidget() is window.history.node_panel
        said = window.history.node_panel.said.text()
        assert said.startswith("PythonCodeNode. worth failed after 2 attempts: ")
        assert window.rows._empty._text.text().startswith("worth had given no data. worth failed after 2 attempts")
        # and back with Escape
        QTest.keyClick(view.canvas.viewer, Qt.Key.Key_Escape)
        assert not past.looking
        assert window.canvas.isVisible() and window.canvas.selection() == [kept]
        assert window.actions_by_name["undo"].isEnabled() and not window.actions_by_name["present"].isEnabled()
        assert window.history.side.currentWidget() is window.inspector

    sit(sitting)
    assert (window.session.text(), window.session.history.undo_label) == (text, label)


def test_the_scrubber_repaints_the_canvas_at_any_event(window: MainWindow, sit: Sit) -> None:
    run_id = ran(workflow(fails=True))

    async def sitting() -> None:
        past = await opened(window, run_id)
        view = past.view
        assert view is not None
        assert view.slider.hasFocus() and view.slider.maximum() == past.total - 1

        async def at(place: int) -> dict[str, str]:
            await until(lambda: past.at == place)
            return shown(past)

        QTest.keyClick(view.slider, Qt.Key.Key_Home)
        assert set((await at(0)).values()) == {"queued"}
        assert view.canvas.store.lines["rows.result>worth.x"].label == ""
        assert view.sentence.toolTip() == "The run started: 3 nodes."
        seen = []
        for place in range(1, past.total):
            QTest.keyClick(view.slider, Qt.Key.Key_Right)
            states = await at(place)
            seen.append((states["rows"], states["worth"], states["after"]))
            assert view.place.text().startswith(f"event {place + 1} of {past.total} · ")
        distinct = list(dict.fromkeys(seen))
        assert distinct == [
            ("running", "queued", "queued"),
            ("succeeded", "queued", "queued"),
            ("succeeded", "running", "queued"),
            ("succeeded", "retrying", "queued"),
            ("succeeded", "failed", "queued"),
            ("succeeded", "failed", "skipped"),
        ]
        window.actions_by_name["earlier"].trigger()
        window.actions_by_name["earlier"].trigger()
        await at(past.total - 3)
        window.actions_by_name["later"].trigger()
        await at(past.total - 2)
        for place in range(past.total):  # dragged: many wishes, the last one counts
            view.slider.setValue(place)
        view.slider.setValue(2)
        assert (await at(2))["rows"] == "succeeded"
        assert past.show_node("worth")
        assert window.history.node_panel.said.text().endswith("It had not begun at this event.")
        assert not view.canvas._turn.isActive(), "nothing turns: it is not happening now"

    sit(sitting)


def test_values_of_a_past_run_are_in_the_data_panel_as_they_were(window: MainWindow, sit: Sit) -> None:
    run_id, newer = ran(workflow(10)), ran(workflow(12))

    async def sitting() -> None:
        past = await opened(window, run_id)
        past.show_node("rows")
        await until(lambda: window.rows.texts(3) == [["0", "0"], ["1", "10"], ["2", "20"]])
        assert [window.rows.picker.itemText(i) for i in range(window.rows.picker.count())] == ["rows  ·  result"]
        past.go_to(1)
        await until(lambda: past.at == 1)
        assert "had given no data" in window.rows._empty._text.text()
        await opened(window, newer)
        past.show_node("rows")
        await until(lambda: window.rows.texts(3) == [["0", "0"], ["1", "12"], ["2", "24"]])
        past.leave()
        assert window.rows.stack.currentWidget() is window.rows._empty
        assert window.rows.picker.count() == 0

    sit(sitting)


def test_the_timeline_leads_to_the_node_and_follows_the_scrubber(window: MainWindow, sit: Sit) -> None:
    run_id = ran(workflow(fails=True))

    async def sitting() -> None:
        past = await opened(window, run_id)
        timeline = window.history.timeline
        await until(lambda: timeline.run_id == run_id)
        assert window.docks.data_tabs.currentWidget() is timeline
        chart = timeline.chart
        assert chart.nodes() == ["rows", "worth", "after"]
        QTest.mouseClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(NAMES + 40, HEAD + ROW + ROW // 2))
        assert past.view is not None
        assert past.view.canvas.selection() == ["worth"]
        past.go_to(0)
        await until(lambda: past.at == 0)
        assert chart._mark == pytest.approx(0.0, abs=0.01)
        window.history.past.leave()
        assert chart._mark is None
        chart.node_wanted.emit("after")  # the run of the timeline is opened again
        await until(lambda: past.looking and past.view.canvas.selection() == ["after"])

    sit(sitting)


def test_two_runs_are_compared_and_the_first_difference_leads_to_its_node(window: MainWindow, sit: Sit) -> None:
    before, after = ran(workflow(10)), ran(workflow(12))
    same = ran(workflow(12))

    async def sitting() -> None:
        history = window.history
        assert not window.actions_by_name["compare"].isEnabled()
        window.actions_by_name["runs"].trigger()
        await until(lambda: history.list.list.topLevelItemCount() == 3)
        choose(history.list, before, after)
        window.actions_by_name["compare"].trigger()
        comparison = history.comparison
        await until(lambda: comparison.runs == (before, after))
        assert window.docks.data_tabs.currentWidget() is comparison
        assert comparison.parting.text() == "They part at rows"
        assert [pair[0] for pair in comparison.model.rows] == ["rows"]
        comparison.differing.setChecked(False)
        assert [pair[0] for pair in comparison.model.rows] == ["rows", "worth", "after"]
        comparison.nodes.selectRow(0)

        def details() -> list[list[str]]:
            items = [comparison.details.topLevelItem(i) for i in range(comparison.details.topLevelItemCount())]
            return [[item.text(column) for column in range(4)] for item in items if item is not None]

        await until(lambda: len(details()) == 3)
        assert details()[0][:2] == ["parameter", "code"]
        assert details()[1:] == [["result, row 2", "price", "10", "12"], ["result, row 3", "price", "20", "24"]]
        QTest.mouseClick(comparison.parting, Qt.MouseButton.LeftButton)
        past = history.past
        await until(lambda: past.run_id == after and past.view.canvas.selection() == ["rows"])
        # one selected run is compared with the one before it
        choose(history.list, same)
        QTest.mouseClick(history.list.compare, Qt.MouseButton.LeftButton)
        await until(lambda: comparison.runs == (after, same))
        assert "are the same but for their times." in comparison._empty._text.text()

    sit(sitting)


def test_a_run_of_the_window_is_listed_when_it_has_ended_and_running_leaves_the_past(
    window: MainWindow, sit: Sit
) -> None:
    old = ran(workflow(name="older"))
    window.session.add_node("PythonCodeNode", (0, 0), {"code": "def one(): return 1"})

    async def sitting() -> None:
        history = window.history
        past = await opened(window, old)
        window.actions_by_name["run"].trigger()
        assert not past.looking
        await until(lambda: history.list.list.topLevelItemCount() == 2)
        assert [run["origin"] for run in history.list._told] == ["desktop", "api"]
        window.actions_by_name["timeline"].trigger()
        await until(lambda: len(history.timeline.chart.nodes()) == 1)
        (node,) = window.session.workflow.nodes
        window.canvas.select([])
        history.timeline.chart.node_wanted.emit(node)
        assert window.canvas.selection() == [node]
        await opened(window, old)
        window.session.new()
        assert not past.looking, "another workflow was opened"

    sit(sitting)


def test_a_run_that_cannot_be_drawn_or_found_is_said_so(window: MainWindow, sit: Sit) -> None:
    from kailash_studio.nodes.code import PythonCodeNode

    inline = WorkflowBuilder("inline")
    inline.add_node("n", PythonCodeNode.from_function(lambda: [1], name="n"))
    run_id = ran(inline)

    async def sitting() -> None:
        said: list[str] = []
        window.history.past.said.connect(said.append)
        window.history.past.open(run_id)
        await until(lambda: said)
        assert said[0] == f"Run {run_id} holds functions of a program: its timeline is all that can be shown."
        await until(lambda: window.history.timeline.run_id == run_id)
        assert window.history.timeline.chart.nodes() == ["n"]
        window.history.past.open("absent")
        await until(lambda: len(said) == 2)
        assert said[1].startswith("'absent' names no run")
        assert not window.history.past.looking

    sit(sitting)


# ---------------------------------------------------------------------- the list
def row(number: int, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    told = {"run_id": f"run{number}", "workflow": "nightly", "started": 1e9 + number, "state": state, "seconds": 1.5}
    return told | {"origin": "cli", "resumed_from": "", "failed": 0, "error": ""} | more


@pytest.fixture
def panel(theme: Theme, icons: Icons, shown: Any) -> RunHistory:
    made: RunHistory = shown(RunHistory(theme, icons))
    return made


def test_the_list_tells_how_runs_ended_and_keeps_what_is_selected(panel: RunHistory) -> None:
    assert panel.stack.currentIndex() == 1
    assert panel._empty._text.text().startswith("No runs yet")
    told = [row(3, "running"), row(2, "failed", failed=2, error="down", resumed_from="run1"), row(1)]
    panel.show_runs([*told, row(0, "interrupted", seconds=0.0)], 1_234)
    items = [panel.list.topLevelItem(i) for i in range(4)]
    assert [item.text(0) for item in items if item] == ["under way", "failed", "succeeded", "interrupted"]
    assert [item.text(3) for item in items if item] == ["", "1.50 s", "1.50 s", ""]
    assert [item.text(4) for item in items if item] == ["", "2", "", ""]
    assert items[1] is not None and items[1].toolTip(0) == "run2\ngoes on from run1\ndown"
    assert panel.caption.whole == "1,234 runs"
    assert panel.more.isVisible()
    choose(panel, "run2")
    assert panel.open.isEnabled() and panel.compare.isEnabled()
    assert panel.pair() == ("run1", "run2")
    panel.show_runs([row(4), *told], 4)
    assert panel.chosen() == ["run2"]
    choose(panel, "run1")
    assert panel.pair() is None, "there is none before it"
    choose(panel, "run1", "run2", "run3")
    assert panel.pair() is None
    assert not panel.open.isEnabled()


def test_filters_ask_once_after_a_moment(panel: RunHistory, qtbot: Any) -> None:
    asked: list[Any] = []
    panel.wanted.connect(lambda words, limit: asked.append((words, limit)))
    for name, text in (("workflow", "night"), ("node", "fetch"), ("error", "down")):
        QTest.keyClicks(panel.fields[name], text)
    panel.state.setCurrentIndex(2)
    panel.time.setCurrentIndex(1)
    qtbot.waitUntil(lambda: bool(asked))
    ((words, limit),) = asked
    assert time.time() - words.pop("since") == pytest.approx(3_600, abs=5)
    assert (words, limit) == ({"workflow": "night", "node": "fetch", "error": "down", "state": "failed"}, 200)
    panel.show_runs([], 0)
    assert panel._empty._text.text() == "No run fits these filters."
    panel.show_runs([row(1)], 900)
    panel.more.click()
    assert asked[-1][1] == 400
    QTest.keyClick(panel.fields["error"], Qt.Key.Key_Escape)
    assert panel.fields["error"].text() == ""
    panel.state.setCurrentIndex(panel.state.findText("Interrupted"))
    qtbot.waitUntil(lambda: asked[-1][0].get("state") == "interrupted")


# ---------------------------------------------------------------------- the timeline
def many(count: int) -> dict[str, Any]:
    """As the engine tells it: each node a tenth of a second after the one before."""
    bars = []
    for i in range(count):
        start = i / 10
        spans = [
            ["attempt", start, start + 0.2, "failed", "Attempt 1 failed."],
            ["wait", start + 0.2, start + 0.5, "", "Waits 300 ms."],
            ["acquire", start + 0.5, start + 0.6, "succeeded", "A connection of p after 100 ms."],
            ["attempt", start + 0.5, start + 0.9, "succeeded", "Attempt 2. Succeeded."],
        ]
        bars.append([f"node{i}", start, start + 0.9, "succeeded", "Succeeded in 900 ms.", spans])
    return {"seconds": count / 10 + 0.9, "bars": bars}


@pytest.fixture
def timeline(theme: Theme, icons: Icons, shown: Any) -> Timeline:
    made: Timeline = shown(Timeline(theme, icons))
    made.resize(900, 300)
    return made


def turn(timeline: Timeline, x: float, by: int = 120, keys: Any = Qt.KeyboardModifier.NoModifier) -> None:
    port = timeline.chart.viewport()
    where, none = QPointF(x, HEAD + 30), Qt.MouseButton.NoButton
    event = QWheelEvent(
        where, QPointF(port.mapToGlobal(where.toPoint())), QPoint(), QPoint(0, by), none, keys,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(port, event)


def test_the_wheel_zooms_at_the_mouse_scrolls_over_names_and_moves_with_shift(timeline: Timeline) -> None:
    timeline.show_timeline("r", "nightly", many(100))
    chart = timeline.chart
    x = chart.x_of(5.0)
    for _ in range(6):
        turn(timeline, x)
    assert chart.zoom == pytest.approx(1.25**6)
    assert chart.x_of(5.0) == pytest.approx(x), "the time under the mouse stays where it is"
    start = chart.time_at(NAMES)
    turn(timeline, x, keys=Qt.KeyboardModifier.ShiftModifier)
    assert chart.time_at(NAMES) < start
    assert chart.verticalScrollBar().value() == 0
    turn(timeline, 20, -120)
    assert chart.verticalScrollBar().value() == 3 * ROW
    QTest.mouseClick(timeline.buttons["fit"], Qt.MouseButton.LeftButton)
    assert (chart.zoom, chart.time_at(NAMES)) == (1.0, 0.0)
    for _ in range(10):
        turn(timeline, x, -120)
    assert chart.zoom == 1.0, "there is nothing beyond the run"


def test_the_keyboard_reaches_every_row(timeline: Timeline) -> None:
    wanted: list[str] = []
    timeline.node_wanted.connect(wanted.append)
    timeline.show_timeline("r", "nightly", many(500))
    chart = timeline.chart
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Return):
        QTest.keyClick(chart, key)
    QTest.keyClick(chart, Qt.Key.Key_End)
    QTest.keyClick(chart, Qt.Key.Key_Return)
    assert wanted == ["node1", "node499"]
    assert chart.row_at(chart.viewport().height() - 3) == 499, "it was scrolled into view"
    QTest.keyClick(chart, Qt.Key.Key_PageUp)
    assert chart.chosen() not in {"node499", "node498"}
    for key in (Qt.Key.Key_Plus, Qt.Key.Key_Right):
        QTest.keyClick(chart, key)
    assert chart.zoom > 1.0 and chart.time_at(NAMES) > 0.0
    QTest.keyClick(chart, Qt.Key.Key_0)
    assert chart.zoom == 1.0


def test_a_tooltip_tells_of_the_piece_under_the_mouse(timeline: Timeline) -> None:
    timeline.show_timeline("r", "nightly", many(3))
    chart = timeline.chart

    def told(time: float, node: int, low: int = 11) -> list[str]:
        return chart.told_at(QPointF(chart.x_of(time), HEAD + node * ROW + low)).split("\n")

    assert told(0.1, 0) == ["node0: attempt failed, 200 ms from <1 ms on", "Attempt 1 failed."]
    assert told(0.35, 0) == ["node0: wait, 300 ms from 200 ms on", "Waits 300 ms."]
    assert told(0.55, 0, 16)[1] == "A connection of p after 100 ms."
    assert told(0.55, 0, 7)[1] == "Attempt 2. Succeeded."
    assert chart.told_at(QPointF(20, HEAD + ROW + 8)).startswith("node1: succeeded in 900 ms")
    assert told(0.5, 9) == [""]
    where = QPointF(chart.x_of(0.1), HEAD + 11).toPoint()
    QApplication.sendEvent(chart.viewport(), QHelpEvent(QEvent.Type.ToolTip, where, chart.mapToGlobal(where)))


def test_ten_thousand_nodes_are_painted_without_a_stall(timeline: Timeline, loop: QEventLoop) -> None:
    timeline.show_timeline("r", "nightly", many(10_000))
    chart = timeline.chart
    chart.grab()
    rows = chart.viewport().height() // ROW + 2
    assert 0 < chart.painted <= 4 * rows, "what is not seen is not painted"

    async def scroll() -> float:
        with StallMeter(chart) as meter:
            bar = chart.verticalScrollBar()
            for step in range(60):
                bar.setValue(step * bar.maximum() // 60)
                chart.zoom_by(1.1)
                await asyncio.sleep(0.002)
        return meter.longest

    assert loop.run_until_complete(scroll()) < 0.1


def test_an_empty_timeline_says_what_to_do(timeline: Timeline) -> None:
    assert timeline.stack.currentIndex() == 1
    assert timeline._empty._text.text().startswith("Open a run from the list of runs")
    timeline.show_timeline("r", "nightly", {"seconds": 0.0, "bars": []})
    assert timeline._empty._text.text() == "No node was heard of in this run."
    timeline.show_timeline("r", "nightly", many(2))
    assert timeline.legend.isVisible()
    assert timeline.caption.toolTip() == "nightly · 2 nodes · 1.10 s"


# ---------------------------------------------------------------------- the comparison
def end(state: str = "succeeded", **more: Any) -> dict[str, Any]:
    return {"state": state, "seconds": 0.5, "attempts": 1, "rows": {"data": 3}, "error": ""} | more


def compared(count: int, first: str) -> dict[str, Any]:
    nodes = [[f"node{i}", end(), end(), [], []] for i in range(count)]
    place = int(first.removeprefix("node"))
    nodes[place] = [first, end(), end("failed", rows={}, error="down"), ["succeeded, now failed"], ["data"]]
    runs = [row(1), row(2)]
    return {"same": False, "first": first, "general": ["the run succeeded, now failed"], "runs": runs} | {
        "nodes": nodes, "changes": [[first, "parameter", "limit", "10", None]]
    }  # fmt: skip


def test_the_comparison_has_the_first_difference_on_top_of_ten_thousand_nodes(
    theme: Theme, icons: Icons, shown: Any
) -> None:
    panel: Comparison = shown(Comparison(theme, icons))
    wanted: list[Any] = []
    panel.values_wanted.connect(lambda *port: wanted.append(port))
    panel.node_wanted.connect(wanted.append)
    assert panel._empty._text.text().startswith("Select two runs")
    panel.show_diff(compared(10_000, "node7000"))
    assert wanted == [("node7000", "data")], "its values are asked for"
    panel.differing.setChecked(False)
    model = panel.model
    assert model.rowCount() == 10_000
    texts = [str(model.index(0, column).data()) for column in range(model.columnCount())]
    assert texts == ["▸ node7000", "succeeded, now failed", "succeeded → failed", "3 → -", "500 ms"]
    tip = str(model.index(0, 2).data(Qt.ItemDataRole.ToolTipRole))
    assert tip.split("\n") == ["succeeded in 500 ms", "data 3 rows", "now failed in 500 ms", "down"]
    panel.choose("node42")
    assert wanted[-1] == "node42"
    assert panel.details.topLevelItemCount() == 0
    panel.show_values("node7000", "data", {"columns": [], "cells": [["row 1", "a", "1", "2"]], "more": 0, "same": 0})
    assert panel.details.topLevelItemCount() == 0, "another node is chosen meanwhile"
    panel.choose("node7000")
    panel.show_values(
        "node7000",
        "data",
        {"columns": ["column b is new"], "cells": [["row 1", "a", "1", None]], "more": True, "same": 0},
    )
    panel.show_values_missing("node7000", "data", "It was told already.")
    items = [panel.details.topLevelItem(i) for i in range(panel.details.topLevelItemCount())]
    assert [[item.text(column) for column in range(4)] for item in items if item] == [
        ["parameter", "limit", "10", ""],
        ["outcome", "error", "", "down"],
        ["data", "", "column b is new", ""],
        ["data, row 1", "a", "1", ""],
        ["data", "", "and more", ""],
    ]
    panel.choose("node42")
    panel.choose("node7000")
    panel.show_values_missing("node7000", "data", "It was not kept.")
    last = panel.details.topLevelItem(panel.details.topLevelItemCount() - 1)
    assert last is not None and last.text(2) == "It was not kept."
