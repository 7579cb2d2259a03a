"""The debugger's panel, and the breakpoints of a file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QModelIndex, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QLineEdit, QStyle, QStyleOptionViewItem, QTabWidget
from qasync import QEventLoop

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.breakpoint_list import BreakpointList
from kailash_studio.desktop.panels.debugger import Debugger, described
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.runtime.pages import page_of

ROWS = [{"symbol": "MSFT", "price": 28.8}, {"symbol": "AMZN", "price": "n/a"}]
LONG = [{"a": number, "b": "x"} for number in range(5000)]


def shown_value(value: Any) -> dict[str, Any]:
    return {"page": page_of(value, 0, 200), "plain": json.dumps(value)}


def stand(when: str, **sides: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"node": "value", "when": when, "reason": "breakpoint", "error": ""}
    gives = [[["result"], ["result"]]]
    return told | {"inputs": {"rows": shown_value(ROWS)}, "outputs": None, "gives": gives} | sides


async def page(side: str, name: str, offset: int, limit: int) -> dict[str, Any]:
    """A further page of the long value."""
    return page_of(LONG, offset, limit)


def nothing(**changed: Any) -> dict[str, Any]:
    """What a decision carries when nothing was changed, but what is named."""
    return {"inputs": {}, "outputs": {}, "cells": {}} | changed


@pytest.fixture
def panel(theme: Theme, icons: Icons, shown: Any) -> Debugger:
    made: Debugger = shown(Debugger(theme, icons))
    return made


def index(panel: Debugger, row: int, column: int) -> QModelIndex:
    return panel.values.table.model().index(row, column)


def type_into(panel: Debugger, row: int, column: int, text: str) -> None:
    """As an editor does it when it is left."""
    assert panel.values.table.model().setData(index(panel, row, column), text)


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
    panel.show_values(1, stand("before"), page)
    assert {name for name, button in panel.buttons.items() if button.isEnabled()} == {"go_on", "step", "skip"}
    type_into(panel, 1, 1, "130.2")
    QTest.mouseClick(panel.buttons["go_on"], Qt.MouseButton.LeftButton)
    assert decided == [(1, "go_on", nothing(cells={"inputs": {"rows": [[1, "price", "130.2"]]}}))]
    assert not panel.values.as_json.isEnabled(), "cells keep their types, so one way is used at a time"
    panel.values.undo.click()
    assert panel.values.edited() == ({}, {}, {})
    type_into(panel, 0, 0, "MSFT")
    assert panel.values.edited() == ({}, {}, {}), "what is as before is no change"
    panel.values.table.setCurrentIndex(index(panel, 0, 1))
    QTest.keyClick(panel.values.table, Qt.Key.Key_Delete)
    assert panel.values.edited()[2] == {"inputs": {"rows": [[0, "price", None]]}}


def test_outputs_are_written_by_hand_instead_of_a_call(panel: Debugger) -> None:
    decided: list[Any] = []
    panel.decided.connect(lambda *what: decided.append(what))
    panel.show_stops(stops())
    panel.show_values(1, stand("before"), page)
    panel.values.port.setCurrentIndex(1)
    panel.values.text.setPlainText('{"result": [1, 2')
    assert "cannot be read" in panel.values.note.toolTip()
    assert not panel.buttons["go_on"].isEnabled()
    panel.values.text.setPlainText('{"result": [1, 2]}')
    QTest.mouseClick(panel.buttons["give"], Qt.MouseButton.LeftButton)
    assert decided == [(1, "give", nothing(outputs={"result": [1, 2]}, cells={"outputs": {}}))]


def test_outputs_to_give_begin_with_their_names_and_say_what_they_lack(panel: Debugger) -> None:
    decided: list[Any] = []
    panel.decided.connect(lambda *what: decided.append(what))
    give, values = panel.buttons["give"], panel.values
    panel.show_stops(stops())
    panel.show_values(1, stand("before", gives=[[["note", "rest", "result"], ["result", "note"]]]), page)
    assert not give.isEnabled(), "nothing was written, and nothing of it is shown"
    values.port.setCurrentIndex(1)
    assert values.text.toPlainText() == '{"result": null, "note": null}'
    assert give.isEnabled(), "it gives what is shown"
    for text, wanted in (
        ('[{"total": 1}]', 'The outputs by name are wanted: {"result": null, "note": null}'),
        ('{"result": 1}', "The output note lacks: note, rest, result can be given."),
        ('{"result": 1, "note": 2, "more": 3}', "There is no output more: note, rest, result can be given."),
        ('{"result": 1, "rest": 4, "note": 2}', ""),
    ):
        values.text.setPlainText(text)
        assert give.isEnabled() == (not wanted)
        assert panel.buttons["go_on"].isEnabled()
        assert values.note.toolTip() == wanted
        assert values.note.isHidden() != bool(wanted)
        assert give.toolTip() == (f"Give: {wanted}" if wanted else panel._give_tip)
    values.text.setPlainText('{"result": [{"total": 1, "zeta": 3, "alpha": 2}], "note": {"b": 1, "a": 2}}')
    QTest.mouseClick(give, Qt.MouseButton.LeftButton)
    given = decided[0][2]["outputs"]
    assert (list(given), list(given["result"][0])) == (["result", "note"], ["total", "zeta", "alpha"]), "in their order"
    panel.show_stops(stops(2))
    panel.show_values(2, stand("before", gives=[[["no", "yes"], []], [["x"], ["x"]]]), page)
    values.port.setCurrentIndex(1)
    assert values.text.toPlainText() == '{"no": null, "yes": null}'
    for text, fits in (('{"no": 1}', True), ("{}", False), ('{"x": 1}', True), ('{"x": 1, "no": 1}', False)):
        values.text.setPlainText(text)
        assert give.isEnabled() == fits


def test_a_cell_that_is_refused_is_again_what_it_was_and_says_why(panel: Debugger) -> None:
    asked: list[Any] = []
    panel.cell_typed.connect(lambda *what: asked.append(what))
    panel.show_stops(stops())
    panel.show_values(1, stand("before"), page)
    values, key, place = panel.values, ("inputs", "rows"), (0, "price")
    type_into(panel, 0, 1, "30")
    assert asked == [(1, key, place, "30")]
    values.take(key, place, "30")
    type_into(panel, 0, 1, "abc")
    type_into(panel, 0, 1, "xyz")
    assert asked[1:] == [(1, key, place, "abc"), (1, key, place, "xyz")]
    values.refuse(key, place, "abc", "abc is no number")
    assert index(panel, 0, 1).data() == "xyz", "something else was typed meanwhile"
    values.refuse(key, place, "xyz", "xyz is no number")
    cell = index(panel, 0, 1)
    assert cell.data() == "30"
    assert cell.data(Qt.ItemDataRole.ToolTipRole) == "xyz is no number"
    assert cell.data(Qt.ItemDataRole.ForegroundRole) == values._theme.colour("red")
    assert values.note.toolTip() == "xyz is no number"
    assert panel.buttons["go_on"].isEnabled()
    assert values.edited()[2] == {"inputs": {"rows": [[0, "price", "30"]]}}
    type_into(panel, 0, 1, "xyz")
    assert asked[-1] == (1, key, place, "xyz"), "it is asked about anew"
    assert values.note.isHidden()
    type_into(panel, 0, 1, "28.8")
    values.refuse(key, place, "xyz", "xyz is no number")
    assert values.edited()[2] == {}
    panel.show_values(1, stand("before", inputs={"given": shown_value({"rate": 1, "none": None})}), page)
    item = values.tree.topLevelItem(0)
    assert item is not None
    item.setText(1, "abc")
    assert asked[-1] == (1, ("inputs", "given"), ("rate",), "abc")
    values.refuse(("inputs", "given"), ("rate",), "abc", "abc is no number")
    assert (item.text(1), item.toolTip(1)) == ("1", "abc is no number")
    assert values.edited()[2] == {}


def test_an_output_is_changed_after_the_call(panel: Debugger) -> None:
    decided: list[Any] = []
    panel.decided.connect(lambda *what: decided.append(what))
    panel.show_stops(stops(2, "after"))
    panel.show_values(2, stand("after", outputs={"result": shown_value(5), "note": shown_value("x")}), page)
    assert panel.values.port.currentText() == "output  result"
    assert panel.buttons["again"].isEnabled()
    assert panel.values.stack.currentWidget() is panel.values.tree
    panel.values.as_json.click()
    panel.values.text.setPlainText("7")
    QTest.mouseClick(panel.buttons["step"], Qt.MouseButton.LeftButton)
    kept = {"outputs": {"result": [], "note": []}}
    assert decided == [(2, "step", nothing(outputs={"result": 7}, cells=kept))], "the other output is as it was"


def test_a_nested_value_is_a_tree_whose_leaves_are_changed(panel: Debugger) -> None:
    panel.show_stops(stops())
    value = {"rates": {"EUR": 1.08}, "tags": ["a", "b"], "none": None}
    panel.show_values(1, stand("before", inputs={"given": shown_value(value)}), page)
    tree = panel.values.tree
    assert panel.values.stack.currentWidget() is tree
    rates, tags, none = (tree.topLevelItem(place) for place in range(3))
    assert rates is not None
    assert tags is not None
    assert none is not None
    assert not rates.flags() & Qt.ItemFlag.ItemIsEditable, "it has others inside"
    rates.child(0).setText(1, "1.1")
    tags.child(1).setText(1, "c")
    none.setText(1, "5")
    changed = [[["rates", "EUR"], "1.1"], [["tags", "1"], "c"], [["none"], "5"]]
    assert panel.values.edited()[2] == {"inputs": {"given": changed}}
    panel.values.undo.click()
    assert panel.values.edited()[2] == {}


def test_a_leaf_of_a_tree_is_changed_by_f2_and_made_null_by_delete(panel: Debugger) -> None:
    panel.show_stops(stops())
    value = {"rates": {"EUR": 1.08}, "name": "x"}
    panel.show_values(1, stand("before", inputs={"given": shown_value(value)}), page)
    tree = panel.values.tree
    panel.activateWindow()
    tree.setFocus()
    for row in range(2):
        tree.setCurrentItem(tree.topLevelItem(row))
        QTest.keyClick(tree, Qt.Key.Key_Delete)
    assert panel.values.edited()[2] == {"inputs": {"given": [[["name"], None]]}}, "what has others inside stays"
    assert tree.topLevelItem(1).text(1) == "null"
    QTest.keyClick(tree, Qt.Key.Key_F2)
    assert tree.findChild(QLineEdit) is not None
    panel.values.undo.click()
    assert panel.values.edited()[2] == {}


def test_a_large_value_is_a_table_whose_further_pages_are_fetched(panel: Debugger, loop: QEventLoop) -> None:
    panel.show_stops(stops())
    panel.show_values(1, stand("before", inputs={"rows": {"page": page_of(LONG, 0, 200)}}), page)
    assert panel.values.stack.currentWidget() is panel.values.table
    assert panel.values.extent.toolTip() == "5,000 rows · 2 columns"
    assert not panel.values.as_json.isEnabled(), "it is too large to be written as a whole"

    async def scrolled() -> None:
        async with asyncio.timeout(10):
            while index(panel, 4321, 0).data() != "4321":
                await asyncio.sleep(0.01)

    loop.run_until_complete(scrolled())
    type_into(panel, 4321, 0, "-1")
    assert panel.values.edited()[2] == {"inputs": {"rows": [[4321, "a", "-1"]]}}


def test_expressions_are_asked_and_answered(panel: Debugger) -> None:
    asked: list[Any] = []
    panel.evaluate_wanted.connect(lambda *what: asked.append(what))
    panel.show_stops(stops())
    QTest.keyClicks(panel.expression, "len(inputs['rows'])")
    QTest.keyClick(panel.expression, Qt.Key.Key_Return)
    assert asked == [(1, "len(inputs['rows'])", nothing())]
    panel.show_result(described(page_of({"a": [1, 2], "b": "x"}, 0, 10)))
    assert panel.result.toPlainText() == "{a: [1, 2], b: x}"
    panel.show_result("It cannot be.", wrong=True)
    assert panel.result.objectName() == "error_text"


def test_an_expression_sees_what_was_changed_in_the_panel(panel: Debugger) -> None:
    asked: list[Any] = []
    panel.evaluate_wanted.connect(lambda *what: asked.append(what))
    panel.show_stops(stops())
    panel.show_values(1, stand("before"), page)
    type_into(panel, 0, 1, "30")
    QTest.keyClicks(panel.expression, "inputs")
    QTest.keyClick(panel.expression, Qt.Key.Key_Return)
    assert asked == [(1, "inputs", nothing(cells={"inputs": {"rows": [[0, "price", "30"]]}}))]
    panel.values.port.setCurrentIndex(1)
    panel.values.text.setPlainText('{"result": ')
    QTest.keyClick(panel.expression, Qt.Key.Key_Return)
    assert len(asked) == 1
    assert "cannot be read" in panel.result.toPlainText()
    panel.values.text.setPlainText('{"result": 7}')
    QTest.keyClick(panel.expression, Qt.Key.Key_Return)
    assert asked[1][2]["outputs"] == {"result": 7}


def test_a_long_result_is_shown_whole(panel: Debugger, qtbot: Any) -> None:
    panel.resize(700, 400)
    said = "the expression cannot be read at character 12 ([): '[' was never closed, " * 2
    panel.show_stops(stops())
    panel.show_result(said, wrong=True)
    result = panel.result

    def all_of_it() -> None:
        assert result.isVisible()
        assert result.document().size().height() > 1, "it wraps"
        assert result.verticalScrollBar().maximum() == 0
        assert result.horizontalScrollBar().maximum() == 0

    qtbot.waitUntil(all_of_it)
    panel.show_result("")
    assert not result.isVisible()


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


def _with_breakpoints(window: MainWindow, count: int = 3) -> list[str]:
    """Nodes that all have one; the list of breakpoints is in front and has the keyboard."""
    nodes = [window.session.add_node("TableViewNode", (300.0 * i, 0.0)) for i in range(count)]
    for node in nodes:
        window.breakpoints.toggle(node)
    window.show_debugger()
    points = window.debugger.points
    tabs = next(t for t in window.debugger.findChildren(QTabWidget) if t.indexOf(points) >= 0)
    tabs.setCurrentWidget(points)
    window.activateWindow()
    points.setFocus()
    QCoreApplication.processEvents()
    assert points.hasFocus()
    return nodes


def _tick_box(points: BreakpointList, row: int) -> QPoint:
    """The middle of the box that a row is ticked in."""
    option, at = QStyleOptionViewItem(), points.model().index(row, 0)
    points.initViewItemOption(option)
    option.rect = points.visualRect(at)
    option.features |= QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator
    return points.style().subElementRect(QStyle.SubElement.SE_ItemViewItemCheckIndicator, option, points).center()


def test_a_breakpoint_is_ticked_with_the_mouse_and_with_space(window: MainWindow) -> None:
    nodes = _with_breakpoints(window)
    points = window.debugger.points
    rows = [points.topLevelItem(row) for row in range(3)]
    for row, node in enumerate(nodes):
        for state in ("off", "on"):
            QTest.mouseClick(
                points.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, _tick_box(points, row)
            )
            assert window.canvas.store.cards[node].view.breakpoint == state
    for column, state in ((0, "off"), (2, "on"), (3, "off"), (4, "on")):  # the second one holds a field of its own
        points.setCurrentItem(rows[1], column)
        QTest.keyClick(points, Qt.Key.Key_Space)
        assert window.canvas.store.cards[nodes[1]].view.breakpoint == state
    assert [points.topLevelItem(row) for row in range(3)] == rows, "rows stay while something happens in them"


def test_when_a_breakpoint_stops_is_chosen_in_its_row(window: MainWindow) -> None:
    nodes = _with_breakpoints(window)
    points = window.debugger.points
    choice = points.itemWidget(points.topLevelItem(1), 1)
    assert isinstance(choice, QComboBox)
    choice.setFocus()
    QTest.keyClick(choice, Qt.Key.Key_Down)
    assert [point.when for point in window.breakpoints.all()] == ["before", "after", "before"]
    assert points.itemWidget(points.topLevelItem(1), 1) is choice and choice.hasFocus()
    window.breakpoints.remove(0)
    left = points.itemWidget(points.topLevelItem(0), 1)
    assert isinstance(left, QComboBox) and left.currentText() == "after", "rows show what moved up"
    left.setCurrentText("error")
    assert window.breakpoints.all()[0] == Breakpoint(nodes[1], "error")


def test_a_breakpoint_is_changed_and_removed_by_keys(window: MainWindow, qtbot: Any) -> None:
    nodes = _with_breakpoints(window)
    window.canvas.select(nodes[2:])
    points = window.debugger.points
    points.setCurrentItem(points.topLevelItem(0))
    QTest.keyClick(points, Qt.Key.Key_F2)
    editor = points.findChild(QLineEdit)
    assert editor is not None, "F2 on its name changes its condition"
    QTest.keyClicks(editor, "len(inputs) > 1")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.breakpoints.all()[0].condition == "len(inputs) > 1")
    points.setFocus()
    QTest.keyClick(points, Qt.Key.Key_Delete)
    assert [point.node for point in window.breakpoints.all()] == nodes[1:]
    assert list(window.session.workflow.nodes) == nodes
    assert [points.topLevelItem(row).text(0) for row in range(points.topLevelItemCount())] == nodes[1:]


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


def test_a_connection_has_a_breakpoint_of_its_own(window: MainWindow, qtbot: Any) -> None:
    session, canvas = window.session, window.canvas
    first, second = session.add_node("TableViewNode", (0, 0)), session.add_node("TableViewNode", (400, 0))
    assert not session.connect_ports(first, "data", second, "rows")
    key = f"{first}.data>{second}.rows"
    canvas.select_connection(key)
    window.actions_by_name["breakpoint"].trigger()
    assert window.breakpoints.all() == [Breakpoint(second, connection=key)]
    assert canvas.store.lines[key].view.breakpoint == "on"
    assert canvas.chosen_connection() == key, "it is still selected, so the same key takes it away"
    assert canvas.store.cards[second].view.breakpoint == "", "the node itself has none"
    listed = window.debugger.points.topLevelItem(0)
    assert listed is not None
    assert [listed.text(column) for column in range(2)] == [f"{first}.data → {second}.rows", "value"]
    window.breakpoints.put(0, Breakpoint(second, connection=key, enabled=False))
    assert canvas.store.lines[key].view.breakpoint == "off"
    window.actions_by_name["breakpoint"].trigger()
    assert window.breakpoints.all() == []
    assert canvas.store.lines[key].view.breakpoint == ""
    window.actions_by_name["breakpoint"].trigger()
    assert session.rename(first, "given") is None
    assert window.breakpoints.connections() == {f"given.data>{second}.rows"}
    assert canvas.store.lines[f"given.data>{second}.rows"].view.breakpoint == "on"
    session.disconnect_keys([f"given.data>{second}.rows"])
    assert window.breakpoints.all() == []
