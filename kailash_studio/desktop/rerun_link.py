"""Running a part again from the window: from the failure, from a node, or one node alone; and what is offered for it.

After a run, results that the present document would not give are marked stale. After a failure, the data that broke it
is one click away, and so is going on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QMessageBox, QWidget

from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.canvas.view import NodeState
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.errands import EngineErrands
from kailash_studio.desktop.notice import Notice
from kailash_studio.desktop.run_view import RunView
from kailash_studio.desktop.runs import Runs, node_state
from kailash_studio.desktop.session import Session
from kailash_studio.runtime.rerun import stale_nodes
from kailash_studio.workflow.commands import Change, new_keys

_LOOK_MS = 250
_GAVE = frozenset({"succeeded", "recovered"})


class RerunLink(QObject):
    """Asks the engine what running a part again would do, asks the person about side effects, and starts it.

    Signals:
        data_wanted: The node whose inputs should be shown.
    """

    data_wanted = Signal(str)

    def __init__(
        self,
        session: Session,
        engine: Engine,
        canvas: Canvas,
        runs: Runs,
        notice: Notice,
        say: Callable[[str], None],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session, self._engine, self._canvas, self._runs = session, engine, canvas, runs
        self._notice, self._say, self._window = notice, say, window
        self._errands = EngineErrands(engine, say)
        self._seen: RunView | None = None  # the run that was last shown
        self._told: str = ""  # the run whose failure was told
        self._turn = asyncio.Lock()
        self._outdated: tuple[str, dict[str, str]] = ("", {})  # of a run: results made from other inputs than are there
        self.stale: dict[str, str] = {}
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(_LOOK_MS)
        self._look.timeout.connect(self._mark_stale)
        session.changed.connect(self._edited)
        session.opened.connect(self._opened)
        runs.changed.connect(self._run_changed)
        runs.compared.connect(self._kept)
        engine.state_changed.connect(lambda *_: self._errands.begin(self._look_for_interrupted()))

    # ------------------------------------------------------------------ actions
    def from_failure(self) -> None:
        """Call what has no result that counts; all else is taken over."""
        self._again("failed", [])

    def from_here(self) -> None:
        """Call the selected nodes and what they feed."""
        self._again("from", self._canvas.selection())

    def only_this(self) -> None:
        """Call the selected nodes alone, on the results that are there."""
        self._again("only", self._canvas.selection())

    def preview(self) -> None:
        """Run everything but what changes something outside."""
        self._runs.start(safe=True)

    def close(self) -> None:
        """The window closes."""
        self._look.stop()

    # ------------------------------------------------------------------ running again
    def _again(self, mode: str, nodes: list[str]) -> None:
        self._session.settle()
        run = self._runs.current
        if self._runs.running:
            self._say("A run is under way: stop it, or wait for its end.")
        elif run is None:
            self._say("There is no run to go on from yet: press Run.")
        elif run.unreal:
            self._say(run.unreal)
        elif mode != "failed" and not nodes:
            self._say("Select the node to run from.")
        else:
            self._errands.begin(self._ask_and_start({"run_id": run.run_id, "mode": mode, "nodes": nodes}))

    async def _ask_and_start(self, again: dict[str, Any]) -> None:
        told = await self._engine.request(
            "rerun",
            workflow=await self._session.text_beside(),
            again=again,
            file=str(self._session.path) if self._session.path is not None else "",
            capsule=self._runs.capsule,
        )
        if not told["calls"]:
            self._say("There is nothing to run again: each node has a result that counts.")
        elif told["asks"] and not self._runs.capsule:  # recorded answers do nothing once more
            self._ask(told["asks"], again)
        else:
            self._runs.start(again=again)

    def _ask(self, asks: dict[str, str], again: dict[str, Any]) -> None:
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setObjectName("side_effects")
        box.setWindowTitle("Done once more")
        box.setText("These nodes were called before, and each call counts:")
        shown = "\n".join(f"•  {node} {does}" for node, does in list(asks.items())[:12])
        more = f"\nand {len(asks) - 12} more." if len(asks) > 12 else ""
        box.setInformativeText(f"{shown}{more}\n\nPin a node to keep what it gave.")
        call = box.addButton("Call them again", QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)

        def answered(_: object) -> None:
            if box.clickedButton() is call:
                self._runs.start(again=again)

        box.buttonClicked.connect(answered)
        box.finished.connect(box.deleteLater)
        box.open()

    # ------------------------------------------------------------------ after a run
    def _edited(self, changes: tuple[Change, ...]) -> None:
        names = new_keys(changes)
        self.stale = {names.get(node, node): why for node, why in self.stale.items()}
        self._look.start()

    def _opened(self) -> None:
        self.stale = {}
        self._notice.hide()
        if self._engine.state == "ready":
            self._errands.begin(self._look_for_interrupted())

    def _run_changed(self) -> None:
        run, before = self._runs.current, self._seen
        self._seen = run
        if run is not before or (run is not None and run.state == "running"):  # one that is refused changes nothing
            self.stale = {}
            self._notice.hide()
        if run is not None and run.state == "failed" and self._told != run.run_id:
            self._told = run.run_id
            self._tell_failure()

    def _tell_failure(self) -> None:
        run = self._runs.current
        assert run is not None  # it has just failed
        failed = [node for node, state in run.states.items() if state["state"] == "failed"]
        if not failed:
            return
        first = failed[0]
        error = run.states[first].get("error", "")
        more = f" ({len(failed) - 1} more failed)" if len(failed) > 1 else ""
        told = error if error.startswith(first) else f"{first}: {error}"
        offered: list[tuple[str, Callable[[], object]]] = [("Show the data", lambda: self._show_data(first))]
        if not run.unreal:
            offered.append(("Run from the failure", self.from_failure))
        self._notice.say(told + more, offered)

    def _show_data(self, node: str) -> None:
        if node in self._session.workflow.nodes:
            self._canvas.select([node])
            self._canvas.show_node(node)
            self.data_wanted.emit(node)

    def _kept(self) -> None:
        """The journal has all of a run: it knows what results were made from that were not called for."""
        run = self._runs.current
        if run is not None and any(state.get("reused") or state.get("pinned") for state in run.states.values()):
            self.look_at_grounds()

    def look_at_grounds(self) -> None:
        """What results stand on may have changed: one was taken over, pinned, or is pinned no more."""
        run = self._runs.current
        if run is not None and not self._runs.running and self._engine.may("stale"):
            self._errands.begin(self._look_for_outdated(run))

    async def _look_for_outdated(self, run: RunView) -> None:
        async with self._turn:  # the answer that comes last is about what is there last
            told = await self._engine.request(
                "stale",
                workflow=await self._session.text_beside(),
                run_id=run.run_id,
                file=str(self._session.path) if self._session.path is not None else "",
            )
            if run is self._runs.current and told["outdated"] != self._outdated_of(run):
                self._outdated = run.run_id, told["outdated"]
                self._mark_stale()

    def _outdated_of(self, run: RunView) -> dict[str, str]:
        return self._outdated[1] if self._outdated[0] == run.run_id else {}

    def _mark_stale(self) -> None:
        """Mark results that the present document would not give."""
        run = self._runs.current
        if run is None or self._runs.running or run.document is None:
            return
        outdated = run.by_new_names(self._outdated_of(run))
        found = stale_nodes(run.as_called(), self._session.workflow, outdated, self._session.registry)
        had = {node for node, state in run.states.items() if state["state"] in _GAVE}
        before, self.stale = self.stale, {node: why for node, why in found.items() if node in had}
        marks = {node: NodeState("stale", "stale", f"{why}: run from here") for node, why in self.stale.items()}
        back = {n: node_state(run.states[n]) for n in before.keys() - self.stale.keys() if n in run.states}
        there = self._session.workflow.nodes
        self._canvas.set_states({node: state for node, state in (back | marks).items() if node in there})

    # ------------------------------------------------------------------ interrupted runs
    async def _look_for_interrupted(self) -> None:
        told = await self._engine.request("interrupted")
        mine = [run for run in told["runs"] if self._is_mine(run)]
        if not mine or self._runs.running:
            return
        run = mine[0]
        places = ", ".join(f"{when} {node}" for node, when in run["stood"].items())
        where = f", standing {places}" if places else ""
        again = {"run_id": run["run_id"], "mode": "failed", "nodes": []}
        self._notice.say(
            f"Run {run['run_id']} of this workflow was interrupted{where}.",
            [("Go on with it", lambda: self._errands.begin(self._ask_and_start(again)))],
        )

    def _is_mine(self, run: dict[str, Any]) -> bool:
        if self._session.path is None:
            return bool(run["document"] == self._session.text())
        return bool(run["folder"] == str(self._session.folder)) and run["workflow"] == self._session.workflow.name
