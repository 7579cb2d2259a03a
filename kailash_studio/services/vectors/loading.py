"""Upsert: few rows in one statement, many by COPY.

COPY goes straight into the table for ids that are not there yet, because a temporary table between writes everything
twice (measured: half of COPY's own rate). Ids that are there, or that somebody else inserts meanwhile, go through a
temporary table and ``ON CONFLICT``.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import DatabaseError, ParameterError
from kailash_studio.services.vectors.connection import VectorConnection
from kailash_studio.services.vectors.encoding import (
    Entry,
    as_text,
    check_text,
    checked,
    copy_stream,
    metadata_encoder,
    numbers_of,
)
from kailash_studio.services.vectors.names import quoted
from kailash_studio.services.vectors.shape import Shape

_BULK = 200  # rows from which COPY is worth its round trips
_STAGED = "kailash_vectors_staged"
_NEEDED = {"id": ("text", "character varying"), "content": ("text", "character varying"), "metadata": ("jsonb",)}


@dataclass(frozen=True, slots=True)
class Upserted:
    """What an upsert did; ``repeated`` rows had an id that a later row of the same call has too."""

    inserted: int
    updated: int
    repeated: int


class Rows:
    """Rows to store, of which only the ids are looked at before they are sent.

    A row has ``vector`` (or ``embedding``) and may have ``id``, ``content`` and ``metadata``. Without an id it gets one
    from its content, so that storing it twice stores it once. Of rows with the same id the last one counts.
    """

    def __init__(self, given: Iterable[Mapping[str, Any]], dimensions: int) -> None:
        """Take the rows; ``dimensions`` is 0 where the table takes any.

        Raises:
            ParameterError: A row is no record, or has neither id nor content; the sentence has its number.
        """
        self._rows = given if isinstance(given, list) else list(given)
        self._numbers: dict[str, int] = {}
        for number, row in enumerate(self._rows, 1):
            self._numbers[_id_of(row, number)] = number
        self._dimensions = dimensions

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def ids(self) -> list[str]:
        """The ids, each once."""
        return list(self._numbers)

    @property
    def repeated(self) -> int:
        """Rows that a later row of the same id replaces."""
        return len(self._rows) - len(self._numbers)

    @property
    def dimensions(self) -> int:
        """Numbers in each vector."""
        if self._dimensions or not self._rows:
            return self._dimensions
        return len(next(iter(self.entries()))[1])

    def entries(self, chosen: Container[str] | None = None, *, but: Container[str] = ()) -> Iterator[Entry]:
        """The rows made ready and checked, one after the other.

        Args:
            chosen: Only these ids; None for all.
            but: Not these ids.

        Raises:
            ParameterError: A row does not fit; the sentence has its number.
        """
        dimensions = self._dimensions
        encoded = metadata_encoder()
        for id_, number in self._numbers.items():
            if id_ in but or (chosen is not None and id_ not in chosen):
                continue
            row = self._rows[number - 1]
            vector = row.get("vector")
            if vector is None:
                vector = row.get("embedding")
            if type(vector) is not list or len(vector) != dimensions or not dimensions:
                vector = checked(vector, dimensions, number)
                dimensions = len(vector)
            content = row.get("content")
            if content is not None:
                if not isinstance(content, str):
                    kind = type(content).__name__
                    raise ParameterError(f"Row {number} has a content of type {kind}: it must be text.")
                if "\0" in content or not content.isascii():
                    check_text(content, "content", number)
            metadata = row.get("metadata")
            yield id_, vector, content, b"{}" if metadata is None else encoded(metadata, number)


def _id_of(row: Any, number: int) -> str:
    if not isinstance(row, Mapping):
        raise ParameterError(f"Row {number} is {type(row).__name__} and not a record with a vector.")
    id_ = row.get("id")
    if id_ is None:
        content = row.get("content")
        if not content:
            raise ParameterError(f"Row {number} has neither an id nor a content to make one from.")
        return hashlib.blake2b(str(content).encode("utf-8", "replace"), digest_size=16).hexdigest()
    text = str(id_)
    if "\0" in text or not text.isascii():
        check_text(text, "id", number)
    return text


async def upsert(connection: VectorConnection, shape: Shape, rows: Iterable[Mapping[str, Any]]) -> Upserted:
    """Store rows; a row whose id is there replaces it.

    Raises:
        ParameterError: A row does not fit.
        DatabaseError: The table is not one to store into, or the database refuses.
    """
    await _check_table(connection, shape)
    ready = Rows(rows, shape.dimensions)
    if not len(ready):
        return Upserted(0, 0, 0)
    if len(ready) < _BULK:
        inserted = await _by_statement(connection, shape, list(ready.entries()))
    else:
        inserted = await _by_copy(connection, shape, ready)
    return Upserted(inserted, len(ready) - inserted, ready.repeated)


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
        [id_ for id_, _, _, _ in ready],
        [as_text(numbers_of(vector, f"The vector of {id_!r}")) for id_, vector, _, _ in ready],
        [content for _, _, content, _ in ready],
        [metadata.decode() for _, _, _, metadata in ready],
    )
    return sum(row["inserted"] for row in done)


async def _by_copy(connection: VectorConnection, shape: Shape, ready: Rows) -> int:
    import asyncpg

    async with connection.transaction():
        known = await _known(connection, shape, ready)
        inserted = len(ready) - len(known)
        again: Container[str] | None = known
        if inserted:
            try:
                async with connection.transaction():
                    await _copy(connection, shape, ready, ready.entries(but=known), into=(shape.schema, shape.table))
            except asyncpg.UniqueViolationError:
                again, inserted = None, 0  # somebody else inserted one of them meanwhile: all take the longer way
        if known or again is None:
            inserted += await _through_staging(connection, shape, ready, again)
    return inserted


async def _known(connection: VectorConnection, shape: Shape, ready: Rows) -> set[str]:
    """The ids that are in the table already."""
    if not await connection.fetch(f"SELECT 1 FROM {shape.name} LIMIT 1"):  # noqa: S608 - the name is quoted
        return set()
    found = await connection.fetch(
        f"SELECT id::text AS id FROM {shape.name} WHERE id = ANY($1::text[])",  # noqa: S608 - the name is quoted
        ready.ids,
    )
    return {row["id"] for row in found}


async def _through_staging(
    connection: VectorConnection, shape: Shape, ready: Rows, chosen: Container[str] | None
) -> int:
    names = ", ".join(quoted(name) for name in _columns(shape))
    await connection.execute(
        f"CREATE TEMP TABLE {_STAGED} ON COMMIT DROP AS SELECT {names} FROM {shape.name} WITH NO DATA"  # noqa: S608
    )
    await _copy(connection, shape, ready, ready.entries(chosen), into=(None, _STAGED))
    done = await connection.fetch(
        f"WITH stored AS (INSERT INTO {shape.name} ({names}) SELECT {names} FROM {_STAGED} {_conflict(shape)}) "  # noqa: S608
        "SELECT count(*) FILTER (WHERE inserted) AS inserted FROM stored"
    )
    await connection.execute(f"DROP TABLE {_STAGED}")
    return int(done[0]["inserted"])


async def _copy(
    connection: VectorConnection, shape: Shape, ready: Rows, entries: Iterable[Entry], *, into: tuple[str | None, str]
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in copy_stream(entries, shape.vector_type, ready.dimensions):
            yield piece

    schema, table = into
    await connection.copy_to_table(table, source=pieces(), columns=_columns(shape), schema_name=schema, format="binary")
