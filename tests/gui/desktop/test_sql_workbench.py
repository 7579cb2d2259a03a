"""The large SQL editor in the window, with a real engine: on the embedded database, and on servers that hang."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from fakes.black_hole import silent_listener
from fakes.stalls import StallMeter
from fakes.waiting import until
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox
from qasync import QEventLoop

from kailash_studio.desktop.editors.sql import SqlEditor
from kailash_studio.desktop.editors.sql_workbench import SqlWorkbench
from kailash_studio.desktop.inspector.fields import CodeField
from kailash_studio.desktop.window import MainWindow
from kailash_studio.services.sql_text import Given

_CONTROL = Qt.KeyboardModifier.ControlModifier
Sit = Callable[[Coroutine[Any, Any, None]], None]
QUERY = "SELECT client_name, total_value FROM portfolios WHERE risk_profile = $1"


@pytest.fixture
def sit(loop: QEventLoop, window: MainWindow) -> Sit:
    """Runs a sitting to its end; a first start of the database is in it. What is under way then is given up."""

    def to_its_end(work: Coroutine[Any, Any, None]) -> None:
        loop.run_until_complete(asyncio.wait_for(work, 60))
        window.sql_link.close()
        loop.run_until_complete(asyncio.sleep(0.01))

    return to_its_end


async def opened(window: MainWindow, parameters: dict[str, Any]) -> tuple[str, SqlWorkbench]:
    """The editor of a new node, opened with the inspector's button."""
    if window.engine.state != "ready":
        window.engine.start()
        await until(lambda: window.engine.state == "ready")
    node = window.session.add_node("AsyncSQLDatabaseNode", (0, 0), parameters)
    window.canvas.select([node])
    button = window.inspector.form.row("query").large
    assert button is not None
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    return node, window.sql_link.benches()[-1]


def rewrite(bench: SqlWorkbench, text: str) -> None:
    """Replace the statement with keys."""
    bench.editor.setFocus()
    QTest.keyClick(bench.editor, Qt.Key.Key_A, _CONTROL)
    QTest.keyClicks(bench.editor, text)
    QTest.keyClick(bench.editor, Qt.Key.Key_Escape)


def parameters(window: MainWindow, node: str) -> Any:
    return window.session.workflow.nodes[node].parameters


def test_an_analyst_writes_a_statement(window: MainWindow, sit: Sit, with_database: Path) -> None:
    async def sitting() -> None:
        node, bench = await opened(window, {"query": "SELECT 1"})
        await until(lambda: "PostgreSQL at 127.0.0.1" in bench.where.toolTip())
        rewrite(bench, "SELECT client_nam FROM portfolios WHERE risk_profile = $1")
        await until(lambda: any("a column client_nam; did you mean client_name" in line for line in _problems(bench)))
        rewrite(bench, QUERY)
        await until(lambda: _problems(bench) == ["$1 has no value: give it one among the parameters."])
        await until(lambda: bench.grid.item(0, 1) is not None and bench.grid.item(0, 1).text() == "text")
        bench.grid.setCurrentCell(0, 2)
        QTest.keyClick(bench.grid, Qt.Key.Key_Return)
        field = bench.grid.focusWidget()
        assert field is not None
        QTest.keyClicks(field, "Growth")
        QTest.keyClick(field, Qt.Key.Key_Return)
        await until(lambda: "takes this statement" in bench.verdict.text())
        assert parameters(window, node) == {"query": QUERY, "params": ["Growth"]}
        assert bench.place.text() == f"Line 1, column {len(QUERY) + 1}"
        QTest.keyClick(bench.editor, Qt.Key.Key_Return, _CONTROL)
        await until(lambda: bench.outcome.result_page.currentWidget() is bench.outcome.rows)
        assert bench.outcome.rows.model() is not None and bench.outcome.rows.model().rowCount() > 50
        assert bench.outcome.caption.toolTip().endswith(" ms")
        QTest.mouseClick(bench.explain_button, Qt.MouseButton.LeftButton)
        await until(lambda: bench.outcome.plan_page.currentWidget() is bench.outcome.plan)
        assert bench.outcome.plan.topLevelItem(0) is not None
        window.session.undo()
        assert parameters(window, node) == {"query": QUERY}
        assert bench.given == Given()
        while window.session.history.undo_label and parameters(window, node) != {"query": "SELECT 1"}:
            window.session.undo()
        assert bench.text() == "SELECT 1"
        bench.close()
        assert window.sql_link.benches() == []

    sit(sitting())


def test_the_keys_of_save_and_run_hold_in_the_editor(
    loop: QEventLoop, window: MainWindow, sit: Sit, tmp_path: Path
) -> None:
    file, session = tmp_path / "flow.kailash.json", window.session
    node = session.add_node("AsyncSQLDatabaseNode", (0, 0), {"query": "SELECT $1"})
    session.save(file)
    done: list[str] = []
    for name in ("save", "run"):
        window.actions_by_name[name].triggered.connect(
            lambda _=False, name=name: done.append(f"{name} {parameters(window, node)['query']}")
        )

    async def sitting() -> None:
        bench = window.sql_link.open(node, "query")
        bench.activateWindow()
        await until(lambda: QGuiApplication.focusWindow() is bench.windowHandle())
        rewrite(bench, "SELECT 2")
        QTest.keyClick(bench.editor, Qt.Key.Key_S, _CONTROL)
        assert done == ["save SELECT 2"]
        assert '"SELECT 2"' in file.read_text(encoding="utf-8")
        rewrite(bench, "SELECT 3")
        QTest.keyClick(bench.editor, Qt.Key.Key_F5)
        assert done == ["save SELECT 2", "run SELECT 3"]
        await until(lambda: not window.runs.running)
        bench.grid.show_parameters([("$1", "")], Given(), {})
        bench.grid.setCurrentCell(0, 2)
        bench.grid.setFocus()
        QTest.keyClick(bench.grid, Qt.Key.Key_Return)
        field = bench.grid.focusWidget()
        assert field is not None
        QTest.keyClicks(field, "Growth")
        QTest.keyClick(field, Qt.Key.Key_S, _CONTROL)
        assert parameters(window, node)["params"] == ["Growth"]
        assert "Growth" in file.read_text(encoding="utf-8"), "what is being written is saved too"

    sit(sitting())


def _problems(bench: SqlWorkbench) -> list[str]:
    items = (bench.outcome.problems.topLevelItem(row) for row in range(bench.outcome.problems.topLevelItemCount()))
    return [item.text(1) for item in items if item is not None]


def test_a_test_run_that_writes_is_refused_and_a_long_one_cancelled(
    window: MainWindow, sit: Sit, with_database: Path
) -> None:
    async def sitting() -> None:
        _, bench = await opened(window, {"query": "DELETE FROM positions"})
        QTest.keyClick(bench.editor, Qt.Key.Key_Return, _CONTROL)
        await until(lambda: "only reads" in bench.outcome.failure.text())
        await until(lambda: any("changes every row" in sentence for sentence in _problems(bench)))
        rewrite(bench, "SELECT pg_sleep(60)")
        QTest.mouseClick(bench.run_button, Qt.MouseButton.LeftButton)
        assert bench.busy and bench.cancel_button.isVisible()
        QTest.keyClick(bench, Qt.Key.Key_Escape)
        await until(lambda: not bench.busy)
        assert bench.outcome.caption.toolTip() == "Cancelled"
        assert bench.isVisible()

    sit(sitting())


NAMED = "SELECT client_name FROM portfolios WHERE total_value > :minimum"


async def give(bench: SqlWorkbench, name: str, text: str) -> None:
    """Write a value into the grid with keys."""
    rows = bench.grid.rowCount
    await until(lambda: any(bench.grid.item(row, 0).text() == name for row in range(rows())))  # type: ignore[union-attr]
    row = next(row for row in range(rows()) if bench.grid.item(row, 0).text() == name)  # type: ignore[union-attr]
    bench.grid.setCurrentCell(row, 2)
    QTest.keyClick(bench.grid, Qt.Key.Key_Return)
    field = bench.grid.focusWidget()
    assert field is not None
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def test_values_with_names_are_given_tested_explained_and_undone(
    window: MainWindow, sit: Sit, with_database: Path
) -> None:
    async def sitting() -> None:
        node, bench = await opened(window, {"query": NAMED})
        await until(lambda: _problems(bench) == [":minimum has no value: give it one among the parameters."])
        await until(lambda: bench.grid.item(0, 1) is not None and bench.grid.item(0, 1).text() == "numeric")
        await give(bench, ":minimum", "1000")
        await until(lambda: "takes this statement" in bench.verdict.text())
        assert parameters(window, node) == {"query": NAMED, "values": {"minimum": 1000}}
        assert bench.grid.item(0, 2).text() == "1000"  # type: ignore[union-attr]
        bench.run()
        await until(lambda: bench.outcome.result_page.currentWidget() is bench.outcome.rows)
        assert bench.outcome.rows.model().rowCount() > 10
        bench.explain()
        await until(lambda: bench.outcome.plan_page.currentWidget() is bench.outcome.plan)
        rewrite(bench, f"{NAMED} AND risk_profile = $1 AND total_value < 9 * :minimum")
        await give(bench, "$1", "Growth")
        await until(lambda: "takes this statement" in bench.verdict.text())
        assert parameters(window, node)["params"] == ["Growth"]
        assert parameters(window, node)["values"] == {"minimum": 1000}
        for ask, page, shown in (
            (bench.run, bench.outcome.result_page, bench.outcome.rows),
            (bench.explain, bench.outcome.plan_page, bench.outcome.plan),
        ):
            bench.outcome.show_nothing()
            ask()
            await until(lambda page=page, shown=shown: page.currentWidget() is shown)  # type: ignore[misc]
        QTest.keyClicks(bench.editor, " AND ris")
        assert "risk_profile" in bench.editor.completions()
        QTest.keyClick(bench.editor, Qt.Key.Key_Escape)
        while window.session.history.undo_label and "values" in parameters(window, node):
            window.session.undo()
        assert parameters(window, node) == {"query": NAMED}
        assert bench.given == Given()

    sit(sitting())


def test_names_stay_their_own_where_a_connection_gives_the_numbers(
    window: MainWindow, sit: Sit, with_database: Path
) -> None:
    async def sitting() -> None:
        node, bench = await opened(window, {"query": "SELECT $1::int + :more::int AS n", "values": {"more": 1}})
        source = window.session.add_node("PythonCodeNode", (0, 200), {"code": "def values() -> list: return [1]"})
        assert window.session.connect_ports(source, "result", node, "params") is None
        await until(lambda: "takes this statement" in bench.verdict.text())
        await give(bench, "$1", "40")
        bench.run()
        await until(lambda: bench.outcome.result_page.currentWidget() is bench.outcome.rows)
        assert bench.outcome.rows.model().index(0, 0).data() == "41"
        assert "params" not in parameters(window, node)
        assert parameters(window, node)["values"] == {"more": 1}

    sit(sitting())


def test_values_that_a_connection_gives_are_for_tests_alone(window: MainWindow, sit: Sit, with_database: Path) -> None:
    async def sitting() -> None:
        node, bench = await opened(window, {"query": "SELECT $1::int + 1 AS n"})
        source = window.session.add_node("PythonCodeNode", (0, 200), {"code": "def values() -> list: return [1]"})
        assert window.session.connect_ports(source, "result", node, "params") is None
        await until(lambda: "come from" in bench.note.text())
        await until(lambda: "takes this statement" in bench.verdict.text())
        bench.grid._set("$1", 41)
        bench.run()
        await until(lambda: bench.outcome.result_page.currentWidget() is bench.outcome.rows)
        assert bench.outcome.rows.model().index(0, 0).data() == "42"
        assert "params" not in parameters(window, node)

    sit(sitting())


def test_a_sqlite_file_is_looked_into(window: MainWindow, sit: Sit, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE trades AS SELECT 1 AS id, 2.5 AS price")
    connection.commit()
    connection.close()
    own = {"connection": "details", "database_type": "sqlite", "database": str(path)}

    async def sitting() -> None:
        node, bench = await opened(window, {"query": "SELECT prise FROM trades", **own})
        await until(lambda: _problems(bench) == ["No table here has a column prise; did you mean price?"])
        tree = bench.catalogue.tree
        await until(lambda: tree.topLevelItemCount() == 1)
        window.session.set_parameter(node, "database", str(tmp_path / "none.db"))
        await until(lambda: "There is no SQLite file" in bench.where.toolTip())
        window.session.undo()
        await until(lambda: "SQLite at shop.db" in bench.where.toolTip())
        assert tree.topLevelItem(0).child(1).text(0) == "price"  # type: ignore[union-attr]
        bench.editor.selectAll()
        tree.setCurrentItem(tree.topLevelItem(0))
        QTest.keyClick(tree, Qt.Key.Key_Return)
        assert bench.text() == "trades"
        assert bench.isVisible()

    sit(sitting())


def test_another_document_or_a_removed_node_closes_it_and_changes_nothing(window: MainWindow, sit: Sit) -> None:
    async def sitting() -> None:
        node, bench = await opened(window, {"query": "SELECT 1"})
        rewrite(bench, "SELECT 22")
        window.session.remove([node])
        assert window.sql_link.benches() == []
        node, bench = await opened(window, {"query": "SELECT 1"})
        rewrite(bench, "SELECT 33")
        window.session.new()
        assert window.sql_link.benches() == []
        assert window.session.workflow.nodes == {}

    sit(sitting())


def test_a_workflow_from_elsewhere_asks_before_its_database_is_asked(
    window: MainWindow, sit: Sit, tmp_path: Path
) -> None:
    async def sitting() -> None:
        with silent_listener() as port:
            window.session.trusted = False
            given = {"connection": "details", "host": "127.0.0.1", "port": port, "query": "SELECT (1"}
            _, bench = await opened(window, given)
            await until(lambda: _problems(bench) == ["This ( is not closed."])
            assert "not made here" in bench.where.toolTip()
            for button in ("Cancel", "Connect"):
                QTest.keyClick(bench.editor, Qt.Key.Key_Return, _CONTROL)
                box = bench.findChild(QMessageBox, "trust_database")
                assert box is not None and "127.0.0.1/" in box.informativeText()
                assert not bench.busy
                chosen = next(b for b in box.buttons() if b.text().replace("&", "") == button)
                QTest.mouseClick(chosen, Qt.MouseButton.LeftButton)
                QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
            assert bench.busy
            assert not window.session.trusted
            QTest.mouseClick(bench.cancel_button, Qt.MouseButton.LeftButton)
            assert not bench.busy
            bench.close()
            await asyncio.sleep(0.05)

    sit(sitting())


def test_it_opens_with_a_key_and_only_for_sql(window: MainWindow, sit: Sit) -> None:
    async def sitting() -> None:
        node = window.session.add_node(
            "AsyncSQLDatabaseNode", (0, 0), {"query": "SELECT $1", "params": {"$parameter": "p"}}
        )
        window.session.workflow.parameters["p"] = {"type": "list", "default": [7]}
        other = window.session.add_node("CSVReaderNode", (0, 200))
        window.canvas.select([other])
        window.actions_by_name["sql"].trigger()
        assert window.line.currentMessage() == "Select one node that has an SQL statement, then edit it."
        window.canvas.select([node])
        window.actions_by_name["sql"].trigger()
        window.actions_by_name["sql"].trigger()
        (bench,) = window.sql_link.benches()
        assert "are the workflow parameter p" in bench.note.text()
        assert bench.given == Given([7])
        await until(lambda: bench.grid.item(0, 2) is not None)
        assert not bench.grid.item(0, 2).flags() & Qt.ItemFlag.ItemIsEditable  # type: ignore[union-attr]
        bench.close()

    sit(sitting())


def test_the_inspector_completes_from_the_same_tables(window: MainWindow, sit: Sit, with_database: Path) -> None:
    async def sitting() -> None:
        _, bench = await opened(window, {"query": "SELECT 1"})
        await until(lambda: "tables" in bench.where.toolTip())
        bench.close()
        field = window.inspector.form.row("query").field
        assert isinstance(field, CodeField) and isinstance(field.edit, SqlEditor)
        window.activateWindow()
        field.edit.setFocus()
        QTest.keyClick(field.edit, Qt.Key.Key_A, _CONTROL)
        QTest.keyClicks(field.edit, "SELECT * FROM portf")
        assert field.edit.completions() == ["portfolios"]
        field.edit.hide_completions()

    sit(sitting())


def test_the_other_theme_reaches_it(window: MainWindow, sit: Sit, with_database: Path) -> None:
    async def sitting() -> None:
        _, bench = await opened(window, {"query": "SELECT (1"})
        await until(lambda: _problems(bench))
        before = bench.verdict.text()
        window.change_theme()
        assert bench.verdict.text() != before
        shown = bench._check
        assert shown is not None
        (finding,) = shown["findings"][:1]
        bench.show_check({**shown, "findings": [{**finding, "sentence": "Is a<b and c>d meant?"}]})
        assert bench.verdict.text().endswith("Is a&lt;b and c&gt;d meant?"), "signs of the statement are no markup"

    sit(sitting())


def test_an_engine_that_ends_is_told(window: MainWindow, sit: Sit) -> None:
    async def sitting() -> None:
        _, bench = await opened(window, {"query": "SELECT pg_sleep(60)", "connection": "details", "port": 1})
        bench.run()
        window.engine.kill()
        await until(lambda: not bench.busy)
        assert bench.outcome.failure.text()
        bench.run()
        assert "engine is not ready" in bench.outcome.failure.text()

    sit(sitting())


@pytest.mark.parametrize("action", ["run", "explain"])
def test_a_server_that_never_answers_holds_nothing_up(window: MainWindow, sit: Sit, action: str) -> None:
    """Looking, typing, running and cancelling against it: the loop goes on, and Cancel answers at once.

    What waits for a server waits each time; a machine that is busy with others does not stop us three times.
    """

    async def session(bench: SqlWorkbench) -> float:
        with StallMeter(window) as meter:
            QTest.mouseClick(bench.refresh, Qt.MouseButton.LeftButton)
            for key in "SELECT a FROM b WHERE c = $1":
                QTest.keyClicks(bench.editor, key)
                await asyncio.sleep(0)
            await until(bench.verdict.text)
            (bench.run if action == "run" else bench.explain)()
            for _ in range(10):
                await asyncio.sleep(0.02)
                QTest.keyClicks(bench.editor, "x")
            assert bench.busy
            QTest.mouseClick(bench.cancel_button, Qt.MouseButton.LeftButton)
            assert not bench.busy
            assert bench.outcome.caption.toolTip() == "Cancelled"
            await asyncio.sleep(0.05)
        assert meter.beats > 20
        return meter.longest

    async def sitting() -> None:
        with silent_listener() as port:
            given = {"connection": "details", "host": "127.0.0.1", "port": port, "database": "shop", "user": "me"}
            _, bench = await opened(window, {"query": QUERY, "params": ["Growth"], **given})
            await asyncio.sleep(0.1)
            longest: list[float] = []
            while len(longest) < 3 and not any(seconds < 0.1 for seconds in longest):
                longest.append(await session(bench))
            assert min(longest) < 0.1, f"the loop stood still for {min(longest) * 1000:.0f} ms"

    sit(sitting())


def test_an_engine_that_hangs_holds_nothing_up_either(window: MainWindow, sit: Sit) -> None:
    async def sitting() -> None:
        _, bench = await opened(window, {"query": "SELECT 1", "connection": "details", "port": 1})
        os.kill(window.engine.pid, signal.SIGSTOP)
        try:
            rewrite(bench, "SELECT 2")
            bench.run()
            await asyncio.sleep(0.05)
            assert bench.busy
            QTest.mouseClick(bench.cancel_button, Qt.MouseButton.LeftButton)
            assert not bench.busy
        finally:
            os.kill(window.engine.pid, signal.SIGCONT)

    sit(sitting())


def test_the_meter_sees_a_stall(window: MainWindow, sit: Sit) -> None:
    async def sitting() -> None:
        with StallMeter(window) as meter:
            await asyncio.sleep(0.02)
            time.sleep(0.15)  # the fault that the meter is there for
            await asyncio.sleep(0.02)
        assert meter.longest > 0.1

    sit(sitting())


def test_sql_over_tables_is_written_over_the_rows_of_the_last_run(window: MainWindow, sit: Sit) -> None:
    async def sitting() -> None:
        window.engine.start()
        await until(lambda: window.engine.state == "ready")
        session = window.session
        held = session.add_node("PythonCodeNode", (0, 0), {"code": "def f(): return [{'symbol': 'A', 'quantity': 4}]"})
        node = session.add_node("DuckDBNode", (400, 0), {"query": "SELECT * FROM rows"})
        assert session.connect_ports(held, "result", node, "rows") is None
        window.canvas.select([node])
        QTest.keyClick(window, Qt.Key.Key_F4)
        (bench,) = window.sql_link.benches()
        await until(lambda: "The table rows has no rows yet" in bench.where.toolTip())
        window.actions_by_name["run"].trigger()
        await until(lambda: "DuckDB over rows · 1 table" in bench.where.toolTip())
        rewrite(bench, "SELECT symbl FROM rows")
        await until(lambda: any("did you mean symbol" in line for line in _problems(bench)))
        rewrite(bench, "SELECT symbol, quantity * 2 AS twice FROM rows")
        await until(lambda: "takes this statement" in bench.verdict.text())
        QTest.keyClick(bench.editor, Qt.Key.Key_Return, _CONTROL)
        await until(lambda: bench.outcome.result_page.currentWidget() is bench.outcome.rows)
        model = bench.outcome.rows.model()
        assert model is not None
        assert [model.data(model.index(0, column)) for column in range(2)] == ["A", "8"]
        session.disconnect_keys(list(session.workflow.connections))
        await until(lambda: "The table rows is not connected" in bench.where.toolTip())
        session.new()
        assert window.sql_link.benches() == [], "the workflow that it belonged to is gone, and so is the run"

    sit(sitting())
