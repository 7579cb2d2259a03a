"""Unsaved changes survive: a copy is kept while there are any, and found again when its window is gone."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QLockFile

from kailash_studio.folders import user_data, write_whole


def _folder() -> Path:
    folder = user_data() / "unsaved"
    folder.mkdir(exist_ok=True)
    return folder


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a window that is gone has left unsaved.

    Attributes:
        file: Where it is kept.
        path: The workflow file that it belongs to, or None for a new one.
        text: The workflow's text.
        trusted: Whether it could run without asking.
        age: Seconds since it was kept.
        held: What the file held when the window read or wrote it last, as ``on_disk`` says it; empty when not known.
    """

    file: Path
    path: Path | None
    text: str
    trusted: bool
    age: float
    held: str = ""

    def discard(self) -> None:
        """It is not needed any more."""
        self.file.unlink(missing_ok=True)


class Keeper:
    """Keeps the unsaved changes of one window; a lock file, freed by the system, says that the window lives."""

    def __init__(self) -> None:
        self._file = _folder() / f"{os.getpid()}-{time.time_ns()}.json"
        self._lock = QLockFile(str(self._file.with_suffix(".lock")))
        self._lock.setStaleLockTime(0)
        self._lock.tryLock(0)

    def keep(self, path: Path | None, text: str, trusted: bool, held: str = "") -> None:
        """Keep the present state, and what its file held."""
        kept = {"path": str(path) if path else "", "text": text, "trusted": trusted, "held": held}
        write_whole(self._file, json.dumps(kept, ensure_ascii=False).encode("utf-8"))

    def forget(self) -> None:
        """Nothing is unsaved now."""
        self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """The window closes in order."""
        self.forget()
        self._lock.unlock()


def leftovers() -> list[Leftover]:
    """What windows that are gone have left, the newest first."""
    found = []
    for lock in _folder().glob("*.lock"):
        _is_free(lock)  # which also removes the lock of a window that was killed
    for file in _folder().glob("*.json"):
        if not _is_free(file.with_suffix(".lock")):
            continue  # its window lives
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            path = Path(kept["path"]) if kept["path"] else None
            age, held = time.time() - file.stat().st_mtime, str(kept.get("held", ""))
            found.append(Leftover(file, path, kept["text"], kept["trusted"] is True, age, held))
        except (OSError, ValueError, KeyError, TypeError):
            file.rename(file.with_suffix(".unreadable"))  # kept for a person to look at, not offered again
    return sorted(found, key=lambda leftover: leftover.age)


def _is_free(path: Path) -> bool:
    lock = QLockFile(str(path))
    lock.setStaleLockTime(0)
    if not lock.tryLock(0):
        return False
    lock.unlock()
    return True
