"""The values that flowed, asked of the engine: of the run under way and of past ones alike."""

from __future__ import annotations

import asyncio
from typing import Any

from kailash_studio.desktop.engine import Engine


class Values:
    """Asks for pages and profiles; see ``runtime.table_requests``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ticket = 0

    async def page(self, run_id: str, node: str, output: str, offset: int, limit: int, **look: Any) -> dict[str, Any]:
        """A page of the value of an output, under a look.

        A caller that is cancelled lets the engine drop the request as well.

        Raises:
            EngineError: There is no such value.
        """
        self._ticket += 1
        ticket = str(self._ticket)
        port = {"run_id": run_id, "node": node, "output": output}
        try:
            return await self._engine.request("page", **port, offset=offset, limit=limit, ticket=ticket, **look)
        except asyncio.CancelledError:
            self._engine.tell("table_drop", tickets=[ticket])
            raise

    async def profile(self, run_id: str, node: str, output: str, **look: Any) -> dict[str, Any]:
        """What the columns of an output are like, of the rows that a filter leaves.

        Raises:
            EngineError: There is no such value, or it is no table.
        """
        return await self._engine.request("table_profile", run_id=run_id, node=node, output=output, **look)
