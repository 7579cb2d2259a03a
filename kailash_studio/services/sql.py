"""Running one SQL statement on PostgreSQL or SQLite, with drivers' errors turned into our own."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
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
    opened: list[sqlite3.Connection] = []

    def work() -> ResultSet:
        connection = sqlite3.connect(path, timeout=15, check_same_thread=False)
        opened.append(connection)
        try:
            values: Any = list(params)
            if re.search(r"\$\d", statement):  # PostgreSQL's spelling, which SQLite takes as names
                values = {str(number): value for number, value in enumerate(params, 1)}
            cursor = connection.execute(statement, values)
            columns = unique([column[0] for column in cursor.description or ()])
            records = cursor.fetchmany(1) if one else cursor.fetchall()
            connection.commit()
            rows = [dict(zip(columns, record, strict=True)) for record in records]
            return ResultSet(columns, rows, len(rows) if columns else max(cursor.rowcount, 0))
        except sqlite3.Error as error:
            wrong = DatabaseError(f"SQLite says of {path.name}: {error}.")
            wrong.permanent = not isinstance(error, sqlite3.OperationalError) or "syntax" in str(error)
            raise wrong from None
        finally:
            connection.close()

    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if opened:
            opened[0].interrupt()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # the interruption itself; the cancellation is what is raised
        raise
