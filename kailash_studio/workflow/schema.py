"""The JSON Schema of the workflow file, node types included; published as ``resources/workflow.schema.json``."""

from __future__ import annotations

from typing import Any

from kailash_studio.spec.policy import Resilience
from kailash_studio.spec.registry import Registry
from kailash_studio.spec.schema import LINES, REFERENCE, parameters_schema
from kailash_studio.workflow.validation import PARAMETER_TYPES
from kailash_studio.workflow.workflow import FORMAT, NODE_ID, VERSION

_TEXT = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/lines"}]}
_ID = NODE_ID.pattern.removesuffix(r"\Z")


def workflow_schema(registry: Registry) -> dict[str, Any]:
    """Schema (draft 2020-12) of a workflow file whose nodes are of the registry's types or of unknown ones."""
    definitions: dict[str, Any] = {"reference": REFERENCE, "lines": LINES}
    rules = []
    for node_type in sorted(registry, key=lambda t: t.type_name()):
        name = node_type.type_name()
        schema = parameters_schema(node_type)
        for key, inner in schema.pop("$defs", {}).items():
            definitions[f"{name}.{key}"] = inner
        definitions[name] = schema
        rules.append(
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"properties": {"parameters": {"$ref": f"#/$defs/{name}"}}},
            }
        )
    resilience = Resilience.model().model_json_schema()
    resilience.pop("title", None)
    definitions.update(resilience.pop("$defs", {}))
    endpoint = f"^{_ID}(\\.[^.]+)+$"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Kailash Studio workflow",
        "type": "object",
        "required": ["format", "version"],
        "properties": {
            "format": {"const": FORMAT},
            "version": {"const": VERSION},
            "name": _TEXT,
            "description": _TEXT,
            "parameters": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {"type": {"enum": list(PARAMETER_TYPES)}, "default": True, "doc": _TEXT},
                },
            },
            "nodes": {
                "type": "object",
                "propertyNames": {"pattern": f"^{_ID}$"},
                "additionalProperties": {
                    "type": "object",
                    "required": ["type"],
                    "properties": {
                        "type": {"type": "string"},
                        "type_version": {"type": "integer", "minimum": 1},
                        "parameters": {"type": "object"},
                        "resilience": resilience,
                    },
                    "allOf": rules,
                },
            },
            "connections": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["from", "to"],
                    "properties": {
                        "from": {"type": "string", "pattern": endpoint},
                        "to": {"type": "string", "pattern": f"^{_ID}\\.[^.]+$"},
                    },
                },
            },
            "layout": {
                "type": "object",
                "properties": {
                    "nodes": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "array",
                            "items": {"type": "number"},
                            "minItems": 2,
                            "maxItems": 2,
                        },
                    },
                    "notes": {"type": "array"},
                    "frames": {"type": "array"},
                },
            },
        },
        "$defs": definitions,
    }
