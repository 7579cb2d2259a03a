"""Running one SQL statement on PostgreSQL or SQLite, with drivers' errors turned into our own."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kailash_studio.errors import DatabaseError
from kailash_studio.services.postgres.large import large_table
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.rows import as_rows, unique
from kailash_studio.services.postgres.statistics import Owner
from kailash_studio.services.postgres.values import fitted, misfit
from kailash_studio.services.stoppable import in_thread
from kailash_studio.tables.table import Table


@dataclass(frozen=True, slots=True)
class ResultSet:
    """What a statement gave.

    Attributes:
        columns: Names, made unique by numbers where the statement repeats one.
        rows: One record for each row, or a table; none for a statement that returns no rows.
        row_count: Rows returned, or changed.
    """

    columns: list[str]
    rows: list[dict[str, Any]] | Table
    row_count: int


async def query_postgresql(
    pool: Pool, owner: Owner, statement: str, params: Sequence[Any], *, limit: int = 0, seconds: float | None = None
) -> ResultSet:
    """Run one statement on a connection of a pool; a query with many rows gives a table.

    Args:
        pool: The pool.
        owner: Who runs it.
        statement: One statement, with ``$1``, ``$2``, ... for the values.
        params: The values.
        limit: How many rows are fetched at most; 0: all.
        seconds: Seconds that the statement may take, instead of the pool's; the server is told to stop it then.

    Raises:
        DatabaseError: It could not connect, or the server refused the statement.
    """
    async with await pool.acquire(owner) as lease:
        types: list[str] = []
        if params or "$" in statement:
            _, types = await lease.described(statement, seconds=seconds)
            try:
                params = fitted(params, types)
            except DatabaseError:
                lease.connection.unclean = True  # what is only described keeps its tables locked until the reset
                raise
        if not limit:
            table = await large_table(pool, lease, statement, params, seconds)
            if table is not None:
                return ResultSet(table.column_names, table, len(table))
        try:
            found = await lease.run(statement, params, limit=limit, seconds=seconds)
        except DatabaseError as error:
            raise misfit(error, types) from None
    if not limit:
        pool.row_counts.put(statement, len(found.records))
    if len(found.records) > _MANY:  # the loop goes on meanwhile
        told = await asyncio.to_thread(as_rows, found)
    else:
        told = as_rows(found)
    return ResultSet(told["columns"], told["data"], told["row_count"])


async def query_sqlite(
    path: Path, statement: str, params: Sequence[Any], *, skip: int = 0, limit: int = 0, seconds: float = 3600.0
) -> ResultSet:
    """Run one statement on a SQLite file, in a thread; cancelling interrupts the statement, and so does the time limit.

    Args:
        path: The file.
        statement: One statement, with ``$1``, ``$2``, ... for the values.
        params: The values.
        skip: How many rows are left out before the first.
        limit: How many rows are fetched at most; 0: all.
        seconds: Seconds that it may take.

    Raises:
        DatabaseError: The file cannot be opened, the statement is refused, or it took too long.
    """
    if not path.parent.is_dir():
        raise DatabaseError(f"{path} cannot be opened: there is no folder {path.parent}.")
    return await in_thread(
        lambda stopped: _in_sqlite(path, statement, params, skip, limit, stopped),
        seconds=seconds,
        too_long=f"SQLite did not finish within {seconds:g} s on {path.name}.",
    )


def _in_sqlite(
    path: Path, statement: str, params: Sequence[Any], skip: int, limit: int, stopped: threading.Event
) -> ResultSet:
    deadline = time.monotonic() + _LOCKED_SECONDS
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=0.1)
        connection.set_progress_handler(stopped.is_set, _STEPS_BETWEEN_LOOKS)
        while True:
            try:
                return _executed(connection, _POSTGRESQL_VALUE.sub(_numbered, statement), params, skip, limit)
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


def _executed(
    connection: sqlite3.Connection, statement: str, params: Sequence[Any], skip: int, limit: int
) -> ResultSet:
    with closing(connection.execute(statement, list(params))) as cursor:
        columns = unique([column[0] for column in cursor.description or ()])
        for _ in islice(cursor, skip):
            pass
        records = cursor.fetchmany(limit) if limit else cursor.fetchall()
        rows = [dict(zip(columns, record, strict=True)) for record in records]
        count = len(rows) if columns else max(cursor.rowcount, 0)
    connection.commit()
    return ResultSet(columns, rows, count)


_MANY = 5_000  # rows that take some milliseconds to make records of
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
