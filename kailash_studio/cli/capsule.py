"""``kailash-studio capsule``: failed runs in a file, run again without the outside."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.cli.output import check_can_hold, print_json
from kailash_studio.cli.progress import Progress
from kailash_studio.cli.run import exit_status, report_of, write_results
from kailash_studio.errors import ParameterError
from kailash_studio.runtime.async_local import new_run_id
from kailash_studio.runtime.capsule import SUFFIX, Capsule, lacking, refuse_lacking
from kailash_studio.workflow.reader import read, read_file


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("do", choices=("show", "run", "save"), help="say what is in it, run it, or make a test of it")
    parser.add_argument("file", type=Path, metavar="CAPSULE", help="the capsule")
    parser.add_argument("--workflow", type=Path, metavar="FILE", help="a workflow that was mended since")
    parser.add_argument("--out", type=Path, metavar="TEST", help="save: where the test goes")
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="run, save: full Python that the capsule has no answer for really runs, with all your rights",
    )
    parser.add_argument(
        "--partly", action="store_true", help="save: also when the test passes over nodes that lack an answer"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="run: write the results there as JSON")
    parser.add_argument("--json", action="store_true", help="run: print one JSON document with state and results")


def execute(chosen: argparse.Namespace) -> int:
    """Do it; nothing outside is called."""
    if chosen.do == "save" and (chosen.out is None or not chosen.out.name.endswith(SUFFIX)):
        raise ParameterError(f"save needs --out with a name that ends in {SUFFIX}.")
    if chosen.do != "run" and (chosen.json or chosen.output):
        raise ParameterError("--json and --output are for capsule run.")
    if chosen.output:
        check_can_hold(chosen.output, "The results")
    capsule = Capsule.read(chosen.file)
    if chosen.do == "show":
        _show(capsule)
        return ExitStatus.SUCCEEDED
    workflow = read_file(chosen.workflow).workflow if chosen.workflow else read(capsule.workflow).workflow
    sink = None if chosen.json else Progress(sys.stderr, workflow.nodes).show
    answers, run_id = capsule.answers_again(allow_code=chosen.allow_code), new_run_id()
    outcome = asyncio.run(capsule.play(workflow=workflow, answers=answers, sink=sink, run_id=run_id))
    if chosen.do == "save":
        if not chosen.partly:
            refuse_lacking(workflow, answers)
        capsule.as_test(workflow, outcome).write(chosen.out)
        passed_over, ends = lacking(workflow, answers)
        for node, why in (passed_over | ends).items():
            print(f"{node} is not in the test: {why}", file=sys.stderr)
        print(f"{chosen.out} expects that the run has {outcome.state}: kailash-studio test {chosen.out}")
        return ExitStatus.SUCCEEDED
    report = report_of(outcome, run_id)
    if chosen.json:
        print_json(report)
    if chosen.output:
        write_results(chosen.output, report["results"])
    return exit_status(outcome)


def _show(capsule: Capsule) -> None:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(capsule.started))
    print(f"Run {capsule.run_id} of {began}: {capsule.state}")
    print(f"  made by version {capsule.versions.get('program')} on Python {capsule.versions.get('python')}")
    for node, state in capsule.states.items():
        answers = sum(answer.node == node for answer in capsule.answers)
        told = f"  {answers} recorded answer{'s' * (answers != 1)}" if answers else ""
        print(f"  {node:<24} {state}{told}" + (f": {capsule.errors[node]}" if node in capsule.errors else ""))
    scenario = capsule.scenario(capsule.states)
    for node, fault in (scenario.faults if scenario is not None else {}).items():
        print(f"  put in at {node}: {fault.sentence()}")
    if capsule.expected:
        print(f"It is a test: the run should have {capsule.expected['state']}.")
