"""A table of vectors on the embedded server, and a loop to use it in."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kailash_studio.services.embedded_database import EmbeddedDatabase
from kailash_studio.services.vectors.store import VectorStore


class Bench:
    """A connection, and a table's name that nobody else has."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Any, target: dict[str, Any]) -> None:
        self._loop = loop
        self.connection = connection
        self.target = target
        self.table = f"vectors_{uuid.uuid4().hex[:12]}"
        self.store = VectorStore(connection, self.table)

    def do(self, work: Awaitable[Any]) -> Any:
        return self._loop.run_until_complete(work)

    def value(self, statement: str, *args: Any) -> Any:
        return self.do(self.connection.fetchval(statement, *args))

    def filled(self, rows: list[dict[str, Any]], **create: Any) -> VectorStore:
        self.do(self.store.create(**{"dimensions": len(rows[0]["vector"]), **create}))
        self.do(self.store.upsert(rows))
        return self.store


@pytest.fixture
def bench(with_database: Path) -> Iterator[Bench]:
    loop = asyncio.new_event_loop()
    embedded = loop.run_until_complete(EmbeddedDatabase.open())
    target = loop.run_until_complete(embedded.target())
    connection = loop.run_until_complete(asyncpg.connect(**target))
    made = Bench(loop, connection, target)
    try:
        yield made
    finally:
        loop.run_until_complete(connection.execute(f'DROP TABLE IF EXISTS "{made.table}"'))
        loop.run_until_complete(connection.close())
        loop.run_until_complete(embedded.aclose())
        loop.close()
