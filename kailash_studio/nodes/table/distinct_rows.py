"""DistinctRowsNode."""

from __future__ import annotations

from typing import Any, Literal

from kailash_studio.nodes.table_change import TableChange
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.columns import check_columns, free_name
from kailash_studio.tables.taking import taken


class DistinctRowsNode(TableChange, Node):
    """Leave out rows that are there already.

    Rows are the same when the listed columns are; with none listed, when all columns are. Of the same rows the first is
    kept, or the last. Empty cells are equal to each other.

    Example: columns ``client_id``, keep ``last``, on rows sorted by date, gives the newest row of each client.

    Errors: a column that the table does not have, a column of records or lists, which cannot be compared.
    """

    icon = "copy"
    keywords = ("unique", "duplicates", "deduplicate", "remove")

    columns: list[str] = Parameter(
        [], doc="Columns that are compared, one on each line; none means all.", columns_of="rows"
    )
    keep: Literal["first", "last"] = Parameter("first", doc="Which of the same rows stays.")

    rows = Input(Table, "The rows.")
    data = Output(Table, "The rows that differ, in their order.")

    def change(self, arrow: Any) -> table.Table:
        """The rows that differ."""
        import pyarrow as pa

        check_columns(arrow, self.columns)
        keys = list(dict.fromkeys(self.columns)) or arrow.column_names
        number = free_name("row", arrow.column_names)
        numbered = arrow.select(keys).append_column(number, pa.array(range(arrow.num_rows), pa.int64()))
        way = "min" if self.keep == "first" else "max"
        found = numbered.group_by(keys).aggregate([(number, way)])
        return taken(arrow, found.column(f"{number}_{way}").combine_chunks().sort())
