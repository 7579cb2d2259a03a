"""``kailash-studio validate``: everything that is wrong with workflow files."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.errors import DocumentError, ParameterError
from kailash_studio.runtime.wording import duration
from kailash_studio.runtime.worst_case import worst_case
from kailash_studio.services import trust
from kailash_studio.services.connections import Connections
from kailash_studio.services.missing_connections import missing_connections
from kailash_studio.spec.finding import Finding, has_errors
from kailash_studio.spec.registry import Registry, installed_node_types
from kailash_studio.workflow.reader import read_file
from kailash_studio.workflow.validation import validate
from kailash_studio.workflow.workflow import Workflow


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="workflow file")
    parser.add_argument(
        "--max-duration",
        type=float,
        metavar="SECONDS",
        help="fail when the longest time that the policies allow is longer, or when a node has no timeout",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as one JSON document")


def execute(chosen: argparse.Namespace) -> int:
    """Check the files; the status is that of an invalid workflow if any has an error."""
    registry = installed_node_types()
    reports = {str(path): findings_of(path, registry) + _too_long(path, chosen.max_duration) for path in chosen.files}
    if chosen.json:
        print(json.dumps({path: [asdict(f) for f in findings] for path, findings in reports.items()}, indent=2))
    else:
        for path, findings in reports.items():
            for finding in findings:
                print(f"{path}: {finding}")
            if not has_errors(findings):
                print(f"{path}: can run{_longest(Path(path))}{_effects(Path(path), registry)}")
    invalid = any(has_errors(findings) for findings in reports.values())
    return ExitStatus.INVALID_WORKFLOW if invalid else ExitStatus.SUCCEEDED


def findings_of(path: Path, registry: Registry) -> list[Finding]:
    """All findings of a file, from reading and from validation, each said once."""
    try:
        read = read_file(path)
    except DocumentError as error:
        return [Finding("error", error.code, "", str(error))]
    known = {(finding.code, finding.place.split("/")[0]) for finding in read.findings}
    further = [f for f in validate(read.workflow, registry) if (f.code, f.place) not in known]
    return read.findings + further + _without_connection(read.workflow, registry)


def _without_connection(workflow: Workflow, registry: Registry) -> list[Finding]:
    """Warnings about saved connections that this user has not; it may be a server that runs the file."""
    try:
        saved = [connection.name for connection in Connections().all()]
    except ParameterError as error:  # the file with them is damaged
        return [Finding("warning", error.code, "", str(error))]
    return missing_connections(workflow, registry, saved, "warning")


def _too_long(path: Path, most: float | None) -> list[Finding]:
    """What keeps a workflow from being sure to end in a time."""
    if most is None:
        return []
    try:
        found = worst_case(read_file(path).workflow)
    except DocumentError:
        return []  # said already
    if found.unlimited:
        node = found.unlimited[0]
        sentence = f"{node} has no timeout, so nothing says how long it takes: give it one."
        return [Finding("error", "KS-1241", f"nodes/{node}/resilience/timeout", sentence)]
    if found.total > most:
        way = " to ".join(found.path)
        sentence = f"It can take {duration(found.total)}, longer than {duration(most)}, by the way {way}."
        return [Finding("error", "KS-1240", f"nodes/{found.path[-1]}/resilience", sentence)]
    return []


def _longest(path: Path) -> str:
    found = worst_case(read_file(path).workflow)
    if found.unlimited:
        listed = ", ".join(found.unlimited[:3]) + (", ..." if len(found.unlimited) > 3 else "")
        return f", without a longest time ({listed} without a timeout)"
    return f", at most {duration(found.total)} long" if found.total else ""


def _effects(path: Path, registry: Registry) -> str:
    effects = trust.effects(read_file(path).workflow, registry)
    return "; it " + ", ".join(dict.fromkeys(effect for _, effect in effects)) if effects else ""
