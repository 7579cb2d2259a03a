"""A PostgreSQL server of a test's own, to be killed and restarted on one port."""

from __future__ import annotations

import asyncio
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kailash_studio.services.embedded_postgres import _binaries
from kailash_studio.services.embedded_postgres.supervisor import Server, StartFailedError

FAST, IMMEDIATE, KILL = signal.SIGINT, signal.SIGQUIT, signal.SIGKILL


class _Standby(Server):
    """A server that was told to follow another one, and therefore only reads."""

    def prepare(self) -> None:
        super().prepare()
        (self.data / "standby.signal").touch()


class OwnServer:
    """The server; all that blocks is done in a thread that lives as long, since the server ends with its starter."""

    def __init__(self, folder: Path, *, standby_of: OwnServer | None = None) -> None:
        self._thread = ThreadPoolExecutor(1)
        if standby_of is not None:
            (folder / "password").write_text(standby_of._server.password, encoding="ascii")
        self._server = (Server if standby_of is None else _Standby)(folder, _binaries())
        self._thread.submit(self._server.prepare).result()
        self._thread.submit(self._start).result()

    def _start(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                self._server.start()
                return
            except StartFailedError:  # what a killed server left is still ending
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    @property
    def target(self) -> dict[str, Any]:
        """Arguments of a connection."""
        return {
            "host": "127.0.0.1",
            "port": self._server.port,
            "user": "studio",
            "password": self._server.password,
            "database": "studio",
        }

    def _end(self, how: signal.Signals) -> None:
        process = self._server._process
        assert process is not None
        process.send_signal(how)
        process.wait(20)

    async def end(self, how: signal.Signals) -> None:
        """End it; nothing serves until ``start``."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end, how)

    async def start(self) -> None:
        """Start it again, on the same port."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._start)

    def close(self) -> None:
        """Stop it for good."""
        self._thread.submit(self._server.stop).result()
        self._thread.shutdown()
