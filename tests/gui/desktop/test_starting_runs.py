"""What is pressed while a run starts: another workflow, the button again, another engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes.waiting import Sit, Sitting, until
from PySide6.QtCore import QObject
from qasync import QEventLoop

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop import session, transport, validator
from kailash_studio.desktop.transport import ProcessTransport
from kailash_studio.desktop.window import MainWindow
from kailash_studio.runtime import protocol


@pytest.fixture
def sit(sit: Sit, window: MainWindow) -> Sit:
    """The workflow is A, one node of the name a."""

    def work(sitting: Sitting) -> None:
        async def with_a() -> None:
            add(window, "a")
            await sitting()
            await until(lambda: not window.runs.running)

        sit(with_a)

    return work


def add(window: MainWindow, name: str) -> None:
    node = window.session.add_node("PythonCodeNode", (0, 0), {"code": "def f(): return 1"})
    assert not window.session.rename(node, name)


@dataclass
class Asked:
    """What the engine was asked to run, and what is done when it has answered that."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    then: Callable[[], None] = lambda: None


@pytest.fixture
def asked(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Listens to the window; the engine is asked in earnest."""
    heard = Asked()
    request = window.engine.request

    async def noted(do: str, **words: Any) -> dict[str, Any]:
        answer = await request(do, **words)
        if do == "run":
            heard.runs.append(words)
            heard.then()
        return answer

    monkeypatch.setattr(window.engine, "request", noted)
    return heard


def test_a_run_does_not_start_when_another_workflow_was_opened_meanwhile(
    sit: Sit,
    window: MainWindow,
    asked: Asked,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "b" / "b.kailash.json"
    other.parent.mkdir()
    builder = WorkflowBuilder("B")
    builder.add_node("PythonCodeNode", "b", code="def f(): return 2")
    builder.build().save(other)
    monkeypatch.setattr(validator, "_LARGE", 0)
    writes, may = threading.Event(), threading.Event()
    write = session.write

    def later(*words: Any) -> str:
        writes.set()
        assert may.wait(20)
        return write(*words)

    async def sitting() -> None:
        await until(lambda: not window.session.findings)
        monkeypatch.setattr(session, "write", later)
        window.runs.start()
        await until(writes.is_set)
        window.session.open(other)
        assert window.runs.running
        may.set()
        await until(lambda: not window.runs.running)
        assert asked.runs == []
        assert window.runs.current is None
        assert window.canvas.store.cards["b"].state.state == "idle"

    sit(sitting)


def test_a_run_whose_workflow_is_not_open_any_more_is_not_shown(sit: Sit, window: MainWindow, asked: Asked) -> None:
    async def sitting() -> None:
        asked.then = window.session.new
        window.runs.start()
        await until(lambda: asked.runs and not window.runs.running)
        assert window.runs.current is None
        asked.then = lambda: None

    sit(sitting)


def test_nothing_of_another_workflow_is_run_that_was_opened_at_once(sit: Sit, window: MainWindow, asked: Asked) -> None:
    async def sitting() -> None:
        window.runs.start()
        window.session.new()
        add(window, "b")
        await until(lambda: not window.runs.running)
        assert asked.runs == []

    sit(sitting)


def test_pressed_twice_it_starts_once(sit: Sit, window: MainWindow, asked: Asked, tmp_path: Path) -> None:
    async def sitting() -> None:
        window.session.save(tmp_path / "a.kailash.json")
        window.runs.start()
        assert window.runs.running
        window.runs.start()
        await until(lambda: window.runs.current is not None and not window.runs.running)
        (words,) = asked.runs
        assert words["folder"] == str(tmp_path)

    sit(sitting)


def test_what_cannot_be_written_is_said(sit: Sit, window: MainWindow) -> None:
    async def sitting() -> None:
        said: list[str] = []
        window.runs.said.connect(said.append)
        window.session.workflow.extra["mine"] = float("nan")
        window.runs.start()
        await until(lambda: not window.runs.running)
        assert said == ["A parameter cannot be written to a file: Out of range float values are not JSON compliant."]

    sit(sitting)


def test_an_engine_that_was_let_go_of_tells_nothing_more(loop: QEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_SHARE", -1.0)  # a line is handed on, and the next one in a turn of its own
    lines: list[bytes] = []
    gone: list[bool] = []

    async def work() -> None:
        parent = QObject()
        line = ProcessTransport(parent)
        line.destroyed.connect(lambda: gone.append(True))

        def heard(data: bytes) -> None:
            lines.append(data)
            line.let_go()

        line.arrived.connect(heard)
        for number in range(3):
            line.write(protocol.encode({"id": number, "do": "hello"}))
        line._process.readyReadStandardOutput.disconnect(line._read)
        await until(lambda: line._process.peek(10_000).count(b"\n") == 3)
        line._process.readyReadStandardOutput.connect(line._read)
        line._read()
        await until(lambda: gone)
        parent.deleteLater()

    loop.run_until_complete(asyncio.wait_for(work(), 90))
    assert len(lines) == 1


def test_run_to_here_starts_a_run_that_stops_there_once(sit: Sit, window: MainWindow) -> None:
    async def sitting() -> None:
        add(window, "b")
        window.canvas.select(["b"])
        assert window.actions_by_name["run_to"].isEnabled()
        window.actions_by_name["run_to"].trigger()
        await until(lambda: "b" in window.runs.stopped())
        assert window.runs.stopped()["b"]["reason"] == "run to here"
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.running)
        assert window.runs.current is not None
        assert window.runs.current.state == "succeeded"
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.running)

    sit(sitting)
