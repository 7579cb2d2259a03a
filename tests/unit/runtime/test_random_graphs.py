"""Random graphs of plain, waiting and threaded nodes with switches and merges, against a few lines without engine."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import Input, Node, Output, Parameter, RunContext, WorkflowBuilder
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import NODE_ENDED, Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.spec.port import Anything


class _Adder(Node):
    """Adds up what it is given, and one."""

    fails: bool = Parameter(False, doc="Raise instead.")
    delay: float = Parameter(0.0, doc="Seconds to wait.")

    a = Input(Anything, required=False)
    b = Input(Anything, required=False)
    c = Input(Anything, required=True, many=True)
    result = Output(Anything)

    def total(self, context: RunContext) -> dict[str, Any]:
        if self.fails:
            raise ValueError("planned")
        given = context.inputs
        return {"result": 1 + given.get("a", 0) + given.get("b", 0) + sum(given["c"])}


class PlainNode(_Adder):
    """Adds at once."""

    def run(self, context: RunContext) -> dict[str, Any]:
        return self.total(context)


class WaitingNode(_Adder):
    """Adds after a while."""

    async def run(self, context: RunContext) -> dict[str, Any]:
        await asyncio.sleep(self.delay)
        return self.total(context)


class ThreadedNode(_Adder):
    """Adds in a thread."""

    execution = "thread"

    def run(self, context: RunContext) -> dict[str, Any]:
        return self.total(context)


class StartNode(Node):
    """Gives a number."""

    number: int = Parameter(doc="The number.")

    result = Output(Anything)

    def run(self, context: RunContext) -> dict[str, Any]:
        return {"result": self.number}


KINDS: tuple[type[_Adder], ...] = (PlainNode, WaitingNode, ThreadedNode)
State = Literal["gave", "failed", "skipped", "spoiled"]


@dataclass
class Expected:
    """What a node should come to: spoiled is skipped over a failure, skipped over a branch that was not taken."""

    state: State
    outputs: dict[str, int]


def planned(rng: random.Random) -> tuple[WorkflowBuilder, dict[str, Expected]]:
    """A random workflow, and what should come out of it by the rules of the guide alone."""
    builder = WorkflowBuilder()
    expected: dict[str, Expected] = {}
    ends: list[tuple[str, str]] = []  # what can be connected: node and output
    for i in range(rng.randint(2, 30)):
        name = f"n{i}"
        kind = rng.random()
        if not ends or kind < 0.12:
            number = rng.randint(0, 50)
            builder.add_node(name, StartNode(name, number=number))
            expected[name] = Expected("gave", {"result": number})
            ends.append((name, "result"))
        elif kind < 0.35:
            source, output = rng.choice(ends)
            limit = rng.randint(0, 60)
            builder.add_node("SwitchNode", name, operator=">", value=limit)
            builder.add_connection(source, output, name, "data")
            giver = expected[source]
            if giver.state in {"failed", "spoiled"}:
                expected[name] = Expected("spoiled", {})
            elif output not in giver.outputs:
                expected[name] = Expected("skipped", {})
            else:
                value = giver.outputs[output]
                expected[name] = Expected("gave", {"true_output" if value > limit else "false_output": value})
            ends += [(name, "true_output"), (name, "false_output")]
        else:
            fails = rng.random() < 0.06
            node = rng.choice(KINDS)(name, fails=fails, delay=rng.choice([0.0, 0.001, 1.0, 5.0]))
            builder.add_node(name, node)
            chosen = rng.sample(ends, min(len(ends), rng.randint(1, 5)))
            inputs = ["c", *rng.sample(["a", "b", "c", "c"], len(chosen) - 1)]
            for (source, output), name_of_input in zip(chosen, inputs, strict=True):
                builder.add_connection(source, output, name, name_of_input)
            expected[name] = _added(expected, chosen, inputs, fails)
            ends.append((name, "result"))
    return builder, expected


def _added(known: dict[str, Expected], chosen: list[tuple[str, str]], inputs: list[str], fails: bool) -> Expected:
    if any(known[source].state in {"failed", "spoiled"} for source, _ in chosen):
        return Expected("spoiled", {})
    active = [
        (name, known[source].outputs[output])
        for (source, output), name in zip(chosen, inputs, strict=True)
        if output in known[source].outputs
    ]
    if not any(name == "c" for name, _ in active):
        return Expected("skipped", {})
    return Expected("failed", {}) if fails else Expected("gave", {"result": 1 + sum(value for _, value in active)})


@pytest.mark.parametrize("seed", range(200))
def test_a_random_graph_gives_what_a_plain_interpreter_gives(seed: int) -> None:
    rng = random.Random(seed)
    builder, expected = planned(rng)
    events: list[Event] = []
    workers = rng.choice([1, 2, 100])

    async def work(clock: VirtualClock) -> Outcome:
        runtime = AsyncLocalRuntime(clock=clock, on_events=events.extend, max_workers=workers)
        return (await runtime.run(builder))[0]

    outcome = run_virtually(work, seed)
    by_state = {state: {n for n, e in expected.items() if e.state == state} for state in ("failed", "gave")}
    assert outcome.results == {name: expected[name].outputs for name in by_state["gave"]}
    assert set(outcome.failures) == by_state["failed"]
    assert set(outcome.reasons) == expected.keys() - by_state["gave"] - by_state["failed"]
    assert outcome.state == ("failed" if by_state["failed"] else "succeeded")
    for name, reason in outcome.reasons.items():
        spoiled = expected[name].state == "spoiled"
        assert (reason.endswith(" failed")) == spoiled, reason
        assert ("did not take the branch" in reason) != spoiled, reason
    _told_in_order(events, builder, set(expected))


def _told_in_order(events: list[Event], builder: WorkflowBuilder, names: set[str]) -> None:
    """Every node ends once, and starts only after all that it waits for have ended."""
    assert [event.sequence for event in events] == list(range(len(events)))
    ended = {event.node: event.sequence for event in events if event.kind in NODE_ENDED}
    assert sorted(event.node for event in events if event.kind in NODE_ENDED) == sorted(names)
    for event in events:
        if event.kind == "node_started":
            for connection in builder.build().incoming(event.node):
                assert ended[connection.source] < event.sequence
