"""What the window asks to run a part again, to pin outputs, and to be rid of pins.

A ``run`` request may bring ``again`` (``run_id``, ``mode``, ``nodes``: see ``runtime.rerun``), ``safe`` (call nothing
that changes something outside), ``file``, whose pins then count, and ``scenario`` (``resilience.faults``), which makes
it a test, or ``capsule``, a file whose recorded answers it gets instead of calling anything outside; with
``allow_code`` full Python that has none really runs. ``again`` is refused where the earlier run was a test or a safe
preview.

===========  ===================================================  ====================================================
do           with                                                 ok
===========  ===================================================  ====================================================
rerun        ``workflow``, ``again``, ``file``, ``capsule``:      ``calls``, ``known``: nodes; ``stale``: reason by
             nothing is run                                       node; ``asks``: what is done outside once more
stale        ``workflow``, ``run_id``, ``file``, whose pins then  ``stale``: reason by node of that run; ``outdated``:
             count                                                those whose inputs, or whose pins, have changed since
interrupted  --                                                   ``runs``: that no process goes on with, the newest
                                                                  first: ``run_id``, ``workflow``, ``started``,
                                                                  ``document``, ``folder``, ``stood``: node and when
pins         ``file``                                             ``nodes``: those that are pinned
pin          ``file``, ``run_id``, ``node``                       ``nodes``
unpin        ``file``, ``nodes``                                  ``nodes``
rename_pin   ``file``, ``names``: new names by old ones           ``nodes``
===========  ===================================================  ====================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kailash_studio.errors import EngineError
from kailash_studio.runtime import events
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.grounds import made_with, marked, outdated, outdated_by_pins, stood_in
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.runtime.journal.replay import NOT_REAL, check_real, workflow_of
from kailash_studio.runtime.pins import Pins
from kailash_studio.runtime.rerun import MODES, Rerun, as_called, plan_rerun, stale_nodes
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.context import Outputs
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow

_LOOKED_AT = 200  # runs that are searched for interrupted ones
_TOLD = 20

Answer = dict[str, Any]
Handler = Callable[[Mapping[str, Any]], asyncio.Future[Answer]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run takes over: words for ``AsyncLocalRuntime.run``."""

    known: Mapping[str, Outputs] = field(default_factory=dict)
    only: frozenset[str] | None = None
    before: RunRecord | None = None
    stood: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, Outputs] = field(default_factory=dict)
    stood_in: Mapping[str, str] = field(default_factory=dict)


class RerunRequests:
    """Answers a window that runs parts again; one belongs to each engine process."""

    def __init__(
        self,
        journal: Journal,
        runtime: AsyncLocalRuntime,
        results: Callable[[str], Mapping[str, Outputs] | None],
        redactor: Callable[[str], Redactor],
    ) -> None:
        """Prepare.

        Args:
            journal: Has what earlier runs were and gave.
            runtime: Has the node types.
            results: The values of a run that are still in memory, by its id.
            redactor: What hides the secrets of a run.
        """
        self._journal, self._runtime, self._results, self._redactor = journal, runtime, results, redactor

    def handlers(self) -> dict[str, Handler]:
        """The requests, by name; all of them read files, so each works in a thread."""
        return {
            name: lambda request, work=work: asyncio.ensure_future(asyncio.to_thread(work, request))  # type: ignore[misc]
            for name, work in {
                "rerun": self._rerun,
                "stale": self._stale,
                "interrupted": self._interrupted,
                "pins": self._pins,
                "pin": self._pin,
                "unpin": self._unpin,
                "rename_pin": self._rename_pin,
            }.items()
        }

    def taken(self, request: Mapping[str, Any], workflow: Workflow) -> Taken:
        """What a ``run`` request takes over; call it in a thread.

        Raises:
            StudioError: The earlier run or the pins cannot be read, or do not fit.
        """
        pins = self._pins_of(request, workflow)
        if not request.get("again"):
            return Taken(pins=pins)
        record, finished, plan = self._planned(request, workflow, pins)
        known = {node: finished[node] for node in plan.known if node in finished}
        stood = self._journal.stood_still(record.run_id) if record.state == "interrupted" else {}
        return Taken(known, plan.calls, record, stood, pins, stood_in(self._journal, record.run_id))

    def _pins_of(self, request: Mapping[str, Any], workflow: Workflow) -> dict[str, Outputs]:
        pins = dict(Pins(Path(request["file"])).outputs()) if request.get("file") else {}
        for node, own in pins.items():
            self._check_pin(workflow, node, own)
        return pins

    def _check_pin(self, workflow: Workflow, node: str, own: Outputs) -> None:
        ports = workflow.ports(node, self._runtime.registry) if node in workflow.nodes else None
        gives = ports.outputs.keys() if ports is not None else set()
        wrong = sorted(own.keys() - gives)
        if wrong:
            raise EngineError(f"The pin of {node} is of another node: it has no output {wrong[0]} now. Unpin it.")

    def _planned(
        self, request: Mapping[str, Any], workflow: Workflow, pins: Mapping[str, Outputs]
    ) -> tuple[RunRecord, Mapping[str, Outputs], Rerun]:
        again = request["again"]
        mode = again.get("mode")
        if mode not in MODES:
            raise EngineError(f"{mode!r} is no way to run again: there are {', '.join(MODES)}.")
        self._journal.caught_up()  # the run may have ended just now; a full disk must not keep anybody from going on
        record = self._journal.run(again["run_id"])
        if record.origin != "capsule":
            check_real(record)
        elif not request.get("capsule"):
            raise EngineError(f"Run {record.run_id} was of a capsule, which is not open: nothing real goes on from it.")
        finished = self._results(record.run_id)
        if finished is None:
            finished = self._journal.finished(record.run_id)
        was_pinned = marked(self._journal, record.run_id, "pinned")
        finished = {node: outputs for node, outputs in finished.items() if node not in was_pinned}
        before = self._as_called(record)
        told = self._journal.events(record.run_id)
        called = {e.node for e in told if e.kind in _CALLED}
        untaken = {e.node for e in told if e.kind == events.NODE_SKIPPED and e.details.get("untaken")}
        plan = plan_rerun(
            before,
            workflow,
            self._runtime.registry,
            finished=finished.keys(),
            called=called,
            mode=mode,
            nodes=again.get("nodes") or (),
            untaken=untaken,
            outdated=outdated(self._journal, record, before) | outdated_by_pins(self._journal, record, workflow, pins),
            pinned=pins.keys(),
        )
        return record, finished, plan

    def _as_called(self, record: RunRecord) -> Workflow:
        """What a run ran; its record says which parameters were given by hand."""
        return as_called(workflow_of(self._journal, record), made_with(self._journal, record.run_id))

    # ------------------------------------------------------------------ the requests
    def _rerun(self, request: Mapping[str, Any]) -> Answer:
        workflow = read(request["workflow"]).workflow
        _, _, plan = self._planned(request, workflow, self._pins_of(request, workflow))
        told = {"calls": sorted(plan.calls), "known": sorted(plan.known)}
        return {**told, "stale": dict(plan.stale), "asks": dict(plan.asks)}

    def _stale(self, request: Mapping[str, Any]) -> Answer:
        self._journal.caught_up()
        record = self._journal.run(request["run_id"])
        before = self._as_called(record)
        found = outdated(self._journal, record, before)
        now = read(request["workflow"]).workflow
        if request.get("file"):
            found |= outdated_by_pins(self._journal, record, now, Pins(Path(request["file"])).outputs())
        return {"stale": stale_nodes(before, now, found, self._runtime.registry), "outdated": found}

    def _interrupted(self, request: Mapping[str, Any]) -> Answer:
        found = [run for run in self._journal.runs(state="interrupted", limit=_LOOKED_AT) if self._can_go_on(run)]
        return {"runs": [self._told_of(run) for run in found[:_TOLD]]}

    def _can_go_on(self, run: RunRecord) -> bool:
        if run.origin in NOT_REAL:
            return False
        later = [other for other in self._journal.runs(limit=_LOOKED_AT) if other.resumed_from == run.run_id]
        return not later and bool(self._journal.document(run))

    def _told_of(self, run: RunRecord) -> Answer:
        return {
            "run_id": run.run_id,
            "workflow": run.workflow,
            "started": run.started,
            "document": self._journal.document(run),
            "folder": run.folder,
            "stood": self._journal.stood_still(run.run_id),
        }

    def _pins(self, request: Mapping[str, Any]) -> Answer:
        return {"nodes": Pins(Path(request["file"])).names()}

    def _pin(self, request: Mapping[str, Any]) -> Answer:
        run_id, node = request["run_id"], request["node"]
        results = self._results(run_id)
        outputs = (results if results is not None else self._journal.finished(run_id, node=node)).get(node)
        if outputs is None:
            raise EngineError(f"{node} has no result to pin: run the workflow first.")
        pins = Pins(Path(request["file"]))
        pins.pin(node, outputs, self._redactor(run_id))
        return {"nodes": pins.names()}

    def _unpin(self, request: Mapping[str, Any]) -> Answer:
        pins = Pins(Path(request["file"]))
        pins.unpin(*request["nodes"])
        return {"nodes": pins.names()}

    def _rename_pin(self, request: Mapping[str, Any]) -> Answer:
        pins = Pins(Path(request["file"]))
        pins.rename(request["names"])
        return {"nodes": pins.names()}


_CALLED = frozenset({events.NODE_STARTED, events.NODE_SUCCEEDED, events.NODE_FAILED})
