"""What each column of a table is like: type, nulls, distinct values, range, and its distribution as a picture."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import label

_PAD, _BAR, _LINE, _TOP_SHOWN = 12, 40, 17, 4
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


MOST_CARDS = 200
"""Columns that are shown: making a card for each of thousands holds the window up."""


def _seen(text: str) -> str:
    """A text so that it can be seen: an empty one, and one of spaces."""
    if not text:
        return "(empty)"
    return text if text.strip() else f'"{text}"'


class ProfileCard(QWidget):
    """One column."""

    def __init__(self, theme: Theme, profile: dict[str, Any], rows: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._profile, self._rows = theme, profile, rows
        said = self.sentence()
        self.setAccessibleName(said)
        self.setToolTip(said)
        self.setFixedHeight(self.sizeHint().height())

    def sentence(self) -> str:
        """The same in words."""
        p = self._profile
        parts = [f"{p['name']}: {p['type']}", f"{self._nulls()} null"]
        if p["distinct"] is not None:
            parts.append(f"{'about ' if p['approximate'] else ''}{p['distinct']:,} distinct")
        if p["min"] is not None:
            parts.append(f"{_seen(p['min'])} to {_seen(p['max'])}")
        if p["mean"] is not None:
            parts.append(f"mean {p['mean']}")
        parts += [f"{_seen(text)}: {count:,}" for text, count in p["top"][:_TOP_SHOWN]]
        if p["trouble"]:
            parts.append(p["trouble"])
        return ", ".join(parts)

    def _nulls(self) -> str:
        return f"{self._profile['nulls'] / self._rows:.1%}" if self._rows else "0 %"

    def sizeHint(self) -> QSize:
        """Head, picture, foot."""
        top = len(self._profile["top"][:_TOP_SHOWN]) * _LINE
        picture = _BAR if self._profile["histogram"] else top
        return QSize(220, 8 + 2 * _LINE + 6 + picture + (_LINE if self._profile["min"] is not None else 0) + 10)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Name and type, what is missing, then the distribution."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour, p = self._theme.colour, self._profile
        width = self.width() - 2 * _PAD
        y = 8.0
        painter.setFont(self._theme.font(12, QFont.Weight.DemiBold))
        painter.setPen(colour("text"))
        name = painter.fontMetrics().elidedText(p["name"], Qt.TextElideMode.ElideRight, int(width * 0.66))
        painter.drawText(QRectF(_PAD, y, width, _LINE), _LEFT, name)
        painter.setFont(self._theme.font(11))
        painter.setPen(colour("text3"))
        painter.drawText(QRectF(_PAD, y, width, _LINE), _RIGHT, p["type"])
        y += _LINE
        distinct = "" if p["distinct"] is None else f"{'≈' if p['approximate'] else ''}{p['distinct']:,} distinct"
        distinct = "cannot be looked through" if p["trouble"] else distinct
        painter.drawText(QRectF(_PAD, y, width, _LINE), _LEFT, distinct)
        painter.setPen(colour("red" if p["nulls"] else "text3"))
        painter.drawText(QRectF(_PAD, y, width, _LINE), _RIGHT, f"{self._nulls()} null")
        y += _LINE
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("border"))
        painter.drawRoundedRect(QRectF(_PAD, y, width, 3), 1.5, 1.5)
        painter.setBrush(colour("green"))
        share = 1 - p["nulls"] / self._rows if self._rows else 1.0
        painter.drawRoundedRect(QRectF(_PAD, y, width * share, 3), 1.5, 1.5)
        y += 6
        y = self._histogram(painter, y, width) if p["histogram"] else self._top(painter, y, width)
        if p["min"] is not None:
            self._ends(painter, y, width)
        painter.setPen(colour("border"))
        painter.drawLine(0, self.height() - 1, self.width(), self.height() - 1)

    def _histogram(self, painter: QPainter, y: float, width: float) -> float:
        counts = self._profile["histogram"]
        most, step = max(counts) or 1, width / len(counts)
        painter.setBrush(self._theme.colour("accent"))
        for place, count in enumerate(counts):
            if count:
                height = max(1.5, (_BAR - 6) * count / most)
                painter.drawRect(QRectF(_PAD + place * step, y + _BAR - 2 - height, max(1.0, step - 1), height))
        return y + _BAR

    def _top(self, painter: QPainter, y: float, width: float) -> float:
        top = self._profile["top"][:_TOP_SHOWN]
        most = max((count for _, count in top), default=1)
        for text, count in top:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("accent_bg"))
            painter.drawRoundedRect(QRectF(_PAD, y + 1, max(2.0, width * count / most), _LINE - 2), 3, 3)
            painter.setPen(self._theme.colour("text2" if text.strip() else "text3"))
            shown = painter.fontMetrics().elidedText(_seen(text), Qt.TextElideMode.ElideRight, int(width * 0.7))
            painter.drawText(QRectF(_PAD + 4, y, width - 8, _LINE), _LEFT, shown)
            painter.drawText(QRectF(_PAD + 4, y, width - 8, _LINE), _RIGHT, f"{count:,}")
            y += _LINE
        return y

    def _ends(self, painter: QPainter, y: float, width: float) -> None:
        p = self._profile
        painter.setPen(self._theme.colour("text3"))
        middle = f"mean {p['mean']}" if p["mean"] is not None else ""
        metrics = painter.fontMetrics()
        end = int(width * (0.34 if middle else 0.5))
        for text, where in ((p["min"], _LEFT), (p["max"], _RIGHT)):
            painter.drawText(
                QRectF(_PAD, y, width, _LINE), where, metrics.elidedText(_seen(text), Qt.TextElideMode.ElideRight, end)
            )
        painter.drawText(QRectF(_PAD, y, width, _LINE), Qt.AlignmentFlag.AlignCenter, middle)


class ColumnProfiles(QScrollArea):
    """The cards of a table's columns."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(200)
        self.setAccessibleName("Profile of the columns")
        self.cards: list[ProfileCard] = []
        theme.changed.connect(self.viewport().update)
        self.say("")

    def say(self, sentence: str) -> None:
        """Show a sentence instead."""
        self._fill([], sentence)

    def show_profiles(self, rows: int, columns: list[dict[str, Any]]) -> None:
        """Show profiles as ``table_profile`` tells them."""
        hidden = len(columns) - MOST_CARDS
        more = f"{hidden:,} more columns are not shown here." if hidden > 0 else ""
        self._fill([ProfileCard(self._theme, profile, rows) for profile in columns[:MOST_CARDS]], more)

    def _fill(self, cards: list[ProfileCard], sentence: str) -> None:
        inside = QWidget()
        inside.setObjectName("panel")
        inside.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for card in cards:
            column.addWidget(card)
        if sentence:
            said = label(sentence, "muted")
            said.setWordWrap(True)
            said.setContentsMargins(_PAD, 8, _PAD, 8)
            column.addWidget(said)
        column.addStretch(1)
        self.cards = cards
        self.setWidget(inside)  # which takes the former one away
