"""SwitchNode."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from kailash_studio.errors import NodeError
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Anything, Input, Output, Ports
from kailash_studio.spec.values import step_into

Operator = Literal["==", "!=", ">", ">=", "<", "<=", "contains", "is in", "is empty", "is not empty"]


class SwitchNode(Node):
    """Send a value down one of several branches.

    With no cases, one condition chooses between ``true_output`` and ``false_output``: the value, or a field of it, is
    compared with ``value``. With cases, the value goes to the output of the case that equals it, or to ``default``.
    The branch that is not taken is inactive: nodes that need it are skipped and say so, and a merge goes on without it.

    Example: field ``total_aum``, operator ``>``, value ``1000000`` sends large books to ``true_output``.

    Errors: a field that the value does not have, or two values that cannot be compared, fail the node.
    """

    category = "Logic"
    icon = "split"
    effect = "pure"
    keywords = ("if", "branch", "condition", "case", "route")

    field: str = Parameter(
        "", doc="Field of the value to look at, such as result.total; empty looks at the value itself."
    )
    operator: Operator = Parameter("==", doc="How the field is compared.")
    value: Any = Parameter(None, doc="What it is compared with.")
    cases: list[str] = Parameter(
        [], doc="Values with an output of their own each, instead of a condition; anything else goes to default."
    )

    data = Input(Anything, "What is sent on.")

    @classmethod
    def ports_of(cls, parameters: Mapping[str, Any]) -> Ports:
        """An output for each case, or the two of a condition."""
        cases = parameters.get("cases")
        if isinstance(cases, list) and cases:
            names = {case_output(str(case)): f"Taken when the field is {case}." for case in cases}
            names["default"] = "Taken when no case fits."
        else:
            names = {"true_output": "Taken when the condition holds.", "false_output": "Taken when it does not."}
        return Ports(cls.inputs, {name: Output(Anything, doc, conditional=True) for name, doc in names.items()})

    def run(self, context: RunContext) -> Outputs:
        """The value, under the name of the branch that is taken."""
        data = context.inputs["data"]
        seen = step_into(data, self.field.split(".") if self.field else (), self.name or "switch")
        if self.cases:
            chosen = next((case_output(case) for case in self.cases if str(seen) == case), "default")
        else:
            chosen = "true_output" if self._holds(seen) else "false_output"
        return {chosen: data}

    def _holds(self, seen: Any) -> bool:
        other = self.value
        try:
            match self.operator:
                case "==":
                    return bool(seen == other)
                case "!=":
                    return bool(seen != other)
                case ">":
                    return bool(seen > other)
                case ">=":
                    return bool(seen >= other)
                case "<":
                    return bool(seen < other)
                case "<=":
                    return bool(seen <= other)
                case "contains":
                    return other in seen
                case "is in":
                    return seen in other
                case "is empty":
                    return seen is None or (hasattr(seen, "__len__") and len(seen) == 0)
                case _:
                    return not (seen is None or (hasattr(seen, "__len__") and len(seen) == 0))
        except TypeError:
            raise NodeError(
                f"{self.name or 'The switch'}: a value of type {type(seen).__name__} cannot be compared by "
                f"{self.operator} with {other!r}: change the field or the value."
            ) from None


def case_output(case: str) -> str:
    """The output port of a case: ``case_`` and the case in letters, digits and underscores."""
    return "case_" + re.sub(r"\W+", "_", case).strip("_").lower()
