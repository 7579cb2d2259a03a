"""AsyncPostgreSQLVectorNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kailash_studio.errors import DatabaseError, NodeError, ParameterError
from kailash_studio.services.connections import postgresql_target
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.shared import SharedPools, owner_of
from kailash_studio.services.server_parameters import (
    database_of,
    described_target,
    embedded_target,
    unnamed,
    with_connection,
)
from kailash_studio.services.vectors.connection import on_pool
from kailash_studio.services.vectors.filters import read_filter
from kailash_studio.services.vectors.store import VectorStore
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Effect, Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Number, Output, Record, Table, Text
from kailash_studio.spec.values import to_plain

_DETAILS = ("connection", ("details",))
_NAMED = ("pool", "saved")
_SEARCH = ("operation", ("search",))
_CREATE = ("operation", ("create",))
_INDEX = ("operation", ("index",))


class AsyncPostgreSQLVectorNode(Node):
    """Store vectors in PostgreSQL with pgvector, and find the nearest ones.

    ``search`` gives the rows whose vectors are nearest to ``vector``, of those that pass ``metadata_filter``.
    ``create`` makes a table, ``upsert`` stores rows (those with an id that is there are replaced), ``delete`` removes
    rows by id or filter, ``index`` makes searching in many rows fast; one for the same distance that has other
    options is replaced. Connect ``table`` to the next node's ``table_name`` so that it waits. Vectors come from an
    EmbeddingNode.

    ``distance_metric`` says what near means; less is nearer. ``cosine`` compares directions: 0 is the same, 1 has
    nothing in common, 2 is the opposite; it is the one for texts. ``l2`` is the straight line between two points.
    ``inner_product`` is negative, -1 for two equal vectors that are 1 long. An index serves the distance that it was
    made for.

    A filter is a condition in SQL's words, or an object. ``metadata->>'category'`` is a value in the metadata as text;
    a cast makes a number or a date of it. It is parsed, its values are bound, and what is not understood is an error
    that names the place.

    ``metadata->>'category' = 'policy'``

    ``metadata->>'category' IN ('policy', 'research') AND (metadata->>'year')::int >= 2020``

    ``(metadata->>'published_on')::date BETWEEN '2009-01-01' AND '2009-06-30'``

    ``metadata->>'author' ILIKE 'a%' AND NOT metadata ? 'withdrawn'``

    ``{"category": ["policy", "research"], "year": {"$gte": 2020}}``

    A search gives as many rows as ``limit`` says, however few pass the filter, as long as there are so many. Where
    there are not, ``result.note`` and the run's log say so: ``Only 3 of the 10 rows that were asked for match the
    filter.`` ``result.plan`` says how they were found: ``exact`` (compared one by one), ``hnsw`` or ``ivfflat`` (by an
    index), or an index and then ``exact``.

    ``embedded`` is the PostgreSQL that ships with the program; ``saved`` is a connection that you have saved under a
    name (``kailash-studio connections``); ``details`` is a server of your own with pgvector, which giving ``host``,
    ``database`` or ``connection_string`` in Python means; ``pool`` takes a connection of the pool that a
    WorkflowConnectionPool node of that name opened before. Nodes that use the same server share its connections.

    Example: operation ``search``, table_name ``documents``, limit 5, and ``vector`` connected to an EmbeddingNode.

    Errors: a table that is not there or has other dimensions, a filter that is not understood (with its place), a row
    without a vector, a server that cannot be reached. Each operation can be done again with the same result, so a
    retry never does harm.
    """

    title = "Async PostgreSQL Vector"
    category = "Data"
    icon = "search"
    keywords = ("pgvector", "embedding", "semantic", "similarity", "nearest", "search", "postgres")

    operation: Literal["search", "upsert", "create", "delete", "index"] = Parameter("search", doc="What to do.")
    table_name: str = Parameter(doc="The table, with its schema where that is not the first.", min_length=1, port=True)
    vector: list[float] = Parameter([], doc="What to be near to.", port=True, shown_when=_SEARCH)
    distance_metric: Literal["cosine", "l2", "inner_product"] = Parameter(
        "cosine",
        doc="Cosine of the angle, straight line, or negative inner product.",
        shown_when=("operation", ("search", "index")),
    )
    limit: int = Parameter(10, ge=1, le=100_000, unit="rows", doc="How many rows to find.", shown_when=_SEARCH)
    metadata_filter: str | dict[str, Any] = Parameter(
        "",
        doc="Which rows count: a condition in SQL's words, or an object (also as JSON text); empty for all.",
        placeholder="metadata->>'category' = 'financial'",
        port=True,
        shown_when=("operation", ("search", "delete")),
    )
    plan: Literal["auto", "exact", "index"] = Parameter(
        "auto",
        doc="Compare each row that passes the filter, use the index, or choose.",
        advanced=True,
        shown_when=_SEARCH,
    )
    effort: int = Parameter(
        0,
        ge=0,
        le=10_000,
        doc="hnsw.ef_search (at most 1,000) or ivfflat.probes: more finds more true neighbours, slower; 0 chooses.",
        advanced=True,
        shown_when=_SEARCH,
    )
    ids: list[Any] = Parameter([], doc="Rows to delete.", port=True, shown_when=("operation", ("delete",)))
    dimensions: int = Parameter(384, ge=1, le=16_000, unit="numbers", doc="Numbers in a vector.", shown_when=_CREATE)
    precision: Literal["auto", "full", "half"] = Parameter(
        "auto", doc="4 bytes a number, 2, or 2 from 768 dimensions.", shown_when=_CREATE
    )
    index_type: Literal["hnsw", "ivfflat"] = Parameter(
        "hnsw",
        doc="A graph (finds more), or lists (builds faster; make it when the rows are there).",
        shown_when=_INDEX,
    )
    m: int = Parameter(16, ge=2, le=100, doc="Neighbours of a row in the graph.", advanced=True, shown_when=_INDEX)
    ef_construction: int = Parameter(
        0,
        ge=0,
        le=1000,
        doc="Candidates looked at while the graph is built, at least twice m; 0 takes 64, or twice m.",
        advanced=True,
        shown_when=_INDEX,
    )
    lists: int = Parameter(
        0, ge=0, le=32_768, doc="Lists of ivfflat; 0 takes one for each 1,000 rows.", advanced=True, shown_when=_INDEX
    )
    memory: int = Parameter(
        256, ge=16, le=65_536, unit="MB", doc="Memory for building an index.", advanced=True, shown_when=_INDEX
    )
    statement_timeout: float = Parameter(
        3600.0, gt=0, unit="s", doc="Seconds after which the server stops a statement.", advanced=True
    )
    connection: Literal["embedded", "saved", "details", "pool"] = Parameter(
        "embedded", doc="The database that ships with the program, a saved one, the one described below, or a pool's."
    )
    saved: str = Parameter("", doc="Name of the saved connection.", shown_when=("connection", ("saved",)))
    pool: str = Parameter("", doc="Name of the pool.", port=True, shown_when=("connection", ("pool",)))
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

    rows = Input(Table, "Rows to upsert: vector, and as far as known id, content, metadata.", required=False)

    result = Output(Record, "A search's matches, asked, plan and note; what the other operations did.")
    matches = Output(Table, "A search's rows, nearest first: id, distance, content, metadata.")
    row_count = Output(Number, "Rows found, stored or deleted.")
    table = Output(Text, "The table's name, for the next node.")

    def __init__(self, name: str = "", **values: Any) -> None:
        super().__init__(name, **with_connection(values, *_NAMED))

    @classmethod
    def effect_of(cls, parameters: Mapping[str, Any]) -> Effect:
        """A search reads; rows keep their ids, so the other operations can be repeated."""
        return "reads" if parameters.get("operation", "search") == "search" else "idempotent"

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Reads or changes a table of a database."""
        does = "searches" if parameters.get("operation", "search") == "search" else "changes"
        table = parameters.get("table_name")
        what = f"the table {table}" if isinstance(table, str) and table else "a table"
        return [f"{does} {what} on {database_of(parameters, *_NAMED)}"]

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """A filter that is not understood, a pool or a saved connection that is not named."""
        problems = unnamed(parameters, *_NAMED)
        m, candidates = parameters.get("m", 16), parameters.get("ef_construction", 0)
        if isinstance(m, int) and isinstance(candidates, int) and 0 < candidates < 2 * m:
            problems.append(("ef_construction", f"ef_construction is {candidates}: give at least twice m, {2 * m}."))
        given = parameters.get("metadata_filter")
        if not isinstance(given, str | dict) or (isinstance(given, dict) and {"$secret", "$parameter"} & given.keys()):
            return problems
        try:
            read_filter(given)
        except ParameterError as error:
            problems.append(("metadata_filter", str(error)))
        return problems

    async def run(self, context: RunContext) -> Outputs:
        """Do the operation; all outputs are there after each."""
        try:
            pool, seconds = await self._pool(context), self.statement_timeout
            if self.connection == "pool":
                seconds = min(seconds, pool.options.statement_timeout)
            async with on_pool(pool, owner_of(context), seconds) as connection:
                result = await self._done(VectorStore(connection, self.table_name), context)
        except (DatabaseError, ParameterError) as error:
            raise error.at(context.node_id) from None
        context.log(self._said(result))
        if result.get("note"):
            context.log(result["note"], "warning")
        matches = result.get("matches", [])
        count = result.get("count", 0)
        return {"result": result, "matches": matches, "row_count": count, "table": self.table_name}

    async def _done(self, store: VectorStore, context: RunContext) -> dict[str, Any]:
        match self.operation:
            case "search":
                if not self.vector:
                    raise ParameterError("vector is not set: connect an EmbeddingNode's vector.")
                found = await store.search(
                    self.vector,
                    metric=self.distance_metric,
                    limit=self.limit,
                    where=self.metadata_filter,
                    plan=self.plan,
                    effort=self.effort,
                )
                return {
                    "matches": found.matches,
                    "count": len(found.matches),
                    "asked": found.asked,
                    "plan": found.plan,
                    "note": found.note,
                }
            case "upsert":
                if "rows" not in context.inputs:
                    raise NodeError(f"{context.node_id}: there is nothing to store: connect rows.")
                stored = await store.upsert(context.inputs["rows"])
                return {
                    "count": stored.inserted + stored.updated,
                    "inserted": stored.inserted,
                    "updated": stored.updated,
                    "repeated": stored.repeated,
                }
            case "delete":
                return {"count": await store.delete([str(to_plain(id_)) for id_ in self.ids], self.metadata_filter)}
            case "index":
                name = await store.index(
                    self.index_type,
                    self.distance_metric,
                    m=self.m,
                    ef_construction=self.ef_construction,
                    lists=self.lists,
                    memory_mb=self.memory,
                )
                return {"index": name}
        shape = await store.create(self.dimensions, self.precision)
        return {"dimensions": shape.dimensions, "type": shape.vector_type}

    def _said(self, result: Mapping[str, Any]) -> str:
        """What was done, for the run's log."""
        match self.operation:
            case "search":
                return f"{result['count']:,} nearest rows found ({result['plan']})."
            case "upsert":
                doubled = f", {result['repeated']:,} left out whose id comes again" if result["repeated"] else ""
                return f"{result['inserted']:,} rows are new, {result['updated']:,} were replaced{doubled}."
            case "delete":
                return f"{result['count']:,} rows deleted."
            case "index":
                return f"The index {result['index']} is there."
        return f"{self.table_name} takes vectors of {result['dimensions']:,} numbers ({result['type']})."

    async def _pool(self, context: RunContext) -> Pool:
        pools = await context.scope.resources.get(SharedPools, SharedPools.open)
        if self.connection == "pool":
            return pools.named(self.pool)
        return pools.at(await self._target(context), workflow=context.scope.workflow)

    async def _target(self, context: RunContext) -> dict[str, Any]:
        if self.connection == "embedded":
            return await embedded_target(context.scope.resources)
        if self.connection == "saved":
            return await postgresql_target(self.saved, context.scope.secret)
        return described_target(self)
