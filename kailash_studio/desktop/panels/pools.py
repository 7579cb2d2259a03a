"""Connection pools, live: how many connections are in use, who holds them since when, how long one waits for one."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import islice
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QMessageBox,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.panels.live_plot import Importer, Line, LivePlot
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, EmptyState, label
from kailash_studio.desktop.widgets.columns import Columns
from kailash_studio.runtime.wording import duration

_EVERY_MS = 500
_KEPT = 600  # samples: five minutes
_NAMED = 560  # width from which on the actions show their names, where that of the pool is short
_SHORT = 120
_OWNER = Qt.ItemDataRole.UserRole
_STATE_TOKENS = {"open": "green", "paused": "amber", "draining": "amber"}
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_CONNECTIONS = (
    Line("in use", "accent", filled=True),
    Line("idle", "teal"),
    Line("open", "border2"),
    Line("waiting", "red"),
)
_LATENCY = (
    Line("query p50", "green", filled=True),
    Line("query p95", "amber", said="p95"),
    Line("wait p50", "accent"),
    Line("wait p95", "purple", said="p95"),
)
_PAUSE = ("Pause", "pause", "Hand out no connection until the pool is resumed; what is in use goes on.")
_RESUME = ("Resume", "play", "Hand out connections again.")
_ACTIONS = {
    "pause": _PAUSE,
    "evict": ("Evict", "refresh-cw", "Replace all connections: idle ones now, those in use when given back."),
    "drain": ("Drain", "archive", "Hand out none any more, wait up to 30 s for those in use, and close the pool."),
}


class Pools(QWidget):
    """The pools of the engine.

    Signals:
        wanted: The pools should be asked for anew; while the panel is seen, twice a second.
        do_wanted: A pool's id, and ``pause``, ``resume``, ``evict`` or ``drain``.
        owner_wanted: Who holds a connection was chosen: names of ``workflow``, ``run`` and ``node``.
    """

    wanted = Signal()
    do_wanted = Signal(str, str)
    owner_wanted = Signal(dict)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self._told: dict[str, dict[str, Any]] = {}  # by id: names may be those of several
        self._samples: dict[str, deque[tuple[float, ...]]] = {}  # by id, in the order in which they were first seen
        self._titles: dict[str, str] = {}
        self.choice = QComboBox(self)
        self.choice.setAccessibleName("Pool")
        self.choice.setMinimumWidth(90)
        self.choice.setMaximumWidth(360)
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.state = label("", "chip", self)
        self.address = ElidedLabel("muted", self)
        self.buttons: dict[str, QToolButton] = {name: self._button(name) for name in _ACTIONS}
        self.holders = _holders(self)
        self.connections = LivePlot(theme, "Connections", _CONNECTIONS, self, limit=Line("max", "text3"), whole=True)
        self.latency = LivePlot(theme, "Latency", _LATENCY, self, tick=lambda value: _ms(value, short=True))
        self.figures = ElidedLabel("muted", self)
        self._empty = EmptyState(icons, "database", "No pool is open. A run that asks a database opens one.", self)
        self._importer = Importer(self)
        self._importer.done.connect(self.connections.begin)
        self._importer.done.connect(self.latency.begin)
        self._lay_out()
        self._timer = QTimer(self, interval=_EVERY_MS)
        self._timer.timeout.connect(self.wanted)
        self.choice.currentIndexChanged.connect(lambda _: self._show_chosen())
        self.holders.itemActivated.connect(self._holder_chosen)
        self.holders.itemClicked.connect(self._holder_chosen)
        theme.changed.connect(self._empty.repaint_icon)
        theme.changed.connect(self._show_chosen)
        self.show_pools([], 0.0)

    def _button(self, name: str) -> QToolButton:
        button = QToolButton(self)
        button.setMinimumWidth(30)
        button.clicked.connect(lambda: self._do(name))
        self._name_button(button, _ACTIONS[name])
        return button

    def _name_button(self, button: QToolButton, words: tuple[str, str, str]) -> None:
        text, icon, tip = words
        button.setIcon(self._icons.icon(icon))
        button.setText(text)
        button.setAccessibleName(text)
        button.setToolTip(f"{text}: {tip[0].lower()}{tip[1:]}")

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 8)
        bar.setSpacing(8)
        bar.addWidget(self.choice)
        bar.addWidget(self.state)
        bar.addWidget(self.address, 1)
        for button in self.buttons.values():
            bar.addWidget(button)
        right = QWidget(self)
        column = QVBoxLayout(right)
        column.setContentsMargins(4, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.holders, 1)
        self.split = QSplitter(Qt.Orientation.Horizontal, self)
        for widget in (self.connections, self.latency, right):
            self.split.addWidget(widget)
        self.split.setSizes([186, 186, 238])
        self.split.setChildrenCollapsible(False)
        self.split.setHandleWidth(6)
        shown = QWidget(self)
        below = QVBoxLayout(shown)
        below.setContentsMargins(12, 0, 12, 8)
        below.setSpacing(6)
        below.addLayout(bar)
        bar.setContentsMargins(0, 8, 0, 2)
        below.addWidget(self.split, 1)
        below.addWidget(self.figures)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(shown)
        self.stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stack, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Name the actions where there is room for their names."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        wide = self.width() >= _NAMED + max(0, self.choice.sizeHint().width() - _SHORT)
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon if wide else Qt.ToolButtonStyle.ToolButtonIconOnly
        for button in self.buttons.values():
            button.setToolButtonStyle(style)

    # ------------------------------------------------------------------ while it is seen
    def showEvent(self, event: QShowEvent) -> None:
        """Follow the pools."""
        self._importer.ask()
        self.wanted.emit()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Ask no more."""
        self._timer.stop()

    # ------------------------------------------------------------------ what is shown
    def show_pools(self, pools: list[dict[str, Any]], now: float) -> None:
        """Show snapshots of pools (``Pool.snapshot``), taken at a time in seconds."""
        chosen = self.chosen()
        self._told = {pool["id"]: pool for pool in pools}
        for gone in self._samples.keys() - self._told.keys():
            del self._samples[gone]
        for each, pool in self._told.items():
            self._samples.setdefault(each, deque(maxlen=_KEPT)).append((now, *_sample(pool)))
        before, named = list(self._titles.items()), titles([self._told[each] for each in self._samples])
        self._titles = {each: named[each] for each in self._told}
        if before != list(self._titles.items()):
            ids = list(self._titles)
            self.choice.blockSignals(True)
            self.choice.clear()
            self.choice.addItems(list(self._titles.values()))
            self.choice.setCurrentIndex(ids.index(chosen) if chosen in ids else 0)
            self.choice.blockSignals(False)
            self._fit()
        self.stack.setCurrentIndex(0 if pools else 1)
        self._show_chosen()

    def chosen(self) -> str:
        """The id of the pool that is shown; empty where there is none."""
        return next(islice(self._titles, max(self.choice.currentIndex(), 0), None), "")

    def _show_chosen(self) -> None:
        pool = self._told.get(self.chosen())
        for button in self.buttons.values():
            button.setEnabled(pool is not None)
        if pool is None:
            self.figures.setText("")
            self.holders.clear()
            return
        state = pool["state"]
        self.state.setText(f"\N{BLACK CIRCLE} {state}")
        self.state.setStyleSheet(f"color: {self._theme.colour(_STATE_TOKENS.get(state, 'text3')).name()}")
        title = self._titles[pool["id"]]
        self.choice.setToolTip(title)
        self.address.setText("" if pool["address"] in title else pool["address"])
        self._name_button(self.buttons["pause"], _RESUME if state == "paused" else _PAUSE)
        self.figures.setText(figures(pool))
        self.figures.setToolTip(explained(pool))
        self._show_plots(pool, list(zip(*self._samples[pool["id"]], strict=True)))
        self._show_holders(pool["holders"])

    def _show_plots(self, pool: dict[str, Any], series: list[tuple[float, ...]]) -> None:
        counts = pool["connections"]
        waiting = f" · {pool['waiting']} waiting" if pool["waiting"] else ""
        self.connections.say(str(counts["active"]), f"in use of {counts['max']}{waiting}", explained(pool))
        self.latency.say(
            _ms(pool["query_ms"]["p95"]),
            "query p95",
            "Over the last minute or so: p50 is the median, 95 % stay below p95. "
            "Wait is the time that nodes waited for a connection.",
        )
        self.connections.show_samples(series[0], series[1:5], counts["max"])
        self.latency.show_samples(series[0], series[5:9])

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
            item.setFont(2, self._theme.font(11, mono=True))
            item.setForeground(2, self._theme.colour("text2"))
            item.setData(0, _OWNER, owner)

    def _holder_chosen(self, item: QTreeWidgetItem) -> None:
        owner = item.data(0, _OWNER)
        if owner["node"]:
            self.owner_wanted.emit(owner)

    def _do(self, what: str) -> None:
        pool = self._told.get(self.chosen())
        if pool is not None:
            paused = what == "pause" and pool["state"] == "paused"
            if what == "drain":
                self._ask_to_drain(pool)
            else:
                self.do_wanted.emit(pool["id"], "resume" if paused else what)

    def _ask_to_drain(self, pool: dict[str, Any]) -> None:
        """Draining is the one action here that cannot be taken back."""
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setObjectName("drain")
        box.setWindowTitle("Drain a pool")
        box.setText(f"Drain {self._titles[pool['id']]}?")
        in_use = pool["connections"]["active"]
        box.setInformativeText(
            f"{in_use} of its connections {'is' if in_use == 1 else 'are'} in use. They have 30 s to be given back, "
            "then they are closed; nodes of this run that ask for another one fail. The next run opens a new pool."
        )
        drain = box.addButton("Drain", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        meant = pool["id"]
        box.buttonClicked.connect(lambda button: self.do_wanted.emit(meant, "drain") if button is drain else None)
        box.finished.connect(box.deleteLater)
        box.open()


def titles(pools: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What to call pools, by their ids: by name; where several have it by place, by workflow, or by a number, too."""
    found = {pool["id"]: str(pool["name"]) for pool in pools}
    for kind in ("place", "workflow", "number"):
        alike = defaultdict[str, list[dict[str, Any]]](list)
        for pool in pools:
            alike[found[pool["id"]]].append(pool)
        for title, group in alike.items():
            parts = [
                {"place": pool["address"], "workflow": ", ".join(pool["workflows"]), "number": str(number)}[kind]
                for number, pool in enumerate(group, 1)
            ]
            if len(set(parts)) > 1:
                told = zip(group, parts, strict=True)
                found |= {pool["id"]: f"{title} \N{MIDDLE DOT} {part}" for pool, part in told if part}
    return found


def _sample(pool: dict[str, Any]) -> tuple[float, ...]:
    """What the plots show of a snapshot, in the order of their lines."""
    counts, query, wait = pool["connections"], pool["query_ms"], pool["acquire_ms"]
    idle = counts["size"] - counts["active"]
    return counts["active"], idle, counts["size"], pool["waiting"], query["p50"], query["p95"], wait["p50"], wait["p95"]


def figures(pool: dict[str, Any]) -> str:
    """The counts of a pool in one line."""
    counts, queries = pool["connections"], pool["queries"]
    wait, query = pool["acquire_ms"], pool["query_ms"]
    parts = [
        f"wait {_ms(wait['p50'])} / {_ms(wait['p95'])}",
        f"query {_ms(query['p50'])} / {_ms(query['p95'])}",
        f"{queries['executed']:,} statements",
        f"{queries['errors']:,} errors",
        f"{counts['recycled']:,} recycled",
        f"{counts['lost']:,} lost",
        f"health {pool['health']['average']:.0f}",
    ]
    return " · ".join(parts)


def explained(pool: dict[str, Any]) -> str:
    """What is too long for the figures."""
    lines = [
        f"{pool['address']}",
        "wait, query: the median, and what 95 % stay below",
        f"connections: {pool['connections']['size']} open, {pool['connections']['created']:,} opened so far",
    ]
    lines += [f"workflows: {', '.join(pool['workflows'])}"] if pool["workflows"] else []
    lines += [f"opened beforehand: {pool['warmed']}"] if pool["warmed"] else []
    lines += [f"last failure: {pool['last_failure']}"] if pool["last_failure"] else []
    return "\n".join(lines)


def _ms(value: float, *, short: bool = False) -> str:
    """Milliseconds in words; ``short`` for the edge of a plot."""
    if value >= 1000:
        return f"{value / 1000:,.1f} s" if not short else f"{value / 1000:g} s"
    if short:
        return f"{value:g} ms" if value else "0"
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def _holders(parent: QWidget) -> QTreeWidget:
    made = QTreeWidget(parent)
    made.setHeaderLabels(["Held by", "Since", "Statement"])
    made.setRootIsDecorated(False)
    made.setUniformRowHeights(True)
    made.setAccessibleName("Who holds a connection")
    made.setMinimumWidth(110)
    Columns(made, 2, kept=80)
    return made
