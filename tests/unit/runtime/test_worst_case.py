"""The longest time of a workflow, against what runs really take when everything fails as late as it can."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from fakes.virtual_time import VirtualClock, run_virtually

from kailash_studio import WorkflowBuilder
from kailash_studio.cli.main import main
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.worst_case import worst_case


def test_a_chain_is_the_sum_and_branches_count_the_longer_one() -> None:
    builder = WorkflowBuilder()
    for name, timeout in (("a", 1.0), ("b", 5.0), ("c", 2.0), ("d", 3.0)):
        builder.add_node(name, PythonCodeNode.from_function(lambda x=None: x, name=name))
        builder.configure_timeout(name, timeout)
    for source, target in (("a", "b"), ("a", "c"), ("b", "d")):
        builder.add_connection(source, "result", target, "x")
    builder.configure_retry("c", max_retries=2, base_delay=4.0, strategy="linear")
    found = worst_case(builder.build())
    assert found.nodes == {"a": 1, "b": 5, "c": 2 * 3 + 4 + 8, "d": 3}
    assert found.total == 19
    assert found.path == ("a", "c")
    assert found.unlimited == ()


def test_a_sub_workflow_takes_as_long_as_what_is_inside() -> None:
    inside = WorkflowBuilder()
    for name, timeout in (("a", 1.0), ("b", 5.0)):
        inside.add_node("PythonCodeNode", name, code=f"def {name}(x): return x")
        inside.configure_timeout(name, timeout)
    inside.add_connection("a", "result", "b", "x")
    builder = WorkflowBuilder()
    builder.add_node("PythonCodeNode", "start", code="def start(): return 1")
    builder.configure_timeout("start", 2.0)
    builder.add_sub_workflow("part", inside, inputs={"x": "a.x"}, outputs={"y": "b.result"})
    builder.add_connection("start", "result", "part", "x")
    found = worst_case(builder.build())
    assert found.total == 8
    assert found.unlimited == ()
    assert [node for node in found.path if found.nodes[node]] == ["start", "part:a", "part:b"]


def test_without_a_timeout_there_is_no_longest_time_and_the_node_is_named() -> None:
    builder = WorkflowBuilder()
    for name in ("limited", "free"):
        builder.add_node(name, PythonCodeNode.from_function(lambda x=None: x, name=name))
    builder.configure_timeout("limited", 1.0)
    found = worst_case(builder.build())
    assert math.isinf(found.total)
    assert found.unlimited == ("free",)
    builder.configure_timeout("free", total=7.0)
    assert worst_case(builder.build()).total == 7


def test_an_empty_workflow_takes_no_time() -> None:
    assert worst_case(WorkflowBuilder().build()).total == 0


@pytest.mark.parametrize("seed", range(40))
def test_no_run_takes_longer_and_one_that_hangs_everywhere_takes_as_long(seed: int) -> None:
    rng = random.Random(seed)
    builder = WorkflowBuilder("w")

    def hanging(name: str) -> PythonCodeNode:
        async def hang(x: object = None) -> None:
            await asyncio.sleep(1e9)

        return PythonCodeNode.from_function(hang, name=name)

    count = rng.randint(1, 4)
    for i in range(count):
        builder.add_node(f"n{i}", hanging(f"n{i}"))
        policies = {
            "timeout": rng.choice([1.0, 4.0]),
            "retry": {
                "max_retries": rng.randint(0, 3),
                "strategy": rng.choice(["linear", "exponential", "fibonacci"]),
                "base_delay": rng.choice([0.5, 3.0]),
            },
            **({"total_timeout": rng.choice([2.0, 9.0])} if rng.random() < 0.3 else {}),
        }
        placed = builder.build().nodes[f"n{i}"]
        builder.build().nodes[f"n{i}"] = replace(placed, resilience=policies)
    chain = [f"n{i}" for i in range(count)]
    for node, fallback in pairwise(chain):
        builder.add_fallback(node, fallback)
    found = worst_case(builder.build())

    async def work(clock: VirtualClock) -> float:
        outcome, _ = await AsyncLocalRuntime(clock=clock).run(builder)
        return outcome.seconds

    took = run_virtually(work)
    assert took <= found.total + 1e-6
    if not any("total_timeout" in placed.resilience for placed in builder.build().nodes.values()):
        assert took == pytest.approx(found.total)


def test_validate_tells_it_and_fails_when_it_is_longer_than_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("PythonCodeNode", "slow", code="def slow(): return 1")
    builder.configure_timeout("slow", 60.0)
    path = str(tmp_path / "w.kailash.json")
    builder.build().save(path)
    assert main(["validate", path]) == 0
    assert "at most 60.00 s long" in capsys.readouterr().out
    assert main(["validate", path, "--max-duration", "90"]) == 0
    assert main(["validate", path, "--max-duration", "30"]) == 3
    assert "slow" in capsys.readouterr().out
    builder.add_node("PythonCodeNode", "free", code="def free(): return 1")
    builder.build().save(path)
    assert main(["validate", path, "--max-duration", "90"]) == 3
    assert "free has no timeout" in capsys.readouterr().out
