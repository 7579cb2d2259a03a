"""``kailash-studio resume``: goes on with a run; nodes that have finished are not called again."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import closing
from pathlib import Path

from kailash_studio.cli.progress import Progress
from kailash_studio.cli.run import exit_status, run_until_told
from kailash_studio.runtime import events
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.grounds import outdated_in_all, stood_in
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.runtime.journal.replay import check_real, given_of, workflow_of
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.rerun import does_outside
from kailash_studio.workflow.workflow import Workflow


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
        JournalError: The document was not kept: it holds functions of a program; or the run was no real one.
    """
    check_real(run)
    workflow = workflow_of(journal, run)
    progress = Progress(sys.stderr, workflow.nodes)
    runtime = AsyncLocalRuntime(on_events=progress.show, folder=Path(run.folder), journal=journal)
    known = journal.finished_in_all(run.root)
    for node, why in outdated_in_all(journal, run.root, workflow).items():
        if known.pop(node, None) is not None:
            print(f"{node} is called again: {why}.", file=sys.stderr)
    for node, what in _begun_twice(journal, run, workflow, runtime).items():
        print(f"{node} was being called when the run ended, and is called again: it {what}.", file=sys.stderr)
    words = {"known": known, "stood_in": stood_in(journal, *journal.real_runs_of(run.root)), "before": run}
    return asyncio.run(run_until_told(runtime, workflow, given_of(run), origin="resume", **words))


def _begun_twice(journal: Journal, run: RunRecord, workflow: Workflow, runtime: AsyncLocalRuntime) -> dict[str, str]:
    """The nodes whose call had begun and not ended, and counts each time, with what they do."""
    begun: dict[str, str] = {}
    for event in journal.events(run.run_id):
        if event.kind == events.NODE_STARTED:
            begun[event.node] = does_outside(workflow, runtime.registry, event.node)
        elif event.kind in events.NODE_ENDED:
            begun.pop(event.node, None)
    return {node: what for node, what in begun.items() if what}
