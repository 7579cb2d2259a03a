"""Indexes on vectors: one for each distance, as it was last asked for.

An index that is to be different is built beside the one that is there, which goes when the new one can be searched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kailash_studio.errors import DatabaseError, ParameterError
from kailash_studio.services.vectors.connection import VectorConnection, translated
from kailash_studio.services.vectors.names import quoted
from kailash_studio.services.vectors.shape import OPERATOR_CLASSES, Index, Metric, Shape, shape_of

Method = Literal["hnsw", "ivfflat"]
_METHODS: tuple[Method, ...] = ("hnsw", "ivfflat")
_INDEXABLE = {"vector": 2_000, "halfvec": 4_000}  # dimensions that pgvector's indexes take
_DEFAULTS = {"m": 16, "ef_construction": 64, "lists": 100}  # pgvector's, which stand in no catalogue
_NO_SHARED_MEMORY = "53100"
_FAR_OFF = 4  # how many times too many or too few lists an index that chose them itself may have before it is rebuilt
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7310224108))"  # any number that others do not use


@dataclass(frozen=True, slots=True)
class Wanted:
    """The index that is asked for.

    Attributes:
        method: HNSW (better recall, slower to build) or IVFFlat (build it when the rows are there).
        metric: The distance that it serves.
        m: Neighbours of each row in an HNSW graph.
        ef_construction: Candidates looked at while an HNSW graph is built; 0 takes 64, or twice ``m``.
        lists: Lists of an IVFFlat index; 0 takes rows / 1000, from a million rows on their square root.
    """

    method: Method
    metric: Metric
    m: int = 16
    ef_construction: int = 0
    lists: int = 0

    @property
    def candidates(self) -> int:
        """``ef_construction``, chosen where it is 0."""
        return self.ef_construction or max(_DEFAULTS["ef_construction"], 2 * self.m)


async def index(connection: VectorConnection, table: str, wanted: Wanted, memory_mb: int) -> str:
    """See to it that a table has an index, and one on its metadata for filters; what is there as wanted is kept.

    Args:
        connection: A connection that nobody else uses meanwhile, outside any transaction.
        table: The table.
        wanted: The index.
        memory_mb: Memory for building; a graph that does not fit is built many times slower.

    Returns:
        The index's name.

    Raises:
        ParameterError: Vectors of this many dimensions cannot have such an index, or its options do not go together.
        DatabaseError: Somebody else has made another index for this distance.
    """
    if wanted.method == "hnsw" and wanted.candidates < 2 * wanted.m:
        raise ParameterError(
            f"ef_construction is {wanted.ef_construction}: an index with m = {wanted.m} needs at least twice as many, "
            f"{2 * wanted.m}, or 0, which chooses."
        )
    shape = await shape_of(connection, table)
    most = _INDEXABLE[shape.vector_type]
    if not 0 < shape.dimensions <= most:
        mend = "create the table with half precision" if shape.vector_type == "vector" else "use fewer"
        raise ParameterError(
            f"An index takes {shape.vector_type} of 1 to {most:,} dimensions, not {shape.dimensions:,}: {mend}."
        )
    try:
        built = await _built(connection, table, wanted, memory_mb, parallel=True)
    except DatabaseError as error:
        if error.sqlstate != _NO_SHARED_MEMORY:
            raise
        built = await _built(connection, table, wanted, memory_mb, parallel=False)  # containers often have 64 MB of it
    return await _tidied(connection, table, wanted, built)


async def _built(connection: VectorConnection, table: str, wanted: Wanted, memory_mb: int, *, parallel: bool) -> str:
    """Build what is missing; the name of the index on the vectors, perhaps one for the time being."""
    with translated():
        async with connection.transaction():
            shape = await shape_of(connection, table)
            await connection.fetch(_LOCK, shape.name)
            shape = await shape_of(connection, table)  # somebody may have built one while we waited
            await connection.execute(f"SET LOCAL maintenance_work_mem = '{memory_mb}MB'")
            if not parallel:
                await connection.execute("SET LOCAL max_parallel_maintenance_workers = 0")
            options = await _options(connection, shape, wanted)
            name = await _as_wanted(connection, shape, wanted, options)
            if name is None:
                name = await _free_name(connection, shape, wanted)
                written = ", ".join(f"{option} = {value}" for option, value in options.items())
                await connection.execute(
                    f"CREATE INDEX {quoted(name)} ON {shape.name} USING {wanted.method} "
                    f"({shape.vector} {quoted(shape.extension)}.{_operator_class(shape, wanted)}) WITH ({written})"
                )
            if shape.columns.get("metadata") == "jsonb":
                await connection.execute(
                    f"CREATE INDEX IF NOT EXISTS {quoted(_name(shape.table, 'metadata'))} "
                    f"ON {shape.name} USING gin (metadata jsonb_path_ops)"
                )
            await connection.execute(f"ANALYZE {shape.name}")
    return name


async def _tidied(connection: VectorConnection, table: str, wanted: Wanted, built: str) -> str:
    """Drop our other indexes for this distance; the one that was built gets its lasting name.

    In a transaction of its own: to drop an index all who read the table are waited for, some of whom may wait for the
    end of a build to write into it.
    """
    with translated():
        async with connection.transaction():
            shape = await shape_of(connection, table)
            await connection.fetch(_LOCK, shape.name)
            ours, schema = await _ours(connection, shape, wanted.metric), quoted(shape.schema)
            for name in ours:
                if name != built:
                    await connection.execute(f"DROP INDEX {schema}.{quoted(name)}")
            lasting = _names(shape.table, wanted.method, wanted.metric)[0]
            if built == lasting or built not in ours:
                return built
            await connection.execute(f"ALTER INDEX {schema}.{quoted(built)} RENAME TO {quoted(lasting)}")
    return lasting


async def _options(connection: VectorConnection, shape: Shape, wanted: Wanted) -> dict[str, int]:
    """The options to build the index with."""
    if wanted.method == "hnsw":
        return {"m": wanted.m, "ef_construction": wanted.candidates}
    if wanted.lists:
        return {"lists": wanted.lists}
    found = await connection.fetch(f"SELECT count(*) AS rows FROM {shape.name}")  # noqa: S608 - the name is quoted
    rows = int(found[0]["rows"])
    return {"lists": max(1, rows // 1000 if rows <= 1_000_000 else round(rows**0.5))}  # pgvector's advice


async def _as_wanted(
    connection: VectorConnection, shape: Shape, wanted: Wanted, options: Mapping[str, int]
) -> str | None:
    """The name of an index that is there and will do.

    Raises:
        DatabaseError: There is none, but one that somebody else has made, which is not ours to replace.
    """
    ours = await _ours(connection, shape, wanted.metric)
    others = []
    for index in shape.indexes:
        if index.operator_class != _operator_class(shape, wanted):
            continue
        if index.method == wanted.method and _same(index, wanted, options):
            return index.name
        if index.name not in ours:
            others.append(index)
    if others:
        has = ", ".join(f"{name} = {value}" for name, value in _given(others[0]).items())
        wrong = DatabaseError(
            f"The table {shape.table} has an index for the distance {wanted.metric} that was made elsewhere: "
            f"{others[0].name} ({others[0].method}, {has}). Ask for one like it, or drop it first."
        )
        wrong.permanent = True
        raise wrong
    return None


def _same(index: Index, wanted: Wanted, options: Mapping[str, int]) -> bool:
    given = _given(index)
    if wanted.method == "hnsw":
        same = given["m"] == options["m"]
        return same and (not wanted.ef_construction or given["ef_construction"] == wanted.ef_construction)
    if wanted.lists:
        return given["lists"] == wanted.lists
    return given["lists"] <= _FAR_OFF * options["lists"] and options["lists"] <= _FAR_OFF * given["lists"]


def _given(index: Index) -> dict[str, int]:
    """The options that an index has."""
    told = dict(option.split("=", 1) for option in index.options)
    names = ("m", "ef_construction") if index.method == "hnsw" else ("lists",)
    return {name: int(told.get(name, _DEFAULTS[name])) for name in names}


async def _ours(connection: VectorConnection, shape: Shape, metric: Metric) -> list[str]:
    """The indexes of our names for a distance that the table has, also those whose build was broken off."""
    names = [name for method in _METHODS for name in _names(shape.table, method, metric)]
    found = await connection.fetch(
        "SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE i.indrelid = to_regclass($1) AND c.relname::text = ANY($2::text[]) ORDER BY 1",
        shape.name,
        names,
    )
    return [row["name"] for row in found]


async def _free_name(connection: VectorConnection, shape: Shape, wanted: Wanted) -> str:
    taken = await _ours(connection, shape, wanted.metric)
    names = _names(shape.table, wanted.method, wanted.metric)
    return next((name for name in names if name not in taken), names[0])  # the database refuses what is there


def _names(table: str, method: Method, metric: Metric) -> list[str]:
    """The lasting name of an index, and those that one has beside it until it takes its place."""
    return [_name(table, f"{method}_{metric}{suffix}") for suffix in ("", "_2", "_3", "_4")]


def _operator_class(shape: Shape, wanted: Wanted) -> str:
    return f"{shape.vector_type}_{OPERATOR_CLASSES[wanted.metric]}"


def _name(table: str, what: str) -> str:
    """At most 63 bytes, and another one for another table."""
    name = f"{table}_{what}"
    if len(name.encode()) <= 63:
        return name
    mark = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{table.encode()[: 50 - len(what)].decode(errors='ignore')}_{mark}_{what}"
