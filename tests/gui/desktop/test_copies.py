"""What can be copied out of the window has no secret in it: a real engine, a rude service, real keys."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from fakes.waiting import until
from fakes.web_server import Reply, Request, serving
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from qasync import QEventLoop

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.window import MainWindow

CANARY = "c4n4ry-SwordfIsh/7+x"
MASK = "***vault_key***"


def echoing(request: Request) -> Reply:
    """Gives back what it was sent."""
    return 200, {"Content-Type": "application/json"}, json.dumps({"echo": request.headers.get("X-Key")}).encode()


def leaky(url: str, database: Path) -> str:
    """Nodes that get a secret by an echo, print it, give it on as rows, fail with it, and ask a database with it."""
    secret = {"$secret": "vault_key"}
    builder = WorkflowBuilder("leaky")
    builder.add_node("HTTPRequestNode", "ask", url=url, headers={"X-Key": secret}, allow_private=True)
    code = "def rows(data):\n    print('key', data['echo'])\n    return [{'id': 1, 'key': data['echo']}]\n"
    builder.add_node("PythonCodeNode", "rows", code=code)
    builder.add_node(
        "PythonCodeNode", "fails", code="def fails(data):\n    raise ValueError('no luck with ' + data['echo'])\n"
    )
    given = {"connection": "details", "database_type": "sqlite", "database": str(database)}
    builder.add_node("AsyncSQLDatabaseNode", "sql", query="SELECT $1 AS key", params=[secret], **given)
    builder.add_connection("ask", "data", "rows", "data")
    builder.add_connection("ask", "data", "fails", "data")
    return builder.build().to_json()


async def copied(widget: QWidget) -> str:
    """What Ctrl+C puts on the clipboard after Ctrl+A; rows of a table come from the engine."""
    clipboard = QGuiApplication.clipboard()
    clipboard.clear()
    widget.setFocus()
    QTest.keyClick(widget, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(widget, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    await until(clipboard.text)
    return clipboard.text()


def test_nothing_that_is_copied_has_a_secret(
    window: MainWindow, loop: QEventLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAILASH_SECRET_VAULT_KEY", CANARY)
    sqlite3.connect(tmp_path / "book.db").close()
    file = tmp_path / "leaky.kailash.json"
    copies: dict[str, str] = {}

    async def sitting(url: str) -> None:
        file.write_text(leaky(url, tmp_path / "book.db"), encoding="utf-8")
        window.documents.open(file)
        window.session.approve()
        window.engine.start()
        await until(lambda: window.engine.state == "ready")
        window.actions_by_name["run"].trigger()
        await until(lambda: window.runs.running)
        await until(lambda: not window.runs.running)
        for node in ("rows", "sql"):
            window.canvas.select([node])
            window.actions_by_name["data"].trigger()
            await until(lambda: any(MASK in (text or "") for row in window.rows.texts(3) for text in row))
            copies[f"the data of {node}"] = await copied(window.rows.view)
        await until(lambda: MASK in window.log.text())
        window.docks.report_tabs.setCurrentWidget(window.log)
        copies["the log"] = await copied(window.log.view)
        window.actions_by_name["dead_letters"].trigger()
        letters = window.dead_letters
        await until(letters.list.topLevelItemCount)
        letters.list.setFocus()
        letters.list.setCurrentItem(letters.list.topLevelItem(0))
        await until(letters.details.inputs.toPlainText)
        top = letters.list.topLevelItem(0)
        assert top is not None
        copies["a dead letter"] = "\n".join(
            [await copied(letters.list), *(top.text(i) + top.toolTip(i) for i in range(5))]
        )
        copies["the inputs of a dead letter"] = await copied(letters.details.inputs)
        window.canvas.select(list(window.canvas.store.cards))
        window.actions_by_name["copy"].trigger()
        mime = QGuiApplication.clipboard().mimeData()
        copies["the nodes"] = "".join(bytes(mime.data(kind).data()).decode() for kind in mime.formats())
        window.canvas.select(["sql"])
        window.actions_by_name["sql"].trigger()
        (bench,) = window.sql_link.benches()
        bench.run()
        await until(lambda: bench.outcome.rows.model() is not None and bench.outcome.rows.model().rowCount())
        copies["a test run"] = await copied(bench.outcome.rows)
        bench.close()
        window.sql_link.close()
        await asyncio.sleep(0.01)

    with serving(echoing) as server:
        loop.run_until_complete(asyncio.wait_for(sitting(server.url), 120))
    for what, text in copies.items():
        assert CANARY not in text, what
        assert ("$secret" if what == "the nodes" else MASK) in text, (what, text)
