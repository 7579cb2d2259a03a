"""Tabs that name themselves where there is little room."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon, QResizeEvent
from PySide6.QtWidgets import QTabWidget, QWidget

_MARGIN = 16  # px beside the first tab and the last


class RoomyTabs(QTabWidget):
    """Tabs whose names come before their icons where there is little room, and their counts before their names."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._icons: dict[QWidget, QIcon] = {}
        self.setDocumentMode(True)
        self.setUsesScrollButtons(False)  # where there is little room, names are cut, and none is hidden
        self.setElideMode(Qt.TextElideMode.ElideMiddle)  # a count stands at the end

    def add(self, panel: QWidget, icon: QIcon, title: str) -> None:
        """Add a tab."""
        self._icons[panel] = icon
        self.addTab(panel, icon, title)
        self.setTabToolTip(self.indexOf(panel), title)

    def name(self, panel: QWidget, title: str) -> None:
        """Give a panel's tab another title."""
        index = self.indexOf(panel)
        if self.tabText(index) != title:
            self.setTabText(index, title)
            self.setTabToolTip(index, title)
            self._fit()

    def setTabVisible(self, index: int, visible: bool) -> None:
        """Show or hide a tab; the others have less room, or more."""
        super().setTabVisible(index, visible)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More or fewer icons have room."""
        super().resizeEvent(event)
        self._fit()

    def tabInserted(self, index: int) -> None:
        """One more needs room."""
        super().tabInserted(index)
        self._fit()

    def _fit(self) -> None:
        for icons in (True, False):
            for index in range(self.count()):
                panel = self.widget(index)
                self.setTabIcon(index, self._icons[panel] if icons and panel in self._icons else QIcon())
            if self.tabBar().sizeHint().width() + _MARGIN <= self.width():
                return
