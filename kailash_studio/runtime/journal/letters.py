"""Dead letters as the journal has them: found by their sides, counted, grouped, and moved from state to state."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kailash_studio.errors import JournalError
from kailash_studio.resilience.dead_letter import POISON_AFTER, TRANSITIONS, DeadLetter, FailedAttempt, LetterState
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.journal.store import Store, plain

# the index alone tells which letters are on the page, and only those are looked up
_PAGE = """
SELECT * FROM dead_letters WHERE id IN (
    SELECT id FROM dead_letters WHERE {} ORDER BY timestamp DESC, id LIMIT ? OFFSET ?
) ORDER BY timestamp DESC, id
"""
_HAS_GIVEN = """
SELECT 1 FROM events WHERE run_id = ? AND node = ? AND kind IN ('node_succeeded', 'node_recovered') LIMIT 1
"""
# beside one max() the bare columns are those of the row that has it (SQLite promises it), beside min() too they are not
_GROUPS = """
WITH chosen AS (SELECT id, fingerprint, workflow, node, error, timestamp FROM dead_letters WHERE {}),
newest AS (
    SELECT fingerprint, count(*) AS number, workflow, node, error, max(timestamp) AS last, id FROM chosen
    GROUP BY fingerprint
),
oldest AS (
    SELECT fingerprint, min(timestamp) AS first, count(DISTINCT workflow) AS flows FROM chosen GROUP BY fingerprint
)
SELECT fingerprint, number, node, error, first, last, id, workflow, flows FROM newest JOIN oldest USING (fingerprint)
ORDER BY number DESC, fingerprint LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Letters that failed in the same way.

    Attributes:
        fingerprint: What they have in common.
        count: How many they are.
        node: The node.
        error: What the newest says.
        first: When the oldest was given up, seconds since 1970.
        last: When the newest was.
        newest: The id of the newest.
        workflow: That of the newest.
        workflows: Of how many workflows they are.
    """

    fingerprint: str
    count: int
    node: str
    error: str
    first: float
    last: float
    newest: str
    workflow: str
    workflows: int


class DeadLetters(Store):
    """The part of the journal that keeps dead letters."""

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
        """Dead letters, the newest first, without their inputs (``inputs_of``); an empty word filters nothing.

        Whoever asks by ids gets all of them, whatever the limit.
        """
        where, values = _filter(state, workflow, node, fingerprint, text, ids)
        rows = self._read(_PAGE.format(where), *values, max(limit, len(ids)), offset)
        return [_letter_of(row) for row in rows]

    def count_dead_letters(
        self, *, state: str = "new", workflow: str = "", node: str = "", fingerprint: str = "", text: str = ""
    ) -> int:
        """How many there are."""
        where, values = _filter(state, workflow, node, fingerprint, text, ())
        found = self._read(f"SELECT count(*) FROM dead_letters WHERE {where}", *values)  # noqa: S608 - ours
        return int(found[0][0])

    def dead_letter_groups(
        self, *, state: str = "new", workflow: str = "", node: str = "", text: str = "", limit: int = 100
    ) -> list[LetterGroup]:
        """Letters that failed in the same way, taken together; the largest groups first."""
        where, values = _filter(state, workflow, node, "", text, ())
        return [LetterGroup(*row) for row in self._read(_GROUPS.format(where), *values, limit)]

    def dead_letter_rate(self, since: float, bucket: float) -> list[tuple[float, int]]:
        """How many were given up in each span of time: where it begins, seconds since 1970, and the number.

        Args:
            since: From when on.
            bucket: Seconds of a span; spans without any are left out.
        """
        return [
            (since + int(number) * bucket, int(count))
            for number, count in self._read(
                "SELECT CAST((timestamp - ?) / ? AS INTEGER) AS span, count(*) FROM dead_letters WHERE timestamp >= ? "
                "GROUP BY span ORDER BY span",
                since,
                bucket,
                since,
            )
        ]

    def inputs_of(self, letter_id: str) -> dict[str, Any]:
        """What the node of a dead letter was given.

        Raises:
            JournalError: There is no such letter, or its inputs were too large to be kept.
        """
        rows = self._read("SELECT inputs FROM dead_letters WHERE id = ?", letter_id)
        if not rows:
            raise JournalError(f"There is no dead letter {letter_id}.")
        if rows[0][0] == contents.NOT_KEPT:
            raise JournalError(
                f"The inputs of the dead letter {letter_id} were too large, or no data: they are not kept."
            )
        return dict(self._content(rows[0][0]))

    def change_dead_letters(self, ids: Sequence[str], after: LetterState, note: str = "") -> int:
        """Move letters to a state, those of them that may go there; how many went.

        A replay that failed (``new`` after ``replaying``) counts, and after three the letter is ``poison``.

        Raises:
            JournalError: It could not be written in time; then nothing was changed.
        """
        said = plain(note)

        def work(connection: Any) -> int:
            return sum(_move(connection, letter_id, after, said, failed_replay=True) for letter_id in ids)

        return int(self._writer.call(work))

    def give_back_dead_letters(self, ids: Sequence[str], note: str) -> int:
        """Let letters wait again whose replay came to no end; it does not count as one that failed."""
        said = plain(note)
        return int(self._writer.call(lambda connection: sum(_move(connection, x, "new", said) for x in ids)))

    def claim_dead_letters(self, runs: Mapping[str, str]) -> list[str]:
        """Take letters for replays; the ids of those that were got: no other process has them, and none is dealt with.

        Args:
            runs: For each letter the id of the run that will replay it.

        Raises:
            JournalError: It could not be written in time; then nothing was taken.
        """
        mine = self._presence.begin()

        def work(connection: Any) -> list[str]:
            got = [letter_id for letter_id in runs if _move(connection, letter_id, "replaying", "")]
            connection.executemany(
                "UPDATE dead_letters SET claimed_by = ?, claim_run = ? WHERE id = ?",
                [(mine, runs[letter_id], letter_id) for letter_id in got],
            )
            return got

        return list(self._writer.call(work))

    def release_abandoned(self) -> int:
        """Settle letters whose replaying process has ended without a word; how many.

        Where the replay's run had done the work, the letter is resolved. Else it waits again, and this replay does not
        count as one that failed.
        """
        claimed = self._read("SELECT id, node, claimed_by, claim_run FROM dead_letters WHERE state = 'replaying'")
        gone = {by for by in {row[2] for row in claimed} if not self._presence.is_there(by)}
        moves: list[tuple[str, LetterState, str]] = []
        for letter_id, node, by, run_id in claimed:
            if by not in gone:
                continue
            done = bool(self._read(_HAS_GIVEN, run_id, node))
            what: LetterState = "resolved" if done else "new"
            moves.append((letter_id, what, f"by run {run_id}" if done else "its replay was killed"))

        def work(connection: Any) -> int:
            return sum(_move(connection, letter_id, after, note) for letter_id, after, note in moves)

        return int(self._writer.call(work)) if moves else 0


def _move(connection: Any, letter_id: str, after: LetterState, note: str, *, failed_replay: bool = False) -> bool:
    """Change a letter's state if it may; whether it did. Inside a transaction."""
    row = connection.execute("SELECT state, replays FROM dead_letters WHERE id = ?", (letter_id,)).fetchone()
    if row is None or after not in TRANSITIONS[row[0]]:
        return False
    state, replays = after, row[1]
    if failed_replay and row[0] == "replaying" and after == "new":
        replays += 1
        state = "poison" if replays >= POISON_AFTER else "new"
    connection.execute(
        "UPDATE dead_letters SET state = ?, replays = ?, note = ?, claimed_by = '', claim_run = '' WHERE id = ?",
        (state, replays, note, letter_id),
    )
    return True


def insert(connection: Any, letter: DeadLetter, inputs: str) -> None:
    """Write a new letter; ``inputs`` is the name of their content."""
    row = (
        letter.id, letter.run_id, plain(letter.workflow), letter.document_hash, plain(letter.node), letter.node_type,
        letter.timestamp, plain(letter.error), letter.error_class, letter.code,
        json.dumps([asdict(attempt) for attempt in letter.attempts]), inputs, letter.fingerprint,
        plain(letter.key), letter.state, letter.replays, plain(letter.note), "", "",
    )  # fmt: skip
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO dead_letters VALUES ({marks})", row)  # noqa: S608 - question marks alone


def _letter_of(row: tuple[Any, ...]) -> DeadLetter:
    attempts = tuple(FailedAttempt(**attempt) for attempt in json.loads(row[10]))
    return DeadLetter(*(*row[:10], attempts, {}, *row[12:17]))


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
        parts.append("id IN (SELECT value FROM json_each(?))")  # a statement takes only so many values
        values.append(json.dumps(list(ids)))
    return " AND ".join(parts), values
