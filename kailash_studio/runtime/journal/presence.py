"""Whether a process that has claimed something is still there: it holds a lock as long as it lives."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

from kailash_studio.errors import JournalError
from kailash_studio.folders import FileLock


class Presence:
    """The sign that this process is there, and the look for the signs of others.

    A process may be killed and its number given to another one; a lock on a file goes with its holder.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder of the signs; nothing is made before it is needed."""
        self._folder = folder
        self._name = uuid.uuid4().hex
        self._lock: FileLock | None = None
        self._guard = threading.Lock()

    def begin(self) -> str:
        """Put up the sign, if it is not up yet; its name.

        Raises:
            JournalError: The folder cannot be written.
        """
        with self._guard:
            if self._lock is None:
                try:
                    self._folder.mkdir(mode=0o700, exist_ok=True)
                    lock = FileLock(self._folder / self._name)
                except OSError as error:
                    raise JournalError(f"{self._folder} cannot be written: {error.strerror or error}.") from None
                lock.take()
                self._lock = lock
        return self._name

    def is_there(self, name: str) -> bool:
        """Whether the process with this sign is still there; the sign of one that is not is taken down."""
        if name == self._name:
            return self._lock is not None
        path = self._folder / name
        if not name or not path.exists():
            return False
        try:
            lock = FileLock(path)
        except OSError:
            return True  # it cannot be asked; a claim too long is better than work done twice
        try:
            if not lock.take():
                return True
        finally:
            lock.close()
        path.unlink(missing_ok=True)
        return False

    def end(self) -> None:
        """Take down the sign."""
        with self._guard:
            if self._lock is not None:
                self._lock.close()
                (self._folder / self._name).unlink(missing_ok=True)
                self._lock = None
