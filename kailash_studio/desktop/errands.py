"""Work that an action or a signal sets off and nobody waits for; its failure is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from kailash_studio.desktop.engine import Engine
from kailash_studio.errors import DocumentError, EngineError, StudioError


class Errands:
    """Errands with the engine and with documents; their tasks are held, so that none is collected under way.

    Attributes:
        closed: The window closes: answers that come now are for nobody.
    """

    _failures: ClassVar[tuple[type[StudioError], ...]] = (EngineError, DocumentError)

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = False

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Set something off."""
        task = asyncio.ensure_future(self.done(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def done(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something to its end, and say what went wrong."""
        try:
            await work
        except self._failures as error:
            if self._is_heard():
                self._say(str(error))

    def _is_heard(self) -> bool:
        return not self.closed

    def close(self) -> None:
        """The window closes."""
        self.closed = True


class EngineErrands(Errands):
    """Errands with the engine alone; one that is not ready is not asked, and its failures are not said."""

    _failures = (EngineError,)

    def __init__(self, engine: Engine, say: Callable[[str], None]) -> None:
        super().__init__(say)
        self._engine = engine

    def begin(self, work: Coroutine[Any, Any, None], *, anyway: bool = False) -> None:
        """Set something off if the engine is ready, or ``anyway``; else it is asked again when the engine is there."""
        if not anyway and not self._is_heard():
            work.close()
            return
        super().begin(work)

    def _is_heard(self) -> bool:
        return self._engine.state == "ready" and not self.closed
