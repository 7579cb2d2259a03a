"""Expressions that decide something in a run, as conditions of breakpoints and retries do, in the sandbox."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import PythonCodeError
from kailash_studio.resilience.clock import Clock
from kailash_studio.runtime.played_clock import alone
from kailash_studio.spec.context import RunScope

_MEMORY_MIB, _SECONDS = 64, 1.0  # limits of one


async def value_of(
    expression: str,
    given: Mapping[str, Any],
    scope: RunScope,
    clock: Clock,
    node_id: str,
    decides: str,
    *,
    truth: bool = False,
) -> Any:
    """The value of an expression; in a capsule it takes no time, and sees and draws what it did in the recorded run.

    Args:
        expression: Python.
        given: Plain values by the names that it has for them.
        scope: The run's.
        clock: The run's.
        node_id: The node that it is about.
        decides: What it decides there; one that decides something else draws by itself.
        truth: Only whether it holds is asked.

    Raises:
        PythonCodeError: It cannot be evaluated.
    """
    from kailash_studio.services.python_code import LightPython

    _check(expression)
    code = f"def value({', '.join(given)}):\n    return {'bool' if truth else ''}((\n{expression}\n))\n"
    async with alone(clock):
        python = await scope.resources.get(LightPython, LightPython.open)
        return await python.call(
            code,
            "value",
            given,
            memory=_MEMORY_MIB,
            seconds=_SECONDS,
            printed=lambda line: None,
            of_node=False,
            drawn=scope.drawn(f"{node_id} {decides}") if scope.drawn is not None else None,
        )


def _check(expression: str) -> None:
    """See that it is an expression; what is wrong is told of its own text, of which the code around it is no part.

    Raises:
        PythonCodeError: It cannot be read.
    """
    try:
        ast.parse(expression.strip() + "\n", mode="eval")
    except SyntaxError as error:
        wrong = error
    except (ValueError, RecursionError, MemoryError) as error:  # a null character, or nested too deep
        raise PythonCodeError(f"the expression cannot be read: {error or type(error).__name__}") from None
    else:
        return
    try:
        ast.parse(f"(\n{expression}\n)", mode="eval")  # over several lines, or what is none without parentheses
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise PythonCodeError(_sentence(wrong, expression.strip())) from None


def _sentence(wrong: SyntaxError, text: str) -> str:
    lines = text.split("\n")
    line, place = wrong.lineno or 1, max(1, wrong.offset or 1)
    where = f"character {place}" + (f" of line {line}" if len(lines) > 1 else "")
    rest = lines[line - 1][place - 1 :] if line <= len(lines) else ""
    return (
        f"the expression cannot be read at {where} ({rest[:20] or 'its end'}): {wrong.msg.partition(' (detected')[0]}"
    )
