"""One of two windows, ``python window_killed.py edit|return FILE HOME``: the first is killed, the second follows it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hands import until
from PySide6.QtWidgets import QApplication, QMessageBox
from sitting import say, sit

from kailash_studio.desktop.window import MainWindow


async def edit(window: MainWindow) -> object:
    """Run on the embedded server, change something, and sit there until killed."""
    await until("the engine is ready", lambda: window.engine.state == "ready")
    window.runs.start()
    await until("the run has ended", lambda: window.runs.current is not None and not window.runs.running)
    assert window.runs.current is not None
    assert window.runs.current.state == "succeeded", window.log.text()
    window.session.set_parameter("query", "query", "SELECT 42 AS answer")
    await until("the change is kept", lambda: list(Path(sys.argv[3]).glob("unsaved/*.json")))
    say({"engine": window.engine.pid, "text": window.session.text()})
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody killed this window")


async def come_back(window: MainWindow) -> object:
    """Take what is offered."""
    box: list[QMessageBox] = []

    def asked() -> bool:
        box[:] = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox) and w.isVisible()]
        return bool(box)

    await until("the window offers the unsaved changes", asked)
    box[0].button(QMessageBox.StandardButton.Yes).click()
    await until("they are back", lambda: "query" in window.session.workflow.nodes)
    window.runs.start()
    await until("the run has ended", lambda: window.runs.current is not None and not window.runs.running)
    assert window.runs.current is not None
    return {
        "text": window.session.text(),
        "dirty": window.session.dirty,
        "path": str(window.session.path),
        "state": window.runs.current.state,
    }


if __name__ == "__main__":
    if sys.argv[1] == "edit":
        sys.exit(sit(edit, [Path(sys.argv[2])]))
    sys.exit(sit(come_back, []))
