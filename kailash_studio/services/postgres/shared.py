"""The pools of a runtime: one for each address, and those that somebody gave a name.

They are a resource of the runtime's, so they live as long as it does: a runtime that is kept (the window's engine, an
``async with``) keeps its connections warm between runs, one that runs once closes them when its run ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import DatabaseError
from kailash_studio.services.postgres.errors import place_of
from kailash_studio.services.postgres.operations import PoolOperations
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.statistics import ACQUIRE_ENDED, Owner
from kailash_studio.services.postgres.use import PoolUse, remember
from kailash_studio.spec.context import RunContext

# A statement may take up to its own limit, so those that wait for its connection are given as long.
_SHARED = PoolOptions(max_connections=20, acquire_timeout=3600.0, idle_timeout=60.0)


def owner_of(context: RunContext) -> Owner:
    """A node as the user of connections; its run is told how long it waited for each, and what it forgot."""
    scope, node_id = context.scope, context.node_id

    def acquired(pool: str, seconds: float, got: bool) -> None:
        scope.note(ACQUIRE_ENDED, node_id, {"pool": pool, "seconds": seconds, "got": got})

    def warned(sentence: str) -> None:
        scope.log("warning", node_id, sentence)

    return Owner(scope.workflow, scope.run_id, node_id, acquired, warned)


class SharedPools:
    """The pools of one runtime, on its loop.

    A run uses one pool of a name from its first use to its end. Another definition of the name makes another pool,
    which further runs use; the former one is drained when the last run that uses it has ended.
    """

    def __init__(self) -> None:
        self._by_address: dict[tuple[tuple[str, str], ...], Pool] = {}
        self._named: dict[str, PoolOperations] = {}  # the last definition of each name
        self._of_runs: dict[tuple[str, str], PoolOperations] = {}  # what a run uses under a name
        self._former: list[PoolOperations] = []
        self._drains: set[asyncio.Task[bool]] = set()

    @classmethod
    async def open(cls) -> SharedPools:
        """None yet; as a resource is made."""
        return cls()

    def at(self, target: Mapping[str, Any], *, workflow: str = "") -> Pool:
        """The pool of an address, made when it is first asked for; ``workflow``: who asks."""
        key = tuple(sorted((name, str(value)) for name, value in target.items()))
        known = self._by_address.get(key)
        if known is None or known.is_ended:  # one that somebody drained serves nobody any more
            if known is not None:
                self._former.append(PoolOperations(known))
            known = self._by_address[key] = Pool(target, _SHARED)
        if workflow:
            known.workflows.add(workflow)
        return known

    def define(
        self, name: str, target: Mapping[str, Any], options: PoolOptions, *, workflow: str = "", run: str = ""
    ) -> PoolOperations:
        """The pool of a name, which leads to this address and, unless the run has one already, has these options.

        Args:
            name: The pool's.
            target: The address.
            options: How it behaves.
            workflow: Whose it is; its use is remembered, and tells how many connections are opened the next time.
            run: Who asks; what it defines first holds for all of it.

        Raises:
            DatabaseError: The run uses a pool of this name that leads elsewhere.
        """
        chosen = self._of_runs.get((run, name))
        if chosen is not None and not chosen.pool.is_ended:
            if chosen.pool.target != dict(target):
                wrong = DatabaseError(
                    f"The pool {name} leads to {chosen.pool.place} in this run, and this node wants one to "
                    f"{place_of(target)}: give the nodes of one pool the same address, or another pool_name."
                )
                wrong.permanent = True
                raise wrong
            return chosen
        known = self._named.get(name)
        if known is None or not known.pool.is_as(target, options):
            former = [each for each in self._former if each.pool.name == name and each.pool.is_as(target, options)]
            if former:  # a run uses it still
                self._former.remove(former[0])
                self._named[name] = former[0]
            else:
                made = self._named[name] = PoolOperations(Pool(target, options, name=name))
                made.use = PoolUse(workflow, name, made.pool.place) if workflow else None
            if known is not None:
                self._former.append(known)
        if run:
            self._of_runs[run, name] = self._named[name]
        if workflow:
            self._named[name].pool.workflows.add(workflow)
        self._drain_former()
        return self._named[name]

    def named(self, name: str, run: str = "") -> Pool:
        """The pool of a name that a run uses, or else the one that was defined last.

        Raises:
            DatabaseError: There is none.
        """
        return self.operations(name, run).pool

    def operations(self, name: str, run: str = "", *, connection_id: str = "") -> PoolOperations:
        """What can be done by words with the pool of a name; it holds the connections that were acquired so.

        Args:
            name: The pool's.
            run: Who asks.
            connection_id: A connection that was lent; its pool is the one, also where the name means another one now.

        Raises:
            DatabaseError: There is none.
        """
        found = self.find(name, run, connection_id=connection_id)
        if found is None:
            known = ", ".join(sorted(self._named)) or "there is none yet"
            wrong = DatabaseError(
                f"There is no pool {name!r} ({known}): let a WorkflowConnectionPool node of that name run before."
            )
            wrong.permanent = True
            raise wrong
        if run:
            self._of_runs.setdefault((run, name), found)
        return found

    def find(self, name: str, run: str = "", *, connection_id: str = "") -> PoolOperations | None:
        """As ``operations``, and None where there is none."""
        if connection_id:
            for each in (*self._named.values(), *self._former):
                if each.pool.name == name and each.lends(connection_id):
                    return each
        return self._of_runs.get((run, name)) or self._named.get(name)

    def _drain_former(self) -> None:
        """Drain what no run uses any more, and forget what is empty."""
        self._former = [each for each in self._former if not each.pool.is_ended or each.pool.is_draining]
        used = {id(operations) for operations in self._of_runs.values()}
        for each in self._former:
            if not each.pool.is_ended and id(each) not in used:
                task = asyncio.get_running_loop().create_task(each.pool.drain(each.pool.options.statement_timeout))
                self._drains.add(task)
                task.add_done_callback(self._drains.discard)

    def _operations(self) -> list[PoolOperations]:
        return [*self._named.values(), *self._former]

    def pools(self) -> list[Pool]:
        """All of them, and those that are replaced until they are empty."""
        self._former = [each for each in self._former if not each.pool.is_ended or each.pool.is_draining]
        return [*self._by_address.values(), *(operations.pool for operations in self._operations())]

    def snapshots(self) -> list[dict[str, Any]]:
        """What a panel shows of all of them."""
        return [pool.snapshot() for pool in self.pools()]

    def run_ended(self, run_id: str) -> None:
        """Take back what a run has not given back."""
        for operations in self._operations():
            operations.run_ended(run_id)
        for pool in self._by_address.values():
            pool.run_ended(run_id)
        for key in [key for key in self._of_runs if key[0] == run_id]:
            del self._of_runs[key]
        self._drain_former()
        self._remember()

    def _remember(self) -> None:
        """Write down how many connections were used at once, where that is news."""
        fresh = {}
        for operations in self._operations():
            peak = operations.pool.statistics.peak
            if operations.use is not None and peak > operations.remembered:
                fresh[operations.use] = operations.remembered = peak
        if fresh:
            threading.Thread(target=remember, args=(fresh,), name="pool-use", daemon=False).start()

    async def aclose(self) -> None:
        """Close all of them."""
        self._remember()
        for task in [*self._drains]:
            task.cancel()
        for pool in self.pools():
            await pool.aclose()
        await asyncio.gather(*self._drains, return_exceptions=True)
