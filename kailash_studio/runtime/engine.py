"""The engine: one run of one plan on the running asyncio loop.

Plain steps are called in a row by ``_pump``; a step that waits gets a task. So the number of tasks is the number of
things that really wait, and a graph of plain functions makes none. The loop is given back every few milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kailash_studio.errors import NodeOutputError, describe
from kailash_studio.resilience.clock import Clock
from kailash_studio.runtime import events
from kailash_studio.runtime.debugger import Debugger
from kailash_studio.runtime.event_stream import EventStream
from kailash_studio.runtime.events import Sink
from kailash_studio.runtime.node_history import NodeHistory
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.plan import NotCalled, Plan, Step
from kailash_studio.runtime.run_state import (
    CANCELLED,
    FAILED,
    GAVE,
    NOTHING,
    PENDING,
    RECOVERED,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    RunState,
    check_outputs,
)
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.context import Outputs, RunContext, RunScope
from kailash_studio.spec.values import rows_of
from kailash_studio.workflow.sub_workflows import SEPARATOR

_SLICE = 0.005  # seconds of plain steps in a row before the loop is given back


class Run(RunState):
    """One run. Create it, await ``execute`` once; ``cancel`` may be called meanwhile."""

    def __init__(
        self,
        plan: Plan,
        scope: RunScope,
        clock: Clock,
        *,
        sink: Sink | None = None,
        max_workers: int = 10_000,
        known: Mapping[str, Outputs] | None = None,
        edited: Mapping[str, Mapping[str, Any]] | None = None,
        only: Collection[str] | None = None,
        pinned: Collection[str] = (),
        stood_in: Mapping[str, str] | None = None,
        test: bool = False,
        debugger: Debugger | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            plan: What to run.
            scope: What its nodes share.
            clock: Time.
            sink: Gets the events in batches.
            max_workers: How many waiting steps may be under way at once.
            known: Outputs that an earlier run gave; these nodes are not called again.
            edited: Inputs that nodes get instead of what connections bring, by node and input.
            only: The nodes that may be called, and with them their fallbacks; None: all.
            pinned: The nodes among the known ones whose outputs somebody has pinned.
            stood_in: The fallbacks that gave the outputs of known nodes in the earlier run, by node.
            test: Faults are put in; the run says so.
            debugger: Stops nodes; ``attach`` it before the run begins.
            redactor: Hides the secrets of this run in all that it tells: errors, events, log lines, letters.
        """
        super().__init__(plan, edited or {})
        self.scope = scope
        self._clock = clock
        self._now = clock.now
        self._events = EventStream(scope.run_id, [step.node_id for step in plan.steps], sink, clock.now)
        self._history = NodeHistory(plan, scope, clock)
        self.letter_of = self._history.letter_of
        self._limit = max_workers
        self._known = known or {}
        self._only = only
        self._pinned = frozenset(pinned)
        self._stood_in_before = stood_in or {}
        self.test = test
        self._debugger = debugger
        self.redactor = redactor or Redactor()
        self._covered: dict[int, tuple[BaseException, float]] = {}  # failed, and its fallback runs: error, start
        self._held_back: list[tuple[int, Mapping[str, Any], int]] = []  # failed while paused: details, cause
        self._entered: dict[int, float] = {}  # when sub-workflows began
        self._ready: list[int] = []
        self._held: list[int] = []  # ready, waiting for a worker to be free
        self._tasks: dict[asyncio.Task[Outputs], int] = {}
        self._cancelled = ""
        self._paused = ""
        self._pump_scheduled = False

    # ------------------------------------------------------------------ from outside
    async def execute(self) -> Outcome:
        """Run everything; failures of nodes are in the outcome, not raised."""
        loop = self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = loop.create_future()
        self._start = self._now()
        self._events.begin(self._start, self._clock.wall())
        begins: dict[str, Any] = {"nodes": len(self.plan.steps), "workflow": self.plan.name}
        self._events.emit(events.RUN_STARTED, "", -1, begins | ({"test": True} if self.test else {}))
        self.scope.note = self.note
        steps = self.plan.steps
        if self._known or self._only is not None:
            self._lay_out()
        self._ready = [
            i
            for i in range(len(steps) - 1, -1, -1)
            if not self._waiting[i] and self._state[i] == PENDING and steps[i].stands_in_for < 0
        ]
        try:
            self._pump()
            await asyncio.shield(self._done)  # whoever stops waiting must not end what tells that nodes have ended
        except BaseException:
            self.cancel("the caller stopped waiting")
            if self._tasks:
                await asyncio.gather(*self._tasks, return_exceptions=True)
            raise
        finally:
            self.scope.resources.run_ended(self.scope.run_id)  # while what it finds is still heard
            outcome = self._outcome()
            self._events.end(events.RUN_FINISHED, self._summary(outcome))
        return outcome

    def pause(self, reason: str) -> bool:
        """Start no further node until ``go_on``; what runs goes on. False when it is paused already, or has ended."""
        if self._paused or self._done.done():
            return False
        self._paused = reason
        self._events.emit(events.RUN_PAUSED, "", -1, {"reason": reason})
        self._events.flush()
        return True

    def go_on(self) -> None:
        """Start nodes again after a pause."""
        if self._paused and not self._done.done():
            self._paused = ""
            self._events.emit(events.RUN_CONTINUED, "", -1, NOTHING)
            held_back, self._held_back = self._held_back, []
            for failed in held_back:
                self._fall_back(*failed)
            self._schedule_pump()

    def step_on(self) -> str:
        """Start one node although the run is paused; its id, or empty where none is ready."""
        started = ""
        if self._held_back:
            i, details, cause = self._held_back.pop(0)
            self._fall_back(i, details, cause)
            started = self.plan.steps[self.plan.steps[i].fallback].node_id
        while self._ready and not started:
            i = self._ready.pop()
            step = self.plan.steps[i]
            inputs = self._gather(i, step)
            if inputs is not None:
                self._start_step(i, step, inputs)
                started = step.node_id
        self._check_done()
        return started

    def watch(self, nodes: Iterable[str]) -> None:
        """Ask the debugger before these nodes are called."""
        for node in nodes:
            i = self.plan.positions.get(node, -1)
            if i >= 0:
                self._special[i] = 1

    def stood_still(self, node: str, since: float) -> None:
        """Count the time from then until now as none that the node's call took."""
        self._standing.add(node, since, self._now())

    def edit_inputs(self, node: str, inputs: Mapping[str, Any]) -> None:
        """Remember that inputs were given by hand."""
        i = self.plan.positions[node]
        self._edited[i] = {**self._edited.get(i, {}), **inputs}
        self.note(events.INPUTS_EDITED, node, {"inputs": tuple(inputs)})

    def cancel(self, reason: str = "the run was cancelled") -> None:
        """Stop: what runs is cancelled, what waits never starts."""
        if self._cancelled or self._done.done():
            return
        self._cancelled = reason
        self._held_back.clear()  # their fallbacks end below, and they with them
        for task in self._tasks:
            task.cancel()
        for i, state in enumerate(self._state):
            if state == PENDING:
                self._end_without_run(i, CANCELLED, events.NODE_CANCELLED, reason)
        self._ready.clear()
        self._held.clear()
        self._check_done()

    def note(self, kind: str, node_id: str, details: Mapping[str, Any]) -> None:
        """Add what happened around a node's call to the run's events."""
        if self.redactor.active:
            details = self.redactor.value(details)
        self._history.note(kind, node_id, details)
        self._events.emit(kind, node_id, self._cause[self.plan.positions[node_id]], details)

    def tell(self) -> None:
        """Give the sink at once what there is to tell."""
        self._events.flush()

    def log(self, level: str, node_id: str, text: str) -> None:
        """Add a line to the run's events; may be called from any thread, and is not heard after the run."""
        self._events.log(level, node_id, self.redactor.text(text))

    # ------------------------------------------------------------------ the hot path
    def _pump(self) -> None:
        """Call ready steps in a row, and start tasks for those that wait."""
        self._pump_scheduled = False
        if self._paused:
            return
        steps, ready, now, scope = self.plan.steps, self._ready, self._now, self.scope
        results, special, state = self._results, self._special, self._state
        causes, waiting = self._cause, self._waiting
        told, heard, keep = self._events, self._events.heard, self._events.keep
        debugged = self._debugger is not None
        deadline = now() + _SLICE
        while ready:
            i = ready.pop()
            step = steps[i]
            if step.simple is not None and not special[i]:
                inputs = {name: results[j][output] for name, j, output in step.simple}
            else:
                gathered = self._gather(i, step)
                if gathered is None:
                    continue
                inputs = gathered
            if not step.plain or (debugged and special[i]):
                self._start_step(i, step, inputs)
                continue
            # what follows is _call, _succeeded and _release for the common case, in one piece for speed
            state[i] = RUNNING
            began = now()
            try:
                outputs = step.call(RunContext(scope, step.node_id, inputs))
            except BaseException as error:  # noqa: BLE001 - user code; sorted there
                self._raised(i, step, error, began)
                continue
            if outputs.keys() != step.outputs:
                self._odd(i, step, outputs, began)
                continue
            ended = now()
            results[i] = outputs
            state[i] = SUCCEEDED
            mark = told.sequence + 1
            told.sequence = mark + 1
            if heard:
                keep((i, causes[i], began, ended, outputs))
            self._left -= 1
            for k in step.following:
                causes[k] = mark
                left = waiting[k] = waiting[k] - 1
                if not left and state[k] == PENDING and not self._cancelled:
                    ready.append(k)
            if ended > deadline and ready:
                self._schedule_pump()  # a pause comes into force here as well
                return
        self._check_done()

    def _start_step(self, i: int, step: Step, inputs: Mapping[str, Any]) -> None:
        if self._debugger is not None and self._debugger.takes(step.node_id):
            self._begin_watched(i, step, inputs, self._debugger)
        elif not step.waits:
            self._call(i, step, inputs)
        elif len(self._tasks) < self._limit:
            self._begin(i, step, inputs)
        else:
            self._held.append(i)

    def _lay_out(self) -> None:
        """Take what an earlier run gave, and leave out what is not to be called."""
        steps = self.plan.steps
        for i, step in enumerate(steps):
            if step.node_id in self._known and self._state[i] == PENDING:
                self._reuse(i, step, self._known[step.node_id])
        for i, step in enumerate(steps):
            around = step.node_id
            while (around := around.rpartition(SEPARATOR)[0]) and self._state[i] == PENDING:
                if around in self._known:
                    self._end_without_run(i, SKIPPED, events.NODE_SKIPPED, f"what {around} gives is there")
        if self._only is None:
            return
        wanted = {self.plan.positions[node] for node in self._only}
        for i in list(wanted):
            while (i := steps[i].fallback) >= 0:
                wanted.add(i)
        for i in range(len(steps)):
            if i not in wanted and self._state[i] == PENDING:
                self._end_without_run(i, SKIPPED, events.NODE_SKIPPED, "it is not part of what is run again")

    def _reuse(self, i: int, step: Step, outputs: Outputs) -> None:
        """Take what an earlier run gave instead of calling the step."""
        self._results[i] = outputs
        self._state[i] = SUCCEEDED
        node = step.node_id
        word = "pinned" if node in self._pinned else "reused"
        self._not_called[word] = self._not_called.get(word, 0) + 1
        details: dict[str, Any] = {"outputs": tuple(outputs), "rows": rows_of(outputs), "seconds": 0.0, word: True}
        if word == "reused" and node in self._stood_in_before:
            details["by"] = self._stood_in_before[node]
        mark = self._events.emit(events.NODE_SUCCEEDED, node, self._cause[i], details)
        if step.fallback >= 0:
            why = f"{node} is pinned" if word == "pinned" else f"what {node} gave before is taken over"
            self._not_needed(step.fallback, why, mark)
        self._release(i, mark, special=len(outputs) < len(step.outputs))

    def _raised(self, i: int, step: Step, error: BaseException, began: float) -> None:
        """A plain call raised: the node's failure, or the run's when it is a request to stop."""
        cause = self._begun(i, step, began)
        if isinstance(error, Exception):
            self._failed(i, error, began, cause)
            return
        if not self._done.done():  # KeyboardInterrupt, SystemExit
            self._done.set_exception(error)
        self._ready.clear()
        raise error

    def _odd(self, i: int, step: Step, outputs: Any, began: float) -> None:
        """A plain call gave other outputs than all: allowed for conditional ones."""
        cause = self._begun(i, step, began)
        try:
            check_outputs(step, outputs)
        except NodeOutputError as error:
            self._failed(i, error, began, cause)
        else:
            self._succeeded(i, step, outputs, began, cause)

    def _begun(self, i: int, step: Step, began: float) -> int:
        """Tell that a step began, and the sub-workflow that begins with it; gives the cause of what comes next."""
        if step.opens >= 0:
            around = step.opens
            self._entered[around] = began
            name = self.plan.steps[around].node_id
            self._cause[around] = self._events.emit(events.NODE_STARTED, name, self._cause[i], NOTHING, began)
        if i not in self._entered:
            self._cause[i] = self._events.emit(events.NODE_STARTED, step.node_id, self._cause[i], NOTHING, began)
        return self._cause[i]

    def _call(self, i: int, step: Step, inputs: Mapping[str, Any]) -> None:
        """Call a step that does not wait."""
        self._state[i] = RUNNING
        began = self._now()
        try:
            outputs = step.call(RunContext(self.scope, step.node_id, inputs))
        except BaseException as error:  # noqa: BLE001 - user code; sorted there
            self._raised(i, step, error, began)
        else:
            self._odd(i, step, outputs, began)

    def _schedule_pump(self) -> None:
        if not self._pump_scheduled:
            self._pump_scheduled = True
            self._loop.call_soon(self._pump)

    def _begin(self, i: int, step: Step, inputs: Mapping[str, Any]) -> None:
        self._state[i] = RUNNING
        began = self._now()
        cause = self._begun(i, step, began)
        task = self._loop.create_task(step.call(RunContext(self.scope, step.node_id, inputs)), name=step.node_id)
        self._tasks[task] = i
        task.add_done_callback(lambda done: self._task_done(done, i, began, cause))

    def _begin_watched(
        self, i: int, step: Step, inputs: Mapping[str, Any], debugger: Debugger, origin: str = ""
    ) -> None:
        """Start a step that may stand still: before its call, after it, or over its failure."""
        self._state[i] = RUNNING
        began = self._now()

        def begins() -> None:
            nonlocal began
            began = self._now()
            self._begun(i, step, began)

        call = debugger.around(RunContext(self.scope, step.node_id, inputs), step, begins, origin)
        task = self._loop.create_task(call, name=step.node_id)
        self._tasks[task] = i
        task.add_done_callback(lambda done: self._task_done(done, i, began, self._cause[i]))

    def _task_done(self, task: asyncio.Task[Outputs], i: int, began: float, cause: int) -> None:
        del self._tasks[task]
        step = self.plan.steps[i]
        if task.cancelled():
            if self._cancelled:
                self._end_without_run(i, CANCELLED, events.NODE_CANCELLED, self._cancelled, cause)
            else:
                self._failed(i, asyncio.CancelledError("its task was cancelled from inside"), began, cause)
        else:
            error = task.exception()
            if isinstance(error, NotCalled) and error.instead is not None:
                self._given_instead(step, error.instead, began, cause)
            elif isinstance(error, NotCalled):
                self._end_without_run(i, SKIPPED, events.NODE_SKIPPED, str(error), cause)
            elif error is not None:
                self._failed(i, error, began, cause)
            else:
                self._returned(i, step, task.result(), began, cause)
        if self._held and not self._cancelled:
            self._ready.append(self._held.pop())
        if self._ready:
            self._schedule_pump()
        else:
            self._check_done()

    def _returned(self, i: int, step: Step, outputs: Any, began: float, cause: int) -> None:
        try:
            if outputs.keys() != step.outputs:
                check_outputs(step, outputs)
        except Exception as wrong:  # noqa: BLE001 - a node type that breaks its word; its failure
            self._failed(i, wrong, began, cause)
        else:
            self._succeeded(i, step, outputs, began, cause)

    def _succeeded(self, i: int, step: Step, outputs: Outputs, began: float, cause: int) -> None:
        ended = self._now()
        self._results[i] = outputs
        self._state[i] = SUCCEEDED
        took = self._standing.own(i, self._entered.get(i, began), ended)
        details = {"outputs": tuple(outputs), "rows": rows_of(outputs), "seconds": took}
        mark = self._events.emit(events.NODE_SUCCEEDED, step.node_id, cause, details, ended)
        if step.fallback >= 0:
            self._not_needed(step.fallback, f"{step.node_id} did not need its fallback", mark)
        self._release(i, mark, special=len(outputs) < len(step.outputs))
        if step.stands_in_for >= 0:
            self._stood_in(step.stands_in_for, i, mark)

    def _given_instead(self, first: Step, outputs: Outputs, began: float, cause: int) -> None:
        """A sub-workflow that was about to begin has got outputs by hand: nothing inside is called."""
        around = self.plan.steps[first.opens]
        self._state[first.opens] = RUNNING
        reason = f"what {around.node_id} gives was given by hand"
        for k, step in enumerate(self.plan.steps):
            waits = self._state[k] == PENDING or step is first
            if waits and step.node_id.startswith(around.node_id + SEPARATOR):
                self._end_without_run(k, SKIPPED, events.NODE_SKIPPED, reason)
        self._succeeded(first.opens, around, outputs, began, cause)

    # ------------------------------------------------------------------ decisions
    def _gather(self, i: int, step: Step) -> dict[str, Any] | None:
        """The inputs of a step, or None when it was skipped or failed over them."""
        if self._state[i] != PENDING:
            return None
        if (step.begins_after >= 0 or step.ends_after) and self._held_up(i, step):
            return None
        edited = self._edited.get(i, NOTHING)
        taken = {name: sources for name, sources in step.sources.items() if name not in edited}
        for sources in taken.values():
            for source in sources:
                if self._failed_before(i, source.step):
                    return None
        inputs = {**step.constants, **edited}
        for name, sources in taken.items():
            try:
                values = self._values_of(sources)
            except Exception as error:  # noqa: BLE001 - a path into foreign data; the step's failure
                self._failed(i, error, self._now(), self._cause[i])
                return None
            if values:
                inputs[name] = values if name in step.many else values[0]
            elif name in step.required:
                self._untaken[i] = all(self._state[s.step] in GAVE or self._untaken[s.step] for s in sources)
                self._end_without_run(i, SKIPPED, events.NODE_SKIPPED, self._why_inactive(sources))
                return None
        if edited:
            told = {"inputs": tuple(edited)}
            self._cause[i] = self._events.emit(events.INPUTS_EDITED, step.node_id, self._cause[i], told)
        return inputs

    def _failed_before(self, i: int, before: int) -> bool:
        """Skip a step when one before it has failed, or was skipped over a failure."""
        root = self._failed_root[before]
        if root >= 0:
            self._failed_root[i] = root
            of = self.plan.steps[root].node_id
            self._end_without_run(i, SKIPPED, events.NODE_SKIPPED, self._history.failed(of), of=of)
        return root >= 0

    def _held_up(self, i: int, step: Step) -> bool:
        """Skip a step inside of a sub-workflow that was not called, or one some of which has failed."""
        first = step.begins_after
        if first >= 0:
            if self._failed_before(i, first):
                return True
            giver = self.plan.steps[first].node_id
            left_out = self._only is not None and giver not in self._only
            if self._state[first] not in GAVE and not left_out:
                reason = f"{giver} was skipped: {self._reasons.get(first, '')}"
                self._untaken[i] = self._untaken[first]
                self._end_without_run(i, SKIPPED, events.NODE_SKIPPED, reason)
                return True
        return any(self._failed_before(i, inner) for inner in step.ends_after)

    def _failed(self, i: int, error: BaseException, began: float, cause: int) -> None:
        """A step's own call failed after all attempts: its fallback runs, or it has failed for good."""
        error = self.redactor.error(error)  # before anybody describes it: event, letter, caller
        step = self.plan.steps[i]
        took = self._standing.own(i, began, self._now())
        details = {"error": describe(error), "code": getattr(error, "code", ""), "seconds": took}
        if step.fallback < 0 or self._cancelled or self._state[step.fallback] != PENDING:
            self._failed_for_good(i, error, self._events.emit(events.NODE_FAILED, step.node_id, cause, details))
            return
        self._covered[i] = (error, began)
        if self._paused:
            self._held_back.append((i, details, cause))
        else:
            self._fall_back(i, details, cause)

    def _fall_back(self, i: int, details: Mapping[str, Any], cause: int) -> None:
        """Call the fallback of a step that has failed."""
        step = self.plan.steps[i]
        fallback = self.plan.steps[step.fallback]
        mark = self._events.emit(
            events.FALLBACK_STARTED, step.node_id, cause, {**details, "fallback": fallback.node_id}
        )
        given = self._inputs_of(i)
        inputs = {mine: given[its] for mine, its in step.fallback_inputs if its in given} | dict(fallback.constants)
        missing = sorted(name for name in fallback.required if name not in inputs)
        self._cause[step.fallback] = mark
        if missing:
            why = NodeOutputError(f"{fallback.node_id} cannot stand in: its input {missing[0]} has no value.")
            self._failed(step.fallback, why, self._now(), mark)
        elif self._debugger is not None and self._debugger.takes(fallback.node_id, step.node_id):
            self._begin_watched(step.fallback, fallback, inputs, self._debugger, step.node_id)
        elif fallback.waits:
            self._begin(step.fallback, fallback, inputs)
        else:
            self._call(step.fallback, fallback, inputs)

    def _stood_in(self, i: int, by: int, cause: int) -> None:
        """The fallback of a failed step has given outputs: they are its own now."""
        step, ended = self.plan.steps[i], self._now()
        error, began = self._covered.pop(i)
        given = self._results[by]
        outputs = {mine: given[its] for mine, its in step.fallback_outputs if its in given}
        self._results[i] = outputs
        self._state[i] = RECOVERED
        self._recovered[i] = by
        details = {
            "outputs": tuple(outputs),
            "rows": rows_of(outputs),
            "seconds": self._standing.own(i, began, ended),
            "by": self.plan.steps[by].node_id,
            "error": describe(error),
        }
        mark = self._events.emit(events.NODE_RECOVERED, step.node_id, cause, details, ended)
        self._release(i, mark, special=len(outputs) < len(step.outputs))
        if step.stands_in_for >= 0:
            self._stood_in(step.stands_in_for, i, mark)

    def _failed_for_good(self, i: int, error: BaseException, mark: int) -> None:
        step = self.plan.steps[i]
        self._state[i] = FAILED
        self._failures[i] = error
        self._failed_root[i] = i
        if step.stands_in_for < 0:
            self._history.give_up(step, error, self._inputs_of(i))
        if step.fallback >= 0:
            self._not_needed(step.fallback, f"{step.node_id} failed before its fallback could run", mark)
        self._release(i, mark, special=True)
        if step.stands_in_for >= 0:
            self._not_stood_in(step.stands_in_for, "failed as well", mark)

    def _not_stood_in(self, i: int, why: str, cause: int) -> None:
        """A failed step whose fallback has given nothing has failed for good, with its own error."""
        step = self.plan.steps[i]
        error, began = self._covered.pop(i)
        fallback = self.plan.steps[step.fallback].node_id
        text = f"{describe(error).rstrip('.')}; its fallback {fallback} {why.rstrip('.')}."
        took = self._standing.own(i, began, self._now())
        details = {"error": text, "code": getattr(error, "code", ""), "seconds": took}
        self._failed_for_good(i, error, self._events.emit(events.NODE_FAILED, step.node_id, cause, details))

    def _not_needed(self, i: int, reason: str, mark: int) -> None:
        """A fallback that did not run ends as skipped, and with it the fallback behind it."""
        if self._state[i] == PENDING:
            self._cause[i] = mark
            self._end_without_run(i, SKIPPED, events.NODE_SKIPPED, reason)

    def _end_without_run(self, i: int, state: int, kind: str, reason: str, cause: int = -1, of: str = "") -> None:
        self._state[i] = state
        self._reasons[i] = reason
        if self.plan.steps[i].fallback >= 0 and state == SKIPPED:
            self._not_needed(self.plan.steps[i].fallback, f"{self.plan.steps[i].node_id} did not run", self._cause[i])
        details: dict[str, Any] = {"reason": reason, "of": of} if of else {"reason": reason}
        if self._untaken[i]:
            details["untaken"] = True
        cause = cause if cause >= 0 else self._cause[i]
        mark = self._events.emit(kind, self.plan.steps[i].node_id, cause, details)
        self._release(i, mark, special=True)
        origin = self.plan.steps[i].stands_in_for
        if origin in self._covered:  # what it was to stand in for ends with it
            if state == CANCELLED:
                del self._covered[origin]
                self._end_without_run(origin, CANCELLED, events.NODE_CANCELLED, reason, mark)
            else:
                self._not_stood_in(origin, f"was skipped: {reason}", mark)

    def _release(self, i: int, mark: int, *, special: bool) -> None:
        """Tell the steps that waited for this one that it has ended."""
        self._left -= 1
        following = self.plan.steps[i].following
        if special:
            for k in following:
                self._special[k] = 1
        causes, waiting, state = self._cause, self._waiting, self._state
        for k in following:
            causes[k] = mark
            left = waiting[k] = waiting[k] - 1
            if not left and state[k] == PENDING and not self._cancelled:
                self._ready.append(k)

    def _check_done(self) -> None:
        if not self._left and not self._done.done():
            self._done.set_result(None)

    # ------------------------------------------------------------------ the end
    def _outcome(self) -> Outcome:
        steps, state = self.plan.steps, self._state
        final = "cancelled" if self._cancelled else "failed" if self._failures else "succeeded"
        return Outcome(
            state=final,
            results={step.node_id: self._results[i] for i, step in enumerate(steps) if state[i] in GAVE},
            failures={steps[i].node_id: error for i, error in self._failures.items()},
            reasons={steps[i].node_id: reason for i, reason in self._reasons.items()},
            seconds=self._now() - self._start,
            recovered={steps[i].node_id: steps[by].node_id for i, by in self._recovered.items()},
            letters=self._history.letters,
            happened=self._history.counts,
            redactor=self.redactor,
        )
