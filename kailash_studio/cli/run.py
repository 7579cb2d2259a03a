"""``kailash-studio run``: a workflow file, headless, to its end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.cli.output import EventLines, check_can_hold, json_text, print_json
from kailash_studio.cli.progress import Progress
from kailash_studio.errors import ParameterError, StudioError, describe
from kailash_studio.resilience.faults import Scenario
from kailash_studio.runtime.answers import Recording
from kailash_studio.runtime.async_local import AsyncLocalRuntime, new_run_id
from kailash_studio.runtime.capsule import Capsule, fresh_seed
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.services import trust
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.spec.values import to_plain
from kailash_studio.workflow.reader import read_file
from kailash_studio.workflow.workflow import Workflow


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("file", type=Path, metavar="FILE", help="workflow file")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a workflow parameter, or of a node as NODE.NAME=VALUE; may be repeated",
    )
    parser.add_argument("--parameters", type=Path, metavar="FILE", help="JSON file with an object of such values")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the results there as JSON")
    parser.add_argument("--json", action="store_true", help="print one JSON document with state and results")
    parser.add_argument("--events", metavar="FILE|-", help="write the run's events there as JSON lines")
    parser.add_argument(
        "--fail-on",
        default="",
        metavar="WHAT",
        help="degraded: exit 5 when a fallback had to stand in; dead-letters: exit 6 when work was given up; "
        "both with a comma between",
    )
    parser.add_argument(
        "--capsule", type=Path, metavar="FILE", help="keep the run in this file if it fails (docs/capsules.md)"
    )
    parser.add_argument(
        "--faults",
        type=Path,
        metavar="FILE",
        help="make it a test run: put in the faults of this file (docs/faults.md)",
    )
    parser.add_argument(
        "--debug", action="store_true", help="let a window on this machine attach to the run, to look on or to debug it"
    )
    parser.add_argument(
        "--break",
        action="append",
        default=[],
        dest="breakpoints",
        metavar="NODE",
        help="with --debug: stand still before this node until a window lets it go on; may be repeated",
    )
    parser.add_argument("--trust", action="store_true", help="approve a file that was made elsewhere, and run it")


def execute(chosen: argparse.Namespace) -> int:
    """Run the file; the exit status tells how it ended."""
    strict = _strict(chosen.fail_on)
    if chosen.json and chosen.events == "-":
        raise ParameterError("--json and --events - both want the standard output: give the events a file.")
    if chosen.output:
        check_can_hold(chosen.output, "The results")
    workflow = read_file(chosen.file).workflow
    _check_breakpoints(chosen.breakpoints, workflow, debug=chosen.debug)
    registry = installed_node_types()
    trust.require(workflow, registry, chosen.file, approve=chosen.trust, ask=_ask if _is_terminal() else None)
    values = given_values(chosen.parameters, chosen.parameter, workflow)
    with contextlib.ExitStack() as stack:
        quiet = chosen.json or chosen.events == "-"
        progress = Progress(sys.stderr, workflow.nodes) if not quiet else None
        lines = stack.enter_context(closing(EventLines(chosen.events))) if chosen.events else None

        def sink(batch: Sequence[Event]) -> None:
            if progress is not None:
                progress.show(batch)
            if lines is not None:
                lines.show(batch)

        journal = stack.enter_context(closing(Journal()))
        runtime = AsyncLocalRuntime(
            registry=registry, on_events=sink, folder=chosen.file.resolve().parent, journal=journal
        )
        further: dict[str, Any] = {}
        recording = Recording(fresh_seed()) if chosen.capsule else None
        if recording is not None:
            check_can_hold(chosen.capsule, "The capsule")
            further["answers"] = recording
        began = time.time()
        if chosen.faults:
            further["scenario"] = Scenario.read(chosen.faults)
            print(f"This is a test run: the faults of {chosen.faults} are put in.", file=sys.stderr)
        if chosen.debug:
            points = [Breakpoint(node) for node in chosen.breakpoints]
            outcome, run_id = asyncio.run(_debugged(runtime, journal, workflow, values, points, further))
        else:
            outcome, run_id = asyncio.run(run_until_told(runtime, workflow, values, **further))
        journal.tidy()
        if recording is not None:
            scenario = further.get("scenario")
            _keep(chosen.capsule, Capsule.of(workflow, run_id, began, values, recording, outcome, scenario))
    report = report_of(outcome, run_id)
    if chosen.json:
        print_json(report)
    if chosen.output:
        write_results(chosen.output, report["results"])
    if lines is not None and lines.problem:
        raise StudioError(lines.problem)
    return exit_status(outcome, strict)


def _keep(path: Path, capsule: Capsule) -> None:
    """Write the capsule of a run that failed."""
    if capsule.state == "failed":
        capsule.write(path)
        print(f"The failure is in {path}: kailash-studio capsule run {path}", file=sys.stderr)
        return
    older = f"; {path} is of an earlier run" if path.exists() else ""
    print(f"The run has {capsule.state}, so no capsule was written{older}.", file=sys.stderr)


def _check_breakpoints(nodes: Sequence[str], workflow: Workflow, *, debug: bool) -> None:
    if nodes and not debug:
        raise ParameterError("--break needs --debug: without it nobody could let the run go on.")
    for node in nodes:
        workflow.node(node)


async def _debugged(
    runtime: AsyncLocalRuntime,
    journal: Journal,
    workflow: Workflow,
    values: Mapping[str, Any],
    breakpoints: Sequence[Breakpoint],
    words: Mapping[str, Any],
) -> tuple[Outcome, str]:
    """Run, with a door for windows."""
    from kailash_studio.runtime.host import Host
    from kailash_studio.runtime.server import Server

    run_id = new_run_id()
    server = Server(run_id, workflow.name)
    async with runtime:
        host = Host(server.send, journal=journal, runtime=runtime)
        server.speak_for(host.handle, host.shown)
        updates, debugger = host.follow(run_id, workflow.to_json(), runtime.folder or Path.cwd())
        debugger.set_breakpoints(breakpoints)
        async with server:
            print(f"Run {run_id}: attach with Run > Attach to a run in the window.", file=sys.stderr)
            try:
                further = {"sink": updates.take, "debugger": debugger, **words}
                outcome, _ = await run_until_told(runtime, workflow, values, run_id=run_id, **further)
                host.keep(run_id, outcome)
            finally:
                host.forget_run(run_id)
                await host.aclose()
    return outcome, run_id


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write results as JSON.

    Raises:
        StudioError: They cannot be written.
    """
    try:
        path.write_text(json_text(results) + "\n", encoding="utf-8")
    except OSError as error:
        raise StudioError(f"The results cannot be written to {path}: {error.strerror or error}.") from None


def _strict(text: str) -> frozenset[str]:
    words = frozenset(word for word in text.split(",") if word)
    unknown = words - {"degraded", "dead-letters"}
    if unknown:
        raise ParameterError(f"--fail-on knows degraded and dead-letters, not {sorted(unknown)[0]!r}.")
    return words


async def run_until_told(
    runtime: AsyncLocalRuntime, workflow: Workflow, values: Mapping[str, Any], **further: Any
) -> tuple[Outcome, str]:
    """Run, with Ctrl+C and a request to end turned into a cancellation; ``further`` goes to the runtime's ``run``."""
    run_id = further.pop("run_id", "") or new_run_id()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows' loop has no signal handlers: KeyboardInterrupt then cancels the main task
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, runtime.cancel, run_id, f"it got {number.name}")
    return await runtime.run(workflow, values, run_id=run_id, **{"origin": "cli", **further})


def exit_status(outcome: Outcome, strict: Collection[str] = ()) -> ExitStatus:
    """The exit status of an outcome; ``strict`` holds the words of ``--fail-on``."""
    if "dead-letters" in strict and outcome.letters:
        return ExitStatus.DEAD_LETTERS
    if "degraded" in strict and outcome.recovered and outcome.state == "succeeded":
        return ExitStatus.DEGRADED
    match outcome.state:
        case "succeeded":
            return ExitStatus.SUCCEEDED
        case "cancelled":
            return ExitStatus.CANCELLED
        case _:
            return ExitStatus.FAILED


def report_of(outcome: Outcome, run_id: str) -> dict[str, Any]:
    """The JSON document of a finished run."""
    return {
        "run_id": run_id,
        "state": outcome.state,
        "seconds": round(outcome.seconds, 6),
        "results": outcome.redactor.value(to_plain(outcome.results)),
        "failures": {
            node_id: {"error": describe(error), "code": getattr(error, "code", "")}
            for node_id, error in outcome.failures.items()
        },
        "not_run": dict(outcome.reasons),
        "recovered": dict(outcome.recovered),
        "dead_letters": [letter.id for letter in outcome.letters],
    }


def given_values(file: Path | None, pairs: Sequence[str], workflow: Workflow) -> dict[str, Any]:
    """The values from the command line, in the form that runtimes take.

    Raises:
        ParameterError: A pair is not NAME=VALUE, or the file is not an object.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            read = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ParameterError(f"{file} is not a JSON file of parameters: {error}.") from None
        if not isinstance(read, dict):
            raise ParameterError(f"{file} should hold an object of names and values.")
        values.update(read)
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or not name:
            raise ParameterError(f"{pair!r} is not of the form NAME=VALUE.")
        node_id, dot, inner = name.partition(".")
        if dot and node_id in workflow.nodes:
            inside = values.setdefault(node_id, {})
            if not isinstance(inside, dict):
                raise ParameterError(f"{file} should hold an object of names and values for {node_id}, not {inside!r}.")
            inside[inner] = _read_value(text)
        elif name in workflow.parameters:
            values[name] = text  # read as its declared type when the run resolves it
        else:
            values[name] = _read_value(text)
    return values


def _read_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # text, or nested too deeply to be meant as anything else
        return text


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(question: str) -> bool:
    print(question, file=sys.stderr)
    return input("Run it? [y/N] ").strip().lower() in {"y", "yes"}
