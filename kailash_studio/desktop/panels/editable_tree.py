"""A tree whose values can be changed: F2 changes one, Delete makes it null, as in a table."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget


class EditableTree(QTreeWidget):
    """The tree; it says what is wanted, and who fills it knows what may be changed.

    Signals:
        edit_wanted: A row's value is to be changed.
        null_wanted: A row's value is to be null.
    """

    edit_wanted = Signal(QTreeWidgetItem)
    null_wanted = Signal(QTreeWidgetItem)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setHeaderLabels(["Field", "Value", "Type"])
        self.setAccessibleName("The value as a tree; values can be edited")
        self.setToolTip("Double-click or F2 changes a value, Delete makes it null.")
        self.setEditTriggers(QTreeWidget.EditTrigger.NoEditTriggers)
        self.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.header().setStretchLastSection(False)
        self.setColumnWidth(0, 130)
        self.setColumnWidth(2, 70)
        self.itemDoubleClicked.connect(self.edit_wanted)
        self.itemActivated.connect(self.edit_wanted)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """F2 and Delete; an editor that is open has them for itself."""
        item = self.currentItem()
        if item is None or not self.hasFocus():
            super().keyPressEvent(event)
        elif event.key() == Qt.Key.Key_F2:
            self.edit_wanted.emit(item)
        elif event.key() == Qt.Key.Key_Delete:
            self.null_wanted.emit(item)
        else:
            super().keyPressEvent(event)
