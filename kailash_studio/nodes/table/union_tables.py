"""UnionTablesNode."""

from __future__ import annotations

from typing import Any, Literal

from kailash_studio.errors import TableError
from kailash_studio.nodes.table_change import refused_by_arrow
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Anything, Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.records import type_word
from kailash_studio.tables.store import TableWriter, batches_of


class UnionTablesNode(Node):
    """Put the rows of several tables below each other.

    Connect as many tables as you like; they count in the order of their nodes' names. Columns are matched by name. With
    ``all`` a table that lacks a column gives nulls there; with ``common`` only columns that every table has are kept;
    with ``same`` different columns fail the node.

    Numbers of several kinds find a common one. A column that is null throughout in one table takes the type of the
    others.

    Example: the positions of three custodians, columns ``same``, so that a renamed column is noticed.

    Errors: a column that holds different types in two tables; the sentence names it.
    """

    category = "Tables"
    icon = "layers"
    keywords = ("append", "concat", "stack", "combine", "merge")
    execution = "thread"
    effect = "pure"

    columns: Literal["all", "common", "same"] = Parameter("all", doc="Which columns the result has.")

    tables = Input(Anything, "The tables.", many=True)
    data = Output(Table, "All rows.")

    def run(self, context: RunContext) -> Outputs:
        """All rows."""
        given = [table.Table.of(value) for value in context.inputs["tables"]]
        filled = [one.arrow for one in given if one.column_names]
        return {"data": refused_by_arrow(self._union, filled) if filled else given[0]}

    def _union(self, tables: list[Any]) -> table.Table:
        schema = _schema(self._chosen(tables))
        with TableWriter(schema) as writer:
            for arrow in tables:
                for batch in batches_of(arrow.select([name for name in schema.names if name in arrow.column_names])):
                    writer.write(batch)
            return writer.finish()

    def _chosen(self, tables: list[Any]) -> list[Any]:
        first = tables[0].column_names
        common = [name for name in first if all(name in arrow.column_names for arrow in tables)]
        if self.columns == "common":
            return [arrow.select(common).schema for arrow in tables]
        if self.columns == "same":
            for number, arrow in enumerate(tables[1:], 2):
                odd = set(arrow.column_names) ^ set(first)
                if odd:
                    raise TableError(f"Table {number} and table 1 do not both have the column {sorted(odd)[0]!r}.")
        return [arrow.schema for arrow in tables]


def _schema(schemas: list[Any]) -> Any:
    import pyarrow as pa

    kinds: dict[str, Any] = {}
    for number, schema in enumerate(schemas, 1):
        for field in schema:
            known = kinds.get(field.name, field.type)
            try:
                pair = [pa.schema([(field.name, known)]), pa.schema([(field.name, field.type)])]
                kinds[field.name] = pa.unify_schemas(pair, promote_options="permissive").field(0).type
            except pa.ArrowException:
                raise TableError(
                    f"Column {field.name!r} holds a {type_word(known)} and, in table {number}, a "
                    f"{type_word(field.type)}: cast it in one of them before."
                ) from None
    return pa.schema(list(kinds.items()))
