"""A MariaDB of the tests' own: a folder, a port on loopback, one user with a password."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import aiomysql

from kailash_studio.services.mysql_target import MySQLTarget

USER, PASSWORD = "analyst", "p%s'\"\\$1 ä"


class Server:
    """A server that can be killed and started again."""

    def __init__(self, folder: Path, *further: str) -> None:
        self._folder, self._further = folder, further
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._as_root = ["--user=root"] if os.geteuid() == 0 else []
        self._process: subprocess.Popen[bytes] | None = None
        install = shutil.which("mariadb-install-db")
        assert install is not None, "install Debian's mariadb-server-core: the tests of MySQL need a real server"
        words = [install, "--no-defaults", f"--datadir={folder / 'data'}", "--auth-root-authentication-method=normal"]
        subprocess.run([*words, "--skip-test-db", *self._as_root], check=True, stdout=subprocess.DEVNULL)
        self.start()
        asyncio.run(self._make_user())

    def start(self) -> None:
        """Start, and wait until it answers."""
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        words = [program, "--no-defaults", f"--datadir={self._folder / 'data'}", f"--port={self.port}"]
        words += [f"--socket={self._socket}", "--bind-address=127.0.0.1", "--innodb-lock-wait-timeout=1"]
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [*words, "--max-connections=40", "--skip-name-resolve", *self._further, *self._as_root],
            stdout=log,
            stderr=log,
        )
        log.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text(errors="replace")[-2000:]
                time.sleep(0.1)

    @property
    def _socket(self) -> Path:
        return self._folder / "s"

    async def _make_user(self) -> None:
        root = await aiomysql.connect(unix_socket=str(self._socket), user="root", charset="utf8mb4")
        async with root.cursor() as cursor:
            await cursor.execute("CREATE DATABASE studio CHARACTER SET utf8mb4")
            await cursor.execute("CREATE USER analyst@'%%' IDENTIFIED BY %s", (PASSWORD,))
            await cursor.execute("GRANT ALL ON studio.* TO analyst@'%'")
        root.close()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it in order."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    @property
    def target(self) -> MySQLTarget:
        """As its user."""
        return MySQLTarget("127.0.0.1", self.port, "studio", USER, PASSWORD)
