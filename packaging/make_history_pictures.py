"""Takes the pictures of docs/run_history.md: ``python packaging/make_history_pictures.py [FOLDER]``.

Opens the window on a workflow over the embedded database and a small web service, runs it, makes one node's code
dearer, ends the service, and runs it again. The second run is looked at, and both are compared.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from picture_taking import TURN, opened, run_once, take, until

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.theme import Theme

_WORTH = "def worth(rows):\n    return [{'id': row['id'], 'worth': round(row['price'] * FACTOR, 2)} for row in rows]\n"
_QUERY = "SELECT n AS id, (100 + n * 7.25)::float8 AS price FROM generate_series(1, 4) n, pg_sleep($1)"
_ANSWER = b'[{"pair": "EURUSD", "rate": 1.08}, {"pair": "GBPUSD", "rate": 1.27}]'


def main() -> int:
    """Write the pictures."""
    return take(_sit, own_home=True)  # whose only runs are these two


async def _sit(theme: Theme, there: Path, folder: Path) -> None:
    file = there / "Risk" / "nightly_worth.kailash.json"
    file.parent.mkdir()
    service = await asyncio.start_server(_answer, "127.0.0.1", 0)
    _workflow(service.sockets[0].getsockname()[1]).build().save(file)
    async with opened(theme, file) as window:
        window.session.approve()
        await run_once(window)
        service.close()
        window.session.set_parameter("worth", "code", _WORTH.replace("FACTOR", "12"))
        await run_once(window)
        history = window.history
        window.actions_by_name["runs"].trigger()
        await until(lambda: history.list.list.topLevelItemCount() == 2)
        newest = history.list.list.topLevelItem(0)
        assert newest is not None
        newest.setSelected(True)
        history.list.open_chosen()
        await until(lambda: history.past.at >= 0 and history.timeline.run_id == history.past.run_id)
        history.past.go_to(history.past.total * 3 // 5)
        history.past.show_node("rates")
        assert history.past.view is not None
        history.past.view.canvas.fit()
        await asyncio.sleep(20 * TURN)
        window.grab().save(str(folder / "run_timeline.png"))
        history.list.compare_chosen()
        await until(lambda: history.comparison.details.topLevelItemCount() > 1)
        history.past.go_to(history.past.total - 1)
        history.past.show_node("worth")
        history.past.view.canvas.fit()
        await asyncio.sleep(20 * TURN)
        window.grab().save(str(folder / "run_diff.png"))


def _workflow(port: int) -> WorkflowBuilder:
    """A pool of two connections for four queries, a service with a fallback, and what is made of it all."""
    builder = WorkflowBuilder("nightly worth")
    builder.add_node("WorkflowConnectionPool", "warehouse", max_connections=2, min_connections=1)
    for name, seconds in (("positions", 0.5), ("prices", 0.8), ("clients", 0.4), ("limits", 0.6)):
        builder.add_node("AsyncSQLDatabaseNode", name, query=_QUERY, params=[seconds])
        builder.add_connection("warehouse", "pool", name, "pool")
    builder.add_node("PythonCodeNode", "worth", code=_WORTH.replace("FACTOR", "10"))
    builder.add_connection("prices", "data", "worth", "rows")
    builder.add_node("HTTPRequestNode", "rates", url=f"http://127.0.0.1:{port}/rates", allow_private=True)
    builder.configure_retry("rates", max_retries=2, base_delay=0.4, jitter="none")
    builder.add_node(
        "PythonCodeNode", "last_rates", code="def last_rates():\n    return [{'pair': 'EURUSD', 'rate': 1.07}]\n"
    )
    builder.add_fallback("rates", "last_rates")
    builder.add_node("TableViewNode", "report")
    builder.add_connection("worth", "result", "report", "rows")
    builder.add_node(
        "PythonCodeNode", "exposed", code="def exposed(worth, rates):\n    return len(worth) * len(rates)\n"
    )
    builder.add_connection("worth", "result", "exposed", "worth")
    builder.add_connection("rates", "data", "exposed", "rates")
    return builder


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(_ANSWER)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + _ANSWER)
    await writer.drain()
    writer.close()


if __name__ == "__main__":
    sys.exit(main())
