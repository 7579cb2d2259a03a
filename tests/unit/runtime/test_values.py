"""The values that a caller gives a run: to a node, to all inputs of a name, to the workflow's own parameters."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import Input, Node, Output, Parameter, RunContext, WorkflowBuilder
from kailash_studio.errors import CredentialError, ParameterError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.plan import InvalidWorkflowError
from kailash_studio.spec.port import Anything
from kailash_studio.spec.registry import Registry


class EchoNode(Node):
    """Gives back what it got."""

    count: int = Parameter(3, ge=0, doc="A number.")
    label: str = Parameter("", doc="A text.", port=True)
    options: dict[str, Any] = Parameter({}, doc="Anything by name.")

    data = Input(Anything)
    further = Input(Anything, required=False)
    result = Output(Anything)

    def run(self, context: RunContext) -> dict[str, Any]:
        return {"result": {**context.inputs, "count": self.count, "label": self.label, "options": self.options}}


def placed(*ids: str, **parameters: Any) -> WorkflowBuilder:
    registry = Registry()
    registry.register(EchoNode)
    builder = WorkflowBuilder(registry=registry)
    for node_id in ids:
        builder.add_node("EchoNode", node_id, parameters)
    return builder


def run(builder: WorkflowBuilder, given: dict[str, Any], **options: Any) -> dict[str, Any]:
    async def work(clock: VirtualClock) -> Outcome:
        runtime = AsyncLocalRuntime(clock=clock, registry=builder.registry, **options)
        return (await runtime.run(builder, given))[0]

    outcome: Outcome = run_virtually(work)
    assert not outcome.failures
    return {node_id: outputs["result"] for node_id, outputs in outcome.results.items()}


def test_values_reach_parameters_and_inputs_of_a_node_by_its_id() -> None:
    got = run(placed("a", "b"), {"a": {"data": 1, "count": 9}, "b": {"data": 2, "label": "x"}})
    assert got["a"] == {"data": 1, "count": 9, "label": "", "options": {}}
    assert got["b"] == {"data": 2, "count": 3, "label": "x", "options": {}}


def test_a_value_goes_to_every_unconnected_input_of_its_name() -> None:
    builder = placed("a", "b", "c")
    builder.add_connection("a", "result", "b", "data")
    got = run(builder, {"data": [1, 2], "further": "all"})
    assert got["a"]["data"] == [1, 2]
    assert got["c"]["data"] == [1, 2]
    assert got["b"]["data"] == got["a"], "a connected input keeps its connection"
    assert [got[n]["further"] for n in "abc"] == ["all"] * 3


def test_a_value_of_one_node_counts_more_than_one_for_all() -> None:
    for order in (("data", "a"), ("a", "data")):
        given: dict[str, Any] = {"data": 1, "a": {"data": 2}}
        got = run(placed("a", "b"), {key: given[key] for key in order})
        assert (got["a"]["data"], got["b"]["data"]) == (2, 1)


def test_a_run_leaves_the_workflow_as_it_was() -> None:
    builder = placed("a", count=5)
    before = builder.build().to_json()
    assert run(builder, {"a": {"data": 1, "count": 7}})["a"]["count"] == 7
    assert run(builder, {"a": {"data": 1}})["a"]["count"] == 5
    assert builder.build().to_json() == before


@pytest.mark.parametrize(
    ("declared", "given", "arrives"),
    [
        ({"type": "integer"}, "12", 12),
        ({"type": "integer"}, 12, 12),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, 2, 2),
        ({"type": "boolean"}, "yes", True),
        ({"type": "boolean"}, "false", False),
        ({"type": "text"}, "12", "12"),
        ({"type": "list"}, "[1, 2]", [1, 2]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "any"}, "12", "12"),
        ({"type": "integer", "default": 4}, None, 4),
        ({"type": "integer"}, "1.5", ParameterError),
        ({"type": "integer"}, "twelve", ParameterError),
        ({"type": "integer"}, True, ParameterError),
        ({"type": "number"}, "true", ParameterError),
        ({"type": "list"}, '{"a": 1}', ParameterError),
        ({"type": "text"}, 12, ParameterError),
        ({"type": "integer"}, None, ParameterError),
    ],
)
def test_a_workflow_parameter_is_read_as_its_type(declared: dict[str, Any], given: Any, arrives: Any) -> None:
    builder = placed("a", options={"deep": [{"$parameter": "wanted"}]})
    builder.workflow.parameters["wanted"] = declared
    values = {"data": 0} if given is None else {"data": 0, "wanted": given}
    if arrives is ParameterError:
        with pytest.raises(ParameterError, match=r"The workflow parameter 'wanted' (takes a|has no value)"):
            run(builder, values)
    else:
        (seen,) = run(builder, values)["a"]["options"]["deep"]
        assert seen == arrives
        assert type(seen) is type(arrives)


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"data": 1, "datta": 2}, ParameterError, "Nothing takes the value 'datta'"),
        ({"data": 1, "a": {"cuont": 2}}, ParameterError, "a has no parameter or input 'cuont'; did you mean 'count'?"),
        ({"data": 1, "a": {"count": -1}}, ParameterError, "a: count should be greater than or equal to 0, not -1."),
        ({}, InvalidWorkflowError, "a needs something at its input data: connect it."),
    ],
)
def test_a_value_that_reaches_nothing_or_does_not_fit_is_said_before_anything_runs(
    given: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as raised:
        run(placed("a"), given)
    assert said in str(raised.value)


def test_a_secret_is_asked_for_by_name_and_missed_by_name() -> None:
    builder = placed("a", options={"token": {"$secret": "api_token"}})
    got = run(builder, {"data": 0}, secret=lambda name: f"value of {name}")
    assert got["a"]["options"] == {"token": "value of api_token"}
    with pytest.raises(CredentialError, match="KAILASH_SECRET_API_TOKEN"):
        run(builder, {"data": 0})
