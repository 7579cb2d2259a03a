"""The debugger's panel, and the breakpoints of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.debugger import Debugger, described
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.runtime.pages import page_of

ROWS = [{"symbol": "MSFT", "price": 28.8}, {"symbol": "AMZN", "price": "n/a"}]


def shown_value(value: Any) -> dict[str, Any]:
    return {"page": page_of(value, 0, 200), "plain": json.dumps(value)}


def stand(when: str, **sides: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"node": "value", "when": when, "reason": "breakpoint", "error": ""}
    return told | {"inputs": {"rows": shown_value(ROWS)}, "outputs": None} | sides


@pytest.fixture
def panel(theme: Theme, icons: Icons, shown: Any) -> Debugger:
    made: Debugger = shown(Debugger(theme, icons))
    return made


def stops(number: int = 1, when: str = "before") -> dict[str, dict[str, Any]]:
    return {"value": {"state": "stopped", "stop": number, "when": when, "reason": "breakpoint"}}


def test_a_cell_is_edited_and_goes_on_with_the_node(panel: Debugger) -> None:
    decided: list[Any] = []
    panel.decided.connect(lambda *what: decided.append(what))
    wanted: list[int] = []
    panel.values_wanted.connect(wanted.append)
    panel.show_stops(stops())
    assert wanted == [1]
    assert not panel.buttons["go_on"].isEnabled(), "its values are on the way"
    panel.show_values(1, stand("before"))
    assert {name for name, button in panel.buttons.items() if button.isEnabled()} == {"go_on", "step", "skip"}
    item = panel.values.table.item(1, 1)
    assert item is not None
    item.setText("130.2")
    QTest.mouseClick(panel.buttons["go_on"], Qt.MouseButton.LeftButton)
    mended = [ROWS[0], {"symbol": "AMZN", "price": "130.2"}]
    assert decided == [(1, "go_on", {"rows": mended}, {})], "what was text stays text"
    panel.values.undo.click()
    assert panel.values.edited() == ({}, {})


def test_outputs_are_written_by_hand_instead_of_a_call(panel: Debugger) -> None:
    decided: list[Any] = []
    panel.decided.connect(lambda *what: decided.append(what))
    panel.show_stops(stops())
    panel.show_values(1, stand("before"))
    panel.values.port.setCurrentIndex(1)
    panel.values.text.setPlainText('{"result": [1, 2')
    assert "cannot be read" in panel.values.note.toolTip()
    assert not panel.buttons["go_on"].isEnabled()
    panel.values.text.setPlainText('{"result": [1, 2]}')
    QTest.mouseClick(panel.buttons["give"], Qt.MouseButton.LeftButton)
    assert decided == [(1, "give", {}, {"result": [1, 2]})]


def test_an_output_is_changed_after_the_call(panel: Debugger) -> None:
    decided: list[Any] = []
    panel.decided.connect(lambda *what: decided.append(what))
    panel.show_stops(stops(2, "after"))
    panel.show_values(2, stand("after", outputs={"result": shown_value(5), "note": shown_value("x")}))
    assert panel.values.port.currentText() == "output  result"
    assert panel.buttons["again"].isEnabled()
    panel.values.text.setPlainText("7")
    QTest.mouseClick(panel.buttons["step"], Qt.MouseButton.LeftButton)
    assert decided == [(2, "step", {}, {"result": 7, "note": "x"})], "all outputs are given, as they stand"


def test_a_large_value_is_told_and_not_edited(panel: Debugger) -> None:
    panel.show_stops(stops())
    large = {"page": page_of([{"a": n} for n in range(5000)], 0, 200)}
    panel.show_values(1, stand("before", inputs={"rows": large}))
    assert panel.values.text.toPlainText().startswith("5,000 rows: too large")
    assert panel.values.text.isReadOnly()


def test_expressions_are_asked_and_answered(panel: Debugger) -> None:
    asked: list[Any] = []
    panel.evaluate_wanted.connect(lambda *what: asked.append(what))
    panel.show_stops(stops())
    QTest.keyClicks(panel.expression, "len(inputs['rows'])")
    QTest.keyClick(panel.expression, Qt.Key.Key_Return)
    assert asked == [(1, "len(inputs['rows'])")]
    panel.show_result(described(page_of({"a": [1, 2], "b": "x"}, 0, 10)))
    assert panel.result.toolTip() == "{a: [1, 2], b: x}"
    panel.show_result("It cannot be.", wrong=True)
    assert panel.result.objectName() == "error_text"


def test_breakpoints_are_edited_in_the_list(panel: Debugger) -> None:
    changed: list[Any] = []
    panel.breakpoint_changed.connect(lambda *what: changed.append(what))
    panel.show_breakpoints([Breakpoint("a"), Breakpoint("b", "error", hits=2)])
    first, second = panel.points.topLevelItem(0), panel.points.topLevelItem(1)
    assert first is not None
    assert second is not None
    first.setText(2, "inputs['x'] > 1")
    assert changed == [(0, Breakpoint("a", condition="inputs['x'] > 1"))]
    second.setText(3, "often")
    assert second.text(3) == "2"
    second.setCheckState(0, Qt.CheckState.Unchecked)
    assert changed[-1] == (1, Breakpoint("b", "error", hits=2, enabled=False))


def test_breakpoints_follow_their_nodes_and_stay_with_the_file(window: MainWindow, tmp_path: Path) -> None:
    session, canvas = window.session, window.canvas
    first, second = session.add_node("TableViewNode", (0, 0)), session.add_node("TableViewNode", (400, 0))
    canvas.select([first, second])
    window.actions_by_name["breakpoint"].trigger()
    assert [canvas.store.cards[n].view.breakpoint for n in (first, second)] == ["on", "on"]
    window.breakpoints.put(1, Breakpoint(second, enabled=False))
    assert canvas.store.cards[second].view.breakpoint == "off"
    assert session.rename(first, "renamed") is None
    assert [point.node for point in window.breakpoints.all()] == ["renamed", second]
    assert canvas.store.cards["renamed"].view.breakpoint == "on"
    session.remove([second])
    assert [point.node for point in window.breakpoints.all()] == ["renamed"]
    file = tmp_path / "w.kailash.json"
    session.save(file)
    assert "breakpoint" not in file.read_text(encoding="utf-8")
    assert Settings.load().breakpoints[str(file)][0]["node"] == "renamed"
