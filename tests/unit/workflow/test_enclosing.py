"""Making a sub-workflow changes nothing of what a workflow gives, and makes nothing that no file can hold."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from kailash_studio import Input, Node, Output, RunContext, WorkflowBuilder
from kailash_studio.errors import DocumentError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.spec.port import Anything, Table
from kailash_studio.spec.registry import Registry, installed_node_types
from kailash_studio.workflow import commands
from kailash_studio.workflow.enclosing import enclose
from kailash_studio.workflow.graph import missing_places
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.sub_workflows import name_of, parent_of
from kailash_studio.workflow.validation import validate
from kailash_studio.workflow.workflow import Workflow
from kailash_studio.workflow.writer import write


class RowsNode(Node):
    """Takes a table, and a text."""

    table = Input(Table)
    given = Input(Anything, many=True, required=False)
    rows = Output(Table)

    def run(self, context: RunContext) -> dict[str, Any]:
        """The table."""
        return {"rows": context.inputs["table"]}


REGISTRY = installed_node_types()
REGISTRY.register(RowsNode)


def results(flow: Workflow, registry: Registry = REGISTRY) -> dict[str, Any]:
    """What the nodes give, by their own names, without what only hands on."""

    async def work() -> dict[str, Any]:
        outcome, _ = await AsyncLocalRuntime(registry=registry).run(flow)
        assert outcome.state == "succeeded", outcome.failures
        return {
            name_of(n): r for n, r in outcome.results.items() if flow.nodes[n].type in {"PythonCodeNode", "MergeNode"}
        }

    return asyncio.run(work())


def enclosed(flow: Workflow, *nodes: str) -> str:
    made, edit = enclose(flow, REGISTRY, nodes)
    commands.apply(flow, edit)
    assert not validate(flow, REGISTRY)
    return made


def branches() -> Workflow:
    """A switch of which one branch is taken; merge takes both, plain has a default for what the other brings."""
    builder = WorkflowBuilder("branches")
    builder.add_node("PythonCodeNode", "start", code="def start(): return 20")
    builder.add_node("SwitchNode", "large", operator=">", value=4)
    builder.add_node("MergeNode", "merge", mode="first")
    builder.add_node("PythonCodeNode", "plain", code="def plain(x=7): return x")
    builder.add_node("PythonCodeNode", "last", code="def last(x): return x")
    builder.add_connection("start", "result", "large", "data")
    builder.add_connection("large", "true_output", "merge", "data")
    builder.add_connection("large", "false_output", "merge", "data")
    builder.add_connection("large", "false_output", "plain", "x")
    builder.add_connection("merge", "merged", "last", "x")
    return builder.build()


@pytest.mark.parametrize("chosen", [("merge",), ("plain",), ("merge", "plain"), ("merge", "plain", "last"), ("last",)])
def test_behind_a_switch_an_enclosed_node_runs_as_before(chosen: tuple[str, ...]) -> None:
    flow = branches()
    before = results(flow)
    assert (before["merge"], before["plain"]) == ({"merged": 20}, {"result": 7})
    made = enclosed(flow, *chosen)
    assert results(flow) == before
    optional = flow.nodes[f"{made}:inputs"].parameters.get("optional", [])
    assert bool(optional) is (chosen != ("last",)), "what cannot do without a value says so"


def merged(*sources: str, into: str = "merge") -> Workflow:
    builder = WorkflowBuilder("merged")
    for name in sources:
        builder.add_node("PythonCodeNode", name, code=f"def {name}(): return {name!r}")
    builder.add_node("MergeNode", into, mode="list")
    for name in sources:
        builder.add_connection(name, "result", into, "data")
    return builder.build()


@pytest.mark.parametrize(
    "chosen",
    [("c", "merge"), ("a", "merge"), ("b",), ("a",), ("a", "b"), ("b", "c", "merge"), ("a", "c", "merge"), ("merge",)],
)
def test_a_merge_keeps_the_order_of_its_branches(chosen: tuple[str, ...]) -> None:
    flow = merged("a", "b", "c")
    enclosed(flow, *chosen)
    assert results(flow)["merge"] == {"merged": ["a", "b", "c"]}


def test_many_branches_keep_their_order() -> None:
    names = [f"n{number:02}" for number in range(12)]
    flow = merged(*names)
    made = enclosed(flow, "merge")
    assert results(flow)["merge"] == {"merged": names}
    assert list(flow.nodes[f"{made}:inputs"].parameters["ports"])[:3] == ["data", "data_02", "data_03"]


def test_an_order_that_cannot_be_kept_is_refused_with_the_reason() -> None:
    flow = merged("a", "b", "c")
    text = write(flow)
    with pytest.raises(DocumentError, match=r"merge\.data takes its values in the order of their nodes' names"):
        enclosed(flow, "b", "merge")
    assert write(flow) == text


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_enclosed_merges_give_the_same(seed: int) -> None:
    draw = random.Random(seed)
    builder = WorkflowBuilder("random")
    names = draw.sample("abcdefghijklmnopqrstuvwxyz", 10)
    for number, name in enumerate(names):
        fed = draw.sample(names[:number], min(number, draw.randint(0, 4)))
        builder.add_node("PythonCodeNode", f"{name}_own", code=f"def own(): return {name!r}")
        builder.add_node("MergeNode", name, mode="list")
        for source in fed:
            builder.add_connection(source, "merged", name, "data")
        builder.add_connection(f"{name}_own", "result", name, "data")
    flow = builder.build()
    flow.positions.update(missing_places(flow))
    before = results(flow)
    done = 0
    for _ in range(12):
        level = parent_of(draw.choice([n for n, p in flow.nodes.items() if p.type == "MergeNode"]))
        beside = [n for n, p in flow.nodes.items() if parent_of(n) == level and "put" not in name_of(n)]
        try:
            enclosed(flow, *draw.sample(beside, min(len(beside), draw.randint(1, 5))))
        except DocumentError:
            continue
        done += 1
        assert results(flow) == before
    assert done


def test_a_value_of_any_type_that_goes_to_several_types_comes_in_as_any() -> None:
    builder = WorkflowBuilder("types", registry=REGISTRY)
    builder.add_node("PythonCodeNode", "start", code="def start(): return [{'a': 1}]")
    builder.add_node("RowsNode", "rows")
    builder.add_node("FileWriterNode", "writer", file_format="csv")
    builder.add_node("RowsNode", "more")
    builder.add_connection("start", "result", "rows", "table")
    builder.add_connection("start", "result", "writer", "path")
    builder.add_connection("start", "result", "writer", "data")
    builder.add_connection("start", "result", "more", "table")
    flow = builder.build()
    made = enclosed(flow, "rows", "writer")
    assert list(flow.nodes[f"{made}:inputs"].parameters["ports"].values()) == ["any"]
    made = enclosed(flow, "more")
    assert list(flow.nodes[f"{made}:inputs"].parameters["ports"].values()) == ["table"]


def test_sub_workflows_stand_seven_deep_and_what_is_deeper_is_refused() -> None:
    builder = WorkflowBuilder("deep")
    builder.add_node("PythonCodeNode", "a", code="def a(): return 1")
    flow = builder.build()
    for _ in range(7):
        enclosed(flow, next(n for n in flow.nodes if ":" not in n))
    text = write(flow)
    assert read(text).findings == []
    assert len(read(text).workflow.nodes) == len(flow.nodes)
    deepest = next(n for n in flow.nodes if n.endswith(":a"))
    top = next(n for n in flow.nodes if ":" not in n)
    for refused in (
        lambda: enclose(flow, REGISTRY, [top]),
        lambda: enclose(flow, REGISTRY, [deepest]),
        lambda: commands.add_node(flow, "SubWorkflowNode", (0, 0), parent=parent_of(deepest)),
        lambda: commands.paste(flow, commands.fragment(flow, [top]), (0, 0), parent=parent_of(deepest)),
        lambda: WorkflowBuilder("more").add_sub_workflow("more", flow, inputs={}, outputs={}),
    ):
        with pytest.raises(DocumentError, match="would stand too deep: sub-workflows stand in others up to seven deep"):
            refused()
    assert write(flow) == text
    flow.nodes[f"{parent_of(deepest)}:b:c"] = flow.nodes[deepest]
    assert any("cannot be written to a file" in finding.sentence for finding in validate(flow, REGISTRY))


def test_a_free_id_is_never_too_long() -> None:
    long = "a" * 64
    flow = Workflow(nodes=dict.fromkeys((long, long[:62] + "_2"), None))  # type: ignore[arg-type]
    assert flow.free_id(long) == long[:62] + "_3"
