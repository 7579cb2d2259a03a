"""DuckDB for an editor: transactions that only read, on a file that runs of this process share, or on tables."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from kailash_studio.errors import DatabaseError, NodeError
from kailash_studio.services.duckdb_file import connect, too_long
from kailash_studio.services.duckdb_query import prepare, table_of, translated
from kailash_studio.services.sql_catalogue import MOST_COLUMNS, Catalogue, Relation, relations_in
from kailash_studio.services.sql_plan import PlanStep, from_duckdb
from kailash_studio.services.sql_sessions.session import ONLY_READS, Description, Fault, FirstRows, Session
from kailash_studio.services.sql_text import Given, Lines, Sent, placeholders, positional
from kailash_studio.services.stoppable import in_thread
from kailash_studio.tables.table import Table

T = TypeVar("T")

_COLUMNS = """
SELECT c.schema_name, c.table_name, CASE WHEN v.view_name IS NULL THEN 'table' ELSE 'view' END,
       c.column_name, c.data_type, NOT c.is_nullable, c.internal
FROM duckdb_columns() c
LEFT JOIN duckdb_views() v
  ON (v.database_name, v.schema_name, v.view_name) = (c.database_name, c.schema_name, c.table_name)
WHERE c.database_name IN (current_database(), 'temp', 'system')
ORDER BY c.internal, c.schema_name, c.table_name, c.column_index
LIMIT $1
"""
_SHOWN_LINE = re.compile(r"\n\nLINE (\d+): (.*)\n( *)\^")
_NO_VALUES = re.compile(r"Values were not provided for the following")


class DuckDBSession(Session):
    """A DuckDB file to look at; where a run of this process has it open, that is what is looked at."""

    dialect = "duckdb"

    def __init__(self, path: Path, *, seconds: float = 15.0) -> None:
        self._path = path
        self.seconds = seconds
        self.where = path.name

    async def catalogue(self) -> Catalogue:
        """See ``Session``."""
        limit = MOST_COLUMNS + 1
        found = await self._ask(lambda cursor: cursor.execute(_COLUMNS, [limit]).fetchall(), _COLUMNS)
        own: tuple[Relation, ...] = relations_in(row[:6] for row in found if not row[6])
        internal = [row[:6] for row in found if row[6]]
        its = relations_in(internal, {row[0] for row in internal})
        return Catalogue("duckdb", (*own, *its), ("main",), len(found) < limit)

    async def describe(self, statement: str) -> Description:
        """See ``Session``; the columns of a query are told."""
        sent = positional(statement, Given.nothing(placeholders(statement)))

        def work(cursor: Any) -> Description:
            import duckdb

            word = ""
            try:
                word = "DESCRIBE" if _kind(sent.text) == duckdb.StatementType.SELECT else "EXPLAIN"
                found = cursor.execute(f"{word} {sent.text}", sent.values or None).fetchall()
            except DatabaseError as error:
                return Description({}, [], Fault(str(error)))
            except duckdb.Error as error:
                fault = _fault(error, sent.text, len(f"{word} ") if word else 0)
                if fault.sentence == ONLY_READS:
                    return Description({}, [])  # it was understood
                return Description({}, [], fault.of(sent))
            return Description({}, [(row[0], row[1]) for row in found] if word == "DESCRIBE" else [])

        return await self._ask(work, statement, sent)

    async def _first_rows(self, statement: str, given: Given, limit: int) -> FirstRows:
        sent = positional(statement, given)

        def work(cursor: Any) -> FirstRows:
            _kind(sent.text)
            relation = cursor.sql(sent.text, params=sent.values or None)
            if relation is None:
                return FirstRows([], [], False)
            columns = [(column[0], str(column[1])) for column in relation.description]
            found = [tuple(row.values()) for row in table_of(relation, limit=limit + 1)]
            return FirstRows.of(columns, found, limit)

        return await self._ask(work, statement, sent)

    async def _plan(self, statement: str, given: Given, analyze: bool) -> PlanStep:
        sent = positional(statement, given)
        prefix = f"EXPLAIN ({'ANALYZE, ' * analyze}FORMAT json) "

        def work(cursor: Any) -> str:
            _kind(sent.text)
            return str(cursor.execute(prefix + sent.text, sent.values or None).fetchall()[0][1])

        return from_duckdb(json.loads(await self._ask(work, statement, sent, before=len(prefix))))

    async def _ask(self, work: Callable[[Any], T], statement: str, sent: Sent | None = None, *, before: int = 0) -> T:
        """Let ``work`` use a cursor in a transaction that only reads, in a thread; cancelling interrupts it."""
        sent = sent or Sent(statement, [])
        database = await asyncio.to_thread(self._opened)
        try:
            cursor = self._cursor(database)

            def ask(_: threading.Event) -> T:
                import duckdb

                try:
                    cursor.execute("BEGIN TRANSACTION READ ONLY")
                    return work(cursor)
                except duckdb.Error as error:
                    raise _fault(error, sent.text, before).of(sent).error(statement) from None

            said = too_long(self.seconds, self.where)
            return await in_thread(ask, seconds=self.seconds, too_long=said, interrupt=cursor.interrupt)
        finally:
            await asyncio.to_thread(database.close)  # which rolls back

    def _opened(self) -> Any:
        if not self._path.is_file():
            raise DatabaseError(f"There is no DuckDB file {self._path}: give its path, relative to the workflow's.")
        try:
            return connect(self._path)
        except DatabaseError:
            try:
                return connect(self._path, read_only=True)  # other readers have it, or it cannot be written
            except DatabaseError:
                pass
            raise

    @staticmethod
    def _cursor(database: Any) -> Any:
        return database.cursor()


class DuckDBTablesSession(DuckDBSession):
    """Tables in memory and files by their names, as a node has them that runs SQL over them."""

    def __init__(
        self, tables: Mapping[str, Table], files: Mapping[str, Path], *, memory: int, seconds: float = 15.0
    ) -> None:
        """Prepare; nothing is opened.

        Args:
            tables: Tables by the names that statements have for them.
            files: CSV and Parquet files by their names.
            memory: Limit in MiB.
            seconds: See ``Session``.
        """
        self._tables, self._files, self._memory = tables, files, memory
        self.seconds = seconds
        self.where = ", ".join((*tables, *files)) or "no table"

    async def catalogue(self) -> Catalogue:
        """See ``Session``."""
        found = await super().catalogue()
        relations = tuple(r if r.system else replace(r, kind="table") for r in found.relations)
        return Catalogue(found.dialect, relations, found.search_path, found.whole)

    def _opened(self) -> Any:
        import duckdb

        database = duckdb.connect(":memory:")
        try:
            prepare(database, self._tables, self._files, self._memory)
        except NodeError as error:
            database.close()
            raise DatabaseError(str(error)) from None
        except duckdb.Error as error:
            database.close()
            raise translated(error) from None
        return database

    @staticmethod
    def _cursor(database: Any) -> Any:
        return database  # another one would not see the tables


def _kind(statement: str) -> Any:
    """What a text does, which must be one statement."""
    import duckdb

    found = duckdb.extract_statements(statement)
    if len(found) != 1:
        raise DatabaseError("Give one statement at a time.", sqlstate="42601")
    return found[0].type


def _fault(error: Exception, sent: str, before: int) -> Fault:
    """What DuckDB says against a statement, ``before`` characters of ours taken off its place."""
    text = str(error)
    if "read-only mode" in text:
        return Fault(ONLY_READS)
    said = translated(error, "the tables of its own file")
    sentence = re.sub(r"^DuckDB says: | \(line \d+\)(?=\.$)", "", str(said))
    if _NO_VALUES.search(sentence):
        sentence = "The statement asks for more values than it gets: give each parameter a value."
    position, shown = -1, _SHOWN_LINE.search(text)
    if shown is not None:
        line, column = int(shown[1]), len(shown[3]) - len(f"LINE {shown[1]}: ")
        ours = before if line == 1 else 0
        lines = sent.split("\n")
        if line <= len(lines) and not shown[2].startswith("..."):  # else a long line is shown in part
            position = Lines(sent).start(line) + column - ours
    sentence = f"{sentence[:1].upper()}{sentence[1:]}".replace("?.", "?")
    return Fault(sentence, max(position, -1), said.sqlstate)
