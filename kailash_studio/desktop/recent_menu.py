"""The menu of the files that were open last."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QMenu, QWidget

from kailash_studio.desktop.documents import Documents
from kailash_studio.desktop.settings import Settings


class RecentMenu(QMenu):
    """Opens one of them; there is nothing to choose while there is none."""

    def __init__(self, documents: Documents, settings: Settings, parent: QWidget) -> None:
        super().__init__("Open recent", parent)
        self._documents, self._settings = documents, settings
        documents.recent_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        self.clear()
        for name in self._settings.recent:
            path = Path(name)
            action = self.addAction(path.name)
            action.setToolTip(name)
            action.triggered.connect(lambda _checked=False, chosen=path: self._documents.open(chosen))
        self.setEnabled(bool(self._settings.recent))
