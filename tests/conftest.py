"""What all tests share: user data in a folder of their own, and one embedded server for all that need a database."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from kailash_studio.services.embedded_database import EmbeddedDatabase

ROOT = Path(__file__).resolve().parents[1]

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def user_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh user data folder for each test, so that no test sees another's or the developer's."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(home))
    monkeypatch.setenv("KAILASH_SECRETS_CHAIN", "environment,files,encrypted")  # not the developer's own keyring
    return home


@pytest.fixture(scope="session")
def database_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user data folder that keeps its embedded server from test to test."""
    yield tmp_path_factory.mktemp("database_home")


@pytest.fixture
def with_database(database_home: Path, user_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this test use the shared embedded server (it stops by itself after the last test)."""
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(database_home))
    return database_home


@pytest.fixture
def postgres_target(with_database: Path) -> Iterator[dict[str, Any]]:
    """Arguments of a connection to the shared embedded server, which stays up for the test."""
    loop = asyncio.new_event_loop()
    embedded = loop.run_until_complete(EmbeddedDatabase.open())
    try:
        yield loop.run_until_complete(embedded.target())
    finally:
        loop.run_until_complete(embedded.aclose())
        loop.close()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program's wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def headless_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what ``requirements-base.lock`` names, and no more.

    The packages are the ones installed here, linked: the same files as a fresh installation, without the network.
    """
    folder = tmp_path_factory.mktemp("headless")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    found = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    packages = Path(found.stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    lock = (ROOT / "packaging" / "requirements-base.lock").read_text(encoding="utf-8")
    for name in re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE):
        try:
            files = metadata.distribution(name).files or []
        except metadata.PackageNotFoundError:
            continue  # for another system or another Python
        for file in files:
            program = file.parts[0] == ".." and file.parent.name in {"bin", "Scripts"}
            here = python.parent / file.name if program else packages / file.parts[0]
            if (program or file.parts[0] not in {"..", "__pycache__"}) and not here.exists():
                here.symlink_to(Path(str(metadata.distribution(name).locate_file(file if program else file.parts[0]))))
    return python
