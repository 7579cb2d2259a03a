"""Dead letters: what a node could not do after all its policies, kept with its inputs until somebody deals with it."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

LetterState = Literal["new", "replaying", "resolved", "discarded", "poison"]

# what may follow what; a letter is claimed for a replay by new -> replaying, so that two never replay it
TRANSITIONS: dict[LetterState, frozenset[LetterState]] = {
    "new": frozenset({"replaying", "discarded"}),
    "replaying": frozenset({"resolved", "new", "poison"}),
    "poison": frozenset({"new", "discarded"}),
    "resolved": frozenset(),
    "discarded": frozenset({"new"}),
}
POISON_AFTER = 3  # failed replays

_VARYING = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27,}|\d+(\.\d+)?|'[^']*'|\"[^\"]*\"", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """One attempt that failed.

    Attributes:
        attempt: From 1.
        started: Seconds since 1970.
        seconds: How long it took.
        error: What it said.
        wait: Seconds until the next attempt, or None when it was the last.
    """

    attempt: int
    started: float
    seconds: float
    error: str
    wait: float | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One given-up piece of work.

    Attributes:
        id: 32 hexadecimal digits.
        run_id: The run.
        workflow: Name of the workflow.
        document_hash: SHA-256 of the document that ran.
        node: The node.
        node_type: Its type.
        timestamp: When it was given up, seconds since 1970.
        error: What the last attempt said.
        error_class: Class of that error.
        code: Its stable code, or empty.
        attempts: All attempts.
        inputs: What the node was given.
        fingerprint: The same for letters that fail in the same way; see ``fingerprint_of``.
        key: Idempotency key: the same for the same work of the same run, kept by replays.
        state: Where it stands.
        replays: How often it was replayed and failed.
        note: Said by whoever dealt with it.
    """

    id: str
    run_id: str
    workflow: str
    document_hash: str
    node: str
    node_type: str
    timestamp: float
    error: str
    error_class: str
    code: str
    attempts: tuple[FailedAttempt, ...]
    inputs: Mapping[str, Any] = field(repr=False)
    fingerprint: str = ""
    key: str = ""
    state: LetterState = "new"
    replays: int = 0
    note: str = ""

    @classmethod
    def of(
        cls, *, run_id: str, root: str = "", node: str, node_type: str, error: str, error_class: str, **further: Any
    ) -> Self:
        """A new letter, with id, fingerprint and key; ``root``: see ``RunScope``."""
        return cls(
            id=uuid.uuid4().hex,
            run_id=run_id,
            node=node,
            node_type=node_type,
            error=error,
            error_class=error_class,
            fingerprint=fingerprint_of(node, node_type, error_class, error),
            key=f"{root or run_id}/{node}",
            **further,
        )

    def as_entry(self) -> dict[str, Any]:
        """As ``get_dead_letter_queue`` gives it."""
        return {
            "id": self.id,
            "timestamp": self.timestamp,
            "node": self.node,
            "node_type": self.node_type,
            "error": self.error,
            "code": self.code,
            "attempts": len(self.attempts),
            "attempt_log": [
                {"attempt": a.attempt, "started": a.started, "seconds": a.seconds, "error": a.error, "wait": a.wait}
                for a in self.attempts
            ],
            "inputs": dict(self.inputs),
            "run_id": self.run_id,
            "workflow": self.workflow,
            "document_hash": self.document_hash,
            "fingerprint": self.fingerprint,
            "state": self.state,
            "key": self.key,
        }


def fingerprint_of(node: str, node_type: str, error_class: str, error: str) -> str:
    """Sixteen digits that are equal when a node fails in the same way: numbers, ids and quoted words do not count."""
    text = "\n".join((node, node_type, error_class, _VARYING.sub("*", error)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]  # a message may hold any letter
