"""Connection pools, live: how many connections are in use, who holds them since when, how long one waits for one."""

from __future__ import annotations

from collections import deque
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.usage_plot import UsagePlot
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import EmptyState, label
from kailash_studio.runtime.wording import duration

_EVERY_MS = 500
_KEPT = 600  # samples: five minutes
_NAME = Qt.ItemDataRole.UserRole
_STATE_TOKENS = {"open": "green", "paused": "amber", "drained": "text3", "closed": "text3"}
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class Pools(QWidget):
    """The pools of the engine.

    Signals:
        wanted: The pools should be asked for anew; while the panel is seen, twice a second.
        do_wanted: A pool's name, and ``pause``, ``resume``, ``evict`` or ``drain``.
        node_wanted: A node that holds a connection was chosen.
    """

    wanted = Signal()
    do_wanted = Signal(str, str)
    node_wanted = Signal(str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self._told: dict[str, dict[str, Any]] = {}
        self._samples: dict[str, deque[tuple[float, int, int, int]]] = {}
        self.figures = label("", "muted", self)
        self.figures.setWordWrap(True)  # on two lines where the panel is narrow
        self.figures.setMinimumHeight(2 * self.figures.fontMetrics().lineSpacing())
        self.buttons: dict[str, QToolButton] = {}
        for name, text, icon, tip in (
            ("pause", "Pause", "pause", "Hand out no connection until it is resumed; what is in use goes on."),
            ("evict", "Evict", "refresh-cw", "Replace all connections: idle ones now, those in use when given back."),
            ("drain", "Drain", "archive", "Hand out none any more, wait for those in use, and close the pool."),
        ):
            button = QToolButton(self)
            button.setIcon(icons.icon(icon))
            button.setAccessibleName(text)
            button.setToolTip(f"{text}: {tip[0].lower()}{tip[1:]}")
            button.clicked.connect(lambda _=False, what=name: self._do(what))
            self.buttons[name] = button
        self.list = _tree(["Pool", "In use", "Wait"], "Pools", self, (1, 54), (2, 48))
        self.holders = _tree(["Held by", "Since", "Statement"], "Who holds a connection", self, (0, 84), (1, 56))
        self.holders.header().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.plot = UsagePlot(theme, self)
        self._empty = EmptyState(icons, "database", "No pool is open. A run that asks a database opens one.", self)
        self._lay_out()
        self._timer = QTimer(self, interval=_EVERY_MS)
        self._timer.timeout.connect(self.wanted)
        self.list.itemSelectionChanged.connect(self._show_chosen)
        self.holders.itemActivated.connect(self._holder_chosen)
        self.holders.itemClicked.connect(self._holder_chosen)
        theme.changed.connect(self._empty.repaint_icon)
        self.show_pools([], 0.0)

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 6)
        bar.setSpacing(8)
        bar.addWidget(self.figures, 1)
        for button in self.buttons.values():
            bar.addWidget(button)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        for widget in (self.list, self.plot, self.holders):
            split.addWidget(widget)
        split.setSizes([172, 226, 212])
        self.stack = QStackedWidget(self)
        self.stack.addWidget(split)
        self.stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.stack, 1)

    # ------------------------------------------------------------------ while it is seen
    def showEvent(self, event: QShowEvent) -> None:
        """Follow the pools."""
        self.plot.prepare()
        self.wanted.emit()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Ask no more."""
        self._timer.stop()

    # ------------------------------------------------------------------ what is shown
    def show_pools(self, pools: list[dict[str, Any]], now: float) -> None:
        """Show snapshots of pools (``Pool.snapshot``), taken at a time in seconds."""
        self._told = {pool["name"]: pool for pool in pools}
        for name in self._samples.keys() - self._told.keys():
            del self._samples[name]
        for name, pool in self._told.items():
            counts = pool["connections"]
            kept = self._samples.setdefault(name, deque(maxlen=_KEPT))
            kept.append((now, counts["active"], counts["size"], pool["waiting"]))
        self._fill_list()
        self.stack.setCurrentIndex(0 if pools else 1)
        self._show_chosen()

    def chosen(self) -> str:
        """The selected pool's name, or the first one's."""
        items = self.list.selectedItems()
        return str(items[0].data(0, _NAME)) if items else next(iter(self._told), "")

    def _fill_list(self) -> None:
        """Rows keep their place, so that a click does not miss."""
        known = {self.list.topLevelItem(i).data(0, _NAME): self.list.topLevelItem(i) for i in range(self._rows())}  # type: ignore[union-attr]
        for name, item in known.items():
            if name not in self._told and item is not None:
                self.list.takeTopLevelItem(self.list.indexOfTopLevelItem(item))
        for name, pool in self._told.items():
            item = known.get(name) or QTreeWidgetItem(self.list)
            counts = pool["connections"]
            item.setData(0, _NAME, name)
            item.setText(0, name)
            item.setText(1, f"{counts['active']} / {counts['max']}")
            item.setText(2, str(pool["waiting"]))
            item.setTextAlignment(1, _RIGHT)
            item.setTextAlignment(2, _RIGHT)
            item.setForeground(0, self._theme.colour(_STATE_TOKENS.get(pool["state"], "text2")))
            item.setForeground(2, self._theme.colour("red" if pool["waiting"] else "text2"))
            item.setToolTip(0, f"{pool['address']}\n{pool['state']}" + _reason(pool))

    def _rows(self) -> int:
        return self.list.topLevelItemCount()

    def _show_chosen(self) -> None:
        pool = self._told.get(self.chosen())
        for button in self.buttons.values():
            button.setEnabled(pool is not None)
        if pool is None:
            self.figures.setText("")
            self.figures.setToolTip("")
            self.holders.clear()
            return
        paused = pool["state"] == "paused"
        self.buttons["pause"].setAccessibleName("Resume" if paused else "Pause")
        self.buttons["pause"].setIcon(self._icons.icon("play" if paused else "pause"))
        self.figures.setText(figures(pool))
        self.figures.setToolTip(explained(pool))
        self.plot.show_samples(list(self._samples[pool["name"]]), pool["connections"]["max"])
        self._show_holders(pool["holders"])

    def _show_holders(self, holders: list[dict[str, Any]]) -> None:
        while self.holders.topLevelItemCount() > len(holders):
            self.holders.takeTopLevelItem(self.holders.topLevelItemCount() - 1)
        for row, holder in enumerate(holders):
            item = self.holders.topLevelItem(row) or QTreeWidgetItem(self.holders)
            owner = holder["owner"]
            item.setText(0, owner["node"] or owner["workflow"] or "someone")
            item.setText(1, duration(holder["seconds"]))
            item.setText(2, " ".join(holder["statement"].split()))
            item.setToolTip(0, " / ".join(part for part in owner.values() if part))
            item.setToolTip(2, holder["statement"])
            item.setTextAlignment(1, _RIGHT)
            item.setData(0, _NAME, owner["node"])

    def _holder_chosen(self, item: QTreeWidgetItem) -> None:
        if item.data(0, _NAME):
            self.node_wanted.emit(item.data(0, _NAME))

    def _do(self, what: str) -> None:
        pool = self._told.get(self.chosen())
        if pool is not None:
            paused = what == "pause" and pool["state"] == "paused"
            self.do_wanted.emit(pool["name"], "resume" if paused else what)


def figures(pool: dict[str, Any]) -> str:
    """The figures of a pool in one line."""
    counts, queries = pool["connections"], pool["queries"]
    parts = [
        f"wait {_ms(pool['acquire_ms']['p50'])} / {_ms(pool['acquire_ms']['p95'])}",
        f"query {_ms(pool['query_ms']['p50'])} / {_ms(pool['query_ms']['p95'])}",
        f"{queries['executed']:,} statements",
        f"{queries['errors']:,} errors",
        f"{counts['recycled']:,} recycled",
        f"health {pool['health']['average']:.0f}",
    ]
    return " · ".join(parts)


def explained(pool: dict[str, Any]) -> str:
    """What the figures mean, and what is too long for them."""
    lines = [
        f"{pool['address']}",
        "wait, query: the median, and what 95 % stay below",
        f"connections: {pool['connections']['size']} open, {pool['connections']['created']:,} opened so far",
    ]
    lines += [f"opened beforehand: {pool['warmed']}"] if pool["warmed"] else []
    lines += [f"last failure: {pool['last_failure']}"] if pool["last_failure"] else []
    return "\n".join(lines)


def _ms(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:,.1f} s"
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def _reason(pool: dict[str, Any]) -> str:
    return f"\n{pool['last_failure']}" if pool["last_failure"] else ""


def _tree(headers: list[str], name: str, parent: QWidget, *widths: tuple[int, int]) -> QTreeWidget:
    made = QTreeWidget(parent)
    made.setHeaderLabels(headers)
    made.setRootIsDecorated(False)
    made.setUniformRowHeights(True)
    made.setAccessibleName(name)
    made.header().setStretchLastSection(False)
    if not any(column == 0 for column, _ in widths):
        made.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    for column, width in widths:
        made.setColumnWidth(column, width)
    return made
