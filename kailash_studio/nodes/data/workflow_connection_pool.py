"""WorkflowConnectionPool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, Self

from kailash_studio.errors import DatabaseError, ParameterError
from kailash_studio.services.connections import postgresql_target
from kailash_studio.services.credentials.chain import StoredSecrets
from kailash_studio.services.postgres.lease import Lease
from kailash_studio.services.postgres.operations import PoolOperations
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.shared import SharedPools, owner_of
from kailash_studio.services.server_parameters import (
    database_of,
    described_target,
    embedded_target,
    unnamed,
    with_connection,
)
from kailash_studio.services.sql_text import only_reads
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Effect, Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Output, Record, Text

_DETAILS = ("connection", ("details",))
_ON_A_CONNECTION = ("operation", ("execute", "fetch", "begin", "commit", "rollback", "release"))
_OPERATES = ("pause", "resume", "evict", "drain", "close")
_EXECUTES = ("operation", ("execute",))


class WorkflowConnectionPool(Node):
    """Keep connections to a PostgreSQL server ready, and hand them out in the order of asking.

    Put one before the SQL and vector nodes of a workflow and connect its output ``pool`` to theirs, when many of them
    use one server: the embedded one, a ``saved`` one, or one of your own. They share its connections, unhealthy ones
    are replaced, and the panel of pools shows who holds which. In Python, ``await pool.process({"operation": ...})``
    does one operation on a pool that lives as long as the object.

    Operations: ``initialize`` opens the connections; ``acquire`` gives a ``connection_id``, which ``execute``,
    ``fetch`` (the next batch), ``begin``, ``commit``, ``rollback`` and ``release`` take; ``stats`` tells; ``pause``,
    ``resume``, ``evict`` (replace all), ``drain`` and ``close`` operate it. What a run has not released when it ends
    is taken back, and what was not committed is rolled back.

    A transaction over several nodes: nodes of one ``pool_name`` that ``acquire``, ``begin`` and ``commit``, with SQL
    nodes between them, connected by ``connection_id``.

    Example: ``min_connections`` 2, ``max_connections`` 10, ``operation`` initialize, output ``pool`` connected to the
    input ``pool`` of an AsyncSQLDatabaseNode.

    Errors: a server that cannot be reached; no connection came free in time (the sentence names who holds them); a
    connection that was released before.
    """

    category = "Data"
    icon = "layers"
    keywords = ("postgres", "postgresql", "pool", "connections")

    operation: Literal[
        "initialize", "acquire", "execute", "fetch", "begin", "commit", "rollback", "release", "stats", "pause",
        "resume", "evict", "drain", "close",
    ] = Parameter("initialize", doc="What to do with the pool.")  # fmt: skip
    connection: Literal["embedded", "saved", "details"] = Parameter(
        "embedded", doc="The database that ships with the program, a saved one, or the one described below."
    )
    saved: str = Parameter("", doc="Name of the saved connection.", shown_when=("connection", ("saved",)))
    database_type: Literal["postgresql"] = Parameter("postgresql", doc="Kind of database.", shown_when=_DETAILS)
    host: str = Parameter("localhost", doc="Server.", shown_when=_DETAILS)
    port: int = Parameter(5432, ge=1, le=65535, doc="Port of the server.", shown_when=_DETAILS)
    database: str = Parameter("", doc="Name of the database.", shown_when=_DETAILS)
    user: str = Parameter("", doc="User of the database.", shown_when=_DETAILS)
    password: str = Parameter("", doc="Name of the secret with the password.", secret=True, shown_when=_DETAILS)
    connection_string: str = Parameter(
        "",
        doc="Name of the secret with a whole address, instead of the fields above.",
        secret=True,
        shown_when=_DETAILS,
    )
    min_connections: int = Parameter(2, ge=0, le=1000, unit="connections", doc="Kept open, needed or not.")
    max_connections: int = Parameter(10, ge=1, le=1000, unit="connections", doc="The most that are open at once.")
    max_per_workflow: int = Parameter(
        0, ge=0, unit="connections", doc="The most that one workflow may use at once; 0: no limit.", advanced=True
    )
    health_threshold: float = Parameter(
        70.0, ge=0, le=100, doc="Connections below this health, from 0 to 100, are replaced."
    )
    pre_warm: bool = Parameter(
        True,
        doc="Open connections when the pool is initialized: as many as nodes that it feeds can be ready at once, or as "
        "runs of this workflow used at once before.",
    )
    acquire_timeout: float = Parameter(30.0, gt=0, unit="s", doc="How long an acquire waits.")
    statement_timeout: float = Parameter(
        3600.0, gt=0, unit="s", doc="Seconds after which the server stops a statement.", advanced=True
    )
    max_lifetime: float = Parameter(
        1800.0, gt=0, unit="s", doc="How long a connection lives, less a random tenth.", advanced=True
    )
    idle_timeout: float = Parameter(
        300.0, gt=0, unit="s", doc="How long a connection above the minimum stays unused.", advanced=True
    )
    connection_id: str = Parameter(
        "", doc="Which connection, as acquire gave it.", port=True, shown_when=_ON_A_CONNECTION
    )
    query: str = Parameter(
        "", doc="One SQL statement, with $1, $2, ... for the values.", editor="sql", shown_when=_EXECUTES
    )
    params: list[Any] = Parameter([], doc="Values for $1, $2, ...", port=True, shown_when=_EXECUTES)
    fetch_mode: Literal["all", "one", "many", "none"] = Parameter(
        "all", doc="All rows, only the first, the first batch, or none.", shown_when=_EXECUTES
    )
    batch_size: int = Parameter(1000, ge=1, unit="rows", doc="How many rows a batch has.", shown_when=_EXECUTES)

    pool_name: str = Parameter(
        "",
        doc="Name of the pool, so that several nodes use one; by default the node's own id. In a run its options are "
        "those of the node that runs first.",
        advanced=True,
    )

    result = Output(Record, "What the operation gave.")
    pool = Output(Text, "The pool's name, for SQL and vector nodes.")

    def __init__(self, name: str = "", **values: Any) -> None:
        super().__init__(name, **with_connection(values, "saved"))
        self._own: PoolOperations | None = None
        self._opening: tuple[asyncio.AbstractEventLoop | None, asyncio.Lock] = None, asyncio.Lock()
        self._embedded: Any = None

    @classmethod
    def effect_of(cls, parameters: Mapping[str, Any]) -> Effect:
        """As its statement; a commit makes happen what others did, and the pool's operation concerns others too."""
        operation, query = parameters.get("operation", "initialize"), parameters.get("query")
        if not isinstance(operation, str) or operation == "commit":
            return "unsafe"  # a reference may stand for any operation
        if operation in _OPERATES:
            return "idempotent"
        reads = operation != "execute" or (isinstance(query, str) and only_reads(query))
        return "reads" if reads else "unsafe"

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Connects to a database, and may run SQL on it."""
        what = "runs SQL on" if parameters.get("operation") == "execute" else "connects to"
        return [f"{what} {database_of(parameters, 'saved')}"]

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """More connections at least than at most, an empty statement, a saved connection that is not named."""
        problems = []
        least, most = parameters.get("min_connections", 2), parameters.get("max_connections", 10)
        if isinstance(least, int) and isinstance(most, int) and least > most:
            problems.append(("min_connections", f"min_connections is {least}: give at most max_connections, {most}."))
        if parameters.get("operation") == "execute" and not str(parameters.get("query", "")).strip():
            problems.append(("query", "query is empty: write a statement."))
        return problems + unnamed(parameters, "saved")

    async def run(self, context: RunContext) -> Outputs:
        """Do the operation on the pool of this name, which the runs of one runtime share."""
        owner = owner_of(context)
        try:
            pools = await context.scope.resources.get(SharedPools, SharedPools.open)
            name = self.pool_name or self.name or context.node_id
            operations = await self._operations(context, pools, name)
            if self.operation == "initialize" and not self.pre_warm:
                return {"result": {"pool": name, "connections": 0}, "pool": name}
            request = {
                "connections": context.scope.ready_at_once(context.node_id),
                "operation": self.operation,
                "connection_id": self.connection_id,
                "query": self.query,
                "params": self.params,
                "fetch_mode": self.fetch_mode,
                "batch_size": self.batch_size,
            }
            return {"result": await operations.process(request, owner), "pool": name}
        except (DatabaseError, ParameterError) as error:
            raise error.at(context.node_id) from None

    async def _operations(self, context: RunContext, pools: SharedPools, name: str) -> PoolOperations:
        """The pool that is meant: that lent the connection, that is to be looked after, or that is described here."""
        workflow, run = context.scope.workflow, context.scope.run_id
        lent = self.operation in _ON_A_CONNECTION[1] and bool(self.connection_id)
        if lent or self.operation in {"stats", *_OPERATES}:
            found = pools.find(name, run, connection_id=self.connection_id)
            if found is not None:
                return found
        return pools.define(name, await self._target(context), self._options(), workflow=workflow, run=run)

    # ------------------------------------------------------------------ in Python, outside any workflow
    async def process(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do one operation on the pool of this object.

        Args:
            request: ``operation`` and what it takes: ``connection_id``, ``query``, ``params`` (a list, or values by
                name), ``fetch_mode``, ``batch_size``, ``timeout`` (seconds that an acquire, a statement or a drain may
                take), ``isolation``.

        Raises:
            ParameterError: There is no such operation, or it lacks something.
            DatabaseError: The database or the pool refused.
        """
        own = await self._opened()
        operation = request.get("operation")
        if operation == "initialize" and not self.pre_warm:
            return {"pool": own.pool.name, "connections": 0}
        answer = await own.process(request)
        if operation in {"close", "drain"}:
            await self.aclose()
        return answer

    @asynccontextmanager
    async def pool_connection(self) -> AsyncIterator[Lease]:
        """A connection for a block: ``async with pool.pool_connection() as connection: await connection.run(...)``."""
        await self.process({"operation": "initialize"})
        async with await (await self._opened()).pool.acquire() as lease:
            yield lease

    async def _opened(self) -> PoolOperations:
        """The pool of this object; calls at once get the same one."""
        if self._own is not None:
            return self._own
        loop = asyncio.get_running_loop()
        if self._opening[0] is not loop:
            self._opening = loop, asyncio.Lock()
        async with self._opening[1]:
            if self._own is None:
                self._own = PoolOperations(Pool(await self._target(None), self._options(), name=self.name or "pool"))
            return self._own

    async def aclose(self) -> None:
        """Close the pool of this object; it can be used again, and then is a new one."""
        own, self._own = self._own, None
        if own is not None:
            await own.pool.aclose()
        embedded, self._embedded = self._embedded, None
        if embedded is not None:
            await embedded.aclose()

    async def __aenter__(self) -> Self:
        await self.process({"operation": "initialize"})
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def _options(self) -> PoolOptions:
        names = (
            "min_connections", "max_connections", "max_per_workflow", "acquire_timeout", "statement_timeout",
            "health_threshold", "max_lifetime", "idle_timeout",
        )  # fmt: skip
        return PoolOptions(**{name: getattr(self, name) for name in names})

    async def _target(self, context: RunContext | None) -> dict[str, Any]:
        if self.connection == "embedded":
            if context is not None:
                return await embedded_target(context.scope.resources)
            from kailash_studio.services.embedded_database import EmbeddedDatabase

            embedded = self._embedded = self._embedded or await EmbeddedDatabase.open()
            return await embedded.target()
        if self.connection == "saved":
            return await postgresql_target(self.saved, context.scope.secret if context else StoredSecrets())
        return described_target(self)
