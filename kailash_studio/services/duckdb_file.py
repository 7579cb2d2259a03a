"""DuckDB databases in files: one open database for each file in a run, a cursor for each statement, in threads.

DuckDB lets one process at a time open a file for writing, so the nodes of a run share it. A statement reaches the
tables of its database and nothing else: no other file, no network (``DuckDBNode`` reads files that it names).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kailash_studio.errors import DatabaseError, NodeError
from kailash_studio.services.duckdb_query import table_of, translated
from kailash_studio.services.sql import ResultSet
from kailash_studio.services.stoppable import in_thread

_CLOSED_IN: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "lock_configuration": "true",
}


@dataclass(slots=True)
class _File:
    """A database that is open, the runs that have used it, and how many statements it runs."""

    database: Any
    runs: set[str] = field(default_factory=set)
    busy: int = 0


class DuckDBFiles:
    """The databases that the nodes of a runtime have open; when its last run has ended, a file is closed.

    So other programs can have it between runs, and a file that was replaced meanwhile is opened anew.
    """

    def __init__(self) -> None:
        self._open: dict[Path, _File] = {}
        self._opening = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls) -> DuckDBFiles:
        """None yet; as a resource is made."""
        return cls()

    async def query(
        self,
        path: Path,
        statement: str,
        params: Sequence[Any],
        *,
        skip: int = 0,
        limit: int = 0,
        seconds: float = 3600.0,
        run: str = "",
    ) -> ResultSet:
        """Run one statement on the database of a file; cancelling interrupts it.

        Args:
            path: The file; it is made when it is not there.
            statement: One statement, with ``$1``, ``$2``, ... for the values.
            params: The values.
            skip: How many rows are left out before the first.
            limit: How many rows are fetched at most, as records; 0: all, as a table.
            seconds: Seconds that it may take.
            run: The run that asks; the file stays open until it has ended.

        Raises:
            NodeError: DuckDB is not installed.
            DatabaseError: The file cannot be opened, the statement is refused, or it took too long.
        """
        file = await self._opened(path, run)
        try:
            cursor = file.database.cursor()
            return await in_thread(
                lambda _: _run(cursor, path, statement, list(params), skip, limit),
                seconds=seconds,
                too_long=too_long(seconds, path.name),
                interrupt=cursor.interrupt,
            )
        finally:
            file.busy -= 1
            self._let_go()

    async def _opened(self, path: Path, run: str) -> _File:
        path = await asyncio.to_thread(path.resolve)
        async with self._opening:
            if self._closing:
                await asyncio.wait(self._closing)
            file = self._open.get(path)
            if file is None:
                file = self._open[path] = _File(await asyncio.to_thread(connect, path))
            file.runs.add(run)
            file.busy += 1
            return file

    def run_ended(self, run_id: str) -> None:
        """Close the files that no other run has used."""
        for file in self._open.values():
            file.runs.discard(run_id)
        self._let_go()

    def _let_go(self) -> None:
        for path in [path for path, file in self._open.items() if not (file.runs or file.busy)]:
            closing = asyncio.ensure_future(asyncio.to_thread(self._open.pop(path).database.close))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close all of them."""
        while self._open:
            _, file = self._open.popitem()
            await asyncio.to_thread(file.database.close)
        await asyncio.gather(*self._closing)


def too_long(seconds: float, name: str) -> str:
    """The sentence that tells of a statement that was interrupted."""
    return f"DuckDB did not finish within {seconds:g} s on {name}."


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
        held = "Could not set lock" in str(error)
        wrong = DatabaseError(
            f"{path.name} is open in another program: close it there, or wait for it."
            if held
            else f"{path.name} cannot be opened: {_said(error)}."
        )
        wrong.permanent = not held
        raise wrong from None


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0].removeprefix("IO Error: ").rstrip("!.")


def _run(cursor: Any, path: Path, statement: str, params: list[Any], skip: int, limit: int) -> ResultSet:
    import duckdb

    try:
        given = duckdb.extract_statements(statement)
        if len(given) != 1:
            raise DatabaseError("Give one statement at a time.", sqlstate="42601")
        table = table_of(cursor.sql(statement, params=params or None), skip=skip, limit=limit)
        if given[0].type != duckdb.StatementType.SELECT and table.column_names == ["Count"]:
            return ResultSet([], [], sum(row["Count"] for row in table))
        return ResultSet(table.column_names, table.to_list() if limit else table, len(table))
    except duckdb.Error as error:
        wrong = translated(error, "the tables of its own file")
        wrong.permanent = not isinstance(error, duckdb.TransactionException | duckdb.OutOfMemoryException)
        raise wrong from None
    finally:
        with suppress(duckdb.Error):  # an interrupted one may refuse even that
            cursor.close()
