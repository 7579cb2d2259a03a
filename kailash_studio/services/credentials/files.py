"""Secrets as files in a folder, one for each, as container orchestrators mount them (``KAILASH_SECRETS_DIR``)."""

from __future__ import annotations

import os
from pathlib import Path

from kailash_studio.errors import CredentialError
from kailash_studio.services.credentials.provider import MOST_BYTES, is_name, refused

NOT_SET_UP = "KAILASH_SECRETS_DIR names no folder."


class FilesProvider:
    """The file's content is the value, without one line end at its end."""

    name = "files"
    title = "the folder of KAILASH_SECRETS_DIR"
    writable = False

    def __init__(self, folder: Path | None = None) -> None:
        """Use a folder; by default that of ``KAILASH_SECRETS_DIR``."""
        named = os.environ.get("KAILASH_SECRETS_DIR", "")
        self._folder = folder or (Path(named) if named else None)

    def problem(self) -> str:
        """No folder is named, or it is not there."""
        if self._folder is None:
            return NOT_SET_UP
        return "" if self._folder.is_dir() else f"There is no folder {self._folder}, which KAILASH_SECRETS_DIR names."

    def get(self, name: str) -> str | None:
        """The content of its file."""
        if self._folder is None or not is_name(name):  # any other name could lead out of the folder
            return None
        path = self._folder / name
        try:
            with path.open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
            text = data.decode("utf-8")
        except (FileNotFoundError, IsADirectoryError):
            return None
        except OSError as error:
            raise CredentialError(f"The secret file {path} cannot be read: {error.strerror or error}.") from None
        except UnicodeDecodeError:
            raise CredentialError(f"The secret file {path} is not text in UTF-8: encode it as base64.") from None
        if len(data) > MOST_BYTES:
            raise CredentialError(f"The secret file {path} has more than {MOST_BYTES:,} bytes: shorten it.")
        return text.removesuffix("\n").removesuffix("\r")

    def set(self, name: str, value: str) -> None:
        """Refused: the files are made by whoever mounts them."""
        raise refused(self)

    def remove(self, name: str) -> bool:
        """Refused, as ``set``."""
        raise refused(self)

    def names(self) -> list[str]:
        """The names of the files; hidden ones are the mount's own."""
        if self._folder is None:
            return []
        try:
            return sorted(path.name for path in self._folder.iterdir() if is_name(path.name) and path.is_file())
        except OSError as error:
            raise CredentialError(f"{self._folder} cannot be listed: {error.strerror or error}.") from None
