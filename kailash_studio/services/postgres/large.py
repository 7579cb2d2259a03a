"""Queries with many rows: as a table by ADBC, where that is worth a connection of its own.

A statement is taken for large when it gave many rows before, or, the first time, when the planner expects many. Small
ones are run as ever, with nothing added but one plan for each statement of a pool. What is asked is the server's, and
so are the values: they are bound, as texts that are cast to the types that the server wants.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kailash_studio.errors import DatabaseError, DatabaseUnreachableError
from kailash_studio.services.sql_text import only_reads, tokens

if TYPE_CHECKING:
    from kailash_studio.services.postgres.lease import Lease
    from kailash_studio.services.postgres.pool import Pool
    from kailash_studio.tables.table import Table

ROWS = 20_000  # from here on a table is faster; below, opening a connection costs more than the rows
_KEPT = 500  # statements whose number of rows is remembered
# the types that come out the same, whichever way they are fetched
_SAME = frozenset(
    {
        *("bool", "int2", "int4", "int8", "float4", "float8", "numeric"),
        *("text", "varchar", "bpchar", "char", "name", "bytea", "date", "timestamp", "timestamptz"),
    }
)
_PLAN_SECONDS = 30.0


class RowCounts:
    """How many rows statements gave; the oldest are forgotten."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}

    def of(self, statement: str) -> int | None:
        """How many, or None."""
        return self._rows.get(statement)

    def put(self, statement: str, rows: int) -> None:
        """Remember it."""
        self._rows.pop(statement, None)
        if len(self._rows) >= _KEPT:
            del self._rows[next(iter(self._rows))]
        self._rows[statement] = rows


async def large_table(
    pool: Pool, lease: Lease, statement: str, params: Sequence[Any], seconds: float | None
) -> Table | None:
    """All rows of a large query as a table; None for one that is small, or not to be fetched so.

    The lease is held meanwhile, so that the pool's limit counts the query; it is shown as its statement.

    Raises:
        DatabaseError: The query failed.
    """
    if not only_reads(statement) or lease.connection.raw.is_in_transaction():
        return None
    typed = await _typed(pool, lease, statement, params)
    if typed is None:
        return None
    try:
        table = await lease.table(*typed, seconds=seconds)
    except DatabaseUnreachableError:
        return None  # the pool's own connections are there: that is what the second library cannot do
    pool.row_counts.put(statement, len(table))
    return table


async def _typed(pool: Pool, lease: Lease, statement: str, params: Sequence[Any]) -> tuple[str, list[str]] | None:
    """The statement with its values as texts, when it is large and gives nothing but plain types."""
    texts, known = [_text(value) for value in params], pool.row_counts.of(statement)
    if None in texts or (known is not None and known < ROWS):
        return None
    try:
        columns, values = await lease.connection.described(statement)
        if not columns or not set(columns) <= _SAME or not set(values) <= _SAME or len(values) != len(texts):
            return None
        expected = await _expected(lease, statement, params) if known is None else known
    except DatabaseError:
        if lease.connection.broken:
            raise
        return None  # it is run as ever, and says what is wrong with it
    pool.row_counts.put(statement, expected)
    return (_cast(statement, values), [text for text in texts if text is not None]) if expected >= ROWS else None


async def _expected(lease: Lease, statement: str, params: Sequence[Any]) -> int:
    """How many rows the planner expects."""
    found = await lease.connection.run(f"EXPLAIN (FORMAT JSON) {statement}", params, limit=1, seconds=_PLAN_SECONDS)
    plan = found.records[0][0]
    told = json.loads(plan) if isinstance(plan, str) else plan
    return int(told[0]["Plan"]["Plan Rows"])


def _text(value: Any) -> str | None:
    """A value as PostgreSQL reads it from a text; None for what is not done so."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, int | str | Decimal) else None


def _cast(statement: str, types: Sequence[str]) -> str:
    """The statement with each ``$1`` as a text that is cast."""
    parts, at = [], 0
    for token in tokens(statement):
        if token.kind == "value" and token.text.startswith("$"):
            number = int(token.text[1:])
            parts += [statement[at : token.start], f"(${number}::text::{_sql_name(types[number - 1])})"]
            at = token.end
    return "".join([*parts, statement[at:]])


def _sql_name(kind: str) -> str:
    return '"char"' if kind == "char" else kind
