"""The panels of dead letters and breakers."""

from __future__ import annotations

import time
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QTreeWidgetItem

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.breakers import Band, Breakers
from kailash_studio.desktop.panels.dead_letters import Choice, DeadLetters
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow


def groups(*counts: int) -> list[list[Any]]:
    """A group of failures for each number, as the engine tells it."""
    return [
        [f"{i:016x}", count, f"node{i}", f"error {i}", 1e9, 1e9 + i, f"{i:032x}", "nightly", 1]
        for i, count in enumerate(counts)
    ]


def members(count: int) -> list[list[Any]]:
    return [[f"{100 + i:032x}", 1e9 + i, "nightly", "node0", f"error {i}", 3, "new"] for i in range(count)]


def letter(letter_id: str, **inputs: Any) -> dict[str, Any]:
    tried = [{"attempt": n, "error": f"down {n}"} for n in range(1, 7)]
    about = {"node": "node0", "workflow": "nightly", "timestamp": 1e9, "note": "run r failed", "replays": 1}
    return {"id": letter_id, "attempt_log": tried, "inputs": inputs, "run_id": "r", **about}


@pytest.fixture
def letters(theme: Theme, icons: Icons, shown: Any) -> DeadLetters:
    made: DeadLetters = shown(DeadLetters(theme, icons))
    return made


def top(panel: DeadLetters, row: int) -> QTreeWidgetItem:
    item = panel.list.topLevelItem(row)
    assert item is not None
    return item


def test_groups_and_letters_are_chosen_replayed_and_discarded(letters: DeadLetters) -> None:
    asked: list[Any] = []
    for name in ("replay", "discard", "details", "members", "forecast"):
        getattr(letters, f"{name}_wanted").connect(lambda *what, name=name: asked.append((name, *what)))
    assert not letters.replay.isEnabled()
    letters.show_groups(groups(12, 1, 1), 14)
    assert top(letters, 0).text(2) == "12"
    top(letters, 1).setSelected(True)
    assert asked == [("details", f"{1:032x}")]
    top(letters, 2).setSelected(True)
    QTest.mouseClick(letters.replay, Qt.MouseButton.LeftButton)
    QTest.keyClick(letters.list, Qt.Key.Key_Delete)
    both = Choice([f"{1:032x}", f"{2:032x}"], [], "new", "")
    assert asked[-2:] == [("replay", both, {}, False), ("discard", both)]
    letters.list.clearSelection()
    top(letters, 0).setSelected(True)
    letters.actions_by_name["forecast_here"].trigger()
    assert asked[-1] == ("forecast", Choice([], [f"{0:016x}"], "new", ""), True)
    letters.show_forecast(["a would run."], 12)
    assert "11 more" in letters.details.inputs.toPlainText()
    top(letters, 0).setExpanded(True)
    assert asked[-1] == ("members", f"{0:016x}", "new", "", 200)
    letters.show_members(f"{0:016x}", members(3), 12)
    letters.list.clearSelection()
    child = top(letters, 0).child(1)
    assert child is not None
    child.setSelected(True)
    assert letters.chosen().letters == [f"{101:032x}"]
    rest = top(letters, 0).child(3)
    assert rest is not None
    letters.list.itemActivated.emit(rest, 0)
    assert asked[-1] == ("members", f"{0:016x}", "new", "", 203)
    letters.show_groups(groups(11, 1), 12)
    assert top(letters, 0).isExpanded(), "what was opened stays open"


def test_letters_of_several_workflows_say_of_which_they_are(letters: DeadLetters) -> None:
    letters.show_groups(groups(12, 1), 13)
    assert [top(letters, row).text(0) for row in range(2)] == ["node0", "node1"], "all of one: it goes without saying"
    assert top(letters, 0).toolTip(0) == "node0 of nightly"
    shown = groups(3, 2, 1)
    for group, of in zip(shown, [("sql", 1), ("prev", 1), ("sql", 2)], strict=True):
        group[2], group[7:] = "web", of
    letters.show_groups(shown, 6)
    said = [top(letters, row).text(0) for row in range(3)]
    assert said == ["web  ·  sql", "web  ·  prev", "web  ·  2 workflows"]
    letters.show_groups(shown[2:], 1)
    assert top(letters, 0).text(0) == "web  ·  2 workflows"


def test_inputs_are_changed_for_a_replay(letters: DeadLetters) -> None:
    asked: list[Any] = []
    letters.replay_wanted.connect(lambda *what: asked.append(what))
    letters.show_groups(groups(12), 12)
    top(letters, 0).setSelected(True)
    letters.show_details(letter("another", x=1))
    assert letters.details.inputs.toPlainText() == "", "an answer that came too late"
    letters.show_details(letter(f"{0:032x}", x=5, rows=[1, 2]))
    details = letters.details
    assert details.said.toolTip().startswith("newest of 12 · node0 of nightly · 6 attempts · run r")
    assert "attempt 1: down 1" in details.said.toolTip()
    assert "run r failed (1 failed replays)" in details.said.toolTip()
    assert not details.replay.isVisible(), "nothing has been changed"
    details.inputs.setPlainText('{"x": 7, "rows": [1, 2')
    assert "line 1" in details.wrong.text()
    assert not details.replay.isEnabled()
    details.inputs.setPlainText('{"y": 7}')
    assert "the node got no y: it got x, rows" in details.wrong.text()
    details.inputs.setPlainText('{"x": 7, "rows": [1, 2]}')
    assert details.wrong.text() == ""
    QTest.mouseClick(details.replay, Qt.MouseButton.LeftButton)
    assert asked == [(Choice([], [f"{0:016x}"], "new", ""), {"x": 7}, False)]
    details.inputs.setPlainText('{"x": 5, "rows": [{"total": 1, "zeta": 3, "alpha": 2}]}')
    QTest.mouseClick(details.replay, Qt.MouseButton.LeftButton)
    assert list(asked[1][1]["rows"][0]) == ["total", "zeta", "alpha"], "records keep the order of their fields"


def test_a_replay_tells_how_it_goes_and_can_be_stopped(letters: DeadLetters) -> None:
    stopped: list[bool] = []
    letters.stop_wanted.connect(lambda: stopped.append(True))
    assert not letters.stop.isVisible()
    told = {"total": 10_000, "resolved": 117, "failed": 3, "refused": 0, "reason": "a: down", "ended": False}
    letters.show_progress(told)
    assert letters.progress.toolTip() == "Replaying 120 of 10,000: 117 resolved, 3 failed · a: down"
    QTest.mouseClick(letters.stop, Qt.MouseButton.LeftButton)
    assert stopped == [True]
    letters.show_progress({**told, "ended": True})
    assert letters.progress.toolTip().startswith("Replayed 120 of 10,000")
    assert not letters.stop.isVisible()


def test_discarded_letters_can_be_restored(letters: DeadLetters) -> None:
    asked: list[Any] = []
    letters.restore_wanted.connect(asked.append)
    letters.state.setCurrentIndex(3)
    letters.show_groups(groups(1), 1)
    top(letters, 0).setSelected(True)
    assert letters.discard.accessibleName() == "Restore"
    assert not letters.replay.isEnabled()
    QTest.mouseClick(letters.discard, Qt.MouseButton.LeftButton)
    assert asked == [Choice([f"{0:032x}"], [], "discarded", "")]


def test_filters_ask_once_after_a_moment_and_more_asks_for_more(letters: DeadLetters, qtbot: Any) -> None:
    asked: list[Any] = []
    letters.wanted.connect(lambda state, text, limit: asked.append((state, text, limit)))
    QTest.keyClicks(letters.filter, "down")
    qtbot.waitUntil(lambda: bool(asked))
    assert asked == [("new", "down", 200)]
    letters.show_groups(groups(*[500] * 200), 100_000)
    assert letters.caption.text() == "100,000 letters"
    QTest.mouseClick(letters.more, Qt.MouseButton.LeftButton)
    assert asked[-1] == ("new", "down", 400)
    letters.state.setCurrentIndex(4)
    qtbot.waitUntil(lambda: len(asked) == 3)
    assert asked[-1] == ("", "down", 200)
    letters.show_groups([], 0)
    assert letters.stack.currentIndex() == 1


def test_a_page_of_100000_letters_takes_less_than_100_ms_of_the_window(letters: DeadLetters) -> None:
    spent = []
    for _ in range(5):
        began = time.process_time()
        letters.show_groups(groups(*[500] * 200), 100_000)
        letters.show_members(f"{0:016x}", members(200), 500)
        QCoreApplication.processEvents()
        spent.append(time.process_time() - began)
    assert sorted(spent)[2] < 0.1, spent


def test_breakers_show_their_day_and_are_set_by_hand(theme: Theme, icons: Icons, shown: Any) -> None:
    panel: Breakers = shown(Breakers(theme, icons))
    now = time.time()
    panel.show_breakers(
        [
            {"key": "w/a", "state": "open", "failures": 5, "failure_rate": None, "reason": "5 failures in a row"}
            | {"updated": now, "changes": [[now - 3600, "open"]]},
            {"key": "w/b", "state": "closed", "failures": 0, "failure_rate": 0.4, "reason": ""}
            | {"updated": now, "changes": []},
        ]
    )
    assert panel.caption.text() == "2 breakers, 1 open"
    assert not panel.force.isEnabled()
    item = panel.list.topLevelItem(0)
    assert item is not None
    assert item.text(2) == ""
    assert panel.list.topLevelItem(1).text(2) == "40%"  # type: ignore[union-attr]
    band = panel.list.itemWidget(item, 4)
    assert isinstance(band, Band)
    assert "open" in band.toolTip()
    colours = {band.grab().toImage().pixelColor(x, band.height() // 2).name() for x in range(2, band.width(), 3)}
    assert len(colours) >= 2, "closed and open have colours of their own"
    asked: list[Any] = []
    panel.set_wanted.connect(lambda key, forced: asked.append((key, forced)))
    item.setSelected(True)
    QTest.mouseClick(panel.reset, Qt.MouseButton.LeftButton)
    QTest.mouseClick(panel.force, Qt.MouseButton.LeftButton)
    assert asked == [("w/a", False), ("w/a", True)]
    panel.show_breakers([])
    assert panel.stack.currentIndex() == 1


def test_the_status_line_tells_the_longest_time_once_every_node_has_a_timeout(window: MainWindow) -> None:
    session = window.session
    first, second = (session.add_node("TableViewNode", (x, 0)) for x in (0, 400))
    session.connect_ports(first, "data", second, "rows")
    session.set_resilience(first, "timeout", 4.0)
    session.validate_now()
    assert window.line.plain("worst") == ""
    session.set_resilience(second, "total_timeout", 6.0)
    session.validate_now()
    assert window.line.plain("worst") == "at most 10.00 s"
    session.undo()
    session.validate_now()
    assert window.line.plain("worst") == ""
