"""What the engine answers about past runs, and what the journal finds."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from fakes.engine_talk import Ask, Until, talk

from kailash_studio import WorkflowBuilder
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.history_requests import HistoryRequests
from kailash_studio.runtime.host import KEPT_RUNS
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.reading import RunFilter


async def kept(until: Until, run_id: str) -> None:
    await until(lambda m: m.get("update", {}).get("run_id") == run_id and m["update"].get("kept"))


def workflow(price: int = 10, *, fails: bool = False) -> str:
    builder = WorkflowBuilder("nightly")
    builder.add_node(
        "PythonCodeNode", "rows", code=f"def rows(): return [{{'id': i, 'price': {price} * i}} for i in range(3)]"
    )
    code = "def worth(x): raise ValueError('no prices')" if fails else "def worth(x): return len(x)"
    builder.add_node("PythonCodeNode", "worth", code=code)
    builder.add_connection("rows", "result", "worth", "x")
    if fails:
        builder.configure_retry("worth", max_retries=1, base_delay=0.01, retry_on=["Exception"])
    return builder.build().to_json()


def test_a_run_is_found_opened_scrubbed_and_laid_out_over_time(tmp_path: Path) -> None:
    async def conversation(ask: Ask, until: Until) -> None:
        run_id = (await ask("run", workflow=workflow(fails=True), folder=str(tmp_path)))["run_id"]
        await kept(until, run_id)
        found = await ask("runs_found", state="failed", limit=5)
        assert found["total"] == 1
        (row,) = found["runs"]
        assert (row["run_id"], row["workflow"], row["failed"], row["origin"]) == (run_id, "nightly", 1, "desktop")
        assert "no prices" in row["error"]
        assert "given" not in row

        opened = await ask("run_document", run_id=run_id[:20])
        assert opened["run"]["run_id"] == run_id
        assert json.loads(opened["text"])["name"] == "nightly"
        assert opened["why"] == {"worth": opened["why"]["worth"]}
        assert opened["why"]["worth"].startswith("worth failed after 2 attempts: ")

        last = opened["total"] - 1
        end = await ask("run_states", run_id=run_id, at=1_000_000, shown=-1)
        assert (end["at"], end["total"]) == (last, last + 1)
        assert {node: state["state"] for node, state in end["states"].items()} == {
            "rows": "succeeded",
            "worth": "failed",
        }
        assert end["event"]["sentence"].startswith("The run failed after ")
        back = await ask("run_states", run_id=run_id, at=0, shown=last)
        assert back["states"] == {"rows": None, "worth": None}
        assert back["event"]["sentence"] == "The run started: 2 nodes."
        assert (await ask("run_states", run_id=run_id, at=-5, shown=0))["event"] is None
        states = []
        for at in range(last + 1):
            told = await ask("run_states", run_id=run_id, at=at, shown=at - 1)
            states += [(node, state["state"]) for node, state in told["states"].items()]
        assert states == [
            ("rows", "started"), ("rows", "succeeded"), ("worth", "started"), ("worth", "retrying"), ("worth", "failed")
        ]  # fmt: skip

        told = await ask("run_timeline", run_id=run_id)
        assert [(bar[0], bar[3]) for bar in told["bars"]] == [("rows", "succeeded"), ("worth", "failed")]
        assert [span[0] for span in told["bars"][1][5]] == ["attempt", "wait", "attempt"]
        assert 0.0 < told["bars"][1][2] <= told["seconds"]

        unknown = await ask("run_states", run_id="absent", at=0, shown=-1)
        assert unknown["error"]["sentence"].startswith("'absent' names no run")

    talk(conversation)


def test_two_runs_are_compared_down_to_their_cells(tmp_path: Path) -> None:
    async def conversation(ask: Ask, until: Until) -> None:
        runs = []
        for price in (10, 12):
            runs.append((await ask("run", workflow=workflow(price), folder=str(tmp_path)))["run_id"])
            await kept(until, runs[-1])
        told = await ask("run_diff", before=runs[0], after=runs[1])
        assert (told["same"], told["first"], told["general"]) == (False, "rows", [])
        assert [run["run_id"] for run in told["runs"]] == runs
        first, second = told["nodes"]
        assert first[0] == "rows"
        assert first[1]["state"] == first[2]["state"] == "succeeded"
        assert first[1]["rows"] == {"result": 3}
        assert [reason.split(":")[0] for reason in first[3]] == ["parameter code", "result has another value"]
        assert (first[4], second[3], second[4]) == (["result"], [], [])
        assert [change[:3] for change in told["changes"]] == [["rows", "parameter", "code"]]
        cells = await ask("value_diff", before=runs[0], after=runs[1], node="rows", output="result")
        assert cells["cells"] == [["row 2", "price", "10", "12"], ["row 3", "price", "20", "24"]]
        assert (await ask("run_diff", before=runs[0], after=runs[0]))["same"]

    talk(conversation)


def test_values_of_runs_that_the_engine_has_let_go_of_come_from_the_journal(tmp_path: Path) -> None:
    async def conversation(ask: Ask, until: Until) -> None:
        runs = []
        for price in range(KEPT_RUNS + 1):
            runs.append((await ask("run", workflow=workflow(price), folder=str(tmp_path)))["run_id"])
            await kept(until, runs[-1])
        port = {"run_id": runs[0], "node": "rows", "output": "result"}
        page = await ask("page", **port, offset=0, limit=10, sort=[["id", True]])
        assert page["rows"] == [["2", "0"], ["1", "0"], ["0", "0"]]
        assert (await ask("table_profile", **port))["rows"] == 3
        assert (await ask("table_cell", **port, row=1, column="id"))["text"] == "1"
        none = await ask("page", run_id=runs[0], node="rows", output="absent", offset=0, limit=10)
        assert none["error"]["sentence"] == f"rows.absent has no value in run {runs[0]}: run the workflow again."

    talk(conversation)


# ---------------------------------------------------------------------- the journal
@pytest.fixture
def journal(tmp_path: Path) -> Any:
    """Five runs, an hour apart: what failed in them, and in which attempts."""
    made = Journal(tmp_path / "journal.db")
    for number, (name, state, failures) in enumerate(
        (
            ("Nightly load", "succeeded", []),
            ("Nightly load", "failed", [("fetch", "node_failed", "host is down"), ("fetch", "attempt_failed", "slow")]),
            ("Report", "failed", [("draw", "node_failed", "Ünknown font"), ("book", "node_failed", "disk is full")]),
            ("Report", "succeeded", [("fetch", "attempt_failed", "host is down")]),
            ("Report", "running", []),
        )
    ):
        run = f"run{number}"
        made.start_run(run, name, "", 3600.0 * (number + 1))
        told = [
            Event(
                place,
                kind,
                run,
                node,
                0.0,
                0.0,
                -1,
                {"error": error, "attempt": 1, "wait": None, "why": "no", "seconds": 0.0},
            )
            for place, (node, kind, error) in enumerate(failures)
        ]
        done = {"outputs": ["result"], "rows": {}, "seconds": 0.1}
        told.append(Event(90, "node_succeeded", run, f"good{number}", 0.0, 0.0, -1, done))
        if state != "running":
            told.append(Event(99, "run_finished", run, "", 1.0, 1.0, -1, {"state": state, "seconds": 1.0}))
        made.take(run, told, lambda node: {"result": 1}).wait(10)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (RunFilter(), [4, 3, 2, 1, 0]),
        (RunFilter(workflow="LOAD"), [1, 0]),
        (RunFilter(workflow="%"), []),
        (RunFilter(state="failed"), [2, 1]),
        (RunFilter(state="running"), [4]),
        (RunFilter(node="fetch"), [3, 1]),
        (RunFilter(node="fet"), [3, 1]),
        (RunFilter(node="good3"), [3]),
        (RunFilter(node="etch"), []),
        (RunFilter(error="is down"), [3, 1]),
        (RunFilter(error="ünknown"), []),
        (RunFilter(error="Ünknown"), [2]),
        (RunFilter(error="is", node="book"), [2]),
        (RunFilter(error="full", node="draw"), []),
        (RunFilter(error="down", state="failed", workflow="nightly"), [1]),
        (RunFilter(since=7200.0), [4, 3, 2, 1]),
        (RunFilter(since=7200.0, until=14400.0), [2, 1]),
    ],
)
def test_runs_are_found_by_any_of_the_filters(journal: Journal, wanted: RunFilter, numbers: list[int]) -> None:
    found, total = journal.find_runs(wanted)
    assert [one.run.run_id for one in found] == [f"run{number}" for number in numbers]
    assert total == len(numbers)
    some, total = journal.find_runs(wanted, limit=1)
    assert (len(some), total) == (min(1, len(numbers)), len(numbers))


def test_a_list_tells_how_many_nodes_failed_and_the_first_error(journal: Journal) -> None:
    found, _ = journal.find_runs(RunFilter())
    assert [(one.failed, one.error) for one in found] == [
        (0, ""), (0, ""), (2, "Ünknown font"), (1, "host is down"), (0, "")
    ]  # fmt: skip


def test_looking_for_errors_reads_failures_alone(journal: Journal) -> None:
    where, values = RunFilter(error="down", node="f").as_sql()
    plan = journal._read(f"EXPLAIN QUERY PLAN SELECT count(*) FROM runs WHERE {where}", *values)
    assert any("INDEX failures" in row[3] for row in plan)


def test_a_run_that_goes_on_is_read_anew_and_one_that_ended_is_kept(journal: Journal) -> None:
    async def work() -> None:
        requests = HistoryRequests(journal)
        ask = requests.handlers()["run_states"]
        assert (await ask({"run_id": "run4", "at": 99, "shown": -1}))["total"] == 1
        journal.take("run4", [Event(91, "node_started", "run4", "x", 0, 0, -1, {})], lambda node: None).wait(10)
        assert (await ask({"run_id": "run4", "at": 99, "shown": -1}))["total"] == 2
        for number in range(4):
            await ask({"run_id": f"run{number}", "at": 0, "shown": -1})
        assert list(requests._runs) == ["run2", "run3"]
        first = requests.value("run0", "good0", "result")
        assert first == 1
        requests.close()

    asyncio.run(work())


def test_many_threads_that_ask_for_one_value_get_the_same_object(journal: Journal) -> None:
    journal.take(
        "run0",
        [Event(100, "node_succeeded", "run0", "big", 0, 0, -1, {"outputs": ["o"], "rows": {}})],
        lambda node: {"o": [{"n": i} for i in range(5000)]},
    ).wait(10)
    requests = HistoryRequests(journal)
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(requests.value("run0", "big", "o"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(value) for value in got}) == 1
    requests.close()
