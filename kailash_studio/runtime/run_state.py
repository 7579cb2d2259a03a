"""What is known of a run's steps, and what follows from that alone; nothing here calls a step or tells anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import NodeOutputError, describe
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.plan import Plan, Source, Step
from kailash_studio.runtime.standing import Standing
from kailash_studio.spec.context import Outputs
from kailash_studio.spec.values import step_into

PENDING, RUNNING, SUCCEEDED, FAILED, SKIPPED, CANCELLED, RECOVERED = range(7)
GAVE = (SUCCEEDED, RECOVERED)
NOTHING: Mapping[str, Any] = {}


class RunState:
    """Where each step of a run is: its state, its results, and why.

    Attributes:
        plan: What is run.
    """

    def __init__(self, plan: Plan, edited: Mapping[str, Mapping[str, Any]]) -> None:
        """Begin with every step pending.

        Args:
            plan: What is run.
            edited: Inputs that nodes get instead of what connections bring, by node and input.
        """
        count = len(plan.steps)
        self.plan = plan
        self._edited = {plan.positions[node]: dict(inputs) for node, inputs in edited.items()}
        self._state = bytearray(count)
        self._results: list[Outputs] = [NOTHING] * count
        self._waiting = list(plan.waiting)
        self._special = bytearray(count)  # a step some of whose sources have no value: decide with care
        for i in self._edited:
            self._special[i] = 1
        self._cause = [0] * count
        self._failed_root = [-1] * count  # the failed step that a failed or skipped one goes back to
        self._untaken = bytearray(count)  # skipped because of a branch that was not taken, there or before
        self._reasons: dict[int, str] = {}
        self._failures: dict[int, BaseException] = {}
        self._recovered: dict[int, int] = {}
        self._not_called: dict[str, int] = {}  # of those that succeeded: how many were reused, and pinned
        self._standing = Standing(plan)
        self._left = count

    def outputs(self, node_id: str) -> Outputs | None:
        """What a node has given so far; None while it has not succeeded."""
        i = self.plan.positions.get(node_id, -1)
        return self._results[i] if i >= 0 and self._state[i] in GAVE else None

    def came_along(self, node: str, connection: str) -> bool:
        """Whether a connection has brought a node a value; of one to a sub-workflow, its border is asked about."""
        start, _, end = connection.partition(">")
        name = end.rpartition(".")[2]
        for source in self.plan.steps[self.plan.positions[node]].sources.get(name, ()):
            if source.connection.partition(">")[0] == start:
                return source.output in self._results[source.step]
        return False

    def _inputs_of(self, i: int) -> dict[str, Any]:
        """The inputs of a step that has run, gathered again."""
        step = self.plan.steps[i]
        if step.stands_in_for >= 0:
            given = self._inputs_of(step.stands_in_for)
            pairs = self.plan.steps[step.stands_in_for].fallback_inputs
            return {mine: given[its] for mine, its in pairs if its in given} | dict(step.constants)
        inputs = dict(step.constants)
        for name, sources in step.sources.items():
            try:
                values = self._values_of(sources)
            except Exception as error:  # noqa: BLE001 - it is why the step failed; said there
                values = [describe(error)]
            if values:
                inputs[name] = values if name in step.many else values[0]
        return inputs | self._edited.get(i, {})

    def _values_of(self, sources: tuple[Source, ...]) -> list[Any]:
        """What connections bring; nothing for those whose output is inactive."""
        values = []
        for source in sources:
            outputs = self._results[source.step]
            if source.output in outputs:
                start = f"{self.plan.steps[source.step].node_id}.{source.output}"
                values.append(step_into(outputs[source.output], source.path, start))
        return values

    def _why_inactive(self, sources: tuple[Source, ...]) -> str:
        for source in sources:
            giver = self.plan.steps[source.step].node_id
            if self._state[source.step] == SKIPPED:
                return f"{giver} was skipped: {self._reasons[source.step]}"
            return f"{giver} did not take the branch {source.output}"
        return "nothing is connected"

    def _summary(self, outcome: Outcome) -> dict[str, Any]:
        count = self._state.count
        return {
            "state": outcome.state,
            "seconds": outcome.seconds,
            "succeeded": count(SUCCEEDED),
            "failed": count(FAILED),
            "skipped": count(SKIPPED),
            "cancelled": count(CANCELLED),
            "recovered": count(RECOVERED),
            **self._not_called,
        }


def check_outputs(step: Step, outputs: Any) -> None:
    """See that a step gave what its type declares.

    Raises:
        NodeOutputError: It gave something else.
    """
    if not isinstance(outputs, Mapping):
        raise NodeOutputError(f"{step.node_id} returned a {type(outputs).__name__} instead of its outputs by name.")
    missing = step.outputs - step.conditional - outputs.keys()
    if missing:
        raise NodeOutputError(f"{step.node_id} did not give its output {sorted(missing)[0]}.")
    extra = outputs.keys() - step.outputs
    if extra:
        raise NodeOutputError(f"{step.node_id} gave {sorted(extra)[0]}, which is not one of its outputs.")
