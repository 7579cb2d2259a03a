"""What all tests share: user data in a folder of their own, and one embedded server for all that need a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def user_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh user data folder for each test, so that no test sees another's or the developer's."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(home))
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
