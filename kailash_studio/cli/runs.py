"""``kailash-studio runs``: what the journal knows."""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from dataclasses import asdict

from kailash_studio.errors import ParameterError
from kailash_studio.runtime import events
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.happened import compare
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.runtime.why import Causes
from kailash_studio.runtime.wording import around, duration, own_error, rows
from kailash_studio.workflow.reader import read


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("run", nargs="?", default="", metavar="RUN", help="the run to show, or the beginning of its id")
    parser.add_argument("--why", default="", metavar="NODE", help="say in a sentence why this node did not run")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many runs to list")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(chosen: argparse.Namespace) -> int:
    """List runs, or tell what one did."""
    with closing(Journal()) as journal:
        if chosen.why:
            if not chosen.run:
                raise ParameterError("--why needs a run: kailash-studio runs RUN --why NODE.")
            print(_causes(journal, journal.run(chosen.run)).why(chosen.why))
        elif chosen.run:
            _show(journal, journal.run(chosen.run), as_json=chosen.json)
        else:
            _list(journal.runs(limit=chosen.limit), as_json=chosen.json)
    return 0


def _causes(journal: Journal, run: RunRecord) -> Causes:
    text = journal.document(run)
    return Causes(journal.events(run.run_id), read(text).workflow if text else None)


def _list(runs: list[RunRecord], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(run) for run in runs], indent=2))
        return
    for run in runs:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
        took = duration(run.seconds) if run.state != "running" else ""
        print(f"{run.run_id}  {began}  {run.state:<10} {took:>12}  {run.origin:<8} {run.workflow}")
    if not runs:
        print("The journal has no runs yet.")


def _show(journal: Journal, run: RunRecord, *, as_json: bool) -> None:
    told = journal.events(run.run_id)
    if as_json:
        print(json.dumps({**asdict(run), "events": [event._asdict() for event in told]}, indent=2))
        return
    print(f"{run.workflow or 'A workflow without a name'}: {run.state}, from {run.origin}")
    for event in told:
        line = _line(event)
        if line:
            print(f"{event.time:9.3f} s  {event.node:<24} {line}")
    text = journal.document(run)
    nodes = read(text).workflow.nodes if text else {}
    for found in compare({node_id: placed.resilience for node_id, placed in nodes.items()}, told):
        print(f"\n{found.node}\n  configured  {found.configured}\n  happened    {found.happened}")
        for difference in found.differences:
            print(f"  differs     {difference}")


def _line(event: Event) -> str:
    match event.kind:
        case events.NODE_SUCCEEDED:
            took = "reused" if event.details.get("reused") else f"succeeded in {duration(event.details['seconds'])}"
            return f"{took}  {rows(event)}".rstrip()
        case events.NODE_FAILED:
            return f"failed: {own_error(event)}"
        case events.NODE_SKIPPED | events.NODE_CANCELLED:
            return f"{event.kind.removeprefix('node_')}: {event.details['reason']}"
        case _:
            told = around(event)
            return told[1] if told is not None else ""
