"""Looking at what a statement does before a workflow runs it: description, first rows, plan. Nothing of it stays.

The person's text is sent as it is. Rows are limited by fetching no more of them, never by changing the statement.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import DatabaseError
from kailash_studio.services.sql import unique
from kailash_studio.services.sql_plan import PlanStep, from_postgresql, from_sqlite
from kailash_studio.services.sql_session import (
    Fault,
    PostgresSession,
    SqliteSession,
    fault_in_sqlite,
    fault_of,
)
from kailash_studio.services.sql_text import first_word, placeholders, positional

MOST_ROWS = 1_000
_TYPES = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
}

Values = Sequence[Any] | dict[str, Any]
Session = PostgresSession | SqliteSession


@dataclass(frozen=True, slots=True)
class Description:
    """What a database says of a statement without running it.

    Attributes:
        parameters: Type of each value, by placeholder; empty where the database does not say.
        columns: Name and type of each column of the result.
        fault: Why it refuses, or None.
    """

    parameters: dict[str, str]
    columns: list[tuple[str, str]]
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class FirstRows:
    """What a test run gave.

    Attributes:
        columns: Name and type of each column.
        rows: The first rows.
        more: There are more than these.
    """

    columns: list[tuple[str, str]]
    rows: list[tuple[Any, ...]]
    more: bool


async def describe_statement(session: Session, statement: str) -> Description:
    """Let the database parse a statement and find its types; nothing is executed.

    Raises:
        DatabaseError: The database cannot be asked.
    """
    if isinstance(session, SqliteSession):
        return await session.ask(lambda connection: _described(connection, statement), statement)
    import asyncpg

    names = [p.name for p in placeholders(statement)]
    sent, _ = positional(statement, dict.fromkeys(_bare(names)) if _named(names) else [])
    try:
        async with session.reading() as connection:
            prepared = await connection.prepare(sent)
            types = [_type_name(t) for t in prepared.get_parameters()]
            columns = [(a.name, _type_name(a.type)) for a in prepared.get_attributes()]
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        fault = fault_of(error)
        if sent != statement:  # the places of a text with other placeholders are not those of this one
            fault = Fault(fault.sentence, -1, fault.sqlstate)
        return Description({}, [], fault)
    if _named(names):
        return Description(dict(zip(names, types, strict=False)), columns)
    return Description({f"${number}": kind for number, kind in enumerate(types, 1)}, columns)


def _described(connection: sqlite3.Connection, statement: str) -> Description:
    names = [p.name for p in placeholders(statement)]
    try:
        connection.execute(f"EXPLAIN {_for_sqlite(statement)}", _no_values(names)).close()
    except sqlite3.Error as error:
        return Description({}, [], fault_in_sqlite(error, statement))
    return Description({}, [])


async def first_rows(session: Session, statement: str, values: Values, *, limit: int = 200) -> FirstRows:
    """Run a statement in a read-only transaction that is rolled back, and take its first rows.

    Raises:
        DatabaseError: The database cannot be asked, the statement or a value is at fault, or it takes too long.
    """
    limit = max(1, min(limit, MOST_ROWS))
    if isinstance(session, SqliteSession):
        return await session.ask(lambda connection: _first(connection, statement, values, limit), statement)
    sent, bound = positional(statement, values if isinstance(values, dict) else list(values))

    async def work(connection: Any) -> FirstRows:
        prepared = await connection.prepare(sent)
        _check_count(len(prepared.get_parameters()), bound)
        columns = [(a.name, _type_name(a.type)) for a in prepared.get_attributes()]
        cursor = await prepared.cursor(*bound)
        found = await cursor.fetch(limit + 1)
        return FirstRows(_distinct(columns), [tuple(row) for row in found[:limit]], len(found) > limit)

    return await session.ask(work, sent)  # type: ignore[no-any-return]


def _first(connection: sqlite3.Connection, statement: str, values: Values, limit: int) -> FirstRows:
    cursor = connection.execute(_for_sqlite(statement), values)
    columns = [(column[0], "") for column in cursor.description or ()]
    found = cursor.fetchmany(limit + 1)
    return FirstRows(_distinct(columns), found[:limit], len(found) > limit)


async def explain(session: Session, statement: str, values: Values, *, analyze: bool = False) -> PlanStep:
    """The plan of a statement.

    Args:
        session: The database.
        statement: The person's text.
        values: Its values.
        analyze: Execute it and measure each step; what it writes is rolled back.

    Raises:
        DatabaseError: The database cannot be asked, or the statement or a value is at fault.
    """
    if first_word(statement) == "explain":
        raise DatabaseError("The statement is an EXPLAIN already: take that word away, Explain adds it.")
    if isinstance(session, SqliteSession):
        prefix = "EXPLAIN QUERY PLAN "
        found = await session.ask(
            lambda connection: connection.execute(prefix + _for_sqlite(statement), values).fetchall(), statement
        )
        return from_sqlite(found)
    sent, bound = positional(statement, values if isinstance(values, dict) else list(values))
    prefix = f"EXPLAIN (FORMAT JSON{', ANALYZE, BUFFERS' if analyze else ''}) "

    async def work(connection: Any) -> Any:
        prepared = await connection.prepare(prefix + sent)
        _check_count(len(prepared.get_parameters()), bound)
        return await prepared.fetchval(*bound)

    found = await session.ask(work, sent, before=len(prefix), writable=analyze)
    return from_postgresql(json.loads(found)[0])


def _check_count(wanted: int, given: Sequence[Any]) -> None:
    if wanted != len(given):
        raise DatabaseError(
            f"The statement asks for {wanted} value{'s' * (wanted != 1)} and gets {len(given)}: "
            "give each parameter a value, and take away what is too many."
        )


def _type_name(kind: Any) -> str:
    """A type as people write it: asyncpg has arrays as text[] already, and the short names of numbers."""
    return _TYPES.get(kind.name, str(kind.name))


def _distinct(columns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    names = unique([name for name, _ in columns])
    return [(name, kind) for name, (_, kind) in zip(names, columns, strict=True)]


def _named(names: Sequence[str]) -> bool:
    return any(name.startswith(":") for name in names)


def _bare(names: Sequence[str]) -> list[str]:
    return [name[1:] for name in names]


def _no_values(names: Sequence[str]) -> Any:
    if _named(names):
        return dict.fromkeys(_bare(names))
    return [None] * max((int(name[1:]) for name in names if name[1:].isdigit()), default=0)


def _for_sqlite(statement: str) -> str:
    """PostgreSQL's ``$1`` as SQLite spells it, ``?1``: as long as before, so places stay true."""
    text = list(statement)
    for placeholder in placeholders(statement):
        if placeholder.number:
            for start, _ in placeholder.spans:
                text[start] = "?"
    return "".join(text)
