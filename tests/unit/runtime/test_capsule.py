"""Failure capsules: made of a real failed run, run again without network and database, the same each time."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fakes.web_server import Request, serving

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DocumentError
from kailash_studio.runtime.capsule import Capsule
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.played_clock import PlayedClock
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow

SECRET = "correct-horse-battery"
MENDED = "def value(rows, rate): return sum(float(r['price']) * rate for r in rows if r['price'] is not None)"
# run where nothing outside may be touched: whatever asks for a socket ends the process
ALONE = """
import sys
def deny(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system"}:
        sys.stderr.write(f"touched: {event} {arguments}\\n")
        sys.stderr.flush()
        import os
        os._exit(77)
sys.addaudithook(deny)
from kailash_studio.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def run(*words: str, cwd: Path, alone: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    start = ["-c", ALONE] if alone else ["-m", "kailash_studio"]
    return subprocess.run(
        [sys.executable, *start, *words],
        cwd=cwd, env=os.environ | variables, capture_output=True, encoding="utf-8", check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def failed(database_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a workflow that failed for real, and its capsule; the web server is gone afterwards."""
    folder = tmp_path_factory.mktemp("capsule")
    replies = iter([(503, b"busy"), (503, b"busy"), (200, b"1.5")])

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        status, content = next(replies)
        return status, {"Content-Type": "text/plain"}, content

    with serving(answer) as server:
        builder = WorkflowBuilder("prices")
        query = "SELECT v AS price FROM (VALUES (10.0), (NULL), (20.0)) AS t (v)"
        builder.add_node("AsyncSQLDatabaseNode", "rows", query=query)
        builder.add_node(
            "HTTPRequestNode", "rate", url=f"{server.url}/rate", allow_private=True,
            headers={"Authorization": {"$secret": "rate_key"}},
        )  # fmt: skip
        builder.add_node("PythonCodeNode", "number", code="def number(text): return float(text)")
        builder.add_node(
            "PythonCodeNode", "value", code="def value(rows, rate): return sum(float(r['price']) * rate for r in rows)"
        )
        builder.add_node("FileWriterNode", "writer", path="value.json")
        builder.add_connection("rate", "data", "number", "text")
        builder.add_connection("rows", "data", "value", "rows")
        builder.add_connection("number", "result", "value", "rate")
        builder.add_connection("value", "result", "writer", "data")
        builder.configure_retry("rate", max_retries=3, base_delay=0.01, jitter="full")
        builder.build().save(folder / "prices.kailash.json")
        words = ["run", "prices.kailash.json", "--trust", "--capsule", "failure.kailash-capsule"]
        done = run(*words, cwd=folder, KAILASH_STUDIO_HOME=str(database_home), KAILASH_SECRET_RATE_KEY=SECRET)
    assert done.returncode == 1, done.stderr
    assert "The failure is in failure.kailash-capsule" in done.stderr
    yield folder


def mended(folder: Path) -> Workflow:
    workflow = read((folder / "prices.kailash.json").read_text(encoding="utf-8")).workflow
    node = workflow.nodes["value"]
    workflow.nodes["value"] = type(node)(node.type, parameters={**node.parameters, "code": MENDED})
    return workflow


def played(capsule: Capsule, workflow: Workflow | None = None) -> list[Event]:
    told: list[Event] = []
    asyncio.run(capsule.play(workflow=workflow, sink=told.extend, run_id="r"))
    return told


def test_it_holds_what_happened_and_no_secret(failed: Path) -> None:
    file = failed / "failure.kailash-capsule"
    capsule = Capsule.read(file)
    assert (capsule.state, capsule.states["value"], capsule.states["writer"]) == ("failed", "failed", "skipped")
    assert [answer.node for answer in capsule.answers if answer.node == "rate"] == ["rate"] * 3, "each attempt"
    assert file.stat().st_mode & 0o077 == 0, "for its owner alone"
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            assert SECRET.encode() not in archive.read(name)
    shown = run("capsule", "show", file.name, cwd=failed)
    assert "3 recorded answers" in shown.stdout


def test_it_fails_again_in_the_same_way_where_there_is_nothing_outside(failed: Path, tmp_path: Path) -> None:
    done = run("capsule", "run", str(failed / "failure.kailash-capsule"), cwd=tmp_path, alone=True,
               KAILASH_STUDIO_HOME=str(tmp_path / "empty"))  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "touched" not in done.stderr
    assert "value" in done.stderr
    assert "TypeError" in done.stderr
    assert not (tmp_path / "value.json").exists()


def test_it_goes_the_same_way_each_time(failed: Path) -> None:
    capsule = Capsule.read(failed / "failure.kailash-capsule")
    first, second = played(capsule), played(capsule)
    assert [(e.kind, e.node, e.time, e.wall, dict(e.details)) for e in first] == [
        (e.kind, e.node, e.time, e.wall, dict(e.details)) for e in second
    ]
    attempts = [event for event in first if event.kind == "attempt_failed"]
    assert [e.node for e in attempts] == ["rate", "rate"], "retries really act again on the recorded answers"
    assert first[0].wall == pytest.approx(capsule.started)


def test_a_mended_workflow_goes_on_against_the_recorded_answers(failed: Path, tmp_path: Path) -> None:
    capsule = Capsule.read(failed / "failure.kailash-capsule")
    outcome = asyncio.run(capsule.play(workflow=mended(failed)))
    assert outcome.state == "succeeded"
    assert outcome.results["value"] == {"result": 45.0}
    assert "a capsule calls nothing outside; it writes the file value.json" in outcome.reasons["writer"]
    other = mended(failed)
    node = other.nodes["rows"]
    other.nodes["rows"] = type(node)(node.type, parameters={**node.parameters, "query": "SELECT 1"})
    asked = asyncio.run(capsule.play(workflow=other))
    assert "has no answer to this question" in str(asked.failures["rows"])


def test_it_becomes_a_regression_test(failed: Path, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.kailash.json"
    mended(failed).save(fixed)
    capsule, test = failed / "failure.kailash-capsule", tmp_path / "tests" / "prices.kailash-capsule"
    saved = run("capsule", "save", str(capsule), "--workflow", str(fixed), "--out", str(test), cwd=tmp_path, alone=True)
    assert saved.returncode == 0, saved.stderr
    passed = run("test", "tests", "--junit", "out/junit.xml", cwd=tmp_path, alone=True)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "1 passed, 0 failed." in passed.stdout
    told = Capsule.read(test)
    broken = told.as_test(read(capsule_text(capsule)).workflow, asyncio.run(told.play()))
    broken.write(tmp_path / "tests" / "again.kailash-capsule")
    (tmp_path / "tests" / "none.kailash-capsule").write_bytes(b"no zip")
    worse = run("test", "tests", "--junit", "out/junit.xml", cwd=tmp_path, alone=True)
    assert worse.returncode == 1
    suite = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    (failure,) = suite.findall("testcase/failure")
    assert str(failure.get("message")).startswith("value failed where it should have succeeded")


def capsule_text(path: Path) -> str:
    return Capsule.read(path).workflow


def test_no_tests_and_wrong_words_are_told(failed: Path, tmp_path: Path) -> None:
    assert run("test", cwd=tmp_path).returncode == 2
    assert run("test", "nowhere", cwd=tmp_path).returncode == 2
    raw = run("test", str(failed), cwd=tmp_path)
    assert raw.returncode == 1
    assert "is no test yet" in raw.stdout


def hostile() -> list[tuple[str, dict[str, bytes]]]:
    told: dict[str, Any] = {
        "format": "kailash-studio/capsule", "version": 1, "run_id": "r", "started": 0, "seed": 1, "given": {},
        "state": "failed", "states": {}, "errors": {}, "versions": {}, "expected": {}, "answers": [],
    }  # fmt: skip
    good = b'{"format": "kailash-studio/workflow", "version": 1, "nodes": {}, "connections": []}'

    def entry(**changes: Any) -> bytes:
        return json.dumps({**told, **changes}).encode()

    return [
        ("empty", {}),
        ("no workflow", {"capsule.json": entry()}),
        ("no JSON", {"capsule.json": b"{", "workflow.kailash.json": good}),
        ("a list", {"capsule.json": b"[]", "workflow.kailash.json": good}),
        ("newer", {"capsule.json": entry(version=2), "workflow.kailash.json": good}),
        ("types", {"capsule.json": entry(started="now"), "workflow.kailash.json": good}),
        ("answers", {"capsule.json": entry(answers=[1]), "workflow.kailash.json": good}),
        (
            "a path",
            {
                "capsule.json": entry(answers=[["n", "q", 1, {"o": "../../etc/passwd"}, {}]]),
                "workflow.kailash.json": good,
            },
        ),
        ("workflow", {"capsule.json": entry(), "workflow.kailash.json": b"no"}),
        ("bomb", {"capsule.json": entry(), "workflow.kailash.json": good, "answers/0-0": b"\0" * (600 * 2**20)}),
    ]


@pytest.mark.parametrize(("name", "files"), hostile(), ids=[name for name, _ in hostile()])
def test_a_hostile_file_is_one_sentence(tmp_path: Path, name: str, files: dict[str, bytes]) -> None:
    path = tmp_path / "x.kailash-capsule"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, data in files.items():
            archive.writestr(inside, data)
    with pytest.raises(DocumentError):
        Capsule.read(path)


def test_played_time_wakes_in_the_order_of_real_time() -> None:
    async def work() -> list[tuple[str, float]]:
        clock = PlayedClock(1000.0)
        woken: list[tuple[str, float]] = []

        async def one(name: str, *waits: float) -> None:
            for seconds in waits:
                await clock.sleep(seconds)
            woken.append((name, clock.now()))

        await asyncio.gather(one("a", 3.0), one("b", 1.0, 1.0), one("c", 0.5), one("d", 10.0))
        assert clock.wall() == 1010.0
        return woken

    assert asyncio.run(work()) == [("c", 0.5), ("b", 2.0), ("a", 3.0), ("d", 10.0)]
