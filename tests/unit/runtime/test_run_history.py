"""A past run from its events: states at any of them, and bars over time, of real runs under virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually
from hypothesis import given, settings
from hypothesis import strategies as st

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import NodeError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience import guard
from kailash_studio.runtime import events as kinds
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.debugger import Breakpoint, Debugger, Decision
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.node_states import NodeStates
from kailash_studio.runtime.run_history import RunStates, ends
from kailash_studio.runtime.timeline import Bar, timeline
from kailash_studio.runtime.wording import sentence

NODES = ("a", "b", "c")


def _event(place: int, kind: str, node: str) -> Event:
    details: dict[str, dict[str, Any]] = {
        kinds.NODE_SUCCEEDED: {"outputs": ["r"], "rows": {"r": place}, "seconds": 0.5},
        kinds.NODE_FAILED: {"error": f"down {place}", "code": "", "seconds": 0.1},
        kinds.NODE_SKIPPED: {"reason": "above"},
        guard.ATTEMPT_FAILED: {"attempt": 1 + place % 3, "error": "x", "seconds": 0.1, "wait": [None, 1.0][place % 2]},
        kinds.NODE_STOPPED: {"stop": place, "when": "before", "reason": "step"},
        kinds.NODE_CONTINUED: {"stop": place, "do": "go_on"},
        kinds.FALLBACK_STARTED: {"fallback": "b", "error": "x", "seconds": 0.1},
    }
    return Event(place, kind, "r", node, float(place), float(place), -1, details.get(kind, {}))


KINDS = (
    kinds.NODE_STARTED, kinds.NODE_SUCCEEDED, kinds.NODE_FAILED, kinds.NODE_SKIPPED, guard.ATTEMPT_FAILED,
    kinds.NODE_STOPPED, kinds.NODE_CONTINUED, kinds.FALLBACK_STARTED, kinds.LOG_WRITTEN, guard.ATTEMPT_SUCCEEDED,
)  # fmt: skip


def folded(told: list[Event]) -> dict[str, Any]:
    """The states after all events, by the plainest way."""
    fold, states = NodeStates(), {}
    for event in told:
        state = fold.state_after(event)
        if state is not None:
            states[event.node] = state
    return states


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(NODES)), max_size=40),
    st.lists(st.integers(-1, 45), min_size=1, max_size=12),
)
def test_going_from_any_event_to_any_other_gives_the_states_that_folding_gives(
    made: list[tuple[str, str]], walk: list[int]
) -> None:
    told = [_event(place, kind, node) for place, (kind, node) in enumerate(made)]
    history = RunStates(told)
    here, shown = -1, dict.fromkeys(NODES)
    for there in walk:
        changed = history.between(here, there)
        assert all(shown[node] is not state for node, state in changed.items()), "only what differs is told"
        shown |= changed
        here = there
        assert {node: state for node, state in shown.items() if state is not None} == folded(told[: there + 1])
        assert history.after(there) == folded(told[: there + 1])


# ---------------------------------------------------------------------- real runs
class Flaky:
    """Fails so many times, and works for a while each time."""

    def __init__(self, failures: int, seconds: float) -> None:
        self.left, self.seconds = failures, seconds

    async def __call__(self, x: Any = None) -> list[int]:
        await asyncio.sleep(self.seconds)
        self.left -= 1
        if self.left >= 0:
            raise NodeError("It is down.")
        return [1, 2]


def workflow(failures: int = 2) -> WorkflowBuilder:
    async def first(x: Any = None) -> list[int]:
        await asyncio.sleep(1.0)
        return [1]

    flaky = Flaky(failures, 0.5)

    async def second(x: Any = None) -> list[int]:
        return await flaky(x)

    builder = WorkflowBuilder("w")
    builder.add_node("first", PythonCodeNode.from_function(first))
    builder.add_node("second", PythonCodeNode.from_function(second))
    builder.add_node("third", PythonCodeNode.from_function(first, name="third"))
    builder.add_connection("first", "result", "second", "x")
    builder.add_connection("second", "result", "third", "x")
    builder.configure_retry(
        "second", max_retries=2, base_delay=3.0, strategy="linear", jitter="none", retry_on=["Exception"]
    )
    return builder


def told_by(builder: Any, debugger: Debugger | None = None, script: Any = None) -> list[Event]:
    told: list[Event] = []

    async def work(clock: VirtualClock) -> None:
        async with AsyncLocalRuntime(clock=clock, on_events=told.extend) as runtime:
            run = asyncio.create_task(runtime.run(builder, run_id="r", debugger=debugger))
            if script is not None:
                await script(debugger)
            await run

    run_virtually(work)
    return told


def bars(told: list[Event]) -> dict[str, Bar]:
    return {bar.node: bar for bar in timeline(told)}


def spans(bar: Bar) -> list[tuple[str, float, float, str]]:
    return [(s.kind, round(s.start, 6), round(s.end, 6), s.state) for s in bar.spans]


def test_attempts_and_waits_stand_where_they_were() -> None:
    told = told_by(workflow())
    found = bars(told)
    assert list(found) == ["first", "second", "third"], "in the order in which they began"
    assert spans(found["first"]) == [("attempt", 0.0, 1.0, "succeeded")]
    assert spans(found["second"]) == [
        ("attempt", 1.0, 1.5, "failed"),
        ("wait", 1.5, 4.5, ""),
        ("attempt", 4.5, 5.0, "failed"),
        ("wait", 5.0, 11.0, ""),
        ("attempt", 11.0, 11.5, "succeeded"),
    ]
    assert (found["second"].start, found["second"].end, found["second"].state) == (1.0, 11.5, "succeeded")
    assert found["second"].spans[-1].text.startswith("Attempt 3. Succeeded in ")
    end = ends(told)["second"]
    assert (end.state, end.attempts, end.rows) == ("succeeded", 3, {"result": 2})


def test_a_node_that_fails_for_good_ends_with_a_failed_attempt_and_what_hangs_on_it_has_none() -> None:
    found = bars(told_by(workflow(failures=5)))
    assert [span[0] for span in spans(found["second"])] == ["attempt", "wait", "attempt", "wait", "attempt"]
    assert (found["second"].state, found["second"].spans[-1].state) == ("failed", "failed")
    assert (found["third"].state, found["third"].spans) == ("skipped", [])
    assert found["third"].text == "Skipped: second failed after 3 attempts."


def test_a_run_that_was_killed_leaves_open_bars_to_its_last_event() -> None:
    told = told_by(workflow())
    cut = [event for event in told if event.time <= 5.0 and event.kind != kinds.RUN_FINISHED]
    found = bars(cut)
    assert (found["second"].state, found["second"].end) == ("started", 5.0)
    assert spans(found["second"])[-1] == ("wait", 5.0, 5.0, "")
    assert "third" not in found
    history = RunStates(cut)
    assert history.state("second", len(cut) - 1) == {**cut[-1].details, "state": "retrying"}
    assert ends(cut)["second"].state == "started"


def test_standing_still_at_the_debugger_is_no_part_of_an_attempt() -> None:
    async def script(debugger: Debugger) -> None:
        for _, seconds in (("before", 2.0), ("after", 4.0), ("after", 8.0)):
            while not debugger.stops:
                await asyncio.sleep(0.125)
            await asyncio.sleep(seconds)
            number = next(iter(debugger.stops))
            debugger.go_on(number, Decision("again" if seconds == 4.0 else "go_on"))

    debugger = Debugger([Breakpoint("first"), Breakpoint("first", "after")])
    found = bars(told_by(workflow(0), debugger, script))["first"]
    shape = [(kind, end - start) for kind, start, end, _ in spans(found)]
    assert [kind for kind, _ in shape] == ["stopped", "attempt", "stopped", "attempt", "stopped"]
    assert [seconds for kind, seconds in shape if kind == "attempt"] == pytest.approx([1.0, 1.0])
    assert all(
        seconds >= least
        for (kind, seconds), least in zip([s for s in shape if s[0] == "stopped"], (2.0, 4.0, 8.0), strict=True)
    )
    assert (found.start, found.state) == (0.0, "succeeded")


def test_a_stop_before_a_retry_moves_the_wait_behind_it() -> None:
    async def script(debugger: Debugger) -> None:
        while not debugger.stops:
            await asyncio.sleep(0.125)
        await asyncio.sleep(20.0)
        debugger.go_on(next(iter(debugger.stops)))

    found = bars(told_by(workflow(1), Debugger([Breakpoint("second", "retry", hits=1)]), script))["second"]
    by_kind = {kind: (start, end) for kind, start, end, _ in spans(found)}
    assert by_kind["stopped"][1] == by_kind["wait"][0]
    assert by_kind["wait"][1] - by_kind["wait"][0] == 3.0
    assert spans(found)[-1] == ("attempt", by_kind["wait"][1], by_kind["wait"][1] + 0.5, "succeeded")


def test_a_fallback_is_a_piece_of_the_node_that_it_stands_in_for() -> None:
    builder = workflow(5)

    async def instead(x: Any = None) -> list[int]:
        await asyncio.sleep(2.0)
        return [0]

    builder.add_node("spare", PythonCodeNode.from_function(instead))
    builder.add_fallback("second", "spare")
    found = bars(told_by(builder))
    assert spans(found["second"])[-1] == ("fallback", 11.5, 13.5, "recovered")
    assert found["second"].spans[-1].text.startswith("Failed, so its fallback spare runs: ")
    assert spans(found["spare"]) == [("attempt", 11.5, 13.5, "succeeded")]


def test_being_held_by_a_rate_limit_is_seen_within_the_attempt() -> None:
    built = workflow(1).build()
    placed = built.nodes["second"]
    built.nodes["second"] = replace(placed, resilience={**placed.resilience, "rate_limit": {"calls": 1, "period": 10}})
    found = spans(bars(told_by(built))["second"])
    assert [kind for kind, *_ in found] == ["attempt", "wait", "held", "attempt"]
    assert found[2][1:3] == (4.5, 11.0), "the first call was let through at 1.0"
    assert found[3][1:] == (4.5, 11.5, "succeeded")


def test_every_event_of_real_runs_has_a_sentence() -> None:
    for event in [*told_by(workflow()), *told_by(workflow(5))]:
        assert sentence(event).endswith((".", "!", "?")) or event.kind == kinds.LOG_WRITTEN, event
        assert sentence(event)[0].isupper()


def test_the_time_for_a_connection_of_a_pool_is_in_the_bar_of_a_real_run(
    database_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(database_home))
    builder = WorkflowBuilder("pooled")
    builder.add_node("WorkflowConnectionPool", "pool", pool_name="one", min_connections=1, max_connections=1)
    for name in ("first", "second"):
        builder.add_node("AsyncSQLDatabaseNode", name, connection="pool", query="SELECT pg_sleep(0.2)")
        builder.add_connection("pool", "pool", name, "pool")
    told: list[Event] = []
    outcome, _ = asyncio.run(AsyncLocalRuntime().run(builder, sink=told.extend))
    assert outcome.state == "succeeded", outcome.failures
    found = bars(told)
    waited = []
    for name in ("first", "second"):
        acquires = [span for span in found[name].spans if span.kind == "acquire"]
        assert [span.state for span in acquires] == ["succeeded"], name
        assert found[name].start <= acquires[0].start + 0.001
        assert acquires[0].end <= found[name].end
        waited.append(acquires[0].end - acquires[0].start)
    assert max(waited) > 0.15, "one of them waited until the other gave its connection back"
