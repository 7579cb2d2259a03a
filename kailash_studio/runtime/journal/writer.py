"""The one writer of a process: takes pieces of work, and commits as many at once as have come together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from kailash_studio.errors import JournalError

_MOST_AT_ONCE = 2000
_AGAIN_SECONDS = 1.0

Work = Callable[[Any], Any]


class Ack:
    """Says when a piece of work is committed, and what it gave."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether it is on the disk, or has failed."""
        return self._event.is_set()

    def wait(self, seconds: float | None = None) -> Any:
        """Wait for the commit, and get what the work gave.

        Raises:
            JournalError: It was not committed in that time, or cannot be.
        """
        if not self._event.wait(seconds):
            raise JournalError(f"The journal did not write within {seconds:g} s: is its disk full?")
        if self.error is not None:
            raise JournalError(f"The journal cannot write: {self.error}.") from self.error
        return self.result

    def settle(self, result: Any, error: BaseException | None = None) -> None:
        """For the writer alone."""
        self.result, self.error = result, error
        self._event.set()


class Writer:
    """A thread with the only connection of this process that writes.

    A disk that is full stops nothing but the writing: the queue is kept, ``problem`` says why, and the same work is
    tried again each second until it succeeds.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._queue: queue.SimpleQueue[tuple[Work, Ack] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.problem = ""
        self.transactions = 0

    def put(self, work: Work) -> Ack:
        """Queue a piece of work; it gets the connection, inside a transaction."""
        ack = Ack()
        with self._lock:
            if self._closing.is_set():
                raise JournalError("The journal is closed.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
                self._thread.start()
            self._queue.put((work, ack))
        return ack

    def close(self) -> None:
        """Write what is queued, and end the thread; what a full disk keeps from being written is given up."""
        with self._lock:
            thread = self._thread
            if self._closing.is_set():
                return
            self._closing.set()
            self._queue.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        connection = self._connect()
        try:
            while True:
                first = self._queue.get()
                if first is None:
                    return
                batch, ended = self._together(first)
                self._write(connection, batch)
                if ended:
                    return
        finally:
            connection.close()

    def _together(self, first: tuple[Work, Ack]) -> tuple[list[tuple[Work, Ack]], bool]:
        batch = [first]
        while len(batch) < _MOST_AT_ONCE:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False

    def _write(self, connection: Any, batch: list[tuple[Work, Ack]]) -> None:
        """Commit a batch; a piece of work that fails by itself is left out and the others are written."""
        import apsw

        while batch:
            culprit = -1
            results = []
            try:
                connection.execute("BEGIN IMMEDIATE")
                for culprit, (work, _) in enumerate(batch):  # noqa: B007 - used where it stopped
                    results.append(work(connection))
                culprit = -1
                connection.execute("COMMIT")
            except (apsw.FullError, apsw.IOError, apsw.BusyError, OSError) as error:
                self._roll_back(connection)
                self.problem = f"The journal cannot be written at present: {error}."
                if self._closing.wait(_AGAIN_SECONDS) and self.problem:
                    for _, ack in batch:
                        ack.settle(None, error)
                    return
            except Exception as error:  # noqa: BLE001 - a piece of work that cannot be done is told to who asked for it
                self._roll_back(connection)
                if culprit < 0:
                    for _, ack in batch:
                        ack.settle(None, error)
                    return
                batch.pop(culprit)[1].settle(None, error)
            else:
                self.problem = ""
                self.transactions += 1
                for (_, ack), result in zip(batch, results, strict=True):
                    ack.settle(result)
                return

    @staticmethod
    def _roll_back(connection: Any) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
