"""Large results of PostgreSQL as tables: fetched by ADBC (COPY, binary) in a thread, never as Python objects.

The pool and the SQL node decide when; here is only the fetching. A result above the memory cap goes to a mapped file
while it comes in.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError, ServiceError
from kailash_studio.services.arrow_types import as_columns, is_exact, needs_text
from kailash_studio.services.postgres.errors import place_of
from kailash_studio.services.sql_text import bare, page
from kailash_studio.services.sql_words import identifier
from kailash_studio.tables.store import TableWriter
from kailash_studio.tables.table import Table

_CONNECT_SECONDS = 15
_GRACE_SECONDS = 5.0  # that a server gets to answer a cancellation before its thread is left behind
_ASK_SECONDS = 0.1
_BATCH_BYTES = 4 * 2**20
# SQLSTATE classes of a connection that is gone or refused (PostgreSQL, appendix A).
_CONNECTION_CLASSES = ("08", "57P")
_QUERY_CANCELLED = "57014"
_MESSAGE = re.compile(r"(?:ERROR|FATAL):\s+(?P<text>.+?)(?:\nLINE (?P<line>\d+):|\n|$)", re.DOTALL)


async def fetch_arrow(
    target: Mapping[str, Any],
    statement: str,
    params: Sequence[Any] = (),
    *,
    seconds: float = 3600.0,
    exact: bool = False,
) -> Table:
    """All rows of a query as a table; cancelling stops the query on the server.

    Exact numbers come as decimals with the digits that they have. UUIDs, and types that Arrow does not know (inet,
    vector, enumerations), come as PostgreSQL writes them; JSON as its text.

    Args:
        target: As for ``asyncpg.connect``: ``dsn``, or host, port, user, password, database, ssl.
        statement: One query, with ``$1``, ``$2``, ... for the values.
        params: The values.
        seconds: Seconds that it may take; the server is told to stop it then.
        exact: Give no table where a value of it would be another one (NaN among exact numbers, an infinite date).

    Raises:
        InexactError: ``exact``, and there is such a value.
        DatabaseError: It could not connect, the server refused the statement, or it took too long.
    """
    return await _Fetch(target, statement, params, seconds, exact=exact).table()


async def fetch_page(
    target: Mapping[str, Any],
    statement: str,
    params: Sequence[Any] = (),
    *,
    offset: int = 0,
    limit: int = 200,
    seconds: float = 30.0,
) -> Table:
    """Some rows of a query, for a preview: the server computes no more of it than it needs.

    Raises:
        DatabaseError: As ``fetch_arrow``; a statement that is no query cannot be paged.
    """
    return await _Fetch(target, page(statement, offset=offset, limit=limit), params, seconds).table()


class InexactError(Exception):
    """A value of a result has no equal in a table; for whoever asked for an exact one."""


class _Fetch:
    """One fetch on a connection and a thread of its own."""

    def __init__(
        self, target: Mapping[str, Any], statement: str, params: Sequence[Any], seconds: float, *, exact: bool = False
    ) -> None:
        self._target, self._statement, self._params, self._seconds = target, statement, list(params), seconds
        self._exact = exact
        self._cursor: Any = None
        self._stopped, self._ended = threading.Event(), threading.Event()

    async def table(self) -> Table:
        done = _in_thread(self._work)
        try:
            async with asyncio.timeout(self._seconds + _CONNECT_SECONDS):  # the server's own limit comes first
                return await asyncio.shield(done)
        except TimeoutError as error:
            await self._stop(done)
            if isinstance(error, ServiceError):
                raise
            raise self._too_long() from None
        except asyncio.CancelledError:
            await self._stop(done)
            raise

    async def _stop(self, done: asyncio.Future[Table]) -> None:
        """Have the server stop the query; a server that does not answer keeps nobody waiting for long."""
        self._stopped.set()
        cancelling = _in_thread(self._cancel)
        await asyncio.wait([done], timeout=_GRACE_SECONDS)
        for future in (done, cancelling):
            if future.done() and not future.cancelled():
                future.exception()  # looked at: what is raised is why it was stopped
            else:
                future.cancel()

    def _cancel(self) -> None:
        """Ask until it has ended: a request that comes between two statements of the fetch stops neither."""
        for _ in range(int(_GRACE_SECONDS / _ASK_SECONDS)):
            cursor = self._cursor
            if cursor is not None:
                cursor.adbc_cancel()
            if self._ended.wait(_ASK_SECONDS):
                return

    # ------------------------------------------------------------------ on its thread
    def _work(self) -> Table:
        import adbc_driver_manager
        from adbc_driver_postgresql import dbapi

        try:
            address = _address(self._target, self._seconds)
            with dbapi.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
                self._cursor = cursor
                try:
                    return self._fetched(cursor)
                finally:
                    self._cursor = None
        except adbc_driver_manager.Error as error:
            raise self._translated(error) from None
        finally:
            self._ended.set()

    def _fetched(self, cursor: Any) -> Table:
        statement = self._statement
        self._go_on()
        schema = cursor.adbc_execute_schema(statement, self._params or None)
        if any(needs_text(field.type) for field in schema):
            statement = _with_texts(statement, schema)
        cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
        self._go_on()
        cursor.execute(statement, self._params or None)
        reader = cursor._results.reader  # the public one loses the SQLSTATE of what fails midway (arrow-adbc#1523)
        with TableWriter(as_columns(_empty(reader.schema)).schema) as writer:
            for batch in reader:
                self._go_on()
                if batch.num_rows:
                    made = as_columns(batch)
                    if self._exact and not is_exact(batch, made):
                        raise InexactError
                    writer.write(made)
            return writer.finish()

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise DatabaseError("The query was stopped.", sqlstate=_QUERY_CANCELLED)

    def _translated(self, error: Any) -> DatabaseError:
        state = getattr(error, "sqlstate", None) or ""
        if state == _QUERY_CANCELLED and not self._stopped.is_set():
            return self._too_long()
        found = _MESSAGE.search(str(error))
        said = found["text"].strip() if found else str(error).strip().partition("\n")[0]
        said = re.sub(r"^[A-Z_]+: (\[libpq\] )?", "", said).rstrip(".")
        where = place_of(self._target)
        if not state:  # libpq gives none when there is no connection
            said = _without_password(said, self._target)
            if "authentication failed" in str(error) or "does not exist" in str(error):
                return DatabaseError(f"The database at {where} says: {said}.", sqlstate="28000")
            return DatabaseUnreachableError(f"The database at {where} cannot be reached: {said}.")
        line = f" (line {found['line']})" if found and found["line"] else ""
        kind = DatabaseUnreachableError if state.startswith(_CONNECTION_CLASSES) else DatabaseError
        return kind(f"The database says: {said}{line}.", sqlstate=state)

    def _too_long(self) -> DatabaseTimeoutError:
        return DatabaseTimeoutError(
            f"The database at {place_of(self._target)} did not finish within {self._seconds:g} s."
        )


def _in_thread(work: Callable[[], Any]) -> asyncio.Future[Any]:
    """Call something in a thread that a hanging server cannot make the program's end wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error is not None else done.set_result(value)

    def run() -> None:
        value, wrong = None, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            wrong = error
        try:
            loop.call_soon_threadsafe(settle, value, wrong)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=run, name="arrow-fetch", daemon=True).start()
    return done


def _address(target: Mapping[str, Any], seconds: float) -> str:
    """What libpq connects by, with limits on everything that could hang."""
    limits = {
        "connect_timeout": str(_CONNECT_SECONDS),
        "tcp_user_timeout": "30000",
        "keepalives_idle": "30",
        "options": f"-c statement_timeout={max(1, int(seconds * 1000))}",
    }
    if "dsn" in target:
        parts = urlsplit(str(target["dsn"]))
        given = dict(parse_qsl(parts.query))
        limits["options"] = f"{given.get('options', '')} {limits['options']}".strip()
        return urlunsplit(
            parts._replace(query=urlencode({**limits, **given, "options": limits["options"]}).replace("+", "%20"))
        )
    names = {"database": "dbname"}
    if "ssl" in target:
        mode = "verify-full" if target["ssl"] is True else target["ssl"]
        trusted = ssl.get_default_verify_paths().cafile or "system"
        limits |= {"sslmode": mode, **({"sslrootcert": trusted} if mode == "verify-full" else {})}
    known = {
        names.get(key, key): str(value) for key, value in target.items() if key != "ssl" and value not in (None, "")
    }
    pairs = {**known, **limits}
    return " ".join(f"{key}={_quoted(value)}" for key, value in pairs.items())


def _without_password(said: str, target: Mapping[str, Any]) -> str:
    """What libpq says about an address, or less where it may have taken a part of the password for the host."""
    before = str(target.get("dsn", "")).partition("://")[2].rpartition("@")[0]
    parts = re.split(r"[:@/?#]", before.partition(":")[2])
    return "its address is not well described" if any(part and part in said for part in parts) else said


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _with_texts(statement: str, schema: Any) -> str:
    """The query with PostgreSQL's own text for the columns whose binary form Arrow does not know."""
    names = [f"column_{i}" for i in range(len(schema))]
    columns = [
        f"{name}::text AS {identifier(field.name)}" if needs_text(field.type) else f"{name} AS {identifier(field.name)}"
        for name, field in zip(names, schema, strict=True)
    ]
    return f"SELECT {', '.join(columns)} FROM ({bare(statement)}\n) AS texts({', '.join(names)})"  # noqa: S608 - quoted


def _empty(schema: Any) -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)
