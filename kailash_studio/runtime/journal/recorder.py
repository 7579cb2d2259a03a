"""Between a run and the journal: what a run tells is written down, and breakers are shared with other processes."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kailash_studio.errors import DocumentError
from kailash_studio.resilience.breaker import Breaker, BreakerChange
from kailash_studio.runtime import events
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.surroundings import Surroundings
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.workflow.workflow import Workflow

if TYPE_CHECKING:
    from kailash_studio.runtime.engine import Run
    from kailash_studio.runtime.journal.journal import Journal, RunRecord
    from kailash_studio.runtime.journal.writer import Ack

_PATIENCE = 5.0
_LOOK_SECONDS = 0.25


class Recorder:
    """A sink that writes one run into the journal.

    While the journal cannot be written, on a full disk for example, the run is paused: what a run does and what is
    known of it must not drift apart. It goes on by itself.

    Attributes:
        run: The run; set before the first event.
    """

    def __init__(
        self,
        journal: Journal,
        run_id: str,
        redactor: Redactor | None = None,
        *,
        patience: float = _PATIENCE,
        letters: bool = True,
    ) -> None:
        """Prepare it.

        Args:
            journal: Where to.
            run_id: The run.
            redactor: Hides the run's secrets.
            patience: Seconds that the end of the run waits for a disk that refuses, for example a full one.
            letters: What it gives up is work that is left to do; that of a test, a preview or a capsule is nobody's.
        """
        self._journal, self._run_id, self._redactor = journal, run_id, redactor
        self.run: Run | None = None
        self._patience, self._letters = patience, letters
        self._waiting: deque[Ack] = deque()
        self._failed: Ack | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._paused = False
        self._left = False

    def start(
        self,
        workflow: Workflow,
        wall: float,
        folder: Path,
        given: Mapping[str, Any],
        origin: str,
        before: RunRecord | None,
    ) -> None:
        """Write that the run begins."""
        try:
            text = workflow.to_json()
        except DocumentError:
            text = ""  # it holds functions of a program; it can be looked at but not resumed
        self._queued(
            self._journal.start_run(
                self._run_id,
                workflow.name,
                text,
                wall,
                folder=str(folder),
                given=given,
                origin=origin,
                resumed_from=before.run_id if before else "",
                root=before.root if before else "",
                redactor=self._redactor,
            )
        )

    def __call__(self, batch: Sequence[Event]) -> None:
        """Queue events with the outputs and dead letters that belong to them."""
        if self._left:
            return
        run = self.run
        assert run is not None  # set before it begins
        failed = [event.node for event in batch if event.kind == events.NODE_FAILED]
        letters = [letter for letter in map(run.letter_of, failed) if letter is not None] if self._letters else []
        self._queued(self._journal.take(self._run_id, batch, run.outputs, letters, self._redactor))
        if self._journal.problem and self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(0, self._follow_problem)

    def leave(self) -> None:
        """Write what was told so far, and nothing after it: the run has no end, as if its process had been killed."""
        assert self.run is not None  # set before it begins
        self.run.tell()
        self._left = True

    def _follow_problem(self) -> None:
        """Pause the run while the journal cannot be written, and look again."""
        assert self.run is not None  # set before it begins
        problem = self._journal.problem
        if problem and not self._paused:
            self._paused = self.run.pause(problem.rstrip("."))
        elif self._paused and not problem:
            self._paused = False
            self.run.go_on()
        again = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._follow_problem) if problem else None
        self._watch = again

    async def committed(self) -> None:
        """Wait until all that was told is on the disk.

        A run does not wait for ever for a disk that refuses: the log says then that the run is not written yet, and the
        journal goes on trying until it is closed.

        Raises:
            JournalError: Something that was told cannot be written, now or later.
        """
        if self._watch is not None:
            self._watch.cancel()
        if not await asyncio.to_thread(self._settled):
            logging.getLogger("kailash_studio.journal").warning(
                "Run %s has ended and is not written yet. %s", self._run_id, self._journal.problem
            )
        if self._failed is not None:
            self._failed.wait(0)

    def _queued(self, ack: Ack) -> None:
        self._look()
        self._waiting.append(ack)

    def _look(self) -> None:
        """Let go of what is written, and remember what could not be."""
        while self._waiting and self._waiting[0].done:
            ack = self._waiting.popleft()
            if ack.error is not None and self._failed is None:
                self._failed = ack

    def _settled(self) -> bool:
        """Whether all has ended, well or not, before the patience did."""
        refused = 0.0
        while self._waiting:
            if self._waiting[0].settled(_LOOK_SECONDS):
                self._look()
                refused = 0.0
            elif self._journal.problem:
                refused += _LOOK_SECONDS
                if refused >= self._patience:
                    return False
        return True


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
