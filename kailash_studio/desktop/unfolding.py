"""Which sub-workflows are seen from inside, and where cards are then. The document does not change by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from PySide6.QtCore import QRectF

from kailash_studio.desktop import graph_views
from kailash_studio.desktop.canvas.metrics import FOOT, HEAD, ROW, WIDTH, height
from kailash_studio.desktop.canvas.view import NodeView
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.sub_workflows import SEPARATOR, beside, is_sub_workflow, parent_of
from kailash_studio.workflow.workflow import Workflow

Place = tuple[float, float]

_SIDE = 128.0  # of a frame's port labels, left and right of what is inside
_ABOVE, _BELOW = HEAD + 28.0, 28.0
_EMPTY = (WIDTH, HEAD + ROW + FOOT)


@dataclass(slots=True)
class _Opening:
    """One sub-workflow that is seen from inside.

    Attributes:
        corner: The left and upper edge of what is inside, in its own places, when it was opened.
        shifts: How far other cards were moved aside for it.
    """

    corner: Place = (0.0, 0.0)
    shifts: dict[str, Place] = field(default_factory=dict)


class Unfolding:
    """What is seen of one workflow's sub-workflows.

    Each sub-workflow has places of its own. Seen from inside it is a frame that begins where its card was; cards right
    of it and below it are shown that much further away, until it is folded again.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._open: dict[str, _Opening] = {}

    # ------------------------------------------------------------------ what is open
    def is_open(self, node_id: str) -> bool:
        """Whether a sub-workflow is seen from inside."""
        return node_id in self._open

    def shows(self, node_id: str) -> bool:
        """Whether a node is on the canvas: all that it is inside of are open."""
        return all(around in self._open for around in around_of(node_id)) if SEPARATOR in node_id else True

    def shown(self, workflow: Workflow) -> list[str]:
        """The nodes that are on the canvas."""
        return [node_id for node_id in workflow.nodes if self.shows(node_id)]

    def reset(self) -> None:
        """Another workflow: all of its sub-workflows are folded."""
        self._open.clear()

    def settle(self, workflow: Workflow) -> bool:
        """Forget what is not there any more; whether there was such a thing, so that cards stand elsewhere now."""
        gone = [n for n in self._open if not is_sub_workflow(workflow, n) or not self.shows(n)]
        for node_id in gone:
            self._open.pop(node_id, None)
        return bool(gone)

    def reveal(self, workflow: Workflow, node_id: str) -> None:
        """Open all that a node is inside of."""
        for around in around_of(node_id):
            self.unfold(workflow, around)

    def unfold(self, workflow: Workflow, node_id: str) -> None:
        """See a sub-workflow from inside; cards that are in the way make room."""
        if node_id in self._open or not is_sub_workflow(workflow, node_id) or not self.shows(node_id):
            return
        before = {around: self.body(workflow, around) for around in (node_id, *around_of(node_id))}
        inner = [workflow.positions[n] for n in beside(workflow, node_id) if n in workflow.positions]
        opening = _Opening((min((x for x, _ in inner), default=0.0), min((y for _, y in inner), default=0.0)))
        self._open[node_id] = opening
        for around in (node_id, *reversed(list(around_of(node_id)))):  # what grows makes what is around it grow
            self._make_room(workflow, opening, around, before[around])

    def _make_room(self, workflow: Workflow, opening: _Opening, node_id: str, before: QRectF) -> None:
        after = self.body(workflow, node_id)
        wider, taller = after.width() - before.width(), after.height() - before.height()
        for other in beside(workflow, parent_of(node_id)):
            if other == node_id:
                continue
            x, y = self.place(workflow, other)
            if x >= before.right() - 1:
                self._shift(opening, other, max(0.0, wider), 0.0)
            elif y >= before.bottom() - 1 and x < after.right() and x + WIDTH > after.left():
                self._shift(opening, other, 0.0, max(0.0, taller))

    def _shift(self, opening: _Opening, node_id: str, right: float, down: float) -> None:
        x, y = opening.shifts.get(node_id, (0.0, 0.0))
        opening.shifts[node_id] = (x + right, y + down)

    def fold(self, node_id: str) -> None:
        """See a sub-workflow as one card again, and all that is inside of it."""
        for other in [n for n in self._open if n == node_id or n.startswith(node_id + SEPARATOR)]:
            del self._open[other]

    # ------------------------------------------------------------------ where things are
    def place(self, workflow: Workflow, node_id: str) -> Place:
        """Where a node's card begins, or what it is around."""
        if node_id in self._open:
            body = self.body(workflow, node_id)
            return body.left(), body.top()
        return self._own(workflow, node_id)

    def _own(self, workflow: Workflow, node_id: str) -> Place:
        x, y = workflow.positions.get(node_id, (0.0, 0.0))
        for opening in self._open.values():
            right, down = opening.shifts.get(node_id, (0.0, 0.0))
            x, y = x + right, y + down
        parent = parent_of(node_id)
        if parent:
            left, top = self._origin(workflow, parent)
            x, y = x + left, y + top
        return x, y

    def _origin(self, workflow: Workflow, parent: str) -> Place:
        """Where the places inside of a sub-workflow begin."""
        opening = self._open.get(parent)
        if opening is None:
            return 0.0, 0.0
        x, y = self._own(workflow, parent)
        return x + _SIDE - opening.corner[0], y + _ABOVE - opening.corner[1]

    def into(self, workflow: Workflow, parent: str, place: Place) -> Place:
        """The place in the document of a new card inside of a sub-workflow, or of none, that is put somewhere."""
        left, top = self._origin(workflow, parent) if parent else (0.0, 0.0)
        return place[0] - left, place[1] - top

    def moved(self, workflow: Workflow, node_id: str, place: Place) -> Place:
        """The place in the document of a card that was moved somewhere."""
        x, y = workflow.positions.get(node_id, (0.0, 0.0))
        was = self.place(workflow, node_id)
        return x + place[0] - was[0], y + place[1] - was[1]

    def body(self, workflow: Workflow, node_id: str) -> QRectF:
        """What a card covers; of a sub-workflow that is open, its frame."""
        if node_id not in self._open:
            return QRectF(*self._own(workflow, node_id), WIDTH, self._height(workflow, node_id))
        around = QRectF()
        for inner in beside(workflow, node_id):
            around = around.united(self.body(workflow, inner))
        if around.isNull():
            x, y = self._own(workflow, node_id)
            around = QRectF(x + _SIDE, y + _ABOVE, *_EMPTY)
        return around.adjusted(-_SIDE, -_ABOVE, _SIDE, _BELOW)

    def _height(self, workflow: Workflow, node_id: str) -> float:
        view = graph_views.node_view(workflow, self._registry, node_id)
        return height(max(len(view.inputs), len(view.outputs)), bool(view.badges))

    def dressed(self, workflow: Workflow, view: NodeView) -> NodeView:
        """A node as it is drawn: in its place, and as a frame where it is open."""
        if not self._open:
            return view
        body = self.body(workflow, view.id) if view.id in self._open else None
        x, y = self.place(workflow, view.id) if body is None else (body.left(), body.top())
        return replace(view, x=x, y=y, room=(body.width(), body.height()) if body is not None else None)


def around_of(node_id: str) -> Iterator[str]:
    """The sub-workflows that a node is inside of, the outermost first."""
    parts = node_id.split(SEPARATOR)
    for depth in range(1, len(parts)):
        yield SEPARATOR.join(parts[:depth])
