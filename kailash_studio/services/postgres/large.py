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

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError
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
        *("text", "varchar", "bpchar", "name", "bytea", "date", "timestamp", "timestamptz"),
    }
)
_PLAN_SECONDS = 30.0
# what a value has to be so that its text, cast by the server, means what the driver would send
_OWN: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    **dict.fromkeys(("int2", "int4", "int8"), (int,)),
    **dict.fromkeys(("float4", "float8"), (float, int)),
    "numeric": (Decimal, int),
    **dict.fromkeys(("text", "varchar", "bpchar", "name"), (str,)),
    "date": (dt.date,),
    **dict.fromkeys(("timestamp", "timestamptz"), (dt.datetime,)),
}


class RowCounts:
    """How many rows statements gave; the oldest are forgotten."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._unfit: set[str] = set()

    def of(self, statement: str) -> int | None:
        """How many, or None; none of what is no table."""
        return 0 if statement in self._unfit else self._rows.get(statement)

    def put(self, statement: str, rows: int) -> None:
        """Remember it."""
        self._rows.pop(statement, None)
        if len(self._rows) >= _KEPT:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            self._unfit.discard(oldest)
        self._rows[statement] = rows

    def put_unfit(self, statement: str) -> None:
        """Remember that it had values that a table does not have."""
        self.put(statement, 0)
        self._unfit.add(statement)


async def large_table(
    pool: Pool, lease: Lease, statement: str, params: Sequence[Any], seconds: float | None
) -> Table | None:
    """All rows of a large query as a table; None for one that is small, or not to be fetched so.

    The lease is held meanwhile, so that the pool's limit counts the query; it is shown as its statement.

    Raises:
        DatabaseError: The query failed.
    """
    from kailash_studio.services.arrow_fetch import InexactError

    if not only_reads(statement) or lease.connection.raw.is_in_transaction():
        return None
    typed = await _typed(pool, lease, statement, params, seconds)
    if typed is None:
        return None
    try:
        table = await lease.table(*typed, seconds=seconds)
    except DatabaseUnreachableError:
        return None  # the pool's own connections are there: that is what the second library cannot do
    except InexactError:
        pool.row_counts.put_unfit(statement)
        return None
    pool.row_counts.put(statement, len(table))
    return table


async def _typed(
    pool: Pool, lease: Lease, statement: str, params: Sequence[Any], seconds: float | None
) -> tuple[str, list[str]] | None:
    """The statement with its values as texts, when it is large and gives nothing but plain types."""
    known = pool.row_counts.of(statement)
    if known is not None and known < ROWS:
        return None
    columns, types = await lease.described(statement, seconds=seconds)
    if not columns or not set(columns) <= _SAME or len(types) != len(params):
        return None
    texts = [_text(value, kind) for value, kind in zip(params, types, strict=True)]
    if None in texts:
        return None
    if known is None:
        known = await _expected(pool, lease, statement, params, seconds)
        if known is None:
            return None
        pool.row_counts.put(statement, known)
    else:
        await lease.asked("SELECT", seconds=seconds)  # until something runs, what is only described keeps tables locked
    return (_cast(statement, types), [text for text in texts if text is not None]) if known >= ROWS else None


async def _expected(
    pool: Pool, lease: Lease, statement: str, params: Sequence[Any], seconds: float | None
) -> int | None:
    """How many rows the planner expects; None where it does not say."""
    limit = pool.options.statement_timeout if seconds is None else seconds
    asked = f"EXPLAIN (FORMAT JSON) {statement}"
    try:
        found = await lease.asked(asked, params, seconds=min(limit, _PLAN_SECONDS))
    except DatabaseError as error:
        if lease.connection.broken or (isinstance(error, DatabaseTimeoutError) and limit <= _PLAN_SECONDS):
            raise
        return None  # it is run as ever, and says what is wrong with it
    plan = found.records[0][0]
    told = json.loads(plan) if isinstance(plan, str) else plan
    return int(told[0]["Plan"]["Plan Rows"])


def _text(value: Any, kind: str) -> str | None:
    """A value as PostgreSQL reads it from a text; None for one that is not of the type's own."""
    if type(value) not in _OWN.get(kind, ()) or (kind.startswith("timestamp") and _lacks_zone(value, kind)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _lacks_zone(value: dt.datetime, kind: str) -> bool:
    """Whether its zone would be a guess, the client's or the server's; or there is one too many."""
    return (value.tzinfo is None) == (kind == "timestamptz")


def _cast(statement: str, types: Sequence[str]) -> str:
    """The statement with each ``$1`` as a text that is cast."""
    parts, at = [], 0
    for token in tokens(statement):
        if token.kind == "value" and token.text.startswith("$"):
            number = int(token.text[1:])
            parts += [statement[at : token.start], f"(${number}::text::{types[number - 1]})"]
            at = token.end
    return "".join([*parts, statement[at:]])
