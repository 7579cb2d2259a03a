"""The first rows that a node would give, from the first rows that it would get: for a window in which it is edited.

Node types that touch nothing outside (``Node.effect``) are run, writers say what they would write, and neither needs
anybody's leave. Readers look into their file, at its beginning alone; who asks for that has to be trusted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kailash_studio.errors import CredentialError, NodeError, ParameterError, StudioError, describe
from kailash_studio.runtime.pages import page_of
from kailash_studio.runtime.parameters import resolve
from kailash_studio.spec.context import Outputs, Resources, RunContext, RunScope
from kailash_studio.spec.declared import check_parameters
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import reference
from kailash_studio.tables.table import Table
from kailash_studio.workflow.workflow import Workflow

MOST_ROWS = 10_000  # of each input; a preview is made after each key that somebody presses
LIMIT = 100

Kind = Literal["", "run", "written", "read"]
"""How a type is previewed: not at all, by running it, by what it would write, by looking into what it reads."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a node would give.

    Attributes:
        outputs: The first rows, or the value, of each output.
        whole: Whether the inputs had no more rows than were used, so that the result is the real one.
        more: The outputs that have more rows than are given.
    """

    outputs: Outputs
    whole: bool
    more: frozenset[str] = frozenset()


def kind_of(node_type: type[Node]) -> Kind:
    """How nodes of this type are previewed."""
    if node_type.first_rows is not Node.first_rows:
        return "read" if node_type.effect == "reads" else "written"
    return "run" if node_type.effect == "pure" and node_type.execution != "async" else ""


def can_preview(node_type: type[Node]) -> bool:
    """Whether nodes of this type can be previewed without leave: nothing outside is touched."""
    return kind_of(node_type) in {"run", "written"}


def preview(
    node_type: type[Node],
    parameters: Mapping[str, Any],
    inputs: Mapping[str, Any],
    limit: int = LIMIT,
    *,
    folder: Path | None = None,
) -> Preview:
    """Run a node on the first rows of its inputs, or look at the first rows of its file; call it in a thread.

    Args:
        node_type: A type that can be previewed.
        parameters: As in the document, without references; see ``resolved``.
        inputs: Values of its input ports, whole or their first rows; parameters that are connected are among them.
        limit: Rows of each output that are wanted.
        folder: The workflow's folder. Only with it are files looked into.

    Raises:
        ParameterError: A parameter does not fit, or the type cannot be previewed.
        NodeError: What the node itself says, or an input has no value yet.
    """
    kind = kind_of(node_type)
    if not kind or (kind == "read" and folder is None):
        raise ParameterError(f"{node_type.type_name()} touches something outside, so it has no preview: run it.")
    given = dict(parameters) | {name: value for name, value in inputs.items() if name in node_type.declarations}
    problems = check_parameters(node_type, given)
    if problems:
        raise ParameterError(" ".join(sentence for _, sentence in problems))
    missing = [name for name, port in node_type.ports_of(given).inputs.items() if port.required and name not in inputs]
    if missing:
        raise NodeError(f"{missing[0]} has no value yet: connect it, and run what stands above once.")
    used = {name: _first(value) for name, value in inputs.items()}
    node = node_type(node_type.type_name(), **given)
    scope = RunScope("", folder=folder or Path(), resources=Resources())
    context = RunContext(scope, node.name, used)
    outputs = node.run(context) if kind == "run" else node.first_rows(context, limit + 1)
    assert isinstance(outputs, Mapping)  # asynchronous types were refused above
    whole = all(_size(used[name]) == _size(value) for name, value in inputs.items())
    more = frozenset(name for name, value in outputs.items() if _size(value) > limit or not whole)
    return Preview({name: _cut(value, limit) for name, value in outputs.items()}, whole, more)


def resolved(workflow: Workflow, node: str) -> dict[str, Any]:
    """The parameters of a node with the workflow's own in place of references.

    Raises:
        ParameterError: One has no value, or is not there.
        CredentialError: It refers to a secret, which no preview reads.
    """
    parameters = workflow.node(node).parameters
    for name in _referred(parameters.values()):
        if name not in workflow.parameters:
            raise ParameterError(f"The workflow has no parameter {name!r}: add it, or write a value.")
    return resolve(parameters, workflow, {}, _no_secret)


def _referred(values: Iterable[Any]) -> list[str]:
    found: list[str] = []
    for value in values:
        known = reference(value)
        if known is not None:
            found += [known[1]] if known[0] == "$parameter" else []
        elif isinstance(value, Mapping | list):
            found += _referred(value.values() if isinstance(value, Mapping) else value)
    return found


def _no_secret(name: str) -> str:
    raise CredentialError(f"A preview reads no secrets, and this node uses {name!r}: run it.")


async def preview_page(
    node_type: type[Node],
    parameters: Mapping[str, Any],
    inputs: Mapping[str, Any],
    limit: int = LIMIT,
    *,
    folder: Path | None = None,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """The same for a window: a page for each output (``pages.page_of``), or the sentence of what is wrong.

    Returns:
        ``outputs`` with a page for each, ``more``: those with more rows, ``whole``, and ``kind``; or ``problem``.
    """
    work = asyncio.get_running_loop().run_in_executor(
        executor, lambda: _pages(preview(node_type, parameters, inputs, limit, folder=folder), limit)
    )
    try:
        return {"kind": kind_of(node_type), **await work}
    except StudioError as error:
        return {"problem": describe(error)}


def _pages(found: Preview, limit: int) -> dict[str, Any]:
    outputs = {name: page_of(value, 0, limit) for name, value in found.outputs.items()}
    return {"outputs": outputs, "whole": found.whole, "more": sorted(found.more)}


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
