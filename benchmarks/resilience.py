"""What a guarded call costs, beside tenacity, stamina and purgatory: ``python benchmarks/resilience.py [--quick]``.

CPU time of a call that succeeds at once, with three retries and a breaker around it. Exit status 1 when a goal is
missed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.breaker import Breaker
from kailash_studio.resilience.clock import SystemClock
from kailash_studio.resilience.guard import Guard, Shared
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.spec.context import Resources, RunContext, RunScope
from kailash_studio.spec.policy import Resilience

GOAL_US = 4.0
GOAL_SHARE = 0.1  # of tenacity's
GOAL_JOURNAL = 3.0  # a run with the journal on, against off

Call = Callable[[], Awaitable[Any]]


async def work() -> dict[str, Any]:
    return {"result": 1}


def bare() -> Call:
    return work


def ours() -> Call:
    policies = Resilience(retry={"max_retries": 3}, circuit_breaker={})
    clock = SystemClock()
    assert policies.circuit_breaker is not None
    breaker = Breaker("key", policies.circuit_breaker, clock)

    async def call(context: RunContext) -> dict[str, Any]:
        return await work()

    guard = Guard(policies, call, waits=True, clock=clock, shared=Shared(breaker=breaker), random=Random(1))
    context = RunContext(RunScope("benchmark", resources=Resources()), "node", {})
    return lambda: guard(context)


def with_tenacity() -> Call | None:
    if importlib.util.find_spec("tenacity") is None:
        return None
    import tenacity

    retried: Call = tenacity.retry(
        stop=tenacity.stop_after_attempt(4), wait=tenacity.wait_exponential(1, 60), reraise=True
    )(work)
    return retried


def with_stamina() -> Call | None:
    if importlib.util.find_spec("stamina") is None:
        return None
    import stamina

    retried: Call = stamina.retry(on=Exception, attempts=4)(work)
    return retried


def with_purgatory() -> Call | None:
    if importlib.util.find_spec("purgatory") is None:
        return None
    from purgatory import AsyncCircuitBreakerFactory

    factory = AsyncCircuitBreakerFactory()

    async def call() -> Any:
        async with await factory.get_breaker("key"):
            return await work()

    return call


def measure(call: Call, count: int, rounds: int) -> float:
    """Median CPU microseconds of a call."""

    async def run() -> float:
        began = time.process_time()
        for _ in range(count):
            await call()
        return (time.process_time() - began) / count * 1e6

    spent = []
    for _ in range(rounds + 1):
        gc.collect()
        spent.append(asyncio.run(run()))
    return statistics.median(spent[1:])


def with_journal(rounds: int) -> bool:
    """A run of 1,000 nodes that do a little, with the journal on and off: wall time."""
    builder = WorkflowBuilder("thousand")
    for i in range(1000):
        builder.add_node(f"n{i}", PythonCodeNode.from_function(spin, name=f"n{i}"))
        if i >= 10:
            builder.add_connection(f"n{i - 10}", "result", f"n{i}", "x")
    walls: dict[str, list[float]] = {"off": [], "on": []}
    with tempfile.TemporaryDirectory() as folder, closing(Journal(Path(folder) / "journal.db")) as journal:
        for _ in range(rounds + 1):
            for name, kept in (("off", None), ("on", journal)):
                runtime = LocalRuntime(journal=kept)
                began = time.perf_counter()
                runtime.execute(builder)
                walls[name].append(time.perf_counter() - began)
    off, on = (statistics.median(walls[name][1:]) for name in ("off", "on"))
    good = on <= GOAL_JOURNAL * off
    print(f"\na run of 1,000 nodes          journal off {off * 1e3:7.1f} ms   on {on * 1e3:7.1f} ms   {on / off:.2f} x")
    print(f"goal: at most {GOAL_JOURNAL:g} x: {'met' if good else 'MISSED'}")
    return good


def spin(x: int = 0) -> int:
    """Give a number."""
    return x + 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 3 if parser.parse_args().quick else 9
    candidates: dict[str, Call | None] = {
        "no policy": bare(),
        "kailash studio": ours(),
        "tenacity (retry alone)": with_tenacity(),
        "stamina (retry alone)": with_stamina(),
        "purgatory (breaker alone)": with_purgatory(),
    }
    found: dict[str, float] = {}
    for name, call in candidates.items():
        if call is None:
            print(f"{name:<28} not installed")
            continue
        found[name] = measure(call, 20_000, rounds)
        print(f"{name:<28} {found[name]:8.2f} us a call")
    mine, theirs = found["kailash studio"], found.get("tenacity (retry alone)", 0.0)
    good = mine <= GOAL_US and (not theirs or mine <= GOAL_SHARE * theirs)
    print(f"goal: at most {GOAL_US:g} us and a tenth of tenacity's: {'met' if good else 'MISSED'}")
    good &= with_journal(rounds)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
