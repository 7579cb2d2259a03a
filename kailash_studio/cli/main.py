"""Reads the words of the command line and hands over to a command; imports only the one that is asked for."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence

from kailash_studio import __version__
from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.errors import DocumentError, ParameterError, StudioError, UntrustedWorkflowError

# name: (module, one line of help); the module is imported when the command is used
COMMANDS = {
    "run": ("kailash_studio.cli.run", "run a workflow file to its end"),
    "serve": ("kailash_studio.cli.serve", "keep an engine that windows attach to, and that goes on without them"),
    "runs": ("kailash_studio.cli.runs", "list the runs of the journal, or show one"),
    "capsule": (
        "kailash_studio.cli.capsule",
        "show a failed run that was kept in a file, or run it without the outside",
    ),
    "test": ("kailash_studio.cli.test", "run the regression tests that were made of failures"),
    "resume": ("kailash_studio.cli.resume", "go on with a run that failed or was killed, keeping what was done"),
    "dlq": ("kailash_studio.cli.dlq", "list, show, replay or discard dead letters"),
    "secrets": ("kailash_studio.cli.secrets", "store, list and check secrets, which graphs hold by name"),
    "connections": ("kailash_studio.cli.connections", "save, list and test connections to databases"),
    "validate": ("kailash_studio.cli.validate", "check workflow files"),
    "demo": ("kailash_studio.cli.demo", "run the portfolio workflow on the embedded database and sample data"),
    "nodes": ("kailash_studio.cli.nodes", "list the node types, or show one"),
    "schema": ("kailash_studio.cli.schema", "print the JSON Schema of workflow files"),
}

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def main(words: Sequence[str]) -> int:
    """Execute a command and return the exit status; errors of ours are one sentence on standard error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error does: no letter stops a command
    try:
        return _execute(words)
    except StudioError as error:
        _tell(str(error))
        return _status_of(error)
    except KeyboardInterrupt:
        _tell("cancelled.")
        return ExitStatus.CANCELLED
    except BrokenPipeError:
        return ExitStatus.FAILED  # the reader of our output went away; there is nobody to tell
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        _tell(f"The output cannot be written: {error.strerror}.")
        return ExitStatus.FAILED
    finally:
        _let_go_of_unwritten()


def _execute(words: Sequence[str]) -> int:
    """Execute a command, and find out here, where it can still be told, whether its output could be written."""
    parser = _parser(words)
    try:
        chosen = parser.parse_args(words)
    except SystemExit:  # it has printed its help
        sys.stdout.flush()
        raise
    if hasattr(chosen, "command_module"):
        status = int(importlib.import_module(chosen.command_module).execute(chosen))
    else:
        parser.print_help()
        status = ExitStatus.SUCCEEDED
    sys.stdout.flush()
    return status


def _tell(sentence: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads standard error; the exit status tells it
        print(f"kailash-studio: {sentence}", file=sys.stderr)


def _let_go_of_unwritten() -> None:
    """Drop what a full disk or the reader of a pipe did not take; else Python's own end complains (status 120)."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the way that Python's documentation of SIGPIPE gives
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
