"""JSON Schema of a node type's parameters (draft 2020-12)."""

from __future__ import annotations

from typing import Any

from kailash_studio.spec.node import Node

REFERENCE = {
    "type": "object",
    "description": "A workflow parameter or a named secret in place of a value.",
    "oneOf": [
        {"properties": {"$parameter": {"type": "string"}}, "required": ["$parameter"]},
        {"properties": {"$secret": {"type": "string"}}, "required": ["$secret"]},
    ],
    "minProperties": 1,
    "maxProperties": 1,
}
LINES = {
    "type": "object",
    "description": "A text of several lines.",
    "properties": {"$lines": {"type": "array", "items": {"type": "string"}}},
    "required": ["$lines"],
    "additionalProperties": False,
}


def parameters_schema(node_type: type[Node], *, definitions: str = "#/$defs/") -> dict[str, Any]:
    """Schema of the ``parameters`` object of a node of this type as it stands in a file.

    Each parameter may also be a reference, and a text may be split into lines. A parameter without a default is not
    ``required`` here: a file with an unfinished node is a valid file.
    """
    schema = node_type.model().model_json_schema(ref_template=definitions + node_type.__name__ + ".{model}")
    properties: dict[str, Any] = {}
    for name, prop in schema.get("properties", {}).items():
        forms: list[Any] = [prop, {"$ref": definitions + "reference"}]
        if _may_be_text(prop):
            forms.append({"$ref": definitions + "lines"})
        properties[name] = {
            "description": prop.pop("description", ""),
            "anyOf": forms,
        }
    return {
        "title": node_type.__name__,
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"$defs": schema["$defs"]} if "$defs" in schema else {}),
    }


def _may_be_text(prop: dict[str, Any]) -> bool:
    kinds = [prop, *prop.get("anyOf", [])]
    return any(kind.get("type") == "string" and "enum" not in kind for kind in kinds)
