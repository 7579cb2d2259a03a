"""What a run tells: nothing lost, nothing late, in order, whoever listens."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import LocalRuntime, Node, Output, Parameter, RunContext, WorkflowBuilder
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.spec.port import Anything


class TalkingNode(Node):
    """Says some lines at once."""

    lines: int = Parameter(3, doc="How many.")

    result = Output(Anything)

    def run(self, context: RunContext) -> dict[str, Any]:
        for number in range(self.lines):
            context.log(f"line {number}", "warning")
        return {"result": self.lines}


class ThreadTalkingNode(TalkingNode):
    """Says some lines in a thread."""

    execution = "thread"


class SlowTalkingNode(Node):
    """Says a line each hundredth of a second."""

    result = Output(Anything)

    async def run(self, context: RunContext) -> dict[str, Any]:
        for number in range(100):
            await asyncio.sleep(0.01)
            context.log(f"line {number}")
        return {"result": 100}


@pytest.mark.parametrize("kind", [TalkingNode, ThreadTalkingNode])
def test_every_line_of_the_log_comes_before_the_end_of_the_run(kind: type[TalkingNode]) -> None:
    builder = WorkflowBuilder()
    builder.add_node("talks", kind("talks", lines=200))
    events: list[Event] = []
    LocalRuntime(on_events=events.extend).execute(builder)
    said = [event.details for event in events if event.kind == "log_written"]
    assert said == [{"level": "warning", "text": f"line {number}"} for number in range(200)]
    assert events[-1].kind == "run_finished"
    assert [event.sequence for event in events] == list(range(len(events)))


def test_a_listener_hears_of_things_at_most_16_ms_late_and_of_all_of_them() -> None:
    builder = WorkflowBuilder()
    builder.add_node("slow", SlowTalkingNode("slow"))
    heard: list[tuple[float, Event]] = []

    async def work(clock: VirtualClock) -> Outcome:
        began = clock.now()

        def listen(batch: Sequence[Event]) -> None:
            heard.extend((clock.now() - began, event) for event in batch)

        return (await AsyncLocalRuntime(clock=clock, on_events=listen).run(builder))[0]

    run_virtually(work)
    assert [event.sequence for _, event in heard] == list(range(104))
    assert [e.details["text"] for _, e in heard if e.kind == "log_written"] == [f"line {n}" for n in range(100)]
    assert max(when - event.time for when, event in heard) <= 0.0161
    assert len({when for when, _ in heard}) < 90, "they come in batches"


def test_all_listeners_hear_the_same_and_the_log_has_it_too(caplog: pytest.LogCaptureFixture) -> None:
    builder = WorkflowBuilder()
    builder.add_node("talks", TalkingNode("talks"))
    first: list[Event] = []
    second: list[Event] = []

    async def work(clock: VirtualClock) -> str:
        runtime = AsyncLocalRuntime(clock=clock, on_events=first.extend, enable_logging=True)
        return (await runtime.run(builder, sink=second.extend))[1]

    with caplog.at_level(logging.INFO, logger="kailash_studio.run"):
        run_id = run_virtually(work)
    assert first == second
    assert {event.run_id for event in first} == {run_id}
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len(first)
    assert messages[0].startswith(f"{run_id} run_started")


def test_a_run_without_listeners_has_the_same_outcome() -> None:
    builder = WorkflowBuilder()
    builder.add_node("talks", TalkingNode("talks"))

    async def work(clock: VirtualClock) -> Outcome:
        return (await AsyncLocalRuntime(clock=clock).run(builder))[0]

    assert run_virtually(work).results == {"talks": {"result": 3}}


def test_a_listener_may_cancel_the_run_that_it_hears_of() -> None:
    builder = WorkflowBuilder()
    builder.add_node("slow", SlowTalkingNode("slow"))

    async def work(clock: VirtualClock) -> Outcome:
        def listen(batch: Sequence[Event]) -> None:
            if any(event.details.get("text") == "line 20" for event in batch):
                runtime.cancel(batch[0].run_id, "enough was said")

        runtime = AsyncLocalRuntime(clock=clock, on_events=listen)
        return (await runtime.run(builder))[0]

    outcome = run_virtually(work)
    assert outcome.reasons == {"slow": "enough was said"}
    assert outcome.seconds == pytest.approx(0.22, abs=0.02)


class LateTalkerNode(Node):
    """Goes on in its thread when nobody waits any more, and says something then."""

    execution = "thread"
    result = Output(Anything)

    def __init__(self, name: str, go_on: threading.Event, said: threading.Event, trouble: list[Exception]) -> None:
        super().__init__(name)
        self.go_on, self.said, self.trouble = go_on, said, trouble

    def run(self, context: RunContext) -> dict[str, Any]:
        self.go_on.wait(30)
        try:
            context.log("too late")
        except Exception as error:
            self.trouble.append(error)
        self.said.set()
        return {"result": 1}


def test_what_a_given_up_thread_says_later_disturbs_nothing() -> None:
    go_on, said, trouble = threading.Event(), threading.Event(), list[Exception]()
    builder = WorkflowBuilder()
    builder.add_node("late", LateTalkerNode("late", go_on, said, trouble))
    builder.configure_timeout("late", 0.05)
    events: list[Event] = []

    async def work() -> Outcome:
        outcome, _ = await AsyncLocalRuntime(on_events=events.extend).run(builder)
        go_on.set()
        assert await asyncio.to_thread(said.wait, 30)
        await asyncio.sleep(0.03)  # longer than a batch waits
        return outcome

    outcome = asyncio.run(work())
    assert isinstance(outcome.failures["late"], TimeoutError)
    assert trouble == []
    assert events[-1].kind == "run_finished"
    assert "too late" not in [event.details.get("text") for event in events]
