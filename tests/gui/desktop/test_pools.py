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
from kailash_studio.desktop.window import MainWindow

PLACE = "127.0.0.1:5432/sample"


def pool(
    name: str,
    *,
    active: int = 2,
    state: str = "open",
    holders: tuple[str, ...] = ("quotes",),
    id: str = "",
    address: str = PLACE,
    workflow: str = "nightly",
) -> dict[str, Any]:
    """A snapshot as ``Pool.snapshot`` gives it."""
    counts = {"created": 5, "recycled": 1, "lost": 0, "active": active, "idle": 3, "resting": 0, "opening": 0}
    ms = {"p50": 0.42, "p95": 1250.0, "p99": 9.0}
    return {
        "id": id or f"id of {name}",
        "name": name,
        "address": address,
        "workflows": [workflow] if workflow else [],
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
            {"owner": {"workflow": workflow, "run": "r1", "node": node}, "statement": "SELECT\n  1", "seconds": 3.2}
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
    assert panel.chosen() == "id of sample"
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
    assert panel.chosen() == "id of b"
    assert panel.holders.topLevelItemCount() == 2
    panel.show_pools([pool("b", holders=("x",)), pool("c")], 2.0)
    assert panel.chosen() == "id of b"
    assert panel.holders.topLevelItemCount() == 1
    panel.show_pools([pool("a", state="draining")], 3.0)
    assert panel.chosen() == "id of a"
    assert panel.state.text() == "● draining"


def test_pools_are_paused_evicted_and_drained_and_a_holder_leads_to_its_node(panel: Pools) -> None:
    asked: list[Any] = []
    panel.do_wanted.connect(lambda pool, what: asked.append((pool, what)))
    panel.owner_wanted.connect(lambda owner: asked.append(owner["node"]))
    assert not panel.buttons["pause"].isEnabled()
    panel.show_pools([pool("a")], 1.0)
    for name in ("pause", "evict", "drain"):
        QTest.mouseClick(panel.buttons[name], Qt.MouseButton.LeftButton)
    assert asked == [("id of a", "pause"), ("id of a", "evict")], "draining cannot be taken back, so it is asked about"
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
    assert [pool for pool, _ in asked[:-1]] == ["id of a"] * 4
    assert [what for _, what in asked[:-1]] == ["pause", "evict", "drain", "resume"]
    assert asked[-1] == "quotes"


def shown_titles(panel: Pools) -> list[str]:
    return [panel.choice.itemText(place) for place in range(panel.choice.count())]


def test_pools_of_one_name_are_told_apart_by_place_then_workflow_then_number(panel: Pools) -> None:
    one = [pool("main", id="1"), pool("other", id="2")]
    panel.show_pools(one, 1.0)
    assert shown_titles(panel) == ["main", "other"]
    there = pool("main", id="3", address="db.example:5432/books")
    panel.show_pools([*one, there], 2.0)
    assert shown_titles(panel) == [f"main · {PLACE}", "other", "main · db.example:5432/books"]
    assert panel.choice.toolTip() == f"main · {PLACE}"
    weekly, unknown = pool("main", id="4", workflow="weekly"), pool("main", id="5", workflow="")
    panel.show_pools([*one, there, weekly, unknown], 3.0)
    assert shown_titles(panel) == [
        f"main · {PLACE} · nightly", "other", "main · db.example:5432/books", f"main · {PLACE} · weekly",
        f"main · {PLACE}",
    ]  # fmt: skip
    twin = pool("main", id="6")
    panel.show_pools([twin, *one], 4.0)
    assert shown_titles(panel) == ["main · 2", "main · 1", "other"], "the one that was seen first stays the first"
    by_address = [pool(PLACE, id="7", workflow="nightly"), pool(PLACE, id="8", workflow="weekly")]
    panel.show_pools(by_address, 5.0)
    assert shown_titles(panel) == [f"{PLACE} · nightly", f"{PLACE} · weekly"]


def test_actions_show_their_names_where_that_of_the_pool_leaves_them_room(panel: Pools) -> None:
    panel.resize(620, 300)
    panel.show_pools([pool("main", id="1")], 1.0)
    style = panel.buttons["drain"].toolButtonStyle
    assert style() == Qt.ToolButtonStyle.ToolButtonTextBesideIcon
    panel.show_pools([pool("main", id="1"), pool("main", id="2", workflow="report of all weeks")], 2.0)
    assert style() == Qt.ToolButtonStyle.ToolButtonIconOnly
    panel.resize(1000, 300)
    assert style() == Qt.ToolButtonStyle.ToolButtonTextBesideIcon


def test_pools_of_one_name_keep_their_own_lines_actions_and_holders(panel: Pools) -> None:
    asked: list[Any] = []
    panel.do_wanted.connect(lambda pool, what: asked.append((pool, what)))
    panel.owner_wanted.connect(lambda owner: asked.append((owner["workflow"], owner["node"])))
    here = pool("main", id="1", active=7)
    there = pool("main", id="2", active=1, address="db.example:5432/books", workflow="weekly", holders=("totals",))
    for second in (1.0, 2.0):
        panel.show_pools([here, there], second)
    assert list(panel.connections.drawn("in use")[1]) == [7, 7]
    panel.choice.setCurrentIndex(1)
    assert panel.choice.currentText() == "main · db.example:5432/books"
    assert panel.address.whole == "", "its title says so already"
    assert list(panel.connections.drawn("in use")[1]) == [1, 1]
    for name in ("pause", "evict", "drain"):
        QTest.mouseClick(panel.buttons[name], Qt.MouseButton.LeftButton)
    box = panel.findChild(QMessageBox, "drain")
    assert box is not None
    assert box.text() == "Drain main · db.example:5432/books?"
    panel.show_pools([there, here], 3.0)
    assert panel.chosen() == "2", "it stays chosen where the others change places"
    panel.choice.setCurrentIndex(1)
    drain = next(button for button in box.buttons() if button.text() == "Drain")
    QTest.mouseClick(drain, Qt.MouseButton.LeftButton)
    panel.choice.setCurrentIndex(0)
    held = panel.holders.topLevelItem(0)
    assert held is not None
    panel.holders.itemClicked.emit(held, 0)
    assert asked == [("2", "pause"), ("2", "evict"), ("2", "drain"), ("weekly", "totals")]
    assert "workflows: weekly" in panel.figures.toolTip().splitlines()


def test_a_holder_of_another_workflow_is_no_node_of_this_one(window: MainWindow) -> None:
    node = window.session.add_node("PythonCodeNode", (0, 0))
    window.canvas.select([])
    window.pools.owner_wanted.emit({"workflow": "another", "run": "r9", "node": node})
    assert window.canvas.selection() == []
    assert window.line.currentMessage() == f"{node} is a node of the workflow another, which is not open here."
    window.pools.owner_wanted.emit({"workflow": window.session.workflow.name, "run": "r9", "node": node})
    assert window.canvas.selection() == [node]


def test_it_asks_only_while_it_is_seen(panel: Pools, qtbot: Any) -> None:
    asked: list[bool] = []
    panel.wanted.connect(lambda: asked.append(True))
    qtbot.waitUntil(lambda: len(asked) >= 2)
    panel.hide()
    count = len(asked)
    qtbot.wait(700)
    assert len(asked) == count
