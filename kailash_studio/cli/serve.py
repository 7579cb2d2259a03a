"""``kailash-studio serve``: an engine without a window; windows attach to it, and their runs outlive them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys

from kailash_studio.errors import ParameterError
from kailash_studio.runtime.host import Host
from kailash_studio.runtime.server import Server
from kailash_studio.workflow.workflow import NODE_ID


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("--name", default="", metavar="NAME", help="what windows show; by default server and a number")


def execute(chosen: argparse.Namespace) -> int:
    """Serve until it is told to end; runs that are under way are cancelled then."""
    name = chosen.name or f"server-{os.getpid()}"
    if not NODE_ID.match(name):
        raise ParameterError(f"{name!r} is no name: write it with letters, digits, _ and -.")
    asyncio.run(_serve(name))
    return 0


async def _serve(name: str) -> None:
    requests: asyncio.Queue[bytes | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows' loop has no signal handlers: KeyboardInterrupt then cancels the main task
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, requests.put_nowait, None)
    server = Server(name, "", serves=True)
    host = Host(server.send)
    server.speak_for(host.handle, host.shown)
    async with server:
        print(f"{name} is ready: attach with Run > Attach to a run in the window. Ctrl+C ends it.", file=sys.stderr)
        await host.serve(requests)
