"""DuckDB databases in files: one open database for each file in a run, a cursor for each statement, in threads.

DuckDB lets one process at a time open a file for writing, so the nodes of a run share it. A statement reaches the
tables of its database and nothing else: no other file, no network (``DuckDBNode`` reads files that it names).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, NodeError
from kailash_studio.services.duckdb_query import empty, translated
from kailash_studio.services.sql import ResultSet
from kailash_studio.tables.records import unique
from kailash_studio.tables.store import BATCH_ROWS, TableWriter
from kailash_studio.tables.types import plain, plain_schema

T = TypeVar("T")

_CLOSED_IN: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "lock_configuration": "true",
}
_ASK_SECONDS = 0.05


class DuckDBFiles:
    """The databases that the nodes of a runtime have open."""

    def __init__(self) -> None:
        self._open: dict[Path, Any] = {}
        self._opening = asyncio.Lock()

    @classmethod
    async def open(cls) -> DuckDBFiles:
        """None yet; as a resource is made."""
        return cls()

    async def query(
        self, path: Path, statement: str, params: Sequence[Any], *, limit: int = 0, seconds: float = 3600.0
    ) -> ResultSet:
        """Run one statement on the database of a file; cancelling interrupts it.

        Args:
            path: The file; it is made when it is not there.
            statement: One statement, with ``$1``, ``$2``, ... for the values.
            params: The values.
            limit: How many rows are fetched at most; 0: all, as a table.
            seconds: Seconds that it may take.

        Raises:
            NodeError: DuckDB is not installed.
            DatabaseError: The file cannot be opened, the statement is refused, or it took too long.
        """
        cursor = (await self._database(path)).cursor()
        return await in_time(cursor, lambda: _run(cursor, path, statement, list(params), limit), seconds, path.name)

    async def _database(self, path: Path) -> Any:
        path = await asyncio.to_thread(path.resolve)
        async with self._opening:
            if path not in self._open:
                self._open[path] = await asyncio.to_thread(connect, path)
            return self._open[path]

    async def aclose(self) -> None:
        """Close all of them."""
        while self._open:
            _, database = self._open.popitem()
            await asyncio.to_thread(database.close)


async def in_time(cursor: Any, work: Callable[[], T], seconds: float, name: str) -> T:
    """Do something with a cursor in a thread; cancelling interrupts it.

    Args:
        cursor: What is interrupted.
        work: Called in the thread.
        seconds: Seconds that it may take.
        name: Of the file, for sentences.

    Raises:
        DatabaseTimeoutError: It took too long, and was interrupted.
    """
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(done)
    except TimeoutError as error:
        if done.done() or isinstance(error, DatabaseError):
            raise
        await _interrupt(cursor, done)
        raise DatabaseTimeoutError(f"DuckDB did not finish within {seconds:g} s on {name}.") from None
    except asyncio.CancelledError:
        await _interrupt(cursor, done)
        raise


async def _interrupt(cursor: Any, work: asyncio.Future[Any]) -> None:
    while not work.done():  # an interruption that comes before the statement begins is lost
        cursor.interrupt()
        await asyncio.wait([work], timeout=_ASK_SECONDS)
    if not work.cancelled():
        work.exception()  # the interruption itself; why it came is what is raised


def connect(path: Path, *, read_only: bool = False) -> Any:
    """Open a file, which is made when it is not there; those that have it open in this process share it.

    Raises:
        NodeError: DuckDB is not installed.
        DatabaseError: It cannot be opened.
    """
    try:
        import duckdb
    except ImportError:
        raise NodeError("DuckDB is not installed: install the extra kailash-studio[duckdb].") from None
    if not path.parent.is_dir():
        raise DatabaseError(f"{path} cannot be opened: there is no folder {path.parent}.")
    try:
        return duckdb.connect(str(path.resolve()), read_only=read_only, config=_CLOSED_IN)
    except duckdb.Error as error:
        held = "lock" in str(error)
        wrong = DatabaseError(
            f"{path.name} is open in another program: close it there, or wait for it."
            if held
            else f"{path.name} cannot be opened: {_said(error)}."
        )
        wrong.permanent = not held
        raise wrong from None


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0].removeprefix("IO Error: ").rstrip("!.")


def _run(cursor: Any, path: Path, statement: str, params: list[Any], limit: int) -> ResultSet:
    import duckdb

    try:
        given = duckdb.extract_statements(statement)
        if len(given) != 1:
            raise DatabaseError("Give one statement at a time.", sqlstate="42601")
        if given[0].type == duckdb.StatementType.SELECT and not limit:
            return _table(cursor.sql(statement, params=params or None))
        cursor.execute(statement, params or None)
        columns = unique([column[0] for column in cursor.description or ()])
        if given[0].type != duckdb.StatementType.SELECT and columns == ["Count"]:
            return ResultSet([], [], max(cursor.rowcount, 0))
        records = cursor.fetchmany(limit) if limit else cursor.fetchall()
        rows = [dict(zip(columns, record, strict=True)) for record in records]
        return ResultSet(columns, rows, len(rows))
    except duckdb.Error as error:
        wrong = translated(error, "the tables of its own file")
        wrong.permanent = not isinstance(error, duckdb.TransactionException | duckdb.OutOfMemoryException)
        raise wrong from None
    finally:
        with suppress(duckdb.Error):  # an interrupted one may refuse even that
            cursor.close()


def _table(relation: Any) -> ResultSet:
    with TableWriter() as writer:
        reader = relation.to_arrow_reader(BATCH_ROWS)
        writer.write(empty(plain_schema(reader.schema)))
        for batch in reader:
            writer.write(plain(batch))
        table = writer.finish()
    return ResultSet(table.column_names, table, len(table))
