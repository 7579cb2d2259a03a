"""Running one SQL statement on PostgreSQL or SQLite, with drivers' errors turned into our own."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError

# SQLSTATE classes of a connection that is gone or refused (PostgreSQL, appendix A).
_CONNECTION_CLASSES = ("08", "57P")


@dataclass(frozen=True, slots=True)
class ResultSet:
    """What a statement gave.

    Attributes:
        columns: Names, made unique by numbers where the statement repeats one.
        rows: One record for each row; none for a statement that returns no rows.
        row_count: Rows returned, or changed.
    """

    columns: list[str]
    rows: list[dict[str, Any]]
    row_count: int


async def query_postgresql(
    target: Mapping[str, Any], statement: str, params: Sequence[Any], *, one: bool = False, seconds: float = 3600.0
) -> ResultSet:
    """Run one statement on a connection of its own.

    Args:
        target: Arguments of ``asyncpg.connect``: ``dsn``, or host, port, user, password, database.
        statement: One statement, with ``$1``, ``$2``, ... for the values.
        params: The values.
        one: Take the first row only.
        seconds: Seconds that the statement may take; the server is told to stop it then.

    Raises:
        DatabaseError: It could not connect, or the server refused the statement.
    """
    import asyncpg

    where = _where(target)
    try:
        connection = await _connected(target, seconds)
    except (OSError, TimeoutError) as error:
        said = str(error) or "no answer within 15 s"
        raise DatabaseUnreachableError(f"The database at {where} cannot be reached: {said}.") from None
    except asyncpg.PostgresError as error:
        raise _translated(error, statement) from None
    except (ValueError, asyncpg.InterfaceError) as error:
        raise DatabaseError(f"The connection to {where} is not well described: {error}.") from None
    try:
        for kind in ("json", "jsonb"):
            await connection.set_type_codec(kind, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        prepared = await connection.prepare(statement)
        columns = unique([attribute.name for attribute in prepared.get_attributes()])
        records = await prepared.fetch(*params)
        rows = [dict(zip(columns, record, strict=True)) for record in records[: 1 if one else None]]
        count = len(rows) if columns else _changed(prepared.get_statusmsg())
        return ResultSet(columns, rows, count)
    except asyncpg.PostgresError as error:
        raise _translated(error, statement) from None
    except TimeoutError:
        raise DatabaseTimeoutError(f"The database at {where} did not finish within {seconds:g} s.") from None
    except (OSError, asyncpg.InterfaceError, ValueError) as error:
        # an InterfaceError of a live connection is a fault of the call, one of a closed connection is its loss
        lost = connection.is_closed()
        said = f"The database at {where}: {str(error).rstrip('.')}."
        wrong = DatabaseUnreachableError(said) if lost else DatabaseError(said)
        wrong.permanent = not lost
        raise wrong from None
    finally:
        await _let_go(connection)


async def _connected(target: Mapping[str, Any], seconds: float) -> Any:
    """A connection; a server that is starting or recovering is given some seconds."""
    import asyncpg

    loop = asyncio.get_running_loop()
    deadline = loop.time() + 15
    while True:
        try:
            return await asyncpg.connect(**target, timeout=15, command_timeout=seconds)
        except asyncpg.CannotConnectNowError:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.1)


async def _let_go(connection: Any) -> None:
    try:
        await asyncio.wait_for(connection.close(), 5)
    except (OSError, TimeoutError):
        connection.terminate()  # it is gone already, or hangs; nothing of ours depends on a polite end


def _where(target: Mapping[str, Any]) -> str:
    if "dsn" in target:
        return re.sub(r"//[^@/]*@", "//", str(target["dsn"])).split("?")[0]
    return f"{target.get('host')}:{target.get('port')}/{target.get('database')}"


def _translated(error: Any, statement: str) -> DatabaseError:
    state = getattr(error, "sqlstate", None) or ""
    place = ""
    position = getattr(error, "position", None)
    if position and str(position).isdigit():
        before = statement[: int(position) - 1]
        place = f" (line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))})"
    hint = getattr(error, "hint", None)
    message = str(getattr(error, "message", None) or error).rstrip(".")
    sentence = f"The database says: {message}{place}." + (f" {hint}" if hint else "")
    kind = DatabaseUnreachableError if state.startswith(_CONNECTION_CLASSES) else DatabaseError
    return kind(sentence, sqlstate=state)


def _changed(status: str | None) -> int:
    words = (status or "").split()
    return int(words[-1]) if words and words[-1].isdigit() else 0


def unique(names: Sequence[str]) -> list[str]:
    """Column names with repeated ones numbered: id, id_2."""
    used: dict[str, int] = {}
    taken = set(names)
    found = []
    for name in names:
        used[name] = used.get(name, 0) + 1
        fresh = name
        while used[name] > 1 and fresh in taken:
            fresh = f"{name}_{used[name]}"
            if fresh in taken:
                used[name] += 1
        taken.add(fresh)
        found.append(fresh)
    return found


async def query_sqlite(path: Path, statement: str, params: Sequence[Any], *, one: bool = False) -> ResultSet:
    """Run one statement on a SQLite file, in a thread; cancelling interrupts the statement.

    Raises:
        DatabaseError: The file cannot be opened, or the statement is refused.
    """
    if not path.parent.is_dir():
        raise DatabaseError(f"{path} cannot be opened: there is no folder {path.parent}.")
    stopped = threading.Event()
    task = asyncio.ensure_future(asyncio.to_thread(_in_sqlite, path, statement, params, one, stopped))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # the interruption itself; the cancellation is what is raised
        raise


def _in_sqlite(path: Path, statement: str, params: Sequence[Any], one: bool, stopped: threading.Event) -> ResultSet:
    deadline = time.monotonic() + _LOCKED_SECONDS
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=0.1)
        connection.set_progress_handler(stopped.is_set, _STEPS_BETWEEN_LOOKS)
        while True:
            try:
                return _executed(connection, _POSTGRESQL_VALUE.sub(_numbered, statement), params, one)
            except sqlite3.OperationalError as error:
                busy = _primary(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or stopped.is_set() or time.monotonic() > deadline:
                    raise
                connection.rollback()
    except sqlite3.Error as error:
        wrong = DatabaseError(f"SQLite says of {path.name}: {str(error).rstrip('.')}.")
        wrong.permanent = _primary(error) not in _PASSING
        raise wrong from None
    finally:
        if connection is not None:
            connection.close()


def _executed(connection: sqlite3.Connection, statement: str, params: Sequence[Any], one: bool) -> ResultSet:
    with closing(connection.execute(statement, list(params))) as cursor:
        columns = unique([column[0] for column in cursor.description or ()])
        records = cursor.fetchmany(1) if one else cursor.fetchall()
        rows = [dict(zip(columns, record, strict=True)) for record in records]
        count = len(rows) if columns else max(cursor.rowcount, 0)
    connection.commit()
    return ResultSet(columns, rows, count)


_LOCKED_SECONDS = 15.0  # that another process may hold the file
_STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine, about a millisecond, between looks at whether to stop
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
# PostgreSQL's $1 outside of texts, names in quotes and comments; SQLite spells it ?1
_POSTGRESQL_VALUE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|/\*.*?\*/|\$(\d+)""", re.DOTALL)


def _numbered(found: re.Match[str]) -> str:
    return f"?{found[1]}" if found[1] else found[0]


def _primary(error: sqlite3.Error) -> int:
    """SQLite's primary result code; its extended codes have more in the upper bytes. -1: not from SQLite itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF
