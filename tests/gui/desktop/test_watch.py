"""The watch over GUI tests must itself fail: each plant below is one kind of leak, and its own run must report it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_CONFTESTS = [Path(__file__).parents[1] / "conftest.py", Path(__file__).parent / "conftest.py"]
_ROOT = Path(__file__).parents[3]
_PATH = (_ROOT, _ROOT / "tests")  # conftests take helpers from there

_PLANTS = '''
import asyncio
import sys
import threading

from PySide6.QtCore import QCoreApplication, QProcess, QThread, QTimer, qWarning
from PySide6.QtWidgets import QWidget

kept = []


def test_clean(window, canvas):
    window.session.add_node("CSVReaderNode", (0, 0))


def test_widget():
    widget = QWidget(objectName="forgotten")
    widget.show()
    kept.append(widget)


def test_timer():
    timer = QTimer(interval=10_000)
    timer.start()
    kept.append(timer)


def test_qthread():
    thread = QThread(objectName="worker")
    thread.start()
    kept.append(thread)


def test_process():
    process = QProcess()
    process.start(sys.executable, ["-c", "import sys; sys.stdin.read()"])
    assert process.waitForStarted()
    kept.append(process)


def test_thread():
    done = threading.Event()
    threading.Thread(target=done.wait, name="idle", daemon=True).start()
    kept.append(done)


def test_task(loop, run):
    async def begin():
        kept.append(asyncio.ensure_future(asyncio.Event().wait()))

    run(begin())


def test_held_canvas(canvas):
    kept.append(canvas.store)


def test_held_window(window):
    kept.append(window.inspector)


def test_message():
    qWarning("planted")


def test_slot(qtbot):
    timer = QTimer(singleShot=True)
    timer.timeout.connect(lambda: 1 / 0)
    with qtbot.waitSignal(timer.timeout):
        timer.start()


def test_end():
    """Stops what the plants before it have left."""
    for thing in kept:
        if isinstance(thing, QThread):
            thread = thing
            thread.quit()
            thread.wait()
        elif isinstance(thing, QProcess):
            thing.closeWriteChannel()
            thing.waitForFinished()
        elif isinstance(thing, threading.Event):
            thing.set()
'''

_SENTENCES = {
    "test_widget": r"left behind: top-level widget QWidget forgotten",
    "test_timer": r"left behind: running timer of nobody",
    "test_qthread": r"left behind: running QThread QThread worker",
    "test_process": r"left behind: running QProcess \S*python",
    "test_thread": r"left behind: thread idle",
    "test_task": r"left behind: task <coroutine object Event\.wait",
    "test_held_canvas": r"still held by Python: Store",
    "test_held_window": r"still held by Python: Inspector",
    "test_message": r"Qt says: default: planted",
    "test_slot": r"ZeroDivisionError",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints about the plants."""
    folder = tmp_path_factory.mktemp("plants")
    (folder / "desktop").mkdir()
    for conftest, place in zip(_CONFTESTS, (folder, folder / "desktop"), strict=True):
        (place / "conftest.py").write_text(conftest.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "desktop" / "test_plants.py").write_text(_PLANTS, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-v", str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, _PATH)), "KAILASH_STUDIO_HOME": str(folder / "home")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr  # failed tests, not a crash
    return done.stdout


@pytest.mark.parametrize("plant", _SENTENCES)
def test_the_plant_is_found(report: str, plant: str) -> None:
    blamed = re.search(rf"^_+ .*\b{plant} _+$(.*?)(^_+ |^=+ )", report, re.MULTILINE | re.DOTALL)
    assert blamed is not None, report
    assert re.search(_SENTENCES[plant], blamed.group(1))


def test_a_clean_test_passes(report: str) -> None:
    assert re.search(r"^PASSED .*::test_clean$", report, re.MULTILINE)
    assert not re.search(r"^(ERROR|FAILED) .*::test_clean\b", report, re.MULTILINE), report
    failed = set(re.findall(r"^(?:ERROR|FAILED) .*::(test_\w+)", report, re.MULTILINE))
    assert failed - {"test_end"} == _SENTENCES.keys()
