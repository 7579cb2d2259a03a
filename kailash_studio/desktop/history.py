"""Past runs in the window: their list, the look at one, its timeline, the comparison of two."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QStackedWidget, QWidget

from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.history_link import HistoryLink
from kailash_studio.desktop.panels.comparison import Comparison
from kailash_studio.desktop.panels.past_node import PastNode
from kailash_studio.desktop.panels.run_history import RunHistory
from kailash_studio.desktop.panels.timeline import Timeline
from kailash_studio.desktop.past import Past
from kailash_studio.desktop.past_view import PastView

if TYPE_CHECKING:
    from kailash_studio.desktop.window import MainWindow


class History(QObject):
    """Puts the parts together. While a past run is shown, nothing can change the open workflow behind it.

    Signals:
        timeline_shown: There is a timeline to be seen; whether somebody asked for it.
        compared: There is a comparison to be seen.
    """

    timeline_shown = Signal(bool)
    compared = Signal()

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        theme, icons = window.theme, window.icons
        self.list = RunHistory(theme, icons)
        self.timeline = Timeline(theme, icons)
        self.comparison = Comparison(theme, icons)
        self.node_panel = PastNode(theme)
        self.place = QStackedWidget(window)
        self.place.addWidget(window.canvas)
        self.past = Past(
            window.engine,
            window.runs.values,
            window.session.registry,
            self.place,
            self._make_view,
            window.rows,
            self.node_panel,
            self,
        )
        self.link = HistoryLink(
            window.engine, window.runs, self.past, (self.list, self.timeline, self.comparison), window.say, self
        )
        self.link.timeline_shown.connect(self.timeline_shown)
        self.link.compared.connect(self.compared)
        self.link.node_asked.connect(lambda node: window.jump(f"nodes/{node}"))
        self.side = QStackedWidget(window)

    def _make_view(self) -> PastView:
        window = self._window
        view = PastView(window.theme, window.icons, window.actions_by_name, self.place)
        view.canvas.zoom_changed.connect(lambda zoom: window.line.show_plain("zoom", f"{zoom:.0%}"))
        return view

    def handlers(self) -> dict[str, Callable[[], object]]:
        """What its actions do, by name."""
        return {
            "timeline": self.link.show_timeline,
            "compare": self.list.compare_chosen,
            "present": self.past.leave,
            "earlier": lambda: self.past.step(-1),
            "later": lambda: self.past.step(1),
        }

    def connect_with(self, actions: dict[str, QAction], inspector: QWidget) -> None:
        """Take the window's actions, and the place of its inspector; called once all of them are there."""
        self.side.addWidget(inspector)
        self.side.addWidget(self.node_panel)
        self.list.use_action(actions["compare"])
        self.past.opened.connect(self._opened)
        self.past.left.connect(self._left)
        self._window.session.opened.connect(self.past.leave)
        self._show_looking()

    def canvas(self) -> Canvas:
        """The canvas that is seen."""
        view = self.past.view
        return view.canvas if self.past.looking and view is not None else self._window.canvas

    def _opened(self) -> None:
        self._window.rows_link.give_way()
        self._show_looking()

    def _left(self) -> None:
        self._show_looking()
        self._window.rows_link.take_over()
        self._window.canvas.setFocus()
        self._window.line.show_plain("zoom", f"{self._window.canvas.zoom():.0%}")

    def _show_looking(self) -> None:
        looking = self.past.looking
        self._window.palette_panel.setEnabled(not looking)
        self._window.editing.locked = looking
        self.side.setCurrentIndex(1 if looking else 0)

    def close(self) -> None:
        """The window closes."""
        self.past.close()
        self.link.close()

    def dispose(self) -> None:
        """End the second canvas in order."""
        self.past.dispose()
