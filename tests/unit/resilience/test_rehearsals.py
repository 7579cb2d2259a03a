"""Faults of test runs: what they do, that they leave nothing behind, and files of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DocumentError, ParameterError, describe
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.faults import Fault, Scenario
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.outcome import Outcome


def one() -> int:
    return 1


def single(**retry: Any) -> WorkflowBuilder:
    builder = WorkflowBuilder("rehearsed")
    builder.add_node("work", PythonCodeNode.from_function(one, name="work"))
    if retry:
        builder.configure_retry("work", jitter="none", **retry)
    return builder


def rehearsed(builder: WorkflowBuilder, scenario: Scenario, events: list[Event] | None = None) -> Outcome:
    async def work(clock: VirtualClock) -> Outcome:
        runtime = AsyncLocalRuntime(clock=clock)
        sink = events.extend if events is not None else None
        return (await runtime.run(builder, scenario=scenario, sink=sink))[0]

    return run_virtually(work)


def test_the_next_calls_fail_and_retries_are_really_made() -> None:
    told: list[Event] = []
    scenario = Scenario({"work": Fault("TimeoutError", times=2, text="too slow")})
    outcome = rehearsed(single(max_retries=3, base_delay=1.0, strategy="linear"), scenario, told)
    assert outcome.state == "succeeded"
    failed = [event for event in told if event.kind == "attempt_failed"]
    assert [event.details["error"] for event in failed] == ["TimeoutError: too slow"] * 2
    assert outcome.seconds == pytest.approx(1.0 + 2.0)
    assert told[0].details["test"] is True, "the run says that it is a test"


def test_latency_is_waited_for_in_the_nodes_own_time() -> None:
    outcome = rehearsed(single(), Scenario({"work": Fault("", delay=90.0, times=0)}))
    assert (outcome.state, outcome.seconds) == ("succeeded", pytest.approx(90.0))


def test_a_percentage_fails_as_the_seed_says() -> None:
    def states(seed: int) -> list[str]:
        scenario = Scenario({"work": Fault(percent=30, times=0)}, seed)
        return [rehearsed(single(), Scenario(scenario.faults, seed * 1000 + n)).state for n in range(200)]

    failed = states(1).count("failed")
    assert 40 <= failed <= 80, "30 % of 200, five standard deviations to each side"
    assert states(2) == states(2)


def test_a_breaker_is_forced_for_the_run_and_not_for_the_next(tmp_path: Path) -> None:
    builder = single()
    builder.configure_circuit_breaker("work", failure_threshold=3)
    with pytest.raises(ParameterError, match="There is no node nobody to put a fault in"):
        rehearsed(builder, Scenario({"nobody": Fault()}))
    with pytest.raises(ParameterError, match="work has no circuit breaker to force"):
        rehearsed(single(), Scenario({"work": Fault("", breaker="open")}))
    journal = Journal(tmp_path / "journal.db")

    async def work() -> None:
        async with AsyncLocalRuntime(journal=journal) as runtime:
            refused, _ = await runtime.run(builder, scenario=Scenario({"work": Fault("", breaker="open")}))
            assert refused.state == "failed"
            assert "forced open by the test" in describe(refused.failures["work"])
            for _ in range(5):  # more failures than the breaker bears
                await runtime.run(builder, scenario=Scenario({"work": Fault(times=0)}))
            assert journal.breakers() == {}, "nothing of a test is left to real runs"
            assert journal.count_dead_letters(state="", text="") == 0
            assert (await runtime.run(builder))[0].state == "succeeded"
            assert [run.origin for run in journal.runs()] == ["api", *["test"] * 6]

    asyncio.run(work())
    journal.close()


def test_exhausted_pools_are_waited_for_until_the_acquire_timeout(
    database_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(database_home))
    builder = WorkflowBuilder("pooled")
    builder.add_node(
        "WorkflowConnectionPool", "pool", pool_name="p", min_connections=0, max_connections=3, acquire_timeout=0.3
    )
    builder.add_node("AsyncSQLDatabaseNode", "query", connection="pool", query="SELECT 1 AS one")
    builder.add_connection("pool", "pool", "query", "pool")

    async def work() -> tuple[Outcome, Outcome]:
        async with AsyncLocalRuntime() as runtime:
            faulty = await runtime.run(builder, scenario=Scenario({"query": Fault("", exhaust_pool=True)}))
            real = await runtime.run(builder)
            return faulty[0], real[0]

    faulty, real = asyncio.run(work())
    assert faulty.state == "failed"
    assert "a fault that was put in" in describe(faulty.failures["query"]), "the pool's own error names the holders"
    assert real.state == "succeeded"


# ---------------------------------------------------------------------- files
def test_a_scenario_is_written_and_read_as_it_was(tmp_path: Path) -> None:
    scenario = Scenario({"a": Fault("OSError", 1.5, 0, 20.0), "b": Fault("", exhaust_pool=True, breaker="open")}, 7)
    file = tmp_path / "w.kailash.faults"
    file.write_text(json.dumps(scenario.to_plain()), encoding="utf-8")
    assert Scenario.read(file) == scenario
    assert scenario.to_plain()["nodes"]["b"] == {"error": "", "exhaust_pool": True, "breaker": "open"}
    assert scenario.faults["a"].sentence() == "each call will wait 1.5 s, fail with OSError at 20 %"


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {},
        {"format": "kailash-studio/faults", "version": 2, "nodes": {}},
        {"format": "kailash-studio/faults", "version": 1, "nodes": []},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {}, "seed": "x"},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {"a": 1}},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {"a": {"what": 1}}},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {"a": {"times": "2"}}},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {"a": {"times": True}}},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {"a": {"times": -1}}},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {"a": {"percent": 101}}},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {"a": {"error": "SystemExit"}}},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {"a": {"error": "print"}}},
        {"format": "kailash-studio/faults", "version": 1, "nodes": {"a": {"breaker": "ajar"}}},
    ],
)
def test_what_is_no_scenario_is_one_sentence(given: Any) -> None:
    with pytest.raises(DocumentError) as raised:
        Scenario.from_plain(given)
    assert str(raised.value).count(". ") == 0


def test_a_test_run_from_the_command_line(tmp_path: Path) -> None:
    builder = WorkflowBuilder("rehearsed")
    builder.add_node("PythonCodeNode", "work", code="def f(): return 1")
    builder.build().save(tmp_path / "w.kailash.json")
    scenario = Scenario({"work": Fault("TimeoutError")})
    (tmp_path / "w.kailash.faults").write_text(json.dumps(scenario.to_plain()), encoding="utf-8")
    words = ["run", "w.kailash.json", "--faults", "w.kailash.faults", "--trust"]
    variables = os.environ | {"KAILASH_STUDIO_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "kailash_studio", *words],
        cwd=tmp_path, env=variables, capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "This is a test run: the faults of w.kailash.faults are put in." in done.stderr
    assert "TimeoutError: a fault was put in on purpose" in done.stderr
