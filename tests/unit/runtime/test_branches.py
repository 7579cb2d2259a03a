"""Switches, merges and connected parameters: which branch runs, what is skipped and the sentence that says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import Node, WorkflowBuilder
from kailash_studio.errors import NodeError, ParameterError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.outcome import Outcome


def call(function: Any, **values: Any) -> Node:
    return PythonCodeNode.from_function(function, **values)


def giving(value: Any, name: str = "giver") -> Node:
    def give() -> Any:
        return {"result": value}

    return call(give, name=name)


def passed(x: Any) -> Any:
    return x


def run(builder: WorkflowBuilder, parameters: dict[str, Any] | None = None, **options: Any) -> Outcome:
    async def work(clock: VirtualClock) -> Outcome:
        return (await AsyncLocalRuntime(clock=clock, **options).run(builder, parameters))[0]

    outcome: Outcome = run_virtually(work)
    return outcome


# ------------------------------------------------------------------------------------------------- switch
@pytest.mark.parametrize(
    ("value", "parameters", "taken"),
    [
        (5, {"operator": ">", "value": 4}, "true_output"),
        (5, {"operator": "<=", "value": 4}, "false_output"),
        (5, {"operator": "!=", "value": 5}, "false_output"),
        (None, {"operator": "is empty"}, "true_output"),
        (0, {"operator": "is empty"}, "false_output"),
        ([], {"operator": "is not empty"}, "false_output"),
        ("abc", {"operator": "contains", "value": "b"}, "true_output"),
        ("x", {"operator": "is in", "value": ["x", "y"]}, "true_output"),
        ({"a": {"b": [7]}}, {"field": "a.b.0", "operator": ">=", "value": 7}, "true_output"),
        ({"kind": "New York"}, {"field": "kind", "cases": ["London", "New York"]}, "case_new_york"),
        ({"kind": "Paris"}, {"field": "kind", "cases": ["London", "New York"]}, "default"),
        ({"n": 3}, {"field": "n", "cases": ["3"]}, "case_3"),
    ],
)
def test_a_switch_takes_one_branch_and_sends_the_whole_value(
    value: Any, parameters: dict[str, Any], taken: str
) -> None:
    builder = WorkflowBuilder()
    builder.add_node("giver", giving(value))
    builder.add_node("SwitchNode", "switch", parameters)
    builder.add_connection("giver", "result", "switch", "data")
    ports = builder.build().ports("switch", builder.registry)
    assert ports is not None
    for output in ports.outputs:
        builder.add_node(f"on_{output}", call(passed, name=f"on_{output}"))
        builder.add_connection("switch", output, f"on_{output}", "x")
    outcome = run(builder)
    assert outcome.results["switch"] == {taken: value}
    assert outcome.results[f"on_{taken}"] == {"result": value}
    assert outcome.reasons == {
        f"on_{output}": f"switch did not take the branch {output}" for output in ports.outputs if output != taken
    }


@pytest.mark.parametrize(
    ("value", "parameters", "said"),
    [
        ({"a": 1}, {"field": "b"}, "there is no 'b' in the value; it has a"),
        ("text", {"operator": ">", "value": 4}, "a value of type str cannot be compared by > with 4"),
        (5, {"operator": "contains", "value": 4}, "cannot be compared by contains"),
    ],
)
def test_a_switch_that_cannot_decide_fails_and_says_why(value: Any, parameters: dict[str, Any], said: str) -> None:
    builder = WorkflowBuilder()
    builder.add_node("giver", giving(value))
    builder.add_node("SwitchNode", "switch", parameters)
    builder.add_connection("giver", "result", "switch", "data")
    outcome = run(builder)
    assert isinstance(outcome.failures["switch"], NodeError)
    assert said in str(outcome.failures["switch"])


# ------------------------------------------------------------------------------------------------- merge
@pytest.mark.parametrize(
    ("values", "mode", "merged"),
    [
        ([[1], [2, 3], []], "concat", [1, 2, 3]),
        ([{"a": 1, "b": 1}, {"b": 2}], "update", {"a": 1, "b": 2}),
        ([5, 6], "first", 5),
        ([None, [1]], "list", [None, [1]]),
        ([[1], 2], "concat", NodeError),
        ([{"a": 1}, [2]], "update", NodeError),
    ],
)
def test_a_merge_brings_all_branches_together_in_the_order_of_their_names(
    values: list[Any], mode: str, merged: Any
) -> None:
    builder = WorkflowBuilder()
    builder.add_node("MergeNode", "merge", mode=mode)
    for i, value in reversed(list(enumerate(values))):  # the order of connecting does not count
        builder.add_node(f"n{i}", giving(value, f"n{i}"))
        builder.add_connection(f"n{i}", "result", "merge", "data")
    outcome = run(builder)
    if merged is NodeError:
        assert isinstance(outcome.failures["merge"], NodeError)
        assert "connect other values, or merge by" in str(outcome.failures["merge"])
    else:
        assert outcome.results["merge"] == {"merged": merged}


def test_a_merge_of_branches_none_of_which_was_taken_is_skipped_and_so_is_all_behind_it() -> None:
    builder = WorkflowBuilder()
    builder.add_node("giver", giving(1))
    builder.add_node("SwitchNode", "switch", operator=">", value=10)
    builder.add_node("left", call(passed, name="left"))
    builder.add_node("right", call(passed, name="right"))
    builder.add_node("MergeNode", "merge")
    builder.add_node("last", call(passed, name="last"))
    builder.add_connection("giver", "result", "switch", "data")
    for side in ("left", "right"):
        builder.add_connection("switch", "true_output", side, "x")
        builder.add_connection(side, "result", "merge", "data")
    builder.add_connection("merge", "merged", "last", "x")
    outcome = run(builder)
    assert outcome.state == "succeeded"
    assert outcome.reasons == {
        "left": "switch did not take the branch true_output",
        "right": "switch did not take the branch true_output",
        "merge": "left was skipped: switch did not take the branch true_output",
        "last": "merge was skipped: left was skipped: switch did not take the branch true_output",
    }


# ------------------------------------------------------------------------------------------------- port parameters
def with_file(tmp_path: Path, name: str) -> WorkflowBuilder:
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n", encoding="utf-8")
    builder = WorkflowBuilder()
    builder.add_node("which", giving({"file": name}, "which"))
    builder.add_node("CSVReaderNode", "read")
    return builder


def test_a_parameter_is_fed_by_a_connection_and_a_path_into_its_value(tmp_path: Path) -> None:
    builder = with_file(tmp_path, "rows.csv")
    builder.add_connection("which", "result.file", "read", "path")
    assert run(builder, folder=tmp_path).results["read"] == {"data": [{"a": 1, "b": "x"}]}


def test_a_fed_value_that_breaks_its_parameter_is_that_nodes_failure(tmp_path: Path) -> None:
    builder = with_file(tmp_path, "rows.csv")
    builder.add_connection("which", "result", "read", "path")  # a record is no path
    outcome = run(builder, folder=tmp_path)
    assert isinstance(outcome.failures["read"], ParameterError)
    assert str(outcome.failures["read"]).startswith("read: path ")


def test_a_value_fed_to_a_parameter_counts_more_than_the_one_that_is_set(tmp_path: Path) -> None:
    builder = WorkflowBuilder()
    builder.add_node("which", giving("rows.csv", "which"))
    builder.add_node("CSVReaderNode", "read", path="absent.csv")
    builder.add_connection("which", "result", "read", "path")
    (tmp_path / "rows.csv").write_text("a\n", encoding="utf-8")
    assert run(builder, folder=tmp_path).results["read"] == {"data": []}


@pytest.mark.parametrize("set_too", [False, True])
def test_a_parameter_on_a_branch_that_was_not_taken(set_too: bool, tmp_path: Path) -> None:
    """With a value of its own the node goes on with that; without one it cannot run and is skipped, not failed."""
    (tmp_path / "own.csv").write_text("a\n", encoding="utf-8")
    builder = WorkflowBuilder()
    builder.add_node("which", giving("fed.csv", "which"))
    builder.add_node("SwitchNode", "switch", operator="is empty")
    builder.add_node("CSVReaderNode", "read", {"path": "own.csv"} if set_too else {})
    builder.add_connection("which", "result", "switch", "data")
    builder.add_connection("switch", "true_output", "read", "path")
    outcome = run(builder, folder=tmp_path)
    if set_too:
        assert outcome.results["read"] == {"data": []}
    else:
        assert outcome.failures == {}
        assert outcome.reasons == {"read": "switch did not take the branch true_output"}
