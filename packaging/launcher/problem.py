"""The errors of the start script: one sentence that names the mend, and what the failed command said last."""

from __future__ import annotations

import errno
from collections.abc import Sequence

# what installers write, in lower case: sentence
_KNOWN = (
    (("no space left", "os error 28", "disk quota"), "The disk is full: make room and start again."),
    (
        ("do not match the hashes", "hash mismatch", "hashes are required"),
        "A package is not the one that the lock names: try again, and do not go on if that repeats.",
    ),
    (
        ("externally-managed",),
        "This Python refuses installations: start with another one, for example `python3.12 start.py`.",
    ),
    (
        ("permission denied", "os error 13"),
        "A file may not be written here: check who owns this folder and start again.",
    ),
)
_UNREACHABLE = (
    "dns error",
    "name resolution",
    "name or service not known",
    "failed to establish a new connection",
    "connection refused",
    "network is unreachable",
    "timed out",
    "error sending request",
    "client error (connect)",
)


class StartError(Exception):
    """The program cannot be started.

    Attributes:
        details: What the failed command said last.
    """

    def __init__(self, sentence: str, details: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.details = tuple(details)


class UnreachableError(StartError):
    """Packages could not be downloaded; nothing has been changed, because both installers download first."""


def from_output(what: str, status: int, lines: Sequence[str]) -> StartError:
    """The error for a command that ended with a status, told by what it said last."""
    said = "\n".join(lines).lower()
    for marks, sentence in _KNOWN:
        if any(mark in said for mark in marks):
            return StartError(sentence, lines)
    if any(mark in said for mark in _UNREACHABLE):
        return UnreachableError(
            "Packages could not be downloaded: check the network (and the proxy) and start again.", lines
        )
    return StartError(f"{what} failed with exit status {status}: its last lines are above.", lines)


def from_system(error: OSError) -> StartError:
    """The error for a file or program that the system refused."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StartError(_KNOWN[0][1], [str(error)])
    return StartError(f"The environment could not be set up here: {error}.")
