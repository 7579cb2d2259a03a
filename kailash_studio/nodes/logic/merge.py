"""MergeNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kailash_studio.errors import NodeError
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Anything, Input, Output
from kailash_studio.tables.table import Table, chained


class MergeNode(Node):
    """Bring several branches together again.

    Connect as many branches as you like to ``data``. It runs as soon as each of them has ended and at least one is
    active; branches that a switch did not take are left out. If a branch failed, the merge is skipped.

    ``first`` gives the value of the first active branch, ``list`` a list of all values, ``concat`` one list of all rows
    (tables and lists are chained), ``update`` one record (later branches win). Branches count in the order of their
    nodes' names.

    Errors: values that are not lists cannot be chained, values that are not records cannot be updated.
    """

    category = "Logic"
    icon = "merge"
    effect = "pure"
    keywords = ("join", "combine", "union", "concat")

    mode: Literal["first", "list", "concat", "update"] = Parameter("concat", doc="How the values become one.")

    data = Input(Anything, "The branches.", many=True)
    merged = Output(Anything, "The one value.")

    def run(self, context: RunContext) -> Outputs:
        """The merged value."""
        values: list[Any] = context.inputs["data"]
        match self.mode:
            case "first":
                return {"merged": values[0]}
            case "list":
                return {"merged": values}
            case "concat" if all(isinstance(value, Table) for value in values):
                return {"merged": chained(values)}
            case "concat":
                rows: list[Any] = []
                for value in values:
                    if not isinstance(value, list | tuple | Table):
                        raise NodeError(_sentence(value, "chained", "list"))
                    rows.extend(value)
                return {"merged": rows}
            case _:
                record: dict[Any, Any] = {}
                for value in values:
                    if not isinstance(value, Mapping):
                        raise NodeError(_sentence(value, "updated", "first"))
                    record.update(value)
                return {"merged": record}


def _sentence(value: Any, verb: str, other: str) -> str:
    return f"A value of type {type(value).__name__} cannot be {verb}: connect other values, or merge by {other}."
