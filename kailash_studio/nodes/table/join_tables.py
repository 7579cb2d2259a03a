"""JoinTablesNode."""

from __future__ import annotations

from typing import Any, Literal

from kailash_studio.errors import TableError
from kailash_studio.nodes.table_change import refused_by_arrow
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table
from kailash_studio.tables import table
from kailash_studio.tables.joining import joined

_JOINS = {"inner": "inner", "left": "left outer", "right": "right outer", "full": "full outer"}
_KEPT = {"only matched": "left semi", "only unmatched": "left anti"}


class JoinTablesNode(Node):
    """Bring two tables together by columns in which they agree.

    ``inner`` gives the rows that have a match, ``left`` all rows of the left table and nulls where the right one has no
    match, ``right`` and ``full`` accordingly. ``only matched`` and ``only unmatched`` keep or find left rows by whether
    there is a match, and add no columns. An empty cell matches nothing.

    Rows come in the order of the left table. A column of the right table whose name the left one has too gets the
    suffix. With ``at most one``, several matches for a left row fail the node instead of multiplying rows unnoticed.

    Example: left ``positions``, right ``instruments``, on ``symbol``, how ``left``.

    Errors: a column that one of the tables does not have, columns of different types; the sentence names both.
    """

    category = "Tables"
    icon = "link"
    keywords = ("merge", "lookup", "vlookup", "combine", "match", "key")
    execution = "thread"
    effect = "pure"

    on: list[str] = Parameter(min_length=1, doc="Columns in which both agree, one on each line.", columns_of="left")
    right_on: list[str] = Parameter(
        [],
        doc="Their names in the right table, in the same order; empty: the same names.",
        advanced=True,
        columns_of="right",
    )
    how: Literal["inner", "left", "right", "full", "only matched", "only unmatched"] = Parameter(
        "inner", doc="Which rows the result has."
    )
    matches: Literal["any number", "at most one"] = Parameter(
        "any number", doc="How many matches in the right table a left row may have."
    )
    suffix: str = Parameter("_right", min_length=1, doc="Put behind names that both tables have.", advanced=True)

    left = Input(Table, "The table whose rows are kept in order.")
    right = Input(Table, "The table that is looked up.")
    data = Output(Table, "The joined rows.")

    def run(self, context: RunContext) -> Outputs:
        """The joined rows."""
        left, right = table.Table.of(context.inputs["left"]), table.Table.of(context.inputs["right"])
        right_on = self.right_on or self.on
        if len(right_on) != len(self.on):
            raise TableError(f"right_on names {len(right_on)} columns and on names {len(self.on)}: make them as many.")
        return {"data": refused_by_arrow(self._joined, left.arrow, right.arrow, right_on)}

    def _joined(self, left: Any, right: Any, right_on: list[str]) -> table.Table:
        one = self.matches == "at most one"
        if self.how in _KEPT:
            return joined(left, right, self.on, right_on, how=_KEPT[self.how], suffix=self.suffix, one=one)
        return joined(left, right, self.on, right_on, how=_JOINS[self.how], suffix=self.suffix, one=one)
