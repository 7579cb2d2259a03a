"""The table view before the engine's own answers: sorting, filtering, hiding and copying a long table."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from fakes.stalls import StallMeter
from fakes.waiting import until
from PySide6.QtCore import QCoreApplication, QModelIndex, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.panels import table_copy
from kailash_studio.desktop.panels.column_profiles import MOST_CARDS
from kailash_studio.desktop.panels.filter_text import condition_of, look_words
from kailash_studio.desktop.panels.table import RowsPanel
from kailash_studio.desktop.panels.table_model import MOST_ASKED, PAGE, PagedTable
from kailash_studio.desktop.values import Values
from kailash_studio.runtime.table_requests import TableRequests
from kailash_studio.tables.table import Table

ROWS = 20_000
PORT = {"run_id": "r", "node": "n", "output": "o"}


class Answering:
    """The engine's side in this process, with its threads."""

    def __init__(self) -> None:
        self.value: Any = Table(
            pa.table(
                {
                    "id": range(ROWS),
                    "group": [None if i % 4 == 0 else f"group {i % 10}" for i in range(ROWS)],
                    "value": [i * 7919 % ROWS for i in range(ROWS)],
                }
            )
        )
        self.requests = TableRequests(lambda run, node, output: self.value, lambda run, answer: answer)
        self.asked: list[dict[str, Any]] = []

    async def page(self, offset: int, limit: int, **look: Any) -> dict[str, Any]:
        self.asked.append({"offset": offset, **look})
        return await self._answer("page", offset=offset, limit=limit, **look)

    async def profile(self, **look: Any) -> dict[str, Any]:
        return await self._answer("table_profile", **look)

    async def cell(self, row: int, column: str, **look: Any) -> dict[str, Any]:
        return await self._answer("table_cell", row=row, column=column, **look)

    async def copy(self, offset: int, limit: int, columns: Sequence[str], **look: Any) -> dict[str, Any]:
        return await self._answer("table_copy", offset=offset, limit=limit, columns=columns, **look)

    async def _answer(self, do: str, **words: Any) -> dict[str, Any]:
        answer = self.requests.handlers()[do]({**PORT, **words})
        assert isinstance(answer, asyncio.Future)
        return await answer


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
        panel.show_port("read", "data", answering)
        await until(lambda: panel.stack.currentWidget() is panel.tables)

    run(show())
    return panel


async def copied(rows: RowsPanel) -> str:
    """Copy what is selected; what the caption says of it."""
    QTest.keyClick(rows.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    await until(lambda: "opied" in rows.caption.whole)
    return rows.caption.whole


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
        await until(lambda: rows.caption.whole.startswith("2,000 of 20,000 rows"))
        assert first(rows) == "3"
        asked = len(answering.asked)
        rows.view.header.field(0).setText("> many")
        rows.view.header.field(0).returnPressed.emit()
        await until(lambda: "'many' is none" in rows.caption.whole)
        assert first(rows) == "3", "what was shown stays"
        assert len(answering.asked) == asked + 1
        rows.filters.setChecked(False)
        await until(lambda: rows.caption.whole == "20,000 rows · 3 columns")
        rows.filters.setChecked(True)
        rows.view.header.field(0).setText("5..7")
        rows.view.header.field(1).clear()
        await until(lambda: rows.caption.whole.startswith("3 of"))
        assert [row[0] for row in rows.texts(9)] == ["5", "6", "7"]

    run(look())


def test_empty_texts_are_listed_and_found_and_are_no_nulls(rows: RowsPanel, answering: Answering, run: Any) -> None:
    regions = ["north", "", None, "", "  ", ""]
    answering.value = Table(pa.table({"id": range(6), "region": regions}))

    async def look() -> None:
        rows.show_port("read", "data", answering)
        await until(lambda: rows.caption.whole.startswith("6 rows"))
        rows.profiled.click()
        await until(lambda: len(rows.profiles.cards) == 2)
        said = rows.profiles.cards[1].sentence()
        assert "(empty): 3" in said and '"  ": 1' in said
        assert "(empty) to north" in said
        rows.filters.click()
        for text, found in (
            ('=""', [1, 3, 5]),
            ("is null", [2]),
            ('!=""', [0, 4]),
            ('="  "', [4]),
            ("!null", [0, 1, 3, 4, 5]),
        ):
            rows.view.header.field(1).setText(text)
            rows.view.header.field(1).returnPressed.emit()
            await until(lambda found=found: [row[0] for row in rows.texts(9)] == [str(number) for number in found])  # type: ignore[misc]

    run(look())


def test_a_filter_stays_under_the_cursor_where_it_leaves_no_row(rows: RowsPanel, run: Any) -> None:
    async def look() -> None:
        rows.filters.click()
        field = rows.view.header.field(0)

        def seen() -> tuple[int, int]:
            QCoreApplication.processEvents()
            return field.mapTo(rows, QPoint()).x(), rows.view.verticalHeader().width()

        before = seen()
        assert before[1] > rows.view.fontMetrics().horizontalAdvance(f"{ROWS:,}")
        for text, caption in (("> 99999", "0 of"), ("7", "1 of"), ("", f"{ROWS:,} rows")):
            field.setText(text)
            field.returnPressed.emit()
            await until(lambda caption=caption: rows.caption.whole.startswith(caption))  # type: ignore[misc]
            assert seen() == before

    run(look())


def test_columns_are_hidden_from_the_menu_moved_and_copied_as_they_stand(rows: RowsPanel, run: Any) -> None:
    header = rows.view.header
    actions = {action.text(): action for action in header.menu("group").actions()}
    actions["Hide column"].trigger()
    assert (header.hidden, rows.caption.whole) == (["group"], "20,000 rows · 2 of 3 columns")
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
    run(copied(rows))
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
        ("is  Null", "text", ("is_null", [])),
        ("is not null", "integer", ("not_null", [])),
        ('=""', "text", ("equals", [""])),
        ('!= ""', "text", ("differs", [""])),
        ('""', "text", ("equals", [""])),
        ('="null"', "text", ("equals", ["null"])),
        ('="  "', "text", ("equals", ["  "])),
        ('="', "text", ("equals", ['"'])),
        ('say "hi"', "text", ("contains", ['say "hi"'])),
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


# ---------------------------------------------------------------------- copying
def select_all(rows: RowsPanel) -> None:
    rows.view.setFocus()
    rows.view.selectAll()


def test_all_rows_are_copied_though_few_of_them_are_in_the_window(rows: RowsPanel, run: Any) -> None:
    async def look() -> None:
        select_all(rows)
        assert (await copied(rows)).startswith(f"Copied {ROWS:,} rows")
        lines = QGuiApplication.clipboard().text().split("\n")
        assert lines[0] == "id\tgroup\tvalue"
        assert lines[1] == "0\t\t0", "null is an empty cell"
        assert lines[1:] == [f"{i}\t{'' if i % 4 == 0 else f'group {i % 10}'}\t{i * 7919 % ROWS}" for i in range(ROWS)]

    run(look())


def test_no_cell_is_asked_for_because_all_are_selected(
    rows: RowsPanel, answering: Answering, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    real = PagedTable.rowCount

    nowhere = QModelIndex()

    def counted(model: PagedTable, parent: Any = nowhere) -> int:
        nonlocal asked
        asked += 1
        return real(model, parent)

    monkeypatch.setattr(PagedTable, "rowCount", counted)

    async def look() -> None:
        before = rows.view.model()
        rows.show_port("again", "data", answering)
        await until(lambda: rows.view.model() is not before)
        assert asked > 0
        select_all(rows)
        await until(lambda: rows.view.selectionModel().hasSelection())
        rows.view.header.grab()

    run(look())
    assert asked < ROWS, "Qt's headers ask for each cell of a selected column when they are drawn"


def test_a_copied_cell_is_whole_and_quoted_where_a_spreadsheet_needs_it(
    rows: RowsPanel, answering: Answering, run: Any
) -> None:
    answering.value = [
        {"text": 'say "yes"\nor\tno', "long": "x" * 5_000, "list": list(range(60)), "none": None, "byte": b"\x00" * 80},
        {"text": "plain", "long": "", "list": [], "none": None, "byte": b""},
    ]

    async def look() -> None:
        rows.show_port("other", "data", answering)
        await until(lambda: rows.view.model().total == 2)
        select_all(rows)
        assert (await copied(rows)).startswith("Copied 2 rows")
        assert QGuiApplication.clipboard().text() == "\n".join(
            [
                "text\tlong\tlist\tnone\tbyte",
                f'"say ""yes""\nor\tno"\t{"x" * 5_000}\t{json.dumps(list(range(60)))}\t\t{" ".join(["00"] * 80)}',
                "plain\t\t[]\t\t",
            ]
        )

    run(look())


def test_what_is_copied_is_not_given_up_when_the_table_is_sorted_meanwhile(
    rows: RowsPanel, answering: Answering, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, real = asyncio.Event(), answering.copy

    async def waiting(*words: Any, **look: Any) -> dict[str, Any]:
        await held.wait()
        return await real(*words, **look)

    async def look() -> None:
        monkeypatch.setattr(answering, "copy", waiting)
        select_all(rows)
        QTest.keyClick(rows.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
        rows.view.header.sort_by("value", True)
        await until(lambda: rows.view.model().look)
        held.set()
        await until(lambda: rows.caption.whole.startswith(f"Copied {ROWS:,} rows"))
        assert QGuiApplication.clipboard().text().startswith("id\tgroup\tvalue\n0\t\t0\n"), "as it was selected"

    run(look())


def test_too_much_for_a_clipboard_is_said_and_nothing_is_copied(
    rows: RowsPanel, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> None:
        QGuiApplication.clipboard().setText("before")
        select_all(rows)
        monkeypatch.setattr(table_copy, "MOST_CELLS", 50_000)
        said = await copied(rows)
        assert said.startswith(
            "Nothing was copied: 60,000 cells are more than 50,000; select fewer, or let a FileWriter"
        )
        rows._count()
        monkeypatch.setattr(table_copy, "MOST_CELLS", 60_000)
        monkeypatch.setattr(table_copy, "MOST_LETTERS", 1_000)
        assert "longer than 1,000 letters" in await copied(rows)
        assert QGuiApplication.clipboard().text() == "before"

    run(look())


def test_escape_stops_copying(rows: RowsPanel, answering: Answering, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held = asyncio.Event()

    async def waiting(*_: object, **__: object) -> dict[str, Any]:
        await held.wait()
        raise AssertionError("it was stopped")

    async def look() -> None:
        QGuiApplication.clipboard().setText("before")
        monkeypatch.setattr(answering, "copy", waiting)
        select_all(rows)
        QTest.keyClick(rows.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
        task = rows._copying
        assert task is not None
        QTest.keyClick(rows.view, Qt.Key.Key_Escape)
        await until(task.done)
        assert rows.caption.whole == f"Nothing was copied  ·  {ROWS:,} rows · 3 columns"
        assert QGuiApplication.clipboard().text() == "before"

    run(look())


# ---------------------------------------------------------------------- whole cells
def test_enter_or_a_double_click_shows_a_cell_whole(rows: RowsPanel, answering: Answering, run: Any) -> None:
    answering.value = [{"text": "a<b " * 2_000, "list": list(range(600)), "none": None}]

    async def look() -> None:
        rows.show_port("other", "data", answering)
        await until(lambda: rows.view.model().total == 1)
        model = rows.view.model()
        rows.view.setFocus()
        rows.view.setCurrentIndex(model.index(0, 0))
        QTest.keyClick(rows.view, Qt.Key.Key_Return)
        viewer = rows._viewer
        assert viewer is not None
        assert not viewer.isModal()
        await until(lambda: viewer.text.toPlainText() == "a<b " * 2_000)
        assert (viewer.where.whole, viewer.caption.whole) == ("text  ·  row 1", "text · 8,000 letters")
        viewer.copy.click()
        assert QGuiApplication.clipboard().text() == "a<b " * 2_000
        rows.view.doubleClicked.emit(model.index(0, 1))
        await until(lambda: viewer.stack.currentWidget() is viewer.tree)
        assert viewer.tree.topLevelItemCount() == 500
        assert viewer.caption.whole == "list · 600 items, the first 500 are shown"
        viewer.copy.click()
        assert QGuiApplication.clipboard().text() == json.dumps(list(range(600)))
        rows.view.setCurrentIndex(model.index(0, 2))
        QTest.keyClick(rows.view, Qt.Key.Key_Space)
        await until(lambda: viewer.caption.whole == "null")
        assert not viewer.copy.isEnabled()
        QTest.keyClick(viewer, Qt.Key.Key_Escape)
        assert not viewer.isVisible()
        tip = model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
        assert "a&lt;b" in tip
        assert len(tip) < 10_000

    run(look())


# ---------------------------------------------------------------------- keys
def test_the_keys_sort_and_open_the_menu_of_the_column(rows: RowsPanel, run: Any) -> None:
    alt, shift = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ShiftModifier

    async def look() -> None:
        rows.view.setFocus()
        rows.view.setCurrentIndex(rows.view.model().index(0, 2))
        QTest.keyClick(rows.view, Qt.Key.Key_Down, alt)
        await until(lambda: first(rows, 2) == str(ROWS - 1))
        rows.view.setCurrentIndex(rows.view.model().index(0, 0))
        QTest.keyClick(rows.view, Qt.Key.Key_Up, alt | shift)
        await until(lambda: len(rows.view.model().look["sort"]) == 2)
        assert rows.view.header.sort == [("value", True), ("id", False)]
        QTest.keyClick(rows.view, Qt.Key.Key_Up, alt)
        await until(lambda: not rows.view.model().look)
        assert rows.view.header.sort == [], "sorted so already: it is let go of"
        assert rows.view.currentIndex().column() == 0
        event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(0, 0), QPoint(0, 0))
        QCoreApplication.sendEvent(rows.view.viewport(), event)
        menus = [menu for menu in rows.view.header.findChildren(QMenu) if menu.isVisible()]
        assert len(menus) == 1
        actions = {action.text().partition("\t")[0]: action for action in menus[0].actions()}
        assert {"Show the whole value", "Copy", "Sort ascending", "Hide column"} <= actions.keys()
        actions["Hide column"].trigger()
        assert rows.view.header.hidden == ["id"]
        menus[0].close()

    run(look())


# ---------------------------------------------------------------------- another run
def test_the_same_output_of_another_run_is_looked_at_in_the_same_way(
    rows: RowsPanel, answering: Answering, run: Any
) -> None:
    async def shown_again(total: int) -> None:
        model = rows.view.model()
        rows.show_port("read", "data", answering)
        await until(lambda: rows.view.model() is not model and rows._all == total)

    async def look() -> None:
        header = rows.view.header
        header.sort_by("value", True)
        rows.filters.setChecked(True)
        header.field(0).setText("< 10")
        header.field(0).returnPressed.emit()
        await until(lambda: rows.caption.whole.startswith("10 of 20,000"))
        header.hide_column("group")
        header.moveSection(2, 0)
        rows.view.setColumnWidth(0, 222)
        answering.value = Table(answering.value.arrow.slice(5))
        await shown_again(ROWS - 5)
        assert rows.caption.whole == "5 of 19,995 rows · 2 of 3 columns"
        ordered = sorted(range(5, 10), key=lambda i: -(i * 7919 % ROWS))
        assert [row[0] for row in rows.texts(9)] == [str(i) for i in ordered]
        assert (header.sort, header.hidden, header.logicalIndex(0)) == ([("value", True)], ["group"], 2)
        assert header.field(0).text() == "< 10"
        assert rows.view.columnWidth(0) == 222
        answering.value = answering.value.arrow.rename_columns(["id", "group", "other"])
        answering.value = Table(answering.value)
        await shown_again(ROWS - 5)
        assert (header.sort, header.hidden, header.filters) == ([], [], {})
        assert rows.caption.whole == "19,995 rows · 3 columns"

    run(look())


def test_a_filter_that_fits_no_more_is_said_and_all_rows_are_shown(
    rows: RowsPanel, answering: Answering, run: Any
) -> None:
    async def look() -> None:
        rows.filters.setChecked(True)
        rows.view.header.field(1).setText("group 3")
        rows.view.header.field(1).returnPressed.emit()
        await until(lambda: rows.caption.whole.startswith("2,000 of"))
        groups = pa.array([[1]] * 3, pa.list_(pa.int64()))
        answering.value = Table(pa.table({"id": [1, 2, 3], "group": groups, "value": [1, 2, 3]}))
        rows.show_port("read", "data", answering)
        await until(lambda: "no text is searched" in rows.caption.whole)
        assert (rows.view.model().total, rows.view.header.filters) == (3, {})

    run(look())


# ---------------------------------------------------------------------- wide tables
def test_a_wide_table_holds_nothing_up(rows: RowsPanel, answering: Answering, run: Any) -> None:
    answering.value = Table(pa.table({f"column {number}": list(range(300)) for number in range(3_000)}))

    async def look() -> None:
        with StallMeter(rows) as meter:
            rows.show_port("wide", "data", answering)
            await until(lambda: rows.view.model().columnCount() == 3_000)
            await until(lambda: meter.beats > 5)
        assert meter.computed < 0.4, "it took seconds when each width placed each filter"
        assert len(rows.view._fitted) < 30, "those out of sight are fitted when they come into sight"
        model = rows.view.model()
        assert model.page_rows < PAGE
        await until(lambda: model.cell(299, 2_999) == "299")
        bar = rows.view.horizontalScrollBar()
        await until(lambda: (bar.setValue(bar.maximum()), 2_999 in rows.view._fitted)[1])
        rows.filters.setChecked(True)
        assert rows.view.header.field(2_999).isVisible()
        assert not rows.view.header._fields.keys() & set(range(2_000))
        with StallMeter(rows) as meter:
            rows.profiled.click()
            await until(lambda: rows.profiles.cards)
            await until(lambda: meter.beats > 5)
        assert meter.computed < 0.4
        assert len(rows.profiles.cards) == MOST_CARDS

    run(look())


def test_a_profile_that_is_given_up_is_dropped_in_the_engine(qapp: Any, loop: Any, run: Any) -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    class Held(Engine):
        async def request(self, do: str, **words: Any) -> dict[str, Any]:
            told.append((do, words))
            return await asyncio.Future()

        def tell(self, do: str, **words: Any) -> None:
            told.append((do, words))

    async def look() -> None:
        engine = Held()
        asking = asyncio.ensure_future(Values(engine).of("r", "n", "o").profile(filter=[]))
        await until(lambda: told)
        asking.cancel()
        await until(asking.done)
        (do, asked), dropped = told
        assert do == "table_profile"
        assert dropped == ("table_drop", {"tickets": [asked["ticket"]]})
        engine.deleteLater()

    run(look())
