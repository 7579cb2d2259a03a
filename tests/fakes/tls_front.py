"""TLS before a PostgreSQL server that has none: it speaks TLS with the client, and without it with the server."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL's manual, 55.2.10


class TlsFront:
    """The front.

    Attributes:
        port: Where it listens.
        met: For each connection, whether it was encrypted.
    """

    def __init__(self, to: int, certificate: Path) -> None:
        self._to = to
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, certificate.parent / "key.pem")
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.met: list[bool] = []

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back = None
        try:
            first = await reader.readexactly(8)
            if first == _SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(self._context)
                first = b""
            self.met.append(not first)
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            back.write(first)
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client did not like the certificate, or went away
        finally:
            for end in (writer, back):
                if end is not None:
                    end.transport.abort()

    async def close(self) -> None:
        """Let go of all connections."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        to.write(data)
    to.close()


@contextlib.asynccontextmanager
async def tls_before(target: dict[str, Any], certificate: Path) -> AsyncIterator[tuple[TlsFront, dict[str, Any]]]:
    """TLS before a server, and the server's address behind it."""
    front = TlsFront(target["port"], certificate)
    server = await asyncio.start_server(front.meet, "127.0.0.1", 0)
    front.port = server.sockets[0].getsockname()[1]
    try:
        yield front, {**target, "port": front.port}
    finally:
        server.close()
        await front.close()
        await server.wait_closed()
