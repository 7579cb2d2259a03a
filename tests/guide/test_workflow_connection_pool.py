"""The guide's section "Production Database Operations with WorkflowConnectionPool"."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DatabaseError, ParameterError, PoolClosedError, WorkflowExecutionError
from kailash_studio.nodes.data import WorkflowConnectionPool
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.local import LocalRuntime
from kailash_studio.services.postgres.shared import SharedPools


def a_pool(database: dict[str, Any], **further: Any) -> Any:
    options = {"min_connections": 10, "max_connections": 50, "health_threshold": 70, "pre_warm": True, **further}
    return WorkflowConnectionPool(
        name="production_pool",
        database_type="postgresql",
        host=database["host"],
        port=database["port"],
        database=database["database"],
        user=database["user"],
        password=database["password"],
        **options,
    )


def test_production_database_operations(database: dict[str, Any], capsys: Any) -> None:
    pool = a_pool(database)

    async def fetch_portfolios(risk_profile: str) -> Any:
        conn = await pool.process({"operation": "acquire"})
        conn_id = conn["connection_id"]
        try:
            result = await pool.process(
                {
                    "operation": "execute",
                    "connection_id": conn_id,
                    "query": """
                SELECT portfolio_id, client_name, total_value
                FROM portfolios
                WHERE risk_profile = $1
                ORDER BY total_value DESC
            """,
                    "params": [risk_profile],
                    "fetch_mode": "all",
                }
            )
            return result["data"]
        finally:
            await pool.process({"operation": "release", "connection_id": conn_id})

    async def main() -> None:
        await pool.process({"operation": "initialize"})
        found = await asyncio.gather(*(fetch_portfolios("Conservative") for _ in range(60)))
        assert all(rows == found[0] for rows in found)
        assert len(found[0]) > 10
        stats = await pool.process({"operation": "stats"})
        print(
            f"Pool efficiency: {stats['queries']['executed'] / stats['connections']['created']:.1f} queries/connection"
        )
        print(f"Error rate: {stats['queries']['error_rate']:.2%}")
        assert stats["queries"] == {"executed": 60, "errors": 0, "error_rate": 0.0}
        counts = stats["connections"]
        assert counts["active"] == counts["recycled"] == stats["waiting"] == 0
        assert counts["idle"] >= 10
        assert stats["health"]["average"] == 100
        assert stats["acquire_ms"]["p50"] <= stats["acquire_ms"]["p95"] <= stats["acquire_ms"]["p99"]
        assert (await pool.process({"operation": "drain"}))["drained"]

    asyncio.run(main())
    assert "Error rate: 0.00%" in capsys.readouterr().out
    LocalRuntime()


def test_fetch_modes_and_values_by_name(database: dict[str, Any]) -> None:
    async def main() -> None:
        async with a_pool(database, min_connections=0) as pool:
            conn = (await pool.process({"operation": "acquire"}))["connection_id"]

            async def execute(mode: str, query: str, params: Any = (), **further: Any) -> Any:
                request = {"operation": "execute", "connection_id": conn, "query": query, "params": params}
                return await pool.process({**request, "fetch_mode": mode, **further})

            series = "SELECT n FROM generate_series(1, :most::int) n"
            assert (await execute("one", series, {"most": 5}))["data"] == [{"n": 1}]
            assert await execute("none", series, {"most": 5}) == {"data": [], "row_count": 5, "columns": ["n"]}
            for most, expected in ((25, [10, 10, 5]), (20, [10, 10]), (0, [0])):
                batch = await execute("many", series, {"most": most}, batch_size=10)
                sizes = [batch["row_count"]]
                while batch["has_more"]:
                    batch = await pool.process({"operation": "fetch", "connection_id": conn})
                    sizes.append(batch["row_count"])
                assert sizes == expected
                batch = await pool.process({"operation": "fetch", "connection_id": conn})
                assert (batch["data"], batch["has_more"]) == ([], False)
            alone = {"operation": "execute", "query": series, "params": {"most": 25}, "fetch_mode": "many"}
            for size, more in ((24, True), (25, False)):
                batch = await pool.process({**alone, "batch_size": size})
                assert (batch["row_count"], len(batch["data"]), batch["has_more"]) == (size, size, more)
            with pytest.raises(ParameterError, match="fetch_mode is 'some': give one of all, one, many, none"):
                await execute("some", "SELECT 1")
            with pytest.raises(ParameterError, match="operation is 'sing'"):
                await pool.process({"operation": "sing"})
            with pytest.raises(PoolClosedError, match="has lent no connection 'x'"):
                await pool.process({"operation": "release", "connection_id": "x"})
            await pool.process({"operation": "release", "connection_id": conn})

    asyncio.run(main())


def test_a_transaction_by_operations(database: dict[str, Any]) -> None:
    async def main() -> None:
        async with a_pool(database, min_connections=0) as pool:
            conn = (await pool.process({"operation": "acquire"}))["connection_id"]

            async def do(operation: str, query: str = "") -> Any:
                return await pool.process({"operation": operation, "connection_id": conn, "query": query})

            await do("execute", "DROP TABLE IF EXISTS by_operations")
            await do("execute", "CREATE TABLE by_operations (n int)")
            await do("begin")
            assert (await do("execute", "INSERT INTO by_operations VALUES (1), (2)"))["row_count"] == 2
            await do("rollback")
            await do("begin")
            await do("execute", "INSERT INTO by_operations VALUES (3)")
            assert (await do("commit"))["transaction_id"]
            with pytest.raises(ParameterError, match="has begun no transaction"):
                await do("commit")
            assert (await do("execute", "SELECT n FROM by_operations"))["data"] == [{"n": 3}]
            await do("begin")
            with pytest.raises(DatabaseError, match="division by zero"):
                await do("execute", "SELECT 1 / 0")
            with pytest.raises(DatabaseError, match="rolled the transaction back instead of committing it"):
                await do("commit")
            await do("execute", "DROP TABLE by_operations")
            await do("release")

    asyncio.run(main())


def test_nodes_of_a_workflow_share_a_pool_that_stays_warm_between_runs(database: dict[str, Any]) -> None:
    builder = WorkflowBuilder("report")
    builder.add_node("pool", a_pool(database, min_connections=1, max_connections=3))
    for i in range(12):
        builder.add_node("AsyncSQLDatabaseNode", f"q{i}", query="SELECT $1::int AS n", params=[i], connection="pool")
        builder.add_connection("pool", "pool", f"q{i}", "pool")

    async def main() -> None:
        async with AsyncLocalRuntime() as runtime:
            for _ in range(2):
                results, _ = await runtime.execute(builder)
                assert [results[f"q{i}"]["data"] for i in range(12)] == [[{"n": i}] for i in range(12)]
            assert runtime._resources is not None
            shared = runtime._resources.opened(SharedPools)
            assert isinstance(shared, SharedPools)
            (told,) = shared.snapshots()
            assert told["name"] == "production_pool"
            assert told["connections"]["created"] <= 3
            assert told["queries"]["executed"] == 24

    asyncio.run(main())


def test_a_connection_that_a_run_forgets_is_taken_back(database: dict[str, Any]) -> None:
    builder = WorkflowBuilder("forgetful")
    builder.add_node("pool", a_pool(database, min_connections=0, operation="acquire"))

    async def main() -> None:
        async with AsyncLocalRuntime() as runtime:
            results, _ = await runtime.execute(builder)
            assert results["pool"]["result"]["connection_id"].startswith("production_pool-")
            assert runtime._resources is not None
            shared = runtime._resources.opened(SharedPools)
            assert isinstance(shared, SharedPools)
            (told,) = shared.snapshots()
            assert (told["leaks"], told["connections"]["active"]) == (1, 0)
            assert told["holders"] == []

    asyncio.run(main())


def test_a_pool_that_nobody_opened_is_named() -> None:
    builder = WorkflowBuilder("lost")
    builder.add_node("AsyncSQLDatabaseNode", "q", query="SELECT 1", connection="pool", pool="nowhere")
    with pytest.raises(WorkflowExecutionError, match="q: There is no pool 'nowhere'"):
        LocalRuntime().execute(builder)
