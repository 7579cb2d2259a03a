"""Files that hold tables: Parquet, Excel, JSON. Each is read and written piece by piece, and appears whole or not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kailash_studio.errors import NodeError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A file beside its place, moved there at the end: a reader sees the old one or the new one, whatever happens.

    Raises:
        NodeError: The folder cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise NodeError(f"{path} cannot be written: {error.strerror or error}.") from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the system refuses while a file is read into a sentence.

    Raises:
        NodeError: It cannot be read.
    """
    try:
        path.open("rb").close()  # libraries wrap the system's word in words of their own
        yield
    except OSError as error:
        raise NodeError(f"{path} cannot be read: {error.strerror or error}.") from None
