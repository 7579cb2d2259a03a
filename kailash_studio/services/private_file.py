"""Small files of a user's own that several processes change: one writer at a time, and never half a file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kailash_studio.errors import ServiceError
from kailash_studio.folders import flush_folder, write_whole

_PATIENCE = 15.0
_LOOK_SECONDS = 0.01


@contextmanager
def locked(path: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Keep other processes and threads from changing a file: read, change and write it inside.

    The lock is the system's, on a file beside it: it ends with the process that holds it, however that ends.

    Args:
        path: What is to be changed; it need not exist.
        patience: Seconds to wait for whoever holds the lock.

    Raises:
        ServiceError: It was not free in that time, or cannot be made.
    """
    beside = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ServiceError(f"{path} cannot be changed: {error.strerror or error} ({beside}).") from None
    try:
        deadline = time.monotonic() + patience
        while not _take(handle):
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"{path} is held by another process for {patience:g} s: try again when it has ended."
                )
            time.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            _give(handle)
    finally:
        os.close(handle)  # the file stays: deleting it would let two processes lock two files of one name


def write_private(path: Path, data: bytes) -> None:
    """Write a file whole, for its owner alone, and have its name on the disk too.

    Raises:
        ServiceError: It cannot be written; the old file is untouched then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data, private=True)
        flush_folder(path.parent)
    except OSError as error:
        raise ServiceError(f"{path} cannot be written: {error.strerror or error}.") from None


if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> bool:
        try:
            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False  # another holds it
        return True

    def _give(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # another holds it
        return True

    def _give(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
