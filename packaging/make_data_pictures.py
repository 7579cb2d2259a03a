"""Takes the pictures of docs/pool.md and docs/sql_editor.md: ``python packaging/make_data_pictures.py [FOLDER]``.

Opens the window on workflows over the embedded database: four SQL nodes that share a pool of two connections, while
they run; editors of statements, on the database and over connected tables. On a display or under ``xvfb-run -a``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from picture_taking import TURN, opened, run_once, take, until
from PySide6.QtCore import QPoint
from PySide6.QtGui import QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.workflow.workflow import Workflow

_NODES = ("positions", "prices", "clients", "quotes")
_SLOW = "SELECT client_name, total_value, pg_sleep(0.05) FROM portfolios LIMIT {rows}"
_EXPOSURE = """def exposure(positions, prices, clients, quotes):
    return sum(len(rows) for rows in (positions, prices, clients, quotes))"""
_WORTH = """SELECT symbol, round(sum(quantity * price), 2) AS worth
FROM positions JOIN prices USING (symbol)
WHERE price > $1
GROUP BY symbol ORDER BY worth DESC"""


def main() -> int:
    """Write the pictures."""
    return take(_sit)


async def _sit(theme: Theme, there: Path, folder: Path) -> None:
    async with opened(theme) as window:
        there = there / "Risk"
        there.mkdir()
        await _open(window, _pool(), there / "nightly_exposure.kailash.json")
        window.actions_by_name["pools"].trigger()
        await asyncio.sleep(4 * TURN)
        window.actions_by_name["fit"].trigger()
        for last in (*[False] * 5, True):
            window.runs.start()
            await until(lambda: bool(window.pools.chosen()) and window.runs.running)
            await asyncio.sleep(1.2)
            if last:
                window.grab().save(str(folder / "pools.png"))
            await until(lambda: not window.runs.running)
        await _open(window, _tables(), there / "worth.kailash.json")
        await run_once(window)
        bench = window.sql_link.open("worth", "query")
        await until(lambda: "DuckDB over" in bench.where.toolTip())
        bench.run_button.click()
        await until(lambda: "takes this statement" in bench.verdict.text())
        await asyncio.sleep(20 * TURN)
        bench.grab().save(str(folder / "sql_over_tables.png"))
        await _editor(window, there, folder)


async def _editor(window: MainWindow, there: Path, folder: Path) -> None:
    """A statement that is being typed, with its first rows; then its plan, measured."""
    await _open(window, _holdings(), there / "holdings.kailash.json")
    bench = window.sql_link.open("holdings", "query")
    await until(lambda: "takes this statement" in bench.verdict.text())
    bench.run_button.click()
    await asyncio.sleep(20 * TURN)
    bench.explain_button.click()
    bench.measure.setChecked(True)
    await asyncio.sleep(10 * TURN)
    bench.explain_button.click()
    await asyncio.sleep(20 * TURN)
    bench.grab().save(str(folder / "sql_editor_plan.png"))
    bench.run_button.click()
    await asyncio.sleep(20 * TURN)
    editor = bench.editor
    editor.setFocus()
    cursor = editor.textCursor()
    cursor.setPosition(editor.toPlainText().index("\nORDER"))
    editor.setTextCursor(cursor)
    QTest.keyClicks(editor, " AND c.")
    await asyncio.sleep(10 * TURN)
    picture = bench.grab()
    popup = editor.findChild(QWidget, "completion")
    if popup is not None:
        painter = QPainter(picture)
        painter.drawPixmap(bench.mapFromGlobal(popup.mapToGlobal(QPoint(0, 0))), popup.grab())
        painter.end()
    picture.save(str(folder / "sql_editor.png"))


async def _open(window: MainWindow, workflow: Workflow, file: Path) -> None:
    workflow.save(file)
    window.session.open(file)
    window.session.approve()
    await asyncio.sleep(4 * TURN)


def _pool() -> Workflow:
    builder = WorkflowBuilder("Nightly exposure")
    builder.add_node("WorkflowConnectionPool", "warehouse", min_connections=1, max_connections=2)
    builder.add_node("PythonCodeNode", "exposure", code=_EXPOSURE)
    for number, name in enumerate(_NODES):
        builder.add_node("AsyncSQLDatabaseNode", name, connection="pool", query=_SLOW.format(rows=18 + 8 * number))
        builder.add_connection("warehouse", "pool", name, "pool")
        builder.add_connection(name, "data", "exposure", name)
    workflow = builder.build()
    workflow.positions |= {"warehouse": (0, 200), "exposure": (680, 200)}
    workflow.positions |= {name: (340, number * 145) for number, name in enumerate(_NODES)}
    return workflow


def _holdings() -> Workflow:
    builder = WorkflowBuilder("Holdings")
    builder.add_node("AsyncSQLDatabaseNode", "holdings", query=_HOLDINGS, params=["Conservative", 100000])
    return builder.build()


def _tables() -> Workflow:
    builder = WorkflowBuilder("Worth")
    builder.add_node(
        "AsyncSQLDatabaseNode", "positions", query="SELECT symbol, quantity::float8 AS quantity FROM positions"
    )
    builder.add_node(
        "AsyncSQLDatabaseNode",
        "prices",
        query="SELECT symbol, max(close_price)::float8 AS price FROM market_prices GROUP BY symbol",
    )
    builder.add_node("DuckDBNode", "worth", tables=["positions", "prices"], query=_WORTH, params=[20])
    builder.add_connection("positions", "data", "worth", "positions")
    builder.add_connection("prices", "data", "worth", "prices")
    return builder.build()


_HOLDINGS = """-- Total value and number of holdings of each client
WITH held AS (
    SELECT portfolio_id, count(*) AS holdings, sum(quantity) AS shares
    FROM positions
    GROUP BY portfolio_id
)
SELECT p.client_name, c.country, p.total_value, h.holdings
FROM portfolios AS p
JOIN clients AS c USING (client_id)
JOIN held AS h ON h.portfolio_id = p.portfolio_id
WHERE p.risk_profile = $1
  AND p.total_value > $2
ORDER BY p.total_value DESC"""


if __name__ == "__main__":
    sys.exit(main())
