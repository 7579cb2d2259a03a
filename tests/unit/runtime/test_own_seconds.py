"""The seconds that a node took are those of its calls, attempts and waits; standing still at a breakpoint is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes.virtual_time import run_virtually

from kailash_studio import WorkflowBuilder
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.clock import Clock
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.debugger import Breakpoint, Debugger, Decision
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.run_history import ends

STANDS = 100.0  # seconds that somebody looks at each stop
near = pytest.approx


def stood_at(builder: WorkflowBuilder, *points: Breakpoint, again: bool = False) -> tuple[list[Event], int]:
    """The events of a run in which somebody looked at each stop for long, and how many stops there were."""
    events: list[Event] = []
    stops = 0

    async def work(clock: Clock) -> None:
        nonlocal stops
        debugger = Debugger(points)
        async with AsyncLocalRuntime(clock=clock, on_events=events.extend) as runtime:
            run = asyncio.create_task(runtime.run(builder, debugger=debugger))
            while not run.done():
                await asyncio.sleep(0.001)
                for number, stop in list(debugger.stops.items()):
                    await asyncio.sleep(STANDS)
                    stops += 1
                    repeats = again and stop.when == "after" and stops == 1
                    debugger.go_on(number, Decision("again") if repeats else None)
            await run

    run_virtually(work)
    return events, stops


def seconds(events: list[Event]) -> dict[str, float]:
    return {node: end.seconds for node, end in ends(events).items()}


def call(function: Any, name: str) -> PythonCodeNode:
    return PythonCodeNode.from_function(function, name=name)


async def slow(x: int = 0) -> int:
    await asyncio.sleep(2)
    return x + 1


async def wrong(x: int = 0) -> int:
    await asyncio.sleep(3)
    raise ConnectionError("no")


def test_a_call_takes_what_it_takes_however_long_it_stands_still() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("a", call(slow, "a"))
    events, stops = stood_at(builder, Breakpoint("a"), Breakpoint("a", "after"))
    assert (stops, seconds(events)) == (2, {"a": near(2.0)})
    events, stops = stood_at(builder, Breakpoint("a", "after"), again=True)
    assert (stops, seconds(events)) == (2, {"a": near(4.0)}), "both calls"
    builder = WorkflowBuilder("w")
    builder.add_node("a", call(wrong, "a"))
    events, stops = stood_at(builder, Breakpoint("a", "error"))
    assert (stops, seconds(events)) == (1, {"a": near(3.0)})


def test_attempts_and_the_waits_between_them_count_and_the_stops_before_them_do_not() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("a", call(wrong, "a"))
    builder.configure_retry("a", max_retries=2, strategy="linear", base_delay=5.0, jitter="none")
    events, stops = stood_at(builder, Breakpoint("a", "retry"), Breakpoint("a", "error"))
    assert (stops, seconds(events)) == (3, {"a": near(3 * 3.0 + 5.0 + 10.0)})


def test_a_node_that_is_recovered_has_the_time_of_its_fallback_without_the_stop_before_it() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("a", call(wrong, "a"))
    builder.add_node("spare", call(slow, "spare"))
    builder.add_fallback("a", "spare")
    events, stops = stood_at(builder, Breakpoint("a", "fallback"), Breakpoint("spare", "after"))
    assert stops == 2
    assert seconds(events) == {"a": near(5.0), "spare": near(2.0)}
    builder = WorkflowBuilder("w")
    builder.add_node("a", call(wrong, "a"))
    builder.add_node("spare", call(wrong, "spare"))
    builder.add_fallback("a", "spare")
    events, stops = stood_at(builder, Breakpoint("a", "fallback"), Breakpoint("spare", "error"))
    assert (stops, seconds(events)) == (2, {"a": near(6.0), "spare": near(3.0)})


def test_a_sub_workflow_does_not_count_the_stops_inside_of_it() -> None:
    inside = WorkflowBuilder("inside")
    for name in ("f", "g", "h"):
        inside.add_node(name, call(slow, name))
    inside.add_connection("f", "result", "g", "x")
    inside.add_connection("f", "result", "h", "x")
    builder = WorkflowBuilder("w")
    builder.add_node("start", call(slow, "start"))
    builder.add_sub_workflow("part", inside, inputs={"x": "f.x"}, outputs={"y": "g.result", "z": "h.result"})
    builder.add_connection("start", "result", "part", "x")
    points = [Breakpoint(f"part:{name}") for name in "fgh"]
    events, stops = stood_at(builder, Breakpoint("part"), Breakpoint("part", "after"), *points)
    assert stops == 5
    taken = seconds(events)
    assert (taken["start"], taken["part:f"], taken["part:g"], taken["part:h"]) == (near(2.0),) * 4
    assert 2.0 <= taken["part"] <= 6.0, "g stood still while h was called, or the other way round"


def test_the_time_in_which_the_whole_run_went_on_stays_that_of_the_clock() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("a", call(slow, "a"))
    events, _ = stood_at(builder, Breakpoint("a", "after"))
    assert events[-1].details["seconds"] >= STANDS
