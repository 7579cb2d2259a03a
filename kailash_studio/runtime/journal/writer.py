"""The one writer of a process: takes pieces of work, and commits as many at once as have come together."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from kailash_studio.errors import JournalError, describe

_MOST_AT_ONCE = 2000
_MOST_BYTES_AT_ONCE = 32 * 2**20
_AGAIN_SECONDS = 1.0
_PATIENCE = 30.0  # more than a connection waits for another process

Work = Callable[[Any], Any]
Prepare = Callable[[], int]


class Ack:
    """Says when a piece of work is committed, and what it gave."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._held = self._withdrawn = False
        self.result: Any = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether it is on the disk, or has failed."""
        return self._event.is_set()

    def settled(self, seconds: float) -> bool:
        """Wait for the end of it, good or bad, at most so long; whether it has come."""
        return self._event.wait(seconds)

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

    def withdraw(self) -> bool:
        """Take the work back; False when it is being committed just now, or has ended."""
        with self._lock:
            self._withdrawn = self._withdrawn or not (self._held or self.done)
            return self._withdrawn

    def hold(self, held: bool = True) -> bool:
        """For the writer alone: from here on (or no longer) the work may get committed; False when it was withdrawn."""
        with self._lock:
            self._held = held and not self._withdrawn
            return not self._withdrawn

    def settle(self, result: Any, error: BaseException | None = None) -> None:
        """For the writer alone."""
        self.result, self.error = result, error
        self._event.set()


class _Piece(NamedTuple):
    work: Work
    prepare: Prepare | None
    ack: Ack


class _Unwritable(Exception):  # noqa: N818 - never leaves this module; a state of the disk, not a mistake
    """Nothing can be written at present, whatever the work is."""


class Writer:
    """A thread with the only connection of this process that writes.

    A disk that is full, or a file that cannot be opened, stops nothing but the writing: the queue is kept, ``problem``
    says why, and the same work is tried again each second until it succeeds.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None
        self._queue: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._logger = logging.getLogger("kailash_studio.journal")
        self.problem = ""
        self.transactions = 0

    def put(self, work: Work, prepare: Prepare | None = None) -> Ack:
        """Queue a piece of work.

        Args:
            work: Gets the connection, inside a transaction; may be called again after a rollback.
            prepare: Called once on the writer's thread before the transaction, so that slow work (encoding) keeps no
                other process from writing; gives the number of bytes that it holds for ``work``.
        """
        ack = Ack()
        with self._lock:
            if self._closing.is_set():
                raise JournalError("The journal is closed.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
                self._thread.start()
            self._queue.put(_Piece(work, prepare, ack))
        return ack

    def call(self, work: Work, patience: float = _PATIENCE) -> Any:
        """Do a piece of work and wait for its commit; what is not committed in time is not done later either.

        Raises:
            JournalError: It was not committed in that time, or cannot be.
        """
        ack = self.put(work)
        while not ack.settled(patience):
            if ack.withdraw():
                why = self.problem or "The journal is busy."
                raise JournalError(f"{why} Nothing was changed: try again when it can.")
        return ack.wait(0)

    def close(self) -> None:
        """Write what is queued, and end the thread; what a full disk keeps from being written is given up."""
        with self._lock:
            thread = self._thread
            if not self._closing.is_set():
                self._closing.set()
                self._queue.put(None)
        if thread is not None:
            thread.join()

    # ------------------------------------------------------------------ on its thread
    def _run(self) -> None:
        ended = False
        try:
            while not ended:
                batch, ended = self._together()
                self._write(batch)
        finally:
            self._disconnect()

    def _together(self) -> tuple[list[_Piece], bool]:
        """Wait for work, and take what else is there; and whether that was the last."""
        batch: list[_Piece] = []
        size = 0
        while len(batch) < _MOST_AT_ONCE and size < _MOST_BYTES_AT_ONCE:
            try:
                piece = self._queue.get(block=not batch)
            except queue.Empty:
                return batch, False
            if piece is None:
                return batch, True
            try:
                size += piece.prepare() if piece.prepare is not None else 0
            except Exception as error:  # noqa: BLE001 - told to who asked for it; the others are written
                self._fail([piece], error)
            else:
                batch.append(piece)
        return batch, False

    def _write(self, batch: list[_Piece]) -> None:
        """Commit a batch, however long that takes; only a writer that is being closed gives up."""
        while batch:
            try:
                culprit = self._commit(batch)
            except _Unwritable as error:
                cause = error.__cause__ or error
                self.problem = f"The journal cannot be written at present: {describe(cause).rstrip('.')}."
                if self._closing.wait(_AGAIN_SECONDS):
                    self._fail(batch, cause)
                    return
            else:
                self.problem = ""
                if culprit is None:
                    return
                batch.remove(culprit)

    def _commit(self, batch: list[_Piece]) -> _Piece | None:
        """Try once; None when all is committed, else the piece that cannot be done (nothing is committed then)."""
        import apsw

        here: _Piece | None = None
        results = []
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.execute("BEGIN IMMEDIATE")
            for piece in batch:
                if piece.ack.hold():
                    here = piece
                    results.append((piece, piece.work(self._connection)))
            here = None
            self._connection.execute("COMMIT")
        except (apsw.FullError, apsw.IOError, apsw.BusyError, apsw.LockedError, OSError) as error:
            self._roll_back(batch)
            raise _Unwritable from error
        except Exception as error:
            self._roll_back(batch)
            if here is None or isinstance(error, apsw.CantOpenError | apsw.ReadOnlyError | apsw.CorruptError):
                self._disconnect()  # the next try opens the file anew: it may have been moved
                raise _Unwritable from error
            self._fail([here], error)
            return here
        self.transactions += 1
        for piece, result in results:
            piece.ack.settle(result)
        return None

    def _fail(self, pieces: list[_Piece], error: BaseException) -> None:
        """Tell who asked, and the log: not everybody who asks waits for the answer."""
        self._logger.error("The journal could not write %d pieces of work: %s", len(pieces), describe(error))
        for piece in pieces:
            piece.ack.settle(None, error)

    def _roll_back(self, batch: list[_Piece]) -> None:
        import apsw

        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            self._disconnect()  # closing rolls back
        for piece in batch:
            piece.ack.hold(False)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(True)
