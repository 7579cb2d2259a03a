"""Conditions that look at the clock, or draw, decide the same in a capsule; and deciding takes none of its time."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

from fakes.capsules import played, recorded, sequence
from fakes.web_server import Reply, Request, serving

from kailash_studio import WorkflowBuilder
from kailash_studio.runtime.capsule import Capsule
from kailash_studio.runtime.debugger import Breakpoint, Debugger
from kailash_studio.runtime.events import Event
from kailash_studio.workflow.workflow import Workflow

# an expression has no names for the clock and for random numbers; this is how it gets at them
NOW = "eval(\"exec('import time') or time.time()\")"
DRAWN = "eval(\"exec('import random') or random.random()\")"
LONG_AGO = 1_000_000.0


def failing() -> Workflow:
    builder = WorkflowBuilder("failing")
    builder.add_node("PythonCodeNode", "fail", code="def fail(): raise ValueError('x')")
    return builder.build()


def written(events: list[Event]) -> list[str]:
    return [str(event.details["text"]) for event in events if event.kind == "log_written"]


def test_a_condition_sees_the_time_of_the_recorded_run(tmp_path: Path) -> None:
    capsule, _, _ = recorded(failing(), tmp_path)
    capsule = dataclasses.replace(capsule, started=LONG_AGO)
    then, now = f"abs({NOW} - {LONG_AGO}) < 60", f"{NOW} > {LONG_AGO} + 60"
    points = [Breakpoint("fail", condition=then, log="'then'"), Breakpoint("fail", condition=now, log="'now'")]
    assert written(played(capsule, debugger=Debugger(points))[1]) == ["then"]


def test_an_expression_by_hand_sees_it_too(tmp_path: Path) -> None:
    capsule, _, _ = recorded(failing(), tmp_path)
    capsule = dataclasses.replace(capsule, started=LONG_AGO)

    async def work() -> list[Any]:
        debugger = Debugger([Breakpoint("fail")])
        run = asyncio.create_task(capsule.play(debugger=debugger))
        async with asyncio.timeout(60):
            while not debugger.stops and not run.done():
                await asyncio.sleep(0.005)
        (number,) = debugger.stops
        seen = [await debugger.evaluate(number, expression) for expression in (NOW, DRAWN)]
        debugger.go_on(number)
        await run
        return seen

    first, second = asyncio.run(work()), asyncio.run(work())
    assert first == second
    assert first[0] == LONG_AGO


def test_what_breakpoints_wrote_while_it_was_recorded_they_write_again(tmp_path: Path) -> None:
    points = [
        Breakpoint("fail", "before", log=f"[{NOW}, {DRAWN}]"),
        Breakpoint("fail", "error", condition=f"{NOW} > 0", log=f"[{NOW}, {DRAWN}]"),
        Breakpoint("fail", "error", log=f"[{NOW}, {DRAWN}]"),
    ]
    capsule, _, events = recorded(failing(), tmp_path, debugger=Debugger(points))
    assert len(set(written(events))) == 3
    assert written(played(capsule, debugger=Debugger(points))[1]) == written(events)
    first, second = (written(played(capsule, debugger=Debugger(points[1:]))[1]) for _ in range(2))
    assert first == second == written(events)[1:], "each draws by itself"


def beside(path: Path) -> Capsule:
    """A request that is tried again, beside nodes that take no time."""
    replies = iter([503, 503, 503, 200])

    def answer(request: Request) -> Reply:
        return next(replies), {"Content-Type": "application/json"}, b"1"

    with serving(answer) as server:
        builder = WorkflowBuilder("beside")
        builder.add_node("HTTPRequestNode", "ask", url=server.url, allow_private=True)
        builder.configure_retry("ask", max_retries=3, base_delay=0.002)
        for name in "abc":
            builder.add_node("PythonCodeNode", name, code="def f(): return 1")
            builder.add_node("PythonCodeNode", f"{name}_after", code="def f(x): return x + 1")
            builder.add_connection(name, "result", f"{name}_after", "x")
        builder.add_node("PythonCodeNode", "fail", code="def fail(x): raise ValueError(x)")
        builder.add_connection("ask", "data", "fail", "x")
        return recorded(builder, path)[0]


def test_conditions_take_no_time_and_come_in_one_order(tmp_path: Path) -> None:
    capsule = beside(tmp_path)
    rounds = {"a": 90_000, "b": 300, "c": 30_000}
    slow = {name: f"sum([i for i in range({count})]) < 0" for name, count in rounds.items()}
    points = [Breakpoint(name, when, condition=slow[name]) for name in "abc" for when in ("before", "after")]
    points += [Breakpoint("ask", "retry", condition=slow["c"])]
    told = [played(capsule, debugger=Debugger(points))[1] for _ in range(6)]
    assert len({tuple((e.kind, e.node, e.time) for e in events) for events in told}) == 1
    ends = {e.node: e.time for e in told[0] if e.kind == "node_succeeded" and e.node != "ask"}
    assert ends == dict.fromkeys(["a", "b", "c", "a_after", "b_after", "c_after"], 0.0)


def test_a_condition_of_retries_that_looks_at_the_clock_and_draws_decides_the_same(tmp_path: Path) -> None:
    with serving(lambda request: (503, {}, b"")) as server:
        builder = WorkflowBuilder("at random")
        for name in "abcd":
            builder.add_node("HTTPRequestNode", name, url=f"{server.url}/{name}", allow_private=True)
            condition = f"({DRAWN} + {NOW} * 1000) % 1 < 0.8"
            builder.configure_retry(name, max_retries=20, base_delay=0.001, strategy="immediate", retry_if=condition)
        capsule, outcome, events = recorded(builder, tmp_path)
    told = [played(capsule) for _ in range(4)]
    assert len({tuple((e.kind, e.node, e.time) for e in each) for _, each in told}) == 1
    assert told[0][0].state == outcome.state == "failed"
    for name in "abcd":
        assert [step for step in sequence(told[0][1]) if step[1] == name] == [
            step for step in sequence(events) if step[1] == name
        ]
