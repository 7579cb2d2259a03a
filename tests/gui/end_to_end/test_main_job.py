from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest
from performing import on_screen, perform


@pytest.fixture(scope="session")
def sitting(
    display: str, database_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, object]]:
    """One sitting at the window: the saved file, and what the window showed."""
    folder = tmp_path_factory.mktemp("sitting")
    file, pictures = folder / "top_clients.kailash.json", folder / "pictures"
    pictures.mkdir()
    variables, words = on_screen(display, database_home), (str(file), str(pictures))
    return file, perform("analyst.py", *words, variables=variables, seconds=240, pictures=pictures)


def test_a_workflow_is_drawn_run_and_saved_by_hand(sitting: tuple[Path, dict[str, object]]) -> None:
    file, seen = sitting
    assert seen["state"] == "succeeded"
    assert set(dict(seen["states"]).values()) == {"succeeded"}  # type: ignore[call-overload]
    shown = seen["shown"]
    assert isinstance(shown, list)
    assert len(shown) == 5
    assert int(shown[0][1]) >= int(shown[4][1]) >= 1
    assert "succeeded" in str(seen["log"])
    assert seen["edited"] is False
    document = json.loads(file.read_text(encoding="utf-8"))
    assert len(document["nodes"]) == 3
    assert len(document["connections"]) == 2


def test_the_saved_file_runs_headless_without_qt_and_gives_the_same(
    sitting: tuple[Path, dict[str, object]], headless_python: Path, database_home: Path, tmp_path: Path
) -> None:
    file, seen = sitting
    copy = tmp_path / file.name
    copy.write_bytes(file.read_bytes())
    variables = os.environ | {"KAILASH_STUDIO_HOME": str(database_home)}
    command = [str(headless_python), "-m", "kailash_studio", "run", str(copy), "--json"]
    absent = subprocess.run([str(headless_python), "-c", "import PySide6"], capture_output=True, check=False)
    assert b"ModuleNotFoundError" in absent.stderr
    done = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "succeeded"
    shown = [[str(cell) for cell in row] for row in seen["shown"]]  # type: ignore[attr-defined]
    with (tmp_path / "top_clients.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream))[1:] == shown
