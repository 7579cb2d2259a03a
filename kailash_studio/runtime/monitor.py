"""What a runtime tells of a workflow that it has run: breakers, dead letters, counts of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.runtime.engine import Outcome
from kailash_studio.runtime.plan import Plan
from kailash_studio.runtime.surroundings import Surroundings


@dataclass(slots=True)
class MemoryMonitor:
    """Remembers for as long as the workflow object lives; the twin for runs without a journal."""

    surroundings: Surroundings
    keys: Mapping[str, str]
    letters: list[DeadLetter] = field(default_factory=list)
    happened: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, before: object, surroundings: Surroundings, plan: Plan) -> MemoryMonitor:
        """The monitor of a workflow, going on from the one that it had."""
        if isinstance(before, MemoryMonitor):
            return cls(surroundings, plan.breaker_keys, before.letters, before.happened)
        return cls(surroundings, plan.breaker_keys)

    def add(self, outcome: Outcome) -> None:
        """Remember how a run ended."""
        self.letters += outcome.letters
        for node_id, kinds in outcome.happened.items():
            counts = self.happened.setdefault(node_id, {})
            for kind, count in kinds.items():
                counts[kind] = counts.get(kind, 0) + count

    def circuit_breakers(self) -> dict[str, str]:
        """State of the breaker of each node that has one."""
        known = self.surroundings.breakers
        return {node_id: known[key].state for node_id, key in self.keys.items() if key in known}

    def dead_letters(self) -> list[dict[str, Any]]:
        """The dead letters that were not cleared."""
        return [letter.as_entry() for letter in self.letters]

    def clear_dead_letters(self) -> int:
        """Forget them."""
        count = len(self.letters)
        self.letters.clear()
        return count

    def counts(self) -> dict[str, dict[str, int]]:
        """What happened around each node's calls, by kind of event."""
        return {node_id: dict(kinds) for node_id, kinds in self.happened.items()}
