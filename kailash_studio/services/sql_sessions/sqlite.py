"""SQLite files for an editor, opened for reading alone."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from kailash_studio.errors import DatabaseError
from kailash_studio.services.sql_catalogue import MOST_COLUMNS, Catalogue, relations_in
from kailash_studio.services.sql_plan import PlanStep, from_sqlite
from kailash_studio.services.sql_sessions.session import ONLY_READS, Description, Fault, FirstRows, Session
from kailash_studio.services.sql_text import Given, placeholders, positional
from kailash_studio.services.stoppable import in_thread

T = TypeVar("T")

_STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine, about a millisecond

_COLUMNS = """
SELECT m.name, m.type, x.name, x.type, x."notnull"
FROM sqlite_master m, pragma_table_xinfo(m.name) x
WHERE m.type IN ('table', 'view') AND x.hidden <> 1
ORDER BY m.name, x.cid
LIMIT ?1
"""


class SqliteSession(Session):
    """A SQLite file to look at; it is opened for reading alone."""

    dialect = "sqlite"

    def __init__(self, path: Path, *, seconds: float = 15.0) -> None:
        self._path = path
        self.seconds = seconds
        self.where = path.name

    async def catalogue(self) -> Catalogue:
        """See ``Session``."""
        limit = MOST_COLUMNS + 1
        found = await self.ask(lambda connection: connection.execute(_COLUMNS, [limit]).fetchall(), _COLUMNS)
        return Catalogue("sqlite", relations_in(("main", *row) for row in found), ("main", "temp"), len(found) < limit)

    async def describe(self, statement: str) -> Description:
        """See ``Session``; SQLite tells faults alone."""
        sent = positional(statement, Given.nothing(placeholders(statement)))

        def work(connection: sqlite3.Connection) -> Description:
            try:
                connection.execute(f"EXPLAIN {_for_sqlite(sent.text)}", sent.values).close()
            except sqlite3.Error as error:
                return Description({}, [], fault_in_sqlite(error, statement))
            return Description({}, [])

        return await self.ask(work, statement)

    async def _first_rows(self, statement: str, given: Given, limit: int) -> FirstRows:
        sent = positional(statement, given)

        def work(connection: sqlite3.Connection) -> FirstRows:
            cursor = connection.execute(_for_sqlite(sent.text), sent.values)
            columns = [(column[0], "") for column in cursor.description or ()]
            return FirstRows.of(columns, cursor.fetchmany(limit + 1), limit)

        return await self.ask(work, statement)

    async def _plan(self, statement: str, given: Given, analyze: bool) -> PlanStep:
        sent = positional(statement, given)
        asked = f"EXPLAIN QUERY PLAN {_for_sqlite(sent.text)}"
        found = await self.ask(lambda connection: connection.execute(asked, sent.values).fetchall(), statement)
        return from_sqlite(found)

    async def ask(self, work: Callable[[sqlite3.Connection], T], statement: str) -> T:
        """Let ``work`` use a connection, in a thread; cancelling interrupts it.

        Raises:
            DatabaseError: The file cannot be read, the statement is at fault, or it takes too long.
        """
        return await in_thread(
            lambda stopped: self._in_thread(work, statement, stopped),
            seconds=self.seconds,
            too_long=f"{self.where} did not answer within {self.seconds:g} s.",
        )

    def _in_thread(self, work: Callable[[sqlite3.Connection], T], statement: str, stopped: threading.Event) -> T:
        if not self._path.is_file():
            raise DatabaseError(f"There is no SQLite file {self._path}: give its path, relative to the workflow's.")
        try:
            with self._opened() as connection:
                connection.set_progress_handler(stopped.is_set, _STEPS_BETWEEN_LOOKS)
                return work(connection)
        except sqlite3.Error as error:
            raise fault_in_sqlite(error, statement).error(statement) from None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)
        try:
            connection.execute("PRAGMA query_only = ON")
            yield connection
        finally:
            connection.close()


_NAMED_PLACES = (re.compile(r'near "(.+)": syntax error'), re.compile(r"no such (?:table|column|function): (\S+)"))


def fault_in_sqlite(error: sqlite3.Error, statement: str) -> Fault:
    """What a SQLite error says; it names a word and no position, so a word that stands there once is the place."""
    said = str(error).rstrip(".")
    if "readonly database" in said or "query_only" in said:
        return Fault(ONLY_READS)
    position = -1
    for pattern in _NAMED_PLACES:
        found = pattern.search(said)
        if found is not None:
            places = [m.start() for m in re.finditer(re.escape(found.group(1)), statement, re.IGNORECASE)]
            position = places[0] if len(places) == 1 else -1
    return Fault(f"{said[:1].upper()}{said[1:]}.", position)


def _for_sqlite(statement: str) -> str:
    """PostgreSQL's ``$1`` as SQLite spells it, ``?1``: as long as before, so places stay true."""
    text = list(statement)
    for placeholder in placeholders(statement):
        if placeholder.number:
            for start, _ in placeholder.spans:
                text[start] = "?"
    return "".join(text)
