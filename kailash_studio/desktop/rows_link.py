"""Connects the data panel with the canvas and the run: what is selected is shown."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.panels.table import RowsPanel
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session

_OFFER_MS = 400  # between looks at what has data, while a run goes on


class RowsLink(QObject):
    """Shows the data of the selected node in the data panel, while a run goes on as well as after it."""

    def __init__(self, session: Session, canvas: Canvas, runs: Runs, panel: RowsPanel, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._canvas, self._runs, self._panel = session, canvas, runs, panel
        self._shown: tuple[str, str, str] | None = None  # run, node, output
        self._was_running = False
        self._ports: list[tuple[str, str]] = []
        self._asked = ""  # the node whose data was asked for and is not there
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_OFFER_MS)
        self._later.timeout.connect(self._offer_ports)
        self._away = False  # the panel shows data of a past run
        canvas.selection_changed.connect(self._selected)
        canvas.output_activated.connect(self.show_output)
        canvas.node_activated.connect(self.show_node)
        panel.port_chosen.connect(self.show_output)
        runs.changed.connect(self._run_changed)
        runs.compared.connect(self._tell_why)
        session.opened.connect(panel.forget_looks)

    def give_way(self) -> None:
        """Leave the panel to the look at a past run."""
        self._away = True

    def take_over(self) -> None:
        """Show what belongs to the open workflow again."""
        self._away = False
        self._shown = None
        self._panel.set_ports(self._ports)
        self._show_chosen()

    def _show_chosen(self) -> None:
        """Show what belongs to the selected node, as far as there is anything."""
        chosen = self._canvas.selection()
        if len(chosen) == 1 and chosen[0] in self._session.workflow.nodes:
            self.show_node(chosen[0])
            return
        self._shown, self._asked = None, ""
        if not self._away:
            self._panel.show_nothing()

    def _selected(self, node_ids: list[str]) -> None:
        if len(node_ids) == 1:
            self.show_node(node_ids[0])

    def show_node(self, node_id: str) -> None:
        """Show the first output of a node, or why it has none."""
        if self._away or self._show_if_there(node_id):
            return
        self._shown = None
        self._asked = node_id
        if node_id in self._runs.whys:
            self._panel.show_nothing(self._runs.whys[node_id], node_id)
            return
        state = self._runs.current.states.get(node_id) if self._runs.current else None
        reason = (state or {}).get("error") or (state or {}).get("reason")
        if reason:
            self._panel.show_nothing(reason if reason.startswith(f"{node_id}:") else f"{node_id}: {reason}", node_id)
        else:
            self._panel.show_nothing(f"{node_id} has given no data yet: run the workflow.", node_id)

    def show_inputs(self, node_id: str) -> None:
        """Show what a node was given: the first of its inputs that is a table, else the first that has a value."""
        run, feeding = self._runs.current, self._session.workflow.incoming(node_id)
        given = [(c.source, c.output) for c in feeding if c.output in self._outputs_with_value(c.source)]
        if run is None or not given:
            self.show_node(node_id)
            return
        tables = [port for port in given if port[1] in run.states[port[0]].get("rows", {})]
        self._show(*(tables or given)[0])

    def _tell_why(self) -> None:
        """The first cause is known now of why a node has given nothing."""
        if not self._away and self._shown is None and self._asked in self._runs.whys:
            self._panel.show_nothing(self._runs.whys[self._asked], self._asked)

    def show_output(self, node_id: str, output: str) -> None:
        """Show an output."""
        self._show(node_id, output)

    def _show_if_there(self, node_id: str) -> bool:
        outputs = self._outputs_with_value(node_id)
        if not outputs:
            return False
        rows = self._runs.current.states[node_id].get("rows", {}) if self._runs.current else {}
        tables = [output for output in outputs if output in rows]
        self._show(node_id, (tables or outputs)[0])
        return True

    def _outputs_with_value(self, node_id: str) -> list[str]:
        run = self._runs.current
        if run is None or run.states.get(node_id, {}).get("state") not in {"succeeded", "recovered"}:
            return []
        given = run.states[node_id].get("outputs")
        if given is not None:
            return list(given)
        ports = self._session.ports(node_id) if node_id in self._session.workflow.nodes else None
        return list(ports.outputs) if ports is not None else []

    def _show(self, node_id: str, output: str) -> None:
        run = self._runs.current
        if self._away or run is None or self._shown == (run.run_id, node_id, output):
            return
        self._shown = (run.run_id, node_id, output)
        self._panel.show_port(node_id, output, self._runs.values.of(run.run_id, node_id, output))

    def _run_changed(self) -> None:
        running = self._runs.running
        if running == self._was_running and running:
            if not self._later.isActive():
                self._later.start()
            return
        self._later.stop()
        self._offer_ports()
        if self._was_running and not running and self._runs.current is not None:
            self._show_result()
        if self._runs.current is None:
            self._show_chosen()
        self._was_running = running

    def _offer_ports(self) -> None:
        states = self._runs.current.states if self._runs.current is not None else {}
        ended = [node_id for node_id in self._session.workflow.nodes if node_id in states]
        ports = [(node_id, output) for node_id in ended for output in self._outputs_with_value(node_id)]
        if ports != self._ports:
            self._ports = ports
            if not self._away:
                self._panel.set_ports(ports)
        if self._shown is None and self._asked in self._session.workflow.nodes:
            self.show_node(self._asked)  # it may have given something by now, or stand otherwise

    def _show_result(self) -> None:
        """After a run: the selected node's data, else what a table node shows."""
        chosen = self._canvas.selection()
        if len(chosen) == 1:
            self.show_node(chosen[0])
            return
        workflow = self._session.workflow
        views = [port for port in self._ports if workflow.nodes[port[0]].type == "TableViewNode"]
        if views:
            self._show(*views[-1])
