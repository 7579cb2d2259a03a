"""MySQL and MariaDB: the connections of a runtime, statements with bound values, errors as our own.

Nodes of a run that use one server share its connections, up to a limit; who comes first gets one first. A connection
is used again only after statements that leave nothing in its session.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kailash_studio.errors import (
    DatabaseConflictError,
    DatabaseError,
    DatabaseTimeoutError,
    DatabaseUnreachableError,
    NodeError,
    OutcomeUnknownError,
    ParameterError,
)
from kailash_studio.services.postgres.rows import unique
from kailash_studio.services.sql import ResultSet

PORT = 3306
MOST = 20  # connections of a runtime to one server
_CONNECT_SECONDS = 15.0
_GRACE_SECONDS = 2.0  # that the server's own limit has before the client's comes
_KILL_SECONDS = 5.0
_FRESH_SECONDS = 0.5  # idle for longer than this, a connection is asked whether it lives
_IDLE_SECONDS = 60.0

# a text, a name, a comment, or $1 (MySQL's lexical rules: backslashes escape, # begins a comment)
_VALUE = re.compile(
    r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|`(?:[^`]|``)*`|--[ \t][^\n]*|\#[^\n]*|/\*.*?\*/|\$(\d+)""", re.DOTALL
)
_FIRST = re.compile(r"\s*(?:(?:--[ \t][^\n]*|\#[^\n]*)\n\s*|/\*.*?\*/\s*)*\(*\s*([A-Za-z]+)", re.DOTALL)
READING = frozenset({"select", "show", "with", "values", "table", "describe", "desc", "explain"})
_CLEAN = READING | {"insert", "update", "delete", "replace"}

# error numbers (MySQL's and MariaDB's references of server and client errors)
_LOST = frozenset({2006, 2013, 2014, 2055, 1053, 1152, 1158, 1159, 1160, 1161, 1927})
_REFUSED = frozenset({2001, 2002, 2003, 2005, 1040, 1042, 1203, 1226})
_CONFLICT = frozenset({1205, 1213})
_TOO_LONG = frozenset({1969, 3024})
_STATES = {1044: "28000", 1045: "28000", 1049: "42000", 1698: "28000", 1062: "23000", 1064: "42000"}


@dataclass(frozen=True, slots=True)
class MySQLTarget:
    """Where a server is, and who asks.

    Attributes:
        host: Server.
        port: Its port.
        database: Name of the database; empty for none.
        user: User of the database.
        password: The password; not shown.
        encrypted: Connect by TLS, and check the server's certificate.
    """

    host: str = "localhost"
    port: int = PORT
    database: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    encrypted: bool = False

    @property
    def place(self) -> str:
        """Where it leads, for people."""
        return f"{self.host}:{self.port}/{self.database}"

    @classmethod
    def of(cls, address: str) -> MySQLTarget:
        """The target of ``mysql://user:password@host:port/database?ssl=true``.

        Raises:
            ParameterError: It is no such address.
        """
        try:
            parts = urlsplit(address)
            port = parts.port or PORT
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme not in {"mysql", "mariadb"} or not parts.hostname:
            raise ParameterError("connection_string is no address: write mysql://user:password@host:port/database.")
        wanted = parse_qs(parts.query).get("ssl", ["false"])[-1].lower()
        return cls(
            parts.hostname,
            port,
            unquote(parts.path.lstrip("/")),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            wanted in {"true", "1", "required"},
        )


class _Connection:
    """One connection, with what the server was told of it."""

    def __init__(self, raw: Any, *, is_mariadb: bool) -> None:
        self.raw, self.is_mariadb = raw, is_mariadb
        self.used = time.monotonic()
        self._limit = 0.0

    async def run(self, statement: str, params: Sequence[Any], limit: int, seconds: float) -> ResultSet:
        async with self.raw.cursor() as cursor:
            if seconds != self._limit:
                name, value = ("max_statement_time", f"{seconds:.3f}")
                if not self.is_mariadb:
                    name, value = "max_execution_time", str(max(1, round(seconds * 1000)))
                await cursor.execute(f"SET SESSION {name} = {value}")
                self._limit = seconds
            await cursor.execute(*bound(statement, params))
            columns = unique([column[0] for column in cursor.description or ()])
            records = (await cursor.fetchmany(limit) if limit else await cursor.fetchall()) if columns else []
            rows = [dict(zip(columns, record, strict=True)) for record in records]
            return ResultSet(columns, rows, len(rows) if columns else max(cursor.rowcount, 0))


class Server:
    """The connections to one target.

    Attributes:
        target: Where.
        slots: As many as there may be connections.
        idle: Those that nobody uses.
    """

    def __init__(self, target: MySQLTarget) -> None:
        self.target = target
        self.slots = asyncio.Semaphore(MOST)
        self.idle: list[_Connection] = []

    async def take(self) -> _Connection:
        """An idle connection that lives, or a new one."""
        while self.idle:
            connection = self.idle.pop()
            rested = time.monotonic() - connection.used
            try:
                if rested < _IDLE_SECONDS:
                    if rested > _FRESH_SECONDS:
                        await asyncio.wait_for(connection.raw.ping(reconnect=False), _KILL_SECONDS)
                    return connection
            except Exception:  # noqa: BLE001, S110 - whatever is wrong with it, another one is taken
                pass
            connection.raw.close()
        return await self.open()

    async def open(self) -> _Connection:
        """A new connection."""
        aiomysql, flags = _driver()
        target = self.target
        try:
            raw = aiomysql.Connection(
                host=target.host,
                port=target.port,
                user=target.user or None,
                password=target.password.encode("utf-8").decode("latin-1"),  # the driver sends it as Latin-1
                db=target.database or None,
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                ssl=_certificates() if target.encrypted else None,
            )
            raw.client_flag &= ~flags.MULTI_STATEMENTS  # the driver allows several statements in one otherwise
            await raw._connect()
        except Exception as error:  # noqa: BLE001 - translated raises again what is not the server's
            raise translated(error, target, sent=False, reads=True, seconds=0.0) from None
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
        self, target: MySQLTarget, statement: str, params: Sequence[Any], *, limit: int = 0, seconds: float = 3600.0
    ) -> ResultSet:
        """Run one statement; cancelling ends it on the server.

        Args:
            target: Where.
            statement: One statement, with ``$1``, ``$2``, ... for the values.
            params: The values.
            limit: How many rows are fetched at most; 0: all.
            seconds: Seconds that it may take; the server stops it then, or is made to.

        Raises:
            NodeError: The driver is not installed.
            DatabaseError: It could not connect, the server refused the statement, or it took too long.
        """
        server = self._servers.setdefault(target, Server(target))
        first = _FIRST.match(statement)
        word = first[1].lower() if first else ""
        async with server.slots:
            connection = await server.take()
            kept = False
            try:
                async with asyncio.timeout(seconds + _GRACE_SECONDS):
                    found = await connection.run(statement, params, limit, seconds)
                kept = word in _CLEAN
                return found
            except (TimeoutError, asyncio.CancelledError) as error:
                await asyncio.shield(asyncio.ensure_future(server.stop(connection)))
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise _too_long(target, seconds) from None
            except DatabaseError:
                kept = word in _CLEAN  # it was refused before it was sent
                raise
            except Exception as error:  # noqa: BLE001 - translated raises again what is not the server's
                made = translated(error, target, sent=True, reads=word in READING, seconds=seconds)
                kept = word in _CLEAN and not isinstance(made, DatabaseUnreachableError | OutcomeUnknownError)
                raise made from None
            finally:
                if kept:
                    connection.used = time.monotonic()
                    server.idle.append(connection)
                else:
                    connection.raw.close()

    async def version(self, target: MySQLTarget) -> str:
        """What a server is, for people.

        Raises:
            DatabaseError: It cannot be reached, or does not let the user in.
        """
        found = await self.query(target, "SELECT version() AS v", [], limit=1, seconds=_CONNECT_SECONDS)
        version = str(found.rows[0]["v"])
        name = "MariaDB" if "mariadb" in version.lower() else "MySQL"
        return f"{name} {version.split('-', maxsplit=1)[0]}"

    async def aclose(self) -> None:
        """Close all of them."""
        while self._servers:
            _, server = self._servers.popitem()
            for connection in server.idle:
                with suppress(Exception):  # it is closed either way
                    await asyncio.wait_for(connection.raw.ensure_closed(), _KILL_SECONDS)
            server.idle.clear()


def _driver() -> tuple[Any, Any]:
    try:
        import aiomysql
        from pymysql.constants import CLIENT
    except ImportError:
        raise NodeError("The driver for MySQL is not installed: install the extra kailash-studio[mysql].") from None
    return aiomysql, CLIENT


def _certificates() -> Any:
    import ssl

    return ssl.create_default_context()


def placed(statement: str, mark: str) -> tuple[str, list[int]]:
    """The statement with a mark for each ``$1``, and the numbers in the order in which they come."""
    numbers: list[int] = []

    def place(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        numbers.append(int(found[1]))
        return mark

    return _VALUE.sub(place, statement), numbers


def bound(statement: str, params: Sequence[Any]) -> tuple[Any, ...]:
    """The statement in the driver's form, and the values in the order in which it wants them.

    Raises:
        DatabaseError: A value is missing.
    """
    sent, numbers = placed(statement, "\0")
    for number in numbers:
        if not 1 <= number <= len(params):
            raise DatabaseError(
                f"The statement wants a value for ${number}; {len(params)} are given.", sqlstate="42000"
            )
    if not numbers:
        return (statement,)
    return sent.replace("%", "%%").replace("\0", "%s"), tuple(params[number - 1] for number in numbers)


def is_refusal(error: Exception) -> bool:
    """Whether a driver's error is the server's word against a statement, and nothing of network, load or time."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    told = _LOST | _REFUSED | _CONFLICT | _TOO_LONG
    return (1000 <= number < 2000 or number > 3000) and number not in told


def _too_long(target: MySQLTarget, seconds: float) -> DatabaseTimeoutError:
    return DatabaseTimeoutError(f"The database at {target.place} did not finish within {seconds:g} s.")


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


def target_of(given: Mapping[str, Any]) -> MySQLTarget:
    """The target that host, port, database, user and password mean; PostgreSQL's port stands for MySQL's own."""
    port = int(given.get("port") or PORT)
    return MySQLTarget(
        str(given.get("host") or "localhost"),
        PORT if port == _POSTGRESQL else port,
        str(given.get("database") or ""),
        str(given.get("user") or ""),
        str(given.get("password") or ""),
    )


_POSTGRESQL = 5432
