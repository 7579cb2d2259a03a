"""A socket on this machine by which windows attach to runs of another process: they look on, or take control.

The address and a token are in a file that only the user can read. A client speaks ``runtime.protocol``; its first
message is ``attach``. Whoever has no token gets nothing, not a byte, whatever is asked. A client that reads too slowly,
or goes away, is let go of; the run does not notice.

======  ===========================================  ================================================================
do      with                                         ok
======  ===========================================  ================================================================
attach  ``token``, ``version``, ``control``: to      ``version``, ``program``, ``control``, ``may``: the requests
        debug, not only to look on                   that are answered, ``runs`` under way: ``run_id``,
                                                     ``workflow``, ``folder``, ``states``, ``log``, ``paused``
======  ===========================================  ================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kailash_studio import __version__
from kailash_studio.errors import EngineError
from kailash_studio.folders import FileLock, user_data
from kailash_studio.runtime import protocol
from kailash_studio.runtime.updates import Answer
from kailash_studio.services.private_file import write_private

LOOKING: frozenset[str] = frozenset(
    {
        "page", "table_cell", "table_copy", "table_profile", "table_drop", "stop_values", "stop_page", "evaluate",
        "happened", "dead_letters", "dead_letter", "letter_rate", "breakers", "pools", "preview", "connections",
        "stale", "interrupted", "check_cell",
    }
)  # fmt: skip
CONTROLLING: frozenset[str] = LOOKING | {
    "cancel",
    "breakpoints",
    "pause",
    "resume",
    "step",
    "go_on",
    "run_to",
    "set_breaker",
}
SERVING: frozenset[str] = CONTROLLING | {"run", "rerun", "preview_reading"}

_HELLO_SECONDS = 5.0
_LONGEST_HELLO = 4096
_LONGEST_LINE = 256 * 2**20
_BEHIND = 64 * 2**20  # bytes that a client may be behind before it is let go of

Handle = Callable[[bytes, Callable[[Answer], None], frozenset[str]], None]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a process can be attached to.

    Attributes:
        name: The run, or the name that the server was given.
        workflow: Name of the workflow; empty for a server.
        port: On the loopback interface.
        token: What lets in.
        pid: The process.
        path: The file that tells this.
    """

    name: str
    workflow: str
    port: int
    token: str
    pid: int
    path: Path


def addresses() -> list[Address]:
    """Processes of this user that can be attached to, the newest first; files of those that are gone are removed."""
    found = []
    folder = user_data() / "attach"
    for path in sorted(folder.glob("*.json"), reverse=True) if folder.is_dir() else ():
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            address = Address(
                str(told["name"]), str(told["workflow"]), int(told["port"]), str(told["token"]), int(told["pid"]), path
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue  # it is being written, or is none of ours
        lock = FileLock(path.with_suffix(".lock"))
        gone = lock.take()
        lock.close()
        if gone:
            path.unlink(missing_ok=True)
            path.with_suffix(".lock").unlink(missing_ok=True)
        else:
            found.append(address)
    return found


class _Client:
    """One window that is attached."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    def send(self, data: bytes) -> bool:
        """Send a line; False when the client is gone, or too far behind."""
        transport = self.writer.transport
        if transport.is_closing():
            return False
        if transport.get_write_buffer_size() > _BEHIND:
            transport.abort()
            return False
        self.writer.write(data)
        return True


class Server:
    """Lets windows attach to what this process does."""

    def __init__(self, name: str, workflow: str, *, serves: bool = False) -> None:
        """Prepare; ``async with`` opens it.

        Args:
            name: The run, or another name for the file with the address.
            workflow: Name of the workflow, for whoever chooses.
            serves: Those in control may start runs too.
        """
        self._name, self._workflow = name, workflow
        self._all = SERVING if serves else CONTROLLING
        self._token = secrets.token_urlsafe(32)
        self._clients: set[_Client] = set()
        self._handle: Handle | None = None
        self._shown: Callable[[], list[Answer]] = list

    def speak_for(self, handle: Handle, shown: Callable[[], list[Answer]]) -> None:
        """Say who answers, and which runs a client is shown when it attaches."""
        self._handle, self._shown = handle, shown

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, limit=_LONGEST_LINE)
        port = self._server.sockets[0].getsockname()[1]
        self.path = user_data() / "attach" / f"{self._name}.json"
        told = {
            "name": self._name, "workflow": self._workflow, "port": port, "token": self._token, "pid": os.getpid()
        }  # fmt: skip
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self._lock = FileLock(self.path.with_suffix(".lock"))
        self._lock.take()
        write_private(self.path, json.dumps(told).encode("utf-8"))
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.path.unlink(missing_ok=True)
        self._lock.close()
        self.path.with_suffix(".lock").unlink(missing_ok=True)
        self._server.close()
        for client in list(self._clients):
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(client.writer.drain(), 2.0)
            client.writer.close()
        self._clients.clear()

    def send(self, message: Answer) -> None:
        """Tell all who are attached."""
        if self._clients:
            data = protocol.encode(message)
            self._clients = {client for client in self._clients if client.send(data)}

    # ------------------------------------------------------------------ clients
    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            may = await self._let_in(reader, writer)
            if may is not None:
                await self._listen(reader, writer, may)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, TimeoutError):
            pass  # it went away, or speaks another language; there is nobody to tell
        finally:
            writer.close()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> frozenset[str] | None:
        """Read the first message; what the client may ask, or None when it is not let in."""
        async with asyncio.timeout(_HELLO_SECONDS):
            line = bytearray()
            while not line.endswith(b"\n"):
                byte = await reader.readexactly(1)
                line += byte
                if len(line) > _LONGEST_HELLO:
                    return None
        hello = protocol.decode(bytes(line))
        token = hello.get("token")
        if hello.get("do") != "attach" or not isinstance(token, str):
            return None
        if not hmac.compare_digest(token.encode("utf-8"), self._token.encode("utf-8")):
            return None
        if hello.get("version") != protocol.VERSION:
            wrong = EngineError("The window and the run differ in version: use the same program for both.")
            told = {"code": wrong.code, "sentence": str(wrong)}
            writer.write(protocol.encode({"id": hello.get("id"), "error": told}))
            await writer.drain()
            return None
        may = self._all if hello.get("control") is True else LOOKING
        answer = {
            "version": protocol.VERSION,
            "program": __version__,
            "control": may is not LOOKING,
            "may": sorted(may),
            "runs": self._shown(),
        }
        writer.write(protocol.encode({"id": hello.get("id"), "ok": answer}))
        return may

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may: frozenset[str]) -> None:
        client = _Client(writer)
        self._clients.add(client)
        assert self._handle is not None  # ``speak_for`` was called before the socket was opened
        try:
            while line := await reader.readline():
                self._handle(line, lambda message: _reply(client, message), may)
        finally:
            self._clients.discard(client)


def _reply(client: _Client, message: Mapping[str, Any]) -> None:
    client.send(protocol.encode(dict(message)))
