"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.context import Outputs


@dataclass(slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        state: ``succeeded``, ``failed`` or ``cancelled``.
        results: Outputs of the nodes that succeeded or were stood in for.
        failures: Exception of each node that failed.
        reasons: Why each skipped or cancelled node did not run.
        seconds: How long it took.
        recovered: The fallback of each node that had to be stood in for.
        letters: A dead letter for each failed node.
        happened: What happened around each node's calls, counted by kind of event.
        redactor: Hides the secrets that the run resolved; ``results`` and the letters' inputs have them still.
    """

    state: str
    results: dict[str, Outputs]
    failures: dict[str, BaseException] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    recovered: dict[str, str] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    happened: dict[str, dict[str, int]] = field(default_factory=dict)
    redactor: Redactor = field(default_factory=Redactor)
