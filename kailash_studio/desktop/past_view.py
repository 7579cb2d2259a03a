"""A past run on a canvas of its own, every node as it stood at any event; nothing here can be changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSlider, QToolButton, QVBoxLayout, QWidget

from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.canvas.view import ConnectionView, NodeState, NodeView
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, label
from kailash_studio.runtime.wording import duration

_REFUSAL = "A past run cannot be changed."


class PastView(QWidget):
    """Banner, canvas and scrubber.

    Signals:
        place_wanted: The scrubber was moved to an event, counted from 0.
        event_chosen: The sentence of the shown event was clicked.
    """

    place_wanted = Signal(int)
    event_chosen = Signal()

    def __init__(self, theme: Theme, icons: Icons, actions: Mapping[str, QAction], parent: QWidget) -> None:
        """Lay it out.

        Args:
            theme: Colours.
            icons: Icons.
            actions: The window's: ``present``, ``earlier`` and ``later`` get buttons here.
            parent: Qt parent.
        """
        super().__init__(parent)
        self._icons = icons
        self._actions = actions
        self.canvas = Canvas(theme, icons, self)
        self.canvas.still = True
        self.canvas.refusal = lambda *_ends: _REFUSAL
        self.canvas.fallback_refusal = lambda *_ends: _REFUSAL
        self.canvas.nodes_moved.connect(self._put_back)
        self.banner = self._make_banner()
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setAccessibleName("Event of the run that is shown")
        self.slider.setToolTip("Show the run after another event (arrow keys, Home, End).")
        self.slider.valueChanged.connect(self.place_wanted)
        self.place = label("", "muted", self)
        self.sentence = ElidedLabel("muted", self)
        self._graph: tuple[list[NodeView], list[ConnectionView]] = ([], [])
        self._nodes: dict[str, NodeView] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.banner)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self._make_scrubber())
        theme.changed.connect(self._paint_icons)
        self._paint_icons()

    def _make_banner(self) -> QFrame:
        banner = QFrame(self)
        banner.setObjectName("past")
        self._mark = QLabel(banner)
        self.title = ElidedLabel("past_title", banner)
        self.back = QPushButton("Back to the workflow", banner)
        self.back.setToolTip(self._actions["present"].toolTip())
        self.back.clicked.connect(self._actions["present"].trigger)
        layout = QHBoxLayout(banner)
        layout.setContentsMargins(12, 6, 12, 6)
        layout.addWidget(self._mark)
        layout.addWidget(self.title, 1)
        layout.addWidget(self.back)
        return banner

    def _make_scrubber(self) -> QFrame:
        scrubber = QFrame(self)
        scrubber.setObjectName("scrubber")
        layout = QHBoxLayout(scrubber)
        layout.setContentsMargins(12, 4, 12, 4)
        layout.setSpacing(8)
        for name in ("earlier", "later"):
            button = QToolButton(scrubber)
            button.setDefaultAction(self._actions[name])
            button.setAccessibleName(self._actions[name].text())
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            layout.addWidget(button)
        layout.addWidget(self.slider, 2)
        layout.addWidget(self.place)
        layout.addWidget(self.sentence, 3)
        return scrubber

    def _paint_icons(self) -> None:
        self._mark.setPixmap(self._icons.pixmap("history", "purple", 16, self.devicePixelRatioF()))
        self.back.setIcon(self._icons.icon("corner-down-left"))

    # ------------------------------------------------------------------ what is shown
    def show_run(self, title: str, nodes: Iterable[NodeView], connections: Iterable[ConnectionView]) -> None:
        """Show the graph of a run, and no states yet."""
        graph = list(nodes), list(connections)
        self.title.setText(title)
        if graph == self._graph:  # most runs of a workflow have one graph, and drawing it is what takes time
            self.canvas.select([])
            self.canvas.clear_run()
            return
        self._graph = graph
        self._nodes = {node.id: node for node in graph[0]}
        self.canvas.set_graph(*graph)
        self.canvas.fit()

    def show_place(self, at: int, total: int, time: float, sentence: str) -> None:
        """Say which event is shown, without asking for it again."""
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, total - 1))
        self.slider.setPageStep(max(1, total // 20))
        if not self.slider.isSliderDown():  # whoever drags it is ahead of the answers
            self.slider.setValue(at)
        self.slider.blockSignals(False)
        self.place.setText(f"event {at + 1:,} of {total:,} · {duration(time)}")
        self.sentence.setText(sentence)

    def show_states(self, states: Mapping[str, NodeState], labels: Mapping[str, str]) -> None:
        """Show how nodes stood."""
        self.canvas.set_states(states)
        self.canvas.set_labels(labels)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Show what comes meanwhile when all of it has come."""
        viewport = self.canvas.viewer.viewport()
        viewport.setUpdatesEnabled(False)
        try:
            yield
        finally:
            viewport.setUpdatesEnabled(True)

    def _put_back(self, places: Mapping[str, object]) -> None:
        for node_id in places:
            self.canvas.move_node(node_id, self._nodes[node_id].x, self._nodes[node_id].y)

    def dispose(self) -> None:
        """End the canvas in order."""
        self.canvas.dispose()
