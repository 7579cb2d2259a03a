"""Expressions that decide something in a run, as conditions of breakpoints and retries do, in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kailash_studio.resilience.clock import Clock
from kailash_studio.runtime.played_clock import alone
from kailash_studio.spec.context import RunScope

_MEMORY_MIB, _SECONDS = 64, 1.0  # limits of one


async def value_of(
    expression: str, given: Mapping[str, Any], scope: RunScope, clock: Clock, node_id: str, decides: str
) -> Any:
    """The value of an expression; in a capsule it takes no time, and sees and draws what it did in the recorded run.

    Args:
        expression: Python.
        given: Plain values by the names that it has for them.
        scope: The run's.
        clock: The run's.
        node_id: The node that it is about.
        decides: What it decides there; one that decides something else draws by itself.

    Raises:
        PythonCodeError: It cannot be evaluated.
    """
    from kailash_studio.services.python_code import LightPython

    code = f"def value({', '.join(given)}):\n    return ({expression})\n"
    async with alone(clock):
        python = await scope.resources.get(LightPython, LightPython.open)
        return await python.call(
            code,
            "value",
            given,
            memory=_MEMORY_MIB,
            seconds=_SECONDS,
            printed=lambda line: None,
            drawn=scope.drawn(f"{node_id} {decides}") if scope.drawn is not None else None,
        )
