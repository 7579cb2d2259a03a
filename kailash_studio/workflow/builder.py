"""Building a workflow from Python, with the calls that the guide uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, overload

from kailash_studio.errors import ConnectionRefusedByTypeError, DocumentError
from kailash_studio.spec.finding import Finding
from kailash_studio.spec.node import Node
from kailash_studio.spec.port import DataType, Ports, fits
from kailash_studio.spec.registry import Registry, installed_node_types
from kailash_studio.workflow.commands import Change, Edit, apply
from kailash_studio.workflow.commands import connect as connect_edit
from kailash_studio.workflow.resilience import ResilienceCalls
from kailash_studio.workflow.sub_workflows import INPUTS, OUTPUTS, SUB_WORKFLOW, inner_id, is_sub_workflow, parent_of
from kailash_studio.workflow.validation import refusal, validate
from kailash_studio.workflow.workflow import NODE_ID, Connection, PlacedNode, Workflow, check_ids, near, split_endpoint


class WorkflowBuilder(ResilienceCalls):
    """Builds a workflow step by step; a mistake is an error at the step that makes it."""

    def __init__(self, name: str = "", *, registry: Registry | None = None) -> None:
        self.workflow = Workflow(name=name)
        self._registry = registry

    @property
    def registry(self) -> Registry:
        """The node types that can be placed; the installed ones unless others were given."""
        if self._registry is None:
            self._registry = installed_node_types()
        return self._registry

    @overload
    def add_node(self, node_type: str, node_id: str, parameters: dict[str, Any] | None = None, /) -> str: ...
    @overload
    def add_node(self, node_type: str, node_id: str, /, **parameters: Any) -> str: ...
    @overload
    def add_node(self, node_id: str, node: Node, /) -> str: ...
    def add_node(self, first: str, second: Any, third: Any = None, /, **parameters: Any) -> str:
        """Add a node, in one of three spellings.

        ``add_node("TypeName", "node_id", {parameters})``, ``add_node("TypeName", "node_id", parameter=value)``,
        ``add_node("node_id", node)`` with a node made in Python.

        Returns:
            The node's id.

        Raises:
            DocumentError: The id is taken or not a name, or the type is not installed.
        """
        if isinstance(second, Node):
            return self._add_instance(first, second)
        if not isinstance(second, str):
            raise DocumentError(
                "add_node takes a type name and a node id, or a node id and a node; "
                f"the second argument is a {type(second).__name__}."
            )
        self._check_id(second)
        values = {**(third or {}), **parameters}
        node_type = self.registry.get(first)
        placed = PlacedNode(first, node_type.type_version, values)
        apply(self.workflow, Edit(f"add {second}", (Change("nodes", second, None, placed),)))
        return second

    def _add_instance(self, node_id: str, node: Node) -> str:
        self._check_id(node_id)
        self.workflow.nodes[node_id] = PlacedNode(node.type_name(), node.type_version, dict(node.given))
        self.workflow.instances[node_id] = node
        return node_id

    def _check_id(self, node_id: str) -> None:
        if not NODE_ID.match(node_id):
            raise DocumentError(
                f"{node_id!r} cannot be a node's id: use letters, digits, - and _, at most 64, starting with a letter."
            )
        parent = parent_of(node_id)
        if parent and not is_sub_workflow(self.workflow, parent):
            raise DocumentError(f"There is no sub-workflow {parent!r} for {node_id}: add a SubWorkflowNode of that id.")
        if node_id in self.workflow.nodes:
            raise DocumentError(f"There is a node {node_id!r} already: choose another id.")

    @overload
    def add_connection(self, source: str, output: str, target: str, target_input: str, /) -> None: ...
    @overload
    def add_connection(self, source: str, target: str, /) -> None: ...
    def add_connection(
        self, first: str, second: str, target: str | None = None, target_input: str | None = None
    ) -> None:
        """Connect two nodes, with ports named or found.

        ``add_connection(from_id, output, to_id, input)``, where the output may be followed by a path into its value
        (``"result.data"``) and ``"input"`` stands for the only input of a node that has just one. With two ids alone,
        the first output goes to the only free input that takes its type.

        Raises:
            DocumentError: A node or port is not there, or the choice is ambiguous; the candidates are listed.
            ConnectionRefusedByTypeError: The ports do not fit, or the connection would close a circle.
        """
        if target is None or target_input is None:
            connection = self._found(first, second)
        else:
            output, *path = second.split(".")
            connection = Connection(first, output, target, self._input_named(target, target_input), tuple(path))
        reason = refusal(self.workflow, self.registry, connection)
        if reason:
            raise ConnectionRefusedByTypeError(reason)
        ports = self._ports(connection.target)
        taken = [c for c in self.workflow.incoming(connection.target) if c.input == connection.input]
        if taken and not ports.inputs[connection.input].many:
            raise DocumentError(
                f"{connection.end} takes one connection and has {taken[0].start}: put a merge before it."
            )
        apply(self.workflow, connect_edit(self.workflow, connection))

    def add_sub_workflow(
        self,
        node_id: str,
        inside: Workflow | WorkflowBuilder,
        *,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
    ) -> str:
        """Add another workflow as one node, with an interface of its own.

        Its nodes get ids that begin with this one's: ``clean:sort``.

        Args:
            node_id: The id of the sub-workflow.
            inside: What stands in it; it is copied.
            inputs: Name of each input, and the end that it goes to: ``{"rows": "sort.rows"}``.
            outputs: Name of each output, and the end that it comes from: ``{"rows": "sort.data"}``.

        Raises:
            DocumentError: An id is taken, or an end is not there.
            ConnectionRefusedByTypeError: An end is connected already to something that it does not fit.
        """
        inner = inside.build()
        check_ids(inner_id(node_id, name) for name in inner.nodes)
        self.add_node(SUB_WORKFLOW, node_id)
        for name, placed in inner.nodes.items():
            own = inner_id(node_id, name)
            spare = placed.resilience.get("fallback")
            named = {"fallback": inner_id(node_id, spare)} if isinstance(spare, str) else {}
            self.workflow.nodes[own] = replace(placed, resilience={**placed.resilience, **named})
            if name in inner.instances:
                self.workflow.instances[own] = inner.instances[name]
        for c in inner.connections.values():
            moved = replace(c, source=inner_id(node_id, c.source), target=inner_id(node_id, c.target))
            self.workflow.connections[moved.key] = moved
        self.workflow.parameters = {**inner.parameters, **self.workflow.parameters}
        first, last = (self.workflow.free_id(name, parent=node_id) for name in ("inputs", "outputs"))
        ends = {name: split_endpoint(end) for name, end in inputs.items()}
        starts = {name: split_endpoint(start) for name, start in outputs.items()}
        kinds = {n: str(self._input_type(inner_id(node_id, at), port)) for n, (at, port, _) in ends.items()}
        self.add_node(INPUTS, first, {"ports": kinds})
        kinds = {n: str(self._output_type(inner_id(node_id, at), port, path)) for n, (at, port, path) in starts.items()}
        self.add_node(OUTPUTS, last, {"ports": kinds})
        for name, (at, port, _) in ends.items():
            self.add_connection(first, name, inner_id(node_id, at), port)
        for name, (at, port, path) in starts.items():
            self.add_connection(inner_id(node_id, at), ".".join((port, *path)), last, name)
        return node_id

    def _input_type(self, node_id: str, name: str) -> DataType:
        return self._ports(node_id).inputs[self._input_named(node_id, name)].type

    def _output_type(self, node_id: str, name: str, path: tuple[str, ...]) -> DataType:
        outputs = self._ports(node_id).outputs
        if name not in outputs:
            raise DocumentError(f"{node_id} has no output {name!r}{near(name, outputs)}")
        return DataType.ANY if path else outputs[name].type

    def _ports(self, node_id: str) -> Ports:
        self.workflow.node(node_id)
        ports = self.workflow.ports(node_id, self.registry)
        if ports is None:
            raise DocumentError(f"The type of {node_id} is not installed, so its ports are not known.")
        return ports

    def _input_named(self, target: str, name: str) -> str:
        inputs = self._ports(target).inputs
        if name == "input" and name not in inputs:
            required = [key for key, port in inputs.items() if port.required] or list(inputs)
            if len(required) == 1:
                return required[0]
        if name not in inputs:
            raise DocumentError(f"{target} has no input {name!r}{near(name, inputs)}")
        return name

    def _found(self, source: str, target: str) -> Connection:
        outputs, inputs = self._ports(source).outputs, self._ports(target).inputs
        if not outputs:
            raise DocumentError(f"{source} has no output to connect.")
        output, given = next(iter(outputs.items()))
        taken = {c.input for c in self.workflow.incoming(target)}
        free = {name: port for name, port in inputs.items() if port.many or name not in taken}
        able = [name for name, port in free.items() if fits(given.type, port.type)]
        required = [name for name in able if inputs[name].required]
        candidates = required or able
        if len(candidates) == 1:
            return Connection(source, output, target, candidates[0])
        listed = ", ".join(f"{name} ({port.type})" for name, port in free.items()) or "none"
        why = "several inputs would do" if candidates else "no free input takes it"
        raise DocumentError(
            f"{source}.{output} gives a {given.type} and {why}: name the ports. The free inputs of {target}: {listed}."
        )

    def validate(self) -> list[Finding]:
        """What keeps the workflow from running, as findings."""
        return validate(self.workflow, self.registry)

    def build(self) -> Workflow:
        """The workflow. It stays the builder's own: later additions show in it."""
        return self.workflow
