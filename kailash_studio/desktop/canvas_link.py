"""Keeps the canvas and the open workflow together: the document is drawn, and gestures become edits."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from kailash_studio.desktop import graph_views
from kailash_studio.desktop.breakpoints import Breakpoints
from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.canvas.view import Badge, ConnectionView, NodeView
from kailash_studio.desktop.faults import Faults
from kailash_studio.desktop.graph_views import FALLBACK
from kailash_studio.desktop.pins import Pins
from kailash_studio.desktop.session import Session
from kailash_studio.desktop.unfolding import Unfolding, around_of
from kailash_studio.errors import DocumentError
from kailash_studio.workflow.commands import Change
from kailash_studio.workflow.sub_workflows import is_sub_workflow, parent_of, within
from kailash_studio.workflow.workflow import Connection

Say = Callable[[str], None]
T = TypeVar("T")
_LARGE, _SLICE = 1500, 50  # nodes; a slice takes some 10 ms
_PINNED = Badge("pinned", "pin", "purple")
_FAULT = Badge("fault", "triangle-alert", "amber")
_STOPS_INSIDE = Badge("stops inside", "circle-dot", "red")


class CanvasLink(QObject):
    """Draws the session's workflow on the canvas and turns the canvas' gestures into edits.

    A large workflow is drawn in slices, so that the window goes on meanwhile.

    Signals:
        drawn: All of a workflow that was opened is on the canvas.
    """

    drawn = Signal()

    def __init__(
        self,
        session: Session,
        canvas: Canvas,
        breakpoints: Breakpoints,
        pins: Pins,
        faults: Faults,
        unfolding: Unfolding,
        say: Say,
        parent: QObject,
    ) -> None:
        """Link them.

        Args:
            session: The open workflow.
            canvas: Where it is drawn.
            breakpoints: Mark nodes.
            pins: Mark nodes.
            faults: Mark nodes.
            unfolding: What is seen of sub-workflows.
            say: Shows a sentence for a while.
            parent: Qt parent.
        """
        super().__init__(parent)
        self._session, self._canvas, self._say = session, canvas, say
        self._breakpoints, self._pins, self._faults = breakpoints, pins, faults
        self._unfolding = unfolding
        canvas.inside = lambda node_id: within(session.workflow, node_id)
        canvas.reveal = self.reveal
        canvas.node_activated.connect(self._activated)
        self._badges: dict[str, tuple[Badge, ...]] = {}
        pins.changed.connect(self._mark_badges)
        faults.changed.connect(self._mark_badges)
        self._marks: dict[str, str] = {}
        self._marked_connections: set[str] = set()
        breakpoints.changed.connect(self._mark_breakpoints)
        breakpoints.changed.connect(self._mark_badges)
        self._problems: dict[str, tuple[str, str]] = {}
        self._slices: Iterator[None] = iter(())
        self._frozen = False
        self._drawing = QTimer(self)
        self._drawing.setInterval(0)
        self._drawing.timeout.connect(self._draw_slice)
        session.opened.connect(self._draw_all)
        session.changed.connect(self._follow)
        session.findings_changed.connect(self._mark_problems)
        canvas.refusal = session.refusal
        canvas.fallback_refusal = session.fallback_refusal
        canvas.fallback_drawn.connect(self.draw_fallback)
        canvas.type_dropped.connect(self.add)
        canvas.connection_drawn.connect(self._connect)
        canvas.connection_delete_requested.connect(self._delete)
        canvas.nodes_moved.connect(self._moved)
        self._draw_all()

    def add(self, type_name: str, x: float, y: float) -> str:
        """Place a node of a type and select it; on a frame, inside of what that is."""
        parent = self._canvas.frame_at(x, y)
        place = self._unfolding.into(self._session.workflow, parent, (x, y))
        try:
            node_id = self._session.add_node(type_name, place, parent=parent)
        except DocumentError as error:
            self._say(str(error))
            return ""
        self._canvas.select([node_id])
        return node_id

    def _moved(self, places: dict[str, tuple[float, float]]) -> None:
        """Cards were dragged; what is inside of a frame went with it, and keeps its place in there."""
        workflow = self._session.workflow
        outer = {n: place for n, place in places.items() if not any(a in places for a in around_of(n))}
        self._session.move({n: self._unfolding.moved(workflow, n, place) for n, place in outer.items()})

    # ------------------------------------------------------------------ sub-workflows
    def _activated(self, node_id: str) -> None:
        if is_sub_workflow(self._session.workflow, node_id):
            self.unfold_or_fold([node_id])

    def unfold_or_fold(self, nodes: Collection[str]) -> None:
        """See sub-workflows from inside, or as one card again; from a node inside, that which it is in."""
        workflow = self._session.workflow
        chosen = dict.fromkeys(n if is_sub_workflow(workflow, n) else parent_of(n) for n in nodes)
        chosen.pop("", None)
        if not chosen:
            self._say("Select a sub-workflow first, to see it from inside.")
            return
        for node_id in chosen:
            if self._unfolding.is_open(node_id):
                self._unfolding.fold(node_id)
            else:
                self._unfolding.unfold(workflow, node_id)
        self._rearrange()
        shown = [n for n in chosen if self._unfolding.shows(n)]
        self._canvas.select(shown)
        for node_id in shown:
            self._canvas.show_whole(node_id)

    def reveal(self, node_id: str) -> None:
        """Put a node on the canvas that is inside of others."""
        if node_id in self._session.workflow.nodes and not self._unfolding.shows(node_id):
            self.finish_drawing()
            self._unfolding.reveal(self._session.workflow, node_id)
            self._rearrange()

    def _rearrange(self) -> None:
        """Draw what is to be seen now, where it is now."""
        workflow, canvas = self._session.workflow, self._canvas
        for node_id in [n for n in canvas.store.cards if not self._unfolding.shows(n)]:
            canvas.hide_node(node_id)
        fresh = set()
        for node_id in self._unfolding.shown(workflow):
            card = canvas.store.cards.get(node_id)
            framed = card is not None and (card.view.room is not None) != self._unfolding.is_open(node_id)
            if card is None or framed or is_sub_workflow(workflow, node_id):
                canvas.put_node(self._node(node_id))
                fresh.add(node_id)
            else:
                canvas.move_node(node_id, *self._unfolding.place(workflow, node_id))
        for connection in workflow.connections.values():
            if connection.source in fresh or connection.target in fresh:
                self._put_connection(connection)
        self._follow_fallbacks(fresh, fresh)

    def _connection_view(self, connection: Connection) -> ConnectionView:
        return replace(graph_views.connection_view(connection), breakpoint=self._breakpoints.mark_on(connection.key))

    def _put_connection(self, connection: Connection) -> None:
        ends = (connection.source, connection.target)
        seen = all(self._unfolding.shows(end) for end in ends)
        if seen and graph_views.can_be_drawn(self._session.workflow, self._session.registry, connection):
            self._canvas.put_connection(self._connection_view(connection))
        else:
            self._canvas.remove_connection(connection.key)

    def _connect(self, source: str, output: str, target: str, target_input: str) -> None:
        reason = self._session.connect_ports(source, output, target, target_input)
        if reason:
            self._say(reason)

    def draw_fallback(self, node_id: str, fallback: str) -> None:
        """Let a node take over when another fails; what it was connected with is told, for it is gone then."""
        workflow = self._session.workflow
        lost = len([*workflow.incoming(fallback), *workflow.outgoing(fallback)])
        reason = self._session.set_fallback(node_id, fallback)
        if reason:
            self._say(reason)
        elif lost:
            gone = f"its {lost} connections were" if lost > 1 else "its connection was"
            self._say(f"{fallback} runs only when {node_id} fails now, so {gone} removed; Undo brings them back.")

    # ------------------------------------------------------------------ drawing
    def _draw_all(self) -> None:
        self._unfolding.reset()
        self._thaw()
        self._problems = self._worst_problems()
        self._canvas.clear()
        self._slices = self._draw_in_slices()
        if len(self._session.workflow.nodes) > _LARGE:
            self._drawing.start()
        else:
            self.finish_drawing()

    def finish_drawing(self) -> None:
        """Draw what is left of a large workflow, now."""
        while self._draw_slice():
            pass

    def close(self) -> None:
        """The window closes: nothing more is drawn."""
        self._drawing.stop()
        self._slices = iter(())
        self._thaw()

    def _thaw(self) -> None:
        """What was drawn before may go now."""
        if self._frozen:
            gc.unfreeze()
            self._frozen = False

    def _draw_slice(self) -> bool:
        more = next(self._slices, self) is not self
        if self._drawing.isActive():
            # a million objects that stay: the collector would hold the window up for 0.2 s to find that out
            gc.freeze()
            self._frozen = True
        if not more:
            self._drawing.stop()
        return more

    def _draw_in_slices(self) -> Iterator[None]:
        workflow, registry = self._session.workflow, self._session.registry
        connected = graph_views.connected_inputs(workflow)
        for chunk in _chunks(self._unfolding.shown(workflow)):
            views = [graph_views.node_view(workflow, registry, node_id, connected[node_id]) for node_id in chunk]
            self._canvas.put_many([self._marked(view) for view in views], ())
            yield
        for some in _chunks(list(workflow.connections.values())):
            seen = [c for c in some if self._unfolding.shows(c.source) and self._unfolding.shows(c.target)]
            drawn = [c for c in seen if graph_views.can_be_drawn(workflow, registry, c)]
            self._canvas.put_many((), [self._connection_view(c) for c in drawn])
            yield
        pairs = [pair for pair in graph_views.fallbacks(workflow) if self._unfolding.shows(pair[0])]
        self._canvas.put_many((), [graph_views.fallback_view(workflow, *pair) for pair in pairs])
        self._canvas.fit()
        self.drawn.emit()

    def _follow(self, changes: tuple[Change, ...]) -> None:
        """Draw the entries that changed: first what goes, then nodes, then places, then connections."""
        self.finish_drawing()
        workflow, canvas = self._session.workflow, self._canvas
        room_is_back = self._unfolding.settle(workflow)
        by_section: dict[str, dict[str, Change]] = {}
        for change in changes:
            by_section.setdefault(change.section, {})[change.key] = change
        connections, nodes = by_section.get("connections", {}), by_section.get("nodes", {})
        for key, change in connections.items():
            if change.before is not None:
                canvas.remove_connection(key)
        for node_id in nodes.keys() - workflow.nodes.keys():
            canvas.remove_node(node_id)
        drawn = [node_id for node_id in nodes if node_id in workflow.nodes]
        moved = by_section.get("positions", {})
        # what is around a node shows its ports, and is as large as what is inside
        drawn += [n for node_id in (*nodes, *moved) for n in around_of(node_id) if n in workflow.nodes]
        drawn += [n for n in moved if self._unfolding.is_open(n)]
        drawn += [n for n in self._inside_of(moved) if n not in nodes]
        # an input whose parameter may be connected shows its port when it is
        drawn += [n for key in connections for n in self._takers(key.rpartition(">")[2]) if n not in nodes]
        for node_id in dict.fromkeys(drawn):
            if self._unfolding.shows(node_id):
                canvas.put_node(self._node(node_id))
        for node_id in moved.keys() - set(drawn):
            if node_id in canvas.store.cards and node_id in workflow.positions:
                canvas.move_node(node_id, *self._unfolding.place(workflow, node_id))
        touched = set(drawn)
        for key, connection in workflow.connections.items():
            if key in connections or connection.source in touched or connection.target in touched:
                self._put_connection(connection)
        self._follow_fallbacks(nodes, touched)
        if room_is_back:
            self._rearrange()

    def _inside_of(self, moved: Collection[str]) -> list[str]:
        """What is shown inside of frames that were moved."""
        frames = [n for n in moved if self._unfolding.is_open(n)]
        return [inner for frame in frames for inner in within(self._session.workflow, frame)]

    def _follow_fallbacks(self, changed: Collection[str], drawn: Collection[str]) -> None:
        pairs = graph_views.fallbacks(self._session.workflow)
        wanted = {node_id: fallback for node_id, fallback in pairs if self._unfolding.shows(node_id)}
        for node_id in changed:
            if node_id not in wanted:
                self._canvas.remove_connection(f"{FALLBACK}{node_id}")
        for node_id, fallback in wanted.items():
            if changed or fallback in drawn:  # a change above it may give it another place in the order
                view = graph_views.fallback_view(self._session.workflow, node_id, fallback)
                self._canvas.put_connection(view)

    def _delete(self, key: str) -> None:
        if key.startswith(FALLBACK):
            self._session.set_fallback(key.removeprefix(FALLBACK), None)
        else:
            self._session.disconnect_keys([key])

    def _takers(self, end: str) -> list[str]:
        node_id = end.split(".", maxsplit=1)[0]
        return [node_id] if node_id in self._session.workflow.nodes else []

    def _node(self, node_id: str) -> NodeView:
        return self._marked(graph_views.node_view(self._session.workflow, self._session.registry, node_id))

    def _marked(self, view: NodeView) -> NodeView:
        severity, sentence = self._problems.get(view.id, ("", ""))
        return replace(
            self._unfolding.dressed(self._session.workflow, view),
            badges=(*self._own_badges(view.id), *view.badges),
            breakpoint=self._marks.get(view.id, ""),
            problem=severity,  # type: ignore[arg-type]  # the severities that are kept are the two that it takes
            problem_text=sentence,
        )

    def _mark_breakpoints(self) -> None:
        nodes = self._session.workflow.nodes
        before, self._marks = self._marks, {node_id: self._breakpoints.mark(node_id) for node_id in nodes}
        for node_id in nodes:
            if before.get(node_id, "") != self._marks[node_id] and node_id in self._canvas.store.cards:
                self._canvas.put_node(self._node(node_id))
        marked = self._breakpoints.connections()
        for key in marked | self._marked_connections:
            connection = self._session.workflow.connections.get(key)
            if connection is not None and key in self._canvas.store.lines:
                self._put_connection(connection)
        self._marked_connections = marked

    def _own_badges(self, node_id: str) -> tuple[Badge, ...]:
        """What is put on a node beside its document."""
        pinned = (_PINNED,) if self._pins.has(node_id) else ()
        fault = (_FAULT,) if self._faults.of(node_id) is not None else ()
        folded = not self._unfolding.is_open(node_id)
        return (*pinned, *fault, _STOPS_INSIDE) if folded and self._breakpoints.inside(node_id) else (*pinned, *fault)

    def _mark_badges(self) -> None:
        nodes = self._session.workflow.nodes
        before, self._badges = self._badges, {n: own for n in nodes if (own := self._own_badges(n))}
        for node_id in before.keys() | self._badges.keys():
            changed = before.get(node_id) != self._badges.get(node_id)
            if changed and node_id in nodes and node_id in self._canvas.store.cards:
                self._canvas.put_node(self._node(node_id))

    # ------------------------------------------------------------------ problems
    def _worst_problems(self) -> dict[str, tuple[str, str]]:
        worst: dict[str, tuple[str, str]] = {}
        for finding in self._session.findings:
            parts = finding.place.split("/")
            if parts[0] == "nodes" and len(parts) > 1 and finding.severity != "info":
                for node_id in (parts[1], *around_of(parts[1])):  # one that is folded says it for its inside
                    known = worst.get(node_id)
                    if known is None or (known[0] == "warning" and finding.severity == "error"):
                        worst[node_id] = (finding.severity, finding.sentence)
        return worst

    def _mark_problems(self) -> None:
        before, self._problems = self._problems, self._worst_problems()
        there = self._canvas.store.cards.keys() & self._session.workflow.nodes.keys()  # another one may just be opened
        for node_id in (before.keys() | self._problems.keys()) & there:
            if before.get(node_id) != self._problems.get(node_id):
                self._canvas.put_node(self._node(node_id))


def _chunks(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _SLICE):
        yield items[start : start + _SLICE]
