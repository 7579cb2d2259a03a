"""WorkflowConnectionPool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, Self

from kailash_studio.errors import DatabaseError
from kailash_studio.services.postgres.lease import Lease
from kailash_studio.services.postgres.operations import PoolOperations
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.shared import SharedPools, owner_of
from kailash_studio.services.sql_text import only_reads
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Effect, Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Output, Record, Text

_DETAILS = ("connection", ("details",))
_OWN = frozenset({"host", "database", "connection_string", "user"})
_ON_A_CONNECTION = ("operation", ("execute", "fetch", "begin", "commit", "rollback", "release"))
_EXECUTES = ("operation", ("execute",))


class WorkflowConnectionPool(Node):
    """Keep connections to a PostgreSQL server ready, and hand them out in the order of asking.

    Put one before the SQL nodes of a workflow and connect its output ``pool`` to theirs, when many of them use one
    server: they share its connections, unhealthy ones are replaced, and the panel of pools shows who holds which. In
    Python, ``await pool.process({"operation": ...})`` does one operation on a pool that lives as long as the object.

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
    connection: Literal["embedded", "details"] = Parameter(
        "embedded", doc="The database that ships with the program, or the one described below."
    )
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
    query: str = Parameter("", doc="One SQL statement, with $1 or :name.", editor="sql", shown_when=_EXECUTES)
    params: list[Any] = Parameter([], doc="Values for $1, $2, ...", port=True, shown_when=_EXECUTES)
    fetch_mode: Literal["all", "one", "many", "none"] = Parameter(
        "all", doc="All rows, only the first, the first batch, or none.", shown_when=_EXECUTES
    )
    batch_size: int = Parameter(1000, ge=1, unit="rows", doc="How many rows a batch has.", shown_when=_EXECUTES)

    pool_name: str = Parameter(
        "", doc="Name of the pool, so that several nodes use one; by default the node's own id.", advanced=True
    )

    result = Output(Record, "What the operation gave.")
    pool = Output(Text, "The pool's name, for SQL nodes.")

    def __init__(self, name: str = "", **values: Any) -> None:
        if "connection" not in values and _OWN & values.keys():
            values["connection"] = "details"
        super().__init__(name, **values)
        self._own: PoolOperations | None = None
        self._embedded: Any = None

    @classmethod
    def effect_of(cls, parameters: Mapping[str, Any]) -> Effect:
        """As its statement; what only concerns the pool can be repeated."""
        query, operation = parameters.get("query"), parameters.get("operation", "initialize")
        lends = isinstance(operation, str) and operation != "execute"  # a reference may stand for any operation
        return "reads" if lends or (isinstance(query, str) and only_reads(query)) else "unsafe"

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Connects to a database, and may run SQL on it."""
        what = "runs SQL on" if parameters.get("operation") == "execute" else "connects to"
        if parameters.get("connection", "embedded") == "embedded" and not _OWN & parameters.keys():
            return [f"{what} the embedded database"]
        return [f"{what} {parameters.get('host', 'localhost')}/{parameters.get('database', '')}"]

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """More connections at least than at most, an empty statement."""
        problems = []
        least, most = parameters.get("min_connections", 2), parameters.get("max_connections", 10)
        if isinstance(least, int) and isinstance(most, int) and least > most:
            problems.append(("min_connections", f"min_connections is {least}: give at most max_connections, {most}."))
        if parameters.get("operation") == "execute" and not str(parameters.get("query", "")).strip():
            problems.append(("query", "query is empty: write a statement."))
        return problems

    async def run(self, context: RunContext) -> Outputs:
        """Do the operation on the pool of this name, which the runs of one runtime share."""
        owner = owner_of(context)
        try:
            pools = await context.scope.resources.get(SharedPools, SharedPools.open)
            name = self.pool_name or self.name or context.node_id
            target = await self._target(context)
            operations = pools.define(name, target, self._options(), workflow=context.scope.workflow)
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
        except DatabaseError as error:
            raise error.at(context.node_id) from None

    # ------------------------------------------------------------------ in Python, outside any workflow
    async def process(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do one operation on the pool of this object.

        Args:
            request: ``operation`` and what it takes: ``connection_id``, ``query``, ``params`` (a list, or values by
                name), ``fetch_mode``, ``batch_size``, ``timeout``, ``isolation``.

        Raises:
            ParameterError: There is no such operation, or it lacks something.
            DatabaseError: The database or the pool refused.
        """
        if self._own is None:
            self._own = PoolOperations(Pool(await self._target(None), self._options(), name=self.name or "pool"))
        operation = request.get("operation")
        if operation == "initialize" and not self.pre_warm:
            return {"pool": self._own.pool.name, "connections": 0}
        answer = await self._own.process(request)
        if operation in {"close", "drain"}:
            await self.aclose()
        return answer

    @asynccontextmanager
    async def pool_connection(self) -> AsyncIterator[Lease]:
        """A connection for a block: ``async with pool.pool_connection() as connection: await connection.run(...)``."""
        await self.process({"operation": "initialize"})
        assert self._own is not None
        async with await self._own.pool.acquire() as lease:
            yield lease

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
            from kailash_studio.services.embedded_database import EmbeddedDatabase

            if context is not None:
                embedded = await context.scope.resources.get(EmbeddedDatabase, EmbeddedDatabase.open)
            else:
                embedded = self._embedded = await EmbeddedDatabase.open()
            return await embedded.target()
        if self.connection_string:
            return {"dsn": self.connection_string}
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database or None,
            "user": self.user or None,
            "password": self.password or None,
        }
