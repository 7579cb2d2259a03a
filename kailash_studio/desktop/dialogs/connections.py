"""The connections that a user has saved: a list, a form, a test; passwords go to the store of secrets.

What was typed is not lost: to choose another connection, begin a new one or close asks about it first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
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

from kailash_studio.desktop.dialogs.tls_choice import TlsChoice
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.widgets.basics import label, tab_as_laid_out
from kailash_studio.errors import EngineError
from kailash_studio.services.connections import FILES, KINDS

_NAME = Qt.ItemDataRole.UserRole
_REST = 0.25  # seconds without a key before a name is looked up
_PORTS = {"postgresql": 5432, "mysql": 3306}
_UNNAMED = "Give it a name, to test and save it."
_TIPS = {
    "Name": "What workflows call it: letters, digits, _, - and .",
    "Kind": "What answers there; SQLite and DuckDB are files",
    "Host": "Name or address of the server",
    "Port": "Port of the server",
    "Database": "Name of the database on the server",
    "File": "Path of the database file",
    "User": "User of the database; empty for the server's own default",
    "Password": "Goes into the store of secrets and nowhere else; empty: as it is stored, or none",
    "Kept as secret": "Name of the secret with the password; empty: connection. and the name, once a password is typed",
}


class ConnectionsDialog(QDialog):
    """Works by the engine: nothing of it waits on the window's thread."""

    def __init__(self, engine: Engine, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Connections")
        self.setObjectName("connections_dialog")
        self.resize(760, 470)
        self._engine = engine
        self._tasks: set[asyncio.Task[None]] = set()
        self._known: dict[str, dict[str, Any]] = {}
        self._testing: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._over = False
        self._chosen = ""  # the saved one that the form shows; empty while a new one is written
        self._written: dict[str, Any] = {}  # the form as it was shown
        self.list = QListWidget(self)
        self.list.setAccessibleName("Saved connections")
        self.new = QPushButton(icons.icon("plus"), "New", self)
        self.remove = QPushButton(icons.icon("trash-2"), "Remove", self)
        self.name, self.host, self.database, self.user, self.secret = (QLineEdit(self) for _ in range(5))
        self.browse = QPushButton(icons.icon("folder-open"), "Browse…", self)
        self.browse.setToolTip("Choose the database file")
        self.kind = QComboBox(self)
        self.kind.addItems(list(KINDS))
        self.port = QSpinBox(self)
        self.port.setRange(1, 65_535)
        self.port.lineEdit().setTextMargins(7, 0, 0, 0)
        self.tls = TlsChoice(self)
        self.password = QLineEdit(self)
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.test = QPushButton(icons.icon("plug-zap"), "Test", self)
        self.save = QPushButton("Save", self)
        self.save.setObjectName("primary")
        self.close_button = QPushButton("Close", self)
        self.said = QLabel(self)
        self.said.setWordWrap(True)
        self.places = label("", "muted")
        self.places.setWordWrap(True)
        self._lay_out()
        # not the current item: Qt makes the first one current when Tab comes to the list
        self.list.itemSelectionChanged.connect(self._selected)
        self.kind.currentTextChanged.connect(self._kind_changed)
        self.name.textChanged.connect(lambda _: self._enable())
        self.secret.textEdited.connect(lambda _: self._ask_kept())
        self.new.clicked.connect(lambda: self._leave(self._begin_new))
        self.browse.clicked.connect(self._browse)
        self.remove.clicked.connect(self._ask_remove)
        self.test.clicked.connect(self._test_or_cancel)
        self.save.clicked.connect(lambda: self._spawn(self._save()))
        self.close_button.clicked.connect(self.close)
        self._begin_new()
        self._spawn(self._load())
        self._spawn(self._tell_places())

    def _lay_out(self) -> None:
        self._form = form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        file = QHBoxLayout()
        file.addWidget(self.database, 1)
        file.addWidget(self.browse)
        self._rows: list[tuple[str, QWidget]] = [
            ("Name", self.name),
            ("Kind", self.kind),
            ("Host", self.host),
            ("Port", self.port),
            ("TLS", self.tls),
            ("Database", self.database),
            ("User", self.user),
            ("Password", self.password),
            ("Kept as secret", self.secret),
        ]
        for text, widget in self._rows:
            widget.setAccessibleName(text)
            if text in _TIPS:  # the others say what they mean by themselves
                widget.setToolTip(_TIPS[text])
            if widget is self.database:
                self._caption = QLabel(text, self)
                form.addRow(self._caption, file)
            else:
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
        right.addWidget(self.places)
        right.addLayout(buttons)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(16)
        layout.addLayout(left, 2)
        layout.addLayout(right, 3)
        tab_as_laid_out(layout)

    # ------------------------------------------------------------------ the form
    def _begin_new(self) -> None:
        self._show({"name": "", "kind": "postgresql", "host": "localhost", "port": 5432})
        self.name.setFocus()

    def _selected(self) -> None:
        """Another one was chosen in the list; it is shown once nothing is lost by that."""
        chosen = self.list.selectedItems()
        name = str(chosen[0].data(_NAME)) if chosen else ""
        self._mark(self._chosen)
        if name and name != self._chosen:
            self._leave(lambda: self._show(self._known[name]))

    def _mark(self, name: str) -> None:
        """Select a name in the list, or none, without following it."""
        self.list.blockSignals(True)
        self.list.clearSelection()
        for row in range(self.list.count()):
            if self.list.item(row).data(_NAME) == name:
                self.list.setCurrentRow(row)
        self.list.blockSignals(False)

    @property
    def changed(self) -> bool:
        """Whether there is something in the form that is not saved."""
        return self._typed() != self._written

    def _typed(self) -> dict[str, Any]:
        return self._connection() | {"password": self.password.text()}

    def _leave(self, then: Callable[[], object]) -> None:
        """Do what takes the form away, after asking about what is not saved."""
        if not self.changed:
            then()
            return
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setObjectName("unsaved_connection")
        box.setText(f"Save the changes to {self.name.text().strip() or 'the new connection'}?")
        buttons = QMessageBox.StandardButton
        box.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
        box.button(buttons.Save).setEnabled(self.save.isEnabled())

        def answered(_: object) -> None:
            choice = box.standardButton(box.clickedButton())
            if choice == buttons.Save:
                self._spawn(self._save(then))
            elif choice == buttons.Discard:
                self._written = self._typed()
                then()

        box.buttonClicked.connect(answered)
        box.finished.connect(box.deleteLater)
        box.open()

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
        self.tls.choose(saved.get("tls", "preferred"))
        self._kind_changed(saved["kind"])
        self.password.clear()
        self._ask_kept()
        self._chosen = saved["name"] if saved["name"] in self._known else ""
        self._mark(self._chosen)
        self._written = self._typed()
        self._say("")
        self._enable()

    def _ask_kept(self) -> None:
        """Ask the places of secrets whether there is a password under the name; one that hangs holds nothing up."""
        if self._asking is not None:
            self._asking.cancel()
        name = self.secret.text().strip()
        self._show_kept("looking whether it is stored …" if name else "none, or type one")
        self._asking = self._spawn(self._tell_kept(name)) if name else None

    async def _tell_kept(self, name: str) -> None:
        await asyncio.sleep(_REST)
        try:
            found = (await self._engine.request("secret_where", name=name))["places"]
        except EngineError as error:
            self._show_kept("not known whether it is set", str(error))
            return
        place = next((place for place in found if place["used"]), None)
        if place is not None:
            self._show_kept("stored already; type to replace it", f"It is in {place['title']}.")
        else:
            self._show_kept("not set: type it", " ".join(p["problem"] for p in found if p["problem"]))

    def _show_kept(self, words: str, more: str = "") -> None:
        self.password.setPlaceholderText(words)
        self.password.setToolTip(f"{_TIPS['Password']}. {more}" if more else _TIPS["Password"])

    def _kind_changed(self, kind: str) -> None:
        """A port that is another kind's usual one was not chosen: take the usual one of this kind."""
        if kind in _PORTS and self.port.value() in _PORTS.values():
            self.port.setValue(_PORTS[kind])
        self._enable()

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Database file", self.database.text())
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda path: self.database.setText(str(Path(path))))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

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
            "tls": self.tls.mode(),
        }

    def _enable(self) -> None:
        kind = self.kind.currentText()
        server = kind not in FILES
        for widget in (self.host, self.port, self.tls, self.user, self.password, self.secret):
            widget.setEnabled(server)
            self._form.setRowVisible(widget, server)
        self.browse.setVisible(not server)
        self.database.setPlaceholderText("" if server else f"path of the {FILES[kind]} file")
        self.database.setToolTip(_TIPS["Database" if server else "File"])
        self._caption.setText("Database" if server else "File")
        named = bool(self.name.text().strip())
        self.save.setEnabled(named)
        self.test.setEnabled(named)
        self.save.setToolTip("Save this connection" if named else _UNNAMED)
        self.test.setToolTip("Connect, and ask what answers" if named else _UNNAMED)
        if not named and not self.said.text():
            self._say(_UNNAMED)
        elif named and self.said.text() == _UNNAMED:
            self._say("")
        self.remove.setEnabled(bool(self._chosen))

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
        task.add_done_callback(lambda _: work.close())  # one that is cancelled before it began was never awaited
        return task

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except EngineError as error:
            self._say(str(error), wrong=True)

    async def _load(self) -> None:
        told = await self._engine.request("connections")
        self._known = {saved["name"]: saved for saved in told["connections"]}
        self.list.blockSignals(True)
        self.list.clear()
        for name, saved in self._known.items():
            where = saved["database"] if saved["kind"] in FILES else f"{saved['host']}/{saved['database']}"
            item = QListWidgetItem(f"{name}\n{saved['kind']} · {where}", self.list)
            item.setData(_NAME, name)
            item.setToolTip(where)
        self.list.blockSignals(False)
        self._mark(self._chosen)
        self._enable()

    async def _tell_places(self) -> None:
        """Say where a password will be stored; what the other places of secrets say is the tooltip."""
        places = (await self._engine.request("secret_places"))["places"]
        into = next((place["title"] for place in places if place["writable"] and not place["problem"]), "")
        said = f"Passwords are stored in {into}." if into else "There is no place to store a password in."
        self.places.setText(said)
        self.places.setToolTip("\n".join(f"{p['place']}: {p['problem'] or 'works'}" for p in places))

    async def _save(self, then: Callable[[], object] | None = None) -> None:
        saved = self._connection()
        former = self._chosen
        if saved["name"] in self._known and not former:
            self._say(f"There is a connection {saved['name']} already: choose another name.", wrong=True)
            return
        await self._engine.request(
            "connection_put", connection=saved, instead_of=former, password=self.password.text() or None
        )
        await self._load()
        self._show(self._known[saved["name"]])
        self._say(f"{saved['name']} is saved.")
        if then is not None:
            then()

    def _ask_remove(self) -> None:
        name = self._chosen
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
        self._chosen = ""
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

    def reject(self) -> None:
        """Esc, Close and the window's own cross; what is not saved is asked about."""
        self._leave(lambda: self.done(QDialog.DialogCode.Rejected))

    def done(self, result: int) -> None:
        """Answers that come later are for nobody."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        super().done(result)
