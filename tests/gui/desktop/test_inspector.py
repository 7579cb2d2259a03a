"""The form is derived from declarations: for every installed node type, each row is shown, edited, undone and reset."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QLineEdit, QPushButton, QSpinBox, QWidget

from kailash_studio.desktop.inspector.field import Field
from kailash_studio.desktop.inspector.fields import (
    ChoiceField,
    CodeField,
    LinesField,
    ReferenceField,
    SwitchField,
    TextField,
)
from kailash_studio.desktop.inspector.form import Form
from kailash_studio.desktop.inspector.json_field import JsonField
from kailash_studio.desktop.inspector.made import make_field
from kailash_studio.desktop.inspector.number_field import NumberField
from kailash_studio.desktop.inspector.ports_field import PortsField
from kailash_studio.desktop.window import MainWindow
from kailash_studio.spec.form import FormRow, form_rows
from kailash_studio.spec.node import Node
from kailash_studio.spec.policy import Resilience
from kailash_studio.spec.registry import installed_node_types

_CONTROL = Qt.KeyboardModifier.ControlModifier


# ---------------------------------------------------------------------- how a person edits
def _type(editor: QWidget, text: str) -> None:
    """Replace what is in an editor."""
    editor.setFocus()
    QTest.keyClick(editor, Qt.Key.Key_A, _CONTROL)
    QTest.keyClicks(editor, text)


def edit(field: Field, new: Any) -> None:
    """Give a field a new value with keys and clicks, and finish."""
    if isinstance(field, TextField):
        _type(field.edit, new["$secret"] if isinstance(new, dict) else new)
        QTest.keyClick(field.edit, Qt.Key.Key_Return)
    elif isinstance(field, CodeField | LinesField):
        _type(field.edit, new)
        QTest.keyClick(field.edit, Qt.Key.Key_Return, _CONTROL)
    elif isinstance(field, JsonField):
        plain = field.edit.placeholderText().startswith("one on each line")
        _type(field.edit, new[0] if plain else {str: '"{}"'}.get(type(new), "{}").format(new).replace("'", '"'))
        QTest.keyClick(field.edit, Qt.Key.Key_Return, _CONTROL)
    elif isinstance(field, NumberField):
        _type(field.spin, str(new))
        QTest.keyClick(field.spin, Qt.Key.Key_Return)
    elif isinstance(field, SwitchField):
        QTest.mouseClick(field.switch, Qt.MouseButton.LeftButton)
    elif isinstance(field, PortsField):
        (line,), ((name, kind),) = field.lines, new.items()
        assert line.kind.currentText() == kind
        _type(line.name, name)
        QTest.keyClick(line.name, Qt.Key.Key_Return)
    elif isinstance(field, ChoiceField) and field.segments is not None:
        index = field._values.index(new)
        QTest.mouseClick(field.segments.findChildren(QPushButton)[index], Qt.MouseButton.LeftButton)
    elif isinstance(field, ChoiceField) and field.combo is not None:
        field.combo.setFocus()
        wanted = field._values.index(new)
        while field.combo.currentIndex() != wanted:
            QTest.keyClick(field.combo, Qt.Key.Key_Down if wanted > field.combo.currentIndex() else Qt.Key.Key_Up)
    else:
        raise AssertionError(f"no way to edit {type(field).__name__}")
    QCoreApplication.processEvents()


def value_of(field: Field) -> Any:
    """What a field shows, as the value that it stands for."""
    if isinstance(field, TextField):
        text = field.edit.text()
        return {"$secret": text} if field._row.kind == "secret" and text else text or None
    if isinstance(field, CodeField | LinesField | JsonField):
        return field.edit.toPlainText() or None
    if isinstance(field, NumberField):
        return None if field.spin.text() == "not set" else field.spin.value()
    if isinstance(field, SwitchField):
        return field.switch.isChecked()
    if isinstance(field, PortsField):
        return {line.name.text(): line.kind.currentText() for line in field.lines}
    if isinstance(field, ChoiceField) and field.segments is not None:
        buttons = field.segments.findChildren(QPushButton)
        return next((field._values[i] for i, button in enumerate(buttons) if button.isChecked()), None)
    assert isinstance(field, ChoiceField) and field.combo is not None
    index = field.combo.currentIndex()
    return field._values[index] if index >= 0 else None


def samples(row: FormRow) -> tuple[Any, Any]:
    """Two values of a row that differ from its default."""
    match row.kind:
        case "boolean":
            return not row.default, row.default
        case "choice":
            others = [value for value in row.choices if value != row.default]
            at = row.choices.index(others[0])
            return others[0], row.choices[at - 1 if at else 1]
        case "integer" | "number":
            low = row.minimum if row.minimum is not None else 1
            if row.maximum is not None and row.maximum <= 1:
                return 0.25, 0.5
            return (int(low) + 3, int(low) + 5) if row.default != low + 3 else (int(low) + 4, int(low) + 5)
        case "secret":
            return {"$secret": "first_secret"}, {"$secret": "second_secret"}
        case "list":
            return ["first"], ["second"]
        case "object":
            return {"a": 1}, {"b": 2}
        case "ports":
            return {"first": "table"}, {"second": "table"}
        case "sql":
            return "SELECT 1", "SELECT 2"
        case "python":
            return "x = 1", "y = 2"
        case _:
            return "first", "second"


def text_of(field: Field, value: Any) -> Any:
    """What a field that shows text has for a value."""
    if isinstance(field, JsonField):
        plain = field.edit.placeholderText().startswith("one on each line")
        return "\n".join(value) if plain else {str: '"{}"'}.get(type(value), "{}").format(value).replace("'", '"')
    return value


TYPES = list(installed_node_types())
ROWS = [
    (node_type, row)
    for node_type in TYPES
    for row in form_rows(node_type)
    if row.kind != "choice" or len(row.choices) > 1  # where there is one choice, there is nothing to edit
]


@pytest.mark.parametrize(("node_type", "row"), ROWS, ids=[f"{t.type_name()}.{r.name}" for t, r in ROWS])
def test_each_row_shows_commits_once_and_follows_undo(window: MainWindow, node_type: type[Node], row: FormRow) -> None:
    session = window.session
    old, new = samples(row)
    node = session.add_node(node_type.type_name(), (0, 0), {row.name: old})
    window.canvas.select([node])
    window.activateWindow()
    field = window.inspector.form.row(row.name).field
    assert value_of(field) == text_of(field, old)
    committed: list[Any] = []
    field.committed.connect(committed.append)

    edit(field, new)
    assert committed == [new]
    assert session.workflow.nodes[node].parameters[row.name] == new
    window.setFocus()  # leaving the field commits nothing more
    assert committed == [new]

    session.undo()
    assert session.workflow.nodes[node].parameters[row.name] == old
    field = window.inspector.form.row(row.name).field
    assert value_of(field) == text_of(field, old)
    session.redo()
    assert value_of(field) == text_of(field, new)

    reset = window.inspector.form.row(row.name).reset
    if new != row.default:
        assert reset.isVisibleTo(window)
        reset.click()
    assert session.workflow.nodes[node].parameters.get(row.name, row.default) == row.default
    assert not window.inspector.form.row(row.name).reset.isVisibleTo(window)


@pytest.mark.parametrize("kind", ["text", "sql", "integer", "multiline"])
def test_undo_is_shown_even_while_the_field_has_the_focus(theme: Any, icons: Any, shown: Any, kind: Any) -> None:
    """The person pressed Enter, stays in the field, and takes the edit back with the menu."""
    row = FormRow("value", "Value", kind, "doc", default=1 if kind == "integer" else "")
    old, new = samples(row)
    form = shown(Form(theme, icons))
    form.show_rows("n", [row], {"value": old}, {})
    field = form.row("value").field
    edit(field, new)
    assert field.is_being_edited() or field.focusProxy().hasFocus()
    form.show_rows("n", [row], {"value": new}, {})
    form.show_rows("n", [row], {"value": old}, {})
    assert value_of(field) == old


@pytest.mark.parametrize("kind", ["text", "multiline", "sql"])
def test_what_is_being_typed_is_left_alone(theme: Any, icons: Any, shown: Any, kind: Any) -> None:
    row = FormRow("value", "Value", kind, "doc", default="")
    form = shown(Form(theme, icons))
    form.show_rows("n", [row], {"value": "old"}, {})
    field = form.row("value").field
    _type(field.edit, "half a wo")
    form.show_rows("n", [row], {"value": "old"}, {"value": "a problem elsewhere"})
    assert value_of(field) == "half a wo"


# ---------------------------------------------------------------------- each kind of field by itself
def _row(kind: Any, **words: Any) -> FormRow:
    return FormRow("value", "Value", kind, "doc", **words)


@pytest.mark.parametrize(
    ("row", "value", "text"),
    [
        (_row("secret"), {"$secret": "db_password"}, "db_password"),
        (_row("text"), None, ""),
        (_row("list", item="text"), ["a", "b"], "a\nb"),
        (_row("list"), [1, "b"], '[1, "b"]'),
        (_row("object"), {"ä": None}, '{"ä": null}'),
        (_row("any"), "10", '"10"'),
        (_row("any"), 10, "10"),
        (_row("any"), "word", '"word"'),
    ],
    ids=lambda value: str(value)[:30],
)
def test_values_are_shown_as_text(theme: Any, icons: Any, shown: Any, row: FormRow, value: Any, text: str) -> None:
    field = shown(make_field(row, value, theme, icons))
    told: list[Any] = []
    field.committed.connect(told.append)
    field.show_value(value)
    content = field.edit.text() if isinstance(field.edit, QLineEdit) else field.edit.toPlainText()
    assert content == text
    field.edit.setFocus()
    field.edit.clearFocus()
    assert told == [], "looking at a value changes nothing"


@pytest.mark.parametrize(
    ("row", "typed", "value"),
    [
        (_row("list", item="text"), " a ", ["a"]),
        (_row("list"), "[1, 2]", [1, 2]),
        (_row("object"), '{"a": []}', {"a": []}),
        (_row("any"), "word", "word"),
        (_row("any"), '"10"', "10"),
        (_row("any"), "10", 10),
        (_row("any"), "null", None),
        (_row("text", nullable=True), "", None),
        (_row("text"), "", ""),
        (_row("secret"), "", ""),
        (_row("number", minimum=0.0, nullable=True), "2.5", 2.5),
    ],
    ids=lambda value: str(value)[:30],
)
def test_typed_text_becomes_the_value(theme: Any, icons: Any, shown: Any, row: FormRow, typed: str, value: Any) -> None:
    before: Any = {"secret": {"$secret": "x"}, "list": [9], "object": {"z": 1}, "number": 7.0}.get(row.kind, "before")
    field = shown(make_field(row, before, theme, icons))
    field.show_value(before)
    told: list[Any] = []
    field.committed.connect(told.append)
    editor = field.focusProxy()
    _type(editor, typed) if typed else (_type(editor, "x"), QTest.keyClick(editor, Qt.Key.Key_Backspace))
    QTest.keyClick(editor, Qt.Key.Key_Return, _CONTROL if isinstance(field, JsonField) else Qt.KeyboardModifier(0))
    assert told == [value]
    assert type(told[0]) is type(value)


def test_text_that_is_no_json_is_marked_and_not_committed(theme: Any, icons: Any, shown: Any) -> None:
    field = shown(make_field(_row("object"), {}, theme, icons))
    field.show_value({})
    told: list[Any] = []
    field.committed.connect(told.append)
    _type(field.edit, '{"a":')
    QTest.keyClick(field.edit, Qt.Key.Key_Return, _CONTROL)
    assert told == []
    assert field.edit.property("invalid") is True
    QTest.keyClicks(field.edit, "1}")
    QTest.keyClick(field.edit, Qt.Key.Key_Return, _CONTROL)
    assert told == [{"a": 1}]
    assert field.edit.property("invalid") is False


def test_a_number_that_may_be_unset(theme: Any, icons: Any, shown: Any) -> None:
    field = shown(make_field(_row("integer", minimum=1, maximum=9, nullable=True, unit="s"), None, theme, icons))
    field.show_value(None)
    assert field.spin.text() == "not set"
    told: list[Any] = []
    field.committed.connect(told.append)
    field.spin.setFocus()
    QTest.keyClick(field.spin, Qt.Key.Key_Up)
    assert (field.spin.text(), told) == ("1 s", [1])
    QTest.keyClick(field.spin, Qt.Key.Key_Down)
    assert told == [1, None]


def test_a_reference_is_shown_and_not_edited(theme: Any, icons: Any, shown: Any) -> None:
    field = shown(make_field(_row("integer"), {"$parameter": "limit"}, theme, icons))
    assert isinstance(field, ReferenceField)
    field.show_value({"$parameter": "limit"})
    assert field.edit.text() == "parameter: limit"
    assert field.edit.isReadOnly()


@pytest.mark.parametrize("kind", ["integer", "number", "choice"])
def test_the_wheel_changes_nothing_that_has_no_focus(
    theme: Any, icons: Any, shown: Any, kind: Any, wheel_over: Any
) -> None:
    row = _row(kind, minimum=0, maximum=9, choices=tuple("abcdef"))
    value = "c" if kind == "choice" else 5
    field = shown(make_field(row, value, theme, icons))
    field.show_value(value)
    told: list[Any] = []
    field.committed.connect(told.append)
    inner = field.findChild(QComboBox) or field.findChild(QSpinBox) or field.spin
    inner.clearFocus()
    wheel_over(inner)
    assert told == []
    inner.setFocus()
    wheel_over(inner)
    assert len(told) == 1


# ---------------------------------------------------------------------- the whole form
def test_rows_that_do_not_matter_are_hidden(window: MainWindow) -> None:
    node = window.session.add_node("AsyncSQLDatabaseNode", (0, 0))
    window.canvas.select([node])
    form = window.inspector.form
    hiding = [row for row in form_rows(window.session.registry.get("AsyncSQLDatabaseNode")) if row.shown_when]
    assert hiding
    other, values = hiding[0].shown_when
    declared = window.session.registry.get("AsyncSQLDatabaseNode").declarations[other]
    assert form.row(hiding[0].name).isVisibleTo(form) == (declared.default in values)
    window.session.set_parameter(node, other, values[0])
    assert form.row(hiding[0].name).isVisibleTo(form)


def test_a_problem_stands_at_its_field_and_is_jumped_to(window: MainWindow) -> None:
    node = window.session.add_node("CSVReaderNode", (0, 0))
    window.session.validate_now()
    window.canvas.select([])
    (finding,) = (f for f in window.session.findings if f.place == f"nodes/{node}/parameters/path")
    window.problems.jump.emit(finding.place)
    assert window.canvas.selection() == [node]
    row = window.inspector.form.row("path")
    assert row.problem.isVisibleTo(window)
    assert row.problem.text() in finding.sentence
    assert row.field.focusProxy().hasFocus()
    window.session.set_parameter(node, "path", "positions.csv")
    window.session.validate_now()
    assert not window.inspector.form.row("path").problem.isVisibleTo(window)


PLAIN = [row for row in form_rows(Resilience) if row.kind != "group" and row.name != "fallback"]
INSIDE = [(row.name, inner) for row in form_rows(Resilience) for inner in row.rows]


@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row.name)
def test_policies_are_set_and_taken_away(window: MainWindow, row: FormRow) -> None:
    node = window.session.add_node("CSVReaderNode", (0, 0))
    window.canvas.select([node])
    window.inspector.tabs.setCurrentWidget(window.inspector.policies)
    field = window.inspector.policies.row(row.name).field
    _, new = samples(row)
    edit(field, new)
    assert window.session.workflow.nodes[node].resilience == {row.name: new}
    window.inspector.policies.row(row.name).reset.click()
    assert window.session.workflow.nodes[node].resilience == {}
    assert value_of(field) == row.default


@pytest.mark.parametrize(("group", "row"), INSIDE, ids=lambda value: getattr(value, "name", value))
def test_a_policy_is_switched_on_changed_and_switched_off(window: MainWindow, group: str, row: FormRow) -> None:
    node = window.session.add_node("CSVReaderNode", (0, 0))
    window.canvas.select([node])
    window.inspector.tabs.setCurrentWidget(window.inspector.policies)
    shown = window.inspector.policies.group(group)
    assert not shown.body.isVisibleTo(shown)
    shown.switch.click()
    assert window.session.workflow.nodes[node].resilience == {group: {}}
    if row.advanced:
        assert not shown.rows[row.name].isVisibleTo(shown)
        shown.more.click()
    field = shown.rows[row.name].field
    assert shown.rows[row.name].isVisibleTo(shown)
    assert value_of(field) in (row.default, row.default or None)
    new, _ = samples(row)
    edit(field, new)
    assert window.session.workflow.nodes[node].resilience == {group: {row.name: new}}
    shown.rows[row.name].reset.click()
    assert window.session.workflow.nodes[node].resilience == {group: {}}
    shown.switch.click()
    assert window.session.workflow.nodes[node].resilience == {}
    seen = []
    for _ in range(4):
        window.session.undo()
        seen.append(window.session.workflow.nodes[node].resilience)
    assert seen == [{group: {}}, {group: {row.name: new}}, {group: {}}, {}], "each change is a step of its own"


def test_retry_breaker_and_fallback_take_at_most_six_clicks(window: MainWindow) -> None:
    node, spare, other = (window.session.add_node("CSVReaderNode", (x, 0)) for x in (0, 400, 800))
    window.session.connect_ports(spare, "data", window.session.add_node("TableViewNode", (900, 0)), "rows")
    window.canvas.select([node])
    clicks = 1
    window.inspector.tabs.setCurrentWidget(window.inspector.policies)
    policies = window.inspector.policies
    for group in ("retry", "circuit_breaker"):
        policies.group(group).switch.click()
        clicks += 1
    edit(policies.row("fallback").field, spare)
    clicks += 2  # the list is opened, and one is chosen
    assert clicks <= 6
    assert window.session.workflow.nodes[node].resilience == {"retry": {}, "circuit_breaker": {}, "fallback": spare}
    assert not window.session.workflow.connections, "a fallback runs for nothing else"
    assert window.canvas.store.lines[f"fallback of {node}"].view.kind == "fallback"
    window.session.undo()
    assert "fallback" not in window.session.workflow.nodes[node].resilience
    assert len(window.session.workflow.connections) == 1
    assert f"fallback of {node}" not in window.canvas.store.lines
    window.session.redo()
    window.canvas.connection_delete_requested.emit(f"fallback of {node}")
    assert "fallback" not in window.session.workflow.nodes[node].resilience
    assert window.session.set_fallback(node, spare) is None
    assert "circle" in str(window.session.set_fallback(spare, node))
    assert "already" in str(window.session.set_fallback(other, spare))


def test_the_schedule_follows_each_edit(window: MainWindow) -> None:
    node = window.session.add_node("CSVReaderNode", (0, 0))
    window.canvas.select([node])
    policies = window.inspector.policies
    window.inspector.tabs.setCurrentWidget(policies)
    policies.group("retry").switch.click()
    assert "4 attempts; waits 1 s, 2 s, 4 s; without a timeout" in window.inspector.plot.sentence()
    assert window.inspector.plot.isVisibleTo(policies)
    edit(policies.group("retry").rows["base_delay"].field, 2.0)
    edit(policies.row("timeout").field, 10.0)
    assert "waits 2 s, 4 s, 8 s; at most 54.00 s in all" in window.inspector.plot.sentence()
    edit(policies.row("total_timeout").field, 12.0)
    assert "at most 12.00 s in all" in window.inspector.plot.sentence()
    assert window.inspector.plot.schedule is not None
    assert [attempt.longest for attempt in window.inspector.plot.schedule.attempts] == [10.0, 0.0, 0.0, 0.0]
    edit(policies.group("retry").rows["max_retries"].field, 0)
    assert not window.inspector.plot.isVisibleTo(policies)


def test_a_node_is_renamed_or_stays(window: MainWindow) -> None:
    session, inspector = window.session, window.inspector
    first, second = (session.add_node("CSVReaderNode", (x, 0)) for x in (0, 400))
    window.canvas.select([first])
    for wanted, kept in (
        ("positions", "positions"),
        (second, "positions"),
        ("no good", "positions"),
        ("", "positions"),
    ):
        _type(inspector.name, wanted) if wanted else inspector.name.clear()
        QTest.keyClick(inspector.name, Qt.Key.Key_Return)
        assert set(session.workflow.nodes) == {kept, second}
        assert inspector.name.text() == kept
    assert window.canvas.selection() == ["positions"]


def test_many_and_none_are_said(window: MainWindow) -> None:
    nodes = [window.session.add_node("CSVReaderNode", (x, 0)) for x in (0, 300)]
    window.canvas.select(nodes)
    assert window.inspector._empty._text.text() == "2 nodes are selected."
    window.canvas.select([])
    assert "Select a node" in window.inspector._empty._text.text()


def test_fallbacks_are_drawn_told_ordered_and_deleted(window: MainWindow) -> None:
    first, second, third, other = (window.session.add_node("TableViewNode", (x, 0)) for x in (0, 400, 800, 1200))
    window.session.connect_ports(second, "data", other, "rows")
    window.canvas.fallback_drawn.emit(first, second)
    assert f"{second} runs only when {first} fails now" in window.line.currentMessage()
    window.canvas.fallback_drawn.emit(second, third)
    lines = window.canvas.store.lines
    assert [lines[f"fallback of {node}"].view.order for node in (first, second)] == [1, 2]
    window.canvas.fallback_drawn.emit(other, third)
    assert "already" in window.line.currentMessage()
    window.canvas.connection_selected.emit(f"fallback of {first}")
    window.actions_by_name["delete"].trigger()
    assert list(lines) == [f"fallback of {second}"]
    assert lines[f"fallback of {second}"].view.order == 1, "what is above it has changed"
    window.session.undo()
    assert lines[f"fallback of {second}"].view.order == 2
    window.canvas.select([first])
    window.actions_by_name["fallback"].trigger()
    assert window.canvas.fallback_refusal(third, first) is not None


def test_saved_connections_are_offered_to_choose_from(window: MainWindow) -> None:
    given = {"query": "SELECT 1", "connection": "saved", "saved": "elsewhere"}
    node = window.session.add_node("AsyncSQLDatabaseNode", (0, 0), given)
    window.canvas.select([node])
    assert isinstance(window.inspector.form.row("saved").field, TextField), "none is known yet"
    window.inspector_link.offer_connections(["books", "prices"])
    field = window.inspector.form.row("saved").field
    assert isinstance(field, ChoiceField)
    assert field._values == ["", "books", "prices", "elsewhere"]
    edit(field, "books")
    assert window.session.workflow.nodes[node].parameters["saved"] == "books"


def test_a_connection_that_is_not_saved_any_more_is_a_problem_of_its_node(window: MainWindow) -> None:
    session, known = window.session, window.operations_link.connections_known
    given = {"query": "SELECT 1", "connection": "saved", "saved": "refused"}
    node, other = (session.add_node("AsyncSQLDatabaseNode", (x, 0), given) for x in (0, 400))
    session.set_parameter(other, "saved", "books")
    window.canvas.select([node])
    known.emit(["books", "refused"])
    session.validate_now()
    assert session.findings == []

    known.emit(["books"])
    (finding,) = session.findings
    assert (finding.severity, finding.place) == ("error", f"nodes/{node}/parameters/saved")
    assert "There is no connection 'refused' (books): choose another one, or save it." in finding.sentence
    row = window.inspector.form.row("saved")
    assert row.problem.isVisibleTo(window)
    assert "refused" in row.problem.text()
    window.runs.start()
    assert window.runs.current is None
    assert "keeps the workflow from running" in window.line.currentMessage()
    window.canvas.select([other])
    assert window.inspector.form.row("saved").field._values == ["", "books"], "it is no choice for others"

    known.emit([])
    assert len(session.findings) == 2, "all of them are gone"
    known.emit(["books", "refused"])
    assert session.findings == []
    session.reset_parameter(node, "saved")
    session.validate_now()
    assert [f.place for f in session.findings] == [f"nodes/{node}/parameters/saved"], "none is chosen"
