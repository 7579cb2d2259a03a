"""The commands as a person or a server calls them, with each exit status."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.cli.main import COMMANDS, main
from kailash_studio.folders import user_configuration
from kailash_studio.services import trust
from kailash_studio.services.connections import Connections, SavedConnection

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "resources" / "examples" / "portfolio_analysis.kailash.json"
FULL = {"sandbox": "full"}


def file_of(folder: Path, *nodes: tuple[str, str, dict[str, Any]], approved: bool = True, **resilience: Any) -> Path:
    """A workflow file of unconnected nodes: id, code, further parameters."""
    builder = WorkflowBuilder("made for a test")
    for node_id, code, further in nodes:
        builder.add_node("PythonCodeNode", node_id, {"code": code, **further})
    for node_id, fallback in resilience.get("fallbacks", {}).items():
        builder.add_fallback(node_id, fallback)
    path = folder / "made.kailash.json"
    builder.build().save(path)
    if approved:
        trust.approve(builder.build())
    return path


def good(folder: Path, **further: Any) -> Path:
    return file_of(folder, ("answer", "def answer(x: int = 41): return x + 1", {}), **further)


# ------------------------------------------------------------------------------------------------- exit statuses
def test_a_run_that_succeeds_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(good(tmp_path))]) == 0
    assert "succeeded" in capsys.readouterr().err


def test_a_failing_leaf_makes_the_run_fail_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file_of(
        tmp_path,
        ("fine", "def fine(): return 1", {}),
        ("leaf", "def leaf():\n    raise ValueError('the leaf is broken')", {}),
    )
    assert main(["run", str(path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["state"] == "failed"
    assert report["results"] == {"fine": {"result": 1}}
    assert "the leaf is broken" in report["failures"]["leaf"]["error"]
    assert report["failures"]["leaf"]["code"] == "KS-1303"
    assert len(report["dead_letters"]) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "FILE", "--nonsense"],
        ["nonsense-command", "--x"],
        ["run", "FILE", "-p", "no_sign"],
        ["run", "FILE", "--parameters", "absent.json"],
        ["run", "FILE", "--fail-on", "everything"],
        ["run", "FILE", "-p", "nobody=1"],
        ["run", "FILE", "-p", "answer.nothing=1"],
        ["run", "FILE", "--parameters", "NUMBER"],
        ["run", "FILE", "--parameters", "NUMBER", "-p", "answer.x=1"],
        ["run", "FILE", "--parameters", "DEEP"],
        ["run", "FILE", "--parameters", "LIST"],
        ["dlq", "list", "--state", "unheard-of"],
    ],
)
def test_a_wrong_command_line_ends_with_2(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contents = {"NUMBER": '{"answer": 5}', "DEEP": "[" * 100_000, "LIST": "[]"}
    for name, text in contents.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    places = {"FILE": good(tmp_path), **{name: tmp_path / name for name in contents}}
    words = [str(places.get(word, word)) for word in words]
    try:
        status = main(words)
    except SystemExit as ended:  # argparse's own way
        status = int(ended.code or 0)
    assert status == 2
    said = capsys.readouterr().err
    assert said.strip()
    assert "Traceback" not in said


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "other"}', b"\xff\xfe"])
def test_an_invalid_file_ends_with_3(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.kailash.json"
    path.write_bytes(content)
    assert main(["run", str(path)]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "broken.kailash.json" in said
    assert main(["run", str(tmp_path / "absent.kailash.json")]) == 3


def test_a_workflow_that_cannot_run_ends_with_3_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file_of(tmp_path, ("bad", "this is no python", {}))
    assert main(["run", str(path)]) == 3
    assert "bad" in capsys.readouterr().err


def test_a_file_from_elsewhere_ends_with_4_until_it_is_approved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # nobody to ask
    path = file_of(tmp_path, ("writes", "def writes(): return 1", FULL), approved=False)
    assert main(["run", str(path)]) == 4
    said = capsys.readouterr().err
    assert "full access" in said
    assert main(["run", str(path), "--trust"]) == 0
    assert main(["run", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("return 1", "return 2"), encoding="utf-8")
    assert main(["run", str(path)]) == 4, "another content is another file"


def test_a_file_that_touches_nothing_runs_unasked(tmp_path: Path) -> None:
    assert main(["run", str(good(tmp_path, approved=False))]) == 0


def test_degraded_and_dead_letters_end_with_5_and_6_where_asked(tmp_path: Path) -> None:
    nodes = (("broken", "def broken(): raise ValueError('no')", {}), ("spare", "def spare(): return 1", {}))
    path = file_of(tmp_path, *nodes, fallbacks={"broken": "spare"})
    assert main(["run", str(path)]) == 0
    assert main(["run", str(path), "--fail-on", "degraded"]) == 5
    assert main(["run", str(path), "--fail-on", "dead-letters"]) == 0
    path = file_of(tmp_path, nodes[0])
    assert main(["run", str(path), "--fail-on", "degraded"]) == 1
    assert main(["run", str(path), "--fail-on", "degraded,dead-letters"]) == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_and_ends_with_130(number: signal.Signals, tmp_path: Path) -> None:
    path = file_of(tmp_path, ("endless", "def endless():\n    print('begun', flush=True)\n    while True: pass", FULL))
    words = [sys.executable, "-m", "kailash_studio", "run", str(path), "--events", "-"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["kind"] == "log_written":
                process.send_signal(number)
                break
        rest = [json.loads(line)["kind"] for line in process.stdout]
        assert process.wait(30) == 130
    assert "node_cancelled" in rest
    assert rest[-1] == "run_finished"


def test_each_exit_status_is_tested_here() -> None:
    assert {status.value for status in ExitStatus} == {0, 1, 2, 3, 4, 5, 6, 130}


# ------------------------------------------------------------------------------------------------- what is printed
def test_parameters_results_and_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = good(tmp_path)
    output, events, given = tmp_path / "results.json", tmp_path / "events.jsonl", tmp_path / "given.json"
    assert main(["run", str(path), "-p", "answer.x=1", "--output", str(output), "--events", str(events)]) == 0
    assert json.loads(output.read_text(encoding="utf-8")) == {"answer": {"result": 2}}
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    assert [line["sequence"] for line in lines] == list(range(len(lines)))
    assert [line["kind"] for line in lines] == ["run_started", "node_started", "node_succeeded", "run_finished"]
    given.write_text('{"answer": {"x": 9}}', encoding="utf-8")
    assert main(["run", str(path), "--parameters", str(given), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == {"answer": {"result": 10}}


def test_a_value_of_the_command_line_is_json_or_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file_of(tmp_path, ("echo", "def echo(x): return x", {}))
    for text, value in (("1", 1), ("[1, null]", [1, None]), ('"1"', "1"), ("a=b", "a=b"), ("", ""), ("[" * 5000,) * 2):
        assert main(["run", str(path), "-p", f"echo.x={text}", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["results"] == {"echo": {"result": value}}


def test_a_run_looks_at_no_qt(tmp_path: Path) -> None:
    """Where it is installed, so that an import would succeed; ``tests/packaging`` does without."""
    for name in ("PySide6", "NodeGraphQt", "qasync", "pyqtgraph"):
        assert importlib.util.find_spec(name), f"{name} is not installed, so this test would prove nothing"
    program = (
        "import sys\nfrom kailash_studio.__main__ import main\n"
        f"sys.argv = ['kailash-studio', 'run', {str(good(tmp_path))!r}]\nassert main() == 0\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    loaded = set(ast.literal_eval(done.stdout))
    assert "kailash_studio" in loaded
    assert not loaded & {"PySide6", "shiboken6", "Qt", "NodeGraphQt", "qasync", "pyqtgraph"}


def test_validate_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, absent = file_of(tmp_path, ("bad", "def bad(", {})), tmp_path / "absent.kailash.json"
    assert main(["validate", str(EXAMPLE), str(bad), str(absent), "--json"]) == 3
    reports = json.loads(capsys.readouterr().out)
    assert [finding["severity"] for finding in reports[str(EXAMPLE)] if finding["severity"] == "error"] == []
    assert [(f["code"], f["place"].split("/")[:2]) for f in reports[str(bad)]] == [("KS-1222", ["nodes", "bad"])]
    assert [finding["code"] for finding in reports[str(absent)]] == ["KS-1200"]


def test_validate_says_what_is_wrong_and_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(EXAMPLE)]) == 0
    path = file_of(tmp_path, ("bad", "def bad(", {}))
    capsys.readouterr()
    assert main(["validate", str(path)]) == 3
    said = capsys.readouterr()
    assert "bad" in said.out + said.err
    assert "KS-1222" in said.out + said.err


def test_validate_warns_of_a_connection_that_is_not_saved_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = WorkflowBuilder()
    for name in ("books", "refused"):
        given = {"query": "SELECT 1", "connection": "saved", "saved": name}
        builder.add_node("AsyncSQLDatabaseNode", name, given)
    path = tmp_path / "saved.kailash.json"
    builder.build().save(path)
    Connections().put(SavedConnection("books", "sqlite", database="books.db"))
    assert main(["validate", str(path)]) == 0, "a server may have it"
    warned = [line for line in capsys.readouterr().out.splitlines() if "KS-1239" in line]
    assert len(warned) == 1
    assert "warning: nodes/refused/parameters/saved: refused: There is no connection 'refused' (books)" in warned[0]
    (user_configuration() / "connections.json").write_text("{")
    assert main(["validate", str(path)]) == 0
    assert "connections.json" in capsys.readouterr().out


def test_nodes_and_schema_show_the_declarations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nodes"]) == 0
    listed = capsys.readouterr().out
    for name in ("AsyncSQLDatabaseNode", "CSVReaderNode", "FileWriterNode", "HTTPRequestNode", "MergeNode"):
        assert name in listed
    assert main(["nodes", "SwitchNode"]) == 0
    assert "SwitchNode" in capsys.readouterr().out
    assert main(["nodes", "--json"]) == 0
    assert {"PythonCodeNode", "TableViewNode"} <= {entry["type"] for entry in json.loads(capsys.readouterr().out)}
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(
        (ROOT / "resources" / "workflow.schema.json").read_text(encoding="utf-8")
    ), "resources/workflow.schema.json is not up to date: kailash-studio schema > resources/workflow.schema.json"


def test_the_reference_pages_are_up_to_date(tmp_path: Path) -> None:
    assert main(["nodes", "--pages", str(tmp_path / "pages")]) == 0
    made = {page.name: page.read_text(encoding="utf-8") for page in (tmp_path / "pages").iterdir()}
    kept = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "nodes").iterdir()}
    assert made == kept, "docs/nodes is not up to date: kailash-studio nodes --pages docs/nodes"


def test_the_demo_prints_the_metrics(with_database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--no-window"]) == 0
    printed = capsys.readouterr().out
    assert "Total AUM:          $146,348,826.39" in printed
    assert str(with_database / "demo") in printed


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: kailash-studio {command}" in capsys.readouterr().out
