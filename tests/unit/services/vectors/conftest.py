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
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.statistics import Owner
from kailash_studio.services.vectors.connection import on_pool
from kailash_studio.services.vectors.store import VectorStore


class Bench:
    """A store on a connection of its own or of a pool, a connection to look with, a table's name nobody else has."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Any, target: dict[str, Any], used: Any) -> None:
        self._loop = loop
        self.connection = connection
        self.target = target
        self.table = f"vectors_{uuid.uuid4().hex[:12]}"
        self.store = VectorStore(used, self.table)

    def do(self, work: Awaitable[Any]) -> Any:
        return self._loop.run_until_complete(work)

    def value(self, statement: str, *args: Any) -> Any:
        return self.do(self.connection.fetchval(statement, *args))

    def filled(self, rows: list[dict[str, Any]], **create: Any) -> VectorStore:
        self.do(self.store.create(**{"dimensions": len(rows[0]["vector"]), **create}))
        self.do(self.store.upsert(rows))
        return self.store


@pytest.fixture(params=["own", "pool"])
def bench(request: pytest.FixtureRequest, with_database: Path) -> Iterator[Bench]:
    loop = asyncio.new_event_loop()
    do = loop.run_until_complete
    embedded = do(EmbeddedDatabase.open())
    target = do(embedded.target())
    connection = do(asyncpg.connect(**target))
    pool = Pool(target)
    lent = on_pool(pool, Owner(node="test"), 60.0)
    made = Bench(loop, connection, target, do(lent.__aenter__()) if request.param == "pool" else connection)
    try:
        yield made
    finally:
        if request.param == "pool":
            do(lent.__aexit__(None, None, None))
        do(pool.aclose())
        do(connection.execute(f'DROP TABLE IF EXISTS "{made.table}"'))
        do(connection.close())
        do(embedded.aclose())
        loop.close()
