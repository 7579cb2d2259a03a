"""A TCP proxy between a client and a server, which breaks what goes through it as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any, Literal

Mode = Literal["pass", "black_hole", "deaf", "slow"]


class TcpProxy:
    """The proxy.

    Attributes:
        mode: ``pass``; ``black_hole``: nothing goes through, nothing is closed; ``deaf``: requests go through, answers
            do not; ``slow``: answers go through byte by byte.
        swallowed: Bytes of answers that did not go through.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._links: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.mode: Mode = "pass"
        self.swallowed = 0

    async def listen(self) -> None:
        """Take connections, at the same port each time."""
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Take no connections any more; those that are there go on."""
        assert self._server is not None
        self._server.close()

    def lead_to(self, port: int) -> None:
        """Lead to another server from now on; connections that are there stay with theirs."""
        self._to = port

    def reset(self) -> None:
        """Cut all connections without a word."""
        for writer in [*self._links]:
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.add(writer)  # at once: who closes the proxy before the task begins closes this one too
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends, answers = {writer}, None
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            ends.add(back)
            self._links.add(back)
            answers = asyncio.ensure_future(self._pump(there, writer, answers=True))
            await self._pump(reader, back, answers=False)
            await answers
        except OSError:
            pass  # there is nobody: the client sees it as the end of its connection
        finally:
            if answers is not None:
                answers.cancel()
            for end in ends:
                if not end.is_closing():
                    end.transport.abort()
            self._links -= ends

    async def _pump(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, answers: bool) -> None:
        try:
            while data := await source.read(65536):
                if self.mode == "black_hole" or (self.mode == "deaf" and answers):
                    self.swallowed += len(data) if answers else 0
                elif self.mode == "slow" and answers:
                    for byte in data:
                        if to.is_closing():
                            return
                        to.write(bytes([byte]))
                        await asyncio.sleep(0.05)
                else:
                    to.write(data)
        except OSError:
            to.transport.abort()
        to.close()

    async def close(self) -> None:
        """Close everything."""
        await self.refuse()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def proxied(target: dict[str, Any]) -> AsyncIterator[tuple[TcpProxy, dict[str, Any]]]:
    """A proxy before a server, and the server's address behind it."""
    proxy = TcpProxy(target["port"])
    await proxy.listen()
    try:
        yield proxy, {**target, "port": proxy.port}
    finally:
        await proxy.close()
