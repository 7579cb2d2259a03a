"""Doing again what nodes have given up: the same in the window, on a terminal and from Python.

A replay is a run of its own, of the document that ran or of one that has been mended since. It calls the node of the
letter and what it feeds; what other nodes have given in the run, or in later ones of the same work, is taken over. The
idempotency key stays that of the first run, so that a receiver that knows it takes the work once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kailash_studio.errors import JournalError, StudioError, describe
from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.runtime.async_local import AsyncLocalRuntime, new_run_id
from kailash_studio.runtime.events import Sink
from kailash_studio.runtime.grounds import stood_in
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.runtime.journal.reading import HIDDEN
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.spec.context import Outputs
from kailash_studio.workflow.graph import ancestors, descendants
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.sub_workflows import wired
from kailash_studio.workflow.workflow import Workflow

AT_ONCE = 8  # replays under way at the same time: they share the journal's commits
_CLAIMED = 50  # letters that are claimed in one commit; a kill leaves at most so many for the next process to release


def workflow_of(journal: Journal, run: RunRecord) -> Workflow:
    """The workflow that a run ran.

    Raises:
        JournalError: The document was not kept: it holds functions of a program.
    """
    text = journal.document(run)
    if not text:
        raise JournalError(f"Run {run.run_id} holds functions of a program: run it from there again.")
    return read(text, name=f"The document of run {run.run_id}").workflow


NOT_REAL: Mapping[str, str] = {
    "capsule": "was of a capsule",
    "test": "was a test, with faults put in",
    "preview": "was a safe preview",
}
"""Origins of runs that nothing real goes on from, in words."""


def check_real(run: RunRecord) -> None:
    """See to it that a run is one to go on with.

    Raises:
        JournalError: It was no real one.
    """
    if run.origin in NOT_REAL:
        raise JournalError(
            f"Run {run.run_id} {NOT_REAL[run.origin]}: nothing goes on from it. Run the workflow itself instead."
        )


def given_of(run: RunRecord) -> Mapping[str, Any]:
    """The values that a run was given, to be given again.

    Raises:
        JournalError: There were secrets in clear among them, which the journal does not keep.
    """
    if HIDDEN in run.given:
        raise JournalError(
            f"Run {run.run_id} was given a secret in clear, which the journal does not keep: run the workflow again, "
            "with the secret by its name."
        )
    return run.given


@dataclass(frozen=True, slots=True)
class Replayed:
    """How the replay of a letter ended.

    Attributes:
        letter: The letter.
        state: ``resolved``, ``failed`` (again; the letter waits, or is poison after three times), or ``refused``:
            it was not tried, because it is dealt with, another process has it, or the run could not start.
        run_id: The run that did it, or empty.
        reason: Why it was refused or failed.
    """

    letter: DeadLetter
    state: Literal["resolved", "failed", "refused"]
    run_id: str = ""
    reason: str = ""


class Replays:
    """Replays dead letters on a runtime."""

    def __init__(
        self,
        journal: Journal,
        runtime: AsyncLocalRuntime,
        *,
        against: Workflow | None = None,
        edited: Mapping[str, Any] | None = None,
        sink: Callable[[str], Sink] | None = None,
    ) -> None:
        """Prepare.

        Args:
            journal: Where the letters are.
            runtime: Runs the replays; it has this journal.
            against: A workflow that has been mended since, instead of the one that ran.
            edited: Inputs to give to the node instead of those that it had.
            sink: Makes a sink for the events of the run with this id.
        """
        self._journal, self._runtime, self._against, self._sink = journal, runtime, against, sink
        self._edited = edited or {}
        self._documents: dict[str, Workflow] = {}

    def forecast(self, letter: DeadLetter) -> str:
        """What a replay would do, as a sentence; nothing is done.

        Raises:
            JournalError: It could not be replayed at all.
        """
        before = self._journal.run(letter.run_id)
        workflow = self._workflow(before)
        self._check(workflow, letter)
        known = self._known(before, workflow, letter)
        again = sorted((ancestors(workflow, letter.node) - known.keys()) | {letter.node})
        fed = sorted(descendants(workflow, letter.node))
        words = f"{', '.join(again)} would run"
        words += f", then {', '.join(fed)}" if fed else ""
        words += f"; what {', '.join(sorted(known))} gave is taken over" if known else ""
        words += f"; {', '.join(sorted(self._edited))} would be as edited" if self._edited else ""
        if letter.state not in {"new", "poison"}:
            words = f"it is {letter.state}: nothing would run"
        return f"{letter.id[:12]}  {letter.node}: {words}."

    async def replay(self, letters: Sequence[DeadLetter], *, told: Callable[[Replayed], None]) -> None:
        """Replay letters, some at a time; a kill at any moment loses none and repeats none that was done.

        Args:
            letters: Which.
            told: Called with the end of each.
        """
        await asyncio.to_thread(self._journal.release_abandoned)
        for chunk in _chunks(letters, _CLAIMED):
            poison = [letter.id for letter in chunk if letter.state == "poison"]
            await asyncio.to_thread(self._journal.change_dead_letters, poison, "new", "taken up again by hand")
            runs = {letter.id: new_run_id() for letter in chunk}
            got = set(await asyncio.to_thread(self._journal.claim_dead_letters, runs))
            for letter in chunk:
                if letter.id not in got:
                    told(Replayed(letter, "refused", reason="it is dealt with, or another replay has it"))
            places = asyncio.Semaphore(AT_ONCE)

            async def one(letter: DeadLetter, run_id: str, places: asyncio.Semaphore = places) -> None:
                async with places:
                    told(await self._replay(letter, run_id))

            async with asyncio.TaskGroup() as group:
                for letter in chunk:
                    if letter.id in got:
                        group.create_task(one(letter, runs[letter.id]))

    # ------------------------------------------------------------------ one letter
    async def _replay(self, letter: DeadLetter, run_id: str) -> Replayed:
        outcome: Outcome | None = None
        reason = ""
        try:
            before = await asyncio.to_thread(self._journal.run, letter.run_id)
            workflow = self._workflow(before)
            self._check(workflow, letter)
            known = await asyncio.to_thread(self._known, before, workflow, letter)
            outcome, _ = await self._runtime.run(
                workflow,
                given_of(before),
                run_id=run_id,
                folder=Path(before.folder),
                sink=self._sink(run_id) if self._sink is not None else None,
                known=known,
                stood_in=await asyncio.to_thread(self._stood_in, before),
                edited={letter.node: self._edited} if self._edited else None,
                only=_called(workflow, letter.node, known),
                origin="replay",
                before=before,
            )
        except StudioError as error:
            reason = describe(error)
        finally:
            succeeded = await asyncio.shield(asyncio.to_thread(self._settle, letter, outcome, run_id, reason))
        if outcome is None:
            return Replayed(letter, "refused", "", reason)
        if succeeded:
            return Replayed(letter, "resolved", run_id)
        wrong = outcome.failures.get(letter.node)
        why = describe(wrong) if wrong is not None else outcome.reasons.get(letter.node, outcome.state)
        return Replayed(letter, "failed", run_id, why)

    def _settle(self, letter: DeadLetter, outcome: Outcome | None, run_id: str, reason: str) -> bool:
        """Write down how a replay ended; whether the node has succeeded.

        A replay that fails again makes a letter of its own for the same work; it is discarded, so that the work stands
        in one letter, which counts its replays. One that was cancelled, or could not start, does not count.
        """
        journal = self._journal
        if outcome is not None and letter.node in outcome.results:
            journal.change_dead_letters([letter.id], "resolved", f"by run {run_id}")
            return True
        if outcome is None or outcome.state == "cancelled":
            journal.give_back_dead_letters([letter.id], reason or f"run {run_id} was cancelled")
            return False
        made = [new.id for new in outcome.letters if new.node == letter.node]
        journal.change_dead_letters(made, "discarded", f"the replay of {letter.id} failed again")
        journal.change_dead_letters([letter.id], "new", f"run {run_id} failed")
        return False

    def _workflow(self, before: RunRecord) -> Workflow:
        if self._against is not None:
            return self._against
        if before.document not in self._documents:
            self._documents[before.document] = workflow_of(self._journal, before)
        return self._documents[before.document]

    def _stood_in(self, before: RunRecord) -> dict[str, str]:
        return stood_in(self._journal, *self._journal.real_runs_of(before.root))

    def _check(self, workflow: Workflow, letter: DeadLetter) -> None:
        if letter.node not in workflow.nodes:
            raise JournalError(
                f"{workflow.name} has no node {letter.node} any more: replay it against the workflow that ran."
            )

    def _known(self, before: RunRecord, workflow: Workflow, letter: DeadLetter) -> dict[str, Outputs]:
        """What stands above the node and needs no call: it has given, and is still what it was."""
        given = self._journal.finished_in_all(before.root)
        given.pop(letter.node, None)
        below = descendants(workflow, letter.node)
        if self._against is None:
            return {node: outputs for node, outputs in given.items() if node in workflow.nodes and node not in below}
        ran = workflow_of(self._journal, before)
        return {
            node: outputs
            for node, outputs in given.items()
            if node not in below and node in workflow.nodes and _is_same(ran, workflow, node)
        }


def _is_same(ran: Workflow, now: Workflow, node: str) -> bool:
    """Whether a node and all above it are as they were: types, parameters and connections."""
    flows = wired(ran), wired(now)  # inside of a sub-workflow it counts as well what it is given
    for name in {node, *ancestors(now, node)}:
        if name not in ran.nodes:
            return False
        old, new = ran.nodes[name], now.nodes[name]
        if (old.type, old.parameters) != (new.type, new.parameters):
            return False
        into = [{key for key, c in flow.connections.items() if c.target == name} for flow in flows]
        if into[0] != into[1]:
            return False
    return True


def _chunks(letters: Sequence[DeadLetter], size: int) -> Iterator[Sequence[DeadLetter]]:
    for start in range(0, len(letters), size):
        yield letters[start : start + size]


def _called(workflow: Workflow, node: str, known: Mapping[str, Outputs]) -> set[str]:
    """The node, what it needs and is not known, and what all these feed."""
    called = {node, *(ancestors(workflow, node) - known.keys())}
    for start in list(called):
        called |= descendants(workflow, start)
    return called
