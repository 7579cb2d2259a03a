"""The window's side of the engine process: starts it, asks it, hears from it, and notices when it is gone."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Literal

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, Signal

from kailash_studio.errors import EngineError
from kailash_studio.runtime import protocol

EngineState = Literal["starting", "ready", "gone"]


class Engine(QObject):
    """The engine process of one window.

    Signals:
        state_changed: "starting", "ready" or "gone", and a sentence that says why.
        updated: An update object of the protocol.
        replayed: How a replay of dead letters goes.
    """

    state_changed = Signal(str, str)
    updated = Signal(dict)
    replayed = Signal(dict)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state: EngineState = "gone"
        self._process: QProcess | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._ending = False

    @property
    def pid(self) -> int:
        """The process id, or 0."""
        return int(self._process.processId()) if self._process is not None else 0

    def start(self) -> None:
        """Start the process; does nothing while one runs."""
        if self._process is not None:
            return
        self._ending = False
        process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        process.setProcessEnvironment(environment)
        process.setProgram(sys.executable)
        process.setArguments(["-m", "kailash_studio.runtime.host"])
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._finished)
        process.errorOccurred.connect(self._failed_to_start)
        self._process = process
        self._set_state("starting", "The engine is starting.")
        process.start()
        self._send("hello", {})

    def stop(self) -> None:
        """End the process in order and wait for it, a few seconds at most; for the time when the window closes."""
        process = self._process
        if process is None:
            return
        self._ending = True
        process.closeWriteChannel()
        if not process.waitForFinished(3000):
            self.kill()

    def kill(self) -> None:
        """End the process at once, whatever it is doing; its workers end with it."""
        process = self._process
        if process is not None:
            self._ending = True
            process.kill()
            process.waitForFinished(2000)

    async def request(self, do: str, **words: Any) -> dict[str, Any]:
        """Ask the engine.

        Raises:
            EngineError: It is gone, or answers with an error; the code of that error is kept.
        """
        if self._process is None:
            raise EngineError("The engine is not running: restart it with Run > Restart engine.")
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._send(do, words)] = future
        return await future

    def tell(self, do: str, **words: Any) -> None:
        """Tell the engine something whose answer nobody waits for; one that is gone hears nothing."""
        if self._process is not None:
            self._send(do, words)

    def _send(self, do: str, words: dict[str, Any]) -> int:
        assert self._process is not None  # callers look first
        self._number += 1
        self._process.write(protocol.encode({"id": self._number, "do": do, **words}))
        return self._number

    def _read(self) -> None:
        process = self._process
        while process is not None and process.canReadLine():
            message = protocol.decode(bytes(process.readLine().data()))
            if "update" in message:
                self.updated.emit(message["update"])
            elif "replay" in message:
                self.replayed.emit(message["replay"])
            else:
                self._answered(message)

    def _answered(self, message: dict[str, Any]) -> None:
        future = self._waiting.pop(message.get("id", -1), None)
        if future is None:
            if self.state == "starting" and "ok" in message:
                self._set_state("ready", "The engine is ready.")
        elif not future.done():
            if "ok" in message:
                future.set_result(message["ok"])
            else:
                error = EngineError(message["error"]["sentence"])
                error.code = message["error"]["code"]
                future.set_exception(error)

    def _read_errors(self) -> None:
        if self._process is not None:
            sys.stderr.write(bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace"))

    def _failed_to_start(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._gone(f"The engine cannot be started: {self._process.errorString() if self._process else error}.")

    def _finished(self, status: int, how: QProcess.ExitStatus) -> None:
        self._read()
        if how == QProcess.ExitStatus.CrashExit:
            why = "The engine was killed or crashed. Your workflow is untouched; restart the engine to run it again."
        else:
            why = f"The engine ended with status {status}. Your workflow is untouched; restart the engine to run it."
        self._gone(why)

    def _gone(self, why: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()  # not at once: this may be called from one of its own signals
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(EngineError(why))
        if self._ending:
            self.state = "gone"
        else:
            self._set_state("gone", why)

    def _set_state(self, state: EngineState, why: str) -> None:
        self.state = state
        self.state_changed.emit(state, why)
