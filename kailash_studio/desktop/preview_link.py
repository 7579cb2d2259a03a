"""Asks the engine what the node that is being edited would give, a moment after each edit."""

from __future__ import annotations

import asyncio

from PySide6.QtCore import QObject, QTimer

from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.inspector.preview_strip import PreviewStrip
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session
from kailash_studio.errors import EngineError
from kailash_studio.runtime.preview import can_preview
from kailash_studio.workflow.sub_workflows import PASSING

_AFTER_MS = 200


class PreviewLink(QObject):
    """Follows the selection, the edits and the runs; the newest question counts, an older one is called off."""

    def __init__(
        self, session: Session, canvas: Canvas, engine: Engine, runs: Runs, strip: PreviewStrip, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._canvas, self._engine, self._runs, self._strip = session, canvas, engine, runs, strip
        self._task: asyncio.Task[None] | None = None
        self._later = QTimer(self, singleShot=True, interval=_AFTER_MS)
        self._later.timeout.connect(self._ask)
        canvas.selection_changed.connect(lambda _: self._selected())
        session.changed.connect(lambda _: self._later.start())
        session.opened.connect(self._strip.show_nothing)
        runs.changed.connect(lambda: None if runs.running else self._later.start())

    def close(self) -> None:
        """The window closes."""
        self._later.stop()
        if self._task is not None:
            self._task.cancel()

    def _selected(self) -> None:
        self._strip.show_nothing()
        self._later.start()

    def _node(self) -> str:
        """The node to preview: the one that is selected, if its type touches nothing outside and a run is known."""
        chosen = [node for node in self._canvas.selection() if node in self._session.workflow.nodes]
        if len(chosen) != 1 or self._runs.current is None or self._engine.state != "ready":
            return ""
        kind = self._session.workflow.nodes[chosen[0]].type
        node_type = self._session.registry.find(kind) if kind not in PASSING else None
        return chosen[0] if node_type is not None and can_preview(node_type) else ""

    def _ask(self) -> None:
        if self._task is not None:
            self._task.cancel()
        node = self._node()
        if not node or self._runs.running:
            self._strip.show_nothing()
            return
        self._task = asyncio.ensure_future(self._asked(node))

    async def _asked(self, node: str) -> None:
        run = self._runs.current
        if run is None:
            return
        try:
            told = await self._engine.request(
                "preview", run_id=run.run_id, node=node, workflow=await self._session.text_beside()
            )
        except EngineError:
            self._strip.show_nothing()  # the engine is gone, which its notice says
            return
        if self._node() == node:
            self._strip.show_preview(told)
