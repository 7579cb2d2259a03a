"""Doing again what a node has given up: the steps around the run itself, the same in the window and on a terminal."""

from __future__ import annotations

from kailash_studio.errors import JournalError
from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.runtime.engine import Outcome
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow


def workflow_of(journal: Journal, run: RunRecord) -> Workflow:
    """The workflow that a run ran.

    Raises:
        JournalError: The document was not kept: it holds functions of a program.
    """
    text = journal.document(run)
    if not text:
        raise JournalError(f"Run {run.run_id} holds functions of a program: run it from there again.")
    return read(text, name=f"The document of run {run.run_id}").workflow


def claim(journal: Journal, letter: DeadLetter) -> bool:
    """Take a letter for a replay; False when another has it, or it is dealt with."""
    return journal.change_dead_letters([letter.id], "replaying") == 1


def settle(journal: Journal, letter: DeadLetter, outcome: Outcome | None, run_id: str) -> bool:
    """Write down how a replay ended; whether the node has succeeded.

    A replay that fails again makes a letter of its own for the same work; it is discarded, so that the work stands in
    one letter, which counts its replays.
    """
    if outcome is not None and letter.node in outcome.results:
        journal.change_dead_letters([letter.id], "resolved", f"by run {run_id}")
        return True
    made = [new.id for new in outcome.letters if new.node == letter.node] if outcome is not None else []
    journal.change_dead_letters(made, "discarded", f"the replay of {letter.id} failed again")
    journal.change_dead_letters([letter.id], "new", f"run {run_id} failed" if run_id else "its replay did not start")
    return False
