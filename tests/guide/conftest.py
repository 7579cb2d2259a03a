"""The services that the guide's blocks talk to: the embedded PostgreSQL with the sample data, and a web server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.failing_service import Service


@pytest.fixture
def database(postgres_target: dict[str, Any]) -> dict[str, Any]:
    """Where the guide says localhost: host, port, user, password and database of a real server, which stays up."""
    return postgres_target


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()
