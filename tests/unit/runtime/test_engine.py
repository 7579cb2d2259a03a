"""Runs under virtual time: what starts, what is skipped and why, failure, cancellation, timeouts, events."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import Node, WorkflowBuilder
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome


def call(function: Callable[..., Any], **values: Any) -> Node:
    return PythonCodeNode.from_function(function, **values)


def run(
    builder: WorkflowBuilder, parameters: dict[str, Any] | None = None, *, seed: int | None = None, **options: Any
) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []

    async def work(clock: VirtualClock) -> Outcome:
        runtime = AsyncLocalRuntime(clock=clock, on_events=events.extend, **options)
        outcome, _ = await runtime.run(builder, parameters)
        return outcome

    return run_virtually(work, seed), events


def kinds(events: list[Event], node: str) -> list[str]:
    return [event.kind for event in events if event.node == node]


async def slow(x: int = 1) -> int:
    await asyncio.sleep(10)
    return x


def broken(x: Any = None) -> int:
    raise ValueError("no luck")


def given(x: Any = None) -> Any:
    return x


def passed(x: Any) -> Any:
    return x


# ------------------------------------------------------------------------------------------------- branches
def switched(value: int) -> WorkflowBuilder:
    builder = WorkflowBuilder()
    builder.add_node("start", call(given))
    builder.add_node("SwitchNode", "switch", field="", operator=">", value=10)
    builder.add_node("high", call(passed))
    builder.add_node("low", call(passed))
    builder.add_node("below_low", call(passed))
    builder.add_node("MergeNode", "merge", mode="first")
    builder.add_connection("start", "result", "switch", "data")
    builder.add_connection("switch", "true_output", "high", "x")
    builder.add_connection("switch", "false_output", "low", "x")
    builder.add_connection("low", "result", "below_low", "x")
    builder.add_connection("high", "result", "merge", "data")
    builder.add_connection("below_low", "result", "merge", "data")
    return builder


def test_a_switch_skips_the_branch_that_it_does_not_take_and_the_merge_goes_on() -> None:
    outcome, events = run(switched(20), {"start": {"x": 20}})
    assert outcome.state == "succeeded"
    assert outcome.results["merge"]["merged"] == 20
    assert outcome.reasons == {
        "low": "switch did not take the branch false_output",
        "below_low": "low was skipped: switch did not take the branch false_output",
    }
    assert kinds(events, "low") == ["node_skipped"]


def test_a_failed_branch_skips_the_merge_and_fails_the_run_while_others_go_on() -> None:
    builder = switched(20)
    builder.add_node("breaks", call(broken))
    builder.add_node("elsewhere", call(given, name="elsewhere"))
    builder.add_connection("start", "result", "breaks", "x")
    builder.add_connection("breaks", "result", "merge", "data")
    outcome, _ = run(builder, {"start": {"x": 20}})
    assert outcome.state == "failed"
    assert set(outcome.failures) == {"breaks"}
    assert outcome.reasons["merge"] == "breaks failed"
    assert outcome.results["elsewhere"] == {"result": None}
    assert outcome.results["high"] == {"result": 20}


def test_a_failing_leaf_fails_the_run() -> None:
    builder = WorkflowBuilder()
    builder.add_node("fine", call(given))
    builder.add_node("leaf", call(broken))
    builder.add_connection("fine", "result", "leaf", "x")
    outcome, events = run(builder)
    assert outcome.state == "failed"
    assert events[-1].details["failed"] == 1
    assert [letter.node for letter in outcome.letters] == ["leaf"]


# ------------------------------------------------------------------------------------------------- time
def test_waiting_nodes_run_side_by_side() -> None:
    builder = WorkflowBuilder()
    for i in range(50):
        builder.add_node(f"n{i}", call(slow, name=f"n{i}"))
    outcome, _ = run(builder)
    assert len(outcome.results) == 50
    assert outcome.seconds == pytest.approx(10, abs=0.01)


def test_no_more_than_max_workers_wait_at_once() -> None:
    builder = WorkflowBuilder()
    for i in range(10):
        builder.add_node(f"n{i}", call(slow, name=f"n{i}"))
    outcome, _ = run(builder, max_workers=3)
    assert outcome.seconds == pytest.approx(40, abs=0.01)


def test_a_timeout_ends_a_waiting_node_and_says_which() -> None:
    builder = WorkflowBuilder()
    builder.add_node("late", call(slow))
    builder.configure_timeout("late", 3.0)
    outcome, events = run(builder)
    assert outcome.seconds == pytest.approx(3, abs=0.01)
    assert str(outcome.failures["late"]).startswith("late took longer than its timeout of 3 s")
    assert isinstance(outcome.failures["late"], TimeoutError)
    assert [e.details["code"] for e in events if e.kind == "node_failed"] == ["KS-1301"]


def test_a_run_has_a_timeout_of_its_own() -> None:
    builder = WorkflowBuilder()
    builder.add_node("late", call(slow))
    builder.add_node("after", call(passed))
    builder.add_connection("late", "result", "after", "x")
    outcome, _ = run(builder, timeout=4.0)
    assert outcome.state == "cancelled"
    assert outcome.seconds == pytest.approx(4, abs=0.01)
    assert outcome.reasons == dict.fromkeys(("late", "after"), "the run took longer than 4 s")


@pytest.mark.parametrize("after", [0.0, 0.5, 10.0, 15.0])
def test_a_cancelled_run_ends_at_once_and_leaves_nothing(after: float) -> None:
    builder = WorkflowBuilder()
    builder.add_node("first", call(slow))
    builder.add_node("second", call(slow, name="second"))
    builder.add_connection("first", "result", "second", "x")

    async def work(clock: VirtualClock) -> tuple[Outcome, float]:
        runtime = AsyncLocalRuntime(clock=clock)
        began = clock.now()
        task = asyncio.ensure_future(runtime.run(builder, run_id="r"))
        await asyncio.sleep(after)
        assert runtime.cancel("r", "enough")
        outcome, _ = await task
        return outcome, clock.now() - began

    outcome, took = run_virtually(work)
    assert outcome.state == "cancelled"
    assert took == pytest.approx(after, abs=0.01)
    assert "second" in outcome.reasons
    assert "second" not in outcome.results


def test_a_caller_that_stops_waiting_stops_the_run() -> None:
    builder = WorkflowBuilder()
    builder.add_node("late", call(slow))

    async def work(clock: VirtualClock) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await AsyncLocalRuntime(clock=clock).run(builder)

    run_virtually(work)


# ------------------------------------------------------------------------------------------------- outputs
@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ({"a": 1, "b": 2}, ""),
        ({"a": 1}, "should return a dict with a, b; it returned keys a"),
        ({"a": 1, "b": 2, "c": 3}, "it returned keys a, b, c"),
        (5, "it returned a int"),
    ],
)
def test_a_dict_with_the_declared_outputs_gives_them(returned: Any, said: str) -> None:
    def two() -> Any:
        return returned

    builder = WorkflowBuilder()
    builder.add_node("two", call(two, output_names=["a", "b"]))
    outcome, _ = run(builder)
    if said:
        assert said in str(outcome.failures["two"])
    else:
        assert outcome.results["two"] == {"a": 1, "b": 2}


def test_a_path_into_a_value_that_has_no_such_step_fails_the_taker_with_its_place() -> None:
    builder = WorkflowBuilder()
    builder.add_node("giver", call(lambda: {"result": {"rows": []}}, name="giver"))
    builder.add_node("taker", call(passed))
    builder.add_connection("giver", "result.absent", "taker", "x")
    outcome, _ = run(builder)
    assert "giver.result" in str(outcome.failures["taker"])
    assert "absent" in str(outcome.failures["taker"])


# ------------------------------------------------------------------------------------------------- events
def test_events_are_numbered_caused_and_timed() -> None:
    builder = switched(1)
    builder.add_node("late", call(slow))
    builder.add_connection("high", "result", "late", "x")
    outcome, events = run(builder, {"start": {"x": 20}})
    assert [event.sequence for event in events] == list(range(len(events)))
    assert events[0].kind == "run_started"
    assert events[-1].kind == "run_finished"
    times = [event.time for event in events]
    assert all(0 <= time <= outcome.seconds + 1e-6 for time in times)
    for event in events[1:]:
        assert 0 <= event.cause < event.sequence
    started = {event.node: event for event in events if event.kind == "node_started"}
    late = started["late"]
    assert events[late.cause].node == "high"
    assert events[late.cause].kind == "node_succeeded"
    assert late.wall - events[0].wall == pytest.approx(late.time)


# ------------------------------------------------------------------------------------------------- against a model
@pytest.mark.parametrize("seed", range(150))
def test_a_random_graph_gives_what_a_plain_interpreter_gives(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(1, 25)
    builder = WorkflowBuilder()
    expected: dict[str, Any] = {}
    skipped: set[str] = set()
    failing: set[str] = set()
    for i in range(count):
        name = f"n{i}"
        sources = [f"n{j}" for j in rng.sample(range(i), min(i, rng.randint(0, 3)))]
        fails, waits = rng.random() < 0.08, rng.random() < 0.4
        delay = rng.choice([0, 0.001, 1, 5])
        arguments = ", ".join(f"a{j}" for j in range(len(sources)))
        total = " + ".join(["1", *(f"a{j}" for j in range(len(sources)))])
        body = "    raise ValueError('model')" if fails else f"    return {total}"
        pause = f"    await asyncio.sleep({delay})\n" if waits else ""
        space: dict[str, Any] = {"asyncio": asyncio}
        exec(f"{'async ' if waits else ''}def f({arguments}):\n{pause}{body}", space)
        builder.add_node(name, call(space["f"], name=name))
        for j, source in enumerate(sources):
            builder.add_connection(source, "result", name, f"a{j}")
        if any(source in failing or source in skipped for source in sources):
            skipped.add(name)
        elif fails:
            failing.add(name)
        else:
            expected[name] = 1 + sum(expected[source] for source in sources)
    outcome, events = run(builder, seed=seed, max_workers=rng.choice([1, 2, 100]))
    assert {node: outputs["result"] for node, outputs in outcome.results.items()} == expected
    assert set(outcome.failures) == failing
    assert set(outcome.reasons) == skipped
    assert outcome.state == ("failed" if failing else "succeeded")
    ended = [event.node for event in events if event.kind in {"node_succeeded", "node_failed", "node_skipped"}]
    assert sorted(ended) == sorted(builder.build().nodes)


def test_a_caller_that_stops_waiting_cancels_what_runs() -> None:
    ended: list[str] = []

    async def endless() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")
        return 1

    async def work() -> None:
        builder = WorkflowBuilder("w")
        builder.add_node("endless", PythonCodeNode.from_function(endless))
        task = asyncio.create_task(AsyncLocalRuntime().run(builder))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)

    asyncio.run(work())
    assert ended == ["endless"]
