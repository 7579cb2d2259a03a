"""Findings: what validation and reading have to say, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend or to know.

    Attributes:
        severity: An ``error`` keeps the workflow from running; a ``warning`` does not.
        code: Stable code for documentation and scripts.
        place: Where, as keys joined by slashes: ``nodes/fetch/parameters/query``, ``connections/3``, ``layout``.
        sentence: What is wrong and how to mend it.
    """

    severity: Severity
    code: str
    place: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.place or 'file'}: {self.sentence} [{self.code}]"


def has_errors(findings: list[Finding]) -> bool:
    """Whether any finding keeps the workflow from running."""
    return any(finding.severity == "error" for finding in findings)
