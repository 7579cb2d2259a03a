"""What was recorded comes again as it was: questions, errors, random numbers, time, breakers, faults, order."""

from __future__ import annotations

import asyncio
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from fakes.black_hole import silent_listener
from fakes.capsules import played, record, recorded, sequence
from fakes.web_server import Request, serving

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DatabaseTimeoutError, DocumentError, HttpError, NodeTimeoutError, describe
from kailash_studio.resilience.faults import Fault, Scenario
from kailash_studio.resilience.retry import is_named
from kailash_studio.runtime.answers import error_of, told_of
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.capsule import Capsule
from kailash_studio.runtime.debugger import Breakpoint, Debugger, Decision
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.tables.table import Table
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow


def with_parameters(workflow: Workflow, node: str, **parameters: Any) -> Workflow:
    placed = workflow.nodes[node]
    changed = type(placed)(placed.type, parameters={**placed.parameters, **parameters}, resilience=placed.resilience)
    workflow.nodes[node] = changed
    return workflow


# ---------------------------------------------------------------------- questions
def test_the_order_in_which_a_file_was_written_by_hand_does_not_matter(tmp_path: Path) -> None:
    with serving(lambda request: (200, {"Content-Type": "application/json"}, b"[1]")) as server:
        parameters = {"url": server.url, "query": {"z": "1", "a": "2"}, "allow_private": True, "method": "GET"}
        builder = WorkflowBuilder("by hand")
        builder.add_node("HTTPRequestNode", "ask", **parameters)
        builder.add_node("PythonCodeNode", "fail", code="def fail(x): raise ValueError(x)")
        builder.add_connection("ask", "data", "fail", "x")
        capsule, outcome, _ = recorded(builder, tmp_path)
    assert outcome.failures.keys() == {"fail"}
    document = json.loads(capsule.workflow)
    asks = document["nodes"]["ask"]["parameters"]
    document["nodes"]["ask"]["parameters"] = dict(reversed(asks.items())) | {"query": {"a": "2", "z": "1"}}
    again, _ = played(capsule, read(json.dumps(document)).workflow)
    assert again.failures.keys() == {"fail"}


def test_another_value_of_a_workflow_parameter_is_another_question(tmp_path: Path) -> None:
    with serving(lambda request: (200, {"Content-Type": "application/json"}, b"[1]")) as server:
        builder = WorkflowBuilder("days")
        builder.add_node(
            "HTTPRequestNode", "ask", url=server.url, query={"day": {"$parameter": "day"}}, allow_private=True
        )
        builder.add_node("PythonCodeNode", "fail", code="def fail(x): raise ValueError(x)")
        builder.add_connection("ask", "data", "fail", "x")
        workflow = builder.build()
        workflow.parameters["day"] = {"type": "text", "default": "monday"}
        capsule, _, _ = recorded(workflow, tmp_path)
    assert played(capsule)[0].failures.keys() == {"fail"}
    document = json.loads(capsule.workflow)
    document["parameters"]["day"]["default"] = "tuesday"
    mended, _ = played(capsule, read(json.dumps(document)).workflow)
    assert "has no answer to this question" in describe(mended.failures["ask"])


# ---------------------------------------------------------------------- full Python
def full(tmp_path: Path) -> WorkflowBuilder:
    builder = WorkflowBuilder("full")
    code = f"def start(): open({str(tmp_path / 'marks')!r}, 'a').write('x'); return 'n/a'"
    builder.add_node("PythonCodeNode", "start", code=code, sandbox="full")
    builder.add_node("PythonCodeNode", "value", code="def value(x): return float(x)", sandbox="full")
    builder.add_node("PythonCodeNode", "end", code="def end(x): return x + 1")
    builder.add_connection("start", "result", "value", "x")
    builder.add_connection("value", "result", "end", "x")
    return builder


def test_a_mended_full_python_node_fails_until_it_may_run_and_is_never_left_out(tmp_path: Path) -> None:
    capsule, outcome, _ = recorded(full(tmp_path), tmp_path)
    assert outcome.failures.keys() == {"value"}
    mended = with_parameters(read(capsule.workflow).workflow, "value", code="def value(x): return 4")
    answers = capsule.answers_again()
    refused, _ = played(capsule, mended, answers)
    assert refused.state == "failed"
    assert "value: its code, or what it is given, is not what was recorded" in describe(refused.failures["value"])
    assert answers.unanswered.keys() == {"value"}
    allowed, _ = played(capsule, mended, capsule.answers_again(allow_code=True))
    assert allowed.results["end"] == {"result": 5}
    assert (tmp_path / "marks").read_text() == "x", "what is as it was gets its recorded answer"
    above = with_parameters(read(capsule.workflow).workflow, "start", code="def start(): return 3", sandbox="light")
    assert "value: its code, or what it is given" in describe(played(capsule, above)[0].failures["value"])


def test_values_that_a_capsule_brings_along_let_nothing_out_of_the_sandbox(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    builder = WorkflowBuilder("foreign")
    code = f"def f(x): open({str(marks)!r}, 'w').write('x'); return 1"
    builder.add_node("PythonCodeNode", "one", code=code)
    builder.add_node("PythonCodeNode", "two", code=code, sandbox={"$parameter": "mode"})
    workflow = builder.build()
    workflow.parameters["mode"] = {"type": "text", "default": "light"}
    capsule, _, _ = recorded(workflow, tmp_path, {"x": 1})
    for given in ({"one": {"sandbox": "full"}}, {"mode": "full"}):
        hostile = Capsule(
            **{**{name: getattr(capsule, name) for name in capsule.__slots__}, "given": {"x": 1, **given}}
        )
        outcome, _ = played(hostile)
        assert outcome.state == "failed"
        assert not marks.exists()


# ---------------------------------------------------------------------- random numbers and time
DRAWS = """
import random
import time
from datetime import datetime, timezone

def draw():
    began = time.monotonic()
    while time.monotonic() < began + 0.05:
        pass
    seen = [str(datetime.now()), str(datetime.now(timezone.utc)), time.time()]
    return [random.random(), random.Random().random(), *seen]
"""


def test_sandboxed_code_draws_the_same_and_sees_the_same_time(tmp_path: Path) -> None:
    builder = WorkflowBuilder("drawn")
    builder.add_node("PythonCodeNode", "draw", code=DRAWS)
    builder.add_node("PythonCodeNode", "other", code=DRAWS)
    builder.add_node("PythonCodeNode", "fail", code="def fail(x): raise ValueError(x)")
    builder.add_connection("draw", "result", "fail", "x")
    capsule, outcome, _ = recorded(builder, tmp_path)
    drawn = outcome.results["draw"]["result"]
    assert drawn[0] != outcome.results["other"]["result"][0], "each node draws its own"
    first, second = played(capsule)[0], played(capsule)[0]
    assert first.results == second.results == outcome.results
    assert describe(first.failures["fail"]) == describe(outcome.failures["fail"])
    mended = with_parameters(read(capsule.workflow).workflow, "fail", code=DRAWS.replace("draw()", "fail(x)"))
    assert played(capsule, mended)[0].results == played(capsule, mended)[0].results


# ---------------------------------------------------------------------- order
def test_what_takes_real_time_beside_what_waits_comes_in_one_order(tmp_path: Path) -> None:
    replies = iter([503, 503, 200])

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        return next(replies), {"Content-Type": "application/json"}, b"1"

    with serving(answer) as server:
        builder = WorkflowBuilder("beside")
        builder.add_node("HTTPRequestNode", "ask", url=server.url, allow_private=True)
        builder.configure_retry("ask", max_retries=3, base_delay=0.02, jitter="full")
        for name, rounds in (("a", 60_000), ("b", 5_000), ("c", 30_000)):
            code = f"def f():\n    n = 0\n    for i in range({rounds}): n += i\n    return n"
            builder.add_node("PythonCodeNode", name, code=code)
            builder.add_node("PythonCodeNode", f"{name}_after", code="def f(x): return x + 1")
            builder.add_connection(name, "result", f"{name}_after", "x")
        builder.add_node("PythonCodeNode", "fail", code="def fail(x): raise ValueError(x)")
        builder.add_connection("ask", "data", "fail", "x")
        capsule, _, _ = recorded(builder, tmp_path)
    orders = {tuple((e.kind, e.node, e.time) for e in played(capsule)[1]) for _ in range(8)}
    assert len(orders) == 1


# ---------------------------------------------------------------------- failures
def test_an_open_breaker_is_open_again(tmp_path: Path) -> None:
    with serving(lambda request: (500, {}, b"")) as server:
        builder = WorkflowBuilder("open")
        builder.add_node("HTTPRequestNode", "ask", url=server.url, allow_private=True)
        builder.configure_circuit_breaker("ask", failure_threshold=2, timeout=600)

        async def work() -> tuple[Capsule, Outcome, list[Event]]:
            workflow = builder.build()
            async with AsyncLocalRuntime(folder=tmp_path) as runtime:
                for _ in range(2):
                    await runtime.run(workflow)
                return await record(workflow, tmp_path, runtime=runtime)

        capsule, outcome, events = asyncio.run(work())
    assert type(outcome.failures["ask"]).__name__ == "CircuitOpenError"
    again, told = played(capsule)
    assert type(again.failures["ask"]).__name__ == "CircuitOpenError"
    assert sequence(told) == sequence(events)


def test_faults_that_were_put_in_come_again(tmp_path: Path) -> None:
    builder = WorkflowBuilder("faulty")
    builder.add_node("CSVReaderNode", "rows", path="rows.csv")
    builder.add_node("PythonCodeNode", "count", code="def count(rows): return len(rows)")
    builder.add_connection("rows", "data", "count", "rows")
    builder.configure_retry("rows", max_retries=5, base_delay=0.01, jitter="full")
    (tmp_path / "rows.csv").write_text("a\n1\n", encoding="utf-8")
    faults = {"rows": Fault("OSError", times=0, percent=50), "count": Fault("ValueError", times=2)}
    for seed in range(4):
        scenario = Scenario(faults, seed)
        capsule, outcome, events = recorded(builder, tmp_path, scenario=scenario)
        again, told = played(capsule)
        assert sequence(told) == sequence(events)
        waits = [[e.details["wait"] for e in of if e.kind == "attempt_failed"] for of in (events, told)]
        assert waits[0] == waits[1], "the scenario's seed draws the jitter, recorded or not"
        assert {n: describe(e) for n, e in again.failures.items()} == {
            n: describe(e) for n, e in outcome.failures.items()
        }
        assert told[0].details["test"] is True


def test_a_timeout_is_the_same_timeout_again_and_retried_as_it_was(tmp_path: Path) -> None:
    with silent_listener() as port:
        builder = WorkflowBuilder("slow")
        builder.add_node("HTTPRequestNode", "ask", url=f"http://127.0.0.1:{port}", allow_private=True)
        builder.configure_timeout("ask", 0.1)
        builder.configure_retry("ask", max_retries=1, base_delay=0.01, retry_on=["NodeTimeoutError"])
        capsule, outcome, events = recorded(builder, tmp_path)
    assert isinstance(outcome.failures["ask"], NodeTimeoutError)
    again, told = played(capsule)
    assert isinstance(again.failures["ask"], NodeTimeoutError)
    assert describe(again.failures["ask"]) == describe(outcome.failures["ask"])
    assert sequence(told) == sequence(events)


def test_endless_sandboxed_code_is_given_up_on_again(tmp_path: Path) -> None:
    builder = WorkflowBuilder("endless")
    builder.add_node("PythonCodeNode", "loop", code="def loop():\n    while True: pass")
    builder.configure_timeout("loop", 0.2)
    capsule, outcome, events = recorded(builder, tmp_path)
    again, told = played(capsule)
    assert describe(again.failures["loop"]) == describe(outcome.failures["loop"])
    assert sequence(told) == sequence(events)


class DriverError(OSError):
    """Of a library that the reader of a capsule need not have."""


def test_an_error_comes_again_as_policies_and_people_see_it() -> None:
    try:
        try:
            raise DriverError("inside")
        except DriverError as cause:
            raise HttpError("no answer", status=503, retry_after=2.0) from cause
    except HttpError as error:
        raised = error
    made = error_of(json.loads(json.dumps(told_of(raised, Redactor()))))
    assert isinstance(made, HttpError)
    assert (describe(made), made.status, made.retry_after) == ("no answer", 503, 2.0)
    assert is_named(made, frozenset({"DriverError"}))
    assert is_named(made, frozenset({f"{__name__}.DriverError"}))
    assert not is_named(made, frozenset({"KeyError"}))
    own = error_of(told_of(DriverError(5, "broken"), Redactor()))
    assert describe(own) == describe(DriverError(5, "broken"))
    assert isinstance(own, OSError)
    assert describe(error_of(told_of(KeyError("a"), Redactor()))) == describe(KeyError("a"))
    slow = error_of(told_of(DatabaseTimeoutError("slow", sqlstate="57014"), Redactor()))
    assert (type(slow), getattr(slow, "sqlstate", "")) == (DatabaseTimeoutError, "57014")


# ---------------------------------------------------------------------- at a stop
async def again_with(
    runtime: AsyncLocalRuntime, workflow: Workflow, node: str, parameters: dict[str, Any], when: Any, **words: Any
) -> Outcome:
    """Run, and call a node that stands still with other parameters."""
    debugger = Debugger([Breakpoint(node, when)])
    run = asyncio.create_task(runtime.run(workflow, debugger=debugger, **words))
    async with asyncio.timeout(60):
        while not debugger.stops and not run.done():
            await asyncio.sleep(0.01)
    (number,) = debugger.stops
    debugger.set_breakpoints([])
    debugger.go_on(number, Decision("go_on" if when == "before" else "again", parameters=parameters))
    return (await run)[0]


def test_other_parameters_at_a_stop_do_not_open_a_safe_preview(tmp_path: Path) -> None:
    builder = WorkflowBuilder("careful")
    builder.add_node("PythonCodeNode", "rows", code="def rows(): return [{'a': 1}]")
    builder.add_node("FileWriterNode", "writer", path="one.json")
    builder.add_connection("rows", "result", "writer", "data")
    runtime = AsyncLocalRuntime(folder=tmp_path)
    words = {"path": "two.json"}
    outcome = asyncio.run(again_with(runtime, builder.build(), "writer", words, "before", safe=True))
    assert "a safe preview does not call it" in outcome.reasons["writer"]
    assert not list(tmp_path.glob("*.json"))


def test_other_parameters_at_a_stop_do_not_open_a_capsule(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        asked.append(request.path)
        return 500, {}, b""

    with serving(answer) as server:
        builder = WorkflowBuilder("sealed")
        builder.add_node("HTTPRequestNode", "ask", url=f"{server.url}/one", allow_private=True)
        capsule, _, _ = recorded(builder, tmp_path)
        assert asked == ["/one"]
        workflow, answers = read(capsule.workflow).workflow, capsule.answers_again()
        runtime, words = AsyncLocalRuntime(), {"url": f"{server.url}/two"}
        outcome = asyncio.run(again_with(runtime, workflow, "ask", words, "error", answers=answers))
    assert "has no answer to this question" in describe(outcome.failures["ask"])
    assert asked == ["/one"]


def test_other_parameters_at_a_stop_do_not_bring_faults_back(tmp_path: Path) -> None:
    builder = WorkflowBuilder("rehearsed")
    builder.add_node("PythonCodeNode", "work", code="def work(): return 1")
    scenario = Scenario({"work": Fault("TimeoutError")})
    words = {"code": "def work(): return 2"}
    runtime = AsyncLocalRuntime(folder=tmp_path)
    outcome = asyncio.run(again_with(runtime, builder.build(), "work", words, "error", scenario=scenario))
    assert outcome.results["work"] == {"result": 2}, "the one fault was met before"


# ---------------------------------------------------------------------- nothing is left
def test_a_capsule_leaves_no_dead_letter(tmp_path: Path) -> None:
    builder = WorkflowBuilder("quiet")
    builder.add_node("PythonCodeNode", "fail", code="def fail(): raise ValueError('x')")
    capsule, _, _ = recorded(builder, tmp_path)
    journal = Journal(tmp_path / "journal.db")

    async def work() -> None:
        runtime = AsyncLocalRuntime(journal=journal)
        workflow = read(capsule.workflow).workflow
        outcome, run_id = await runtime.run(workflow, answers=capsule.answers_again())
        assert outcome.state == "failed"
        assert journal.run(run_id).origin == "capsule"
        assert journal.count_dead_letters(state="", text="") == 0

    asyncio.run(work())
    journal.close()


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    builder = WorkflowBuilder("bytes")
    builder.add_node("PythonCodeNode", "fail", code="def fail(): raise ValueError('x')")
    capsule, _, _ = recorded(builder, tmp_path)
    first = (tmp_path / "made.kailash-capsule").read_bytes()
    capsule.write(tmp_path / "again.kailash-capsule")
    assert (tmp_path / "again.kailash-capsule").read_bytes() == first


@pytest.mark.parametrize("broken", [{"looks": [1]}, {"looks": {"a": 1}}, {"breakers": {"a": 1}}, {"faults": {"a": 1}}])
def test_what_no_capsule_holds_is_one_sentence(tmp_path: Path, broken: dict[str, Any]) -> None:
    builder = WorkflowBuilder("broken")
    builder.add_node("PythonCodeNode", "fail", code="def fail(): raise ValueError('x')")
    capsule, _, _ = recorded(builder, tmp_path)
    values = {name: getattr(capsule, name) for name in capsule.__slots__} | broken
    Capsule(**values).write(tmp_path / "broken.kailash-capsule")
    with pytest.raises(DocumentError):
        Capsule.read(tmp_path / "broken.kailash-capsule")


@pytest.mark.parametrize("kind", ["text", "cut"])
def test_a_value_that_is_larger_than_any_that_is_written_is_not_unpacked(kind: str) -> None:
    packer = zlib.compressobj()
    packed = packer.compress(b'"') + b"".join(packer.compress(b"a" * 2**20) for _ in range(65))
    packed += packer.compress(b'"') + packer.flush()
    assert len(packed) < 2**20
    with pytest.raises(ValueError, match="has more than 64 MiB" if kind == "text" else "in the middle of a value"):
        contents.decode(packed if kind == "text" else packed[:1000])
    table = contents.encode(Table.of([{"a": "x" * 1000}] * 100_000))
    assert table is not None
    with pytest.raises(ValueError, match="the table has more than 16 MiB"):
        contents.decode(table, most_table=16 * 2**20)
