"""A process of our own and a line to it, started so that nothing of this process runs in it before its program does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence


class ChildProcess:
    """A process that is asked on its standard input and answers on its standard output.

    asyncio's own start of processes is not used where it forks: uvloop lets Python begin in the forked child, which
    takes the other threads apart there, and with them what they keep, such as connections to the journal. A lock that
    one of these threads held at that moment is never free in the child. It waits for ever, and so does this process,
    which is told by the child that the program has begun. ``subprocess`` calls nothing in the child but the program.

    Attributes:
        questions: Its standard input.
        answers: Its standard output.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes] | asyncio.subprocess.Process,
        answers: asyncio.StreamReader,
        questions: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self.answers, self.questions = answers, questions

    @classmethod
    async def start(cls, words: Sequence[str], environment: Mapping[str, str]) -> ChildProcess:
        """Start a program.

        Raises:
            OSError: It cannot be started.
        """
        if sys.platform == "win32":  # no fork there, and standard streams cannot be sockets
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, env=environment)
            assert process.stdin is not None  # both were asked for
            assert process.stdout is not None
            return cls(process, process.stdout, process.stdin)
        ours, its = socket.socketpair()
        with its:
            try:
                answers, questions = await asyncio.open_unix_connection(sock=ours)
            except BaseException:
                ours.close()
                raise
            try:  # last, so that nobody can be cancelled between the start and what knows of it
                line = its.fileno()
                popen = subprocess.Popen(words, stdin=line, stdout=line, env=environment)  # noqa: ASYNC220 - 1 ms
            except BaseException:
                questions.transport.abort()
                raise
        return cls(popen, answers, questions)

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        if isinstance(self._process, subprocess.Popen):
            return self._process.poll() is None
        return self._process.returncode is None

    async def ended(self) -> int:
        """Wait for its end; its status, below zero for a signal."""
        if isinstance(self._process, subprocess.Popen):
            return await asyncio.to_thread(self._process.wait)
        return await self._process.wait()

    async def kill(self) -> None:
        """End it at once, and let go of the line; one that has ended is just let go of."""
        if self.alive:
            self._process.kill()
        await self.ended()
        self.questions.transport.abort()
        with contextlib.suppress(ConnectionError):  # it has ended: what is on its way to it is for nobody
            await self.questions.wait_closed()
