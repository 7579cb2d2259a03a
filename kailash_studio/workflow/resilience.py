"""What the guide calls on a builder and on a built workflow to make it resilient, and to see what that did.

The window sets the same policies with commands; what they mean is in ``spec.policy``.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from kailash_studio.errors import DocumentError, ParameterError

if TYPE_CHECKING:
    from kailash_studio.workflow.workflow import Workflow


class RetryStrategy(StrEnum):
    """How the wait between attempts grows."""

    IMMEDIATE = "immediate"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"
    FIBONACCI = "fibonacci"


class Monitor(Protocol):
    """What a runtime tells of a workflow that it has run."""

    def circuit_breakers(self) -> dict[str, str]:
        """State of the breaker of each node that has one."""

    def dead_letters(self) -> list[dict[str, Any]]:
        """Dead letters that nobody has dealt with, the oldest first."""

    def clear_dead_letters(self) -> int:
        """Discard them; how many there were."""

    def counts(self) -> dict[str, dict[str, int]]:
        """What happened around each node's calls, by kind of event."""


class ResilienceCalls:
    """The calls; a builder and the workflow that it builds have them in common."""

    __slots__ = ()

    if TYPE_CHECKING:

        def build(self) -> Workflow:
            """The workflow."""

    def configure_retry(
        self,
        node_id: str,
        *,
        max_retries: int = 3,
        strategy: RetryStrategy | str = RetryStrategy.EXPONENTIAL,
        base_delay: float = 1.0,
        max_delay: float = 60.0,
        retry_on: Iterable[type[BaseException] | str] = (),
        **further: Any,
    ) -> None:
        """Try a node again when it fails; see ``spec.policy.RetryPolicy`` for the words.

        Raises:
            DocumentError: There is no such node.
            ParameterError: A value does not fit.
        """
        names = [error if isinstance(error, str) else error.__name__ for error in retry_on]
        given = {"strategy": str(strategy), "base_delay": base_delay, "max_delay": max_delay, **further}
        _configure(
            self.build(),
            node_id,
            "retry",
            {"max_retries": max_retries, **given, **({"retry_on": names} if names else {})},
        )

    def configure_circuit_breaker(
        self,
        node_id: str,
        *,
        failure_threshold: int = 5,
        success_threshold: int = 2,
        timeout: float = 60.0,
        **further: Any,
    ) -> None:
        """Stop calling a node that keeps failing; see ``spec.policy.CircuitBreakerPolicy`` for the words.

        Raises:
            DocumentError: There is no such node.
            ParameterError: A value does not fit.
        """
        given = {"failure_threshold": failure_threshold, "success_threshold": success_threshold, "timeout": timeout}
        _configure(self.build(), node_id, "circuit_breaker", {**given, **further})

    def configure_timeout(self, node_id: str, attempt: float | None = None, *, total: float | None = None) -> None:
        """Limit a node's time: of one attempt, and of all attempts with their waits; None: no limit.

        Raises:
            DocumentError: There is no such node.
            ParameterError: A value does not fit.
        """
        _configure(self.build(), node_id, "timeout", attempt)
        _configure(self.build(), node_id, "total_timeout", total)

    def add_fallback(self, node_id: str, fallback: str) -> None:
        """Let another node stand in when a node has failed; it then runs for nothing else.

        Raises:
            DocumentError: One of them is not there, or the fallbacks would form a circle.
        """
        _add_fallback(self.build(), node_id, fallback)

    def get_resilience_metrics(self) -> dict[str, Any]:
        """``circuit_breakers`` (state by node), ``dead_letter_queue_size``, and counts of what happened.

        Breakers are those of the runtime that ran the workflow last; before a run all are closed.
        """
        workflow = self.build()
        guarded = [n for n, placed in workflow.nodes.items() if placed.resilience.get("circuit_breaker") is not None]
        monitor = workflow.monitor
        return {
            "circuit_breakers": dict.fromkeys(guarded, "closed") | (monitor.circuit_breakers() if monitor else {}),
            "dead_letter_queue_size": len(monitor.dead_letters()) if monitor else 0,
            "nodes": monitor.counts() if monitor else {},
        }

    def get_dead_letter_queue(self) -> list[dict[str, Any]]:
        """The dead letters of this workflow that nobody has dealt with, the oldest first."""
        monitor = self.build().monitor
        return monitor.dead_letters() if monitor is not None else []

    def clear_dead_letter_queue(self) -> int:
        """Discard the dead letters of this workflow; how many there were."""
        monitor = self.build().monitor
        return monitor.clear_dead_letters() if monitor is not None else 0


def _configure(workflow: Workflow, node_id: str, policy: str, value: Any) -> None:
    from kailash_studio.spec.declared import check_parameters
    from kailash_studio.spec.policy import Resilience
    from kailash_studio.workflow.commands import apply, set_resilience

    workflow.node(node_id)
    problems = check_parameters(Resilience, {policy: value})
    if problems:
        raise ParameterError(f"{node_id}: {problems[0][1]}")
    apply(workflow, set_resilience(workflow, node_id, policy, value))


def _add_fallback(workflow: Workflow, node_id: str, fallback: str) -> None:
    from kailash_studio.workflow.fallback import chain_of

    workflow.node(node_id)
    workflow.node(fallback)
    if fallback == node_id or node_id in chain_of(workflow, fallback):
        raise DocumentError(f"{fallback} cannot be the fallback of {node_id}: the fallbacks would form a circle.")
    _configure(workflow, node_id, "fallback", fallback)
