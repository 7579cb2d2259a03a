"""What the program's exit status says."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of all commands."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    INVALID_WORKFLOW = 3
    DENIED = 4
    DEGRADED = 5
    DEAD_LETTERS = 6
    CANCELLED = 130
