"""NodeGraphQt 0.6.44, taken from outside: how it is imported, what of it is used, and what is switched off.

Nothing in the package itself is changed; the version is pinned in ``pyproject.toml`` because private names are used.

**Import.** The library asks for ``distutils`` (gone since Python 3.12, deprecated before) and for ``Qt.py``, which
looks for every binding there is. While it is imported, two small stand-ins answer instead: a ``LooseVersion``, and a
``Qt`` whose modules hand out PySide6's names, looking in ``QtGui`` for the classes that Qt 6 moved there. Import goes
from 0.58 to 0.2 s of CPU. Both are taken away again afterwards, so no other package meets them.

**Used private names, and why.**

=====================================  ===============================================================================
``NodeViewer._LIVE_PIPE``              stock preview of a connection; taken out of the scene, ours is painted in the
                                       foreground and knows types, refusals and snapping
``NodeViewer._SLICER_PIPE``            stock slicer; taken out of the scene, it would delete behind the document's back
``NodeViewer._cursor_text``            stock hint beside the cursor; taken out of the scene
``NodeViewer._search_widget``          stock tab search, a parentless window; deleted, the host has its own
``NodeViewer._ctx_menu_bar``,          hidden menu bar with the stock menus; deleted, it would take Alt and shortcuts
``_ctx_graph_menu``, ``_ctx_node_menu``
``NodeViewer._rubber_band``            stock selection frame, a child widget; deleted, ours is painted
``NodeViewer._update_scene``           fits the view after each zoom or pan and loses two pixels each time; made inert
``PipeItem.__init__``,                 builds an arrow item and four pens for each connection; not called, the
``PortItem.__init__``                  attributes that inherited methods read are set instead
``PipeItem._input_port``,              read by the inherited properties ``input_port`` and ``output_port``
``PipeItem._output_port``
``PortItem._pipes``, ``_name``,        read by the inherited ``connected_pipes``, ``connected_ports``, ``name``,
``_port_type``                         ``port_type``
``AbstractNodeItem._width``,           read by the inherited ``width``, ``height`` and ``boundingRect``
``_height``
=====================================  ===============================================================================

**Switched off**, because each would be a second truth beside the document: undo (``push_undo``, the undo actions),
deleting, copying and pasting, tab search, context menus, node widgets, session files, detaching by pulling at a
connection, and the viewer's mouse and key handlers altogether (``viewer`` and ``gestures`` have their own). Ports and
connections are items of the view only: nodes are registered with the library's ``NodeGraph``, but its port model,
which would keep its own list of connections and looks for cycles in exponential time, holds none.
"""

# ruff: noqa: D102  (what the library's methods do is said by the library)

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from PySide6 import QtCore, QtGui, QtSvg, QtWidgets

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QUndoStack
    from PySide6.QtWidgets import QGraphicsItem, QGraphicsPathItem, QGraphicsView, QMenuBar, QRubberBand, QWidget


class _LooseVersion(tuple[int, ...]):
    """The one thing the library takes from ``distutils``: versions that can be compared."""

    __slots__ = ()

    def __new__(cls, version: str) -> _LooseVersion:
        return super().__new__(cls, (int(part) for part in version.split(".") if part.isdigit()))


def _qt_modules() -> dict[str, ModuleType]:
    """The stand-in for ``Qt.py``: PySide6 under the names of Qt 5."""

    def moved(name: str) -> Any:
        return getattr(QtWidgets, name, None) or getattr(QtGui, name)

    widgets = ModuleType("Qt.QtWidgets")
    widgets.__getattr__ = moved  # type: ignore[method-assign]  # a module's own __getattr__ (PEP 562)
    qt = ModuleType("Qt")
    vars(qt).update(QtCore=QtCore, QtGui=QtGui, QtSvg=QtSvg, QtWidgets=widgets, QtCompat=ModuleType("Qt.QtCompat"))
    return {"Qt": qt}


def _distutils_modules() -> dict[str, ModuleType]:
    version = ModuleType("distutils.version")
    vars(version)["LooseVersion"] = _LooseVersion
    package = ModuleType("distutils")
    vars(package)["version"] = version
    return {"distutils": package, "distutils.version": version}


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Put the stand-ins into ``sys.modules`` and leave it as it was found."""
    modules = {**_qt_modules(), **_distutils_modules()}
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


if TYPE_CHECKING:
    # The library has no annotations: these are the parts of it that are used, so that what uses them is checked.

    class NodeModel:
        """The library's record of a node."""

        id: str
        name: str

    class NodeGraphModel:
        """The library's record of a graph."""

        nodes: dict[str, NodeObject]

    class PortItem(QGraphicsItem):
        """The library's item of a port."""

        _pipes: list[PipeItem]
        _name: str
        _port_type: str

        @property
        def connected_pipes(self) -> list[PipeItem]: ...
        @property
        def name(self) -> str: ...
        @property
        def port_type(self) -> str: ...
        def remove_pipe(self, pipe: PipeItem) -> None: ...

    class PipeItem(QGraphicsPathItem):
        """The library's item of a connection."""

        _input_port: PortItem | None
        _output_port: PortItem | None

        def set_connections(self, port1: PortItem, port2: PortItem) -> None: ...
        def delete(self) -> None: ...

    class AbstractNodeItem(QGraphicsItem):
        """The library's item of a node."""

        _width: float
        _height: float
        id: str

        def __init__(self, name: str = "node", parent: QGraphicsItem | None = None) -> None: ...
        def delete(self) -> None: ...

    class NodeObject:
        """The library's node."""

        model: NodeModel
        view: Any

        def __init__(self, qgraphics_item: type[AbstractNodeItem] | None = None) -> None: ...

    class NodeViewer(QGraphicsView):
        """The library's view of a graph."""

        _LIVE_PIPE: QGraphicsItem
        _SLICER_PIPE: QGraphicsItem
        _cursor_text: QGraphicsItem
        _search_widget: QWidget
        _ctx_menu_bar: QMenuBar
        _ctx_graph_menu: QWidget
        _ctx_node_menu: QWidget
        _rubber_band: QRubberBand

        def __init__(self, parent: QWidget | None = None, undo_stack: QUndoStack | None = None) -> None: ...
        def _update_scene(self) -> None: ...
        def add_node(self, node: AbstractNodeItem, pos: tuple[float, float] | None = None) -> None: ...
        def context_menus(self) -> dict[str, QWidget]: ...
        def establish_connection(self, start_port: PortItem, end_port: PortItem) -> None: ...

    class NodeGraph(QObject):
        """The library's controller."""

        model: NodeGraphModel

        def __init__(self, parent: QObject | None = None, *, viewer: NodeViewer, undo_stack: QUndoStack) -> None: ...
        def undo_stack(self) -> QUndoStack: ...
        def all_nodes(self) -> list[NodeObject]: ...
        def selected_nodes(self) -> list[NodeObject]: ...

else:
    with _stand_ins():
        from NodeGraphQt import NodeGraph, NodeObject
        from NodeGraphQt.qgraphics.node_abstract import AbstractNodeItem
        from NodeGraphQt.qgraphics.pipe import PipeItem
        from NodeGraphQt.qgraphics.port import PortItem
        from NodeGraphQt.widgets.viewer import NodeViewer

__all__ = ["AbstractNodeItem", "NodeGraph", "NodeObject", "NodeViewer", "PipeItem", "PortItem"]

IN, OUT = "in", "out"
"""The library's two kinds of ports (``PortTypeEnum``)."""
