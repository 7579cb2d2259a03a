"""``kailash-studio dlq``: dead letters, the work that nodes have given up."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.cli.output import print_json
from kailash_studio.errors import JournalError, ParameterError
from kailash_studio.resilience.dead_letter import TRANSITIONS, DeadLetter
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.wording import duration
from kailash_studio.services import trust
from kailash_studio.spec.values import to_plain
from kailash_studio.workflow.reader import read_file


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
    parser.add_argument("--inputs", default="", metavar="JSON", help="replay with these inputs; @FILE reads them")
    parser.add_argument("--against", type=Path, metavar="FILE", help="replay in this workflow, mended since")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, and do nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(chosen: argparse.Namespace) -> int:
    """Do it."""
    with closing(Journal()) as journal:
        journal.release_abandoned()
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
                return _replay(journal, letters, chosen)
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


def _replay(journal: Journal, letters: list[DeadLetter], chosen: argparse.Namespace) -> int:
    """Run the work again; what is under way when it is interrupted waits again."""
    from kailash_studio.runtime.journal.replay import Replayed, Replays

    against = read_file(chosen.against).workflow if chosen.against else None
    runtime = AsyncLocalRuntime(journal=journal)
    if against is not None:
        trust.require(against, runtime.registry, chosen.against)
    replays = Replays(journal, runtime, against=against, edited=_edited(chosen.inputs))
    if chosen.dry_run:
        for letter in letters:
            print(replays.forecast(letter))
        return ExitStatus.SUCCEEDED
    ended: Counter[str] = Counter()

    def told(end: Replayed) -> None:
        ended[end.state] += 1
        words = {
            "resolved": f"succeeded in run {end.run_id}.",
            "failed": f"failed again in run {end.run_id}: {end.reason}",
            "refused": f"was not replayed: {end.reason}.",
        }
        print(f"{end.letter.id[:12]}  {end.letter.node} {words[end.state]}")

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None  # it is one
        with contextlib.suppress(NotImplementedError):  # Windows' loop has no signal handlers
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with runtime:
            await replays.replay(letters, told=told)

    try:
        asyncio.run(work())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    if len(letters) > 1:
        words = {"resolved": "succeeded", "failed": "failed again", "refused": "were not replayed"}
        print(", ".join(f"{count} {words[state]}" for state, count in sorted(ended.items(), reverse=True)) + ".")
    return ExitStatus.SUCCEEDED if set(ended) <= {"resolved"} else ExitStatus.FAILED


def _edited(text: str) -> dict[str, Any]:
    """The inputs from the command line: an object, or the name of a file that holds one.

    Raises:
        ParameterError: It is neither.
    """
    if not text:
        return {}
    try:
        value = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except (OSError, ValueError, RecursionError) as error:
        raise ParameterError(f"--inputs should be an object of names and values, or @FILE with one: {error}.") from None
    if not isinstance(value, dict):
        raise ParameterError("--inputs should be an object of names and values, or @FILE with one.")
    return value
