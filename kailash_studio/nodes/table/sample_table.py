"""SampleTableNode."""

from __future__ import annotations

from random import Random
from typing import Any, Literal

from kailash_studio.nodes.table_change import TableChange
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.taking import taken


class SampleTableNode(TableChange, Node):
    """Keep some of the rows.

    The first, the last, or a random choice of so many; or every n-th. A random choice is the same each time for the
    same seed and the same number of rows, so a run can be repeated. The rows stay in their order.

    Example: method ``random``, count 1000, to try a workflow before it runs on all rows.

    Errors: none of its own; a table with fewer rows comes out whole.
    """

    icon = "scissors"
    keywords = ("random", "limit", "head", "tail", "first", "subset")

    method: Literal["first", "last", "random", "every n-th"] = Parameter("first", doc="Which rows are kept.")
    count: int = Parameter(100, ge=0, unit="rows", doc="How many.", shown_when=("method", ("first", "last", "random")))
    step: int = Parameter(10, ge=1, unit="rows", doc="One of so many.", shown_when=("method", ("every n-th",)))
    seed: int = Parameter(1, doc="Another number gives another choice.", shown_when=("method", ("random",)))

    rows = Input(Table, "The rows.")
    data = Output(Table, "The chosen rows.")

    def change(self, arrow: Any) -> table.Table:
        """The chosen rows."""
        import pyarrow as pa

        total = arrow.num_rows
        count = min(self.count, total)
        match self.method:
            case "first":
                return table.Table(arrow.slice(0, count))
            case "last":
                return table.Table(arrow.slice(total - count))
            case "random":
                chosen = sorted(Random(self.seed).sample(range(total), count))  # noqa: S311 - a sample is no secret
                return taken(arrow, pa.array(chosen, pa.int64()))
            case _:
                return taken(arrow, pa.array(range(0, total, self.step), pa.int64()))
