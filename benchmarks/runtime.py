"""What a node costs in a run, side by side with other ways to run a graph: ``python benchmarks/runtime.py [--quick]``.

CPU time of running a graph that is already built and compiled; trivial synchronous nodes; ours with events on. Exit
status 1 when a goal is missed. Compared with a hand-written loop over a topological order (the floor), a task for each
node (what most schedulers do), hamilton, and the guide's own SDK where it is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import statistics
import sys
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from kailash_studio import WorkflowBuilder, node
from kailash_studio.resilience.clock import SystemClock
from kailash_studio.runtime.engine import Run
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.parameters import assign
from kailash_studio.runtime.plan import Plan, compile_plan
from kailash_studio.spec.context import Resources, RunScope, environment_secret
from kailash_studio.spec.registry import Registry

GOAL_US = 10.0
GOAL_PARALLEL = 3.0
SLEEP = 0.01
MOST_FOR_KAILASH = 1_000  # nodes; its time grows faster than the graph

Graph = list[list[int]]  # for each node the nodes that it takes from, all before it


@node()
def start(x: int = 1) -> int:
    """Give a number."""
    return x


@node()
def step(a: int) -> int:
    """Add one."""
    return a + 1


@node()
def join(a: int, b: int, c: int) -> int:
    """Add three numbers."""
    return (a + b + c) & 0xFFFF


@node()
async def wait(x: int = 1) -> int:
    """Sleep for 10 ms."""
    await asyncio.sleep(SLEEP)
    return x


def chain(count: int) -> Graph:
    return [[], *([i] for i in range(count - 1))]


def random_graph(count: int, seed: int = 1) -> Graph:
    rng = Random(seed)
    return [[], [0], [1], *(sorted(rng.sample(range(i), 3)) for i in range(3, count))]


def registry() -> Registry:
    made = Registry()
    for function in (start, step, join, wait):
        made.register(function.node_type)  # type: ignore[attr-defined]
    return made


def ours(graph: Graph) -> Callable[[], Any]:
    plan = plan_of(graph)

    async def run() -> int:
        seen = 0

        def sink(batch: Sequence[Event]) -> None:
            nonlocal seen
            seen += len(batch)

        scope = RunScope("benchmark", resources=Resources(), folder=Path.cwd())
        outcome = await Run(plan, scope, SystemClock(), sink=sink).execute()
        assert outcome.state == "succeeded"
        assert seen == 2 * len(graph) + 2
        return int(outcome.results[f"n{len(graph) - 1}"]["result"])

    return run


def plan_of(graph: Graph, type_names: Sequence[str] = ("StartNode", "StepNode", "JoinNode")) -> Plan:
    types_known = registry()
    builder = WorkflowBuilder(registry=types_known)
    by_inputs = {0: type_names[0], 1: type_names[-2], 3: type_names[-1]}
    for i, sources in enumerate(graph):
        builder.add_node(by_inputs[len(sources)], f"n{i}")
    from kailash_studio.workflow.commands import apply, connect
    from kailash_studio.workflow.workflow import Connection

    workflow = builder.build()
    for i, sources in enumerate(graph):
        for name, source in zip("abc", sources, strict=False):
            apply(workflow, connect(workflow, Connection(f"n{source}", "result", f"n{i}", name)))
    return compile_plan(workflow, types_known, assign(workflow, types_known, {}), secret=environment_secret)


FUNCTIONS: dict[int, Callable[..., int]] = {0: lambda: 1, 1: lambda a: a + 1, 3: lambda a, b, c: (a + b + c) & 0xFFFF}


def hand_written(graph: Graph) -> Callable[[], Any]:
    functions = [FUNCTIONS[len(sources)] for sources in graph]

    async def run() -> int:
        results: list[int] = []
        for function, sources in zip(functions, graph, strict=True):
            results.append(function(*[results[i] for i in sources]))
        return results[-1]

    return run


def task_for_each(graph: Graph) -> Callable[[], Any]:
    functions = [FUNCTIONS[len(sources)] for sources in graph]

    async def run() -> int:
        tasks: list[asyncio.Task[int]] = []

        async def one(i: int) -> int:
            return functions[i](*[await tasks[j] for j in graph[i]])

        for i in range(len(graph)):
            tasks.append(asyncio.create_task(one(i)))  # noqa: PERF401 - a task looks into the list while it grows
        return await tasks[-1]

    return run


def hamilton(graph: Graph) -> Callable[[], Any] | None:
    if importlib.util.find_spec("hamilton") is None:
        return None
    sys.setrecursionlimit(100_000)
    from hamilton import base, driver

    module = types.ModuleType("hamilton_graph")
    bodies = {0: "1", 1: "{0} + 1", 3: "({0} + {1} + {2}) & 0xFFFF"}
    for i, sources in enumerate(graph):
        names = [f"n{j}" for j in sources]
        arguments = ", ".join(f"{name}: int" for name in names)
        body = bodies[len(sources)].format(*names)
        exec(f"def n{i}({arguments}) -> int:\n    return {body}\n", module.__dict__)
        module.__dict__[f"n{i}"].__module__ = module.__name__
    sys.modules[module.__name__] = module
    made = driver.Builder().with_modules(module).with_adapter(base.DefaultAdapter()).build()
    names = [f"n{i}" for i in range(len(graph))]  # all of them: asked for the last one it would leave out the rest

    async def run() -> int:
        return int(made.execute(names)[names[-1]])

    return run


def kailash(graph: Graph) -> Callable[[], Any] | None:
    """The guide's own SDK as it comes, with its metrics, audit and logging records; its log lines are thrown away."""
    if importlib.util.find_spec("kailash") is None:
        return None
    import logging
    import warnings

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    from kailash.nodes.base import Node, NodeParameter, register_node
    from kailash.runtime.local import LocalRuntime
    from kailash.workflow.builder import WorkflowBuilder as TheirBuilder

    for count, function in FUNCTIONS.items():
        names = "abc"[:count]

        def get_parameters(self: Any, names: str = names) -> dict[str, Any]:
            return {name: NodeParameter(name=name, type=int, required=False, default=0) for name in names}

        def run_node(self: Any, function: Callable[..., int] = function, names: str = names, **given: Any) -> Any:
            return {"result": function(*[given[name] for name in names])}

        register_node()(type(f"Takes{count}", (Node,), {"get_parameters": get_parameters, "run": run_node}))
    builder = TheirBuilder()
    for i, sources in enumerate(graph):
        builder.add_node(f"Takes{len(sources)}", f"n{i}", {})
        for name, source in zip("abc", sources, strict=False):
            builder.add_connection(f"n{source}", "result", f"n{i}", name)
    workflow = builder.build()

    async def run() -> int:
        with LocalRuntime() as runtime:
            results, _ = await runtime.execute_async(workflow)
        return int(results[f"n{len(graph) - 1}"]["result"])

    return run


def measure(run: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Median CPU seconds of a run, and its result."""
    spent, result = [], None
    for _ in range(rounds + 1):
        gc.collect()
        gc.disable()
        began = time.process_time()
        result = asyncio.run(run())
        spent.append(time.process_time() - began)
        gc.enable()
    return statistics.median(spent[1:]), result


def compare(title: str, graph: Graph, rounds: int) -> bool:
    print(f"\n{title}")
    candidates = {
        "hand-written loop": hand_written(graph),
        "kailash studio": ours(graph),
        "a task for each node": task_for_each(graph),
        "hamilton": hamilton(graph),
        "kailash": kailash(graph) if len(graph) <= MOST_FOR_KAILASH else None,
    }
    expected = asyncio.run(candidates["hand-written loop"]())  # type: ignore[misc]
    base = 0.0
    ours_us = 0.0
    for name, run in candidates.items():
        if run is None:
            print(f"  {name:<24} not measured: {'too slow' if importlib.util.find_spec(name) else 'not installed'}")
            continue
        try:
            seconds, result = measure(run, rounds)
        except RecursionError:
            print(f"  {name:<24} cannot: it recurses once for each node of a path")
            continue
        assert result == expected, f"{name} gives {result}, not {expected}"
        micro = seconds / len(graph) * 1e6
        base = base or micro
        ours_us = micro if name == "kailash studio" else ours_us
        print(f"  {name:<24} {micro:8.2f} us a node   {micro / base:7.1f} x the floor")
    good = ours_us <= GOAL_US
    print(f"  goal: at most {GOAL_US:g} us a node: {'met' if good else 'MISSED'}")
    return good


def parallel(count: int, rounds: int) -> bool:
    """Sleeps side by side: wall time, since nothing else is done meanwhile."""
    print(f"\n{count:,} parallel sleeps of {SLEEP * 1e3:g} ms")
    plan = plan_of([[] for _ in range(count)], ("WaitNode", "StepNode", "JoinNode"))

    async def gathered() -> None:
        await asyncio.gather(*(asyncio.sleep(SLEEP) for _ in range(count)))

    async def run() -> None:
        scope = RunScope("benchmark", resources=Resources(), folder=Path.cwd())
        outcome = await Run(plan, scope, SystemClock(), sink=lambda batch: None).execute()
        assert len(outcome.results) == count

    walls: dict[str, list[float]] = {"hand-written gather": [], "kailash studio": []}
    for _ in range(rounds + 1):
        for name, work in (("hand-written gather", gathered), ("kailash studio", run)):
            began = time.perf_counter()
            asyncio.run(work())
            walls[name].append(time.perf_counter() - began)
    floor = statistics.median(walls["hand-written gather"][1:])
    mine = statistics.median(walls["kailash studio"][1:])
    good = mine <= GOAL_PARALLEL * floor
    print(f"  hand-written gather      {floor * 1e3:8.1f} ms")
    print(f"  kailash studio           {mine * 1e3:8.1f} ms   {mine / floor:7.1f} x")
    print(f"  goal: at most {GOAL_PARALLEL:g} x: {'met' if good else 'MISSED'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 3 if parser.parse_args().quick else 9
    good = compare("chain of 1,000", chain(1_000), rounds)
    good &= compare("random graph of 10,000, three dependencies each", random_graph(10_000), max(3, rounds // 3))
    good &= parallel(1_000, rounds)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
