"""Stopping, looking, changing and going on, in real runs under virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakes.virtual_time import run_virtually

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import EngineError, NodeError, PythonCodeError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.clock import Clock, SystemClock
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.debugger import Breakpoint, Debugger, Decision, Stop
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.run_history import ends
from kailash_studio.runtime.wording import around


class Session:
    """A run that is being debugged."""

    def __init__(self, runtime: AsyncLocalRuntime, debugger: Debugger, events: list[Event]) -> None:
        self.runtime, self.debugger, self.events = runtime, debugger, events

    async def stop(self, node: str = "") -> Stop:
        """Wait until a node stands still."""
        for _ in range(1000):
            found = [stop for stop in self.debugger.stops.values() if node in {"", stop.node}]
            if found:
                return found[0]
            await asyncio.sleep(0.01)
        raise AssertionError(f"{node or 'nothing'} did not stop")

    def kinds(self, node: str) -> list[str]:
        return [event.kind for event in self.events if event.node == node]


Script = Callable[[Session], Awaitable[None]]


def debugged(
    builder: WorkflowBuilder, script: Script, *points: Breakpoint, sandbox: bool = False
) -> tuple[Outcome, list[Event]]:
    """Run with a script; the sandbox is a process, which a virtual clock does not wait for."""
    events: list[Event] = []
    outcome: list[Outcome] = []

    async def work(clock: Clock) -> None:
        debugger = Debugger(points)
        async with AsyncLocalRuntime(clock=clock, on_events=events.extend) as runtime:
            run = asyncio.create_task(runtime.run(builder, run_id="r", debugger=debugger))
            await script(Session(runtime, debugger, events))
            outcome.append((await run)[0])

    if sandbox:
        asyncio.run(work(SystemClock()))
    else:
        run_virtually(work)
    return outcome[0], events


def chain(*functions: Any) -> WorkflowBuilder:
    builder = WorkflowBuilder("w")
    names = "abcdefgh"
    for number, function in enumerate(functions):
        builder.add_node(names[number], PythonCodeNode.from_function(function, name=names[number]))
        if number:
            builder.add_connection(names[number - 1], "result", names[number], "x")
    return builder


def one(x: int = 0) -> int:
    return x + 1


async def slow(x: int = 0) -> int:
    await asyncio.sleep(1)
    return x + 1


def picky(x: int) -> int:
    if x < 10:
        raise NodeError(f"{x} is too small")
    return x


def test_a_run_stops_before_and_after_shows_what_is_there_and_takes_what_is_given() -> None:
    async def script(session: Session) -> None:
        stop = await session.stop()
        assert (stop.node, stop.when, stop.reason, dict(stop.inputs)) == ("b", "before", "breakpoint", {"x": 1})
        assert "node_started" not in session.kinds("b")
        session.debugger.go_on(stop.number, Decision(inputs={"x": 41}))
        stop = await session.stop()
        assert (stop.when, stop.outputs) == ("after", {"result": 42})
        with pytest.raises(EngineError, match="b has to give result as well: its outputs are result"):
            session.debugger.go_on(stop.number, Decision("give", outputs={}))
        with pytest.raises(EngineError, match="b gives no other"):
            session.debugger.go_on(stop.number, Decision("give", outputs={"result": 1, "other": 2}))
        session.debugger.go_on(stop.number, Decision("give", outputs={"result": 7}))
        with pytest.raises(EngineError, match="does not stand still"):
            session.debugger.go_on(stop.number)

    outcome, events = debugged(chain(one, one, one), script, Breakpoint("b"), Breakpoint("b", "after"))
    assert outcome.state == "succeeded"
    assert outcome.results["c"] == {"result": 8}
    marked = {event.kind: event.details for event in events if event.kind.endswith("_edited")}
    assert marked == {"inputs_edited": {"inputs": ("x",)}, "outputs_edited": {"outputs": ("result",)}}


def test_only_the_branch_that_hit_stops() -> None:
    builder = WorkflowBuilder("w")
    for name, function in (("a", one), ("b", one), ("other", slow), ("last", slow)):
        builder.add_node(name, PythonCodeNode.from_function(function, name=name))
    builder.add_connection("a", "result", "b", "x")
    builder.add_connection("other", "result", "last", "x")

    async def script(session: Session) -> None:
        stop = await session.stop("b")
        await asyncio.sleep(5)
        assert session.kinds("last")[-1] == "node_succeeded"
        session.debugger.go_on(stop.number, Decision("skip"))

    outcome, _ = debugged(builder, script, Breakpoint("b"))
    assert outcome.reasons["b"] == "it was skipped by hand"
    assert outcome.state == "succeeded"


def test_a_failure_is_mended_and_called_again() -> None:
    async def script(session: Session) -> None:
        stop = await session.stop()
        assert (stop.when, stop.error) == ("error", "1 is too small")
        session.debugger.go_on(stop.number, Decision("again", inputs={"x": 5}))
        stop = await session.stop()
        assert stop.error == "5 is too small"
        session.debugger.go_on(stop.number, Decision("again", inputs={"x": 50}))

    outcome, _ = debugged(chain(one, picky, one), script, Breakpoint("b", "error"))
    assert outcome.results["c"] == {"result": 51}


def test_a_failure_that_goes_on_fails_with_what_it_was_given_by_hand() -> None:
    async def script(session: Session) -> None:
        stop = await session.stop()
        session.debugger.go_on(stop.number, Decision(inputs={"x": 3}))
        session.debugger.go_on((await session.stop()).number)

    outcome, _ = debugged(chain(one, picky), script, Breakpoint("b"), Breakpoint("b", "error"))
    assert str(outcome.failures["b"]) == "3 is too small"
    assert outcome.letters[0].inputs == {"x": 3}


def test_a_node_is_called_again_with_other_parameters() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("PythonCodeNode", "code", code="def code(): return 1\n")

    async def script(session: Session) -> None:
        stop = await session.stop()
        assert stop.outputs == {"result": 1}
        again = Decision("again", parameters={"code": "def code(): return 2\n"})
        session.debugger.go_on(stop.number, again)
        stop = await session.stop()
        session.debugger.go_on(stop.number, Decision("again", parameters={"memory_limit": 512}))
        stop = await session.stop()
        assert stop.outputs == {"result": 2}, "what was given before stays"
        session.debugger.go_on(stop.number)

    outcome, events = debugged(builder, script, Breakpoint("code", "after"), sandbox=True)
    assert outcome.results["code"] == {"result": 2}
    code = {"code": "def code(): return 2\n"}
    assert [e.details for e in events if e.kind == "parameters_edited"] == [
        {"parameters": ("code",), "made_with": code},
        {"parameters": ("memory_limit",), "made_with": {**code, "memory_limit": 512}},
    ]
    assert [text for _, text in (around(e) or ("", "") for e in events) if text.startswith("Given")] == [
        "Given by hand, parameters: code.",
        "Given by hand, parameters: memory_limit.",
    ]
    assert ends(events)["code"].edited == ["parameters: code", "parameters: memory_limit"]


def test_stepping_stops_at_the_end_of_a_node_and_before_the_next() -> None:
    seen: list[tuple[str, str, str]] = []

    async def script(session: Session) -> None:
        for _ in range(6):
            stop = await session.stop()
            seen.append((stop.node, stop.when, stop.reason))
            session.debugger.step(stop.number)

    debugged(chain(one, one, slow), script, Breakpoint("a"))
    assert seen == [
        ("a", "before", "breakpoint"),
        ("a", "after", "step"),
        ("b", "before", "step"),
        ("b", "after", "step"),
        ("c", "before", "step"),
        ("c", "after", "step"),
    ]


def test_run_to_here() -> None:
    async def script(session: Session) -> None:
        await session.stop("a")
        session.debugger.run_to("c")
        stop = await session.stop()
        assert (stop.node, stop.reason) == ("c", "run to here")
        with pytest.raises(EngineError, match="no node z"):
            session.debugger.run_to("z")
        session.debugger.go_on_all()

    debugged(chain(one, one, one), script, Breakpoint("a"))


def test_retries_and_fallbacks_stop() -> None:
    builder = chain(one, picky)
    builder.add_node("spare", PythonCodeNode.from_function(one, name="spare"))
    builder.configure_retry("b", max_retries=2, base_delay=1.0)
    builder.add_fallback("b", "spare")

    async def script(session: Session) -> None:
        for _ in range(2):
            stop = await session.stop()
            assert (stop.node, stop.when, stop.error) == ("b", "retry", "1 is too small")
            with pytest.raises(EngineError, match="about to try again"):
                session.debugger.go_on(stop.number, Decision("skip"))
            session.debugger.go_on(stop.number)
            await asyncio.sleep(0)
        stop = await session.stop()
        assert (stop.node, stop.inputs) == ("spare", {"x": 1})
        session.debugger.go_on(stop.number)

    outcome, _ = debugged(builder, script, Breakpoint("b", "retry"), Breakpoint("b", "fallback"))
    assert outcome.recovered == {"b": "spare"}


def test_conditions_hits_connections_and_log_points() -> None:
    points = (
        Breakpoint("a", condition="False"),
        Breakpoint("b", condition="inputs['x'] == 1"),
        Breakpoint("c", hits=2),
        Breakpoint("c", connection="b.result>c.x"),
        Breakpoint("d", log="'x is ' + str(inputs['x'])"),
        Breakpoint("e", condition="inputs['y']"),
        Breakpoint("f", enabled=False),
    )
    seen: list[tuple[str, str]] = []

    async def script(session: Session) -> None:
        for _ in range(3):
            stop = await session.stop()
            seen.append((stop.node, stop.reason))
            assert await session.debugger.evaluate(stop.number, "inputs['x'] * 100") == 100 * stop.inputs["x"]
            session.debugger.go_on(stop.number)
            await asyncio.sleep(0)

    _, events = debugged(chain(one, one, one, one, one, one), script, *points, sandbox=True)
    assert [node for node, _ in seen] == ["b", "c", "e"]
    assert "the condition cannot be evaluated" in seen[2][1]
    assert "KeyError" in seen[2][1]
    lines = [(event.node, event.details["text"]) for event in events if event.kind == "log_written"]
    assert lines == [("d", "x is 3")]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("inputs.rows[", "the expression cannot be read at character 12 ([): '[' was never closed"),
        ("1 +", "the expression cannot be read at character 4 (its end): invalid syntax"),
        ("(1\n+ )", "the expression cannot be read at character 3 of line 2 ()): invalid syntax"),
        ("import os", "the expression cannot be read at character 1 (import os): invalid syntax"),
        ("inputs['y']", "KeyError: y"),
    ],
)
def test_what_is_wrong_with_an_expression_is_told_of_its_own_text(expression: str, said: str) -> None:
    async def script(session: Session) -> None:
        stop = await session.stop("b")
        with pytest.raises(PythonCodeError) as wrong:
            await session.debugger.evaluate(stop.number, expression)
        assert str(wrong.value) == said
        assert await session.debugger.evaluate(stop.number, "inputs['x'] # so much\n+ 1") == 2
        session.debugger.go_on(stop.number)

    debugged(chain(one, one), script, Breakpoint("b"), sandbox=True)


def test_a_paused_run_is_stepped_node_by_node() -> None:
    builder = chain(slow, one, one)

    async def script(session: Session) -> None:
        while session.runtime.run_of("r") is None:
            await asyncio.sleep(0.01)
        run = session.runtime.run_of("r")
        assert run is not None
        assert run.pause("by hand")
        await asyncio.sleep(5)
        assert session.kinds("a")[-1] == "node_succeeded"
        assert session.kinds("b") == []
        assert run.step_on() == "b"
        await asyncio.sleep(1)
        assert session.kinds("b")[-1] == "node_succeeded"
        assert session.kinds("c") == []
        run.go_on()

    outcome, _ = debugged(builder, script)
    assert outcome.results["c"] == {"result": 3}


def test_a_cancel_ends_what_stands_still() -> None:
    async def script(session: Session) -> None:
        await session.stop()
        session.runtime.cancel("r", "it was stopped")

    outcome, _ = debugged(chain(one, one), script, Breakpoint("a"))
    assert outcome.state == "cancelled"
    assert outcome.reasons == {"a": "it was stopped", "b": "it was stopped"}


def test_breakpoints_are_set_and_taken_away_while_it_runs() -> None:
    async def script(session: Session) -> None:
        stop = await session.stop("a")
        session.debugger.set_breakpoints([Breakpoint("c")])
        session.debugger.go_on(stop.number)
        stop = await session.stop()
        assert stop.node == "c"
        session.debugger.set_breakpoints([])
        session.debugger.go_on(stop.number)

    outcome, _ = debugged(chain(one, one, one, one), script, Breakpoint("a"), Breakpoint("d"))
    assert outcome.state == "succeeded"
