"""MySQL and MariaDB for an editor: a session that may only read, whose transaction is rolled back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError
from kailash_studio.services.mysql import Server, is_refusal, translated
from kailash_studio.services.mysql_target import MySQLTarget
from kailash_studio.services.mysql_text import READING, bound, placed
from kailash_studio.services.sql_catalogue import MOST_COLUMNS, Catalogue, relations_in
from kailash_studio.services.sql_plan import PlanStep, from_mysql
from kailash_studio.services.sql_sessions.session import ONLY_READS, Description, Fault, FirstRows, Session
from kailash_studio.services.sql_text import Given, first_word, placeholders, positional, tokens

T = TypeVar("T")

_GRACE_SECONDS = 1.0  # that the server's own limit has the first word
_READ_ONLY = 1792  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
_SYSTEM = frozenset({"information_schema", "mysql", "performance_schema", "sys"})
_COLUMNS = """
SELECT c.table_schema, c.table_name, IF(t.table_type LIKE '%%VIEW', 'view', 'table'),
       c.column_name, c.column_type, c.is_nullable = 'NO'
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
ORDER BY c.table_schema IN ('information_schema', 'mysql', 'performance_schema', 'sys'),
         c.table_schema <> IFNULL(DATABASE(), ''), c.table_schema, c.table_name, c.ordinal_position
LIMIT %s
"""
_PLACES = (
    re.compile(r"near '(.+)' at line \d+\Z", re.DOTALL),
    re.compile(r"Unknown column '(?:[^']*\.)?([^'.]+)'"),
    re.compile(r"Table '(?:[^']*\.)?([^'.]+)' doesn't exist"),
    re.compile(r"FUNCTION (?:\S+\.)?(\S+) does not exist"),
)
_MEASURED_BY_MARIADB = (
    "Steps are measured on MariaDB alone: look at the plan without measuring, or run EXPLAIN ANALYZE in a client."
)
_MEASURING_WRITES = "Measuring runs the statement, and this one writes: look at its plan without measuring."


class MySQLSession(Session):
    """A server of MySQL or MariaDB to look at."""

    dialect = "mysql"

    def __init__(self, target: MySQLTarget, *, seconds: float = 15.0) -> None:
        self._target = target
        self.seconds = seconds
        self.where = target.place

    async def catalogue(self) -> Catalogue:
        """See ``Session``."""
        limit = MOST_COLUMNS + 1

        async def work(connection: Any) -> list[Sequence[Any]]:
            return await _rows(connection, _COLUMNS, (limit,))

        found = await self._ask(work, _COLUMNS)
        path = (self._target.database,) if self._target.database else ()
        return Catalogue("mysql", relations_in(found, _SYSTEM), path, len(found) < limit)

    async def describe(self, statement: str) -> Description:
        """See ``Session``; the server tells faults alone."""
        sent = positional(statement, Given.nothing(placeholders(statement, "mysql")), "mysql")
        prepared, _ = placed(sent.text, "?")

        async def work(connection: Any) -> Description:
            import pymysql.err

            try:
                await _rows(connection, "SET @studio_statement = %s", (prepared,))
                await _rows(connection, "PREPARE studio_statement FROM @studio_statement")
            except pymysql.err.MySQLError as error:
                if is_refusal(error) and error.args[0] != _READ_ONLY:
                    return Description({}, [], _fault(error, statement))
                if error.args[:1] != (_READ_ONLY,):
                    raise
            return Description({}, [])

        return await self._ask(work, statement)

    async def _first_rows(self, statement: str, given: Given, limit: int) -> FirstRows:
        if first_word(statement, "mysql") not in READING or _writes_a_file(statement):
            raise DatabaseError(ONLY_READS)

        async def work(connection: Any) -> FirstRows:
            import aiomysql

            # one that fetches no more than is asked for; closing it would read all the rest, the connection is closed
            cursor = await connection.cursor(aiomysql.SSCursor)
            await cursor.execute(*self._sent(statement, given))
            columns = [(column[0], _type_of(column)) for column in cursor.description or ()]
            return FirstRows.of(columns, await cursor.fetchmany(limit + 1) if columns else [], limit)

        return await self._ask(work, statement)

    async def _plan(self, statement: str, given: Given, analyze: bool) -> PlanStep:
        if analyze and (first_word(statement, "mysql") not in READING or _writes_a_file(statement)):
            raise DatabaseError(_MEASURING_WRITES)
        words = "ANALYZE " if analyze else "EXPLAIN "

        async def work(connection: Any) -> list[dict[str, Any]]:
            import aiomysql

            if analyze and "mariadb" not in connection.server_version.lower():
                raise DatabaseError(_MEASURED_BY_MARIADB)
            sent, *rest = self._sent(statement, given)
            async with connection.cursor(aiomysql.DictCursor) as cursor:
                await cursor.execute(words + sent, *rest)
                return list(await cursor.fetchall())

        return from_mysql(await self._ask(work, statement))

    @staticmethod
    def _sent(statement: str, given: Given) -> tuple[Any, ...]:
        sent = positional(statement, given, "mysql")
        try:
            return bound(sent.text, sent.values)
        except DatabaseError as error:
            raise DatabaseError(sent.told(str(error)), sqlstate=error.sqlstate) from None

    async def _ask(self, work: Callable[[Any], Awaitable[T]], statement: str) -> T:
        """Let ``work`` use a connection; the server's words against the statement become an error with their place."""
        import pymysql.err

        try:
            async with self._reading() as connection:
                return await work(connection)
        except DatabaseError:
            raise
        except pymysql.err.MySQLError as error:
            if not is_refusal(error):
                raise translated(error, self._target, sent=True, reads=True, seconds=self.seconds) from None
            raise _fault(error, statement).error(statement) from None
        except OSError as error:
            raise translated(error, self._target, sent=True, reads=True, seconds=self.seconds) from None

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        """A connection of its own that may only read; what does not end in time is ended on the server."""
        server, connection = Server(self._target), None
        try:
            async with asyncio.timeout(self.seconds + _GRACE_SECONDS):
                connection = await server.open()
                limit = f"max_statement_time = {self.seconds:.3f}"
                if not connection.is_mariadb:
                    limit = f"max_execution_time = {max(1, round(self.seconds * 1000))}"
                for words in (
                    f"SET SESSION {limit}",
                    "SET SESSION TRANSACTION READ ONLY",
                    "START TRANSACTION READ ONLY",
                ):
                    await _rows(connection.raw, words)
                yield connection.raw
        except (TimeoutError, asyncio.CancelledError) as error:
            if connection is not None and not isinstance(error, DatabaseError):
                await asyncio.shield(asyncio.ensure_future(server.stop(connection)))
            if isinstance(error, asyncio.CancelledError | DatabaseError):
                raise
            raise DatabaseTimeoutError(
                f"The database at {self.where} did not answer within {self.seconds:g} s: look whether it is overloaded "
                "or behind a firewall, or allow more time."
            ) from None
        finally:
            if connection is not None:
                connection.raw.close()  # which rolls back


async def _rows(connection: Any, statement: str, values: tuple[Any, ...] | None = None) -> list[Sequence[Any]]:
    async with connection.cursor() as cursor:
        await cursor.execute(statement, values)
        return list(await cursor.fetchall())


def _writes_a_file(statement: str) -> bool:
    """Whether it is a ``SELECT ... INTO OUTFILE``, which a session that only reads still may do."""
    return any(t.kind == "word" and t.lower in {"outfile", "dumpfile"} for t in tokens(statement, "mysql"))


def _type_of(column: Sequence[Any]) -> str:
    from pymysql.constants import FIELD_TYPE

    return _type_names(FIELD_TYPE).get(column[1], "")


def _type_names(constants: Any) -> dict[int, str]:
    """Types by their code, as people write them."""
    spelt = {"LONG": "int", "LONGLONG": "bigint", "SHORT": "smallint", "TINY": "tinyint", "INT24": "mediumint"}
    spelt |= {"NEWDECIMAL": "decimal", "VAR_STRING": "varchar", "STRING": "char", "BLOB": "text"}
    names = {code: name for name, code in vars(constants).items() if isinstance(code, int) and name.isupper()}
    return {code: spelt.get(name, name.lower()) for code, name in names.items()}


def _fault(error: Any, statement: str) -> Fault:
    """What the server says; it names words and a line, so words that stand there once are the place."""
    number = error.args[0]
    if number == _READ_ONLY:
        return Fault(ONLY_READS)
    said = str(error.args[1] if len(error.args) > 1 else error).strip().rstrip(".")
    position = -1
    for pattern in _PLACES:
        found = pattern.search(said)
        if found is not None:
            word = found[1].partition("?")[0].rstrip()  # behind a value the text is another
            at = [m.start() for m in re.finditer(re.escape(word), statement, re.IGNORECASE)] if word else []
            position = at[0] if len(at) == 1 else -1
            break
    if number == 1064:
        said = said.replace(
            "You have an error in your SQL syntax; check the manual that corresponds to your ",
            "Not understood by this ",
        )
        said = re.sub(r" server version for the right syntax to use near '.*", " server", said, flags=re.DOTALL)
    return Fault(f"{said[:1].upper()}{said[1:]}.", position)
