"""The choice of TLS on the way to a database server, which says what each of its modes means."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QWidget

from kailash_studio.services.tls import TlsMode

_MODES: dict[TlsMode, tuple[str, str]] = {
    "preferred": (
        "Where the server offers it",
        "PostgreSQL's sslmode=prefer, MySQL's PREFERRED: a server without TLS is used without it",
    ),
    "off": ("Off", "PostgreSQL's sslmode=disable, MySQL's DISABLED: whoever is on the way can read everything"),
    "required": (
        "Required",
        "PostgreSQL's sslmode=require, MySQL's REQUIRED: a server without TLS gets no password; whose certificate it "
        "shows is not looked at",
    ),
    "verified": (
        "Required, certificate verified",
        "PostgreSQL's sslmode=verify-full, MySQL's VERIFY_IDENTITY: the certificate has to be the host's, and of an "
        "authority that this machine trusts or that is in the file that SSL_CERT_FILE names",
    ),
}


class TlsChoice(QComboBox):
    """The modes of ``services.tls`` in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        for mode, (text, tip) in _MODES.items():
            self.addItem(text, mode)
            self.setItemData(self.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.currentIndexChanged.connect(lambda _: self._explain())
        self._explain()

    def mode(self) -> TlsMode:
        """The mode that is chosen."""
        chosen: TlsMode = self.currentData()
        return chosen

    def choose(self, mode: str) -> None:
        """Choose a mode."""
        self.setCurrentIndex(self.findData(mode))

    def _explain(self) -> None:
        self.setToolTip(f"Encryption on the way to the server. {self.currentText()}: {_MODES[self.mode()][1]}")
