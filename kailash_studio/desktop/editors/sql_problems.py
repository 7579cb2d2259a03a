"""The list of what is wrong with a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme


class SqlProblems(QTreeWidget):
    """Findings with their places; a click goes there.

    Signals:
        jump: Where the words begin and end that a finding is about.
    """

    jump = Signal(int, int)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icons = theme, icons
        self.setAccessibleName("Problems")
        self.setHeaderHidden(True)
        self.setRootIsDecorated(False)
        self.setColumnCount(2)
        self.header().setStretchLastSection(True)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        self.setColumnWidth(0, 92)
        self.itemClicked.connect(self._jump)
        self.itemActivated.connect(self._jump)

    def show_findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Show findings, ``SqlFinding.to_plain``."""
        self.clear()
        for finding in findings:
            item = QTreeWidgetItem(self, [f"{finding['line']}:{finding['column']}", finding["sentence"]])
            wrong = finding["severity"] == "error"
            item.setIcon(
                0, self._icons.icon("circle-x", "red") if wrong else self._icons.icon("triangle-alert", "amber")
            )
            item.setForeground(0, self._theme.colour("text3"))
            item.setFont(0, self._theme.font(12, mono=True))
            item.setToolTip(1, finding["sentence"])
            item.setData(0, Qt.ItemDataRole.UserRole, (finding["start"], finding["end"]))

    def _jump(self, item: QTreeWidgetItem) -> None:
        start, end = item.data(0, Qt.ItemDataRole.UserRole)
        self.jump.emit(start, end)
