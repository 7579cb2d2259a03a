"""Taking a sub-workflow apart changes nothing of what a workflow gives: inputs keep the order of their values."""

from __future__ import annotations

import asyncio
import random
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

import pytest

from kailash_studio.errors import DocumentError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.commands import Edit, new_keys, rename_node
from kailash_studio.workflow.enclosing import enclose, take_apart
from kailash_studio.workflow.graph import missing_places
from kailash_studio.workflow.history import History
from kailash_studio.workflow.sub_workflows import parent_of
from kailash_studio.workflow.validation import validate
from kailash_studio.workflow.workflow import Connection, PlacedNode, Workflow
from kailash_studio.workflow.writer import write

REGISTRY = installed_node_types()
NAMES = ["a", "A", "a-b", "a_b", "a1", "ab", "a-", "a_", "b", "B", "b-2", "b_2", "b_3", "c", "inputs", "z", "_"]


def placed(type_name: str, **parameters: Any) -> PlacedNode:
    return PlacedNode(type_name, parameters=parameters)


def box(*inputs: str, outputs: tuple[str, ...] = (), name: str = "s") -> dict[str, PlacedNode]:
    """An empty sub-workflow with these ports."""
    return {
        name: placed("SubWorkflowNode"),
        f"{name}:inputs": placed("SubWorkflowInputNode", ports=dict.fromkeys(inputs, "any")),
        f"{name}:outputs": placed("SubWorkflowOutputNode", ports=dict.fromkeys(outputs, "any")),
    }


def constant(value: str) -> PlacedNode:
    return placed("PythonCodeNode", code=f"def f(): return {value!r}")


def flow_of(nodes: dict[str, PlacedNode], *wires: str) -> Workflow:
    flow = Workflow("flow", nodes=nodes)
    for wire in wires:
        start, end = wire.split(" > ")
        source, output, *path = start.split(".")
        connection = Connection(source, output, *end.split("."), tuple(path))
        flow.connections[connection.key] = connection
    flow.positions.update(missing_places(flow))
    assert not validate(flow, REGISTRY)
    return flow


def results(flow: Workflow) -> dict[str, Any]:
    """What merges give, by their ids."""

    async def work() -> dict[str, Any]:
        outcome, _ = await AsyncLocalRuntime(registry=REGISTRY).run(flow)
        assert outcome.state == "succeeded", outcome.failures
        return {n: r for n, r in outcome.results.items() if flow.nodes[n].type == "MergeNode"}

    return asyncio.run(work())


def under_new_names(given: dict[str, Any], edit: Edit) -> dict[str, Any]:
    names = new_keys(edit.changes)
    return {names.get(node, node): value for node, value in given.items()}


def taken_apart(flow: Workflow, node: str = "s") -> set[str]:
    """Take it apart, and back, and again; the nodes that are there then."""
    before, text = results(flow), write(flow)
    history = History(flow)
    _, edit = take_apart(flow, node)
    history.do(edit)
    assert not validate(flow, REGISTRY)
    assert results(flow) == under_new_names(before, edit)
    after = write(flow)
    history.undo()
    assert write(flow) == text
    assert results(flow) == before
    history.redo()
    assert write(flow) == after
    return set(flow.nodes)


MERGE = placed("MergeNode", mode="list")


def test_what_comes_from_inside_goes_on_coming_in_its_place() -> None:
    nodes = box(outputs=("a", "b")) | {"s:z": constant("first"), "s:k": constant("last"), "t": constant("t")}
    wires = ["s:z.result > s:outputs.a", "s:k.result > s:outputs.b", "s.a > merge.data", "s.b > merge.data"]
    flow = flow_of(nodes | {"merge": MERGE}, *wires, "t.result > merge.data")
    assert results(flow)["merge"] == {"merged": ["first", "last", "t"]}
    assert taken_apart(flow) == {"merge", "t", "t-z", "t-z_k"}


def test_what_comes_from_outside_goes_on_coming_in_its_place() -> None:
    nodes = box("x") | {"s:k": constant("k"), "s:y": constant("y"), "s:merge": MERGE, "z": constant("z")}
    wires = ["z.result > s.x", "s:inputs.x > s:merge.data", "s:k.result > s:merge.data", "s:y.result > s:merge.data"]
    flow = flow_of(nodes, *wires)
    assert results(flow)["s:merge"] == {"merged": ["z", "k", "y"]}
    assert taken_apart(flow) == {"merge", "z", "z_k", "z_k_y"}


def test_names_stay_where_the_order_stays() -> None:
    nodes = box("x", outputs=("o",)) | {"s:b": MERGE, "s:c": constant("c"), "a": constant("a"), "last": MERGE}
    wires = ["a.result > s.x", "s:c.result > s:b.data", "s:inputs.x > s:b.data", "s:b.merged > s:outputs.o"]
    flow = flow_of(nodes, *wires, "s.o > last.data", "a.result > last.data")
    assert results(flow)["s:b"] == {"merged": ["c", "a"]}
    assert taken_apart(flow) == {"a", "a-c", "b", "last"}, "of two nodes one gets another name"


def test_a_name_that_is_taken_already_changes_no_order() -> None:
    nodes = box() | {"s:a": constant("in a"), "s:a-": constant("in a-"), "s:merge": MERGE, "a-": constant("a-")}
    flow = flow_of(nodes, "s:a.result > s:merge.data", "s:a-.result > s:merge.data")
    assert results(flow)["s:merge"] == {"merged": ["in a-", "in a"]}
    taken_apart(flow)


def test_an_order_that_no_names_can_keep_is_refused_with_the_reason_until_a_node_is_renamed() -> None:
    nodes = box("x", "y") | {"s:merge": MERGE, "a": constant("a"), "b": constant("b")}
    wires = ["b.result > s.x", "a.result > s.y", "s:inputs.x > s:merge.data", "s:inputs.y > s:merge.data"]
    flow = flow_of(nodes, *wires)
    text = write(flow)
    with pytest.raises(DocumentError, match=r"s:merge\.data takes b\.result before a\.result, and would not without s"):
        take_apart(flow, "s")
    assert write(flow) == text
    history = History(flow)
    history.do(rename_node(flow, "a", "c"))
    taken_apart(flow)


def test_a_value_that_is_taken_twice_is_not_lost() -> None:
    nodes = box("x", "y") | {"s:merge": MERGE, "a": constant("a")}
    wires = ["a.result > s.x", "a.result > s.y", "s:inputs.x > s:merge.data", "s:inputs.y > s:merge.data"]
    flow = flow_of(nodes, *wires)
    assert results(flow)["s:merge"] == {"merged": ["a", "a"]}
    with pytest.raises(DocumentError, match=r"s:merge\.data takes a\.result twice, which it cannot without s"):
        take_apart(flow, "s")


def test_long_names_are_cut_and_keep_the_order() -> None:
    long = "k" * 60
    nodes = box("x") | {f"s:{long}": constant("k"), "s:merge": MERGE, "z" * 50: constant("z")}
    wires = [f"{'z' * 50}.result > s.x", "s:inputs.x > s:merge.data", f"s:{long}.result > s:merge.data"]
    assert taken_apart(flow_of(nodes, *wires)) == {"merge", "z" * 50, "z" * 50 + "_" + "k" * 13}


# ---------------------------------------------------------------------- at random
def at_random(seed: int) -> Workflow:
    """Merges outside and inside of a sub-workflow, perhaps of one in it, whose ports and nodes are named at random."""
    draw = random.Random(seed)
    nodes: dict[str, PlacedNode] = {}
    wires: list[str] = []

    def names(parent: str, count: int) -> list[str]:
        free = [name for name in NAMES if f"{parent}{name}" not in nodes and name != "inputs" * bool(parent)]
        return [f"{parent}{name}" for name in draw.sample(free, count)]

    def add(parent: str, starts: list[str], constants: int, merges: int) -> list[str]:
        """Constants and merges of them; where values come from then."""
        for node in names(parent, constants):
            nodes[node] = constant(node)
            starts.append(f"{node}.result")
        for node in names(parent, merges):
            nodes[node] = MERGE
            wires.extend(f"{s} > {node}.data" for s in draw.sample(starts, min(len(starts), draw.randint(1, 4))))
            starts.append(f"{node}.merged")
        return starts

    def put(parent: str, starts: list[str], depth: int) -> list[str]:
        """A sub-workflow; what it gives."""
        (made,) = names(parent, 1)
        ports = draw.sample("abcdefgh", draw.randint(1, 4))
        given = draw.sample(ports, draw.randint(0, len(ports)))
        inside = f"{made}:"
        nodes.update(box(*given, outputs=tuple(ports), name=made))
        wires.extend(f"{draw.choice(starts)} > {made}.{port}" for port in given)
        inner = add(inside, [f"{made}:inputs.{port}" for port in given], draw.randint(1, 3), draw.randint(1, 2))
        if depth:
            inner += put(inside, inner, depth - 1)
            inner = add(inside, inner, 0, 1)
        wires.extend(f"{draw.choice(inner)} > {made}:outputs.{port}" for port in ports)
        return [f"{made}.{port}" for port in ports]

    starts = add("", [], draw.randint(2, 4), draw.randint(0, 2))
    given = put("", starts, draw.randint(0, 1))
    add("", given + draw.sample(starts, draw.randint(0, 2)), 0, draw.randint(1, 2))
    return flow_of(nodes, *wires)


def can_stay(flow: Workflow, node: str) -> bool:
    """Whether there are names at all: whether the wanted orders, and that of the names that stay, go together."""

    def ends(start: tuple[str, str]) -> tuple[str, str]:
        """Where a value comes from without the sub-workflow."""
        source, output = start
        if source == node:
            return ends(next((c.source, c.output) for c in flow.incoming(f"{node}:outputs") if c.input == output))
        if source == f"{node}:inputs":
            return ends(next((c.source, c.output) for c in flow.incoming(node) if c.input == output))
        return start

    graph: dict[str, set[str]] = {}
    for other in flow.nodes:
        taken = [ends((c.source, c.output)) for c in flow.incoming(other) if flow.nodes[other].type == "MergeNode"]
        for first, second in pairwise(taken):
            if first[0] == second[0] and first[1] >= second[1]:
                return False
            if first[0] != second[0]:
                graph.setdefault(second[0], set()).add(first[0])
    stay = [n for n in flow.nodes if parent_of(n) == parent_of(node) and n != node]
    for first, second in pairwise(sorted(f"{n}." for n in stay)):
        graph.setdefault(second[:-1], set()).add(first[:-1])
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return False
    return True


@pytest.mark.parametrize("seed", range(120))
def test_whatever_is_taken_apart_merges_give_the_same_or_it_is_refused_for_want_of_names(seed: int) -> None:
    flow = at_random(seed)
    boxes = [n for n, p in flow.nodes.items() if p.type == "SubWorkflowNode"]
    node = random.Random(seed).choice(boxes)
    if can_stay(flow, node):
        taken_apart(flow, node)
        return
    text = write(flow)
    with pytest.raises(DocumentError, match=r"before .* rename nodes first|twice"):
        take_apart(flow, node)
    assert write(flow) == text


@pytest.mark.parametrize("seed", range(40))
def test_what_was_made_of_nodes_can_be_taken_apart_again(seed: int) -> None:
    flow = at_random(seed)
    draw = random.Random(seed)
    beside = [n for n in flow.nodes if ":" not in n]
    for _ in range(5):
        try:
            made, edit = enclose(flow, REGISTRY, draw.sample(beside, draw.randint(1, 3)), draw.choice(NAMES))
        except DocumentError:
            continue
        wires = set(flow.connections)
        history = History(flow)
        history.do(edit)
        history.do(take_apart(flow, made)[1])
        assert set(flow.connections) == wires
        history.undo()
        taken_apart(flow, made)
        return
