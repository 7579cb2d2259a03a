"""The panel of connection pools."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.pools import Pools, figures
from kailash_studio.desktop.theme import Theme


def pool(name: str, *, active: int = 2, state: str = "open", holders: tuple[str, ...] = ("quotes",)) -> dict[str, Any]:
    """A snapshot as ``Pool.snapshot`` gives it."""
    counts = {"created": 5, "recycled": 1, "lost": 0, "active": active, "idle": 3, "resting": 0, "opening": 0}
    ms = {"p50": 0.42, "p95": 1250.0, "p99": 9.0}
    return {
        "name": name,
        "address": "127.0.0.1:5432/sample",
        "state": state,
        "queries": {"executed": 1200, "errors": 3, "error_rate": 0.0025},
        "connections": {**counts, "size": active + 3, "max": 10, "peak": 7},
        "health": {"average": 98.4, "lowest": 90.0},
        "waiting": 4,
        "acquire_ms": ms,
        "query_ms": ms,
        "last_failure": "",
        "warmed": "3: as many as SQL nodes can be ready at once",
        "holders": [
            {"owner": {"workflow": "nightly", "run": "r1", "node": node}, "statement": "SELECT\n  1", "seconds": 3.2}
            for node in holders
        ],
    }


@pytest.fixture
def panel(theme: Theme, icons: Icons, shown: Any, qtbot: Any) -> Pools:
    made: Pools = shown(Pools(theme, icons))
    qtbot.waitUntil(lambda: made.latency._graph is not None)
    return made


def test_a_pool_is_shown_with_its_lines_and_who_holds_its_connections(panel: Pools) -> None:
    assert panel.stack.currentIndex() == 1
    for second in range(30):
        panel.show_pools([pool("sample", active=second % 10), pool("other", holders=())], float(second))
    assert panel.chosen() == "sample"
    assert [panel.choice.itemText(place) for place in range(2)] == ["sample", "other"]
    assert (panel.connections.figure.text(), panel.connections.words.toolTip()) == ("9", "in use of 10 · 4 waiting")
    assert panel.latency.figure.text() == "1.2 s"
    assert panel.latency.words.toolTip() == "query p95"
    held = panel.holders.topLevelItem(0)
    assert held is not None
    assert [held.text(column) for column in range(3)] == ["quotes", "3.20 s", "SELECT 1"]
    assert "nightly / r1 / quotes" in held.toolTip(0)
    ages, in_use = panel.connections.drawn("in use")
    assert (ages[0], ages[-1], in_use[-3:]) == (-29.0, 0.0, [7, 8, 9])
    assert [panel.connections.drawn(name)[1][-1] for name in ("idle", "open", "waiting")] == [3, 12, 4]
    assert [panel.latency.drawn(name)[1][-1] for name in ("query p50", "query p95", "wait p50", "wait p95")] == [
        0.42, 1250.0, 0.42, 1250.0,
    ]  # fmt: skip
    assert figures(pool("x")) == (
        "wait 0.4 ms / 1.2 s · query 0.4 ms / 1.2 s · 1,200 statements · 3 errors · 1 recycled · 0 lost · health 98"
    )


def test_the_figures_tell_what_was_opened_beforehand_and_why(panel: Pools) -> None:
    panel.show_pools([pool("a") | {"last_failure": "The server is away."}], 1.0)
    told = panel.figures.toolTip().splitlines()
    assert told[0] == "127.0.0.1:5432/sample"
    assert "opened beforehand: 3: as many as SQL nodes can be ready at once" in told
    assert told[-1] == "last failure: The server is away."
    panel.show_pools([], 2.0)
    assert panel.figures.toolTip() == ""
    assert not panel.buttons["drain"].isEnabled()


def test_the_choice_stays_while_it_is_followed(panel: Pools) -> None:
    panel.show_pools([pool("a"), pool("b", holders=("x", "y"))], 1.0)
    panel.choice.setCurrentIndex(1)
    assert panel.chosen() == "b"
    assert panel.holders.topLevelItemCount() == 2
    panel.show_pools([pool("b", holders=("x",)), pool("c")], 2.0)
    assert panel.chosen() == "b"
    assert panel.holders.topLevelItemCount() == 1
    panel.show_pools([pool("a", state="draining")], 3.0)
    assert panel.chosen() == "a"
    assert panel.state.text() == "● draining"


def test_pools_are_paused_evicted_and_drained_and_a_holder_leads_to_its_node(panel: Pools) -> None:
    asked: list[Any] = []
    panel.do_wanted.connect(lambda name, what: asked.append((name, what)))
    panel.node_wanted.connect(asked.append)
    assert not panel.buttons["pause"].isEnabled()
    panel.show_pools([pool("a")], 1.0)
    for name in ("pause", "evict", "drain"):
        QTest.mouseClick(panel.buttons[name], Qt.MouseButton.LeftButton)
    assert asked == [("a", "pause"), ("a", "evict")], "draining cannot be taken back, so it is asked about"
    box = panel.findChild(QMessageBox, "drain")
    assert box is not None
    drain = next(button for button in box.buttons() if button.text() == "Drain")
    QTest.mouseClick(drain, Qt.MouseButton.LeftButton)
    panel.show_pools([pool("a", state="paused")], 2.0)
    assert panel.buttons["pause"].accessibleName() == "Resume"
    assert panel.buttons["pause"].toolTip() == "Resume: hand out connections again."
    QTest.mouseClick(panel.buttons["pause"], Qt.MouseButton.LeftButton)
    held = panel.holders.topLevelItem(0)
    assert held is not None
    panel.holders.itemClicked.emit(held, 0)
    assert asked == [("a", "pause"), ("a", "evict"), ("a", "drain"), ("a", "resume"), "quotes"]


def test_it_asks_only_while_it_is_seen(panel: Pools, qtbot: Any) -> None:
    asked: list[bool] = []
    panel.wanted.connect(lambda: asked.append(True))
    qtbot.waitUntil(lambda: len(asked) >= 2)
    panel.hide()
    count = len(asked)
    qtbot.wait(700)
    assert len(asked) == count
