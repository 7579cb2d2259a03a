"""A failure capsule in the window: its run is made again without the outside, mended, and saved as a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from kailash_studio.desktop.documents import Documents
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.errands import Errands
from kailash_studio.desktop.notice import Notice
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session
from kailash_studio.runtime.capsule import SUFFIX, Capsule
from kailash_studio.services import trust
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.graph import missing_places
from kailash_studio.workflow.reader import ReadResult, read

_TOLD = 12
_FILTER = f"Capsules (*{SUFFIX})"


class CapsuleLink(QObject):
    """Opens capsules. While one is open, runs get its recorded answers and call nothing outside."""

    def __init__(
        self,
        session: Session,
        engine: Engine,
        runs: Runs,
        documents: Documents,
        notice: Notice,
        say: Callable[[str], None],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session, self._engine, self._runs, self._documents = session, engine, runs, documents
        self._notice, self._say, self._window = notice, say, window
        self._errands = Errands(say)
        session.opened.connect(self._leave)

    def choose(self) -> None:
        """Choose a file and open it."""
        self._ask("Open a capsule", QFileDialog.AcceptMode.AcceptOpen, self.open)

    def open(self, path: Path) -> None:
        """Open a capsule, once unsaved changes are dealt with; opening it runs nothing."""
        self._documents.when_saved(lambda: self._errands.begin(self._open(path)))

    async def _open(self, path: Path) -> None:
        capsule, document, trusted = await asyncio.to_thread(_read, path, self._session.registry)
        self._session.show(document, trusted=trusted, copy_of=f"run {capsule.run_id}")
        self._runs.capsule = str(path)
        failed = ", ".join(capsule.errors) or "nothing"
        self._notice.say(
            f"Capsule of run {capsule.run_id} ({failed} failed): runs get what it recorded, and call nothing outside.",
            [("Save as a test…", self.save), ("Allow code…", self.allow_code)],
        )

    def _leave(self) -> None:
        self._runs.capsule = ""
        self._runs.allow_code = False
        self._notice.hide()

    def allow_code(self) -> None:
        """Ask whether full Python that the capsule has no answer for may really run, while it is open."""
        nodes = [
            node
            for node, placed in self._session.workflow.nodes.items()
            if (kind := self._session.registry.find(placed.type)) is not None and kind.runs_code(placed.parameters)
        ]
        if not nodes:
            self._say("No node here is full Python: everything that is mended really runs.")
            return
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setObjectName("allow_code")
        box.setWindowTitle("Code of a capsule")
        box.setText("Full Python may do whatever you may. Where the capsule has no answer, this would really run:")
        more = f"\nand {len(nodes) - _TOLD} more." if len(nodes) > _TOLD else ""
        box.setInformativeText("\n".join(f"•  {node}" for node in nodes[:_TOLD]) + more)
        allow = box.addButton("Let it run", QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        capsule = self._runs.capsule

        def answered(_: object) -> None:
            if box.clickedButton() is allow and self._runs.capsule == capsule:
                self._runs.allow_code = True
                self._say("Full Python that has no recorded answer runs until the capsule is left.")

        box.buttonClicked.connect(answered)
        box.finished.connect(box.deleteLater)
        box.open()

    def save(self) -> None:
        """Save the capsule with the workflow as it is now, and what comes of it, as a regression test."""
        self._ask("Save as a test", QFileDialog.AcceptMode.AcceptSave, lambda out: self._errands.begin(self._save(out)))

    async def _save(self, out: Path) -> None:
        if not out.name.endswith(SUFFIX):
            out = out.with_name(out.name + SUFFIX)
        told = await self._engine.request(
            "as_test",
            capsule=self._runs.capsule,
            allow_code=self._runs.allow_code,
            workflow=await self._session.text_beside(),
            out=str(out),
        )
        without = f", without calling {', '.join(told['left_out'])}" if told["left_out"] else ""
        self._say(f"{out.name} expects that the run has {told['state']}{without}: kailash-studio test {out.name}")

    def _ask(self, title: str, mode: QFileDialog.AcceptMode, then: Callable[[Path], Any]) -> None:
        dialog = QFileDialog(self._window, title)
        dialog.setAcceptMode(mode)
        dialog.setNameFilters([_FILTER, "All files (*)"])
        opens = mode == QFileDialog.AcceptMode.AcceptOpen
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile if opens else QFileDialog.FileMode.AnyFile)
        dialog.fileSelected.connect(lambda name: then(Path(name)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()


def _read(path: Path, registry: Registry) -> tuple[Capsule, ReadResult, bool]:
    capsule = Capsule.read(path)
    document = read(capsule.workflow)
    document.workflow.positions.update(missing_places(document.workflow))
    return capsule, document, trust.is_trusted(document.workflow, registry)
