"""Random graphs with errors, slow nodes, hangs, cancels and clock steps: invariants hold, a seed gives one trace."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import WorkflowBuilder
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.workflow.fallback import fallback_of

ERRORS = (ConnectionError, TimeoutError, ValueError, OSError)
ENDED = {"node_succeeded", "node_failed", "node_skipped", "node_cancelled", "node_recovered"}


def node(name: str, script: list[Any], arguments: list[str], *, waits: bool, calls: dict[str, int]) -> Any:
    """A node that follows a script, call by call."""

    def step() -> Any:
        number = calls[name] = calls.get(name, 0) + 1
        return script[(number - 1) % len(script)]

    async def wait(**given: Any) -> Any:
        told = step()
        if isinstance(told, type):
            raise told(f"call {calls[name]}")
        await asyncio.sleep(told)
        return {"result": name}

    def plain(**given: Any) -> Any:
        told = step()
        if isinstance(told, type):
            raise told(f"call {calls[name]}")
        return {"result": name}

    space: dict[str, Any] = {"wait": wait, "plain": plain}
    listed = ", ".join(f"{argument}=None" for argument in arguments)
    passed = ", ".join(f"{argument}={argument}" for argument in arguments)
    call = f"return await wait({passed})" if waits else f"return plain({passed})"
    exec(f"{'async ' if waits else ''}def f({listed}):\n    {call}", space)
    return PythonCodeNode.from_function(space["f"], name=name)


def policies(rng: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if rng.random() < 0.5:
        made["retry"] = {
            "max_retries": rng.randint(0, 4),
            "strategy": rng.choice(["immediate", "linear", "exponential", "fibonacci"]),
            "base_delay": rng.choice([0.0, 0.5, 2.0]),
            "jitter": rng.choice(["none", "full", "equal", "decorrelated"]),
            **({"budget": 0.5} if rng.random() < 0.2 else {}),
        }
    if rng.random() < 0.3:
        made["circuit_breaker"] = {
            "failure_threshold": rng.randint(1, 3),
            "timeout": rng.choice([1.0, 30.0]),
            "key": rng.choice(["", "shared"]),
        }
    if rng.random() < 0.4:
        made["timeout"] = rng.choice([0.5, 3.0])
    if rng.random() < 0.2:
        made["total_timeout"] = rng.choice([1.0, 10.0])
    if rng.random() < 0.1:
        made["rate_limit"] = {"calls": 1, "period": 2.0}
    if rng.random() < 0.1:
        made["max_concurrent"] = 1
    if rng.random() < 0.1:
        made["hedge_after"] = 1.0
    return made


def simulate(seed: int) -> tuple[list[Outcome], list[Event], WorkflowBuilder, dict[str, int]]:
    rng = random.Random(seed)
    builder = WorkflowBuilder("simulation")
    calls: dict[str, int] = {}
    count = rng.randint(1, 12)
    for i in range(count):
        sources = [f"n{j}" for j in rng.sample(range(i), min(i, rng.randint(0, 2)))]
        waits = rng.random() < 0.6
        good = [0.0, 0.1, 2.0] if waits else [0.0]
        script = [rng.choice(ERRORS) if rng.random() < 0.35 else rng.choice(good) for _ in range(rng.randint(1, 4))]
        chosen = policies(rng)
        if waits and rng.random() < 0.1 and "timeout" in chosen:
            script.append(1e9)  # it hangs
        arguments = [f"a{j}" for j in range(len(sources))]
        builder.add_node(f"n{i}", node(f"n{i}", script, arguments, waits=waits, calls=calls))
        for argument, source in zip(arguments, sources, strict=True):
            builder.add_connection(source, "result", f"n{i}", argument)
        placed = builder.build().nodes[f"n{i}"]
        builder.build().nodes[f"n{i}"] = replace(placed, resilience=chosen)
    for i in range(rng.randint(0, 3)):
        owner = rng.choice([n for n in builder.build().nodes if fallback_of(builder.build(), n) is None])
        name = f"spare{i}"
        script = [rng.choice([0.0, 1.0, ValueError])]
        builder.add_node(name, node(name, script, [], waits=True, calls=calls))
        builder.add_fallback(owner, name)
    cancel_after = rng.choice([None, None, None, 0.0, 1.0, 7.0])
    events: list[Event] = []

    async def work(clock: VirtualClock) -> list[Outcome]:
        runtime = AsyncLocalRuntime(clock=clock, on_events=events.extend, max_workers=rng.choice([1, 3, 100]))
        runtime.surroundings.random.seed(seed)
        outcomes = []
        for number in range(2):
            task = asyncio.ensure_future(runtime.run(builder, run_id=f"run{number}"))
            if cancel_after is not None:
                await asyncio.sleep(cancel_after)
                runtime.cancel(f"run{number}")
            clock.shift += rng.choice([0.0, 3600.0, -3600.0])  # somebody sets the wall clock
            outcomes.append((await task)[0])
        return outcomes

    return run_virtually(work, seed), events, builder, calls


def trace(events: list[Event]) -> list[Any]:
    return [(e.run_id, e.sequence, e.kind, e.node, round(e.time, 6), e.cause) for e in events]


@pytest.mark.parametrize("block", range(20))
def test_500_seeds(block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        outcomes, events, builder, _ = simulate(seed)
        for number, outcome in enumerate(outcomes):
            check(seed, outcome, [e for e in events if e.run_id == f"run{number}"], builder)
        if seed % 5 == 0:
            assert trace(simulate(seed)[1]) == trace(events), f"seed {seed}: another trace"


def check(seed: int, outcome: Outcome, events: list[Event], builder: WorkflowBuilder) -> None:
    nodes = builder.build().nodes
    where = f"seed {seed}"
    assert [e.sequence for e in events] == list(range(len(events))), where
    assert events[0].kind == "run_started", where
    assert events[-1].kind == "run_finished", where
    ended = {node: [e for e in events if e.node == node and e.kind in ENDED] for node in nodes}
    for node_id, ends in ended.items():
        assert len(ends) == 1, f"{where}: {node_id} ended {len(ends)} times: {ends}"
    kinds = {node: ends[0].kind for node, ends in ended.items()}
    gave = {node for node, kind in kinds.items() if kind in {"node_succeeded", "node_recovered"}}
    assert set(outcome.results) == gave, where
    assert set(outcome.failures) == {node for node, kind in kinds.items() if kind == "node_failed"}, where
    primaries = {node for node in outcome.failures if not node.startswith("spare")}
    assert {letter.node for letter in outcome.letters} == primaries, where
    for event in events[1:]:
        assert 0 <= event.cause < event.sequence, where
    for node_id, placed in nodes.items():
        mine = [e for e in events if e.node == node_id]
        starts = [e for e in mine if e.kind == "node_started"]
        assert len(starts) <= 1, where
        failed = [e for e in mine if e.kind == "attempt_failed"]
        retry = placed.resilience.get("retry")
        allowed = 1 + (retry["max_retries"] if retry else 0)
        assert len(failed) <= allowed, f"{where}: {node_id} tried {len(failed)} times of {allowed}"
        assert [e.details["attempt"] for e in failed] == list(range(1, len(failed) + 1)), where
        last = ended[node_id][0]
        total = placed.resilience.get("total_timeout")
        fallback = fallback_of(builder.build(), node_id)
        if starts and total and fallback is None and kinds[node_id] in {"node_succeeded", "node_failed"}:
            assert last.time - starts[0].time <= total + 1e-6, f"{where}: {node_id} took longer than its total"
        if kinds[node_id] == "node_recovered":
            assert fallback is not None, where
            assert kinds[fallback] in {"node_succeeded", "node_recovered"}, where
            assert outcome.recovered[node_id] == fallback, where
        if fallback is not None and any(e.kind == "node_started" for e in events if e.node == fallback):
            assert any(e.kind == "fallback_started" for e in mine), (
                f"{where}: {fallback} ran though {node_id} had not failed"
            )
        if kinds[node_id] == "node_skipped":
            assert last.details["reason"], where
