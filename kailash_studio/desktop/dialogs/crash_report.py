"""Shows a crash report: to be read, and copied for whoever can mend the program."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import label


class CrashReportDialog(QDialog):
    """A text that can be copied as a whole; nothing is sent."""

    def __init__(self, path: Path, text: str, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("crash_report_dialog")
        self.setWindowTitle("Crash report")
        self.resize(760, 460)
        note = label(
            "Nothing of this is sent. It holds versions and places in the program, and no values of workflows. "
            "Whoever mends the program can use it: copy it for them.",
            "muted",
        )
        note.setWordWrap(True)
        self.text = QPlainTextEdit(text, self)
        self.text.setReadOnly(True)
        self.text.setFont(theme.font(12, mono=True))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName("Crash report")
        where = label(str(path), "muted")
        where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.copy = QPushButton("Copy", self)
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
        self.close_button = QPushButton("Close", self)
        self.close_button.setObjectName("primary")
        self.close_button.setDefault(True)
        self.close_button.clicked.connect(self.close)
        buttons = QHBoxLayout()
        buttons.addWidget(where, 1)
        buttons.addWidget(self.copy)
        buttons.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addWidget(note)
        layout.addWidget(self.text, 1)
        layout.addLayout(buttons)
