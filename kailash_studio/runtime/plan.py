"""Compiling: a workflow and its values become an immutable plan of steps with integer ids.

All that can be decided before a run is decided here: parameters resolved and validated, policies folded into the call,
connections turned into positions. A step without a policy pays for none.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Set
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

from kailash_studio.errors import DocumentError
from kailash_studio.resilience.faults import Fault
from kailash_studio.runtime.answers import Answers, Callee, named_secret
from kailash_studio.runtime.parameters import Values, resolve
from kailash_studio.runtime.surroundings import Surroundings
from kailash_studio.services.postgres.exhaustion import exhausted
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.finding import Finding
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import MISSING
from kailash_studio.spec.policy import Resilience
from kailash_studio.spec.port import Ports
from kailash_studio.spec.registry import Registry
from kailash_studio.spec.values import rows_of
from kailash_studio.workflow.fallback import covered_inputs, covered_outputs
from kailash_studio.workflow.graph import successors, topological_order
from kailash_studio.workflow.sub_workflows import (
    OUTPUTS,
    PASSING,
    SUB_WORKFLOW,
    begins_after,
    borders,
    ends_after,
    parent_of,
    ports_in_run,
    wired,
)
from kailash_studio.workflow.validation import ports_of, validate
from kailash_studio.workflow.workflow import Connection, Workflow
from kailash_studio.workflow.writer import write

Call = Callable[[RunContext], Any]


class NotCalled(Exception):  # noqa: N818 - it tells the engine of a decision, and is no error
    """A node is not called in this run; the text says why.

    Attributes:
        instead: What the sub-workflow gives that would have begun with the node; None: nothing.
    """

    instead: Outputs | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where an input's value comes from: a step's output, and steps into its value."""

    step: int
    output: str
    path: tuple[str, ...]
    connection: str


@dataclass(frozen=True, slots=True)
class Step:
    """One node, ready to run.

    Attributes:
        node_id: The node.
        call: Takes the context; gives outputs, or an awaitable of them where ``waits``.
        waits: The call is a coroutine function and gets a task of its own.
        simple: (input, step, output) of inputs with one source and no path, when all are so; else None.
        sources: All inputs that are connected.
        many: Inputs that take a list.
        required: Inputs without which the step is skipped.
        constants: Values that the caller gave.
        outputs: The names it must give.
        conditional: The names among them that it may leave out.
        following: Steps that wait for this one.
        node_type: Name of its type.
        fallback: The step that stands in when this one has failed, or -1.
        stands_in_for: The step that this one is the fallback of, or -1; it runs only then.
        fallback_inputs: (input of the fallback, input of this one) pairs.
        fallback_outputs: (output of this one, output of the fallback) pairs.
        plain: It neither waits nor has to do with fallbacks.
        begins_after: The step that gives the inputs of its sub-workflow, or -1: without it, it is skipped.
        opens: The sub-workflow that begins with this step, or -1.
        ends_after: Steps inside of it that nothing waits for; where one has failed, it is skipped.
    """

    node_id: str
    call: Call
    waits: bool
    simple: tuple[tuple[str, int, str], ...] | None
    sources: Mapping[str, tuple[Source, ...]]
    many: frozenset[str]
    required: frozenset[str]
    constants: Mapping[str, Any]
    outputs: frozenset[str]
    conditional: frozenset[str]
    following: tuple[int, ...]
    node_type: str = ""
    fallback: int = -1
    stands_in_for: int = -1
    fallback_inputs: tuple[tuple[str, str], ...] = ()
    fallback_outputs: tuple[tuple[str, str], ...] = ()
    plain: bool = False
    begins_after: int = -1
    opens: int = -1
    ends_after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled workflow.

    Attributes:
        name: The workflow's.
        steps: In an order in which they could run.
        waiting: For each step how many others it waits for.
        positions: Each node's step.
        document_hash: SHA-256 of the document, or empty where it cannot be written.
        breaker_keys: The breaker of each node that has one.
        policies: The policies of each node that has some.
    """

    name: str
    steps: tuple[Step, ...]
    waiting: tuple[int, ...]
    positions: Mapping[str, int]
    document_hash: str = ""
    breaker_keys: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[str, Resilience] = field(default_factory=dict)

    def is_sub_workflow(self, node_id: str) -> bool:
        """Whether a node is one that others stand in."""
        i = self.positions.get(node_id, -1)
        return i >= 0 and self.steps[i].node_type == SUB_WORKFLOW

    def entry(self, node_id: str) -> str:
        """Where a node begins: of a sub-workflow, the node inside that gives its inputs."""
        first = self.steps[self.positions[node_id]].begins_after if self.is_sub_workflow(node_id) else -1
        return self.steps[first].node_id if first >= 0 else node_id

    def enters(self, node_id: str) -> str:
        """The sub-workflow whose inputs a node gives; empty for other nodes."""
        parent = parent_of(node_id)
        return parent if parent and self.entry(parent) == node_id else ""

    def next_to(self, node_id: str) -> list[str]:
        """What a node feeds: at the end of a sub-workflow, what that feeds."""
        found: dict[str, None] = {}
        here, around = self.positions[node_id], parent_of(node_id)
        entering = self.enters(node_id)
        for i in self.steps[here].following:
            step = self.steps[i]
            given = any(source.step == here for sources in step.sources.values() for source in sources)
            if step.node_id == around and not entering:
                found |= dict.fromkeys(self.next_to(around))
            elif given or (
                step.begins_after == here and not step.sources and step.node_type not in (OUTPUTS, SUB_WORKFLOW)
            ):
                found[step.node_id] = None
        return list(found)


class InvalidWorkflowError(DocumentError):
    """A workflow that cannot run; carries the findings.

    Attributes:
        findings: What validation found.
    """

    code = "KS-1204"

    def __init__(self, findings: list[Finding]) -> None:
        errors = [finding for finding in findings if finding.severity == "error"]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"The workflow cannot run: {errors[0].sentence}{more}")
        self.findings = findings


def compile_plan(
    workflow: Workflow,
    registry: Registry,
    values: Values,
    *,
    secret: Callable[[str], str],
    executor: Executor | None = None,
    surroundings: Surroundings | None = None,
    faults: Mapping[str, Fault] | None = None,
    safe: bool = False,
    answers: Answers | None = None,
    met: dict[str, int] | None = None,
) -> Plan:
    """The plan of a workflow.

    Args:
        workflow: What to run.
        registry: The installed node types.
        values: What the caller gives.
        secret: Gives the value of a named secret.
        executor: Where steps that block are run; None is asyncio's own.
        surroundings: What policies need; by default with the system's clock and nothing shared with other plans.
        faults: Faults to put in on purpose, by node.
        safe: Call nothing that changes something outside; such nodes say what they would have done.
        answers: Stands between the nodes' policies and their calls; see ``runtime.answers``.
        met: How many calls of each node have met their fault; counted here.

    Raises:
        InvalidWorkflowError: With the findings.
        ParameterError: A value given by the caller does not fit.
        CredentialError: A secret is not there.
    """
    findings = validate(workflow, registry, supplied=values.nodes.keys())
    if any(finding.severity == "error" for finding in findings):
        raise InvalidWorkflowError(findings)
    following = successors(workflow)
    order, _ = topological_order(following)
    position = {node_id: index for index, node_id in enumerate(order)}
    incoming = _incoming(wired(workflow))
    order_of = _Order(workflow, position)
    given, around = _to_borders(workflow, values.by_node()), surroundings or Surroundings()
    kept = dict[str, Resilience]()
    stands_in_for = _origins(workflow)
    all_ports = ports_of(workflow, registry)
    steps, waiting = [], [0] * len(order)
    for node_id in order:
        placed = workflow.nodes[node_id]
        instance = workflow.instances.get(node_id)
        node_type = type(instance) if instance is not None else registry.get(placed.type)
        pairs = covered_inputs(workflow, all_ports, node_id) if node_id in stands_in_for else ()
        own = frozenset[str]() if placed.type in PASSING else node_type.declarations.keys()
        late = ({c.input for c in incoming[node_id]} | {mine for mine, _ in pairs}) & own
        mine = given.get(node_id, {})
        changed = {name: value for name, value in mine.items() if name in own}
        node: Node | _Unfinished
        unset: set[str] = set()  # parameters that only a connection gives: without its value the step is skipped
        if instance is not None:
            node = instance.with_values(changed) if changed else instance
        else:
            known = resolve(placed.parameters, workflow, values.workflow, secret) | changed
            node, unset = _node(node_type, node_id, known, late)
        policies = Resilience(**resolve(placed.resilience, workflow, values.workflow, secret))
        if policies.given:
            kept[node_id] = policies
        call, waits = _call(node, node_type, late, policies, executor)
        callee = _callee(workflow, node_id, node_type, values, changed, policies) if safe or answers else None
        if answers is not None and callee is not None:
            call, waits = answers.around(callee, call, waits), True
        if faults and node_id in faults:
            call, waits = _faulty(node_id, call, waits, faults[node_id], around, {} if met is None else met), True
        if policies.given.keys() - {"fallback"}:
            call, waits = around.guard(workflow.name, node_id, policies, call, waits), True
        if safe and callee is not None and callee.effect not in {"pure", "reads"}:
            call, waits = _held_back(callee.does), True
        targets = tuple(position[target] for target in following[node_id])
        for target in targets:
            waiting[target] += 1
        constants = {name: value for name, value in mine.items() if name not in changed}
        step = _step(
            node_id,
            call,
            waits,
            ports_in_run(workflow, node_id, all_ports),
            incoming[node_id],
            position,
            constants,
            targets,
        )
        step = replace(
            step,
            required=step.required | unset,
            node_type=placed.type,
            fallback=position[policies.fallback] if policies.fallback else -1,
            stands_in_for=position[stands_in_for[node_id]] if node_id in stands_in_for else -1,
            fallback_inputs=covered_inputs(workflow, all_ports, policies.fallback) if policies.fallback else (),
            fallback_outputs=covered_outputs(workflow, all_ports, node_id) if policies.fallback else (),
            plain=not waits and not policies.fallback and node_id not in stands_in_for and placed.type not in PASSING,
        )
        steps.append(order_of.placed(step))
    breakers = {node: policies.circuit_breaker for node, policies in kept.items()}
    keys = {node: b.key or f"{workflow.name}/{node}" for node, b in breakers.items() if b is not None}
    return Plan(workflow.name, tuple(steps), tuple(waiting), position, _hash(workflow), keys, kept)


class _Order:
    """What steps wait for beside what connections say."""

    def __init__(self, workflow: Workflow, position: Mapping[str, int]) -> None:
        self._begins, self._ends, self._position = begins_after(workflow), ends_after(workflow), position

    def placed(self, step: Step) -> Step:
        """The step, waiting for what it has to wait for."""
        node, around = step.node_id, parent_of(step.node_id)
        opens = self._position[around] if self._begins.get(around) == node else -1
        if node not in self._begins and node not in self._ends and opens < 0:
            return step
        handed_on = opens >= 0 or node in self._ends or step.node_type in PASSING
        return replace(
            step,
            simple=None if handed_on else step.simple,  # without the border it waits for, a step becomes a special one
            opens=opens,
            begins_after=self._position[self._begins[node]] if node in self._begins else -1,
            ends_after=tuple(self._position[inner] for inner in self._ends.get(node, ())),
        )


def _to_borders(workflow: Workflow, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the caller gives, with that for a sub-workflow at its border."""
    for node_id, border in borders(workflow).items():
        if node_id in given and border.inputs:
            given[border.inputs] = {**given.get(border.inputs, {}), **given.pop(node_id)}
    return given


def _origins(workflow: Workflow) -> dict[str, str]:
    """The node that each fallback stands in for."""
    return {
        str(placed.resilience["fallback"]): node_id
        for node_id, placed in workflow.nodes.items()
        if placed.resilience.get("fallback")
    }


def _incoming(workflow: Workflow) -> dict[str, list[Connection]]:
    incoming: dict[str, list[Connection]] = {node_id: [] for node_id in workflow.nodes}
    for connection in sorted(workflow.connections.values(), key=lambda c: c.key):
        incoming[connection.target].append(connection)
    return incoming


def _hash(workflow: Workflow) -> str:
    try:
        return hashlib.sha256(write(workflow).encode("utf-8")).hexdigest()
    except DocumentError:
        return ""  # it holds functions that only its Python module has


def _node(
    node_type: type[Node], node_id: str, known: Mapping[str, Any], late: Set[str]
) -> tuple[Node | _Unfinished, set[str]]:
    """A node with the values that are known, and the names of those parameters that only a connection gives."""
    if not late:
        return node_type(node_id, **known), set()
    unset = {name for name in late - known.keys() if node_type.declarations[name].default is MISSING}
    return _Unfinished(node_type, node_id, known), unset


class _Unfinished:
    """A node whose parameters are complete only when its connections have given theirs."""

    def __init__(self, node_type: type[Node], name: str, values: Mapping[str, Any]) -> None:
        self._type, self._name, self._values = node_type, name, values

    def with_values(self, values: Mapping[str, Any]) -> Node:
        return self._type(self._name, **{**self._values, **values})


def _step(
    node_id: str,
    call: Call,
    waits: bool,
    ports: Ports,
    connections: list[Connection],
    position: Mapping[str, int],
    constants: Mapping[str, Any],
    following: tuple[int, ...],
) -> Step:
    sources: dict[str, tuple[Source, ...]] = {}
    for c in connections:
        source = Source(position[c.source], c.output, c.path, c.key)
        sources[c.input] = (*sources.get(c.input, ()), source)
    many = frozenset(name for name, port in ports.inputs.items() if port.many)
    plain = not constants and not many and not any(c.path for c in connections)
    return Step(
        node_id=node_id,
        call=call,
        waits=waits,
        simple=tuple((name, s[0].step, s[0].output) for name, s in sources.items()) if plain else None,
        sources=sources,
        many=many,
        required=frozenset(name for name, port in ports.inputs.items() if port.required),
        constants=constants,
        outputs=frozenset(ports.outputs),
        conditional=frozenset(name for name, port in ports.outputs.items() if port.conditional),
        following=following,
    )


def _call(
    node: Node | _Unfinished,
    node_type: type[Node],
    late: set[str],
    policies: Resilience,
    executor: Executor | None,
) -> tuple[Call, bool]:
    """The call of a step without its policies, and whether it waits."""
    waits = node_type.execution == "async"
    call: Call
    if late:

        def call(context: RunContext) -> Any:
            inputs = context.inputs
            values = {name: inputs[name] for name in late if name in inputs}
            return node.with_values(values).run(context)

    else:
        assert isinstance(node, Node)  # only a node with late parameters is unfinished
        call = node.run
    limited = policies.timeout is not None or policies.total_timeout is not None or policies.hedge_after is not None
    if node_type.execution == "thread" or (limited and not waits):
        # a plain call can only be given up on from outside of its thread
        call, waits = _in_thread(call, executor), True
    return call, waits


def _in_thread(call: Call, executor: Executor | None) -> Callable[[RunContext], Awaitable[Outputs]]:
    async def threaded(context: RunContext) -> Outputs:
        outputs: Outputs = await asyncio.get_running_loop().run_in_executor(executor, call, context)
        return outputs

    return threaded


def _callee(
    workflow: Workflow,
    node_id: str,
    node_type: type[Node],
    values: Values,
    changed: Mapping[str, Any],
    policies: Resilience,
) -> Callee:
    """What a call really does outside: with what references stand for, and with what the caller gives."""
    placed, limits = workflow.nodes[node_id], (policies.timeout, policies.total_timeout)
    actual = {**placed.parameters, **changed}
    if node_id not in workflow.instances:
        actual = resolve(placed.parameters, workflow, values.workflow, named_secret) | dict(changed)
    return Callee(
        node_id,
        node_type,
        actual,
        node_type.effect_of(actual),
        " and ".join(node_type.effects_of(placed.parameters)),
        runs_code=node_type.runs_code(actual),
        limit=min((limit for limit in limits if limit is not None), default=None),
        hedged=policies.hedge_after is not None,
    )


def _held_back(does: str) -> Callable[[RunContext], Awaitable[Outputs]]:
    """A call that is not made."""
    does = does or "does something outside"

    async def not_called(context: RunContext) -> Outputs:
        rows = ", ".join(f"{name} ({count:,} rows)" for name, count in rows_of(context.inputs).items())
        raise NotCalled(f"a safe preview does not call it; it {does}" + (f", here with {rows}" if rows else ""))

    return not_called


def _faulty(
    node_id: str, call: Call, waits: bool, fault: Fault, around: Surroundings, met: dict[str, int]
) -> Callable[[RunContext], Awaitable[Outputs]]:
    async def with_fault(context: RunContext) -> Outputs:
        number = met[node_id] = met.get(node_id, 0) + 1
        if fault.times and number > fault.times:
            return await real(context)
        if fault.delay:
            await around.clock.sleep(fault.delay)
        error = fault.make()
        if error is not None and (fault.percent >= 100 or around.random.random() * 100 < fault.percent):
            raise error
        if fault.exhaust_pool:
            async with exhausted(context):
                return await real(context)
        return await real(context)

    async def real(context: RunContext) -> Outputs:
        outputs: Outputs = await call(context) if waits else call(context)
        return outputs

    return with_fault
