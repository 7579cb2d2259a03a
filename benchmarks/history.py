"""A past run of 10,000 nodes and 100,000 events through the real engine process: how fast it is looked at.

::

    python benchmarks/history.py             # 10,000 nodes, 100,000 events
    python benchmarks/history.py --quick     # 1,000 nodes, 10,000 events

A gap is the time between two turns of a timer without interval: what a person would feel as a stall. On Qt's
offscreen platform, with the window, the canvas and the engine as they are.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gaps import Gaps

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
JUMPS = 60


def write_run(nodes: int) -> str:
    """Write a run into the journal: each node tried four times, with a connection waited for; ten events a node."""
    from kailash_studio.runtime.events import Event
    from kailash_studio.runtime.journal.journal import Journal
    from kailash_studio.workflow.workflow import Connection, PlacedNode, Workflow

    flow = Workflow(name="large")
    for i in range(nodes):
        flow.nodes[f"n{i}"] = PlacedNode("PythonCodeNode", parameters={"code": f"def n{i}(x=None): return x"})
        flow.positions[f"n{i}"] = (i % 100 * 296.0, i // 100 * 168.0)
        if i % 100:
            connection = Connection(f"n{i - 1}", "result", f"n{i}", "x")
            flow.connections[connection.key] = connection
    told: list[Event] = []

    def tell(kind: str, node: str, at: float, **details: object) -> None:
        told.append(Event(len(told), kind, "large-run", node, at, 1.7e9 + at, len(told) - 1, details))

    tell("run_started", "", 0.0, nodes=nodes, workflow="large")
    for i in range(nodes):
        node, at = f"n{i}", i * 0.01
        tell("node_started", node, at)
        for attempt in (1, 2, 3):
            tell("log_written", node, at + attempt * 0.3, level="info", text=f"attempt {attempt}")
            failed = {"attempt": attempt, "error": "down", "code": "KS-1300", "seconds": 0.1, "wait": 0.2, "why": ""}
            tell("attempt_failed", node, at + attempt * 0.3, **failed)
        tell("acquire_ended", node, at + 1.2, pool="p", seconds=0.1, got=True)
        tell("attempt_succeeded", node, at + 1.4, attempt=4)
        tell("node_succeeded", node, at + 1.4, outputs=["result"], rows={"result": i}, seconds=1.4)
    counts = {"succeeded": nodes, "failed": 0, "skipped": 0, "cancelled": 0, "recovered": 0}
    tell("run_finished", "", nodes * 0.01 + 1.4, state="succeeded", seconds=nodes * 0.01 + 1.4, **counts)
    journal = Journal()
    journal.start_run("large-run", "large", flow.to_json(), time.time())
    for first in range(0, len(told), 5_000):
        journal.take("large-run", told[first : first + 5_000], lambda node: {"result": 1}).wait(60)
    journal.close()
    return "large-run"


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - what is waited for is seen, as a person would see it
            await asyncio.sleep(0)


async def measure(run_id: str) -> None:
    from kailash_studio.desktop.settings import Settings
    from kailash_studio.desktop.theme import Theme
    from kailash_studio.desktop.window import MainWindow
    from kailash_studio.spec.registry import installed_node_types

    window = MainWindow(Theme("dark"), Settings(), installed_node_types())
    window.resize(1720, 1000)
    window.show()
    window.engine.start()
    await until(lambda: window.engine.state == "ready")
    past, timeline = window.history.past, window.history.timeline
    gaps = Gaps()

    async def timed(places: list[int]) -> list[float]:
        took = []
        for place in places:
            began = time.perf_counter()
            past.go_to(place)
            await until(lambda place=place: past.at == place)
            took.append((time.perf_counter() - began) * 1e3)
        return took

    gaps.begin("open")
    began = time.perf_counter()
    past.open(run_id)
    await until(lambda: past.total and past.at == past.total - 1)
    print(f"open: {time.perf_counter() - began:.2f} s, {past.total:,} events, {len(past.workflow.nodes):,} nodes")
    await until(lambda: timeline.run_id == run_id)
    print(f"and its timeline: {time.perf_counter() - began:.2f} s")
    chance, last = random.Random(1), past.total - 1
    kinds = {
        "steps": list(range(last // 2, last // 2 + JUMPS)),
        "near": [last // 2 + chance.randrange(-500, 500) for _ in range(JUMPS)],
        "far": [chance.randrange(last) for _ in range(JUMPS)],
        "ends": [0, last] * 5,
    }
    for name, places in kinds.items():
        await timed(places[:1])
        gaps.begin(name)
        took = await timed(places[1:])
        print(f"{name:<6} median {statistics.median(took):6.1f} ms, longest {max(took):6.1f} ms")
    gaps.begin("timeline")
    bar = timeline.chart.verticalScrollBar()
    for step in range(200):
        bar.setValue(step * bar.maximum() // 200)
        timeline.chart.zoom_by(1.05 if step < 100 else 1 / 1.05)
        await asyncio.sleep(0.002)
    gaps.stop()
    for step, longest in gaps.longest.items():
        print(f"longest gap of the window's loop, {step:<9} {longest * 1e3:6.1f} ms")
    window.close_without_asking()
    window.dispose()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="1,000 nodes")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["KAILASH_STUDIO_HOME"] = str(Path(home))
        run_id = write_run(1_000 if chosen.quick else 10_000)
        from kailash_studio.desktop.app import make_application, run_loop

        return int(run_loop(make_application(sys.argv[:1]), measure(run_id)) or 0)


if __name__ == "__main__":
    sys.exit(main())
