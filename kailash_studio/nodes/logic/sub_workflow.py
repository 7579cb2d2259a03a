"""SubWorkflowNode, and the two nodes at its border."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import DataType, Input, Output, Ports

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_TYPES = ", ".join(DataType)


class SubWorkflowNode(Node):
    """A part of the workflow as one node, with inputs and outputs of its own.

    It runs like a function that is called: nothing inside begins before its inputs are there, and it has ended when
    everything inside has ended. If something inside fails, and no fallback inside stands in, what follows is skipped.

    The nodes inside are nodes like all others: each has its own retry, timeout and breaker, breakpoints, results and
    dead letters. In results and on the command line their names begin with that of the sub-workflow: ``clean:sort``.
    What it takes and gives is declared at its border, by the two nodes ``inputs`` and ``outputs`` inside.

    Double-click it, or press Ctrl+E, to see it from inside, in its place. Ctrl+G makes one of the selected nodes,
    Ctrl+Shift+G takes it apart again.

    Errors: policies are set on the nodes inside; here they are refused.
    """

    title = "Sub-workflow"
    category = "Logic"
    icon = "layers"
    effect = "pure"
    keywords = ("group", "subflow", "component", "module", "function", "nested", "metanode")

    def run(self, context: RunContext) -> Outputs:
        """What came out of it."""
        return dict(context.inputs)


class _Border(Node):
    """Hands on what comes, under the names that it declares."""

    category = "Logic"
    effect = "pure"
    placed_by = "SubWorkflowNode"

    ports: dict[str, str] = Parameter(
        {},
        doc="Names, each with its type: any, table, record, list, text, number, boolean, bytes or file.",
        editor="ports",
    )

    @classmethod
    def declared(cls, parameters: Mapping[str, Any]) -> dict[str, DataType]:
        """The ports that can be understood."""
        given = parameters.get("ports")
        return {
            name: DataType(kind)
            for name, kind in (given.items() if isinstance(given, Mapping) else ())
            if isinstance(name, str) and _NAME.match(name) and kind in set(DataType)
        }

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """A name or a type that cannot be."""
        given = parameters.get("ports")
        for name, kind in given.items() if isinstance(given, Mapping) else ():
            if not isinstance(name, str) or not _NAME.match(name):
                return [("ports", f"{name!r} cannot be a name here: use letters, digits and _.")]
            if kind not in set(DataType):
                return [("ports", f"{name} has the unknown type {kind!r}: use one of {_TYPES}.")]
        return []

    def run(self, context: RunContext) -> Outputs:
        """What came."""
        return dict(context.inputs)


class SubWorkflowInputNode(_Border):
    """What a sub-workflow takes: its inputs, seen from inside.

    There is one in each sub-workflow. Each name that it declares is an input outside and an output here.

    Example: ports ``{"positions": "table", "least": "number"}``, optional ``["least"]``.

    Errors: a name that is none, or a type that is not known.
    """

    title = "Sub-workflow inputs"
    icon = "log-in"
    keywords = ("parameters", "arguments", "interface")

    optional: list[str] = Parameter([], doc="Names that need no connection; what hangs on them is skipped then.")

    @classmethod
    def ports_of(cls, parameters: Mapping[str, Any]) -> Ports:
        """An output for each name."""
        named = parameters.get("optional")
        optional = set(map(str, named)) if isinstance(named, list) else set()
        outputs = {n: Output(kind, conditional=n in optional) for n, kind in cls.declared(parameters).items()}
        return Ports({}, outputs)

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Also an optional name that is not declared."""
        known, named = cls.declared(parameters), parameters.get("optional")
        wrong = [name for name in named if name not in known] if isinstance(named, list) else []
        told = [("optional", f"There is no input {wrong[0]!r}: name one of ports.")] if wrong else []
        return super().problems_of(parameters) + told


class SubWorkflowOutputNode(_Border):
    """What a sub-workflow gives: its outputs, seen from inside.

    There is one in each sub-workflow. Each name that it declares is an output outside and an input here. A branch
    inside that was not taken leaves its output out.

    Example: ports ``{"rows": "table"}``.

    Errors: a name that is none, or a type that is not known.
    """

    title = "Sub-workflow outputs"
    icon = "log-out"
    keywords = ("results", "return", "interface")

    @classmethod
    def ports_of(cls, parameters: Mapping[str, Any]) -> Ports:
        """An input for each name."""
        return Ports({name: Input(kind) for name, kind in cls.declared(parameters).items()}, {})
