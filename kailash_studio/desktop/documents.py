"""New, open, save, recent files, and the question about unsaved changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from kailash_studio.desktop.on_disk import ChangedOnDiskError
from kailash_studio.desktop.session import Loaded, Session
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.unsaved import leftovers
from kailash_studio.errors import DocumentError
from kailash_studio.folders import resources
from kailash_studio.workflow.workflow import SUFFIX, Workflow

_FILTER = f"Workflows (*{SUFFIX});;JSON files (*.json)"
_LARGE_FILE = 300_000  # bytes; reading them would hold the window up
Then = Callable[[], None]


class Documents(QObject):
    """File actions of a window. Questions are asked without blocking; what follows is a callback.

    Signals:
        recent_changed: The list of recent files changed.
        said: A sentence for the person.
    """

    recent_changed = Signal()
    said = Signal(str)

    def __init__(self, session: Session, settings: Settings, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._settings, self._window = session, settings, window
        self._opening: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        session.opened.connect(self.close)  # what was opened meanwhile is the later wish

    def close(self) -> None:
        """Wait no longer for a file that is being read: the window closes, or shows something else."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    # ------------------------------------------------------------------ actions
    def new(self) -> None:
        """An empty workflow, after asking about unsaved changes."""
        self.when_saved(self._session.new)

    def ask_open(self) -> None:
        """Choose a file and open it."""
        self.when_saved(self._choose_to_open)

    def open_example(self) -> None:
        """Choose one of the shipped examples and open it as a new workflow."""
        self.when_saved(lambda: self._choose_to_open(resources() / "examples"))

    def open(self, path: Path) -> None:
        """Open a file, after asking about unsaved changes."""
        self.when_saved(lambda: self._open(path))

    def save(self, then: Then | None = None) -> None:
        """Save to the workflow's file; asks for one where there is none, and for a shipped example."""
        path = self._session.path
        if path is None or path.is_relative_to(resources()):
            self.save_as(then)
        else:
            self._write(path, then)

    def save_as(self, then: Then | None = None) -> None:
        """Choose a file and save to it."""
        name = self._session.workflow.name.strip().replace(" ", "_").lower() or "workflow"
        if self._session.copy_of:  # the file that it was read from may be newer
            name += f"_{self._session.copy_of.replace(' ', '_')}"
        dialog = self._dialog("Save workflow", QFileDialog.AcceptMode.AcceptSave)
        dialog.selectFile(name + SUFFIX)

        def chosen(text: str) -> None:
            path = Path(text)
            if not path.name.endswith(".json"):
                path = path.with_name(path.name + SUFFIX)
            self._write(path, then)

        dialog.fileSelected.connect(chosen)
        dialog.open()

    def when_saved(self, then: Then) -> None:
        """Do something that would lose unsaved changes, after asking what becomes of them."""
        if self._saving is not None:
            self._saving.add_done_callback(lambda _: self.when_saved(then))
            return
        self._session.settle()
        if not self._session.dirty:
            then()
            return
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle("Unsaved changes")
        box.setText(f"Save the changes to {self.title()}?")
        left_out = "".join(f"\n\n{finding.sentence}" for finding in self._session.unreadable())
        box.setInformativeText("They are lost if you don't." + left_out)
        buttons = QMessageBox.StandardButton
        box.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
        box.setDefaultButton(buttons.Save)
        box.setObjectName("unsaved_changes")

        def answered(_: object) -> None:
            choice = box.standardButton(box.clickedButton())
            if choice == buttons.Save:
                self.save(then)
            elif choice == buttons.Discard:
                then()

        box.buttonClicked.connect(answered)
        box.finished.connect(box.deleteLater)
        box.open()

    def offer_leftovers(self) -> None:
        """Offer what a window that did not close in order has left unsaved."""
        found = leftovers()
        if not found:
            return
        newest = found[0]
        name = newest.path.name if newest.path else "a workflow that was never saved"
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Unsaved changes were kept")
        box.setText(f"The last window did not close in order. Bring back the unsaved changes to {name}?")
        box.setObjectName("recover_unsaved")
        buttons = QMessageBox.StandardButton
        box.setStandardButtons(buttons.Yes | buttons.Discard | buttons.Cancel)
        box.button(buttons.Yes).setText("Bring back")
        box.button(buttons.Cancel).setText("Ask later")

        def answered(_: object) -> None:
            choice = box.standardButton(box.clickedButton())
            if choice == buttons.Yes:
                try:
                    self._session.recover(newest)
                except DocumentError as error:
                    self.say(str(error))
            elif choice == buttons.Discard:
                newest.discard()

        box.buttonClicked.connect(answered)
        box.finished.connect(box.deleteLater)
        box.open()

    def title(self) -> str:
        """The name of the workflow's file, or its own name; of a copy that has no file also what it is a copy of."""
        session = self._session
        if session.path is not None:
            return session.path.name.removesuffix(SUFFIX)
        return session.workflow.name + (f" (copy of {session.copy_of})" if session.copy_of else "")

    def say(self, sentence: str) -> None:
        """Show an error in a box that does not block."""
        box = QMessageBox(QMessageBox.Icon.Warning, "Kailash Studio", sentence, parent=self._window)
        box.finished.connect(box.deleteLater)
        box.open()

    # ------------------------------------------------------------------ parts
    def _choose_to_open(self, folder: Path | None = None) -> None:
        dialog = self._dialog("Open workflow", QFileDialog.AcceptMode.AcceptOpen, folder)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda text: self._open(Path(text)))
        dialog.open()

    def _dialog(self, title: str, mode: QFileDialog.AcceptMode, folder: Path | None = None) -> QFileDialog:
        start = str(folder) if folder is not None else self._settings.last_folder
        dialog = QFileDialog(self._window, title, start, _FILTER)
        dialog.setAcceptMode(mode)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite, on=False)
        dialog.finished.connect(dialog.deleteLater)
        return dialog

    def _open(self, path: Path) -> None:
        self.close()  # of two wishes the later one counts
        if path.is_file() and path.stat().st_size > _LARGE_FILE:
            self._opening = asyncio.ensure_future(self._open_beside(path, self.when_saved))
            return
        try:
            loaded = self._session.load(path)
        except DocumentError as error:
            self.say(str(error))
            return
        self._take(loaded, path)

    def _reload(self, path: Path) -> None:
        """Read the open workflow's file anew; what is changed here is given up only once somebody says so."""
        self.close()
        self._opening = asyncio.ensure_future(self._open_beside(path, self._when_given_up))

    def _take(self, loaded: Loaded, path: Path) -> None:
        self._session.take(loaded)
        self._remember(path)

    async def _open_beside(self, path: Path, when: Callable[[Then], None]) -> None:
        """Read a file in a thread; what was edited meanwhile is asked about."""
        self.said.emit(f"Opening {path.name} …")
        try:
            loaded = await asyncio.to_thread(self._session.load, path)
        except DocumentError as error:
            self.say(str(error))
            return
        finally:
            if self._opening is asyncio.current_task():  # else there is a later wish already
                self._opening = None
        when(lambda: self._take(loaded, path))

    def _write(self, path: Path, then: Then | None) -> None:
        if self._saving is not None:  # files are written in the order of the wishes, whatever their size
            workflow = self._session.workflow
            self._saving.add_done_callback(lambda _: self._write_later(workflow, path, then))
            return
        if self._session.large:
            self._saving = asyncio.ensure_future(self._write_beside(path, then))
            return
        try:
            self._session.save(path)
        except ChangedOnDiskError as changed:
            self._ask_about(changed, then)
            return
        except DocumentError as error:
            self.say(str(error))
            return
        self._saved(path, then)

    def _saved(self, path: Path, then: Then | None) -> None:
        self._remember(path)
        for finding in self._session.unreadable():
            self.said.emit(f"{path.name} is saved without this. {finding.sentence}")
        if then is not None:
            then()

    def _ask_about(self, changed: ChangedOnDiskError, then: Then | None) -> None:
        """Ask what becomes of a file that somebody else has written since it was read or written here."""
        workflow = self._session.workflow
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setObjectName("changed_on_disk")
        box.setWindowTitle("Changed on disk")
        box.setText(str(changed))
        box.setInformativeText(
            "Overwrite puts what this window shows in its place. Reload shows what the file holds now. "
            "Save as… keeps both."
        )
        roles = QMessageBox.ButtonRole
        overwrite = box.addButton("Overwrite", roles.DestructiveRole)
        reload = box.addButton("Reload", roles.ActionRole)
        other = box.addButton("Save as…", roles.AcceptRole)
        box.setEscapeButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.setDefaultButton(other)

        def answered(_: object) -> None:
            if self._session.workflow is not workflow:
                return
            if box.clickedButton() is overwrite:
                self._session.overwrite(changed)
                self._write(changed.path, then)
            elif box.clickedButton() is reload:
                self._reload(changed.path)
            elif box.clickedButton() is other:
                self.save_as(then)

        box.buttonClicked.connect(answered)
        box.finished.connect(box.deleteLater)
        box.open()

    def _when_given_up(self, then: Then) -> None:
        """Do what gives up the unsaved changes, after asking."""
        self._session.settle()
        if not self._session.dirty:
            then()
            return
        workflow = self._session.workflow
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setObjectName("give_up")
        box.setWindowTitle("Unsaved changes")
        box.setText(f"Give up the changes to {self.title()}?")
        box.setInformativeText(
            "The file is shown as it is on disk. What you have changed since your last save is lost."
        )
        give_up = box.addButton("Give them up", QMessageBox.ButtonRole.DestructiveRole)
        cancel = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setEscapeButton(cancel)
        box.setDefaultButton(cancel)

        def answered(_: object) -> None:
            if box.clickedButton() is give_up and self._session.workflow is workflow:
                then()

        box.buttonClicked.connect(answered)
        box.finished.connect(box.deleteLater)
        box.open()

    def _write_later(self, workflow: Workflow, path: Path, then: Then | None) -> None:
        """Write what somebody wanted to save while an earlier save was under way, unless it is not open any more."""
        if self._session.workflow is workflow:
            self._write(path, then)

    async def _write_beside(self, path: Path, then: Then | None) -> None:
        workflow = self._session.workflow
        try:
            await self._session.save_beside(path)
        except ChangedOnDiskError as changed:
            if self._session.workflow is workflow:  # else it is not open any more, and the box would be about another
                self._ask_about(changed, then)
            return
        except DocumentError as error:
            self.say(str(error))
            return
        finally:
            self._saving = None
        self._saved(path, then)

    def _remember(self, path: Path) -> None:
        self._settings.add_recent(path.resolve())
        self.recent_changed.emit()
