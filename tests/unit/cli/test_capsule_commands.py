"""Capsules and tests on the command line: what they refuse, what they say, and what they compare."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.cli.main import main
from kailash_studio.resilience.faults import Fault, Scenario
from kailash_studio.runtime.answers import Recording
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.capsule import Capsule
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow


@pytest.fixture
def capsule(tmp_path: Path) -> Path:
    """Of a run whose full Python failed; a writer and a node after it were not reached."""
    builder = WorkflowBuilder("prices")
    builder.add_node("PythonCodeNode", "start", code="def start(): return 'n/a'")
    builder.add_node("PythonCodeNode", "value", code="def value(x): return float(x)", sandbox="full")
    builder.add_node("FileWriterNode", "writer", path=str(tmp_path / "out.json"))
    builder.add_connection("start", "result", "value", "x")
    builder.add_connection("value", "result", "writer", "data")
    workflow, recording = builder.build(), Recording(1)
    outcome, run_id = asyncio.run(AsyncLocalRuntime().run(workflow, answers=recording))
    path = tmp_path / "failure.kailash-capsule"
    Capsule.of(workflow, run_id, 1.8e9, {}, recording, outcome).write(path)
    return path


def mended(capsule: Path, code: str = "def value(x): return 4") -> Path:
    workflow: Workflow = read(Capsule.read(capsule).workflow).workflow
    node = workflow.nodes["value"]
    workflow.nodes["value"] = type(node)(node.type, parameters={**node.parameters, "code": code})
    path = capsule.parent / "mended.kailash.json"
    workflow.save(path)
    return path


def changed(capsule: Path, **values: Any) -> Path:
    kept = Capsule.read(capsule)
    Capsule(**{name: getattr(kept, name) for name in kept.__slots__} | values).write(capsule)
    return capsule


def test_a_mended_full_python_node_is_really_tested_or_refused(
    capsule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test, words = tmp_path / "t.kailash-capsule", ["--workflow", str(mended(capsule))]
    assert main(["capsule", "run", str(capsule), *words]) == 1, "it is not passed over"
    capsys.readouterr()
    assert main(["capsule", "save", str(capsule), *words, "--out", str(test)]) != 0
    said = capsys.readouterr().err
    assert "The test would pass over value" in said
    assert "--allow-code" in said
    assert not test.exists()
    assert main(["capsule", "save", str(capsule), *words, "--out", str(test), "--allow-code"]) == 0
    said = capsys.readouterr().err
    assert "writer is not in the test: a capsule calls nothing outside; it writes the file" in said
    assert main(["test", str(test)]) == 1, "its code may not run either"
    assert main(["test", str(test), "--allow-code"]) == 0
    worse = Capsule.read(test).workflow.replace("return 4", "return 5")
    changed(test, workflow=worse)
    capsys.readouterr()
    assert main(["test", str(test), "--allow-code"]) == 1
    assert 'value gave {"result": 5} instead of {"result": 4}' in capsys.readouterr().out
    assert not (tmp_path / "out.json").exists()


def test_a_test_may_pass_over_nodes_where_that_is_asked_for(capsule: Path, tmp_path: Path) -> None:
    test, words = tmp_path / "t.kailash-capsule", ["--workflow", str(mended(capsule))]
    assert main(["capsule", "save", str(capsule), *words, "--out", str(test), "--partly"]) == 0
    assert Capsule.read(test).expected["states"]["value"] == "failed"


def saved(capsule: Path, tmp_path: Path) -> Path:
    """A test that expects the failure."""
    test = tmp_path / "t.kailash-capsule"
    assert main(["capsule", "save", str(capsule), "--out", str(test)]) == 0
    assert main(["test", str(test)]) == 0
    return test


def test_a_test_compares_the_end_of_the_run_and_the_errors(
    capsule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = saved(capsule, tmp_path)
    expected = Capsule.read(test).expected
    changed(test, expected={**expected, "state": "x"})
    capsys.readouterr()
    assert main(["test", str(test)]) == 1
    assert "the run has failed where it should have x" in capsys.readouterr().out
    changed(test, expected={**expected, "errors": {"value": "ValueError: another"}})
    assert main(["test", str(test)]) == 1
    assert "instead of 'ValueError: another'" in capsys.readouterr().out


@pytest.mark.parametrize("expected", [{"state": "failed"}, {"state": 1, "states": {}, "results": {}}, {"what": 1}])
def test_a_test_that_says_too_little_is_broken_and_in_the_report(
    capsule: Path, tmp_path: Path, expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    test = changed(saved(capsule, tmp_path), expected=expected)
    junit = tmp_path / "out" / "junit.xml"
    assert main(["test", str(test), "--junit", str(junit)]) == 1
    assert "says what to expect without" in capsys.readouterr().out
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")


def test_what_is_missing_is_said_before_anything_is_run(
    capsule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capsule", "save", str(capsule)]) == 2
    said = capsys.readouterr().err
    assert "save needs --out" in said
    assert "failed" not in said, "nothing was run for it"
    assert main(["capsule", "show", str(tmp_path / "none.kailash-capsule")]) != 0
    assert "There is no capsule" in capsys.readouterr().err
    workflow = str(mended(capsule))
    assert main(["run", workflow, "--trust", "--faults", str(tmp_path / "nosuch")]) != 0
    assert "There is no file of faults" in capsys.readouterr().err


def test_results_of_a_capsule_can_be_printed_and_kept(
    capsule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    assert main(["capsule", "run", str(capsule), "--json", "--output", str(out)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["state"] == "failed"
    assert report["results"] == {"start": {"result": "n/a"}} == json.loads(out.read_text(encoding="utf-8"))
    assert "ValueError" in report["failures"]["value"]["error"]


def test_a_run_that_succeeds_says_that_an_older_capsule_is_not_its_own(
    capsule: Path, tmp_path: Path, user_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", str(mended(capsule)), "--trust", "--capsule"]
    assert main([*words, str(tmp_path / "new.kailash-capsule")]) == 0
    assert "The run has succeeded, so no capsule was written.\n" in capsys.readouterr().err
    assert main([*words, str(capsule)]) == 0
    said = f"The run has succeeded, so no capsule was written; {capsule} is of an earlier run."
    assert said in capsys.readouterr().err


def test_faults_are_in_the_capsule_of_a_test_run(
    capsule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults, kept = tmp_path / "w.kailash.faults", tmp_path / "faulty.kailash-capsule"
    scenario = Scenario({"start": Fault("TimeoutError", times=0, text="too slow")}, 3)
    faults.write_text(json.dumps(scenario.to_plain()), encoding="utf-8")
    words = ["run", str(mended(capsule)), "--trust", "--faults", str(faults), "--capsule", str(kept)]
    assert main(words) == 1
    faults.unlink()
    capsys.readouterr()
    assert main(["capsule", "run", str(kept), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["failures"]["start"]["error"] == "TimeoutError: too slow"
    assert main(["capsule", "show", str(kept)]) == 0
    assert "put in at start: each call will fail with TimeoutError" in capsys.readouterr().out
