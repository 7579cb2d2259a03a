"""Running a part again: what is taken over, what is stale, what is asked, pins and the safe preview."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import CircuitOpenError, DocumentError, EngineError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.debugger import Breakpoint, Debugger, Decision
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.pins import Pins
from kailash_studio.runtime.rerun import plan_rerun, stale_nodes
from kailash_studio.runtime.rerun_requests import RerunRequests
from kailash_studio.runtime.run_history import ends
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.tables.table import Table
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow

DOUBLE = "def double(x): return x * 2"


def chain(start: str = "return 21", middle: str = DOUBLE, **parameters: Any) -> Workflow:
    """start > middle > end, and other beside them."""
    builder = WorkflowBuilder("chain")
    builder.add_node("PythonCodeNode", "start", code=f"def start(): {start}")
    builder.add_node("PythonCodeNode", "middle", code=middle, **parameters)
    builder.add_node("PythonCodeNode", "end", code="def end(y): return [y]")
    builder.add_node("PythonCodeNode", "other", code="def other(): return 1")
    builder.add_connection("start", "result", "middle", "x")
    builder.add_connection("middle", "result", "end", "y")
    return builder.build()


def again(before: Workflow, now: Workflow, finished: set[str], mode: Any, *nodes: str) -> Any:
    registry = installed_node_types()
    return plan_rerun(before, now, registry, finished=finished, called=finished, mode=mode, nodes=nodes)


def test_what_changed_is_stale_with_its_reason_and_all_below_it() -> None:
    assert stale_nodes(chain(), chain()) == {}
    assert stale_nodes(chain(), chain(middle="def double(x): return x * 3")) == {
        "middle": "code has changed",
        "end": "middle, which feeds it, has changed",
    }
    changed = chain()
    changed.connections = {key: c for key, c in changed.connections.items() if c.target != "end"}
    assert stale_nodes(chain(), changed) == {"end": "its input y is connected otherwise"}
    moved = chain()
    moved.positions = {"start": (500.0, 3.0)}
    assert stale_nodes(chain(), moved) == {}


def test_a_parameter_of_the_workflow_makes_stale_what_refers_to_it() -> None:
    def with_limit(limit: int) -> Workflow:
        workflow = chain()
        workflow.parameters = {"limit": {"type": "integer", "default": limit}}
        node = workflow.nodes["middle"]
        parameters = {**node.parameters, "memory_limit": {"$parameter": "limit"}}
        workflow.nodes["middle"] = type(node)(node.type, parameters=parameters)
        return workflow

    stale = stale_nodes(with_limit(100), with_limit(200))
    assert stale["middle"] == "the workflow's parameter limit has changed"
    assert stale_nodes(with_limit(100), with_limit(100)) == {}


def test_from_the_failure_all_that_counts_is_taken_over() -> None:
    plan = again(chain(), chain(), {"start", "other"}, "failed")
    assert plan.known == {"start", "other"}
    assert plan.calls == {"middle", "end"}
    edited = again(chain(), chain("return 5"), {"start", "other"}, "failed")
    assert edited.known == {"other"}
    assert edited.stale == {"start": "code has changed"}


def test_from_a_node_calls_it_what_it_feeds_and_what_is_lacking_above() -> None:
    everything = {"start", "middle", "end", "other"}
    assert again(chain(), chain(), everything, "from", "middle").calls == {"middle", "end"}
    stale = again(chain(), chain("return 5"), everything, "from", "end")
    assert stale.calls == {"start", "middle", "end"}
    assert stale.known == {"other"}
    lacking = again(chain(), chain(), {"start", "other"}, "from", "end")
    assert lacking.calls == {"middle", "end"}


def test_only_a_node_needs_what_feeds_it() -> None:
    plan = again(chain(), chain(), {"start", "middle", "end"}, "only", "middle")
    assert plan.calls == {"middle"}
    assert plan.known == {"start", "end"}
    with pytest.raises(EngineError, match=r"end cannot run alone: middle, which feeds it, has no result yet"):
        again(chain(), chain(), {"start"}, "only", "end")
    with pytest.raises(EngineError, match="no node gone"):
        again(chain(), chain(), {"start"}, "from", "gone")


def test_only_calls_that_count_each_time_are_asked_about() -> None:
    builder = WorkflowBuilder("effects")
    for method in ("GET", "POST", "PUT"):
        builder.add_node("HTTPRequestNode", method.lower(), url="https://example.org/x", method=method)
    builder.add_node("HTTPRequestNode", "keyed", url="https://example.org/x", method="POST", idempotency_key=True)
    builder.add_node("AsyncSQLDatabaseNode", "select", query="SELECT 'insert' AS a /* delete */ FOR UPDATE")
    builder.add_node("AsyncSQLDatabaseNode", "insert", query="WITH a AS (INSERT INTO t VALUES (1) RETURNING 1) TABLE a")
    builder.add_node("FileWriterNode", "writer", path="a.json")
    workflow = builder.build()
    plan = again(workflow, workflow, set(workflow.nodes), "from", *workflow.nodes)
    assert plan.asks == {"post": "calls example.org", "insert": "runs SQL on the embedded database"}
    never = plan_rerun(
        workflow, workflow, installed_node_types(), finished=(), called=(), mode="from", nodes=workflow.nodes
    )
    assert never.asks == {}, "what was not called before is no repetition"


def test_a_fallback_may_be_called_with_the_node_that_it_covers() -> None:
    builder = WorkflowBuilder("covered")
    builder.add_node("PythonCodeNode", "start", code="def start(): return 1")
    builder.add_node("PythonCodeNode", "spare", code="def spare(): return 2")
    builder.add_fallback("start", "spare")
    workflow = builder.build()
    plan = again(workflow, workflow, {"start", "spare"}, "from", "start")
    assert plan.calls == {"start", "spare"}
    assert not plan.known


def run(workflow: Workflow, **words: Any) -> Any:
    return asyncio.run(AsyncLocalRuntime().run(workflow, **words))[0]


def test_a_recovered_node_and_its_fallback_can_both_be_taken_over() -> None:
    builder = WorkflowBuilder("covered")
    builder.add_node("PythonCodeNode", "start", code="def start(): return 1")
    builder.add_node("PythonCodeNode", "spare", code="def spare(): return 2")
    builder.add_node("PythonCodeNode", "end", code="def end(x): return x + 1")
    builder.add_fallback("start", "spare")
    builder.add_connection("start", "result", "end", "x")
    outcome = run(builder.build(), known={"start": {"result": 2}, "spare": {"result": 2}})
    assert outcome.state == "succeeded"
    assert outcome.results["end"] == {"result": 3}


def test_a_safe_preview_calls_nothing_that_changes_something(tmp_path: Path) -> None:
    builder = WorkflowBuilder("careful")
    builder.add_node("PythonCodeNode", "rows", code="def rows(): return [{'a': 1}, {'a': 2}]")
    builder.add_node("FileWriterNode", "writer", path="out.json")
    builder.add_node("PythonCodeNode", "after", code="def after(file): return file")
    builder.add_connection("rows", "result", "writer", "data")
    builder.add_connection("writer", "file", "after", "file")
    builder.configure_retry("writer", max_retries=3)
    outcome = run(builder.build(), folder=tmp_path, safe=True)
    assert outcome.state == "succeeded"
    assert outcome.results.keys() == {"rows"}
    assert outcome.reasons["writer"] == (
        "a safe preview does not call it; it writes the file out.json, here with data (2 rows)"
    )
    assert outcome.reasons["after"].startswith("writer was skipped")
    assert not (tmp_path / "out.json").exists()
    run(builder.build(), folder=tmp_path)
    assert (tmp_path / "out.json").exists()


def test_a_safe_preview_leaves_no_letters_and_opens_no_breaker(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]  # nobody listens there any more
    builder = WorkflowBuilder("down")
    builder.add_node("HTTPRequestNode", "ask", url=f"http://127.0.0.1:{port}/", allow_private=True)
    builder.add_node("FileWriterNode", "writer", path="out.json")
    builder.add_connection("ask", "data", "writer", "data")
    workflow = builder.build()
    policies = {"circuit_breaker": {"failure_threshold": 2}, "rate_limit": {"calls": 3, "period": 3600.0}}
    workflow.nodes["ask"] = replace(workflow.nodes["ask"], resilience=policies)

    async def work() -> None:
        with closing(Journal(tmp_path / "journal.db")) as journal:
            runtime = AsyncLocalRuntime(journal=journal, folder=tmp_path)
            async with asyncio.timeout(60):  # a limit that previews had used up would hold the real run for an hour
                for _ in range(3):
                    outcome, _ = await runtime.run(workflow, safe=True, origin="preview")
                    assert outcome.state == "failed"
                assert journal.dead_letters() == []
                assert workflow.get_dead_letter_queue() == []
                assert journal.breakers() == {}
                outcome, _ = await runtime.run(workflow)
            assert not isinstance(outcome.failures["ask"], CircuitOpenError)
            assert [letter.node for letter in journal.dead_letters()] == ["ask"]
            (kept,) = journal.breakers().values()
            assert (kept.state, kept.failures) == ("closed", 1)

    asyncio.run(work())


# ---------------------------------------------------------------------- pins
def test_pins_live_beside_the_file_and_come_back_as_they_were(tmp_path: Path) -> None:
    pins = Pins(tmp_path / "orders.kailash.json")
    assert pins.path == tmp_path / "orders.kailash.pins"
    assert pins.names() == []
    table = Table.of([{"a": 1, "b": "x"}, {"a": 2, "b": None}])
    pins.pin("fetch", {"data": table, "row_count": 2}, Redactor())
    pins.pin("other", {"result": [1.5]}, Redactor())
    assert pins.names() == ["fetch", "other"]
    found = pins.outputs()
    assert list(found["fetch"]["data"]) == list(table)
    assert found["other"] == {"result": [1.5]}
    pins.rename({"other": "another"})
    assert pins.names() == ["another", "fetch"]
    pins.unpin("fetch", "another")
    assert not pins.path.exists()


def test_a_secret_is_never_pinned(tmp_path: Path) -> None:
    pins, redactor = Pins(tmp_path / "a.kailash.json"), Redactor()
    redactor.hide("a secret", "correct-horse-battery")
    with pytest.raises(EngineError, match="holds a secret"):
        pins.pin("fetch", {"result": {"header": "Bearer correct-horse-battery"}}, redactor)
    assert not pins.path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": "kailash-studio/pins", "version": 2, "nodes": {}}',
        '{"format": "kailash-studio/pins", "version": 1, "nodes": {"a": 1}}',
        '{"format": "kailash-studio/pins", "version": 1, "nodes": {"a": {"b": "no base64!"}}}',
        '{"format": "kailash-studio/pins", "version": 1, "nodes": {"a": {"b": "AAAA"}}}',
        "[" * 100_000,
    ],
)
def test_broken_pins_are_one_sentence(tmp_path: Path, text: str) -> None:
    pins = Pins(tmp_path / "a.kailash.json")
    pins.path.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError, match=r"pins in a\.kailash\.pins cannot be read"):
        pins.outputs()


def test_a_pinned_node_is_not_called_and_the_run_says_so() -> None:
    told: list[Any] = []
    workflow = chain("raise ValueError('called')")
    outcome = run(workflow, pins={"start": {"result": 4}}, sink=told.extend)
    assert outcome.state == "succeeded"
    assert outcome.results["end"] == {"result": [8]}
    (mark,) = [e for e in told if e.node == "start"]
    assert mark.kind == "node_succeeded"
    assert mark.details["pinned"] is True


# ---------------------------------------------------------------------- over the engine
def requests_of(journal: Journal, runtime: AsyncLocalRuntime) -> RerunRequests:
    return RerunRequests(journal, runtime, lambda run_id: None, lambda run_id: Redactor())


def test_a_failed_run_is_mended_and_gone_on_with(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    start = f"open({str(marks)!r}, 'a').write('x'); return 21"
    journal = Journal(tmp_path / "journal.db")

    def unsafe(workflow: Workflow) -> Workflow:
        node = workflow.nodes["start"]
        workflow.nodes["start"] = type(node)(node.type, parameters={**node.parameters, "sandbox": "full"})
        return workflow

    broken, mended = unsafe(chain(start, "def double(x): return x / 0")), unsafe(chain(start))

    async def work() -> None:
        async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
            outcome, run_id = await runtime.run(broken)
            assert outcome.state == "failed"
            asked = {"workflow": mended.to_json(), "again": {"run_id": run_id, "mode": "failed"}}
            requests = requests_of(journal, runtime)
            told = await requests.handlers()["rerun"](asked)
            assert told == {"calls": ["end", "middle"], "known": ["other", "start"], "stale": {}, "asks": {}}
            changed = await requests.handlers()["stale"]({"workflow": mended.to_json(), "run_id": run_id})
            assert changed["stale"]["middle"] == "code has changed"
            taken = await asyncio.to_thread(requests.taken, asked, read(asked["workflow"]).workflow)
            outcome, again_id = await runtime.run(mended, known=taken.known, only=taken.only, before=taken.before)
            assert outcome.state == "succeeded"
            assert outcome.results["end"] == {"result": [42]}
            assert marks.read_text() == "x", "what had finished was not called again"
            assert journal.run(again_id).root == run_id
            asked = {"workflow": mended.to_json(), "again": {"run_id": again_id, "mode": "from", "nodes": ["start"]}}
            told = await requests.handlers()["rerun"](asked)
            assert told["asks"] == {"start": "runs Python code with full access"}

    asyncio.run(work())
    journal.close()


def test_a_result_is_compared_with_the_parameters_that_were_given_by_hand(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    triple = "def triple(x): return x * 3"

    async def work() -> None:
        async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
            debugger = Debugger([Breakpoint("middle")])
            running = asyncio.create_task(runtime.run(chain(), debugger=debugger))
            async with asyncio.timeout(60):
                while not debugger.stops:
                    await asyncio.sleep(0.01)
            debugger.go_on(1, Decision(parameters={"code": triple}))
            outcome, run_id = await running
            assert outcome.results["end"] == {"result": [63]}
            handlers = requests_of(journal, runtime).handlers()
            kept, old = chain(middle=triple).to_json(), chain().to_json()
            assert (await handlers["stale"]({"workflow": kept, "run_id": run_id}))["stale"] == {}
            again = {"run_id": run_id, "mode": "failed"}
            assert (await handlers["rerun"]({"workflow": kept, "again": again}))["calls"] == []
            told = await handlers["rerun"]({"workflow": old, "again": again})
            assert (told["calls"], told["stale"]["middle"]) == (["end", "middle"], "code has changed")
            assert ends(journal.events(run_id))["middle"].edited == ["parameters: code"]

    asyncio.run(work())
    journal.close()


def test_a_default_that_is_written_down_changes_nothing() -> None:
    registry = installed_node_types()
    default = registry.get("PythonCodeNode").declarations["memory_limit"].default
    assert stale_nodes(chain(), chain(memory_limit=default), registry=registry) == {}
    assert "middle" in stale_nodes(chain(), chain(memory_limit=default + 1), registry=registry)


def test_finished_work_below_a_branch_that_was_not_taken_is_not_repeated(tmp_path: Path) -> None:
    """Neither when a part is run again, nor when that run is gone on with."""
    marks = tmp_path / "marks"
    journal = Journal(tmp_path / "journal.db")

    def flow(last: str) -> Workflow:
        builder = WorkflowBuilder("branch")
        builder.add_node("PythonCodeNode", "start", code="def start(): return 5")
        builder.add_node("SwitchNode", "large", operator=">", value=4)
        for name in ("yes", "no"):
            builder.add_node("PythonCodeNode", name, code=f"def {name}(x): return x")
        builder.add_node("MergeNode", "merge", mode="first")
        writes = f"def writer(x):\n    open({str(marks)!r}, 'a').write('x')\n    return x"
        builder.add_node("PythonCodeNode", "writer", code=writes, sandbox="full")
        builder.add_node("PythonCodeNode", "last", code=last)
        builder.add_connection("start", "result", "large", "data")
        builder.add_connection("large", "true_output", "yes", "x")
        builder.add_connection("large", "false_output", "no", "x")
        for name in ("yes", "no"):
            builder.add_connection(name, "result", "merge", "data")
        builder.add_connection("merge", "merged", "writer", "x")
        builder.add_connection("writer", "result", "last", "x")
        return builder.build()

    mended = flow("def last(x): return x")

    async def work() -> None:
        async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
            requests = requests_of(journal, runtime)

            async def again(run_id: str, workflow: Workflow, mode: str, *nodes: str) -> tuple[Any, str]:
                asked = {"again": {"run_id": run_id, "mode": mode, "nodes": nodes}}
                taken = await asyncio.to_thread(requests.taken, asked, workflow)
                return await runtime.run(workflow, known=taken.known, only=taken.only, before=taken.before)

            outcome, run_id = await runtime.run(flow("def last(x): return x / 0"))
            assert outcome.reasons["no"] == "large did not take the branch false_output"
            outcome, run_id = await again(run_id, flow("def last(x): return x % 0"), "failed")
            assert outcome.state == "failed"
            outcome, run_id = await again(run_id, mended, "failed")
            assert outcome.results["last"] == {"result": 5}
            outcome, _ = await again(run_id, mended, "only", "merge")
            assert outcome.results["merge"] == {"merged": 5}

    asyncio.run(work())
    journal.close()
    assert marks.read_text() == "x"


def test_pins_are_asked_for_over_the_engine(tmp_path: Path) -> None:
    journal, file = Journal(tmp_path / "journal.db"), str(tmp_path / "w.kailash.json")

    async def work() -> None:
        async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
            _, run_id = await runtime.run(chain())
            requests = requests_of(journal, runtime)
            do = requests.handlers()
            assert await do["pin"]({"file": file, "run_id": run_id, "node": "middle"}) == {"nodes": ["middle"]}
            taken = await asyncio.to_thread(requests.taken, {"file": file}, chain())
            assert taken.pins == {"middle": {"result": 42}}
            with pytest.raises(EngineError, match="has no result to pin"):
                await do["pin"]({"file": file, "run_id": run_id, "node": "nobody"})
            assert await do["rename_pin"]({"file": file, "names": {"middle": "end"}}) == {"nodes": ["end"]}
            other = chain()
            node = other.nodes["end"]
            other.nodes["end"] = type(node)(node.type, parameters={**node.parameters, "output_names": ["else"]})
            with pytest.raises(EngineError, match=r"The pin of end is of another node: it has no output result now"):
                requests.taken({"file": file}, other)
            assert await do["unpin"]({"file": file, "nodes": ["end"]}) == {"nodes": []}

    asyncio.run(work())
    journal.close()
    assert "pins" not in json.dumps(json.loads(chain().to_json()))
