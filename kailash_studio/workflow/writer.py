"""The canonical writer: one workflow has one text.

Fixed key order, nodes and connections sorted, two spaces, the layout at the end, texts of several lines as lists of
lines, so that a review reads it and moving a node changes one line of ``layout``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kailash_studio.errors import DocumentError
from kailash_studio.folders import write_whole
from kailash_studio.workflow.workflow import FORMAT, PlacedNode, Workflow

_WIDTH = 110


def write(workflow: Workflow) -> str:
    """The canonical text of the workflow file.

    Raises:
        DocumentError: A Python object in it cannot be written down, or holds a secret in clear.
    """
    return _render(document(workflow), 0, open_levels=3) + "\n"


def write_file(workflow: Workflow, path: Path) -> None:
    """Write the file atomically: a reader sees the old text or the new one, also after a crash.

    Raises:
        DocumentError: It cannot be written.
    """
    data = write(workflow).encode("utf-8")
    try:
        write_whole(path, data)
    except OSError as error:
        raise DocumentError(f"{path} cannot be written: {error.strerror or error}.") from None


def document(workflow: Workflow) -> dict[str, Any]:
    """The JSON object of the workflow file, in canonical order."""
    unread = workflow.unread
    nodes: dict[str, Any] = {node_id: _node(workflow, node_id) for node_id in workflow.nodes}
    nodes |= unread.get("nodes", {})
    connections = [
        {"from": c.start, "to": c.end, **c.extra}
        for c in sorted(workflow.connections.values(), key=lambda c: (c.start, c.end))
    ]
    raw: dict[str, Any] = {
        "format": FORMAT,
        "version": workflow.version,
        "name": unread.get("name", split_lines(workflow.name)),
        "description": unread.get("description", split_lines(workflow.description)),
        "parameters": unread.get("parameters", split_lines(dict(sorted(workflow.parameters.items())))),
        "nodes": dict(sorted(nodes.items())),
        "connections": connections + unread.get("connections", []),
    }
    raw |= dict(sorted(workflow.extra.items()))
    raw["layout"] = _layout(workflow)
    return raw


def _node(workflow: Workflow, node_id: str) -> dict[str, Any]:
    placed = workflow.nodes[node_id]
    instance = workflow.instances.get(node_id)
    if instance is not None:
        for name, declaration in instance.declarations.items():
            if declaration.secret and isinstance(instance.given.get(name), str):
                raise DocumentError(
                    f"Node {node_id} holds its {name} in clear: give {{'$secret': 'a_name'}} instead, "
                    "and keep the value outside the file."
                )
        reason = getattr(instance, "unwritable", "")
        if reason:
            raise DocumentError(f"Node {node_id} cannot be written to a file: {reason}")
    return node_document(placed)


def node_document(placed: PlacedNode) -> dict[str, Any]:
    """The JSON object of one node, in canonical order."""
    raw: dict[str, Any] = {"type": placed.type, "type_version": placed.type_version}
    raw["parameters"] = _ordered(placed.parameters)
    if placed.resilience:
        raw["resilience"] = _ordered(placed.resilience)
    return raw | dict(sorted(placed.extra.items()))


def _ordered(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: split_lines(values[key]) for key in sorted(values)}


def _layout(workflow: Workflow) -> Any:
    kept = workflow.unread.get("layout", {})
    if not isinstance(kept, dict):
        return kept
    places: Any = {key: [_number(x), _number(y)] for key, (x, y) in workflow.positions.items()}
    odd = kept.get("nodes", {})
    layout: dict[str, Any] = {
        "nodes": dict(sorted((places | odd).items())) if isinstance(odd, dict) else odd,
        "notes": kept.get("notes", workflow.notes),
        "frames": kept.get("frames", workflow.frames),
    }
    return layout | {key: kept[key] for key in sorted(kept) if key not in layout}


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def split_lines(value: Any) -> Any:
    """The value with texts of several lines as ``{"$lines": [...]}``, throughout."""
    if isinstance(value, str):
        return {"$lines": value.split("\n")} if "\n" in value else value
    if isinstance(value, list | tuple):
        return [split_lines(item) for item in value]
    if isinstance(value, Mapping):
        inner = {key: split_lines(item) for key, item in value.items()}
        return {"$literal": inner} if len(inner) == 1 and next(iter(inner)) in {"$lines", "$literal"} else inner
    return value


def _render(value: Any, indent: int, open_levels: int) -> str:
    """JSON text; the outermost levels are always open, so that the shape does not depend on widths."""
    has_lines = isinstance(value, dict) and "$lines" in value
    if not isinstance(value, dict | list) or not value:
        return _line(value)
    if open_levels <= 0 and not has_lines:  # else all of a large document would be written once for each level
        line = _line(value)
        if len(line) + indent <= _WIDTH and '{"$lines"' not in line:
            return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        items = [
            f"{pad}{_encode(key)}: {_render(item, indent + 2, _below(value, key, open_levels))}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(items) + "\n" + " " * indent + "}"
    items = [pad + _render(item, indent + 2, 0) for item in value]
    return "[\n" + ",\n".join(items) + "\n" + " " * indent + "]"


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # json.dumps makes an encoder for each line


def _line(value: Any) -> str:
    try:
        return _encode(value)
    except (TypeError, ValueError) as error:
        raise DocumentError(f"A parameter cannot be written to a file: {error}.") from None


def _below(parent: Mapping[str, Any], key: str, open_levels: int) -> int:
    # connections and places stay one to a line; a node is opened down to its parameters
    if key == "nodes":
        return 3 if "format" in parent else 1
    if key in {"connections", "parameters", "layout"} and "format" in parent:
        return 2 if key == "layout" else 1
    return open_levels - 1
