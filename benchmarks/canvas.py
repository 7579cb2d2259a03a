"""The canvas against stock NodeGraphQt in the same run: opening, panning, live states. CPU time, medians.

::

    python benchmarks/canvas.py                 # both
    python benchmarks/canvas.py --canvas-only   # ours alone

Each side runs in a process of its own, on Qt's offscreen platform, so that neither warms the other's caches.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kailash_studio.runtime.protocol import UPDATES_PER_SECOND

NODES, CONNECTIONS = 1000, 2000
SIZE = (1600, 900)
FRAMES = 40
LIVE_NODES, LIVE_HZ, LIVE_SECONDS = 200, UPDATES_PER_SECOND, 4
FIRST_GOALS = {"open": 3.0, "pan": 40.0, "live": 10.0}


def edges(count: int) -> list[tuple[int, int, int]]:
    """Connections (from, to, input) of a graph in which each node feeds the next ones."""
    result = []
    for i in range(1, count):
        result.append((i - 1, i, 0))
        result.append((max(0, i - 7), i, 1))
    return result[:CONNECTIONS]


def place(i: int, columns: int) -> tuple[float, float]:
    return (i % columns) * 288.0, (i // columns) * 168.0


def cpu(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def application() -> object:
    from PySide6.QtWidgets import QApplication

    return QApplication.instance() or QApplication(sys.argv[:1])


# ---------------------------------------------------------------------- stock
def measure_stock() -> dict[str, float]:
    from PySide6.QtCore import QRectF

    from kailash_studio.desktop.canvas.compat import _stand_ins

    app = application()
    with _stand_ins():
        import NodeGraphQt

    class Plain(NodeGraphQt.BaseNode):  # type: ignore[misc, name-defined]
        __identifier__ = "benchmark"
        NODE_NAME = "Plain"

        def __init__(self) -> None:
            super().__init__()
            self.add_input("rows", multi_input=True)
            self.add_input("more", multi_input=True)
            self.add_output("out")
            self.add_output("error")

    graph = NodeGraphQt.NodeGraph()
    graph.register_node(Plain)
    viewer = graph.viewer()
    viewer.resize(*SIZE)
    viewer.show()
    app.processEvents()  # type: ignore[attr-defined]
    nodes = []

    def build() -> None:
        for i in range(NODES):
            node = graph.create_node("benchmark.Plain", name=f"node {i}", pos=place(i, 40), selected=False)
            nodes.append(node)
        for a, b, which in edges(NODES):
            nodes[a].output(0).connect_to(nodes[b].input(which))

    # the stock library's own check for cycles never ends on this graph; it gets none
    viewer.acyclic_check = lambda *_ports: True
    graph.set_acyclic(False)
    opened = cpu(build)

    def first() -> None:
        whole = QRectF()
        for node in nodes:
            whole = whole.united(node.view.sceneBoundingRect())
        viewer._scene_range = whole
        viewer._update_scene()
        viewer.viewport().repaint()

    painted = cpu(first)
    frames = []
    for i in range(FRAMES):
        step = 12 if i % 2 else -12
        frames.append(cpu(lambda step=step: (viewer._set_viewer_pan(step * 3, 0), viewer.viewport().repaint())))
    result = {"build": opened, "open": opened + painted, "pan": statistics.median(frames) * 1000}
    print(json.dumps(result), flush=True)
    os._exit(0)  # a stock graph that is left to the interpreter's end crashes


# ---------------------------------------------------------------------- ours
def measure_ours() -> dict[str, float]:
    from kailash_studio.desktop.canvas import Canvas
    from kailash_studio.desktop.icons import Icons
    from kailash_studio.desktop.theme import Theme

    app = application()
    theme = Theme("dark")
    theme.apply(app)  # type: ignore[arg-type]
    canvas = Canvas(theme, Icons(theme))
    canvas.resize(*SIZE)
    canvas.show()
    app.processEvents()  # type: ignore[attr-defined]
    viewport = canvas.viewer.viewport()
    nodes, connections = graph_of(NODES, 40)

    built = cpu(lambda: canvas.set_graph(nodes, connections))

    def first() -> None:
        canvas.fit()
        viewport.repaint()

    painted = cpu(first)
    assert canvas.viewer.visible().contains(canvas.store.extent()), "all of the graph is to be seen"
    frames = []
    for i in range(FRAMES):
        step = 12 if i % 2 else -12
        frames.append(cpu(lambda step=step: (canvas.viewer.pan(step, 0), viewport.repaint())))

    canvas.zoom_reset()
    near = []
    for i in range(FRAMES):
        step = 12 if i % 2 else -12
        near.append(cpu(lambda step=step: (canvas.viewer.pan(step, 0), viewport.repaint())))
    live, live_near = measure_live(canvas, 0.0), measure_live(canvas, 0.3)
    canvas.dispose()
    return {
        "build": built,
        "open": built + painted,
        "pan": statistics.median(frames) * 1000,
        "pan100": statistics.median(near) * 1000,
        "live": live,
        "live30": live_near,
    }


def graph_of(count: int, columns: int) -> tuple[list[object], list[object]]:
    from kailash_studio.desktop.canvas import Badge, ConnectionView, NodeView, PortView

    categories = ("Data", "API", "AI", "Logic", "Code")
    inputs = (PortView("rows", "table", many=True), PortView("more", "list", many=True))
    outputs = (PortView("out", "table"), PortView("error", "error"))
    badges = (Badge("exp x3", "rotate-cw", "amber"),)
    nodes: list[object] = [
        NodeView(
            f"n{i}",
            f"node {i}",
            "CSVReaderNode",
            "database",
            categories[i % 5],
            inputs,
            outputs,
            *place(i, columns),
            badges,
        )
        for i in range(count)
    ]
    names = ("rows", "more")
    connections: list[object] = [
        ConnectionView(f"c{k}", f"n{a}", "out", f"n{b}", names[which]) for k, (a, b, which) in enumerate(edges(count))
    ]
    return nodes, connections


def measure_live(canvas: object, at_least: float) -> float:
    """Percent of a core that states cost: 200 nodes, a tenth of them changes 30 times a second."""
    from PySide6.QtCore import QCoreApplication, QEventLoop, Qt, QTimer

    from kailash_studio.desktop.canvas import Canvas, NodeState

    assert isinstance(canvas, Canvas)
    nodes, connections = graph_of(LIVE_NODES, 20)
    canvas.set_graph(nodes, connections)  # type: ignore[arg-type]
    canvas.fit()
    canvas.viewer.zoom_to(max(canvas.zoom(), at_least))
    QCoreApplication.processEvents()
    states = ("running", "succeeded", "queued", "failed")
    loop, timer, beat = QEventLoop(), QTimer(interval=1000 // LIVE_HZ, timerType=Qt.TimerType.PreciseTimer), 0

    def tick() -> None:
        nonlocal beat
        first = (beat * 20) % LIVE_NODES
        canvas.set_states(
            {
                f"n{first + k}": NodeState(states[(beat // 10 + k) % 4], f"{beat % 90 + k} ms")  # type: ignore[arg-type]
                for k in range(LIVE_NODES // 10)
            }
        )
        beat += 1
        if beat == LIVE_HZ * LIVE_SECONDS:
            loop.quit()

    timer.timeout.connect(tick)
    begun_wall, begun_cpu = time.monotonic(), time.process_time()
    timer.start()
    loop.exec()
    used, wall = time.process_time() - begun_cpu, time.monotonic() - begun_wall
    timer.stop()
    return used / wall * 100


# ---------------------------------------------------------------------- both
def side(name: str) -> dict[str, float]:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, str(Path(__file__).resolve()), "--side", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The {name} side failed with status {done.returncode}:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--canvas-only", action="store_true", help="leave stock NodeGraphQt out")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side; the median counts")
    parser.add_argument("--side", choices=["stock", "ours"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    if chosen.side:
        print(json.dumps(measure_stock() if chosen.side == "stock" else measure_ours()), flush=True)
        return 0
    ours, stock = [], []
    for _ in range(chosen.rounds):  # in turns, so that a busy minute hits both
        ours.append(side("ours"))
        if not chosen.canvas_only:
            stock.append(side("stock"))

    def median(runs: list[dict[str, float]], key: str) -> float | None:
        return statistics.median(run[key] for run in runs) if runs and key in runs[0] else None

    rows = (
        ("build", f"{NODES} nodes, {CONNECTIONS} connections: set", "s", None),
        ("open", "... and first paint, all visible", "s", FIRST_GOALS["open"]),
        ("pan", "pan a frame, all visible", "ms", FIRST_GOALS["pan"]),
        ("pan100", "pan a frame at 100 %", "ms", None),
        ("live", f"states, {LIVE_NODES} visible, {LIVE_HZ}/s", "% core", FIRST_GOALS["live"]),
        ("live30", "... at 30 %, with details", "% core", FIRST_GOALS["live"]),
    )
    print(f"{'CPU time, median':44} {'canvas':>10} {'stock':>10} {'ratio':>7} {'goal':>8}")
    failed = False
    for key, title, unit, goal in rows:
        a, b = median(ours, key), median(stock, key)
        if a is None:
            continue
        digits = 3 if unit == "s" else 1
        other = f"{b:.{digits}f}" if b is not None else "-"
        ratio = f"{b / a:.1f}x" if b is not None else "-"
        failed |= goal is not None and a > goal
        wanted = f"<= {goal:g}" if goal is not None else ""
        print(f"{title + ' (' + unit + ')':44} {a:>10.{digits}f} {other:>10} {ratio:>7} {wanted:>8}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
