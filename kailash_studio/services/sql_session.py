"""Short connections on which an editor looks at a database: each in bounded time, and nothing that it does stays.

A node's run does not come here: see ``services.sql``.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError
from kailash_studio.services.sql_text import Lines

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_LEAVE_SECONDS = 2.0
_GRACE_SECONDS = 1.0  # that the server's own statement timeout has the first word, which names the cause
_STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine, about a millisecond
_READ_ONLY = "25006"  # read_only_sql_transaction (PostgreSQL, appendix A)

_UNFIT_VALUE = re.compile(r"invalid input for query argument (\$\d+): (.*) \((.*)\)\Z")  # asyncpg's words


@dataclass(frozen=True, slots=True)
class Fault:
    """What a database says against a statement.

    Attributes:
        sentence: In its words, with its hint.
        position: Where in the statement, counted from 0; -1 when it does not say.
        sqlstate: Its code; empty when there is none.
    """

    sentence: str
    position: int = -1
    sqlstate: str = ""

    def error(self, statement: str) -> DatabaseError:
        """It as an error, with the line and column."""
        place = ""
        if self.position >= 0:
            found = Lines(statement).place(self.position)
            place = f"Line {found.line}, column {found.column}: "
        return DatabaseError(f"{place}{self.sentence}", sqlstate=self.sqlstate)


class PostgresSession:
    """A PostgreSQL server to look at.

    Attributes:
        dialect: For whoever must know.
        where: Host, port and database, for sentences; never a password.
        seconds: Seconds that one look may take, from connecting to the last row.
    """

    dialect = "postgresql"

    def __init__(self, target: Mapping[str, Any], *, seconds: float = 15.0) -> None:
        """Prepare; nothing is opened.

        Args:
            target: Arguments of ``asyncpg.connect``.
            seconds: See the class.
        """
        self._target = target
        self.seconds = seconds
        self.where = _where(target)

    @asynccontextmanager
    async def reading(self, *, writable: bool = False) -> AsyncIterator[Any]:
        """A connection in a transaction that is rolled back whatever happens.

        Args:
            writable: Statements may write (and are rolled back); else the server refuses them.

        Raises:
            DatabaseError: It cannot be reached, refuses, or does not end in time; a statement's own faults come as
                asyncpg's errors, for ``fault_of``.
        """
        connection: Any = None
        try:
            async with asyncio.timeout(self.seconds + _GRACE_SECONDS):
                connection = await self._connected()
                mode = "READ WRITE" if writable else "READ ONLY"
                await connection.execute(f"BEGIN {mode}; SET LOCAL statement_timeout = {int(self.seconds * 1000)}")
                yield connection
                await connection.execute("ROLLBACK")
        except TimeoutError:
            raise DatabaseTimeoutError(
                f"The database at {self.where} did not answer within {self.seconds:g} s: look whether it is overloaded "
                "or behind a firewall, or allow more time."
            ) from None
        except OSError as error:
            raise DatabaseUnreachableError(f"The connection to {self.where} was lost: {error}.") from None
        finally:
            if connection is not None:
                await _leave(connection)

    async def _connected(self) -> Any:
        import asyncpg

        try:
            return await asyncpg.connect(**self._target, timeout=min(_CONNECT_SECONDS, self.seconds))
        except TimeoutError:
            raise DatabaseTimeoutError(
                f"The database at {self.where} takes connections but does not answer, or drops them unheard: look at "
                "its host, port and firewall."
            ) from None
        except (OSError, asyncpg.PostgresError) as error:
            said = str(error).rstrip(".")
            raise DatabaseUnreachableError(f"The database at {self.where} cannot be reached: {said}.") from None
        except (ValueError, asyncpg.InterfaceError) as error:
            # words about an address may quote a part of its password
            form = "it should read postgresql://user:password@host:port/database"
            said = form if "dsn" in self._target else str(error)
            raise DatabaseError(f"The connection to {self.where} is not well described: {said}.") from None

    async def ask(self, work: Callable[[Any], Any], statement: str, *, before: int = 0, writable: bool = False) -> Any:
        """Let ``work`` use a connection; the server's words against the statement become an error with their place.

        Args:
            work: Called with the connection; awaited.
            statement: The person's text.
            before: Characters of ours that stand before it in what is sent.
            writable: See ``reading``.

        Raises:
            DatabaseError: See ``reading``, or the statement is at fault.
        """
        import asyncpg

        try:
            async with self.reading(writable=writable) as connection:
                return await work(connection)
        except asyncpg.QueryCanceledError:
            raise DatabaseTimeoutError(
                f"The statement did not end within {self.seconds:g} s and was stopped: narrow it, or look at its plan."
            ) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise fault_of(error, before=before).error(statement) from None


def fault_of(error: Any, *, before: int = 0) -> Fault:
    """What an asyncpg error says, ``before`` characters of ours taken off its position."""
    state = getattr(error, "sqlstate", None) or ""
    if state == _READ_ONLY:
        return Fault(
            "A test run only reads, and this statement writes: look at its plan with Explain, or run the workflow.",
            sqlstate=state,
        )
    message = str(getattr(error, "message", None) or error).rstrip(".").replace("\n", " ")
    unfit = _UNFIT_VALUE.match(message)
    if unfit is not None:
        message = f"{unfit[1]} does not take the value {unfit[2]} as it is ({unfit[3]})"
        return Fault(f"{message}: give one of its type, or let the server read a text, such as {unfit[1]}::text::date.")
    hint = getattr(error, "hint", None)
    position = str(getattr(error, "position", None) or "")
    at = int(position) - 1 - before if position.isdigit() else -1
    return Fault(f"{message[:1].upper()}{message[1:]}." + (f" {hint}" if hint else ""), max(at, -1), state)


async def _leave(connection: Any) -> None:
    try:
        await asyncio.wait_for(connection.close(), _LEAVE_SECONDS)
    except Exception:  # noqa: BLE001 - it is gone already, or hangs; the server rolls back what it loses
        connection.terminate()


def _where(target: Mapping[str, Any]) -> str:
    """Where it is, for sentences; of an address the part behind the last @, since a password may hold anything."""
    if "dsn" in target:
        address = str(target["dsn"]).partition("://")[2].rpartition("@")[2].split("?")[0]
        return address or "the address of the secret"
    return f"{target.get('host')}:{target.get('port')}/{target.get('database') or ''}"


class SqliteSession:
    """A SQLite file to look at; it is opened for reading alone.

    Attributes:
        dialect: For whoever must know.
        where: The file's name.
        seconds: Seconds that one look may take.
    """

    dialect = "sqlite"

    def __init__(self, path: Path, *, seconds: float = 15.0) -> None:
        self._path = path
        self.seconds = seconds
        self.where = path.name

    async def read(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of a statement of our own."""
        return await self.ask(lambda connection: connection.execute(statement, values).fetchall(), statement)

    async def ask(self, work: Callable[[sqlite3.Connection], T], statement: str) -> T:
        """Let ``work`` use a connection, in a thread; cancelling interrupts it.

        Raises:
            DatabaseError: The file cannot be read, the statement is at fault, or it takes too long.
        """
        stopped = threading.Event()
        task = asyncio.ensure_future(asyncio.to_thread(self._in_thread, work, statement, stopped))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            stopped.set()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # the interruption itself
            raise

    def _in_thread(self, work: Callable[[sqlite3.Connection], T], statement: str, stopped: threading.Event) -> T:
        if not self._path.is_file():
            raise DatabaseError(f"There is no SQLite file {self._path}: give its path, relative to the workflow's.")
        deadline = time.monotonic() + self.seconds
        try:
            with self._opened() as connection:
                connection.set_progress_handler(
                    lambda: stopped.is_set() or time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS
                )
                return work(connection)
        except sqlite3.Error as error:
            if time.monotonic() > deadline:
                raise DatabaseTimeoutError(f"{self.where} did not answer within {self.seconds:g} s.") from None
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
        return Fault("A test run only reads, and this statement writes: run the workflow to have it done.")
    position = -1
    for pattern in _NAMED_PLACES:
        found = pattern.search(said)
        if found is not None:
            places = [m.start() for m in re.finditer(re.escape(found.group(1)), statement, re.IGNORECASE)]
            position = places[0] if len(places) == 1 else -1
    return Fault(f"{said[:1].upper()}{said[1:]}.", position)
