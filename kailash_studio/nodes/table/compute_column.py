"""ComputeColumnNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import TableError
from kailash_studio.nodes.table_change import TableChange
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.evaluation import compute
from kailash_studio.tables.expression import parse
from kailash_studio.tables.store import mapped


class ComputeColumnNode(TableChange, Node):
    """Add a column that is computed from the others.

    The expression has the columns by their names (one with a space in backticks), numbers, texts in quotes,
    ``+ - * / // % **``, comparisons, ``and or not``, ``x in (1, 2)``, ``x is null``, ``a if condition else b``, and
    functions: ``round(x, 2)``, ``coalesce(a, b)``, ``upper(name)``, ``contains(name, 'Ltd')``, ``year(day)``,
    ``days_between(start, end)``, ``number(text)`` and others (docs/tables.md lists them).

    A null in the row makes the result null; ``/`` gives a number, and a division by zero null. Exact decimals stay
    exact by ``+ - *``. A column of that name that is there already is replaced in its place.

    Example: name ``total``, expression ``round(price * quantity, 2)``.

    Errors: a column or function that is not there, columns whose types do not go together; the sentence names them.
    """

    icon = "variable"
    keywords = ("formula", "calculate", "expression", "derive", "add", "column", "if")

    column: str = Parameter("computed", min_length=1, doc="Name of the new column.")
    expression: str = Parameter(
        doc="What is in it.", placeholder="price * quantity", columns_of="rows", expression=True
    )

    rows = Input(Table, "The table.")
    data = Output(Table, "The table with the column.")

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """An expression that cannot be read."""
        text = parameters.get("expression")
        try:
            if isinstance(text, str):
                parse(text)
        except TableError as error:
            return [("expression", str(error))]
        return []

    def change(self, arrow: Any) -> table.Table:
        """The table with the column."""
        expression = parse(self.expression)

        def added(batch: Any) -> Any:
            cells = compute(expression, batch)
            if self.column in batch.schema.names:
                return batch.set_column(batch.schema.names.index(self.column), self.column, cells)
            return batch.append_column(self.column, cells)

        return mapped(arrow, added)
