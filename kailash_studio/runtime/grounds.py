"""What the results of a run stand on: those that were taken over, and made from something else than stands above them.

The journal knows each value by the hash of its content, so a node that gave the same again changes nothing below it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import JournalError
from kailash_studio.runtime import events
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.spec.context import Outputs
from kailash_studio.workflow.graph import descendants
from kailash_studio.workflow.sub_workflows import wired
from kailash_studio.workflow.workflow import Workflow

Hashes = Mapping[str, Mapping[str, str]]


def marked(journal: Journal, run_id: str, word: str) -> set[str]:
    """The nodes that a run did not call: ``reused`` or ``pinned``."""
    return {e.node for e in journal.events(run_id) if e.kind == events.NODE_SUCCEEDED and e.details.get(word)}


def made_with(journal: Journal, run_id: str) -> dict[str, Mapping[str, Any]]:
    """The parameters that nodes of a run were called with where they were given by hand."""
    told = [event for event in journal.events(run_id) if event.kind == events.PARAMETERS_EDITED]
    return {event.node: event.details.get("made_with", {}) for event in told}  # older records have the names alone


def stood_in(journal: Journal, *run_ids: str) -> dict[str, str]:
    """The fallbacks that have given the outputs of nodes in runs, of which the later ones count, by node."""
    found: dict[str, str] = {}
    for run_id in run_ids:
        for event in journal.events(run_id):
            if event.kind in {events.NODE_SUCCEEDED, events.NODE_RECOVERED}:
                found[event.node] = event.details.get("by", "")
    return {node: by for node, by in found.items() if by}


def outdated(journal: Journal, run: RunRecord, workflow: Workflow) -> dict[str, str]:
    """Nodes whose results a run took over although what feeds them gave something else since, with the reason.

    Args:
        journal: Has the runs.
        run: The run.
        workflow: What it ran.
    """
    waiting = marked(journal, run.run_id, "reused")
    now = journal.output_hashes(run.run_id)
    found: dict[str, str] = {}
    earlier = run
    while waiting and earlier.resumed_from:
        try:
            earlier = journal.run(earlier.resumed_from)
        except JournalError:
            break  # it was deleted; nobody can tell any more
        then = journal.output_hashes(earlier.run_id)
        made = (waiting & then.keys()) - marked(journal, earlier.run_id, "reused")
        found |= _otherwise(workflow, made, then, now)
        waiting -= made
    return found


def outdated_by_pins(
    journal: Journal, run: RunRecord, workflow: Workflow, pins: Mapping[str, Outputs]
) -> dict[str, str]:
    """Nodes whose results do not follow from what is pinned now, and was not in a run, or the other way round."""
    found = dict.fromkeys(marked(journal, run.run_id, "pinned") - pins.keys(), "it was pinned, and is no more")
    then = journal.output_hashes(run.run_id)
    now = {**then, **{node: {name: _hash(value) for name, value in own.items()} for node, own in pins.items()}}
    fed = {c.target for c in wired(workflow).connections.values() if c.source in pins}
    return found | _otherwise(workflow, fed & then.keys(), then, now)


def outdated_in_all(journal: Journal, root: str, workflow: Workflow) -> dict[str, str]:
    """The same over all runs that go on from one another, of which the newest result of each node is taken."""
    now: dict[str, Mapping[str, str]] = {}
    made: dict[str, tuple[Hashes, set[str]]] = {}
    for run_id in journal.real_runs_of(root):
        hashes, pinned = journal.output_hashes(run_id), marked(journal, run_id, "pinned")
        now |= hashes
        for node in hashes.keys() - marked(journal, run_id, "reused") - pinned:
            made[node] = hashes, pinned
    found: dict[str, str] = {}
    for connection in sorted(wired(workflow).connections.values(), key=lambda c: c.key):
        node, source = connection.target, connection.source
        if node in made and node not in found:
            then, pinned = made[node]
            if source in pinned:
                found[node] = f"{source}, which feeds it, was pinned in the run"
            else:
                found |= _otherwise(workflow, {node}, then, now)
    for node in list(found):
        found |= dict.fromkeys(descendants(workflow, node) - found.keys(), f"{node}, which feeds it, has changed")
    return {node: why for node, why in found.items() if node in made}


def _otherwise(workflow: Workflow, nodes: set[str], then: Hashes, now: Hashes) -> dict[str, str]:
    """Those nodes that were made from other values than are there now."""
    found: dict[str, str] = {}
    for connection in sorted(wired(workflow).connections.values(), key=lambda c: c.key):
        if connection.target not in nodes or connection.target in found:
            continue
        values = [hashes.get(connection.source, {}).get(connection.output) for hashes in (then, now)]
        if values[0] != values[1] or values[0] == contents.NOT_KEPT:
            found[connection.target] = f"{connection.source}, which feeds it, has given something else since"
    return found


def _hash(value: object) -> str:
    data = contents.encode(value)
    return hashlib.sha256(data).hexdigest() if data is not None else contents.NOT_KEPT
