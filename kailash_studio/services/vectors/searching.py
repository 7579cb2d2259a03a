"""Searching: which plan finds the nearest rows that pass a filter, all of those that were asked for.

An index for nearest neighbours looks at some 40 rows and filters them afterwards, so a selective filter leaves too few
(measured with the defaults: 0.5 of 10). Hence few matches are compared one by one, exactly; many are searched with an
index that goes on until enough of them were found (``iterative_scan``); and where that gives too few all the same, the
exact plan has the last word.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kailash_studio.errors import ParameterError
from kailash_studio.services.vectors.conditions import Term
from kailash_studio.services.vectors.connection import VectorConnection
from kailash_studio.services.vectors.encoding import as_text, checked, numbers_of
from kailash_studio.services.vectors.filters import Condition, condition
from kailash_studio.services.vectors.names import quoted
from kailash_studio.services.vectors.shape import Index, Metric, Shape

Plan = Literal["auto", "exact", "index"]
MAX_LIMIT = 100_000
_ALWAYS_EXACT = 1_000  # matches that are compared one by one whatever the size of the table
_COST_RATIO = 2.0  # measured: a row that an index visits costs about two that are compared one by one
_FAR_OFF = (
    5  # how wrong the database's guess of the matches may be; of JSON it guesses by a sample of some hundred rows
)
_FIRST = 2  # $1 is the vector


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        matches: Nearest first, each with id, distance, content and metadata.
        asked: How many were asked for.
        plan: How they were found: ``exact``, ``hnsw``, ``ivfflat``, or an index and then ``exact``.
        note: Why there are fewer than asked; empty when there are not.
    """

    matches: list[dict[str, Any]]
    asked: int
    plan: str
    note: str = field(default="")


async def search(
    connection: VectorConnection,
    shape: Shape,
    vector: Any,
    *,
    metric: Metric = "cosine",
    limit: int = 10,
    term: Term | None = None,
    plan: Plan = "auto",
    effort: int = 0,
) -> Found:
    """The nearest rows.

    Args:
        connection: A connection that nobody else uses meanwhile.
        shape: The table.
        vector: What to be near to.
        metric: The distance: cosine (0 to 2), l2, or the negative inner product.
        limit: How many rows.
        term: What ``read_filter`` gave.
        plan: ``exact`` or ``index`` instead of choosing.
        effort: Candidates that an HNSW index holds at a time (``hnsw.ef_search``), or lists that an IVFFlat index looks
            into (``ivfflat.probes``); 0 chooses. More finds more of the true neighbours and takes longer.

    Raises:
        ParameterError: The vector, the limit or the filter does not fit the table.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ParameterError(f"A search gives 1 to {MAX_LIMIT:,} rows, not {limit:,}.")
    what = "The vector to search for"
    numbers = numbers_of(checked(vector, shape.dimensions, what), what)
    asked = as_text(numbers)
    if metric == "cosine" and not any(numbers):
        raise ParameterError(
            "The vector to search for is all zeros: it has no direction, so no cosine distance. A question without any "
            "word that counts gives one: ask in other words."
        )
    where = condition(term, shape.columns, _FIRST)
    index = shape.index_for(metric)
    if plan == "index" and index is None:
        raise ParameterError(f"The table {shape.table} has no index for the distance {metric}: make it first.")
    used = ""
    async with connection.transaction(readonly=True):
        # a statement that was prepared for any values would read the vector's text again for each row
        await _set(connection, {"plan_cache_mode": "force_custom_plan"})
        rows: list[dict[str, Any]] = []
        undirected = 0
        if (
            index is not None
            and plan != "exact"
            and (plan == "index" or not await _few(connection, shape, where, limit))
        ):
            await _set(connection, _of_index(shape, index, limit, effort, filtered=bool(where.sql)))
            rows, _ = await _fetched(connection, _by_index(shape, where, metric, limit), asked, where)
            used = index.method
        if not used or (len(rows) < limit and plan == "auto"):
            rows, undirected = await _fetched(connection, _exact(shape, where, metric, limit), asked, where)
            used = f"{used}, exact" if used else "exact"
    note = ""
    if len(rows) < limit:
        rest = "match the filter" if where.sql else "are in the table"
        note = f"Only {len(rows):,} of the {limit:,} rows that were asked for {rest}."
        if plan == "index":
            note = f"Only {len(rows):,} of the {limit:,} rows that were asked for were found by the index."
        if undirected:
            note += f" Of {undirected:,} more the vector is all zeros, to which there is no cosine distance."
    return Found(rows, limit, used, note)


async def _few(connection: VectorConnection, shape: Shape, where: Condition, limit: int) -> bool:
    """Whether so few rows pass the filter that comparing each is cheaper than an index.

    Of N rows with n matches an index visits about limit * N / n: the costs are equal at n = sqrt(ratio * limit * N).
    """
    if not where.sql:
        return 0 <= shape.rows <= _ALWAYS_EXACT
    if not shape.iterative:
        return True  # an index of that version would lose matches
    most = max(_ALWAYS_EXACT, int(math.sqrt(_COST_RATIO * limit * max(shape.rows, 0))))
    passing = f"SELECT 1 FROM {shape.name} WHERE {_shifted(where.sql)}"  # noqa: S608 - values are bound
    told = await connection.fetch(f"EXPLAIN {passing}", *where.values)
    guess = re.search(r"rows=([0-9]+)", told[0][0])
    if guess and int(guess[1]) > _FAR_OFF * most:
        return False  # counting them would cost more than the search; the guess is right within a factor of five
    found = await connection.fetch(
        f"SELECT count(*) AS matches FROM ({passing} LIMIT {most + 1}) AS passing",  # noqa: S608 - values are bound
        *where.values,
    )
    return int(found[0]["matches"]) <= most


def _shifted(sql: str) -> str:
    """The condition with its values counted from 1, for a statement without a vector."""
    return re.sub(r"\$([0-9]+)", lambda found: f"${int(found[1]) - _FIRST + 1}", sql)


async def _set(connection: VectorConnection, settings: Mapping[str, object]) -> None:
    """Settings that end with the transaction, in one round trip."""
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    await connection.fetch(f"SELECT {calls}")


def _of_index(shape: Shape, index: Index, limit: int, effort: int, *, filtered: bool) -> dict[str, object]:
    """The settings with which an index is searched."""
    if index.method == "hnsw":
        candidates = effort or max(100, limit * (1 if filtered else 2))
        settings: dict[str, object] = {"hnsw.ef_search": max(1, min(1000, candidates))}
    else:
        lists = next((int(option[6:]) for option in index.options if option.startswith("lists=")), 100)
        settings = {"ivfflat.probes": max(1, min(lists, effort or max(10, 2 * math.isqrt(lists))))}
    if shape.iterative:
        settings[f"{index.method}.iterative_scan"] = "relaxed_order"
    return settings


def _selected(shape: Shape) -> str:
    # the cast to its own type makes another statement of it once a table of this name has another type of id: one that
    # a pool's connection has prepared before must not be used then
    id_ = "NULL::text" if "id" not in shape.columns else f"{quoted('id')}::{shape.columns['id']}"
    content = "NULL::text" if "content" not in shape.columns else f"{quoted('content')}::text"
    metadata = "NULL::text" if "metadata" not in shape.columns else f"{quoted('metadata')}::text"
    return f"{id_} AS {quoted('id')}, {content} AS content, {metadata} AS metadata"


def _by_index(shape: Shape, where: Condition, metric: Metric, limit: int) -> str:
    # the relaxed order may swap near neighbours, hence the second sort
    distance = f"{shape.vector} {shape.operator(metric)} $1::text::{shape.cast}"
    return (
        f"WITH near AS MATERIALIZED (SELECT {_selected(shape)}, {distance} AS distance FROM {shape.name} "  # noqa: S608
        f"{'WHERE ' + where.sql if where.sql else ''} ORDER BY {distance} LIMIT {limit}) "
        "SELECT * FROM near ORDER BY distance"
    )


def _exact(shape: Shape, where: Condition, metric: Metric, limit: int) -> str:
    # adding 0 makes it an order that no index on the vectors can serve; only the sort's winners are kept in memory
    distance = f"{shape.vector} {shape.operator(metric)} $1::text::{shape.cast}"
    passes = f"{where.sql} AND " if where.sql else ""
    return (
        f"SELECT {_selected(shape)}, {distance} AS distance FROM {shape.name} "  # noqa: S608 - values are bound
        f"WHERE {passes}{shape.vector} IS NOT NULL ORDER BY ({distance}) + 0 LIMIT {limit}"
    )


async def _fetched(
    connection: VectorConnection, statement: str, vector: str, where: Condition
) -> tuple[list[dict[str, Any]], int]:
    """The rows that have a distance, and how many have none: a vector of zeros has no direction."""
    found: Sequence[Any] = await connection.fetch(statement, vector, *where.values)
    rows = [
        {
            "id": row["id"],
            "distance": row["distance"],
            "content": row["content"],
            "metadata": _metadata(row["metadata"]),
        }
        for row in found
        if row["distance"] is not None and not math.isnan(row["distance"])
    ]
    return rows, len(found) - len(rows)


def _metadata(text: str | None) -> Any:
    return {} if text is None else json.loads(text)
