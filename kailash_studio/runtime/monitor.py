"""What a runtime tells of a workflow that it has run: breakers, dead letters, counts of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.plan import Plan
from kailash_studio.runtime.surroundings import Surroundings

if TYPE_CHECKING:
    from kailash_studio.runtime.journal.journal import Journal


@dataclass(slots=True)
class WorkflowMonitor:
    """Remembers for as long as the workflow object lives.

    With a journal its dead letters are those of the journal that nobody has dealt with, wherever that happens.
    """

    surroundings: Surroundings
    keys: Mapping[str, str]
    journal: Journal | None = None
    letters: list[DeadLetter] = field(default_factory=list)
    happened: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, before: object, surroundings: Surroundings, plan: Plan, journal: Journal | None) -> WorkflowMonitor:
        """The monitor of a workflow, going on from the one that it had."""
        if isinstance(before, WorkflowMonitor):
            return cls(surroundings, plan.breaker_keys, journal, before.letters, before.happened)
        return cls(surroundings, plan.breaker_keys, journal)

    def add(self, outcome: Outcome, *, letters: bool = True) -> None:
        """Remember how a run ended; ``letters``: what it gave up is work that is left to do."""
        if letters:
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
        """The dead letters that nobody has dealt with, the oldest first."""
        return [letter.as_entry() for letter in self._waiting()]

    def clear_dead_letters(self) -> int:
        """Discard them; how many there were."""
        waiting = self._waiting()
        if self.journal is not None and waiting:
            self.journal.change_dead_letters([letter.id for letter in waiting], "discarded", "cleared from a program")
        self.letters.clear()
        return len(waiting)

    def _waiting(self) -> list[DeadLetter]:
        if self.journal is None:
            return list(self.letters)
        known = {letter.id for letter in self.journal.dead_letters(ids=[letter.id for letter in self.letters])}
        return [letter for letter in self.letters if letter.id in known]

    def counts(self) -> dict[str, dict[str, int]]:
        """What happened around each node's calls, by kind of event."""
        return {node_id: dict(kinds) for node_id, kinds in self.happened.items()}
