"""``kailash-studio capsule``: failed runs in a file, run again without the outside."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.cli.progress import Progress
from kailash_studio.cli.run import exit_status
from kailash_studio.errors import ParameterError
from kailash_studio.runtime.capsule import SUFFIX, Capsule
from kailash_studio.workflow.reader import read, read_file


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("do", choices=("show", "run", "save"), help="say what is in it, run it, or make a test of it")
    parser.add_argument("file", type=Path, metavar="CAPSULE", help="the capsule")
    parser.add_argument("--workflow", type=Path, metavar="FILE", help="a workflow that was mended since")
    parser.add_argument("--out", type=Path, metavar="TEST", help="save: where the test goes")


def execute(chosen: argparse.Namespace) -> int:
    """Do it; nothing outside is called."""
    capsule = Capsule.read(chosen.file)
    if chosen.do == "show":
        _show(capsule)
        return ExitStatus.SUCCEEDED
    workflow = read_file(chosen.workflow).workflow if chosen.workflow else read(capsule.workflow).workflow
    progress = Progress(sys.stderr, workflow.nodes)
    outcome = asyncio.run(capsule.play(workflow=workflow, sink=progress.show))
    if chosen.do == "save":
        if chosen.out is None or not chosen.out.name.endswith(SUFFIX):
            raise ParameterError(f"save needs --out with a name that ends in {SUFFIX}.")
        capsule.as_test(workflow, outcome).write(chosen.out)
        print(f"{chosen.out} expects that the run has {outcome.state}: kailash-studio test {chosen.out}")
        return ExitStatus.SUCCEEDED
    return exit_status(outcome)


def _show(capsule: Capsule) -> None:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(capsule.started))
    print(f"Run {capsule.run_id} of {began}: {capsule.state}")
    print(f"  made by version {capsule.versions.get('program')} on Python {capsule.versions.get('python')}")
    for node, state in capsule.states.items():
        answers = sum(answer.node == node for answer in capsule.answers)
        told = f"  {answers} recorded answer{'s' * (answers != 1)}" if answers else ""
        print(f"  {node:<24} {state}{told}" + (f": {capsule.errors[node]}" if node in capsule.errors else ""))
    if capsule.expected:
        print(f"It is a test: the run should have {capsule.expected['state']}.")
