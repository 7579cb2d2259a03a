"""Runs as the journal has them: their events, documents and outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kailash_studio.errors import JournalError
from kailash_studio.runtime import events as kinds
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.journal.store import Store
from kailash_studio.spec.context import Outputs

_KEPT = (
    "SELECT o.node, o.output, o.value, c.data FROM outputs o JOIN contents c ON c.hash = o.value "
    "WHERE o.run_id = ? AND ? IN ('', o.node)"
)
_GIVEN = (
    "SELECT node, details FROM events WHERE run_id = ? AND kind IN ('node_succeeded', 'node_recovered') "
    "AND ? IN ('', node)"
)

HIDDEN = "$masked"  # given values whose secrets were hidden are below this key


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the journal has it.

    Attributes:
        run_id: The run.
        workflow: Name of the workflow.
        document: Name of the document's content.
        folder: What relative paths were relative to.
        given: Values that the caller gave, by node and name; below ``HIDDEN`` when there were secrets among them.
        origin: ``desktop``, ``cli``, ``api``, ``resume`` or ``replay``.
        resumed_from: The run that this one goes on from, or empty.
        started: Seconds since 1970.
        state: How it ended; ``running`` until then, and ``interrupted`` when its process is gone without having told.
        seconds: How long it took.
        root: The run at the beginning of the chain of those that go on from one another.
        process: The sign of the process that it is in; see ``presence``.
    """

    run_id: str
    workflow: str
    document: str
    folder: str
    given: Mapping[str, Any]
    origin: str
    resumed_from: str
    started: float
    state: str
    seconds: float
    root: str
    process: str


class Runs(Store):
    """The part of the journal that tells of runs."""

    def runs(self, *, limit: int = 100, workflow: str = "", state: str = "") -> list[RunRecord]:
        """The newest runs first; an empty word filters nothing."""
        written = "running" if state == "interrupted" else state
        rows = self._read(
            "SELECT * FROM runs WHERE ? IN ('', workflow) AND ? IN ('', state) ORDER BY started DESC LIMIT ?",
            workflow,
            written,
            limit,
        )
        found = [self._run_of(row) for row in rows]
        return [run for run in found if run.state == state] if state in {"running", "interrupted"} else found

    def run(self, run_id: str) -> RunRecord:
        """A run by its id, or by a beginning of it that no other has.

        Raises:
            JournalError: There is none, or several begin so.
        """
        rows = self._read(
            "SELECT * FROM runs WHERE run_id >= ? AND run_id < ? ORDER BY run_id LIMIT 2", run_id, run_id + "\uffff"
        )
        if len(rows) == 1 or (rows and rows[0][0] == run_id):
            return self._run_of(rows[0])
        why = "several runs begin so" if rows else "there is no such run"
        raise JournalError(f"{run_id!r} names no run: {why}. `kailash-studio runs` lists them.")

    def stood_still(self, run_id: str) -> dict[str, str]:
        """The nodes of a run that stood still when its last event was written, and where: ``before``, ``after``, ..."""
        standing: dict[str, str] = {}
        ended = kinds.NODE_ENDED | {kinds.NODE_CONTINUED}
        for event in self.events(run_id):
            if event.kind == kinds.NODE_STOPPED:
                standing[event.node] = event.details["when"]
            elif event.kind in ended:
                standing.pop(event.node, None)
        return standing

    def _run_of(self, row: tuple[Any, ...]) -> RunRecord:
        found = RunRecord(*(*row[:4], json.loads(row[4]), *row[5:]))
        if found.state == "running" and not self._presence.is_there(found.process):
            return replace(found, state="interrupted")
        return found

    def document(self, run: RunRecord) -> str:
        """The text of the document that ran."""
        return str(self._content(run.document))

    def events(self, run_id: str, *, after: int = -1) -> list[Event]:
        """The events of a run, in order."""
        rows = self._read("SELECT * FROM events WHERE run_id = ? AND sequence > ? ORDER BY sequence", run_id, after)
        return [
            Event(sequence, kind, run, node, time, wall, cause, json.loads(details))
            for run, sequence, kind, node, time, wall, cause, details in rows
        ]

    def finished(self, run_id: str, *, node: str = "") -> dict[str, Outputs]:
        """The outputs of each node that has succeeded, where all of them were kept and are still there.

        Args:
            run_id: The run.
            node: Only this one.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, output, value, data in self._read(_KEPT, run_id, node):
            try:
                found.setdefault(name, {})[output] = contents.load(data, self._values, value, masked=False)
            except KeyError:
                # a file that somebody deleted, or a value in which secrets were hidden: its node runs again
                continue
        whole: dict[str, Outputs] = {}
        for name, details in self._read(_GIVEN, run_id, node):
            named = found.get(name, {})
            if set(json.loads(details)["outputs"]) == named.keys():
                whole[name] = named
        return whole

    def finished_in_all(self, root: str) -> dict[str, Outputs]:
        """What nodes have given in a run and in those that went on from it; what came later counts."""
        runs = self._read("SELECT run_id FROM runs WHERE root = ? ORDER BY started, run_id", root)
        found: dict[str, Outputs] = {}
        for (run_id,) in runs:
            found |= self.finished(run_id)
        return found
