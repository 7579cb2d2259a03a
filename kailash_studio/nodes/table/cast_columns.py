"""CastColumnsNode."""

from __future__ import annotations

from typing import Any, Literal

from kailash_studio.nodes.table_change import TableChange
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.casting import Casting, Kind
from kailash_studio.tables.columns import check_columns
from kailash_studio.tables.store import mapped


class CastColumnsNode(TableChange, Node):
    """Give columns another type.

    Types: text, integer (a fraction is an error), number, decimal (exact, with as many digits behind the point as
    given), boolean (true, yes, 1), date and time (ISO text, or by the given form). An empty text becomes null.

    Example: types ``{"price": "decimal", "day": "date"}``, date form ``%d.%m.%Y``, comma as decimal sign.

    Errors: a column that the table does not have, a cell that cannot become the type; the sentence has the row and the
    cell. With ``null`` such cells become null instead.
    """

    icon = "type"
    keywords = ("convert", "type", "number", "date", "text", "parse")

    types: dict[str, Kind] = Parameter(min_length=1, doc="The new type of each column, by its name.")
    if_impossible: Literal["fail", "null"] = Parameter("fail", doc="What happens to a cell that cannot be converted.")
    digits: int = Parameter(2, ge=0, le=18, unit="digits", doc="Digits of decimals behind the point.")
    decimal_sign: Literal[".", ","] = Parameter(".", doc="In numbers that are text; with a comma, points are left out.")
    date_form: str = Parameter("", doc="How dates and times are written; empty means ISO.", placeholder="%d.%m.%Y")

    rows = Input(Table, "The table.")
    data = Output(Table, "The table with the new types.")

    def change(self, arrow: Any) -> table.Table:
        """The table with the new types."""
        check_columns(arrow, list(self.types))
        casting = Casting(self.digits, self.decimal_sign, self.date_form, lenient=self.if_impossible == "null")
        done = 0

        def converted(batch: Any) -> Any:
            nonlocal done
            for name, kind in self.types.items():
                position = batch.schema.names.index(name)
                batch = batch.set_column(position, name, casting.cast(batch.column(position), kind, name, done))
            done += batch.num_rows
            return batch

        return mapped(arrow, converted)
