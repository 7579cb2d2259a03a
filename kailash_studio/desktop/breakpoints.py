"""The breakpoints of the open workflow: kept for its file in the user's settings, never in the file itself."""

from __future__ import annotations

from dataclasses import asdict, replace
from operator import itemgetter

from PySide6.QtCore import QObject, Signal

from kailash_studio.desktop.gone import Gone
from kailash_studio.desktop.session import Session
from kailash_studio.desktop.settings import Settings
from kailash_studio.errors import EngineError
from kailash_studio.runtime.debug_requests import read_breakpoints
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.workflow.commands import Change, new_keys
from kailash_studio.workflow.sub_workflows import SEPARATOR
from kailash_studio.workflow.workflow import Connection

_MOST_FILES = 50


class Breakpoints(QObject):
    """Where runs of the open workflow stop.

    Signals:
        changed: One came, went, or is another now.
    """

    changed = Signal()

    def __init__(self, session: Session, settings: Settings, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._settings = session, settings
        self._points: list[Breakpoint] = []
        self._gone: Gone[list[tuple[int, Breakpoint]]] = Gone()  # with their places in the list
        session.opened.connect(self._load)
        session.changed.connect(self._follow)
        session.saved_changed.connect(self._keep)
        self._load()

    def all(self) -> list[Breakpoint]:
        """All of them, in the order in which they were set."""
        return list(self._points)

    def mark(self, node_id: str) -> str:
        """How a node is marked: ``on``, ``off`` where all of its breakpoints are switched off, or empty."""
        own = [point for point in self._points if point.node == node_id and not point.connection]
        return "" if not own else "on" if any(point.enabled for point in own) else "off"

    def inside(self, node_id: str) -> bool:
        """Whether something inside of a sub-workflow has one."""
        return any(point.node.startswith(node_id + SEPARATOR) for point in self._points)

    def mark_on(self, key: str) -> str:
        """How a connection is marked: ``on``, ``off`` or empty."""
        own = [point for point in self._points if point.connection == key]
        return "" if not own else "on" if any(point.enabled for point in own) else "off"

    def connections(self) -> set[str]:
        """The keys of the connections that have breakpoints."""
        return {point.connection for point in self._points if point.connection}

    def toggle_connection(self, connection: Connection) -> None:
        """Stop where a value comes along a connection, before the node that takes it; or no longer."""
        key = connection.key
        rest = [point for point in self._points if point.connection != key]
        fresh = Breakpoint(connection.target, connection=key)
        self._set(rest if len(rest) < len(self._points) else [*rest, fresh])

    def toggle(self, node_id: str) -> None:
        """Set a breakpoint before a node, or take all of the node's own away."""
        rest = [point for point in self._points if point.node != node_id or point.connection]
        self._set(rest if len(rest) < len(self._points) else [*rest, Breakpoint(node_id)])

    def add(self, point: Breakpoint) -> None:
        """Set one."""
        self._set([*self._points, point])

    def put(self, index: int, point: Breakpoint) -> None:
        """Change one."""
        self._set([*self._points[:index], point, *self._points[index + 1 :]])

    def remove(self, index: int) -> None:
        """Take one away."""
        self._set([*self._points[:index], *self._points[index + 1 :]])

    def _set(self, points: list[Breakpoint]) -> None:
        self._points = points
        self._keep()
        self.changed.emit()

    def _follow(self, changes: tuple[Change, ...]) -> None:
        """What has another name now keeps its breakpoints; what is gone has none, until Undo brings it back."""
        names, connections = new_keys(changes), new_keys(changes, "connections")
        moved = [
            replace(p, node=names.get(p.node, p.node), connection=connections.get(p.connection, p.connection))
            for p in self._points
        ]
        lost: dict[str, list[tuple[int, Breakpoint]]] = {}
        for index, point in enumerate(moved):
            if not self._stands(point):
                lost.setdefault(point.connection or point.node, []).append((index, point))
        for change in changes:
            if change.section != "positions" and change.after is None and change.key in lost:
                self._gone.keep(change, lost[change.key])
        points = [point for point in moved if self._stands(point)]
        for index, point in sorted((known for own in self._gone.back(changes) for known in own), key=itemgetter(0)):
            points.insert(index, point)
        if points != self._points:
            self._set(points)

    def _stands(self, point: Breakpoint) -> bool:
        workflow = self._session.workflow
        there = not point.connection or point.connection in workflow.connections
        return there and point.node in workflow.nodes

    def _load(self) -> None:
        self._gone.forget()
        try:
            self._points = read_breakpoints(self._settings.breakpoints.get(self._file(), []))
        except (EngineError, TypeError, AttributeError):
            self._points = []  # somebody else wrote them; a breakpoint that is gone harms nobody
        self.changed.emit()

    def _keep(self) -> None:
        name = self._file()
        if not name:
            return  # they are kept once the workflow is a file
        known = {other: points for other, points in self._settings.breakpoints.items() if other != name}
        if self._points:
            known[name] = [asdict(point) for point in self._points]
        known = dict(list(known.items())[-_MOST_FILES:])
        if known != self._settings.breakpoints:
            self._settings.breakpoints = known
            self._settings.save()

    def _file(self) -> str:
        return str(self._session.path) if self._session.path is not None else ""
