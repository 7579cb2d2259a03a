"""Why a node did not run: one sentence with the first cause, for real runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import NodeError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.why import Causes


def given(x: Any = None) -> int:
    return 1


def needs(x: Any) -> int:
    return 1


def broken(x: Any = None) -> int:
    raise NodeError("the file is gone")


async def endless(x: Any = None) -> int:
    await asyncio.Event().wait()
    return 1


def causes(builder: WorkflowBuilder, times: int = 1, cancel_after: float = 0.0) -> Causes:
    """The causes of the last of some runs."""
    told: list[Event] = []

    async def work(clock: VirtualClock) -> None:
        async with AsyncLocalRuntime(clock=clock, on_events=told.extend) as runtime:
            for number in range(times):
                told.clear()
                if cancel_after:
                    asyncio.get_running_loop().call_later(cancel_after, runtime.cancel, f"r{number}", "it was stopped")
                await runtime.run(builder, run_id=f"r{number}")

    run_virtually(work)
    return Causes(told, builder.build())


def chain(*functions: Any) -> WorkflowBuilder:
    builder = WorkflowBuilder("w")
    names = "abcdefgh"
    for number, function in enumerate(functions):
        builder.add_node(names[number], PythonCodeNode.from_function(function))
        if number:
            builder.add_connection(names[number - 1], "result", names[number], "x")
    return builder


def test_a_skip_names_the_failure_that_it_goes_back_to() -> None:
    builder = chain(given, broken, given, given)
    builder.configure_retry("b", max_retries=2, base_delay=1.0, retry_on=["Exception"])
    found = causes(builder)
    assert found.not_run() == ["b", "c", "d"]
    assert found.why("b") == "b failed after 3 attempts: the file is gone."
    assert found.why("d") == "d was skipped: b failed after 3 attempts: the file is gone."
    assert found.why("a").startswith("a ran: it succeeded in ")
    assert found.why("z") == "z is not in the workflow of this run."


def test_an_open_breaker_is_the_cause() -> None:
    builder = chain(broken, given)
    builder.configure_circuit_breaker("a", failure_threshold=1, timeout=60.0)
    said = causes(builder, times=2).why("b")
    assert said.startswith("b was skipped: a was not called: ")
    assert "circuit breaker" in said
    assert "open" in said


def test_a_condition_is_the_cause() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("value", PythonCodeNode.from_function(given, name="value"))
    builder.add_node("SwitchNode", "choice", operator=">", value=5)
    builder.add_node("large", PythonCodeNode.from_function(needs, name="large"))
    builder.add_node("after", PythonCodeNode.from_function(needs, name="after"))
    builder.add_connection("value", "result", "choice", "data")
    builder.add_connection("choice", "true_output", "large", "x")
    builder.add_connection("large", "result", "after", "x")
    found = causes(builder)
    assert found.why("large") == "large was skipped: choice did not take the branch true_output."
    said = "after was skipped: large was skipped: choice did not take the branch true_output."
    assert found.why("after") == said


def test_a_cancel_is_the_cause_for_what_ran_and_what_waited() -> None:
    found = causes(chain(endless, given), cancel_after=5.0)
    assert found.why("a") == "a was cancelled: it was stopped."
    assert found.why("b") == "b was cancelled: it was stopped."


def test_a_recovered_node_names_who_stood_in() -> None:
    builder = chain(broken, given)
    builder.add_node("spare", PythonCodeNode.from_function(given, name="spare"))
    builder.add_fallback("a", "spare")
    found = causes(builder)
    assert found.why("a") == "a failed, so spare stood in for it: the file is gone."
    assert found.not_run() == []


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        (1, "c has not begun: it waits for a, b."),
        (2, "c has not begun: it waits for a."),
    ],
)
def test_in_a_run_that_was_killed_a_node_waits_for_what_ran(kept: int, sentence: str) -> None:
    builder = chain(given, given, given)
    told = [
        Event(0, "run_started", "r", "", 0.0, 0.0, -1, {}),
        Event(1, "node_started", "r", "a", 0.0, 0.0, 0, {}),
    ]
    found = Causes(told[:kept], builder.build())
    assert found.why("c") == sentence
    paused = [*told, Event(2, "run_paused", "r", "", 0.0, 0.0, -1, {"reason": "the disk is full"})]
    assert Causes(paused, builder.build()).why("c") == "c has not begun: the run is paused. the disk is full."
    assert "a has begun and not ended" in Causes(told, builder.build()).why("a")
