"""Nodes that are dropped or added on a connection are put in between."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.canvas.metrics import HEAD, WIDTH
from kailash_studio.desktop.session import Session
from kailash_studio.desktop.unfolding import Unfolding
from kailash_studio.errors import DocumentError
from kailash_studio.workflow import inserting
from kailash_studio.workflow.sub_workflows import parent_of


class Inserting(QObject):
    """Puts nodes on connections: those that the palette gives, and cards that are connected with nothing."""

    def __init__(
        self, session: Session, canvas: Canvas, unfolding: Unfolding, say: Callable[[str], None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._canvas, self._unfolding, self._say = session, canvas, unfolding, say
        canvas.type_fits_between = lambda name, key: inserting.type_fits(session.workflow, session.registry, name, key)
        canvas.node_fits_between = lambda node, key: inserting.node_fits(session.workflow, session.registry, node, key)
        canvas.type_dropped_between.connect(self._add)
        canvas.node_dropped_between.connect(self._put)

    def add_on_selected(self, type_name: str) -> bool:
        """Put a new node on the selected connection; whether there is one, and the node fits."""
        key = self._canvas.chosen_connection()
        line = self._canvas.store.lines.get(key)
        if line is None or not inserting.type_fits(self._session.workflow, self._session.registry, type_name, key):
            return False
        middle = line.middle()
        self._add(type_name, key, middle.x() - WIDTH / 2, middle.y() - HEAD / 2)
        return True

    def _add(self, type_name: str, key: str, x: float, y: float) -> None:
        workflow, registry = self._session.workflow, self._session.registry
        place = self._unfolding.into(workflow, self._parent(key), self._canvas.free_place(x, y))
        try:
            made = inserting.add_between(workflow, registry, type_name, place, key)
        except DocumentError as error:
            self._say(str(error))
            return
        if made is not None:
            node_id, edit = made
            self._session.do(edit)
            self._canvas.select([node_id])

    def _put(self, node_id: str, key: str, x: float, y: float) -> None:
        workflow = self._session.workflow
        place = self._unfolding.moved(workflow, node_id, self._canvas.free_place(x, y, node_id))
        edit = inserting.put_between(workflow, self._session.registry, node_id, place, key)
        if edit is not None:
            self._session.do(edit)
        else:
            self._session.move({node_id: place})

    def _parent(self, key: str) -> str:
        connection = self._session.workflow.connections.get(key)
        return parent_of(connection.source) if connection is not None else ""
