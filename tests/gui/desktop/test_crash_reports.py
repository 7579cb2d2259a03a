"""Errors of the window itself: written down without values, told once, offered after a crash, by real hooks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.waiting import until
from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from qasync import QEventLoop

from kailash_studio.desktop.crash_reports import CrashReports
from kailash_studio.desktop.dialogs.crash_report import CrashReportDialog
from kailash_studio.desktop.window import MainWindow

CANARY = "c4n4ry-SwordfIsh/7+x"
LOCAL, PATH, KEY, ARGUMENT = "a local value", "/of/a/person", "a key of the workflow", "an argument"

_DIES = """
import faulthandler, sys
from PySide6.QtCore import QTimer, qFatal
from kailash_studio.desktop import app

made = app.make_application(["kailash-studio"])
how, canary = sys.argv[1:]

def fail():
    window = next((w for w in made.topLevelWidgets() if w.objectName() == "main_window"), None)
    if window is None:
        return
    timer.stop()
    if how == "segfault":
        faulthandler._sigsegv()
    if how == "qt":
        qFatal(f"no way on to postgres://me:{canary}@db/books")
    QTimer.singleShot(0, window.close_without_asking)
    if how == "raises":
        raise ValueError(canary)

timer = QTimer(interval=10)
timer.timeout.connect(fail)
timer.start()
sys.exit(app.start([]))
"""


def _window(how: str) -> subprocess.CompletedProcess[str]:
    """A window of its own process that fails in some way, or not at all."""
    words = [sys.executable, "-c", _DIES, how, CANARY]
    return subprocess.run(words, capture_output=True, encoding="utf-8", timeout=120, check=False)


@pytest.fixture
def reports(user_home: Path) -> Iterator[CrashReports]:
    made = CrashReports()
    made.begin()
    yield made
    made.end()


def _text(reports: CrashReports) -> str:
    path = reports.newest()
    return path.read_text(encoding="utf-8") if path is not None else ""


@pytest.mark.parametrize(("how", "says"), [("segfault", "Segmentation fault"), ("qt", "Qt gives up")])
def test_a_crash_leaves_a_report_and_the_next_window_offers_it(
    how: str, says: str, window: MainWindow, user_home: Path
) -> None:
    done = _window(how)
    assert done.returncode < 0, done.stderr
    (left,) = (user_home / "crashes").glob("*.running")
    other = _window("well")
    assert other.returncode == 0, other.stderr
    assert not left.exists() and left.with_suffix(".txt").exists(), "the next window has seen it, and kept it"
    left.with_suffix(".txt").rename(left)  # as if this window were the next
    reports = CrashReports()
    window.crash_link.use(reports)
    window.crash_link.offer()
    assert "did not end in order" in window.crashed.sentence
    window.crashed.buttons[0].click()
    dialog = window.findChild(CrashReportDialog)
    assert dialog is not None
    text = dialog.text.toPlainText()
    assert text.startswith("Kailash Studio ") and "Qt" in text
    assert says in text
    assert CANARY not in text
    dialog.copy.click()
    assert QGuiApplication.clipboard().text() == text
    assert window.crashed.isHidden()
    dialog.close()
    assert not reports.left(), "it is offered once"


def test_an_error_that_nobody_caught_is_in_a_report_without_its_values(user_home: Path) -> None:
    done = _window("raises")
    assert done.returncode == 0, done.stderr
    assert list((user_home / "crashes").glob("*.running")) == []
    (report,) = (user_home / "crashes").glob("*.txt")
    text = report.read_text(encoding="utf-8")
    assert "in fail" in text and "builtins.ValueError (its sentence is left out" in text
    assert CANARY not in text + done.stdout + done.stderr
    if os.name == "posix":
        assert report.stat().st_mode & 0o077 == 0


def test_a_window_that_closes_in_order_leaves_nothing(user_home: Path) -> None:
    done = _window("well")
    assert done.returncode == 0, done.stderr
    assert list((user_home / "crashes").iterdir()) == []


def test_errors_of_slots_tasks_and_threads_are_written_and_said_once(
    reports: CrashReports, window: MainWindow, loop: QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAILASH_SECRET_VAULT", CANARY)
    window.crash_link.use(reports)
    reports.watch(loop)

    def in_a_slot() -> None:
        local = LOCAL
        assert local
        raise RuntimeError(f"of the slot, {CANARY}")

    def in_a_thread() -> None:
        raise OSError(2, "No such file", PATH)

    async def work() -> None:
        QTimer.singleShot(0, in_a_slot)
        await until(lambda: "RuntimeError" in _text(reports))
        thread = threading.Thread(target=in_a_thread)
        thread.start()
        thread.join()

        async def in_a_task() -> None:
            try:
                raise KeyError(KEY)
            except KeyError:
                raise TypeError("of the task") from None

        asyncio.get_running_loop().call_soon(lambda _: 1 / 0, ARGUMENT)
        task = asyncio.ensure_future(in_a_task())
        await asyncio.wait([task])
        del task
        await until(lambda: "ZeroDivisionError" in _text(reports))

    loop.run_until_complete(work())
    text = _text(reports)
    assert "builtins.RuntimeError: of the slot, ***vault***" in text
    assert "builtins.FileNotFoundError: No such file or directory" in text
    assert "builtins.TypeError: of the task" in text
    for hidden in (CANARY, LOCAL, PATH, KEY, ARGUMENT):
        assert hidden not in text
    said = [line for line in window.log.text().splitlines() if "an error of its own" in line]
    assert len(said) == 1


def test_the_last_reports_are_kept_and_those_of_living_windows_are_left_alone(
    reports: CrashReports, user_home: Path
) -> None:
    folder = user_home / "crashes"
    for number in range(9):
        (folder / f"20200101-00000{number}-1.txt").write_text("a report", encoding="utf-8")
    (own,) = folder.glob("*.running")
    reports.add(RuntimeError("still here"))
    assert not CrashReports().left(), "the process of the one with content lives"
    assert own.exists()
    assert sorted(path.name[14] for path in folder.glob("*.txt")) == ["4", "5", "6", "7", "8"]
    for _ in range(40):
        reports.add(RuntimeError("again and again"))
    assert own.read_text(encoding="utf-8").count("RuntimeError") == 20


def test_without_a_report_the_action_says_so(window: MainWindow) -> None:
    window.actions_by_name["crash_report"].trigger()
    assert "There is no crash report" in window.line.currentMessage()


def test_a_message_has_the_status_line_for_itself(window: MainWindow) -> None:
    window.line.show_dot("engine", "amber", "Engine starting")
    window.say("The window met an error of its own.")
    window.line.show_dot("engine", "green", "Engine ready")
    dots = window.line.findChildren(QLabel)
    assert not any(dot.isVisible() and "Engine" in dot.text() for dot in dots)
    window.line.clearMessage()
    assert any(dot.isVisible() and "Engine ready" in dot.text() for dot in dots)
