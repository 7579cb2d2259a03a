"""``kailash-studio runs``: what the journal knows."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import time
from contextlib import closing
from dataclasses import asdict

from kailash_studio.cli.output import print_json
from kailash_studio.cli.runs_beside import show_diff, show_timeline
from kailash_studio.errors import JournalError, ParameterError
from kailash_studio.runtime import events
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.happened import compare
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.runtime.journal.reading import STATES, RunFilter
from kailash_studio.runtime.why import Causes
from kailash_studio.runtime.wording import around, duration, not_called, own_error, rows
from kailash_studio.workflow.reader import read

_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])\Z")
_AGE_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="RUN",
        help="the run to show, or the beginning of its id; `diff RUN RUN` compares two (status 1: they differ)",
    )
    parser.add_argument("--workflow", default="", help="list runs whose workflow's name has this text")
    parser.add_argument("--state", default="", choices=("", *STATES), help="list runs in this state")
    parser.add_argument("--node", default="", help="list runs in which a node whose id begins so was called")
    parser.add_argument("--error", default="", metavar="TEXT", help="list runs in which a node failed with this text")
    parser.add_argument(
        "--since", default="", metavar="WHEN", help="list runs that began then or later: 2026-11-23, 2h"
    )
    parser.add_argument("--until", default="", metavar="WHEN", help="list runs that began before: 2026-11-23T07:00, 3d")
    parser.add_argument("--timeline", action="store_true", help="show the run over time")
    parser.add_argument("--why", default="", metavar="NODE", help="say in a sentence why this node did not run")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many runs to list")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(chosen: argparse.Namespace) -> int:
    """List runs, tell what one did, or compare two."""
    words: list[str] = chosen.words
    comparing = words[:1] == ["diff"]
    if comparing != (len(words) == 3) or len(words) == 2:
        raise ParameterError("Name one run, or two to compare: kailash-studio runs diff RUN RUN.")
    if not words and (chosen.why or chosen.timeline):
        option = "--why NODE" if chosen.why else "--timeline"
        raise ParameterError(f"{option.split(maxsplit=1)[0]} needs a run: kailash-studio runs RUN {option}.")
    with closing(Journal()) as journal:
        if comparing:
            return show_diff(journal, *_both(journal, words[1:]), as_json=chosen.json)
        if not words:
            _list(journal, chosen)
            return 0
        run = journal.run(words[0])
        if chosen.why:
            print(_causes(journal, run).why(chosen.why))
        elif chosen.timeline:
            show_timeline(journal, run, as_json=chosen.json)
        else:
            _show(journal, run, as_json=chosen.json)
    return 0


def _both(journal: Journal, names: list[str]) -> tuple[RunRecord, RunRecord]:
    try:
        return journal.run(names[0]), journal.run(names[1])
    except JournalError as error:
        raise ParameterError(str(error)) from None  # status 1 says that they differ


def moment(text: str, now: float) -> float:
    """A time as it is given: a date, a date with a time, both of this place, or an age such as ``90m``; empty: 0.

    Raises:
        ParameterError: It is none of these.
    """
    age = _AGE.match(text)
    if age is not None:
        return now - float(age[1]) * _AGE_SECONDS[age[2]]
    try:
        return dt.datetime.fromisoformat(text).timestamp() if text else 0.0
    except (ValueError, OverflowError, OSError):
        raise ParameterError(
            f"{text!r} is no time: give a date (2026-11-23), a date and a time (2026-11-23T07:00), or an age (2h, 3d)."
        ) from None


def _causes(journal: Journal, run: RunRecord) -> Causes:
    text = journal.document(run)
    return Causes(journal.events(run.run_id), read(text).workflow if text else None)


def _list(journal: Journal, chosen: argparse.Namespace) -> None:
    now = time.time()
    since, until = moment(chosen.since, now), moment(chosen.until, now)
    wanted = RunFilter(chosen.workflow, chosen.state, chosen.node, chosen.error, since, until)
    found, total = journal.find_runs(wanted, limit=chosen.limit)
    if chosen.json:
        print_json([{**asdict(one.run), "failed": one.failed, "error": one.error} for one in found])
        return
    for one in found:
        run = one.run
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
        took = duration(run.seconds) if run.state not in {"running", "interrupted"} else ""
        failed = f"  {one.failed:,} failed: {one.error}" if one.failed else ""
        print(f"{run.run_id}  {began}  {run.state:<11} {took:>12}  {run.origin:<8} {run.workflow}{failed}")
    if total > len(found):
        print(f"{len(found):,} of {total:,} runs; --limit shows more.")
    elif not found:
        print("No run fits." if wanted != RunFilter() else "The journal has no runs yet.")


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
            took = not_called(event.details) or f"succeeded in {duration(event.details['seconds'])}"
            return f"{took}  {rows(event)}".rstrip()
        case events.NODE_FAILED:
            return f"failed: {own_error(event)}"
        case events.NODE_SKIPPED | events.NODE_CANCELLED:
            return f"{event.kind.removeprefix('node_')}: {event.details['reason']}"
        case _:
            told = around(event)
            return told[1] if told is not None else ""
