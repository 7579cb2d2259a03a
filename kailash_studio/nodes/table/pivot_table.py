"""PivotTableNode."""

from __future__ import annotations

from typing import Any, Literal

from kailash_studio.errors import TableError
from kailash_studio.nodes.table_change import TableChange
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.columns import check_columns
from kailash_studio.tables.functions import text_of
from kailash_studio.tables.measures import Measure, aggregated
from kailash_studio.tables.store import kept


class PivotTableNode(TableChange, Node):
    """Turn the values of a column into columns.

    Each value of ``columns`` becomes a column of the result, in order; each combination of the ``rows_by`` columns a
    row. A cell holds the measure of ``values`` over the rows that meet there, or null where there are none.

    Example: rows by ``region``, columns ``quarter``, values ``revenue``, measure ``sum``.

    Errors: a column that the table does not have, more new columns than the limit (a column with too many values).
    """

    icon = "table"
    keywords = ("crosstab", "wide", "matrix", "spread", "excel")

    rows_by: list[str] = Parameter(min_length=1, doc="Columns that name the rows, one on each line.", columns_of="rows")
    columns: str = Parameter(
        min_length=1, doc="Column whose values become columns.", placeholder="quarter", columns_of="rows"
    )
    values: str = Parameter(min_length=1, doc="Column that fills the cells.", placeholder="revenue", columns_of="rows")
    measure: Literal["sum", "mean", "min", "max", "count", "first", "last"] = Parameter(
        "sum", doc="What is made of several values in one cell."
    )
    limit: int = Parameter(200, ge=1, le=10_000, unit="columns", doc="More new columns than that fail.", advanced=True)

    rows = Input(Table, "The rows.")
    data = Output(Table, "The wide table.")

    def change(self, arrow: Any) -> table.Table:
        """The wide table."""
        import pyarrow as pa
        import pyarrow.compute as pc

        check_columns(arrow, [*self.rows_by, self.columns, self.values])
        heads = pc.unique(arrow.column(self.columns)).drop_null().sort()
        if len(heads) > self.limit:
            raise TableError(
                f"Column {self.columns!r} has {len(heads)} values, each of which would become a column: choose another "
                f"column, or raise the limit of {self.limit}."
            )
        titles = text_of(heads).to_pylist()
        taken = next((title for title in titles if title in self.rows_by), None)
        if taken is not None:
            raise TableError(f"A value of {self.columns!r} is named {taken!r} as a column of the rows is: rename that.")
        keys = [f"key_{i}" for i in range(len(self.rows_by))]
        source = pa.table(
            [
                *(arrow.column(name) for name in self.rows_by),
                text_of(arrow.column(self.columns)),
                arrow.column(self.values),
            ],
            names=[*keys, "head", "cell"],
        )
        cells = aggregated(source, [*keys, "head"], [Measure("value", self.measure, "cell")])
        options = pc.PivotWiderOptions(titles, unexpected_key_behavior="ignore")
        wide = cells.group_by(keys, use_threads=False).aggregate([(["head", "value"], "pivot_wider", options)])
        spread = wide.column("head_value_pivot_wider").combine_chunks()
        filled = [pc.struct_field(spread, i) for i in range(len(titles))]
        return kept(pa.table([*(wide.column(key) for key in keys), *filled], names=[*self.rows_by, *titles]))
