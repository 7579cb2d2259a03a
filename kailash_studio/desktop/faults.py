"""Faults that a test run puts in: chosen on the canvas, kept beside the workflow's file, never in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from kailash_studio.desktop.dialogs.fault import FaultDialog
from kailash_studio.desktop.gone import Gone
from kailash_studio.desktop.session import Session
from kailash_studio.errors import DocumentError
from kailash_studio.folders import resources, write_whole
from kailash_studio.resilience.faults import Fault, Scenario
from kailash_studio.workflow.commands import Change, new_keys
from kailash_studio.workflow.workflow import SUFFIX


class Faults(QObject):
    """The faults of the open workflow, in the file that ``kailash-studio run --faults`` takes.

    Signals:
        changed: One came, went, or is another now.
    """

    changed = Signal()

    def __init__(self, session: Session, say: Callable[[str], None], parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._say = session, say
        self._scenario = Scenario()
        self._gone: Gone[tuple[str, Fault]] = Gone()
        session.opened.connect(self._load)
        session.changed.connect(self._follow)
        session.saved_changed.connect(self._saved)
        self._path: Path | None = None
        self._broken = False

    @property
    def scenario(self) -> Scenario:
        """All of them."""
        return self._scenario

    def of(self, node_id: str) -> Fault | None:
        """A node's, if it has one."""
        return self._scenario.faults.get(node_id)

    def choose(self, chosen: Sequence[str], parent: QWidget) -> None:
        """Ask what goes wrong at the one node that is chosen."""
        if len(chosen) != 1:
            self._say("Select the node that something is to go wrong at.")
            return
        (node,) = chosen
        has_breaker = "circuit_breaker" in self._session.workflow.nodes[node].resilience
        FaultDialog(node, self.of(node), lambda fault: self.put(node, fault), parent, has_breaker=has_breaker).open()

    def put(self, node_id: str, fault: Fault | None) -> None:
        """Put one in, or take it away."""
        rest = {node: known for node, known in self._scenario.faults.items() if node != node_id}
        self._set({**rest, node_id: fault} if fault is not None else rest)

    def _set(self, faults: dict[str, Fault]) -> None:
        self._scenario = Scenario(faults, self._scenario.seed)
        self._keep()
        self.changed.emit()

    def _follow(self, changes: tuple[Change, ...]) -> None:
        """A node that has another name now keeps its fault; one that is gone has none, until Undo brings it back."""
        names, faults = new_keys(changes), self._scenario.faults
        for change in changes:
            if change.section == "nodes" and change.after is None and not change.moved and change.key in faults:
                self._gone.keep(change, (change.key, faults[change.key]))
        left = {names.get(node, node): fault for node, fault in faults.items()}
        left = {node: fault for node, fault in left.items() if node in self._session.workflow.nodes}
        left |= self._gone.back(changes)
        if left != faults:
            self._set(left)

    # ------------------------------------------------------------------ the file
    def _file(self) -> Path | None:
        path = self._session.path
        if path is None or path.is_relative_to(resources()):
            return None  # they are kept once the workflow is a file of the user's own
        return path.with_name(path.name.removesuffix(SUFFIX).removesuffix(".json") + ".kailash.faults")

    def _saved(self) -> None:
        if self._file() != self._path:
            self._path, self._broken = self._file(), False
            self._keep()

    def _load(self) -> None:
        self._gone.forget()
        self._path, self._broken = self._file(), False
        self._scenario = Scenario()
        if self._path is not None and self._path.exists():
            try:
                self._scenario = Scenario.read(self._path)
            except DocumentError as error:
                self._broken = True  # it is not written over
                self._say(str(error))
        self.changed.emit()

    def _keep(self) -> None:
        if self._path is None or self._broken:
            return
        try:
            if self._scenario.faults:
                text = json.dumps(self._scenario.to_plain(), indent=2) + "\n"
                write_whole(self._path, text.encode("utf-8"))
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            self._say(f"{self._path.name} cannot be written: {error.strerror or error}.")
