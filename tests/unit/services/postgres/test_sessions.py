"""A session on a real server: limits of time that stay with their statement, transactions, statements that age."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from fakes.pools import on_pool

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError
from kailash_studio.services.postgres.pool import Pool


def test_a_limit_of_time_ends_with_its_statement(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        limit = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"
        for _ in range(2):
            async with await pool.acquire() as lease:
                assert (await lease.run(limit, seconds=0.3)).records[0][0] == "300"
        async with await pool.acquire() as lease:
            assert (await lease.run(limit)).records[0][0] == "40000"
            await lease.run("SELECT 1", seconds=0.3)
            assert lease.connection.patience(None) > 40
            async with lease.transaction():
                assert (await lease.run(limit)).records[0][0] == "40000"
            await lease.run("SELECT 1", seconds=0.3)
            async with aclosing(lease.batches(limit)) as batches:
                assert (await anext(batches)).records[0][0] == "40000"

    on_pool(postgres_target, body, max_connections=1, statement_timeout=40.0)


def test_what_the_driver_refuses_does_not_end_a_transaction(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire() as lease:
            await lease.run("DROP TABLE IF EXISTS kept")
            await lease.run("CREATE TABLE kept (n int)")
            transaction = lease.transaction()
            await transaction.begin()
            await lease.run("INSERT INTO kept VALUES ($1)", [1])
            with pytest.raises(DatabaseError, match="'str' object cannot be interpreted as an integer"):
                await lease.run("INSERT INTO kept VALUES ($1)", ["two"])
            assert not lease.connection.is_aborted
            await transaction.commit()
            assert transaction.transaction_id, "it changed something, and its COMMIT can be asked about"
            assert await pool.fate_of(transaction.transaction_id) == "committed"
            transaction = lease.transaction()
            await transaction.begin()
            with pytest.raises(DatabaseError, match="division by zero"):
                await lease.run("SELECT 1 / 0")
            assert lease.connection.is_aborted
            await transaction.rollback()
            await lease.run("DROP TABLE kept")

    on_pool(postgres_target, body)


def test_a_transaction_whose_statement_was_given_up_is_rolled_back_by_its_commit(
    postgres_target: dict[str, Any],
) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire() as lease:
            transaction = lease.transaction()
            await transaction.begin()
            with pytest.raises(DatabaseTimeoutError):
                await lease.run("SELECT pg_sleep(60)", seconds=0.05)
            with pytest.raises(DatabaseError, match="rolled the transaction back instead") as raised:
                async with asyncio.timeout(20):
                    await transaction.commit()
            assert raised.value.sqlstate == "25P02"
            assert not lease.connection.raw.is_in_transaction()

    on_pool(postgres_target, body)


def test_a_statement_that_fits_no_more_is_forgotten_within_a_transaction_too(postgres_target: dict[str, Any]) -> None:
    async def body(pool: Pool) -> None:
        async with await pool.acquire() as lease:
            await lease.run("DROP TABLE IF EXISTS grows")
            await lease.run("CREATE TABLE grows AS SELECT 1 AS a")
            await lease.run("SELECT * FROM grows")
            await lease.run("ALTER TABLE grows ADD b text")
            with pytest.raises(DatabaseError, match="cached plan must not change result type"):
                async with lease.transaction():
                    await lease.run("SELECT * FROM grows")
            async with lease.transaction():
                assert (await lease.run("SELECT * FROM grows")).columns == ("a", "b")
            await lease.run("ALTER TABLE grows ADD c text")
            with pytest.raises(DatabaseError, match="cached plan must not change result type"):
                async with aclosing(lease.batches("SELECT * FROM grows")) as batches:
                    await anext(batches)
            async with aclosing(lease.batches("SELECT * FROM grows")) as batches:
                assert (await anext(batches)).columns == ("a", "b", "c")
            await lease.run("DROP TABLE grows")

    on_pool(postgres_target, body)
