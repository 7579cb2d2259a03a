"""Secrets in a file of our own: AES-256-GCM over all of them, a new nonce for each writing, one writer at a time.

The key comes from the passphrase in ``KAILASH_SECRETS_PASSPHRASE`` (scrypt, RFC 7914, with OWASP's parameters), or
else from a key file of mode 0600 beside it (or where ``KAILASH_SECRETS_KEY_FILE`` says) that is made when the first
secret is stored; 256 random bits need no stretching, so HKDF (RFC 5869) separates it by salt. The header is
authenticated with the content, so that nobody can weaken the parameters of a file.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from kailash_studio.errors import CredentialError, ServiceError
from kailash_studio.folders import user_data
from kailash_studio.services.private_file import locked, write_private

FORMAT, VERSION = "kailash-studio/credentials", 1
_SCRYPT = {"name": "scrypt", "n": 2**15, "r": 8, "p": 3}  # 32 MiB; OWASP's password storage cheat sheet
_MOST_MEMORY = 2**30  # bytes that a file's header may ask scrypt for (128 n r)
_MOST_BYTES = 16 * 2**20

Entries = dict[str, str]


class EncryptedFileProvider:
    """See the module."""

    name = "encrypted"
    title = "the encrypted file"
    writable = True

    def __init__(self, path: Path | None = None) -> None:
        """Use a file; by default in the user's data."""
        self._given = path
        self._keys: dict[tuple[Any, ...], bytes] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return self._given or user_data() / "credentials.json"

    @property
    def key_file(self) -> Path:
        """The file with the key, for when there is no passphrase."""
        named = os.environ.get("KAILASH_SECRETS_KEY_FILE", "")
        return Path(named) if named else self.path.with_suffix(".key")

    def problem(self) -> str:
        """The package is missing, or the file there is cannot be opened."""
        try:
            import cryptography  # noqa: F401 - whether it is there
        except ImportError:
            return "The package cryptography is not installed: pip install cryptography."
        try:
            self._read()
        except CredentialError as error:
            return str(error)
        return ""

    def get(self, name: str) -> str | None:
        """Its value."""
        return self._read().get(name) if self.path.exists() else None

    def set(self, name: str, value: str) -> None:
        """Store it."""
        self._change(lambda entries: entries | {name: value})

    def remove(self, name: str) -> bool:
        """Remove it."""
        if not self.path.exists():
            return False
        before = self._change(lambda entries: {key: value for key, value in entries.items() if key != name})
        return name in before

    def names(self) -> list[str]:
        """All names."""
        return sorted(self._read())

    # ------------------------------------------------------------------ the file
    def _change(self, change: Callable[[Entries], Entries]) -> Entries:
        """Replace the entries under the lock; gives what they were before."""
        try:
            with locked(self.path):
                before = self._entries(self._bytes())
                after = change(before)
                if after != before:
                    write_private(self.path, self._sealed(after))
                return before
        except CredentialError:
            raise
        except ServiceError as error:
            raise CredentialError(f"The secret was not changed: {error}") from None

    def _read(self) -> Entries:
        # Windows refuses to replace a file that is open; elsewhere a reader sees the old file or the new one
        with locked(self.path) if os.name == "nt" and self.path.exists() else nullcontext():
            data = self._bytes()
        return self._entries(data)

    def _bytes(self) -> bytes:
        try:
            with self.path.open("rb") as stream:
                return stream.read(_MOST_BYTES)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise CredentialError(
                f"The encrypted file {self.path} cannot be read: {error.strerror or error}."
            ) from None

    def _entries(self, data: bytes) -> Entries:
        if not data:
            return {}
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            head = json.loads(data)
            if head["format"] != FORMAT:
                raise ValueError(head["format"])
            if head["version"] != VERSION:
                raise CredentialError(
                    f"The encrypted file {self.path} was written by a newer program: update this one to use it."
                )
            nonce, sealed = base64.b64decode(head["nonce"]), base64.b64decode(head["data"])
            key = self._key(head["kdf"], making=False)
            opened = AESGCM(key).decrypt(nonce, sealed, _authenticated(head))
            entries = json.loads(opened)["secrets"]
        except InvalidTag:
            which = "passphrase" if head["kdf"].get("name") == "scrypt" else "key file"
            raise CredentialError(
                f"The encrypted file {self.path} does not open: the {which} is another one, or the file was changed."
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise CredentialError(
                f"The encrypted file {self.path} is damaged: put a copy back, or remove it and set the secrets again."
            ) from None
        return dict(entries)

    def _sealed(self, entries: Entries) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        salt = base64.b64encode(secrets.token_bytes(16)).decode("ascii")
        passphrase = os.environ.get("KAILASH_SECRETS_PASSPHRASE")
        head: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        head["kdf"] = {**_SCRYPT, "salt": salt} if passphrase else {"name": "hkdf-sha256", "salt": salt}
        nonce = secrets.token_bytes(12)
        content = json.dumps({"secrets": entries}, ensure_ascii=False, sort_keys=True).encode("utf-8")
        sealed = AESGCM(self._key(head["kdf"], making=True)).encrypt(nonce, content, _authenticated(head))
        head["nonce"] = base64.b64encode(nonce).decode("ascii")
        head["data"] = base64.b64encode(sealed).decode("ascii")
        return (json.dumps(head, indent=2) + "\n").encode("ascii")

    # ------------------------------------------------------------------ the key
    def _key(self, kdf: Mapping[str, Any], *, making: bool) -> bytes:
        """The key by a header's parameters; ``making``: for a new content, so the key file may be made too."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        salt = base64.b64decode(kdf["salt"])
        passphrase = os.environ.get("KAILASH_SECRETS_PASSPHRASE", "")
        if kdf["name"] == "scrypt":
            if not passphrase:
                raise CredentialError(
                    f"The encrypted file {self.path} needs its passphrase: put it into KAILASH_SECRETS_PASSPHRASE."
                )
            n, r, p = int(kdf["n"]), int(kdf["r"]), int(kdf["p"])
            if 128 * n * r > _MOST_MEMORY or not 0 < p <= 16:
                raise ValueError("parameters that nobody writes")
            wanted = (salt, n, r, p, passphrase)
            if wanted not in self._keys:
                self._keys[wanted] = Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode("utf-8"))
            return self._keys[wanted]
        if kdf["name"] != "hkdf-sha256":
            raise ValueError(kdf["name"])
        return HKDF(hashes.SHA256(), 32, salt, FORMAT.encode("ascii")).derive(self._file_key(making=making))

    def _file_key(self, *, making: bool) -> bytes:
        path = self.key_file
        try:
            if os.name == "posix" and path.stat().st_mode & 0o077:
                raise CredentialError(f"The key file {path} can be read by others: chmod 600 {path}.")
            key = base64.b64decode(path.read_bytes(), validate=False)
        except FileNotFoundError:
            if making and not self.path.exists():
                return self._new_key(path)
            raise CredentialError(
                f"The key file {path} of the encrypted file {self.path} is gone: put it back, or name its place in "
                "KAILASH_SECRETS_KEY_FILE."
            ) from None
        except OSError as error:
            raise CredentialError(f"The key file {path} cannot be read: {error.strerror or error}.") from None
        if len(key) < 32:
            raise CredentialError(f"The key file {path} is damaged: put a copy back.")
        return key

    def _new_key(self, path: Path) -> bytes:
        """Make the key file; called under the lock, so that no two processes make one."""
        key = secrets.token_bytes(32)
        write_private(path, base64.b64encode(key) + b"\n")
        return key


def _authenticated(head: Mapping[str, Any]) -> bytes:
    """The part of the header that must not be changed."""
    return json.dumps([head["format"], head["version"], head["kdf"]], sort_keys=True).encode("utf-8")
