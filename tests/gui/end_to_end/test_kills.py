"""SIGKILL of the engine and of the window; of the embedded server: tests/unit/services/test_embedded_postgres.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from performing import HERE, perform

from kailash_studio import WorkflowBuilder
from kailash_studio.services import trust


def _offscreen() -> dict[str, str]:
    return os.environ | {"QT_QPA_PLATFORM": "offscreen"}


def test_the_engine_is_killed_and_the_window_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "endless.kailash.json"
    builder = WorkflowBuilder()
    builder.add_node("PythonCodeNode", "endless", code="def endless():\n    while True: pass\n", sandbox="full")
    builder.build().save(file)
    trust.approve(builder.build())
    seen = perform("engine_killed.py", str(file), variables=_offscreen(), seconds=120)
    assert "killed" in seen["told"]
    assert "untouched" in seen["told"]
    assert seen["workers"] >= 1
    assert seen["state"] == "succeeded"


def test_the_window_is_killed_and_the_next_one_brings_the_changes_back(tmp_path: Path, user_home: Path) -> None:
    file = tmp_path / "question.kailash.json"
    builder = WorkflowBuilder()
    builder.add_node("AsyncSQLDatabaseNode", "query", query="SELECT 41 AS answer")
    builder.build().save(file)
    trust.approve(builder.build())
    saved = file.read_bytes()
    words = [sys.executable, str(HERE / "window_killed.py"), "edit", str(file), str(user_home)]
    with subprocess.Popen(words, env=_offscreen(), stdout=subprocess.PIPE, encoding="utf-8") as window:
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
    back = ("return", str(file), str(user_home))
    second = perform("window_killed.py", *back, variables=_offscreen(), seconds=120)
    assert second["text"] == first["text"]
    assert "SELECT 42" in second["text"]
    assert second["dirty"] is True
    assert second["path"] == str(file)
    assert second["state"] == "succeeded"
    assert not list((user_home / "unsaved").iterdir()), "an orderly end leaves nothing to recover"
