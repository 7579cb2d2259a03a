"""The Markdown reference page of a node type, derived from its declaration."""

from __future__ import annotations

import inspect
import json
from typing import Any

from kailash_studio.spec.form import form_rows
from kailash_studio.spec.node import Node


def summary(node_type: type[Node]) -> str:
    """The first line of the docstring."""
    return inspect.cleandoc(node_type.__doc__ or "").partition("\n")[0]


def reference_page(node_type: type[Node]) -> str:
    """The page: docstring, parameters, ports."""
    lines = [f"# {node_type.type_name()}", "", inspect.cleandoc(node_type.__doc__ or "")]
    rows = form_rows(node_type)
    if rows:
        lines += ["", "## Parameters", "", "| parameter | type | default | meaning |", "| --- | --- | --- | --- |"]
        for row in rows:
            default = "required" if row.required else f"`{_short(row.default)}`"
            kind = " or ".join(f"`{choice}`" for choice in row.choices) if row.choices else row.kind
            unit = f" [{row.unit}]" if row.unit else ""
            lines.append(f"| `{row.name}` | {_cell(kind)} | {_cell(default)}{unit} | {_cell(row.doc)} |")
    for heading, ports in (("Inputs", node_type.inputs), ("Outputs", node_type.outputs)):
        if ports:
            lines += ["", f"## {heading}", "", "| port | type | meaning |", "| --- | --- | --- |"]
            lines += [f"| `{name}` | {port.type} | {_cell(port.doc)} |" for name, port in ports.items()]
    return "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
