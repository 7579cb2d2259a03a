"""The SQL editor by itself: real keys, and what stands on the screen afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, Qt
from PySide6.QtGui import QFontMetrics, QHelpEvent, QImage, QTextCharFormat
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolTip, QWidget

from kailash_studio.desktop.editors.parameter_grid import ParameterGrid, read_value, show_value
from kailash_studio.desktop.editors.sql import SqlEditor
from kailash_studio.desktop.editors.sql_results import PlanTree, ResultTable
from kailash_studio.desktop.theme import Theme
from kailash_studio.services.sql_analysis import lint
from kailash_studio.services.sql_catalogue import Catalogue, Column, Relation
from kailash_studio.services.sql_plan import from_postgresql
from kailash_studio.services.sql_text import Given

_CONTROL = Qt.KeyboardModifier.ControlModifier
Show = Callable[[QWidget], QWidget]


def _relation(name: str, columns: str) -> Relation:
    return Relation("sample", name, "table", tuple(Column(c, "text") for c in columns.split()))


CATALOGUE = Catalogue(
    "postgresql",
    (_relation("clients", "client_id client_name country"), _relation("portfolios", "portfolio_id client_id")),
    ("public", "sample"),
)


@pytest.fixture
def editor(theme: Theme, shown: Show) -> SqlEditor:
    holder = QWidget()
    made = SqlEditor(theme, holder)
    made.set_catalogue(CATALOGUE)
    made.resize(700, 300)
    holder.resize(720, 420)
    shown(holder)
    made.setFocus()
    return made


def write(editor: SqlEditor, text: str) -> None:
    """Type a text; the bar is where the cursor is left."""
    QTest.keyClicks(editor, text.replace("|", ""))
    cursor = editor.textCursor()
    if "|" in text:
        cursor.setPosition(text.index("|"))
        editor.setTextCursor(cursor)
    QCoreApplication.processEvents()


# ---------------------------------------------------------------------- completion
def test_completion_comes_as_one_types_and_enter_takes_it(editor: SqlEditor) -> None:
    write(editor, "SELECT * FROM po")
    assert editor.completions() == ["portfolios"]
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert editor.toPlainText() == "SELECT * FROM portfolios"
    assert editor.completions() == []
    QTest.keyClicks(editor, " p WHERE p.")
    assert editor.completions() == ["portfolio_id", "client_id"]
    QTest.keyClick(editor, Qt.Key.Key_Down)
    QTest.keyClick(editor, Qt.Key.Key_Tab)
    assert editor.toPlainText().endswith("p.client_id")
    assert editor.hasFocus()


def test_completion_can_be_asked_for_and_left(editor: SqlEditor) -> None:
    write(editor, "SELECT | FROM clients")
    assert editor.completions() == []
    QTest.keyClick(editor, Qt.Key.Key_Space, _CONTROL)
    assert editor.completions()[:3] == ["client_id", "client_name", "country"]
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    assert editor.completions() == []
    QTest.keyClicks(editor, "cou")
    assert editor.completions()[0] == "country"
    QTest.keyClick(editor, Qt.Key.Key_Backspace)
    QTest.keyClicks(editor, "untr")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert editor.toPlainText() == "SELECT country FROM clients"


def test_a_word_that_is_whole_is_not_in_the_way_of_enter(editor: SqlEditor) -> None:
    write(editor, "SELECT 1 FROM clients")
    assert editor.completions() == []
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert editor.toPlainText().endswith("clients\n")


def test_functions_come_with_brackets_and_names_with_the_quotes_they_need(editor: SqlEditor) -> None:
    editor.set_catalogue(Catalogue("postgresql", (_relation("clients", "Odd"),), ("sample",)))
    write(editor, "SELECT coal")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert editor.toPlainText() == "SELECT coalesce()"
    editor.clear()
    write(editor, "SELECT od| FROM clients")
    QTest.keyClick(editor, Qt.Key.Key_Space, _CONTROL)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert editor.toPlainText() == 'SELECT "Odd" FROM clients'


def test_places_hold_behind_characters_that_qt_counts_twice(editor: SqlEditor) -> None:
    text = "SELECT '😀😀', cuntry FROM clients"
    editor.setPlainText(text)
    editor.show_findings([f.to_plain() for f in lint(text, catalogue=CATALOGUE)])
    (marked,) = [s.cursor.selectedText() for s in editor.extraSelections() if s.cursor.hasSelection()]
    assert marked == "cuntry"
    cursor = editor.textCursor()
    cursor.setPosition(editor.document().toPlainText().index(", cun") + 2 + 2 + 3)
    editor.setTextCursor(cursor)
    editor.complete(asked=True)
    assert editor.completions() == []
    for _ in range(2):
        QTest.keyClick(editor, Qt.Key.Key_Backspace)
    QTest.keyClick(editor, Qt.Key.Key_Space, _CONTROL)
    assert "country" in editor.completions()


# ---------------------------------------------------------------------- marks
def test_brackets_that_belong_together_are_marked(editor: SqlEditor) -> None:
    write(editor, "SELECT f(a, ')', (b)|)")
    text = editor.toPlainText()
    assert editor.matching_brackets() == [text.index("(b"), text.index("b)") + 1]
    cursor = editor.textCursor()
    cursor.setPosition(text.index("f(") + 1)
    editor.setTextCursor(cursor)
    assert editor.matching_brackets() == [text.index("f(") + 1, len(text) - 1]
    cursor.setPosition(text.index("')'") + 2)
    editor.setTextCursor(cursor)
    assert editor.matching_brackets() == []


def test_findings_are_underlined_and_told(editor: SqlEditor) -> None:
    text = "SELECT cuntry\nFROM clients"
    editor.setPlainText(text)
    editor.show_findings([f.to_plain() for f in lint(text, catalogue=CATALOGUE)])
    (mark,) = [s for s in editor.extraSelections() if s.cursor.hasSelection()]
    assert mark.cursor.selectedText() == "cuntry"
    assert mark.format.underlineStyle() == QTextCharFormat.UnderlineStyle.WaveUnderline
    cursor = editor.textCursor()
    cursor.setPosition(9)
    place = editor.viewport().mapTo(editor, editor.cursorRect(cursor).center())
    event = QHelpEvent(QEvent.Type.ToolTip, place, editor.mapToGlobal(place))
    QCoreApplication.sendEvent(editor, event)
    assert "did you mean country" in QToolTip.text()
    QToolTip.hideText()
    away = QHelpEvent(QEvent.Type.ToolTip, QPoint(400, 200), editor.mapToGlobal(QPoint(400, 200)))
    QCoreApplication.sendEvent(editor, away)
    QTest.keyClicks(editor, "x")
    assert not [s for s in editor.extraSelections() if s.cursor.hasSelection()]


def test_lines_become_comments_and_come_back(editor: SqlEditor) -> None:
    editor.setPlainText("SELECT 1\n  FROM a\n\n  WHERE b")
    editor.selectAll()
    QTest.keyClick(editor, Qt.Key.Key_Slash, _CONTROL)
    assert editor.toPlainText() == "-- SELECT 1\n--   FROM a\n\n--   WHERE b"
    QTest.keyClick(editor, Qt.Key.Key_Slash, _CONTROL)
    assert editor.toPlainText() == "SELECT 1\n  FROM a\n\n  WHERE b"
    QTest.keyClick(editor, Qt.Key.Key_Z, _CONTROL)
    assert editor.toPlainText().startswith("-- SELECT")


def _colour_at(editor: SqlEditor, line: int, column: int) -> str:
    block = editor.document().findBlockByNumber(line)
    for one in block.layout().formats():
        if one.start <= column < one.start + one.length:  # type: ignore[attr-defined]
            return one.format.foreground().color().name()  # type: ignore[attr-defined, no-any-return]
    return ""


def test_highlighting_goes_on_over_lines(editor: SqlEditor, theme: Theme) -> None:
    colour = {token: theme.colour(token).name() for token in ("purple", "green", "text3", "amber", "blue")}
    editor.setPlainText("SELECT count(x), $1, 'it''s /* no\nstill text', /* a /* b\n*/ still */ $x$ select\n$x$ FROM t")
    assert _colour_at(editor, 0, 0) == colour["purple"]
    assert _colour_at(editor, 0, 7) == colour["blue"]
    assert _colour_at(editor, 0, 17) == colour["amber"]
    assert _colour_at(editor, 1, 3) == colour["green"]
    assert _colour_at(editor, 1, 16) == colour["text3"]
    assert _colour_at(editor, 2, 5) == colour["text3"]
    assert _colour_at(editor, 2, 19) == colour["green"]
    assert _colour_at(editor, 3, 0) == colour["green"]
    assert _colour_at(editor, 3, 5) == colour["purple"]


# ---------------------------------------------------------------------- values
@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Growth", "", "Growth"),
        ("5", "integer", 5),
        ("5", "text", "5"),
        ("5", "", 5),
        ('"5"', "", "5"),
        ("null", "text", None),
        ('"null"', "text", "null"),
        ("2024-01-02", "date", "2024-01-02"),
        ("[1,2]", "integer[]", [1, 2]),
        ("[1,2]", "vector", "[1,2]"),
        ("true", "boolean", True),
        ("@risk", "text", {"$parameter": "risk"}),
        ('"@risk"', "text", "@risk"),
    ],
)
def test_values_are_written_and_read_back(text: str, kind: str, value: Any) -> None:
    assert read_value(text, kind) == value
    assert read_value(show_value(value, kind), kind) == value


def _type_into(grid: ParameterGrid, row: int, text: str) -> None:
    grid.setCurrentCell(row, 2)
    QTest.keyClick(grid, Qt.Key.Key_Return)
    field = grid.focusWidget()
    assert field is not None and field is not grid
    QTest.keyClick(field, Qt.Key.Key_A, _CONTROL)
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)
    QCoreApplication.processEvents()


def test_the_grid_gives_values_in_the_form_of_the_document(theme: Theme, shown: Show) -> None:
    grid = ParameterGrid(theme)
    grid.resize(400, 200)
    shown(grid)
    heard: list[Any] = []
    grid.changed.connect(heard.append)
    grid.show_parameters([("$1", "text"), ("$2", "integer")], Given(["Growth"]), {})
    _type_into(grid, 1, "7")
    assert heard == [Given(["Growth", 7])]
    grid.show_parameters([], Given(["Growth"]), {}, known=False)
    kind = grid.item(0, 1)
    assert kind is not None
    assert kind.text() == "", "nobody has looked at the statement yet"
    grid.show_parameters([("$1", "text")], Given(["Growth", 7]), {})
    assert [grid.item(row, 1).text() for row in range(2)] == ["text", "not used"]  # type: ignore[union-attr]
    grid.setCurrentCell(1, 2)
    QTest.keyClick(grid, Qt.Key.Key_Delete)
    assert heard[-1] == Given(["Growth"])
    _type_into(grid, 0, "@risk")
    assert heard[-1] == Given([{"$parameter": "risk"}])
    grid.show_parameters([("$1", "text"), (":who", "text")], Given(["Growth"]), {})
    _type_into(grid, 1, "Ada")
    assert heard[-1] == Given(["Growth"], {"who": "Ada"})
    grid.setCurrentCell(1, 2)
    QTest.keyClick(grid, Qt.Key.Key_Delete)
    assert heard[-1] == Given(["Growth"])
    grid.show_parameters([("$1", "text"), (":who", "text")], Given(["Growth"]), {}, fixed={"$"})
    grid.setCurrentCell(0, 2)
    QTest.keyClick(grid, Qt.Key.Key_Delete)
    QTest.keyClick(grid, Qt.Key.Key_Return)
    assert grid.state() != ParameterGrid.State.EditingState
    assert heard[-1] == Given(["Growth"])


def test_delete_says_when_a_value_becomes_null(theme: Theme, shown: Show) -> None:
    grid = ParameterGrid(theme)
    shown(grid)
    grid.show_parameters([("$1", ""), ("$2", "")], Given([1, 2]), {})
    tips = [grid.item(row, 2).toolTip() for row in range(2)]  # type: ignore[union-attr]
    assert tips == ["Bound as int. Delete makes it null, since those behind it keep their numbers.", "Bound as int."]
    grid.setCurrentCell(0, 2)
    QTest.keyClick(grid, Qt.Key.Key_Delete)
    assert grid.item(0, 2).text() == "null"  # type: ignore[union-attr]


def test_control_and_enter_in_the_grid_test_the_values(theme: Theme, shown: Show) -> None:
    grid = ParameterGrid(theme)
    shown(grid)
    heard: list[Any] = []
    grid.changed.connect(heard.append)
    grid.run_asked.connect(lambda: heard.append("run"))
    grid.show_parameters([("$1", "integer")], Given([1]), {})
    grid.setCurrentCell(0, 2)
    QTest.keyClick(grid, Qt.Key.Key_Return, _CONTROL)
    assert heard == ["run"] and grid.state() != ParameterGrid.State.EditingState
    QTest.keyClick(grid, Qt.Key.Key_Return)
    field = grid.focusWidget()
    assert field is not None
    QTest.keyClick(field, Qt.Key.Key_A, _CONTROL)
    QTest.keyClicks(field, "2")
    QTest.keyClick(field, Qt.Key.Key_Return, _CONTROL)
    QCoreApplication.processEvents()
    assert heard == ["run", Given([2]), "run"]


# ---------------------------------------------------------------------- results
def test_rows_are_shown_and_copied(theme: Theme, shown: Show) -> None:
    table = ResultTable(theme)
    shown(table)
    found = {
        "columns": ["name", "n"],
        "types": ["text", ""],
        "numeric": [False, True],
        "rows": [["a\tb", "1"], [None, "2"]],
    }
    table.show_rows(found)
    model = table.model()
    assert model is not None and model.index(1, 0).data() == "null"
    table.selectAll()
    QTest.keyClick(table, Qt.Key.Key_C, _CONTROL)
    clipboard = QCoreApplication.instance().clipboard()  # type: ignore[union-attr]
    assert clipboard.text() == "name\tn\na b\t1\n\t2"


def test_a_plan_shows_what_costs_most(theme: Theme, shown: Show) -> None:
    scan = {
        "Node Type": "Seq Scan",
        "Relation Name": "t",
        "Alias": "t",
        "Total Cost": 90.0,
        "Plan Rows": 5,
        "Filter": "(a > 1)",
    }
    found = {"Plan": {"Node Type": "Sort", "Sort Key": ["t.a"], "Total Cost": 100.0, "Plan Rows": 5, "Plans": [scan]}}
    tree = PlanTree(theme)
    shown(tree)
    heard: list[Any] = []
    tree.details_chosen.connect(heard.append)
    tree.show_plan(from_postgresql(found).to_plain())
    top = tree.topLevelItem(0)
    assert top is not None and top.text(0) == "Sort"
    child = top.child(0)
    assert (child.text(0), child.text(1)) == ("Seq Scan on t", "90")
    assert tree.currentItem() is child
    assert heard == [["Filter: (a > 1)"]]
    assert child.data(1, Qt.ItemDataRole.UserRole) == pytest.approx(0.9)
    assert child.toolTip(1) == "90% of the plan's cost"
    assert tree.isColumnHidden(4)


def measured_plan() -> dict[str, Any]:
    """A plan of two steps, of which the lower one took nine tenths of the time and found more than was expected."""
    times = {"Actual Startup Time": 0.0, "Actual Loops": 1}
    scan = {"Node Type": "Seq Scan", "Total Cost": 90.0, "Plan Rows": 5, "Actual Rows": 888_888}
    scan |= times | {"Actual Total Time": 888_800.0}
    sort = {"Node Type": "Sort", "Total Cost": 100.0, "Plan Rows": 5, "Actual Rows": 5, "Plans": [scan]}
    sort |= times | {"Actual Total Time": 987_600.0}
    return from_postgresql({"Plan": sort, "Execution Time": 987_600.0}).to_plain()


@pytest.mark.parametrize("look", ["dark", "light"])
def test_the_bars_of_a_plan_leave_its_numbers_alone(look: str, theme: Theme, shown: Show) -> None:
    theme.set_name(look)
    tree = PlanTree(theme)
    shown(tree).resize(760, 160)
    tree.show_plan(measured_plan())
    top = tree.topLevelItem(0)
    assert top is not None
    digits = QFontMetrics(theme.font(12, mono=True)).height()

    def cells(column: int) -> list[tuple[QImage, QImage]]:
        """The lines of digits, and the rest below, of each row."""
        made = []
        for item in (top, top.child(0)):
            cell = tree.visualItemRect(item)
            cell.setLeft(tree.columnViewportPosition(column))
            cell.setWidth(tree.columnWidth(column))
            line = cell.adjusted(0, (cell.height() - digits) // 2, 0, 0)
            line.setHeight(digits)
            below = cell.adjusted(0, line.bottom() + 1 - cell.top(), 0, 0)
            whole = tree.viewport().grab().toImage()
            made.append((whole.copy(line), whole.copy(below)))
        return made

    with_bars = cells(1), cells(5)
    for item in (top, top.child(0)):
        for column in (1, 5):
            item.setData(column, Qt.ItemDataRole.UserRole, None)
    for drawn, bare in zip(with_bars, (cells(1), cells(5)), strict=True):
        for (line, bar), (bare_line, bare_foot) in zip(drawn, bare, strict=True):
            assert line == bare_line, "a bar touches the digits"
            assert bar != bare_foot, "there is no bar"


def test_what_stands_out_in_a_plan_does_so_in_another_theme_too(theme: Theme, shown: Show) -> None:
    tree = PlanTree(theme)
    shown(tree)
    tree.show_plan(measured_plan())
    top = tree.topLevelItem(0)
    assert top is not None
    for look in ("light", "dark"):
        theme.set_name(look)
        assert top.child(0).foreground(4).color() == theme.colour("amber")
