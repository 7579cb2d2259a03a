"""Attaching the window to a run of another process on this machine, to look on or to debug it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject

from kailash_studio.desktop.dialogs.chooser import Choice, choose
from kailash_studio.desktop.documents import Documents
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.notice import Notice
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session
from kailash_studio.runtime.server import Address, addresses
from kailash_studio.services import trust
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.graph import missing_places
from kailash_studio.workflow.reader import ReadResult, read

_FREE_WINDOW = "The window has an engine of its own again."


class AttachLink(QObject):
    """Lets a person choose a run to attach to, shows it, and lets go of it."""

    def __init__(
        self,
        session: Session,
        engine: Engine,
        runs: Runs,
        documents: Documents,
        notice: Notice,
        icons: Icons,
        drawn: Any,
        say: Callable[[str], None],
        window: Any,
    ) -> None:
        super().__init__(window)
        self._session, self._engine, self._runs, self._documents = session, engine, runs, documents
        self._notice, self._icons, self._say, self._window = notice, icons, say, window
        self._shown: dict[str, Any] | None = None  # being drawn
        self._held: list[dict[str, Any]] = []  # what it told while it was being drawn
        self._tasks: set[asyncio.Task[None]] = set()
        engine.updated.connect(self._hold)
        drawn.connect(self._drawn)
        engine.let_in.connect(self._let_in)
        engine.state_changed.connect(self._engine_changed)

    def choose(self) -> None:
        """Choose one of the processes that can be attached to."""
        found = addresses()
        if not found:
            self._say("No run can be attached to: start one with kailash-studio run FILE --debug, or serve.")
            return
        choices = []
        for address in found:
            what = f"Run {address.name}" if address.workflow else address.name
            for control, word, icon in ((True, "debug it", "bug"), (False, "look on", "eye")):
                detail = f"{address.workflow or 'a server'}    {word}"
                choices.append(Choice(f"{what}: {word}", detail, (address, control), self._icons.icon(icon)))
        choose(self._window, "Attach to a run…", choices, lambda chosen: self.attach(*chosen))

    def attach(self, address: Address, control: bool) -> None:
        """Attach to a process, once unsaved changes are dealt with."""
        if self._runs.running:
            self._say("A run is under way here: stop it, or wait for its end, before you attach to another.")
            return
        self._documents.when_saved(lambda: self._engine.attach(address, control=control))

    def detach(self) -> None:
        """Let go of the other process, which goes on."""
        self._runs.clear()
        self._engine.detach()

    def _let_in(self, shown: list[dict[str, Any]]) -> None:
        address = self._engine.attached
        assert address is not None  # it has just let this window in
        word = "in control" if self._engine.may_control else "looking on"
        self._notice.say(
            f"Attached to {address.name}, {word}: it goes on without this window.", [("Detach", self.detach)]
        )
        if shown:
            self._shown = shown[-1]
            self._runs.expected = self._shown["run_id"]
            task = asyncio.ensure_future(self._show(shown[-1]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _show(self, run: dict[str, Any]) -> None:
        """Open the run's document and follow the run; what happens meanwhile is in what it tells then."""
        found, trusted = await asyncio.to_thread(_read, run["workflow"], self._session.registry)
        if self._shown is run:
            self._session.show(found, trusted=trusted, copy_of=f"run {run['run_id']}")

    def _hold(self, update: dict[str, Any]) -> None:
        if self._shown is not None:
            self._held.append(update)

    def _drawn(self) -> None:
        if self._shown is not None:
            run, self._shown = self._shown, None
            held, self._held = self._held, []
            self._runs.adopt(run, held)

    def _engine_changed(self, state: str, why: str) -> None:
        if state == "gone" and self._engine.attached is not None:
            self._say(f"{why} {_FREE_WINDOW}")
            self._engine.start()
        elif state == "starting" and self._engine.attached is None:
            self._shown, self._runs.expected = None, ""
            self._held.clear()
            self._notice.hide()


def _read(text: str, registry: Registry) -> tuple[ReadResult, bool]:
    found = read(text, name="The run's document")
    found.workflow.positions.update(missing_places(found.workflow))
    return found, trust.is_trusted(found.workflow, registry)
