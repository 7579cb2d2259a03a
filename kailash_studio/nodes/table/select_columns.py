"""SelectColumnsNode."""

from __future__ import annotations

from typing import Any, Literal

from kailash_studio.errors import TableError
from kailash_studio.nodes.table_change import TableChange
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.columns import check_columns


class SelectColumnsNode(TableChange, Node):
    """Choose columns, put them into order, and give them other names.

    ``keep`` leaves the listed columns, in the order of the list (an empty list keeps all); ``drop`` leaves the others.
    Names are changed after that. Nothing is copied, however large the table is.

    Example: columns ``client_name`` and ``total_value``, rename ``{"total_value": "value"}``.

    Errors: a column that the table does not have, two columns of the same name.
    """

    icon = "list"
    keywords = ("rename", "columns", "drop", "reorder", "project")

    columns: list[str] = Parameter([], doc="The columns that are meant, one on each line.", columns_of="rows")
    mode: Literal["keep", "drop"] = Parameter("keep", doc="Whether they are kept or left out.")
    rename: dict[str, str] = Parameter({}, doc="New names by the old ones.")

    rows = Input(Table, "The table.")
    data = Output(Table, "The table with the chosen columns.")

    def change(self, arrow: Any) -> table.Table:
        """The table with the chosen columns."""
        check_columns(arrow, [*self.columns, *self.rename])
        if self.mode == "drop":
            arrow = arrow.drop_columns(self.columns)
        elif self.columns:
            arrow = arrow.select(list(dict.fromkeys(self.columns)))
        names = [self.rename.get(name, name) for name in arrow.column_names]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise TableError(f"Two columns would be named {twice!r}: choose another new name.")
        return table.Table(arrow.rename_columns(names))
