"""The tables, their version, and how a connection to them is opened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from kailash_studio.errors import JournalError

_BUSY_MS = 20_000

_FIRST = """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, workflow TEXT NOT NULL, document TEXT NOT NULL, folder TEXT NOT NULL, given TEXT NOT NULL,
    origin TEXT NOT NULL, resumed_from TEXT NOT NULL, started REAL NOT NULL, state TEXT NOT NULL, seconds REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_by_start ON runs (started);
CREATE TABLE events (
    run_id TEXT NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL, node TEXT NOT NULL, time REAL NOT NULL,
    wall REAL NOT NULL, cause INTEGER NOT NULL, details TEXT NOT NULL, PRIMARY KEY (run_id, sequence)
) WITHOUT ROWID;
CREATE TABLE outputs (
    run_id TEXT NOT NULL, node TEXT NOT NULL, output TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (run_id, node, output)
) WITHOUT ROWID;
CREATE TABLE contents (hash TEXT PRIMARY KEY, size INTEGER NOT NULL, data BLOB) WITHOUT ROWID;
CREATE TABLE dead_letters (
    id TEXT PRIMARY KEY, run_id TEXT NOT NULL, workflow TEXT NOT NULL, document TEXT NOT NULL, node TEXT NOT NULL,
    node_type TEXT NOT NULL, timestamp REAL NOT NULL, error TEXT NOT NULL, error_class TEXT NOT NULL,
    code TEXT NOT NULL, attempts TEXT NOT NULL, inputs TEXT NOT NULL, fingerprint TEXT NOT NULL, key TEXT NOT NULL,
    state TEXT NOT NULL, replays INTEGER NOT NULL, note TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX letters_by_state ON dead_letters (state, timestamp);
CREATE INDEX letters_by_fingerprint ON dead_letters (fingerprint, state);
CREATE TABLE breakers (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, opened_wall REAL NOT NULL, failures INTEGER NOT NULL,
    successes INTEGER NOT NULL, reason TEXT NOT NULL, updated_wall REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE breaker_changes (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, wall REAL NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
    reason TEXT NOT NULL
);
"""
# all that lists of dead letters are filtered, sorted and grouped by: 100,000 are searched in 30 ms instead of 300
_SECOND = """
DROP INDEX letters_by_state;
CREATE INDEX letters_by_state ON dead_letters (state, timestamp, fingerprint, workflow, node, error);
"""
# runs of one work know each other, and a letter says who replays it
_THIRD = """
ALTER TABLE runs ADD COLUMN root TEXT NOT NULL DEFAULT '';
WITH RECURSIVE chain (run_id, root) AS (
    SELECT run_id, run_id FROM runs WHERE resumed_from NOT IN (SELECT run_id FROM runs)
    UNION ALL SELECT runs.run_id, chain.root FROM runs JOIN chain ON runs.resumed_from = chain.run_id
)
UPDATE runs SET root = (SELECT root FROM chain WHERE chain.run_id = runs.run_id);
CREATE INDEX runs_by_root ON runs (root, started);
ALTER TABLE dead_letters ADD COLUMN claimed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letters ADD COLUMN claim_run TEXT NOT NULL DEFAULT '';
"""
# a run says which process it is in, so that one whose process is gone is known to be interrupted
_FOURTH = "ALTER TABLE runs ADD COLUMN process TEXT NOT NULL DEFAULT ''"
# what lists of runs are searched by and counted; successes, which are most events, cost nothing
_FIFTH = """
CREATE INDEX failures ON events (run_id, kind, node) WHERE kind IN ('node_failed', 'attempt_failed');
"""
_STEPS = (
    _FIRST,
    _SECOND,
    _THIRD,
    _FOURTH,
    _FIFTH,
)  # what makes version n + 1 out of version n; a step that was released is never changed
VERSION = len(_STEPS)


def connect(path: Path, *, vfs: str | None = None) -> Any:
    """A connection with everything set; the tables are made when they are not there.

    WAL with synchronous FULL: a commit that was acknowledged survives a loss of power (3,000 simulated cuts lost none;
    with NORMAL most of them did).

    Raises:
        JournalError: The file cannot be opened, or a newer program wrote it.
    """
    import apsw

    connection = None
    try:
        connection = apsw.Connection(str(path), vfs=vfs)
        connection.set_busy_timeout(_BUSY_MS)
        _keep_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        version = connection.pragma("user_version")
        if version < VERSION:
            connection.execute("BEGIN IMMEDIATE")
            version = connection.pragma("user_version")  # another process may have gone on meanwhile
            if version < VERSION:
                for step in _STEPS[version:]:
                    connection.execute(step)
                connection.execute(f"PRAGMA user_version = {VERSION}")
                version = VERSION
            connection.execute("COMMIT")
    except apsw.Error as error:
        if connection is not None:
            connection.close(True)
        raise JournalError(f"The journal {path} cannot be opened: {error}.") from None
    if version > VERSION:
        connection.close()
        raise JournalError(f"The journal {path} was written by a newer program: update this one to use it.")
    return connection


def _keep_wal(connection: Any) -> None:
    """Have the file in WAL mode; while another process is just making that so, SQLite refuses without waiting."""
    import apsw

    deadline = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return
