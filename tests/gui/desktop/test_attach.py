"""The window attaches to a run of another process, debugs it, goes away, and has its own engine again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.waiting import Sit, until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop import attach_link, canvas_link
from kailash_studio.desktop.dialogs.chooser import Chooser
from kailash_studio.desktop.window import MainWindow
from kailash_studio.runtime.server import addresses

COUNT = 400


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A headless run that stands still before its first node."""
    builder = WorkflowBuilder("headless")
    builder.add_node("PythonCodeNode", "start", code="def f(): return 1")
    for number in range(COUNT):
        builder.add_node("PythonCodeNode", f"n{number}", code="def f(x): return x + 1")
        builder.add_connection("start" if number % 40 == 0 else f"n{number - 1}", "result", f"n{number}", "x")
    file = tmp_path / "headless.kailash.json"
    builder.build().save(file)
    words = ["run", str(file), "--debug", "--break", "start", "--trust", "--output", str(tmp_path / "out.json")]
    made = subprocess.Popen([sys.executable, "-m", "kailash_studio", *words], env=dict(os.environ))
    yield made
    if made.poll() is None:
        made.kill()
    made.wait(10)


async def attach(window: MainWindow, word: str) -> None:
    """Choose the run in the list, as a person does."""

    def offered() -> Chooser | None:
        if not window.findChildren(Chooser):
            window.actions_by_name["attach"].trigger()
        return next(iter(window.findChildren(Chooser)), None)

    await until(offered)
    chooser = window.findChildren(Chooser)[0]
    QTest.keyClicks(chooser._field, word)
    QTest.keyClick(chooser._field, Qt.Key.Key_Return)
    await until(window.runs.stopped)


def test_a_headless_run_is_shown_debugged_and_ends_by_itself(
    sit: Sit,
    window: MainWindow,
    process: subprocess.Popen[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(canvas_link, "_LARGE", 100)  # drawn in slices, as 10,000 nodes are

    async def sitting() -> None:
        await attach(window, "debug it")
        assert window.attachment.sentence.endswith("in control: it goes on without this window.")
        assert len(window.canvas.store.cards) == COUNT + 1
        assert window.session.workflow.name == "headless"
        await until(lambda: window.canvas.store.cards["n7"].state.state == "queued")
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.running)
        assert window.runs.current is not None
        assert window.runs.current.state == "succeeded"
        assert window.canvas.store.cards["n7"].state.state == "succeeded"
        await until(lambda: window.engine.attached is None and window.engine.state == "ready")
        assert not window.attachment.isVisible()
        window.canvas.select(["n38"])
        window.actions_by_name["data"].trigger()
        await until(lambda: "integer" in window.rows.caption.whole)
        assert process.wait(30) == 0

    sit(sitting)


def test_a_window_that_goes_away_is_not_noticed_and_one_that_looks_on_changes_nothing(
    sit: Sit, window: MainWindow, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def sitting() -> None:
        await attach(window, "look on")
        assert "looking on" in window.attachment.sentence
        window.actions_by_name["run"].trigger()
        await until(lambda: "is not for this window" in window.line.currentMessage())
        window.actions_by_name["detach"].trigger()
        await until(lambda: window.engine.attached is None and window.engine.state == "ready")
        assert window.runs.current is None
        assert process.poll() is None, "it goes on, and stands where it stood"
        await attach(window, "debug it")
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.stopped())
        window.engine.stop()  # it is gone in the middle of the run
        await asyncio.to_thread(process.wait, 30)
        assert process.returncode == 0
        assert (tmp_path / "out.json").exists()
        window.engine.start()

    sit(sitting)


def test_what_a_run_tells_while_it_is_being_drawn_is_in_the_log_once(
    sit: Sit, window: MainWindow, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()
    read = attach_link._read

    def read_late(*words: Any) -> Any:
        assert told.wait(30)
        return read(*words)

    monkeypatch.setattr(attach_link, "_read", read_late)

    async def sitting() -> None:
        engine = window.engine

        def hear(run: dict[str, Any]) -> None:
            stopped = [node for node, state in run["states"].items() if state["state"] == "stopped"]
            if "start" in stopped:
                engine.tell("breakpoints", run_id=run["run_id"], breakpoints=[{"node": "n399"}])
                engine.tell("resume", run_id=run["run_id"])
            if "n399" in stopped:
                told.set()

        engine.let_in.connect(lambda shown: hear(shown[-1]))
        engine.updated.connect(hear)
        await until(lambda: [address for address in addresses() if address.workflow])
        engine.attach(addresses()[0], control=True)
        await until(lambda: "n399" in window.runs.stopped())
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.running)
        lines = [line.partition("  ")[2] for line in window.log.text().splitlines()]
        assert len([line for line in lines if line.startswith("start  Succeeded in")]) == 1
        assert len([line for line in lines if line.startswith("n7  Succeeded in")]) == 1

    sit(sitting)


def test_a_window_that_is_attached_does_not_ask_for_what_it_would_not_be_told(
    sit: Sit, window: MainWindow, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def sitting() -> None:
        window.session.save(tmp_path / "mine.kailash.json")
        window.docks.show(window.history.list)
        await attach(window, "look on")
        window.history.list.ask()
        window.actions_by_name["timeline"].trigger()
        window.docks.show(window.history.list)
        await window.engine.request("breakers")  # answered after whatever was asked before
        await asyncio.sleep(0)
        assert "is not for this window" not in window.log.text()
        assert window.history.list._empty._text.text().startswith("The window is attached to another process")
        assert window.history.timeline._empty._text.text().startswith("The window is attached to another process")
        window.actions_by_name["detach"].trigger()
        await until(lambda: window.engine.attached is None and window.engine.state == "ready")
        await until(lambda: "attached" not in window.history.list._empty._text.text())
        assert window.engine.may("runs_found")

    sit(sitting)


def test_the_document_of_a_run_of_another_process_is_a_copy_and_is_not_saved_over_its_file(
    sit: Sit, window: MainWindow, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def sitting() -> None:
        await attach(window, "debug it")
        assert window.runs.current is not None
        run_id = window.runs.current.run_id
        window.actions_by_name["run"].trigger()
        await until(lambda: window.engine.attached is None and window.engine.state == "ready")
        assert window.windowTitle() == f"headless (copy of run {run_id})[*] - Kailash Studio"
        window.actions_by_name["save"].trigger()
        dialog = window.findChild(QFileDialog)
        assert dialog is not None
        (chosen,) = dialog.selectedFiles()
        assert Path(chosen).name == f"headless_run_{run_id}.kailash.json"
        dialog.reject()
        window.session.save(tmp_path / "later.kailash.json")
        assert window.windowTitle() == "later[*] - Kailash Studio"

    sit(sitting)
