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
        await self._lease.run(self._begin)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        connection = self._lease.connection
        if kind is not None:
            if not connection.usable:
                return  # the server rolls back what its client has left
            if issubclass(kind, (Exception, GeneratorExit)):
                await self._rolled_back()
            else:
                connection.unclean = True  # cancelled: the pool rolls back once the statement has been stopped
            return
        if not self._read_only:
            asked = await self._lease.run("SELECT pg_current_xact_id_if_assigned()::text", limit=1)
            self.transaction_id = asked.records[0][0] or ""
        try:
            done = await self._lease.run("COMMIT")
        except OutcomeUnknownError as error:
            if not self.transaction_id:  # it had changed nothing: there is nothing to be unsure of
                raise DatabaseUnreachableError(f"The connection to {connection.place} was lost.") from None
            told = OutcomeUnknownError(
                str(error).replace("look at the data", f"pg_xact_status('{self.transaction_id}') tells"),
                sqlstate=error.sqlstate,
                transaction_id=self.transaction_id,
            )
            raise told from None
        if done.status == "ROLLBACK":
            raise DatabaseError(
                "The database rolled the transaction back instead of committing it: a statement in it had failed.",
                sqlstate="25P02",
            )

    async def _rolled_back(self) -> None:
        try:
            await self._lease.run("ROLLBACK")
        except DatabaseError:
            self._lease.connection.unclean = True  # the first error is the one to tell; the pool cleans or closes
