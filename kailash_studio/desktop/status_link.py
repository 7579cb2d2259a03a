"""What title, status line, run bar and titles of tabs tell of the document, the run and the engine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from kailash_studio.desktop.panels.log import LogLine
from kailash_studio.folders import resources
from kailash_studio.runtime.wording import duration
from kailash_studio.runtime.worst_case import worst_case

if TYPE_CHECKING:
    from kailash_studio.desktop.window import MainWindow


class StatusLink(QObject):
    """Follows document, run and engine of a window."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._session, self._runs = window, window.session, window.runs
        self._line, self._actions = window.line, window.actions_by_name
        self._session.saved_changed.connect(self._show_title)
        self._session.opened.connect(self._show_title)
        self._session.changed.connect(lambda _: self._show_counts())
        self._session.opened.connect(self._show_counts)
        self._session.findings_changed.connect(self._show_findings)
        self._runs.changed.connect(self._show_run)
        window.engine.state_changed.connect(self._engine_changed)
        self._show_counts()

    def show(self) -> None:
        """Show everything anew: the window is made, or its theme is another one."""
        self._show_title()
        self._show_run()
        self._show_findings()

    # ------------------------------------------------------------------ the document
    def _show_title(self) -> None:
        window, session = self._window, self._session
        name, path = window.documents.title(), session.path
        folder = path.parent.name if path is not None and not path.is_relative_to(resources()) else ""
        window.bar.show_title(folder, name, session.dirty)
        window.setWindowTitle(f"{name}[*] - Kailash Studio")
        window.setWindowModified(session.dirty)
        for action, label in (("undo", session.history.undo_label), ("redo", session.history.redo_label)):
            self._actions[action].setText(f"{action.capitalize()} {label}".strip())

    def _show_counts(self) -> None:
        workflow = self._session.workflow
        nodes, connections = len(workflow.nodes), len(workflow.connections)
        words = f"{nodes:,} node{'s' * (nodes != 1)} · {connections:,} connection{'s' * (connections != 1)}"
        self._line.show_plain("counts", words)

    def _show_findings(self) -> None:
        findings, problems = self._session.findings, self._window.problems
        problems.set_findings(findings)
        self._show_worst_case()
        errors = sum(finding.severity == "error" for finding in findings)
        self._window.docks.name(problems, f"Problems  {len(findings)}" if findings else "Problems")
        text = f"{errors} problem{'s' * (errors != 1)} to mend" if errors else ""
        self._line.show_dot("problems", "red", text)

    def _show_worst_case(self) -> None:
        """The longest time of the whole run under its policies; nothing while a node has no timeout."""
        workflow = self._session.workflow
        limited = any(placed.resilience for placed in workflow.nodes.values())
        found = worst_case(workflow) if limited else None
        known = found is not None and not found.unlimited
        self._line.show_plain("worst", f"at most {duration(found.total)}" if found is not None and known else "")
        tip = " to ".join(found.path) if found is not None and known else ""
        self._line.set_tip("worst", f"Longest time under the policies, by the way {tip}" if tip else "")

    # ------------------------------------------------------------------ the run
    def _show_run(self) -> None:
        running, run, waits = self._runs.running, self._runs.current, self._runs.waits_for_somebody
        self._window.bar.show_running(running, waits=waits)
        self._actions["run"].setText("Continue" if waits else "Run")
        if run is None:
            self._line.show_dot("run", "text3", "")
            return
        total = len(self._session.workflow.nodes)
        if run.state == "running" and run.paused:
            self._line.show_dot("run", "purple", f"Paused · {run.ended_nodes} of {total} nodes · {run.paused}")
        elif run.state == "running":
            self._line.show_dot("run", "accent", f"Running · {run.ended_nodes} of {total} nodes")
        else:
            token = {"succeeded": "green", "failed": "red"}.get(run.state, "amber")
            took = duration(run.seconds)
            text = f"Last run {time.strftime('%H:%M:%S')} · {run.state} · {run.ended_nodes} of {total} nodes · {took}"
            self._line.show_dot("run", token, text)

    # ------------------------------------------------------------------ the engine
    def show_operations(self, letters: int, open_breakers: int) -> None:
        """Show how many dead letters wait, and how many breakers are open."""
        window, docks = self._window, self._window.docks
        docks.name(window.dead_letters, f"Dead letters  {letters}" if letters else "Dead letters")
        docks.name(window.breakers, f"Breakers  {open_breakers}" if open_breakers else "Breakers")

    def _engine_changed(self, state: str, why: str) -> None:
        token = {"ready": "green", "starting": "amber"}.get(state, "red")
        window, attached = self._window, self._window.engine.attached
        where = f"attached to {attached.name}" if attached is not None and state == "ready" else f"engine {state}"
        self._line.show_dot("engine", token, where)
        if state == "gone" and attached is not None:
            window.log.append([LogLine(time.time(), "info", "", why)])
        elif state == "gone":
            window.notice.say(why, [("Restart engine", window.restart_engine)])
            window.log.append([LogLine(time.time(), "error", "", why)])
        else:
            window.notice.hide()
