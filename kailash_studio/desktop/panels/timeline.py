"""The timeline of a run: its chart, what its colours mean, and how far it is zoomed."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.timeline_chart import TimelineChart
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, EmptyState, label
from kailash_studio.runtime.wording import duration

_LEGEND = (
    ("attempt", "green"),
    ("failed", "red"),
    ("wait", "border2"),
    ("for a connection", "teal"),
    ("rate limit, fallback", "amber"),
    ("stood still", "purple"),
)
_NOTHING = "Open a run from the list of runs, or run the workflow, to see it over time."


class Timeline(QWidget):
    """A run over time.

    Signals:
        node_wanted: A node was clicked.
        looked_at: It comes to the front.
    """

    node_wanted = Signal(str)
    looked_at = Signal()

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self.run_id = ""
        self.caption = ElidedLabel("muted", self)
        self.legend = label("", "muted", self)
        self.legend.setContentsMargins(12, 2, 12, 4)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.chart = TimelineChart(theme, self)
        self.chart.node_wanted.connect(self.node_wanted)
        self.setFocusProxy(self.chart)
        self._empty = EmptyState(icons, "activity", _NOTHING, self)
        self.buttons: dict[str, QToolButton] = {}
        for name, icon, tip in (
            ("out", "zoom-out", "Show more time (minus, or the wheel over the bars)"),
            ("in", "zoom-in", "Show less time (plus, or the wheel over the bars)"),
            ("fit", "maximize", "Show the whole run (0)"),
        ):
            button = QToolButton(self)
            button.setToolTip(tip)
            button.setAccessibleName(tip.split(" (", maxsplit=1)[0])
            button.setProperty("sign", icon)
            self.buttons[name] = button
        self.buttons["out"].clicked.connect(lambda: self.chart.zoom_by(1 / 1.5))
        self.buttons["in"].clicked.connect(lambda: self.chart.zoom_by(1.5))
        self.buttons["fit"].clicked.connect(self.chart.fit)
        self._lay_out()
        theme.changed.connect(self._dress)
        self._dress()
        self.show_nothing()

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 6, 12, 4)
        bar.setSpacing(6)
        bar.addWidget(self.caption, 1)
        for button in self.buttons.values():
            bar.addWidget(button)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(self.chart)
        self.stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.stack, 1)
        layout.addWidget(self.legend)

    def _dress(self) -> None:
        colour = self._theme.colour
        self.legend.setText(
            "&nbsp;&nbsp; ".join(f'<span style="color:{colour(t).name()}">■</span> {word}' for word, t in _LEGEND)
        )
        for button in self.buttons.values():
            button.setIcon(self._icons.icon(button.property("sign")))
        self._empty.repaint_icon()

    def showEvent(self, event: QShowEvent) -> None:
        """Tell that somebody looks."""
        super().showEvent(event)
        self.looked_at.emit()

    def show_nothing(self, sentence: str = _NOTHING) -> None:
        """Show a sentence instead."""
        self.run_id = ""
        self.caption.setText("")
        self._empty.say(sentence)
        self._show(1)

    def show_timeline(self, run_id: str, title: str, told: dict[str, Any]) -> None:
        """Show what the engine tells of a run; see ``runtime.history_requests``."""
        self.run_id = run_id
        bars = told["bars"]
        self.chart.show_bars(bars, told["seconds"])
        nodes = f"{len(bars):,} node{'s' * (len(bars) != 1)}"
        self.caption.setText(f"{title} · {nodes} · {duration(told['seconds'])}")
        if bars:
            self._show(0)
        else:
            self._empty.say("No node was heard of in this run.")
            self._show(1)

    def _show(self, page: int) -> None:
        self.stack.setCurrentIndex(page)
        self.legend.setVisible(page == 0)
        for button in self.buttons.values():
            button.setVisible(page == 0)
