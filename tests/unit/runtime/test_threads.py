"""Runs and threads: nodes that block, runs in notebooks, requests from outside of the loop's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import LocalRuntime, Node, Output, RunContext, WorkflowBuilder
from kailash_studio.errors import ParameterError, RunCancelledError, WorkflowExecutionError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.spec.port import Anything


class BlockingNode(Node):
    """Blocks its thread until it is let go."""

    execution = "thread"
    result = Output(Anything)

    def __init__(self, name: str, gate: threading.Event) -> None:
        super().__init__(name)
        self.gate = gate

    def run(self, context: RunContext) -> dict[str, Any]:
        assert self.gate.wait(30)
        return {"result": threading.current_thread().name}


class PlainBlockingNode(BlockingNode):
    """Blocks whoever calls it."""

    execution = "inline"


class EndlessNode(Node):
    """Waits for ever."""

    result = Output(Anything)

    async def run(self, context: RunContext) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {"result": None}


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What blocking nodes wait for; opened at the end, so that no thread stays."""
    made = threading.Event()
    yield made
    made.set()


def test_a_blocking_node_leaves_the_loop_to_the_others(gate: threading.Event) -> None:
    builder = WorkflowBuilder()
    builder.add_node("blocks", BlockingNode("blocks", gate))

    async def open_gate() -> str:
        gate.set()
        return threading.current_thread().name

    builder.add_node("opens", PythonCodeNode.from_function(open_gate))
    results, _ = LocalRuntime().execute(builder)
    assert results["opens"]["result"] == threading.current_thread().name
    assert results["blocks"]["result"] != threading.current_thread().name


@pytest.mark.parametrize("kind", [BlockingNode, PlainBlockingNode])
def test_a_timeout_gives_up_on_a_node_that_blocks_also_on_a_plain_one(
    kind: type[BlockingNode], gate: threading.Event
) -> None:
    builder = WorkflowBuilder()
    builder.add_node("blocks", kind("blocks", gate))
    builder.configure_timeout("blocks", 0.05)

    async def work() -> Outcome:
        outcome, _ = await AsyncLocalRuntime().run(builder)
        gate.set()  # asyncio.run waits for the threads
        return outcome

    outcome = asyncio.run(work())
    assert isinstance(outcome.failures["blocks"], TimeoutError)
    assert "timeout of 0.05 s" in str(outcome.failures["blocks"])


def test_cancelling_does_not_wait_for_a_thread(gate: threading.Event) -> None:
    builder = WorkflowBuilder()
    builder.add_node("blocks", BlockingNode("blocks", gate))
    builder.add_node("after", PythonCodeNode.from_function(lambda x: x, name="after"))
    builder.add_connection("blocks", "result", "after", "x")

    async def work() -> Outcome:
        started = asyncio.Event()

        def listen(batch: Sequence[Event]) -> None:
            if any(event.kind == "node_started" for event in batch):
                started.set()

        runtime = AsyncLocalRuntime(on_events=listen)
        running = asyncio.create_task(runtime.run(builder, run_id="r"))
        await started.wait()
        assert runtime.cancel("r")
        outcome, _ = await running
        assert not gate.is_set()
        gate.set()
        return outcome

    outcome = asyncio.run(work())
    assert outcome.state == "cancelled"
    assert outcome.reasons == dict.fromkeys(("blocks", "after"), "the run was cancelled")


def test_another_thread_can_cancel_a_run_that_only_waits() -> None:
    """The loop sleeps then, and has to be woken."""
    builder = WorkflowBuilder()
    builder.add_node("endless", EndlessNode("endless"))
    run_ids: list[str] = []
    started = threading.Event()

    def listen(batch: Sequence[Event]) -> None:
        run_ids.append(batch[0].run_id)
        started.set()

    runtime = LocalRuntime(on_events=listen)
    ended: list[BaseException] = []

    def work() -> None:
        try:
            runtime.execute(builder)
        except RunCancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert started.wait(30)
    assert runtime.cancel(run_ids[0], "enough")
    thread.join(30)
    assert not thread.is_alive()
    assert run_ids[0] in str(ended[0])
    assert not runtime.cancel(run_ids[0])


# ------------------------------------------------------------------------------------------------- notebooks
def test_execute_works_inside_a_running_loop_as_in_a_notebook() -> None:
    builder = WorkflowBuilder()
    builder.add_node("PythonCodeNode", "light", code="def f(): return 6 * 7")
    builder.add_node("breaks", PythonCodeNode.from_function(lambda: 1 / 0, name="breaks"))

    async def cell() -> None:
        with pytest.raises(WorkflowExecutionError, match="breaks failed: ZeroDivisionError") as raised:
            LocalRuntime().execute(builder)
        assert raised.value.results == {"light": {"result": 42}}
        assert set(raised.value.failures) == {"breaks"}
        assert raised.value.run_id
        assert isinstance(raised.value.__cause__, ZeroDivisionError)

    asyncio.run(cell())


def test_a_synchronous_run_inside_of_async_with_opens_what_it_needs_on_its_own_loop(tmp_path: Path) -> None:
    builder = WorkflowBuilder()
    builder.add_node("PythonCodeNode", "full", code="def f():\n    import os\n    return os.getpid()", sandbox="full")

    async def cell() -> list[int]:
        async with LocalRuntime(folder=tmp_path) as runtime:
            before = (await runtime.execute_async(builder))[0]
            there = [runtime.execute(builder)[0] for _ in range(2)]
            after = (await runtime.execute_async(builder))[0]
        return [results["full"]["result"] for results in (before, *there, after)]

    first, second, third, last = asyncio.run(asyncio.wait_for(cell(), 30))
    assert first == last, "the worker of the runtime stays warm"
    assert len({first, second, third}) == 3


# ------------------------------------------------------------------------------------------------- resources
class Opened:
    """A resource that notes how it ends."""

    def __init__(self, name: str, log: list[str], trouble: Exception | None = None) -> None:
        self.name, self.log, self.trouble = name, log, trouble

    async def aclose(self) -> None:
        self.log.append(f"closed {self.name}")
        if self.trouble:
            raise self.trouble


class OpeningNode(Node):
    """Opens resources, one after the other, and may fail then."""

    result = Output(Anything)

    def __init__(self, name: str, opened: Sequence[Opened], fails: bool = False) -> None:
        super().__init__(name)
        self.opened, self.fails = opened, fails

    async def run(self, context: RunContext) -> dict[str, Any]:
        for resource in self.opened:

            async def make(made: Opened = resource) -> Opened:
                made.log.append(f"opened {made.name}")
                return made

            await context.scope.resources.get(resource.name, make)
        if self.fails:
            raise ValueError("after opening")
        return {"result": 1}


@pytest.mark.parametrize("fails", [False, True])
def test_resources_are_opened_once_and_closed_in_reverse_also_after_a_failure(fails: bool) -> None:
    log: list[str] = []
    opened = [Opened(name, log) for name in "abc"]
    builder = WorkflowBuilder()
    builder.add_node("one", OpeningNode("one", opened, fails))
    builder.add_node("two", OpeningNode("two", opened))

    async def work() -> Outcome:
        return (await AsyncLocalRuntime().run(builder))[0]

    outcome = asyncio.run(work())
    assert set(outcome.failures) == ({"one"} if fails else set())
    assert log == ["opened a", "opened b", "opened c", "closed c", "closed b", "closed a"]


def test_resources_stay_open_between_the_runs_of_a_runtime_that_is_entered() -> None:
    log: list[str] = []
    builder = WorkflowBuilder()
    builder.add_node("one", OpeningNode("one", [Opened("a", log)]))

    async def work() -> None:
        async with AsyncLocalRuntime() as runtime:
            await runtime.run(builder)
            await runtime.run(builder)
            assert log == ["opened a"]

    asyncio.run(work())
    assert log == ["opened a", "closed a"]


def test_all_resources_are_closed_when_one_cannot_be() -> None:
    log: list[str] = []
    builder = WorkflowBuilder()
    opened = [Opened("a", log), Opened("b", log, OSError("stuck")), Opened("c", log)]
    builder.add_node("one", OpeningNode("one", opened))
    with pytest.raises(OSError, match="stuck"):
        LocalRuntime().execute(builder)
    assert log[3:] == ["closed c", "closed b", "closed a"]


@pytest.mark.parametrize("most", [0, -1])
def test_a_runtime_that_could_never_start_a_waiting_node_is_refused(most: int) -> None:
    with pytest.raises(ParameterError, match="max_workers"):
        LocalRuntime(max_workers=most)
