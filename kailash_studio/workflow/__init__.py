"""The document: what a workflow is, how it is read, written, checked, built and changed.

Plain data and pure functions. Nothing here runs a node or opens anything but the file that it is asked to read.
"""

from __future__ import annotations

from typing import Any

_PUBLIC = {
    "RetryStrategy": "kailash_studio.workflow.resilience",
    "Workflow": "kailash_studio.workflow.workflow",
    "WorkflowBuilder": "kailash_studio.workflow.builder",
}

__all__ = ["RetryStrategy", "Workflow", "WorkflowBuilder"]


def __getattr__(name: str) -> Any:
    """Load a public name from the module that holds it (PEP 562)."""
    if name in _PUBLIC:
        import importlib

        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
