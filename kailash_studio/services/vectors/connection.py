"""What vectors ask of a connection, and a connection of a pool that gives it; errors of the driver become our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Protocol

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError, OutcomeUnknownError
from kailash_studio.services.postgres.connection import NEVER
from kailash_studio.services.postgres.lease import Lease
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.statistics import Owner

_CONNECTION_CLASSES = ("08", "57P")  # SQLSTATE of a connection that is gone or refused (PostgreSQL, appendix A)


class VectorConnection(Protocol):
    """What is asked of a connection: a part of asyncpg's interface.

    No codec is asked for and none is set, so a connection of any pool will do.
    """

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Run a statement, give its rows; a row is read by the names of its columns."""

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement, give its status."""

    def transaction(self, *, readonly: bool = False) -> AbstractAsyncContextManager[Any]:
        """A transaction, or a savepoint inside one."""

    async def copy_to_table(
        self, table_name: str, *, source: Any, columns: Any, schema_name: str | None, format: str
    ) -> str:
        """Load the bytes of a COPY."""


@asynccontextmanager
async def on_pool(pool: Pool, owner: Owner, seconds: float) -> AsyncIterator[VectorConnection]:
    """A connection of a pool, given back at the end.

    Args:
        pool: The pool.
        owner: Who uses it.
        seconds: Seconds that a statement may take; the server is told to stop it then.

    Raises:
        DatabaseError: None can be had.
    """
    async with await pool.acquire(owner) as lease:
        yield _Leased(pool, lease, seconds)


class _Leased:
    """A connection in our hands, as the pool and its panel want it used; one that is cancelled the pool rolls back."""

    def __init__(self, pool: Pool, lease: Lease, seconds: float) -> None:
        self._pool = pool
        self._lease = lease
        self._seconds = seconds
        self._depth = 0

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        with self._repeatable():
            return (await self._lease.run(query, args, seconds=self._limit)).records

    async def execute(self, query: str, *args: Any) -> str:
        with self._repeatable():
            return (await self._lease.run(query, args, seconds=self._limit)).status

    @property
    def _limit(self) -> float | None:
        """None in a transaction: the limit that it began with is the server's, and its answer is awaited."""
        return None if self._lease.connection.raw.is_in_transaction() else self._seconds

    @asynccontextmanager
    async def transaction(self, *, readonly: bool = False) -> AsyncIterator[None]:
        self._depth += 1
        name = f"kailash_vectors_{self._depth}"
        begin, undo, end = f"SAVEPOINT {name}", f"ROLLBACK TO {name}", f"RELEASE {name}"
        if self._depth == 1:
            begin, undo, end = "BEGIN READ ONLY" if readonly else "BEGIN", "ROLLBACK", "COMMIT"
        try:
            await self.execute(begin)
            try:
                yield
            except Exception:
                await self._undo(undo)
                raise
            if await self.execute(end) == "ROLLBACK":
                raise DatabaseError(
                    "The database rolled the changes back: a statement among them had failed.", sqlstate="25P02"
                )
        finally:
            self._depth -= 1

    async def _undo(self, statement: str) -> None:
        """After an error: the first one is the one to tell, and the pool rolls back what is left."""
        if self._lease.is_held and self._lease.connection.usable:
            try:
                await self._lease.run(statement)
            except DatabaseError:
                self._lease.connection.unclean = True

    async def copy_to_table(
        self, table_name: str, *, source: Any, columns: Any, schema_name: str | None, format: str
    ) -> str:
        pool, lease, connection = self._pool, self._lease, self._lease.connection
        lease.statement = f"COPY {table_name} FROM STDIN"
        lease.busy = True
        began = pool.now()
        connection.deadline = began + connection.patience(self._seconds)
        if connection.deadline < pool.watched_until:
            pool.watch(connection.deadline)
        try:
            done: str = await connection.raw.copy_to_table(
                table_name, source=source, columns=columns, schema_name=schema_name, format=format
            )
        except BaseException:
            connection.unclean = True  # the server may still be stopping it
            raise
        finally:
            lease.busy = False
            connection.deadline = NEVER
            pool.statistics.query.add(pool.now() - began)
        pool.statistics.executed += 1
        return done

    @contextmanager
    def _repeatable(self) -> Iterator[None]:
        """Every operation on vectors can be done again with the same result, so no lost answer leaves a doubt."""
        place = self._pool.place
        try:
            yield
        except OutcomeUnknownError as error:
            raise DatabaseUnreachableError(
                f"The connection to {place} was lost while the table was being changed: do it again, which does no "
                "harm if it was done.",
                sqlstate=error.sqlstate,
            ) from None


@contextmanager
def translated() -> Iterator[None]:
    """What the driver raises inside comes out as a DatabaseError."""
    import asyncpg

    try:
        yield
    except asyncpg.PostgresError as error:
        state = getattr(error, "sqlstate", None) or ""
        said = str(getattr(error, "message", None) or error).rstrip(".")
        kind = DatabaseUnreachableError if state.startswith(_CONNECTION_CLASSES) else DatabaseError
        if state == "57014":
            kind = DatabaseTimeoutError
        raise kind(f"The database says: {said}.", sqlstate=state) from None
    except (asyncpg.InterfaceError, ValueError) as error:
        wrong = DatabaseError(f"The database was asked wrongly: {str(error).rstrip('.')}.")
        wrong.permanent = isinstance(error, ValueError)  # a value that does not fit; else perhaps a lost connection
        raise wrong from None
    except TimeoutError as error:
        if isinstance(error, DatabaseError):
            raise
        raise DatabaseTimeoutError("The database did not answer in time: raise the node's limit.") from None
