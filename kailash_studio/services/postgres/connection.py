"""One session on a PostgreSQL server: made with timeouts always set, cleaned only when a statement left something."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from kailash_studio.errors import DatabaseError
from kailash_studio.resilience.clock import Clock
from kailash_studio.services.postgres.errors import connecting_failed, place_of, statement_failed
from kailash_studio.services.postgres.health import Health
from kailash_studio.services.postgres.statements import Kind, kind_of

if TYPE_CHECKING:
    from kailash_studio.services.postgres.lease import Lease

NEVER = float("inf")
_KEPT_STATEMENTS = 100
_CLEANING_SECONDS = 5.0
# A silent link is asked after 30 s, three times; what was sent is acknowledged within 30 s, or the link is dead.
_LINK = {
    "TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000
}  # fmt: skip
_READ_ONLY = "25006"  # read_only_sql_transaction (PostgreSQL, appendix A)
# what DISCARD ALL does, without forgetting the prepared statements that the driver relies on
_RESET = (
    "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); "
    "DISCARD TEMP; DISCARD SEQUENCES"
)


class Fetched(NamedTuple):
    """What a statement gave: column names, the driver's records, and the server's word (``UPDATE 3``).

    ``more`` says of a batch whether another one follows.
    """

    columns: tuple[str, ...]
    records: list[Any]
    status: str
    more: bool = False

    @property
    def row_count(self) -> int:
        """Rows returned, or changed."""
        if self.columns:
            return len(self.records)
        last = self.status.rpartition(" ")[2]
        return int(last) if last.isdigit() else 0


@dataclass(slots=True)
class _Prepared:
    statement: Any  # asyncpg's
    state: Any  # its inside, for the protocol
    columns: tuple[str, ...]
    kind: Kind


class Connection:
    """A session. Used by one at a time; the pool sees to that.

    Attributes:
        raw: asyncpg's connection.
        place: The address, for people.
        created: When it was made.
        expires: When it has lived long enough.
        used: When it was last given back.
        answered: When the server was last heard.
        generation: Which eviction of the pool it was made after.
        health: How well it is.
        lease: Who uses it; None while idle.
        broken: It must not be used again.
        unclean: The session has to be reset before anybody else gets it.
        spoiled: No reset helps; it is closed when it is given back.
        only_reads: The server took no changes when it was asked for one.
        connected: Whether the link stands, as far as is known without asking the server.
        deadline: When the statement that runs must have ended; the stock watches it.
    """

    __slots__ = (
        "_aborted", "_overdue", "_protocol", "_seconds", "_session_seconds", "_statements", "answered", "broken",
        "connected", "created", "deadline", "expires", "generation", "health", "lease", "only_reads", "place", "raw",
        "spoiled", "unclean", "used",
    )  # fmt: skip

    def __init__(self, raw: Any, place: str, seconds: float, now: float) -> None:
        self.raw = raw
        # Underneath asyncpg's public methods: four calls less for each statement, a tenth of its CPU.
        self._protocol = raw._protocol
        self.connected: Callable[[], bool] = raw._protocol.is_connected
        self.place = place
        self.created = self.used = self.answered = now
        self.expires = float("inf")
        self.generation = 0
        self.health = Health()
        self.lease: Lease | None = None
        self.broken = self.unclean = self.spoiled = self.only_reads = False
        self.deadline = NEVER
        self._overdue = self._aborted = False
        self._seconds = self._session_seconds = seconds
        self._statements: dict[str, _Prepared] = {}

    @classmethod
    async def open(
        cls, target: Mapping[str, Any], *, connect_seconds: float, statement_seconds: float, clock: Clock
    ) -> Connection:
        """Connect; a server that is starting or recovering is waited for.

        Args:
            target: Arguments of ``asyncpg.connect``: ``dsn``, or host, port, user, password, database, ssl.
            connect_seconds: Seconds that all of it may take.
            statement_seconds: Seconds that a statement may take where it says nothing else.
            clock: Time.

        Raises:
            DatabaseError: No connection could be made.
        """
        import asyncpg

        place = place_of(target)
        raw = None
        try:
            async with asyncio.timeout(connect_seconds):
                while raw is None:
                    try:
                        raw = await asyncpg.connect(
                            **target,
                            timeout=connect_seconds,
                            statement_cache_size=_KEPT_STATEMENTS,
                            server_settings=_settings(statement_seconds),
                        )
                    except asyncpg.CannotConnectNowError as error:
                        last: BaseException = error
                        await asyncio.sleep(0.05)
                _keep_alive(raw)
                for kind in ("json", "jsonb"):
                    await raw.set_type_codec(kind, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
            return cls(raw, place, statement_seconds, clock.now())
        except BaseException as error:
            if raw is not None:
                raw.terminate()
            if not isinstance(
                error, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError)
            ):
                raise
            if isinstance(error, TimeoutError) and raw is None and "last" in locals():
                error = last  # it said all the time that it is starting
            raise connecting_failed(error, target, connect_seconds) from None

    @property
    def is_encrypted(self) -> bool:
        """What goes to the server and comes from it goes by TLS."""
        return self.raw._transport.get_extra_info("ssl_object") is not None

    @property
    def is_in_transaction(self) -> bool:
        """A transaction is open, as far as is known without asking the server."""
        return self.usable and bool(self._protocol.is_in_transaction())

    @property
    def is_aborted(self) -> bool:
        """A statement failed in the transaction that is open: the server takes nothing but its end."""
        return self._aborted and bool(self._protocol.is_in_transaction())

    def patience(self, seconds: float | None) -> float:
        """Seconds until a statement is given up: a little more than the server's own limit, whose answer is better."""
        if seconds is None:
            seconds = self._seconds
            if seconds != self._session_seconds and self._protocol.is_in_transaction():
                seconds = self._session_seconds
        return seconds + min(5.0, 0.1 + 0.1 * seconds)

    def give_up(self) -> None:
        """The statement should have been stopped by the server long ago: nobody is there."""
        self._overdue = True
        self.terminate()

    @property
    def usable(self) -> bool:
        """It can take a statement, as far as is known without asking the server."""
        return not (self.broken or self.raw.is_closed())

    async def run(
        self, statement: str, params: Sequence[Any] = (), *, limit: int = 0, seconds: float | None = None
    ) -> Fetched:
        """Run one statement.

        Args:
            statement: One statement.
            params: Values for ``$1``, ``$2``, ...
            limit: How many rows are fetched at most; 0: all.
            seconds: Seconds that it may take, instead of the pool's; within a transaction only fewer than it began
                with.

        Raises:
            DatabaseError: It gave no result.
        """
        running = None
        fresh = False
        raw = self.raw
        free = not self._protocol.is_in_transaction()
        wanted = self._seconds if seconds is None else seconds
        try:
            if not self.connected():
                raise ConnectionError("it was closed before")
            if wanted != self._session_seconds and free:
                await raw.execute(f"SET statement_timeout = {_milliseconds(wanted)}")
                self._session_seconds = wanted
            known = self._statements.get(statement)
            if known is None:
                fresh = True
                known = await self._prepare(statement)
            running = kind = known.kind
            if kind.dirties:
                self.unclean = True
                self.spoiled = self.spoiled or kind.spoils
            # within a transaction the server's limit stays, and the driver keeps the shorter one
            timeout = None if free else seconds
            records, status, _ = await self._protocol.bind_execute(known.state, params, "", limit, True, timeout)
            self._aborted = False
            return Fetched(known.columns, records, status.decode() if status else "")
        except asyncio.CancelledError:
            self.unclean = True  # the driver tells the server to stop; nobody gets the connection before it has
            raise
        except Exception as error:  # noqa: BLE001 - _failed raises again what is not the database's
            if self._is_outdated(error):
                self._statements.pop(statement, None)
                await raw.reload_schema_state()
                if free and not fresh:
                    return await self.run(statement, params, limit=limit, seconds=seconds)
            raise self._failed(error, statement, running, free, seconds) from None

    def _is_outdated(self, error: Exception) -> bool:
        """A prepared statement does not fit the tables any more; the server has done nothing yet."""
        import asyncpg

        return isinstance(error, (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError))

    async def _prepare(self, statement: str) -> _Prepared:
        prepared = await self.raw.prepare(statement)
        columns = tuple(attribute.name for attribute in prepared.get_attributes())
        made = _Prepared(prepared, prepared._state, columns, kind_of(statement))
        if len(self._statements) >= _KEPT_STATEMENTS:
            del self._statements[next(iter(self._statements))]
        self._statements[statement] = made
        return made

    async def described(self, statement: str, *, seconds: float | None = None) -> tuple[list[str], list[str]]:
        """PostgreSQL's names for the types of a statement's columns, and of the values that it wants.

        Args:
            statement: One statement; it is not executed.
            seconds: Seconds that it may take, instead of the pool's; its tables may be locked.

        Raises:
            DatabaseError: The server refuses it.
        """
        free, wanted = not self.raw.is_in_transaction(), self._seconds if seconds is None else seconds
        try:
            known = self._statements.get(statement)
            if known is None:
                if wanted != self._session_seconds and free:
                    await self.raw.execute(f"SET statement_timeout = {_milliseconds(wanted)}")
                    self._session_seconds = wanted
                known = await self._prepare(statement)
        except asyncio.CancelledError:
            self.unclean = True  # the driver tells the server to stop
            raise
        except Exception as error:  # noqa: BLE001 - _failed raises again what is not the database's
            raise self._failed(error, statement, None, free, seconds) from None
        attributes, values = known.statement.get_attributes(), known.statement.get_parameters()
        return [attribute.type.name for attribute in attributes], [value.name for value in values]

    def _failed(
        self, error: Exception, statement: str, running: Kind | None, free: bool, seconds: float | None
    ) -> DatabaseError:
        import asyncpg

        if not (
            isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError))
            or self._is_outdated(error)
        ):
            raise error  # a bug, not the database's answer
        if self._overdue:
            error = TimeoutError()
        elif isinstance(error, TimeoutError) and not isinstance(error, asyncpg.PostgresError):
            self.unclean = True  # the driver tells the server to stop
        elif not free and getattr(error, "severity", None):  # said by the server: what the driver refuses has none
            self._aborted = True
        if self._is_outdated(error):
            self._statements.pop(statement, None)
        made = statement_failed(
            error,
            self.place,
            statement,
            closed=self.raw.is_closed(),
            may_have_written=running is not None and (running.commits or (free and not running.reads)),
            seconds=self._session_seconds if seconds is None else seconds,
        )
        if self.raw.is_closed() or made.sqlstate.startswith(("08", "57P", "25P03", "25P04")):
            self.broken = True
            self.health.fault()
        elif made.sqlstate == _READ_ONLY and self._server_reads_only():
            self.only_reads = self.spoiled = True
            self.health.fault()
            made = DatabaseError(
                f"{made} The server takes no changes now, perhaps since another one took over: the sessions of the "
                "pool are replaced.",
                sqlstate=_READ_ONLY,
            )
        return made

    def _server_reads_only(self) -> bool:
        """It is the server that takes no changes, not a transaction that was begun so; servers tell it since 14."""
        told = self.raw.get_settings()
        names = ("in_hot_standby", "default_transaction_read_only")
        return any(getattr(told, name, "off") == "on" for name in names)

    async def batches(
        self, statement: str, params: Sequence[Any], size: int, *, seconds: float | None = None
    ) -> AsyncGenerator[Fetched, None]:
        """The rows in batches, each fetched when it is asked for; needs a transaction.

        Args:
            statement: One statement.
            params: Values for ``$1``, ``$2``, ...
            size: Rows of a batch.
            seconds: Seconds that each may take, instead of the session's.

        Raises:
            DatabaseError: The statement gave no result.
        """
        limit = self._session_seconds if seconds is None else seconds
        try:
            known = self._statements.get(statement) or await self._prepare(statement)
            cursor = await known.statement.cursor(*params, timeout=limit)
            records = await cursor.fetch(size + 1, timeout=limit)  # one ahead: whether there is more
            while True:
                batch, ahead = records[:size], records[size:]
                if batch:
                    yield Fetched(known.columns, batch, "", bool(ahead))
                if not ahead:
                    return
                records = ahead + await cursor.fetch(size, timeout=limit)
        except asyncio.CancelledError:
            self.unclean = True
            raise
        except (OSError, ValueError) as error:
            raise self._failed(error, statement, kind_of(statement), False, None) from None
        except Exception as error:  # noqa: BLE001 - _failed raises again what is not the database's
            raise self._failed(error, statement, kind_of(statement), False, None) from None

    async def check(self, seconds: float, clock: Clock, usual: float) -> bool:
        """Ask the server for a sign of life.

        Args:
            seconds: Seconds that it may take.
            clock: Time.
            usual: How long a check takes on this pool; 0: not known.
        """
        import asyncpg

        began = clock.now()
        try:
            await self.raw.execute("SELECT 1", timeout=seconds)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            self.health.failed_check()
            if self.raw.is_closed():
                self.broken = True
            return False
        self.answered = clock.now()
        self.health.answered(self.answered - began, usual)
        return True

    async def clean(self) -> bool:
        """Make the session as good as new: the transaction rolled back, settings and locks gone; False: it is lost."""
        import asyncpg

        statement = f"ROLLBACK; {_RESET}" if self.raw.is_in_transaction() else _RESET
        for _ in range(2):  # the first may catch a cancellation that was still on its way
            try:
                await self.raw.execute(statement, timeout=_CLEANING_SECONDS)
            except asyncpg.QueryCanceledError:
                continue
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                break
            self.unclean = False
            self._session_seconds = self._seconds
            return True
        self.broken = True
        self.health.fault()
        return False

    async def close(self) -> None:
        """End the session, politely where the server still answers."""
        self.broken = True
        self._statements.clear()
        try:
            await self.raw.close(timeout=2)
        except (OSError, TimeoutError):
            self.raw.terminate()  # it is gone already, or hangs; nothing of ours depends on a polite end

    def terminate(self) -> None:
        """End the session without a word."""
        self.broken = True
        self.raw.terminate()


def _keep_alive(raw: Any) -> None:
    """Let the system find out that a link is dead, also while the server works on a statement and says nothing."""
    link = raw._transport.get_extra_info("socket")
    if link is None or link.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _LINK.items():
        option = getattr(socket, name, None)  # no system has all of them
        if option is not None:
            link.setsockopt(socket.IPPROTO_TCP, option, value)


def _milliseconds(seconds: float) -> int:
    return max(1, min(round(seconds * 1000), 2**31 - 1))


def _settings(seconds: float) -> dict[str, str]:
    return {"statement_timeout": str(_milliseconds(seconds)), "application_name": "kailash-studio"}
