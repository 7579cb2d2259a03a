"""Node types that work with models and meanings."""

from __future__ import annotations

from typing import Any

from kailash_studio.nodes import exported


def __getattr__(name: str) -> Any:
    """A node type of this package by its name (PEP 562)."""
    return exported(__name__, name)
