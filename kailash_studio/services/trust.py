"""Which workflow files may run here: those made or approved on this machine, and those that touch nothing.

A file is known by the digest of what it does, its layout left out. The approvals are a small file in the user's data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from kailash_studio.errors import DocumentError, UntrustedWorkflowError
from kailash_studio.folders import resources, user_data, write_whole
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.reader import read_file
from kailash_studio.workflow.workflow import Workflow
from kailash_studio.workflow.writer import document


def effects(workflow: Workflow, registry: Registry) -> list[tuple[str, str]]:
    """What running the workflow touches outside, as (node id, phrase)."""
    found = []
    for node_id in sorted(workflow.nodes):
        placed = workflow.nodes[node_id]
        node_type = registry.find(placed.type)
        if node_type is not None:
            found += [(node_id, phrase) for phrase in node_type.effects_of(placed.parameters)]
    return found


def digest(workflow: Workflow) -> str:
    """The digest of all but the layout."""
    raw = document(workflow)
    del raw["layout"]
    return hashlib.sha256(json.dumps(raw, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


def _store() -> Path:
    return user_data() / "approved.json"


def _approved() -> set[str]:
    try:
        read = json.loads(_store().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()  # none yet; or unreadable, and then nothing counts as approved
    return {item for item in read if isinstance(item, str)} if isinstance(read, list) else set()


def approve(workflow: Workflow) -> None:
    """Let this workflow run here from now on; saving in the window does this."""
    known = _approved() | {digest(workflow)}
    write_whole(_store(), (json.dumps(sorted(known), indent=0) + "\n").encode("utf-8"))


def is_trusted(workflow: Workflow, registry: Registry) -> bool:
    """Whether the workflow may run: approved, shipped with the program, or touching nothing."""
    if not effects(workflow, registry):
        return True
    own = digest(workflow)
    return own in _approved() or own in _shipped()


def _shipped() -> set[str]:
    found = set()
    for path in (resources() / "examples").glob("*.kailash.json"):
        try:
            found.add(digest(read_file(path).workflow))
        except DocumentError:
            continue  # not readable, so nothing can be equal to it
    return found


def require(
    workflow: Workflow,
    registry: Registry,
    path: Path,
    *,
    approve: bool = False,
    ask: Callable[[str], bool] | None = None,
) -> None:
    """Make sure that the workflow may run.

    Args:
        workflow: What is to run.
        registry: The installed node types.
        path: Its file, for the sentence.
        approve: Approve it now.
        ask: Asks a person; None where there is nobody.

    Raises:
        UntrustedWorkflowError: It may not.
    """
    if is_trusted(workflow, registry):
        return
    listed = ", ".join(f"{node_id} {phrase}" for node_id, phrase in effects(workflow, registry))
    if approve or (ask is not None and ask(f"{path} was not made here. It would do this: {listed}.")):
        _approve(workflow)
        return
    raise UntrustedWorkflowError(
        f"{path} was not made or approved here, and {listed}: look at it, then run it with --trust."
    )


_approve = approve  # the argument of require has the same name
