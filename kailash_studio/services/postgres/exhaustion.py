"""Taking all connections of a run's pools on purpose: a fault of a test run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from kailash_studio.errors import DatabaseError
from kailash_studio.services.postgres.shared import SharedPools
from kailash_studio.services.postgres.statistics import Owner
from kailash_studio.spec.context import RunContext


@asynccontextmanager
async def exhausted(context: RunContext) -> AsyncIterator[None]:
    """Hold every connection of every pool that is open in a run; the node's own wait then ends as a real one does.

    A pool that is opened later is not held: a test of it needs a node that opens it before.
    """
    pools = context.scope.resources.opened(SharedPools)
    owner = Owner(context.scope.workflow, context.scope.run_id, "a fault that was put in")
    async with AsyncExitStack() as stack:
        if isinstance(pools, SharedPools):
            for pool in pools.pools():
                try:
                    for _ in range(pool.options.max_connections):
                        await stack.enter_async_context(await pool.acquire(owner, seconds=5.0))
                except DatabaseError:
                    continue  # others hold the rest of it
        else:
            context.log("There is no pool to exhaust yet: let a node open it before.", "warning")
        yield
