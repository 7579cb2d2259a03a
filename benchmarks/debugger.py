"""What the debugger costs a run: ``python benchmarks/debugger.py [NODES]``; exit status 1 when a goal is missed.

CPU time of running a random graph of plain synchronous nodes, side by side in turns, in one process:

- an engine from whose hot path the debugger's lines have been cut out (its source is taken, less those lines);
- the engine as it is, without a debugger, as a headless run has it;
- with a debugger that has no breakpoint, as each run of the window has it;
- with 100 breakpoints that do not hold their run up (hit counts that are never reached).
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import statistics
import sys
import textwrap
import time
from typing import Any

from runtime import random_graph, registry

from kailash_studio.resilience.clock import SystemClock
from kailash_studio.runtime import engine
from kailash_studio.runtime.debugger import Breakpoint, Debugger
from kailash_studio.runtime.engine import Run
from kailash_studio.runtime.parameters import assign
from kailash_studio.runtime.plan import Plan, compile_plan
from kailash_studio.spec.context import Resources, RunScope, environment_secret
from kailash_studio.workflow.builder import WorkflowBuilder
from kailash_studio.workflow.workflow import Connection

ROUNDS = 31
POINTS = 100
GOAL_UNSET, GOAL_SET = 1.03, 2.0
CUT = (
    ("if not step.plain or (debugged and special[i]):", "if not step.plain:"),
    ("    debugged = self._debugger is not None\n", ""),
    ("    if self._paused:\n        return\n", ""),
)


def without_debugger() -> type[Run]:
    """An engine whose hot path knows no debugger."""
    source = textwrap.dedent(inspect.getsource(Run._pump))
    for lines, instead in CUT:
        assert lines in source, f"the engine has no line {lines!r} any more: mend this benchmark"
        source = source.replace(lines, instead)
    space: dict[str, Any] = vars(engine).copy()
    exec(compile(source, "<engine without a debugger>", "exec"), space)
    return type("BareRun", (Run,), {"_pump": space["_pump"]})


def plan_of(count: int) -> Plan:
    """A graph of nodes with three inputs each."""
    types = registry()
    builder = WorkflowBuilder("graph", registry=types)
    names = ("a", "b", "c")
    for number, taken in enumerate(random_graph(count)):
        builder.add_node("StartNode" if not taken else "StepNode" if len(taken) == 1 else "JoinNode", f"n{number}")
        for name, before in zip(names, taken, strict=False):
            connection = Connection(f"n{before}", "result", f"n{number}", name)
            builder.workflow.connections[connection.key] = connection
    workflow = builder.build()
    return compile_plan(workflow, types, assign(workflow, types, {}), secret=environment_secret)


def cost(plan: Plan, kind: type[Run], debugger: Debugger | None) -> float:
    """CPU seconds of one run."""

    async def work() -> float:
        scope = RunScope("r", resources=Resources())
        clock = SystemClock()
        run = kind(plan, scope, clock, sink=lambda batch: None, debugger=debugger)
        if debugger is not None:
            debugger.attach(run, lambda node, given: plan.steps[plan.positions[node]], clock)
        began = time.process_time()
        outcome = await run.execute()
        took = time.process_time() - began
        assert outcome.state == "succeeded"
        return took

    return asyncio.run(work())


def main() -> int:
    """Measure in turns, and compare medians of ratios."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    plan, bare = plan_of(count), without_debugger()
    points = [Breakpoint(f"n{number * count // POINTS}", hits=10**9) for number in range(POINTS)]
    ways = {
        "engine less the debugger": lambda: cost(plan, bare, None),
        "engine, no debugger": lambda: cost(plan, Run, None),
        "debugger, none set": lambda: cost(plan, Run, Debugger()),
        f"debugger, {POINTS} set": lambda: cost(plan, Run, Debugger(points)),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    gc.disable()
    for _ in range(ROUNDS):
        for name, way in ways.items():
            gc.collect()
            taken[name].append(way())
    floor = taken["engine less the debugger"]
    print(f"{count:,} nodes, {ROUNDS} rounds in turns; median of CPU, and of its ratio to the engine less the debugger")
    ratios = {}
    for name, seconds in taken.items():
        ratios[name] = statistics.median(a / b for a, b in zip(seconds, floor, strict=True))
        print(f"  {name:<26} {statistics.median(seconds) / count * 1e6:6.2f} us a node   {ratios[name]:.3f}")
    _, plain, unset, many = ratios.values()
    missed = plain > GOAL_UNSET or unset > GOAL_UNSET or many > GOAL_SET
    print("goal missed" if missed else f"goals met: at most {GOAL_UNSET} unset, {GOAL_SET:g} with {POINTS} breakpoints")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
