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
from fakes.waiting import until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QMessageBox
from qasync import QEventLoop

from kailash_studio.desktop.dialogs.connections import ConnectionsDialog
from kailash_studio.desktop.window import MainWindow
from kailash_studio.services.connections import Connections, SavedConnection
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
        made.done(0)
        await asyncio.sleep(0.05)

    return lambda sitting: loop.run_until_complete(asyncio.wait_for(work(sitting), 60))


def press(button: Any) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def question(dialog: ConnectionsDialog) -> QMessageBox | None:
    """What the dialog asks about unsaved changes, if it does."""
    asked = [box for box in dialog.findChildren(QMessageBox) if box.isVisible()]
    return asked[0] if asked else None


def answer(dialog: ConnectionsDialog, choice: QMessageBox.StandardButton) -> None:
    box = question(dialog)
    assert box is not None, "nothing is asked"
    press(box.button(choice))


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
        answer(dialog, QMessageBox.StandardButton.Discard)
        assert dialog.database.text() == str(file)
        dialog.database.setText(str(tmp_path / "absent.db"))
        press(dialog.test)
        await until(lambda: "There is no file" in dialog.said.text())
        press(dialog.remove)
        box = question(dialog)
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


def test_whether_a_password_is_stored_is_asked_of_the_store(sit: Callable[[Sitting], None], user_home: Path) -> None:
    async def sitting(dialog: ConnectionsDialog) -> None:
        told = dialog.password.placeholderText
        assert told() == "none, or type one"
        QTest.keyClicks(dialog.name, "prod")
        QTest.keyClicks(dialog.secret, "prod_password")
        assert told() == "looking whether it is stored …"
        await until(lambda: told() == "not set: type it")
        press(dialog.save)
        await until(lambda: dialog.said.text() == "prod is saved.")
        await until(lambda: told() == "not set: type it")
        QTest.keyClicks(dialog.password, "swordfish")
        press(dialog.save)
        await until(lambda: told() == "stored already; type to replace it")
        assert "It is in the encrypted file" in dialog.password.toolTip()
        QTest.keyClicks(dialog.secret, "s")
        await until(lambda: told() == "not set: type it")
        for _ in range(len("prod_passwords")):
            QTest.keyClick(dialog.secret, Qt.Key.Key_Backspace)
        assert told() == "none, or type one"

    sit(sitting)


def test_how_much_tls_is_asked_for_is_chosen_tried_and_saved(
    postgres_target: dict[str, Any], sit: Callable[[Sitting], None]
) -> None:
    async def sitting(dialog: ConnectionsDialog) -> None:
        for kind in ("postgresql", "mysql"):
            dialog.kind.setCurrentText(kind)
            assert dialog.tls.isVisible()
            assert dialog.tls.mode() == "preferred"
        dialog.kind.setCurrentText("sqlite")
        assert not dialog.tls.isVisible(), "a file needs none"
        dialog.kind.setCurrentText("postgresql")
        QTest.keyClicks(dialog.name, "books")
        dialog.host.setText(str(postgres_target["host"]))
        dialog.port.setValue(int(postgres_target["port"]))
        dialog.database.setText(str(postgres_target["database"]))
        dialog.user.setText(str(postgres_target["user"]))
        dialog.password.setText(str(postgres_target["password"]))
        dialog.tls.choose("required")
        assert "sslmode=require, MySQL's REQUIRED" in dialog.tls.toolTip()
        press(dialog.test)
        await until(lambda: "offers no TLS" in dialog.said.text())
        dialog.tls.choose("off")
        press(dialog.test)
        await until(lambda: "without TLS" in dialog.said.text())
        press(dialog.save)
        await until(lambda: dialog.said.text() == "books is saved.")
        assert Connections().get("books").tls == "off"
        assert not dialog.changed
        dialog.tls.choose("verified")
        assert dialog.changed
        press(dialog.save)
        await until(lambda: Connections().get("books").tls == "verified" and not dialog.changed)
        press(dialog.new)
        assert dialog.tls.mode() == "preferred"
        dialog.list.setCurrentRow(0)
        assert dialog.tls.mode() == "verified"
        Connections().remove("books")  # the folder is shared with other tests

    sit(sitting)


def test_what_was_typed_outlives_tab_the_list_and_escape(sit: Callable[[Sitting], None]) -> None:
    buttons = QMessageBox.StandardButton
    Connections().put(SavedConnection("prod", host="db.example", database="books"))
    Connections().put(SavedConnection("spare", host="db2.example", database="books"))

    async def sitting(dialog: ConnectionsDialog) -> None:
        await until(lambda: dialog.list.count() == 2)
        QTest.keyClicks(dialog.name, "mine")
        QTest.keyClicks(dialog.user, "analyst")
        dialog.list.setFocus(Qt.FocusReason.TabFocusReason)  # as Tab does; Qt makes the first one current
        assert (dialog.name.text(), dialog.list.selectedItems()) == ("mine", [])
        assert question(dialog) is None
        dialog.list.setCurrentRow(1)
        assert (dialog.name.text(), dialog.list.selectedItems()) == ("mine", [])
        answer(dialog, buttons.Cancel)
        assert dialog.user.text() == "analyst"
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        assert dialog.isVisible()
        answer(dialog, buttons.Cancel)
        dialog.list.setCurrentRow(1)
        answer(dialog, buttons.Save)
        await until(lambda: dialog.name.text() == "spare")
        assert {saved.name: saved.host for saved in Connections().all()} == {
            "mine": "localhost",
            "prod": "db.example",
            "spare": "db2.example",
        }
        assert [item.text().split()[0] for item in dialog.list.selectedItems()] == ["spare"]
        dialog.list.setCurrentRow(1)
        assert question(dialog) is None, "nothing was changed"
        assert dialog.name.text() == "prod"
        dialog.database.setText("other")
        press(dialog.new)
        answer(dialog, buttons.Discard)
        assert (dialog.name.text(), dialog.database.text()) == ("", "")
        QTest.keyClicks(dialog.name, "gone")
        press(dialog.close_button)
        answer(dialog, buttons.Discard)
        assert not dialog.isVisible()
        assert "gone" not in [saved.name for saved in Connections().all()]

    sit(sitting)


def test_the_form_fits_the_kind_and_says_what_is_missing(sit: Callable[[Sitting], None]) -> None:
    Connections().put(SavedConnection("old", kind="mysql", host="db.example", database="books"))

    async def sitting(dialog: ConnectionsDialog) -> None:
        await until(lambda: dialog.list.count() == 1)
        await until(dialog.places.text)
        assert dialog.places.text() == "Passwords are stored in the encrypted file."
        assert "environment: works" in dialog.places.toolTip()
        assert dialog.said.text() == dialog.test.toolTip() == "Give it a name, to test and save it."
        dialog.kind.setCurrentText("mysql")
        assert dialog.port.value() == 3306
        dialog.kind.setCurrentText("postgresql")
        assert dialog.port.value() == 5432
        dialog.port.setValue(6000)
        dialog.kind.setCurrentText("mysql")
        assert dialog.port.value() == 6000, "it was chosen"
        dialog.kind.setCurrentText("duckdb")
        assert dialog.browse.isVisible()
        assert not dialog.port.isVisible()
        press(dialog.browse)
        chooser = dialog.findChild(QFileDialog)
        assert chooser is not None
        chooser.fileSelected.emit("/data/books.duckdb")
        chooser.done(0)
        assert Path(dialog.database.text()) == Path("/data/books.duckdb")
        QTest.keyClicks(dialog.name, "x")
        assert dialog.said.text() == ""
        assert dialog.test.isEnabled()
        dialog.list.setCurrentRow(0)
        answer(dialog, QMessageBox.StandardButton.Discard)
        assert (dialog.name.text(), dialog.port.value()) == ("old", 3306), "5432 meant 3306"
        assert not dialog.changed
        for field in (dialog.name, dialog.kind, dialog.host, dialog.port, dialog.user, dialog.password, dialog.secret):
            assert field.toolTip(), field.accessibleName()

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
            await act(lambda: answer(dialog, QMessageBox.StandardButton.Discard))
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
