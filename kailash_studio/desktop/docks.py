"""Where the panels of the window stand: docks at its edges, tabs at its foot; and how one is brought to the front."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from PySide6.QtCore import QByteArray, QEvent, QKeyCombination, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QDockWidget, QMainWindow, QSplitter, QWidget

from kailash_studio.desktop.actions import OF_ANY_LIST, OF_NODES
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.widgets.tabs import RoomyTabs

_WIDE, _HIGH, _LEFT_OVER = 620, 340, 220  # px of a panel that needs room, and what stays beside it


class Tab(NamedTuple):
    """A panel at the foot of the window."""

    panel: QWidget
    icon: str
    title: str


class _Dock(QDockWidget):
    """A dock whose panels have some keys for themselves, which elsewhere in the window mean nodes.

    Qt asks whoever has the keyboard, and then all that it stands in, whether a key is theirs before it is a shortcut's.
    So one answer here holds for all panels, and for what is put into one later.
    """

    def __init__(self, title: str, window: QMainWindow, own: Iterable[QAction]) -> None:
        super().__init__(title, window)
        self._own = list(own)

    def event(self, event: QEvent) -> bool:
        """Claim the keys before the window's shortcuts get them."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._claims(event):
            event.accept()
            return True
        return super().event(event)

    def _claims(self, event: QKeyEvent) -> bool:
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        pressed = QKeySequence(QKeyCombination(modifiers, Qt.Key(event.key())))
        return any(pressed in action.shortcuts() for action in self._own)


class Docks(QObject):
    """The docks of a window.

    Attributes:
        bottom: The foot of the window, with its two stacks of tabs.
        data_tabs: What goes through a run: rows, values, pools, times.
        report_tabs: What is told of it: log, problems, lists.
    """

    def __init__(
        self,
        window: QMainWindow,
        icons: Icons,
        actions: Mapping[str, QAction],
        *,
        left: QWidget,
        right: QWidget,
        data: Sequence[Tab],
        report: Sequence[Tab],
    ) -> None:
        super().__init__(window)
        self._window, self._actions = window, actions
        self.bottom = QSplitter(Qt.Orientation.Horizontal, window)
        self.bottom.setChildrenCollapsible(False)
        self.data_tabs, self.report_tabs = RoomyTabs(self.bottom), RoomyTabs(self.bottom)
        for tabs, panels in ((self.data_tabs, data), (self.report_tabs, report)):
            for panel, icon, title in panels:
                tabs.add(panel, icons.icon(icon), title)
        self.bottom.setSizes([400, 640])
        area = Qt.DockWidgetArea
        # what stands at the sides is about the selected node: F2 renames it from there
        sides = [
            self._dock("palette", "Nodes", left, area.LeftDockWidgetArea, 220, OF_ANY_LIST),
            self._dock("inspector", "Inspector", right, area.RightDockWidgetArea, 300, OF_ANY_LIST),
        ]
        self._foot = self._dock("bottom", "Run", self.bottom, area.BottomDockWidgetArea, 0, OF_NODES)
        window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        window.resizeDocks([self._foot], [250], Qt.Orientation.Vertical)
        window.resizeDocks(sides, [236, 370], Qt.Orientation.Horizontal)

    def _dock(
        self, name: str, title: str, widget: QWidget, area: Qt.DockWidgetArea, width: int, own: Iterable[str]
    ) -> QDockWidget:
        dock = _Dock(title, self._window, (self._actions[action] for action in own))
        dock.setObjectName(f"dock_{name}")
        dock.setTitleBarWidget(QWidget(dock))  # the panels have headers of their own
        dock.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
        widget.setMinimumWidth(width)
        dock.setWidget(widget)
        self._window.addDockWidget(area, dock)
        return dock

    # ------------------------------------------------------------------ from window to window
    def restore(self, settings: Settings) -> None:
        """Give the window the place and the proportions that the last one had."""
        if settings.geometry:
            self._window.restoreGeometry(QByteArray.fromBase64(settings.geometry.encode("ascii")))
        if settings.docks:
            self._window.restoreState(QByteArray.fromBase64(settings.docks.encode("ascii")))

    def keep(self, settings: Settings) -> None:
        """Write place and proportions down for the next window."""
        settings.geometry = bytes(self._window.saveGeometry().toBase64().data()).decode("ascii")
        settings.docks = bytes(self._window.saveState().toBase64().data()).decode("ascii")

    # ------------------------------------------------------------------ panels
    def _tabs_of(self, panel: QWidget) -> RoomyTabs:
        return self.data_tabs if self.data_tabs.indexOf(panel) >= 0 else self.report_tabs

    def hide(self, panel: QWidget) -> None:
        """Take a panel's tab away until it is shown: there is nothing in it yet."""
        tabs = self._tabs_of(panel)
        tabs.setTabVisible(tabs.indexOf(panel), False)

    def name(self, panel: QWidget, title: str) -> None:
        """Give a panel's tab another title."""
        self._tabs_of(panel).name(panel, title)

    def show(self, panel: QWidget, *, focus: bool = True) -> None:
        """Bring a panel to the front."""
        tabs = self._tabs_of(panel)
        tabs.setTabVisible(tabs.indexOf(panel), True)
        tabs.setCurrentWidget(panel)
        if focus:
            panel.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def show_wide(self, panel: QWidget, *, focus: bool = True) -> None:
        """Bring a panel of data to the front, with room for what it shows."""
        self.show(panel, focus=focus)
        left, right = self.bottom.sizes()
        if self._foot.height() < _HIGH < self._window.height() // 2:
            self._window.resizeDocks([self._foot], [_HIGH], Qt.Orientation.Vertical)
        if left < _WIDE and left + right > _WIDE + _LEFT_OVER:
            self.bottom.setSizes([_WIDE, left + right - _WIDE])
