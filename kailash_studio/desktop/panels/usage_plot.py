"""A pool over the last minutes: connections in use and open, against the most there may be, and who waits."""

from __future__ import annotations

import importlib
import threading
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import label

Sample = tuple[float, int, int, int]
"""When (seconds), in use, open, waiting."""

_CURVES = (("open", "border2"), ("in use", "accent"), ("waiting", "red"))


class UsagePlot(QWidget):
    """Lines over time; drawn by pyqtgraph, which is imported when the plot is first seen, beside the window's work."""

    _imported = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._plot: Any = None
        self._curves: list[Any] = []
        self._limit: Any = None
        self._asked = False
        self._last: tuple[list[Sample], int] = ([], 0)
        self.setMinimumWidth(120)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(4, 2, 4, 2)
        self._layout.setSpacing(0)
        self._legend = label("", "muted", self)
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._layout.addWidget(self._legend)
        self._layout.addStretch(1)
        self._imported.connect(self._make)
        theme.changed.connect(self._dress)
        self._show_legend()

    def prepare(self) -> None:
        """Import what draws, once, in a thread: it takes half a second of computing."""
        if self._asked:
            return
        self._asked = True

        def work() -> None:
            importlib.import_module("pyqtgraph")
            self._imported.emit()

        threading.Thread(target=work, name="pyqtgraph", daemon=True).start()

    def show_samples(self, samples: list[Sample], most: int) -> None:
        """Show samples, the oldest first, and the most connections that there may be."""
        self._last = (samples, most)
        if self._plot is None or not samples:
            return
        now = samples[-1][0]
        ages = [sample[0] - now for sample in samples]
        for curve, place in zip(self._curves, (2, 1, 3), strict=True):
            curve.setData(ages, [sample[place] for sample in samples])
        self._limit.setValue(most)
        top = max(most, *(sample[3] for sample in samples))
        self._plot.setYRange(0, top * 1.08, padding=0)
        step = max(1, -(-top // 4))  # connections are whole
        self._plot.getAxis("left").setTickSpacing(step, step)
        self._plot.setXRange(min(-60.0, ages[0]), 0, padding=0.01)

    def _make(self) -> None:
        graph = importlib.import_module("pyqtgraph")
        plot = graph.PlotWidget(self)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=False, y=False)
        plot.setAntialiasing(True)
        plot.setAccessibleName("Connections over time")
        self._curves = [plot.plot() for _ in _CURVES]
        self._limit = graph.InfiniteLine(angle=0)
        plot.addItem(self._limit)
        self._plot = plot
        item = self._layout.takeAt(self._layout.count() - 1)
        del item
        self._layout.addWidget(plot, 1)
        self._dress()
        self.show_samples(*self._last)

    def _dress(self) -> None:
        """Take the colours of the present theme."""
        self._show_legend()
        if self._plot is None:
            return
        colour = self._theme.colour
        self._plot.setBackground(colour("panel"))
        for curve, (_, token) in zip(self._curves, _CURVES, strict=True):
            curve.setPen(_pen(colour(token)))
        self._limit.setPen(_pen(colour("amber"), Qt.PenStyle.DashLine))
        for name in ("left", "bottom"):
            axis = self._plot.getAxis(name)
            axis.setPen(_pen(colour("border")))
            axis.setTextPen(_pen(colour("text3")))
            axis.setStyle(tickFont=self._theme.font(10), tickLength=-3)
            axis.enableAutoSIPrefix(False)
        self._plot.getAxis("left").setWidth(26)

    def _show_legend(self) -> None:
        parts = [*_CURVES, ("most", "amber")]
        words = [f'<span style="color:{self._theme.colour(token).name()}">━</span> {name}' for name, token in parts]
        self._legend.setText("&nbsp;&nbsp; ".join(words))


def _pen(colour: Any, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    pen = QPen(colour, 1.5, style)
    pen.setCosmetic(True)
    return pen
