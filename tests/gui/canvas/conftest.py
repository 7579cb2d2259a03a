"""A hand that works on the canvas with real mouse, wheel, key and drop events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QInputDevice, QPointingDevice, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from kailash_studio.desktop.canvas import Canvas, ConnectionView, NodeView, PortView
from kailash_studio.desktop.canvas.compat import IN, OUT


@pytest.fixture(autouse=True)
def watched(watch: object) -> None:
    """Nothing may be left behind."""


_LEFT = Qt.MouseButton.LeftButton
_NONE = Qt.KeyboardModifier.NoModifier


@dataclass
class Hand:
    """Works on a canvas; points are in the scene."""

    canvas: Canvas
    heard: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    @property
    def viewport(self) -> QWidget:
        return self.canvas.viewer.viewport()

    def pixel(self, x: float, y: float) -> QPoint:
        viewer = self.canvas.viewer
        zoom = viewer.zoom()
        bars = viewer.horizontalScrollBar().value(), viewer.verticalScrollBar().value()
        return QPoint(round(x * zoom - bars[0]), round(y * zoom - bars[1]))

    def port(self, node: str, name: str, *, is_output: bool = False) -> tuple[float, float]:
        dot = self.canvas.store.cards[node].port(OUT if is_output else IN, name)
        assert dot is not None
        return dot.anchor().x(), dot.anchor().y()

    def head(self, node: str) -> tuple[float, float]:
        card = self.canvas.store.cards[node]
        return card.left + 70, card.top + 20

    def press(self, x: float, y: float, keys: Qt.KeyboardModifier = _NONE, button: Qt.MouseButton = _LEFT) -> None:
        QTest.mousePress(self.viewport, button, keys, self.pixel(x, y))

    def move(self, x: float, y: float) -> None:
        QTest.mouseMove(self.viewport, self.pixel(x, y))

    def release(self, x: float, y: float, keys: Qt.KeyboardModifier = _NONE, button: Qt.MouseButton = _LEFT) -> None:
        QTest.mouseRelease(self.viewport, button, keys, self.pixel(x, y))

    def click(self, x: float, y: float, keys: Qt.KeyboardModifier = _NONE) -> None:
        QTest.mouseClick(self.viewport, _LEFT, keys, self.pixel(x, y))

    def drag(
        self, start: tuple[float, float], end: tuple[float, float], keys: Qt.KeyboardModifier = _NONE, steps: int = 6
    ) -> None:
        """Press, move in steps, release."""
        self.press(*start, keys)
        self.pull(start, end, steps)
        self.release(*end, keys)

    def pull(self, start: tuple[float, float], end: tuple[float, float], steps: int = 6) -> None:
        for step in range(1, steps + 1):
            part = step / steps
            self.move(start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)

    def key(self, key: Qt.Key, keys: Qt.KeyboardModifier = _NONE) -> None:
        QTest.keyClick(self.canvas.viewer, key, keys)

    def wheel(self, x: float, y: float, *, angle: int = 0, pixels: QPoint | None = None, smooth: bool = False) -> None:
        at = QPointF(self.pixel(x, y))
        event = QWheelEvent(
            at,
            QPointF(self.viewport.mapToGlobal(at.toPoint())),
            pixels or QPoint(),
            QPoint(0, angle),
            Qt.MouseButton.NoButton,
            _NONE,
            Qt.ScrollPhase.ScrollUpdate if smooth else Qt.ScrollPhase.NoScrollPhase,
            False,
            Qt.MouseEventSource.MouseEventNotSynthesized,
            QPointingDevice.primaryPointingDevice(),
        )
        assert QPointingDevice.primaryPointingDevice().type() != QInputDevice.DeviceType.TouchPad
        QCoreApplication.sendEvent(self.viewport, event)

    def drop(self, data: QMimeData, x: float, y: float) -> bool:
        """Drag something in and drop it; whether it was taken."""
        enter = QDragEnterEvent(self.pixel(x, y), Qt.DropAction.CopyAction, data, _LEFT, _NONE)
        QCoreApplication.sendEvent(self.viewport, enter)
        if not enter.isAccepted():
            return False
        drop = QDropEvent(QPointF(self.pixel(x, y)), Qt.DropAction.CopyAction, data, _LEFT, _NONE)
        QCoreApplication.sendEvent(self.viewport, drop)
        return drop.isAccepted()

    def listen(self, *signals: str) -> None:
        """Note what these signals say, in ``heard``."""
        for name in signals:
            said = self.heard.setdefault(name, [])
            getattr(self.canvas, name).connect(lambda *words, said=said: said.append(words))


@pytest.fixture
def hand(canvas: Canvas) -> Hand:
    return Hand(canvas)


MakeNode = Callable[..., NodeView]


def make_node(node_id: str, x: float = 0.0, y: float = 0.0, **words: Any) -> NodeView:
    """A node with a table and a number going in, and a table and an error coming out."""
    inputs = words.pop("inputs", (PortView("rows", "table", many=True), PortView("limit", "number")))
    outputs = words.pop("outputs", (PortView("data", "table"), PortView("error", "error")))
    return NodeView(node_id, node_id, "FilterNode", "filter", "Data", inputs, outputs, x, y, **words)


def make_line(source: str, target: str, output: str = "data", taken: str = "rows") -> ConnectionView:
    return ConnectionView(f"{source}.{output}>{target}.{taken}", source, output, target, taken)


@pytest.fixture
def node() -> MakeNode:
    return make_node


@pytest.fixture
def line() -> Callable[..., ConnectionView]:
    return make_line


@pytest.fixture
def pair(canvas: Canvas) -> Canvas:
    """Two nodes side by side, at 100 %, not connected."""
    canvas.set_graph([make_node("a", 0, 0), make_node("b", 400, 0)], [])
    canvas.fit()
    canvas.zoom_reset()
    return canvas
