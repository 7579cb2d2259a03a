"""Results that a run took over or that are pinned are told as such, and what a fallback gave keeps saying so."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.cli.main import main
from kailash_studio.cli.progress import Progress
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.rerun_requests import RerunRequests
from kailash_studio.runtime.run_diff import diff
from kailash_studio.runtime.run_history import ends
from kailash_studio.runtime.updates import Updates
from kailash_studio.runtime.why import Causes
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.workflow.workflow import Workflow


def covered(end: str) -> Workflow:
    """flaky (which fails; backup stands in for it) > end, and other beside them."""
    builder = WorkflowBuilder("covered")
    builder.add_node("PythonCodeNode", "flaky", code="def flaky(): raise ValueError('no')")
    builder.add_node("PythonCodeNode", "backup", code="def backup(): return 2")
    builder.add_node("PythonCodeNode", "end", code=f"def end(x): {end}")
    builder.add_node("PythonCodeNode", "other", code="def other(): return 1")
    builder.add_fallback("flaky", "backup")
    builder.add_connection("flaky", "result", "end", "x")
    return builder.build()


async def again(
    journal: Journal, runtime: AsyncLocalRuntime, workflow: Workflow, run_id: str, sent: list[Any]
) -> tuple[str, str]:
    """Run from the failure as a window does: the run, and what a terminal shows of it."""
    requests = RerunRequests(journal, runtime, lambda run_id: None, lambda run_id: Redactor())
    asked = {"workflow": workflow.to_json(), "again": {"run_id": run_id, "mode": "failed"}}
    taken = await asyncio.to_thread(requests.taken, asked, workflow)
    updates, shown = Updates("r", sent.append), io.StringIO()
    progress = Progress(shown, workflow.nodes)

    def hear(batch: Any) -> None:
        updates.take(batch)
        progress.show(batch)

    words: dict[str, Any] = {"known": taken.known, "only": taken.only, "before": taken.before}
    _, made = await runtime.run(workflow, stood_in=taken.stood_in, sink=hear, origin="again", **words)
    return made, shown.getvalue()


def test_what_was_reused_is_no_plain_success_and_keeps_the_fallback_it_came_from(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    sent: list[dict[str, Any]] = []

    async def work() -> None:
        async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
            _, first = await runtime.run(covered("return x / 0"))
            second, _ = await again(journal, runtime, covered("return y"), first, [])
            third, shown = await again(journal, runtime, covered("return x"), second, sent)
            lines = {line[2]: line[1::2] for update in sent for line in update["update"]["log"] if line[2]}
            assert lines["flaky"] == ["warning", "Reused from an earlier run, in which backup stood in for it."]
            assert lines["other"] == ["info", "Reused from an earlier run."]
            assert lines["end"][1].startswith("Succeeded in")
            states = {n: s for update in sent for n, s in update["update"]["states"].items()}
            assert (states["flaky"]["reused"], states["flaky"]["by"]) == (True, "backup"), "over two runs"
            last = sent[-1]["update"]
            assert last["log"][-1][3].endswith(": 1 succeeded, 3 reused.")
            assert (last["run"]["succeeded"], last["run"]["reused"]) == (4, 3)
            assert "~ flaky  reused, from backup" in shown
            assert "+ other     reused" in shown
            told = journal.events(third)
            assert Causes(told).why("flaky") == (
                "flaky was not called: what an earlier run gave was taken over. It came from backup, which stood in "
                "for it."
            )
            assert {node: (end.taken, end.attempts) for node, end in ends(told).items()} == {
                "flaky": ("reused, from backup", 0),
                "backup": ("reused", 0),
                "other": ("reused", 0),
                "end": ("", 1),
            }
            found = diff(journal, journal.run(first), journal.run(third))
            reasons = {pair.node: pair.reasons for pair in found.nodes}
            assert "recovered, now reused, from backup" in reasons["flaky"]

    asyncio.run(work())
    journal.close()


def test_a_pinned_node_is_told_as_pinned_and_its_fallback_says_why_it_did_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal()
    sent: list[dict[str, Any]] = []

    async def work() -> str:
        async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
            take = Updates("r", sent.append).take
            return (await runtime.run(covered("return x"), pins={"flaky": {"result": 5}}, sink=take))[1]

    run_id = asyncio.run(work())
    lines = {line[2]: line[3] for update in sent for line in update["update"]["log"]}
    assert lines["flaky"] == "Pinned, and not called."
    assert lines["backup"] == "Skipped: flaky is pinned."
    assert lines[""].endswith(": 2 succeeded, 1 pinned, 1 skipped.")
    told = journal.events(run_id)
    assert Causes(told).why("flaky") == "flaky was not called: it is pinned."
    assert (ends(told)["flaky"].taken, ends(told)["flaky"].attempts) == ("pinned", 0)
    journal.close()
    assert main(["runs", run_id]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if " s  flaky " in line]
    assert line.endswith("pinned")


def test_a_resumed_run_says_which_results_came_from_a_fallback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal()

    async def work() -> str:
        async with AsyncLocalRuntime(journal=journal, folder=tmp_path) as runtime:
            return (await runtime.run(covered("return x / 0")))[1]

    run_id = asyncio.run(work())
    assert main(["resume", run_id]) == 1
    assert "~ flaky  reused, from backup" in capsys.readouterr().err
    journal.close()
