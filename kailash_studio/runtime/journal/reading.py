"""Runs as the journal has them: their events, documents and outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kailash_studio.errors import JournalError
from kailash_studio.runtime import events as kinds
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.journal.store import Store, plain
from kailash_studio.spec.context import Outputs

_KEPT = (
    "SELECT o.node, o.output, o.value, c.data FROM outputs o JOIN contents c ON c.hash = o.value "
    "WHERE o.run_id = ? AND ? IN ('', o.node)"
)
_GIVEN = (
    "SELECT node, details FROM events WHERE run_id = ? AND kind IN ('node_succeeded', 'node_recovered') "
    "AND ? IN ('', node)"
)

_FAILURES = (
    "FROM events INDEXED BY failures WHERE events.run_id = runs.run_id AND kind IN ('node_failed', 'attempt_failed')"
)
_BEYOND = "\U0010ffff"  # after every text that begins alike

STATES = ("running", "interrupted", "succeeded", "failed", "cancelled")
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
        origin: ``desktop``, ``cli``, ``api``, ``resume``, ``replay`` or ``again``; ``test``, ``capsule`` or ``preview``
            where it was no real one.
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


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are looked for; an empty text and a zero filter nothing.

    Attributes:
        workflow: Part of the workflow's name.
        state: The run's state.
        node: The beginning of the id of a node that gave something or failed.
        error: Part of an error that a node, or one of its attempts, failed with; with ``node``: that node.
        since: The run began at this time or later, seconds since 1970.
        until: The run began before this time.
    """

    workflow: str = ""
    state: str = ""
    node: str = ""
    error: str = ""
    since: float = 0.0
    until: float = 0.0

    def as_sql(self, present: Sequence[str] = ()) -> tuple[str, list[Any]]:
        """A condition on ``runs``, and its values; ``present``: the signs of processes that are there."""
        terms: list[str] = []
        values: list[Any] = []

        def add(term: str, *given: Any) -> None:
            terms.append(term)
            values.extend(given)

        if self.workflow:
            add("instr(lower(workflow), lower(?)) > 0", plain(self.workflow))
        if self.state in {"running", "interrupted"}:
            without = "" if self.state == "running" else "NOT "
            add(f"state = 'running' AND process {without}IN ({', '.join('?' * len(present))})", *present)
        elif self.state:
            add("state = ?", self.state)
        if self.since:
            add("started >= ?", self.since)
        if self.until:
            add("started < ?", self.until)
        node = (plain(self.node), plain(self.node) + _BEYOND)
        if self.error:
            said = "instr(lower(json_extract(details, '$.error')), lower(?)) > 0"
            where = " AND node >= ? AND node < ?" if self.node else ""
            add(f"EXISTS (SELECT 1 {_FAILURES} AND {said}{where})", self.error, *(node if self.node else ()))
        elif self.node:
            gave = "SELECT 1 FROM outputs WHERE outputs.run_id = runs.run_id AND node >= ? AND node < ?"
            add(f"(EXISTS ({gave}) OR EXISTS (SELECT 1 {_FAILURES} AND node >= ? AND node < ?))", *node, *node)
        return " AND ".join(terms) or "1", values


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run in a list.

    Attributes:
        run: The run.
        failed: How many of its nodes failed for good.
        error: The first of their errors, or empty.
    """

    run: RunRecord
    failed: int
    error: str


class Runs(Store):
    """The part of the journal that tells of runs."""

    def find_runs(self, wanted: RunFilter, *, limit: int = 100) -> tuple[list[FoundRun], int]:
        """The newest runs that fit, and how many fit in all."""
        where, values = wanted.as_sql(self._present() if wanted.state in {"running", "interrupted"} else ())
        total = self._read(f"SELECT count(*) FROM runs WHERE {where}", *values)[0][0]  # noqa: S608 - ours
        rows = self._read(
            f"SELECT runs.*, (SELECT count(*) {_FAILURES} AND kind = 'node_failed'), "  # noqa: S608 - ours
            f"(SELECT details {_FAILURES} AND kind = 'node_failed' ORDER BY sequence LIMIT 1) "
            f"FROM runs WHERE {where} ORDER BY started DESC LIMIT ?",
            *values,
            limit,
        )
        return [FoundRun(self._run_of(row[:-2]), row[-2], _error_in(row[-1])) for row in rows], int(total)

    def _present(self) -> list[str]:
        signs = self._read("SELECT DISTINCT process FROM runs WHERE state = 'running'")
        return [sign for (sign,) in signs if self._presence.is_there(sign)]

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

    def output_hashes(self, run_id: str) -> dict[str, dict[str, str]]:
        """The name of each output's content by node and output; equal values have equal ones, empty: not kept."""
        found: dict[str, dict[str, str]] = {}
        for node, output, value in self._read("SELECT node, output, value FROM outputs WHERE run_id = ?", run_id):
            found.setdefault(node, {})[output] = value
        return found

    def output(self, run_id: str, node: str, output: str) -> Any:
        """The value of an output; one that had secrets in it comes without them.

        Raises:
            JournalError: The run gave no such value, or it was not kept.
        """
        statement = "SELECT value FROM outputs WHERE run_id = ? AND node = ? AND output = ?"
        rows = self._read(statement, run_id, plain(node), plain(output))
        if not rows:
            raise JournalError(f"{node}.{output} has no value in run {run_id}.")
        if rows[0][0] == contents.NOT_KEPT:
            raise JournalError(f"{node}.{output} of run {run_id} was too large, or no data: it was not kept.")
        return self._content(rows[0][0])

    def finished(self, run_id: str, *, node: str = "", pinned: bool = True) -> dict[str, Outputs]:
        """The outputs of each node that has succeeded, where all of them were kept and are still there.

        Args:
            run_id: The run.
            node: Only this one.
            pinned: Also those whose outputs were pinned in the window; they gave nothing themselves.
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
            named, told = found.get(name, {}), json.loads(details)
            if set(told["outputs"]) == named.keys() and (pinned or not told.get("pinned")):
                whole[name] = named
        return whole

    def finished_in_all(self, root: str) -> dict[str, Outputs]:
        """What nodes have given in a run and in those that went on from it; what came later counts.

        What a test, a capsule or a safe preview gave is not among it, nor what was pinned.
        """
        found: dict[str, Outputs] = {}
        for run_id in self.real_runs_of(root):
            found |= self.finished(run_id, pinned=False)
        return found

    def real_runs_of(self, root: str) -> list[str]:
        """A run and those that went on from it, in order, without tests, capsules and safe previews."""
        rows = self._read(
            "SELECT run_id FROM runs WHERE root = ? AND origin NOT IN ('test', 'capsule', 'preview') "
            "ORDER BY started, run_id",
            root,
        )
        return [run_id for (run_id,) in rows]


def _error_in(details: str | None) -> str:
    return str(json.loads(details)["error"]) if details else ""
