"""Kailash Studio: draw a workflow, make it resilient, debug it step by step, run the same file on a server.

The public names are loaded when they are first used, so that ``import kailash_studio`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "AsyncLocalRuntime": "kailash_studio.runtime.async_local",
    "Input": "kailash_studio.spec.port",
    "LocalRuntime": "kailash_studio.runtime.local",
    "Node": "kailash_studio.spec.node",
    "Output": "kailash_studio.spec.port",
    "Parameter": "kailash_studio.spec.parameter",
    "RunContext": "kailash_studio.spec.context",
    "Workflow": "kailash_studio.workflow.workflow",
    "WorkflowBuilder": "kailash_studio.workflow.builder",
    "node": "kailash_studio.spec.function",
}

__all__ = [*_PUBLIC, "__version__"]  # noqa: PLE0604 - the names are strings, read from the table above

if TYPE_CHECKING:
    from kailash_studio.runtime.async_local import AsyncLocalRuntime as AsyncLocalRuntime
    from kailash_studio.runtime.local import LocalRuntime as LocalRuntime
    from kailash_studio.spec.context import RunContext as RunContext
    from kailash_studio.spec.function import node as node
    from kailash_studio.spec.node import Node as Node
    from kailash_studio.spec.parameter import Parameter as Parameter
    from kailash_studio.spec.port import Input as Input
    from kailash_studio.spec.port import Output as Output
    from kailash_studio.workflow.builder import WorkflowBuilder as WorkflowBuilder
    from kailash_studio.workflow.workflow import Workflow as Workflow


def __getattr__(name: str) -> Any:
    """Load a public name from the module that holds it (PEP 562)."""
    if name in _PUBLIC:
        import importlib

        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
