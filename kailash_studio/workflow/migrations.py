"""Steps that bring a file of an older format version to the current one.

``MIGRATIONS[n]`` takes the raw object of version n and returns that of version n + 1. The first version is the
current one, so there is no step yet; a test asserts that no version is left without its step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kailash_studio.workflow.workflow import VERSION

Migration = Callable[[dict[str, Any]], dict[str, Any]]

MIGRATIONS: Mapping[int, Migration] = {}


def migrate(
    raw: dict[str, Any], version: int, *, current: int = VERSION, steps: Mapping[int, Migration] = MIGRATIONS
) -> dict[str, Any]:
    """The raw object brought from its version to the current one; a newer one is returned as it is."""
    while version < current:
        raw = steps[version](raw)
        version += 1
    return raw
