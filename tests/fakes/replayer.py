"""Replays all waiting dead letters of a journal, ``python replayer.py JOURNAL``; tests kill it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.replay import Replays


async def main() -> None:
    journal = Journal(Path(sys.argv[1]))
    journal.release_abandoned()
    async with AsyncLocalRuntime(journal=journal) as runtime:
        letters = journal.dead_letters(limit=1_000_000)
        await Replays(journal, runtime).replay(letters, told=lambda end: None)
    journal.close()


if __name__ == "__main__":
    asyncio.run(main())
