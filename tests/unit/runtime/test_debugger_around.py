"""Debugging around fallbacks, retries, merges and sub-workflows: whatever is decided there, a run ends and says why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakes.virtual_time import run_virtually

from kailash_studio import Node, Output, RunContext, WorkflowBuilder
from kailash_studio.errors import EngineError, NodeError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.clock import Clock
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.debugger import Breakpoint, Debugger, Decision, Stop
from kailash_studio.runtime.engine import Run
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.spec.port import Anything


class Talk:
    """A run and its debugger."""

    def __init__(self, runtime: AsyncLocalRuntime, debugger: Debugger, events: list[Event]) -> None:
        self.runtime, self.debugger, self.events = runtime, debugger, events

    @property
    def run(self) -> Run:
        found = self.runtime.run_of("r")
        assert found is not None
        return found

    async def stop(self) -> Stop:
        """Wait until something stands still."""
        async with asyncio.timeout(60):  # of virtual time
            while not self.debugger.stops:
                await asyncio.sleep(0.01)
        return next(iter(self.debugger.stops.values()))

    async def until(self, kind: str, node: str = "") -> None:
        async with asyncio.timeout(60):
            while not any(event.kind == kind and event.node == node for event in self.events):
                await asyncio.sleep(0.01)


def debugged(
    builder: WorkflowBuilder, script: Callable[[Talk], Awaitable[None]], *points: Breakpoint, **further: Any
) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    outcome: list[Outcome] = []

    async def work(clock: Clock) -> None:
        debugger = Debugger(points)
        async with AsyncLocalRuntime(clock=clock, on_events=events.extend) as runtime:
            run = asyncio.create_task(runtime.run(builder, run_id="r", debugger=debugger, **further))
            await script(Talk(runtime, debugger, events))
            async with asyncio.timeout(3600):
                outcome.append((await run)[0])

    run_virtually(work)
    return outcome[0], events


def call(function: Any, name: str) -> Node:
    return PythonCodeNode.from_function(function, name=name)


def one(x: int = 0) -> int:
    return x + 1


def more(x: int) -> int:
    return x + 1


def five() -> int:
    return 5


async def late_failure() -> int:
    await asyncio.sleep(1)
    raise NodeError("no price")


def covered(spares: int = 1) -> WorkflowBuilder:
    """a fails, after a second; spare_1, spare_2 ... stand in; last takes what it gives."""
    builder = WorkflowBuilder("w")
    builder.add_node("a", call(late_failure, "a"))
    builder.add_node("last", call(one, "last"))
    builder.add_connection("a", "result", "last", "x")
    for number in range(1, spares + 1):
        name = f"spare_{number}"
        builder.add_node(name, call(one if number == spares else late_failure, name))
        builder.add_fallback("a" if number == 1 else f"spare_{number - 1}", name)
    return builder


@pytest.mark.parametrize("spares", [1, 2])
def test_a_fallback_that_is_skipped_ends_what_it_was_to_stand_in_for(spares: int) -> None:
    async def script(talk: Talk) -> None:
        stop = await talk.stop()
        assert stop.node == f"spare_{spares}"
        talk.debugger.go_on(stop.number, Decision("skip"))

    outcome, events = debugged(covered(spares), script, Breakpoint(f"spare_{spares}"))
    assert outcome.state == "failed"
    assert str(outcome.failures["a"]) == "no price"
    assert outcome.reasons[f"spare_{spares}"] == "it was skipped by hand"
    assert "a failed" in outcome.reasons["last"]
    told = [event.details["error"] for event in events if event.kind == "node_failed" and event.node == "a"]
    why = "was skipped: it was skipped by hand" if spares == 1 else "failed as well"
    assert told == [f"no price; its fallback spare_1 {why}."]


class AskingNode(Node):
    """Reads something that is not there."""

    effect = "reads"
    result = Output(Anything)

    def run(self, context: RunContext) -> dict[str, Any]:
        """It never is."""
        raise NodeError("no price")


def test_a_safe_preview_ends_when_a_fallback_is_not_called() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("a", AskingNode("a"))
    builder.add_node("HTTPRequestNode", "post", url="http://127.0.0.1:9/x", method="POST")
    builder.add_node("last", call(one, "last"))
    builder.add_fallback("a", "post")
    builder.add_connection("a", "result", "last", "x")

    async def script(talk: Talk) -> None:
        await asyncio.sleep(0)

    outcome, _ = debugged(builder, script, safe=True)
    assert outcome.state == "failed"
    assert str(outcome.failures["a"]) == "no price"
    assert outcome.reasons["post"].startswith("a safe preview does not call it")


def test_a_paused_run_starts_no_fallback() -> None:
    async def script(talk: Talk) -> None:
        await talk.until("node_started", "a")
        talk.run.pause("by hand")
        await asyncio.sleep(30)
        assert not [event.kind for event in talk.events if event.node == "spare_1"]
        assert talk.run.step_on() == "spare_1"
        await asyncio.sleep(30)
        assert [event.kind for event in talk.events if event.node == "a"][-1] == "node_recovered"
        assert not [event.kind for event in talk.events if event.node == "last"]
        talk.run.go_on()

    outcome, events = debugged(covered(), script)
    assert outcome.recovered == {"a": "spare_1"}
    assert outcome.results["last"] == {"result": 2}

    async def goes_on(talk: Talk) -> None:
        await talk.until("node_started", "a")
        talk.run.pause("by hand")
        await asyncio.sleep(30)
        talk.run.go_on()

    outcome, _ = debugged(covered(2), goes_on)
    assert outcome.recovered == {"a": "spare_1", "spare_1": "spare_2"}

    async def cancels(talk: Talk) -> None:
        await talk.until("node_started", "a")
        talk.run.pause("by hand")
        await asyncio.sleep(30)
        talk.run.cancel("by hand")

    outcome, events = debugged(covered(2), cancels)
    assert outcome.state == "cancelled"
    assert {event.node for event in events if event.kind == "node_cancelled"} == {"a", "spare_1", "spare_2", "last"}


# ------------------------------------------------------------------------------------------------- retries
def retrying(**policies: Any) -> WorkflowBuilder:
    calls = 0

    async def second_time() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(5)
            raise ConnectionError("not yet")
        return 7

    builder = WorkflowBuilder("w")
    builder.add_node("a", call(second_time, "a"))
    builder.configure_retry("a", max_retries=1, base_delay=1.0, jitter="none")
    if policies:
        builder.configure_timeout("a", **policies)
    return builder


def test_a_breakpoint_on_a_retry_can_be_set_while_the_run_goes_on() -> None:
    async def script(talk: Talk) -> None:
        await talk.until("node_started", "a")
        talk.debugger.set_breakpoints([Breakpoint("a", "retry")])
        stop = await talk.stop()
        assert (stop.node, stop.when, stop.error) == ("a", "retry", "ConnectionError: not yet")
        talk.debugger.go_on(stop.number)

    assert debugged(retrying(), script)[0].results == {"a": {"result": 7}}


def test_a_run_that_stood_at_a_retry_stands_there_again() -> None:
    async def script(talk: Talk) -> None:
        talk.debugger.stand_again({"a": "retry"})
        stop = await talk.stop()
        assert (stop.when, stop.reason) == ("retry", "the run stood still here when it was interrupted")
        talk.debugger.go_on(stop.number)

    assert debugged(retrying(), script)[0].results == {"a": {"result": 7}}


def test_standing_still_at_a_retry_uses_up_no_total_timeout() -> None:
    async def script(talk: Talk) -> None:
        stop = await talk.stop()
        await asyncio.sleep(600)
        talk.debugger.go_on(stop.number)

    outcome, _ = debugged(retrying(total=20.0), script, Breakpoint("a", "retry"))
    assert outcome.results == {"a": {"result": 7}}


# ------------------------------------------------------------------------------------------------- connections
def test_a_breakpoint_on_a_connection_to_a_merge_asks_what_that_connection_brought() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("start", call(five, "start"))
    builder.add_node("SwitchNode", "large", operator=">", value=4)
    for name in ("yes", "no"):
        builder.add_node(name, call(more, name))
    builder.add_node("MergeNode", "merge", mode="first")
    builder.add_connection("start", "result", "large", "data")
    builder.add_connection("large", "true_output", "yes", "x")
    builder.add_connection("large", "false_output", "no", "x")
    for name in ("yes", "no"):
        builder.add_connection(name, "result", "merge", "data")

    async def nothing(talk: Talk) -> None:
        await asyncio.sleep(0)

    debugged(builder, nothing, Breakpoint("merge", connection="no.result>merge.data"))

    async def stops(talk: Talk) -> None:
        talk.debugger.go_on((await talk.stop()).number)

    debugged(builder, stops, Breakpoint("merge", connection="yes.result>merge.data"))


# ------------------------------------------------------------------------------------------------- sub-workflows
def enclosed(inner: Any = one, spare: bool = False) -> WorkflowBuilder:
    """start > part (f) > end."""
    inside = WorkflowBuilder("inside")
    inside.add_node("f", call(inner, "f"))
    if spare:
        inside.add_node("spare", call(one, "spare"))
        inside.add_fallback("f", "spare")
    builder = WorkflowBuilder("w")
    builder.add_node("start", call(one, "start"))
    builder.add_sub_workflow("part", inside, inputs={"x": "f.x"}, outputs={"y": "f.result"})
    builder.add_node("end", call(one, "end"))
    builder.add_connection("start", "result", "part", "x")
    builder.add_connection("part", "y", "end", "x")
    return builder


def wrong(x: int) -> int:
    raise NodeError(f"{x} is wrong")


def test_a_breakpoint_on_the_error_of_a_sub_workflow_stops_where_something_inside_has_failed_for_good() -> None:
    async def script(talk: Talk) -> None:
        stop = await talk.stop()
        assert (stop.node, stop.when, stop.error) == ("part:f", "error", "1 is wrong")
        talk.debugger.go_on(stop.number, Decision("give", outputs={"result": 9}))

    assert debugged(enclosed(wrong), script, Breakpoint("part", "error"))[0].results["end"] == {"result": 10}

    async def nothing(talk: Talk) -> None:
        await asyncio.sleep(0)

    outcome, _ = debugged(enclosed(wrong, spare=True), nothing, Breakpoint("part", "error"))
    assert outcome.results["end"] == {"result": 3}


def test_a_breakpoint_on_a_connection_to_a_sub_workflow_stops_where_it_begins() -> None:
    async def script(talk: Talk) -> None:
        stop = await talk.stop()
        assert stop.node == "part:inputs"
        talk.debugger.go_on(stop.number)

    debugged(enclosed(), script, Breakpoint("part", connection="start.result>part.x"))


def test_a_fallback_inside_stops_at_the_breakpoint_of_its_sub_workflow() -> None:
    async def script(talk: Talk) -> None:
        stop = await talk.stop()
        assert stop.node == "part:spare"
        talk.debugger.go_on(stop.number)

    debugged(enclosed(wrong, spare=True), script, Breakpoint("part", "fallback"))


def test_what_a_sub_workflow_gives_can_be_given_where_it_begins() -> None:
    async def script(talk: Talk) -> None:
        stop = await talk.stop()
        assert (stop.node, stop.when) == ("part:inputs", "before")
        assert talk.debugger.gives(stop.number) == [(["y"], []), (["x"], ["x"])]
        with pytest.raises(EngineError, match="part:inputs gives no z: its outputs are x, and those of part y"):
            talk.debugger.go_on(stop.number, Decision("give", outputs={"z": 1}))
        with pytest.raises(EngineError, match="part:inputs has to give x as well"):
            talk.debugger.go_on(stop.number, Decision("give"))
        talk.debugger.step(stop.number, Decision("give", outputs={"y": 41}))
        stop = await talk.stop()
        assert (stop.node, stop.inputs) == ("end", {"x": 41})
        talk.debugger.go_on(stop.number)

    outcome, events = debugged(enclosed(wrong), script, Breakpoint("part"))
    assert outcome.state == "succeeded"
    assert outcome.results["part"] == {"y": 41}
    assert outcome.results["end"] == {"result": 42}
    assert {n: r for n, r in outcome.reasons.items() if n.startswith("part:")} == dict.fromkeys(
        ("part:inputs", "part:f", "part:outputs"), "what part gives was given by hand"
    )
    assert [e.node for e in events if e.kind == "outputs_edited"] == ["part"]
