"""Runs of the open workflow: starting, stopping, live states on the canvas, and the values that flowed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMessageBox, QWidget

from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.canvas.view import NodeState
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.gone import Gone
from kailash_studio.desktop.run_view import RunView
from kailash_studio.desktop.session import Session
from kailash_studio.desktop.values import Values
from kailash_studio.errors import DocumentError, EngineError
from kailash_studio.runtime.wording import duration, not_called, succeeded
from kailash_studio.services import trust
from kailash_studio.spec.finding import has_errors
from kailash_studio.workflow.commands import Change, new_keys
from kailash_studio.workflow.workflow import Connection, Workflow

_OPEN = frozenset({"", "started", "stopped", "retrying"})
_TEST, _SAFE = "TEST RUN · faults were put in", "SAFE PREVIEW · nothing was written"
_UNREAL = {  # what a run is not gone on from, by the word of its request, and what to do instead
    "scenario": "Nothing goes on from a test run: press Run to run the workflow itself.",
    "safe": "Nothing goes on from a safe preview: press Run to run the workflow itself.",
}
_SLICE = 400  # nodes that are painted in a row
_WORDS = {
    "started": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "skipped": "skipped",
    "cancelled": "cancelled",
    "retrying": "retrying",
    "recovered": "recovered",
    "stopped": "stopped",
}


class Runs(QObject):
    """Starts and stops runs on the engine and shows them.

    Signals:
        changed: A run started, went on or ended; ``current`` tells.
        logged: New log lines: lists of time, level, node, text.
        said: A sentence for the person.
        compared: ``happened`` tells of the run that has ended: configured, happened, differences by node; and
            ``whys`` in a sentence why a node did not run.
        problems_asked: The workflow has errors; the list of problems should be shown.
    """

    changed = Signal()
    logged = Signal(list)
    said = Signal(str)
    compared = Signal()
    problems_asked = Signal()

    def __init__(self, session: Session, engine: Engine, canvas: Canvas, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._engine, self._canvas, self._window = session, engine, canvas, window
        self.values = Values(engine, self._name_in_run)
        self.current: RunView | None = None
        self._early: list[dict[str, Any]] = []  # updates that came before the answer that names their run
        self.expected = ""  # a run that is being drawn: ``adopt`` brings what it told meanwhile
        self._closed = False
        self.happened: dict[str, tuple[str, str, list[str]]] = {}
        self.whys: dict[str, str] = {}
        self.capsule = ""  # the file whose recorded answers runs get
        self.allow_code = False  # full Python that has no recorded answer really runs
        self.breakpoints: Callable[[], list[dict[str, Any]]] = list
        self._starting = False
        self._outgoing: dict[str, list[Connection]] | None = None  # by node, until the graph changes
        self._gone: Gone[tuple[str, RunView, NodeState]] = Gone()
        self._tasks: set[asyncio.Task[None]] = set()
        session.changed.connect(self._graph_changed)
        engine.updated.connect(self._update)
        engine.state_changed.connect(self._engine_changed)
        session.opened.connect(self.clear)

    @property
    def running(self) -> bool:
        """Whether a run is starting or under way."""
        return self._starting or (self.current is not None and self.current.state == "running")

    @property
    def starting(self) -> bool:
        """Whether a run is asked for whose id is not known yet."""
        return self._starting

    def stopped(self) -> dict[str, dict[str, Any]]:
        """The states of the nodes that stand still."""
        return dict(self.current.stopped) if self.current is not None and self.running else {}

    @property
    def waits_for_somebody(self) -> bool:
        """Whether the run is paused, or a node stands still."""
        return self.running and self.current is not None and bool(self.current.paused or self.stopped())

    # ------------------------------------------------------------------ actions
    def start(self, **further: Any) -> None:
        """Run the workflow as it is on the canvas; ``further`` goes along: ``again``, ``safe``, ``scenario``."""
        if self.running:
            return
        self._session.settle()
        if not self._session.large:  # of a large one the engine's own look counts, and the findings that there are
            self._session.validate_now()
        if has_errors(self._session.findings):
            count = sum(finding.severity == "error" for finding in self._session.findings)
            self.said.emit(
                "One problem keeps the workflow from running." if count == 1 else f"{count} problems to mend."
            )
            self.problems_asked.emit()
            return
        if not self._session.workflow.nodes:
            self.said.emit("There is nothing to run yet: drag a node onto the canvas.")
            return
        if not self._session.trusted and not self.capsule:  # recorded answers call nothing outside
            self._ask_trust(lambda: self._begin(further))
            return
        self._begin(further)

    def adopt(self, shown: dict[str, Any], later: Sequence[dict[str, Any]] = ()) -> None:
        """Follow a run of another process: what is known of it, as ``runtime.server`` shows it, and later updates."""
        self.current, self.expected = RunView(shown["run_id"], {}, document=self._session.workflow.as_it_is()), ""
        if shown["log"]:
            self.current.started = shown["log"][0][0]
        self.current.put(shown["states"])
        news = {"states": {}, "log": shown["log"], "run": None, "paused": shown["paused"]}
        self._update({"run_id": shown["run_id"], **news})
        self._spawn(self._paint(self.current))
        for update in later:
            self._update(update)

    async def _paint(self, run: RunView) -> None:
        """Show all states of a run, in slices that the window does not notice."""
        nodes = list(self._session.workflow.nodes)
        for start in range(0, len(nodes), _SLICE):
            if self.current is not run:
                return
            chunk = nodes[start : start + _SLICE]
            known = {node_id: run.states[node_id] for node_id in chunk if node_id in run.states}
            waiting = {node_id: NodeState("queued") for node_id in chunk if node_id not in known}
            self._canvas.set_states(waiting | {node_id: node_state(state) for node_id, state in known.items()})
            self._canvas.set_labels(dict.fromkeys((c.key for c in self._from(waiting)), ""))
            self._canvas.set_labels(row_labels(self._from(known), known))
            await asyncio.sleep(0)

    def _from(self, nodes: Iterable[str]) -> list[Connection]:
        """The connections from nodes; a run tells of a few nodes thirty times a second."""
        if self._outgoing is None:
            self._outgoing = by_source(self._session.workflow.connections.values())
        return [connection for node in nodes for connection in self._outgoing.get(node, ())]

    def _graph_changed(self, changes: tuple[Change, ...]) -> None:
        """A node that Undo brings back stands as it stood; what it has done meanwhile, it has done."""
        self._outgoing = None
        run = self.current
        self._follow_names(changes)
        for change in changes:
            if run is not None and change.section == "nodes" and change.after is None and not change.moved:
                self._gone.keep(change, (change.key, run, self._canvas.state(change.key)))
        for node_id, its_run, state in self._gone.back(changes):
            if its_run is run:
                known = its_run.states.get(node_id) if self.running else None
                self._canvas.set_states({node_id: node_state(known) if known is not None else state})

    def _follow_names(self, changes: tuple[Change, ...]) -> None:
        """A node that has another name has done what it has done: it stands as it stood."""
        names, run = new_keys(changes), self.current
        if not names or run is None:
            return
        run.follow(names)
        self.happened = {names.get(node, node): told for node, told in self.happened.items()}
        self.whys = {names.get(node, node): why for node, why in self.whys.items()}
        self._canvas.set_states({new: self._canvas.state(old) for old, new in names.items()})
        moved = set(new_keys(changes, "connections").values())
        lines = [line for key, line in self._session.workflow.connections.items() if key in moved]
        self._canvas.set_labels(row_labels(lines, run.states))

    def _name_in_run(self, run_id: str, node: str) -> str:
        """The name of a node in a run, by the one that it has now."""
        run = self.current
        return run.name_in_run(node) if run is not None and run.run_id == run_id else node

    def stop(self) -> None:
        """Stop the run that is under way."""
        if self.current is not None and self.current.state == "running":
            self._spawn(self._stop(self.current.run_id))

    def clear(self) -> None:
        """Forget the last run: another workflow is open."""
        self.current = self._outgoing = None
        self._gone.forget()
        self._canvas.clear_run()
        self._canvas.set_watermark("")
        self.changed.emit()

    def close(self) -> None:
        """The window closes: what the engine still tells is for nobody."""
        self.current, self._closed = None, True

    def _ask_trust(self, then: Callable[[], None]) -> None:
        effects = trust.effects(self._session.workflow, self._session.registry)
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setObjectName("trust")
        box.setWindowTitle("A workflow from elsewhere")
        box.setText("This workflow was not made here. Running it would do this:")
        shown = "\n".join(f"•  {node_id} {phrase}" for node_id, phrase in effects[:12])
        more = f"\nand {len(effects) - 12} more." if len(effects) > 12 else ""
        box.setInformativeText(shown + more)
        run = box.addButton("Run it", QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)

        def answered(_: object) -> None:
            if box.clickedButton() is run:
                self._session.approve()
                then()

        box.buttonClicked.connect(answered)
        box.finished.connect(box.deleteLater)
        box.open()

    # ------------------------------------------------------------------ with the engine
    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, further: dict[str, Any]) -> None:
        if not self.running:
            self._starting = True  # from here on, and not from the task's first turn: nothing starts twice
            self._spawn(self._start(self._session.workflow, further))

    async def _start(self, workflow: Workflow, further: dict[str, Any]) -> None:
        session = self._session
        if session.workflow is not workflow:
            self._started()
            return
        self.changed.emit()
        try:
            # all of it as it is now: another workflow may be opened while a large one is written
            document = session.workflow.as_it_is()
            words = {
                "folder": str(session.folder),
                "breakpoints": self.breakpoints(),
                "file": str(session.path) if session.path is not None else "",
                **({"capsule": self.capsule, "allow_code": self.allow_code} if self.capsule else {}),
                **further,
            }
            text = await session.text_beside()
            if session.workflow is not workflow:
                return
            answer = await self._engine.request("run", workflow=text, **words)
            if session.workflow is workflow:
                unreal = "" if self.capsule else next((why for word, why in _UNREAL.items() if further.get(word)), "")
                self._show_new(RunView(answer["run_id"], {}, document=document, unreal=unreal), further)
        except (EngineError, DocumentError) as error:
            self.said.emit(str(error))
        finally:
            self._started()

    def _show_new(self, run: RunView, further: Mapping[str, Any]) -> None:
        """Show a run that the engine has taken instead of the last one, which one that it refuses leaves as it is."""
        self.current, self.happened, self.whys = run, {}, {}
        self.compared.emit()
        self._canvas.set_watermark(_TEST if "scenario" in further else _SAFE if further.get("safe") else "")
        if self._session.large:
            self._spawn(self._paint(run))
        else:
            self._canvas.clear_run()
            self._canvas.set_states({node_id: NodeState("queued") for node_id in self._session.workflow.nodes})

    def _started(self) -> None:
        """The answer to the request for a run is there: what came before it has its turn."""
        self._starting = False
        early, self._early = self._early, []
        for update in early:
            self._update(update)
        self.changed.emit()

    async def _stop(self, run_id: str) -> None:
        try:
            await self._engine.request("cancel", run_id=run_id)
        except EngineError as error:
            self.said.emit(str(error))

    def _update(self, update: dict[str, Any]) -> None:
        if self._starting:
            self._early.append(update)
            return
        run = self.current
        if run is None or update["run_id"] != run.run_id:
            if update["log"] and update["run_id"] != self.expected and not self._closed:
                self.logged.emit(update["log"])  # of another run, such as the replay of a single letter
            return
        states = run.put(update["states"])
        if states:
            self._canvas.set_states({node_id: node_state(state) for node_id, state in states.items()})
            self._canvas.set_labels(row_labels(self._from(states), states))
        run.paused = update.get("paused", run.paused)
        if update["log"]:
            self.logged.emit(update["log"])
        end = update["run"]
        if end is not None:
            run.state, run.seconds = end["state"], end["seconds"]
            if end.get("error"):
                self._canvas.clear_run()
                self.said.emit(end["error"]["sentence"])
        self.changed.emit()
        if update.get("kept"):
            self._spawn(self._compare(run))

    async def _compare(self, run: RunView) -> None:
        """Ask how the run went beside what was configured."""
        try:
            told = await self._engine.request("happened", run_id=run.run_id)
        except EngineError:
            return  # the engine ended meanwhile; its notice says so
        if self.current is run:
            self.whys = run.by_new_names(told["why"])
            nodes = run.by_new_names(told["nodes"])
            self.happened = {node: (found[0], found[1], found[2]) for node, found in nodes.items()}
            self.compared.emit()

    def _engine_changed(self, state: str, why: str) -> None:
        if state == "gone":
            if self.running and self.current is not None:
                self.current.state, self.current.seconds = "interrupted", time.time() - self.current.started
                open_nodes = [n for n in self._session.workflow.nodes if self._state_of(n) in _OPEN]
                self.current.put({n: {"state": "cancelled", "reason": "the engine ended"} for n in open_nodes})
                self._canvas.set_states({n: NodeState("cancelled", "", "The engine ended.") for n in open_nodes})
            self._starting = False
            self.changed.emit()

    def _state_of(self, node_id: str) -> str:
        state = self.current.states.get(node_id) if self.current is not None else None
        return state["state"] if state is not None else ""


def by_source(connections: Iterable[Connection]) -> dict[str, list[Connection]]:
    """Connections by the node that they come from."""
    found: dict[str, list[Connection]] = {}
    for connection in connections:
        found.setdefault(connection.source, []).append(connection)
    return found


def row_labels(connections: Iterable[Connection], states: Mapping[str, Mapping[str, Any] | None]) -> dict[str, str]:
    """The counts of rows on those connections whose nodes have these states; empty where a node gives none."""
    labels = {}
    for connection in connections:
        if connection.source in states and not connection.path:
            rows = (states[connection.source] or {}).get("rows", {}).get(connection.output)
            labels[connection.key] = f"{rows:,}" if rows is not None else ""
    return labels


def node_state(state: dict[str, Any]) -> NodeState:
    """What the canvas shows of a node's state."""
    word = _WORDS[state["state"]]
    seconds = state.get("seconds")
    tip = state.get("error") or state.get("reason") or ""
    note = duration(seconds) if seconds is not None else ""
    taken = not_called(state)
    if taken:  # what a fallback gave once is no plain success either time
        return NodeState("recovered" if state.get("by") else "succeeded", taken, f"{succeeded(state)}.")
    if word == "retrying":
        note = f"try {state['attempt'] + 1}" if "attempt" in state else "fallback"
    elif word == "stopped":
        note, tip = state["when"], tip or f"stands still: {state['reason']}"
    elif word == "recovered":
        note = f"by {state['by']}"
    elif state.get("attempts"):
        note = f"try {state['attempts']} · {note}"
    return NodeState(word, note, tip)  # type: ignore[arg-type]
