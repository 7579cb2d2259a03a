"""A card with a figure and its lines over the last minutes; drawn by pyqtgraph."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, label

_LEAST_SECONDS = 60.0  # that are shown
_FILL_ALPHA = 46
_TICKS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot.

    Attributes:
        name: What it is, once in a plot.
        token: Its colour.
        filled: What is below it is tinted.
        said: As the legend says it, where that is shorter.
    """

    name: str
    token: str
    filled: bool = False
    said: str = ""


class Importer(QWidget):
    """Imports pyqtgraph once, in a thread: it takes half a second of computing.

    Signals:
        done: It is there.
    """

    done = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.hide()
        self._asked = False

    def ask(self) -> None:
        """Have it imported, if that has not begun yet."""
        if not self._asked:
            self._asked = True
            threading.Thread(target=self._work, name="pyqtgraph", daemon=True).start()

    def _work(self) -> None:
        importlib.import_module("pyqtgraph")
        with contextlib.suppress(RuntimeError):  # the window is gone meanwhile, and with it who would draw
            self.done.emit()


class LivePlot(QFrame):
    """A caption, a large figure with words beside it, a legend, and lines over time."""

    def __init__(
        self,
        theme: Theme,
        caption: str,
        lines: Sequence[Line],
        parent: QWidget | None = None,
        *,
        limit: Line | None = None,
        whole: bool = False,
        tick: Callable[[float], str] = lambda value: f"{value:g}",
    ) -> None:
        """Prepare.

        Args:
            theme: Colours and fonts.
            caption: What it is about.
            lines: Those that are drawn, the lowest first.
            parent: Qt parent.
            limit: A dashed line across.
            whole: Values are whole numbers, and so are the ticks.
            tick: Words for a value at the left edge.
        """
        super().__init__(parent)
        self.setObjectName("card")
        self._theme, self._lines, self._limit_line = theme, tuple(lines), limit
        self._whole, self._tick = whole, tick
        self._graph: Any = None
        self._curves: list[Any] = []
        self._limit: Any = None
        self._last: tuple[list[float], list[Sequence[float]], float] = ([], [], 0.0)
        self.setMinimumWidth(105)
        self.caption = label(caption.upper(), "cap", self)
        self.figure = label("", "figure", self)
        self.words = ElidedLabel("muted", self)
        self.legend = QLabel(self)
        self.legend.setObjectName("muted")
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self._lay_out()
        theme.changed.connect(self._dress)
        self._show_legend()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.figure)
        head.addWidget(self.words, 1)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(10, 8, 8, 6)
        self._layout.setSpacing(2)
        self._layout.addWidget(self.caption)
        self._layout.addLayout(head)
        self._layout.addWidget(self.legend)
        self._layout.addStretch(1)

    # ------------------------------------------------------------------ what is shown
    def say(self, figure: str, words: str, explained: str = "") -> None:
        """Show the figure of now, and what it is."""
        self.figure.setText(figure)
        self.words.setText(words)
        self.setToolTip(explained)

    def show_samples(self, times: Sequence[float], values: Sequence[Sequence[float]], limit: float = 0.0) -> None:
        """Show samples.

        Args:
            times: Seconds, the oldest first.
            values: For each line a value for each time.
            limit: Where the dashed line goes.
        """
        self._last = (list(times), list(values), limit)
        if self._graph is None or not times:
            return
        ages = [time - times[-1] for time in times]
        for curve, several in zip(self._curves, values, strict=True):
            curve.setData(ages, list(several))
        top = max(limit, *(max(several, default=0.0) for several in values)) or 1.0
        if self._limit is not None:
            self._limit.setValue(limit)
        self._graph.setYRange(0, top * 1.08, padding=0)
        self._graph.getAxis("left").setTicks([[(value, self._tick(value)) for value in self._steps(top)]])
        self._graph.setXRange(min(-_LEAST_SECONDS, ages[0]), 0, padding=0.01)

    def _steps(self, top: float) -> list[float]:
        """A few round values from nothing to the top."""
        step = _round_up(top / _TICKS)
        if self._whole:
            step = max(1.0, float(round(step)))
        return [step * number for number in range(int(top / step) + 1)]

    # ------------------------------------------------------------------ drawing
    def begin(self) -> None:
        """The library is there: draw from now on."""
        if self._graph is not None:
            return
        graph = importlib.import_module("pyqtgraph")
        plot = graph.PlotWidget(self)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=False, y=False)
        plot.setAntialiasing(True)
        plot.setFrameShape(QFrame.Shape.NoFrame)
        plot.setAccessibleName(f"{self.caption.text().capitalize()} over time")
        plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._curves = [plot.plot() for _ in self._lines]
        if self._limit_line is not None:
            self._limit = graph.InfiniteLine(angle=0)
            plot.addItem(self._limit)
        self._graph = plot
        item = self._layout.takeAt(self._layout.count() - 1)
        del item
        self._layout.addWidget(plot, 1)
        self._dress()
        self.show_samples(*self._last)

    def drawn(self, name: str) -> tuple[list[float], list[float]]:
        """Seconds before now and the values of a line, as they are drawn."""
        if self._graph is None:
            return [], []
        ages, values = self._curves[[line.name for line in self._lines].index(name)].getData()
        return ([], []) if ages is None else (list(ages), list(values))

    def _dress(self) -> None:
        """Take the colours of the present theme."""
        self._show_legend()
        if self._graph is None:
            return
        colour = self._theme.colour
        self._graph.setBackground(colour("raised"))
        for curve, line in zip(self._curves, self._lines, strict=True):
            curve.setPen(_pen(colour(line.token)))
            if line.filled:
                tint = QColor(colour(line.token))
                tint.setAlpha(_FILL_ALPHA)
                curve.setFillLevel(0)
                curve.setBrush(tint)
        if self._limit is not None and self._limit_line is not None:
            self._limit.setPen(_pen(colour(self._limit_line.token), Qt.PenStyle.DashLine))
        for name in ("left", "bottom"):
            axis = self._graph.getAxis(name)
            axis.setPen(_pen(colour("border")))
            axis.setTextPen(_pen(colour("text3")))
            axis.setStyle(tickFont=self._theme.font(10), tickLength=-3)
            axis.enableAutoSIPrefix(False)
        self._graph.getAxis("left").setWidth(34 if not self._whole else 22)
        self._graph.getAxis("bottom").setHeight(16)

    def _show_legend(self) -> None:
        shown = [*self._lines, *([self._limit_line] if self._limit_line is not None else [])]
        words = [
            f'<span style="color:{self._theme.colour(line.token).name()}">●</span> {line.said or line.name}'
            for line in shown
        ]
        self.legend.setText("&nbsp; ".join(f'<span style="white-space:nowrap">{word}</span>' for word in words))


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value)


def _pen(colour: QColor, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    pen = QPen(colour, 1.5, style)
    pen.setCosmetic(True)
    return pen
