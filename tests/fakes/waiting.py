"""Waiting for something that has no event of its own, with a deadline; and work at a window whose engine is ready."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

PATIENCE = 40.0
"""In seconds: far more than anything takes, also on a machine that is busy with others."""

Sitting = Callable[[], Coroutine[Any, Any, None]]
Sit = Callable[[Sitting], None]
"""Does the work of a sitting to its end."""


async def until(holds: Callable[[], object]) -> None:
    """Let the loop go on until something holds.

    Raises:
        AssertionError: It does not within ``PATIENCE``.
    """
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain"
        await asyncio.sleep(0.005)


def until_threads(hold: Callable[[], object]) -> None:
    """Wait until threads have made something hold; no loop goes on meanwhile.

    Raises:
        AssertionError: They have not within ``PATIENCE``.
    """
    deadline = time.monotonic() + PATIENCE
    while not hold():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain"
        threading.Event().wait(0.005)
