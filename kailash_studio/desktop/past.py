"""The look at a past run: its graph, its states at any event, its values. The open workflow is not touched by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QStackedWidget

from kailash_studio.desktop import graph_views
from kailash_studio.desktop.canvas.view import ConnectionView, NodeState, NodeView
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.errands import Errands
from kailash_studio.desktop.panels.past_node import PastNode
from kailash_studio.desktop.panels.run_history import when
from kailash_studio.desktop.panels.table import RowsPanel
from kailash_studio.desktop.past_view import PastView
from kailash_studio.desktop.runs import by_source, node_state, row_labels
from kailash_studio.desktop.unfolding import Unfolding
from kailash_studio.desktop.values import Values
from kailash_studio.runtime.wording import duration
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.graph import missing_places
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.sub_workflows import is_sub_workflow, within
from kailash_studio.workflow.workflow import Connection, Workflow

_QUEUED = NodeState("queued")
_GAVE = frozenset({"succeeded", "recovered"})
_AT_ONCE = 1_000  # nodes that are painted before the window gets its turn


class Past(QObject):
    """Shows one past run at a time, in a view that takes the canvas' place until somebody goes back.

    Attributes:
        run: The run that is shown, as the engine tells it; empty when none is.
        workflow: What ran.
        states: The states of its nodes at the shown event.
        at: The shown event, counted from 0; -1 before any.
        time: When it came, seconds since the run began.
        total: How many events the run has.

    Signals:
        opened: A run is shown now.
        left: None is shown any more.
        moved: Another event is shown: its time.
        undrawable: A run whose document was not kept was to be opened.
        said: A sentence for the person.
    """

    opened = Signal()
    left = Signal()
    moved = Signal(float)
    undrawable = Signal(str)
    said = Signal(str)

    def __init__(
        self,
        engine: Engine,
        values: Values,
        registry: Registry,
        place: QStackedWidget,
        make_view: Callable[[], PastView],
        rows: RowsPanel,
        node_panel: PastNode,
        parent: QObject,
    ) -> None:
        """Prepare; the view is made when a run is first opened.

        Args:
            engine: Knows the runs.
            values: Gives their values.
            registry: The node types.
            place: What the view is shown in; its first page is the canvas of the open workflow.
            make_view: Makes the view.
            rows: Shows values.
            node_panel: Shows what the selected node was set to.
            parent: Qt parent.
        """
        super().__init__(parent)
        self._engine, self._values, self._registry = engine, values, registry
        self._place, self._make_view, self._rows, self._node_panel = place, make_view, rows, node_panel
        self.view: PastView | None = None
        self.run: dict[str, Any] = {}
        self.workflow = Workflow()
        self.states: dict[str, dict[str, Any]] = {}
        self.at, self.total, self.time = -1, 0, 0.0
        self._why: dict[str, str] = {}
        self._outgoing: dict[str, list[Connection]] = {}
        self._asked = ""
        self._wanted = -1
        self._moving = False
        self._shown: tuple[str, str] = ("", "")
        self._errands = Errands(lambda text: self.said.emit(text))  # noqa: PLW0108 - it holds this object as well
        self._unfolding = Unfolding(registry)
        rows.port_chosen.connect(self._port_chosen)

    @property
    def looking(self) -> bool:
        """Whether a past run is shown."""
        return bool(self.run)

    @property
    def run_id(self) -> str:
        """The run that is shown, or empty."""
        return str(self.run.get("run_id", ""))

    # ------------------------------------------------------------------ opening and leaving
    def open(self, run_id: str, *, node: str = "") -> None:
        """Show a run as it ended, and a node of it."""
        self._asked = run_id
        self._errands.begin(self._open(run_id, node))

    async def _open(self, run_id: str, node: str) -> None:
        told = await self._engine.request("run_document", run_id=run_id)
        if self._asked != run_id or self._errands.closed:
            return  # another one was asked for meanwhile
        if not told["text"]:
            self.said.emit(f"Run {run_id} holds functions of a program: its timeline is all that can be shown.")
            self.undrawable.emit(run_id)
            return
        workflow, nodes, connections = await asyncio.to_thread(self._drawn, run_id, told["text"])
        if self._asked != run_id or self._errands.closed:
            return
        self.run, self.workflow, self._why = told["run"], workflow, told["why"]
        self._unfolding.reset()
        self.states, self.at, self.total = {}, -1, told["total"]
        self._shown = ("", "")
        self._outgoing = by_source(workflow.connections.values())
        view = self._shown_view()
        view.show_run(_title(self.run), nodes, connections)
        view.show_states(dict.fromkeys(workflow.nodes, _QUEUED), {})
        self._node_panel.show_nothing()
        self._rows.set_ports([])
        self._rows.show_nothing("Select a node to see what it gave in this run.")
        view.show_place(-1, self.total, 0.0, "Nothing was written of this run." if not self.total else "")
        self.opened.emit()
        self.go_to(self.total - 1)
        if node in workflow.nodes:
            self.show_node(node)
        view.slider.setFocus()

    def _drawn(self, run_id: str, text: str) -> tuple[Workflow, list[NodeView], list[ConnectionView]]:
        """What ran, and how it is drawn; in a thread, since ten thousand nodes take a second."""
        workflow = read(text, name=f"The document of run {run_id}").workflow
        workflow.positions.update(missing_places(workflow))
        return (workflow, *self._views(workflow, Unfolding(self._registry)))

    def _views(self, workflow: Workflow, unfolding: Unfolding) -> tuple[list[NodeView], list[ConnectionView]]:
        shown = dict.fromkeys(unfolding.shown(workflow))
        nodes = [unfolding.dressed(workflow, v) for v in graph_views.node_views(workflow, self._registry, shown)]
        return nodes, graph_views.connections(workflow, self._registry, shown)

    def _activated(self, node: str) -> None:
        """A double click: a sub-workflow is seen from inside, or as one card again."""
        self.show_data(node)
        if is_sub_workflow(self.workflow, node):
            if self._unfolding.is_open(node):
                self._unfolding.fold(node)
            else:
                self._unfolding.unfold(self.workflow, node)
            self._draw_again()
            self._shown_view().canvas.select([node])

    def _reveal(self, node: str) -> None:
        if node in self.workflow.nodes and not self._unfolding.shows(node):
            self._unfolding.reveal(self.workflow, node)
            self._draw_again()

    def _draw_again(self) -> None:
        """Draw what is to be seen of sub-workflows now, as it stood."""
        view = self._shown_view()
        view.show_run(_title(self.run), *self._views(self.workflow, self._unfolding))
        states = {n: node_state(s) if (s := self.states.get(n)) else _QUEUED for n in self.workflow.nodes}
        view.show_states(states, row_labels(self.workflow.connections.values(), self.states))

    def _shown_view(self) -> PastView:
        if self.view is None:
            self.view = self._make_view()
            self._place.addWidget(self.view)
            self.view.place_wanted.connect(self.go_to)
            self.view.canvas.selection_changed.connect(lambda _: self._selected())
            self.view.canvas.node_activated.connect(self._activated)
            self.view.canvas.reveal = self._reveal
            self.view.canvas.inside = lambda node: within(self.workflow, node)
            self.view.canvas.output_activated.connect(self._show_output)
        self._place.setCurrentWidget(self.view)
        return self.view

    def leave(self) -> None:
        """Go back to the open workflow."""
        if not self.looking:
            return
        self.run, self.workflow, self.states = {}, Workflow(), {}
        self._place.setCurrentIndex(0)
        self.left.emit()

    # ------------------------------------------------------------------ moving in time
    def go_to(self, place: int) -> None:
        """Show the run after another event; of several wishes the last one counts."""
        self._wanted = min(max(0, place), self.total - 1)
        if self.looking and not self._moving and self._wanted != self.at:
            self._moving = True
            self._errands.begin(self._move())

    def step(self, by: int) -> None:
        """Show the run some events later, or earlier."""
        self.go_to((self._wanted if self._moving else self.at) + by)

    async def _move(self) -> None:
        try:
            while self.looking and self._wanted != self.at:
                run_id = self.run_id
                told = await self._engine.request("run_states", run_id=run_id, at=self._wanted, shown=self.at)
                if self.run_id == run_id and not self._errands.closed:
                    await self._show_states(told)
                    self._wanted = min(self._wanted, self.total - 1)
        finally:
            self._moving = False

    async def _show_states(self, told: dict[str, Any]) -> None:
        """Paint what is different, in pieces between which the window lives on."""
        view = self._shown_view()
        self.at, self.total = told["at"], told["total"]
        event = told["event"] or {"time": 0.0, "sentence": "Nothing has happened yet.", "node": ""}
        before = f"{event['node']}: " if event["node"] else ""
        self.time = event["time"]
        view.show_place(self.at, self.total, self.time, before + event["sentence"])
        changed: dict[str, dict[str, Any] | None] = told["states"]
        for node, state in changed.items():
            if state is None:
                self.states.pop(node, None)
            else:
                self.states[node] = state
        if await self._paint(view, changed):
            self.moved.emit(self.time)
            self._selected()

    async def _paint(self, view: PastView, changed: dict[str, dict[str, Any] | None]) -> bool:
        """Paint changed states, a piece at a time; False when somebody went back or opened another run meanwhile."""
        run_id, names = self.run_id, list(changed)
        with view.at_once():
            for first in range(0, len(names), _AT_ONCE):
                if first:
                    await asyncio.sleep(0)
                    if self.run_id != run_id:
                        return False
                piece = {node: changed[node] for node in names[first : first + _AT_ONCE]}
                outgoing = [connection for node in piece for connection in self._outgoing.get(node, ())]
                shown = {node: _QUEUED if state is None else node_state(state) for node, state in piece.items()}
                view.show_states(shown, row_labels(outgoing, piece))
        return True

    # ------------------------------------------------------------------ one node
    def show_node(self, node: str) -> bool:
        """Select a node and centre it; False where it is not in this run's graph."""
        if self.view is None or node not in self.workflow.nodes or not self.looking:
            return False
        self.view.canvas.select([node])
        self.view.canvas.center_on(node)
        return True

    def _selected(self) -> None:
        chosen = self.view.canvas.selection() if self.view is not None and self.looking else []
        if len(chosen) != 1:
            self._node_panel.show_nothing()
            self._rows.set_ports([])
            return
        node = chosen[0]
        self._node_panel.show_node(node, self.workflow.nodes[node], self._said_of(node))
        self._rows.set_ports([(node, output) for output in self._outputs(node)])
        self.show_data(node)

    def _said_of(self, node: str) -> str:
        """How a node stood at the shown event; at the last one, why it did not run."""
        if self.at == self.total - 1 and node in self._why:
            return self._why[node]
        state = self.states.get(node)
        if state is None:
            return "It had not begun at this event."
        shown = node_state(state)
        note = f" ({shown.note})" if shown.note else ""
        return f"{shown.state.capitalize()}{note}" + (f": {shown.tip}" if shown.tip else ".")

    # ------------------------------------------------------------------ values
    def _outputs(self, node: str) -> list[str]:
        state = self.states.get(node, {})
        return list(state["outputs"]) if state.get("state") in _GAVE else []

    def show_data(self, node: str) -> None:
        """Show what a node had given at the shown event, or why it had given nothing."""
        outputs = self._outputs(node)
        rows = self.states.get(node, {}).get("rows", {})
        if outputs:
            named = [output for output in outputs if output in rows] or outputs
            self._show_output(
                node, self._shown[1] if self._shown[0] == node and self._shown[1] in outputs else named[0]
            )
        else:
            self._shown = ("", "")
            self._rows.show_nothing(f"{node} had given no data. {self._said_of(node)}", node)

    def _show_output(self, node: str, output: str) -> None:
        if self._shown == (node, output):
            return
        if output not in self._outputs(node):
            self._rows.show_nothing(f"{node}.{output} had no value at this event.", node)
            return
        self._shown = (node, output)
        self._rows.show_port(node, output, self._values.of(self.run_id, node, output))

    def _port_chosen(self, node: str, output: str) -> None:
        if self.looking:
            self._show_output(node, output)

    def close(self) -> None:
        """The window closes: answers that come now are for nobody."""
        self._errands.close()
        self.run = {}

    def dispose(self) -> None:
        """End the view in order."""
        if self.view is not None:
            self.view.dispose()


def _title(run: dict[str, Any]) -> str:
    name = run["workflow"] or "a workflow without a name"
    open_end = {"running": "under way", "interrupted": "interrupted, no end was written"}
    ended = open_end.get(run["state"]) or f"{run['state']} in {duration(run['seconds'])}"
    return f"Run {run['run_id']} of {name} as it was, {when(run['started'])} · {ended} · from {run['origin']}"
