"""What is being typed in the inspector when something else is done: it is taken over first, and never lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.waiting import Sit, until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from kailash_studio.desktop.window import MainWindow

_CONTROL = Qt.KeyboardModifier.ControlModifier


def _into(editor: QWidget, text: str) -> None:
    """Replace what is in an editor, and stay in it."""
    editor.window().activateWindow()
    editor.setFocus()
    QTest.keyClick(editor, Qt.Key.Key_A, _CONTROL)
    QTest.keyClicks(editor, text)


def _press(key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """Press a key where the focus is, shortcuts included."""
    focus = QApplication.focusWidget()
    assert focus is not None
    QTest.keyClick(focus, key, modifier)


def _field(window: MainWindow, name: str) -> Any:
    return window.inspector.form.row(name).field


def _edited(window: MainWindow) -> bool:
    return window.bar._edited.isVisibleTo(window.bar) and window.isWindowModified()


FILTER = {"column": "region", "operator": "==", "value": "north"}
WAYS = [
    ("FilterRowsNode", "column", "regionx", "regionx"),
    ("FilterRowsNode", "value", "south", "south"),
    ("AggregateNode", "measures", "sum price", ["sum price"]),
    ("SampleTableNode", "count", "7", 7),
    ("PythonCodeNode", "code", "def f(): return 2", "def f(): return 2"),
    ("SwitchNode", "cases", "gold", ["gold"]),
    ("EmbeddingNode", "text", "a question", "a question"),
]


def _parameters(window: MainWindow, node: str) -> dict[str, Any]:
    return window.session.workflow.nodes[node].parameters


def _editor(window: MainWindow, name: str) -> Any:
    return _field(window, name).focusProxy()


@pytest.mark.parametrize(("kind", "name", "typed", "value"), WAYS, ids=[f"{w[0]}.{w[1]}" for w in WAYS])
def test_a_key_of_an_action_takes_over_what_is_typed_in_one_step_of_undo(
    window: MainWindow, tmp_path: Path, kind: str, name: str, typed: str, value: Any
) -> None:
    node = window.session.add_node(kind, (0, 0))
    window.session.save(tmp_path / "a.kailash.json")
    before = dict(_parameters(window, node))
    window.canvas.select([node])
    assert not _edited(window)
    _into(_editor(window, name), typed)
    assert _edited(window), "what is typed and not saved is told at once"
    assert _parameters(window, node) == before, "nothing has paused yet"
    _press(Qt.Key.Key_S, _CONTROL)
    assert _parameters(window, node)[name] == value
    assert not _edited(window)
    assert str(typed.rsplit(maxsplit=1)[-1]) in (tmp_path / "a.kailash.json").read_text()
    window.actions_by_name["undo"].trigger()
    assert _parameters(window, node) == before, "all that was typed is one step"


def test_closing_asks_about_what_is_only_typed(window: MainWindow, tmp_path: Path) -> None:
    node = window.session.add_node("FilterRowsNode", (0, 0), FILTER)
    window.session.save(tmp_path / "a.kailash.json")
    window.canvas.select([node])
    _into(_editor(window, "column"), "regionx")
    _press(Qt.Key.Key_Q, _CONTROL)
    box = window.findChild(QMessageBox, "unsaved_changes")
    assert box is not None, "the window closed without a question"
    box.button(QMessageBox.StandardButton.Cancel).click()
    assert _parameters(window, node)["column"] == "regionx"


def test_a_name_and_a_policy_are_taken_over_too(window: MainWindow, tmp_path: Path) -> None:
    node = window.session.add_node("FilterRowsNode", (0, 0), FILTER)
    window.session.save(tmp_path / "a.kailash.json")
    window.canvas.select([node])
    window.inspector.tabs.setCurrentWidget(window.inspector.policies)
    _into(window.inspector.policies.row("timeout").field.spin, "12")
    assert _edited(window)
    _press(Qt.Key.Key_S, _CONTROL)
    assert window.session.workflow.nodes[node].resilience["timeout"] == 12.0
    _into(window.inspector.name, "kept_rows")
    assert _edited(window)
    _press(Qt.Key.Key_S, _CONTROL)
    assert list(window.session.workflow.nodes) == ["kept_rows"]
    assert window.canvas.selection() == ["kept_rows"]


def test_going_to_another_node_takes_over_for_the_one_that_was_left(window: MainWindow) -> None:
    first, second = (window.session.add_node("FilterRowsNode", (x, 0), FILTER) for x in (0, 400))
    window.canvas.select([first])
    _into(_editor(window, "column"), "amount")
    window.canvas.select([second])
    assert (_parameters(window, first)["column"], _parameters(window, second)["column"]) == ("amount", "region")
    _into(window.inspector.name, "other")
    window.canvas.select([first])
    assert set(window.session.workflow.nodes) == {first, "other"}
    assert window.canvas.selection() == [first]


def test_what_is_no_value_stays_in_its_field_and_keeps_the_run_away(window: MainWindow, tmp_path: Path) -> None:
    first = window.session.add_node("SelectColumnsNode", (0, 0), {"columns": ["a"]})
    second = window.session.add_node("FilterRowsNode", (400, 0), FILTER)
    window.session.save(tmp_path / "a.kailash.json")
    window.canvas.select([first])
    _into(_editor(window, "rename"), '{"a": ')
    window.canvas.select([second])
    assert _edited(window)
    place = f"nodes/{first}/parameters/rename"
    (finding,) = [f for f in window.session.findings if f.place == place]
    assert "not JSON yet" in finding.sentence and '{"a":' in finding.sentence
    assert finding.severity == "error"

    window.actions_by_name["save"].trigger()
    assert "is saved without this" in window.line.currentMessage()
    assert _edited(window)

    window.canvas.select([first])
    field = _field(window, "rename")
    assert field.edit.toPlainText() == '{"a": '
    assert field.edit.property("invalid") is True
    assert window.inspector.form.row("rename").problem.text() in finding.sentence
    _into(field.edit, '{"a": "b"}')
    window.actions_by_name["save"].trigger()
    assert _parameters(window, first)["rename"] == {"a": "b"}
    assert not [f for f in window.session.findings if f.place == place]
    assert not _edited(window)


def test_reset_takes_away_what_is_no_value(window: MainWindow) -> None:
    node = window.session.add_node("SelectColumnsNode", (0, 0), {"columns": ["a"], "rename": {"x": "y"}})
    window.canvas.select([node])
    _into(_editor(window, "rename"), "{")
    window.session.settle()
    window.inspector.form.row("rename").reset.click()
    assert _field(window, "rename").edit.toPlainText() == ""
    assert "rename" not in _parameters(window, node)
    assert not window.session.unreadable()


def test_another_workflow_with_the_same_ids_gets_nothing_of_it(window: MainWindow) -> None:
    node = window.session.add_node("SelectColumnsNode", (0, 0), {"columns": ["a"]})
    window.canvas.select([node])
    _into(_editor(window, "rename"), "{")
    window.session.settle()
    window.session.new()
    assert window.session.add_node("SelectColumnsNode", (0, 0), {"columns": ["b"]}) == node
    window.canvas.select([node])
    assert _field(window, "rename").edit.toPlainText() == ""
    assert not window.session.unreadable()


def test_the_run_takes_what_the_field_says(sit: Sit, window: MainWindow) -> None:
    async def sitting() -> None:
        node = window.session.add_node("PythonCodeNode", (0, 0), {"code": "def f(): return 1"})
        window.canvas.select([node])
        ran: list[str] = []
        for code, start in (
            ("def f(): return 2", lambda: _press(Qt.Key.Key_F5)),
            ("def f(): return 3", window.bar.run_button.click),
        ):
            _into(_editor(window, "code"), code)
            start()
            await until(lambda: window.runs.current is not None and not window.runs.running)
            assert window.runs.current is not None
            assert window.runs.current.document is not None
            ran.append(window.runs.current.document.nodes[node].parameters["code"])
        assert ran == ["def f(): return 2", "def f(): return 3"]

    sit(sitting)


def test_the_preview_follows_while_somebody_types(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,x\n2,y\n3,z\n")

    async def sitting() -> None:
        session, strip = window.session, window.inspector.preview
        reader = session.add_node("CSVReaderNode", (0, 0), {"path": str(tmp_path / "a.csv")})
        node = session.add_node("FilterRowsNode", (300, 0), {"column": "id", "operator": ">", "value": 2})
        assert not session.connect_ports(reader, "data", node, "rows")
        window.runs.start()
        await until(lambda: window.runs.current is not None and not window.runs.running)
        window.canvas.select([node])
        await until(lambda: strip.caption.whole == "data: 1 row")
        editor = _editor(window, "value")
        _into(editor, "1")
        await until(lambda: strip.caption.whole == "data: 2 rows")
        assert editor.hasFocus()
        editor = _editor(window, "column")
        _into(editor, "idx")
        await until(lambda: "idx" in strip.wrong.text())
        assert editor.text() == "idx"
        window.actions_by_name["undo"].trigger()
        assert _parameters(window, node)["column"] == "id"
        assert editor.text() == "id"

    sit(sitting)


def test_a_pause_leaves_the_text_as_it_is_written(window: MainWindow, sit: Sit) -> None:
    async def sitting() -> None:
        node = window.session.add_node("SampleTableNode", (0, 0))
        other = window.session.add_node("SelectColumnsNode", (300, 0), {"columns": ["a"]})
        window.canvas.select([other])
        editor = _editor(window, "columns")
        _into(editor, "b")
        QTest.keyClick(editor, Qt.Key.Key_Return)
        await until(lambda: _parameters(window, other)["columns"] == ["b"])
        QTest.keyClicks(editor, "c")
        await until(lambda: _parameters(window, other)["columns"] == ["b", "c"])
        window.canvas.select([node])
        window.inspector.tabs.setCurrentWidget(window.inspector.policies)
        spin = window.inspector.policies.row("timeout").field.spin
        _into(spin, "1.")
        field = window.inspector.policies.row("timeout").field
        await until(lambda: not field._pause.isActive())
        assert window.session.workflow.nodes[node].resilience == {}, "it may become anything"
        QTest.keyClicks(spin, "5")
        await until(lambda: window.session.workflow.nodes[node].resilience.get("timeout") == 1.5)
        window.session.undo()
        assert window.session.workflow.nodes[node].resilience == {}
        assert spin.text() == "not set"

    sit(sitting)
