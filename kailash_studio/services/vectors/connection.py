"""The connection that vectors are given, and a way to open one; errors of the driver become our own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Protocol

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError

_CONNECTION_CLASSES = ("08", "57P")  # SQLSTATE of a connection that is gone or refused (PostgreSQL, appendix A)


class VectorConnection(Protocol):
    """What is asked of a connection: a part of asyncpg's interface.

    No codec is asked for and none is set, so a connection of any pool will do.
    """

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Any]:  # noqa: ASYNC109
        """Run a statement, give its rows; a row is read by the names of its columns."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """Run a statement, give its status."""

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A transaction, or a savepoint inside one."""

    async def copy_to_table(
        self, table_name: str, *, source: Any, columns: Any, schema_name: str | None, format: str
    ) -> str:
        """Load the bytes of a COPY."""


@asynccontextmanager
async def connected(target: Mapping[str, Any], *, seconds: float = 3600.0) -> AsyncIterator[VectorConnection]:
    """A connection of one's own, closed at the end.

    Args:
        target: Arguments of ``asyncpg.connect``: ``dsn``, or host, port, user, password, database.
        seconds: Seconds that a statement may take.

    Raises:
        DatabaseError: The server cannot be reached, or refuses.
    """
    import asyncpg

    where = _where(target)
    try:
        with translated():
            connection = await asyncpg.connect(**target, timeout=15, command_timeout=seconds)
    except (OSError, TimeoutError) as error:
        if isinstance(error, DatabaseError):
            raise
        said = str(error) or "no answer within 15 s"
        raise DatabaseUnreachableError(f"The database at {where} cannot be reached: {said}.") from None
    try:
        yield connection
    finally:
        try:
            await asyncio.wait_for(connection.close(), 5)
        except (OSError, TimeoutError, asyncpg.InterfaceError):
            connection.terminate()  # it is gone already, or hangs; nothing of ours depends on a polite end


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
        raise DatabaseError(f"The database was asked wrongly: {str(error).rstrip('.')}.") from None
    except TimeoutError as error:
        if isinstance(error, DatabaseError):
            raise
        raise DatabaseTimeoutError("The database did not answer in time: raise the node's limit.") from None


def _where(target: Mapping[str, Any]) -> str:
    if "dsn" in target:
        return re.sub(r"//[^@/]*@", "//", str(target["dsn"])).split("?")[0]
    return f"{target.get('host')}:{target.get('port')}/{target.get('database')}"
