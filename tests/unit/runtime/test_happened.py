"""Configured against happened, for runs under virtual time."""

from __future__ import annotations

import asyncio

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import HttpError, ParameterError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.debugger import Breakpoint, Debugger
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.happened import Comparison, compare


def happened(script: list[Exception | None], **retry: object) -> Comparison:
    calls = iter(script)

    def call() -> int:
        error = next(calls)
        if error is not None:
            raise error
        return 1

    builder = WorkflowBuilder("w")
    builder.add_node("call", PythonCodeNode.from_function(call))
    builder.configure_retry("call", **retry)  # type: ignore[arg-type]
    events: list[Event] = []

    async def work(clock: VirtualClock) -> None:
        await AsyncLocalRuntime(clock=clock, on_events=events.extend).run(builder)

    run_virtually(work)
    (found,) = compare({n: p.resilience for n, p in builder.build().nodes.items()}, events)
    return found


DOWN = ConnectionError("down")


def test_what_went_as_configured_has_no_differences() -> None:
    found = happened([DOWN, DOWN, None], max_retries=3, base_delay=2.0)
    assert found.configured == "3 retries, exponential from 2.00 s"
    assert found.happened == "2 attempts failed, begun at 0 s, 2.00 s; attempt 3 succeeded"
    assert found.differences == ()
    assert happened([DOWN] * 4, max_retries=3, base_delay=1.0).differences == ()
    assert happened([None], max_retries=3).happened == "succeeded at once"


@pytest.mark.parametrize(
    ("script", "difference"),
    [
        ([ParameterError("wrong")], "1 of 4 attempts: trying again cannot help"),
        (
            [HttpError("busy", status=503, retry_after=30.0), None],
            "waited 30.00 s before attempt 2: the other side asked for 30 s",
        ),
    ],
)
def test_what_went_otherwise_says_why(script: list[Exception | None], difference: str) -> None:
    assert happened(script, max_retries=3, base_delay=1.0).differences == (difference,)


def test_jitter_within_its_band_is_as_configured() -> None:
    for _ in range(20):
        found = happened([DOWN, DOWN, None], max_retries=3, base_delay=2.0, jitter="full")
        assert found.differences == ()
        assert "full jitter" in found.configured


def test_an_attempt_that_somebody_held_up_at_a_breakpoint_is_not_late() -> None:
    async def down() -> int:
        await asyncio.sleep(1)
        raise DOWN

    builder = WorkflowBuilder("w")
    builder.add_node("call", PythonCodeNode.from_function(down))
    builder.configure_retry("call", max_retries=2, base_delay=2.0)
    told: list[Event] = []

    async def work(clock: VirtualClock) -> None:
        debugger = Debugger([Breakpoint("call"), Breakpoint("call", "retry")])
        run = asyncio.create_task(AsyncLocalRuntime(clock=clock, on_events=told.extend).run(builder, debugger=debugger))
        while not run.done():
            await asyncio.sleep(0.001)
            for number in list(debugger.stops):
                await asyncio.sleep(100.0)
                debugger.go_on(number)

    run_virtually(work)
    (found,) = compare({n: p.resilience for n, p in builder.build().nodes.items()}, told)
    assert sum(event.kind == "node_stopped" for event in told) == 3
    assert found.happened == "3 attempts failed, begun at 0 s, 3.00 s, 8.00 s"
    assert found.differences == ()
