"""Takes the pictures of docs/debugging.md: ``python packaging/make_debugger_pictures.py [FOLDER]``.

Opens the window on a workflow over the embedded database, makes a sub-workflow of two of its nodes, and runs it with a
breakpoint in there. Then the same workflow after the run, with the sub-workflow as one card and from inside.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from picture_taking import TURN, opened, run_once, take, until

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.theme import Theme

_QUERY = "SELECT symbol, quantity::float8 AS quantity FROM positions ORDER BY position_id LIMIT 400"
_PRICES = "SELECT symbol, max(close_price)::float8 AS price FROM market_prices GROUP BY symbol"


def main() -> int:
    """Write the pictures."""
    return take(_sit)


async def _sit(theme: Theme, there: Path, folder: Path) -> None:
    file = there / "Risk" / "book_value.kailash.json"
    file.parent.mkdir()
    workflow = _workflow().build()
    workflow.positions |= {
        "positions": (0, 0), "prices": (0, 200), "priced": (296, 72), "worth": (592, 72), "largest": (888, 0),
        "report": (888, 200),
    }  # fmt: skip
    workflow.save(file)
    async with opened(theme, file) as window:
        window.session.approve()
        window.canvas.select(["priced", "worth"])
        window.actions_by_name["group"].trigger()
        assert not window.session.rename("part", "valuation")
        await run_once(window)  # before, so that the times are those of an engine that is warm
        window.breakpoints.toggle("valuation:worth")
        window.runs.start()
        await until(lambda: bool(window.runs.stopped()) and bool(window.debugger._when))
        window.canvas.viewer.fit(window.canvas.store.cards["valuation"].body(), 1.0)
        await asyncio.sleep(20 * TURN)
        values = window.debugger.values.table
        values.model().setData(values.model().index(1, 1), "24")
        await asyncio.sleep(4 * TURN)
        window.grab().save(str(folder / "debugger.png"))
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.running)
        window.breakpoints.toggle("valuation:worth")
        window.canvas.select(["valuation"])
        window.actions_by_name["unfold"].trigger()
        window.canvas.fit()
        window.docks.data_tabs.setCurrentWidget(window.rows)
        await asyncio.sleep(20 * TURN)
        window.canvas.image().save(str(folder / "sub_workflow_folded.png"))
        window.actions_by_name["unfold"].trigger()
        window.canvas.select([])
        await asyncio.sleep(4 * TURN)
        window.canvas.image().save(str(folder / "sub_workflow_unfolded.png"))


def _workflow() -> WorkflowBuilder:
    """Positions with their prices, what they are worth, the largest of them, and a table."""
    builder = WorkflowBuilder("book value")
    builder.add_node("AsyncSQLDatabaseNode", "positions", query=_QUERY)
    builder.add_node("AsyncSQLDatabaseNode", "prices", query=_PRICES)
    builder.add_node("JoinTablesNode", "priced", on=["symbol"])
    builder.add_node("ComputeColumnNode", "worth", column="worth", expression="quantity * price")
    builder.add_node("SortRowsNode", "largest", by=["worth desc"])
    builder.add_node("TableViewNode", "report")
    for source, target, taken in (
        ("positions", "priced", "left"),
        ("prices", "priced", "right"),
        ("priced", "worth", "rows"),
        ("worth", "largest", "rows"),
        ("worth", "report", "rows"),
    ):
        builder.add_connection(source, "data", target, taken)
    return builder


if __name__ == "__main__":
    sys.exit(main())
