"""A node of a past run: how it came out, and what it was set to then. It is looked at, not changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QLabel, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import label, panel_header
from kailash_studio.workflow.workflow import PlacedNode

_NOTHING = "Select a node to see what it was set to."


class PastNode(QWidget):
    """Stands where the inspector is, while the window shows a past run."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self.name = label("", "h2", self)
        self.said = QLabel(_NOTHING, self)
        self.said.setObjectName("muted")
        self.said.setWordWrap(True)
        self.values = QTreeWidget(self)
        self.values.setHeaderLabels(["Setting", "Value"])
        self.values.setAccessibleName("Settings of the node in this run")
        self.values.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.values.header().setStretchLastSection(False)
        self.values.setColumnWidth(0, 130)
        inner = QVBoxLayout()
        inner.setContentsMargins(12, 4, 12, 8)
        inner.addWidget(self.name)
        inner.addWidget(self.said)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(panel_header("As it was", self))
        layout.addLayout(inner)
        layout.addWidget(self.values, 1)
        self.show_nothing()

    def show_nothing(self) -> None:
        """No node is selected."""
        self.name.setText("")
        self.said.setText(_NOTHING)
        self.values.clear()
        self.values.hide()

    def show_node(self, node_id: str, placed: PlacedNode, said: str) -> None:
        """Show a node.

        Args:
            node_id: Its id.
            placed: What the document of the run says of it.
            said: How it stood, as a sentence.
        """
        self.name.setText(node_id)
        self.said.setText(f"{placed.type}. {said}")
        self.values.clear()
        self.values.show()
        for title, entries in (("Parameters", placed.parameters), ("Resilience", placed.resilience)):
            if entries:
                self._add(title, entries)
        self.values.expandAll()
        if not self.values.topLevelItemCount():
            QTreeWidgetItem(self.values, ["Nothing was set", "its defaults held"])

    def _add(self, title: str, entries: Mapping[str, Any]) -> None:
        group = QTreeWidgetItem(self.values, [title])
        group.setFirstColumnSpanned(True)
        group.setForeground(0, self._theme.colour("text3"))
        for name, value in entries.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            item = QTreeWidgetItem(group, [name, " ".join(text.split())])
            item.setToolTip(1, text if len(text) <= 4000 else text[:3999] + "…")
            item.setFont(1, self._theme.font(12, mono=True))
