"""Validates the open workflow: a moment after an edit, and a large one beside the window's thread."""

from __future__ import annotations

import asyncio

from PySide6.QtCore import QObject, QTimer, Signal

from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.validation import validate
from kailash_studio.workflow.workflow import Workflow

_AFTER_MS = 120
_LARGE = 1500  # nodes; validating so many takes some 70 ms


def is_large(workflow: Workflow) -> bool:
    """Whether validating and writing it take so long that they are done beside the window's thread."""
    return len(workflow.nodes) > _LARGE


class Validator(QObject):
    """Keeps the findings of one workflow up to date.

    Signals:
        found: The findings of the workflow as it is now (a list of ``Finding``).
    """

    found = Signal(list)

    def __init__(self, registry: Registry, parent: QObject) -> None:
        super().__init__(parent)
        self._registry = registry
        self._workflow = Workflow()
        self._timer = QTimer(self, singleShot=True, interval=_AFTER_MS)
        self._timer.timeout.connect(self._validate)
        self._beside: asyncio.Task[None] | None = None

    def watch(self, workflow: Workflow) -> None:
        """Another workflow is open; findings come at once, of a large one a little later."""
        self._workflow = workflow
        self._validate()

    def edited(self) -> None:
        """It was edited: validate it in a moment."""
        self._timer.start()

    def now(self) -> None:
        """Validate at once, however large it is."""
        self._timer.stop()
        self.found.emit(validate(self._workflow, self._registry))

    def _validate(self) -> None:
        if not is_large(self._workflow):
            self.now()
            return
        self._timer.stop()
        if self._beside is not None:
            self._beside.cancel()
        else:
            self.found.emit([])
        self._beside = asyncio.ensure_future(self._validate_beside(self._workflow))

    async def _validate_beside(self, workflow: Workflow) -> None:
        fresh = await asyncio.to_thread(validate, workflow.as_it_is(), self._registry)
        if self._workflow is workflow:
            self.found.emit(fresh)

    def stop(self) -> None:
        """The window closes: what is under way is for nobody."""
        self._timer.stop()
        if self._beside is not None:
            self._beside.cancel()
