"""PostgreSQL for an editor: read-only transactions that are rolled back, with the server's own words and places."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError
from kailash_studio.services.postgres.errors import place_of, tls_failed
from kailash_studio.services.postgres.values import fitted
from kailash_studio.services.sql_catalogue import MOST_COLUMNS, Catalogue, relations_in
from kailash_studio.services.sql_plan import PlanStep, from_postgresql
from kailash_studio.services.sql_sessions.session import Description, Fault, FirstRows, Session
from kailash_studio.services.sql_text import Given, Sent, placeholders, positional

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_LEAVE_SECONDS = 2.0
_GRACE_SECONDS = 1.0  # that the server's own statement timeout has the first word, which names the cause
_READ_ONLY = "25006"  # read_only_sql_transaction (PostgreSQL, appendix A)

_UNFIT_VALUE = re.compile(r"invalid input for query argument (\$\d+): (.*) \((.*)\)\Z")  # asyncpg's words
_COLUMNS = """
SELECT n.nspname, c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%'
ORDER BY n.nspname IN ('pg_catalog', 'information_schema'), n.nspname, c.relname, a.attnum
LIMIT $1
"""
_SYSTEM = frozenset({"pg_catalog", "information_schema"})
_KINDS = {"r": "table", "p": "table", "f": "table", "v": "view", "m": "view"}
_TYPES = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
}


class PostgresSession(Session):
    """A PostgreSQL server to look at."""

    dialect = "postgresql"

    def __init__(self, target: Mapping[str, Any], *, seconds: float = 15.0) -> None:
        """Prepare; nothing is opened.

        Args:
            target: Arguments of ``asyncpg.connect``.
            seconds: See the class.
        """
        self._target = target
        self.seconds = seconds
        self.where = place_of(target)

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
            failed = tls_failed(error, self.where)
            if failed is not None:
                raise failed from None
            said = str(error).rstrip(".")
            raise DatabaseUnreachableError(f"The database at {self.where} cannot be reached: {said}.") from None
        except (ValueError, asyncpg.InterfaceError) as error:
            # words about an address may quote a part of its password
            form = "it should read postgresql://user:password@host:port/database"
            said = form if "dsn" in self._target else str(error)
            raise DatabaseError(f"The connection to {self.where} is not well described: {said}.") from None

    async def ask(
        self,
        work: Callable[[Any], Awaitable[T]],
        statement: str,
        sent: Sent,
        *,
        before: int = 0,
        writable: bool = False,
    ) -> T:
        """Let ``work`` use a connection; the server's words against the statement become an error with their place.

        Args:
            work: Called with the connection; awaited.
            statement: The person's text.
            sent: What is sent of it.
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
            raise fault_of(error, before=before).of(sent).error(statement) from None

    async def catalogue(self) -> Catalogue:
        """See ``Session``."""
        limit = MOST_COLUMNS + 1
        async with self.reading() as connection:
            path = await connection.fetchval("SELECT current_schemas(false)")
            found = await connection.fetch(_COLUMNS, limit)
        relations = relations_in(((s, n, _KINDS.get(k, "table"), c, t, r) for s, n, k, c, t, r in found), _SYSTEM)
        return Catalogue("postgresql", relations, tuple(path), len(found) < limit)

    async def describe(self, statement: str) -> Description:
        """See ``Session``; types and columns are told."""
        import asyncpg

        asked = placeholders(statement)
        sent = positional(statement, Given.nothing(asked))
        try:
            async with self.reading() as connection:
                prepared = await connection.prepare(sent.text)
                types = [_type_name(t) for t in prepared.get_parameters()]
                columns = [(a.name, _type_name(a.type)) for a in prepared.get_attributes()]
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return Description({}, [], fault_of(error).of(sent))
        return Description({sent.told(f"${number}"): kind for number, kind in enumerate(types, 1)}, columns)

    async def _first_rows(self, statement: str, given: Given, limit: int) -> FirstRows:
        sent = positional(statement, given)

        async def work(connection: Any) -> FirstRows:
            prepared = await connection.prepare(sent.text)
            values = _fitted(sent, prepared)
            columns = [(a.name, _type_name(a.type)) for a in prepared.get_attributes()]
            cursor = await prepared.cursor(*values)
            return FirstRows.of(columns, await cursor.fetch(limit + 1), limit)

        return await self.ask(work, statement, sent)

    async def _plan(self, statement: str, given: Given, analyze: bool) -> PlanStep:
        sent = positional(statement, given)
        prefix = f"EXPLAIN (FORMAT JSON{', ANALYZE, BUFFERS' if analyze else ''}) "

        async def work(connection: Any) -> Any:
            prepared = await connection.prepare(prefix + sent.text)
            return await prepared.fetchval(*_fitted(sent, prepared))

        found = await self.ask(work, statement, sent, before=len(prefix), writable=analyze)
        return from_postgresql(json.loads(found)[0])


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


def _fitted(sent: Sent, prepared: Any) -> list[Any]:
    """The values as the server wants them; what it says against one names it as the person does."""
    try:
        return fitted(sent.values, [kind.name for kind in prepared.get_parameters()])
    except DatabaseError as error:
        raise DatabaseError(sent.told(str(error)), sqlstate=error.sqlstate) from None


async def _leave(connection: Any) -> None:
    try:
        await asyncio.wait_for(connection.close(), _LEAVE_SECONDS)
    except Exception:  # noqa: BLE001 - it is gone already, or hangs; the server rolls back what it loses
        connection.terminate()


def _type_name(kind: Any) -> str:
    """A type as people write it: asyncpg has arrays as text[] already, and the short names of numbers."""
    return _TYPES.get(kind.name, str(kind.name))
