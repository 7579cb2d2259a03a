"""The pools of a runtime: one for each address, and those that somebody gave a name.

They are a resource of the runtime's, so they live as long as it does: a runtime that is kept (the window's engine, an
``async with``) keeps its connections warm between runs, one that runs once closes them when its run ends.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import DatabaseError
from kailash_studio.services.postgres.operations import PoolOperations
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.statistics import ACQUIRE_ENDED, Owner
from kailash_studio.services.postgres.use import PoolUse, remember
from kailash_studio.spec.context import RunContext

# A statement may take up to its own limit, so those that wait for its connection are given as long.
_SHARED = PoolOptions(max_connections=20, acquire_timeout=3600.0, idle_timeout=60.0)


def owner_of(context: RunContext) -> Owner:
    """A node as the user of connections; its run is told how long it waited for each."""
    scope, node_id = context.scope, context.node_id

    def acquired(pool: str, seconds: float, got: bool) -> None:
        scope.note(ACQUIRE_ENDED, node_id, {"pool": pool, "seconds": seconds, "got": got})

    return Owner(scope.workflow, scope.run_id, node_id, acquired)


class SharedPools:
    """The pools of one runtime, on its loop."""

    def __init__(self) -> None:
        self._by_address: dict[tuple[tuple[str, str], ...], Pool] = {}
        self._named: dict[str, PoolOperations] = {}

    @classmethod
    async def open(cls) -> SharedPools:
        """None yet; as a resource is made."""
        return cls()

    def at(self, target: Mapping[str, Any]) -> Pool:
        """The pool of an address, made when it is first asked for."""
        key = tuple(sorted((name, str(value)) for name, value in target.items()))
        known = self._by_address.get(key)
        if known is None or known.is_ended:  # one that somebody drained serves nobody any more
            known = self._by_address[key] = Pool(target, _SHARED)
        return known

    def define(
        self, name: str, target: Mapping[str, Any], options: PoolOptions, *, workflow: str = ""
    ) -> PoolOperations:
        """The pool of a name; what is defined first holds while it is open.

        Args:
            name: The pool's.
            target: The address.
            options: How it behaves.
            workflow: Whose use of it is remembered, and tells how many connections are opened the next time.
        """
        known = self._named.get(name)
        if known is None or known.pool.is_ended:
            known = self._named[name] = PoolOperations(Pool(target, options, name=name))
            known.use = PoolUse(workflow, name, known.pool.place) if workflow else None
        return known

    def named(self, name: str) -> Pool:
        """The pool of a name.

        Raises:
            DatabaseError: There is none.
        """
        if name not in self._named:
            known = ", ".join(sorted(self._named)) or "there is none yet"
            wrong = DatabaseError(
                f"There is no pool {name!r} ({known}): let a WorkflowConnectionPool node of that name run before."
            )
            wrong.permanent = True
            raise wrong
        return self._named[name].pool

    def operations(self, name: str) -> PoolOperations:
        """What can be done by words with the pool of a name; it holds the connections that were acquired so.

        Raises:
            DatabaseError: There is none.
        """
        self.named(name)
        return self._named[name]

    def pools(self) -> list[Pool]:
        """All of them."""
        return [*self._by_address.values(), *(operations.pool for operations in self._named.values())]

    def snapshots(self) -> list[dict[str, Any]]:
        """What a panel shows of all of them."""
        return [pool.snapshot() for pool in self.pools()]

    def run_ended(self, run_id: str) -> None:
        """Take back what a run has not given back."""
        for pool in self.pools():
            pool.run_ended(run_id)
        self._remember()

    def _remember(self) -> None:
        """Write down how many connections were used at once, where that is news."""
        fresh = {}
        for operations in self._named.values():
            peak = operations.pool.statistics.peak
            if operations.use is not None and peak > operations.remembered:
                fresh[operations.use] = operations.remembered = peak
        if fresh:
            threading.Thread(target=remember, args=(fresh,), name="pool-use", daemon=False).start()

    async def aclose(self) -> None:
        """Close all of them."""
        self._remember()
        for pool in self.pools():
            await pool.aclose()
