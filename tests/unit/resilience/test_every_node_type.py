"""For every node type in the registry: injected failures meet its configured retry, timeout, breaker and fallback."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import CircuitOpenError, NodeTimeoutError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.faults import Fault
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.sub_workflows import PASSING

# a sub-workflow's policies are those of the nodes inside
TYPES = [name for node_type in installed_node_types() if (name := node_type.type_name()) not in PASSING]
PARAMETERS: dict[str, dict[str, Any]] = {
    "AsyncPostgreSQLVectorNode": {"table_name": "vectors"},
    "AsyncSQLDatabaseNode": {"query": "SELECT 1"},
    "CSVReaderNode": {"path": "absent.csv"},
    "FileWriterNode": {"path": "never.json"},
    "HTTPRequestNode": {"url": "http://127.0.0.1:9/"},
    "CastColumnsNode": {"types": {"a": "text"}},
    "ComputeColumnNode": {"expression": "a + 1"},
    "ExcelReaderNode": {"path": "absent.xlsx"},
    "ExcelWriterNode": {"path": "never.xlsx"},
    "JSONReaderNode": {"path": "absent.json"},
    "ParquetReaderNode": {"path": "absent.parquet"},
    "ParquetWriterNode": {"path": "never.parquet"},
    "JoinTablesNode": {"on": ["a"]},
    "PivotTableNode": {"rows_by": ["a"], "columns": "a", "values": "a"},
    "SortRowsNode": {"by": ["a"]},
}
ALWAYS = 1_000_000


def built(type_name: str, **policies: Any) -> WorkflowBuilder:
    """One node of the type, its inputs fed with anything, and a fallback that gives anything."""
    builder = WorkflowBuilder("w")
    builder.add_node(type_name, "node", **PARAMETERS.get(type_name, {}))
    ports = builder.build().ports("node", builder.registry)
    assert ports is not None
    for number, (name, port) in enumerate(ports.inputs.items()):
        if port.required:
            builder.add_node(f"feed{number}", PythonCodeNode.from_function(lambda: [{"a": 1}], name=f"feed{number}"))
            builder.add_connection(f"feed{number}", "result", "node", name)
    if policies.pop("fallback", False):
        builder.add_node("spare", PythonCodeNode.from_function(lambda: "spare", name="spare"))
        builder.add_fallback("node", "spare")
    from dataclasses import replace

    placed = builder.build().nodes["node"]
    builder.build().nodes["node"] = replace(placed, resilience={**placed.resilience, **policies})
    return builder


def run(builder: WorkflowBuilder, fault: Fault, times: int = 1) -> tuple[list[Outcome], list[Event]]:
    events: list[Event] = []

    async def work(clock: VirtualClock) -> list[Outcome]:
        runtime = AsyncLocalRuntime(clock=clock, on_events=events.extend)
        return [(await runtime.run(builder, faults={"node": fault}))[0] for _ in range(times)]

    return run_virtually(work), [event for event in events if event.node == "node"]


@pytest.mark.parametrize("type_name", TYPES)
def test_its_retries_are_made_with_the_configured_waits(type_name: str) -> None:
    builder = built(type_name, retry={"max_retries": 3, "strategy": "fibonacci", "base_delay": 2.0})
    (outcome,), events = run(builder, Fault(times=ALWAYS))
    assert isinstance(outcome.failures["node"], ConnectionError)
    waits = [event.details["wait"] for event in events if event.kind == "attempt_failed"]
    assert waits == [2.0, 2.0, 4.0, None]
    times = [event.time for event in events if event.kind == "attempt_failed"]
    assert [round(b - a, 3) for a, b in pairwise(times)] == [2.0, 2.0, 4.0]
    (letter,) = outcome.letters
    assert letter.node_type == type_name
    assert len(letter.attempts) == 4


@pytest.mark.parametrize("type_name", TYPES)
def test_its_timeout_ends_each_attempt(type_name: str) -> None:
    builder = built(type_name, timeout=5.0, retry={"max_retries": 1, "base_delay": 1.0})
    (outcome,), _ = run(builder, Fault(error="", delay=1e6, times=ALWAYS))
    assert isinstance(outcome.failures["node"], NodeTimeoutError)
    assert outcome.seconds == pytest.approx(11, abs=0.01)


@pytest.mark.parametrize("type_name", TYPES)
def test_its_breaker_opens_and_refuses(type_name: str) -> None:
    builder = built(type_name, circuit_breaker={"failure_threshold": 2, "timeout": 60.0})
    outcomes, events = run(builder, Fault(times=ALWAYS), times=3)
    assert [type(outcome.failures["node"]) for outcome in outcomes] == [
        ConnectionError, ConnectionError, CircuitOpenError,
    ]  # fmt: skip
    assert builder.get_resilience_metrics()["circuit_breakers"] == {"node": "open"}
    assert [event.details["after"] for event in events if event.kind == "breaker_changed"] == ["open"]


@pytest.mark.parametrize("type_name", TYPES)
def test_its_fallback_stands_in(type_name: str) -> None:
    builder = built(type_name, fallback=True, retry={"max_retries": 1, "base_delay": 1.0})
    (outcome,), events = run(builder, Fault(times=ALWAYS))
    assert outcome.state == "succeeded"
    assert outcome.recovered == {"node": "spare"}
    assert set(outcome.results["node"].values()) == {"spare"}
    assert [event.kind for event in events][-2:] == ["fallback_started", "node_recovered"]


@pytest.mark.parametrize("type_name", TYPES)
def test_it_can_be_cancelled_between_attempts(type_name: str) -> None:
    builder = built(type_name, retry={"max_retries": 5, "base_delay": 10.0})

    async def work(clock: VirtualClock) -> Outcome:
        runtime = AsyncLocalRuntime(clock=clock)
        task = asyncio.ensure_future(runtime.run(builder, run_id="r", faults={"node": Fault(times=ALWAYS)}))
        await asyncio.sleep(15)
        runtime.cancel("r")
        return (await task)[0]

    outcome = run_virtually(work)
    assert outcome.state == "cancelled"
    assert outcome.seconds == pytest.approx(15, abs=0.01)
