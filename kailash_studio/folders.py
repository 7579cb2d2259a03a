"""Where shipped resources lie, where a user's data goes, and how a file is written whole.

``KAILASH_STUDIO_HOME`` moves all of a user's data below one folder (tests, portable installations, containers).
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from kailash_studio.errors import StudioError

_PACKAGE = Path(__file__).resolve().parent


def resources() -> Path:
    """Folder of the shipped resources: inside the wheel when installed, beside the package in a checkout."""
    installed = _PACKAGE / "resources"
    return installed if installed.is_dir() else _PACKAGE.parent / "resources"


def user_data() -> Path:
    """The user's data folder, created when missing: database, journal, approvals, logs.

    Raises:
        StudioError: It cannot be created.
    """
    home = os.environ.get("KAILASH_STUDIO_HOME")
    if home:
        folder = Path(home)
    else:
        from platformdirs import user_data_path

        folder = user_data_path("kailash-studio", appauthor=False)
    return _made(folder, "data")


def user_configuration() -> Path:
    """The user's configuration folder, created when missing: what the user has set up, and no data of runs.

    Raises:
        StudioError: It cannot be created.
    """
    if os.environ.get("KAILASH_STUDIO_HOME"):
        return user_data()
    from platformdirs import user_config_path

    folder = user_config_path("kailash-studio", appauthor=False)
    return _made(folder, "configuration")


def _made(folder: Path, what: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudioError(
            f"The {what} folder {folder} cannot be created ({error.strerror or error}): "
            "name another one in the environment variable KAILASH_STUDIO_HOME."
        ) from None
    return folder


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file so that a reader sees the old content or the new one, also after a crash.

    Args:
        path: The file.
        data: All of it.
        private: For its owner alone, whatever its rights were; else they stay as they are.

    Raises:
        OSError: As for any write; the old file is untouched then.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        rights = 0o600 if private else path.stat().st_mode & 0o777 if path.exists() else 0o644
        Path(temporary).chmod(rights)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: a renamed file survives a loss of power only after this (fsync(2)).

    Raises:
        OSError: As for any look at a folder.
    """
    if os.name == "nt":
        return  # it has no such call; NTFS keeps names in a journal of its own
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FileLock:
    """A lock that the system frees when its holder ends, however that is."""

    def __init__(self, path: Path) -> None:
        """Open the file, made where there is none; it is not locked yet.

        Raises:
            OSError: It cannot be opened.
        """
        self._stream = path.open("a+b")

    def take(self) -> bool:
        """Take it if nobody has it."""
        try:
            if sys.platform == "win32":
                import msvcrt

                self._stream.seek(0)
                msvcrt.locking(self._stream.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let go of it."""
        self._stream.close()
