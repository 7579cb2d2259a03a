"""Upsert: few rows in one statement, many by COPY.

COPY goes straight into the table for ids that are not there yet, because a temporary table between writes everything
twice (measured: half of COPY's own rate). Ids that are there, or that somebody else inserts meanwhile, go through a
temporary table and ``ON CONFLICT``.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import DatabaseError, ParameterError
from kailash_studio.services.vectors.connection import VectorConnection
from kailash_studio.services.vectors.encoding import Entry, as_text, checked, copy_stream, metadata_text
from kailash_studio.services.vectors.names import quoted
from kailash_studio.services.vectors.shape import Shape
from kailash_studio.spec.values import to_plain

_BULK = 200  # rows from which COPY is worth its round trips
_STAGED = "kailash_vectors_staged"
_NEEDED = {"id": ("text", "character varying"), "content": ("text", "character varying"), "metadata": ("jsonb",)}


@dataclass(frozen=True, slots=True)
class Upserted:
    """What an upsert did; ``repeated`` rows had an id that a later row of the same call has too."""

    inserted: int
    updated: int
    repeated: int


def entries(rows: Iterable[Mapping[str, Any]], dimensions: int) -> tuple[list[Entry], int]:
    """Rows made ready for storing, and how many were left out because a later row has the same id.

    A row has ``vector`` (or ``embedding``) and may have ``id``, ``content`` and ``metadata``. Without an id it gets one
    from its content, so that storing it twice stores it once.

    Raises:
        ParameterError: A row has no vector, or one that does not fit; the sentence has its number.
    """
    found: dict[str, Entry] = {}
    total = 0
    for total, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise ParameterError(f"Row {total} is {type(row).__name__} and not a record with a vector.")
        vector = row.get("vector")
        vector = row.get("embedding") if vector is None else vector
        if vector is None:
            raise ParameterError(
                f"Row {total} has no vector: it needs one under vector, for example of an EmbeddingNode."
            )
        numbers = checked(vector, dimensions, f"The vector of row {total}")
        dimensions = dimensions or len(numbers)
        content, id_ = row.get("content"), row.get("id")
        if content is not None and not isinstance(content, str):
            raise ParameterError(f"Row {total} has a content of type {type(content).__name__}: it must be text.")
        if id_ is None:
            if not content:
                raise ParameterError(f"Row {total} has neither an id nor a content to make one from.")
            id_ = hashlib.blake2b(content.encode("utf-8", "replace"), digest_size=16).hexdigest()
        metadata = row.get("metadata")
        entry = Entry(str(id_), numbers, content, {} if metadata is None else to_plain(metadata))
        _check_texts(entry, total)
        found.pop(entry.id, None)
        found[entry.id] = entry
    return list(found.values()), total - len(found)


def _check_texts(entry: Entry, number: int) -> None:
    for name, text in (("id", entry.id), ("content", entry.content or "")):
        if "\0" in text:
            raise ParameterError(f"Row {number} has a NUL character in its {name}, which PostgreSQL has no place for.")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise ParameterError(f"Row {number} has a character that is no valid Unicode in its {name}.") from None


async def upsert(connection: VectorConnection, shape: Shape, rows: Iterable[Mapping[str, Any]]) -> Upserted:
    """Store rows; a row whose id is there replaces it.

    Raises:
        ParameterError: A row does not fit.
        DatabaseError: The table is not one to store into, or the database refuses.
    """
    await _check_table(connection, shape)
    ready, repeated = entries(rows, shape.dimensions)
    if not ready:
        return Upserted(0, 0, repeated)
    if len(ready) < _BULK:
        inserted = await _by_statement(connection, shape, ready)
    else:
        inserted = await _by_copy(connection, shape, ready)
    return Upserted(inserted, len(ready) - inserted, repeated)


async def _check_table(connection: VectorConnection, shape: Shape) -> None:
    wrong = [name for name, types in _NEEDED.items() if shape.columns.get(name, "").split("(")[0] not in types]
    unique = await connection.fetch(
        "SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
        "WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL "
        "AND a.attname = 'id'",
        shape.name,
    )
    if wrong or not unique:
        lacks = f"needs {wrong[0]} as {_NEEDED[wrong[0]][0]}" if wrong else "needs a unique or primary key on id"
        error = DatabaseError(
            f"The table {shape.table} cannot take an upsert: it {lacks}. The operation create makes one."
        )
        error.permanent = True
        raise error


def _columns(shape: Shape) -> tuple[str, ...]:
    return ("id", shape.vector_column, "content", "metadata")


def _conflict(shape: Shape) -> str:
    changed = ", ".join(f"{quoted(name)} = EXCLUDED.{quoted(name)}" for name in _columns(shape)[1:])
    return f"ON CONFLICT (id) DO UPDATE SET {changed} RETURNING (xmax = 0) AS inserted"


async def _by_statement(connection: VectorConnection, shape: Shape, ready: Sequence[Entry]) -> int:
    names = ", ".join(quoted(name) for name in _columns(shape))
    statement = (
        f"INSERT INTO {shape.name} ({names}) "  # noqa: S608 - names are quoted, values bound
        f"SELECT id, vector::{shape.cast}, content, metadata::jsonb "
        "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS given (id, vector, content, metadata) "
        + _conflict(shape)
    )
    done = await connection.fetch(
        statement,
        [entry.id for entry in ready],
        [as_text(entry.vector, f"The vector of {entry.id!r}") for entry in ready],
        [entry.content for entry in ready],
        [metadata_text(entry.metadata, f"The row {entry.id!r}") for entry in ready],
    )
    return sum(row["inserted"] for row in done)


async def _by_copy(connection: VectorConnection, shape: Shape, ready: Sequence[Entry]) -> int:
    import asyncpg

    async with connection.transaction():
        found = await connection.fetch(
            f"SELECT id FROM {shape.name} WHERE id = ANY($1::text[])",  # noqa: S608 - the name is quoted
            [entry.id for entry in ready],
        )
        known = {row["id"] for row in found}
        fresh = [entry for entry in ready if entry.id not in known] if known else ready
        inserted = len(fresh)
        again: Sequence[Entry] = [entry for entry in ready if entry.id in known] if known else []
        if fresh:
            try:
                async with connection.transaction():
                    await _copy(connection, shape, fresh, shape.table, shape.schema)
            except asyncpg.UniqueViolationError:
                again, inserted = ready, 0  # somebody else inserted one of them meanwhile
        if again:
            inserted += await _through_staging(connection, shape, again)
    return inserted


async def _through_staging(connection: VectorConnection, shape: Shape, ready: Sequence[Entry]) -> int:
    names = ", ".join(quoted(name) for name in _columns(shape))
    await connection.execute(
        f"CREATE TEMP TABLE {_STAGED} ON COMMIT DROP AS SELECT {names} FROM {shape.name} WITH NO DATA"  # noqa: S608
    )
    await _copy(connection, shape, ready, _STAGED, None)
    done = await connection.fetch(
        f"WITH stored AS (INSERT INTO {shape.name} ({names}) SELECT {names} FROM {_STAGED} {_conflict(shape)}) "  # noqa: S608
        "SELECT count(*) FILTER (WHERE inserted) AS inserted FROM stored"
    )
    await connection.execute(f"DROP TABLE {_STAGED}")
    return int(done[0]["inserted"])


async def _copy(
    connection: VectorConnection, shape: Shape, ready: Sequence[Entry], table: str, schema: str | None
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in copy_stream(ready, shape.vector_type, shape.dimensions or len(ready[0].vector)):
            yield piece

    await connection.copy_to_table(table, source=pieces(), columns=_columns(shape), schema_name=schema, format="binary")
