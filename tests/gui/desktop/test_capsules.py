"""A failure capsule in the window: stepped through without the outside, mended, saved as a regression test."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest
from fakes.waiting import Sit, until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox, QPushButton

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.window import MainWindow
from kailash_studio.folders import user_data
from kailash_studio.runtime.answers import Recording
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.capsule import Capsule
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.runtime.journal.journal import Journal


def sealed(builder: WorkflowBuilder, path: Path) -> Path:
    """The capsule of a run that fails."""
    workflow, recording = builder.build(), Recording(1)
    outcome, run_id = asyncio.run(AsyncLocalRuntime().run(workflow, answers=recording))
    assert outcome.state == "failed"
    Capsule.of(workflow, run_id, 1.8e9, {}, recording, outcome).write(path)
    return path


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Of a run with code that may do anything; it leaves a mark at each call."""
    marks = tmp_path / "marks"
    code = f"def start():\n    open({str(marks)!r}, 'a').write('x')\n    return 1"
    builder = WorkflowBuilder("foreign")
    builder.add_node("PythonCodeNode", "start", code=code, sandbox="full")
    builder.add_node("PythonCodeNode", "end", code="def end(x): return x / 0")
    builder.add_connection("start", "result", "end", "x")
    return sealed(builder, tmp_path / "foreign.kailash-capsule")


@pytest.fixture
def capsule(tmp_path: Path) -> Path:
    """Of a run that failed over what a file held; the file is gone."""
    data = tmp_path / "prices.csv"
    data.write_text("symbol,price\nMSFT,28\nAMZN,n/a\n", encoding="utf-8")
    builder = WorkflowBuilder("prices")
    builder.add_node("CSVReaderNode", "rows", path=str(data))
    builder.add_node("PythonCodeNode", "value", code="def value(rows): return sum(float(r['price']) for r in rows)")
    builder.add_connection("rows", "data", "value", "rows")
    sealed(builder, tmp_path / "failure.kailash-capsule")
    data.unlink()
    return tmp_path / "failure.kailash-capsule"


def test_it_is_opened_stepped_through_mended_and_kept_as_a_test(
    sit: Sit, window: MainWindow, capsule: Path, tmp_path: Path
) -> None:
    async def sitting() -> None:
        window.capsule_link.open(tmp_path / "nothing.kailash-capsule")
        await until(lambda: "There is no capsule" in window.line.currentMessage())
        window.capsule_link.open(capsule)
        await until(window.played.isVisible)
        assert "(value failed)" in window.played.sentence
        window.breakpoints.add(Breakpoint("value", "before"))
        window.actions_by_name["run"].trigger()
        await until(lambda: "value" in window.runs.stopped())
        window.actions_by_name["step"].trigger()
        await until(lambda: window.runs.stopped().get("value", {}).get("when") == "error")
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.running)
        assert window.runs.current is not None
        assert window.runs.current.state == "failed", "the file is gone, its recorded rows are not"
        window.breakpoints.remove(0)
        mended = "def value(rows): return sum(float(r['price']) for r in rows if r['price'] != 'n/a')"
        window.session.set_parameter("value", "code", mended)
        window.actions_by_name["run"].trigger()
        await until(lambda: window.runs.current is not None and window.runs.current.state == "succeeded")
        await window.capsule_link._save(tmp_path / "prices_test")
        assert "expects that the run has succeeded" in window.line.currentMessage()
        kept = Capsule.read(tmp_path / "prices_test.kailash-capsule")
        assert kept.expected["results"]["value"] == {"result": 28.0}
        window.session.new()
        assert not window.played.isVisible()
        assert window.runs.capsule == ""

    sit(sitting)


def test_a_capsule_from_elsewhere_may_not_run_here_because_it_was_opened_and_saved(
    sit: Sit, window: MainWindow, foreign: Path, tmp_path: Path
) -> None:
    marks, file = tmp_path / "marks", tmp_path / "foreign.kailash.json"

    async def sitting() -> None:
        window.capsule_link.open(foreign)
        await until(window.played.isVisible)
        window.actions_by_name["run"].trigger()
        await until(lambda: window.runs.current is not None and not window.runs.running)
        assert window.findChild(QMessageBox, "trust") is None, "recorded answers do nothing, and need nobody's leave"
        assert marks.read_text() == "x", "it was called when it was recorded"
        window.session.set_parameter("end", "code", "def end(x): return x")
        window.session._keep()
        (kept,) = list((user_data() / "unsaved").glob("*.json"))
        assert json.loads(kept.read_text(encoding="utf-8"))["trusted"] is False, "nor after a crash"
        window.session.save(file)
        window.session.open(file)
        assert window.runs.capsule == ""
        assert not window.session.trusted
        window.actions_by_name["run"].trigger()
        await until(lambda: window.findChild(QMessageBox, "trust"))
        box = window.findChild(QMessageBox, "trust")
        assert box is not None
        assert "start runs Python code with full access" in box.informativeText()
        box.reject()
        await asyncio.sleep(0.05)
        assert marks.read_text() == "x"

    sit(sitting)


async def ran(window: MainWindow, name: str) -> str:
    """Trigger an action that starts a run, and wait for its end; its state."""
    before = window.runs.current.run_id if window.runs.current else ""
    window.actions_by_name[name].trigger()
    runs = window.runs
    await until(lambda: runs.current is not None and runs.current.run_id != before and not runs.running)
    assert runs.current is not None
    return runs.current.state


def test_full_python_of_a_capsule_runs_once_it_is_allowed(
    sit: Sit, window: MainWindow, foreign: Path, tmp_path: Path
) -> None:
    async def sitting() -> None:
        window.capsule_link.open(foreign)
        await until(window.played.isVisible)
        window.session.set_parameter("end", "code", "def end(x): return x")
        window.session.set_parameter("start", "code", "def start(): return 3")
        assert await ran(window, "run") == "failed"
        assert "start: its code, or what it is given, is not what was recorded" in window.failure.sentence
        await window.capsule_link._errands.done(window.capsule_link._save(tmp_path / "early"))
        assert "The test would pass over start" in window.line.currentMessage()
        assert not list(tmp_path.glob("early*"))
        _, allow = window.played.buttons
        QTest.mouseClick(allow, Qt.MouseButton.LeftButton)
        await until(lambda: (found := window.findChild(QMessageBox, "allow_code")) and found.isVisible())
        box = window.findChild(QMessageBox, "allow_code")
        assert box is not None
        assert box.informativeText() == "•  start"
        yes = next(button for button in box.findChildren(QPushButton) if button.text() == "Let it run")
        QTest.mouseClick(yes, Qt.MouseButton.LeftButton)
        assert await ran(window, "run") == "succeeded"
        await window.capsule_link._save(tmp_path / "late")
        assert Capsule.read(tmp_path / "late.kailash-capsule").expected["results"]["end"] == {"result": 3}
        assert not window.session.trusted, "it is allowed in this capsule, and nowhere else"
        window.session.new()
        assert not window.runs.allow_code

    sit(sitting)


def test_a_run_of_a_capsule_is_looked_back_at_and_gone_on_with_from_its_failure(
    sit: Sit, window: MainWindow, foreign: Path, tmp_path: Path
) -> None:
    async def sitting() -> None:
        window.capsule_link.open(foreign)
        await until(window.played.isVisible)
        assert await ran(window, "run") == "failed"
        assert window.runs.current is not None
        run_id = window.runs.current.run_id
        history = window.history
        window.actions_by_name["runs"].trigger()
        await until(lambda: any(run["run_id"] == run_id for run in history.list._told))
        (told,) = history.list._told
        assert told["origin"] == "capsule"
        item = history.list.list.topLevelItem(0)
        assert item is not None
        item.setSelected(True)
        QTest.keyClick(history.list.list, Qt.Key.Key_Return)
        past = history.past
        await until(lambda: past.run_id == run_id and past.at == past.total - 1)
        assert past.view is not None
        cards = past.view.canvas.store.cards
        assert cards["end"].state.state == "failed"
        for place in range(past.total - 2, -1, -1):
            window.actions_by_name["earlier"].trigger()
            await until(lambda place=place: past.at == place)  # type: ignore[misc]
        assert {card.state.state for card in cards.values()} == {"queued"}
        window.actions_by_name["present"].trigger()
        window.session.set_parameter("end", "code", "def end(x): return x + 1")
        assert await ran(window, "run_failed") == "succeeded"
        assert window.runs.current.states["start"]["reused"] is True
        page = await window.runs.values.of(window.runs.current.run_id, "end", "result").page(0, 10)
        assert "2" in json.dumps(page)
        window.canvas.select(["start"])
        assert await ran(window, "run_from") == "succeeded"
        assert window.findChild(QMessageBox, "side_effects") is None, "nothing is done once more"
        assert (tmp_path / "marks").read_text() == "x"

    sit(sitting)
    with closing(Journal()) as journal:
        assert journal.count_dead_letters(state="", text="") == 0
        assert {run.origin for run in journal.runs()} == {"capsule"}
