"""What runs used of a pool is remembered between processes, and the next one opens as many connections early."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.folders import user_data
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.services.postgres.use import PoolUse, remember, used

USE = PoolUse("nightly", "main", "127.0.0.1:5432/studio")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(tmp_path))


def test_the_largest_of_the_last_peaks_counts_and_an_old_one_is_let_go_of() -> None:
    assert used(USE) == 0
    for peak in (3, 9, 4):
        remember({USE: peak})
    assert used(USE) == 9
    for _ in range(8):
        remember({USE: 2})
    assert used(USE) == 2
    assert used(PoolUse("nightly", "main", "elsewhere:5432/studio")) == 0


def test_nothing_can_be_read_from_the_file_but_numbers() -> None:
    remember({PoolUse("payroll", "salaries", "db.internal:5432/people"): 7})
    text = (user_data() / "pool_use.json").read_text()
    assert not any(word in text for word in ("payroll", "salaries", "internal", "people"))
    assert list(json.loads(text).values()) == [[7]]


@pytest.mark.parametrize("damaged", ["", "[]", '{"a": 1}', '{"a": ["x"]}', "\x00"])
def test_a_damaged_record_is_said_and_begun_anew(damaged: str, caplog: pytest.LogCaptureFixture) -> None:
    (user_data() / "pool_use.json").write_text(damaged)
    with caplog.at_level(logging.WARNING):
        assert used(USE) == 0
        assert "cannot be read from pool_use.json" in caplog.text
        remember({USE: 3})
        assert used(USE) == 3


def test_processes_that_write_at_once_lose_nothing() -> None:
    code = (
        "import sys\nfrom kailash_studio.services.postgres.use import PoolUse, remember\n"
        "for i in range(20): remember({PoolUse(sys.argv[1], str(i), ''): i + 1})"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "abc"]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert [used(PoolUse(name, str(i), "")) for name in "abc" for i in range(20)] == [*range(1, 21)] * 3


async def opened(wide: int) -> dict[str, Any]:
    """What the pool's node told; then so many queries one after another and at once."""
    builder = WorkflowBuilder("wide")
    builder.add_node("WorkflowConnectionPool", "open", pool_name="wide", min_connections=1, max_connections=6)
    query = "SELECT pg_sleep(0.3)" if wide else "SELECT 1"
    for number in range(max(1, wide)):
        builder.add_node("AsyncSQLDatabaseNode", f"q{number}", query=query, connection="pool", pool="wide")
        # the graph does not say that they run at once: they hang on a node that hangs on the pool
        builder.add_connection("open", "pool", f"q{number}", "pool")
    async with AsyncLocalRuntime() as runtime:
        outcome, _ = await runtime.run(builder)
        assert outcome.state == "succeeded", outcome.failures
        told: dict[str, Any] = outcome.results["open"]["result"]
        return told


@pytest.mark.usefixtures("with_database")
def test_a_second_runtime_opens_as_many_as_the_first_used_and_says_why(
    monkeypatch: pytest.MonkeyPatch, database_home: Path
) -> None:
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(database_home))
    first = asyncio.run(opened(4))
    assert first["warmed"] == "4: nodes that can be ready at once"
    second = asyncio.run(opened(0))
    assert second["connections"] == 4
    assert second["warmed"] == "4: so many were used before"
