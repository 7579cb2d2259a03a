"""The journal's calls: runs, events and outputs, dead letters, breakers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kailash_studio.errors import JournalError
from kailash_studio.folders import user_data
from kailash_studio.resilience.breaker import BreakerChange, BreakerSnapshot
from kailash_studio.resilience.dead_letter import (
    POISON_AFTER,
    TRANSITIONS,
    DeadLetter,
    FailedAttempt,
    LetterState,
)
from kailash_studio.runtime import events as kinds
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.journal.schema import connect
from kailash_studio.runtime.journal.writer import Ack, Writer
from kailash_studio.spec.context import Outputs
from kailash_studio.spec.values import to_plain

_GAVE = frozenset({kinds.NODE_SUCCEEDED, kinds.NODE_RECOVERED})


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the journal has it.

    Attributes:
        run_id: The run.
        workflow: Name of the workflow.
        document: Name of the document's content.
        folder: What relative paths were relative to.
        given: Values that the caller gave, by node and name.
        origin: ``desktop``, ``cli``, ``api``, ``resume`` or ``replay``.
        resumed_from: The run that this one goes on from, or empty.
        started: Seconds since 1970.
        state: ``running`` until its end was written; a run that was killed stays so.
        seconds: How long it took.
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


class Journal:
    """One store. Any thread may call it; writing happens on one thread of its own."""

    def __init__(self, path: Path | None = None) -> None:
        """Open it, making the tables where there are none.

        Args:
            path: The file; by default in the user's data.

        Raises:
            JournalError: It cannot be opened, or a newer program wrote it.
        """
        self.path = path or user_data() / "journal.db"
        self._values = self.path.with_name(self.path.stem + "_values")
        connect(self.path).close()
        self._writer = Writer(lambda: connect(self.path))
        self._local = threading.local()
        self._readers: list[Any] = []
        self._readers_lock = threading.Lock()

    def close(self) -> None:
        """Write what is queued, and let go of the file."""
        self._writer.close()
        with self._readers_lock:
            for connection in self._readers:
                connection.close()
            self._readers.clear()

    @property
    def problem(self) -> str:
        """Why nothing can be written at present, or empty."""
        return self._writer.problem

    @property
    def transactions(self) -> int:
        """How many commits there were."""
        return self._writer.transactions

    def _read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path)
            with self._readers_lock:
                self._readers.append(connection)
        return list(connection.execute(statement, values))

    # ------------------------------------------------------------------ runs
    def start_run(
        self,
        run_id: str,
        workflow: str,
        document: str,
        started: float,
        *,
        folder: str = "",
        given: Mapping[str, Any] | None = None,
        origin: str = "api",
        resumed_from: str = "",
    ) -> Ack:
        """Write that a run begins, with the document that it runs."""
        data = contents.encode(document)
        told = json.dumps(to_plain(given or {}), ensure_ascii=False)

        def work(connection: Any) -> None:
            name = contents.store(connection, self._values, data)
            row = (run_id, workflow, name, folder, told, origin, resumed_from, started, "running", 0.0)
            connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

        return self._writer.put(work)

    def take(
        self,
        run_id: str,
        batch: Sequence[Event],
        outputs: Callable[[str], Outputs | None],
        letters: Sequence[DeadLetter] = (),
    ) -> Ack:
        """Write events with the outputs and the dead letters that belong to them, all or nothing.

        Args:
            run_id: The run.
            batch: Its next events.
            outputs: Gives the outputs of a node that has just succeeded; called now.
            letters: Dead letters of failures among the events.
        """
        given = [(event.node, outputs(event.node) or {}) for event in batch if event.kind in _GAVE]

        def work(connection: Any) -> None:
            rows = [
                (run_id, e.sequence, e.kind, e.node, e.time, e.wall, e.cause, json.dumps(to_plain(e.details)))
                for e in batch
            ]
            connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            for node, values in given:
                for name, value in values.items():
                    kept = contents.store(connection, self._values, contents.encode(value))
                    connection.execute("INSERT INTO outputs VALUES (?, ?, ?, ?)", (run_id, node, name, kept))
            for letter in letters:
                self._insert(connection, letter)
            for event in batch:
                if event.kind == kinds.RUN_FINISHED:
                    end = (event.details["state"], event.details["seconds"], run_id)
                    connection.execute("UPDATE runs SET state = ?, seconds = ? WHERE run_id = ?", end)

        return self._writer.put(work)

    def runs(self, *, limit: int = 100, workflow: str = "") -> list[RunRecord]:
        """The newest runs first."""
        rows = self._read("SELECT * FROM runs WHERE ? IN ('', workflow) ORDER BY started DESC LIMIT ?", workflow, limit)
        return [_run_of(row) for row in rows]

    def run(self, run_id: str) -> RunRecord:
        """A run by its id, or by a beginning of it that no other has.

        Raises:
            JournalError: There is none, or several begin so.
        """
        rows = self._read("SELECT * FROM runs WHERE run_id >= ? AND run_id < ? LIMIT 2", run_id, run_id + "\uffff")
        if len(rows) == 1 or (rows and rows[0][0] == run_id):
            return _run_of(rows[0])
        why = "several runs begin so" if rows else "there is no such run"
        raise JournalError(f"{run_id!r} names no run: {why}. `kailash-studio runs` lists them.")

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

    def finished(self, run_id: str) -> dict[str, Outputs]:
        """The outputs of each node that has succeeded, where all of them were kept."""
        found: dict[str, dict[str, str]] = {}
        given = self._read(
            "SELECT node, details FROM events WHERE run_id = ? AND kind IN ('node_succeeded', 'node_recovered')", run_id
        )
        for node, name, value in self._read("SELECT node, output, value FROM outputs WHERE run_id = ?", run_id):
            found.setdefault(node, {})[name] = value
        whole: dict[str, Outputs] = {}
        for node, details in given:
            named = found.get(node, {})
            if set(json.loads(details)["outputs"]) == {name for name, value in named.items() if value}:
                whole[node] = {name: self._content(value) for name, value in named.items()}
        return whole

    def _content(self, name: str) -> Any:
        connection = connect(self.path)
        try:
            return contents.load(connection, self._values, name)
        except (KeyError, OSError):
            raise JournalError(f"The content {name[:12]} is not in the journal any more.") from None
        finally:
            connection.close()

    # ------------------------------------------------------------------ dead letters
    def _insert(self, connection: Any, letter: DeadLetter) -> None:
        attempts = json.dumps([asdict(attempt) for attempt in letter.attempts])
        inputs = contents.store(connection, self._values, contents.encode(dict(letter.inputs)))
        row = (
            letter.id, letter.run_id, letter.workflow, letter.document_hash, letter.node, letter.node_type,
            letter.timestamp, letter.error, letter.error_class, letter.code, attempts, inputs, letter.fingerprint,
            letter.key, letter.state, letter.replays, letter.note,
        )  # fmt: skip
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO dead_letters VALUES ({marks})", row)  # noqa: S608 - question marks alone

    def dead_letters(
        self,
        *,
        state: str = "new",
        workflow: str = "",
        node: str = "",
        fingerprint: str = "",
        text: str = "",
        ids: Sequence[str] = (),
        limit: int = 200,
        offset: int = 0,
    ) -> list[DeadLetter]:
        """Dead letters, the newest first, without their inputs (``inputs_of``); an empty word filters nothing."""
        where, values = _filter(state, workflow, node, fingerprint, text, ids)
        rows = self._read(
            f"SELECT * FROM dead_letters WHERE {where} ORDER BY timestamp DESC LIMIT ? OFFSET ?",  # noqa: S608 - ours
            *values, limit, offset,
        )  # fmt: skip
        return [_letter_of(row) for row in rows]

    def count_dead_letters(
        self, *, state: str = "new", workflow: str = "", node: str = "", fingerprint: str = "", text: str = ""
    ) -> int:
        """How many there are."""
        where, values = _filter(state, workflow, node, fingerprint, text, ())
        found = self._read(f"SELECT count(*) FROM dead_letters WHERE {where}", *values)  # noqa: S608 - ours
        return int(found[0][0])

    def inputs_of(self, letter_id: str) -> dict[str, Any]:
        """What the node of a dead letter was given.

        Raises:
            JournalError: There is no such letter, or its inputs were too large to be kept.
        """
        rows = self._read("SELECT inputs FROM dead_letters WHERE id = ?", letter_id)
        if not rows:
            raise JournalError(f"There is no dead letter {letter_id}.")
        if rows[0][0] == contents.NOT_KEPT:
            raise JournalError(f"The inputs of the dead letter {letter_id} were too large to be kept.")
        return dict(self._content(rows[0][0]))

    def change_dead_letters(self, ids: Sequence[str], after: LetterState, note: str = "") -> int:
        """Move letters to a state, those of them that may go there; how many went.

        One transaction: two processes that claim a letter for a replay (``replaying``) cannot both get it. A replay
        that failed (``new`` after ``replaying``) counts, and after three the letter is ``poison``.
        """

        def work(connection: Any) -> int:
            changed = 0
            for letter_id in ids:
                row = connection.execute(
                    "SELECT state, replays FROM dead_letters WHERE id = ?", (letter_id,)
                ).fetchone()
                if row is None or after not in TRANSITIONS[row[0]]:
                    continue
                state, replays = after, row[1]
                if row[0] == "replaying" and after == "new":
                    replays += 1
                    state = "poison" if replays >= POISON_AFTER else "new"
                connection.execute(
                    "UPDATE dead_letters SET state = ?, replays = ?, note = ? WHERE id = ?",
                    (state, replays, note, letter_id),
                )
                changed += 1
            return changed

        return int(self._writer.put(work).wait())

    # ------------------------------------------------------------------ breakers
    def breaker(self, key: str) -> BreakerSnapshot | None:
        """What the last process left of a breaker."""
        rows = self._read("SELECT * FROM breakers WHERE key = ?", key)
        return BreakerSnapshot(*rows[0][1:]) if rows else None

    def breakers(self) -> dict[str, BreakerSnapshot]:
        """All breakers by key."""
        return {row[0]: BreakerSnapshot(*row[1:]) for row in self._read("SELECT * FROM breakers ORDER BY key")}

    def save_breaker(self, key: str, snapshot: BreakerSnapshot, change: BreakerChange | None = None) -> Ack:
        """Write where a breaker stands, for other processes, and the change that led there, for the panel."""
        row = (key, *asdict(snapshot).values())

        def work(connection: Any) -> None:
            connection.execute("INSERT OR REPLACE INTO breakers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if change is not None:
                told = (key, snapshot.updated_wall, change.before, change.after, change.reason)
                connection.execute(
                    "INSERT INTO breaker_changes (key, wall, before, after, reason) VALUES (?, ?, ?, ?, ?)", told
                )

        return self._writer.put(work)

    def breaker_changes(self, key: str = "", since: float = 0.0) -> list[tuple[float, BreakerChange]]:
        """Changes of states with their times, the oldest first."""
        rows = self._read(
            "SELECT wall, key, before, after, reason FROM breaker_changes WHERE ? IN ('', key) AND wall >= ? "
            "ORDER BY number",
            key,
            since,
        )
        return [(row[0], BreakerChange(*row[1:])) for row in rows]

    # ------------------------------------------------------------------ retention
    def forget(self, before: float, *, keep: int = 20) -> int:
        """Forget runs that began before a time, but the newest ones; dead letters that wait for somebody stay.

        Returns:
            How many runs were forgotten.
        """

        def work(connection: Any) -> tuple[int, list[str]]:
            old = [
                row[0]
                for row in connection.execute(
                    "SELECT run_id FROM runs WHERE started < ? AND state != 'running' AND run_id NOT IN "
                    "(SELECT run_id FROM runs ORDER BY started DESC LIMIT ?)",
                    (before, keep),
                )
            ]
            for table in ("events", "outputs", "runs"):
                connection.executemany(f"DELETE FROM {table} WHERE run_id = ?", [(run,) for run in old])  # noqa: S608
            connection.execute(
                "DELETE FROM dead_letters WHERE state IN ('resolved', 'discarded') AND timestamp < ?", (before,)
            )
            unused = (
                "SELECT hash FROM contents WHERE hash NOT IN (SELECT value FROM outputs UNION SELECT inputs FROM "
                "dead_letters UNION SELECT document FROM runs)"
            )
            spilled = [row[0] for row in connection.execute(f"{unused} AND data IS NULL")]
            connection.execute(f"DELETE FROM contents WHERE hash IN ({unused})")  # noqa: S608 - ours
            return len(old), spilled

        count, spilled = self._writer.put(work).wait()
        for name in spilled:
            (self._values / name).unlink(missing_ok=True)
        return int(count)


def _run_of(row: tuple[Any, ...]) -> RunRecord:
    return RunRecord(*(*row[:4], json.loads(row[4]), *row[5:]))


def _letter_of(row: tuple[Any, ...]) -> DeadLetter:
    attempts = tuple(FailedAttempt(**attempt) for attempt in json.loads(row[10]))
    return DeadLetter(*(*row[:10], attempts, {}, *row[12:]))


def _filter(
    state: str, workflow: str, node: str, fingerprint: str, text: str, ids: Sequence[str]
) -> tuple[str, list[Any]]:
    parts, values = ["1"], []
    for column, value in (("state", state), ("workflow", workflow), ("node", node), ("fingerprint", fingerprint)):
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if text:
        parts.append("(instr(lower(error), lower(?)) OR instr(lower(node), lower(?)))")
        values += [text, text]
    if ids:
        parts.append(f"id IN ({', '.join('?' * len(ids))})")
        values += ids
    return " AND ".join(parts), values
