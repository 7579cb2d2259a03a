"""Running a user's Python: light code in the sandboxed interpreter, full Python in warm worker processes."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kailash_studio.errors import PythonCodeError
from kailash_studio.services.child_process import ChildProcess
from kailash_studio.spec.context import Drawn
from kailash_studio.spec.values import from_wire, to_wire

Printed = Callable[[str], None]
_MOST_LOOKS = 10_000_000  # at the clock, and sleeps, in one call; the usual limit would end code that waits for a time


class LightPython:
    """The sandboxed interpreter: no files, no network, no processes, limits on time and memory."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    async def open(cls) -> LightPython:
        """Start the interpreter's own processes."""
        import pydantic_monty

        pool = pydantic_monty.AsyncMonty(max_processes=max(2, os.cpu_count() or 2))
        await pool.__aenter__()
        return cls(pool)

    async def aclose(self) -> None:
        """Stop them."""
        await self._pool.__aexit__(None, None, None)

    async def call(
        self,
        code: str,
        function: str,
        inputs: Mapping[str, Any],
        *,
        memory: int,
        seconds: float,
        printed: Printed,
        drawn: Drawn | None = None,
        of_node: bool = True,
    ) -> Any:
        """Define the code and call its function.

        Args:
            code: Python source with the function at its top level.
            function: Its name.
            inputs: Arguments by name.
            memory: Limit in MiB.
            seconds: Limit of computing time.
            printed: Gets what the code prints, by lines.
            drawn: What it draws and sees of the time; by default that of this machine.
            of_node: It is a node's code: what is wrong names its line, and full Python is advised where that helps.

        Raises:
            PythonCodeError: The code raised, broke a limit, or uses what the sandbox does not have.
        """
        import pydantic_monty

        limits: pydantic_monty.ResourceLimits = {"max_memory": memory * 2**20, "max_feed_duration_secs": seconds}
        given: dict[str, Any] = {"print_callback": (output := pydantic_monty.CollectString())}
        policy: pydantic_monty.OSPolicy | None = None
        if drawn is not None:
            given["os"] = _clock_of(drawn)
            limits["max_suspensions"] = _MOST_LOOKS
            policy = {"datetime": "call_host", "random_start": {"seed": drawn.seed}, "process_time": "zero"}
            policy["sleep"] = "system" if drawn.waits else "zero"
        arguments = ", ".join(f"{name}={name}" for name in inputs)
        try:
            async with self._pool.checkout(script_name="node.py", limits=limits, os_policy=policy) as session:
                await session.feed_run(code, **given)
                return await session.feed_run(f"{function}({arguments})", inputs=dict(inputs), **given)
        except pydantic_monty.MontyError as error:
            raise PythonCodeError(_light_sentence(error, of_node=of_node)) from None
        finally:
            if output.output:
                for line in output.output.rstrip("\n").split("\n"):
                    printed(line)


def _clock_of(drawn: Drawn) -> Any:
    """What answers the sandbox when it looks at the clock."""
    import pydantic_monty

    def look(*, name: str, args: tuple[Any, ...], **further: Any) -> Any:
        if name == "time.time":
            return drawn.now()
        if name == "date.today":
            return dt.datetime.fromtimestamp(drawn.now(), dt.UTC).date()
        if name == "datetime.now":
            zone = args[0] if args else None
            seen = dt.datetime.fromtimestamp(drawn.now(), zone or dt.UTC)
            return seen if zone else seen.replace(tzinfo=None)  # the sandbox is in UTC
        return pydantic_monty.NOT_HANDLED

    return look


def _light_sentence(error: Any, *, of_node: bool) -> str:
    import pydantic_monty

    display = getattr(error, "display", None)
    text = display("type-msg") if display else str(error)
    advice = ": choose full Python for this node" if of_node else ""
    if isinstance(error, pydantic_monty.MontyConversionError):
        return f"A value cannot go into the sandbox ({text}){advice}."
    if of_node and isinstance(error, pydantic_monty.MontyRuntimeError | pydantic_monty.MontySyntaxError):
        frames = error.traceback()
        # the feed with the code is the first one of the session; the second is our one-line call
        lines = [frame.line for frame in frames if frame.filename.endswith("0>") or frame.filename == "node.py"]
        lines = lines or [frame.line for frame in frames]
        text = f"line {lines[-1]}: {text}" if lines else text
    if "ModuleNotFoundError" in text or "PermissionError" in text:
        text += f" (the sandbox has no files, network or packages{advice})"
    return text


_ROOT = str(Path(__file__).resolve().parents[2])  # so that a worker finds this package wherever it starts


_SECRETS = "KAILASH_SECRETS_PASSPHRASE"


class _Worker:
    """One worker process."""

    def __init__(self, process: ChildProcess) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> _Worker:
        environment = {
            # secrets come to a node by name, through its inputs; code that prints its environment shows none
            **{key: value for key, value in os.environ.items() if not key.startswith(("KAILASH_SECRET_", _SECRETS))},
            "PYTHONPATH": os.pathsep.join(p for p in (_ROOT, os.environ.get("PYTHONPATH")) if p),
        }
        words = [sys.executable, "-m", "kailash_studio.services.python_worker"]
        return cls(await ChildProcess.start(words, environment))

    @property
    def alive(self) -> bool:
        return self._process.alive

    async def do(self, job: Mapping[str, Any], printed: Printed) -> Any:
        questions, answers = self._process.questions, self._process.answers
        data = json.dumps(job, separators=(",", ":")).encode("utf-8")
        try:
            questions.write(len(data).to_bytes(8, "big") + data)
            await questions.drain()
            while True:
                head = await answers.readexactly(8)
                frame = json.loads(await answers.readexactly(int.from_bytes(head, "big")))
                if "printed" not in frame:
                    break
                for line in frame["printed"].split("\n"):
                    printed(line)
        except (asyncio.IncompleteReadError, ConnectionError):
            status = await self._process.ended()
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise PythonCodeError(f"The process of the code ended with {how}: it crashed, or was killed.") from None
        if "error" in frame:
            raise PythonCodeError(frame["error"])
        return from_wire(frame["value"])

    async def kill(self) -> None:
        await self._process.kill()


class FullPython:
    """Worker processes, started when needed and kept warm."""

    def __init__(self, most: int) -> None:
        self._free: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._places = asyncio.Semaphore(most)

    @classmethod
    async def open(cls) -> FullPython:
        """A pool of as many workers as the machine has cores; none is started yet."""
        return cls(max(2, os.cpu_count() or 2))

    async def aclose(self) -> None:
        """End all workers, whatever they are doing."""
        workers = [*self._free, *self._busy]
        self._free.clear()
        await asyncio.gather(*(worker.kill() for worker in workers))

    async def call(
        self, code: str, function: str, inputs: Mapping[str, Any], *, memory: int, folder: Path, printed: Printed
    ) -> Any:
        """Define the code and call its function in a worker; a cancelled call kills its worker.

        Raises:
            PythonCodeError: The code raised, or its process ended.
            NodeOutputError: A value cannot travel between processes.
        """
        job = {
            "code": code,
            "function": function,
            "inputs": to_wire(dict(inputs)),
            "memory": memory,
            "folder": str(folder),
        }
        async with self._places:
            worker = await self._worker()
            self._busy.add(worker)
            try:
                value = await worker.do(job, printed)
            except PythonCodeError:
                await self._give_back(worker)
                raise
            except BaseException:
                self._busy.discard(worker)
                await asyncio.shield(worker.kill())
                raise
            await self._give_back(worker)
            return value

    async def _worker(self) -> _Worker:
        while self._free:
            worker = self._free.pop()
            if worker.alive:
                return worker
            await worker.kill()
        return await _Worker.start()

    async def _give_back(self, worker: _Worker) -> None:
        self._busy.discard(worker)
        if worker.alive:
            self._free.append(worker)
        else:
            await worker.kill()
