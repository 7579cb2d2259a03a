"""A person debugs a broken workflow at the real window, by mouse and keyboard alone, until it is mended.

``python debugging.py FILE PICTURES`` on an X display with a window manager; FILE is the workflow. Prints as JSON what
was done and seen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from hands import Hands, at, middle, until
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication, QPushButton
from sitting import sit

from kailash_studio.desktop.dialogs.chooser import Chooser
from kailash_studio.desktop.dialogs.fault import FaultDialog
from kailash_studio.desktop.window import MainWindow

MENDED = "def value(rows): return sum(float(r['price']) for r in rows if r['price'] != 'n/a')"


class Session:
    """One sitting."""

    def __init__(self, window: MainWindow, pictures: Path) -> None:
        self.window, self.pictures, self.hands = window, pictures, Hands()
        self.did: list[str] = []

    # ------------------------------------------------------------------ by hand
    def note(self, action: str) -> None:
        self.did.append(action)

    async def press(self, button: QPushButton) -> None:
        await until(f"{button.text()} can be pressed", lambda: button.isVisible() and button.isEnabled())
        await self.hands.click(middle(button))

    async def select(self, node: str) -> None:
        viewer, card = self.window.canvas.viewer, self.window.canvas.store.cards[node]
        head = viewer.mapFromScene(QPointF(card.left + 80, card.top + 14))
        await self.hands.click(at(viewer.viewport(), head))
        await until(f"{node} is selected", lambda: self.window.canvas.selection() == [node])

    async def stands(self, node: str, when: str) -> None:
        panel, runs = self.window.debugger, self.window.runs
        await until(f"{node} stands {when}", lambda: runs.stopped().get(node, {}).get("when") == when)
        await until("its values are shown", lambda: panel.chosen() and panel._when == when)

    async def ended(self, state: str) -> None:
        runs = self.window.runs
        await until("the run has ended", lambda: runs.current is not None and not runs.running)
        assert runs.current is not None
        assert runs.current.state == state, f"{runs.current.state}: {runs.current.states}"

    def state(self, node: str) -> str:
        return self.window.canvas.store.cards[node].state.state

    async def started(self, press: str) -> None:
        """Press keys that start a run, and wait until there is a new one."""
        runs = self.window.runs
        before = runs.current.run_id if runs.current else ""
        await self.hands.key(press)
        await until("another run", lambda: runs.current is not None and runs.current.run_id != before)

    def picture(self, name: str) -> None:
        self.window.grab().save(str(self.pictures / f"{name}.png"))

    # ------------------------------------------------------------------ the session
    async def work(self) -> dict[str, object]:
        window = self.window
        await until("the window is on the screen", lambda: window.isActiveWindow() and window.canvas.isVisible())
        await until("the engine is ready", lambda: window.engine.state == "ready")
        await self.find_the_data()
        await self.stop_and_look()
        await self.decide_at_stops()
        await self.pause_and_step()
        await self.mend_and_go_on()
        await self.keep_and_rehearse()
        await self.look_back()
        await self.hands.key("ctrl+s")
        await until("it is saved", lambda: not window.session.dirty)
        self.note("save")
        return {"did": self.did, "shown": window.rows.texts(3)}

    async def find_the_data(self) -> None:
        window = self.window
        await self.started("F5")
        await self.ended("failed")
        self.note("run")
        await until("the failure is told", window.failure.isVisible)
        await self.press(window.failure.buttons[0])
        await until("the data that broke it", lambda: ["AMZN", "n/a"] in window.rows.texts(3))
        self.note("show the failure's data")
        self.picture("failure")

    async def stop_and_look(self) -> None:
        window, panel = self.window, self.window.debugger
        await self.select("value")
        await self.hands.key("F6")
        await until("a breakpoint", lambda: window.breakpoints.mark("value") == "on")
        self.note("set a breakpoint")
        await self.started("F5")
        await self.stands("value", "before")
        self.note("stop at a breakpoint")
        await self.hands.click_into("the expression", lambda: panel.expression)
        await self.hands.type("[r['symbol'] for r in inputs['rows'] if type(r['price']) == str]")
        await self.hands.key("Return")
        await until("the expression's value", lambda: "AMZN" in panel.result.toPlainText())
        self.note("evaluate an expression")
        self.picture("stopped")
        table = panel.values.table
        cell = table.visualRect(table.model().index(1, 1)).center()
        await self.hands.click(at(table.viewport(), cell), times=2)
        await self.hands.key("ctrl+a")
        await self.hands.type("130.2")
        await self.hands.key("Return")
        await until("the cell is edited", lambda: bool(panel.values.edited()[2]))
        self.note("edit a cell of an input")
        await self.hands.key("F10")
        await self.stands("value", "after")
        self.note("step")
        await self.hands.key("F5")
        await self.ended("succeeded")
        self.note("continue")

    async def decide_at_stops(self) -> None:
        window, panel = self.window, self.window.debugger
        await self.started("F5")
        await self.stands("value", "before")
        await self.press(panel.buttons["skip"])
        await self.ended("succeeded")
        assert self.state("value") == "skipped"
        self.note("skip a node")
        await self.started("F5")
        await self.stands("value", "before")
        await self.hands.key("F10")
        await self.stands("value", "error")
        self.note("stop on an error")
        assert panel.values.port.currentText().startswith("input")
        table = panel.values.table
        await self.hands.click(at(table.viewport(), table.visualRect(table.model().index(1, 1)).center()), times=2)
        await self.hands.key("ctrl+a")
        await self.hands.type("130.2")
        await self.hands.key("Return")
        await until("the cell is edited", lambda: bool(panel.values.edited()[2]))
        await self.press(panel.buttons["again"])
        await self.ended("succeeded")
        self.note("call once more with other inputs")
        await self.started("F5")
        await self.stands("value", "before")
        await self.hands.click_into("the outputs", lambda: panel.values.port)
        await self.hands.key("Escape", "Down")
        await until("the output is chosen", lambda: panel.values.port.currentText().startswith("output"))
        await self.hands.click_into("the output's text", lambda: panel.values.text)
        await self.hands.key("ctrl+a")
        await self.hands.type('{"result": 158.2}')
        await self.press(panel.buttons["give"])
        await self.ended("succeeded")
        self.note("give an output")
        await self.select("value")
        await self.hands.key("F6")
        await until("no breakpoint", lambda: window.breakpoints.mark("value") == "")
        self.note("take a breakpoint away")

    async def pause_and_step(self) -> None:
        window = self.window
        await self.select("quotes")
        await self.hands.key("F6")
        await self.started("F5")
        await self.stands("quotes", "before")
        await self.select("value")
        await self.hands.key("ctrl+F10")
        await self.stands("value", "before")
        self.note("run to here")
        await self.hands.key("ctrl+F6")
        await until("the run is paused", lambda: window.runs.current is not None and bool(window.runs.current.paused))
        self.note("pause")
        await self.hands.key("shift+F5")
        await self.ended("cancelled")
        self.note("stop the run")
        await self.select("quotes")
        await self.hands.key("F6")

    async def mend_and_go_on(self) -> None:
        window = self.window
        await self.started("F5")
        await self.ended("failed")
        await self.select("value")
        await self.hands.click_into("value.code", lambda: window.inspector.form.row("code").field)
        await self.hands.key("ctrl+a")
        await self.hands.type(MENDED)
        await self.hands.key("ctrl+Return")
        nodes = window.session.workflow.nodes
        await until("the code is mended", lambda: nodes["value"].parameters["code"] == MENDED)
        await self.started("ctrl+F5")
        await self.ended("succeeded")
        assert window.runs.current is not None
        assert window.runs.current.states["quotes"]["reused"] is True
        self.note("run from the failure")
        await self.select("report")
        await self.started("alt+F5")
        await self.ended("succeeded")
        self.note("run from here")
        await self.started("alt+shift+F5")
        await self.ended("succeeded")
        self.note("run only this")
        await self.started("ctrl+shift+F5")
        await self.ended("succeeded")
        assert self.state("writer") == "skipped"
        self.note("safe preview")

    async def keep_and_rehearse(self) -> None:
        window = self.window
        await self.started("F5")
        await self.ended("succeeded")
        await self.select("quotes")
        await self.hands.key("ctrl+p")
        await until("it is pinned", lambda: window.pins.has("quotes"))
        self.note("pin")
        await self.started("F5")
        await self.ended("succeeded")
        assert window.runs.current is not None
        assert window.runs.current.states["quotes"]["pinned"] is True
        await self.press(window.pinned.buttons[0])
        await until("it is not pinned", lambda: not window.pins.has("quotes"))
        self.note("unpin")
        await self.select("report")
        await self.press((await self.fault_dialog()).ok)
        await until("the fault is in", lambda: window.faults.of("report") is not None)
        self.note("put a fault in")
        await until("the window is active again", window.isActiveWindow)
        await self.started("ctrl+alt+r")
        await self.ended("failed")
        self.note("test run")
        await self.select("report")
        await self.press((await self.fault_dialog()).remove)
        await until("the fault is away", lambda: window.faults.of("report") is None)
        await until("the window is active again", window.isActiveWindow)
        await self.started("F5")
        await self.ended("succeeded")

    async def look_back(self) -> None:
        history = self.window.history
        await self.keys_until("ctrl+h", history.list.isVisible)
        await until("runs are listed", lambda: history.list.list.topLevelItemCount() > 5)
        self.note("list the runs")
        listed = history.list.list
        broken = next(
            item
            for item in (listed.topLevelItem(i) for i in range(listed.topLevelItemCount()))
            if item is not None and "failed" in "".join(item.text(c) for c in range(listed.columnCount()))
        )
        place = listed.visualItemRect(broken).center()
        await self.hands.click(at(listed.viewport(), place), times=2)
        await until("the past run is shown", lambda: history.past.looking)
        self.note("open a past run")
        self.picture("past")
        await self.hands.key("Escape")
        await until("the present is back", lambda: not history.past.looking)
        self.note("back to the present")

    async def keys_until(self, keys: str, holds: Callable[[], object]) -> None:
        if not holds():
            await self.hands.key(keys)
        await until(f"{keys} has done it", holds)

    async def fault_dialog(self) -> FaultDialog:
        """Opened from the command palette."""
        await self.hands.key("ctrl+k")
        await until("the palette is there", lambda: any(found.isVisible() for found in self.choosers()))
        await self.hands.type("Fault")
        await self.hands.key("Return")
        await until("the fault's dialog", lambda: self.dialog() is not None)
        dialog = self.dialog()
        assert dialog is not None
        await until("the dialog is active", dialog.isActiveWindow)
        return dialog

    def choosers(self) -> list[Chooser]:
        return self.window.findChildren(Chooser)

    def dialog(self) -> FaultDialog | None:
        found = [w for w in QApplication.topLevelWidgets() if isinstance(w, FaultDialog) and w.isVisible()]
        return found[0] if found else None


def main() -> int:
    file, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    return sit(lambda window: Session(window, pictures).work(), [file], pictures)


if __name__ == "__main__":
    sys.exit(main())
