"""What a panel has the keyboard for happens in it, and not to the node that is selected on the canvas."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.waiting import until_threads
from PySide6.QtCore import QCoreApplication, QRect, Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QLineEdit, QTabWidget, QWidget

from kailash_studio.desktop.actions import OF_ANY_LIST, OF_NODES
from kailash_studio.desktop.editing import FRAGMENT_MIME
from kailash_studio.desktop.window import MainWindow
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.runtime.pages import page_of

ROWS = [{"symbol": "MSFT", "price": 28.8}, {"symbol": "AMZN", "price": 130.2}]


@pytest.fixture
def nodes(window: MainWindow) -> list[str]:
    """Two nodes, of which the first is selected; the window has the keyboard."""
    made = [window.session.add_node("CSVReaderNode", (400.0 * place, 0.0)) for place in range(2)]
    window.canvas.select(made[:1])
    window.activateWindow()
    QCoreApplication.processEvents()
    return made


def told(window: MainWindow, names: Any) -> list[str]:
    """The actions that are done from now on."""
    done: list[str] = []
    for name in names:
        window.actions_by_name[name].triggered.connect(lambda _=False, name=name: done.append(name))
    return done


def press(window: MainWindow, action: QAction) -> None:
    """Press its keys wherever the keyboard is."""
    (keys, *_) = action.shortcuts()
    combination = keys[0]
    QTest.keyClick(window.focusWidget(), combination.key(), combination.keyboardModifiers())


def with_keyboard(panel: QWidget) -> Iterator[QWidget]:
    """Each part of a panel that takes the keyboard, while it has it."""
    for part in [panel, *panel.findChildren(QWidget)]:
        if part.isVisible() and part.isEnabled() and part.focusPolicy() != Qt.FocusPolicy.NoFocus:
            part.setFocus()
            if part.hasFocus():
                yield part


def test_no_panel_at_the_foot_does_anything_to_nodes(window: MainWindow, nodes: list[str]) -> None:
    docks, done = window.docks, told(window, OF_NODES)
    window.breakpoints.add(Breakpoint(nodes[0]))
    looked_at = 0
    for tabs in (docks.data_tabs, docks.report_tabs):
        for place in range(tabs.count()):
            docks.show(tabs.widget(place))
            pages = [
                (inner, page) for inner in tabs.widget(place).findChildren(QTabWidget) for page in range(inner.count())
            ]
            for inner, page in pages or [(tabs, place)]:
                inner.setCurrentIndex(page)
                for part in with_keyboard(tabs.widget(place)):
                    for name in OF_NODES:
                        part.setFocus()
                        press(window, window.actions_by_name[name])
                        assert done == [], f"{part} in {tabs.tabText(place)}"
                    looked_at += 1
    assert looked_at > 20
    assert list(window.session.workflow.nodes) == nodes
    assert not QGuiApplication.clipboard().mimeData().hasFormat(FRAGMENT_MIME)
    until_threads(lambda: all(thread.name != "pyqtgraph" for thread in threading.enumerate()))  # of the pools


def test_beside_the_canvas_a_node_is_renamed_and_not_deleted(window: MainWindow, nodes: list[str]) -> None:
    done = told(window, OF_NODES)
    for panel in (window.palette_panel, window.inspector):
        for part in with_keyboard(panel):
            for name in OF_ANY_LIST:
                part.setFocus()
                press(window, window.actions_by_name[name])
                assert done == [], f"{part}"
    assert len(window.session.workflow.nodes) == 2, "one has another name, for its field was pasted into"
    window.palette_panel.search.setFocus()
    press(window, window.actions_by_name["rename"])
    assert done == ["rename"]
    assert window.inspector.name.hasFocus()


def test_in_the_canvas_and_on_a_button_above_it_keys_mean_nodes(window: MainWindow, nodes: list[str]) -> None:
    done = told(window, OF_NODES)
    window.canvas.setFocus()
    for name in ("rename", "duplicate", "copy", "paste"):
        window.canvas.select(nodes[:1])
        window.canvas.setFocus()
        press(window, window.actions_by_name[name])
    assert done == ["rename", "duplicate", "copy", "paste"]
    assert len(window.session.workflow.nodes) == 4
    window.canvas.select(nodes[:1])
    window.bar.run_button.setFocus()
    press(window, window.actions_by_name["delete"])
    assert nodes[0] not in window.session.workflow.nodes


def test_a_node_added_by_a_double_click_has_the_keyboard(window: MainWindow) -> None:
    tree = window.palette_panel.tree
    item = window.palette_panel.item_of("CSVReaderNode")
    assert item is not None
    tree.scrollToItem(item)
    window.activateWindow()
    middle = QRect(tree.visualItemRect(item)).center()
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mouseClick(tree.viewport(), left, none, middle)
    assert tree.hasFocus()
    QTest.mouseDClick(tree.viewport(), left, none, middle)
    (node,) = window.session.workflow.nodes
    assert window.canvas.selection() == [node]
    press(window, window.actions_by_name["delete"])
    assert not window.session.workflow.nodes


@pytest.mark.parametrize("value", [ROWS, {"price": 28.8}], ids=["table", "tree"])
def test_a_value_at_a_stop_is_changed_by_f2_and_made_null_by_delete(
    window: MainWindow, nodes: list[str], value: Any
) -> None:
    async def page(side: str, name: str, offset: int, limit: int) -> dict[str, Any]:
        return page_of(value, offset, limit)

    panel = window.debugger
    window.show_debugger()
    panel.show_stops({nodes[0]: {"state": "stopped", "stop": 1, "when": "before", "reason": "breakpoint"}})
    stand = {"node": nodes[0], "when": "before", "reason": "breakpoint", "error": "", "outputs": None}
    panel.show_values(1, {**stand, "inputs": {"given": {"page": page_of(value, 0, 200)}}}, page)
    view = panel.values.stack.currentWidget()
    assert isinstance(view, QAbstractItemView)
    view.setFocus()
    view.setCurrentIndex(view.model().index(0, 1))
    press(window, window.actions_by_name["delete"])
    place = [0, "price"] if value is ROWS else [["price"]]
    assert panel.values.edited()[2] == {"inputs": {"given": [[*place, None]]}}
    press(window, window.actions_by_name["rename"])
    editor = view.findChild(QLineEdit)
    assert editor is not None and editor.hasFocus()
    assert list(window.session.workflow.nodes) == nodes


def test_a_node_that_is_renamed_with_keys_gets_its_old_name_back_with_undo(
    window: MainWindow, nodes: list[str]
) -> None:
    workflow, actions = window.session.workflow, window.actions_by_name
    window.canvas.setFocus()
    press(window, actions["rename"])
    QTest.keyClicks(window.focusWidget(), "report")
    QTest.keyClick(window.focusWidget(), Qt.Key.Key_Return)
    assert set(workflow.nodes) == {"report", nodes[1]}
    assert window.canvas.viewer.hasFocus()
    press(window, actions["undo"])
    assert set(workflow.nodes) == set(nodes)
    press(window, actions["redo"])
    assert set(workflow.nodes) == {"report", nodes[1]}


def test_a_name_that_cannot_be_stays_with_the_keyboard(window: MainWindow, nodes: list[str]) -> None:
    window.canvas.setFocus()
    press(window, window.actions_by_name["rename"])
    QTest.keyClicks(window.focusWidget(), nodes[1])
    QTest.keyClick(window.focusWidget(), Qt.Key.Key_Return)
    assert set(window.session.workflow.nodes) == set(nodes)
    assert window.inspector.name.hasFocus()


def test_a_line_whose_text_is_in_the_workflow_leaves_undo_to_the_window(window: MainWindow, nodes: list[str]) -> None:
    workflow, actions = window.session.workflow, window.actions_by_name
    line = window.inspector.form.row("path").field.edit
    line.setFocus()
    QTest.keyClicks(line, "a.csv")
    press(window, actions["undo"])
    assert "path" not in workflow.nodes[nodes[0]].parameters
    assert window.session.history.redo_label == "", "the text that is being typed was undone"
    QTest.keyClicks(line, "b.csv")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert workflow.nodes[nodes[0]].parameters["path"].endswith("b.csv")
    assert line.hasFocus()
    press(window, actions["undo"])
    assert "path" not in workflow.nodes[nodes[0]].parameters
    assert window.session.history.redo_label
