"""The bars of a run over time: painted by itself, only the rows that are seen, so that their number does not matter."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QToolTip, QWidget

from kailash_studio.desktop.theme import Theme
from kailash_studio.runtime.timeline import Bar, Span
from kailash_studio.runtime.wording import duration

ROW = 22
HEAD = 22
NAMES = 150
_LEAST = 2.0  # pixels of the shortest piece
_STEP = 1.25
_MOST_ZOOM = 1e7
_TICK_ROOM = 84.0
STATE_TOKENS = {
    "succeeded": "green",
    "failed": "red",
    "started": "accent",
    "recovered": "amber",
    "cancelled": "amber",
    "skipped": "text3",
}
SPAN_TOKENS = {"wait": "border2", "held": "amber", "stopped": "purple", "acquire": "teal", "fallback": "amber"}
_SHAPES = {  # which is painted over which, how far below the top of its row, how tall
    "wait": (0, 8, 4),
    "fallback": (0, 8, 4),
    "attempt": (1, 4, 11),
    "held": (2, 16, 4),
    "acquire": (2, 16, 4),
    "stopped": (2, 4, 11),
}
SPAN_WORDS = {
    "attempt": "attempt",
    "wait": "wait",
    "held": "rate limit",
    "stopped": "stood still",
    "acquire": "for a connection",
    "fallback": "fallback",
}


@dataclass(frozen=True, slots=True)
class _Piece:
    start: float
    end: float
    top: float
    tall: float
    token: str
    span: Span | None


class TimelineChart(QAbstractScrollArea):
    """Rows of bars. The wheel zooms time over the bars and scrolls rows over the names; with Shift it moves in time.

    Signals:
        node_wanted: A row was clicked, or Enter was pressed on it.
    """

    node_wanted = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName("Nodes of the run over time")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.viewport().setMouseTracking(True)
        self._told: Sequence[Sequence[Any]] = []
        self._rows: dict[str, int] = {}
        self.seconds = 0.0
        self._chosen = -1
        self._mark: float | None = None
        self._zoom = 1.0  # 1: the whole run fits
        self._start = 0.0  # seconds at the left edge
        self.painted = 0  # pieces of the last painting, for tests and measurements
        theme.changed.connect(self.viewport().update)
        self.horizontalScrollBar().valueChanged.connect(self._scrolled)

    # ------------------------------------------------------------------ what is shown
    def show_bars(self, told: Sequence[Sequence[Any]], seconds: float) -> None:
        """Show a run: bars as the engine tells them, see ``runtime.history_requests``."""
        self._told, self.seconds = told, max(seconds, 1e-6)
        self._rows = {bar[0]: row for row, bar in enumerate(told)}
        self._chosen, self._mark = -1, None
        self.fit()
        self.verticalScrollBar().setValue(0)

    def bar(self, row: int) -> Bar:
        """The bar of a row; bars are made when they are looked at."""
        node, start, end, state, text, spans = self._told[row]
        return Bar(node, start, end, state, text, [Span(*span) for span in spans])

    def nodes(self) -> list[str]:
        """The nodes of all rows."""
        return list(self._rows)

    def choose(self, node: str) -> None:
        """Mark the row of a node and bring it into view; an empty text marks none."""
        self._chosen = self._rows.get(node, -1)
        if self._chosen >= 0:
            self._show_row(self._chosen)
        self.viewport().update()

    def chosen(self) -> str:
        """The node of the marked row, or empty."""
        return str(self._told[self._chosen][0]) if 0 <= self._chosen < len(self._told) else ""

    def mark(self, time: float | None) -> None:
        """Draw a line at a time: the event that is shown on the canvas."""
        self._mark = time
        self.viewport().update()

    # ------------------------------------------------------------------ time and pixels
    @property
    def _width(self) -> float:
        return max(1.0, float(self.viewport().width() - NAMES - 8))

    @property
    def scale(self) -> float:
        """Pixels of a second."""
        return self._width / self.seconds * self._zoom if self.seconds else 1.0

    def x_of(self, time: float) -> float:
        """Where a time is drawn."""
        return NAMES + (time - self._start) * self.scale

    def time_at(self, x: float) -> float:
        """The time at a place."""
        return self._start + (x - NAMES) / self.scale

    def zoom_by(self, factor: float, x: float | None = None) -> None:
        """Zoom in or out; the time at a place, by default the middle, stays where it is."""
        x = NAMES + self._width / 2 if x is None else x
        time = self.time_at(x)
        self._zoom = min(_MOST_ZOOM, max(1.0, self._zoom * factor))
        self._start = time - (x - NAMES) / self.scale
        self._settle()

    def fit(self) -> None:
        """Show the whole run."""
        self._zoom, self._start = 1.0, 0.0
        self._settle()

    @property
    def zoom(self) -> float:
        """1: the whole run fits."""
        return self._zoom

    def _settle(self) -> None:
        """Keep the shown piece within the run, and the scroll bars with it."""
        shown = self.seconds / self._zoom
        self._start = min(max(0.0, self._start), max(0.0, self.seconds - shown))
        bar = self.horizontalScrollBar()
        bar.blockSignals(True)
        whole = 100_000
        page = max(1, round(whole / self._zoom))
        bar.setRange(0, whole - page)
        bar.setPageStep(page)
        bar.setSingleStep(max(1, page // 10))
        bar.setValue(round(self._start / self.seconds * whole) if self.seconds else 0)
        bar.blockSignals(False)
        rows = self.verticalScrollBar()
        rows.setRange(0, max(0, len(self._told) * ROW - (self.viewport().height() - HEAD)))
        rows.setPageStep(max(ROW, self.viewport().height() - HEAD))
        rows.setSingleStep(ROW)
        self.viewport().update()

    def _scrolled(self, value: int) -> None:
        self._start = value / 100_000 * self.seconds
        self.viewport().update()

    def _show_row(self, row: int) -> None:
        bar, room = self.verticalScrollBar(), self.viewport().height() - HEAD
        if row * ROW < bar.value():
            bar.setValue(row * ROW)
        elif (row + 1) * ROW > bar.value() + room:
            bar.setValue((row + 1) * ROW - room)

    def row_at(self, y: float) -> int:
        """The row at a place, or -1."""
        row = int((y - HEAD + self.verticalScrollBar().value()) // ROW)
        return row if y >= HEAD and 0 <= row < len(self._told) else -1

    # ------------------------------------------------------------------ events
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the scroll bars."""
        self._settle()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Rows are painted where they belong."""
        self.viewport().update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom, move in time, or scroll rows."""
        turned = event.angleDelta().y() or event.angleDelta().x()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._start -= turned / 120 * self.seconds / self._zoom / 10
            self._settle()
        elif event.position().x() < NAMES:
            self.verticalScrollBar().setValue(self.verticalScrollBar().value() - turned // 120 * 3 * ROW)
        else:
            self.zoom_by(_STEP ** (turned / 120), event.position().x())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down choose a row, Enter goes to its node; plus, minus and 0 zoom; Left and Right move in time."""
        key, last = Qt.Key, len(self._told) - 1
        page = max(1, (self.viewport().height() - HEAD) // ROW)
        rows = {
            key.Key_Up: self._chosen - 1,
            key.Key_Down: self._chosen + 1,
            key.Key_PageUp: self._chosen - page,
            key.Key_PageDown: self._chosen + page,
            key.Key_Home: 0,
            key.Key_End: last,
        }
        pressed = Qt.Key(event.key())
        if pressed in rows and self._told:
            self._chosen = min(max(0, rows[pressed]), last)
            self._show_row(self._chosen)
            self.viewport().update()
        elif pressed in (key.Key_Return, key.Key_Enter) and self.chosen():
            self.node_wanted.emit(self.chosen())
        elif pressed in (key.Key_Plus, key.Key_Equal, key.Key_Minus):
            self.zoom_by(1 / _STEP if pressed == key.Key_Minus else _STEP)
        elif pressed == key.Key_0:
            self.fit()
        elif pressed in (key.Key_Left, key.Key_Right):
            self._start += self.seconds / self._zoom / 10 * (-1 if pressed == key.Key_Left else 1)
            self._settle()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click chooses a row and goes to its node."""
        row = self.row_at(event.position().y())
        if event.button() == Qt.MouseButton.LeftButton and row >= 0:
            self._chosen = row
            self.viewport().update()
            self.node_wanted.emit(self.chosen())

    def viewportEvent(self, event: QEvent) -> bool:
        """Say what is under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            text = self.told_at(QPointF(event.pos()))
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().viewportEvent(event)

    def told_at(self, place: QPointF) -> str:
        """What there is to say of the piece or the bar at a place."""
        row = self.row_at(place.y())
        if row < 0:
            return ""
        bar = self.bar(row)
        lines = [f"{bar.node}: {bar.state} in {duration(bar.end - bar.start)}, from {duration(bar.start)} on", bar.text]
        if place.x() >= NAMES:
            offset = place.y() - self._top(row)
            for piece in reversed(self._pieces(bar)):
                left, right = self._edges(piece.start, piece.end)
                if left - 1 <= place.x() <= right + 1 and piece.top <= offset <= piece.top + piece.tall and piece.span:
                    span = piece.span
                    took, began = duration(span.end - span.start), duration(span.start)
                    lines = [f"{bar.node}: {SPAN_WORDS[span.kind]} {span.state}".rstrip() + f", {took} from {began} on"]
                    lines.append(span.text)
                    break
        return "\n".join(dict.fromkeys(line for line in lines if line))

    # ------------------------------------------------------------------ painting
    def _top(self, row: int) -> float:
        return HEAD + row * ROW - self.verticalScrollBar().value()

    def _edges(self, start: float, end: float) -> tuple[float, float]:
        left = self.x_of(start)
        return left, max(left + _LEAST, self.x_of(end))

    def _pieces(self, bar: Bar) -> list[_Piece]:
        """What is painted of a bar, from back to front: attempts and waits tall, what happened within them low."""
        pieces = []
        for span in sorted(bar.spans, key=lambda span: _SHAPES[span.kind][0]):
            _, top, tall = _SHAPES[span.kind]
            token = STATE_TOKENS.get(span.state, "accent") if span.kind == "attempt" else SPAN_TOKENS[span.kind]
            pieces.append(_Piece(span.start, span.end, top, tall, token, span))
        if not pieces:
            pieces.append(_Piece(bar.start, bar.end, 9, 4, STATE_TOKENS.get(bar.state, "text3"), None))
        return pieces

    def paintEvent(self, event: QPaintEvent) -> None:
        """The rows that are seen, under the times."""
        painter = QPainter(self.viewport())
        colour = self._theme.colour
        width, height = self.viewport().width(), self.viewport().height()
        painter.fillRect(self.viewport().rect(), colour("panel"))
        first = self.verticalScrollBar().value() // ROW
        last = min(len(self._told), first + (height - HEAD) // ROW + 2)
        ticks = self._ticks()
        painter.setPen(QPen(colour("border"), 1.0))
        for _, x in ticks:
            painter.drawLine(QPointF(x, HEAD), QPointF(x, height))
        self.painted = 0
        painter.setFont(self._theme.font(12))
        metrics = QFontMetricsF(painter.font())
        for row in range(first, last):
            self._paint_row(painter, metrics, row, width)
        painter.setClipping(False)
        if self._mark is not None and self.x_of(self._mark) >= NAMES:
            painter.setPen(QPen(colour("accent"), 1.4))
            x = self.x_of(self._mark)
            painter.drawLine(QPointF(x, HEAD - 4), QPointF(x, height))
        self._paint_times(painter, ticks, width)

    def _paint_row(self, painter: QPainter, metrics: QFontMetricsF, row: int, width: int) -> None:
        bar, top, colour = self.bar(row), self._top(row), self._theme.colour
        painter.setClipRect(QRectF(0, HEAD, width, self.viewport().height()))
        if row == self._chosen:
            painter.fillRect(QRectF(0, top, width, ROW), colour("accent_bg"))
        painter.setPen(colour("red" if bar.state == "failed" else "text2"))
        name = metrics.elidedText(bar.node, Qt.TextElideMode.ElideRight, NAMES - 22)
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(QRectF(12, top, NAMES - 18, ROW), middle, name)
        painter.setClipRect(QRectF(NAMES, HEAD, width - NAMES, self.viewport().height()))
        painter.setPen(Qt.PenStyle.NoPen)
        pieces = self._pieces(bar)
        ends = list(accumulate((piece.end for piece in pieces), max))
        for piece in pieces[bisect_left(ends, self._start) :]:
            left, right = self._edges(piece.start, piece.end)
            left, right = max(left, NAMES - 4.0), min(right, width + 4.0)
            if right > left:
                painter.setBrush(colour(piece.token))
                painter.drawRect(QRectF(left, top + piece.top, right - left, piece.tall))
                self.painted += 1

    def _ticks(self) -> list[tuple[float, float]]:
        """Round times and where they are drawn."""
        wanted = self._width / _TICK_ROOM
        step = _round_step(self.seconds / self._zoom / wanted)
        first = int(self._start / step)
        places = [(number * step, self.x_of(number * step)) for number in range(first, first + int(wanted) + 3)]
        return [(time, x) for time, x in places if NAMES - 1 <= x <= NAMES + self._width + 1]

    def _paint_times(self, painter: QPainter, ticks: list[tuple[float, float]], width: int) -> None:
        colour = self._theme.colour
        painter.fillRect(QRectF(0, 0, width, HEAD), colour("panel"))
        painter.setPen(QPen(colour("border"), 1.0))
        painter.drawLine(QPointF(0, HEAD), QPointF(width, HEAD))
        painter.setFont(self._theme.font(11))
        painter.setPen(colour("text3"))
        for time, x in ticks:
            painter.drawText(QRectF(x + 4, 0, _TICK_ROOM, HEAD), Qt.AlignmentFlag.AlignVCenter, _time_text(time))


def _round_step(seconds: float) -> float:
    """The next of 1, 2 and 5 times a power of ten; above half a minute whole minutes and hours."""
    for step in (60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 86_400.0):
        if 30.0 < seconds <= step:
            return step
    power = 1e-9
    while power * 10 < seconds:
        power *= 10
    return next((power * factor for factor in (1, 2, 5, 10) if power * factor >= seconds), power * 10)


def _time_text(seconds: float) -> str:
    """A time under a ruler, as short as it can be said."""
    if seconds == 0:
        return "0"
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.4g} ms"
    if seconds < 59.9995:
        return f"{seconds:.6g} s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:02.0f}" if hours else f"{minutes}:{rest:02.0f} min"
