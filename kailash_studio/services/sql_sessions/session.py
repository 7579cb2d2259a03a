"""A database that an editor looks at: each look in bounded time, and nothing that is done stays.

The person's text is sent as it is. Rows are limited by fetching no more of them, never by changing the statement. A
node's run does not come here: see ``services.sql``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import DatabaseError
from kailash_studio.services.postgres.rows import unique
from kailash_studio.services.sql_catalogue import Catalogue
from kailash_studio.services.sql_plan import PlanStep
from kailash_studio.services.sql_text import Given, Lines, Sent, first_word

MOST_ROWS = 1_000
ONLY_READS = "A test run only reads, and this statement writes: run the workflow to have it done."

Values = Given | Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What a database says against a statement.

    Attributes:
        sentence: In its words, with its hint.
        position: Where in the statement, counted from 0; -1 when it does not say.
        sqlstate: Its code; empty when there is none.
    """

    sentence: str
    position: int = -1
    sqlstate: str = ""

    def of(self, sent: Sent) -> Fault:
        """It against the person's text, of which another one was sent."""
        return Fault(sent.told(self.sentence), sent.origin(self.position), self.sqlstate)

    def error(self, statement: str) -> DatabaseError:
        """It as an error, with the line and column."""
        place = ""
        if self.position >= 0:
            found = Lines(statement).place(self.position)
            place = f"Line {found.line}, column {found.column}: "
        return DatabaseError(f"{place}{self.sentence}", sqlstate=self.sqlstate)


@dataclass(frozen=True, slots=True)
class Description:
    """What a database says of a statement without running it.

    Attributes:
        parameters: Type of each value, by placeholder; empty where the database does not say.
        columns: Name and type of each column of the result; none where the database does not say.
        fault: Why it refuses, or None.
    """

    parameters: dict[str, str]
    columns: list[tuple[str, str]]
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class FirstRows:
    """What a test run gave.

    Attributes:
        columns: Name and type of each column; an empty type where the database does not say.
        rows: The first rows.
        more: There are more than these.
    """

    columns: list[tuple[str, str]]
    rows: list[tuple[Any, ...]]
    more: bool

    @classmethod
    def of(cls, columns: Sequence[tuple[str, str]], found: Sequence[Sequence[Any]], limit: int) -> FirstRows:
        """Of rows fetched, one more than the limit where there are more; columns of one name are told apart."""
        names = unique([name for name, _ in columns])
        distinct = [(name, kind) for name, (_, kind) in zip(names, columns, strict=True)]
        return cls(distinct, [tuple(row) for row in found[:limit]], len(found) > limit)


class Session(ABC):
    """A database to look at; each look opens a connection of its own.

    Attributes:
        dialect: "postgresql", "sqlite", "duckdb" or "mysql".
        where: Where it is, for sentences; never a password.
        seconds: Seconds that one look may take, from connecting to the last row.
    """

    dialect: str
    where: str
    seconds: float

    @abstractmethod
    async def catalogue(self) -> Catalogue:
        """Read what it holds.

        Raises:
            DatabaseError: It cannot be reached, refuses, or takes too long.
        """

    @abstractmethod
    async def describe(self, statement: str) -> Description:
        """Let the database parse a statement and find its types; nothing is executed.

        Raises:
            DatabaseError: The database cannot be asked.
        """

    async def first_rows(self, statement: str, values: Values, *, limit: int = 200) -> FirstRows:
        """Run a statement so that it can only read, and take its first rows.

        Raises:
            DatabaseError: The database cannot be asked, the statement or a value is at fault, or it takes too long.
        """
        return await self._first_rows(statement, Given.of(values), max(1, min(limit, MOST_ROWS)))

    async def explain(self, statement: str, values: Values, *, analyze: bool = False) -> PlanStep:
        """The plan of a statement.

        Args:
            statement: The person's text.
            values: Its values.
            analyze: Execute it and measure each step; where it may write, what it writes is rolled back.

        Raises:
            DatabaseError: The database cannot be asked, or the statement or a value is at fault.
        """
        if first_word(statement, self.dialect) == "explain":
            raise DatabaseError("The statement is an EXPLAIN already: take that word away, Explain adds it.")
        return await self._plan(statement, Given.of(values), analyze)

    @abstractmethod
    async def _first_rows(self, statement: str, given: Given, limit: int) -> FirstRows: ...

    @abstractmethod
    async def _plan(self, statement: str, given: Given, analyze: bool) -> PlanStep: ...
