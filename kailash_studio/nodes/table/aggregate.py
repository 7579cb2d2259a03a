"""AggregateNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import TableError
from kailash_studio.nodes.table_change import TableChange
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import measures, table
from kailash_studio.tables.store import kept


class AggregateNode(TableChange, Node):
    """Group rows and measure each group.

    Rows with the same values in the group's columns become one row, in the order in which the groups come up. Without
    columns the whole table is one group. Measures are written ``total = sum(price)``: sum, mean, min, max, count (of
    filled cells; ``count()`` of rows), count_distinct, first, last, approximate_median, stddev, variance, any, all and
    list.

    Empty cells form a group of their own and count in no measure. Sums of exact decimals are exact.

    Example: group by ``region``, measures ``clients = count()`` and ``total = sum(total_value)``.

    Errors: a column that the table does not have, a sum of texts, two new columns of the same name.
    """

    icon = "sigma"
    keywords = ("group", "sum", "count", "average", "mean", "total", "statistics")

    group_by: list[str] = Parameter(
        [], doc="Columns whose values make the groups, one on each line.", columns_of="rows"
    )
    measures: list[str] = Parameter(
        ["count()"],
        min_length=1,
        doc="What is computed of each group, one on each line: total = sum(price).",
        columns_of="rows",
        expression=True,
    )

    rows = Input(Table, "The rows.")
    data = Output(Table, "One row for each group.")

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """A measure that cannot be read."""
        given = parameters.get("measures")
        try:
            for text in given if isinstance(given, list) else []:
                measures.parse(str(text))
        except TableError as error:
            return [("measures", str(error))]
        return []

    def change(self, arrow: Any) -> table.Table:
        """One row for each group."""
        return kept(measures.aggregated(arrow, self.group_by, [measures.parse(text) for text in self.measures]))
