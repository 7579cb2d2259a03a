"""Stopping a run at a node, looking, changing, and going on.

A debugger belongs to one run. Only the branch that reaches a breakpoint stops; the others go on, and a pause of the
whole run is another thing (``Run.pause``). A run without a debugger, and a node without a breakpoint, pay nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kailash_studio.errors import EngineError, StudioError, describe
from kailash_studio.resilience.clock import Clock, SystemClock
from kailash_studio.runtime import events
from kailash_studio.runtime.expressions import value_of
from kailash_studio.runtime.plan import NotCalled, Step
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.workflow.sub_workflows import PASSING, SEPARATOR, parent_of

if TYPE_CHECKING:
    from kailash_studio.runtime.engine import Run

When = Literal["before", "after", "error", "retry", "fallback"]
Do = Literal["go_on", "give", "skip", "again"]
How = Literal["into", "over", "out"]
HOWS: tuple[How, ...] = ("into", "over", "out")
WHENS: tuple[When, ...] = ("before", "after", "error", "retry", "fallback")

_SKIPPED = "it was skipped by hand"
_LATER = "The attempts that are left have the parameters of this call: those that were changed count in the next one."

Recompile = Callable[[str, Mapping[str, Any]], Step]


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """Where a run stops.

    Attributes:
        node: The node.
        when: ``before`` its call, ``after`` it succeeded, on an ``error`` after all attempts, on a ``retry`` before the
            wait for it, on a ``fallback`` before the one that stands in is called.
        condition: An expression over ``inputs``, ``outputs`` and ``error`` that must hold; empty: always.
        hits: Stop at this time only, counted in this run from 1; 0: each time.
        log: What to write into the log instead of stopping: an expression like the condition. Empty: it stops.
        connection: Only when a value has come along this connection into the node.
        enabled: Whether it counts at present.
    """

    node: str
    when: When = "before"
    condition: str = ""
    hits: int = 0
    log: str = ""
    connection: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """How a stopped node goes on.

    Attributes:
        do: ``go_on``; ``give`` outputs instead of calling, or instead of what the call gave; ``skip`` the node; call it
            ``again``.
        inputs: Inputs to change, by name.
        outputs: All outputs that are given, by name.
        parameters: Parameters to change for the call, by name; those that were changed before stay changed.
    """

    do: Do = "go_on"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Stop:
    """A node that stands still.

    Attributes:
        number: Counts the stops of a run, from 1.
        node: The node.
        when: Where in its life it stands.
        reason: What stopped it: ``breakpoint``, ``step`` or ``run to here``; or that a condition cannot be evaluated.
        inputs: What it was given.
        outputs: What its call gave, after it succeeded; else None.
        error: Why its call failed, or empty.
    """

    def __init__(
        self,
        number: int,
        node: str,
        when: When,
        reason: str,
        inputs: Mapping[str, Any],
        outputs: Outputs | None = None,
        error: str = "",
    ) -> None:
        self.number, self.node, self.when, self.reason = number, node, when, reason
        self.inputs, self.outputs, self.error = inputs, outputs, error
        self.decided: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()


class Debugger:
    """The breakpoints of one run, and the nodes that stand still.

    Attributes:
        stops: Where the run stands still now, by number.
    """

    def __init__(self, breakpoints: Iterable[Breakpoint] = ()) -> None:
        self.stops: dict[int, Stop] = {}
        self._at: dict[str, list[tuple[int, Breakpoint]]] = {}  # each with its number among those that were given
        self._hit: dict[tuple[str, When, str, int], int] = {}
        self._once: dict[str, str] = {}  # nodes that are stopped at once, and why
        self._stood: dict[str, str] = {}  # where nodes stood still in the run that this one goes on from
        self._made_with: dict[str, dict[str, Any]] = {}  # parameters that were given by hand, by node
        self._aim = ""  # the node before which a run that begins is to be stopped once
        self._number = 0
        self._run: Run | None = None
        self._recompile: Recompile | None = None
        self._clock: Clock = SystemClock()
        self.set_breakpoints(breakpoints)

    # ------------------------------------------------------------------ from outside
    def set_breakpoints(self, breakpoints: Iterable[Breakpoint]) -> None:
        """Take these instead of those before; a run that is under way hears of it."""
        self._given_points = list(breakpoints)
        self._sort()
        self._watch()

    def go_on(self, number: int, decision: Decision | None = None) -> None:
        """Let a stopped node go on.

        Raises:
            EngineError: It does not stand still any more, or what is given does not fit it.
        """
        stop = self._stop(number)
        decision = decision or Decision()
        self._check(stop, decision)
        del self.stops[number]
        stop.decided.set_result(decision)

    def step(self, number: int, decision: Decision | None = None, how: How = "into") -> None:
        """Let a stopped node go on, and stop at what comes next: the end of its call, or what it feeds.

        A sub-workflow is stopped at where its inputs come in. From there ``into`` goes to the first nodes inside, and
        ``over`` lets all of it run and stops at what follows it. ``out`` does so from any node inside.
        """
        stop = self._stop(number)
        self._check(stop, decision or Decision())  # a step that is refused stops nowhere later
        plan = self._attached().plan
        called = stop.when in {"after", "error"} or (decision is not None and decision.do in {"give", "skip"})
        entering = plan.enters(stop.node)
        if how == "out" and parent_of(stop.node):
            targets = plan.next_to(parent_of(stop.node))
        elif entering:
            given = stop.when == "before" and decision is not None and decision.do == "give"
            targets = plan.next_to(entering) if how == "over" or given else plan.next_to(stop.node)
        else:
            targets = plan.next_to(stop.node) if called else [stop.node]
        self._once |= dict.fromkeys(targets, "step")
        self._watch()
        self.go_on(number, decision)

    def run_to(self, node: str) -> None:
        """Stop before a node once, and let all others that stand still go on."""
        plan = self._attached().plan
        if node not in plan.positions:
            raise EngineError(f"There is no node {node} in this run.")
        self._once[plan.entry(node)] = "run to here"
        self._watch()
        self.go_on_all()

    def aim_at(self, node: str) -> None:
        """Stop before a node once, in a run that has not begun yet."""
        self._aim = node

    def stand_again(self, places: Mapping[str, str]) -> None:
        """Stop where an interrupted run stood still: node and when."""
        self._stood = dict(places)
        self._watch()

    def go_on_all(self) -> None:
        """Let everything go on that stands still."""
        for number, stop in list(self.stops.items()):
            if not stop.decided.done():
                self.go_on(number)

    def gives(self, number: int) -> list[tuple[list[str], list[str]]]:
        """What can be given by hand at a stop: the names of outputs, and those of them that have to be there.

        Where a sub-workflow begins there are two ways: what all of it gives, and what comes into it.
        """
        stop, plan = self._stop(number), self._attached().plan
        step = plan.steps[plan.positions[stop.node]]
        ways = [(sorted(step.outputs), sorted(step.outputs - step.conditional))]
        around = plan.enters(stop.node) if stop.when == "before" else ""
        if around:
            ways.insert(0, (sorted(plan.steps[plan.positions[around]].outputs), []))
        return ways

    async def evaluate(self, number: int, expression: str, changed: Decision | None = None) -> Any:
        """The value of an expression over ``inputs``, ``outputs`` and ``error`` of a stopped node, in the sandbox.

        Args:
            number: The stop.
            expression: Python.
            changed: Inputs and outputs that count instead of those that stand there, by name.

        Raises:
            StudioError: It cannot be evaluated.
        """
        stop = self._stop(number)
        inputs, outputs = dict(stop.inputs), stop.outputs
        if changed is not None:
            inputs |= changed.inputs
            outputs = {**(outputs or {}), **changed.outputs} if changed.outputs else outputs
        values = {"inputs": inputs, "outputs": outputs, "error": stop.error}
        return await self._value(expression, values, stop.node, "by hand")

    # ------------------------------------------------------------------ for the engine
    def attach(self, run: Run, recompile: Recompile, clock: Clock) -> None:
        """Take a run, before it begins; ``recompile`` makes a step with other parameters, ``clock`` is the run's."""
        self._run, self._recompile, self._clock = run, recompile, clock
        if self._aim in run.plan.positions:
            self._once[run.plan.entry(self._aim)] = "run to here"
        self._sort()
        self._watch()
        run.scope.retrying = self._retrying  # always: a breakpoint may be set while it runs

    def takes(self, node: str, origin: str = "") -> bool:
        """Whether a call has to go through ``around``; ``origin``: the node that it stands in for."""
        if node in self._once or node in self._stood:
            return True
        return any(point.enabled for _, point in self._at.get(node, ())) or any(
            point.enabled and point.when == "fallback" for _, point in self._at.get(origin, ())
        )

    async def around(self, context: RunContext, step: Step, began: Callable[[], None], origin: str = "") -> Outputs:
        """Make a step's call, standing still where that is asked for.

        Args:
            context: The node and its inputs.
            step: What to call.
            began: Called when the call really begins.
            origin: The node that it stands in for.

        Raises:
            NotCalled: It is not to be called.
        """
        node, inputs = step.node_id, dict(context.inputs)
        run, since = self._attached(), self._clock.now()
        reason = await self._reason(node, "before", inputs)
        if not reason and origin:
            reason = await self._reason(origin, "fallback", inputs)
        if reason:
            decision = await self._stand(node, "before", reason, inputs)
            run.stood_still(node, since)
            if decision.do == "skip":
                raise NotCalled(_SKIPPED)
            if decision.do == "give":
                self._give_for_all(node, decision)
                began()
                return self._given(node, decision)
            inputs, step = self._changed(step, inputs, decision)
        began()
        while True:
            context = RunContext(context.scope, node, inputs)
            error: Exception | None = None
            outputs: Outputs | None = None
            try:
                outputs = await step.call(context) if step.waits else step.call(context)
            except NotCalled:
                raise
            except Exception as raised:  # noqa: BLE001 - the node's failure, which somebody may want to look at
                error = raised
            inputs = dict(context.inputs)  # they may have been changed before an attempt
            since = self._clock.now()
            when: When = "after" if error is None else "error"
            said = describe(error) if error is not None else ""
            reason = await self._reason(node, when, inputs, outputs, said)
            decision = await self._stand(node, when, reason, inputs, outputs, said) if reason else Decision()
            run.stood_still(node, since)
            if decision.do == "skip":
                raise NotCalled(_SKIPPED)
            if decision.do == "give":
                return self._given(node, decision)
            if decision.do == "again":
                inputs, step = self._changed(step, inputs, decision)
            elif error is not None:
                raise error
            else:
                assert outputs is not None  # a call without an error gave some
                return outputs

    async def _retrying(self, context: RunContext, error: str) -> None:
        """A guard is about to wait for another attempt, which is made with the inputs that were changed meanwhile."""
        node, since = context.node_id, self._clock.now()
        reason = await self._reason(node, "retry", context.inputs, None, error)
        decision = await self._stand(node, "retry", reason, context.inputs, None, error) if reason else Decision()
        self._attached().stood_still(node, since)
        if decision.inputs:
            context.inputs = {**context.inputs, **decision.inputs}
            self._attached().edit_inputs(node, decision.inputs)
        if decision.parameters:
            self._attached().log("warning", node, _LATER)

    # ------------------------------------------------------------------ whether to stop
    async def _reason(
        self, node: str, when: When, inputs: Mapping[str, Any], outputs: Outputs | None = None, error: str = ""
    ) -> str:
        """Why to stop here; empty for not."""
        if when in {"before", "after", "error"} and node in self._once:
            return self._once.pop(node)
        if self._stood.get(node) == when:
            del self._stood[node]
            return "the run stood still here when it was interrupted"
        for number, point in self._at.get(node, ()):
            if point.enabled and point.when == when and self._came_along(point, node):
                reason = await self._asked(point, number, node, {"inputs": inputs, "outputs": outputs, "error": error})
                if reason:
                    return reason
        return ""

    def _came_along(self, point: Breakpoint, node: str) -> bool:
        return not point.connection or self._attached().came_along(node, point.connection)

    async def _asked(self, point: Breakpoint, number: int, node: str, values: Mapping[str, Any]) -> str:
        decides = f"{point.when} {number}"
        try:
            if point.condition and not await self._value(point.condition, values, node, decides, truth=True):
                return ""
            key = (point.node, point.when, point.connection, number)
            self._hit[key] = self._hit.get(key, 0) + 1
            if point.hits and self._hit[key] != point.hits:
                return ""
            if not point.log:
                return "breakpoint"
            self._attached().log("info", point.node, str(await self._value(point.log, values, node, decides)))
        except StudioError as wrong:
            if point.log:
                self._attached().log("warning", point.node, f"The log point cannot be evaluated: {wrong}")
                return ""
            return f"the condition cannot be evaluated: {wrong}"
        return ""

    async def _value(
        self, expression: str, values: Mapping[str, Any], node: str, decides: str, *, truth: bool = False
    ) -> Any:
        from kailash_studio.spec.values import to_plain

        plain = {name: to_plain(value) for name, value in values.items()}
        return await value_of(expression, plain, self._attached().scope, self._clock, node, decides, truth=truth)

    # ------------------------------------------------------------------ standing still
    async def _stand(
        self,
        node: str,
        when: When,
        reason: str,
        inputs: Mapping[str, Any],
        outputs: Outputs | None = None,
        error: str = "",
    ) -> Decision:
        self._number += 1
        stop = Stop(self._number, node, when, reason, inputs, outputs, error)
        self.stops[stop.number] = stop
        note = self._attached().note
        details = {"stop": stop.number, "when": when, "reason": reason}
        note(events.NODE_STOPPED, node, details | ({"error": error} if error else {}))
        try:
            decision = await stop.decided
        finally:
            self.stops.pop(stop.number, None)  # it is there when the run was cancelled
        note(events.NODE_CONTINUED, node, {"stop": stop.number, "do": decision.do})
        return decision

    def _check(self, stop: Stop, decision: Decision) -> None:
        plan = self._attached().plan
        step = plan.steps[plan.positions[stop.node]]
        if decision.do == "give" and not (stop.when == "before" and self._for_all(stop.node, decision)):
            missing = step.outputs - step.conditional - decision.outputs.keys()
            unknown = decision.outputs.keys() - step.outputs
            if missing or unknown:
                what = f"gives no {sorted(unknown)[0]}" if unknown else f"has to give {sorted(missing)[0]} as well"
                around = plan.enters(stop.node) if stop.when == "before" else ""
                gives = ", ".join(sorted(plan.steps[plan.positions[around]].outputs)) if around else ""
                also = f", and those of {around} {gives}" if gives else ""
                raise EngineError(f"{stop.node} {what}: its outputs are {', '.join(sorted(step.outputs))}{also}.")
        if decision.do == "again" and stop.when == "before":
            raise EngineError(f"{stop.node} has not been called yet: let it go on instead.")
        if decision.do != "go_on" and stop.when == "retry":
            raise EngineError(f"{stop.node} is about to try again: it can go on, or the run can be cancelled.")
        if decision.parameters and (decision.do == "again" or (decision.do == "go_on" and stop.when == "before")):
            self._recompiled(stop.node, decision)  # what cannot be is said while it still stands

    def _for_all(self, node: str, decision: Decision) -> bool:
        """Whether what is given where a sub-workflow begins is what the sub-workflow gives."""
        plan = self._attached().plan
        around = plan.enters(node)
        gives = plan.steps[plan.positions[around]].outputs if around else frozenset[str]()
        return bool(around) and decision.outputs.keys() <= gives and bool(decision.outputs or not gives)

    def _give_for_all(self, node: str, decision: Decision) -> None:
        """Where a sub-workflow begins, give what all of it gives, if that is what was given."""
        if self._for_all(node, decision):
            instead = NotCalled()
            instead.instead = self._given(self._attached().plan.enters(node), decision)
            raise instead

    def _changed(self, step: Step, inputs: dict[str, Any], decision: Decision) -> tuple[dict[str, Any], Step]:
        """Inputs and step for a call with what was changed by hand; the run's record says so."""
        from kailash_studio.spec.values import to_plain

        run = self._attached()
        if decision.inputs:
            inputs = inputs | dict(decision.inputs)
            run.edit_inputs(step.node_id, decision.inputs)
        if decision.parameters:
            step, given = self._recompiled(step.node_id, decision)
            self._made_with[step.node_id] = given
            told = {"parameters": tuple(decision.parameters), "made_with": to_plain(given)}
            run.note(events.PARAMETERS_EDITED, step.node_id, told)
        return inputs, step

    def _recompiled(self, node: str, decision: Decision) -> tuple[Step, dict[str, Any]]:
        """The step of a node with all parameters that were given by hand, and these."""
        assert self._recompile is not None  # set with the run
        given = {**self._made_with.get(node, {}), **decision.parameters}
        return self._recompile(node, given), given

    def _given(self, node: str, decision: Decision) -> Outputs:
        self._attached().note(events.OUTPUTS_EDITED, node, {"outputs": tuple(decision.outputs)})
        return dict(decision.outputs)

    def _stop(self, number: int) -> Stop:
        stop = self.stops.get(number)
        if stop is None or stop.decided.done():  # it was cancelled, and has not had its turn yet
            raise EngineError("That node does not stand still any more.")
        return stop

    def _attached(self) -> Run:
        if self._run is None:
            raise EngineError("The run has not begun yet.")
        return self._run

    def _sort(self) -> None:
        """Breakpoints by node, each with its number among equal ones; those of sub-workflows by nodes inside."""
        self._at = {}
        equal: dict[tuple[str, str, str], int] = {}
        for point in self._given_points:
            kind = (point.node, point.when, point.connection)
            number = equal[kind] = equal.get(kind, -1) + 1
            for node in self._places(point):
                self._at.setdefault(node, []).append((number, point))

    def _places(self, point: Breakpoint) -> list[str]:
        """Where a breakpoint stands: one before a sub-workflow where its inputs come in, one on its error inside.

        Something inside has failed for good when no fallback is left.
        """
        plan = self._run.plan if self._run is not None else None
        if plan is None or not plan.is_sub_workflow(point.node) or point.when == "after":
            return [point.node]
        if point.when == "before":
            return [plan.entry(point.node)]
        inside = [step for step in plan.steps if step.node_id.startswith(point.node + SEPARATOR)]
        return [s.node_id for s in inside if s.node_type not in PASSING and (point.when != "error" or s.fallback < 0)]

    def _watch(self) -> None:
        if self._run is not None:
            origins = [node for node, points in self._at.items() if any(p.when == "fallback" for _, p in points)]
            self._run.watch([*self._at, *self._once, *self._stood, *origins])
