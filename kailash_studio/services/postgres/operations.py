"""A pool by requests that are plain data: connections go by an id, so a graph or a caller elsewhere can hold them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import ParameterError, PoolClosedError
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
                ``batch_size``, ``timeout``, ``isolation``.
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

    async def _execute(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        mode = request.get("fetch_mode", "all")
        if mode not in _MODES:
            raise ParameterError(f"fetch_mode is {mode!r}: give one of {', '.join(_MODES)}.")
        query = str(request.get("query") or "")
        if not query.strip():
            raise ParameterError("query is empty: write a statement.")
        given = request.get("params")
        statement, params = bound(query, given) if isinstance(given, Mapping) else (query, list(given or ()))
        if not request.get("connection_id"):  # one statement alone: a connection for as long as it takes
            async with await self.pool.acquire(owner) as lease:
                return as_rows(await lease.run(statement, params, limit=mode == "one"), keep=mode != "none")
        held = self._of(request)
        await self._end_batches(held)
        if mode == "many":
            held.batches = held.lease.batches(statement, params, size=int(request.get("batch_size") or 1000))
            return await self._fetch(request, owner)
        return as_rows(await held.lease.run(statement, params, limit=mode == "one"), keep=mode != "none")

    async def _fetch(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        """The next batch of the last ``execute`` in mode many; ``has_more`` says whether to ask again."""
        held = self._of(request)
        if held.batches is None:
            return {"data": [], "row_count": 0, "columns": [], "has_more": False}
        try:
            batch = await anext(held.batches)
        except StopAsyncIteration:
            held.batches = None
            return {"data": [], "row_count": 0, "columns": [], "has_more": False}
        except BaseException:
            held.batches = None
            raise
        return {**as_rows(batch), "has_more": True}

    async def _end_batches(self, held: _Held) -> None:
        batches, held.batches = held.batches, None
        if batches is not None:
            await batches.aclose()

    async def _begin(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        held = self._of(request)
        if held.transaction is not None:
            raise ParameterError("This connection has begun a transaction already: commit or roll it back first.")
        transaction = held.lease.transaction(isolation=str(request.get("isolation") or ""))
        await transaction.begin()
        held.transaction = transaction
        return {"connection_id": request["connection_id"]}

    def _transaction(self, request: Mapping[str, Any]) -> tuple[_Held, Transaction]:
        held = self._of(request)
        transaction, held.transaction = held.transaction, None
        if transaction is None:
            raise ParameterError("This connection has begun no transaction: begin one first.")
        return held, transaction

    async def _commit(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        held, transaction = self._transaction(request)
        await self._end_batches(held)
        await transaction.commit()
        return {"connection_id": request["connection_id"], "transaction_id": transaction.transaction_id}

    async def _rollback(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        held, transaction = self._transaction(request)
        await self._end_batches(held)
        await transaction.rollback()
        return {"connection_id": request["connection_id"]}

    async def _release(self, request: Mapping[str, Any], owner: Owner) -> dict[str, Any]:
        held = self._of(request)
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
