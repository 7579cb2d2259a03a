"""Two runs side by side: where they part, and what is different in documents, states and values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.errors import JournalError, WorkflowExecutionError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.document_diff import document_changes
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.run_diff import RunDiff, diff
from kailash_studio.runtime.value_diff import value_changes
from kailash_studio.tables.table import Table
from kailash_studio.workflow.reader import read

ROWS = "def rows(count: int = 3): return [{'id': i, 'price': 10 * i} for i in range(count)]"


def builder(rows: str = ROWS, worth: str = "sum(r['price'] for r in x)", **further: Any) -> WorkflowBuilder:
    made = WorkflowBuilder("nightly")
    made.add_node("PythonCodeNode", "rows", code=rows)
    made.add_node("PythonCodeNode", "aside", code="def aside(): return 'the same'")
    made.add_node("PythonCodeNode", "worth", code=f"def worth(x): return {worth}", **further)
    made.add_connection("rows", "result", "worth", "x")
    return made


def run(journal: Journal, workflow: Any, **parameters: Any) -> str:
    try:
        return LocalRuntime(journal=journal).execute(workflow, parameters=parameters)[1]
    except WorkflowExecutionError as error:
        return error.run_id


def compared(journal: Journal, before: str, after: str) -> RunDiff:
    return diff(journal, journal.run(before), journal.run(after))


def reasons(found: RunDiff) -> dict[str, tuple[str, ...]]:
    return {pair.node: pair.reasons for pair in found.nodes if pair.reasons}


def test_two_runs_of_the_same_are_the_same(journal: Journal) -> None:
    found = compared(journal, run(journal, builder()), run(journal, builder()))
    assert found.same
    assert (found.first, found.general, found.changes) == ("", (), ())
    assert [pair.node for pair in found.nodes] == ["aside", "rows", "worth"]
    assert all(pair.before.state == pair.after.state == "succeeded" for pair in found.nodes)


def test_what_was_given_is_the_cause_and_stands_first(journal: Journal) -> None:
    found = compared(journal, run(journal, builder()), run(journal, builder(), rows={"count": 4}))
    assert found.first == "rows"
    assert reasons(found) == {
        "rows": ("count was given as nothing, now 4", "result has 3 rows, now 4", "result has another value"),
        "worth": ("result has another value",),
    }
    assert [pair.outputs for pair in found.nodes] == [(), ("result",), ("result",)]


def test_a_changed_parameter_and_a_failure_are_named(journal: Journal) -> None:
    found = compared(journal, run(journal, builder()), run(journal, builder(worth="1 / 0")))
    assert found.first == "worth"
    said = reasons(found)["worth"]
    assert said[0].startswith("parameter code: def worth(x): return sum(")
    assert "now def worth(x): return 1 / 0" in said[0]
    assert said[1] == "succeeded, now failed"
    assert said[2].startswith("now: ")
    assert "ZeroDivisionError" in said[2]
    assert found.general == ("the run succeeded, now failed",)
    assert [(change.node, change.what, change.name) for change in found.changes] == [("worth", "parameter", "code")]


def test_added_and_removed_nodes_connections_and_types(journal: Journal) -> None:
    other = WorkflowBuilder("nightly")
    other.add_node("PythonCodeNode", "rows", code=ROWS)
    other.add_node("TableViewNode", "worth")
    other.add_node("PythonCodeNode", "late", code="def late(): return 1")
    other.add_connection("rows", "result", "worth", "rows")
    other.configure_retry("rows", max_retries=2)
    found = compared(journal, run(journal, builder()), run(journal, other))
    assert [pair.node for pair in found.nodes] == ["aside", "rows", "worth", "late"]
    said = reasons(found)
    assert said["aside"] == ("node removed", "succeeded, now never begun")
    assert said["rows"][0].startswith("policy retry added: {")
    assert said["late"] == ("node added: PythonCodeNode", "never begun, now succeeded")
    assert said["worth"][:4] == (
        "type: PythonCodeNode 1, now TableViewNode 1",
        "parameter code removed",
        "connection rows.result>worth.rows added: rows.result>worth.rows",
        "connection rows.result>worth.x removed",
    )


def test_a_fallback_that_ran_is_no_cause(journal: Journal) -> None:
    def workflow(price: str) -> WorkflowBuilder:
        made = builder(worth=price)
        made.add_node("PythonCodeNode", "a_spare", code="def a_spare(x): return 7")
        made.add_fallback("worth", "a_spare")
        return made

    found = compared(journal, run(journal, workflow("30")), run(journal, workflow("1 / 0")))
    assert (found.first, [pair.node for pair in found.nodes if pair.reasons]) == ("worth", ["worth", "a_spare"])
    assert reasons(found)["a_spare"] == ("skipped, now succeeded", "before: worth did not need its fallback")


def test_documents_that_differ_in_places_alone_do_not_differ() -> None:
    old, new = builder().build(), builder().build()
    new.positions["rows"] = (100.0, 200.0)
    new.description = "told anew"
    assert document_changes(old, read(new.to_json()).workflow) == []
    new.parameters["day"] = {"type": "date"}
    ((change),) = document_changes(old, new)
    assert (change.node, change.name, change.before) == ("", "day", None)


def test_functions_of_a_program_are_compared_by_what_they_did(journal: Journal) -> None:
    def workflow(number: int) -> WorkflowBuilder:
        made = WorkflowBuilder("inline")
        made.add_node("n", PythonCodeNode.from_function(lambda: [number], name="n"))
        return made

    found = compared(journal, run(journal, workflow(1)), run(journal, workflow(2)))
    assert (found.first, reasons(found)["n"]) == ("n", ("result has another value",))
    assert compared(journal, run(journal, workflow(1)), run(journal, workflow(1))).same


def test_a_value_that_was_not_kept_is_not_said_to_differ(journal: Journal) -> None:
    made = WorkflowBuilder("inline")
    made.add_node("rows", PythonCodeNode.from_function(lambda: {1: object()}, name="rows"))
    runs = [run(journal, made) for _ in range(2)]
    assert compared(journal, *runs).same
    with pytest.raises(JournalError, match=r"rows\.result of run .* was too large, or no data: it was not kept"):
        journal.output(runs[0], "rows", "result")
    with pytest.raises(JournalError, match=r"rows\.nothing has no value"):
        journal.output(runs[0], "rows", "nothing")


# ---------------------------------------------------------------------- values
def records(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"id": i, "price": Decimal(i) / 4, "tags": ["a"], **(changes if i == count - 1 else {})} for i in range(count)
    ]


@pytest.mark.parametrize("kind", ["records", "table", "mixed"])
def test_tables_are_compared_cell_by_cell(kind: str) -> None:
    old, new = records(20_000), records(20_000, price=Decimal(5), tags=["a", "b"])
    new[3]["id"] = 33
    sides: list[Any] = [old, new]
    if kind != "records":
        sides[1] = Table.of(new)
    if kind == "table":
        sides[0] = Table.of(old)
    told = value_changes(*sides)
    last = "4999.7500" if kind == "table" else "4999.75"
    assert told["cells"][0] == ["row 4", "id", "3", "33"]
    assert [cell[:2] for cell in told["cells"][1:]] == [["row 20000", "price"], ["row 20000", "tags"]]
    assert Decimal(told["cells"][1][2]) == Decimal(last)
    assert (told["rows"], told["same"], told["more"], told["columns"]) == ([20_000, 20_000], False, False, [])
    assert value_changes(sides[0], old)["same"]


def test_rows_and_columns_that_only_one_has() -> None:
    told = value_changes([{"a": 1, "b": 2}], [{"b": 2, "c": 3}, {"b": 5, "c": 6}])
    assert told["columns"] == ["column a is gone", "column c is new"]
    assert told["cells"] == [
        ["row 1", "a", "1", None],
        ["row 1", "c", None, "3"],
        ["row 2", "", None, "{'b': 5, 'c': 6}"],
    ]
    assert value_changes([{"a": 1, "b": 2}], [{"b": 2, "a": 1}])["columns"] == ["the columns have another order: b, a"]


def test_only_so_many_differences_are_looked_for() -> None:
    told = value_changes([{"n": i} for i in range(500)], [{"n": -i - 1} for i in range(500)], limit=7)
    assert len(told["cells"]) == 7
    assert told["more"]


def test_other_values_are_compared_by_their_parts() -> None:
    old = {"total": 1, "items": [{"n": 1}, {"n": 2}], "gone": None, "nan": float("nan")}
    new = {"total": True, "items": [{"n": 1}, {"n": 3}, 4], "nan": float("nan"), "new": "x"}
    assert value_changes(old, new)["cells"] == [
        ["total", "", "1", "true"],
        ["items[1].n", "", "2", "3"],
        ["items[2]", "", None, "4"],
        ["gone", "", None, None],
        ["new", "", None, "x"],
    ]
    assert value_changes(1, [1])["cells"] == [["value", "", "1", "[1]"]]
    assert value_changes(1, [1])["kinds"] == ["integer", "list"]
