"""What the files of a workflow held when they were read or written here last, so that no save goes over more."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from kailash_studio.errors import DocumentError
from kailash_studio.services import trust
from kailash_studio.workflow.reader import MAX_BYTES
from kailash_studio.workflow.workflow import Workflow


class ChangedOnDiskError(DocumentError):
    """Somebody else has written the file meanwhile; it is left as it is.

    Attributes:
        path: Which file.
        digest: What it holds now, as ``digest_of`` says it.
    """

    def __init__(self, path: Path, digest: str) -> None:
        super().__init__(f"{path.name} has changed on disk since it was opened.")
        self.path, self.digest = path, digest


def digest_of(path: Path) -> str:
    """What a file holds, as a hash; empty where there is no file that can be read. May be called in a thread."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return ""
        if status.st_size > MAX_BYTES:  # no workflow, and it may take long to read
            return f"{status.st_size} bytes of {status.st_mtime_ns}"
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError):  # reading or writing it says why
        return ""


class OnDisk:
    """The files of one open workflow, with what they held when it was read from them or written to them."""

    def __init__(self, path: Path | None = None, digest: str = "") -> None:
        self._held = {} if path is None else {path: digest}

    def held(self, path: Path | None) -> str:
        """What a file held then; empty when that is not known."""
        return self._held.get(path, "") if path is not None else ""

    def know(self, path: Path, digest: str) -> None:
        """The person knows that a file holds this: the next save may go over it."""
        self._held[path] = digest

    def write(self, workflow: Workflow, path: Path, *, trusted: bool) -> Path:
        """Write the file, and let what it does run here if it may already; may be called in a thread.

        Raises:
            ChangedOnDiskError: It holds something else than when it was read or written here last.
            DocumentError: It cannot be written.
        """
        file = path.resolve()
        held = self.held(file)
        now = digest_of(file) if held else ""
        if now != held and now:  # one that is gone can be written again
            raise ChangedOnDiskError(file, now)
        workflow.save(path)
        self.know(path.resolve(), digest_of(path))
        if trusted:
            try:
                trust.approve(workflow)
            except OSError as error:
                why = error.strerror or error
                raise DocumentError(
                    f"{path} is written, but not that it may run here: {why}. Make room, and save again."
                ) from None
        return path.resolve()
