"""Policies around a node, under virtual time: what is configured is what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import Node, WorkflowBuilder
from kailash_studio.errors import CircuitOpenError, HttpError, NodeTimeoutError, ParameterError, describe
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.faults import Fault
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome


class Service:
    """Something to call that does what it is told, call by call; the last entry holds for all further calls."""

    def __init__(self, *script: Any) -> None:
        self.script = script
        self.calls: list[float] = []
        self.running = self.most_running = 0

    def node(self, name: str = "call") -> Node:
        service = self

        async def call(x: int = 1) -> int:
            loop = asyncio.get_running_loop()
            step = service.script[min(len(service.calls), len(service.script) - 1)]
            service.calls.append(loop.time())
            service.running += 1
            service.most_running = max(service.most_running, service.running)
            try:
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                elif isinstance(step, BaseException):
                    raise step
            finally:
                service.running -= 1
            return x

        return PythonCodeNode.from_function(call, name=name)


def run(builder: WorkflowBuilder, *, times: int = 1, **options: Any) -> tuple[list[Outcome], list[Event]]:
    events: list[Event] = []

    async def work(clock: VirtualClock) -> list[Outcome]:
        runtime = AsyncLocalRuntime(clock=clock, on_events=events.extend)
        return [(await runtime.run(builder, **options))[0] for _ in range(times)]

    return run_virtually(work), events


def guarded(service: Service, configure: Callable[[WorkflowBuilder], None]) -> WorkflowBuilder:
    builder = WorkflowBuilder("w")
    builder.add_node("call", service.node())
    configure(builder)
    return builder


def gaps(service: Service) -> list[float]:
    return [round(after - before, 6) for before, after in zip(service.calls, service.calls[1:], strict=False)]


DOWN = ConnectionError("down")


def test_retries_come_after_the_configured_waits() -> None:
    service = Service(DOWN, DOWN, DOWN, 0)
    (outcome,), events = run(guarded(service, lambda b: b.configure_retry("call", max_retries=5, base_delay=2.0)))
    assert outcome.state == "succeeded"
    assert gaps(service) == [2, 4, 8]
    failed = [event.details for event in events if event.kind == "attempt_failed"]
    assert [(told["attempt"], told["wait"]) for told in failed] == [(1, 2.0), (2, 4.0), (3, 8.0)]
    assert [event.details for event in events if event.kind == "attempt_succeeded"] == [{"attempt": 4}]


def test_the_last_error_is_raised_when_all_retries_are_used_up() -> None:
    service = Service(ValueError("one"), ValueError("two"), ValueError("three"))
    (outcome,), events = run(guarded(service, lambda b: b.configure_retry("call", max_retries=2, base_delay=1)))
    assert str(outcome.failures["call"]) == "three"
    assert len(service.calls) == 3
    (letter,) = outcome.letters
    assert [attempt.error for attempt in letter.attempts] == ["ValueError: one", "ValueError: two", "ValueError: three"]
    assert [attempt.wait for attempt in letter.attempts] == [1.0, 2.0, None]
    assert events[-2].details["error"] == "ValueError: three"


def test_what_stands_below_says_after_how_many_attempts() -> None:
    service = Service(DOWN)
    builder = guarded(service, lambda b: b.configure_retry("call", max_retries=3, base_delay=1))
    builder.add_node("below", PythonCodeNode.from_function(lambda x: x, name="below"))
    builder.add_connection("call", "result", "below", "x")
    (outcome,), _ = run(builder)
    assert outcome.reasons == {"below": "call failed after 4 attempts"}


@pytest.mark.parametrize(
    ("error", "retry_on", "calls"),
    [
        (DOWN, [], 3),
        (DOWN, [ConnectionError], 3),
        (ConnectionResetError("reset"), [ConnectionError], 3),
        (DOWN, [TimeoutError], 1),
        (ParameterError("wrong"), [], 1),
        (ParameterError("wrong"), ["ParameterError"], 3),
        (HttpError("gone", status=410), [], 1),
        (HttpError("busy", status=503), [], 3),
    ],
)
def test_retry_on_narrows_and_permanent_errors_are_not_tried_again(
    error: Exception, retry_on: list[Any], calls: int
) -> None:
    service = Service(error)
    run(guarded(service, lambda b: b.configure_retry("call", max_retries=2, base_delay=1, retry_on=retry_on)))
    assert len(service.calls) == calls


def test_retry_after_is_honoured() -> None:
    service = Service(
        HttpError("busy", status=503, retry_after=17.0), HttpError("busy", status=503, retry_after=0.5), 0
    )
    run(guarded(service, lambda b: b.configure_retry("call", base_delay=2.0)))
    assert gaps(service) == [17, 4], "the longer of the two waits"


def test_each_attempt_has_the_timeout_and_is_tried_again() -> None:
    service = Service(100, 100, 1)

    def configure(builder: WorkflowBuilder) -> None:
        builder.configure_retry("call", max_retries=2, base_delay=1)
        builder.configure_timeout("call", 5.0)

    (outcome,), _ = run(guarded(service, configure))
    assert outcome.state == "succeeded"
    assert gaps(service) == [6, 7]
    assert outcome.seconds == pytest.approx(14)


@pytest.mark.parametrize(
    ("total", "calls", "seconds"), [(0.5, 1, 0.5), (5.5, 1, 5.0), (12.0, 2, 11.0), (12.5, 2, 11.0), (13.5, 3, 13.5)]
)
def test_the_total_timeout_cuts_attempts_and_waits_short(total: float, calls: int, seconds: float) -> None:
    service = Service(100)

    def configure(builder: WorkflowBuilder) -> None:
        builder.configure_retry("call", max_retries=9, base_delay=1)
        builder.configure_timeout("call", 5.0, total=total)

    (outcome,), _ = run(guarded(service, configure))
    assert isinstance(outcome.failures["call"], NodeTimeoutError)
    assert len(service.calls) == calls
    assert outcome.seconds == pytest.approx(seconds, abs=0.01)


def test_the_breaker_opens_refuses_probes_and_closes_over_several_runs() -> None:
    service = Service(DOWN, DOWN, DOWN, 0)
    builder = guarded(
        service, lambda b: b.configure_circuit_breaker("call", failure_threshold=3, success_threshold=2, timeout=60)
    )

    async def work(clock: VirtualClock) -> list[str]:
        runtime = AsyncLocalRuntime(clock=clock)
        seen = []
        for pause in (0, 0, 0, 0, 59, 2, 0, 0):
            await asyncio.sleep(pause)
            outcome, _ = await runtime.run(builder)
            seen.append(type(outcome.failures.get("call")).__name__)
            seen.append(builder.get_resilience_metrics()["circuit_breakers"]["call"])
        return seen

    assert run_virtually(work) == [
        "ConnectionError", "closed", "ConnectionError", "closed", "ConnectionError", "open",
        "CircuitOpenError", "open", "CircuitOpenError", "open",
        "NoneType", "half_open", "NoneType", "closed", "NoneType", "closed",
    ]  # fmt: skip
    assert len(service.calls) == 6


def test_an_open_breaker_ends_the_retries_at_once_and_the_fallback_takes_over() -> None:
    service, spare = Service(DOWN), Service(0)

    def configure(builder: WorkflowBuilder) -> None:
        builder.add_node("spare", spare.node("spare"))
        builder.configure_retry("call", max_retries=9, base_delay=1, strategy="immediate")
        builder.configure_circuit_breaker("call", failure_threshold=2)
        builder.add_fallback("call", "spare")

    (outcome,), events = run(guarded(service, configure))
    assert len(service.calls) == 2
    assert len(spare.calls) == 1
    assert outcome.state == "succeeded"
    assert outcome.recovered == {"call": "spare"}
    assert outcome.results["call"] == {"result": 1}
    assert [e.kind for e in events if e.node == "call"] == [
        "node_started", "attempt_failed", "breaker_changed", "attempt_failed", "call_refused", "fallback_started",
        "node_recovered",
    ]  # fmt: skip


def test_permanent_errors_do_not_open_the_breaker() -> None:
    service = Service(ParameterError("mine"))
    outcomes, _ = run(guarded(service, lambda b: b.configure_circuit_breaker("call", failure_threshold=1)), times=3)
    assert len(service.calls) == 3
    assert all(isinstance(outcome.failures["call"], ParameterError) for outcome in outcomes)


def test_nodes_with_one_key_share_a_breaker() -> None:
    first, second = Service(DOWN), Service(0)
    builder = WorkflowBuilder("w")
    builder.add_node("first", first.node("first"))
    builder.add_node("second", second.node("second"))
    for node in ("first", "second"):
        builder.configure_circuit_breaker(node, failure_threshold=1, key="database")
    (outcome,), _ = run(builder)
    assert isinstance(outcome.failures["second"], CircuitOpenError)
    assert not second.calls
    assert builder.get_resilience_metrics()["circuit_breakers"] == {"first": "open", "second": "open"}


def test_no_more_than_max_concurrent_over_all_runs() -> None:
    service = Service(1)
    builder = guarded(service, lambda b: None)
    builder.build().nodes["call"] = _with(builder, "call", max_concurrent=3)

    async def work(clock: VirtualClock) -> float:
        runtime = AsyncLocalRuntime(clock=clock)
        began = clock.now()
        await asyncio.gather(*(runtime.run(builder) for _ in range(10)))
        return clock.now() - began

    assert run_virtually(work) == pytest.approx(4, abs=0.01)
    assert service.most_running == 3


def _with(builder: WorkflowBuilder, node: str, **policies: Any) -> Any:
    from dataclasses import replace

    return replace(builder.build().nodes[node], resilience=policies)


def test_a_rate_limit_spreads_the_calls() -> None:
    service = Service(0)
    builder = guarded(service, lambda b: None)
    builder.build().nodes["call"] = _with(builder, "call", rate_limit={"calls": 2, "period": 10.0})

    async def work(clock: VirtualClock) -> None:
        runtime = AsyncLocalRuntime(clock=clock)
        await asyncio.gather(*(runtime.run(builder) for _ in range(6)))

    run_virtually(work)
    start = service.calls[0]
    assert [round(call - start, 3) for call in service.calls] == [0, 0, 10, 10, 20, 20]


def test_an_open_breaker_refuses_at_once_and_takes_nothing_of_the_rate_limit() -> None:
    service = Service(DOWN, 0)
    builder = guarded(service, lambda b: None)
    policies = {"rate_limit": {"calls": 1, "period": 10.0}, "circuit_breaker": {"failure_threshold": 1, "timeout": 5.0}}
    builder.build().nodes["call"] = _with(builder, "call", **policies)

    async def work(clock: VirtualClock) -> list[Outcome]:
        runtime = AsyncLocalRuntime(clock=clock)
        outcomes = [(await runtime.run(builder))[0] for _ in range(4)]
        await clock.sleep(10.0)
        return [*outcomes, (await runtime.run(builder))[0]]

    failed, *refused, mended = run_virtually(work)
    assert describe(failed.failures["call"]) == "ConnectionError: down"
    for outcome in refused:
        assert isinstance(outcome.failures["call"], CircuitOpenError)
        assert outcome.seconds == pytest.approx(0, abs=0.01)
    assert mended.state == "succeeded"
    assert gaps(service) == [10], "the refused calls took no start of the limit"


def test_calls_that_wait_for_the_rate_limit_are_refused_when_the_breaker_opens_meanwhile() -> None:
    service = Service(DOWN)
    builder = guarded(service, lambda b: None)
    policies = {"rate_limit": {"calls": 1, "period": 10.0}, "circuit_breaker": {"failure_threshold": 1, "timeout": 60}}
    builder.build().nodes["call"] = _with(builder, "call", **policies)

    async def work(clock: VirtualClock) -> list[Any]:
        runtime = AsyncLocalRuntime(clock=clock)
        return await asyncio.gather(*(runtime.run(builder) for _ in range(3)))

    outcomes = [outcome for outcome, _ in run_virtually(work)]
    assert len(service.calls) == 1
    assert [isinstance(outcome.failures["call"], CircuitOpenError) for outcome in outcomes] == [False, True, True]


def test_a_start_that_would_come_after_the_total_timeout_is_left_to_others() -> None:
    service = Service(0)
    builder = guarded(service, lambda b: None)
    patient = guarded(service, lambda b: None)
    limit = {"calls": 1, "period": 10.0, "key": "shared"}
    builder.build().nodes["call"] = _with(builder, "call", rate_limit=limit, total_timeout=5.0)
    patient.build().nodes["call"] = _with(patient, "call", rate_limit=limit)

    async def work(clock: VirtualClock) -> list[Outcome]:
        runtime = AsyncLocalRuntime(clock=clock)
        return [(await runtime.run(which))[0] for which in (builder, builder, builder, patient)]

    first, *late, last = run_virtually(work)
    assert (first.state, last.state) == ("succeeded", "succeeded")
    assert all(isinstance(outcome.failures["call"], NodeTimeoutError) for outcome in late)
    assert gaps(service) == [10]


def test_a_hedged_call_takes_the_first_answer_and_cancels_the_other() -> None:
    service = Service(100, 1)
    builder = guarded(service, lambda b: None)
    builder.build().nodes["call"] = _with(builder, "call", hedge_after=3.0)
    (outcome,), events = run(builder)
    assert outcome.seconds == pytest.approx(4, abs=0.01)
    assert service.running == 0
    assert [event.kind for event in events if event.node == "call"][1] == "attempt_hedged"


def test_a_fallback_that_fails_makes_the_node_fail_with_both_reasons_and_one_dead_letter() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("call", Service(DOWN).node())
    builder.add_node("spare", Service(ValueError("spare is broken")).node("spare"))
    builder.add_fallback("call", "spare")
    (outcome,), events = run(builder)
    assert outcome.state == "failed"
    assert [letter.node for letter in outcome.letters] == ["call"]
    (told,) = [e.details["error"] for e in events if e.kind == "node_failed" and e.node == "call"]
    assert told == "ConnectionError: down; its fallback spare failed as well."


def test_a_fallback_that_is_not_needed_says_so() -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("call", Service(0).node())
    for name in ("spare", "spare_of_spare"):
        builder.add_node(name, Service(0).node(name))
    builder.add_fallback("call", "spare")
    builder.add_fallback("spare", "spare_of_spare")
    (outcome,), _ = run(builder)
    assert outcome.state == "succeeded"
    assert outcome.reasons == {"spare": "call did not need its fallback", "spare_of_spare": "spare did not run"}


@pytest.mark.parametrize("after", [0.5, 3.0, 6.0])
def test_a_cancelled_run_ends_attempts_waits_and_fallbacks(after: float) -> None:
    service, spare = Service(1, DOWN), Service(100)

    def configure(builder: WorkflowBuilder) -> None:
        builder.add_node("spare", spare.node("spare"))
        builder.configure_timeout("call", 0.9)
        builder.configure_retry("call", max_retries=1, base_delay=4)
        builder.configure_circuit_breaker("call", failure_threshold=5)
        builder.add_fallback("call", "spare")

    builder = guarded(service, configure)

    async def work(clock: VirtualClock) -> Outcome:
        runtime = AsyncLocalRuntime(clock=clock)
        task = asyncio.ensure_future(runtime.run(builder, run_id="r"))
        await asyncio.sleep(after)
        runtime.cancel("r")
        return (await task)[0]

    outcome = run_virtually(work)
    assert outcome.state == "cancelled"
    assert outcome.seconds == pytest.approx(after, abs=0.01)
    assert set(outcome.reasons) == {"call", "spare"}
    assert not outcome.letters
    assert service.running == spare.running == 0


@pytest.mark.parametrize("budget", [None, 0.2])
def test_a_budget_keeps_a_dead_dependency_from_being_overrun(budget: float | None) -> None:
    """500 callers with 3 retries each: four times the load without a budget, at most 1.2 times with one."""
    service = Service(DOWN)
    further = {} if budget is None else {"budget": budget}
    builder = guarded(service, lambda b: b.configure_retry("call", max_retries=3, base_delay=1, **further))

    async def work(clock: VirtualClock) -> None:
        runtime = AsyncLocalRuntime(clock=clock)
        await asyncio.gather(*(runtime.run(builder) for _ in range(500)))

    run_virtually(work)
    assert len(service.calls) == 2000 if budget is None else 500 <= len(service.calls) <= 600


def test_a_condition_decides_about_retries_in_the_sandbox() -> None:
    service = Service(HttpError("busy", status=503), HttpError("odd", status=500), 0)
    builder = guarded(
        service,
        lambda b: b.configure_retry("call", max_retries=5, base_delay=0.001, retry_if='status == 503 or "x" in text'),
    )

    async def work() -> Outcome:
        return (await AsyncLocalRuntime().run(builder))[0]

    outcome = asyncio.run(work())
    assert len(service.calls) == 2
    assert str(outcome.failures["call"]) == "odd"


def test_a_fault_that_is_put_in_meets_the_policies() -> None:
    service = Service(0)
    builder = guarded(service, lambda b: b.configure_retry("call", max_retries=3, base_delay=1))
    (outcome,), _ = run(builder, faults={"call": Fault(error="TimeoutError", times=2, delay=5.0)})
    assert outcome.state == "succeeded"
    assert len(service.calls) == 1
    assert outcome.seconds == pytest.approx(13, abs=0.01)
