"""What happened around each node's call in one run: attempts, counts, and the dead letter that they end in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import describe
from kailash_studio.resilience.clock import Clock
from kailash_studio.resilience.dead_letter import DeadLetter, FailedAttempt
from kailash_studio.resilience.guard import ATTEMPT_FAILED, CALL_REFUSED
from kailash_studio.runtime.plan import Plan, Step
from kailash_studio.spec.context import RunScope


class NodeHistory:
    """Keeps what guards tell of a run.

    Attributes:
        counts: For each node: how often each kind of event came.
        letters: The dead letters so far.
    """

    def __init__(self, plan: Plan, scope: RunScope, clock: Clock) -> None:
        """Prepare it for one run."""
        self._plan, self._scope, self._clock = plan, scope, clock
        self._attempts: dict[str, list[FailedAttempt]] = {}
        self.counts: dict[str, dict[str, int]] = {}
        self.letters: list[DeadLetter] = []

    def note(self, kind: str, node_id: str, details: Mapping[str, Any]) -> None:
        """Add what a guard tells."""
        counts = self.counts.setdefault(node_id, {})
        counts[kind] = counts.get(kind, 0) + 1
        if kind == ATTEMPT_FAILED:
            took, wait = details["seconds"], details["wait"]
        elif kind == CALL_REFUSED:
            took, wait = 0.0, None
        else:
            return
        tried = FailedAttempt(details["attempt"], self._clock.wall() - took, took, details["error"], wait)
        self._attempts.setdefault(node_id, []).append(tried)

    def failed(self, node_id: str) -> str:
        """``fetch failed after 4 attempts``."""
        made = len(self._attempts.get(node_id, ()))
        return f"{node_id} failed" + (f" after {made} attempts" if made > 1 else "")

    def give_up(self, step: Step, error: BaseException, inputs: Mapping[str, Any]) -> None:
        """Add the dead letter of a node that has failed for good."""
        attempts = self._attempts.get(step.node_id)
        if attempts is None:
            attempts = [FailedAttempt(1, self._clock.wall(), 0.0, describe(error), None)]
        letter = DeadLetter.of(
            run_id=self._scope.run_id,
            root=self._scope.root,
            workflow=self._plan.name,
            document_hash=self._plan.document_hash,
            node=step.node_id,
            node_type=step.node_type,
            timestamp=self._clock.wall(),
            error=describe(error),
            error_class=type(error).__name__,
            code=getattr(error, "code", ""),
            attempts=tuple(attempts),
            inputs=inputs,
        )
        self.letters.append(letter)

    def letter_of(self, node_id: str) -> DeadLetter | None:
        """The dead letter of a node that has failed."""
        return next((letter for letter in self.letters if letter.node == node_id), None)
