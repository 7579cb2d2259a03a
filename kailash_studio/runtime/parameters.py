"""The values that a run starts with: who gets what the caller gave, and what references stand for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import ParameterError
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import reference
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.workflow import Workflow, near


@dataclass(frozen=True, slots=True)
class Values:
    """The values that a caller gives: by (node, name), and of the workflow's own parameters."""

    nodes: Mapping[tuple[str, str], Any]
    workflow: Mapping[str, Any]

    def by_node(self) -> dict[str, dict[str, Any]]:
        """The values of nodes, by node and name."""
        given: dict[str, dict[str, Any]] = {}
        for (node_id, name), value in self.nodes.items():
            given.setdefault(node_id, {})[name] = value
        return given


def assign(workflow: Workflow, registry: Registry, parameters: Mapping[str, Any]) -> Values:
    """Who gets which of the caller's values.

    A key that names a declared workflow parameter sets it. One that names a node holds values for its parameters and
    inputs. Any other goes to each node with an unconnected input or a parameter-port of that name, unless the node has
    a value of its own for it.

    Raises:
        ParameterError: A key or name reaches nothing.
    """
    nodes: dict[tuple[str, str], Any] = {}
    for_all: dict[tuple[str, str], Any] = {}
    own: dict[str, Any] = {}
    for key, value in parameters.items():
        if key in workflow.parameters:
            own[key] = value
        elif key in workflow.nodes and isinstance(value, Mapping):
            for name, item in value.items():
                _check_name(workflow, registry, key, name)
                nodes[key, name] = item
        else:
            takers = _free_inputs(workflow, registry, key)
            if not takers and key in workflow.nodes:
                raise ParameterError(f"The values of {key} should be an object of names and values, not {value!r}.")
            if not takers:
                known = [*workflow.parameters, *workflow.nodes]
                raise ParameterError(
                    f"Nothing takes the value {key!r}: it is no workflow parameter, no node, and no unconnected input"
                    + near(key, known)
                )
            for_all |= {(node_id, key): value for node_id in takers}
    return Values(for_all | nodes, own)


def _check_name(workflow: Workflow, registry: Registry, node_id: str, name: str) -> None:
    ports = workflow.ports(node_id, registry)
    if ports is None:
        return  # validation says that the type is missing
    instance = workflow.instances.get(node_id)
    node_type = type(instance) if instance is not None else registry.get(workflow.nodes[node_id].type)
    known = [*node_type.declarations, *ports.inputs]
    if name not in known:
        raise ParameterError(f"{node_id} has no parameter or input {name!r}{near(name, known)}")


def _free_inputs(workflow: Workflow, registry: Registry, name: str) -> list[str]:
    takers = []
    for node_id in workflow.nodes:
        ports = workflow.ports(node_id, registry)
        connected = any(c.input == name for c in workflow.incoming(node_id))
        if ports is not None and name in ports.inputs and not connected:
            takers.append(node_id)
    return takers


def resolve(
    value: Mapping[str, Any], workflow: Workflow, own: Mapping[str, Any], secret: Callable[[str], str]
) -> dict[str, Any]:
    """The parameters of a node with references replaced by what they stand for."""
    return {key: _resolved(item, workflow, own, secret) for key, item in value.items()}


def _resolved(value: Any, workflow: Workflow, own: Mapping[str, Any], secret: Callable[[str], str]) -> Any:
    found = reference(value)
    if found is not None:
        kind, name = found
        if kind == "$secret":
            return secret(name)
        declared = workflow.parameters[name]
        if name in own:
            return converted(name, own[name], declared)
        if "default" not in declared:
            raise ParameterError(f"The workflow parameter {name!r} has no value: give it one, or a default.")
        return declared["default"]
    if isinstance(value, dict):
        return {key: _resolved(item, workflow, own, secret) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, workflow, own, secret) for item in value]
    return value


def secrets_of(workflow: Workflow) -> list[str]:
    """The names of the secrets that a document refers to."""
    found: dict[str, None] = {}
    waiting: list[Any] = [part for placed in workflow.nodes.values() for part in (placed.parameters, placed.resilience)]
    while waiting:
        value = waiting.pop()
        known = reference(value)
        if known is not None:
            if known[0] == "$secret":
                found[known[1]] = None
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return list(found)


def secrets_in_clear(workflow: Workflow, registry: Registry, values: Values) -> Iterator[tuple[str, str]]:
    """(place, value) of what is given in clear: secret parameters by a caller or a program, credentials by anybody."""
    for (node_id, name), value in values.nodes.items():
        instance = workflow.instances.get(node_id)
        node_type = type(instance) if instance is not None else registry.find(workflow.nodes[node_id].type)
        if node_type is not None and isinstance(value, str) and _is_secret(node_type, name):
            yield f"{node_id}.{name}", value
    for node_id, instance in workflow.instances.items():
        for name, value in instance.given.items():
            if isinstance(value, str) and _is_secret(type(instance), name):
                yield f"{node_id}.{name}", value
    given = values.by_node()
    for node_id, placed in workflow.nodes.items():
        instance = workflow.instances.get(node_id)
        node_type = type(instance) if instance is not None else registry.find(placed.type)
        held = {**(instance.given if instance is not None else placed.parameters), **given.get(node_id, {})}
        for place, value in node_type.clear_secrets_of(held) if node_type is not None else ():
            yield f"{node_id}.{place}", value


def _is_secret(node_type: type[Node], name: str) -> bool:
    declared = node_type.declarations.get(name)
    return declared is not None and declared.secret


def converted(name: str, value: Any, declared: Mapping[str, Any]) -> Any:
    """A workflow parameter's value as its declared type; texts, as a command line gives them, are read.

    Raises:
        ParameterError: It is not of that type.
    """
    kind = declared.get("type", "any")
    if not isinstance(value, str) or kind == "text":
        fits = _PYTHON_TYPES.get(kind)
        if fits is not None and (not isinstance(value, fits) or (isinstance(value, bool) and kind != "boolean")):
            raise ParameterError(f"The workflow parameter {name!r} takes a {kind}, not {value!r}.")
        return value
    if kind == "any":
        return value
    try:
        read = json.loads(value)
    except ValueError:
        read = {"true": True, "yes": True, "false": False, "no": False}.get(value.lower(), value)
    if isinstance(read, str):
        raise ParameterError(f"The workflow parameter {name!r} takes a {kind}, not {value!r}.")
    return converted(name, read, declared)


_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}
