"""The canvas: draws a workflow's graph on NodeGraphQt and reports gestures; it never changes the graph by itself.

What lives here: everything that imports NodeGraphQt. What does not: the document, undo, menus and the inspector.
``view`` holds the plain data that goes in and needs no Qt; ``Canvas`` is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kailash_studio.desktop.canvas.view import Badge, ConnectionView, NodeState, NodeView, PortView

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.canvas import NODE_TYPE_MIME, Canvas

__all__ = ["NODE_TYPE_MIME", "Badge", "Canvas", "ConnectionView", "NodeState", "NodeView", "PortView"]


def __getattr__(name: str) -> object:
    """Load the widget when it is first asked for: importing Qt and NodeGraphQt takes 0.3 s."""
    if name in {"Canvas", "NODE_TYPE_MIME"}:
        from kailash_studio.desktop.canvas import canvas

        return getattr(canvas, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
