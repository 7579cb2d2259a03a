"""A window that is attached to a headless run of 10,000 nodes: how long its thread is held up, and what the run pays.

``python benchmarks/attach.py [NODES]``. The run is a process of its own; it stands still before its first node until
the window has attached and lets it go on. For comparison the window goes away from a second run at its beginning.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fakes.stalls import StallMeter

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.app import make_application, run_loop
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.runtime.server import Address, addresses
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.workflow import Connection

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000


def document(folder: Path) -> Path:
    """100 chains behind one node."""
    builder = WorkflowBuilder("wide")
    builder.add_node("PythonCodeNode", "start", code="def f(): return 1")
    for number in range(COUNT - 1):
        builder.add_node("PythonCodeNode", f"n{number}", code="def f(x): return x")
        before = "start" if number % 100 == 0 else f"n{number - 1}"
        connection = Connection(before, "result", f"n{number}", "x")
        builder.workflow.connections[connection.key] = connection
    file = folder / "wide.kailash.json"
    builder.build().save(file)
    return file


def started(file: Path, *words: str) -> subprocess.Popen[bytes]:
    """The run."""
    command = [sys.executable, "-m", "kailash_studio", "run", str(file), "--trust", *words]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


async def until(holds: Callable[[], object]) -> None:
    """Wait for something to hold."""
    while not holds():  # noqa: ASYNC110 - Qt's state has no event to wait for
        await asyncio.sleep(0.01)


async def door() -> Address:
    """Where the run can be attached to."""
    await until(addresses)
    return addresses()[0]


async def sitting(file: Path, theme: Theme) -> int:
    """Attach, look on, and measure."""
    window = MainWindow(theme, Settings(), installed_node_types())
    window.resize(1500, 940)
    window.show()
    window.start([])
    await until(lambda: window.engine.state == "ready")
    process = started(file, "--debug", "--break", "start")
    address = await door()
    with StallMeter(window) as attaching:
        began = time.perf_counter()
        window.attach_link.attach(address, control=True)
        await until(window.runs.stopped)
        took = time.perf_counter() - began
        await asyncio.sleep(1.0)
    with StallMeter(window) as running:
        began = time.perf_counter()
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.running)
        with_window = time.perf_counter() - began
        await asyncio.sleep(1.5)
    process.wait(30)
    process = started(file, "--debug", "--break", "start")
    address = await door()
    window.attach_link.attach(address, control=True)
    await until(window.runs.stopped)
    began = time.perf_counter()
    await window.engine.request("resume", run_id=window.runs.current.run_id if window.runs.current else "")
    window.engine.detach()  # it goes away, and the run does not notice
    await until(lambda: process.poll() is not None)
    alone = time.perf_counter() - began
    ended = process.returncode
    print(f"{COUNT:,} nodes: shown {took:.1f} s after attaching; the window's thread was held up for at most")
    for word, meter in (("while it attached", attaching), ("while the run went on", running)):
        print(f"  {meter.longest * 1000:.0f} ms {word}; of it computing itself {meter.computed * 1000:.0f} ms at most")
    print(f"  the run took {with_window:.1f} s with the window, {alone:.1f} s when it had gone away (status {ended})")
    window.close_without_asking()
    await window.closed
    window.dispose()
    return 0


def main() -> int:
    """Measure, in a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["KAILASH_STUDIO_HOME"] = home
        app = make_application(sys.argv[:1])
        theme = Theme("dark")
        theme.apply(app)
        return run_loop(app, sitting(document(Path(home)), theme))


if __name__ == "__main__":
    sys.exit(main())
