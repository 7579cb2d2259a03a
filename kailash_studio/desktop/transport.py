"""How lines travel between the window and an engine: standard streams of a process, or a socket of another one."""

from __future__ import annotations

import sys
import time

from PySide6.QtCore import QIODevice, QObject, QProcess, QProcessEnvironment, QTimer, Signal
from PySide6.QtNetwork import QAbstractSocket, QTcpSocket

from kailash_studio.runtime import protocol

_LONG_MS = 5000
_SHARE = 0.01  # seconds; then it is the window's turn
_UNTOUCHED = "Your workflow is untouched"


class Transport(QObject):
    """One engine's line.

    Signals:
        arrived: A line, with its end.
        ended: Nothing will arrive any more; a sentence that says why.
    """

    arrived = Signal(bytes)
    ended = Signal(str)
    _silent = False  # it was let go

    def write(self, line: bytes) -> None:
        """Send a line."""
        raise NotImplementedError  # pragma: no cover - each kind has its own

    def stop(self) -> None:
        """End it in order, within a few seconds."""
        raise NotImplementedError  # pragma: no cover - each kind has its own

    def kill(self) -> None:
        """End it at once."""
        raise NotImplementedError  # pragma: no cover - each kind has its own

    def let_go(self) -> None:
        """End it without waiting; it tells nothing any more and takes itself away."""
        raise NotImplementedError  # pragma: no cover - each kind has its own

    def _hand_on(self, device: QIODevice) -> None:
        """Hand on the lines that are there, a few in a row: a line may mean much work."""
        until = time.perf_counter() + _SHARE
        while not self._silent and device.canReadLine():
            self.arrived.emit(bytes(device.readLine().data()))
            if time.perf_counter() > until:
                QTimer.singleShot(0, self, lambda: self._hand_on(device))
                return

    def _hand_on_the_rest(self, device: QIODevice) -> None:
        """Hand on all lines that are there: nothing comes after them."""
        while device.canReadLine():
            self.arrived.emit(bytes(device.readLine().data()))


class ProcessTransport(Transport):
    """A process of this window's own, started now."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        process = self._process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        process.setProcessEnvironment(environment)
        process.setProgram(sys.executable)
        process.setArguments(["-m", "kailash_studio.runtime.host"])
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._finished)
        process.errorOccurred.connect(self._failed_to_start)
        process.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return int(self._process.processId())

    def write(self, line: bytes) -> None:
        """Send a line."""
        self._process.write(line)

    def stop(self) -> None:
        """Ask it to end, and wait for it."""
        self._ask_to_end()
        if not self._process.waitForFinished(3000):
            self.kill()

    def kill(self) -> None:
        """End it at once, whatever it is doing; its workers end with it."""
        self._process.kill()
        self._process.waitForFinished(2000)

    def let_go(self) -> None:
        """Ask it to end; it is killed if it takes long."""
        self._silent = True
        self._process.finished.disconnect(self._finished)
        self._process.readyReadStandardOutput.disconnect(self._read)
        self._process.finished.connect(self.deleteLater)
        self._ask_to_end()
        impatient = QTimer(self, singleShot=True, interval=_LONG_MS)
        impatient.timeout.connect(self._process.kill)
        impatient.start()

    def _ask_to_end(self) -> None:
        """Its runs are cancelled: without the request it takes the end of its input for the end of a window."""
        self.write(protocol.encode({"do": "shutdown"}))
        self._process.closeWriteChannel()

    def _read(self) -> None:
        self._hand_on(self._process)

    def _read_errors(self) -> None:
        sys.stderr.write(bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace"))

    def _failed_to_start(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.ended.emit(f"The engine cannot be started: {self._process.errorString()}.")

    def _finished(self, status: int, how: QProcess.ExitStatus) -> None:
        self._hand_on_the_rest(self._process)
        if how == QProcess.ExitStatus.CrashExit:
            self.ended.emit(f"The engine was killed or crashed. {_UNTOUCHED}; restart the engine to run it again.")
        else:
            self.ended.emit(f"The engine ended with status {status}. {_UNTOUCHED}; restart the engine to run it.")


class SocketTransport(Transport):
    """A socket of a process on this machine that lets windows attach."""

    def __init__(self, port: int, parent: QObject) -> None:
        super().__init__(parent)
        self._socket = QTcpSocket(self)
        self._over = False
        self._socket.readyRead.connect(self._read)
        self._socket.disconnected.connect(lambda: self._end("The process that this window was attached to has ended."))
        self._socket.errorOccurred.connect(self._failed)
        self._socket.connectToHost("127.0.0.1", port)

    def write(self, line: bytes) -> None:
        """Send a line; what is sent before the connection stands waits for it."""
        self._socket.write(line)

    def stop(self) -> None:
        """Let go; the other process goes on."""
        self._over = True
        self._socket.abort()

    def kill(self) -> None:
        """Let go; the other process goes on."""
        self.stop()

    def let_go(self) -> None:
        """Let go; the other process goes on."""
        self._silent = True
        self.stop()
        self.deleteLater()

    def _read(self) -> None:
        self._hand_on(self._socket)

    def _failed(self, error: QAbstractSocket.SocketError) -> None:
        if error != QAbstractSocket.SocketError.RemoteHostClosedError:
            self._end(f"The process cannot be attached to: {self._socket.errorString()}.")

    def _end(self, why: str) -> None:
        if not self._over:
            self._over = True
            self._hand_on_the_rest(self._socket)
            self.ended.emit(why)
