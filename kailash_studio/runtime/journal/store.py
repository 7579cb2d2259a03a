"""What all parts of the journal stand on: the file, its one writer, and a reading connection for each thread."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Any

from kailash_studio.errors import JournalError
from kailash_studio.folders import user_data
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.journal.presence import Presence
from kailash_studio.runtime.journal.schema import connect
from kailash_studio.runtime.journal.writer import Writer

_LEAVING_SECONDS = 5.0


class Store:
    """One store. Any thread may call it; writing happens on one thread of its own."""

    def __init__(self, path: Path | None = None) -> None:
        """Open it, making the tables where there are none.

        Args:
            path: The file; by default in the user's data.

        Raises:
            JournalError: It cannot be opened, or a newer program wrote it.
        """
        self.path = path or user_data() / "journal.db"
        self._values = self.path.with_name(self.path.stem + "_values")
        self._make_private()
        connect(self.path).close()
        self._writer = Writer(lambda: connect(self.path))
        self._presence = Presence(self.path.with_name(self.path.stem + "_present"))
        self._local = threading.local()
        # a thread that ends lets go of its connection, and so of the file: programs start a thread for each run
        self._readers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._readers_lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Write what is queued, and let go of the file."""
        self._writer.close()
        self._presence.end()
        with self._readers_lock:
            self._closed = True
            for connection in list(self._readers):
                connection.close()
            self._readers.clear()

    def leave(self) -> None:
        """Write what is queued, and give up the runs of this process that have no end: they count as interrupted."""
        self._writer.put(lambda connection: None).settled(_LEAVING_SECONDS)
        self._presence.end()

    @property
    def problem(self) -> str:
        """Why nothing can be written at present, or empty."""
        return self._writer.problem

    @property
    def transactions(self) -> int:
        """How many commits there were."""
        return self._writer.transactions

    def version(self) -> int:
        """A number that differs from the last one that this thread got when somebody has written since."""
        return int(self._read("PRAGMA data_version")[0][0])

    def _make_private(self) -> None:
        """Make a new file for its owner alone: it will hold data. SQLite gives its other files the same rights."""
        try:
            if not self.path.exists():
                self.path.touch(mode=0o600)
        except OSError as error:
            raise JournalError(f"The journal {self.path} cannot be opened: {error.strerror or error}.") from None

    def _reader(self) -> Any:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self.path)
            with self._readers_lock:
                if self._closed:
                    connection.close()
                    raise JournalError("The journal is closed.")
                self._readers.add(connection)
            self._local.connection = connection
        return connection

    def _read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        import apsw

        if self._closed:
            raise JournalError("The journal is closed.")
        connection = self._reader()
        try:
            return list(connection.execute(statement, values))
        except apsw.Error as error:
            raise JournalError(f"The journal {self.path} cannot be read: {error}.") from error

    def _content(self, name: str) -> Any:
        rows = self._read("SELECT data FROM contents WHERE hash = ?", name)
        try:
            return contents.load(rows[0][0] if rows else contents.NOTHING, self._values, name)
        except KeyError:
            raise JournalError(f"The content {name[:12]} is not in the journal any more.") from None


def plain(text: str) -> str:
    r"""Text that SQLite takes: what Python makes of file names that are no UTF-8 becomes an escape like ``\udce9``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
