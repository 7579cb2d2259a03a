"""Keeps the canvas and the open workflow together: the document is drawn, and gestures become edits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from kailash_studio.desktop import graph_views
from kailash_studio.desktop.breakpoints import Breakpoints
from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.canvas.view import Badge, NodeView
from kailash_studio.desktop.faults import Faults
from kailash_studio.desktop.graph_views import FALLBACK
from kailash_studio.desktop.pins import Pins
from kailash_studio.desktop.session import Session
from kailash_studio.workflow.commands import Change

Say = Callable[[str], None]
T = TypeVar("T")
_LARGE, _SLICE = 1500, 150  # nodes; a slice takes some 30 ms
_PINNED = Badge("pinned", "pin", "purple")
_FAULT = Badge("fault", "triangle-alert", "amber")


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
            say: Shows a sentence for a while.
            parent: Qt parent.
        """
        super().__init__(parent)
        self._session, self._canvas, self._say = session, canvas, say
        self._breakpoints, self._pins, self._faults = breakpoints, pins, faults
        self._badges: dict[str, tuple[Badge, ...]] = {}
        pins.changed.connect(self._mark_badges)
        faults.changed.connect(self._mark_badges)
        self._marks: dict[str, str] = {}
        breakpoints.changed.connect(self._mark_breakpoints)
        self._problems: dict[str, tuple[str, str]] = {}
        self._slices: Iterator[None] = iter(())
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
        canvas.nodes_moved.connect(session.move)
        self._draw_all()

    def add(self, type_name: str, x: float, y: float) -> str:
        """Place a node of a type and select it."""
        node_id = self._session.add_node(type_name, (x, y))
        self._canvas.select([node_id])
        return node_id

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

    def _draw_slice(self) -> bool:
        if next(self._slices, self) is self:
            self._drawing.stop()
            return False
        return True

    def _draw_in_slices(self) -> Iterator[None]:
        workflow, registry = self._session.workflow, self._session.registry
        connected = graph_views.connected_inputs(workflow)
        for chunk in _chunks(list(workflow.nodes)):
            views = [graph_views.node_view(workflow, registry, node_id, connected[node_id]) for node_id in chunk]
            self._canvas.put_many([self._marked(view) for view in views], ())
            yield
        for some in _chunks(list(workflow.connections.values())):
            drawn = [c for c in some if graph_views.can_be_drawn(workflow, registry, c)]
            self._canvas.put_many((), [graph_views.connection_view(c) for c in drawn])
            yield
        pairs = graph_views.fallbacks(workflow)
        self._canvas.put_many((), [graph_views.fallback_view(workflow, *pair) for pair in pairs])
        self._canvas.fit()
        self.drawn.emit()

    def _follow(self, changes: tuple[Change, ...]) -> None:
        """Draw the entries that changed: first what goes, then nodes, then places, then connections."""
        self.finish_drawing()
        workflow, canvas = self._session.workflow, self._canvas
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
        # an input whose parameter may be connected shows its port when it is
        drawn += [n for key in connections for n in self._takers(key.rpartition(">")[2]) if n not in nodes]
        for node_id in dict.fromkeys(drawn):
            canvas.put_node(self._node(node_id))
        for node_id in by_section.get("positions", {}).keys() - nodes.keys():
            if node_id in workflow.nodes and node_id in workflow.positions:
                canvas.move_node(node_id, *workflow.positions[node_id])
        touched = set(drawn)
        for key, connection in workflow.connections.items():
            if key in connections or connection.source in touched or connection.target in touched:
                if graph_views.can_be_drawn(workflow, self._session.registry, connection):
                    canvas.put_connection(graph_views.connection_view(connection))
                else:
                    canvas.remove_connection(key)
        self._follow_fallbacks(nodes, touched)

    def _follow_fallbacks(self, changed: Collection[str], drawn: Collection[str]) -> None:
        wanted = dict(graph_views.fallbacks(self._session.workflow))
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
            view,
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

    def _own_badges(self, node_id: str) -> tuple[Badge, ...]:
        """What is put on a node beside its document."""
        pinned = (_PINNED,) if self._pins.has(node_id) else ()
        return (*pinned, _FAULT) if self._faults.of(node_id) is not None else pinned

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
                known = worst.get(parts[1])
                if known is None or (known[0] == "warning" and finding.severity == "error"):
                    worst[parts[1]] = (finding.severity, finding.sentence)
        return worst

    def _mark_problems(self) -> None:
        before, self._problems = self._problems, self._worst_problems()
        for node_id in before.keys() | self._problems.keys():
            if before.get(node_id) != self._problems.get(node_id) and node_id in self._canvas.store.cards:
                self._canvas.put_node(self._node(node_id))


def _chunks(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _SLICE):
        yield items[start : start + _SLICE]
