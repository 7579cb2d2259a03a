"""Reads the words of the command line and hands over to a command; imports only the one that is asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from kailash_studio import __version__
from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.errors import DocumentError, ParameterError, StudioError, UntrustedWorkflowError

# name: (module, one line of help); the module is imported when the command is used
COMMANDS = {
    "run": ("kailash_studio.cli.run", "run a workflow file to its end"),
    "runs": ("kailash_studio.cli.runs", "list the runs of the journal, or show one"),
    "resume": ("kailash_studio.cli.resume", "go on with a run that failed or was killed, keeping what was done"),
    "dlq": ("kailash_studio.cli.dlq", "list, show, replay or discard dead letters"),
    "validate": ("kailash_studio.cli.validate", "check workflow files"),
    "demo": ("kailash_studio.cli.demo", "run the portfolio workflow on the embedded database and sample data"),
    "nodes": ("kailash_studio.cli.nodes", "list the node types, or show one"),
    "schema": ("kailash_studio.cli.schema", "print the JSON Schema of workflow files"),
}


def main(words: Sequence[str]) -> int:
    """Execute a command and return the exit status; errors of ours are one sentence on standard error."""
    parser = _parser(words)
    try:
        chosen = parser.parse_args(words)
        if not hasattr(chosen, "command_module"):
            parser.print_help()
            return ExitStatus.SUCCEEDED
        module = importlib.import_module(chosen.command_module)
        return int(module.execute(chosen))
    except StudioError as error:
        print(f"kailash-studio: {error}", file=sys.stderr)
        return _status_of(error)
    except KeyboardInterrupt:
        print("kailash-studio: cancelled.", file=sys.stderr)
        return ExitStatus.CANCELLED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away; there is nobody to tell
        return ExitStatus.FAILED


def command_name() -> str:
    """How this program was started, to be told to a person."""
    return os.environ.get("KAILASH_STUDIO_COMMAND", "kailash-studio")


def _status_of(error: StudioError) -> ExitStatus:
    if isinstance(error, UntrustedWorkflowError):
        return ExitStatus.DENIED
    if isinstance(error, DocumentError):
        return ExitStatus.INVALID_WORKFLOW
    if isinstance(error, ParameterError):
        return ExitStatus.USAGE
    return ExitStatus.FAILED


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=command_name(),
        description="Draw a workflow, make it resilient, debug it step by step, and run the same file on a server.",
        epilog=f"Without a command it opens the desktop: {command_name()} [FILE...]",
    )
    parser.add_argument("--version", action="version", version=f"kailash-studio {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, (module_name, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(command_module=module_name)
        if words and words[0] == name:
            importlib.import_module(module_name).arguments(command)
    return parser
