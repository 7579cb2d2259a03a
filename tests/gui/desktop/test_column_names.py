"""The names of an input's columns are offered where a field means them; any other text may stand there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes.waiting import Sit, until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from kailash_studio.desktop.window import MainWindow
from kailash_studio.spec.form import form_rows
from kailash_studio.spec.registry import installed_node_types

_CONTROL = Qt.KeyboardModifier.ControlModifier
NAMES = ["region", "price", "unit price", "trade_day"]


def _shown(window: MainWindow, kind: str, **given: Any) -> str:
    node = window.session.add_node(kind, (0, 0), given)
    window.canvas.select([node])
    window.inspector.set_columns(node, {"rows": NAMES, "left": NAMES})
    return node


def _row(window: MainWindow, name: str) -> Any:
    return window.inspector.form.row(name)


def _type(editor: QWidget, text: str) -> None:
    editor.window().activateWindow()
    editor.setFocus()
    QTest.keyClick(editor, Qt.Key.Key_A, _CONTROL)
    QTest.keyClicks(editor, text)


def _value(window: MainWindow, node: str, name: str) -> Any:
    window.session.settle()
    return window.session.workflow.nodes[node].parameters[name]


def test_a_line_is_completed_by_key_and_may_hold_another_text(window: MainWindow) -> None:
    node = _shown(window, "FilterRowsNode", column="region")
    row = _row(window, "column")
    _type(row.field.edit, "pri")
    assert row.columns.offered() == ["price", "unit price"], "what begins so, then what has it inside"
    QTest.keyClick(row.field.edit, Qt.Key.Key_Down)
    QTest.keyClick(row.field.edit, Qt.Key.Key_Return)
    assert row.columns.offered() == []
    assert _value(window, node, "column") == "unit price"
    _type(row.field.edit, "pricex")
    assert row.columns.offered() == []
    QTest.keyClick(row.field.edit, Qt.Key.Key_Return)
    assert _value(window, node, "column") == "pricex"
    QTest.keyClick(row.field.edit, Qt.Key.Key_Down)
    assert row.columns.offered() == NAMES, "all of them, though none has what is typed"
    QTest.keyClick(row.field.edit, Qt.Key.Key_Escape)
    assert row.columns.offered() == []
    assert row.field.edit.text() == "pricex"


def test_the_mouse_opens_the_list_and_takes_a_name(window: MainWindow) -> None:
    node = _shown(window, "FilterRowsNode", column="region")
    row = _row(window, "column")
    assert row.choose.isVisibleTo(row)
    QTest.mouseClick(row.choose, Qt.MouseButton.LeftButton)
    assert row.columns.offered() == NAMES
    popup = row.columns._popup
    place = popup.visualItemRect(popup.item(3)).center()
    QTest.mouseClick(popup.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert _value(window, node, "column") == "trade_day"


def test_each_line_of_a_list_and_each_word_of_an_expression(window: MainWindow) -> None:
    node = _shown(window, "AggregateNode")
    lines, measures = _row(window, "group_by"), _row(window, "measures")
    _type(lines.field.edit, "reg")
    QTest.keyClick(lines.field.edit, Qt.Key.Key_Return)
    QTest.keyClick(lines.field.edit, Qt.Key.Key_Return)
    QTest.keyClicks(lines.field.edit, "tr")
    QTest.keyClick(lines.field.edit, Qt.Key.Key_Tab)
    assert _value(window, node, "group_by") == ["region", "trade_day"]
    _type(measures.field.edit, "most = max(un")
    assert measures.columns.offered() == ["unit price"]
    QTest.keyClick(measures.field.edit, Qt.Key.Key_Return)
    QTest.keyClicks(measures.field.edit, ")")
    assert _value(window, node, "measures") == ["most = max(`unit price`)"]


def test_the_button_of_a_list_adds_a_name_and_breaks_none(window: MainWindow) -> None:
    node = _shown(window, "AggregateNode", group_by=["region"])
    row = _row(window, "group_by")
    QTest.mouseClick(row.choose, Qt.MouseButton.LeftButton)
    assert row.columns.offered() == ["price", "unit price", "trade_day"], "what is there is not offered again"
    QTest.keyClick(row.field.edit, Qt.Key.Key_Return)
    assert _value(window, node, "group_by") == ["region", "price"]


def test_another_order_of_a_sort_is_typed_undisturbed(window: MainWindow) -> None:
    node = _shown(window, "SortRowsNode")
    row = _row(window, "by")
    _type(row.field.edit, "price desc")
    assert row.columns.offered() == []
    assert _value(window, node, "by") == ["price desc"]


def test_what_is_declared_names_an_input() -> None:
    declared = 0
    for node_type in installed_node_types():
        for row in form_rows(node_type):
            if row.columns_of:
                declared += 1
                assert row.columns_of in node_type.inputs, f"{node_type.type_name()}.{row.name}"
                assert row.kind == "text" or (row.kind, row.item) == ("list", "text")
    assert declared >= 10


def test_the_names_are_those_of_the_preview_above_and_of_the_last_run(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,x\n")

    async def sitting() -> None:
        session = window.session
        reader = session.add_node("CSVReaderNode", (0, 0), {"path": str(tmp_path / "a.csv")})
        node = session.add_node("FilterRowsNode", (300, 0), {"column": "none"})
        assert not session.connect_ports(reader, "data", node, "rows")
        window.canvas.select([reader])
        await until(lambda: window.inspector.preview.caption.whole == "In the file: 1 row")
        window.canvas.select([node])
        await until(lambda: _row(window, "column").columns.names == ["id", "name"])
        (tmp_path / "a.csv").write_text("id,amount\n1,2\n")
        window.runs.start()
        await until(lambda: window.runs.current is not None and not window.runs.running)
        await until(lambda: _row(window, "column").columns.names == ["id", "amount"])
        assert "none" in window.inspector.preview.wrong.text(), "also where the preview is none"

    sit(sitting)
