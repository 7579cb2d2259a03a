"""The first rows that a node would give, from the first rows that it would get: for a window in which it is edited.

Only node types that touch nothing outside (``Node.effect``) are ever run here, so a preview needs nobody's leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import NodeError, ParameterError, StudioError, describe
from kailash_studio.runtime.pages import page_of
from kailash_studio.spec.context import Outputs, Resources, RunContext, RunScope
from kailash_studio.spec.declared import check_parameters
from kailash_studio.spec.node import Node
from kailash_studio.tables.table import Table

MOST_ROWS = 10_000  # of each input; a preview is made after each key that somebody presses
LIMIT = 100


@dataclass(frozen=True, slots=True)
class Preview:
    """What a node would give.

    Attributes:
        outputs: The first rows, or the value, of each output.
        whole: Whether the inputs had no more rows than were used, so that the result is the real one.
    """

    outputs: Outputs
    whole: bool


def can_preview(node_type: type[Node]) -> bool:
    """Whether nodes of this type can be previewed."""
    return node_type.effect == "pure" and node_type.execution != "async"


def preview(
    node_type: type[Node], parameters: Mapping[str, Any], inputs: Mapping[str, Any], limit: int = LIMIT
) -> Preview:
    """Run a node on the first rows of its inputs; call it in a thread.

    Args:
        node_type: A pure node type.
        parameters: As in the document; references are not resolved here.
        inputs: Values of its input ports, whole or their first rows.
        limit: Rows of each output that are wanted.

    Raises:
        ParameterError: A parameter does not fit, or the type cannot be previewed.
        NodeError: What the node itself says, or an input has no value yet.
    """
    if not can_preview(node_type):
        raise ParameterError(f"{node_type.type_name()} touches something outside, so it has no preview: run it.")
    problems = check_parameters(node_type, parameters)
    if problems:
        raise ParameterError(" ".join(sentence for _, sentence in problems))
    missing = [
        name for name, port in node_type.ports_of(parameters).inputs.items() if port.required and name not in inputs
    ]
    if missing:
        raise NodeError(f"{missing[0]} has no value yet: connect it, and run what stands above once.")
    used = {name: _first(value) for name, value in inputs.items()}
    node = node_type(node_type.type_name(), **parameters)
    outputs = node.run(RunContext(RunScope("", resources=Resources()), node.name, used))
    assert isinstance(outputs, Mapping)  # asynchronous types were refused above
    whole = all(_size(used[name]) == _size(value) for name, value in inputs.items())
    return Preview({name: _cut(value, limit) for name, value in outputs.items()}, whole)


async def preview_page(
    node_type: type[Node], parameters: Mapping[str, Any], inputs: Mapping[str, Any], limit: int = LIMIT
) -> dict[str, Any]:
    """The same for a window: a page for each output (``pages.page_of``), or the sentence of what is wrong.

    Returns:
        ``outputs`` with a page for each, and ``whole``; or ``problem``.
    """
    try:
        found = await asyncio.to_thread(preview, node_type, parameters, inputs, limit)
    except StudioError as error:
        return {"problem": describe(error)}
    return {"outputs": {name: page_of(value, 0, limit) for name, value in found.outputs.items()}, "whole": found.whole}


def _first(value: Any) -> Any:
    """At most so many rows of a table or of each table in a list of them; a record with rows keeps its other keys."""
    if isinstance(value, Table):
        return value[:MOST_ROWS]
    if isinstance(value, Mapping) and isinstance(value.get("data"), Table | list):
        return {**value, "data": _first(value["data"])}
    if isinstance(value, list):
        several = value and all(isinstance(item, Table | list) for item in value[:MOST_ROWS])
        return [_first(item) for item in value] if several else value[:MOST_ROWS]
    return value


def _size(value: Any) -> int:
    if isinstance(value, Mapping):
        return _size(value.get("data"))
    if isinstance(value, list) and value and isinstance(value[0], Table | list):
        return sum(map(_size, value))
    return len(value) if isinstance(value, Table | list) else 1


def _cut(value: Any, limit: int) -> Any:
    return value[:limit] if isinstance(value, Table | list) else value
