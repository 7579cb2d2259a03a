"""The guide's section "Workflow Resilience": what is configured is what the run does."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.failing_service import Service

from kailash_studio.errors import WorkflowExecutionError
from kailash_studio.nodes.api import HTTPRequestNode
from kailash_studio.nodes.base import Node, NodeParameter
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.nodes.data import CSVReaderNode
from kailash_studio.nodes.logic import MergeNode, SwitchNode
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.local import LocalRuntime
from kailash_studio.workflow import RetryStrategy, Workflow
from kailash_studio.workflow.builder import WorkflowBuilder

IMPORTED = (CSVReaderNode, HTTPRequestNode, MergeNode, Node, NodeParameter, SwitchNode, Workflow)  # as the guide does


def resilient(url: str, base_delay: float = 2.0) -> WorkflowBuilder:
    workflow = WorkflowBuilder()
    workflow.add_node("HTTPRequestNode", "fetch_data", {}, url=url, allow_private=True)
    workflow.configure_retry(
        "fetch_data",
        max_retries=3,
        strategy=RetryStrategy.EXPONENTIAL,
        base_delay=base_delay,
        max_delay=30.0,
        retry_on=[ConnectionError, TimeoutError],
    )
    workflow.configure_circuit_breaker("fetch_data", failure_threshold=5, success_threshold=2, timeout=60.0)
    return workflow


def test_retry_policies_and_circuit_breakers_are_kept_in_the_file(service: Service) -> None:
    workflow = resilient(service.url).build()
    assert workflow.nodes["fetch_data"].resilience == {
        "retry": {
            "max_retries": 3,
            "strategy": "exponential",
            "base_delay": 2.0,
            "max_delay": 30.0,
            "retry_on": ["ConnectionError", "TimeoutError"],
        },
        "circuit_breaker": {"failure_threshold": 5, "success_threshold": 2, "timeout": 60.0},
    }


def test_retries_are_made(service: Service) -> None:
    service.failures = 2
    events: list[Event] = []
    workflow = resilient(service.url, base_delay=0.01)
    results, _ = LocalRuntime(on_events=events.extend).execute(workflow)
    assert results["fetch_data"]["data"] == {"price": 42}
    assert service.calls == 3
    waits = [event.details["wait"] for event in events if event.kind == "attempt_failed"]
    assert waits == [0.01, 0.02]
    assert workflow.get_resilience_metrics()["circuit_breakers"] == {"fetch_data": "closed"}


def test_the_circuit_breaker_opens_and_ends_the_retries(service: Service) -> None:
    service.failures = 100
    workflow = resilient(service.url, base_delay=0.001)
    runtime = LocalRuntime()
    with pytest.raises(WorkflowExecutionError, match="cannot be reached"):
        runtime.execute(workflow)
    assert service.calls == 4
    with pytest.raises(WorkflowExecutionError, match="circuit breaker"):
        runtime.execute(workflow)
    assert service.calls == 5, "the fifth failure opens it, and no further call is made"
    assert workflow.get_resilience_metrics()["circuit_breakers"] == {"fetch_data": "open"}
    with pytest.raises(WorkflowExecutionError, match="circuit breaker"):
        runtime.execute(workflow)
    assert service.calls == 5


def test_fallback_nodes_and_graceful_degradation(service: Service) -> None:
    # in place of LLMAgentNode: two services of which neither answers
    service.failures = 100
    workflow = WorkflowBuilder()
    runtime = LocalRuntime()
    workflow.add_node("HTTPRequestNode", "primary_llm", {}, url=service.url, allow_private=True)
    workflow.add_node("HTTPRequestNode", "fallback_llm", {}, url=service.url + "/other", allow_private=True)
    workflow.add_node(
        "minimal_analysis",
        PythonCodeNode.from_function(
            name="minimal_analysis",
            func=lambda data=None: {"result": {"analysis": "Basic analysis", "confidence": 0.5}},
        ),
    )
    workflow.add_fallback("primary_llm", "fallback_llm")
    workflow.add_fallback("fallback_llm", "minimal_analysis")
    workflow.configure_circuit_breaker("primary_llm", failure_threshold=1)
    runtime = LocalRuntime()
    results, _ = runtime.execute(workflow.build())
    assert results["primary_llm"]["result"] == {"analysis": "Basic analysis", "confidence": 0.5}
    assert service.calls == 2
    metrics = workflow.get_resilience_metrics()
    print(f"Circuit breaker state: {metrics['circuit_breakers']}")
    print(f"Dead letter queue size: {metrics['dead_letter_queue_size']}")
    assert metrics["circuit_breakers"] == {"primary_llm": "open"}
    assert metrics["dead_letter_queue_size"] == 0, "what was stood in for is not given up"


def test_dead_letter_queue_and_error_tracking(capsys: pytest.CaptureFixture[str]) -> None:
    def risky(data: Any) -> Any:
        raise ConnectionError("the service is down")

    workflow = WorkflowBuilder("tracked")
    workflow.add_node("risky", PythonCodeNode.from_function(risky))
    workflow.configure_retry("risky", max_retries=2, strategy=RetryStrategy.IMMEDIATE)
    data = [{"id": 1}, {"id": 2}]
    try:
        runtime = LocalRuntime()
        runtime.execute(workflow, parameters={"data": data})
        pytest.fail("the run must fail")
    except Exception:
        dlq = workflow.get_dead_letter_queue()
        for failed in dlq:
            print(f"Failed at {failed['timestamp']}: {failed['error']}")
            print(f"Node: {failed['node']}, Attempts: {failed['attempts']}")
        (entry,) = dlq
        assert {
            "id",
            "timestamp",
            "node",
            "node_type",
            "error",
            "attempts",
            "inputs",
            "run_id",
            "workflow",
        } <= entry.keys()
        assert entry["node"] == "risky"
        assert entry["node_type"] == "PythonCodeNode"
        assert entry["attempts"] == 3
        assert entry["inputs"] == {"data": data}
        assert entry["workflow"] == "tracked"
        workflow.clear_dead_letter_queue()
    assert workflow.build().get_dead_letter_queue() == []
    assert "Node: risky, Attempts: 3" in capsys.readouterr().out
