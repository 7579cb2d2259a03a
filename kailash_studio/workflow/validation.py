"""Validation: everything that keeps a workflow from running, or is likely a mistake, as findings with places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kailash_studio.spec.declared import check_parameters
from kailash_studio.spec.finding import Finding, Severity
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import reference
from kailash_studio.spec.policy import Resilience
from kailash_studio.spec.port import Input, Ports, fits
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow import fallback, graph, sub_workflows
from kailash_studio.workflow.sub_workflows import parent_of
from kailash_studio.workflow.workflow import NODE_ID, Connection, PlacedNode, Workflow, near

PARAMETER_TYPES = ("text", "integer", "number", "boolean", "list", "object", "any")


def validate(workflow: Workflow, registry: Registry, *, supplied: Collection[tuple[str, str]] = ()) -> list[Finding]:
    """All findings, in the order of the document.

    Args:
        workflow: What to check.
        registry: The node types that are installed.
        supplied: (node id, input) pairs that the caller gives values for.
    """
    checker = _Checker(workflow, registry, frozenset(supplied))
    return list(checker.findings())


def ports_of(workflow: Workflow, registry: Registry) -> dict[str, Ports]:
    """The ports of every node whose type is installed."""
    found = {}
    known = sub_workflows.borders(workflow)
    for node_id in workflow.nodes:
        border = known.get(node_id)
        if border is not None and registry.find(sub_workflows.SUB_WORKFLOW) is not None:
            found[node_id] = sub_workflows.interface(workflow, node_id, registry, border)
            continue
        ports = workflow.ports(node_id, registry)
        if ports is not None:
            found[node_id] = ports
    return found


def refusal(workflow: Workflow, registry: Registry, connection: Connection) -> str | None:
    """Why a new connection is not possible, as one sentence, or None when it is.

    An input that takes one connection and has one is no refusal: the new one replaces it.
    """
    source, target = workflow.ports(connection.source, registry), workflow.ports(connection.target, registry)
    for node_id, ports in ((connection.source, source), (connection.target, target)):
        if ports is None:
            return f"The type of {node_id} is not installed, so its ports are not known."
    problem = _port_problem(connection, source, target)
    if problem:
        return problem
    if graph.would_close_cycle(workflow, connection.source, connection.target):
        return (
            f"{connection.source} cannot feed itself."
            if connection.source == connection.target
            else f"{connection.target} already leads to {connection.source}: the connection would close a circle."
        )
    return None


def replaced_by(workflow: Workflow, registry: Registry, connection: Connection) -> list[Connection]:
    """The connections that a new one takes the place of."""
    ports = workflow.ports(connection.target, registry)
    port = ports.inputs.get(connection.input) if ports else None
    if port is None or port.many:
        return []
    return [c for c in workflow.incoming(connection.target) if c.input == connection.input and c != connection]


def _port_problem(connection: Connection, source: Ports | None, target: Ports | None) -> str | None:
    if parent_of(connection.source) != parent_of(connection.target):
        return _crossing(connection)
    if source is not None and connection.output not in source.outputs:
        return f"{connection.source} has no output {connection.output!r}{near(connection.output, source.outputs)}"
    if target is not None and connection.input not in target.inputs:
        return f"{connection.target} has no input {connection.input!r}{near(connection.input, target.inputs)}"
    if source is None or target is None or connection.path:
        return None
    given, taken = source.outputs[connection.output].type, target.inputs[connection.input].type
    if not fits(given, taken):
        article = "an" if taken[0] in "aeiou" else "a"
        return f"{connection.end} takes {article} {taken}; {connection.start} gives a {given}."
    return None


def _crossing(connection: Connection) -> str:
    """Why a connection cannot go through the border of a sub-workflow."""
    source, target = parent_of(connection.source), parent_of(connection.target)
    inside, inner = (
        (connection.target, target) if target.startswith(source) and target != source else (connection.source, source)
    )
    outside = connection.source if inside == connection.target else connection.target
    return f"{inside} stands inside of {inner} and {outside} does not: connect them through its inputs and outputs."


class _Checker:
    def __init__(self, workflow: Workflow, registry: Registry, supplied: frozenset[tuple[str, str]]) -> None:
        self.workflow = workflow
        self.registry = registry
        self.supplied = supplied
        self.ports = ports_of(workflow, registry)
        self.borders = sub_workflows.borders(workflow)
        self.spares = {fallback.fallback_of(workflow, node_id) for node_id in workflow.nodes}
        self.inputs: dict[str, set[str]] = defaultdict(set)  # the connected inputs of each node
        for connection in workflow.connections.values():
            self.inputs[connection.target].add(connection.input)

    def findings(self) -> Iterator[Finding]:
        yield from self._unread()
        yield from self._parameters()
        for node_id in sorted(self.workflow.nodes):
            yield from self._node(node_id)
        yield from self._connections()
        around = graph.cycle(graph.successors(self.workflow))
        if around:
            path = " to ".join(around)
            yield _error("KS-1227", f"nodes/{around[0]}", f"{path} is a circle: remove one of its connections.")

    def _unread(self) -> Iterator[Finding]:
        if self.workflow.version > 1:
            yield _error("KS-1210", "version", "The file was written by a newer program: update this one to run it.")
        for section in ("nodes", "connections", "parameters"):
            if section in self.workflow.unread:
                sentence = f"Some {section} of the file were not understood: mend them in the file."
                yield _error("KS-1213", section, sentence)

    def _parameters(self) -> Iterator[Finding]:
        for name, declared in self.workflow.parameters.items():
            place = f"parameters/{name}"
            if not isinstance(declared, dict):
                yield _error("KS-1231", place, f'Parameter {name} should be an object with "type" and "default".')
            elif declared.get("type", "any") not in PARAMETER_TYPES:
                known = ", ".join(PARAMETER_TYPES)
                yield _error("KS-1231", place, f"Parameter {name} has an unknown type: use one of {known}.")

    def _node(self, node_id: str) -> Iterator[Finding]:
        placed = self.workflow.nodes[node_id]
        place = f"nodes/{node_id}"
        instance = self.workflow.instances.get(node_id)
        node_type = type(instance) if instance is not None else self.registry.find(placed.type)
        if node_type is None:
            hint = near(placed.type, [t.type_name() for t in self.registry])
            yield _error("KS-1220", place, f"The node type {placed.type!r} of {node_id} is not installed{hint}")
            return
        if placed.type_version > node_type.type_version:
            sentence = (
                f"{node_id} was made with version {placed.type_version} of {placed.type}; version "
                f"{node_type.type_version} is installed: update the package that brings it."
            )
            yield _error("KS-1221", place, sentence)
        if instance is None:
            given = self._supplied_to(node_id, placed.parameters)
            for name, sentence in check_parameters(node_type, given):
                if not self._is_fed(node_id, name):
                    yield _error("KS-1222", f"{place}/parameters/{name}", f"{node_id}: {sentence}")
            yield from self._secrets(node_id, node_type)
        yield from self._enclosure(node_id, placed)
        yield from self._references(place, placed.parameters)
        for name, sentence in check_parameters(Resilience, placed.resilience):
            yield _error("KS-1229", f"{place}/resilience/{name}", f"{node_id}: {sentence}")
        for code, sentence in fallback.problems(self.workflow, self.ports, node_id):
            yield _error(code, f"{place}/resilience/fallback", sentence)
        yield from self._inputs(node_id)

    def _enclosure(self, node_id: str, placed: PlacedNode) -> Iterator[Finding]:
        """What is wrong with a node as part of a sub-workflow, or as one."""
        place, parent = f"nodes/{node_id}", parent_of(node_id)
        if not NODE_ID.match(node_id):
            sentence = f"{node_id} cannot be written to a file: sub-workflows stand in others up to seven deep."
            yield _error("KS-1255", place, sentence)
        if parent and parent not in self.borders:
            sentence = f"{node_id} stands inside of {parent}, which is no sub-workflow: give it another id."
            yield _error("KS-1250", place, sentence)
        if placed.type in sub_workflows.BORDER and node_id not in self._border_of(parent):
            sentence = f"{node_id} is at the border of no sub-workflow: remove it."
            if parent in self.borders:
                sentence = f"{parent} has another {placed.type} than {node_id}: remove one of them."
            yield _error("KS-1251", place, sentence)
        for kind, there in zip((sub_workflows.INPUTS, sub_workflows.OUTPUTS), self._border_of(node_id), strict=False):
            if not there:
                yield _error("KS-1252", place, f"{node_id} has no {kind} inside: add one.")
        if placed.type in sub_workflows.PASSING:
            for name in sorted(placed.resilience):
                what = f"{node_id} has none itself: set {name} on the nodes inside of {node_id}."
                if placed.type in sub_workflows.BORDER:
                    what = f"{node_id} calls nothing that {name} could be for: remove it."
                yield _error("KS-1253", f"{place}/resilience/{name}", what)
        spare = fallback.fallback_of(self.workflow, node_id)
        other = self.workflow.nodes.get(spare or "")
        if spare and other is not None:
            if parent_of(spare) != parent:
                sentence = f"{spare} does not stand beside {node_id}: choose a fallback in the same place."
                yield _error("KS-1254", f"{place}/resilience/fallback", sentence)
            elif other.type in sub_workflows.PASSING:
                sentence = f"{spare} is a sub-workflow or its border and cannot stand in: choose another fallback."
                yield _error("KS-1254", f"{place}/resilience/fallback", sentence)

    def _border_of(self, node_id: str) -> tuple[str, ...]:
        border = self.borders.get(node_id)
        return (border.inputs, border.outputs) if border is not None else ()

    def _supplied_to(self, node_id: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(parameters)
        for supplied_id, name in self.supplied:
            if supplied_id == node_id:
                given.pop(name, None)
        return given

    def _is_fed(self, node_id: str, name: str) -> bool:
        """Whether a missing parameter gets its value from a connection or from the caller."""
        return name not in self.workflow.nodes[node_id].parameters and (
            (node_id, name) in self.supplied
            or name in self.inputs[node_id]
            or any(mine == name for mine, _ in fallback.covered_inputs(self.workflow, self.ports, node_id))
        )

    def _secrets(self, node_id: str, node_type: type[Node]) -> Iterator[Finding]:
        placed = self.workflow.nodes[node_id]
        for name, value in placed.parameters.items():
            declaration = node_type.declarations.get(name)
            if declaration is not None and declaration.secret and value and reference(value) is None:
                sentence = f'{node_id} holds its {name} in clear: replace it by {{"$secret": "a_name"}}.'
                yield _error("KS-1230", f"nodes/{node_id}/parameters/{name}", sentence)
        for inside in dict.fromkeys(inside for inside, _ in node_type.clear_secrets_of(placed.parameters)):
            whole = "it" if "/" in inside else "the whole of it"
            sentence = (
                f"{node_id} holds a credential in clear in its {inside}, and so does the file: store {whole} as a "
                'secret, and write {"$secret": "a_name"} in its place.'
            )
            place = f"nodes/{node_id}/parameters/{inside}"
            yield Finding("warning", "KS-1238", place, sentence)

    def _references(self, place: str, value: Any, inside: str = "/parameters") -> Iterator[Finding]:
        found = reference(value)
        if found is not None:
            kind, name = found
            if kind == "$parameter" and name not in self.workflow.parameters:
                hint = near(name, self.workflow.parameters)
                yield _error("KS-1228", place + inside, f"There is no workflow parameter {name!r}{hint}")
        elif isinstance(value, Mapping):
            for key, item in value.items():
                yield from self._references(place, item, f"{inside}/{key}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._references(place, item, f"{inside}/{index}")

    def _inputs(self, node_id: str) -> Iterator[Finding]:
        if node_id in self.spares:
            return  # it gets the inputs of the node that it stands in for; checked there
        connected = self.inputs[node_id]
        for name, port in self.ports[node_id].inputs.items():
            if port.required and name not in connected and (node_id, name) not in self.supplied:
                sentence = f"{node_id} needs something at its input {name}: connect it."
                yield _error("KS-1223", f"nodes/{node_id}/inputs/{name}", sentence)

    def _connections(self) -> Iterator[Finding]:
        takers: dict[tuple[str, str], list[Connection]] = defaultdict(list)
        for connection in sorted(self.workflow.connections.values(), key=lambda c: c.key):
            place = f"connections/{connection.key}"
            unknown = [n for n in (connection.source, connection.target) if n not in self.workflow.nodes]
            if unknown:
                hint = near(unknown[0], self.workflow.nodes)
                yield _error("KS-1224", place, f"{connection.start} to {connection.end}: no node {unknown[0]!r}{hint}")
                continue
            ports = self.ports.get(connection.source), self.ports.get(connection.target)
            problem = _port_problem(connection, *ports)
            if problem:
                yield _error("KS-1225", place, problem)
            takers[connection.target, connection.input].append(connection)
        for (node_id, name), connections in takers.items():
            target = self.ports.get(node_id)
            port: Input | None = target.inputs.get(name) if target else None
            if len(connections) > 1 and port is not None and not port.many:
                starts = " and ".join(c.start for c in connections)
                sentence = f"{node_id}.{name} takes one connection; it has {starts}: put a merge before it."
                yield _error("KS-1226", f"connections/{connections[1].key}", sentence)


def _error(code: str, place: str, sentence: str) -> Finding:
    severity: Severity = "error"
    return Finding(severity, code, place, sentence)
