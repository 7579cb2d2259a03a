"""``kailash-studio dlq``: dead letters, the work that nodes have given up."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from typing import Any

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.cli.output import print_json
from kailash_studio.errors import JournalError
from kailash_studio.resilience.dead_letter import TRANSITIONS, DeadLetter
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.replay import claim, settle
from kailash_studio.runtime.wording import duration
from kailash_studio.spec.values import to_plain


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("do", choices=("list", "show", "replay", "discard"), help="what to do")
    parser.add_argument("ids", nargs="*", metavar="ID", help="letters, by id or the beginning of it")
    parser.add_argument(
        "--state", default="new", choices=(*TRANSITIONS, "all"), help="letters in this state (default: new)"
    )
    parser.add_argument("--node", default="", help="letters of this node")
    parser.add_argument("--workflow", default="", help="letters of this workflow")
    parser.add_argument("--fingerprint", default="", help="letters that failed in the same way")
    parser.add_argument("--text", default="", help="letters whose error or node has this text")
    parser.add_argument("--limit", type=int, default=200, metavar="N", help="at most so many")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, and do nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(chosen: argparse.Namespace) -> int:
    """Do it."""
    with closing(Journal()) as journal:
        letters = _chosen(journal, chosen)
        match chosen.do:
            case "list":
                _list(letters, as_json=chosen.json)
            case "show":
                for letter in letters:
                    _show(journal, letter, as_json=chosen.json)
            case "discard":
                return _discard(journal, letters, dry=chosen.dry_run)
            case _:
                return _replay(journal, letters, dry=chosen.dry_run)
    return ExitStatus.SUCCEEDED


def _chosen(journal: Journal, chosen: argparse.Namespace) -> list[DeadLetter]:
    state = "" if chosen.state == "all" or chosen.ids else chosen.state
    found = journal.dead_letters(
        state=state,
        node=chosen.node,
        workflow=chosen.workflow,
        fingerprint=chosen.fingerprint,
        text=chosen.text,
        limit=chosen.limit if not chosen.ids else 1_000_000,
    )
    if not chosen.ids:
        return found
    picked = []
    for wanted in chosen.ids:
        fitting = [letter for letter in found if letter.id.startswith(wanted)]
        if len(fitting) != 1:
            raise JournalError(f"{wanted!r} names {len(fitting) or 'no'} dead letters: `dlq list` shows their ids.")
        picked += fitting
    return picked


def _list(letters: list[DeadLetter], *, as_json: bool) -> None:
    if as_json:
        print_json([to_plain(letter.as_entry()) for letter in letters])
        return
    for letter in letters:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(letter.timestamp))
        tries = f"{len(letter.attempts)} attempt{'s' * (len(letter.attempts) != 1)}"
        print(f"{letter.id[:12]}  {when}  {letter.state:<9} {letter.node:<24} {tries:<11} {letter.error}")
    if not letters:
        print("There are no such dead letters.")


def _show(journal: Journal, letter: DeadLetter, *, as_json: bool) -> None:
    inputs: Any
    try:
        inputs = to_plain(journal.inputs_of(letter.id))
    except JournalError as error:
        inputs = str(error)
    entry = {**to_plain(letter.as_entry()), "inputs": inputs}
    if as_json:
        print_json(entry)
        return
    print(f"{letter.id}  {letter.state}\n{letter.node} ({letter.node_type}) of {letter.workflow}, run {letter.run_id}")
    for attempt in letter.attempts:
        after = f", then waited {duration(attempt.wait)}" if attempt.wait is not None else ""
        print(f"  attempt {attempt.attempt}: {duration(attempt.seconds)}{after}: {attempt.error}")
    print_json({"inputs": inputs})


def _discard(journal: Journal, letters: list[DeadLetter], *, dry: bool) -> int:
    if dry:
        print(f"{len(letters)} dead letters would be discarded.")
    else:
        changed = journal.change_dead_letters([letter.id for letter in letters], "discarded", "discarded by hand")
        print(f"{changed} dead letters were discarded.")
    return ExitStatus.SUCCEEDED


def _replay(journal: Journal, letters: list[DeadLetter], *, dry: bool) -> int:
    """Run the work again; a letter is claimed first, so that no two replays do the same work."""
    from kailash_studio.cli.resume import go_on

    failed = 0
    for letter in letters:
        if dry:
            done = len(journal.finished(letter.run_id))
            print(f"{letter.id[:12]}  {letter.node} would run again, {done} finished nodes of its run would not.")
            continue
        if not claim(journal, letter):
            print(f"{letter.id[:12]}  {letter.node} is {letter.state}: it cannot be replayed now.")
            continue
        outcome, run_id = None, ""
        try:
            outcome, run_id = go_on(journal, journal.run(letter.run_id), origin="replay")
        finally:
            succeeded = settle(journal, letter, outcome, run_id)
        failed += not succeeded
        print(f"{letter.id[:12]}  {letter.node} {'succeeded' if succeeded else 'failed again'} in run {run_id}.")
    return ExitStatus.FAILED if failed else ExitStatus.SUCCEEDED
