"""A server that takes connections and never answers, like one behind a firewall that drops everything."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator


@contextlib.asynccontextmanager
async def black_hole() -> AsyncIterator[int]:
    """Such a server in the running loop; its port is given."""
    silent: set[asyncio.StreamWriter] = set()

    tasks: set[asyncio.Task[None]] = set()

    def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.add(writer)  # at once: the hole may be gone before the task begins
        task = asyncio.ensure_future(swallow(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                pass
        silent.discard(writer)
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in list(silent):
            writer.transport.abort()


@contextlib.contextmanager
def silent_listener() -> Iterator[int]:
    """A listener of the system alone, whose connections nobody ever accepts; for whoever has no loop to give."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
