"""The dialog of saved connections, with a real engine, a real database, and a server that never answers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from fakes.black_hole import silent_listener
from fakes.stalls import StallMeter
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox
from qasync import QEventLoop

from kailash_studio.desktop.dialogs.connections import ConnectionsDialog
from kailash_studio.desktop.window import MainWindow
from kailash_studio.services.connections import Connections
from kailash_studio.services.credentials.chain import default_chain

STALL = 0.1
Sitting = Callable[[ConnectionsDialog], Coroutine[Any, Any, None]]


@pytest.fixture
def sit(loop: QEventLoop, window: MainWindow) -> Callable[[Sitting], None]:
    """Opens the dialog on a ready engine, and closes it after the sitting."""

    async def work(sitting: Sitting) -> None:
        window.engine.start()
        await until(lambda: window.engine.state == "ready")
        window.actions_by_name["connections"].trigger()
        made = window.findChild(ConnectionsDialog)
        assert made is not None
        await sitting(made)
        made.close()
        await asyncio.sleep(0.05)

    return lambda sitting: loop.run_until_complete(asyncio.wait_for(work(sitting), 60))


async def until(holds: Callable[[], object]) -> None:
    """Wait for something to hold."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def press(button: Any) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_connection_is_written_tested_saved_and_removed(sit: Callable[[Sitting], None], tmp_path: Path) -> None:
    async def sitting(dialog: ConnectionsDialog) -> None:
        file = tmp_path / "book.db"
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE trades (symbol TEXT)")
        assert not dialog.save.isEnabled(), "it has no name yet"
        QTest.keyClicks(dialog.name, "book")
        dialog.kind.setCurrentText("sqlite")
        assert not dialog.host.isEnabled()
        QTest.keyClicks(dialog.database, str(file))
        press(dialog.test)
        await until(lambda: dialog.said.text().startswith("SQLite 3"))
        press(dialog.save)
        await until(lambda: dialog.said.text() == "book is saved.")
        assert [saved.database for saved in Connections().all()] == [str(file)]
        press(dialog.new)
        QTest.keyClicks(dialog.name, "book")
        press(dialog.save)
        await until(lambda: "already" in dialog.said.text())
        dialog.list.setCurrentRow(0)
        dialog.database.setText(str(tmp_path / "absent.db"))
        press(dialog.test)
        await until(lambda: "There is no file" in dialog.said.text())
        press(dialog.remove)
        box = dialog.findChild(QMessageBox)
        assert box is not None
        press(next(button for button in box.buttons() if button.text() == "Remove"))
        await until(lambda: dialog.said.text() == "book is removed.")
        assert Connections().all() == []

    sit(sitting)


def test_a_password_goes_to_the_store_of_secrets_and_nowhere_else(
    sit: Callable[[Sitting], None], user_home: Path
) -> None:
    async def sitting(dialog: ConnectionsDialog) -> None:
        QTest.keyClicks(dialog.name, "prod")
        QTest.keyClicks(dialog.user, "analyst")
        QTest.keyClicks(dialog.password, "swordfish-canary")
        press(dialog.save)
        await until(lambda: dialog.said.text() == "prod is saved.")
        (saved,) = Connections().all()
        assert saved.secret == "connection.prod"
        assert default_chain().secret("connection.prod") == "swordfish-canary"
        assert dialog.password.text() == ""
        for path in user_home.rglob("*"):
            if path.is_file():
                assert b"swordfish-canary" not in path.read_bytes(), path

    sit(sitting)


def test_a_server_that_never_answers_can_be_given_up(sit: Callable[[Sitting], None]) -> None:
    async def sitting(dialog: ConnectionsDialog) -> None:
        with silent_listener() as port:
            QTest.keyClicks(dialog.name, "hole")
            dialog.port.setValue(port)
            press(dialog.test)
            await until(lambda: dialog.test.text() == "Stop")
            press(dialog.test)
            await until(lambda: dialog.said.text() == "The test was stopped.")
            assert dialog.test.text() == "Test"

    sit(sitting)


def test_a_session_on_a_server_that_never_answers_stalls_nothing(window: MainWindow, loop: QEventLoop) -> None:
    """Runs, tests a connection, looks at data and the SQL editor, and stops, against a server that hangs."""

    async def session(port: int) -> float:
        given = {"connection": "details", "host": "127.0.0.1", "port": port, "database": "x", "query": "SELECT 1"}
        node = window.session.add_node("AsyncSQLDatabaseNode", (0, 0), given)
        window.session.approve()

        async def act(what: Callable[[], object]) -> None:
            """As a person does it: one thing, then the next."""
            what()
            await asyncio.sleep(0.25)

        with StallMeter(window) as meter:
            await act(lambda: window.canvas.select([node]))
            await act(window.actions_by_name["run"].trigger)
            await until(lambda: window.canvas.store.cards[node].state.state == "running")
            await act(window.actions_by_name["sql"].trigger)
            await until(window.sql_link.benches)
            await act(window.actions_by_name["connections"].trigger)
            dialog = window.findChild(ConnectionsDialog)
            assert dialog is not None
            await act(lambda: QTest.keyClicks(dialog.name, "hole"))
            await act(lambda: dialog.port.setValue(port))
            await act(lambda: press(dialog.test))
            await until(lambda: dialog.test.text() == "Stop")
            await act(window.show_pools)
            await asyncio.sleep(1.0)
            await act(dialog.close)
            await act(lambda: window.canvas.select([]))
            await act(lambda: window.canvas.select([node]))
            await act(window.actions_by_name["stop"].trigger)
            await until(lambda: not window.runs.running)
        window.sql_link.close()
        window.session.remove([node])
        await asyncio.sleep(0.1)
        return meter.longest

    async def work() -> list[float]:
        window.start([])
        await until(lambda: window.engine.state == "ready")
        longest: list[float] = []
        with silent_listener() as port:
            while len(longest) < 3 and not any(gap < STALL for gap in longest):
                longest.append(await session(port))
        return longest

    longest = loop.run_until_complete(asyncio.wait_for(work(), 90))
    assert min(longest) < STALL, longest
