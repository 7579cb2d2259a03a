"""AsyncSQLDatabaseNode."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from kailash_studio.errors import DatabaseError, ParameterError
from kailash_studio.nodes.named_files import file_of
from kailash_studio.services.connections import Connections, SavedConnection
from kailash_studio.services.duckdb_file import DuckDBFiles
from kailash_studio.services.mysql import MySQLServers
from kailash_studio.services.mysql_target import MySQLTarget, target_of
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.shared import SharedPools, owner_of
from kailash_studio.services.postgres.statements import bound
from kailash_studio.services.server_parameters import (
    database_of,
    described_target,
    embedded_target,
    implied,
    unnamed,
    with_connection,
)
from kailash_studio.services.sql import ResultSet, query_postgresql, query_sqlite
from kailash_studio.services.sql_text import only_reads, page
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Effect, Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Number, Output, Record, Table

_DETAILS = ("connection", ("details",))
_FILES = {"sqlite": "SQLite file", "duckdb": "DuckDB file"}
_NAMED = ("pool", "saved")


class AsyncSQLDatabaseNode(Node):
    """Run an SQL statement on PostgreSQL, SQLite, DuckDB, MySQL or MariaDB.

    ``embedded`` is the PostgreSQL that ships with the program; it starts by itself and holds sample tables (clients,
    portfolios, positions, market_prices). ``details`` connects to a server or a file of your own; in Python,
    giving ``host``, ``database`` or ``connection_string`` means that. ``pool`` takes a connection of the pool that a
    WorkflowConnectionPool node of that name opened before; ``saved`` one of the connections that you have saved under a
    name (``kailash-studio connections``). Nodes that use the same server share its connections.

    Values are bound, never pasted: write ``$1``, ``$2`` where they go and list them in ``params``, or connect a list;
    or write ``:name`` and give them by name in ``values``. Texts are read as dates, times, UUIDs and exact numbers
    where PostgreSQL wants these: write ``2024-12-31``, ``2024-12-31T23:59:59+00:00``, ``P1DT2H``, ``12.50``.
    Numbers of type numeric arrive exact, as decimals. Many rows of PostgreSQL and DuckDB arrive as a table, which takes
    a tenth of the memory and reads like a list of records.

    DuckDB needs the extra ``duckdb``; a statement reaches the tables of its file, and no other file. MySQL and MariaDB
    need the extra ``mysql``; ``connection_string`` is ``mysql://user:password@host:port/database``, with ``?ssl=true``
    behind it for TLS.

    Example: ``SELECT client_name, total_value FROM portfolios WHERE risk_profile = $1`` with params
    ``["Conservative"]``.

    Errors: a server that cannot be reached, a statement that the database refuses; the sentence has the line and
    column in your statement. A change whose answer was lost is reported as unknown and not tried again.
    """

    category = "Data"
    icon = "database"
    keywords = ("postgres", "postgresql", "sqlite", "duckdb", "mysql", "mariadb", "select", "query", "table")

    query: str = Parameter(doc="One SQL statement, with $1, $2, ... for the values.", editor="sql")
    params: list[Any] = Parameter([], doc="Values for $1, $2, ...", port=True)
    values: dict[str, Any] = Parameter({}, doc="Values for :name in the statement, by name.", advanced=True)
    fetch_mode: Literal["all", "one", "many", "none"] = Parameter(
        "all", doc="All rows, only the first, one batch, or none."
    )
    batch_size: int = Parameter(
        1000, ge=1, unit="rows", doc="How many rows a batch has.", shown_when=("fetch_mode", ("many",))
    )
    batch: int = Parameter(
        1,
        ge=1,
        port=True,
        doc="Which batch; give the statement an ORDER BY, so that no row is in two of them.",
        shown_when=("fetch_mode", ("many",)),
    )
    statement_timeout: float = Parameter(
        3600.0, gt=0, unit="s", doc="Seconds after which the server stops the statement.", advanced=True
    )
    connection: Literal["embedded", "saved", "details", "pool"] = Parameter(
        "embedded", doc="The database that ships with the program, a saved one, the one described below, or a pool's."
    )
    saved: str = Parameter("", doc="Name of the saved connection.", shown_when=("connection", ("saved",)))
    pool: str = Parameter("", doc="Name of the pool.", port=True, shown_when=("connection", ("pool",)))
    connection_id: str = Parameter(
        "",
        doc="Run on this connection, as a pool's acquire gave it, and inside its transaction.",
        port=True,
        advanced=True,
        shown_when=("connection", ("pool",)),
    )
    database_type: Literal["postgresql", "sqlite", "duckdb", "mysql"] = Parameter(
        "postgresql", doc="Kind of database.", shown_when=_DETAILS
    )
    host: str = Parameter("localhost", doc="Server.", shown_when=_DETAILS)
    port: int = Parameter(
        5432, ge=1, le=65535, doc="Port of the server; 5432 means 3306 for MySQL.", shown_when=_DETAILS
    )
    database: str = Parameter(
        "", doc="Name of the database, or path of the SQLite or DuckDB file.", shown_when=_DETAILS
    )
    user: str = Parameter("", doc="User of the database.", shown_when=_DETAILS)
    password: str = Parameter("", doc="Name of the secret with the password.", secret=True, shown_when=_DETAILS)
    connection_string: str = Parameter(
        "",
        doc="Name of the secret with a whole address, instead of the fields above.",
        secret=True,
        shown_when=_DETAILS,
    )

    result = Output(Record, "Rows under data, their number under row_count, names under columns.")
    data = Output(Table, "The rows.")
    row_count = Output(Number, "Rows returned, or changed.")

    def __init__(self, name: str = "", **values: Any) -> None:
        values = with_connection(values, *_NAMED)
        if isinstance(values.get("params"), Mapping):
            values = {**values, "params": [], "values": {**values.get("values", {}), **values["params"]}}
        super().__init__(name, **values)

    @classmethod
    def effect_of(cls, parameters: Mapping[str, Any]) -> Effect:
        """A statement that plainly reads, or one that may change something."""
        query = parameters.get("query")
        return "reads" if isinstance(query, str) and only_reads(query, _dialect(parameters)) else "unsafe"

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Runs SQL on a database."""
        kind = _FILES.get(str(parameters.get("database_type")), "")
        if kind and (parameters.get("connection") or implied(parameters, *_NAMED)) == "details":
            return [f"runs SQL on {file_of(parameters.get('database'), kind)}"]
        return [f"runs SQL on {database_of(parameters, *_NAMED)}"]

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """An empty statement, a file that is not named."""
        problems = []
        if isinstance(parameters.get("query"), str) and not parameters["query"].strip():
            problems.append(("query", "query is empty: write a statement."))
        batch = parameters.get("batch")
        later = parameters.get("fetch_mode") == "many" and isinstance(batch, int) and batch > 1
        if (
            later
            and isinstance(parameters.get("query"), str)
            and not only_reads(parameters["query"], _dialect(parameters))
        ):
            problems.append(("batch", "batch is for statements that only read: others give the first one alone."))
        kind = parameters.get("database_type")
        if isinstance(kind, str) and kind in _FILES and not parameters.get("database"):
            named = _FILES[kind]
            problems.append(("database", f"database is not set: give the path of {named}."))
        return problems + unnamed(parameters, *_NAMED)

    async def run(self, context: RunContext) -> Outputs:
        """Run the statement; the outputs hold the rows."""
        limit = {"one": 1, "many": self.batch_size + 1}.get(self.fetch_mode, 0)
        try:
            skip = self._skipped
            statement, params = bound(self.query, self.values, self.params)
            saved = await asyncio.to_thread(Connections().get, self.saved) if self.connection == "saved" else None
            kind = saved.kind if saved is not None else self.database_type if self.connection == "details" else ""
            if kind and kind != "postgresql":
                found = await self._elsewhere(context, kind, saved, statement, params, skip, limit)
            elif self.connection == "pool" and self.connection_id:
                paged = page(statement, offset=skip, limit=limit) if skip else statement
                return await self._on_held(context, paged, params)
            else:
                statement = page(statement, offset=skip, limit=limit) if skip else statement  # computed no further
                pool = await self._pool(context, saved)
                owner = owner_of(context)
                seconds = min(self.statement_timeout, pool.options.statement_timeout)
                found = await query_postgresql(pool, owner, statement, params, limit=limit, seconds=seconds)
        except DatabaseError as error:
            raise error.at(context.node_id) from None
        rows = [] if self.fetch_mode == "none" else found.rows
        if self.fetch_mode != "many":
            result = {"data": rows, "row_count": found.row_count, "columns": found.columns}
            return {"result": result, "data": rows, "row_count": found.row_count}
        batch = rows[: self.batch_size]
        count = len(batch) if found.columns else found.row_count
        more = len(rows) > len(batch)
        result = {
            "data": batch, "row_count": count, "columns": found.columns, "has_more": more, "batch": self.batch
        }  # fmt: skip
        return {"result": result, "data": batch, "row_count": count}

    async def _elsewhere(
        self,
        context: RunContext,
        kind: str,
        saved: SavedConnection | None,
        statement: str,
        params: Sequence[Any],
        skip: int,
        limit: int,
    ) -> ResultSet:
        """Run on a database of another kind than PostgreSQL."""
        resources, seconds = context.scope.resources, self.statement_timeout
        if kind == "mysql":
            servers = await resources.get(MySQLServers, MySQLServers.open)
            if saved is not None:
                target = target_of(await asyncio.to_thread(saved.target, context.scope.secret))
            elif self.connection_string:
                target = MySQLTarget.of(self.connection_string)
            else:
                target = target_of(await self._target(context))
            return await servers.query(target, statement, params, skip=skip, limit=limit, seconds=seconds)
        path = context.path(saved.database if saved is not None else self.database)
        if kind == "duckdb":
            files = await resources.get(DuckDBFiles, DuckDBFiles.open)
            run = context.scope.run_id
            return await files.query(path, statement, params, skip=skip, limit=limit, seconds=seconds, run=run)
        return await query_sqlite(path, statement, params, skip=skip, limit=limit, seconds=seconds)

    @property
    def _skipped(self) -> int:
        """How many rows come before the batch that is asked for."""
        if self.fetch_mode != "many" or self.batch == 1:
            return 0
        if not only_reads(self.query, _dialect({"database_type": self.database_type})):
            raise ParameterError("batch is for statements that only read: others give the first one alone.")
        return (self.batch - 1) * self.batch_size

    async def _on_held(self, context: RunContext, statement: str, params: Sequence[Any]) -> Outputs:
        """Run on a connection that somebody holds; the result hands its id on, for the next node of the transaction."""
        pools = await context.scope.resources.get(SharedPools, SharedPools.open)
        of_run = pools.operations(self.pool, context.scope.run_id, connection_id=self.connection_id)
        answer = await of_run.process(
            {
                "operation": "execute",
                "connection_id": self.connection_id,
                "query": statement,
                "params": list(params),
                "fetch_mode": self.fetch_mode,
                "batch_size": self.batch_size,
                "timeout": min(self.statement_timeout, of_run.pool.options.statement_timeout),
            },
            owner_of(context),
        )
        result = {**answer, "connection_id": self.connection_id}
        return {"result": result, "data": answer["data"], "row_count": answer["row_count"]}

    async def _pool(self, context: RunContext, saved: SavedConnection | None) -> Pool:
        pools = await context.scope.resources.get(SharedPools, SharedPools.open)
        if saved is not None:
            target = await asyncio.to_thread(saved.target, context.scope.secret)
            return pools.at(target, workflow=context.scope.workflow)
        if self.connection == "pool":
            return pools.named(self.pool, context.scope.run_id)
        return pools.at(await self._target(context), workflow=context.scope.workflow)

    async def _target(self, context: RunContext) -> dict[str, Any]:
        if self.connection == "embedded":
            return await embedded_target(context.scope.resources)
        return described_target(self)


def _dialect(parameters: Mapping[str, Any]) -> str:
    """Whose lexical rules a statement follows, as far as the parameters tell."""
    return "mysql" if parameters.get("database_type") == "mysql" else "postgresql"
