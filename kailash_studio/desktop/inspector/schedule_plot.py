"""The schedule of a node's policies as a picture: the wait before each retry, its jitter, what a timeout cuts."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from kailash_studio.desktop.theme import Theme
from kailash_studio.resilience.schedule import PlannedAttempt, Schedule
from kailash_studio.runtime.wording import duration

_MOST_BARS = 12
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 10, 22


class SchedulePlot(QWidget):
    """A bar for the wait before each retry, with a whisker where jitter spreads it; red where no attempt is made."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._schedule: Schedule | None = None
        self.setAccessibleName("Schedule of attempts")
        theme.changed.connect(self.update)

    @property
    def schedule(self) -> Schedule | None:
        """What is shown."""
        return self._schedule

    def show_schedule(self, schedule: Schedule | None) -> None:
        """Show a schedule; None hides the plot."""
        self._schedule = schedule
        self.setVisible(schedule is not None and len(schedule.attempts) > 1)
        self.setToolTip(self.sentence())
        self.setAccessibleDescription(self.sentence())
        self.update()

    def sentence(self) -> str:
        """The same in words."""
        if self._schedule is None:
            return ""
        waits = ", ".join(_span(attempt.wait) for attempt in self._schedule.attempts[1 : 1 + _MOST_BARS])
        worst = self._schedule.worst_case
        longest = f"at most {duration(worst)} in all" if math.isfinite(worst) else "without a timeout no longest time"
        made = len(self._schedule.attempts)
        return f"{made} attempt{'s' * (made != 1)}; waits {waits or 'none'}; {longest}."

    def sizeHint(self) -> QSize:
        """Wide as the form, high enough for the bars."""
        return QSize(260, 112)

    def minimumSizeHint(self) -> QSize:
        """The same height."""
        return QSize(120, 112)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Bars, whiskers, two marks of time."""
        if self._schedule is None:
            return
        colour = self._theme.colour
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour("border"), 1))
        painter.setBrush(colour("canvas"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        retries = self._schedule.attempts[1 : 1 + _MOST_BARS]
        area = QRectF(_LEFT, _TOP, self.width() - _LEFT - _RIGHT, self.height() - _TOP - _BOTTOM)
        top = max((attempt.wait[1] for attempt in retries), default=0.0) or 1.0
        painter.setFont(self._theme.font(10))
        for share in (0.5, 1.0):
            y = area.bottom() - share * area.height() * 0.92
            painter.setPen(QPen(colour("border"), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(colour("text3"))
            mark = QRectF(2, y - 8, _LEFT - 8, 16)
            painter.drawText(mark, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, _short(top * share))
        painter.setPen(QPen(colour("border2"), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        step = area.width() / max(1, len(retries))
        for i, attempt in enumerate(retries):
            self._bar(painter, attempt, QRectF(area.left() + i * step, area.top(), step, area.height()), top)

    def _bar(self, painter: QPainter, attempt: PlannedAttempt, cell: QRectF, top: float) -> None:
        colour = self._theme.colour
        never = attempt.longest <= 0
        token = "red" if never else "amber" if attempt.cut else "accent"
        scale = cell.height() * 0.92 / top
        least, most = attempt.wait
        width = min(34.0, cell.width() * 0.6)
        middle = cell.center().x()
        height = max(1.5, (least + most) / 2 * scale)
        fill = QColor(colour(token))
        fill.setAlpha(70 if never else 190)
        painter.fillRect(QRectF(middle - width / 2, cell.bottom() - height, width, height), fill)
        if most > least:
            painter.setPen(QPen(colour("text"), 1.2))
            low, high = cell.bottom() - least * scale, cell.bottom() - most * scale
            painter.drawLine(QPointF(middle, low), QPointF(middle, high))
            for y in (low, high):
                painter.drawLine(QPointF(middle - 4, y), QPointF(middle + 4, y))
        painter.setPen(colour("red" if never else "text3"))
        below = QRectF(cell.left(), cell.bottom() + 3, cell.width(), 16)
        text = f"try {attempt.number}" if cell.width() > 34 else str(attempt.number)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, "never" if never and cell.width() > 34 else text)


def _short(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.3g} h"
    if seconds >= 120:
        return f"{seconds / 60:.3g} min"
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def _span(wait: tuple[float, float]) -> str:
    least, most = wait
    return _short(most) if least == most else f"{_short(least)} to {_short(most)}"
