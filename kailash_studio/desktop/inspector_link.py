"""Connects the inspector with the open workflow: what is selected is shown, and what is changed becomes edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject

from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.inspector import InspectedNode, InspectedPort, Inspector
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session
from kailash_studio.errors import ParameterError
from kailash_studio.resilience.schedule import Schedule, schedule
from kailash_studio.runtime.wording import duration, not_called, succeeded
from kailash_studio.spec.form import FormRow, form_rows
from kailash_studio.spec.node import Node
from kailash_studio.spec.policy import Resilience
from kailash_studio.spec.reference import reference_page
from kailash_studio.workflow.sub_workflows import PASSING, SEPARATOR, beside, inner_id, parent_of
from kailash_studio.workflow.workflow import Workflow

_TOKENS = {
    "succeeded": "green",
    "failed": "red",
    "started": "accent",
    "skipped": "text3",
    "cancelled": "amber",
    "stopped": "purple",
} | dict.fromkeys(("retrying", "recovered"), "amber")


_NOTHING = (
    "What it takes and gives is declared inside, by the nodes inputs and outputs: Ctrl+E shows them.",
    "Retry, timeout, breaker and fallback are set on each of the nodes inside.",
)


class InspectorLink(QObject):
    """Shows the selected node in the inspector and turns its signals into edits."""

    def __init__(
        self,
        session: Session,
        canvas: Canvas,
        runs: Runs,
        inspector: Inspector,
        say: Callable[[str], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._canvas, self._runs, self._inspector, self._say = session, canvas, runs, inspector, say
        self._shown = ""
        self._of: Workflow | None = None  # whose node that is
        self._finding = ""  # what validation says of the node as a whole
        self._connections: list[str] = []
        self._elsewhere: dict[
            str, str
        ] = {}  # by node: a name that it had when it was shown, and that is not saved here
        canvas.selection_changed.connect(lambda _: self._show())
        session.changed.connect(lambda _: self._show())
        session.opened.connect(self._show)
        session.settling.connect(self._take_over)
        session.findings_changed.connect(self._show)
        runs.changed.connect(self._show_state)
        runs.compared.connect(self._show_happened)
        inspector.parameter_changed.connect(session.set_parameter)
        inspector.parameter_reset.connect(session.reset_parameter)
        inspector.policy_changed.connect(self._set_policy)
        inspector.renamed.connect(self._rename)
        inspector.named.connect(canvas.setFocus)
        inspector.noted.connect(self._noted)

    def offer_connections(self, names: list[str]) -> None:
        """The saved connections, to choose from."""
        if names != self._connections:
            self._connections = names
            self._show()

    def _rows_of(self, node_id: str, node_type: type[Node], given: Mapping[str, Any]) -> tuple[FormRow, ...]:
        return tuple(self._offered(node_id, row, given.get(row.name)) for row in form_rows(node_type))

    def _offered(self, node_id: str, row: FormRow, given: Any) -> FormRow:
        """A row whose values are known here, as a choice; a name that is not saved here is shown where it is used."""
        if row.name != "saved" or not self._connections or not isinstance(given, str | None):
            return row
        if node_id not in self._elsewhere:
            self._elsewhere.clear()
        if given and given not in self._connections:
            self._elsewhere[node_id] = given  # while the node is shown, it stays when another one is taken
        mine = self._elsewhere.get(node_id, "")
        return replace(row, kind="choice", choices=tuple(dict.fromkeys(["", *self._connections, mine])))

    def _set_policy(self, node_id: str, name: str, value: Any) -> None:
        if name == "fallback":
            reason = self._session.set_fallback(node_id, value or None)
            if reason:
                self._say(reason)
                self._show()
        else:
            self._session.set_resilience(node_id, name, value)

    def _rename(self, node_id: str, name: str) -> None:
        wanted = name if SEPARATOR in name else inner_id(parent_of(node_id), name)
        chosen = node_id in self._canvas.selection()
        reason = self._session.rename(node_id, wanted)
        if reason is not None:
            self._say(reason)
        elif chosen:  # else somebody goes to another node, and it is renamed on leaving
            self._canvas.select([wanted])

    # ------------------------------------------------------------------ what is typed
    def _take_over(self) -> None:
        """Make edits of what is typed, while the node that it is typed for is there."""
        if self._session.workflow is self._of and self._shown in self._of.nodes:
            self._inspector.take_over()

    def _noted(self, node_id: str, place: str, draft: object) -> None:
        typing = self._session.workflow is self._of and self._inspector.has_more()
        text = draft if isinstance(draft, str) else None
        self._session.drafts.put(f"nodes/{node_id}/{place}", text, typing=typing)

    def _show(self) -> None:
        chosen = [n for n in self._canvas.selection() if n in self._session.workflow.nodes]
        if self._shown and chosen != [self._shown]:
            self._take_over()
        if len(chosen) == 1:
            if self._shown and self._shown != chosen[0]:
                self._session.history.close_step()
            self._shown, self._of = chosen[0], self._session.workflow
            self._inspector.show_node(self._view(chosen[0]))
            self._show_state()
            self._show_happened()
        else:
            self._shown = ""
            if chosen:
                self._inspector.show_many(len(chosen))
            else:
                self._inspector.show_nothing()

    def _show_happened(self) -> None:
        self._inspector.show_happened(*self._runs.happened.get(self._shown, ("", "", [])))

    def _told_by_run(self, node_id: str) -> str:
        """Why the node failed or did not run."""
        run = self._runs.current
        state = run.states.get(node_id, {}) if run is not None else {}
        if state.get("state") == "failed":
            return str(state.get("error", ""))
        return f"It did not run: {state['reason']}." if state.get("state") in {"skipped", "cancelled"} else ""

    def _show_state(self) -> None:
        if self._shown:
            self._inspector.show_notice(self._finding or self._told_by_run(self._shown))
        run = self._runs.current
        state = run.states.get(self._shown) if run is not None else None
        if not self._shown or state is None:
            self._inspector.show_state("", "text3")
            return
        taken = not_called(state)
        if taken:
            token = "purple" if state.get("pinned") else "amber" if state.get("by") else "green"
            self._inspector.show_state(taken.capitalize(), token, f"{succeeded(state)}.")
            return
        seconds = state.get("seconds")
        word = {"started": "Running"}.get(state["state"], state["state"].capitalize())
        took = f"{word} in {duration(seconds)}" if seconds is not None else word
        self._inspector.show_state(word, _TOKENS.get(state["state"], "text3"), took)

    def _view(self, node_id: str) -> InspectedNode:
        session = self._session
        placed = session.workflow.nodes[node_id]
        node_type = session.registry.find(placed.type)
        problems: dict[str, str] = {}
        notice = ""
        for finding in session.findings:
            parts = finding.place.split("/")
            if parts[:2] == ["nodes", node_id]:
                if len(parts) > 3 and parts[2] in {"parameters", "resilience"}:
                    problems.setdefault("/".join(parts[3:]), finding.sentence.removeprefix(f"{node_id}: "))
                else:
                    notice = notice or finding.sentence
        self._finding = notice
        return InspectedNode(
            node_id=node_id,
            type_name=placed.type,
            type_title=node_type.title if node_type is not None else placed.type,
            icon=node_type.icon if node_type is not None else "circle-help",
            category=node_type.category if node_type is not None else "",
            rows=self._rows_of(node_id, node_type, placed.parameters) if node_type is not None else (),
            given=placed.parameters,
            problems=problems,
            policy_rows=self._policy_rows(node_id) if node_type is not None and placed.type not in PASSING else (),
            policies=placed.resilience,
            ports=self._ports(node_id),
            help=reference_page(node_type) if node_type is not None else "",
            notice=notice or self._told_by_run(node_id),
            schedule=_schedule(placed.resilience),
            nothing=_NOTHING if placed.type in PASSING else ("", ""),
            drafts=(session.drafts.of(node_id, "parameters"), session.drafts.of(node_id, "resilience")),
            live=node_type is not None and node_type.has_fixed_ports(),
        )

    def _policy_rows(self, node_id: str) -> tuple[FormRow, ...]:
        """The form of the policies, with the nodes that can be the fallback as choices."""
        near = beside(self._session.workflow, parent_of(node_id))
        others = tuple(sorted(n for n in near if n != node_id and self._session.workflow.nodes[n].type not in PASSING))
        return tuple(
            replace(row, kind="choice", choices=("", *others), default="") if row.name == "fallback" else row
            for row in form_rows(Resilience)
        )

    def _ports(self, node_id: str) -> tuple[InspectedPort, ...]:
        ports = self._session.ports(node_id)
        if ports is None:
            return ()
        workflow = self._session.workflow
        sources = {c.input: c.start for c in workflow.incoming(node_id)}
        targets: dict[str, str] = {}
        for connection in workflow.outgoing(node_id):
            known = targets.get(connection.output)
            targets[connection.output] = f"{known}, {connection.end}" if known else f"to {connection.end}"
        inputs = [
            InspectedPort(name, str(p.type), p.doc, False, f"from {sources[name]}" if name in sources else "")
            for name, p in ports.inputs.items()
        ]
        outputs = [
            InspectedPort(name, str(p.type), p.doc, True, targets.get(name, "")) for name, p in ports.outputs.items()
        ]
        return (*inputs, *outputs)


def _schedule(policies: Mapping[str, Any]) -> Schedule | None:
    try:
        return schedule(Resilience(**policies))
    except ParameterError:
        return None  # the form shows what is wrong at its field
