"""The open workflow: document, history, file. Every edit of the window goes through here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, QTimer, Signal

from kailash_studio.desktop.drafts import Drafts
from kailash_studio.desktop.on_disk import ChangedOnDiskError, OnDisk, digest_of
from kailash_studio.desktop.unsaved import Keeper, Leftover
from kailash_studio.desktop.validator import Validator, is_large
from kailash_studio.errors import DocumentError
from kailash_studio.folders import resources, user_data
from kailash_studio.services import trust
from kailash_studio.services.missing_connections import missing_connections
from kailash_studio.spec.finding import Finding
from kailash_studio.spec.port import Ports
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow import commands, enclosing, graph
from kailash_studio.workflow import fallback as fallbacks
from kailash_studio.workflow.commands import Change, Edit
from kailash_studio.workflow.copying import copied, pasted
from kailash_studio.workflow.history import History
from kailash_studio.workflow.port_edits import with_ports
from kailash_studio.workflow.reader import ReadResult, read, read_file
from kailash_studio.workflow.validation import refusal, replaced_by
from kailash_studio.workflow.workflow import SUFFIX, Connection, Workflow
from kailash_studio.workflow.writer import write

_KEEP_AFTER_MS = 1500
UNTITLED = "Untitled"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file that was read.

    Attributes:
        document: What it holds.
        path: Where it is.
        trusted: It may run here.
        digest: What the file held, as ``on_disk`` says it.
    """

    document: ReadResult
    path: Path
    trusted: bool
    digest: str


class Session(QObject):
    """One open workflow.

    Signals:
        opened: Another workflow is open now.
        changed: The changes of an edit, undo or redo (a tuple of ``Change``).
        findings_changed: There are new findings.
        saved_changed: Path or unsaved state changed.
        settling: What is being typed somewhere is to become an edit now.
    """

    opened = Signal()
    changed = Signal(tuple)
    findings_changed = Signal()
    saved_changed = Signal()
    settling = Signal()

    def __init__(self, registry: Registry, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.registry = registry
        self.findings: list[Finding] = []
        self.path: Path | None = None
        self.trusted = True
        self.copy_of = ""  # the run or capsule whose document it is, until it has a file
        self._read_findings: list[Finding] = []
        self._fresh_findings: list[Finding] = []
        self._connections: frozenset[str] | None = None
        self.drafts = Drafts(self)
        self.drafts.changed.connect(self._drafts_changed)
        self._keeper = Keeper()
        self._validator = Validator(registry, self)
        self._validator.found.connect(self._found)
        self._keeping_beside: asyncio.Task[None] | None = None
        self._keeping = QTimer(self, singleShot=True, interval=_KEEP_AFTER_MS)
        self._keeping.timeout.connect(self._keep)
        self._open(Workflow(name=UNTITLED), None, [])

    # ------------------------------------------------------------------ the file
    def new(self) -> None:
        """An empty workflow."""
        self._open(Workflow(name=UNTITLED), None, [])

    def open(self, path: Path) -> None:
        """Open a file.

        Raises:
            DocumentError: It cannot be read.
        """
        self.take(self.load(path))

    def load(self, path: Path) -> Loaded:
        """Read a file, and change nothing yet; may be called in a thread.

        Raises:
            DocumentError: It cannot be read.
        """
        digest = digest_of(path)  # before it is read: a change in between is asked about, and not overwritten
        result = read_file(path)
        result.workflow.positions.update(graph.missing_places(result.workflow))
        return Loaded(result, path.resolve(), trust.is_trusted(result.workflow, self.registry), digest)

    def take(self, loaded: Loaded) -> None:
        """Open what was read."""
        document = loaded.document
        self._open(document.workflow, loaded.path, document.findings, trusted=loaded.trusted, digest=loaded.digest)

    def show(self, document: ReadResult, *, trusted: bool, copy_of: str = "") -> None:
        """Open a document that has no file here: that of a run of another process, or of a capsule.

        Args:
            document: What it is.
            trusted: It may run here (``trust.is_trusted``); else it asks first, and saving it does not change that.
            copy_of: What it is a copy of, such as ``run 20260701-...``, until it is saved.
        """
        self._open(document.workflow, None, document.findings, trusted=trusted, copy_of=copy_of)

    def recover(self, leftover: Leftover) -> None:
        """Open what an earlier window left unsaved; it stays unsaved until it is saved.

        Raises:
            DocumentError: It cannot be read.
        """
        result = read(leftover.text, name="The unsaved workflow")
        self._open(result.workflow, leftover.path, result.findings, digest=leftover.held)
        self.trusted = leftover.trusted
        self.history.mark_unsaved()
        self._keep()
        leftover.discard()
        self.saved_changed.emit()

    def settle(self) -> None:
        """Take over what is being typed, before anything is done with the workflow."""
        self.settling.emit()

    def save(self, path: Path) -> None:
        """Save to a file; a workflow that may run here may still run afterwards.

        Raises:
            ChangedOnDiskError: Somebody else has written it meanwhile; ``overwrite`` lets the next save go over that.
            DocumentError: It cannot be written.
        """
        self.settle()
        self._name_after(path)
        self.path, self.copy_of = self._disk.write(self.workflow, path, trusted=self.trusted), ""
        self.history.mark_saved()
        self._forget()
        self.saved_changed.emit()

    async def save_beside(self, path: Path) -> None:
        """Save as it is now, in a thread: of a large workflow, that the window need not wait for.

        Raises:
            ChangedOnDiskError: As for ``save``; it is unsaved then.
            DocumentError: It cannot be written; it is unsaved then.
        """
        self.settle()
        self._name_after(path)
        workflow, disk = self.workflow, self._disk
        self.history.mark_saved()  # what is edited from now on is not in the file
        try:
            written = await asyncio.to_thread(disk.write, self.workflow.as_it_is(), path, trusted=self.trusted)
        except Exception:  # whatever kept it from being written, it is unsaved
            if self.workflow is workflow:
                self.history.mark_unsaved()
                self._keeping.start()  # one that was due meanwhile has found nothing to keep
                self.saved_changed.emit()
            raise
        if self.workflow is workflow:
            self.path, self.copy_of = written, ""
            if not self.dirty:
                self._forget()
            self.saved_changed.emit()

    def overwrite(self, changed: ChangedOnDiskError) -> None:
        """The person knows of a change on disk, and the next save may go over it, but over no later one."""
        self._disk.know(changed.path, changed.digest)

    def _name_after(self, path: Path) -> None:
        if self.workflow.name == UNTITLED:
            title = path.name.removesuffix(SUFFIX).replace("_", " ")
            self.do(commands.set_information(self.workflow, "name", title))

    def approve(self) -> None:
        """Let the open workflow run on this machine."""
        trust.approve(self.workflow)
        self.trusted = True

    def _open(
        self,
        workflow: Workflow,
        path: Path | None,
        findings: list[Finding],
        *,
        trusted: bool = True,
        copy_of: str = "",
        digest: str = "",
    ) -> None:
        self._forget()
        self.drafts.clear()
        self.trusted, self.copy_of = trusted, copy_of
        workflow.positions.update(graph.missing_places(workflow))
        self.workflow = workflow
        self.history = History(workflow)
        self.history.listen(self._edited)
        self.path, self._disk = path, OnDisk(path, digest)
        self._read_findings = findings
        self._validator.watch(workflow)
        self.opened.emit()
        self.saved_changed.emit()

    @property
    def dirty(self) -> bool:
        """Whether there are unsaved changes, or something typed that is none yet."""
        return self.history.dirty or self.drafts.unsaved(self.workflow)

    def unreadable(self) -> list[Finding]:
        """What is typed and cannot be taken over."""
        return self.drafts.findings(self.workflow)

    @property
    def folder(self) -> Path:
        """What relative paths of the workflow are relative to; a shipped example writes into the user's data."""
        if self.path is None:
            return Path.home()
        if self.path.is_relative_to(resources()):
            folder = user_data() / "demo"
            folder.mkdir(exist_ok=True)
            return folder
        return self.path.parent

    def text(self) -> str:
        """The canonical text of the workflow as it is now."""
        return write(self.workflow)

    async def text_beside(self) -> str:
        """The same; of a large workflow it is written in a thread."""
        return await asyncio.to_thread(write, self.workflow.as_it_is()) if self.large else self.text()

    def _keep(self) -> None:
        if not self.dirty:
            return
        if not self.large:
            self._keeper.keep(self.path, self.text(), self.trusted, self._disk.held(self.path))
        elif self._keeping_beside is None or self._keeping_beside.done():
            self._keeping_beside = asyncio.ensure_future(self._keep_beside(self.workflow))
        else:
            self._keeping.start()  # once the last one is written

    async def _keep_beside(self, workflow: Workflow) -> None:
        text = await self.text_beside()
        if self.workflow is workflow and self.dirty:
            self._keeper.keep(self.path, text, self.trusted, self._disk.held(self.path))

    def _forget(self) -> None:
        self._keeping.stop()
        self._keeper.forget()

    def close(self) -> None:
        """The window closes, and has asked about unsaved changes."""
        self._validator.stop()
        self._keeping.stop()
        if self._keeping_beside is not None:
            self._keeping_beside.cancel()
        self._keeper.close()

    # ------------------------------------------------------------------ edits
    def do(self, edit: Edit) -> None:
        """Apply an edit."""
        self.history.do(edit)
        self.saved_changed.emit()

    def undo(self) -> None:
        """Take the last step back."""
        self.history.undo()
        self.saved_changed.emit()

    def redo(self) -> None:
        """Do the step again that was last undone."""
        self.history.redo()
        self.saved_changed.emit()

    def _edited(self, changes: tuple[Change, ...]) -> None:
        self.drafts.follow(commands.new_keys(changes))
        self.changed.emit(changes)
        if any(change.section != "positions" for change in changes):
            self._validator.edited()
        self._keeping.start()

    @property
    def large(self) -> bool:
        """Whether it is validated and written beside the window's thread."""
        return is_large(self.workflow)

    def validate_now(self) -> None:
        """Bring the findings up to date."""
        self._validator.now()

    def _drafts_changed(self) -> None:
        self._found(self._fresh_findings)
        self.saved_changed.emit()

    def know_connections(self, names: Iterable[str]) -> None:
        """These connections are saved where the workflow runs."""
        known = frozenset(names)
        if known != self._connections:
            self._connections = known
            self._found(self._fresh_findings)

    def _found(self, fresh: list[Finding]) -> None:
        self._fresh_findings = fresh
        known = {(f.code, f.place.split("/")[0]) for f in self._read_findings}
        self.findings = self._read_findings + [f for f in fresh if (f.code, f.place) not in known]
        if self._connections is not None:
            self.findings += missing_connections(self.workflow, self.registry, self._connections, "error")
        self.findings += self.registry.findings + self.drafts.findings(self.workflow)
        self.findings_changed.emit()

    def add_node(
        self,
        type_name: str,
        position: tuple[float, float],
        parameters: Mapping[str, Any] | None = None,
        *,
        parent: str = "",
    ) -> str:
        """Place a node, inside of a sub-workflow or of none, and return its id."""
        version = self.registry.get(type_name).type_version
        node_id, edit = commands.add_node(
            self.workflow, type_name, position, parameters=parameters, type_version=version, parent=parent
        )
        self.do(edit)
        return node_id

    def ports(self, node_id: str) -> Ports | None:
        """The ports of a node, or None when its type is not installed."""
        return self.workflow.ports(node_id, self.registry)

    def refusal(self, source: str, output: str, target: str, target_input: str) -> str | None:
        """Why a connection is not possible, or None."""
        return refusal(self.workflow, self.registry, Connection(source, output, target, target_input))

    def connect_ports(self, source: str, output: str, target: str, target_input: str) -> str | None:
        """Draw a connection; it replaces the one that an input has. Returns why it could not."""
        connection = Connection(source, output, target, target_input)
        reason = refusal(self.workflow, self.registry, connection)
        if reason is None and connection.key not in self.workflow.connections:
            replacing = replaced_by(self.workflow, self.registry, connection)
            self.do(commands.connect(self.workflow, connection, replacing=replacing))
        return reason

    def set_parameter(self, node_id: str, name: str, value: Any) -> None:
        """Give a parameter a value; connections to ports that go with the old value go too."""
        edit = commands.set_parameter(self.workflow, node_id, name, value)
        self.do(with_ports(self.workflow, self.registry, edit))

    def reset_parameter(self, node_id: str, name: str) -> None:
        """Let a parameter's default hold."""
        edit = commands.reset_parameter(self.workflow, node_id, name)
        self.do(with_ports(self.workflow, self.registry, edit))

    def set_resilience(self, node_id: str, name: str, value: Any) -> None:
        """Give a policy a value, or take it away with None."""
        self.do(commands.set_resilience(self.workflow, node_id, name, value))

    def set_fallback(self, node_id: str, fallback: str | None) -> str | None:
        """Let another node stand in for this one, or none; returns why it could not.

        A node runs only as a fallback then, so its connections are taken away in the same step.
        """
        workflow = self.workflow
        if fallback is None:
            self.set_resilience(node_id, "fallback", None)
            return None
        reason = self.fallback_refusal(node_id, fallback)
        if reason is not None:
            return reason
        edit = commands.set_resilience(workflow, node_id, "fallback", fallback)
        linked = [c.key for c in (*workflow.incoming(fallback), *workflow.outgoing(fallback))]
        changes = (*commands.disconnect(workflow, linked).changes, *edit.changes)
        self.do(Edit(f"let {fallback} stand in for {node_id}", changes))
        return None

    def fallback_refusal(self, node_id: str, fallback: str) -> str | None:
        """Why a node cannot stand in for another, or none."""
        return fallbacks.refusal(self.workflow, node_id, fallback)

    def rename(self, node_id: str, new_id: str) -> str | None:
        """Rename a node; returns why it could not."""
        try:
            self.do(commands.rename_node(self.workflow, node_id, new_id))
        except DocumentError as error:
            return str(error)
        return None

    def enclose(self, node_ids: Iterable[str]) -> str:
        """Make a sub-workflow of nodes and return its id.

        Raises:
            DocumentError: They cannot be one.
        """
        made, edit = enclosing.enclose(self.workflow, self.registry, node_ids)
        self.do(edit)
        return made

    def take_apart(self, node_id: str) -> list[str]:
        """Put what is inside of a sub-workflow in its place and return the ids.

        Raises:
            DocumentError: It is none, or an input would take its values in another order.
        """
        inner, edit = enclosing.take_apart(self.workflow, node_id)
        self.do(edit)
        return inner

    def remove(self, node_ids: Iterable[str]) -> None:
        """Take nodes away."""
        self.do(commands.remove_nodes(self.workflow, node_ids))

    def disconnect_keys(self, keys: Iterable[str]) -> None:
        """Take connections away."""
        self.do(commands.disconnect(self.workflow, keys))

    def move(self, places: Mapping[str, tuple[float, float]]) -> None:
        """Put nodes somewhere else."""
        self.do(commands.move_nodes(self.workflow, places))

    def arrange(self) -> None:
        """Lay the whole graph out afresh."""
        self.do(commands.move_nodes(self.workflow, graph.arranged(self.workflow)))

    def set_information(self, key: Literal["name", "description"], value: str) -> None:
        """Change name or description."""
        self.do(commands.set_information(self.workflow, key, value))

    # ------------------------------------------------------------------ copy and paste
    def copied(self, node_ids: Iterable[str]) -> str:
        """The chosen nodes and the connections among them, as text; secrets in clear are left out."""
        return copied(self.workflow, self.registry, node_ids)

    def paste(self, text: str, offset: tuple[float, float], *, parent: str = "", near: bool = False) -> list[str]:
        """Add copied nodes, inside of a sub-workflow or of none, and return their ids.

        Args:
            text: The copied nodes.
            offset: How far from where they were.
            parent: The sub-workflow that they go into.
            near: They come from elsewhere: put them below what is there.

        Raises:
            DocumentError: The text is no copied nodes.
        """
        ids, edit = pasted(self.workflow, text, offset, parent=parent, near=near)
        self.do(edit)
        return ids
