from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from kailash_studio.desktop.preflight import install_line

ROOT = Path(__file__).resolve().parents[2]

QT = ("PySide6", "shiboken6", "NodeGraphQt", "Qt", "qasync", "pyqtgraph")


def test_the_wheel_holds_the_program_and_its_resources(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for name in ("examples/portfolio_analysis.kailash.json", "workflow.schema.json", "system_libraries.json"):
        assert f"kailash_studio/resources/{name}" in names
    for path in (ROOT / "kailash_studio").rglob("*.py"):
        assert path.relative_to(ROOT).as_posix() in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "packaging/", "docs/"))]


def test_without_qt_the_command_line_works_and_the_window_says_what_it_needs(
    headless_python: Path, tmp_path: Path
) -> None:
    def program(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(headless_python), "-m", "kailash_studio", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": ""},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    helped, listed, window = program("--help"), program("nodes"), program()
    assert helped.returncode == 0
    assert "run" in helped.stdout
    assert listed.returncode == 0
    assert "AsyncSQLDatabaseNode" in listed.stdout
    assert window.returncode == 2
    assert 'install it with `python -m pip install "kailash-studio[desktop]"`' in window.stderr
    assert "Traceback" not in window.stderr


@pytest.mark.parametrize("words", [["run", "FILE", "--trust"], ["validate", "FILE"], ["nodes"], ["schema"], ["--help"]])
def test_no_command_imports_qt(words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "empty.kailash.json"
    shutil.copyfile(ROOT / "resources" / "examples" / "portfolio_analysis.kailash.json", file)
    words = [str(file) if word == "FILE" else word for word in words]
    if words[0] == "run":
        words += ["-p", "fetch_portfolios.connection=nowhere"]  # how it ends does not matter
    code = (
        "import sys\n"
        "from kailash_studio.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {QT!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("level", ["base", "desktop", "all"])
def test_the_locks_cover_what_the_project_depends_on(level: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    extras = {"base": [], "desktop": ["desktop"], "all": list(project["optional-dependencies"])}[level]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    lock = (ROOT / "packaging" / f"requirements-{level}.lock").read_text(encoding="utf-8")
    pinned = {_normal(name) for name in re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)}
    names = {_normal(re.split(r"[\s<>=!~;\[]", text, maxsplit=1)[0]) for text in wanted}
    assert names <= pinned
    assert lock.count("--hash=sha256:") >= len(pinned)
    assert "://" not in lock, "a lock names no address"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("program", "package", "words"),
    [
        ("desktop-file-validate", "desktop-file-utils", ["packaging/kailash-studio.desktop"]),
        ("appstreamcli", "appstream", ["validate", "--no-net", "packaging/kailash-studio.metainfo.xml"]),
    ],
)
def test_the_desktop_accepts_the_files_of_a_package(program: str, package: str, words: list[str]) -> None:
    if shutil.which(program) is None:
        pytest.fail(f"This test needs a system package: {install_line([package])}.")
    done = subprocess.run([program, *words], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
