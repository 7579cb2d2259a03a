"""The table view before the engine's own answers: sorting, filtering, hiding and copying a long table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from kailash_studio.desktop.panels.filter_text import condition_of, look_words
from kailash_studio.desktop.panels.table import RowsPanel
from kailash_studio.desktop.panels.table_model import MOST_ASKED, PAGE
from kailash_studio.runtime.table_requests import TableRequests
from kailash_studio.tables.table import Table

ROWS = 20_000
PORT = {"run_id": "r", "node": "n", "output": "o"}


class Answering:
    """The engine's side in this process, with its threads."""

    def __init__(self) -> None:
        table = Table(
            pa.table(
                {
                    "id": range(ROWS),
                    "group": [None if i % 4 == 0 else f"group {i % 10}" for i in range(ROWS)],
                    "value": [i * 7919 % ROWS for i in range(ROWS)],
                }
            )
        )
        self.requests = TableRequests(lambda run, node, output: table, lambda run, answer: answer)
        self.asked: list[dict[str, Any]] = []

    async def page(self, offset: int, limit: int, **look: Any) -> dict[str, Any]:
        self.asked.append({"offset": offset, **look})
        answer = self.requests.handlers()["page"]({**PORT, "offset": offset, "limit": limit, **look})
        assert isinstance(answer, asyncio.Future)
        return await answer

    async def profile(self, **look: Any) -> dict[str, Any]:
        answer = self.requests.handlers()["table_profile"]({**PORT, **look})
        assert isinstance(answer, asyncio.Future)
        return await answer


async def until(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.002)


@pytest.fixture
def answering() -> Iterator[Answering]:
    made = Answering()
    yield made
    made.requests.close()
    for executor in (made.requests._pages, made.requests._profiles):
        executor.shutdown(wait=True)


@pytest.fixture
def rows(answering: Answering, theme: Any, icons: Any, shown: Any, loop: Any, run: Any) -> RowsPanel:
    panel: RowsPanel = shown(RowsPanel(theme, icons))
    panel.resize(700, 400)

    async def show() -> None:
        panel.show_port("read", "data", answering.page, answering.profile)
        await until(lambda: panel.stack.currentWidget() is panel.tables)

    run(show())
    return panel


def click(rows: RowsPanel, column: int, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    header = rows.view.header
    at = QPoint(header.sectionViewportPosition(column) + header.sectionSize(column) // 2, 10)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, modifier, at)


def first(rows: RowsPanel, column: int = 0) -> str | None:
    return rows.texts(1)[0][column]


def test_clicks_on_a_header_sort_up_down_and_not_at_all(rows: RowsPanel, run: Any) -> None:
    async def look() -> None:
        header = rows.view.header
        click(rows, 2)
        await until(lambda: rows.view.model().look)
        assert (header.sort, first(rows, 2)) == ([("value", False)], "0")
        assert rows.view.model().headerData(2, Qt.Orientation.Horizontal) == "value  ↑"
        click(rows, 2)
        await until(lambda: first(rows, 2) == str(ROWS - 1))
        assert rows.view.model().headerData(2, Qt.Orientation.Horizontal) == "value  ↓"
        click(rows, 2)
        await until(lambda: not rows.view.model().look)
        assert first(rows) == "0"

    run(look())


def test_shift_adds_a_column_to_the_sort(rows: RowsPanel, run: Any) -> None:
    async def look() -> None:
        click(rows, 1)
        await until(lambda: rows.view.model().look)
        rows.view.header.sort_by("id", True, add=True)
        await until(lambda: len(rows.view.model().look["sort"]) == 2)
        assert rows.texts(1)[0][:2] == ["19990", "group 0"]
        assert rows.view.model().headerData(0, Qt.Orientation.Horizontal) == "id  ↓2"
        last = ROWS - 1
        await until(lambda: rows.view.model().cell(last, 0) == "0")
        assert rows.view.model().cell(last, 1) is None, "nulls come last"

    run(look())


def test_what_is_typed_under_a_column_filters_and_counts(rows: RowsPanel, answering: Answering, run: Any) -> None:
    async def look() -> None:
        rows.view.setFocus()
        rows.view.setCurrentIndex(rows.view.model().index(0, 1))
        QTest.keyClick(rows.view, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
        assert rows.filters.isChecked()
        field = rows.view.header.field(1)
        assert field.isVisible()
        assert field.geometry().bottom() <= rows.view.header.height()
        QTest.keyClicks(field, "GROUP 3")
        QTest.keyClick(field, Qt.Key.Key_Return)
        await until(lambda: rows.caption.text().startswith("2,000 of 20,000 rows"))
        assert first(rows) == "3"
        asked = len(answering.asked)
        rows.view.header.field(0).setText("> many")
        rows.view.header.field(0).returnPressed.emit()
        await until(lambda: "'many' is none" in rows.caption.text())
        assert first(rows) == "3", "what was shown stays"
        assert len(answering.asked) == asked + 1
        rows.filters.setChecked(False)
        await until(lambda: rows.caption.text() == "20,000 rows · 3 columns")
        rows.filters.setChecked(True)
        rows.view.header.field(0).setText("5..7")
        rows.view.header.field(1).clear()
        await until(lambda: rows.caption.text().startswith("3 of"))
        assert [row[0] for row in rows.texts(9)] == ["5", "6", "7"]

    run(look())


def test_columns_are_hidden_from_the_menu_moved_and_copied_as_they_stand(rows: RowsPanel, run: Any) -> None:
    header = rows.view.header
    actions = {action.text(): action for action in header.menu("group").actions()}
    actions["Hide column"].trigger()
    assert (header.hidden, rows.caption.text()) == (["group"], "20,000 rows · 2 of 3 columns")
    header.moveSection(2, 0)

    async def sorted_meanwhile() -> None:
        header.sort_by("id", True)
        await until(lambda: rows.view.model().look)

    run(sorted_meanwhile())
    assert header.hidden == ["group"]
    rows.view.setCurrentIndex(rows.view.model().index(0, 0))
    selection = rows.view.selectionModel()
    selection.select(
        rows.view.model().index(0, 0), selection.SelectionFlag.ClearAndSelect | selection.SelectionFlag.Rows
    )
    rows.view.copy()
    assert QGuiApplication.clipboard().text() == "value\tid\n12081\t19999"
    header.hide_column("id")
    header.hide_column("value")
    assert "value" not in header.hidden, "one column stays"
    texts = [action.text() for action in header.menu("value").actions()]
    assert "Show all columns" in texts
    header.show_all()
    assert header.hidden == []


def test_who_scrolls_fast_waits_for_no_page_in_between(rows: RowsPanel, run: Any) -> None:
    async def look() -> None:
        model = rows.view.model()
        for page in range(1, ROWS // PAGE):
            model.cell(page * PAGE, 0)
            assert len(model._asked) <= MOST_ASKED
        await until(lambda: model.cell(ROWS - 1, 0) == str(ROWS - 1))
        await until(lambda: not model._asked)

    run(look())


@pytest.mark.parametrize(
    ("text", "kind", "condition"),
    [
        ("", "text", None),
        ("ab", "text", ("contains", ["ab"])),
        ("5", "integer", ("equals", ["5"])),
        ("= a b ", "text", ("equals", ["a b"])),
        (">=", "integer", None),
        (">= 5", "integer", ("at_least", ["5"])),
        ("!=x", "text", ("differs", ["x"])),
        ("1..5", "number", ("between", ["1", "5"])),
        ("2024-01-01..", "date", ("at_least", ["2024-01-01"])),
        ("..", "number", None),
        ("a..b", "text", ("contains", ["a..b"])),
        ("NULL", "text", ("is_null", [])),
        ("!null", "date", ("not_null", [])),
    ],
)
def test_the_text_of_a_filter_is_a_condition(text: str, kind: str, condition: Any) -> None:
    assert condition_of(text, kind) == condition


def test_nothing_asked_for_is_no_word() -> None:
    assert look_words([], {"a": ">"}, {"a": "integer"}) == {}
    assert look_words([("a", True)], {"a": "1"}, {"a": "integer"}) == {
        "sort": [["a", True]],
        "filter": [["a", "equals", ["1"]]],
    }


def test_the_profile_follows_the_filter_and_is_asked_for_only_where_somebody_looks(rows: RowsPanel, run: Any) -> None:
    async def look() -> None:
        assert rows.profiles.cards == []
        rows.profiled.click()
        await until(lambda: len(rows.profiles.cards) == 3)
        said = [card.sentence() for card in rows.profiles.cards]
        assert said[0].startswith(f"id: integer, 0.0% null, {ROWS:,} distinct, 0 to {ROWS - 1}, mean ")
        assert said[1].startswith("group: text, 25.0% null, 10 distinct, ")
        picture = rows.profiles.cards[0].grab().toImage()
        colours = {picture.pixelColor(x, y).name() for x in range(12, 200, 5) for y in range(45, 80, 3)}
        assert rows._theme.colour("accent").name() in colours, "the histogram is drawn"
        rows.filters.click()
        rows.view.header.field(0).setText("<100")
        await until(lambda: rows.profiles.cards and "0 to 99" in rows.profiles.cards[0].sentence())
        rows.profiled.click()
        assert not rows.profiles.isVisible()

    run(look())
