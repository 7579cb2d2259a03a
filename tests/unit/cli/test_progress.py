"""What a run says while it goes on, on a terminal and elsewhere."""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder, node
from kailash_studio.cli.progress import Progress
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.spec.registry import Registry


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@node()
def fine() -> list[dict[str, int]]:
    """Give two rows."""
    return [{"x": 1}, {"x": 2}]


@node()
def broken() -> int:
    """Fail."""
    raise ValueError("out of order")


@node()
def after(value: int) -> int:
    """Wait for another."""
    return value


@node()
def spare() -> int:
    """Stand in."""
    return 1


@pytest.fixture(scope="module")
def told() -> tuple[list[str], list[Event]]:
    """The nodes and the events of a real run: one succeeds, one fails, one is skipped, one is stood in for."""
    registry = Registry()
    functions: tuple[Any, ...] = (fine, broken, after, spare)
    for function in functions:
        registry.register(function.node_type)
    builder = WorkflowBuilder(registry=registry)
    for type_name, node_id in (
        ("FineNode", "fine"),
        ("BrokenNode", "broken"),
        ("AfterNode", "after"),
        ("BrokenNode", "replaced"),
        ("SpareNode", "spare"),
    ):
        builder.add_node(type_name, node_id)
    builder.add_connection("broken", "result", "after", "value")
    builder.add_fallback("replaced", "spare")
    events: list[Event] = []
    runtime = AsyncLocalRuntime(registry=registry, on_events=events.extend)
    asyncio.run(runtime.run(builder))
    return list(builder.build().nodes), events


def shown(stream: io.StringIO, told: tuple[list[str], list[Event]]) -> str:
    nodes, events = told
    progress = Progress(stream, nodes)
    for event in events:
        progress.show([event])
    return stream.getvalue()


def test_each_node_has_a_line_and_the_run_the_last(told: tuple[list[str], list[Event]]) -> None:
    text = re.sub(r" +", " ", re.sub(r"<?\d+ ms", "0 ms", shown(io.StringIO(), told)))
    text = re.sub(r"Run \S+", "Run ID", text)
    assert "\x1b" not in text
    lines = text.splitlines()
    assert "+ fine 0 ms result 2 rows" in lines
    assert "x broken 0 ms ValueError: out of order" in lines
    assert "~ replaced 0 ms recovered by spare: ValueError: out of order" in lines
    assert any(line.startswith("- after skipped: ") for line in lines)
    assert lines[-1] == "Run ID failed in 0 ms: 2 succeeded, 1 recovered, 1 failed, 1 skipped."
    assert len([line for line in lines if line[:2] in {"+ ", "x ", "- ", "~ "}]) == 5


def test_a_terminal_also_sees_what_is_running(
    told: tuple[list[str], list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = shown(Terminal(), told)
    assert "0 of 5 done, running " in text
    assert "\x1b[32m+\x1b[0m fine" in text
    assert "\x1b[31mx\x1b[0m broken" in text
    last = text.rpartition("\r\x1b[K")[2]
    assert "running" not in last, "nothing is left running at the end"
    assert last.startswith("Run ")


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("NO_COLOR", "1")])
def test_who_wants_no_colour_gets_none(
    name: str, value: str, told: tuple[list[str], list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    text = shown(Terminal(), told)
    assert not re.search(r"\x1b\[\d+m", text)
    assert ("\r\x1b[K" in text) == (name == "NO_COLOR")


def test_only_the_first_running_nodes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    names = [f"n{i}" for i in range(7)]
    stream = Terminal()
    Progress(stream, names).show(
        [Event(i, "node_started", "r", name, 0.0, 0.0, -1, {}) for i, name in enumerate(names)]
    )
    assert stream.getvalue().endswith("0 of 7 done, running n0, n1, n2, n3 and 3 more")
