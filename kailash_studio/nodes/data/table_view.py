"""TableViewNode."""

from __future__ import annotations

from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Input, Output, Table


class TableViewNode(Node):
    """Show rows in a table.

    Put it on any connection that carries rows: they pass through unchanged, the node shows how many there are, and the
    window opens them in the Data panel when the run reaches it. A title names them there.
    """

    category = "Data"
    icon = "table-2"
    effect = "pure"
    keywords = ("show", "preview", "display", "output")

    heading: str = Parameter("", doc="Name of the table in the Data panel; empty takes the node's id.")

    rows = Input(Table, "What to show.")
    data = Output(Table, "The same rows.")

    def run(self, context: RunContext) -> Outputs:
        """The rows, unchanged."""
        return {"data": context.inputs["rows"]}
