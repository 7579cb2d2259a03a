"""Nodes as text: what is copied, and what becomes of it where it is pasted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kailash_studio.errors import DocumentError
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow import commands
from kailash_studio.workflow.commands import Edit
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow
from kailash_studio.workflow.writer import write


def copied(workflow: Workflow, registry: Registry, node_ids: Iterable[str]) -> str:
    """Nodes and the connections among them, as text; secrets in clear are left out."""
    piece = commands.fragment(workflow, node_ids)
    for node_id, placed in piece.nodes.items():
        node_type = registry.find(placed.type)
        declared = node_type.declarations if node_type is not None else {}
        kept = {
            name: value
            for name, value in placed.parameters.items()
            if not (isinstance(value, str) and name in declared and declared[name].secret)
        }
        piece.nodes[node_id] = replace(placed, parameters=kept)
    return write(piece)


def pasted(
    workflow: Workflow, text: str, offset: tuple[float, float], *, parent: str = "", near: bool = False
) -> tuple[list[str], Edit]:
    """The edit that adds copied nodes, inside of a sub-workflow or of none, and their ids.

    Args:
        workflow: Where to.
        text: The copied nodes.
        offset: How far from where they were.
        parent: The sub-workflow that they go into.
        near: They come from elsewhere: put them below what is there.

    Raises:
        DocumentError: The text is no copied nodes.
    """
    try:
        piece = read(text, name="The clipboard").workflow
    except DocumentError:
        raise DocumentError("The clipboard holds no nodes: copy some first.") from None
    if near:
        offset = commands.below(workflow, piece, parent)
    return commands.paste(workflow, piece, offset, parent=parent)
