"""Runs that are recorded into a capsule, and played again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from kailash_studio import WorkflowBuilder
from kailash_studio.resilience.faults import Scenario
from kailash_studio.runtime.answers import Playing, Recording
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.capsule import Capsule
from kailash_studio.runtime.debugger import Debugger
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.workflow.workflow import Workflow


def recorded(
    builder: WorkflowBuilder | Workflow,
    path: Path,
    given: dict[str, Any] | None = None,
    *,
    runtime: AsyncLocalRuntime | None = None,
    scenario: Scenario | None = None,
    debugger: Debugger | None = None,
) -> tuple[Capsule, Outcome, list[Event]]:
    """What ``record`` gives, on a loop of its own."""
    return asyncio.run(record(builder.build(), path, given, runtime=runtime, scenario=scenario, debugger=debugger))


async def record(
    workflow: Workflow,
    path: Path,
    given: dict[str, Any] | None = None,
    *,
    runtime: AsyncLocalRuntime | None = None,
    scenario: Scenario | None = None,
    debugger: Debugger | None = None,
) -> tuple[Capsule, Outcome, list[Event]]:
    """The capsule of a run, written to a file and read again; how the run ended, and what it told."""
    events: list[Event] = []
    recording = Recording(7)
    runtime = runtime or AsyncLocalRuntime(folder=path)
    outcome, run_id = await runtime.run(
        workflow, given, answers=recording, scenario=scenario, sink=events.extend, debugger=debugger
    )
    made = Capsule.of(workflow, run_id, events[0].wall, given or {}, recording, outcome, scenario)
    made.write(path / "made.kailash-capsule")
    return Capsule.read(path / "made.kailash-capsule"), outcome, events


def played(
    capsule: Capsule, workflow: Workflow | None = None, answers: Playing | None = None, **further: Any
) -> tuple[Outcome, list[Event]]:
    """How it ends when it is played, and what that tells; ``further``: words for the runtime."""
    events: list[Event] = []
    run = capsule.play(workflow=workflow, answers=answers, sink=events.extend, run_id="r", **further)
    return asyncio.run(run), events


def sequence(events: list[Event]) -> list[tuple[str, str]]:
    """What happened to whom, in order."""
    return [(event.kind, event.node) for event in events]
