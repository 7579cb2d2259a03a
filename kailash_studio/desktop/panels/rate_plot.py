"""How many dead letters came in each hour of the last day: a row of bars."""

from __future__ import annotations

import time

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from kailash_studio.desktop.theme import Theme

SPANS = 48
SPAN_SECONDS = 1800.0


class RatePlot(QWidget):
    """A bar for each half an hour; what a bar stands for is its tooltip."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._since, self._counts = 0.0, [0] * SPANS
        self.setAccessibleName("Dead letters of the last 24 hours")
        self.setFixedHeight(24)
        self.setMinimumWidth(24)
        theme.changed.connect(self.update)

    def show_rate(self, since: float, counts: list[int]) -> None:
        """Show how many came in each span from a time on, seconds since 1970."""
        self._since, self._counts = since, counts
        total, most = sum(counts), max(counts, default=0)
        said = f"{total:,} in the last 24 hours"
        if most:
            when = time.strftime("%H:%M", time.localtime(since + counts.index(most) * SPAN_SECONDS))
            said += f"; most at {when}: {most:,} in half an hour"
        self.setToolTip(said)
        self.setAccessibleDescription(said)
        self.update()

    def sizeHint(self) -> QSize:
        """Two pixels and a gap for each bar."""
        return QSize(3 * SPANS, 24)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The bars on a base line; even one letter is seen."""
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        base = self.height() - 4.0
        painter.setBrush(self._theme.colour("border"))
        painter.drawRect(QRectF(0, base, self.width(), 1))
        painter.setBrush(self._theme.colour("red"))
        most = max(self._counts, default=0)
        step = self.width() / max(1, len(self._counts))
        for number, count in enumerate(self._counts):
            if count:
                height = max(2.0, (base - 3) * count / most)
                painter.drawRect(QRectF(number * step, base - height, max(1.0, step - 1), height))
