"""The start script: what it installs for which command, and when it installs again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from launcher import environment
from launcher.commands import level_of
from launcher.environment import Checkout

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("words", "display", "interactive", "level"),
    [
        ([], True, True, "desktop"),
        (["demo"], True, True, "desktop"),
        (["demo"], True, False, "base"),
        (["demo"], False, True, "base"),
        (["demo", "--no-window"], True, True, "base"),
        (["run", "file.kailash.json"], True, True, "base"),
        (["file.kailash.json"], True, True, "desktop"),
        (["--help"], False, False, "base"),
    ],
)
def test_a_command_gets_the_level_that_it_needs(
    words: list[str], display: bool, interactive: bool, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert level_of(words, {"DISPLAY": ":0"} if display else {}, interactive=interactive) == level


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout whose environment is said to be complete."""
    (tmp_path / "packaging").mkdir()
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    made = Checkout(tmp_path)
    for level in environment.LEVELS:
        made.lock(level).write_bytes((ROOT / "packaging" / f"requirements-{level}.lock").read_bytes())
    made.python.parent.mkdir(parents=True)
    made.python.touch()
    identity = environment._identity(made)
    made.stamp.write_text(json.dumps({"level": "desktop", **identity}), encoding="utf-8")
    return made


def test_a_stamp_is_known_again_and_serves_lower_levels(checkout: Checkout) -> None:
    assert environment._has(checkout, "base")
    assert environment._has(checkout, "desktop")
    assert not environment._has(checkout, "all")


def test_another_lock_or_another_dependency_installs_again(checkout: Checkout) -> None:
    lock = checkout.lock("base")
    content = lock.read_text(encoding="utf-8")
    lock.write_text(content + "# changed\n", encoding="utf-8")
    assert not environment._has(checkout, "base")
    lock.write_text(content, encoding="utf-8")
    project = checkout.root / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(text + "\n[tool.ruff.format]\n", encoding="utf-8")
    assert environment._has(checkout, "base"), "settings of the checks are no reason to install"
    project.write_text(text.replace("httpx>=0.28", "httpx>=0.29"), encoding="utf-8")
    assert not environment._has(checkout, "base")


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"level": 7}', '{"level": "desktop"}'])
def test_a_broken_stamp_counts_as_none(checkout: Checkout, stamp: str) -> None:
    checkout.stamp.write_text(stamp, encoding="utf-8")
    assert not environment._has(checkout, "base")


def test_help_needs_no_installation_to_be_understood() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 7))",
            "start.py",
        ],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, "start.py must be read by Pythons that are too old: " + done.stderr
