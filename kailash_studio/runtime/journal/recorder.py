"""Between a run and the journal: what a run tells is written down, and breakers are shared with other processes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kailash_studio.errors import DocumentError
from kailash_studio.resilience.breaker import Breaker, BreakerChange
from kailash_studio.runtime import events
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.surroundings import Surroundings
from kailash_studio.workflow.workflow import Workflow

if TYPE_CHECKING:
    from kailash_studio.runtime.engine import Run
    from kailash_studio.runtime.journal.journal import Journal
    from kailash_studio.runtime.journal.writer import Ack


class Recorder:
    """A sink that writes one run into the journal.

    Attributes:
        run: The run; set before the first event.
    """

    def __init__(self, journal: Journal, run_id: str) -> None:
        self._journal, self._run_id = journal, run_id
        self.run: Run | None = None
        self._last: Ack | None = None

    def start(
        self, workflow: Workflow, wall: float, folder: Path, given: Mapping[str, Any], origin: str, resumed_from: str
    ) -> None:
        """Write that the run begins."""
        try:
            text = workflow.to_json()
        except DocumentError:
            text = ""  # it holds functions of a program; it can be looked at but not resumed
        self._last = self._journal.start_run(
            self._run_id,
            workflow.name,
            text,
            wall,
            folder=str(folder),
            given=given,
            origin=origin,
            resumed_from=resumed_from,
        )

    def __call__(self, batch: Sequence[Event]) -> None:
        """Queue events with the outputs and dead letters that belong to them."""
        run = self.run
        assert run is not None  # set before it begins
        failed = [event.node for event in batch if event.kind == events.NODE_FAILED]
        letters = [letter for letter in map(run.letter_of, failed) if letter is not None]
        self._last = self._journal.take(self._run_id, batch, run.outputs, letters)

    async def committed(self) -> None:
        """Wait until all that was told is on the disk."""
        if self._last is not None:
            await asyncio.to_thread(self._last.wait)


def keep_breakers(journal: Journal, surroundings: Surroundings) -> None:
    """Share the breakers of a runtime with other processes: their changes are written, and others' are taken over."""
    known: dict[str, float] = {}

    def opened(breaker: Breaker) -> None:
        kept = journal.breaker(breaker.key)
        if kept is not None and kept.updated_wall > known.get(breaker.key, 0.0):
            known[breaker.key] = kept.updated_wall
            breaker.restore(kept)

    def changed(change: BreakerChange) -> None:
        snapshot = surroundings.breakers[change.key].snapshot()
        known[change.key] = snapshot.updated_wall
        journal.save_breaker(change.key, snapshot, change)

    def counted(breaker: Breaker) -> None:
        snapshot = breaker.snapshot()
        known[breaker.key] = snapshot.updated_wall
        journal.save_breaker(breaker.key, snapshot)

    surroundings.opened, surroundings.changed, surroundings.counted = opened, changed, counted
