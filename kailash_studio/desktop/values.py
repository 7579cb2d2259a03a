"""The values that flowed, asked of the engine: of the run under way and of past ones alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from kailash_studio.desktop.engine import Engine


class Asked(Protocol):
    """What is asked about the value of one output; see ``runtime.table_requests`` for the answers."""

    async def page(self, offset: int, limit: int, **look: Any) -> dict[str, Any]:
        """A page under a look."""
        ...

    async def profile(self, **look: Any) -> dict[str, Any]:
        """What the columns are like, of the rows that a filter leaves."""
        ...

    async def cell(self, row: int, column: str, **look: Any) -> dict[str, Any]:
        """One cell, whole."""
        ...

    async def copy(self, offset: int, limit: int, columns: Sequence[str], **look: Any) -> dict[str, Any]:
        """Some rows as lines for a clipboard."""
        ...


class PortValues:
    """Asks about the value of one output of one run.

    A caller that is cancelled lets the engine drop the request as well. All raise ``EngineError`` where there is no
    such value.
    """

    def __init__(self, values: Values, run_id: str, node: str, output: str) -> None:
        self._values = values
        self._port = {"run_id": run_id, "node": node, "output": output}

    async def page(self, offset: int, limit: int, **look: Any) -> dict[str, Any]:
        """A page under a look."""
        return await self._values.ask("page", **self._port, offset=offset, limit=limit, **look)

    async def profile(self, **look: Any) -> dict[str, Any]:
        """What the columns are like, of the rows that a filter leaves."""
        return await self._values.ask("table_profile", **self._port, **look)

    async def cell(self, row: int, column: str, **look: Any) -> dict[str, Any]:
        """One cell, whole."""
        return await self._values.ask("table_cell", **self._port, row=row, column=column, **look)

    async def copy(self, offset: int, limit: int, columns: Sequence[str], **look: Any) -> dict[str, Any]:
        """Some rows as lines for a clipboard."""
        words = {"offset": offset, "limit": limit, "columns": list(columns)}
        return await self._values.ask("table_copy", **self._port, **words, **look)


class Values:
    """Asks for pages, profiles, cells and copies; see ``runtime.table_requests``."""

    def __init__(self, engine: Engine, name_in_run: Callable[[str, str], str] | None = None) -> None:
        """Ask an engine; ``name_in_run``: the name of a node in a run, where that may be another one by now."""
        self._engine, self._name_in_run = engine, name_in_run
        self._ticket = 0

    def of(self, run_id: str, node: str, output: str) -> PortValues:
        """Who asks about the value of an output."""
        return PortValues(self, run_id, self._name_in_run(run_id, node) if self._name_in_run else node, output)

    async def ask(self, do: str, **words: Any) -> dict[str, Any]:
        """Ask with a ticket, so that what nobody waits for any more need not be begun.

        Raises:
            EngineError: There is no such value.
        """
        self._ticket += 1
        ticket = str(self._ticket)
        try:
            return await self._engine.request(do, **words, ticket=ticket)
        except asyncio.CancelledError:
            self._engine.tell("table_drop", tickets=[ticket])
            raise
