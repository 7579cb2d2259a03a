"""The rows of the guide's reading that concern every block: ``add_node``, ``add_connection``, ``execute``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kailash_studio.errors import ConnectionRefusedByTypeError, DocumentError, WorkflowExecutionError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.local import LocalRuntime
from kailash_studio.workflow.builder import WorkflowBuilder


def double(x: int) -> dict[str, Any]:
    return {"result": {"data": x * 2}}


def show(value: Any) -> dict[str, Any]:
    return {"result": value}


def broken(x: int) -> dict[str, Any]:
    raise ValueError(f"{x} is not welcome")


def test_add_node_has_three_spellings() -> None:
    builder = WorkflowBuilder()
    code = "def f(x: int): return {'result': x}"
    builder.add_node("PythonCodeNode", "first", {"code": code})
    builder.add_node("second", PythonCodeNode.from_function(double))
    builder.add_node("PythonCodeNode", "third", {}, code=code)
    builder.add_node("PythonCodeNode", "fourth", code=code)
    assert list(builder.build().nodes) == ["first", "second", "third", "fourth"]
    assert builder.build().nodes["first"].parameters == builder.build().nodes["third"].parameters == {"code": code}
    with pytest.raises(DocumentError, match="first"):
        builder.add_node("PythonCodeNode", "first", {})
    with pytest.raises(DocumentError, match="PythonCodeNode"):
        builder.add_node("PythonCoedNode", "fifth", {})


def test_add_connection_has_two_forms_and_follows_a_path() -> None:
    builder = WorkflowBuilder()
    builder.add_node("double", PythonCodeNode.from_function(double))
    builder.add_node("show", PythonCodeNode.from_function(show))
    builder.add_node("again", PythonCodeNode.from_function(show, name="again"))
    builder.add_connection("double", "result.data", "show", "value")
    builder.add_connection("double", "again")
    results, _ = LocalRuntime().execute(builder, parameters={"double": {"x": 21}})
    assert results["show"]["result"] == 42
    assert results["again"]["result"] == {"data": 42}


def test_an_ambiguous_connection_lists_the_candidates() -> None:
    def both(left: Any, right: Any) -> dict[str, Any]:
        return {"result": (left, right)}

    builder = WorkflowBuilder()
    builder.add_node("double", PythonCodeNode.from_function(double))
    builder.add_node("both", PythonCodeNode.from_function(both))
    with pytest.raises(DocumentError, match=r"left .*right"):
        builder.add_connection("double", "both")
    with pytest.raises(DocumentError, match="result"):
        builder.add_connection("double", "reslut", "both", "left")
    builder.add_node("TableViewNode", "table")
    builder.add_node("CSVReaderNode", "file", path="x.csv")
    with pytest.raises(ConnectionRefusedByTypeError, match="takes a"):
        builder.add_node("PythonCodeNode", "number", code="def n() -> int: return 1")
        builder.add_connection("number", "result", "table", "rows")


def test_input_reaches_the_only_argument() -> None:
    builder = WorkflowBuilder()
    builder.add_node("double", PythonCodeNode.from_function(double))
    builder.add_node("show", PythonCodeNode.from_function(show))
    builder.add_connection("double", "result", "show", "input")
    results, _ = LocalRuntime().execute(builder.build(), parameters={"double": {"x": 1}})
    assert results["show"]["result"] == {"data": 2}


def test_execute_is_the_same_three_times() -> None:
    builder = WorkflowBuilder()
    builder.add_node("double", PythonCodeNode.from_function(double))

    async def both() -> tuple[Any, Any]:
        return (
            await LocalRuntime().execute_async(builder, parameters={"double": {"x": 4}}),
            await AsyncLocalRuntime().execute(builder.build(), parameters={"double": {"x": 4}}),
        )

    (first, first_run), (second, second_run) = asyncio.run(both())
    third, third_run = LocalRuntime().execute(builder, parameters={"double": {"x": 4}})
    assert first == second == third == {"double": {"result": {"data": 8}}}
    assert len({first_run, second_run, third_run}) == 3


def test_a_key_that_names_no_node_goes_to_every_unconnected_input_of_that_name() -> None:
    builder = WorkflowBuilder()
    builder.add_node("one", PythonCodeNode.from_function(double))
    builder.add_node("two", PythonCodeNode.from_function(double, name="two"))
    results, _ = LocalRuntime().execute(builder, parameters={"x": 5})
    assert results["one"] == results["two"] == {"result": {"data": 10}}


def test_a_failed_run_carries_results_run_id_and_failures() -> None:
    builder = WorkflowBuilder()
    builder.add_node("fine", PythonCodeNode.from_function(double))
    builder.add_node("broken", PythonCodeNode.from_function(broken))
    with pytest.raises(WorkflowExecutionError, match="3 is not welcome") as raised:
        LocalRuntime().execute(builder, parameters={"x": 3})
    assert raised.value.results == {"fine": {"result": {"data": 6}}}
    assert raised.value.run_id
    assert isinstance(raised.value.failures["broken"], ValueError)
