"""The policies that a user sets around a node, declared in the same vocabulary as a node type's parameters.

The order around one node is: fallback(total timeout(retry(breaker(limits(attempt timeout(the call)))))).
"""

from __future__ import annotations

import ast
from typing import Any, Literal

from kailash_studio.spec.declared import Declared
from kailash_studio.spec.parameter import Parameter

DAY = 86_400.0


class RetryPolicy(Declared):
    """When a failed attempt is followed by another, and after how long."""

    max_retries: int = Parameter(3, ge=0, le=1000, doc="Attempts after the first one.")
    strategy: Literal["immediate", "linear", "exponential", "fibonacci"] = Parameter(
        "exponential", doc="How the wait grows: not at all, base x n, base x 2^(n-1), base x Fibonacci(n)."
    )
    base_delay: float = Parameter(1.0, ge=0, le=DAY, unit="s", doc="Wait before the first retry.")
    max_delay: float = Parameter(60.0, ge=0, le=DAY, unit="s", doc="Longest wait between two attempts.")
    jitter: Literal["none", "full", "equal", "decorrelated"] = Parameter(
        "none", doc="How waits are spread, so that many callers do not come back at the same moment."
    )
    retry_on: list[str] = Parameter(
        [],
        doc="Classes of errors to retry on, causes included; empty: all that are not known to be permanent.",
        advanced=True,
    )
    retry_if: str = Parameter(
        "",
        placeholder='status == 503 or "busy" in text',
        doc="Expression over the error's type, text, code and status that must hold as well.",
        advanced=True,
    )
    budget: float | None = Parameter(
        None,
        gt=0,
        le=1,
        doc="Most retries as a share of all calls of the same key; without one each node decides alone.",
        advanced=True,
    )

    @classmethod
    def problems_of(cls, parameters: Any) -> list[tuple[str, str]]:
        """A wait that can never be as long as it is set; a condition that cannot be read."""
        expression = parameters.get("retry_if", "")
        if isinstance(expression, str) and expression:
            try:
                ast.parse(expression, mode="eval")
            except SyntaxError as error:
                return [("retry_if", f"retry_if is not an expression: {error.msg}.")]
        base, most = parameters.get("base_delay", 1.0), parameters.get("max_delay", 60.0)
        if isinstance(base, int | float) and isinstance(most, int | float) and base > most:
            return [("max_delay", f"max_delay is {most:g} s, less than the base_delay of {base:g} s: raise it.")]
        return []


class CircuitBreakerPolicy(Declared):
    """When calls stop for a while, because what they call is down."""

    failure_threshold: int = Parameter(5, ge=1, le=10_000, doc="Failures in a row that open it.")
    success_threshold: int = Parameter(2, ge=1, le=1000, doc="Successes of probes in a row that close it again.")
    timeout: float = Parameter(
        60.0, gt=0, le=DAY, unit="s", doc="How long it refuses calls before it lets a probe through."
    )
    key: str = Parameter("", doc="Name that nodes with one breaker share; empty: the node has its own.", advanced=True)
    failure_rate: float | None = Parameter(
        None,
        gt=0,
        le=1,
        doc="Share of failed calls in the window that opens it; replaces the failures in a row.",
        advanced=True,
    )
    slow_call: float | None = Parameter(
        None, gt=0, le=DAY, unit="s", doc="A call that takes longer counts as slow.", advanced=True
    )
    slow_rate: float | None = Parameter(
        None, gt=0, le=1, doc="Share of slow calls in the window that opens it.", advanced=True
    )
    window: Literal["calls", "seconds"] = Parameter(
        "calls", doc="What the window of the shares is measured in.", advanced=True
    )
    window_size: int = Parameter(
        100, ge=1, le=100_000, doc="How many calls or seconds the window holds.", advanced=True
    )
    minimum_calls: int = Parameter(
        10, ge=1, le=100_000, doc="Calls in the window before a share means anything.", advanced=True
    )


class RateLimitPolicy(Declared):
    """How many calls may start in a time; further ones wait for their turn."""

    calls: int = Parameter(10, ge=1, le=1_000_000, doc="Calls that may start in the period.")
    period: float = Parameter(1.0, gt=0, le=DAY, unit="s", doc="The period.")
    key: str = Parameter("", doc="Name that nodes with one limit share; empty: the node has its own.", advanced=True)


class Resilience(Declared):
    """What surrounds each run of a node."""

    timeout: float | None = Parameter(
        None, gt=0, le=7 * DAY, unit="s", doc="Longest time one attempt may take; without one there is no limit."
    )
    total_timeout: float | None = Parameter(
        None, gt=0, le=7 * DAY, unit="s", doc="Longest time all attempts and the waits between them may take."
    )
    retry: RetryPolicy | None = Parameter(None, doc="Try again when an attempt fails.")
    circuit_breaker: CircuitBreakerPolicy | None = Parameter(None, doc="Stop calling what is down.")
    fallback: str | None = Parameter(None, doc="Node that runs with the same inputs when this one has failed.")
    max_concurrent: int | None = Parameter(
        None, ge=1, le=10_000, doc="Calls of this node at the same time, over all runs.", advanced=True
    )
    rate_limit: RateLimitPolicy | None = Parameter(None, doc="Call at most so often.", advanced=True)
    hedge_after: float | None = Parameter(
        None,
        gt=0,
        le=DAY,
        unit="s",
        doc="Start a second, equal call after this time and take the first answer.",
        advanced=True,
    )
