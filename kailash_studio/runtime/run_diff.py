"""Two runs side by side: the first node where they part, and what is different at each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kailash_studio.runtime.document_diff import Change, document_changes
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.runtime.run_history import NodeEnd, ends
from kailash_studio.workflow.fallback import fallback_of
from kailash_studio.workflow.graph import successors, topological_order
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow

_NEVER = NodeEnd()


@dataclass(frozen=True, slots=True)
class NodePair:
    """A node in two runs.

    Attributes:
        node: The node.
        before: How it came out of the first run.
        after: How it came out of the second.
        reasons: What is different, as sentences, the cause before its effects; empty: nothing but the time it took.
        outputs: The outputs whose values differ.
    """

    node: str
    before: NodeEnd
    after: NodeEnd
    reasons: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunDiff:
    """How two runs differ.

    Attributes:
        before: The first run.
        after: The second run.
        first: The first node, in the order of the first run's graph, at which they part; empty: they do not.
        nodes: All nodes of both, in that order; those that the second alone has come last.
        changes: Differences between the documents.
        general: What is different and belongs to no node, as sentences.
    """

    before: RunRecord
    after: RunRecord
    first: str
    nodes: tuple[NodePair, ...]
    changes: tuple[Change, ...]
    general: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing but times differs."""
        return not self.first and not self.changes and not self.general


def diff(journal: Journal, before: RunRecord, after: RunRecord) -> RunDiff:
    """Compare two runs: definitions, what was given, states, row counts, and values by their content."""
    old, new = flows = _workflow(journal, before), _workflow(journal, after)
    changes = document_changes(old, new) if old is not None and new is not None else []
    changed: dict[str, list[str]] = {}
    for change in changes:
        changed.setdefault(change.node, []).append(change.sentence())
    ended = [ends(journal.events(run.run_id)) for run in (before, after)]
    hashes = [journal.output_hashes(run.run_id) for run in (before, after)]
    given = _given(before, after, {*ended[0], *ended[1]})
    pairs = []
    for node in _order(flows, ended):
        sides = [side.get(node, _NEVER) for side in ended]
        outputs = _changed_outputs(hashes[0].get(node, {}), hashes[1].get(node, {}))
        reasons = [*changed.get(node, ()), *given.pop(node, ()), *_outcome(sides[0], sides[1])]
        reasons += [f"{output} has another value" for output in outputs]
        pairs.append(NodePair(node, sides[0], sides[1], tuple(reasons), tuple(outputs)))
    general = [*changed.get("", ()), *(sentence for rest in given.values() for sentence in rest)]
    if (old is None or new is None) and before.document != after.document:
        general.append("the documents differ, and cannot be compared: they hold functions of a program")
    if before.state != after.state:
        general.append(f"the run {before.state}, now {after.state}")
    first = next((pair.node for pair in pairs if pair.reasons), "")
    return RunDiff(before, after, first, tuple(pairs), tuple(changes), tuple(general))


def _workflow(journal: Journal, run: RunRecord) -> Workflow | None:
    text = journal.document(run)
    return read(text, name=f"The document of run {run.run_id}").workflow if text else None


def _order(flows: Sequence[Workflow | None], ended: Sequence[Mapping[str, NodeEnd]]) -> list[str]:
    """Each node after those it needs; where there is no document, in the order of events."""
    order: dict[str, None] = {}
    for flow in flows:
        if flow is not None:
            following = successors(flow)
            for node in flow.nodes:  # what a fallback does is an effect of the node that it stands in for
                named = fallback_of(flow, node)
                if named in flow.nodes and named is not None:
                    following[node].append(named)
            found, stuck = topological_order(following)
            order.update(dict.fromkeys([*found, *stuck]))
    for side in ended:
        order.update(dict.fromkeys(side))
    return list(order)


def _given(before: RunRecord, after: RunRecord, nodes: set[str]) -> dict[str, list[str]]:
    """Values from outside that differ, by node; those that are given by another name are by that name."""
    found: dict[str, list[str]] = {}
    for name in {**before.given, **after.given}:
        old, new = before.given.get(name), after.given.get(name)
        if old == new:
            continue
        if name in nodes and isinstance(old or new, Mapping):
            inner = {**(old or {}), **(new or {})}
            found[name] = [
                f"{key} was given as {_shown(old, key)}, now {_shown(new, key)}"
                for key in inner
                if (old or {}).get(key) != (new or {}).get(key)
            ]
        else:
            found[name] = [f"{name} was given as {_shown(before.given, name)}, now {_shown(after.given, name)}"]
    return found


def _shown(given: Mapping[str, Any] | None, name: str) -> str:
    if not given or name not in given:
        return "nothing"
    text = repr(given[name])
    return text if len(text) <= 60 else text[:59] + "…"


def _outcome(before: NodeEnd, after: NodeEnd) -> list[str]:
    said = []
    if before.edited != after.edited:
        said.append(f"by hand: {'; '.join(before.edited) or 'nothing'}, now {'; '.join(after.edited) or 'nothing'}")
    states = [end.taken or end.state or "never begun" for end in (before, after)]
    if before.state != after.state:
        said.append(f"{states[0]}, now {states[1]}")
    texts = [end.error or end.reason for end in (before, after)]
    if texts[0] != texts[1]:
        said += [f"{when}: {text}" for when, text in zip(("before", "now"), texts, strict=True) if text]
    for output in {**before.rows, **after.rows}:
        counts = [end.rows.get(output) for end in (before, after)]
        if counts[0] != counts[1] and None not in counts:
            said.append(f"{output} has {counts[0]:,} rows, now {counts[1]:,}")
    return said


def _changed_outputs(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Outputs that both gave, kept under different names; of what was not kept nothing is known."""
    return [name for name, kept in before.items() if name in after and kept and after[name] and kept != after[name]]
