"""``kailash-studio resume``: goes on with a run; nodes that have finished are not called again."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import closing
from pathlib import Path

from kailash_studio.cli.progress import Progress
from kailash_studio.cli.run import exit_status, run_until_told
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.runtime.journal.replay import given_of, workflow_of
from kailash_studio.runtime.outcome import Outcome


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("run", metavar="RUN", help="the run, or the beginning of its id")


def execute(chosen: argparse.Namespace) -> int:
    """Run what is left of it, as a run of its own."""
    with closing(Journal()) as journal:
        outcome, run_id = go_on(journal, journal.run(chosen.run))
    print(f"Run {run_id} {outcome.state}.")
    return exit_status(outcome)


def go_on(journal: Journal, run: RunRecord) -> tuple[Outcome, str]:
    """Run the document of an earlier run with what its nodes have given.

    Raises:
        JournalError: The document was not kept: it holds functions of a program.
    """
    workflow = workflow_of(journal, run)
    progress = Progress(sys.stderr, workflow.nodes)
    runtime = AsyncLocalRuntime(on_events=progress.show, folder=Path(run.folder), journal=journal)
    known = journal.finished_in_all(run.root)
    return asyncio.run(run_until_told(runtime, workflow, given_of(run), known=known, origin="resume", before=run))
