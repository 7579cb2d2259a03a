"""Asks the engine what the node that is being edited would give, a moment after each edit."""

from __future__ import annotations

import asyncio

from PySide6.QtCore import QObject, QTimer, Signal

from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.inspector.preview_strip import PreviewStrip
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session
from kailash_studio.errors import EngineError
from kailash_studio.runtime.preview import Kind, kind_of
from kailash_studio.workflow.sub_workflows import PASSING

_AFTER_MS = 200
_RUN_FIRST = "Run the workflow once to see a preview."
_TRUST_FIRST = "This workflow is not from here: its file is previewed once you have let it run."
_NOT_HERE = "The window is attached to another process, which reads no files for previews."


class PreviewLink(QObject):
    """Follows the selection, the edits and the runs; the newest question counts, an older one is called off.

    Signals:
        columns_known: A node, and the names of the columns that it gets at each input.
    """

    columns_known = Signal(str, dict)

    def __init__(
        self, session: Session, canvas: Canvas, engine: Engine, runs: Runs, strip: PreviewStrip, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._canvas, self._engine, self._runs, self._strip = session, canvas, engine, runs, strip
        self._task: asyncio.Task[None] | None = None
        self._seen: dict[str, list[str]] = {}  # the columns of outputs that a preview has shown
        self._later = QTimer(self, singleShot=True, interval=_AFTER_MS)
        self._later.timeout.connect(self._ask)
        canvas.selection_changed.connect(lambda _: self._selected())
        session.changed.connect(lambda _: self._later.start())
        session.opened.connect(self._opened)
        runs.changed.connect(lambda: None if runs.running else self._later.start())
        engine.state_changed.connect(lambda state, why: self._later.start() if state == "ready" else None)

    def close(self) -> None:
        """The window closes."""
        self._later.stop()
        if self._task is not None:
            self._task.cancel()

    def _opened(self) -> None:
        self._seen.clear()
        self._strip.show_nothing()

    def _selected(self) -> None:
        self._strip.show_nothing()
        self._later.start()

    def _node(self) -> str:
        """The node to preview: the one that is selected, if its type can be previewed."""
        chosen = [node for node in self._canvas.selection() if node in self._session.workflow.nodes]
        if len(chosen) != 1 or self._engine.state != "ready":
            return ""
        return chosen[0] if self._kind(chosen[0]) and not self._lacks_a_file(chosen[0]) else ""

    def _lacks_a_file(self, node: str) -> bool:
        """Whether it is still to be said which file it reads; the form tells that already."""
        given = self._session.workflow.nodes[node].parameters.get("path")
        fed = any(connection.input == "path" for connection in self._session.workflow.incoming(node))
        return self._kind(node) == "read" and not given and not fed

    def _kind(self, node: str) -> Kind:
        name = self._session.workflow.nodes[node].type
        node_type = self._session.registry.find(name) if name not in PASSING else None
        return kind_of(node_type) if node_type is not None else ""

    def _waits_for(self, node: str) -> str:
        """The sentence of what has to happen before there can be a preview; empty when nothing has."""
        fed = bool(self._session.workflow.incoming(node))
        if self._kind(node) != "read":
            return _RUN_FIRST if self._runs.current is None else ""
        if not self._engine.may("preview_reading"):
            return _NOT_HERE
        if not self._session.trusted:
            return _TRUST_FIRST
        return _RUN_FIRST if fed and self._runs.current is None else ""

    def _ask(self) -> None:
        if self._task is not None:
            self._task.cancel()
        node = self._node()
        if not node or self._runs.running:
            self._strip.show_nothing()
            return
        waits = self._waits_for(node)
        if waits:
            self.columns_known.emit(node, self._columns_above(node))
            self._strip.say(waits)
            return
        self._task = asyncio.ensure_future(self._asked(node))

    async def _asked(self, node: str) -> None:
        run = self._runs.current
        words = {"run_id": run.run_id if run is not None else "", "node": node}
        reads = self._kind(node) == "read"
        try:
            told = await self._engine.request(
                "preview_reading" if reads else "preview",
                **words,
                names=run.names if run is not None else {},
                workflow=await self._session.text_beside(),
                **({"folder": str(self._session.folder)} if reads else {}),
            )
        except EngineError as error:
            if self._node() == node:
                self._strip.show_failure(str(error))
            return
        if not told.get("dropped"):
            self._seen |= {
                f"{node}.{name}": page["columns"]
                for name, page in told.get("outputs", {}).items()
                if page["kind"] == "table"
            }
            if self._node() == node:
                self.columns_known.emit(node, {**self._columns_above(node), **told.get("columns", {})})
                self._strip.show_preview(told)

    def _columns_above(self, node: str) -> dict[str, list[str]]:
        """The names of the columns at each input, as the previews of the nodes above have shown them."""
        above = self._session.workflow.incoming(node)
        return {c.input: self._seen[c.start] for c in above if c.start in self._seen and not c.path}
