"""Sub-workflows in the document: made of nodes, taken apart, copied, renamed, and what is wrong with them."""

from __future__ import annotations

import asyncio
import random

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DocumentError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow import commands, sub_workflows
from kailash_studio.workflow.enclosing import enclose, take_apart
from kailash_studio.workflow.graph import arranged, missing_places
from kailash_studio.workflow.history import History
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.validation import validate
from kailash_studio.workflow.workflow import Connection, PlacedNode, Workflow
from kailash_studio.workflow.writer import write

REGISTRY = installed_node_types()


def chain() -> Workflow:
    """a > b > c > d, and a > c; a gives a record."""
    builder = WorkflowBuilder("chain")
    builder.add_node("PythonCodeNode", "a", code="def a(): return {'n': 1, 'm': [2]}")
    builder.add_node("PythonCodeNode", "b", code="def b(x, y): return {'v': x + len(y)}")
    builder.add_node("PythonCodeNode", "c", code="def c(x, y): return x + y")
    builder.add_node("PythonCodeNode", "d", code="def d(x, y): return [x, y]")
    builder.add_connection("a", "result.n", "b", "x")
    builder.add_connection("a", "result.m", "b", "y")
    builder.add_connection("b", "result.v", "c", "x")
    builder.add_connection("a", "result.n", "c", "y")
    builder.add_connection("c", "result", "d", "x")
    builder.add_connection("b", "result.v", "d", "y")
    flow = builder.build()
    flow.positions.update(missing_places(flow))
    return flow


def result(flow: Workflow, node: str = "d") -> object:
    async def work() -> object:
        outcome, _ = await AsyncLocalRuntime().run(flow)
        assert outcome.state == "succeeded", outcome.failures
        return outcome.results[node]

    return asyncio.run(work())


def test_the_names_of_the_three_types_are_those_of_the_document() -> None:
    for name in sub_workflows.PASSING:
        assert REGISTRY.get(name).type_name() == name
    assert {t.type_name() for t in REGISTRY if t.placed_by == sub_workflows.SUB_WORKFLOW} == sub_workflows.BORDER


def test_a_sub_workflow_made_of_nodes_gives_what_they_gave_and_undo_brings_them_back() -> None:
    flow = chain()
    before, plain = write(flow), result(flow)
    history = History(flow)
    made, edit = enclose(flow, REGISTRY, ["b", "c"], "middle")
    history.do(edit)
    assert made == "middle"
    assert sorted(flow.nodes) == ["a", "d", "middle", "middle:b", "middle:c", "middle:inputs", "middle:outputs"]
    assert flow.nodes["middle:inputs"].parameters == {"ports": {"x": "any", "y": "any"}}
    assert flow.nodes["middle:outputs"].parameters == {"ports": {"v": "any", "result": "any"}}
    assert not validate(flow, REGISTRY)
    assert result(flow) == plain
    assert read(write(flow)).findings == []
    history.undo()
    assert write(flow) == before
    history.redo()
    assert result(flow) == plain


def test_taking_it_apart_gives_the_same_connections_as_before() -> None:
    flow = chain()
    wires = set(flow.connections)
    made, edit = enclose(flow, REGISTRY, ["b", "c"])
    commands.apply(flow, edit)
    inner, edit = take_apart(flow, made)
    before = write(flow)
    history = History(flow)
    history.do(edit)
    assert sorted(inner) == ["b", "c"]
    assert sorted(flow.nodes) == ["a", "b", "c", "d"]
    assert set(flow.connections) == wires
    assert set(flow.positions) == set(flow.nodes)
    history.undo()
    assert write(flow) == before


@pytest.mark.parametrize("seed", range(60))
def test_whatever_nodes_are_put_together_and_taken_apart_the_workflow_gives_the_same(seed: int) -> None:
    draw = random.Random(seed)
    builder = WorkflowBuilder("random")
    for i in range(9):
        sources = draw.sample(range(i), draw.randint(0, min(i, 3)))
        names = ", ".join(f"x{j}" for j in sources)
        total = " + ".join([f"x{j}" for j in sources] or ["1"])
        builder.add_node("PythonCodeNode", f"n{i}", code=f"def f({names}): return {{'v': {total} + {i}}}")
        for j in sources:
            builder.add_connection(f"n{j}", "result.v", f"n{i}", f"x{j}")
    flow = builder.build()
    flow.positions.update(missing_places(flow))
    before, ends = write(flow), [n for n in flow.nodes if not flow.outgoing(n)]
    plain = {end: result(flow, end) for end in ends}
    history = History(flow)
    for _ in range(4):
        level = draw.choice(sorted({sub_workflows.parent_of(n) for n in flow.nodes}))
        beside = [n for n in sub_workflows.beside(flow, level) if flow.nodes[n].type not in sub_workflows.BORDER]
        boxes = [n for n in beside if sub_workflows.is_sub_workflow(flow, n)]
        try:
            if boxes and draw.random() < 0.3:
                history.do(take_apart(flow, draw.choice(boxes))[1])
            else:
                history.do(enclose(flow, REGISTRY, draw.sample(beside, draw.randint(1, len(beside))))[1])
        except DocumentError as refused:
            assert "stands between" in str(refused)
            continue
        assert not validate(flow, REGISTRY)
        assert write(read(write(flow)).workflow) == write(flow)
        inner = {sub_workflows.name_of(n): n for n in flow.nodes}
        for end, value in plain.items():
            assert result(flow, inner[end]) == value
    while history.undo_label:
        history.undo()
    assert write(flow) == before


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ([], "Select the nodes first"),
        (["a", "c"], "b stands between the nodes"),
        (["a", "box:inputs"], "box:inputs is the border of box"),
        (["a", "box:e"], "several sub-workflows"),
    ],
)
def test_nodes_that_cannot_be_one_sub_workflow_are_refused_with_the_reason(chosen: list[str], sentence: str) -> None:
    flow = chain()
    builder = WorkflowBuilder("box")
    builder.workflow = flow
    builder.add_node("PythonCodeNode", "e", code="def e(): return 1")
    commands.apply(flow, enclose(flow, REGISTRY, ["e"], "box")[1])
    with pytest.raises(DocumentError, match=sentence):
        enclose(flow, REGISTRY, chosen)


def test_a_sub_workflow_is_renamed_copied_and_removed_with_all_that_is_inside() -> None:
    flow = chain()
    flow.nodes["b"] = PlacedNode(flow.nodes["b"].type, 1, flow.nodes["b"].parameters, {"fallback": "s"})
    flow.nodes["s"] = flow.nodes["a"]
    commands.apply(flow, enclose(flow, REGISTRY, ["b"], "box")[1])
    assert flow.nodes["box:b"].resilience == {"fallback": "box:s"}
    commands.apply(flow, commands.rename_node(flow, "box", "crate"))
    assert {"crate", "crate:b", "crate:s", "crate:inputs"} <= flow.nodes.keys()
    assert not any(node.startswith("box") for node in [*flow.nodes, *flow.positions])
    assert flow.nodes["crate:b"].resilience == {"fallback": "crate:s"}
    made, edit = commands.paste(flow, commands.fragment(flow, ["crate", "crate:b"]), (10, 10))
    commands.apply(flow, edit)
    assert made == ["crate_2"]
    assert flow.nodes["crate_2:b"].resilience == {"fallback": "crate_2:s"}
    inner, edit = commands.paste(flow, commands.fragment(flow, ["crate:b", "crate:s"]), (0, 0), parent="crate")
    commands.apply(flow, edit)
    assert inner == ["crate:b_2", "crate:s_2"]
    commands.apply(flow, commands.remove_nodes(flow, ["crate_2", "crate"]))
    assert sorted(flow.nodes) == ["a", "c", "d"]
    assert all({c.source, c.target} <= flow.nodes.keys() for c in flow.connections.values())


def test_a_new_sub_workflow_comes_with_its_border_and_a_node_can_be_placed_inside() -> None:
    flow = Workflow()
    made, edit = commands.add_node(flow, "SubWorkflowNode", (10, 20))
    commands.apply(flow, edit)
    assert sorted(flow.nodes) == ["sub_workflow", "sub_workflow:inputs", "sub_workflow:outputs"]
    inner, edit = commands.add_node(flow, "MergeNode", (0, 0), parent=made)
    commands.apply(flow, edit)
    assert inner == "sub_workflow:merge"


def test_places_are_found_for_each_sub_workflow_by_itself_with_its_border_outside() -> None:
    flow = chain()
    commands.apply(flow, enclose(flow, REGISTRY, ["b", "c"], "box")[1])
    places = arranged(flow)
    columns = [places[f"box:{name}"][0] for name in ("inputs", "b", "c", "outputs")]
    assert columns == sorted(set(columns))
    assert places["a"][0] < places["box"][0] < places["d"][0]
    del flow.positions["box:b"]
    assert set(missing_places(flow)) == {"box:b"}


def wrong(**nodes: str) -> list[str]:
    flow = Workflow(nodes={name.replace("__", ":"): PlacedNode(kind) for name, kind in nodes.items()})
    return [finding.sentence for finding in validate(flow, REGISTRY)]


def test_what_is_wrong_with_sub_workflows_is_said_with_the_mend() -> None:
    box, inputs, outputs = "SubWorkflowNode", "SubWorkflowInputNode", "SubWorkflowOutputNode"
    assert wrong(box=box, box__inputs=inputs, box__outputs=outputs) == []
    assert wrong(box=box, box__inputs=inputs) == ["box has no SubWorkflowOutputNode inside: add one."]
    assert wrong(inputs=inputs) == ["inputs is at the border of no sub-workflow: remove it."]
    twice = wrong(box=box, box__inputs=inputs, box__more=inputs, box__outputs=outputs)
    assert twice == ["box has another SubWorkflowInputNode than box:more: remove one of them."]
    orphan = wrong(box__in=inputs, box="MergeNode")
    assert "box:in stands inside of box, which is no sub-workflow: give it another id." in orphan
    flow = chain()
    commands.apply(flow, enclose(flow, REGISTRY, ["b", "c"], "box")[1])
    crossing = Connection("a", "result", "box:b", "x")
    flow.connections[crossing.key] = crossing
    sentences = [finding.sentence for finding in validate(flow, REGISTRY)]
    assert "box:b stands inside of box and a does not: connect them through its inputs and outputs." in sentences
    flow.nodes["box:inputs"] = PlacedNode(inputs, parameters={"ports": {"x": "tabel", "y": "any"}})
    sentences = [finding.sentence for finding in validate(flow, REGISTRY)]
    assert any("x has the unknown type 'tabel': use one of any, table" in sentence for sentence in sentences)


def test_a_fallback_stands_beside_the_node_and_is_no_sub_workflow() -> None:
    flow = chain()
    commands.apply(flow, enclose(flow, REGISTRY, ["b", "c"], "box")[1])
    for spare, said in (("box:b", "does not stand beside a"), ("box", "cannot stand in")):
        flow.nodes["a"] = PlacedNode(flow.nodes["a"].type, 1, flow.nodes["a"].parameters, {"fallback": spare})
        assert any(said in finding.sentence for finding in validate(flow, REGISTRY))


@pytest.mark.parametrize("node_id", ["a::b", ":a", "a:", "a:1", ":".join("a" * 9), "a:b c"])
def test_an_id_that_is_no_place_is_kept_and_told(node_id: str) -> None:
    text = write(Workflow(nodes={"a": PlacedNode("MergeNode")})).replace('"a"', f'"{node_id}"')
    found = read(text)
    assert [finding.code for finding in found.findings if finding.severity == "error"] == ["KS-1213"]
    assert write(found.workflow) == text
