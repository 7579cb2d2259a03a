"""A connection in somebody's hands, from acquire to release."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Self

from kailash_studio.errors import DatabaseError, PoolClosedError
from kailash_studio.services.postgres.connection import NEVER, Connection, Fetched
from kailash_studio.services.postgres.statistics import Holder, Owner
from kailash_studio.services.postgres.transaction import Transaction

if TYPE_CHECKING:
    from kailash_studio.services.postgres.pool import Pool
    from kailash_studio.tables.table import Table


class Lease:
    """The right to use a connection. ``async with`` gives it back; so does ``release``, which never waits.

    Attributes:
        owner: Who uses it.
        since: When it was acquired.
        statement: The last statement that it ran.
    """

    __slots__ = ("_connection", "_ended", "_pool", "busy", "owner", "since", "statement")

    def __init__(self, pool: Pool, connection: Connection, owner: Owner, since: float) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._ended = "was released"
        self.owner = owner
        self.since = since
        self.statement = ""
        self.busy = False

    @property
    def is_held(self) -> bool:
        """It was neither given back nor taken back."""
        return self._connection is not None

    @property
    def connection(self) -> Connection:
        """The connection.

        Raises:
            PoolClosedError: It was given back, or taken back.
        """
        if self._connection is None:
            raise PoolClosedError(f"This connection of {self._pool.name} {self._ended}: acquire another one.")
        return self._connection

    async def run(
        self, statement: str, params: Sequence[Any] = (), *, limit: int = 0, seconds: float | None = None
    ) -> Fetched:
        """Run one statement; see ``Connection.run``.

        Raises:
            DatabaseError: It gave no result.
        """
        connection = self._connection or self.connection
        statistics, now = self._pool.statistics, self._pool.now
        self.statement = statement
        self.busy = True
        began = now()
        deadline = connection.deadline = began + connection.patience(seconds)
        if deadline < self._pool.watched_until:
            self._pool.watch(deadline)
        try:
            found = await connection.run(statement, params, limit=limit, seconds=seconds)
            statistics.executed += 1
            return found
        except DatabaseError:
            statistics.errors += 1
            if connection.broken:
                self._pool.fault()
            elif connection.only_reads:
                self._pool.read_only()
            raise
        finally:
            self.busy = False
            connection.deadline = NEVER
            statistics.query.add(now() - began)

    async def described(self, statement: str, *, seconds: float | None = None) -> tuple[list[str], list[str]]:
        """What a statement gives and wants, within the limits of one that runs; see ``Connection.described``.

        Raises:
            DatabaseError: The server refuses it, or did not answer in time.
        """
        self.statement = statement
        with self._watched(seconds) as connection:
            return await connection.described(statement, seconds=seconds)

    async def asked(self, statement: str, params: Sequence[Any] = (), *, seconds: float | None = None) -> Fetched:
        """The first row of a statement of our own about the one that runs; it is neither shown nor counted.

        Raises:
            DatabaseError: It gave no result.
        """
        with self._watched(seconds) as connection:
            return await connection.run(statement, params, limit=1, seconds=seconds)

    @contextmanager
    def _watched(self, seconds: float | None) -> Iterator[Connection]:
        """The connection, given up when a statement on it should have ended long ago."""
        connection = self.connection
        self.busy = True
        deadline = connection.deadline = self._pool.now() + connection.patience(seconds)
        if deadline < self._pool.watched_until:
            self._pool.watch(deadline)
        try:
            yield connection
        except DatabaseError:
            self._pool.statistics.errors += 1
            if connection.broken:
                self._pool.fault()
            raise
        finally:
            self.busy = False
            connection.deadline = NEVER

    async def table(self, statement: str, params: Sequence[Any] = (), *, seconds: float | None = None) -> Table:
        """All rows of a query as a table, fetched by another library while this connection rests.

        Raises:
            InexactError: A value of it is another one in a table.
            DatabaseError: It gave no result.
        """
        from kailash_studio.services.arrow_fetch import fetch_arrow

        statistics, now = self._pool.statistics, self._pool.now
        self.statement = statement
        began = now()
        limit = self._pool.options.statement_timeout if seconds is None else seconds
        try:
            found = await fetch_arrow(self._pool.target, statement, params, seconds=limit, exact=True)
            statistics.executed += 1
            return found
        except DatabaseError:
            statistics.errors += 1
            raise
        finally:
            statistics.query.add(now() - began)

    async def batches(
        self, statement: str, params: Sequence[Any] = (), *, size: int = 1000, seconds: float | None = None
    ) -> AsyncGenerator[Fetched, None]:
        """The rows of a statement in batches, each fetched when it is asked for; ``aclosing`` ends it early.

        Raises:
            DatabaseError: The statement gave no result.
        """
        async with nullcontext() if self.connection.raw.is_in_transaction() else self.transaction():
            await self.described(statement)  # in bounded time, which the driver's own preparing is not
            self.statement = statement
            async with aclosing(self.connection.batches(statement, params, size, seconds=seconds)) as batches:
                async for batch in batches:
                    yield batch
        self._pool.statistics.executed += 1

    def transaction(self, *, isolation: str = "", read_only: bool = False) -> Transaction:
        """Several statements that happen together or not at all: ``async with lease.transaction(): ...``.

        Args:
            isolation: ``serializable``, ``repeatable read`` or ``read committed``; empty: the server's default.
            read_only: The server refuses changes.
        """
        return Transaction(self, isolation=isolation, read_only=read_only)

    def release(self) -> None:
        """Give the connection back; a second time does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self.busy:
                connection.terminate()  # another task is in the middle of a statement
            self._pool.take_back(connection)

    def reclaim(self, why: str) -> None:
        """Take the connection away from whoever forgot to give it back.

        Args:
            why: Ends the sentence "This connection ...".
        """
        connection, self._connection, self._ended = self._connection, None, why
        if connection is not None:
            if self.busy:
                connection.terminate()  # a statement is under way that nobody waits for any more
            connection.unclean = True
            self._pool.take_back(connection)

    def holder(self, now: float) -> Holder:
        """Who has it, for statistics and errors."""
        return Holder(self.owner, self.statement, now - self.since)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.release()
