"""The guide's section "Async Database Operations"."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.nodes.data import AsyncSQLDatabaseNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.local import LocalRuntime
from kailash_studio.workflow import Workflow
from kailash_studio.workflow.builder import WorkflowBuilder


def test_basic_async_database_query(database: dict[str, Any]) -> None:
    db_node = AsyncSQLDatabaseNode(
        name="fetch_portfolios",
        database_type="postgresql",
        host=database["host"],
        port=database["port"],
        database=database["database"],
        user=database["user"],
        password=database["password"],
        query="""
    SELECT portfolio_id, client_name, total_value
    FROM portfolios
    WHERE risk_profile = $1
    ORDER BY total_value DESC
    """,
        fetch_mode="all",
    )

    async def run_query() -> Any:
        result = await db_node.async_run(params=["Conservative"])
        assert result["result"] == {
            "data": result["data"],
            "row_count": len(result["data"]),
            "columns": ["portfolio_id", "client_name", "total_value"],
        }
        assert result["row_count"] == len(result["data"])
        return result["data"]

    portfolios = asyncio.run(run_query())
    assert len(portfolios) > 10
    values = [portfolio["total_value"] for portfolio in portfolios]
    assert values == sorted(values, reverse=True)

    workflow = WorkflowBuilder()
    workflow.add_node("fetch_portfolios", db_node)

    async def execute() -> Any:
        runtime = LocalRuntime()
        return await runtime.execute_async(workflow, parameters={"fetch_portfolios": {"params": ["Conservative"]}})

    results, run_id = asyncio.run(execute())
    assert results["fetch_portfolios"]["data"] == portfolios
    assert run_id


def test_complete_async_workflow(database: dict[str, Any], capsys: Any) -> None:
    async def create_portfolio_analysis() -> WorkflowBuilder:
        workflow = WorkflowBuilder()
        workflow.add_node(
            "AsyncSQLDatabaseNode",
            "fetch_portfolios",
            query="""
        WITH latest_prices AS (
            SELECT DISTINCT ON (symbol) symbol, close_price
            FROM market_prices
            ORDER BY symbol, price_date DESC
        )
        SELECT
            p.portfolio_id,
            p.client_name,
            SUM(pos.quantity * lp.close_price) as current_value
        FROM portfolios p
        JOIN positions pos ON p.portfolio_id = pos.portfolio_id
        JOIN latest_prices lp ON pos.symbol = lp.symbol
        GROUP BY p.portfolio_id, p.client_name
        ORDER BY current_value DESC
        """,
            fetch_mode="all",
        )

        def calculate_metrics(portfolio_data):  # type: ignore[no-untyped-def]  # as the guide prints it
            """Calculate portfolio performance metrics."""
            portfolios = portfolio_data["data"]
            metrics = {
                "total_portfolios": len(portfolios),
                "total_aum": sum(p["current_value"] for p in portfolios),
                "top_portfolio": max(portfolios, key=lambda x: x["current_value"]),
                "avg_portfolio_value": sum(p["current_value"] for p in portfolios) / len(portfolios),
            }
            return {"result": metrics}

        workflow.add_node(
            "calculate_metrics", PythonCodeNode.from_function(name="calculate_metrics", func=calculate_metrics)
        )
        workflow.add_connection("fetch_portfolios", "result", "calculate_metrics", "input")
        return workflow

    async def main() -> Any:
        workflow = await create_portfolio_analysis()
        assert isinstance(workflow.build(), Workflow)
        runtime = AsyncLocalRuntime()
        result, _ = await runtime.execute(workflow.build())
        metrics = result["calculate_metrics"]["result"]
        print(f"Total AUM: ${metrics['total_aum']:,.2f}")
        print(f"Top Portfolio: {metrics['top_portfolio']['client_name']}")
        print(f"Average Value: ${metrics['avg_portfolio_value']:,.2f}")
        return result

    result = asyncio.run(main())
    rows = result["fetch_portfolios"]["data"]
    metrics = result["calculate_metrics"]["result"]
    assert metrics["total_portfolios"] == len(rows) == 234
    assert metrics["total_aum"] == sum((row["current_value"] for row in rows), Decimal())
    assert metrics["top_portfolio"] == rows[0]
    assert "Total AUM: $" in capsys.readouterr().out
