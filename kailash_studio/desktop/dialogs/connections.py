"""The connections that a user has saved: a list, a form, a test; passwords go to the store of secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.widgets.basics import label
from kailash_studio.errors import EngineError
from kailash_studio.services.connections import FILES, KINDS

_NAME = Qt.ItemDataRole.UserRole


class ConnectionsDialog(QDialog):
    """Works by the engine: nothing of it waits on the window's thread."""

    def __init__(self, engine: Engine, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Connections")
        self.setObjectName("connections_dialog")
        self.resize(720, 430)
        self._engine = engine
        self._tasks: set[asyncio.Task[None]] = set()
        self._known: dict[str, dict[str, Any]] = {}
        self._testing: asyncio.Task[None] | None = None
        self._over = False
        self.list = QListWidget(self)
        self.list.setAccessibleName("Saved connections")
        self.new = QPushButton(icons.icon("plus"), "New", self)
        self.remove = QPushButton(icons.icon("trash-2"), "Remove", self)
        self.name, self.host, self.database, self.user, self.secret = (QLineEdit(self) for _ in range(5))
        self.kind = QComboBox(self)
        self.kind.addItems(list(KINDS))
        self.port = QSpinBox(self)
        self.port.setRange(1, 65_535)
        self.password = QLineEdit(self)
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.setPlaceholderText("stored already, or none: leave empty")
        self.test = QPushButton(icons.icon("plug-zap"), "Test", self)
        self.save = QPushButton("Save", self)
        self.save.setObjectName("primary")
        self.close_button = QPushButton("Close", self)
        self.said = QLabel(self)
        self.said.setWordWrap(True)
        self._lay_out()
        self.list.currentItemChanged.connect(lambda *_: self._chosen())
        self.kind.currentTextChanged.connect(lambda _: self._enable())
        self.name.textChanged.connect(lambda _: self._enable())
        self.new.clicked.connect(self._begin_new)
        self.remove.clicked.connect(self._ask_remove)
        self.test.clicked.connect(self._test_or_cancel)
        self.save.clicked.connect(lambda: self._spawn(self._save()))
        self.close_button.clicked.connect(self.close)
        self._begin_new()
        self._spawn(self._load())

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self._rows: list[tuple[str, QWidget]] = [
            ("Name", self.name),
            ("Kind", self.kind),
            ("Host", self.host),
            ("Port", self.port),
            ("Database", self.database),
            ("User", self.user),
            ("Password", self.password),
            ("Kept as secret", self.secret),
        ]
        for text, widget in self._rows:
            widget.setAccessibleName(text)
            form.addRow(text, widget)
        left = QVBoxLayout()
        left.addWidget(self.list, 1)
        row = QHBoxLayout()
        row.addWidget(self.new)
        row.addWidget(self.remove)
        left.addLayout(row)
        note = label("The embedded database needs none of these. Workflows hold a connection's name alone.", "muted")
        note.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.test)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.save)
        right = QVBoxLayout()
        right.addWidget(note)
        right.addLayout(form)
        right.addWidget(self.said)
        right.addStretch(1)
        right.addLayout(buttons)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(16)
        layout.addLayout(left, 2)
        layout.addLayout(right, 3)

    # ------------------------------------------------------------------ the form
    def _begin_new(self) -> None:
        self.list.setCurrentRow(-1)
        self._show({"name": "", "kind": "postgresql", "host": "localhost", "port": 5432})
        self.name.setFocus()

    def _chosen(self) -> None:
        if self._former():
            self._show(self._known[self._former()])

    def _former(self) -> str:
        """The name of the one that is selected, or empty while a new one is written."""
        return str(self.list.currentItem().data(_NAME)) if self.list.currentRow() >= 0 else ""

    def _show(self, saved: dict[str, Any]) -> None:
        for field, key in (
            (self.name, "name"),
            (self.host, "host"),
            (self.database, "database"),
            (self.user, "user"),
            (self.secret, "secret"),
        ):
            field.setText(str(saved.get(key, "")))
        self.kind.setCurrentText(saved["kind"])
        self.port.setValue(int(saved.get("port", 5432)))
        self.password.clear()
        self._say("")
        self._enable()

    def _connection(self) -> dict[str, Any]:
        name = self.name.text().strip()
        secret = self.secret.text().strip() or (f"connection.{name}" if self.password.text() else "")
        return {
            "name": name,
            "kind": self.kind.currentText(),
            "host": self.host.text().strip() or "localhost",
            "port": self.port.value(),
            "database": self.database.text().strip(),
            "user": self.user.text().strip(),
            "secret": secret,
        }

    def _enable(self) -> None:
        server = self.kind.currentText() not in FILES
        for widget in (self.host, self.port, self.user, self.password, self.secret):
            widget.setEnabled(server)
        self.database.setPlaceholderText("" if server else "path of the SQLite file")
        named = bool(self.name.text().strip())
        self.save.setEnabled(named)
        self.test.setEnabled(named)
        self.remove.setEnabled(bool(self._former()))

    def _say(self, sentence: str, *, wrong: bool = False) -> None:
        self.said.setObjectName("error_text" if wrong else "muted")
        self.said.style().unpolish(self.said)
        self.said.style().polish(self.said)
        self.said.setText(sentence)

    # ------------------------------------------------------------------ with the engine
    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self._told(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except EngineError as error:
            self._say(str(error), wrong=True)

    async def _load(self, choose: str = "") -> None:
        told = await self._engine.request("connections")
        self._known = {saved["name"]: saved for saved in told["connections"]}
        self.list.blockSignals(True)
        self.list.clear()
        for name, saved in self._known.items():
            where = saved["database"] if saved["kind"] in FILES else f"{saved['host']}/{saved['database']}"
            item = QListWidgetItem(f"{name}\n{saved['kind']} · {where}", self.list)
            item.setData(_NAME, name)
            if name == choose:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        self._enable()

    async def _save(self) -> None:
        saved = self._connection()
        former = self._former()
        if saved["name"] in self._known and not former:
            self._say(f"There is a connection {saved['name']} already: choose another name.", wrong=True)
            return
        await self._engine.request(
            "connection_put", connection=saved, instead_of=former, password=self.password.text() or None
        )
        await self._load(saved["name"])
        self._show(self._known[saved["name"]])
        self._say(f"{saved['name']} is saved.")

    def _ask_remove(self) -> None:
        name = self._former()
        if not name:
            return
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setText(f"Remove the connection {name}?")
        box.setInformativeText("Workflows that use it will not run until it is saved again. Its secret stays stored.")
        remove = box.addButton("Remove", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.buttonClicked.connect(lambda button: self._spawn(self._remove(name)) if button is remove else None)
        box.finished.connect(box.deleteLater)
        box.open()

    async def _remove(self, name: str) -> None:
        await self._engine.request("connection_remove", name=name)
        await self._load()
        self._begin_new()
        self._say(f"{name} is removed.")

    def _test_or_cancel(self) -> None:
        if self._testing is not None and not self._testing.done():
            self._testing.cancel()
            return
        self._testing = self._spawn(self._test())
        self._testing.add_done_callback(self._tested)

    def _tested(self, done: asyncio.Task[None]) -> None:
        self._testing = None
        if self._over:
            return  # the widgets are gone
        self.test.setText("Test")
        if done.cancelled():
            self._say("The test was stopped.")

    async def _test(self) -> None:
        self._say("Connecting…")
        self.test.setText("Stop")
        told = await self._engine.request(
            "connection_test", connection=self._connection(), password=self.password.text() or None
        )
        self._say(told["sentence"])

    def done(self, result: int) -> None:
        """Answers that come later are for nobody."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        super().done(result)
