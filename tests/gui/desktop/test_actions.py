"""Every action can be found, is explained, and has keys that no other has."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QListWidget, QMenu, QToolButton, QWidget

from kailash_studio.desktop.actions import ACTIONS, MENUS
from kailash_studio.desktop.dialogs.chooser import Choice, Chooser, choose, score
from kailash_studio.desktop.window import MainWindow

_SHIFT = Qt.KeyboardModifier.ShiftModifier


def test_declarations_are_whole() -> None:
    assert len({action.name for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        assert action.menu in MENUS, action.name
        assert action.tip.endswith("."), action.name
        assert action.icon, action.name
        for key in action.keys:
            parsed = QKeySequence(key)
            assert not parsed.isEmpty() and parsed.toString(), f"{action.name}: {key}"


def test_no_two_actions_share_a_key() -> None:
    keys = Counter(QKeySequence(key).toString() for action in ACTIONS for key in action.keys)
    assert [key for key, count in keys.items() if count > 1] == []


def test_each_action_is_in_its_menu_and_explained(window: MainWindow) -> None:
    for declared in ACTIONS:
        action = window.actions_by_name[declared.name]
        menu = window.findChild(QMenu, f"menu_{declared.menu.lower()}")
        assert menu is not None and action in menu.actions(), declared.name
        assert action.toolTip().startswith(declared.tip)
        assert [key.toString() for key in action.shortcuts()] == [QKeySequence(k).toString() for k in declared.keys]
        if declared.keys:
            shown = QKeySequence(declared.keys[0]).toString(QKeySequence.SequenceFormat.NativeText)
            assert action.toolTip().split("\n")[0].endswith(f"({shown})")
        why = window.readiness.why_not(declared)
        assert action.isEnabled() == (not why), declared.name
        assert action.toolTip().split("\n")[1:] == ([why] if why else []), declared.name
        assert action.statusTip() == (why or declared.tip), declared.name


def _palette(window: MainWindow) -> Chooser:
    window.actions_by_name["commands"].trigger()
    (chooser,) = (found for found in window.findChildren(Chooser) if found.isVisible())
    return chooser


def _found(chooser: Chooser, query: str) -> list[str]:
    chooser.findChild(QLineEdit).setText(query)
    entries = chooser.findChild(QListWidget)
    return [entries.item(i).text() for i in range(entries.count())]


def test_the_command_palette_has_every_action_node_and_node_type(window: MainWindow) -> None:
    node = window.session.add_node("CSVReaderNode", (0, 0))
    window.canvas.select([node])
    chooser = _palette(window)
    entries = _found(chooser, "")
    for declared in ACTIONS:
        action = window.actions_by_name[declared.name]
        said = declared.tip if action.isEnabled() else window.readiness.why_not(declared)
        listed = any(entry.startswith(action.text().removesuffix("…")) and said in entry for entry in entries)
        assert listed == (declared.name != "commands"), declared.name
    assert any(entry.startswith(node) for entry in entries)
    for node_type in window.session.registry:
        listed = any(entry.startswith(f"Add {node_type.title}") for entry in entries)
        assert listed == (not node_type.placed_by), node_type.title
    chooser.close()


@pytest.mark.parametrize(
    ("query", "first"),
    [("arr", "Arrange"), ("zoom in", "Zoom in"), ("save as", "Save as"), ("lght", "Light or dark")],
)
def test_the_command_palette_finds(window: MainWindow, query: str, first: str) -> None:
    chooser = _palette(window)
    assert _found(chooser, query)[0].startswith(first)
    assert _found(chooser, "qqxzz") == ["Nothing fits."]
    chooser.close()


def test_the_command_palette_does_what_is_chosen(window: MainWindow) -> None:
    chooser = _palette(window)
    field = chooser.findChild(QLineEdit)
    field.setText("add csv")
    QTest.keyClick(field, Qt.Key.Key_Return)
    (node,) = window.session.workflow.nodes
    assert window.session.workflow.nodes[node].type == "CSVReaderNode"
    assert window.canvas.selection() == [node]
    window.canvas.select([])
    chooser = _palette(window)
    field = chooser.findChild(QLineEdit)
    field.setText(node)
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert window.canvas.selection() == [node]


def test_the_palette_shows_what_is_off_with_the_reason(window: MainWindow) -> None:
    chooser = _palette(window)
    first = _found(chooser, "run from")[0]
    assert first.startswith("Run from")
    assert "There is no run to go on from yet" in first
    entries = chooser.findChild(QListWidget)
    assert not entries.item(0).flags() & Qt.ItemFlag.ItemIsEnabled
    QTest.keyClick(chooser.findChild(QLineEdit), Qt.Key.Key_Return)
    assert chooser.isVisible(), "it cannot be taken"
    chooser.close()


def test_the_key_of_an_action_that_is_off_says_why(window: MainWindow) -> None:
    window.activateWindow()
    for key, modifier in ((Qt.Key.Key_F11, Qt.KeyboardModifier.NoModifier), (Qt.Key.Key_F11, _SHIFT)):
        window.line.clearMessage()
        window.canvas.viewer.setFocus()
        QTest.keyClick(window.canvas.viewer, key, modifier)
        assert window.line.currentMessage() == "No run is under way."
    window.line.clearMessage()
    QTest.keyClick(window.canvas.viewer, Qt.Key.Key_Escape)
    assert window.line.currentMessage() == ""
    window.canvas.select([window.session.add_node("PythonCodeNode", (0, 0))])
    QTest.keyClick(window.canvas.viewer, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    assert window.line.currentMessage() == "Select a sub-workflow first, or a node inside of one."


def test_what_is_about_sub_workflows_is_off_at_other_nodes(window: MainWindow) -> None:
    unfold, ungroup = window.actions_by_name["unfold"], window.actions_by_name["ungroup"]
    plain = window.session.add_node("PythonCodeNode", (0, 0))
    window.canvas.select([plain])
    assert not unfold.isEnabled() and not ungroup.isEnabled()
    assert ungroup.toolTip().endswith("Select a sub-workflow first.")
    window.actions_by_name["group"].trigger()
    assert unfold.isEnabled() and ungroup.isEnabled()
    unfold.trigger()
    (around,) = window.canvas.selection()
    window.canvas.select([next(n for n in window.canvas.store.cards if n.startswith(around) and n != around)])
    assert unfold.isEnabled() and not ungroup.isEnabled(), "from inside it is folded"


def test_quit_is_the_last_of_its_menu() -> None:
    assert [action.name for action in ACTIONS if action.menu == "File"][-1] == "quit"


def test_actions_on_nodes_are_off_without_one(window: MainWindow) -> None:
    names = ("cut", "copy", "duplicate", "connect", "rename", "data", "reference")
    assert not any(window.actions_by_name[name].isEnabled() for name in names)
    window.canvas.select([window.session.add_node("CSVReaderNode", (0, 0))])
    assert all(window.actions_by_name[name].isEnabled() for name in names)


def test_buttons_of_the_window_are_explained(window: MainWindow) -> None:
    """A button without a text has a tooltip and can be read by a screen reader."""
    window.canvas.select([window.session.add_node("CSVReaderNode", (0, 0))])
    for button in window.findChildren(QToolButton):
        inside_field = isinstance(button.parent(), QLineEdit)  # the sign of a search field
        if button.isVisible() and not inside_field and not button.objectName().startswith("qt_"):
            assert button.toolTip(), f"{button.objectName()} in {button.parent()}"
            assert button.text() or button.accessibleName(), f"{button.toolTip()} in {button.parent()}"


# ---------------------------------------------------------------------- the list to choose from
@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("csv", "CSV reader", "Read a CSV"),
        ("read", "Reader", "Thread"),
        ("sql", "Async SQL database", "Some quick list"),
        ("MERGE", "Merge", "Emerge"),
    ],
)
def test_the_better_fit_scores_more(query: str, better: str, worse: str) -> None:
    assert score(query, better) > score(query, worse) > 0


def test_what_does_not_fit_scores_nothing() -> None:
    assert score("xyz", "CSV reader") == 0
    assert score("", "anything") == 1


def test_keys_move_in_the_list_and_the_choice_is_told_once(qtbot: Any, shown: Any) -> None:
    host: QWidget = shown(QWidget())
    told: list[Any] = []
    chooser = choose(host, "Find…", [Choice(name, "", name) for name in ("one", "two", "three")], told.append)
    field, entries = chooser.findChild(QLineEdit), chooser.findChild(QListWidget)
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Up):
        QTest.keyClick(field, key)
    assert entries.currentItem().text() == "two"
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert told == ["two"]


def test_escape_chooses_nothing(shown: Any) -> None:
    host: QWidget = shown(QWidget())
    told: list[Any] = []
    chooser = choose(host, "Find…", [Choice("one", "", 1)], told.append)
    QTest.keyClick(chooser.findChild(QLineEdit), Qt.Key.Key_Escape)
    assert not chooser.isVisible()
    assert told == []
