"""Random commands to runs of random graphs under virtual time: whatever is done to a run, it keeps its word.

The graphs have retries, fallbacks of fallbacks, branches that are not taken, and sub-workflows in sub-workflows.

Commands: pause, go on, step a paused run, cancel, kill and go on from what was done; at stops: go on, step, outputs
or other inputs given, skip, call again; breakpoints that come and go. Each seed is a conversation of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import Input, Node, Output, Parameter, RunContext, WorkflowBuilder
from kailash_studio.errors import DocumentError, EngineError
from kailash_studio.nodes.logic.sub_workflow import SubWorkflowInputNode, SubWorkflowNode, SubWorkflowOutputNode
from kailash_studio.runtime import events as kinds
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.debugger import WHENS, Breakpoint, Debugger, Decision, Stop
from kailash_studio.runtime.engine import Run
from kailash_studio.runtime.events import NODE_ENDED, Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.spec.port import Anything
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.commands import apply
from kailash_studio.workflow.enclosing import enclose
from kailash_studio.workflow.sub_workflows import BORDER, PASSING, borders, name_of, parent_of, wired
from kailash_studio.workflow.workflow import Connection, Workflow

SEEDS = range(400)
COMMANDS = 14


class AddUpNode(Node):
    """Adds up what it is given, and one, after a while; fails where the sum can be divided by a number."""

    delay: float = Parameter(0.0, doc="Seconds to wait.")
    odd: int = Parameter(0, doc="Fail when the sum can be divided by this; 0: never.")

    given = Input(Anything, required=False, many=True)
    result = Output(Anything)

    async def run(self, context: RunContext) -> dict[str, Any]:
        """Wait, and add."""
        if self.delay:
            await asyncio.sleep(self.delay)
        total = 1 + sum(context.inputs.get("given", ()))
        if self.odd and total % self.odd == 0:
            raise ValueError(f"{total} can be divided by {self.odd}")
        return {"result": total}


class AllOrNothingNode(AddUpNode):
    """Adds up as well, and is skipped where nothing comes."""

    given = Input(Anything, many=True)


class BranchNode(AddUpNode):
    """Hands on what it adds up along one of two ways."""

    result = Output(Anything, conditional=True)
    other = Output(Anything, conditional=True)

    async def run(self, context: RunContext) -> dict[str, Any]:
        """Wait, add, and choose."""
        total = (await super().run(context))["result"]
        return {"result" if total % 2 else "other": total}


REGISTRY = Registry()
for node_type in (
    AddUpNode,
    AllOrNothingNode,
    BranchNode,
    SubWorkflowNode,
    SubWorkflowInputNode,
    SubWorkflowOutputNode,
):
    REGISTRY.register(node_type)
KINDS = ("AddUpNode", "AddUpNode", "AllOrNothingNode", "BranchNode")


def graph(rng: Random) -> Workflow:
    """Up to a dozen nodes, each fed by up to three before it, with all that a run knows around them."""
    builder = WorkflowBuilder("random", registry=REGISTRY)
    spares = 0
    for number in range(rng.randint(2, 12)):
        parameters = {"delay": rng.choice([0.0, 0.0, 0.5, 1.0, 3.0]), "odd": rng.choice([0, 0, 0, 5])}
        node = f"n{number}"
        fed_by = rng.sample(range(number), min(number, rng.randint(0, 3)))
        kind = rng.choice(KINDS) if fed_by else "AddUpNode"
        covered = kind == "AddUpNode" and rng.random() < 0.3
        builder.add_node(kind, node, parameters | ({"odd": rng.choice([1, 1, 2])} if covered else {}))
        if rng.random() < 0.2:
            builder.configure_retry(node, max_retries=rng.randint(1, 2), base_delay=0.5, jitter="none")
        for before in fed_by:
            outputs = ["result", "other"] if builder.workflow.nodes[f"n{before}"].type == "BranchNode" else ["result"]
            builder.add_connection(f"n{before}", rng.choice(outputs), node, "given")
        last = node
        while covered:
            spares += 1
            covered = rng.random() < 0.3
            spare = {"delay": rng.choice([0.0, 1.0]), "odd": 1 if covered else rng.choice([0, 0, 1])}
            builder.add_node("AddUpNode", f"spare{spares}", spare)
            builder.add_fallback(last, f"spare{spares}")
            last = f"spare{spares}"
    workflow = builder.build()
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        inner = [node for node, placed in workflow.nodes.items() if placed.type not in BORDER]
        parent = parent_of(rng.choice(inner))
        beside = [node for node in inner if parent_of(node) == parent]
        with contextlib.suppress(DocumentError):  # not all nodes can be one
            _, edit = enclose(workflow, REGISTRY, rng.sample(beside, min(len(beside), rng.randint(1, 4))))
            apply(workflow, edit)
    return workflow


def breakpoints(rng: Random, nodes: list[str]) -> list[Breakpoint]:
    nodes = nodes + 3 * [node for node in nodes if name_of(node).startswith(("spare", "part"))]  # seldom stopped at
    return [
        Breakpoint(rng.choice(nodes), rng.choice(WHENS), hits=rng.choice([0, 0, 1, 2]), enabled=rng.random() < 0.9)
        for _ in range(rng.randint(0, 4))
    ]


def decision(rng: Random, stop: Stop, run: Run) -> Decision:
    """Something that fits where the node stands."""
    step = run.plan.steps[run.plan.positions[stop.node]]
    adds = step.node_type in KINDS
    ways = ["go_on", "go_on", "inputs"]
    if stop.when != "retry":
        ways += ["give", "skip"]
    if stop.when in {"after", "error"}:
        ways.append("again")
    around = run.plan.enters(stop.node) if stop.when == "before" else ""
    ways += ["give", "give"] if around else []
    match rng.choice(ways):
        case "give":
            if around and rng.random() < 0.7:  # where a sub-workflow begins, for all of it
                step = run.plan.steps[run.plan.positions[around]]
            return Decision("give", outputs=dict.fromkeys(sorted(step.outputs), 1000))
        case "skip":
            return Decision("skip")
        case "again":
            return Decision("again", inputs={"given": [rng.randint(1, 9)]} if adds else {})
        case "inputs" if stop.when == "before" and adds:
            return Decision(inputs={"given": [rng.randint(1, 9)]})
    return Decision()


class Conversation:
    """One run, and what is done to it."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.workflow: Workflow = graph(self.rng)
        self.nodes = list(self.workflow.nodes)
        self.events: list[Event] = []
        self.debugger = Debugger(breakpoints(self.rng, self.nodes))
        self.cancelled = self.killed = False
        self.again: Outcome | None = None
        self.outcome: Outcome | None = None

    async def hold(self, clock: VirtualClock) -> None:
        """Talk to a run until it is over."""
        async with AsyncLocalRuntime(registry=REGISTRY, clock=clock, on_events=self.events.extend) as runtime:
            task = asyncio.create_task(runtime.run(self.workflow, run_id="r", debugger=self.debugger))
            for _ in range(COMMANDS):
                await asyncio.sleep(self.rng.choice([0.0, 0.1, 0.7, 2.0]))
                run = runtime.run_of("r")
                if run is None:
                    break
                self.command(run, task)
            run = runtime.run_of("r")
            self.debugger.set_breakpoints(())
            async with asyncio.timeout(1000):  # whatever was done, letting everything go on ends it
                while run is not None:
                    run.go_on()
                    self.debugger.go_on_all()
                    await asyncio.sleep(1.0)
                    run = runtime.run_of("r")
            if self.killed:
                await asyncio.gather(task, return_exceptions=True)
                done = [e for e in self.events if e.kind == kinds.NODE_SUCCEEDED]
                known = {e.node: dict.fromkeys(e.details["outputs"], 7) for e in done}
                self.again, _ = await runtime.run(self.workflow, run_id="again", known=known)
            else:
                self.outcome, _ = await task

    def command(self, run: Run, task: asyncio.Task[Any]) -> None:
        rng, debugger = self.rng, self.debugger
        if debugger.stops and rng.random() < 0.6:
            stop = rng.choice(list(debugger.stops.values()))
            given = decision(rng, stop, run)
            do = debugger.step if rng.random() < 0.4 else debugger.go_on
            if stop.decided.done():
                with pytest.raises(EngineError, match="does not stand still any more"):
                    do(stop.number, given)
            else:
                do(stop.number, given)
            return
        match rng.randrange(12):
            case 0 | 1 | 2:
                run.pause("by hand")
            case 3 | 4 | 5:
                run.go_on()
            case 6 | 7:
                run.step_on()
            case 8:
                debugger.set_breakpoints(breakpoints(rng, self.nodes))
            case 9:
                debugger.run_to(rng.choice(self.nodes))
            case 10 if rng.random() < 0.5:
                run.cancel("by hand")
                self.cancelled = True
            case 11 if rng.random() < 0.5:
                task.cancel()
                self.killed = True


def keeps_its_word(talk: Conversation) -> None:
    """What holds for each run, whatever was done to it."""
    first = [event for event in talk.events if event.run_id == "r"]
    assert [event.sequence for event in first] == list(range(len(first))), "events are complete and in order"
    assert [first[0].kind, first[-1].kind] == [kinds.RUN_STARTED, kinds.RUN_FINISHED]
    assert all(a.time <= b.time for a, b in pairwise(first))
    ends: dict[str, Event] = {}
    for event in first:
        if event.kind in NODE_ENDED:
            assert event.node not in ends, f"{event.node} ended twice"
            ends[event.node] = event
    assert ends.keys() == set(talk.nodes), "each node has ended"
    for connection in wired(talk.workflow).connections.values():
        before, after = ends[connection.source], ends[connection.target]
        if after.kind == kinds.NODE_SUCCEEDED:
            assert before.sequence < after.sequence, f"{connection.target} succeeded before {connection.source} ended"
    nothing_inside_is_called_before_its_inputs_are_there(talk, first, ends)
    standing: dict[int, str] = {}
    for event in first:
        if event.kind == kinds.NODE_STOPPED:
            standing[event.details["stop"]] = event.node
        elif event.kind == kinds.NODE_CONTINUED:
            assert standing.pop(event.details["stop"]) == event.node
    assert not talk.debugger.stops, "nothing stands still any more"
    assert talk.cancelled or talk.killed or not standing
    counts = first[-1].details
    states = ("succeeded", "failed", "skipped", "cancelled", "recovered")
    assert sum(counts[state] for state in states) == len(talk.nodes)
    if talk.outcome is not None:
        values_fit(talk, talk.outcome, first)
    if talk.again is not None:
        assert talk.again.state in {"succeeded", "failed"}, "what was killed can be gone on with"


def nothing_inside_is_called_before_its_inputs_are_there(
    talk: Conversation, told: list[Event], ends: Mapping[str, Event]
) -> None:
    known = borders(talk.workflow)
    for event in told:
        border = known.get(parent_of(event.node))
        if border is not None and event.kind == kinds.NODE_STARTED and event.node != border.inputs:
            begun = ends[border.inputs]
            if event.node in known:  # it is told as running with its own border
                continue
            assert begun.kind == kinds.NODE_SUCCEEDED, f"{event.node} was called without inputs"
            assert begun.sequence < event.sequence, f"{event.node} was called too early"


def values_fit(talk: Conversation, outcome: Outcome, told: list[Event]) -> None:
    """Where nobody touched a node, its value is what its inputs give."""
    touched = {e.node for e in told if e.kind in {kinds.INPUTS_EDITED, kinds.OUTPUTS_EDITED, kinds.PARAMETERS_EDITED}}
    results: Mapping[str, Mapping[str, Any]] = outcome.results
    origins = {
        str(placed.resilience["fallback"]): node
        for node, placed in talk.workflow.nodes.items()
        if "fallback" in placed.resilience
    }
    flow = list(wired(talk.workflow).connections.values())
    for node in results.keys() - touched:
        if node in outcome.recovered:
            assert results[node] == results[outcome.recovered[node]], node
            continue
        fed = node
        while fed in origins:
            fed = origins[fed]
        if fed != node and fed in touched:
            continue
        given = [(c.input, results[c.source][c.output]) for c in flow if c.target == fed if gave(results, c)]
        if talk.workflow.nodes[node].type in PASSING:
            assert results[node] == dict(given), node
        else:
            assert list(results[node].values()) == [1 + sum(value for _, value in given)], node
    skipped = {e.node for e in told if e.kind == kinds.NODE_SKIPPED and e.details["reason"] == "it was skipped by hand"}
    assert not skipped & results.keys()


def gave(results: Mapping[str, Mapping[str, Any]], connection: Connection) -> bool:
    return connection.output in results.get(connection.source, {})


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_keeps_its_word_whatever_is_done_to_it(seed: int) -> None:
    talk = Conversation(seed)
    run_virtually(talk.hold)
    keeps_its_word(talk)


def test_the_same_seed_is_the_same_conversation() -> None:
    def held() -> list[Event]:
        talk = Conversation(5)
        run_virtually(talk.hold)
        return talk.events

    assert held() == held()


def test_the_conversations_do_all_that_can_be_done() -> None:
    """Else the seeds would show nothing."""
    seen: dict[str, int] = {}
    for seed in range(120):
        talk = Conversation(seed)
        run_virtually(talk.hold)
        told = [event.kind for event in talk.events]
        reasons = [str(event.details.get("reason")) for event in talk.events if event.kind == kinds.NODE_SKIPPED]
        told += ["untaken" for event in talk.events if event.details.get("untaken")]
        told += ["given instead" for reason in reasons if "was given by hand" in reason]
        told += ["deep" for node in talk.nodes if node.count(":") > 1]
        told += ["fallback skipped" for e in talk.events if "was skipped: it was" in str(e.details.get("error"))]
        told += ["killed"] * talk.killed + ["cancelled"] * talk.cancelled
        for what in told:
            seen[what] = seen.get(what, 0) + 1
    wanted = {
        kinds.NODE_STOPPED, kinds.INPUTS_EDITED, kinds.OUTPUTS_EDITED, kinds.RUN_PAUSED, kinds.NODE_FAILED,
        kinds.NODE_SKIPPED, kinds.NODE_CANCELLED, kinds.FALLBACK_STARTED, kinds.NODE_RECOVERED, "attempt_failed",
        "killed", "cancelled", "untaken", "given instead", "deep", "fallback skipped",
    }  # fmt: skip
    assert all(seen.get(kind, 0) >= 3 for kind in wanted), {kind: seen.get(kind, 0) for kind in wanted}
