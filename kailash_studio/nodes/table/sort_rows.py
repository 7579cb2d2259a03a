"""SortRowsNode."""

from __future__ import annotations

from typing import Any, Literal

from kailash_studio.nodes.table_change import TableChange
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.columns import check_columns
from kailash_studio.tables.taking import taken


class SortRowsNode(TableChange, Node):
    """Put rows into order.

    List the columns, the most important first; ``price desc`` sorts the largest first. Rows that are equal in all of
    them keep their order. With a limit only the first rows of the result are kept: the ten largest, the newest hundred.

    Example: by ``region`` and ``total_value desc``, limit 10.

    Errors: a column that the table does not have, a column of records or lists, which have no order.
    """

    icon = "arrow-up-down"
    keywords = ("order", "top", "largest", "smallest", "rank")

    by: list[str] = Parameter(
        doc="Columns, one on each line; with desc behind its name the largest come first.", columns_of="rows"
    )
    nulls: Literal["last", "first"] = Parameter("last", doc="Where rows with an empty cell go.")
    limit: int = Parameter(0, ge=0, unit="rows", doc="Keep only so many of the first rows; 0 keeps all.")

    rows = Input(Table, "The rows.")
    data = Output(Table, "The rows in order.")

    def change(self, arrow: Any) -> table.Table:
        """The rows in order."""
        import pyarrow.compute as pc

        keys = [_key(text, arrow.column_names) for text in self.by]
        check_columns(arrow, [name for name, _ in keys])
        if not keys:
            return table.Table(arrow)
        place = "at_end" if self.nulls == "last" else "at_start"
        order = pc.sort_indices(arrow, sort_keys=[(*key, place) for key in keys])
        return taken(arrow, order[: self.limit] if self.limit else order)


def _key(text: str, names: list[str]) -> tuple[str, str]:
    if text not in names:
        name, _, direction = text.strip().rpartition(" ")
        if name and direction.lower() in {"asc", "desc"}:
            return name.strip(), "descending" if direction.lower() == "desc" else "ascending"
    return text, "ascending"
