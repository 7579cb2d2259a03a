"""Results that are taken over count only while what they were made from stands above them; nothing unreal goes on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.cli.main import main
from kailash_studio.errors import EngineError, JournalError
from kailash_studio.resilience.faults import Fault, Scenario
from kailash_studio.runtime.answers import Recording
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.capsule import Capsule
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.pins import Pins
from kailash_studio.runtime.rerun_requests import RerunRequests
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.workflow.workflow import Workflow

Out = pytest.CaptureFixture[str]


def chain(middle: str = "return x * 2", start: str = "return 21") -> Workflow:
    """start > middle > end, and other beside them."""
    builder = WorkflowBuilder("chain")
    builder.add_node("PythonCodeNode", "start", code=f"def start(): {start}")
    builder.add_node("PythonCodeNode", "middle", code=f"def middle(x): {middle}", sandbox="full")
    builder.add_node("PythonCodeNode", "end", code="def end(y): return [y]")
    builder.add_node("PythonCodeNode", "other", code="def other(): return 1")
    builder.add_connection("start", "result", "middle", "x")
    builder.add_connection("middle", "result", "end", "y")
    return builder.build()


class Window:
    """What a window does with its engine: run, run a part again, ask what is stale."""

    def __init__(self, journal: Journal, runtime: AsyncLocalRuntime, folder: Path) -> None:
        self.file = folder / "w.kailash.json"
        self._journal, self._runtime = journal, runtime
        self._requests = RerunRequests(journal, runtime, lambda run_id: None, lambda run_id: Redactor())

    def _request(self, workflow: Workflow, run_id: str, mode: str, nodes: tuple[str, ...]) -> dict[str, Any]:
        again = {"run_id": run_id, "mode": mode, "nodes": list(nodes)}
        return {"workflow": workflow.to_json(), "file": str(self.file), **({"again": again} if run_id else {})}

    async def run(
        self, workflow: Workflow, run_id: str = "", mode: str = "failed", *nodes: str
    ) -> tuple[Outcome, str, set[str]]:
        """The outcome, the run, and the nodes that were really called."""
        taken = await asyncio.to_thread(self._requests.taken, self._request(workflow, run_id, mode, nodes), workflow)
        words: dict[str, Any] = {"known": taken.known, "only": taken.only, "before": taken.before, "pins": taken.pins}
        outcome, made = await self._runtime.run(workflow, origin="again" if run_id else "desktop", **words)
        ended = [e for e in self._journal.events(made) if e.kind == "node_succeeded"]
        called = {e.node for e in ended if not e.details.get("reused") and not e.details.get("pinned")}
        return outcome, made, called

    async def would(self, workflow: Workflow, run_id: str, mode: str, *nodes: str) -> dict[str, Any]:
        return dict(await self._requests.handlers()["rerun"](self._request(workflow, run_id, mode, nodes)))

    async def stale(self, workflow: Workflow, run_id: str) -> dict[str, str]:
        told = await self._requests.handlers()["stale"]({"workflow": workflow.to_json(), "run_id": run_id})
        return dict(told["stale"])

    def pin(self, node: str, value: Any) -> None:
        Pins(self.file).pin(node, {"result": value}, Redactor())

    def unpin(self, node: str) -> None:
        Pins(self.file).unpin(node)


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Callable[[Callable[[Window], Coroutine[Any, Any, None]]], None]]:
    journal = Journal(tmp_path / "journal.db")

    def work(sitting: Callable[[Window], Coroutine[Any, Any, None]]) -> None:
        async def inside() -> None:
            async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
                await sitting(Window(journal, runtime, tmp_path))

        asyncio.run(inside())

    yield work
    journal.close()


def test_what_a_changed_node_feeds_does_not_come_back_when_it_runs_alone(sit: Any) -> None:
    async def sitting(window: Window) -> None:
        _, first, _ = await window.run(chain())
        mended = chain("return x * 3")
        outcome, second, called = await window.run(mended, first, "only", "middle")
        assert (outcome.results["middle"], called) == ({"result": 63}, {"middle"})
        assert "end" not in outcome.results, "it was made from 42"
        assert outcome.results.keys() == {"start", "other", "middle"}
        outcome, _, called = await window.run(mended, second)
        assert (outcome.results["end"], called) == ({"result": [63]}, {"end"})

    sit(sitting)


def test_a_node_that_gives_something_else_makes_stale_what_was_made_from_it(sit: Any, tmp_path: Path) -> None:
    async def sitting(window: Window) -> None:
        (tmp_path / "factor").write_text("2")
        workflow = chain(f"return x * int(open({str(tmp_path / 'factor')!r}).read())")
        _, first, _ = await window.run(workflow)
        _, same, _ = await window.run(workflow, first, "only", "middle")
        assert await window.stale(workflow, same) == {}, "it gave the same again"
        assert (await window.would(workflow, same, "failed"))["calls"] == []
        (tmp_path / "factor").write_text("3")
        outcome, second, called = await window.run(workflow, same, "only", "middle")
        assert (outcome.results["middle"], called) == ({"result": 63}, {"middle"})
        why = {"end": "middle, which feeds it, has given something else since"}
        assert await window.stale(workflow, second) == why
        told = await window.would(workflow, second, "failed")
        assert (told["calls"], told["stale"]) == (["end"], why)
        outcome, third, called = await window.run(workflow, second, "from", "other")
        assert outcome.results["end"] == {"result": [63]} if "end" in called else "end" not in outcome.results
        outcome, _, _ = await window.run(workflow, third)
        assert outcome.results["end"] == {"result": [63]}

    sit(sitting)


def test_a_pinned_value_does_not_outlive_its_pin(sit: Any) -> None:
    async def sitting(window: Window) -> None:
        workflow = chain(start="return 1")
        window.pin("start", 21)
        outcome, first, called = await window.run(workflow)
        assert (outcome.results["end"], "start" in called) == ({"result": [42]}, False)
        told = await window.would(workflow, first, "failed")
        assert told["calls"] == [], "while it is pinned"
        window.pin("start", 5)
        told = await window.would(workflow, first, "failed")
        assert (told["calls"], "start" in told["known"]) == (["end", "middle"], True), "another pin, other results"
        window.unpin("start")
        outcome, _, called = await window.run(workflow, first)
        assert called == {"start", "middle", "end"}
        assert outcome.results["end"] == {"result": [2]}
        window.pin("middle", 7)
        outcome, second, called = await window.run(workflow, first, "from", "start")
        assert (called, outcome.results["end"]) == ({"start", "end"}, {"result": [7]})
        told = await window.would(workflow, second, "from", "start")
        assert told["asks"] == {}, "what is pinned is not called, so nobody is asked about it"

    sit(sitting)


def test_what_a_run_has_told_is_in_the_journal_before_it_is_asked(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    for number in range(20):
        journal.start_run(f"r{number}", "w", "", float(number))
        assert journal.caught_up(30)
        assert journal.run(f"r{number}").started == number
    journal.close()


def test_nothing_real_goes_on_from_a_run_that_was_none(tmp_path: Path, capsys: Out) -> None:
    builder = WorkflowBuilder("unreal")
    builder.add_node("PythonCodeNode", "fail", code="def fail(): raise ValueError('x')")
    workflow, recording = builder.build(), Recording(1)
    journal = Journal()

    async def work() -> dict[str, str]:
        runtime = AsyncLocalRuntime(journal=journal, folder=tmp_path)
        outcome, run_id = await runtime.run(workflow, answers=recording)
        capsule = Capsule.of(workflow, run_id, 1.8e9, {}, recording, outcome)
        test = (await runtime.run(workflow, scenario=Scenario({"fail": Fault()})))[1]
        preview = (await runtime.run(workflow, safe=True, origin="preview"))[1]
        played = (await runtime.run(workflow, answers=capsule.answers_again()))[1]
        with pytest.raises(EngineError, match="was of a capsule"):
            await Window(journal, runtime, tmp_path).would(workflow, played, "failed")
        for unreal, why in ((test, "was a test, with faults put in"), (preview, "was a safe preview")):
            window = Window(journal, runtime, tmp_path)
            with pytest.raises(JournalError, match=f"{why}: nothing goes on from it"):
                await window.would(workflow, unreal, "failed")
            with pytest.raises(JournalError, match=f"{why}: nothing goes on from it"):
                await window.run(workflow, unreal, "only", "fail")
        return {"test": test, "preview": preview, "capsule": played}

    runs = asyncio.run(work())
    assert {origin: journal.run(run_id).origin for origin, run_id in runs.items()} == {o: o for o in runs}
    journal.close()
    for run_id in runs.values():
        capsys.readouterr()
        assert main(["resume", run_id]) != 0
        assert "nothing goes on from it" in capsys.readouterr().err


def test_a_resumed_run_takes_nothing_over_that_was_made_from_something_else(tmp_path: Path, capsys: Out) -> None:
    builder = WorkflowBuilder("resumed")
    for name in ("start", "factor"):
        code = f"def {name}(): return int(open({str(tmp_path / name)!r}).read())"
        builder.add_node("PythonCodeNode", name, code=code, sandbox="full")
        (tmp_path / name).write_text("2")
    builder.add_node("PythonCodeNode", "times", code="def times(x, y): return x * y")
    builder.add_node("PythonCodeNode", "end", code="def end(x): return [x]")
    builder.add_node("PythonCodeNode", "fail", code="def fail(x): raise ValueError('no')")
    builder.add_connection("start", "result", "times", "x")
    builder.add_connection("factor", "result", "times", "y")
    builder.add_connection("times", "result", "end", "x")
    builder.add_connection("start", "result", "fail", "x")
    workflow, journal = builder.build(), Journal()

    async def work() -> str:
        async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
            window = Window(journal, runtime, tmp_path)
            window.pin("start", 10)
            _, first, _ = await window.run(workflow)
            (tmp_path / "factor").write_text("3")
            outcome, second, called = await window.run(workflow, first, "only", "factor")
            assert (called, outcome.results["end"]) == ({"factor"}, {"result": [20]})
            return second

    run_id = asyncio.run(work())
    assert main(["resume", run_id]) == 1
    said = capsys.readouterr().err
    assert "times is called again: factor, which feeds it, has given something else since." in said
    assert "end is called again: times, which feeds it, has changed." in said
    (resumed,) = [run for run in journal.runs() if run.origin == "resume"]
    found = journal.finished(resumed.run_id)
    assert (found["start"], found["factor"], found["end"]) == ({"result": 2}, {"result": 3}, {"result": [6]})
    journal.close()


def test_tests_and_capsules_that_were_killed_are_not_offered(tmp_path: Path) -> None:
    gone = Journal(tmp_path / "journal.db")
    for number, origin in enumerate(("test", "capsule", "preview", "desktop")):
        gone.start_run(f"2026{number}", "w", chain().to_json(), float(number), origin=origin).wait(30)
    gone.close()
    journal = Journal(tmp_path / "journal.db")

    async def work() -> list[str]:
        async with AsyncLocalRuntime(journal=journal) as runtime:
            requests = RerunRequests(journal, runtime, lambda run_id: None, lambda run_id: Redactor())
            told = await requests.handlers()["interrupted"]({})
            return [run["run_id"] for run in told["runs"]]

    assert asyncio.run(work()) == ["20263"]
    journal.close()


KILLS = """
def write(x):
    import os, signal, sqlite3, time
    if os.path.exists({marks!r}):
        return x
    open({marks!r}, "w").close()
    deadline = time.monotonic() + 60
    journal = sqlite3.connect({journal!r})
    while not journal.execute("SELECT 1 FROM events WHERE kind = 'node_started' AND node = 'write'").fetchone():
        assert time.monotonic() < deadline
    os.kill(int(open({pid!r}).read()), signal.SIGKILL)
"""
RUNS = """
import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
from kailash_studio.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def test_a_resumed_run_says_which_calls_that_count_are_made_once_more(
    tmp_path: Path, user_home: Path, capsys: Out
) -> None:
    builder = WorkflowBuilder("killed")
    builder.add_node("PythonCodeNode", "start", code="def start(): return 1")
    places = {name: str(tmp_path / name) for name in ("marks", "pid")}
    code = KILLS.format(**places, journal=str(user_home / "journal.db"))
    builder.add_node("PythonCodeNode", "write", code=code, sandbox="full")
    builder.add_connection("start", "result", "write", "x")
    builder.build().save(tmp_path / "w.kailash.json")
    words = [sys.executable, "-c", RUNS, places["pid"], "run", str(tmp_path / "w.kailash.json"), "--trust"]
    killed = subprocess.run(words, env=os.environ, capture_output=True, check=False, timeout=120)
    assert killed.returncode < 0, killed.stderr
    capsys.readouterr()
    assert main(["runs", "--state", "interrupted", "--json"]) == 0
    journal = Journal()
    (run,) = journal.runs(state="interrupted")
    journal.close()
    assert run.run_id in capsys.readouterr().out
    assert main(["resume", run.run_id]) == 0
    said = capsys.readouterr().err
    assert "write was being called when the run ended, and is called again: it runs Python code" in said
    assert "start was being called" not in said


def test_what_a_safe_preview_gave_is_not_taken_over_by_what_goes_on_from_the_run_before_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")

    async def work() -> None:
        async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
            _, first = await runtime.run(chain("raise ValueError('no')"))
            before = journal.run(first)
            _, preview = await runtime.run(chain(start="return 3"), safe=True, origin="preview", before=before)
            assert journal.finished(preview)["start"] == {"result": 3}
            assert journal.real_runs_of(before.root) == [first]
            assert journal.finished_in_all(before.root)["start"] == {"result": 21}

    asyncio.run(work())
    journal.close()
