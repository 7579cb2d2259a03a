"""Sub-workflows in runs: called like functions, on nodes that are nodes like all others."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DocumentError, WorkflowExecutionError
from kailash_studio.nodes.code.python_code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.debugger import Breakpoint, Debugger
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.local import LocalRuntime
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.rerun import plan_rerun
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.validation import validate
from kailash_studio.workflow.workflow import Workflow
from kailash_studio.workflow.writer import write

REGISTRY = installed_node_types()


def inside(add: str = "def add(x): return x + 1", double: str = "def double(x): return x * 2") -> Workflow:
    builder = WorkflowBuilder("inside")
    builder.add_node("PythonCodeNode", "add", code=add)
    builder.add_node("PythonCodeNode", "double", code=double)
    builder.add_connection("add", "result", "double", "x")
    return builder.build()


def around(inner: Workflow | None = None, start: str = "def start(): return 20") -> Workflow:
    """start > part (add > double) > end."""
    builder = WorkflowBuilder("around")
    builder.add_node("PythonCodeNode", "start", code=start)
    builder.add_node("PythonCodeNode", "end", code="def end(y): return [y]")
    builder.add_sub_workflow("part", inner or inside(), inputs={"x": "add.x"}, outputs={"y": "double.result"})
    builder.add_connection("start", "result", "part", "x")
    builder.add_connection("part", "y", "end", "y")
    return builder.build()


def run(workflow: Workflow, parameters: dict[str, Any] | None = None, **further: Any) -> Outcome:
    async def work() -> Outcome:
        outcome, _ = await AsyncLocalRuntime().run(workflow, parameters, **further)
        return outcome

    return asyncio.run(work())


def test_a_sub_workflow_gives_what_its_inside_gives_and_the_nodes_inside_have_results_of_their_own() -> None:
    outcome = run(around())
    assert outcome.state == "succeeded"
    assert outcome.results["part"] == {"y": 42}
    assert outcome.results["part:add"] == {"result": 21}
    assert outcome.results["part:inputs"] == {"x": 20}
    assert outcome.results["end"] == {"result": [42]}


def test_the_file_of_a_workflow_with_sub_workflows_runs_the_same_after_it_was_written_and_read() -> None:
    text = write(around())
    again = read(text)
    assert not again.findings
    assert write(again.workflow) == text
    assert not validate(again.workflow, REGISTRY)
    assert run(again.workflow).results["end"] == {"result": [42]}


def test_sub_workflows_stand_in_sub_workflows() -> None:
    inner = WorkflowBuilder("inner")
    inner.add_sub_workflow("deep", inside(), inputs={"x": "add.x"}, outputs={"y": "double.result"})
    builder = WorkflowBuilder("outer")
    builder.add_node("PythonCodeNode", "start", code="def start(): return {'n': 4}")
    builder.add_sub_workflow("part", inner, inputs={"x": "deep.x"}, outputs={"y": "deep.y"})
    builder.add_connection("start", "result.n", "part", "x")
    outcome = run(builder.build())
    assert outcome.results["part"] == {"y": 10}
    assert outcome.results["part:deep:double"] == {"result": 10}
    assert read(write(builder.build())).findings == []


def test_nothing_inside_begins_before_the_inputs_are_there_and_what_follows_waits_for_all_of_it() -> None:
    """Also where a node inside is connected to nothing."""
    told: list[str] = []
    inner = inside()
    builder = WorkflowBuilder("waits")
    builder.workflow = inner
    builder.add_node("PythonCodeNode", "alone", code="def alone(): return 'alone'")
    flow = around(inner)

    def sink(events: Any) -> None:
        told.extend(f"{e.kind} {e.node}" for e in events if e.kind == "node_succeeded")

    assert run(flow, sink=sink).state == "succeeded"
    order = [line.split()[1] for line in told]
    assert order.index("start") < order.index("part:alone") < order.index("part") < order.index("end")


@pytest.mark.parametrize("lonely", [False, True])
def test_a_failure_inside_skips_what_follows_and_names_the_node_inside(lonely: bool) -> None:
    """Also when nothing hangs on the node that failed."""
    inner = inside(double="def double(x): return x * 2" if lonely else "def double(x): raise ValueError('no')")
    if lonely:
        builder = WorkflowBuilder("lonely")
        builder.workflow = inner
        builder.add_node("PythonCodeNode", "alone", code="def alone(): raise ValueError('no')")
    outcome = run(around(inner))
    wrong = "part:alone" if lonely else "part:double"
    assert outcome.state == "failed"
    assert set(outcome.failures) == {wrong}
    assert wrong in outcome.reasons["part"]
    assert wrong in outcome.reasons["end"]


def test_a_failure_before_it_skips_all_that_is_inside() -> None:
    inner = inside()
    builder = WorkflowBuilder("lonely")
    builder.workflow = inner
    builder.add_node("PythonCodeNode", "alone", code="def alone(): return 1")
    outcome = run(around(inner, "def start(): raise ValueError('no')"))
    assert set(outcome.failures) == {"start"}
    assert {"part", "part:inputs", "part:add", "part:alone", "part:outputs", "end"} <= outcome.reasons.keys()


def test_a_branch_that_is_not_taken_does_not_call_it() -> None:
    builder = WorkflowBuilder("branch")
    builder.add_node("PythonCodeNode", "start", code="def start(): return 20")
    builder.add_node("SwitchNode", "which", operator=">", value=100)
    inner = inside()
    also = WorkflowBuilder("lonely")
    also.workflow = inner
    also.add_node("PythonCodeNode", "alone", code="def alone(): return 1")
    builder.add_sub_workflow("part", inner, inputs={"x": "add.x"}, outputs={"y": "double.result"})
    builder.add_connection("start", "result", "which", "data")
    builder.add_connection("which", "true_output", "part", "x")
    outcome = run(builder.build())
    assert outcome.state == "succeeded"
    assert {"part", "part:alone", "part:outputs"} <= outcome.reasons.keys()


@pytest.mark.parametrize("pinned", [False, True])
def test_a_node_inside_that_something_else_feeds_is_not_called_either(pinned: bool) -> None:
    """Neither one that an input with a default feeds, nor one behind a pin."""
    inner = WorkflowBuilder("inside")
    inner.add_node("PythonCodeNode", "add", code="def add(x): return x + 1")
    inner.add_node("PythonCodeNode", "free", code="def free(n=5): return n")
    inner.add_node("PythonCodeNode", "after", code="def after(n): return n")
    inner.add_connection("free", "result", "after", "n")
    builder = WorkflowBuilder("branch")
    builder.add_node("PythonCodeNode", "start", code="def start(): return 1")
    builder.add_node("SwitchNode", "large", operator=">", value=4)
    builder.add_sub_workflow("part", inner, inputs={"x": "add.x", "n": "free.n"}, outputs={"y": "after.result"})
    builder.add_connection("start", "result", "large", "data")
    builder.add_connection("large", "true_output", "part", "x")
    flow = builder.build()
    border = flow.nodes["part:inputs"]
    flow.nodes["part:inputs"] = replace(border, parameters={**border.parameters, "optional": ["n"]})
    known = {"part:free": {"result": 5}}
    outcome = run(flow, pins=known) if pinned else run(flow)
    assert outcome.state == "succeeded"
    assert {node for node in outcome.results if node.startswith("part")} == (known.keys() if pinned else set())
    assert "large did not take the branch true_output" in outcome.reasons["part:after"]


def test_a_branch_inside_that_is_not_taken_leaves_its_output_out() -> None:
    inner = WorkflowBuilder("inner")
    inner.add_node("SwitchNode", "which", operator=">", value=100)
    builder = WorkflowBuilder("branch")
    builder.add_node("PythonCodeNode", "start", code="def start(): return 20")
    builder.add_node("PythonCodeNode", "large", code="def large(x): return x")
    builder.add_node("PythonCodeNode", "small", code="def small(x): return x")
    builder.add_sub_workflow(
        "part", inner, inputs={"x": "which.data"}, outputs={"large": "which.true_output", "small": "which.false_output"}
    )
    builder.add_connection("start", "result", "part", "x")
    builder.add_connection("part", "large", "large", "x")
    builder.add_connection("part", "small", "small", "x")
    outcome = run(builder.build())
    assert outcome.results["part"] == {"small": 20}
    assert outcome.results["small"] == {"result": 20}
    assert "large" in outcome.reasons


def test_policies_inside_hold_and_those_of_the_sub_workflow_itself_are_refused() -> None:
    calls = "def add(x):\n    if not calls: raise ValueError('no')\n    return x"
    inner = inside(add=calls)
    inner.nodes["add"] = replace(inner.nodes["add"], resilience={"fallback": "spare"})
    builder = WorkflowBuilder("spare")
    builder.workflow = inner
    builder.add_node("PythonCodeNode", "spare", code="def spare(x): return -x")
    flow = around(inner)
    outcome = run(flow)
    assert outcome.recovered == {"part:add": "part:spare"}
    assert outcome.results["part"] == {"y": -40}
    flow.nodes["part"] = replace(flow.nodes["part"], resilience={"retry": {"max_retries": 2}})
    sentences = [finding.sentence for finding in validate(flow, REGISTRY)]
    assert any("set retry on the nodes inside" in sentence for sentence in sentences)


def test_values_from_the_caller_go_in_through_its_inputs() -> None:
    builder = WorkflowBuilder("given")
    builder.add_sub_workflow("part", inside(), inputs={"x": "add.x"}, outputs={"y": "double.result"})
    outcome = run(builder.build(), {"part": {"x": 4}})
    assert outcome.results["part"] == {"y": 10}


def test_a_pinned_sub_workflow_is_not_called_at_all() -> None:
    outcome = run(around(inside(add="def add(x): raise ValueError('no')")), pins={"part": {"y": 7}})
    assert outcome.state == "succeeded"
    assert outcome.results["end"] == {"result": [7]}
    assert "what part gives is there" in outcome.reasons["part:add"]


def test_run_again_from_inside_takes_over_what_stands_before_it_and_goes_on_outside() -> None:
    flow = around()
    finished = set(flow.nodes)
    again = plan_rerun(flow, flow, REGISTRY, finished=finished, called=finished, mode="from", nodes=["part:double"])
    assert again.calls == {"part:double", "part:outputs", "part", "end"}
    assert again.known == {"start", "part:inputs", "part:add"}
    whole = plan_rerun(flow, flow, REGISTRY, finished=finished, called=finished, mode="only", nodes=["part"])
    assert whole.calls == {n for n in flow.nodes if n.startswith("part")}
    first = run(flow)
    known = {node: first.results[node] for node in again.known}
    assert run(flow, known=known, only=again.calls).results["end"] == {"result": [42]}


def test_a_node_inside_alone_is_called_although_all_around_it_has_finished() -> None:
    flow = around()
    first = run(flow)
    again = plan_rerun(
        flow, flow, REGISTRY, finished=first.results.keys(), called=(), mode="only", nodes=["part:double"]
    )
    assert again.calls == {"part:double"}
    known = {node: first.results[node] for node in again.known}
    mended = replace(flow, nodes=dict(flow.nodes))
    double = mended.nodes["part:double"]
    mended.nodes["part:double"] = replace(double, parameters={"code": "def double(x): return x * 3"})
    second = run(mended, known=known, only=again.calls)
    assert second.results["part:double"] == {"result": 63}
    assert "part" not in second.results, "what it gave is not what it would give now"
    assert second.results["end"] == {"result": [42]}


def test_what_is_changed_inside_makes_what_follows_outside_stale() -> None:
    before, now = around(), around(inside(add="def add(x): return x + 2"))
    finished = set(before.nodes)
    again = plan_rerun(before, now, REGISTRY, finished=finished, called=finished, mode="failed")
    assert again.calls == {"part:add", "part:double", "part:outputs", "part", "end"}
    assert again.stale["end"] == "part, which feeds it, has changed"


def test_a_failed_run_is_resumed_inside_of_a_sub_workflow(tmp_path: Path) -> None:
    mended = False
    calls: list[str] = []

    def add(x: int) -> int:
        calls.append("add")
        return x + 1

    def double(x: int) -> int:
        calls.append("double")
        if not mended:
            raise ConnectionError("down")
        return x * 2

    inner = WorkflowBuilder("inner")
    inner.add_node("add", PythonCodeNode.from_function(add))
    inner.add_node("double", PythonCodeNode.from_function(double))
    inner.add_connection("add", "result", "double", "x")
    flow = around(inner.build())
    with closing(Journal(tmp_path / "journal.db")) as journal:
        runtime = LocalRuntime(journal=journal)
        with pytest.raises(WorkflowExecutionError) as raised:
            runtime.execute(flow)
        mended = True
        before = journal.run(raised.value.run_id)
        known = journal.finished_in_all(before.root)
        later = AsyncLocalRuntime(journal=journal)
        outcome, _ = asyncio.run(later.run(flow, known=known, origin="resume", before=before))
    assert calls == ["add", "double", "double"]
    assert outcome.results["end"] == {"result": [42]}


class Walk:
    """Steps through a run and notes where it stands."""

    def __init__(self, flow: Workflow, *points: str) -> None:
        self.flow, self.points = flow, points

    def go(self, *moves: str) -> list[str]:
        """Where it stood before each move."""

        async def work() -> list[str]:
            debugger = Debugger([Breakpoint(node) for node in self.points])
            task = asyncio.ensure_future(AsyncLocalRuntime().run(self.flow, debugger=debugger))
            stood = []
            for move in moves:
                while not debugger.stops and not task.done():
                    await asyncio.sleep(0.001)
                if task.done():
                    break
                stop = next(iter(debugger.stops.values()))
                stood.append(f"{stop.node} {stop.when}")
                if move == "go":
                    debugger.go_on(stop.number)
                else:
                    debugger.step(stop.number, how=move)  # type: ignore[arg-type]
            outcome, _ = await task
            assert outcome.state == "succeeded"
            return stood

        return asyncio.run(work())


def test_stepping_into_a_sub_workflow_goes_to_its_first_node_and_out_of_it_to_what_follows() -> None:
    walked = Walk(around(), "part").go("into", "into", "into", "out", "go")
    assert walked == ["part:inputs before", "part:add before", "part:add after", "part:double before", "end before"]


def test_stepping_over_a_sub_workflow_stops_at_what_follows_it() -> None:
    assert Walk(around(), "start").go("over", "over", "over", "over", "go") == [
        "start before",
        "start after",
        "part:inputs before",
        "end before",
        "end after",
    ]


def test_stepping_past_the_last_node_inside_leaves_the_sub_workflow() -> None:
    walked = Walk(around(), "part:double").go("into", "into", "into", "into", "go")
    assert walked == [
        "part:double before",
        "part:double after",
        "part:outputs before",
        "part:outputs after",
        "end before",
    ]


def test_a_breakpoint_after_a_sub_workflow_shows_what_it_gives() -> None:
    async def work() -> Any:
        debugger = Debugger([Breakpoint("part", "after")])
        task = asyncio.ensure_future(AsyncLocalRuntime().run(around(), debugger=debugger))
        while not debugger.stops:
            await asyncio.sleep(0.001)
        stop = debugger.stops[1]
        debugger.go_on(1)
        await task
        return stop.node, stop.outputs

    assert asyncio.run(work()) == ("part", {"y": 42})


def test_an_edge_that_goes_through_the_border_is_refused() -> None:
    flow = around()
    builder = WorkflowBuilder("edge")
    builder.workflow = flow
    with pytest.raises(DocumentError, match="stands inside of part and end does not"):
        builder.add_connection("part:add", "result", "end", "y")


def test_a_sub_workflow_is_told_as_running_from_its_first_node_to_its_last() -> None:
    told: list[tuple[str, str]] = []
    seconds: dict[str, float] = {}

    def sink(events: Any) -> None:
        for event in events:
            if event.kind.startswith("node_"):
                told.append((event.kind.removeprefix("node_"), event.node))
                seconds[event.node] = event.details.get("seconds", 0.0)

    run(
        around(inside(add="import time\ndef add(x):\n    for i in range(2000000): x += 0\n    return x + 1")), sink=sink
    )
    names = [node for kind, node in told if kind == "started"]
    assert names.index("part") < names.index("part:add")
    assert told.index(("succeeded", "part")) > told.index(("succeeded", "part:outputs"))
    assert told.count(("started", "part")) == 1
    assert seconds["part"] >= seconds["part:add"] > 0
