"""A value as a tree: records and lists unfold."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from kailash_studio.desktop.theme import Theme


class ValueTree(QTreeWidget):
    """Shows what ``runtime.pages.tree_of`` tells."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setHeaderLabels(["Field", "Value", "Type"])
        self.setAccessibleName("Value")
        self.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.header().setStretchLastSection(False)
        self.setColumnWidth(0, 180)

    def show_tree(self, tree: dict[str, Any]) -> str:
        """Show a value.

        Returns:
            What it is, and how much of it is shown.
        """
        self.clear()
        if tree["children"]:
            for name, child in tree["children"]:
                self._add(self.invisibleRootItem(), name, child)
            hidden = tree["count"] - len(tree["children"])
            said = str(tree["text"]) + (f", the first {len(tree['children'])} are shown" if hidden else "")
        else:
            self._add(self.invisibleRootItem(), "value", tree)
            said = str(tree["type"])
        self.expandToDepth(0)
        return said

    def _add(self, parent: QTreeWidgetItem, name: str, tree: dict[str, Any]) -> None:
        text = "null" if tree["text"] is None else tree["text"]
        item = QTreeWidgetItem(parent, [name, text.replace("\n", " ⏎ "), tree["type"]])
        item.setToolTip(1, text)
        item.setForeground(2, self._theme.colour("text3"))
        item.setFont(1, self._theme.font(12, mono=True))
        if tree["text"] is None or tree["children"]:
            item.setForeground(1, self._theme.colour("text3"))
        for inner, child in tree["children"]:
            self._add(item, inner, child)
