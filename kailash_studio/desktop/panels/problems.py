"""The list of problems: every finding, with its place; Enter or a double click goes there."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QStackedLayout, QTreeWidget, QTreeWidgetItem, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import EmptyState
from kailash_studio.desktop.widgets.columns import Columns
from kailash_studio.spec.finding import Finding

_SIGNS = {"error": ("circle-alert", "red"), "warning": ("triangle-alert", "amber"), "info": ("info", "accent")}
_ORDER = {"error": 0, "warning": 1, "info": 2}


class Problems(QWidget):
    """Findings as a table.

    Signals:
        jump: The place of a finding that was activated.
    """

    jump = Signal(str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self._findings: Sequence[Finding] = ()
        self.table = QTreeWidget(self)
        self.table.setHeaderLabels(["Place", "What to mend", "Code"])
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        self.table.setIconSize(QSize(15, 15))
        self.table.setAccessibleName("Problems")
        Columns(self.table, 1, kept=260, most=260)
        self.table.itemActivated.connect(self._activated)
        self.table.itemClicked.connect(self._activated)
        self._empty = EmptyState(icons, "circle-check", "No problems. The workflow can run.", self)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.table)
        self._stack.addWidget(self._empty)
        theme.changed.connect(self._repaint)
        self.set_findings(())

    def _repaint(self) -> None:
        self._empty.repaint_icon()
        self.set_findings(self._findings)

    def set_findings(self, findings: Sequence[Finding]) -> None:
        """Show these findings, the worst first."""
        self._findings = findings
        self.table.clear()
        for finding in sorted(findings, key=lambda f: _ORDER[f.severity]):
            item = QTreeWidgetItem(self.table, [_readable(finding.place), finding.sentence, finding.code])
            item.setIcon(0, self._icons.icon(*_SIGNS[finding.severity]))
            item.setToolTip(1, finding.sentence)
            item.setForeground(0, self._theme.colour("text2"))
            item.setForeground(2, self._theme.colour("text3"))
            item.setFont(2, self._theme.font(11, mono=True))
            item.setData(0, Qt.ItemDataRole.UserRole, finding.place)
        self._stack.setCurrentIndex(0 if findings else 1)

    def _activated(self, item: QTreeWidgetItem) -> None:
        self.jump.emit(item.data(0, Qt.ItemDataRole.UserRole))


def _readable(place: str) -> str:
    parts = place.split("/")
    if parts[0] in {"nodes", "connections", "plugins", "parameters"} and len(parts) > 1:
        return " / ".join(part for part in parts[1:] if part not in {"parameters", "inputs"}).replace(">", "  →  ")
    return place or "file"
