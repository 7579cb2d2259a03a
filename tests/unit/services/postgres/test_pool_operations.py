"""A pool by requests: transactions that fail at their end, and what is asked of one connection at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes.pools import on_pool

from kailash_studio.errors import DatabaseConflictError, ParameterError, PoolClosedError
from kailash_studio.services.postgres.operations import PoolOperations
from kailash_studio.services.postgres.pool import Pool


def test_a_commit_that_is_repeated_after_a_conflict_says_the_same_again(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        operations = PoolOperations(pool)

        async def do(connection: str, operation: str, query: str = "") -> Any:
            return await operations.process({"operation": operation, "connection_id": connection, "query": query})

        one, other = [(await operations.process({"operation": "acquire"}))["connection_id"] for _ in range(2)]
        await do(one, "execute", "DROP TABLE IF EXISTS skewed")
        await do(one, "execute", "CREATE TABLE skewed (n int)")
        for connection in (one, other):
            request = {"operation": "begin", "connection_id": connection, "isolation": "serializable"}
            await operations.process(request)
            await do(connection, "execute", "SELECT count(*) FROM skewed")
        for connection in (one, other):
            await do(connection, "execute", "INSERT INTO skewed VALUES (1)")
        await do(one, "commit")
        for _ in range(2):
            with pytest.raises(DatabaseConflictError, match=r"repeat it from begin on") as raised:
                await do(other, "commit")
            assert (raised.value.sqlstate, raised.value.permanent) == ("40001", True)
        await do(other, "rollback")  # it is already
        await do(other, "begin")
        await do(other, "execute", "INSERT INTO skewed VALUES (2)")
        await do(other, "commit")
        with pytest.raises(ParameterError, match="has begun no transaction"):
            await do(other, "commit")
        with pytest.raises(ParameterError, match="has begun no transaction"):
            await do(other, "rollback")
        assert (await do(one, "execute", "SELECT n FROM skewed ORDER BY n"))["data"] == [{"n": 1}, {"n": 2}]
        await do(one, "execute", "DROP TABLE skewed")
        for connection in (one, other):
            await do(connection, "release")

    on_pool(postgres_target, body)


def test_requests_for_one_connection_take_turns(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        operations = PoolOperations(pool)
        lent = await operations.process({"operation": "acquire"})
        asked = {**lent, "operation": "execute"}
        many = {**asked, "query": "SELECT n FROM generate_series(1, 30) n", "fetch_mode": "many", "batch_size": 10}
        assert (await operations.process(many))["has_more"]
        found = await asyncio.gather(
            operations.process({**lent, "operation": "fetch"}),
            operations.process({**lent, "operation": "fetch"}),
            operations.process({**asked, "query": "SELECT 1 AS n FROM pg_sleep(0.05)"}),
            operations.process({**lent, "operation": "release"}),
            operations.process({**asked, "query": "SELECT 2 AS n"}),
            return_exceptions=True,
        )
        batches = [(told["row_count"], told["has_more"]) for told in found[:2] if isinstance(told, dict)]
        assert batches == [(10, True), (10, False)]
        assert isinstance(found[2], dict)
        assert found[2]["data"] == [{"n": 1}]
        assert found[3] == {"released": True}
        assert isinstance(found[4], PoolClosedError), "it was released when its turn came"
        assert pool.snapshot()["connections"]["lost"] == 0

    on_pool(postgres_target, body)


def test_batches_of_a_change_are_committed_with_the_last_one(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        operations = PoolOperations(pool)
        await operations.process({"operation": "execute", "query": "DROP TABLE IF EXISTS returned"})
        await operations.process({"operation": "execute", "query": "CREATE TABLE returned (n int)"})
        lent = await operations.process({"operation": "acquire"})
        query = "INSERT INTO returned SELECT generate_series(1, 15) RETURNING n"
        request = {**lent, "operation": "execute", "fetch_mode": "many", "batch_size": 10, "query": query}
        assert (await operations.process(request))["has_more"]
        told = await operations.process({**lent, "operation": "fetch"})
        assert (told["row_count"], told["has_more"]) == (5, False)
        count = await operations.process({"operation": "execute", "query": "SELECT count(*) AS n FROM returned"})
        assert count["data"] == [{"n": 15}]
        await operations.process({**lent, "operation": "release"})
        await operations.process({"operation": "execute", "query": "DROP TABLE returned"})

    on_pool(postgres_target, body)
