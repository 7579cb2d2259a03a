"""What hung on nodes and connections that are gone, kept for the case that Undo brings them back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from kailash_studio.workflow.commands import Change

T = TypeVar("T")


class Gone(Generic[T]):
    """Keeps one thing for each entry of the workflow that went.

    Undo brings the very entry back that went. Another one that is given its name is another one, and gets nothing.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[object, T]] = {}

    def keep(self, change: Change, thing: T) -> None:
        """Keep what hangs on an entry that this change takes away."""
        self._kept[change.section, change.key] = change.before, thing

    def back(self, changes: Iterable[Change]) -> list[T]:
        """What hung on entries that are back; it is kept no longer."""
        found = []
        for change in changes:
            entry, _ = self._kept.get((change.section, change.key), (None, None))
            if change.after is not None and entry is change.after:
                found.append(self._kept.pop((change.section, change.key))[1])
        return found

    def forget(self) -> None:
        """Another workflow is open."""
        self._kept.clear()
