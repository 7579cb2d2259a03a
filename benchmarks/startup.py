"""How long it takes until something is there: ``python benchmarks/startup.py [--quick]``.

Wall time, medians, bytecode compiled: ``--help``; a run of a file with three nodes that do nothing, less the nodes'
own time; the window shown, on a screen without hardware (needs Xvfb). Exit status 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kailash_studio
from kailash_studio import WorkflowBuilder

GOALS = {"--help": 0.3, "run of three nodes": 0.8, "window shown": 2.5}
PACKAGE = Path(kailash_studio.__file__).parent

# what the program does, up to the first time that the window is painted
WINDOW = """
import sys
from pathlib import Path
from PySide6.QtCore import QEvent, QObject
from kailash_studio.desktop import app as desktop
from kailash_studio.desktop.window import MainWindow
class Window(MainWindow):
    def event(self, event):
        done = super().event(event)
        if event.type() == QEvent.Type.Paint and not self.closed.done():
            print("painted", flush=True)
            self.close_without_asking()
        return done
desktop.MainWindow = Window
sys.exit(desktop.start(sys.argv[1:]))
"""


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"KAILASH_STUDIO_HOME": str(home), "PYTHONPATH": str(PACKAGE.parent)}


def medians(work: Callable[[], float], rounds: int) -> float:
    work()  # files into memory
    return statistics.median(work() for _ in range(rounds))


def timed(words: list[str], variables: dict[str, str]) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(words, env=variables, capture_output=True, encoding="utf-8", check=False)
    seconds = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    return seconds, done.stdout


def until_painted(words: list[str], variables: dict[str, str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "painted\n"
        seconds = time.perf_counter() - began
        assert process.wait(30) == 0
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 3 if parser.parse_args().quick else 9
    compileall.compile_dir(PACKAGE, quiet=1)
    program = [sys.executable, "-m", "kailash_studio"]
    measured: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = environment(folder)
        builder = WorkflowBuilder("three")
        for node_id in ("one", "two", "three"):
            builder.add_node("TableViewNode", node_id)
        builder.add_connection("one", "data", "two", "rows")
        builder.add_connection("two", "data", "three", "rows")
        file = folder / "three.kailash.json"
        builder.build().save(file)
        values = folder / "values.json"
        values.write_text(json.dumps({"one": {"rows": [{"x": 1}]}}), encoding="utf-8")

        def run() -> float:
            words = [*program, "run", str(file), "--parameters", str(values), "--events", "-"]
            seconds, output = timed(words, variables)
            ended = [json.loads(line) for line in output.splitlines()]
            return seconds - sum(e["details"]["seconds"] for e in ended if e["kind"] == "node_succeeded")

        measured["--help"] = medians(lambda: timed([*program, "--help"], variables)[0], rounds)
        measured["run of three nodes"] = medians(run, rounds)
        if shutil.which("xvfb-run"):
            server = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24 -noreset", sys.executable, __file__, "--window"]
            done = subprocess.run(
                [*server, str(rounds)], env=variables, capture_output=True, encoding="utf-8", check=False
            )
            assert done.returncode == 0, done.stderr
            measured["window shown"] = float(done.stdout)
        else:
            print("window shown: not measured, there is no Xvfb")
    good = True
    for what, seconds in measured.items():
        met = seconds <= GOALS[what]
        good &= met
        print(f"{what:<22} {seconds:6.3f} s   goal {GOALS[what]:g} s: {'met' if met else 'MISSED'}")
    return 0 if good else 1


def inside_the_screen(rounds: int) -> int:
    variables = dict(os.environ) | {"QT_QPA_PLATFORM": "xcb"}
    print(medians(lambda: until_painted([sys.executable, "-c", WINDOW], variables), rounds))
    return 0


if __name__ == "__main__":
    sys.exit(inside_the_screen(int(sys.argv[2])) if sys.argv[1:2] == ["--window"] else main())
