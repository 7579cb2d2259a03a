"""Pinned outputs of the open workflow: marked on the canvas, said in a strip, kept beside the file by the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal

from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.errands import EngineErrands
from kailash_studio.desktop.notice import Notice
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session
from kailash_studio.workflow.commands import Change, new_keys


class Pins(QObject):
    """The nodes whose outputs are pinned.

    Signals:
        changed: A node was pinned or unpinned.
        kept: The file has them now as they are: what is asked about it then is true.
    """

    changed = Signal()
    kept = Signal()

    def __init__(
        self,
        session: Session,
        engine: Engine,
        runs: Runs,
        notice: Notice,
        say: Callable[[str], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._engine, self._runs, self._notice, self._say = session, engine, runs, notice, say
        self._names: frozenset[str] = frozenset()
        self._file = ""
        self._errands = EngineErrands(engine, say)
        self._turn = asyncio.Lock()
        session.opened.connect(self._load)
        session.saved_changed.connect(self._file_changed)
        session.changed.connect(self._follow)
        engine.state_changed.connect(lambda state, _: self._load() if state == "ready" else None)

    def has(self, node_id: str) -> bool:
        """Whether a node is pinned."""
        return node_id in self._names

    def toggle(self, nodes: list[str]) -> None:
        """Pin what the nodes gave in the last run, or unpin them when all of them are pinned."""
        if not nodes:
            self._say("Select a node first: what it gave will be pinned.")
        elif not self._path():
            self._say("Save the workflow first: pins live beside its file.")
        elif all(node in self._names for node in nodes):
            self.unpin(nodes)
        elif self._runs.current is None:
            self._say("There is nothing to pin yet: run the workflow.")
        else:
            self._errands.begin(self._pin(nodes, self._runs.current.run_id))

    def unpin(self, nodes: list[str]) -> None:
        """Let nodes be called again."""
        self._errands.begin(self._ask("unpin", nodes=nodes))

    def close(self) -> None:
        """The window closes: answers that come now are for nobody."""
        self._errands.close()

    # ------------------------------------------------------------------ following
    def _path(self) -> str:
        return str(self._session.path) if self._session.path is not None else ""

    def _file_changed(self) -> None:
        if self._path() != self._file:
            self._load()

    def _load(self) -> None:
        self._file = self._path()
        self._show(frozenset())
        if self._file and self._engine.may("pins"):
            self._errands.begin(self._ask("pins"))

    def _follow(self, changes: tuple[Change, ...]) -> None:
        """A node that has another name now stays pinned; of one that is gone the pin stays, for Undo."""
        names = {old: new for old, new in new_keys(changes).items() if old in self._names}
        if names:
            self._show(frozenset(names.get(node, node) for node in self._names))  # at once: an undo may follow
            self._errands.begin(self._ask("rename_pin", names=names))

    def _show(self, names: frozenset[str]) -> None:
        if names != self._names:
            self._names = names
            self.changed.emit()
        if not names:
            self._notice.hide()
            return
        listed = ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        does = (
            "is pinned: runs from here take what it gave" if len(names) == 1 else "are pinned: runs take what they gave"
        )
        self._notice.say(f"{listed} {does} instead of calling.", [("Unpin", lambda: self.unpin(sorted(names)))])

    # ------------------------------------------------------------------ with the engine
    async def _pin(self, nodes: list[str], run_id: str) -> None:
        for node in nodes:
            if node not in self._names:
                await self._ask("pin", run_id=run_id, node=node)

    async def _ask(self, do: str, **words: Any) -> None:
        async with self._turn:  # each request reads the file and writes it
            file = self._path()
            told = await self._engine.request(do, file=file, **words)
            if file == self._path() and not self._errands.closed:
                self._show(frozenset(told["nodes"]))
                if do != "pins":
                    self.kept.emit()
