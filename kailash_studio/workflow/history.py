"""Undo and redo over edits, and the mark of what is saved."""

from __future__ import annotations

from collections.abc import Callable

from kailash_studio.workflow.commands import Change, Edit, apply
from kailash_studio.workflow.workflow import Workflow

Listener = Callable[[tuple[Change, ...]], None]


class History:
    """Does, undoes and redoes edits of one workflow, and tells its listeners what changed."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self._saved_depth: int | None = 0  # None: no undo leads back to what was saved
        self._closed = True
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with the changes after each do, undo and redo."""
        self._listeners.append(listener)

    def do(self, edit: Edit) -> None:
        """Apply an edit; an edit without changes is none."""
        if not any(change.before != change.after for change in edit.changes):
            return
        apply(self.workflow, edit)
        depth = len(self._done)
        if self._undone and self._saved_depth is not None and self._saved_depth > depth:
            self._saved_depth = None
        last = self._done[-1] if self._done else None
        if last is not None and edit.merge and last.merge == edit.merge and not self._closed:
            self._done[-1] = _merged(last, edit)
            if self._saved_depth == depth:
                self._saved_depth = None
        else:
            self._done.append(edit)
        self._undone.clear()
        self._closed = False
        self._tell(edit)

    def close_step(self) -> None:
        """Let the next edit start a step of its own, whatever its merge mark."""
        self._closed = True

    def undo(self) -> None:
        """Take the last step back, if there is one."""
        if self._done:
            edit = self._done.pop()
            self._undone.append(edit)
            self._closed = True
            back = edit.reversed()
            apply(self.workflow, back)
            self._tell(back)

    def redo(self) -> None:
        """Do the step again that was last undone, if there is one."""
        if self._undone:
            edit = self._undone.pop()
            self._done.append(edit)
            self._closed = True
            apply(self.workflow, edit)
            self._tell(edit)

    @property
    def undo_label(self) -> str:
        """What undo would take back; empty when there is nothing."""
        return self._done[-1].label if self._done else ""

    @property
    def redo_label(self) -> str:
        """What redo would do again; empty when there is nothing."""
        return self._undone[-1].label if self._undone else ""

    @property
    def dirty(self) -> bool:
        """Whether the workflow differs from what was saved."""
        return self._saved_depth != len(self._done)

    def mark_saved(self) -> None:
        """Take the present state as the saved one."""
        self._saved_depth = len(self._done)
        self._closed = True

    def mark_unsaved(self) -> None:
        """The present state was never saved, and no undo leads to one that was."""
        self._saved_depth = None

    def _tell(self, edit: Edit) -> None:
        for listener in self._listeners:
            listener(edit.changes)


def _merged(first: Edit, second: Edit) -> Edit:
    changes = {(c.section, c.key): c for c in first.changes}
    for change in second.changes:
        before = changes.get((change.section, change.key), change).before
        changes[change.section, change.key] = Change(change.section, change.key, before, change.after)
    return Edit(second.label, tuple(changes.values()), second.merge)
