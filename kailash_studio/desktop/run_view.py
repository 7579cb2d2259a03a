"""What the window knows of a run, under the names that its nodes have now."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kailash_studio.runtime.rerun import as_called
from kailash_studio.workflow import commands
from kailash_studio.workflow.commands import Edit
from kailash_studio.workflow.workflow import Workflow

T = TypeVar("T")

_ENDED = frozenset({"succeeded", "recovered", "failed"})


@dataclass(slots=True)
class RunView:
    """What the window knows of a run.

    A node that is renamed takes what it did along. The engine and the journal know it by the name that it had when it
    ran, ``names``.

    Attributes:
        run_id: The run.
        states: Newest state object of each node.
        state: ``running``, or how it ended.
        seconds: How long it took, once it has ended.
        paused: Why no further node starts, or empty.
        document: The workflow as it ran; None when that is not known here.
        stopped: The states of those that stand still.
        ended_nodes: How many nodes have succeeded or failed.
        started: When it began here, seconds since 1970.
        unreal: Why nothing goes on from it: it is a test or a safe preview; empty for a real run.
        names: Of nodes that are renamed since: the name in the run, by the one that they have now.
    """

    run_id: str
    states: dict[str, dict[str, Any]]
    state: str = "running"
    seconds: float = 0.0
    paused: str = ""
    document: Workflow | None = None
    stopped: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended_nodes: int = 0
    started: float = field(default_factory=time.time)
    unreal: str = ""
    names: dict[str, str] = field(default_factory=dict)
    _told: dict[str, dict[str, Any]] = field(default_factory=dict)  # states by the names in the run
    _ran: Workflow | None = None  # the document with the names in the run; None while they are those of now

    def put(self, states: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Take newer states of nodes, by their names in the run; gives them by those of now."""
        for node, state in states.items():
            before = self._told.get(node)
            self.ended_nodes += (state["state"] in _ENDED) - (before is not None and before["state"] in _ENDED)
        self._told.update(states)
        fresh = self.by_new_names(states)
        for node, state in fresh.items():
            if state["state"] == "stopped":
                self.stopped[node] = state
            else:
                self.stopped.pop(node, None)
        self.states.update(fresh)
        return fresh

    def follow(self, renamed: Mapping[str, str]) -> None:
        """Nodes have other names now: new ones by those that they had until now."""
        ran = {new: self.names.pop(old, old) for old, new in renamed.items()}
        self.names |= ran
        self.names = {new: old for new, old in self.names.items() if new != old}
        self.states = self.by_new_names(self._told)
        self.stopped = {node: state for node, state in self.states.items() if state["state"] == "stopped"}
        if self.document is not None:
            self._ran = self._ran or self.document
            self.document = self._with_new_names(self._ran)

    def by_new_names(self, things: Mapping[str, T]) -> dict[str, T]:
        """What is told of nodes by their names in the run, by those that they have now.

        One that is gone, and whose name another one has now, has none.
        """
        if not self.names:
            return dict(things)
        now = {old: new for new, old in self.names.items()}
        return {now.get(node, node): thing for node, thing in things.items() if node in now or node not in self.names}

    def name_in_run(self, node: str) -> str:
        """The name of a node in the run."""
        return self.names.get(node, node)

    def as_called(self) -> Workflow:
        """The workflow as it ran, with the parameters that were given by hand at stops; it is known here."""
        assert self.document is not None  # callers look first
        given = {node: state["made_with"] for node, state in self.states.items() if "made_with" in state}
        return as_called(self.document, given)

    def _with_new_names(self, ran: Workflow) -> Workflow:
        document = ran.as_it_is()
        now = {old: new for new, old in self.names.items() if old in ran.nodes}
        taken = [node for node in ran.nodes if node in now.values() and node not in now]
        if taken:
            commands.apply(document, commands.remove_nodes(document, taken))
        changes = commands.renamed(document, {old: new for old, new in now.items() if old in document.nodes})
        # all that go before all that come: two nodes may have changed names
        commands.apply(document, Edit("", tuple(sorted(changes, key=lambda change: change.after is not None))))
        return document
