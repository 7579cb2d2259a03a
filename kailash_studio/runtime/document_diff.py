"""Two workflows side by side: which nodes, parameters, policies and connections were added, removed or changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kailash_studio.workflow.workflow import Connection, Workflow

_MAX_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two documents.

    Attributes:
        node: The node, or empty for the workflow itself.
        what: ``node``, ``type``, ``parameter``, ``policy`` or ``connection``.
        name: The parameter, the policy, or both ends of the connection.
        before: As text; None where there was nothing.
        after: As ``before``.
    """

    node: str
    what: str
    name: str
    before: str | None
    after: str | None

    def sentence(self) -> str:
        """``parameter limit: 10, now 20``, with long texts cut."""
        about = f"{self.what} {self.name}".rstrip()
        if self.before is None:
            return f"{about} added: {_cut(self.after)}" if self.after else f"{about} added"
        if self.after is None:
            return f"{about} removed"
        return f"{about}: {_cut(self.before)}, now {_cut(self.after)}"


def document_changes(before: Workflow, after: Workflow) -> list[Change]:
    """All differences but the places on the canvas; those of the nodes of the first document first, by id."""
    found: list[Change] = []
    for name in sorted({**before.parameters, **after.parameters}):
        found += _entry("", "parameter", name, before.parameters, after.parameters)
    ends = [_by_target(workflow) for workflow in (before, after)]
    for node in sorted({**before.nodes, **after.nodes}):
        old, new = before.nodes.get(node), after.nodes.get(node)
        if old is None or new is None:
            told = [None if placed is None else placed.type for placed in (old, new)]
            found.append(Change(node, "node", "", *told))
        else:
            if (old.type, old.type_version) != (new.type, new.type_version):
                found.append(Change(node, "type", "", _typed(old), _typed(new)))
            for what, was, now in (
                ("parameter", old.parameters, new.parameters),
                ("policy", old.resilience, new.resilience),
            ):
                for name in sorted({**was, **now}):
                    found += _entry(node, what, name, was, now)
        into = [side.get(node, {}) for side in ends]
        for key in sorted({**into[0], **into[1]}):
            if (key in into[0]) != (key in into[1]):
                found.append(Change(node, "connection", key, *(key if key in side else None for side in into)))
    return found


def _entry(node: str, what: str, name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    before, after = ([_text(side[name])] if name in side else [] for side in (was, now))
    if name in was and name in now and was[name] == now[name]:
        return []
    return [Change(node, what, name, before[0] if before else None, after[0] if after else None)]


def _by_target(workflow: Workflow) -> dict[str, dict[str, Connection]]:
    found: dict[str, dict[str, Connection]] = {}
    for key, connection in workflow.connections.items():
        found.setdefault(connection.target, {})[key] = connection
    return found


def _typed(placed: Any) -> str:
    return f"{placed.type} {placed.type_version}"


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _cut(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= 60 else line[:59] + "…"
