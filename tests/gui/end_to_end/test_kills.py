"""SIGKILL of the engine and of the window; of the embedded server: tests/unit/services/test_embedded_postgres.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from kailash_studio import WorkflowBuilder
from kailash_studio.services import trust

HERE = Path(__file__).parent


def test_the_engine_is_killed_and_the_window_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "endless.kailash.json"
    builder = WorkflowBuilder()
    builder.add_node("PythonCodeNode", "endless", code="def endless():\n    while True: pass\n", sandbox="full")
    builder.build().save(file)
    trust.approve(builder.build())
    seen = json.loads(_script("engine_killed.py", str(file)).splitlines()[-1])
    assert "killed" in seen["told"]
    assert "untouched" in seen["told"]
    assert seen["workers"] >= 1
    assert seen["state"] == "succeeded"


def _script(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(HERE / words[0]), *words[1:]],
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_the_window_is_killed_and_the_next_one_brings_the_changes_back(tmp_path: Path, user_home: Path) -> None:
    file = tmp_path / "question.kailash.json"
    builder = WorkflowBuilder()
    builder.add_node("AsyncSQLDatabaseNode", "query", query="SELECT 41 AS answer")
    builder.build().save(file)
    trust.approve(builder.build())
    saved = file.read_bytes()
    words = [sys.executable, str(HERE / "window_killed.py"), "edit", str(file), str(user_home)]
    with subprocess.Popen(
        words, env=os.environ | {"QT_QPA_PLATFORM": "offscreen"}, stdout=subprocess.PIPE, encoding="utf-8"
    ) as window:
        assert window.stdout is not None
        line = window.stdout.readline()
        assert line, "the first window ended by itself"
        first = json.loads(line)
        family = psutil.Process(window.pid).children(recursive=True)
        assert first["engine"] in [process.pid for process in family]
        window.send_signal(signal.SIGKILL)
        window.wait(10)
    _, left = psutil.wait_procs(family, timeout=30)
    assert not left, f"orphans: {left}"
    assert file.read_bytes() == saved, "a killed window must not touch the saved file"
    second = json.loads(_script("window_killed.py", "return", str(file), str(user_home)).splitlines()[-1])
    assert second["text"] == first["text"]
    assert "SELECT 42" in second["text"]
    assert second["dirty"] is True
    assert second["path"] == str(file)
    assert second["state"] == "succeeded"
    assert not list((user_home / "unsaved").iterdir()), "an orderly end leaves nothing to recover"
