"""The journal: what runs write while they run, breakers that processes share, and what is forgotten in the end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from kailash_studio.errors import ParameterError
from kailash_studio.resilience.breaker import BreakerChange, BreakerSnapshot
from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.runtime import events as kinds
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.journal.letters import DeadLetters, LetterGroup, insert
from kailash_studio.runtime.journal.reading import HIDDEN, RunRecord, Runs
from kailash_studio.runtime.journal.store import plain
from kailash_studio.runtime.journal.writer import Ack
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.context import Outputs
from kailash_studio.spec.values import to_plain

__all__ = ["Journal", "LetterGroup", "RunRecord"]

_GAVE = frozenset({kinds.NODE_SUCCEEDED, kinds.NODE_RECOVERED})
_FORGOTTEN = (  # a run that was killed says "running" for ever: what counts is when it was last heard of
    "SELECT run_id FROM runs WHERE started < :before AND run_id NOT IN "
    "(SELECT run_id FROM runs ORDER BY started DESC LIMIT :keep) AND (state != 'running' OR NOT EXISTS "
    "(SELECT 1 FROM events WHERE events.run_id = runs.run_id AND wall >= :before)) "
    # what a replay of a letter takes over is in its run, and in those that went on with the same work
    "AND root NOT IN (SELECT root FROM runs JOIN dead_letters USING (run_id) "
    "WHERE dead_letters.state IN ('new', 'replaying', 'poison'))"
)
_DAY = 86_400.0
_KEPT_DAYS = 90.0
_NAMED = "SELECT value FROM outputs UNION SELECT inputs FROM dead_letters UNION SELECT document FROM runs"


class Journal(Runs, DeadLetters):
    """One store for all that runs leave behind. Any thread may call it; writing happens on one thread of its own."""

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
        root: str = "",
        redactor: Redactor | None = None,
    ) -> Ack:
        """Write that a run begins, with the document that it runs; secrets among the given values are hidden."""
        data = contents.encode(document)
        process = self._presence.begin()
        told = json.dumps(to_plain(given or {}))
        if redactor is not None and redactor.occurs(told):
            told = json.dumps({HIDDEN: redactor.value(to_plain(given or {}))})

        def work(connection: Any) -> None:
            name = contents.store(connection, self._values, data)
            row = (
                run_id, plain(workflow), name, plain(folder), told, origin, resumed_from, started, "running", 0.0,
                root or run_id, process,
            )  # fmt: skip
            connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

        return self._writer.put(work)

    def take(
        self,
        run_id: str,
        batch: Sequence[Event],
        outputs: Callable[[str], Outputs | None],
        letters: Sequence[DeadLetter] = (),
        redactor: Redactor | None = None,
    ) -> Ack:
        """Write events with the outputs and the dead letters that belong to them, all or nothing.

        Args:
            run_id: The run.
            batch: Its next events.
            outputs: Gives the outputs of a node that has just succeeded; called now.
            letters: Dead letters of failures among the events.
            redactor: Hides secrets in outputs and in the letters' inputs; events and sentences come without.
        """
        given = [(event.node, outputs(event.node) or {}) for event in batch if event.kind in _GAVE]
        rows: list[tuple[Any, ...]] = []
        values: list[tuple[str, str, bytes | None]] = []
        inputs: list[bytes | None] = []

        def prepare() -> int:
            rows.extend(
                (run_id, e.sequence, e.kind, plain(e.node), e.time, e.wall, e.cause, json.dumps(to_plain(e.details)))
                for e in batch
            )
            for node, named in given:
                known: contents.Known = {}  # a node that gives a table gives it in its result as well
                values.extend(
                    (plain(node), plain(name), contents.encode(value, redactor, known)) for name, value in named.items()
                )
            given.clear()  # large values are let go of as soon as they are encoded
            inputs.extend(contents.encode(dict(letter.inputs), redactor) for letter in letters)
            return sum(len(data or b"") for _, _, data in values) + sum(len(data or b"") for data in inputs)

        def work(connection: Any) -> None:
            connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            for node, name, data in values:
                kept = contents.store(connection, self._values, data)
                connection.execute("INSERT INTO outputs VALUES (?, ?, ?, ?)", (run_id, node, name, kept))
            for letter, data in zip(letters, inputs, strict=True):
                insert(connection, letter, contents.store(connection, self._values, data))
            for event in batch:
                if event.kind == kinds.RUN_FINISHED:
                    end = (event.details["state"], event.details["seconds"], run_id)
                    connection.execute("UPDATE runs SET state = ?, seconds = ? WHERE run_id = ?", end)

        return self._writer.put(work, prepare)

    # ------------------------------------------------------------------ breakers
    def breaker(self, key: str) -> BreakerSnapshot | None:
        """What the last process left of a breaker."""
        rows = self._read("SELECT * FROM breakers WHERE key = ?", plain(key))
        return BreakerSnapshot(*rows[0][1:]) if rows else None

    def breakers(self) -> dict[str, BreakerSnapshot]:
        """All breakers by key."""
        return {row[0]: BreakerSnapshot(*row[1:]) for row in self._read("SELECT * FROM breakers ORDER BY key")}

    def save_breaker(self, key: str, snapshot: BreakerSnapshot, change: BreakerChange | None = None) -> Ack:
        """Write where a breaker stands, for other processes, and the change that led there, for the panel."""
        told = asdict(snapshot)
        row = (plain(key), *(told | {"reason": plain(snapshot.reason)}).values())

        def work(connection: Any) -> None:
            connection.execute("INSERT OR REPLACE INTO breakers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if change is not None:
                told = (row[0], snapshot.updated_wall, change.before, change.after, plain(change.reason))
                connection.execute(
                    "INSERT INTO breaker_changes (key, wall, before, after, reason) VALUES (?, ?, ?, ?, ?)", told
                )

        return self._writer.put(work)

    def breaker_changes(self, key: str = "", since: float = 0.0) -> list[tuple[float, BreakerChange]]:
        """Changes of states with their times, the oldest first."""
        rows = self._read(
            "SELECT wall, key, before, after, reason FROM breaker_changes WHERE ? IN ('', key) AND wall >= ? "
            "ORDER BY number",
            plain(key),
            since,
        )
        return [(row[0], BreakerChange(*row[1:])) for row in rows]

    # ------------------------------------------------------------------ retention
    def caught_up(self, seconds: float = 2.0) -> bool:
        """Wait, no longer than this, until all that this process has told so far is written; whether it is."""
        return self._writer.put(lambda connection: None).settled(seconds)

    def forget(self, before: float, *, keep: int = 20) -> int:
        """Forget runs that began before a time, but the newest ones.

        Dead letters that wait for somebody stay, with the runs whose work they are.

        Returns:
            How many runs were forgotten.

        Raises:
            JournalError: It could not be written in time; then nothing was forgotten.
        """

        def work(connection: Any) -> int:
            old = [row[0] for row in connection.execute(_FORGOTTEN, {"before": before, "keep": keep})]
            for table in ("events", "outputs", "runs"):
                connection.executemany(f"DELETE FROM {table} WHERE run_id = ?", [(run,) for run in old])  # noqa: S608
            connection.execute(
                "DELETE FROM dead_letters WHERE state IN ('resolved', 'discarded') AND timestamp < ?", (before,)
            )
            connection.execute("DELETE FROM breaker_changes WHERE wall < ?", (before,))
            connection.execute(f"DELETE FROM contents WHERE hash NOT IN ({_NAMED})")  # noqa: S608 - ours
            return len(old)

        count = int(self._writer.call(work))
        # after the commit, so that a kill in between leaves a file too many and never one too few
        self._writer.call(lambda connection: contents.sweep(connection, self._values))
        return count

    def tidy(self) -> int:
        """Forget what is older than is wanted, once a day whichever process comes first; how many runs.

        ``KAILASH_STUDIO_KEEP_DAYS`` says how many days runs are kept, 90 without it; 0 keeps them for ever.

        Raises:
            ParameterError: It is not a number of days.
            JournalError: It could not be written in time; then nothing was forgotten.
        """
        given = os.environ.get("KAILASH_STUDIO_KEEP_DAYS", str(_KEPT_DAYS))
        try:
            days = float(given)
        except ValueError:
            raise ParameterError(f"KAILASH_STUDIO_KEEP_DAYS is {given!r}: give a number of days, 0 for ever.") from None
        mark = self.path.with_name(f"{self.path.stem}.tidied")
        now = time.time()
        if days <= 0 or (mark.exists() and now - mark.stat().st_mtime < _DAY):
            return 0
        mark.touch()
        return self.forget(now - days * _DAY)
