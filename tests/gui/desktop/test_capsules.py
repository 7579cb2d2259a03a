"""A failure capsule in the window: stepped through without the outside, mended, saved as a regression test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from qasync import QEventLoop

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.window import MainWindow
from kailash_studio.runtime.answers import Recording
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.capsule import Capsule
from kailash_studio.runtime.debugger import Breakpoint


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
def capsule(tmp_path: Path) -> Path:
    """Of a run that failed over what a file held; the file is gone."""
    data = tmp_path / "prices.csv"
    data.write_text("symbol,price\nMSFT,28\nAMZN,n/a\n", encoding="utf-8")
    builder = WorkflowBuilder("prices")
    builder.add_node("CSVReaderNode", "rows", path=str(data))
    builder.add_node("PythonCodeNode", "value", code="def value(rows): return sum(float(r['price']) for r in rows)")
    builder.add_connection("rows", "data", "value", "rows")
    workflow = builder.build()
    recording = Recording(1)
    outcome, run_id = asyncio.run(AsyncLocalRuntime().run(workflow, answers=recording))
    assert outcome.state == "failed"
    data.unlink()
    Capsule.of(workflow, run_id, 1.8e9, {}, recording, outcome).write(tmp_path / "failure.kailash-capsule")
    return tmp_path / "failure.kailash-capsule"


def test_it_is_opened_stepped_through_mended_and_kept_as_a_test(
    loop: QEventLoop, window: MainWindow, capsule: Path, tmp_path: Path
) -> None:
    async def sitting() -> None:
        window.engine.start()
        await until(lambda: window.engine.state == "ready")
        window.capsule_link.open(tmp_path / "nothing.kailash-capsule")
        await until(lambda: "is no capsule of a run" in window.line.currentMessage())
        window.capsule_link.open(capsule)
        await until(window.played.isVisible)
        assert "(value failed)" in window.played.sentence
        window.breakpoints.add(Breakpoint("value", "before"))
        window.actions_by_name["run"].trigger()
        await until(lambda: "value" in window.runs.stopped())
        window.actions_by_name["step"].trigger()
        await until(lambda: window.runs.stopped().get("value", {}).get("when") == "error")
        window.actions_by_name["run"].trigger()
        await until(lambda: not window.runs.running)
        assert window.runs.current is not None
        assert window.runs.current.state == "failed", "the file is gone, its recorded rows are not"
        window.breakpoints.remove(0)
        mended = "def value(rows): return sum(float(r['price']) for r in rows if r['price'] != 'n/a')"
        window.session.set_parameter("value", "code", mended)
        window.actions_by_name["run"].trigger()
        await until(lambda: window.runs.current is not None and window.runs.current.state == "succeeded")
        await window.capsule_link._save(tmp_path / "prices_test")
        assert "expects that the run has succeeded" in window.line.currentMessage()
        kept = Capsule.read(tmp_path / "prices_test.kailash-capsule")
        assert kept.expected["results"]["value"] == {"result": 28.0}
        window.session.new()
        assert not window.played.isVisible()
        assert window.runs.capsule == ""
        await asyncio.sleep(0.05)

    loop.run_until_complete(asyncio.wait_for(sitting(), 90))
