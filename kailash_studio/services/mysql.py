"""MySQL and MariaDB: the connections of a runtime, statements with bound values, errors as our own.

Nodes of a run that use one server share its connections, up to a limit; who comes first gets one first. A connection
is used again only after statements that leave nothing in its session.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kailash_studio.errors import (
    DatabaseConflictError,
    DatabaseError,
    DatabaseTimeoutError,
    DatabaseUnreachableError,
    NodeError,
    OutcomeUnknownError,
)
from kailash_studio.services.mysql_target import MySQLTarget
from kailash_studio.services.mysql_text import bound, kind_of
from kailash_studio.services.sql import ResultSet
from kailash_studio.services.tls import context_of, not_offered, not_trusted
from kailash_studio.tables.records import unique

MOST = 20  # connections of a runtime to one server
_CONNECT_SECONDS = 15.0
_GRACE_SECONDS = 2.0  # that the server's own limit has before the client's comes
_KILL_SECONDS = 5.0
_FRESH_SECONDS = 0.5  # idle for longer than this, a connection is asked whether it lives
_IDLE_SECONDS = 60.0
_SLICE_SECONDS = 0.01  # that making rows may hold up everything else
_SLICE_ROWS = 32  # between looks at the clock

# error numbers (MySQL's and MariaDB's references of server and client errors)
_LOST = frozenset({2006, 2013, 2014, 2055, 1053, 1152, 1158, 1159, 1160, 1161, 1927})
_REFUSED = frozenset({2001, 2002, 2003, 2005, 1040, 1042, 1203, 1226})
_CONFLICT = frozenset({1205, 1213})
_TOO_LONG = frozenset({1969, 3024})
_STATES = {1044: "28000", 1045: "28000", 1049: "42000", 1698: "28000", 1062: "23000", 1064: "42000"}


class _Connection:
    """One connection, with what the server was told of it.

    Attributes:
        raw: The driver's.
        is_mariadb: Else it is MySQL.
        used: When it was given back.
        unread: The rest of an answer is still to come; nothing else can be asked.
    """

    def __init__(self, raw: Any, *, is_mariadb: bool) -> None:
        self.raw, self.is_mariadb, self.unread = raw, is_mariadb, False
        self.used = time.monotonic()
        self._limit = 0.0

    async def run(
        self, statement: str, params: Sequence[Any], *, skip: int = 0, limit: int = 0, seconds: float
    ) -> ResultSet:
        """Run one statement; rows are made as they come, in slices between which others have their turn."""
        import aiomysql

        sent, reads = bound(statement, params), kind_of(statement).reads
        await self._limit_to(seconds)
        cursor = await self.raw.cursor(aiomysql.SSCursor)  # one that fetches no more than is asked for
        await cursor.execute(*sent)
        columns = unique([column[0] for column in cursor.description or ()])
        rows: list[dict[str, Any]] = []
        at, slice_ends = 0, time.monotonic() + _SLICE_SECONDS
        while columns and (record := await cursor.fetchone()) is not None:
            at += 1
            if at > skip and not (limit and len(rows) == limit):
                rows.append(dict(zip(columns, record, strict=True)))
            elif at > skip and reads:
                self.unread = True  # whoever has the connection closes it, which stops the server
                return ResultSet(columns, rows, len(rows))
            if at % _SLICE_ROWS == 0 and time.monotonic() > slice_ends:
                await asyncio.sleep(0)
                slice_ends = time.monotonic() + _SLICE_SECONDS
        count = len(rows) if columns else max(cursor.rowcount, 0)
        await cursor.close()
        return ResultSet(columns, rows, count)

    async def _limit_to(self, seconds: float) -> None:
        if seconds == self._limit:
            return
        name, value = "max_statement_time", f"{seconds:.3f}"
        if not self.is_mariadb:
            name, value = "max_execution_time", str(max(1, round(seconds * 1000)))
        async with self.raw.cursor() as cursor:
            await cursor.execute(f"SET SESSION {name} = {value}")
        self._limit = seconds


class Server:
    """The connections to one target.

    Attributes:
        target: Where.
        slots: As many as there may be connections.
        idle: Those that nobody uses, the longest unused first.
    """

    def __init__(self, target: MySQLTarget) -> None:
        self.target = target
        self.slots = asyncio.Semaphore(MOST)
        self.idle: list[_Connection] = []
        self._sweeping: asyncio.TimerHandle | None = None

    async def take(self, seconds: float = _CONNECT_SECONDS) -> _Connection:
        """An idle connection that lives, or a new one, made within these seconds."""
        while self.idle:
            connection = self.idle.pop()
            if await self._lives(connection):
                return connection
            self._close_idle(time.monotonic())  # the others have not been used for longer
        return await self.open(seconds)

    @staticmethod
    async def _lives(connection: _Connection) -> bool:
        rested, lives = time.monotonic() - connection.used, False
        try:
            if _FRESH_SECONDS < rested < _IDLE_SECONDS:
                await asyncio.wait_for(connection.raw.ping(reconnect=False), _KILL_SECONDS)
            lives = rested < _IDLE_SECONDS
        except Exception:  # noqa: BLE001, S110 - whatever is wrong with it, another one is taken
            pass
        finally:
            if not lives:
                connection.raw.close()
        return lives

    def put(self, connection: _Connection) -> None:
        """Keep one that nobody uses, for a while."""
        connection.used = time.monotonic()
        self.idle.append(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        self._close_idle(time.monotonic() - _IDLE_SECONDS)
        if self.idle:
            again = self.idle[0].used + _IDLE_SECONDS - time.monotonic()
            self._sweeping = asyncio.get_running_loop().call_later(max(again, 0.0), self._sweep)

    def _close_idle(self, before: float) -> None:
        """Close those that were last used before that time."""
        while self.idle and self.idle[0].used <= before:
            self.idle.pop(0).raw.close()

    async def aclose(self) -> None:
        """Close those that nobody uses."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        while self.idle:
            raw = self.idle.pop().raw
            with suppress(Exception):  # it is closed either way
                await asyncio.wait_for(raw.ensure_closed(), _KILL_SECONDS)
            raw.close()

    async def open(self, seconds: float = _CONNECT_SECONDS) -> _Connection:
        """A new connection.

        Raises:
            DatabaseError: There was none within these seconds.
        """
        kind, flags = _driver()
        target = self.target
        raw = kind(
            host=target.host,
            port=target.port,
            user=target.user or None,
            password=target.password.encode("utf-8").decode("latin-1"),  # the driver sends it as Latin-1
            db=target.database or None,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=seconds,
            ssl=context_of(target.tls),
        )
        raw.needs_tls = target.tls != "preferred"
        raw.client_flag &= ~flags.MULTI_STATEMENTS  # the driver allows several statements in one otherwise
        connected = False
        try:
            async with asyncio.timeout(seconds):
                await raw._connect()
            connected = True
        except TimeoutError:
            raise DatabaseUnreachableError(
                f"The database at {target.place} cannot be reached: no answer within {seconds:g} s."
            ) from None
        except Exception as error:  # noqa: BLE001 - translated raises again what is not the server's
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):  # the driver keeps it for itself
                raise not_trusted(target.place, error.__cause__) from None
            raise translated(error, target, sent=False, reads=True, seconds=0.0) from None
        finally:
            if not connected:
                raw.close()
        return _Connection(raw, is_mariadb="mariadb" in raw.server_version.lower())

    async def stop(self, connection: _Connection) -> None:
        """Have the server end what a connection runs, and close it."""
        number = connection.raw.thread_id()
        connection.raw.close()
        with suppress(Exception):  # a server that cannot be reached has nothing to end
            async with asyncio.timeout(_KILL_SECONDS):
                other = await self.open()
                try:
                    async with other.raw.cursor() as cursor:
                        await cursor.execute(f"KILL {int(number)}")
                finally:
                    other.raw.close()


class MySQLServers:
    """What the nodes of a runtime have open, by target."""

    def __init__(self) -> None:
        self._servers: dict[MySQLTarget, Server] = {}

    @classmethod
    async def open(cls) -> MySQLServers:
        """None yet; as a resource is made."""
        return cls()

    async def query(
        self,
        target: MySQLTarget,
        statement: str,
        params: Sequence[Any],
        *,
        skip: int = 0,
        limit: int = 0,
        seconds: float = 3600.0,
    ) -> ResultSet:
        """Run one statement; cancelling ends it on the server.

        Args:
            target: Where.
            statement: One statement, with ``$1``, ``$2``, ... for the values.
            params: The values.
            skip: How many rows are left out before the first.
            limit: How many rows are fetched at most; 0: all.
            seconds: Seconds that it may take; the server stops it then, or is made to.

        Raises:
            NodeError: The driver is not installed.
            DatabaseError: It could not connect, the server refused the statement, or it took too long.
        """
        server = self._servers.setdefault(target, Server(target))
        kind = kind_of(statement)
        async with server.slots:
            connection = await server.take(min(_CONNECT_SECONDS, seconds + _GRACE_SECONDS))
            kept = False
            try:
                async with asyncio.timeout(seconds + _GRACE_SECONDS):
                    found = await connection.run(statement, params, skip=skip, limit=limit, seconds=seconds)
                kept = kind.clean and not connection.unread
                return found
            except (TimeoutError, asyncio.CancelledError) as error:
                await asyncio.shield(asyncio.ensure_future(server.stop(connection)))
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise (_too_long(target, seconds) if kind.reads else _unknown(target, seconds)) from None
            except DatabaseError:
                kept = kind.clean  # it was refused before it was sent
                raise
            except Exception as error:  # noqa: BLE001 - translated raises again what is not the server's
                made = translated(error, target, sent=True, reads=kind.reads, seconds=seconds)
                kept = kind.clean and not isinstance(made, DatabaseUnreachableError | OutcomeUnknownError)
                raise made from None
            finally:
                if kept:
                    server.put(connection)
                else:
                    connection.raw.close()

    async def version(self, target: MySQLTarget, *, seconds: float = _CONNECT_SECONDS) -> str:
        """What a server is, for people, and whether it is reached by TLS.

        Raises:
            DatabaseError: It cannot be reached, or does not let the user in.
        """
        found = await self.query(target, "SELECT version() AS v", [], limit=1, seconds=seconds)
        version = str(found.rows[0]["v"])
        name = "MariaDB" if "mariadb" in version.lower() else "MySQL"
        (told,) = (await self.query(target, "SHOW SESSION STATUS LIKE 'Ssl_cipher'", [], seconds=seconds)).rows
        how = "by TLS" if told["Value"] else "without TLS"
        return f"{name} {version.split('-', maxsplit=1)[0]} at {target.place} {how}"

    async def aclose(self) -> None:
        """Close all of them."""
        while self._servers:
            _, server = self._servers.popitem()
            await server.aclose()


def _driver() -> tuple[Any, Any]:
    """The driver's kind of connection, and its flags."""
    try:
        import aiomysql
        from pymysql.constants import CLIENT
    except ImportError:
        raise NodeError("The driver for MySQL is not installed: install the extra kailash-studio[mysql].") from None

    class Connection(aiomysql.Connection):  # type: ignore[misc]  # untyped
        needs_tls = True

        async def _request_authentication(self) -> None:
            # the driver goes on in the open with a server that has no TLS
            if self._ssl_context and self.needs_tls and not self.server_capabilities & CLIENT.SSL:
                raise not_offered(f"{self.host}:{self.port}")
            await super()._request_authentication()

        def close(self) -> None:
            # TLS waits for the server's goodbye before it lets go of the socket, and the loop may end before that
            writer = self._writer
            super().close()
            if writer is not None and self._secure:
                writer.transport.abort()

    return Connection, CLIENT


def is_refusal(error: Exception) -> bool:
    """Whether a driver's error is the server's word against a statement, and nothing of network, load or time."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    told = _LOST | _REFUSED | _CONFLICT | _TOO_LONG
    return (1000 <= number < 2000 or number > 3000) and number not in told


def _too_long(target: MySQLTarget, seconds: float) -> DatabaseTimeoutError:
    return DatabaseTimeoutError(f"The database at {target.place} did not finish within {seconds:g} s.")


def _unknown(target: MySQLTarget, seconds: float) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"The database at {target.place} gave no answer within {seconds:g} s while a change was under way: look "
        "whether it happened."
    )


def translated(error: Exception, target: MySQLTarget, *, sent: bool, reads: bool, seconds: float) -> DatabaseError:
    """A driver's error as one of our own.

    Args:
        error: It.
        target: Where.
        sent: A statement had been sent.
        reads: It only reads.
        seconds: What it was allowed.

    Raises:
        Exception: It is no error of the server or of the network.
    """
    import pymysql.err

    if not isinstance(error, pymysql.err.MySQLError | OSError | asyncio.IncompleteReadError | RuntimeError):
        raise error
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = str(error.args[1] if len(error.args) > 1 else error).strip().rstrip(".") or type(error).__name__
    if number in _TOO_LONG:
        return _too_long(target, seconds)
    lost = number in _LOST or not isinstance(error, pymysql.err.MySQLError)
    if sent and lost and not reads:
        return OutcomeUnknownError(
            f"The connection to {target.place} was lost while a change was under way: look whether it happened."
        )
    if lost or number in _REFUSED:
        return DatabaseUnreachableError(f"The database at {target.place} cannot be reached: {said}.")
    if number in _CONFLICT:
        return DatabaseConflictError(f"The database says: {said}.", sqlstate="40001")
    made = DatabaseError(f"The database says: {said}.", sqlstate=_STATES.get(number, ""))
    made.permanent = number != 1317  # interrupted by somebody
    return made
