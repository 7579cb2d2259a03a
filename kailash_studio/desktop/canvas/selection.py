"""Which nodes are selected, and which one connection; kept in step with the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kailash_studio.desktop.canvas.line import ConnectionLine
    from kailash_studio.desktop.canvas.store import Store
    from kailash_studio.desktop.canvas.viewer import StudioViewer


class Selection:
    """The selected nodes, or the selected connection: never both."""

    def __init__(
        self,
        store: Store,
        viewer: StudioViewer,
        nodes_changed: Callable[[list[str]], None],
        connection_changed: Callable[[str], None],
    ) -> None:
        self._store = store
        self._viewer = viewer
        self._nodes_changed = nodes_changed
        self._connection_changed = connection_changed
        self._ids: dict[str, None] = {}

    def ids(self) -> list[str]:
        """The selected nodes, in the order in which they were selected."""
        return list(self._ids)

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._ids

    def set(self, ids: Iterable[str]) -> None:
        """Select these nodes and no others; tells once, and only of a change."""
        wanted = dict.fromkeys(i for i in ids if i in self._store.cards)
        if wanted:
            self.choose(None)
        if wanted.keys() == self._ids.keys():
            return
        changed = wanted.keys() ^ self._ids.keys()
        self._ids = wanted
        for node_id in changed:
            card = self._store.cards.get(node_id)
            if card is not None:
                card.setSelected(node_id in wanted)
                card.rest(raised=node_id in wanted)
        for node_id in changed:
            card = self._store.cards.get(node_id)
            for line in card.lines() if card is not None else ():
                line.near = line.view.from_node in wanted or line.view.to_node in wanted
                line.update()
        self._viewer.repaint_far()
        self._nodes_changed(list(wanted))

    def toggle(self, node_id: str) -> None:
        """Select one more node, or one less."""
        self.set([i for i in self._ids if i != node_id] if node_id in self._ids else [*self._ids, node_id])

    def choose(self, line: ConnectionLine | None) -> None:
        """Select a connection and no node, or none."""
        before = self._viewer.chosen
        if line is not None:
            self.set(())
        if line is not before:
            self._viewer.choose(line)
            self._connection_changed(line.view.key if line is not None else "")

    def settle(self) -> None:
        """Leave out what is not there any more."""
        self.set(i for i in self._ids if i in self._store.cards)
