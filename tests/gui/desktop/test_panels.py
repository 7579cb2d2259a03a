"""Palette, problems, rows and log: each shows what it is given and says what the person asks for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes.waiting import until
from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QTreeWidgetItem

from kailash_studio.desktop.panels.log import MOST_LINES, LogLine, RunLog
from kailash_studio.desktop.panels.palette import Palette, PaletteEntry
from kailash_studio.desktop.panels.problems import Problems
from kailash_studio.desktop.panels.table import RowsPanel
from kailash_studio.desktop.panels.table_model import KEPT_PAGES, PAGE
from kailash_studio.desktop.window import MainWindow
from kailash_studio.errors import EngineError
from kailash_studio.folders import resources
from kailash_studio.spec.finding import Finding

# ---------------------------------------------------------------------- palette
ENTRIES = [
    PaletteEntry("CSVReaderNode", "CSV reader", "Data", "table-2", "Read rows from a CSV file.", ("file", "import")),
    PaletteEntry("SwitchNode", "Switch", "Logic", "split", "Choose a way.", ("if", "branch")),
    PaletteEntry("MergeNode", "Merge", "Logic", "merge", "Join what comes."),
]


@pytest.fixture
def palette(theme: Any, icons: Any, shown: Any) -> Palette:
    made: Palette = shown(Palette(theme, icons))
    made.set_types(ENTRIES, [("acme_nodes", "The package acme_nodes cannot be loaded: install pandas.")])
    return made


def _rows(palette: Palette) -> list[str]:
    """Groups and their members, from top to bottom."""
    rows = []
    for index in range(palette.tree.topLevelItemCount()):
        group = palette.tree.topLevelItem(index)
        rows.append(group.text(0))
        rows += [group.child(i).text(0) for i in range(group.childCount())]
    return rows


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", ["Data   1", "CSV reader", "Logic   2", "Switch", "Merge", "Not loaded   1", "acme_nodes"]),
        ("csv", ["Data   1", "CSV reader"]),
        ("IMPORT", ["Data   1", "CSV reader"]),
        ("branch", ["Logic   1", "Switch"]),
        ("join what", ["Logic   1", "Merge"]),
        ("qqq", ["No node type fits “qqq”."]),
    ],
)
def test_the_palette_finds_by_title_type_word_and_text(palette: Palette, query: str, rows: list[str]) -> None:
    palette.search.setText(query)
    assert _rows(palette) == rows


def test_the_palette_adds_by_key(palette: Palette) -> None:
    asked: list[str] = []
    palette.add_requested.connect(asked.append)
    QTest.keyClicks(palette.search, "swi")
    QTest.keyClick(palette.search, Qt.Key.Key_Return)
    QTest.keyClick(palette.search, Qt.Key.Key_Escape)
    assert palette.search.text() == ""
    QTest.keyClick(palette.search, Qt.Key.Key_Down)
    assert palette.tree.hasFocus()
    QTest.keyClick(palette.tree, Qt.Key.Key_Return)
    assert asked == ["SwitchNode", "CSVReaderNode"]


def test_what_could_not_be_loaded_is_explained_and_not_added(palette: Palette) -> None:
    asked: list[str] = []
    palette.add_requested.connect(asked.append)
    group = palette.tree.topLevelItem(2)
    item: QTreeWidgetItem = group.child(0)
    assert "install pandas" in item.toolTip(0)
    palette.tree.itemActivated.emit(item, 0)
    assert asked == []


def test_every_installed_type_can_be_added_from_the_palette(window: MainWindow) -> None:
    """And the card, the form and the ports of each can be shown."""
    types = [node_type for node_type in window.session.registry if not node_type.placed_by]
    for node_type in types:
        item = window.palette_panel.item_of(node_type.type_name())
        assert item is not None, node_type
        window.palette_panel.tree.itemActivated.emit(item, 0)
        (node,) = window.canvas.selection()
        assert window.session.workflow.nodes[node].type == node_type.type_name()
        assert window.inspector.name.text() == node
    bodies = [card.body() for card in window.canvas.store.cards.values()]
    assert len(bodies) == len(types)
    assert not any(a.intersects(b) for i, a in enumerate(bodies) for b in bodies[i + 1 :]), "each has its place"


def test_what_a_drag_from_the_palette_carries_creates_the_node_where_it_is_dropped(window: MainWindow) -> None:
    """The offscreen platform ends each drag at once, so what it would carry is dropped by an event."""
    viewport, goal = window.canvas.viewer.viewport(), QPoint(300, 200)
    item = window.palette_panel.item_of("CSVReaderNode")
    assert item is not None
    data = window.palette_panel.tree.mimeData([item])
    held = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter, drop = QDragEnterEvent(goal, *held), QDropEvent(goal.toPointF(), *held)
    QCoreApplication.sendEvent(viewport, enter)
    QCoreApplication.sendEvent(viewport, drop)
    assert (enter.isAccepted(), drop.isAccepted()) == (True, True)
    (node,) = window.session.workflow.nodes
    assert window.session.workflow.nodes[node].type == "CSVReaderNode"
    under = window.canvas.viewer.to_scene(goal.toPointF())
    x, y = window.session.workflow.positions[node]
    assert (x + 107, y + 26) == (pytest.approx(under.x(), abs=4), pytest.approx(under.y(), abs=4))
    assert window.canvas.selection() == [node]


# ---------------------------------------------------------------------- problems
def test_problems_are_sorted_and_jump(theme: Any, icons: Any, shown: Any) -> None:
    panel: Problems = shown(Problems(theme, icons))
    assert panel._stack.currentIndex() == 1
    asked: list[str] = []
    panel.jump.connect(asked.append)
    panel.set_findings(
        [
            Finding("info", "KS-3", "layout", "Third."),
            Finding("error", "KS-1", "nodes/fetch/parameters/query", "First."),
            Finding("warning", "KS-2", "connections/a.b>c.d", "Second."),
        ]
    )
    rows = [panel.table.topLevelItem(i) for i in range(3)]
    assert [[row.text(c) for c in range(3)] for row in rows] == [
        ["fetch / query", "First.", "KS-1"],
        ["a.b  →  c.d", "Second.", "KS-2"],
        ["layout", "Third.", "KS-3"],
    ]
    panel.table.itemActivated.emit(rows[1], 0)
    assert asked == ["connections/a.b>c.d"]
    panel.set_findings([])
    assert panel._stack.currentIndex() == 1


def test_a_problem_of_a_connection_selects_where_it_ends(window: MainWindow) -> None:
    reader = window.session.add_node("CSVReaderNode", (0, 0))
    view = window.session.add_node("TableViewNode", (3000, 0))
    ports = window.session.ports(view)
    assert ports is not None
    window.session.connect_ports(reader, "data", view, next(iter(ports.inputs)))
    (key,) = window.session.workflow.connections
    window.jump(f"connections/{key}")
    assert window.canvas.selection() == [view]
    assert window.canvas.viewer.visible().intersects(window.canvas.store.cards[view].body())
    for place in ("", "nodes", "nodes/gone", "connections/gone", "plugins/x", "nodes/gone/parameters/path"):
        window.jump(place)
    assert window.canvas.selection() == [view]


# ---------------------------------------------------------------------- rows
class Source:
    """Answers pages of a table of numbers, and notes what was asked."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.asked: list[int] = []
        self.failing = False
        self.hold: asyncio.Event | None = None

    async def page(self, offset: int, limit: int) -> dict[str, Any]:
        self.asked.append(offset)
        if self.hold is not None:
            await self.hold.wait()
        if self.failing:
            raise EngineError("The engine is gone: restart it.")
        rows = [[str(i), None if i % 5 == 0 else f"name\t{i}"] for i in range(offset, min(offset + limit, self.total))]
        return {
            "kind": "table",
            "columns": ["id", "name"],
            "types": ["integer", "text"],
            "total": self.total,
            "rows": rows,
        }


@pytest.fixture
def rows(theme: Any, icons: Any, shown: Any, loop: Any) -> RowsPanel:
    panel: RowsPanel = shown(RowsPanel(theme, icons))
    panel.resize(700, 400)
    return panel


def test_rows_come_in_pages_when_they_are_looked_at(rows: RowsPanel, run: Any) -> None:
    source = Source(100_000)

    async def look() -> None:
        rows.show_port("read", "data", source)
        await until(lambda: rows.stack.currentWidget() is rows.tables)
        assert rows.caption.whole == "100,000 rows · 2 columns"
        assert rows.texts(2) == [["0", None], ["1", "name\t1"]]
        assert source.asked == [0]
        model = rows.view.model()
        assert model.cell(50_000, 0) == "…"
        await until(lambda: model.cell(50_000, 0) == "50000")
        assert source.asked == [0, 50_000], "asked once, for the page alone"
        rows.view.scrollToBottom()
        rows.view.grab()
        await until(lambda: model.cell(99_999, 0) == "99999")
        assert model.headerData(99_999, Qt.Orientation.Vertical) == "100,000"
        assert model.index(5, 1).data() == "null"

    run(look())


def test_only_the_last_pages_stay_in_memory(rows: RowsPanel, run: Any) -> None:
    source = Source((KEPT_PAGES + 5) * PAGE)

    async def look() -> None:
        rows.show_port("read", "data", source)
        await until(lambda: rows.stack.currentWidget() is rows.tables)
        model = rows.view.model()
        for page in range(KEPT_PAGES + 5):
            row = page * PAGE + 1
            await until(lambda row=row: model.cell(row, 0) == str(row))
        assert len(model._pages) == KEPT_PAGES
        await until(lambda: not model._asked)

    run(look())


def test_a_page_that_fails_is_said_and_another_output_stops_the_first(rows: RowsPanel, run: Any) -> None:
    slow, quick = Source(10), Source(1)

    async def look() -> None:
        slow.hold = asyncio.Event()
        rows.show_port("slow", "data", slow)
        await until(lambda: slow.asked == [0])
        rows.show_port("quick", "data", quick)
        await until(lambda: rows.caption.whole == "1 row · 2 columns")
        slow.hold.set()
        await asyncio.sleep(0)
        assert rows.caption.whole == "1 row · 2 columns"
        failing = Source(1000)
        rows.show_port("read", "data", failing)
        await until(lambda: rows.caption.whole.startswith("1,000"))
        failing.failing = True
        rows.view.model().cell(900, 0)
        await until(lambda: rows.caption.whole == "The engine is gone: restart it.")
        rows.show_port("read", "data", failing)
        await until(lambda: rows.stack.currentWidget() is rows._empty)
        assert rows._empty._text.text() == "The engine is gone: restart it."

    run(look())


def test_a_value_that_is_no_table_is_a_tree(rows: RowsPanel, run: Any) -> None:
    leaf = {"text": "1", "type": "integer", "children": [], "count": 0}
    none = {"text": None, "type": "null", "children": [], "count": 0}
    tree = {"text": "3 fields", "type": "object", "children": [["a", leaf], ["b", none]], "count": 3}

    class Tree(Source):
        async def page(self, offset: int, limit: int) -> dict[str, Any]:
            return {"kind": "tree", "tree": tree}

    async def look() -> None:
        rows.show_port("x", "out", Tree(0))
        await until(lambda: rows.stack.currentWidget() is rows.tree)

    run(look())
    top = rows.tree.invisibleRootItem()
    assert [[top.child(i).text(c) for c in range(3)] for i in range(2)] == [
        ["a", "1", "integer"],
        ["b", "null", "null"],
    ]
    assert rows.caption.whole == "3 fields, the first 2 are shown"


def test_the_picker_follows_and_leads(rows: RowsPanel, run: Any) -> None:
    asked: list[tuple[str, str]] = []
    rows.port_chosen.connect(lambda node, output: asked.append((node, output)))
    rows.set_ports([("a", "data"), ("b", "data")])
    assert rows.picker.currentIndex() == -1

    async def look() -> None:
        rows.show_port("b", "data", Source(1))
        await until(lambda: rows.stack.currentWidget() is rows.tables)

    run(look())
    assert rows.picker.currentText() == "b  ·  data"
    rows.picker.setFocus()
    QTest.keyClick(rows.picker, Qt.Key.Key_Up)
    QCoreApplication.processEvents()
    assert asked == [("a", "data")]


# ---------------------------------------------------------------------- log
@pytest.fixture
def log(theme: Any, icons: Any, shown: Any) -> RunLog:
    made: RunLog = shown(RunLog(theme, icons))
    made.append(
        [
            LogLine(0.0, "debug", "", "starting"),
            LogLine(0.0, "info", "read", "10 rows"),
            LogLine(0.0, "warning", "call", "slow"),
            LogLine(0.0, "error", "call", "refused"),
        ]
    )
    return made


@pytest.mark.parametrize(
    ("level", "query", "texts"),
    [
        (0, "", ["starting", "10 rows", "slow", "refused"]),
        (1, "", ["slow", "refused"]),
        (2, "", ["refused"]),
        (0, "CALL", ["slow", "refused"]),
        (0, "rows", ["10 rows"]),
        (2, "read", []),
    ],
)
def test_the_log_is_filtered_by_level_and_text(log: RunLog, level: int, query: str, texts: list[str]) -> None:
    log._level.setCurrentIndex(level)
    log._filter.setText(query)
    assert [line.rsplit("  ", 1)[-1] for line in log.text().splitlines()] == texts
    log.append([LogLine(0.0, "error", "call", "rows are gone")])
    fits = not query or query.lower() in "call rows are gone"
    assert log.text().endswith("rows are gone") is fits


def test_the_log_follows_only_at_its_end_and_forgets_the_oldest(log: RunLog) -> None:
    log.resize(400, 200)
    bar = log.view.verticalScrollBar()
    log.append([LogLine(0.0, "info", "", f"line {i}") for i in range(200)])
    assert bar.value() == bar.maximum() > 0
    bar.setValue(3)
    log.append([LogLine(0.0, "info", "", "one more")])
    assert bar.value() == 3
    log.append([LogLine(0.0, "info", "", f"flood {i}") for i in range(MOST_LINES)])
    assert log.view.blockCount() == MOST_LINES
    assert "one more" not in log.text()
    log.clear()
    assert log.text() == ""


# ---------------------------------------------------------------------- the example
def test_the_example_is_shown_whole(open_window: Any) -> None:
    window = open_window(next((resources() / "examples").glob("*.kailash.json")))
    workflow = window.session.workflow
    assert workflow.nodes
    assert window.canvas.store.cards.keys() == workflow.nodes.keys()
    assert window.canvas.store.lines.keys() == workflow.connections.keys()
    assert window.canvas.viewer.visible().contains(window.canvas.store.extent())
    assert [f for f in window.session.findings if f.severity == "error"] == []
