"""Statements that happen together or not at all, and what became of a COMMIT whose answer was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from kailash_studio.errors import DatabaseError, DatabaseUnreachableError, OutcomeUnknownError, ParameterError

if TYPE_CHECKING:
    from kailash_studio.services.postgres.lease import Lease

Fate = Literal["committed", "aborted", "in progress", "unknown"]

_ISOLATIONS = ("", "read committed", "repeatable read", "serializable")


class Transaction:
    """A transaction on a lease; the end of the ``async with`` commits, an error rolls back.

    Attributes:
        transaction_id: What the server calls it; set before the COMMIT, empty when nothing was changed.
    """

    def __init__(self, lease: Lease, *, isolation: str, read_only: bool) -> None:
        if isolation.lower() not in _ISOLATIONS:
            raise ParameterError(f"isolation is {isolation!r}: give one of {', '.join(_ISOLATIONS[1:])}.")
        self._lease = lease
        self._begin = "BEGIN" + (f" ISOLATION LEVEL {isolation.upper()}" if isolation else "")
        if read_only:
            self._begin += " READ ONLY"
        self._read_only = read_only
        self.transaction_id = ""

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if kind is None:
            await self.commit()
            return
        if not self._lease.is_held:
            return  # it was taken back, and the pool rolls back
        connection = self._lease.connection
        if not connection.usable:
            return  # the server rolls back what its client has left
        if not issubclass(kind, (Exception, GeneratorExit)):
            connection.unclean = True  # cancelled: the pool rolls back once the statement has been stopped
            return
        try:
            await self.rollback()
        except DatabaseError:
            connection.unclean = True  # the first error is the one to tell; the pool cleans or closes

    async def begin(self) -> None:
        """Begin; ``async with`` does it."""
        await self._lease.run(self._begin)

    async def rollback(self) -> None:
        """Undo everything since the beginning."""
        await self._lease.run("ROLLBACK")

    async def commit(self) -> None:
        """Make everything since the beginning happen.

        Raises:
            OutcomeUnknownError: The answer was lost; ``Pool.fate_of`` tells what became of it.
            DatabaseError: It did not happen.
        """
        connection = self._lease.connection
        if not self._read_only and not connection.is_aborted:
            await self._ask_for_its_id()
        try:
            done = await self._lease.run("COMMIT")
        except OutcomeUnknownError as error:
            if not self.transaction_id:  # it had changed nothing: there is nothing to be unsure of
                raise DatabaseUnreachableError(f"The connection to {connection.place} was lost.") from None
            raise OutcomeUnknownError(
                str(error).replace("look at the data", f"pg_xact_status('{self.transaction_id}') tells"),
                sqlstate=error.sqlstate,
                transaction_id=self.transaction_id,
            ) from None
        if done.status == "ROLLBACK":
            raise DatabaseError(
                "The database rolled the transaction back instead of committing it: a statement in it had failed.",
                sqlstate="25P02",
            )

    async def _ask_for_its_id(self) -> None:
        try:
            asked = await self._lease.run("SELECT pg_current_xact_id_if_assigned()::text", limit=1)
        except DatabaseError as error:
            if error.sqlstate != "25P02":  # a statement that was cancelled had failed after all: COMMIT says so
                raise
            return
        self.transaction_id = asked.records[0][0] or ""
