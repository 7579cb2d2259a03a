"""Streams, files and folders that take nothing, pipes that nobody reads, and letters that an encoding does not have."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.cli.main import main
from kailash_studio.cli.output import EventLines, json_text
from kailash_studio.errors import ParameterError
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.services import trust

ROOT = Path(__file__).resolve().parents[3]
HALF = "chr(0xd800)"  # half of a surrogate pair: web services and file names can hold it, no encoding can

MakeFile = Callable[..., Path]


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Write an approved workflow file with one node: its code, and further parameters of the node."""

    def make(code: str = "def answer(x: int = 41): return x + 1", **further: Any) -> Path:
        builder = WorkflowBuilder("made for a test")
        builder.add_node("PythonCodeNode", "answer", {"code": code, **further})
        path = tmp_path / "one.kailash.json"
        builder.build().save(path)
        trust.approve(builder.build())
        return path

    return make


def program(words: list[str], **further: Any) -> subprocess.Popen[str]:
    """The program, with its output held back in Python's buffer until it ends, as at a user's."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        [sys.executable, "-m", "kailash_studio", *words],
        env=kept | {"PYTHONPATH": str(ROOT), **further.pop("env", {})},
        encoding="utf-8",
        stderr=subprocess.PIPE,
        **further,
    )


@pytest.mark.parametrize("words", [["nodes"], ["schema"], ["--help"], ["runs"], ["run", "FILE", "--json"]])
def test_a_pipe_that_nobody_reads_ends_a_command_without_a_word(words: list[str], make_file: MakeFile) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [str(make_file()) if word == "FILE" else word for word in words]
    with program(words, stdout=writing) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(30) == 1


def test_events_that_nobody_reads_do_not_stop_the_run(make_file: MakeFile, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = ["run", str(make_file()), "--events", "-", "--output", str(tmp_path / "results.json")]
    with program(words, stdout=writing) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.stderr.read().startswith("kailash-studio: Not all events were written to the standard output: ")
        assert process.wait(30) == 1
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8")) == {"answer": {"result": 42}}
    journal = Journal()
    try:
        (run,) = journal.runs()
        assert run.state == "succeeded"
        assert [event.kind for event in journal.events(run.run_id)][-1] == "run_finished"
    finally:
        journal.close()


def test_progress_that_nobody_reads_does_not_stop_the_run(
    make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    path = make_file()
    monkeypatch.setattr(sys, "stderr", Gone())
    assert main(["run", str(path), "--output", str(tmp_path / "results.json")]) == 0
    assert (tmp_path / "results.json").exists()


if Path("/dev/full").exists():  # a device that is always full; Linux has it

    @pytest.mark.parametrize("words", [["schema"], ["nodes"], ["run", "FILE", "--json"]])
    def test_a_full_disk_is_one_sentence(words: list[str], make_file: MakeFile) -> None:
        words = [str(make_file()) if word == "FILE" else word for word in words]
        with Path("/dev/full").open("w", encoding="utf-8") as full, program(words, stdout=full) as process:
            assert process.stderr is not None
            said = process.stderr.read()
            assert process.wait(30) == 1
        assert said == "kailash-studio: The output cannot be written: No space left on device.\n"

    @pytest.mark.parametrize(("option", "what"), [("--events", "Not all events were"), ("--output", "The results")])
    def test_a_full_disk_does_not_lose_the_run(
        option: str, what: str, make_file: MakeFile, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["run", str(make_file()), option, "/dev/full", "--json"]) == 1
        said = capsys.readouterr()
        assert said.err.startswith(f"kailash-studio: {what}")
        assert json.loads(said.out)["results"] == {"answer": {"result": 42}}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "FILE", "--output", "FOLDER"], "it is a folder"),
        (["run", "FILE", "--output", "ABSENT"], "make the folder"),
        (["run", "FILE", "--events", "ABSENT"], "The events cannot be written"),
        (["run", "FILE", "--events", "-", "--json"], "both want the standard output"),
        (["nodes", "--pages", "FILE"], "The pages cannot be written"),
    ],
)
def test_a_place_that_can_hold_nothing_is_found_before_the_run(
    words: list[str], sentence: str, make_file: MakeFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stands_for = {"FILE": make_file(), "FOLDER": tmp_path, "ABSENT": tmp_path / "absent" / "file"}
    assert main([str(stands_for.get(word, word)) for word in words]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert sentence in said.err
    assert "succeeded" not in said.err


def test_a_data_folder_that_cannot_be_is_one_sentence(
    make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_file()
    (tmp_path / "file").touch()
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(tmp_path / "file"))
    assert main(["run", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "KAILASH_STUDIO_HOME" in said


# ------------------------------------------------------------------------------------------------- letters
@pytest.mark.parametrize(
    ("value", "encoding", "text"),
    [
        ("é→漢", "utf-8", '"é→漢"'),
        ("é→漢", "ascii", r'"\u00e9\u2192\u6f22"'),
        ("é→漢", "cp1252", r'"\u00e9\u2192\u6f22"'),
        ("é", "cp1252", '"é"'),
        ("x\ud800", "utf-8", r'"x\ud800"'),
        ("é", None, '"é"'),
    ],
)
def test_json_has_the_letters_of_its_stream(value: str, encoding: str | None, text: str) -> None:
    assert json_text(value, encoding) == text
    assert json.loads(text) == value


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_a_value_with_any_letters_can_be_printed(encoding: str, make_file: MakeFile) -> None:
    path = make_file(f"def answer(): return 'é→漢' + {HALF}", sandbox="full")
    with program(["run", str(path), "--json"], stdout=subprocess.PIPE, env={"PYTHONIOENCODING": encoding}) as process:
        out, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
    assert json.loads(out)["results"]["answer"]["result"] == "é→漢\ud800"


def test_an_error_with_any_letters_ends_the_run(make_file: MakeFile, tmp_path: Path) -> None:
    path = make_file(f"def answer():\n    raise ValueError('é→漢' + {HALF})", sandbox="full")
    events, output = tmp_path / "events.jsonl", tmp_path / "results.json"
    with program(
        ["run", str(path), "--json", "--events", str(events), "--output", str(output)], stdout=subprocess.PIPE
    ) as process:
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 1
    assert json.loads(out)["failures"]["answer"]["error"] == "answer: line 2: ValueError: é→漢\ud800"
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    assert "\ud800" in next(line for line in lines if line["kind"] == "node_failed")["details"]["error"]


def test_event_lines_stop_at_the_first_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="The events cannot be written"):
        EventLines(str(tmp_path))
    lines = EventLines(str(tmp_path / "events.jsonl"))
    event = Event(0, "run_started", "r", "", 0.0, 0.0, -1, {"nodes": 1})
    lines.show([event, event])
    lines.show([event])
    lines.close()
    assert not lines.problem
    written = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in written] == [event._asdict()] * 3
