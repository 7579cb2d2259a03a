"""A table of vectors: create, upsert, search, delete, index. The connection is given; errors become our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from kailash_studio.errors import DatabaseError, ParameterError
from kailash_studio.services.vectors import indexing, loading, searching
from kailash_studio.services.vectors.connection import VectorConnection, translated
from kailash_studio.services.vectors.encoding import MAX_DIMENSIONS
from kailash_studio.services.vectors.filters import condition, read_filter
from kailash_studio.services.vectors.indexing import Method
from kailash_studio.services.vectors.names import qualified, quoted
from kailash_studio.services.vectors.shape import Metric, Shape, VectorType, shape_of

Precision = Literal["auto", "full", "half"]
HALF_FROM = 768  # dimensions from which 2 bytes a number are the default: half the memory, recall unchanged in practice
_LOCK = 7_310_224_108  # any number; two that create at once must use the same

Filter = str | Mapping[str, Any] | None


class VectorStore:
    """One table of vectors, on one connection that nobody else uses meanwhile."""

    def __init__(self, connection: VectorConnection, table: str) -> None:
        """Say which table.

        Raises:
            ParameterError: ``table`` cannot be a table's name.
        """
        qualified(table)
        self._connection = connection
        self._table = table

    async def shape(self) -> Shape:
        """What the table looks like.

        Raises:
            DatabaseError: There is none of this name, or it holds no vectors.
        """
        with translated():
            return await shape_of(self._connection, self._table)

    async def create(self, dimensions: int, precision: Precision = "auto") -> Shape:
        """Make the table (id, embedding, content, metadata) unless it is there.

        Args:
            dimensions: Numbers in each vector.
            precision: 4 bytes a number (full), 2 (half), or half from 768 dimensions (auto).

        Raises:
            ParameterError: The dimensions are out of range.
            DatabaseError: pgvector is not there, or a table of this name has other dimensions.
        """
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise ParameterError(f"A vector has 1 to {MAX_DIMENSIONS:,} dimensions, not {dimensions:,}.")
        kind: VectorType = (
            "halfvec" if precision == "half" or (precision == "auto" and dimensions >= HALF_FROM) else "vector"
        )
        with translated():
            async with self._connection.transaction():
                await self._connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                extension = await self._extension()
                await self._connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {qualified(self._table)} (id text PRIMARY KEY, "
                    f"embedding {extension}.{kind}({dimensions}) NOT NULL, content text, "
                    "metadata jsonb NOT NULL DEFAULT '{}')"
                )
            shape = await shape_of(self._connection, self._table)
        if shape.dimensions != dimensions:
            has = f"{shape.dimensions:,} dimensions" if shape.dimensions else "any number of dimensions"
            error = DatabaseError(
                f"The table {self._table} is there with vectors of {has}, not {dimensions:,}: name another table, or "
                "remove that one."
            )
            error.permanent = True
            raise error
        return shape

    async def _extension(self) -> str:
        """The schema of pgvector, quoted; it is installed into the database first where that was not done."""
        asked = (
            "SELECT n.nspname AS name FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
            "WHERE e.extname = 'vector'"
        )
        found = await self._connection.fetch(asked)
        if not found:
            await self._connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            found = await self._connection.fetch(asked)
        return quoted(found[0]["name"])

    async def upsert(self, rows: Iterable[Mapping[str, Any]]) -> loading.Upserted:
        """Store rows with ``vector`` and, as far as known, ``id``, ``content``, ``metadata``; see ``loading``.

        Raises:
            ParameterError: A row does not fit; the sentence has its number.
            DatabaseError: The table is not one to store into, or the database refuses.
        """
        with translated():
            return await loading.upsert(self._connection, await shape_of(self._connection, self._table), rows)

    async def search(
        self,
        vector: Any,
        *,
        metric: Metric = "cosine",
        limit: int = 10,
        where: Filter = None,
        plan: searching.Plan = "auto",
        effort: int = 0,
    ) -> searching.Found:
        """The nearest rows that pass a filter; see ``searching.search``.

        Raises:
            ParameterError: The vector, the limit or the filter is not usable.
            DatabaseError: The table is not there, or the database refuses.
        """
        term = read_filter(where)
        with translated():
            shape = await shape_of(self._connection, self._table)
            return await searching.search(
                self._connection, shape, vector, metric=metric, limit=limit, term=term, plan=plan, effort=effort
            )

    async def delete(self, ids: Sequence[str] = (), where: Filter = None) -> int:
        """Remove rows that have one of the ids, where such are given, and pass the filter, where there is one.

        Returns:
            How many were removed.

        Raises:
            ParameterError: Neither is given, or the filter is not understood.
        """
        term = read_filter(where)
        if not ids and term is None:
            raise ParameterError("Nothing says which rows to delete: give ids, a filter, or both.")
        with translated():
            shape = await shape_of(self._connection, self._table)
            chosen = condition(term, shape.columns, 2)
            parts = [f"{quoted('id')}::text = ANY($1::text[])"] if ids else ["$1::text[] IS NOT NULL"]
            parts += [chosen.sql] if chosen.sql else []
            statement = f"DELETE FROM {shape.name} WHERE {' AND '.join(parts)}"  # noqa: S608 - values are bound
            status = await self._connection.execute(statement, [str(id_) for id_ in ids], *chosen.values)
        return int(status.split()[-1])

    async def index(
        self,
        method: Method = "hnsw",
        metric: Metric = "cosine",
        *,
        m: int = 16,
        ef_construction: int = 0,
        lists: int = 0,
        memory_mb: int = 256,
    ) -> str:
        """See to it that the vectors have such an index for one distance, and the metadata one for filters.

        See ``indexing.index``.

        Returns:
            The index's name.

        Raises:
            ParameterError: Vectors of this many dimensions cannot have such an index, or the options do not fit.
            DatabaseError: Somebody else has made another index for this distance, or the database refuses.
        """
        wanted = indexing.Wanted(method, metric, int(m), int(ef_construction), int(lists))
        with translated():
            return await indexing.index(self._connection, self._table, wanted, int(memory_mb))
