"""What the window asks about databases: the pools that are open, and the connections that are saved.

=================  =============================================  =====================================================
do                 with                                           ok
=================  =============================================  =====================================================
pools              --                                             ``pools`` (``Pool.snapshot``), ``now``: seconds
pool_do            ``pool``: the ``id`` of its snapshot;          --; ``drain`` goes on by itself
                   ``what``: ``pause``, ``resume``, ``evict``,
                   ``drain``
connections        --                                             ``connections``: fields of ``SavedConnection``
connection_put     ``connection``; ``instead_of``: its former     --
                   name; ``password``: to store, or absent
connection_remove  ``name``                                       --
connection_test    ``connection``; ``password``: to be tried      ``sentence``
                   without being stored, or absent
secret_places      --                                             ``places``: fields of ``Tested``
secret_where       ``name``                                       ``places``: fields of ``Place``; never a value
=================  =============================================  =====================================================
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import Any

from kailash_studio.errors import EngineError, StudioError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.services.connections import Connections, SavedConnection, tried
from kailash_studio.services.credentials.chain import StoredSecrets, default_chain
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.shared import SharedPools

Answer = dict[str, Any]
Handler = Callable[[Mapping[str, Any]], Answer | asyncio.Future[Answer]]
Work = Callable[[Mapping[str, Any]], Coroutine[Any, Any, Answer]]


class DatabaseRequests:
    """Answers a window's questions about databases; one belongs to each engine process."""

    def __init__(self, runtime: AsyncLocalRuntime) -> None:
        self._runtime = runtime
        self._tasks: set[asyncio.Future[Any]] = set()
        self._stored = runtime.secret if isinstance(runtime.secret, StoredSecrets) else StoredSecrets()

    def handlers(self) -> dict[str, Handler]:
        """The requests, by name."""

        def later(work: Work) -> Handler:
            return lambda request: self._begin(work(request))

        return {
            "pools": self._pools,
            "pool_do": self._pool_do,
            "connections": later(self._connections),
            "connection_put": later(self._put),
            "connection_remove": later(self._remove),
            "connection_test": later(self._test),
            "secret_places": later(self._places),
            "secret_where": later(self._where),
        }

    def test_places(self) -> None:
        """Test the places of secrets in the background."""
        self._stored.test()

    def _begin(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Future[Answer]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ------------------------------------------------------------------ pools
    def _all(self) -> list[Pool]:
        shared = self._runtime.opened(SharedPools)
        if not isinstance(shared, SharedPools):
            return []
        return [pool for pool in shared.pools() if not pool.is_ended or pool.is_draining]

    def _pools(self, request: Mapping[str, Any]) -> Answer:
        return {"pools": [pool.snapshot() for pool in self._all()], "now": time.monotonic()}

    def _pool_do(self, request: Mapping[str, Any]) -> Answer:
        what = request["what"]
        pool = next((pool for pool in self._all() if pool.id == request["pool"] and not pool.is_ended), None)
        if pool is None:
            raise EngineError("The pool is not open any more.")
        match what:
            case "pause":
                pool.pause()
            case "resume":
                pool.resume()
            case "evict":
                pool.evict()
            case "drain":
                self._begin(_drained(pool))
            case _:
                raise EngineError(f"A pool cannot {what!r}.")
        return {}

    # ------------------------------------------------------------------ saved connections
    async def _connections(self, request: Mapping[str, Any]) -> Answer:
        known = await asyncio.to_thread(Connections().all)
        return {"connections": [asdict(saved) for saved in known]}

    async def _put(self, request: Mapping[str, Any]) -> Answer:
        saved = SavedConnection(**request["connection"])
        password = request.get("password")

        def work() -> None:
            if password:
                default_chain().set(saved.secret, password)  # first: a connection without its secret is of no use
            Connections().put(saved, instead_of=str(request.get("instead_of") or ""))

        if password and not saved.secret:
            raise EngineError("The password needs the name of a secret that it is stored under.")
        await asyncio.to_thread(work)
        return {}

    async def _remove(self, request: Mapping[str, Any]) -> Answer:
        await asyncio.to_thread(Connections().remove, str(request["name"]))
        return {}

    async def _places(self, request: Mapping[str, Any]) -> Answer:
        return {"places": [asdict(tested) for tested in await asyncio.to_thread(self._stored.tested)]}

    async def _where(self, request: Mapping[str, Any]) -> Answer:
        return {
            "places": [asdict(place) for place in await asyncio.to_thread(self._stored.where, str(request["name"]))]
        }

    async def _test(self, request: Mapping[str, Any]) -> Answer:
        saved, password = SavedConnection(**request["connection"]), request.get("password")
        redactor = Redactor((lambda name: str(password)) if password else self._runtime.secret)
        try:
            return {"sentence": redactor.text(await tried(saved, redactor.secret))}
        except StudioError as error:
            raise redactor.error(error) from None  # a server may say what it was given


async def _drained(pool: Pool) -> Answer:
    await pool.drain()
    return {}
