"""The panels of dead letters and breakers."""

from __future__ import annotations

import time
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtTest import QTest

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.breakers import Band, Breakers
from kailash_studio.desktop.panels.dead_letters import DeadLetters
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow


def rows(count: int) -> list[list[Any]]:
    return [[f"{i:032x}", 1e9 + i, "nightly", f"node{i % 5}", f"error {i}", 3, "new", "f" * 16] for i in range(count)]


@pytest.fixture
def letters(theme: Theme, icons: Icons, shown: Any) -> DeadLetters:
    made: DeadLetters = shown(DeadLetters(theme, icons))
    return made


def test_letters_are_chosen_replayed_and_discarded(letters: DeadLetters) -> None:
    asked: list[Any] = []
    letters.replay_wanted.connect(lambda ids: asked.append(("replay", ids)))
    letters.discard_wanted.connect(lambda ids: asked.append(("discard", ids)))
    letters.details_wanted.connect(lambda letter_id: asked.append(("details", letter_id)))
    assert not letters.replay.isEnabled()
    letters.show_rows(rows(3), 3)
    first, last = letters.list.topLevelItem(0), letters.list.topLevelItem(2)
    assert first is not None
    assert last is not None
    first.setSelected(True)
    assert asked == [("details", f"{0:032x}")]
    letters.show_details(
        {"id": f"{0:032x}", "attempt_log": [{"attempt": 1, "error": "down"}], "inputs": {"x": 5}, "run_id": "r"}
    )
    assert "attempt 1: down" in letters.inputs.toPlainText()
    assert '"x": 5' in letters.inputs.toPlainText()
    last.setSelected(True)
    assert letters.inputs.toPlainText() == ""
    QTest.mouseClick(letters.replay, Qt.MouseButton.LeftButton)
    QTest.mouseClick(letters.discard, Qt.MouseButton.LeftButton)
    both = [f"{0:032x}", f"{2:032x}"]
    assert asked[-2:] == [("replay", both), ("discard", both)]
    letters.show_rows(rows(3)[1:], 2)
    assert letters.chosen() == [f"{2:032x}"], "what is still there stays selected"


def test_filters_ask_once_after_a_moment_and_more_asks_for_more(letters: DeadLetters, qtbot: Any) -> None:
    asked: list[Any] = []
    letters.wanted.connect(lambda state, text, limit: asked.append((state, text, limit)))
    QTest.keyClicks(letters.filter, "down")
    qtbot.waitUntil(lambda: bool(asked))
    assert asked == [("new", "down", 200)]
    letters.show_rows(rows(200), 100_000)
    assert letters.caption.text() == "100,000 letters"
    QTest.mouseClick(letters.more, Qt.MouseButton.LeftButton)
    assert asked[-1] == ("new", "down", 400)
    letters.state.setCurrentIndex(4)
    qtbot.waitUntil(lambda: len(asked) == 3)
    assert asked[-1] == ("", "down", 200)
    letters.show_rows([], 0)
    assert letters.stack.currentIndex() == 1


def test_a_page_of_100000_letters_takes_less_than_100_ms_of_the_window(letters: DeadLetters) -> None:
    page = rows(200)
    spent = []
    for _ in range(5):
        began = time.process_time()
        letters.show_rows(page, 100_000)
        QCoreApplication.processEvents()
        spent.append(time.process_time() - began)
    assert sorted(spent)[2] < 0.1, spent


def test_breakers_show_their_day_and_are_set_by_hand(theme: Theme, icons: Icons, shown: Any) -> None:
    panel: Breakers = shown(Breakers(theme, icons))
    now = time.time()
    panel.show_breakers(
        [
            {"key": "w/a", "state": "open", "failures": 5, "reason": "5 failures in a row", "updated": now,
             "changes": [[now - 3600, "open"]]},
            {"key": "w/b", "state": "closed", "failures": 0, "reason": "", "updated": now, "changes": []},
        ]
    )  # fmt: skip
    assert panel.caption.text() == "2 breakers, 1 open"
    assert not panel.force.isEnabled()
    item = panel.list.topLevelItem(0)
    assert item is not None
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
