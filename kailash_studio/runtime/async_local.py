"""The runtime for asyncio programs, and the one that everything else is made of."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, Self

from kailash_studio.errors import (
    CredentialError,
    ParameterError,
    RunCancelledError,
    StudioError,
    WorkflowExecutionError,
    describe,
)
from kailash_studio.resilience.clock import Clock, SystemClock
from kailash_studio.resilience.faults import Fault, Scenario
from kailash_studio.runtime.answers import Playing, Recording, masked_secret
from kailash_studio.runtime.debugger import Debugger
from kailash_studio.runtime.engine import Run
from kailash_studio.runtime.events import Event, Sink
from kailash_studio.runtime.journal.recorder import Recorder, keep_breakers
from kailash_studio.runtime.monitor import WorkflowMonitor
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.parameters import Values, assign, secrets_in_clear, secrets_of
from kailash_studio.runtime.plan import Plan, Step, compile_plan
from kailash_studio.runtime.surroundings import Surroundings
from kailash_studio.services.credentials.chain import StoredSecrets
from kailash_studio.services.credentials.redaction import LibraryLogs, Redactor
from kailash_studio.spec.context import Closable, Outputs, Resources, RunScope
from kailash_studio.spec.registry import Registry, installed_node_types
from kailash_studio.workflow.graph import successors, widest
from kailash_studio.workflow.workflow import Workflow

if TYPE_CHECKING:
    from kailash_studio.runtime.journal.journal import Journal, RunRecord


class Buildable(Protocol):
    """A workflow, or a builder of one."""

    def build(self) -> Workflow:
        """The workflow."""


class AsyncLocalRuntime:
    """Runs workflows on the running asyncio loop.

    Used with ``async with``, what runs open (the embedded database, worker processes) stays warm between them; else
    each ``execute`` opens what it needs and closes it.
    """

    def __init__(
        self,
        *,
        registry: Registry | None = None,
        max_workers: int = 10_000,
        timeout: float | None = None,
        enable_logging: bool = False,
        on_events: Sink | None = None,
        folder: Path | None = None,
        secret: Callable[[str], str] | None = None,
        clock: Clock | None = None,
        journal: Journal | None = None,
    ) -> None:
        """Prepare a runtime.

        Args:
            registry: Node types; by default the installed ones.
            max_workers: How many waiting steps (queries, requests, processes) may be under way at once.
            timeout: Seconds a whole run may take; None: no limit.
            enable_logging: Send each event to the logger ``kailash_studio.run``.
            on_events: Gets the events in batches, at most 16 ms old, on the loop.
            folder: What relative paths are relative to; by default the current folder.
            secret: Gives the value of a named secret; by default the stored ones (``docs/credentials.md``).
            clock: Time.
            journal: Keeps runs, dead letters and breakers; without one they are forgotten with the workflow object.

        Raises:
            ParameterError: No waiting step could ever start.
        """
        if max_workers < 1:
            raise ParameterError(f"max_workers is {max_workers}: give at least 1, else nothing that waits can start.")
        self.registry = registry or installed_node_types()
        self.max_workers = max_workers
        self.timeout = timeout
        self.folder = folder
        self.secret: Callable[[str], str] = secret or StoredSecrets()
        self.clock: Clock = clock or SystemClock()
        self.surroundings = Surroundings(self.clock)
        self.journal = journal
        if journal is not None:
            keep_breakers(journal, self.surroundings)
        self._on_events = on_events
        self._logging = enable_logging
        self._resources: Resources | None = None
        self._home: asyncio.AbstractEventLoop | None = None  # the loop that the resources belong to
        self._runs: dict[str, tuple[Run, asyncio.AbstractEventLoop, Recorder | None]] = {}

    async def __aenter__(self) -> Self:
        self._resources, self._home = Resources(), asyncio.get_running_loop()
        return self

    async def __aexit__(self, *exception: object) -> None:
        resources, self._resources, self._home = self._resources, None, None
        if resources is not None:
            await resources.aclose()

    async def execute(
        self, workflow: Buildable, parameters: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Outputs], str]:
        """Run a workflow to its end.

        Args:
            workflow: A workflow or a builder.
            parameters: Values: of workflow parameters by name, of nodes as ``{node_id: {name: value}}``, of all
                unconnected inputs of a name.

        Returns:
            ``results[node_id][output]`` and the run's id.

        Raises:
            WorkflowExecutionError: A node failed; carries results, run_id and failures.
            RunCancelledError: ``cancel`` was called.
            InvalidWorkflowError: It cannot run at all.
        """
        outcome, run_id = await self.run(workflow, parameters)
        if outcome.state == "cancelled":
            raise RunCancelledError(f"Run {run_id} was cancelled after {outcome.seconds:.1f} s.")
        if outcome.state == "failed":
            first, error = next(iter(outcome.failures.items()))
            more = f" (and {len(outcome.failures) - 1} more nodes)" if len(outcome.failures) > 1 else ""
            message = describe(error)
            message = message if message.startswith(first) else f"{first} failed: {message}"
            raise WorkflowExecutionError(
                message + more, results=outcome.results, run_id=run_id, failures=outcome.failures
            ) from error
        return outcome.results, run_id

    async def run(
        self,
        workflow: Buildable,
        parameters: Mapping[str, Any] | None = None,
        *,
        run_id: str = "",
        folder: Path | None = None,
        sink: Sink | None = None,
        faults: Mapping[str, Fault] | None = None,
        scenario: Scenario | None = None,
        known: Mapping[str, Outputs] | None = None,
        edited: Mapping[str, Mapping[str, Any]] | None = None,
        only: Collection[str] | None = None,
        pins: Mapping[str, Outputs] | None = None,
        stood_in: Mapping[str, str] | None = None,
        safe: bool = False,
        answers: Recording | Playing | None = None,
        origin: str = "api",
        before: RunRecord | None = None,
        debugger: Debugger | None = None,
    ) -> tuple[Outcome, str]:
        """Run a workflow and return how it ended; only what keeps it from starting is raised.

        Args:
            workflow: A workflow or a builder.
            parameters: As in ``execute``.
            run_id: The run's id, where the caller has chosen it.
            folder: What relative paths are relative to, instead of the runtime's.
            sink: Gets this run's events too.
            faults: Faults to put in on purpose, by node.
            scenario: Makes the run a test: faults, with breakers, limits and connections of its own, so that nothing of
                it is left for real runs; it is marked, and what it gives up is no dead letter.
            known: Outputs that an earlier run gave; these nodes are not called again.
            edited: Inputs that nodes get instead of what connections bring, by node and input.
            only: The nodes that may be called, and with them their fallbacks; None: all.
            pins: Outputs that count instead of what nodes would give; see ``runtime.pins``.
            stood_in: The fallbacks that gave the outputs of known nodes, by node.
            safe: Call nothing that changes something outside; such nodes say what they would have done. It has
                breakers, limits and budgets of its own, and what it gives up is no dead letter.
            answers: Records what the outside answers, or plays it without the outside; see ``runtime.capsule``.
            origin: Who asked for the run: ``desktop``, ``cli``, ``api``, ``resume``, ``replay``, ``again`` or
                ``preview``; with a scenario always ``test``, with answers that are played always
                ``capsule``.
            before: The earlier run.
            debugger: Stops nodes where it has breakpoints.
        """
        built = workflow.build()
        run_id = run_id or new_run_id()
        playing = isinstance(answers, Playing)
        clock = answers.clock if isinstance(answers, Playing) else self.clock
        origin = "capsule" if playing else origin
        redactor = Redactor(masked_secret if playing else self.secret)
        real = scenario is None and not safe and not playing
        around = self._around(real, scenario, answers, redactor, clock)
        if scenario is not None:
            faults, origin = scenario.faults, "capsule" if playing else "test"
        compiled = {"surroundings": around, "faults": faults, "safe": safe, "answers": answers, "met": dict[str, int]()}
        values, plan = await self._planned(built, parameters or {}, redactor, compiled)
        _set_breakers(scenario, answers, plan, around)
        loop = asyncio.get_running_loop()
        kept = self._resources if self._home is loop and scenario is None else None
        resources = kept or Resources()
        root = before.root if before else run_id
        scope = RunScope(run_id, resources=resources, folder=folder or self.folder, secret=redactor.secret, root=root)
        scope.workflow = built.name
        scope.ready_at_once = lambda node_id: widest(built, successors(built)[node_id])
        scope.drawn = answers.drawn if answers is not None else None
        recorder = None
        if self.journal is not None:
            recorder = Recorder(self.journal, run_id, redactor, letters=real)
            recorder.start(built, self.clock.wall(), scope.folder, parameters or {}, origin, before)
        run = Run(
            plan,
            scope,
            clock,
            sink=self._sinks(recorder, sink),
            max_workers=self.max_workers,
            known={**(known or {}), **pins} if pins else known,
            pinned=pins or (),
            stood_in=stood_in,
            test=scenario is not None,
            edited=edited,
            only=only,
            debugger=debugger,
            redactor=redactor,
        )
        if debugger is not None:
            debugger.attach(
                run,
                lambda node, given: self._recompiled(built, values, node, given, redactor, compiled),
                clock,
            )
        if recorder is not None:
            recorder.run = run
        scope.log = run.log
        self._runs[run_id] = run, loop, recorder
        monitor = built.monitor = WorkflowMonitor.of(built.monitor, around, plan, self.journal)
        alarm = None
        if self.timeout is not None:
            alarm = loop.call_later(self.timeout, run.cancel, f"the run took longer than {self.timeout:g} s")
        try:
            with LibraryLogs(redactor):
                outcome = await run.execute()
            monitor.add(outcome, letters=real)
            if recorder is not None:
                await recorder.committed()
            return outcome, run_id
        finally:
            if alarm is not None:
                alarm.cancel()
            del self._runs[run_id]
            if resources is not kept:
                await resources.aclose()

    def _around(
        self,
        real: bool,
        scenario: Scenario | None,
        answers: Recording | Playing | None,
        redactor: Redactor,
        clock: Clock,
    ) -> Surroundings:
        """What the policies of a run have around them: of a test or a preview its own, else what all runs share."""
        around = self.surroundings if real else Surroundings(clock)
        if scenario is not None or answers is not None:
            seed = scenario.seed if scenario is not None else answers.seed if answers is not None else 0
            around = replace(around, random=Random(seed))  # noqa: S311 - of jitter, and of a test
        if answers is not None:
            answers.begin(redactor, clock)
            around = replace(around, limits=answers.limits)
        return around

    async def _planned(
        self,
        workflow: Workflow,
        parameters: Mapping[str, Any],
        redactor: Redactor,
        compiled: Mapping[str, Any],
    ) -> tuple[Values, Plan]:
        """Values and plan, with the secrets that the document names; asked for in a thread, as a keyring may wait.

        ``compiled``: the words of ``compile_plan`` that are the same when a node is compiled again.
        """
        names = secrets_of(workflow)
        fetched = await asyncio.to_thread(_fetched, names, redactor) if names else {}
        values = assign(workflow, self.registry, parameters)
        for place, value in secrets_in_clear(workflow, self.registry, values):
            redactor.hide(place, value)
        try:
            plan = compile_plan(
                workflow,
                self.registry,
                values,
                secret=lambda name: fetched[name] if name in fetched else redactor.secret(name),
                **compiled,
            )
        except StudioError as error:
            redactor.error(error)  # a sentence about a wrong value may hold the value
            raise
        return values, plan

    def redactor(self, run_id: str) -> Redactor:
        """What hides the secrets of a run that is under way."""
        known = self._runs.get(run_id)
        return known[0].redactor if known is not None else Redactor()

    def _recompiled(
        self,
        built: Workflow,
        values: Values,
        node: str,
        parameters: Mapping[str, Any],
        redactor: Redactor,
        compiled: Mapping[str, Any],
    ) -> Step:
        """The step of a node with other parameters."""
        placed = built.node(node)
        other = replace(placed, parameters={**placed.parameters, **parameters})
        changed = replace(built, nodes={**built.nodes, node: other}, monitor=None)
        for place, value in secrets_in_clear(changed, self.registry, values):
            redactor.hide(place, value)
        plan = compile_plan(changed, self.registry, values, secret=redactor.secret, **compiled)
        return plan.steps[plan.positions[node]]

    def opened(self, key: Hashable) -> Closable | None:
        """A resource that is kept between runs, if it is open."""
        return self._resources.opened(key) if self._resources is not None else None

    def run_of(self, run_id: str) -> Run | None:
        """The run with this id, while it is under way."""
        known = self._runs.get(run_id)
        return known[0] if known is not None else None

    def cancel(self, run_id: str, reason: str = "the run was cancelled") -> bool:
        """Cancel a run that is under way, from any thread; False when there is none of that id."""
        known = self._runs.get(run_id)
        if known is None:
            return False
        run, its_loop, _ = known
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is its_loop:
            run.cancel(reason)
            return True
        try:
            its_loop.call_soon_threadsafe(run.cancel, reason)
        except RuntimeError:  # closed in the meantime: the run is over
            return False
        return True

    def interrupt(self) -> None:
        """Let the journal hear no more of the runs that are under way: once this process is gone, they can go on.

        Call it on their loop, and cancel them then.
        """
        for _, _, recorder in self._runs.values():
            if recorder is not None:
                recorder.leave()

    def outputs(self, run_id: str, node_id: str) -> Outputs | None:
        """What a node gave in a run that is under way; None while it has given nothing."""
        known = self._runs.get(run_id)
        return known[0].outputs(node_id) if known is not None else None

    def _sinks(self, *further: Sink | None) -> Sink | None:
        """One sink of all; the journal's is the first, so that one that raises takes nothing from it."""
        sinks = [sink for sink in (*further, self._on_events, _log_events if self._logging else None) if sink]
        if len(sinks) < 2:
            return sinks[0] if sinks else None

        def all_of_them(batch: Sequence[Event]) -> None:
            for sink in sinks:
                sink(batch)

        return all_of_them


def _fetched(names: Sequence[str], redactor: Redactor) -> dict[str, str]:
    found = {}
    for name in names:
        with contextlib.suppress(CredentialError):  # said when the plan is made, at its place among other findings
            found[name] = redactor.secret(name)
    return found


def _set_breakers(
    scenario: Scenario | None, answers: Recording | Playing | None, plan: Plan, around: Surroundings
) -> None:
    """Write down how the breakers stand that a run begins with, or let them stand as they did; then force them."""
    for key in set(plan.breaker_keys.values()) if answers is not None else ():
        if isinstance(answers, Recording):
            answers.breakers[key] = around.breakers[key].snapshot()
        elif isinstance(answers, Playing) and key in answers.breakers:
            around.breakers[key].restore(answers.breakers[key])
    if scenario is not None:
        _force_breakers(scenario, plan, around)


def _force_breakers(scenario: Scenario, plan: Plan, around: Surroundings) -> None:
    for node, fault in scenario.faults.items():
        if node not in plan.positions:
            raise ParameterError(f"There is no node {node} to put a fault in.")
        if fault.breaker:
            if node not in plan.breaker_keys:
                raise ParameterError(f"{node} has no circuit breaker to force: give it one, or take the fault away.")
            around.breakers[plan.breaker_keys[node]].force_open("forced open by the test")


def new_run_id() -> str:
    """An id that sorts by time: ``20261123-071155-4f2a9c01be``.

    40 random bits: with 1,000 runs begun in one second, two of them alike come once in two million such seconds.
    """
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:10]}"


def _log_events(batch: Sequence[Event]) -> None:
    logger = logging.getLogger("kailash_studio.run")
    for event in batch:
        level = logging.ERROR if event.kind.endswith("_failed") else logging.INFO
        details = " ".join(f"{key}={value}" for key, value in event.details.items())
        logger.log(level, "%s %s %s %s", event.run_id, event.kind, event.node, details)
