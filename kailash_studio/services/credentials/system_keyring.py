"""Secrets in the system's keyring: Keychain, Credential Manager, Secret Service or KWallet, by the package ``keyring``.

Only these backends are taken, by name: the package's own choice may be a file in clear, or one that asks on standard
input. Every call is made in a thread of its own with a time limit, since a keyring may wait for a person who is not
there. What a keyring holds cannot be listed, so the names (no values) are kept in a small file.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import queue
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kailash_studio.errors import CredentialError, ServiceError, describe
from kailash_studio.folders import user_data
from kailash_studio.services.private_file import locked, write_private

Names = set[str]

_TEST_SECONDS = 5.0
_CALL_SECONDS = 60.0  # a person may have to unlock it
_AGAIN_SECONDS = 10.0  # after which one that was locked, or did not answer, is tested again
_BACKENDS = {
    "darwin": ("keyring.backends.macOS:Keyring",),
    "win32": ("keyring.backends.Windows:WinVaultKeyring",),
}
_OTHERS = ("keyring.backends.SecretService:Keyring", "keyring.backends.kwallet:DBusKeyring")


class KeyringProvider:
    """See the module; it is tested when it is first asked for its problem."""

    name = "keyring"
    title = "the system keyring"
    writable = True

    def __init__(
        self,
        backend: Callable[[], Any] | None = None,
        *,
        test_seconds: float = _TEST_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is imported yet.

        Args:
            backend: Makes the backend; by default the system's own.
            test_seconds: How long the test may take.
            now: Seconds of a clock that never goes back.
        """
        self._make = backend or _system_backend
        self._test_seconds = test_seconds
        self._backend: Any = None
        self._problem: str | None = None
        self._again: float | None = None  # when to test again
        self._hanging: threading.Thread | None = None
        self._now = now
        self._testing = threading.Lock()
        home = os.environ.get("KAILASH_STUDIO_HOME", "")
        # user data that was moved elsewhere (tests, portable installations) has secrets of its own
        own = f" {hashlib.sha256(home.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}" if home else ""
        self._service = "kailash-studio" + own

    def problem(self) -> str:
        """Why it cannot be used; the first call writes, reads and deletes a probe.

        One that was locked or did not answer is tested again: as soon as the call that hung has come back, which is
        when somebody has unlocked it, and else after some seconds.
        """
        with self._testing:
            if self._problem is None or self._may_have_changed():
                self._again = self._hanging = None
                try:
                    self._problem = self._in_time(self._test, self._test_seconds)
                except CredentialError as error:
                    self._broken(str(error))
            return self._problem or ""

    def _may_have_changed(self) -> bool:
        if self._hanging is not None and not self._hanging.is_alive():
            return True
        return self._again is not None and self._now() >= self._again

    def _broken(self, problem: str) -> None:
        self._problem, self._again = problem, self._now() + _AGAIN_SECONDS

    def get(self, name: str) -> str | None:
        """Its value."""
        value = self._in_time(lambda: self._backend.get_password(self._service, name))
        return None if value is None else str(value)

    def set(self, name: str, value: str) -> None:
        """Store it, and read it back: some keyrings cut long values without a word."""
        self._in_time(lambda: self._backend.set_password(self._service, name, value))
        if self.get(name) != value:
            raise CredentialError(
                f"The system keyring did not keep all of {name!r}: store it with --in encrypted instead."
            )
        self._note(lambda names: names | {name})

    def remove(self, name: str) -> bool:
        """Remove it."""

        def work() -> bool:
            if self._backend.get_password(self._service, name) is None:
                return False
            self._backend.delete_password(self._service, name)
            return True

        removed = bool(self._in_time(work))
        self._note(lambda names: names - {name})
        return removed

    def names(self) -> list[str]:
        """The names that were stored by this program."""
        return sorted(self._noted())

    # ------------------------------------------------------------------ inside
    def _test(self) -> str:
        if not sys.platform.startswith(("darwin", "win32")) and self._make is _system_backend and not _has_bus():
            return "There is no session bus, and so no keyring: this is no desktop session."
        try:
            self._backend = self._make()
        except ImportError:
            return "The package keyring is not installed: pip install keyring."
        if self._backend is None:
            return "This system offers no keyring: no Secret Service and no KWallet answers."
        name, value = f"self-test-{uuid.uuid4().hex}", uuid.uuid4().hex
        self._backend.set_password(self._service, name, value)
        try:
            read = self._backend.get_password(self._service, name)
        finally:
            self._backend.delete_password(self._service, name)
        return "" if read == value else "The system keyring does not give back what was stored in it."

    def _in_time(self, work: Callable[[], Any], seconds: float = _CALL_SECONDS) -> Any:
        """Do work in a thread that may be left behind.

        Raises:
            CredentialError: It failed or took too long; after the latter it is not asked until it is tested again.
        """
        answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

        def call() -> None:
            try:
                answers.put((work(), None))
            except Exception as error:  # noqa: BLE001 - backends raise errors of their own kinds; converted below
                answers.put((None, error))

        thread = threading.Thread(target=call, name="keyring", daemon=True)
        thread.start()
        try:
            value, error = answers.get(timeout=seconds)
        except queue.Empty:
            self._hanging = thread
            self._broken(f"The system keyring did not answer within {seconds:g} s: unlock it, or is nobody there?")
            raise CredentialError(self._problem or "") from None
        if error is not None:
            # the sentence alone: an error of a backend may hold what was to be stored
            raise CredentialError(f"The system keyring refuses: {describe(error).rstrip('.')}.") from None
        return value

    def _file(self) -> Path:
        return user_data() / "keyring_names.json"

    def _noted(self) -> Names:
        try:
            read = json.loads(self._file().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return set()  # none yet; values can be got without it
        names = read.get("names") if isinstance(read, dict) else None
        return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()

    def _note(self, change: Callable[[Names], Names]) -> None:
        try:
            with locked(self._file()):
                before = self._noted()
                after = change(before)
                if after != before:
                    data = json.dumps({"version": 1, "names": sorted(after)}, indent=2) + "\n"
                    write_private(self._file(), data.encode("utf-8"))
        except ServiceError as error:
            raise CredentialError(f"The list of names in the keyring was not changed: {error}") from None


def _has_bus() -> bool:
    """Whether there is a session bus: asked first, since importing ``keyring`` takes longer than a run's start."""
    if os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return True
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return bool(runtime) and (Path(str(runtime)) / "bus").exists()


def _system_backend() -> Any:
    """The keyring of this system, or None."""
    for place in _BACKENDS.get(sys.platform, _OTHERS):
        module, _, name = place.partition(":")
        kind = getattr(importlib.import_module(module), name)
        with contextlib.suppress(RuntimeError):  # how a backend says that it is not for this system
            _ = kind.priority
            return kind()
    return None
