"""Nodes that name a saved connection which is not saved here."""

from __future__ import annotations

from collections.abc import Collection

from kailash_studio.services.server_parameters import implied
from kailash_studio.spec.finding import Finding, Severity
from kailash_studio.spec.node import Node
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.workflow import PlacedNode, Workflow

_CODE = "KS-1239"


def missing_connections(
    workflow: Workflow, registry: Registry, saved: Collection[str], severity: Severity
) -> list[Finding]:
    """A finding for each node whose saved connection is not among those that there are.

    Args:
        workflow: What to check.
        registry: The node types that are installed.
        saved: The names of the saved connections.
        severity: An error where it is to run here; a server may have others, so that it is a warning elsewhere.
    """
    listed = ", ".join(sorted(saved)) or "none is saved yet"
    found = []
    for node_id, placed in workflow.nodes.items():
        node_type = registry.find(placed.type)
        name = _named(node_type, placed) if node_type is not None else ""
        if name and name not in saved:
            sentence = f"{node_id}: There is no connection {name!r} ({listed}): choose another one, or save it."
            found.append(Finding(severity, _CODE, f"nodes/{node_id}/parameters/saved", sentence))
    return found


def _named(node_type: type[Node], placed: PlacedNode) -> str:
    """The saved connection that a node uses, or empty."""
    if not {"connection", "saved"} <= node_type.declarations.keys():
        return ""
    kinds = [kind for kind in ("pool", "saved") if kind in node_type.declarations]
    name, chosen = placed.parameters.get("saved"), placed.parameters.get("connection")
    used = (chosen or implied(placed.parameters, *kinds)) == "saved"
    return name if used and isinstance(name, str) else ""
