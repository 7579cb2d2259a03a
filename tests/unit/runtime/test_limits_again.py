"""What rate limits, retry budgets and places said to a run comes again as it was said, whoever else had used them."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.capsules import played, record, recorded, sequence
from fakes.web_server import Reply, Request, serving

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DocumentError, NodeTimeoutError, describe
from kailash_studio.resilience.guard import Shared
from kailash_studio.resilience.limits import RateLimit, RetryBudget
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.capsule import Capsule
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.limit_answers import SaidLimits
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.played_clock import PlayedClock
from kailash_studio.spec.policy import Resilience
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow

JSON = {"Content-Type": "application/json"}
SLOW = """
import time

def slow(x):
    began = time.monotonic()
    while time.monotonic() < began + 0.6:
        pass
    return x
"""


def guarded(workflow: Workflow, node: str, **policies: Any) -> Workflow:
    placed = workflow.nodes[node]
    workflow.nodes[node] = dataclasses.replace(placed, resilience={**placed.resilience, **policies})
    return workflow


def asking(url: str, **policies: Any) -> Workflow:
    builder = WorkflowBuilder("asking")
    builder.add_node("HTTPRequestNode", "ask", url=url, allow_private=True)
    return guarded(builder.build(), "ask", **policies)


def attempts(events: list[Event]) -> list[tuple[Any, ...]]:
    return [(e.node, e.details["wait"], e.details["why"]) for e in events if e.kind == "attempt_failed"]


async def after(runs: int, workflow: Workflow, path: Path) -> tuple[Capsule, Outcome, list[Event]]:
    """The capsule of a run that comes after others of the same runtime."""
    async with AsyncLocalRuntime(folder=path) as runtime:
        for _ in range(runs):
            outcome, _ = await runtime.run(workflow)
            assert outcome.state == "succeeded", outcome.failures
        return await record(workflow, path, runtime=runtime)


def refused_by_a_limit(path: Path) -> tuple[Capsule, Outcome, list[Event]]:
    with serving(lambda request: (200, JSON, b"1")) as server:
        limit = {"calls": 1, "period": 3600.0}
        found = asyncio.run(after(1, asking(server.url, rate_limit=limit, total_timeout=30.0), path))
        assert len(server.requests) == 1
        return found


def test_who_was_refused_by_a_rate_limit_that_another_run_had_used_up_is_refused_again(tmp_path: Path) -> None:
    capsule, outcome, events = refused_by_a_limit(tmp_path)
    assert isinstance(outcome.failures["ask"], NodeTimeoutError)
    again, told = played(capsule)
    assert describe(again.failures["ask"]) == describe(outcome.failures["ask"])
    assert sequence(told) == sequence(events)


def test_a_mended_timeout_waits_as_long_as_the_limit_had_said_and_a_mended_limit_is_asked_for_real(
    tmp_path: Path,
) -> None:
    capsule, _, _ = refused_by_a_limit(tmp_path)
    (said,) = next(iter(capsule.limits["ask"].values()))
    for changes, seconds in (({"total_timeout": None}, [said]), ({"rate_limit": {"calls": 2, "period": 3600.0}}, [])):
        mended = guarded(read(capsule.workflow).workflow, "ask", **changes)
        outcome, told = played(capsule, mended)
        assert [e.details["seconds"] for e in told if e.kind == "call_held"] == seconds
        assert "has no answer to this question" in describe(outcome.failures["ask"]), "it was never really called"


def test_a_limit_says_what_it_said_although_what_took_time_takes_none_any_more(tmp_path: Path) -> None:
    with serving(lambda request: (200, JSON, b"1")) as server:
        builder = WorkflowBuilder("slow between")
        builder.add_node("HTTPRequestNode", "first", url=server.url, allow_private=True)
        builder.add_node("PythonCodeNode", "slow", code=SLOW)
        builder.add_node("HTTPRequestNode", "second", allow_private=True)
        builder.add_node("PythonCodeNode", "url", code=f"def url(x): return {server.url!r}")
        builder.add_node("PythonCodeNode", "fail", code="def fail(x): raise ValueError(x)")
        builder.add_connection("first", "data", "slow", "x")
        builder.add_connection("slow", "result", "url", "x")
        builder.add_connection("url", "result", "second", "url")
        builder.add_connection("second", "data", "fail", "x")
        workflow = builder.build()
        limit = {"calls": 1, "period": 1.0, "key": "shared"}
        guarded(workflow, "first", rate_limit=limit)
        guarded(workflow, "second", rate_limit=limit, total_timeout=0.9)
        # when it is played no time passes in slow: asked for real, the limit would have said a whole second
        capsule, outcome, events = recorded(workflow, tmp_path)
    assert outcome.failures.keys() <= {"fail", "second"}
    again, told = played(capsule)
    assert {n: describe(e) for n, e in again.failures.items()} == {n: describe(e) for n, e in outcome.failures.items()}
    assert sequence(told) == sequence(events)


@pytest.mark.parametrize("runs", [0, 5, 9])
def test_a_retry_budget_pays_as_often_as_it_did(tmp_path: Path, runs: int) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        asked.append(request.path)
        return (200 if len(asked) <= runs else 503), JSON, b"1"

    with serving(answer) as server:
        retry = {"max_retries": 5, "base_delay": 0.01, "budget": 0.2}
        capsule, outcome, events = asyncio.run(after(runs, asking(server.url, retry=retry), tmp_path))
    paid = (runs + 1) // 5
    assert attempts(events) == [*[("ask", 0.01 * 2**n, "") for n in range(paid)], ("ask", None, BUDGET)]
    again, told = played(capsule)
    assert attempts(told) == attempts(events)
    assert describe(again.failures["ask"]) == describe(outcome.failures["ask"])
    assert sequence(told) == sequence(events)


BUDGET = "the retry budget is used up"


def test_who_found_no_place_because_another_run_had_it_finds_none_again(tmp_path: Path) -> None:
    go_on = threading.Event()

    def answer(request: Request) -> Reply:
        assert go_on.wait(60)
        return 200, JSON, b"1"

    async def work(url: str, asked: Callable[[], int]) -> tuple[Capsule, Outcome, list[Event]]:
        async with AsyncLocalRuntime(folder=tmp_path) as runtime:
            first = asyncio.create_task(runtime.run(asking(url, max_concurrent=1)))
            try:
                async with asyncio.timeout(60):
                    while not asked():
                        await asyncio.sleep(0.005)
                return await record(asking(url, max_concurrent=1, total_timeout=0.2), tmp_path, runtime=runtime)
            finally:
                go_on.set()
                await first

    with serving(answer) as server:
        capsule, outcome, events = asyncio.run(work(server.url, lambda: len(server.requests)))
        assert len(server.requests) == 1
    assert isinstance(outcome.failures["ask"], NodeTimeoutError)
    again, told = played(capsule)
    assert describe(again.failures["ask"]) == describe(outcome.failures["ask"])
    assert sequence(told) == sequence(events)
    assert told[-1].time >= 0.15, "the time that it waited in vain has passed"


def test_who_waited_for_a_place_waits_again(tmp_path: Path) -> None:
    go_on, asked = threading.Event(), list[str]()

    def answer(request: Request) -> Reply:
        asked.append(request.path)
        assert go_on.wait(60)
        return (200, JSON, b"1") if len(asked) == 1 else (404, JSON, b"1")

    async def work(url: str) -> tuple[Capsule, Outcome, list[Event]]:
        events: list[Event] = []
        async with AsyncLocalRuntime(folder=tmp_path, on_events=events.extend) as runtime:
            first = asyncio.create_task(runtime.run(asking(url, max_concurrent=1)))
            try:
                async with asyncio.timeout(60):
                    while not asked:
                        await asyncio.sleep(0.005)
                    second = asyncio.create_task(record(asking(url, max_concurrent=1), tmp_path, runtime=runtime))
                    while len([event for event in events if event.kind == "node_started"]) < 2:
                        await asyncio.sleep(0.005)
            finally:
                go_on.set()
            await first
            return await second

    with serving(answer) as server:
        capsule, outcome, events = asyncio.run(work(server.url))
    (waited,) = capsule.limits["ask"]["places 1"]
    assert waited > 0
    again, told = played(capsule)
    assert describe(again.failures["ask"]) == describe(outcome.failures["ask"])
    assert sequence(told) == sequence(events)
    assert told[-1].time >= waited


def test_who_asks_more_often_is_answered_by_what_has_counted_all_that_was_said() -> None:
    clock = PlayedClock(0.0)
    policies = Resilience(rate_limit={"calls": 1, "period": 10.0}, retry={"max_retries": 3, "budget": 0.5})
    real = Shared(rate_limit=RateLimit(1, 10.0, clock), budget=RetryBudget(0.5))
    said = {"n": {"rate limit  1/10.0": [4.0], "budget  0.5": [1.0]}}
    again = SaidLimits(said)
    told, other = again.around("n", policies, real, clock), again.around("other", policies, real, clock)
    assert told.rate_limit is not None
    assert told.budget is not None
    told.budget.called()
    assert [told.rate_limit.reserve(math.inf), told.rate_limit.reserve(math.inf)] == [4.0, 14.0]
    assert [told.budget.take(), told.budget.take()] == [True, False]
    assert other == real, "who was told nothing asks for real"
    mended = Resilience(rate_limit={"calls": 2, "period": 10.0})
    assert again.around("n", mended, real, clock).rate_limit is real.rate_limit


@pytest.mark.parametrize("broken", [{"a": 1}, {"a": [1]}, {"a": {"b": 1}}, {"a": {"b": ["c"]}}, {"a": {"b": [[]]}}])
def test_what_no_limit_said_is_one_sentence(tmp_path: Path, broken: dict[str, Any]) -> None:
    builder = WorkflowBuilder("broken")
    builder.add_node("PythonCodeNode", "fail", code="def fail(): raise ValueError('x')")
    capsule, _, _ = recorded(builder, tmp_path)
    assert capsule.limits == {}
    dataclasses.replace(capsule, limits=broken).write(tmp_path / "broken.kailash-capsule")
    with pytest.raises(DocumentError):
        Capsule.read(tmp_path / "broken.kailash-capsule")
