"""AsyncSQLDatabaseNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kailash_studio.errors import DatabaseError
from kailash_studio.services.sql import query_postgresql, query_sqlite
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Number, Output, Record, Table

_DETAILS = ("connection", ("details",))
_OWN = frozenset({"host", "database", "connection_string", "user"})


class AsyncSQLDatabaseNode(Node):
    """Run an SQL statement on PostgreSQL or SQLite.

    ``embedded`` is the PostgreSQL that ships with the program; it starts by itself and holds sample tables (clients,
    portfolios, positions, market_prices). ``details`` connects to a server or a SQLite file of your own; in Python,
    giving ``host``, ``database`` or ``connection_string`` means that.

    Values are bound, never pasted: write ``$1``, ``$2`` where they go and list them in ``params``, or connect a list.
    Numbers of type numeric arrive exact, as decimals.

    Example: ``SELECT client_name, total_value FROM portfolios WHERE risk_profile = $1`` with params
    ``["Conservative"]``.

    Errors: a server that cannot be reached, a statement that the database refuses; the sentence has the line and
    column in your statement.
    """

    category = "Data"
    icon = "database"
    keywords = ("postgres", "postgresql", "sqlite", "select", "query", "table")

    query: str = Parameter(doc="One SQL statement, with $1, $2, ... for the values.", editor="sql")
    params: list[Any] = Parameter([], doc="Values for $1, $2, ...", port=True)
    fetch_mode: Literal["all", "one", "none"] = Parameter("all", doc="All rows, only the first, or none.")
    connection: Literal["embedded", "details"] = Parameter(
        "embedded", doc="The database that ships with the program, or the one described below."
    )
    database_type: Literal["postgresql", "sqlite"] = Parameter(
        "postgresql", doc="Kind of database.", shown_when=_DETAILS
    )
    host: str = Parameter("localhost", doc="Server.", shown_when=_DETAILS)
    port: int = Parameter(5432, ge=1, le=65535, doc="Port of the server.", shown_when=_DETAILS)
    database: str = Parameter("", doc="Name of the database, or path of the SQLite file.", shown_when=_DETAILS)
    user: str = Parameter("", doc="User of the database.", shown_when=_DETAILS)
    password: str = Parameter("", doc="Name of the secret with the password.", secret=True, shown_when=_DETAILS)
    connection_string: str = Parameter(
        "",
        doc="Name of the secret with a whole address, instead of the fields above.",
        secret=True,
        shown_when=_DETAILS,
    )

    result = Output(Record, "Rows under data, their number under row_count, names under columns.")
    data = Output(Table, "The rows.")
    row_count = Output(Number, "Rows returned, or changed.")

    def __init__(self, name: str = "", **values: Any) -> None:
        if "connection" not in values and _OWN & values.keys():
            values["connection"] = "details"
        super().__init__(name, **values)

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Runs SQL on a database."""
        if parameters.get("connection", "embedded") == "embedded" and not _OWN & parameters.keys():
            return ["runs SQL on the embedded database"]
        where = (
            parameters.get("host", "localhost") if parameters.get("database_type") != "sqlite" else "the SQLite file"
        )
        return [f"runs SQL on {where}/{parameters.get('database', '')}"]

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """An empty statement, a SQLite node without a file."""
        problems = []
        if isinstance(parameters.get("query"), str) and not parameters["query"].strip():
            problems.append(("query", "query is empty: write a statement."))
        if parameters.get("database_type") == "sqlite" and not parameters.get("database"):
            problems.append(("database", "database is not set: give the path of the SQLite file."))
        return problems

    async def run(self, context: RunContext) -> Outputs:
        """Run the statement; the outputs hold the rows."""
        one = self.fetch_mode == "one"
        try:
            if self.connection == "details" and self.database_type == "sqlite":
                found = await query_sqlite(context.path(self.database), self.query, self.params, one=one)
            else:
                found = await query_postgresql(await self._target(context), self.query, self.params, one=one)
        except DatabaseError as error:
            raise error.at(context.node_id) from None
        rows = [] if self.fetch_mode == "none" else found.rows
        result = {"data": rows, "row_count": found.row_count, "columns": found.columns}
        return {"result": result, "data": rows, "row_count": found.row_count}

    async def _target(self, context: RunContext) -> dict[str, Any]:
        if self.connection == "embedded":
            from kailash_studio.services.embedded_database import EmbeddedDatabase

            embedded = await context.scope.resources.get(EmbeddedDatabase, EmbeddedDatabase.open)
            return await embedded.target()
        if self.connection_string:
            return {"dsn": self.connection_string}
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database or None,
            "user": self.user or None,
            "password": self.password or None,
        }
