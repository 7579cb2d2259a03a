"""The engine is killed in the middle of a run, ``python engine_killed.py FILE``: tells what the window does."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
from hands import until
from sitting import sit

from kailash_studio.desktop.window import MainWindow


async def work(window: MainWindow) -> object:
    runs, engine = window.runs, window.engine
    await until("the engine is ready", lambda: engine.state == "ready")
    before = window.session.text()
    window.session.set_parameter("endless", "memory_limit", 2048)  # an unsaved edit
    edited = window.session.text()
    runs.start()
    process = psutil.Process(engine.pid)
    await until("the endless node runs", lambda: states(window).get("endless") == "started")
    await until("its worker is there", lambda: process.children(recursive=True))
    family = [process, *process.children(recursive=True)]
    os.kill(engine.pid, signal.SIGKILL)
    await until("the window says so", window.notice.isVisible)
    told = window.notice.sentence
    await until("nothing of the engine is left", lambda: not any(alive(member) for member in family))
    window.notice.buttons[0].click()
    await until("the engine is ready again", lambda: engine.state == "ready")
    assert not window.notice.isVisible()
    window.session.set_parameter("endless", "code", "def endless(): return 1")
    runs.start()
    await until("the run has ended", lambda: runs.current is not None and not runs.running)
    assert runs.current is not None
    window.session.undo()
    assert window.session.text() == edited
    window.session.undo()
    assert window.session.text() == before
    return {"told": told, "state": runs.current.state, "workers": len(family) - 1}


def states(window: MainWindow) -> dict[str, str]:
    current = window.runs.current
    return {} if current is None else {node: state["state"] for node, state in current.states.items()}


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    sys.exit(sit(work, [Path(sys.argv[1])]))
