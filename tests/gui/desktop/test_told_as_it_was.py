"""What the window tells of runs is what happened: tests and previews, results that were not called, whose timeline."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fakes.waiting import Sit, until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from kailash_studio.desktop.window import MainWindow
from kailash_studio.resilience.faults import Fault
from kailash_studio.workflow import commands

GOING_ON = ("run_failed", "run_from", "run_only")


def draw(window: MainWindow, folder: Path, report: str = "def report(x): return x") -> None:
    """first > report > write, in a saved file."""
    session = window.session
    for place, (name, kind, given) in enumerate((
        ("first", "PythonCodeNode", {"code": "def first(): return {'a': 1}"}),
        ("report", "PythonCodeNode", {"code": report}),
        ("write", "FileWriterNode", {"path": str(folder / "out.json")}),
    )):  # fmt: skip
        assert not session.rename(session.add_node(kind, (place * 300, 0), given), name)
    assert not session.connect_ports("first", "result", "report", "x")
    assert not session.connect_ports("report", "result", "write", "data")
    session.save(folder / "w.kailash.json")


async def ran(window: MainWindow, action: str) -> str:
    """Take an action that starts a run, and wait until the journal has all of it; the run's id."""
    runs, before = window.runs, window.runs.current
    kept: list[str] = []

    def hear(update: dict[str, Any]) -> None:
        if update.get("kept"):
            kept.append(update["run_id"])

    window.engine.updated.connect(hear)
    window.actions_by_name[action].trigger()
    await until(lambda: runs.current is not before and not runs.running)
    assert runs.current is not None
    run_id = runs.current.run_id
    await until(lambda: run_id in kept)
    window.engine.updated.disconnect(hear)
    return run_id


def test_nothing_goes_on_from_a_test_run_or_a_safe_preview(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    async def sitting() -> None:
        draw(window, tmp_path)
        actions = window.actions_by_name
        window.faults.put("report", Fault())
        await ran(window, "run_test")
        assert window.runs.current is not None
        assert window.runs.current.state == "failed"
        assert [button.text() for button in window.failure.buttons] == ["Show the data"]
        reason = "Nothing goes on from a test run: press Run to run the workflow itself."
        assert [actions[name].toolTip().split("\n")[1] for name in GOING_ON if not actions[name].isEnabled()] == [
            reason
        ] * 3
        window.rerun_link.from_failure()
        assert window.line.currentMessage() == reason
        assert not window.runs.running
        await ran(window, "run_safe")
        window.activateWindow()
        QTest.keyClick(window.canvas, Qt.Key.Key_F5, Qt.KeyboardModifier.ControlModifier)
        assert not actions["run_failed"].isEnabled()
        assert "\nNothing goes on from a safe preview" in actions["run_failed"].toolTip()
        window.rerun_link.from_failure()
        assert not window.runs.running
        assert not (tmp_path / "out.json").exists(), "nothing was really run"
        await ran(window, "run")
        assert (tmp_path / "out.json").exists()
        window.canvas.select(["report"])
        assert all(actions[name].isEnabled() for name in GOING_ON)
        assert not any("\n" in actions[name].toolTip() for name in GOING_ON)

    sit(sitting)


def test_the_engine_itself_refuses_to_go_on_from_a_test_run(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    async def sitting() -> None:
        draw(window, tmp_path)
        window.faults.put("report", Fault())
        test = await ran(window, "run_test")
        window.runs.start(again={"run_id": test, "mode": "failed", "nodes": []})
        await until(lambda: "was a test, with faults put in: nothing goes on from it" in window.line.currentMessage())
        await until(lambda: not window.runs.running)
        assert not (tmp_path / "out.json").exists()
        await asyncio.sleep(0)

    sit(sitting)


def test_a_run_that_ends_before_its_answer_is_taken_up_is_in_the_log_once(
    sit: Sit, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    window.engine.updated.connect(told.append)
    ask = window.engine.request

    async def request(do: str, **words: Any) -> dict[str, Any]:
        """An answer that is taken up once all is told: both came in one piece."""
        answer = await ask(do, **words)
        if do == "run":
            await until(lambda: any(u["run_id"] == answer["run_id"] and u.get("kept") for u in told))
        return answer

    monkeypatch.setattr(window.engine, "request", request)

    async def sitting() -> None:
        draw(window, tmp_path)
        window.actions_by_name["run"].trigger()
        await until(lambda: window.runs.current is not None and not window.runs.running)
        assert window.runs.current is not None
        lines = window.log.text().splitlines()
        assert len([line for line in lines if f"Run {window.runs.current.run_id} started" in line]) == 1
        assert len([line for line in lines if "first  Succeeded in" in line]) == 1
        assert len([line for line in lines if f"Run {window.runs.current.run_id} succeeded" in line]) == 1

    sit(sitting)


def test_what_was_not_called_is_shown_as_reused_or_pinned(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    async def sitting() -> None:
        draw(window, tmp_path, "def report(x): return x / 0")
        session, cards = window.session, window.canvas.store.cards
        session.set_parameter("first", "code", "def first(): raise ValueError('no')")
        code = {"code": "def backup(): return {'a': 2}"}
        assert not session.rename(session.add_node("PythonCodeNode", (0, 200), code), "backup")
        assert not session.set_fallback("first", "backup")
        window.canvas.select(["first"])
        await ran(window, "run")
        assert (cards["first"].state.state, cards["first"].state.note) == ("recovered", "by backup")
        session.set_parameter("report", "code", "def report(x): return x")
        window.log.clear()
        await ran(window, "run_failed")
        said = "Reused from an earlier run, in which backup stood in for it."
        state = cards["first"].state
        assert (state.state, state.note, state.tip) == ("recovered", "reused, from backup", said)
        assert (cards["backup"].state.state, cards["backup"].state.note) == ("succeeded", "reused")
        assert window.inspector._state.text().endswith("Reused, from backup")
        assert window.inspector._state.toolTip() == said
        assert f"first  {said}" in window.log.text()
        assert "2 succeeded, 2 reused." in window.log.text()
        window.actions_by_name["pin"].trigger()
        await until(lambda: window.pins.has("first"))
        await ran(window, "run")
        assert (cards["first"].state.state, cards["first"].state.note) == ("succeeded", "pinned")
        assert window.inspector._state.text().endswith("Pinned")
        assert "first  Pinned, and not called" in window.log.text()
        assert "backup  Skipped: first is pinned." in window.log.text()

    sit(sitting)


def test_an_open_timeline_follows_the_last_run_and_says_whose_it_is(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    async def sitting() -> None:
        draw(window, tmp_path)
        timeline, tabs = window.history.timeline, window.docks.data_tabs
        window.session.do(commands.set_information(window.session.workflow, "name", "nightly"))
        window.actions_by_name["timeline"].trigger()
        assert tabs.currentWidget() is timeline
        assert not timeline.run_id, "opened before the first run"
        for _ in range(2):
            run_id = await ran(window, "run")
            await until(lambda run_id=run_id: timeline.run_id == run_id)
        assert timeline.caption.whole.startswith("Last run of nightly, ")
        window.docks.show(window.rows)
        last = await ran(window, "run")
        assert tabs.currentWidget() is window.rows, "it does not push itself to the front"
        window.docks.show(timeline)
        await until(lambda: timeline.run_id == last)
        window.session.new()
        assert not timeline.run_id, "the last run of another workflow is none of this one"
        draw(window, tmp_path)
        window.session.do(commands.set_information(window.session.workflow, "name", "weekly"))
        other = await ran(window, "run")
        await until(lambda: timeline.run_id == other)
        assert timeline.caption.whole.startswith("Last run of weekly, ")
        window.history.past.open(run_id)
        await until(lambda: timeline.run_id == run_id)
        window.actions_by_name["present"].trigger()
        assert timeline.run_id == run_id, "somebody has opened it"
        window.docks.show(window.rows)
        window.docks.show(timeline)
        await window.engine.request("hello")
        assert timeline.run_id == run_id
        newest = await ran(window, "run")
        await until(lambda: timeline.run_id == newest)

    sit(sitting)
