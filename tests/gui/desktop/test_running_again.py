"""Running a part again in the window, with a real engine: the failure's data, stale marks, side effects, pins."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes.waiting import Sit, until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox, QPushButton

from kailash_studio.desktop.dialogs.fault import FaultDialog
from kailash_studio.desktop.window import MainWindow
from kailash_studio.resilience.faults import Fault, Scenario
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.server import Address

ROWS = "return [{'symbol': 'MSFT', 'price': 28}, {'symbol': 'AMZN', 'price': 'n/a'}]"


def press(button: Any) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def draw(window: MainWindow, code: str, marks: Path | None = None) -> None:
    """first > value > last; first leaves a mark at each call."""
    session = window.session
    mark = f"open({str(marks)!r}, 'a').write('x'); " if marks else ""
    first = {"code": f"def first(): {mark}{ROWS}", "sandbox": "full" if marks else "light"}
    names = [session.add_node("PythonCodeNode", (x, 0), given) for x, given in (
        (0, first), (300, {"code": code}), (600, {"code": "def last(x): return x"})
    )]  # fmt: skip
    for name, better in zip(names, ("first", "value", "last"), strict=True):
        assert not session.rename(name, better)
    assert not session.connect_ports("first", "result", "value", "rows")
    assert not session.connect_ports("value", "result", "last", "x")


async def ran(window: MainWindow, do: Callable[[], None]) -> str:
    """Do something that starts a run, and wait for its end; its state."""
    before = window.runs.current.run_id if window.runs.current else ""
    do()
    runs = window.runs
    await until(lambda: runs.current is not None and runs.current.run_id != before and not runs.running)
    await until(lambda: runs.happened is not None)
    assert runs.current is not None
    return runs.current.state


BROKEN = "def value(rows): return sum(float(row['price']) for row in rows)"
MENDED = "def value(rows): return sum(float(row['price']) for row in rows if row['price'] != 'n/a')"


def test_from_the_failure_to_its_data_in_a_click_and_to_a_mended_run_in_two_actions(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"

    async def sitting() -> None:
        draw(window, BROKEN, marks)
        assert await ran(window, window.actions_by_name["run"].trigger) == "failed"
        assert window.failure.isVisible()
        assert "could not convert string to float" in window.failure.sentence
        show, again = window.failure.buttons
        press(show)
        assert window.canvas.selection() == ["value"]
        await until(lambda: window.rows.texts(2) == [["MSFT", "28"], ["AMZN", "n/a"]])
        window.session.set_parameter("value", "code", MENDED)
        assert await ran(window, lambda: press(again)) == "succeeded"
        assert marks.read_text() == "x", "what had finished was taken over"
        assert not window.failure.isVisible()
        states = window.runs.current.states if window.runs.current else {}
        assert states["first"].get("reused") is True

    sit(sitting)


def test_a_changed_node_and_what_it_feeds_are_marked_stale_until_they_run(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    async def sitting() -> None:
        draw(window, MENDED)
        cards = window.canvas.store.cards
        assert await ran(window, window.actions_by_name["run"].trigger) == "succeeded"
        window.session.set_parameter("value", "code", "def value(rows): return len(rows)")
        await until(lambda: cards["value"].state.state == "stale")
        assert cards["value"].state.tip == "code has changed: run from here"
        assert cards["last"].state.tip == "value, which feeds it, has changed: run from here"
        assert cards["first"].state.state == "succeeded"
        window.session.undo()
        await until(lambda: cards["value"].state.state == "succeeded")
        assert cards["last"].state.state == "succeeded"
        window.session.redo()
        await until(lambda: cards["value"].state.state == "stale")
        window.canvas.select(["last"])
        assert await ran(window, window.actions_by_name["run_from"].trigger) == "succeeded"
        states = window.runs.current.states if window.runs.current else {}
        assert "reused" not in states["value"], "what is stale above runs as well"
        assert states["first"]["reused"] is True
        assert cards["value"].state.state == "succeeded"

    sit(sitting)


def test_what_was_made_from_another_value_is_marked_when_a_node_alone_gave_something_else(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    factor = tmp_path / "factor"

    async def sitting() -> None:
        draw(window, f"def value(rows): return open({str(factor)!r}).read()")
        window.session.set_parameter("value", "sandbox", "full")
        cards = window.canvas.store.cards
        factor.write_text("2")
        assert await ran(window, window.actions_by_name["run"].trigger) == "succeeded"
        factor.write_text("3")
        window.canvas.select(["value"])
        window.actions_by_name["run_only"].trigger()
        await until(lambda: (found := window.findChild(QMessageBox, "side_effects")) and found.isVisible())
        box = window.findChild(QMessageBox, "side_effects")
        assert box is not None
        call = next(b for b in box.findChildren(QPushButton) if b.text() == "Call them again")
        assert await ran(window, lambda: press(call)) == "succeeded"
        await until(lambda: cards["last"].state.state == "stale")
        assert cards["last"].state.tip == "value, which feeds it, has given something else since: run from here"
        assert cards["first"].state.state == cards["value"].state.state == "succeeded"
        assert await ran(window, window.actions_by_name["run_failed"].trigger) == "succeeded"
        states = window.runs.current.states if window.runs.current else {}
        assert ("reused" in states["last"], states["value"]["reused"]) == (False, True)

    sit(sitting)


def test_calls_that_count_are_asked_about_first(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    marks = tmp_path / "marks"

    async def sitting() -> None:
        draw(window, MENDED, marks)
        await ran(window, window.actions_by_name["run"].trigger)
        window.canvas.select(["first"])
        window.actions_by_name["run_only"].trigger()
        await until(lambda: window.findChild(QMessageBox, "side_effects"))
        box = window.findChild(QMessageBox, "side_effects")
        assert box is not None
        assert "first runs Python code with full access" in box.informativeText()
        press(next(b for b in box.findChildren(QPushButton) if b.text() == "Cancel"))
        await asyncio.sleep(0.05)
        assert marks.read_text() == "x"
        window.actions_by_name["run_only"].trigger()
        await until(lambda: (found := window.findChild(QMessageBox, "side_effects")) and found.isVisible())
        box = window.findChild(QMessageBox, "side_effects")
        assert box is not None
        call = next(b for b in box.findChildren(QPushButton) if b.text() == "Call them again")
        assert await ran(window, lambda: press(call)) == "succeeded"
        assert marks.read_text() == "xx"

    sit(sitting)


def test_a_pinned_node_is_not_called_and_the_window_says_so(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    marks = tmp_path / "marks"

    async def sitting() -> None:
        draw(window, MENDED, marks)
        window.canvas.select(["first"])
        window.actions_by_name["pin"].trigger()
        assert "Save the workflow first" in window.line.currentMessage()
        window.session.save(tmp_path / "w.kailash.json")
        window.actions_by_name["pin"].trigger()
        assert "run the workflow" in window.line.currentMessage()
        await ran(window, window.actions_by_name["run"].trigger)
        window.actions_by_name["pin"].trigger()
        await until(window.pinned.isVisible)
        assert window.pinned.sentence == "first is pinned: runs from here take what it gave instead of calling."
        assert (tmp_path / "w.kailash.pins").exists()
        assert '"pin' not in window.session.text()
        assert [badge.text for badge in window.canvas.store.cards["first"].view.badges] == ["pinned"]
        assert await ran(window, window.actions_by_name["run"].trigger) == "succeeded"
        assert marks.read_text() == "x", "it was not called again"
        assert window.runs.current is not None
        assert window.runs.current.states["first"]["pinned"] is True
        assert not window.session.rename("first", "source")
        await until(lambda: window.pinned.sentence.startswith("source is pinned"))
        press(window.pinned.buttons[0])
        await until(lambda: not window.pinned.isVisible())
        assert not (tmp_path / "w.kailash.pins").exists()
        assert window.canvas.store.cards["source"].view.badges == ()

    sit(sitting)


def test_what_was_pinned_and_is_no_more_is_stale_and_so_is_all_below(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    async def sitting() -> None:
        draw(window, MENDED)
        window.session.save(tmp_path / "w.kailash.json")
        await ran(window, window.actions_by_name["run"].trigger)
        window.canvas.select(["first"])
        window.actions_by_name["pin"].trigger()
        await until(window.pinned.isVisible)
        await ran(window, window.actions_by_name["run"].trigger)
        cards = window.canvas.store.cards
        assert cards["first"].state.note == "pinned"
        press(window.pinned.buttons[0])
        await until(lambda: cards["first"].state.state == "stale")
        assert (cards["value"].state.state, cards["last"].state.state) == ("stale", "stale")
        assert window.rerun_link.stale == {
            "first": "it was pinned, and is no more",
            "value": "first, which feeds it, has changed",
            "last": "value, which feeds it, has changed",
        }
        await ran(window, window.actions_by_name["run"].trigger)
        assert [cards[n].state.state for n in ("first", "value", "last")] == ["succeeded"] * 3

    sit(sitting)


def test_a_node_that_stands_still_is_called_with_its_parameters_as_they_are_now(sit: Sit, window: MainWindow) -> None:
    async def sitting() -> None:
        draw(window, BROKEN)
        window.breakpoints.add(Breakpoint("value", "error"))
        window.runs.start()
        await until(window.debugger.buttons["again"].isEnabled)
        window.session.set_parameter("value", "code", MENDED)
        press(window.debugger.buttons["again"])
        await until(lambda: window.runs.current is not None and not window.runs.running)
        assert window.runs.current is not None
        assert window.runs.current.state == "succeeded"
        page = await window.runs.values.of(window.runs.current.run_id, "value", "result").page(0, 10)
        assert page["tree"]["text"] == "28.0"
        cards = window.canvas.store.cards
        window.session.set_parameter("last", "code", "def last(x): return [x]")
        await until(lambda: cards["last"].state.state == "stale")
        assert cards["value"].state.state == "succeeded", "it is from exactly this code"
        window.session.undo()
        await until(lambda: cards["last"].state.state == "succeeded")
        again = {"run_id": window.runs.current.run_id, "mode": "failed", "nodes": []}
        told = await window.engine.request("rerun", workflow=window.session.text(), again=again, file="")
        assert (told["calls"], told["stale"]) == ([], {})
        window.session.set_parameter("value", "code", BROKEN)
        await until(lambda: cards["value"].state.state == "stale")

    sit(sitting)


def told(window: MainWindow) -> tuple[str, str]:
    """What the data panel's list names, and the sentence below it where there is one."""
    rows = window.rows
    named = rows.picker.currentText() or rows.picker.placeholderText()
    empty = rows.stack.currentWidget() is rows._empty
    return named, rows._empty._text.text() if empty else ""


def test_the_list_over_the_data_names_the_node_that_the_sentence_is_about(sit: Sit, window: MainWindow) -> None:
    async def sitting() -> None:
        draw(window, BROKEN)
        window.canvas.select(["first"])
        assert told(window) == ("first", "first has given no data yet: run the workflow.")
        assert await ran(window, window.actions_by_name["run"].trigger) == "failed"
        await until(lambda: told(window) == ("first  ·  result", ""))
        window.canvas.select(["value"])
        assert told(window)[0] == "value"
        assert "could not convert" in told(window)[1]
        window.canvas.select(["first"])
        await until(lambda: told(window) == ("first  ·  result", ""))
        window.canvas.select(["last"])
        assert told(window)[0] == "last"

    sit(sitting)


def test_a_node_that_goes_on_from_its_stop_shows_what_it_gave_while_the_run_goes_on(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    async def sitting() -> None:
        draw(window, "def value(rows): return rows[:1]")
        let_go = tmp_path / "let_go"
        waits = f"    while not os.path.exists({str(let_go)!r}):\n        time.sleep(0.01)\n    return x"
        window.session.set_parameter("last", "code", f"import os, time\n\ndef last(x):\n{waits}")
        window.session.set_parameter("last", "sandbox", "full")
        window.canvas.select(["value"])
        window.breakpoints.add(Breakpoint("value"))
        window.runs.start()
        go_on = window.debugger.buttons["go_on"]
        await until(go_on.isEnabled)
        await until(lambda: told(window) == ("value", "value: breakpoint"))
        press(go_on)
        await until(lambda: told(window) == ("value  ·  result", ""))
        assert window.runs.running
        let_go.touch()
        await until(lambda: not window.runs.running)

    sit(sitting)


def test_a_cell_at_a_stop_takes_numbers_and_refuses_at_once_what_is_none(sit: Sit, window: MainWindow) -> None:
    async def sitting() -> None:
        draw(window, "def value(rows): return [float(row['price']) for row in rows[:1]]")
        window.breakpoints.add(Breakpoint("value"))
        window.runs.start()
        await until(window.debugger.buttons["go_on"].isEnabled)
        values = window.debugger.values
        model = values.table.model()
        cell = model.index(0, model.columns.index("price"))
        assert model.setData(cell, "abc")
        await until(lambda: cell.data() == "28")
        assert values.note.toolTip() == 'value.rows, row 1, price: "abc" is no number, which stood there.'
        assert model.setData(cell, "28.5")
        window.debugger.expression.setText("inputs['rows'][0]['price'] + 1")
        QTest.keyClick(window.debugger.expression, Qt.Key.Key_Return)
        await until(lambda: window.debugger.result.toPlainText() == "29.5")
        window.actions_by_name["run"].trigger()
        await until(lambda: window.runs.current is not None and not window.runs.running)
        assert window.runs.current is not None
        page = await window.runs.values.of(window.runs.current.run_id, "value", "result").page(0, 10)
        assert page["tree"]["children"][0][1]["text"] == "28.5"

    sit(sitting)


def test_given_records_keep_the_order_of_their_fields(sit: Sit, window: MainWindow) -> None:
    async def sitting() -> None:
        draw(window, BROKEN)
        window.breakpoints.add(Breakpoint("value"))
        window.runs.start()
        await until(window.debugger.buttons["go_on"].isEnabled)
        values = window.debugger.values
        values.port.setCurrentIndex(values.port.findText("outputs to give"))
        assert values.text.toPlainText() == '{"result": null}'
        values.text.setPlainText('{"result": [{"total": 1, "zeta": 3, "alpha": 2}]}')
        press(window.debugger.buttons["give"])
        await until(lambda: window.runs.current is not None and not window.runs.running)
        assert window.runs.current is not None
        page = await window.runs.values.of(window.runs.current.run_id, "last", "result").page(0, 10)
        assert page["columns"] == ["total", "zeta", "alpha"]

    sit(sitting)


def test_an_edit_that_is_undone_at_a_stop_counts_no_more_in_the_next_call(sit: Sit, window: MainWindow) -> None:
    async def sitting() -> None:
        draw(window, MENDED)
        window.breakpoints.add(Breakpoint("value", "after"))
        window.runs.start()

        async def stands(number: int) -> None:
            await until(lambda: window.debugger.chosen() == number and window.debugger.buttons["again"].isEnabled())

        def shown() -> Any:
            item = window.debugger.values.tree.topLevelItem(0)
            return item.text(1) if item is not None else ""

        for number, change, result in (
            (1, lambda: window.session.set_parameter("value", "code", "def value(rows): return 7"), "7"),
            (2, window.session.undo, "28.0"),
            (3, lambda: window.session.set_parameter("value", "memory_limit", 512), "28.0"),
        ):
            await stands(number)
            change()
            press(window.debugger.buttons["again"])
            await stands(number + 1)
            await until(lambda result=result: shown() == result)
        press(window.debugger.buttons["go_on"])
        await until(lambda: window.runs.current is not None and not window.runs.running)
        window.session.set_parameter("last", "code", "def last(x): return [x]")
        await until(lambda: window.canvas.store.cards["last"].state.state == "stale")
        assert window.canvas.store.cards["value"].state.state == "succeeded"
        window.session.reset_parameter("value", "memory_limit")
        await until(lambda: window.canvas.store.cards["value"].state.state == "stale")

    sit(sitting)


def test_pins_follow_their_nodes_into_a_sub_workflow_and_back(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    marks = tmp_path / "marks"

    async def sitting() -> None:
        session, pins = window.session, tmp_path / "w.kailash.pins"
        draw(window, MENDED, marks)
        session.save(tmp_path / "w.kailash.json")
        await ran(window, window.actions_by_name["run"].trigger)
        window.canvas.select(["first", "value"])
        window.actions_by_name["pin"].trigger()
        await until(lambda: window.pins.has("first") and window.pins.has("value"))
        made = session.enclose(["first", "value"])
        assert session.rename(made, "prices") is None
        await until(lambda: '"prices:first"' in pins.read_text())
        assert await ran(window, window.actions_by_name["run"].trigger) == "succeeded"
        assert window.runs.current is not None
        assert window.runs.current.states["prices:first"]["pinned"] is True
        assert window.runs.current.states["prices:value"]["pinned"] is True
        assert marks.read_text() == "x", "it was not called again"
        session.undo()
        session.undo()
        assert window.pins.has("first")
        assert window.pins.has("value")
        await until(lambda: '"first"' in pins.read_text())
        assert await ran(window, window.actions_by_name["run"].trigger) == "succeeded"
        assert window.runs.current.states["first"]["pinned"] is True

    sit(sitting)


def test_pins_that_are_told_after_the_window_was_closed_are_for_nobody(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    async def sitting() -> None:
        draw(window, MENDED)
        window.session.save(tmp_path / "w.kailash.json")
        await ran(window, window.actions_by_name["run"].trigger)
        window.canvas.select(["first"])
        window.actions_by_name["pin"].trigger()
        await until(lambda: window.pins.has("first"))
        window.session.open(tmp_path / "w.kailash.json")
        assert not window.pins.has("first"), "they are asked for"
        window.pins.close()
        await window.engine.request("pins", file=str(tmp_path / "w.kailash.json"))
        await asyncio.sleep(0)
        assert not window.pins.has("first")

    sit(sitting)


def test_a_safe_preview_writes_nothing_and_says_what_it_left_out(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    async def sitting() -> None:
        draw(window, MENDED)
        writer = window.session.add_node("FileWriterNode", (900, 0), {"path": str(tmp_path / "out.json")})
        assert not window.session.connect_ports("last", "result", writer, "data")
        assert await ran(window, window.actions_by_name["run_safe"].trigger) == "succeeded"
        assert not (tmp_path / "out.json").exists()
        assert window.runs.current is not None
        told = window.runs.current.states[writer]
        assert told["state"] == "skipped"
        assert told["reason"].startswith("a safe preview does not call it; it writes the file")

    sit(sitting)


def test_a_run_that_was_killed_at_a_breakpoint_is_offered_and_stands_there_again(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    async def sitting() -> None:
        draw(window, MENDED)
        window.session.save(tmp_path / "w.kailash.json")
        window.breakpoints.add(Breakpoint("value", "before"))
        window.actions_by_name["run"].trigger()
        await until(lambda: "value" in window.runs.stopped())
        interrupted = window.runs.current
        assert interrupted is not None
        await asyncio.sleep(0.3)  # the journal is some milliseconds behind
        os.kill(window.engine.pid, signal.SIGKILL)
        await until(window.notice.isVisible)
        cards, states = window.canvas.store.cards, interrupted.states
        assert [cards[n].state.state for n in ("first", "value", "last")] == ["succeeded", "cancelled", "cancelled"]
        assert (states["value"]["state"], interrupted.stopped) == ("cancelled", {}), "nothing stands still any more"
        assert not window.debugger.chosen()
        assert interrupted.seconds > 0.3, "so long it had stood there at least"
        window.actions_by_name["run"].trigger()
        await until(lambda: "engine is not running" in window.line.currentMessage())
        await until(lambda: not window.runs.running)
        assert window.runs.current is interrupted, "what is refused changes nothing"
        assert [cards[n].state.state for n in ("first", "value", "last")] == ["succeeded", "cancelled", "cancelled"]
        window.breakpoints.remove(0)
        press(window.notice.buttons[0])
        await until(window.failure.isVisible)
        sentence = f"Run {interrupted.run_id} of this workflow was interrupted, standing before value."
        assert window.failure.sentence == sentence
        press(window.failure.buttons[0])
        await until(lambda: "value" in window.runs.stopped())
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.running)
        assert window.runs.current is not None
        assert window.runs.current.state == "succeeded"

    sit(sitting)


@pytest.mark.parametrize("end", ["stop", "attach"])
def test_an_engine_that_the_window_ends_in_order_cancels_its_run(
    sit: Sit, window: MainWindow, end: str, tmp_path: Path
) -> None:
    async def sitting() -> None:
        draw(window, MENDED)
        window.breakpoints.add(Breakpoint("value", "before"))
        window.actions_by_name["run"].trigger()
        await until(lambda: "value" in window.runs.stopped())
        assert window.runs.current is not None
        run_id = window.runs.current.run_id
        if end == "stop":
            window.engine.stop()
        else:
            window.engine.attach(Address("gone", "", 1, "", 0, tmp_path / "gone.json"), control=True)
        with closing(Journal()) as journal:
            await until(lambda: journal.run(run_id).state != "running")
            assert journal.run(run_id).state == "cancelled"

    sit(sitting)


def test_a_run_that_is_refused_leaves_the_last_one_as_it_is(sit: Sit, window: MainWindow) -> None:
    async def sitting() -> None:
        draw(window, BROKEN)
        assert await ran(window, window.actions_by_name["run"].trigger) == "failed"
        window.session.set_parameter("first", "code", "def first(): return []")
        await until(lambda: window.rerun_link.stale)
        cards, last, stale = window.canvas.store.cards, window.runs.current, dict(window.rerun_link.stale)
        shown = {node: cards[node].state for node in cards}
        sentence = window.failure.sentence
        window.runs.breakpoints = lambda: [{"node": "value", "at": 1}]
        window.runs.start(safe=True)
        await until(lambda: "breakpoint cannot be read" in window.line.currentMessage())
        await until(lambda: not window.runs.running)
        assert window.runs.current is last
        assert {node: cards[node].state for node in cards} == shown
        assert window.rerun_link.stale == stale
        assert window.failure.isVisible()
        assert window.failure.sentence == sentence

    sit(sitting)


def test_faults_are_put_in_on_the_canvas_and_meet_test_runs_alone(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    async def sitting() -> None:
        draw(window, MENDED)
        window.session.save(tmp_path / "w.kailash.json")
        window.actions_by_name["run_test"].trigger()
        assert "There is no fault yet" in window.line.currentMessage()
        window.canvas.select(["value"])
        window.actions_by_name["fault"].trigger()
        dialog = window.findChild(FaultDialog)
        assert dialog is not None
        dialog.error.setCurrentText("SystemExit")
        assert not dialog.ok.isEnabled()
        assert "is no error class" in dialog.said.text()
        dialog.error.setCurrentText("TimeoutError")
        assert (
            dialog.said.text() == "In a test run, the next call will fail with TimeoutError. Real runs are not touched."
        )
        assert not dialog.breaker.isEnabled(), "the node has none"
        press(dialog.ok)
        card = window.canvas.store.cards["value"]
        assert [badge.text for badge in card.view.badges] == ["fault"]
        assert Scenario.read(tmp_path / "w.kailash.faults").faults == {"value": Fault("TimeoutError")}
        assert "fault" not in window.session.text()
        assert await ran(window, window.actions_by_name["run_test"].trigger) == "failed"
        assert window.canvas._watermark.isVisible()
        assert "TimeoutError" in window.failure.sentence
        assert await ran(window, window.actions_by_name["run"].trigger) == "succeeded"
        assert not window.canvas._watermark.isVisible()
        assert not window.session.rename("value", "sum")
        assert window.faults.of("sum") == Fault("TimeoutError")
        window.canvas.select(["sum"])
        window.actions_by_name["fault"].trigger()
        again = next(found for found in window.findChildren(FaultDialog) if found.isVisible())
        press(again.remove)
        assert not (tmp_path / "w.kailash.faults").exists()
        assert window.canvas.store.cards["sum"].view.badges == ()
        (tmp_path / "w.kailash.faults").write_text("no JSON", encoding="utf-8")
        window.session.open(tmp_path / "w.kailash.json")
        assert "is no file of faults" in window.line.currentMessage()
        window.faults.put("value", Fault())
        assert (tmp_path / "w.kailash.faults").read_text(encoding="utf-8") == "no JSON", "it is not written over"

    sit(sitting)
