"""A real keyring: gnome-keyring on a session bus of its own, with its data in a folder of the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATIENCE = 30.0
_PASSWORD = b"open sesame"
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir={folder}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""  # without the system's services: the bus would start a second keyring, which nobody has unlocked


class SecretService:
    """The running service.

    Attributes:
        environment: What a program needs to find it.
    """

    def __init__(self, environment: dict[str, str], daemon: subprocess.Popen[bytes]) -> None:
        self.environment = environment
        self._daemon = daemon

    def lock(self) -> None:
        """As a desktop does after a while; nobody is there to answer the prompt that unlocking would show."""
        with self._collection() as (collection, _):
            collection.lock()
            assert collection.is_locked()

    def unlock(self) -> None:
        """As the person does who answers the prompt."""
        from secretstorage.util import DBusAddressWrapper, format_secret, open_session

        with self._collection() as (collection, connection):
            inner = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface"
            service = DBusAddressWrapper("/org/freedesktop/secrets", inner, connection)
            secret = format_secret(open_session(connection), _PASSWORD, "text/plain")
            service.call("UnlockWithMasterPassword", "o(oayays)", collection.collection_path, secret)
            assert not collection.is_locked()

    def hang(self) -> None:
        """Answer nothing."""
        self._daemon.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again."""
        self._daemon.send_signal(signal.SIGCONT)

    @contextmanager
    def _collection(self) -> Iterator[tuple[Any, Any]]:
        import secretstorage
        from jeepney.io.blocking import open_dbus_connection

        connection = open_dbus_connection(self.environment["DBUS_SESSION_BUS_ADDRESS"])
        try:
            yield secretstorage.get_default_collection(connection), connection
        finally:
            connection.close()

    def wait(self) -> None:
        """Wait until it answers and is unlocked."""
        from secretstorage.exceptions import SecretStorageException

        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                with self._collection() as (collection, _):
                    if not collection.is_locked():
                        return
            except SecretStorageException:
                assert self._daemon.poll() is None, "gnome-keyring-daemon has ended"
            assert time.monotonic() < deadline, "the keyring does not answer"
            time.sleep(0.02)


@contextmanager
def secret_service(folder: Path) -> Iterator[SecretService]:
    """A keyring that is unlocked; all of it is gone afterwards."""
    for program in ("dbus-daemon", "gnome-keyring-daemon"):
        assert shutil.which(program), "install Debian's dbus and gnome-keyring: the tests need a real keyring"
    folder.chmod(0o700)
    environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    around = {name: value for name, value in os.environ.items() if name != "DISPLAY"} | environment
    bus_file = folder / "bus.conf"
    bus_file.write_text(_BUS.format(folder=folder), encoding="utf-8")
    words = ["dbus-daemon", f"--config-file={bus_file}", "--nofork", "--nopidfile", "--print-address=1"]
    with subprocess.Popen(words, env=around, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as bus:
        try:
            assert bus.stdout is not None
            address = bus.stdout.readline().decode().strip()
            environment["DBUS_SESSION_BUS_ADDRESS"] = around["DBUS_SESSION_BUS_ADDRESS"] = address
            words = ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            with subprocess.Popen(words, env=around, **pipes) as daemon:
                try:
                    assert daemon.stdin is not None
                    daemon.stdin.write(_PASSWORD)
                    daemon.stdin.close()
                    service = SecretService(environment, daemon)
                    service.wait()
                    yield service
                finally:
                    daemon.kill()
        finally:
            bus.kill()
