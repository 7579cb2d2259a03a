"""Connects the debugger's panel, the breakpoints and the canvas with the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from PySide6.QtCore import QObject, Signal

from kailash_studio.desktop.breakpoints import Breakpoints
from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.errands import EngineErrands
from kailash_studio.desktop.panels.debugger import Debugger, described
from kailash_studio.desktop.panels.stop_values import Key, cell_of
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session
from kailash_studio.errors import EngineError
from kailash_studio.runtime.debugger import Breakpoint, How
from kailash_studio.spec.parameter import MISSING


class DebugLink(QObject):
    """Follows where the run stands still, and sends the decisions.

    Signals:
        stopped: A node stands still that did not before.
    """

    stopped = Signal()

    def __init__(
        self,
        engine: Engine,
        runs: Runs,
        canvas: Canvas,
        session: Session,
        breakpoints: Breakpoints,
        panel: Debugger,
        say: Callable[[str], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._engine, self._runs, self._canvas, self._say = engine, runs, canvas, say
        self._session, self._breakpoints, self._panel = session, breakpoints, panel
        self._errands = EngineErrands(engine, say)
        self._standing: set[int] = set()
        self._how: How = "over"
        runs.breakpoints = lambda: [asdict(point) for point in breakpoints.all()]
        runs.changed.connect(self._run_changed)
        breakpoints.changed.connect(self._breakpoints_changed)
        panel.values_wanted.connect(lambda stop: self._errands.begin(self._show_values(stop), anyway=True))
        panel.decided.connect(self._decided)
        panel.evaluate_wanted.connect(self._evaluate_wanted)
        panel.cell_typed.connect(self._cell_typed)
        panel.breakpoint_changed.connect(self._put)
        panel.breakpoint_removed.connect(breakpoints.remove)
        panel.show_breakpoints(breakpoints.all())

    # ------------------------------------------------------------------ actions
    def toggle(self) -> None:
        """Set a breakpoint before the selected nodes or on the selected connection, or take theirs away."""
        chosen = self._canvas.selection()
        connection = self._session.workflow.connections.get(self._canvas.chosen_connection())
        if connection is not None:
            self._breakpoints.toggle_connection(connection)
        elif not chosen:
            self._say("Select a node or a connection first: a run will stop before the node, or where a value comes.")
        for node_id in chosen:
            self._breakpoints.toggle(node_id)

    def pause(self) -> None:
        """Start no further node."""
        self._ask("pause")

    def go_on(self) -> None:
        """Let everything go on: the node that is chosen with what was changed, and the run."""
        if self._panel.chosen():
            self._panel.decide("go_on")
        else:
            self._ask("resume")

    def step(self, how: How = "over") -> None:
        """Go on to what comes next: from the chosen stop, or one node of a paused run."""
        self._how = how
        if self._panel.chosen():
            self._panel.decide("step")
        else:
            self._ask("step")

    def run_to(self) -> None:
        """Go on, and stop before the selected node; without a run, start one that does."""
        chosen = self._canvas.selection()
        if len(chosen) == 1 and self._runs.running:
            self._ask("run_to", node=chosen[0])
        elif len(chosen) == 1:
            self._runs.start(run_to=chosen[0])
        else:
            self._say("Select the node that the run is to stop before.")

    # ------------------------------------------------------------------ following
    def _run_changed(self) -> None:
        stopped = self._runs.stopped()
        standing = {state["stop"] for state in stopped.values()}
        if standing != self._standing:
            fresh = standing - self._standing
            self._standing = standing
            self._panel.show_stops(stopped)
            if fresh:
                self.stopped.emit()

    def _breakpoints_changed(self) -> None:
        points = self._breakpoints.all()
        self._panel.show_breakpoints(points)
        if self._runs.running and self._run_id():
            self._ask("breakpoints", breakpoints=[asdict(point) for point in points])

    def _put(self, index: int, point: object) -> None:
        assert isinstance(point, Breakpoint)  # the panel's; Qt's signals carry objects
        self._breakpoints.put(index, point)

    def _evaluate_wanted(self, stop: int, expression: str, changes: object) -> None:
        assert isinstance(changes, dict)  # the panel's, as in each decision
        self._errands.begin(self._evaluate(stop, expression, changes), anyway=True)

    def _cell_typed(self, stop: int, key: Any, place: Any, text: Any) -> None:
        self._errands.begin(self._check_cell(stop, key, place, text), anyway=True)

    def _run_id(self) -> str:
        return self._runs.current.run_id if self._runs.current is not None else ""

    # ------------------------------------------------------------------ with the engine
    def _decided(self, stop: int, do: str, changes: object) -> None:
        assert isinstance(changes, dict)  # the panel's; Qt's signals carry objects
        self._session.settle()
        gives = changes["outputs"] or changes["cells"].get("outputs")
        words = {**changes, "parameters": self._parameters_now(stop)}
        if do == "step":
            self._ask("step", stop=stop, go="give" if gives else "go_on", how=self._how, **words)
            self._how = "over"
        else:
            self._ask("go_on", stop=stop, go="give" if gives and do == "go_on" else do, **words)

    def _parameters_now(self, stop: int) -> dict[str, Any]:
        """The parameters of the node that were changed in the inspector since it was called, or the run began."""
        run, workflow = self._runs.current, self._session.workflow
        node = next((n for n, state in self._runs.stopped().items() if state["stop"] == stop), "")
        before = run.as_called().nodes.get(node) if run is not None and run.document is not None else None
        now = workflow.nodes.get(node)
        if before is None or now is None or before.type != now.type:
            return {}
        node_type = self._session.registry.find(now.type)
        reset = before.parameters.keys() - now.parameters.keys()
        declared = node_type.declarations if node_type is not None else {}
        defaults = {name: declared[name].default for name in reset & declared.keys()}
        changed = {name: value for name, value in now.parameters.items() if before.parameters.get(name) != value}
        return {name: value for name, value in defaults.items() if value is not MISSING} | changed

    def _ask(self, do: str, **words: Any) -> None:
        if self._run_id():
            self._errands.begin(self._asked(do, words), anyway=True)

    async def _asked(self, do: str, words: dict[str, Any]) -> None:
        await self._engine.request(do, run_id=self._run_id(), **words)

    async def _show_values(self, stop: int) -> None:
        run_id = self._run_id()
        told = await self._engine.request("stop_values", run_id=run_id, stop=stop)

        async def page(side: str, name: str, offset: int, limit: int) -> dict[str, Any]:
            words = {"run_id": run_id, "stop": stop, "side": side, "name": name}
            return await self._engine.request("stop_page", **words, offset=offset, limit=limit)

        self._panel.show_values(stop, told, page)

    async def _check_cell(self, stop: int, key: Key, place: Any, text: str | None) -> None:
        """Ask whether a cell can be what was typed, so that it is told there and not when the node goes on."""
        words = {"stop": stop, "side": key[0], "name": key[1], "cell": cell_of(place, text)}
        wrong = (await self._engine.request("check_cell", run_id=self._run_id(), **words))["wrong"]
        if stop != self._panel.chosen():
            return
        if wrong:
            self._panel.values.refuse(key, place, text, wrong)
        else:
            self._panel.values.take(key, place, text)

    async def _evaluate(self, stop: int, expression: str, changes: dict[str, Any]) -> None:
        words = {"stop": stop, "expression": expression, **changes}
        try:
            told = await self._engine.request("evaluate", run_id=self._run_id(), **words)
        except EngineError as error:
            self._panel.show_result(str(error), wrong=True)
        else:
            self._panel.show_result(described(told["page"]))
