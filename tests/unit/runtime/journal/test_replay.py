"""Replays of dead letters: one, with other inputs, in a mended workflow, and very many with kills in between."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import JournalError
from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import NODE_FAILED, Event
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.replay import Replayed, Replays
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.workflow.workflow import Workflow
from tests.fakes.web_server import Request, serving

REPLAYER = Path(__file__).parents[3] / "fakes" / "replayer.py"
TWO_RISKS = {
    "source": "def source(): return 4\n",
    "left": "def left(x): return 10 // (x - 4)\n",
    "right": "def right(x): return 20 // (x - 4)\n",
    "joined": "def joined(a, b): return a + b\n",
}


def workflow(**codes: str) -> Workflow:
    builder = WorkflowBuilder("risks")
    for name, code in (TWO_RISKS | codes).items():
        builder.add_node("PythonCodeNode", name, code=code)
    for side, name in (("left", "a"), ("right", "b")):
        builder.add_connection("source", "result", side, "x")
        builder.add_connection(side, "result", "joined", name)
    return builder.build()


def run(journal: Journal, built: Workflow) -> tuple[Outcome, str]:
    return asyncio.run(AsyncLocalRuntime(journal=journal).run(built))


def replay(journal: Journal, letters: list[DeadLetter], **further: Any) -> tuple[list[Replayed], dict[str, Outcome]]:
    ended: list[Replayed] = []

    async def work() -> dict[str, Any]:
        async with AsyncLocalRuntime(journal=journal) as runtime:
            await Replays(journal, runtime, **further).replay(letters, told=ended.append)
        return {end.letter.node: journal.finished(end.run_id) for end in ended if end.run_id}

    return ended, asyncio.run(work())


def states(journal: Journal) -> dict[str, str]:
    return {letter.node: letter.state for letter in journal.dead_letters(state="")}


def test_a_replay_calls_the_node_of_its_letter_and_what_it_feeds_and_no_other(journal: Journal) -> None:
    _, run_id = run(journal, workflow())
    assert states(journal) == {"left": "new", "right": "new"}
    (left,) = journal.dead_letters(node="left")
    ended, given = replay(journal, [left], edited={"x": 5})
    assert [(end.state, end.reason) for end in ended] == [("resolved", "")]
    assert given["left"]["left"] == {"result": 10}
    last = journal.runs()[0]
    assert (last.resumed_from, last.root, last.origin) == (run_id, run_id, "replay")
    events = journal.events(last.run_id)
    assert [event.details["inputs"] for event in events if event.kind == "inputs_edited"] == [["x"]]
    reasons = {event.node: event.details["reason"] for event in events if event.kind == "node_skipped"}
    assert reasons == {
        "right": "it is not part of what is run again",
        "joined": "right was skipped: " + reasons["right"],
    }
    assert [event.node for event in events if event.kind == NODE_FAILED] == []
    assert states(journal) == {"left": "resolved", "right": "new"}
    # the second replay knows what the first one gave, so the work below both is done now
    (right,) = journal.dead_letters(node="right")
    ended, given = replay(journal, [right], edited={"x": 6})
    assert given["right"]["joined"] == {"result": 20}
    assert states(journal) == {"left": "resolved", "right": "resolved"}


def test_a_replay_in_a_mended_workflow_calls_again_what_has_changed(journal: Journal) -> None:
    run(journal, workflow())
    mended = workflow(left="def left(x): return 10 // (x - 3)\n")
    (left,) = journal.dead_letters(node="left")
    _, given = replay(journal, [left], against=mended)
    assert given["left"]["left"] == {"result": 10}
    other_source = workflow(source="def source(): return 5\n")
    (right,) = journal.dead_letters(node="right")
    said = Replays(journal, AsyncLocalRuntime(journal=journal), against=other_source).forecast(right)
    assert said.endswith("right: right, source would run, then joined; what left gave is taken over.") is False
    assert "right, source would run, then joined" in said, "what stands above it has changed, so it runs again"
    _, given = replay(journal, [right], against=other_source)
    assert given["right"]["right"] == {"result": 20}
    assert states(journal) == {"left": "resolved", "right": "resolved"}


def test_a_replay_calls_again_what_stands_inside_of_a_sub_workflow_that_is_fed_otherwise(journal: Journal) -> None:
    def built(source: str) -> Workflow:
        inside = WorkflowBuilder("inside")
        inside.add_node("PythonCodeNode", "add", code="def add(x): return x + 1")
        inside.add_node("PythonCodeNode", "risky", code="def risky(x): return 10 // (x - 2)")
        inside.add_connection("add", "result", "risky", "x")
        builder = WorkflowBuilder("rewired")
        builder.add_node("PythonCodeNode", "one", code="def one(): return 1")
        builder.add_node("PythonCodeNode", "two", code="def two(): return 2")
        builder.add_sub_workflow("part", inside, inputs={"x": "add.x"}, outputs={"y": "risky.result"})
        builder.add_connection(source, "result", "part", "x")
        return builder.build()

    run(journal, built("one"))
    (letter,) = journal.dead_letters(node="part:risky")
    rewired = built("two")
    said = Replays(journal, AsyncLocalRuntime(journal=journal), against=rewired).forecast(letter)
    assert "part:add, part:inputs, part:risky would run" in said
    _, given = replay(journal, [letter], against=rewired)
    assert given["part:risky"]["part:risky"] == {"result": 10}


def test_a_forecast_changes_nothing(journal: Journal) -> None:
    run(journal, workflow())
    (left,) = journal.dead_letters(node="left")
    before = states(journal), len(journal.runs())
    said = Replays(journal, AsyncLocalRuntime(journal=journal), edited={"x": 1}).forecast(left)
    assert said == (
        f"{left.id[:12]}  left: left would run, then joined; what source gave is taken over; x would be as edited."
    )
    assert (states(journal), len(journal.runs())) == before
    gone = WorkflowBuilder("risks").build()
    with pytest.raises(JournalError, match="has no node left any more: replay it against the workflow that ran"):
        Replays(journal, AsyncLocalRuntime(journal=journal), against=gone).forecast(left)
    ended, _ = replay(journal, [left], against=gone)
    assert ended[0].state == "refused"
    assert states(journal)["left"] == "new", "what could not start waits, and does not count"
    assert journal.dead_letters(node="left")[0].replays == 0


def test_a_letter_whose_replay_fails_counts_and_is_poison_after_three_times(journal: Journal) -> None:
    run(journal, workflow())
    for number in (1, 2, 3):
        (left,) = journal.dead_letters(node="left")
        ended, _ = replay(journal, [left])
        assert ended[0].state == "failed"
        assert "ZeroDivisionError" in ended[0].reason
        (left,) = journal.dead_letters(state="", node="left", ids=[left.id])
        assert left.replays == number
    assert left.state == "poison"
    assert journal.count_dead_letters(state="new") == 1, "the letters of failed replays do not add up"
    ended, _ = replay(journal, [left], edited={"x": 14})
    assert ended[0].state == "resolved", "by hand, also what is poison is taken up again"


def test_a_letter_that_another_process_replays_is_left_to_it(journal: Journal, tmp_path: Path) -> None:
    run(journal, workflow())
    (left,) = journal.dead_letters(node="left")
    other = Journal(tmp_path / "journal.db")
    assert other.claim_dead_letters({left.id: "their-run"}) == [left.id]
    ended, _ = replay(journal, [left])
    assert [(end.state, end.reason) for end in ended] == [("refused", "it is dealt with, or another replay has it")]
    assert journal.release_abandoned() == 0, "the other one is there"
    other.close()
    assert journal.release_abandoned() == 1
    (left,) = journal.dead_letters(node="left")
    assert (left.state, left.replays, left.note) == ("new", 0, "its replay was killed")


def test_a_replay_that_is_cancelled_gives_its_letters_back(journal: Journal) -> None:
    builder = WorkflowBuilder("slow")
    builder.add_node(
        "PythonCodeNode", "slow", code="def slow(x=0):\n    if not x: raise ValueError\n    while True: pass\n"
    )
    builder.add_node("PythonCodeNode", "one", code="def one(): return 0\n")
    builder.add_connection("one", "result", "slow", "x")
    run(journal, builder.build())
    (letter,) = journal.dead_letters()

    async def work() -> None:
        began = asyncio.Event()
        async with AsyncLocalRuntime(journal=journal, on_events=lambda batch: began.set()) as runtime:
            replays = Replays(journal, runtime, edited={"x": 1})
            task = asyncio.create_task(replays.replay([letter], told=lambda end: None))
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(work())
    assert states(journal) == {"slow": "new"}
    assert journal.dead_letters()[0].replays == 0


def given_up(journal: Journal, url: str, count: int) -> None:
    """Runs that have each given up one order, written as a run writes them."""
    builder = WorkflowBuilder("orders")
    builder.add_node(
        "HTTPRequestNode", "order", url=url, method="POST", body="{}", allow_private=True, idempotency_key=True
    )
    document = builder.build().to_json()
    ack = None
    for number in range(count):
        run_id = f"run-{number:05}"
        journal.start_run(run_id, "orders", document, 1000.0 + number)
        failed = Event(0, NODE_FAILED, run_id, "order", 0.0, 1000.0 + number, -1, {"error": "down", "seconds": 0.1})
        letter = DeadLetter.of(
            run_id=run_id, workflow="orders", document_hash="", node="order", node_type="HTTPRequestNode",
            timestamp=1000.0 + number, error="order: down", error_class="HttpError", code="", attempts=(), inputs={},
        )  # fmt: skip
        ack = journal.take(run_id, [failed], lambda node: None, [letter])
    assert ack is not None
    ack.wait(60)


def test_10000_replays_with_crashes_in_the_middle_do_each_work_once_by_key(tmp_path: Path, journal: Journal) -> None:
    """The receiver keeps one order for each key, as a service that knows the header does; it also counts the calls."""
    count, kills = 10_000, 4
    keys: Counter[str] = Counter()
    lock = threading.Lock()

    def order(request: Request) -> Any:
        with lock:
            keys[request.headers["Idempotency-Key"]] += 1
        return 200, {"Content-Type": "application/json"}, b"{}"

    with serving(order) as server:
        given_up(journal, server.url, count)
        for kill in range(kills + 1):
            process = subprocess.Popen([sys.executable, str(REPLAYER), str(journal.path)])
            while process.poll() is None:
                if kill < kills and len(keys) >= (kill + 1) * 400:
                    process.kill()
                    process.wait()
                time.sleep(0.005)
        assert process.returncode == 0
    assert keys.keys() == {f"run-{number:05}/order" for number in range(count)}
    assert journal.count_dead_letters(state="resolved") == count
    twice = sum(calls - 1 for calls in keys.values())
    assert twice <= kills * 8, "only what was under way at a kill was called again, with its key"
