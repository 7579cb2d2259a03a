"""A pool by requests that are plain data: connections go by an id, so a graph or a caller elsewhere can hold them."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kailash_studio.errors import (
    DatabaseConflictError,
    DatabaseError,
    OutcomeUnknownError,
    ParameterError,
    PoolClosedError,
)
from kailash_studio.services.postgres.connection import Fetched
from kailash_studio.services.postgres.lease import Lease
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.rows import as_rows
from kailash_studio.services.postgres.statements import bound
from kailash_studio.services.postgres.statistics import Owner
from kailash_studio.services.postgres.transaction import Transaction
from kailash_studio.services.postgres.use import PoolUse, used

_NOBODY = Owner()
_MODES = ("all", "one", "many", "none")


@dataclass(slots=True)
class _Held:
    lease: Lease
    transaction: Transaction | None = None
    batches: AsyncGenerator[Fetched, None] | None = None
    failure: DatabaseError | None = None  # why its last transaction was not committed
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class PoolOperations:
    """Does what requests say with one pool.

    Attributes:
        pool: The pool.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.use: PoolUse | None = None
        self.remembered = 0
        self._held: dict[str, _Held] = {}
        self._operations: dict[str, Callable[[Mapping[str, Any], Owner], Awaitable[dict[str, Any]]]] = {
            "initialize": self._initialize,
            "acquire": self._acquire,
            "execute": self._execute,
            "fetch": self._fetch,
            "begin": self._begin,
            "commit": self._commit,
            "rollback": self._rollback,
            "release": self._release,
            "stats": self._stats,
            "pause": self._plain,
            "resume": self._plain,
            "evict": self._plain,
            "drain": self._drain,
            "close": self._close,
        }

    async def process(self, request: Mapping[str, Any], owner: Owner = _NOBODY) -> dict[str, Any]:
        """Do one thing.

        Args:
            request: ``operation``, and what it needs: ``connection_id``, ``query``, ``params``, ``fetch_mode``,
                ``batch_size``, ``timeout`` (seconds that an acquire, a statement or a drain may take), ``isolation``.
            owner: Who asks.

        Raises:
            ParameterError: There is no such operation, or it lacks something.
            DatabaseError: The database or the pool refused.
        """
        wanted = str(request.get("operation", ""))
        operation = self._operations.get(wanted)
        if operation is None:
            raise ParameterError(f"operation is {wanted!r}: give one of {', '.join(self._operations)}.")
        return await operation(request, owner)

    def lends(self, connection_id: str) -> bool:
        """It has lent this connection, and it was not released."""
        return connection_id in self._held

    def run_ended(self, run: str) -> None:
        """Take back what a run has not given back, and end the batches that it was reading."""
        for connection_id, held in [*self._held.items()]:
            if held.lease.owner.run == run:
                del self._held[connection_id]
                if held.batches is not None:
                    self.pool.settle(self._end_batches(held))
        self.pool.run_ended(run)

    async def _initialize(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        from_graph = int(request.get("connections") or 0)
        from_use = await asyncio.to_thread(used, self.use) if self.use is not None else 0
        await self.pool.warm(at_least=max(from_graph, from_use))
        size = self.pool.snapshot()["connections"]["size"]
        if size:
            most = self.pool.options.min_connections
            why = "nodes that can be ready at once" if from_graph >= from_use else "so many were used before"
            self.pool.warmed = f"{size}: {why if max(from_graph, from_use) > most else 'the least that are kept'}"
        return {"pool": self.pool.name, "connections": size, "warmed": self.pool.warmed}

    async def _acquire(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        lease = await self.pool.acquire(owner, seconds=request.get("timeout"))
        connection_id = f"{self.pool.name}-{uuid.uuid4().hex[:12]}"
        self._held[connection_id] = _Held(lease)
        return {"connection_id": connection_id, "health": lease.connection.health.score}

    def _of(self, request: Mapping[str, Any]) -> _Held:
        connection_id = request.get("connection_id", "")
        held = self._held.get(connection_id)
        if held is None:
            raise PoolClosedError(
                f"The pool {self.pool.name} has lent no connection {connection_id!r}: acquire one first, and use its "
                "connection_id until it is released."
            )
        return held

    @asynccontextmanager
    async def _turn(self, request: Mapping[str, Any]) -> AsyncIterator[_Held]:
        """The connection that is meant, for one request at a time; others wait, as nodes side by side do."""
        async with self._of(request).turn:
            yield self._of(request)  # it may have been released meanwhile

    async def _execute(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        mode = request.get("fetch_mode", "all")
        if mode not in _MODES:
            raise ParameterError(f"fetch_mode is {mode!r}: give one of {', '.join(_MODES)}.")
        query = str(request.get("query") or "")
        if not query.strip():
            raise ParameterError("query is empty: write a statement.")
        given = request.get("params")
        statement, params = bound(query, given) if isinstance(given, Mapping) else (query, list(given or ()))
        size, seconds = int(request.get("batch_size") or 1000), request.get("timeout")
        if not request.get("connection_id"):  # one statement alone: a connection for as long as it takes
            limit = {"one": 1, "many": size + 1}.get(mode, 0)
            async with await self.pool.acquire(owner) as lease:
                found = await lease.run(statement, params, limit=limit, seconds=seconds)
            if mode != "many":
                return as_rows(found, keep=mode != "none")
            more = len(found.records) > size
            return {**as_rows(found._replace(records=found.records[:size])), "has_more": more}
        async with self._turn(request) as held:
            await self._end_batches(held)
            if mode == "many":
                held.batches = held.lease.batches(statement, params, size=size, seconds=seconds)
                return await self._next_batch(held)
            found = await held.lease.run(statement, params, limit=mode == "one", seconds=seconds)
            return as_rows(found, keep=mode != "none")

    async def _fetch(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        """The next batch of the last ``execute`` in mode many; ``has_more`` says whether to ask again."""
        async with self._turn(request) as held:
            return await self._next_batch(held)

    async def _next_batch(self, held: _Held) -> dict[str, Any]:
        batches, held.batches = held.batches, None
        if batches is None:
            return {"data": [], "row_count": 0, "columns": [], "has_more": False}
        batch = Fetched((), [], "")
        async for batch in batches:  # goes on behind the last one, which ends the transaction that was begun for them
            if batch.more:
                held.batches = batches
                break
        return {**as_rows(batch), "has_more": batch.more}

    async def _end_batches(self, held: _Held) -> None:
        batches, held.batches = held.batches, None
        if batches is not None:
            await batches.aclose()

    async def _begin(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        async with self._turn(request) as held:
            if held.transaction is not None:
                raise ParameterError("This connection has begun a transaction already: commit or roll it back first.")
            transaction = held.lease.transaction(isolation=str(request.get("isolation") or ""))
            await transaction.begin()
            held.transaction, held.failure = transaction, None
        return {"connection_id": request["connection_id"]}

    def _transaction(self, held: _Held) -> Transaction:
        transaction, held.transaction = held.transaction, None
        if transaction is None:
            if held.failure is not None:  # asked again, as a retry does: it is the same answer
                raise copy.copy(held.failure)
            raise ParameterError("This connection has begun no transaction: begin one first.")
        return transaction

    async def _commit(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        async with self._turn(request) as held:
            transaction = self._transaction(held)
            try:
                await self._end_batches(held)
                await transaction.commit()
            except DatabaseError as error:
                if held.lease.is_held and held.lease.connection.is_in_transaction:
                    held.transaction = transaction  # it was not tried: it can be, or be rolled back
                    raise
                held.failure = _over(error)
                raise held.failure from None
        return {"connection_id": request["connection_id"], "transaction_id": transaction.transaction_id}

    async def _rollback(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        async with self._turn(request) as held:
            failed = held.failure is not None and not isinstance(held.failure, OutcomeUnknownError)
            if held.transaction is not None or not failed:  # else the server has rolled it back already
                transaction = self._transaction(held)
                await self._end_batches(held)
                await transaction.rollback()
        return {"connection_id": request["connection_id"]}

    async def _release(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        async with self._turn(request) as held:
            del self._held[request["connection_id"]]
            if held.batches is not None and held.lease.is_held:
                await self._end_batches(held)
            held.lease.release()
        return {"released": True}

    async def _stats(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        return self.pool.snapshot()

    async def _plain(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        {"pause": self.pool.pause, "resume": self.pool.resume, "evict": self.pool.evict}[request["operation"]]()
        return {"state": self.pool.snapshot()["state"]}

    async def _drain(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        given_back = await self.pool.drain(float(request.get("timeout") or 30.0))
        self._held.clear()
        return {"drained": given_back}

    async def _close(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        await self.pool.aclose()
        self._held.clear()
        return {"closed": True}


def _over(error: DatabaseError) -> DatabaseError:
    """Why a transaction is over that was to be committed; committing again would not help."""
    if not isinstance(error, DatabaseConflictError):
        return error
    made = DatabaseConflictError(
        f"{error} All of the transaction was rolled back: repeat it from begin on.", sqlstate=error.sqlstate
    )
    made.permanent = True
    return made
