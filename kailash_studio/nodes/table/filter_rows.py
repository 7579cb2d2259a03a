"""FilterRowsNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kailash_studio.errors import TableError
from kailash_studio.nodes.table_change import TableChange
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.columns import check_columns, value_for
from kailash_studio.tables.evaluation import among, compared, condition
from kailash_studio.tables.expression import parse
from kailash_studio.tables.store import mapped

Operator = Literal[
    "==", "!=", ">", ">=", "<", "<=", "contains", "starts with", "ends with", "is in", "is empty", "is not empty",
]  # fmt: skip
_COMPARED = {
    "==": "equal", "!=": "not_equal", ">": "greater", ">=": "greater_equal", "<": "less", "<=": "less_equal",
}  # fmt: skip
_IN_TEXT = {"contains": "match_substring", "starts with": "starts_with", "ends with": "ends_with"}
_ONE = ("by", ("one column",))


class FilterRowsNode(TableChange, Node):
    """Keep the rows that meet a condition.

    Choose a column, how it is compared, and a value; or write an expression over several columns. A row whose condition
    is null (a comparison with an empty cell) is left out, as in SQL. Dates are written ``2024-05-31``; ``is in`` takes
    a list, or texts with commas between them.

    Example: column ``total_value``, operator ``>``, value ``1000000``; or by the expression
    ``total_value > 1000000 and region in ('north', 'south')``.

    Errors: a column that the table does not have (the sentence lists those it has), a value that is not of the column's
    type, an expression that is no condition.
    """

    icon = "filter"
    keywords = ("where", "select", "condition", "query", "rows", "remove")

    by: Literal["one column", "expression"] = Parameter("one column", doc="How the condition is given.")
    column: str = Parameter("", doc="Column to look at.", placeholder="total_value", columns_of="rows", shown_when=_ONE)
    operator: Operator = Parameter("==", doc="How it is compared.", shown_when=_ONE)
    value: Any = Parameter(None, doc="What it is compared with.", shown_when=_ONE, port=True)
    expression: str = Parameter(
        "",
        doc="Condition over the columns.",
        placeholder="price > 10 and region == 'north'",
        shown_when=("by", ("expression",)),
        columns_of="rows",
        expression=True,
    )

    rows = Input(Table, "The rows to choose from.")
    data = Output(Table, "The rows that meet the condition, in their order.")

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """An expression that cannot be read."""
        text = parameters.get("expression")
        if parameters.get("by") != "expression" or not isinstance(text, str):
            return []
        try:
            parse(text)
        except TableError as error:
            return [("expression", str(error))]
        return []

    def change(self, arrow: Any) -> table.Table:
        """The rows that meet the condition."""
        if self.by == "expression":
            expression = parse(self.expression)
            return mapped(arrow, lambda batch: batch.filter(condition(expression, batch)))
        check_columns(arrow, [self.column])
        return mapped(arrow, lambda batch: batch.filter(self._mask(batch.column(self.column))))

    def _mask(self, cells: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        text = pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)
        if self.operator in {"is empty", "is not empty"}:
            empty = pc.is_null(cells)
            empty = pc.or_(empty, pc.fill_null(pc.equal(cells, ""), True)) if text else empty
            return empty if self.operator == "is empty" else pc.invert(empty)
        if self.operator in _IN_TEXT:
            if not text:
                raise TableError(f"Column {self.column!r} is no text: {self.operator} looks into texts.")
            return getattr(pc, _IN_TEXT[self.operator])(cells, str(self.value))
        if self.operator == "is in":
            wanted = self.value.split(",") if isinstance(self.value, str) else self.value
            if not isinstance(wanted, list | tuple):
                raise TableError(f"is in takes a list of values, not {self.value!r}.")
            values = [item.strip() if isinstance(self.value, str) else item for item in wanted]
            return among(cells, [value_for(cells.type, item, self.column) for item in values])
        if self.value is None:
            raise TableError("value is not set: give one, or choose is empty.")
        try:
            return compared(_COMPARED[self.operator], cells, pa.scalar(value_for(cells.type, self.value, self.column)))
        except pa.ArrowException:
            raise TableError(
                f"Column {self.column!r} cannot be compared with {self.value!r}: cast it before."
            ) from None
