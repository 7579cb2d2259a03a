"""DuckDBNode."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import DatabaseError, NodeError
from kailash_studio.nodes.named_files import file_of
from kailash_studio.services.duckdb_query import query_duckdb
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Number, Output, Ports, Table
from kailash_studio.tables import table

_STARTER = "SELECT * FROM rows"
_NAME = re.compile(r"[A-Za-z_]\w*\Z")


class DuckDBNode(Node):
    """Run SQL over tables of the workflow, and over CSV and Parquet files.

    Each name under ``tables`` is an input; the statement selects from it by that name. Files get names too, and are
    read as they are needed, without being loaded whole. Values are bound, never pasted: write ``$1``, ``$2`` and list
    them in ``params``. The statement reaches nothing but these tables and files: no other file, no network.

    Needs the extra ``duckdb``.

    Example: tables ``positions`` and ``prices``, ``SELECT symbol, sum(quantity * close_price) AS value FROM positions
    JOIN prices USING (symbol) WHERE region = $1 GROUP BY symbol`` with params ``["north"]``.

    Errors: a statement that DuckDB refuses, a file that is not there.
    """

    title = "DuckDB"
    category = "Tables"
    icon = "database"
    effect = "reads"
    sql_runs_on = "tables"
    keywords = ("sql", "query", "select", "join", "csv", "parquet")

    query: str = Parameter(_STARTER, min_length=1, doc="One SQL query, with $1, $2, ... for the values.", editor="sql")
    params: list[Any] = Parameter([], doc="Values for $1, $2, ...", port=True)
    tables: list[str] = Parameter(["rows"], doc="Names of the connected tables, one on each line; each is an input.")
    files: dict[str, str] = Parameter({}, doc="CSV and Parquet files by the names that the query has for them.")
    memory_limit: int = Parameter(
        1024, ge=64, le=262_144, unit="MiB", doc="Above it, DuckDB works on the disk.", advanced=True
    )

    data = Output(Table, "The rows.")
    row_count = Output(Number, "Rows returned.")

    @classmethod
    def ports_of(cls, parameters: Mapping[str, Any]) -> Ports:
        """An input for each table."""
        names = parameters.get("tables", ["rows"])
        known = [name for name in names if isinstance(name, str) and name] if isinstance(names, list) else []
        return Ports({**{name: Input(Table, f"The table {name}.") for name in known}, **cls.inputs}, cls.outputs)

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Reads the named files."""
        files = parameters.get("files")
        if not isinstance(files, dict):
            return []
        if "$parameter" in files:
            return [f"reads files that parameter {files['$parameter']} names"]
        return [f"reads {file_of(path)}" for path in files.values()]

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Names that cannot be inputs, or stand for two things."""
        given = parameters.get("tables", ["rows"])
        names = given if isinstance(given, list) else []
        files = parameters.get("files")
        problems = [
            ("tables", f"{name!r} cannot name a table: take letters, digits and underscores.")
            for name in names
            if not isinstance(name, str) or not _NAME.match(name) or name == "params"
        ]
        taken = [*names, *(files if isinstance(files, dict) else ())]
        twice = next((name for name in taken if taken.count(name) > 1), None)
        if twice is not None:
            problems.append(("tables", f"Two tables or files are named {twice!r}: rename one."))
        return problems

    async def run(self, context: RunContext) -> Outputs:
        """The rows that the query gives."""
        missing = next((name for name in self.tables if name not in context.inputs), None)
        if missing is not None:
            raise NodeError(f"The table {missing} is not connected: connect it, or take it from the list.")
        tables = {name: table.Table.of(context.inputs[name]) for name in self.tables}
        files = {name: context.path(path) for name, path in self.files.items()}
        try:
            found = await query_duckdb(self.query, self.params, tables, files, memory=self.memory_limit)
        except DatabaseError as error:
            raise error.at(context.node_id) from None
        return {"data": found, "row_count": len(found)}
