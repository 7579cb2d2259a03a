"""The embedded server for the pool's tests: its address, and a place for tables that nobody else sees."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kailash_studio.services.embedded_database import EmbeddedDatabase


@pytest.fixture
def target(with_database: Path) -> Iterator[dict[str, Any]]:
    """Arguments of a connection to the embedded server, which stays up for the test."""
    loop = asyncio.new_event_loop()
    embedded = loop.run_until_complete(EmbeddedDatabase.open())
    try:
        yield loop.run_until_complete(embedded.target())
    finally:
        loop.run_until_complete(embedded.aclose())
        loop.close()
