"""An engine that is killed at a breakpoint, or loses its window: the run is interrupted, and goes on at its place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.runtime.journal.journal import Journal


class Process:
    """An engine process, spoken with over its standard streams."""

    def __init__(self, home: Path) -> None:
        variables = os.environ | {"KAILASH_STUDIO_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kailash_studio.runtime.host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=variables,
        )
        self.told: list[dict[str, Any]] = []
        self._number = 0

    def ask(self, do: str, **words: Any) -> dict[str, Any]:
        self._number += 1
        mine = self._number
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"id": mine, "do": do, **words}).encode() + b"\n")
        self.process.stdin.flush()
        return dict(self.until(lambda m: m.get("id") == mine).get("ok", self.told[-1]))

    def until(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        found = next((message for message in self.told if fits(message)), None)
        assert self.process.stdout is not None
        while found is None:
            line = self.process.stdout.readline()
            assert line, "the engine ended"
            self.told.append(json.loads(line))
            found = self.told[-1] if fits(self.told[-1]) else None
        return found

    def stopped(self, node: str) -> dict[str, Any]:
        """Wait until a node stands still; its state."""
        message = self.until(lambda m: m.get("update", {}).get("states", {}).get(node, {}).get("state") == "stopped")
        return dict(message["update"]["states"][node])

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """Starts engine processes that share one journal."""
    made: list[Process] = []

    def one() -> Process:
        made.append(Process(tmp_path / "home"))
        return made[-1]

    yield one
    for process in made:
        process.end()


def document(marks: Path) -> str:
    builder = WorkflowBuilder("nightly")
    builder.add_node(
        "PythonCodeNode",
        "first",
        sandbox="full",
        code=f"def f():\n    open({str(marks)!r}, 'a').write('1')\n    return 1",
    )
    builder.add_node(
        "PythonCodeNode",
        "second",
        sandbox="full",
        code=f"def f(x):\n    open({str(marks)!r}, 'a').write('2')\n    return x",
    )
    builder.add_node("PythonCodeNode", "third", code="def f(x): return x + 1")
    builder.add_connection("first", "result", "second", "x")
    builder.add_connection("second", "result", "third", "x")
    return builder.build().to_json()


def written(path: Path, run: str) -> None:
    """Wait until the journal has it that the run stands still: it is written some milliseconds after it is shown."""
    deadline = time.monotonic() + 30
    with closing(Journal(path)) as journal:
        while not journal.stood_still(run):
            assert time.monotonic() < deadline


def kill(engine: Process) -> None:
    engine.process.send_signal(signal.SIGKILL)
    engine.process.wait(10)


def lose_window(engine: Process) -> None:
    """What an engine notices when its window is killed."""
    assert engine.process.stdin is not None
    engine.process.stdin.close()
    assert engine.process.wait(30) == 0


@pytest.mark.parametrize(("when", "end"), [("before", kill), ("after", kill), ("before", lose_window)])
def test_interrupted_at_a_breakpoint_it_goes_on_at_the_same_place(
    start: Callable[[], Process], tmp_path: Path, when: str, end: Callable[[Process], None]
) -> None:
    marks = tmp_path / "marks"
    text = document(marks)
    engine = start()
    points = [{"node": "second", "when": when}]
    run = engine.ask("run", workflow=text, folder=str(tmp_path), breakpoints=points)["run_id"]
    assert engine.stopped("second")["when"] == when
    written(tmp_path / "home" / "journal.db", run)
    end(engine)

    another = start()
    (found,) = another.ask("interrupted")["runs"]
    assert (found["run_id"], found["workflow"], found["stood"]) == (run, "nightly", {"second": when})
    assert found["document"] == text
    again = {"run_id": run, "mode": "failed"}
    later = another.ask("run", workflow=text, folder=str(tmp_path), again=again)["run_id"]
    told = another.stopped("second")
    assert told["when"] == when
    assert told["reason"] == "the run stood still here when it was interrupted"
    values = another.ask("stop_values", run_id=later, stop=told["stop"])
    assert json.loads(values["inputs"]["x"]["plain"]) == 1, "what had finished is there"
    another.ask("go_on", run_id=later, stop=told["stop"])
    end = another.until(lambda m: bool(m.get("update", {}).get("run_id") == later and m["update"].get("run")))
    assert end["update"]["run"]["state"] == "succeeded"
    assert marks.read_text() == {"before": "12", "after": "122"}[when], "first was not called again"
    assert another.ask("interrupted")["runs"] == [], "it is gone on with"


def test_asked_to_end_at_a_breakpoint_it_cancels_the_run(start: Callable[[], Process], tmp_path: Path) -> None:
    engine = start()
    words = {"workflow": document(tmp_path / "marks"), "folder": str(tmp_path), "breakpoints": [{"node": "second"}]}
    run = engine.ask("run", **words)["run_id"]
    engine.stopped("second")
    engine.ask("shutdown")
    lose_window(engine)
    with closing(Journal(tmp_path / "home" / "journal.db")) as journal:
        assert journal.run(run).state == "cancelled"
    assert start().ask("interrupted")["runs"] == []


def test_of_a_run_without_its_window_all_is_kept_that_was_told(start: Callable[[], Process], tmp_path: Path) -> None:
    engine = start()
    words = {"workflow": document(tmp_path / "marks"), "folder": str(tmp_path), "breakpoints": [{"node": "second"}]}
    run = engine.ask("run", **words)["run_id"]
    engine.stopped("second")
    lose_window(engine)  # at once: what was told is on its way to the journal
    with closing(Journal(tmp_path / "home" / "journal.db")) as journal:
        assert journal.run(run).state == "interrupted"
        assert journal.stood_still(run) == {"second": "before"}
        assert "run_finished" not in {event.kind for event in journal.events(run)}
