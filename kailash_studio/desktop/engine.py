"""The window's side of an engine: starts it or attaches to one, asks it, hears from it, and notices when it is gone."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal

from kailash_studio.desktop.transport import ProcessTransport, SocketTransport, Transport
from kailash_studio.errors import EngineError
from kailash_studio.runtime import protocol
from kailash_studio.runtime.server import Address

EngineState = Literal["starting", "ready", "gone"]


class Engine(QObject):
    """The engine that one window speaks with: a process of its own, or another one that it is attached to.

    Attributes:
        state: Whether it can be asked.
        attached: Where it is attached to; None while it has a process of its own.
        may_control: Whether runs may be started, stopped and debugged on it.

    Signals:
        state_changed: "starting", "ready" or "gone", and a sentence that says why.
        updated: An update object of the protocol.
        replayed: How a replay of dead letters goes.
        let_in: An attached process shows its runs; see ``runtime.server``.
    """

    state_changed = Signal(str, str)
    updated = Signal(dict)
    replayed = Signal(dict)
    let_in = Signal(list)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state: EngineState = "gone"
        self.attached: Address | None = None
        self.may_control = True
        self._may: frozenset[str] | None = None  # the requests that an attached process answers; None: all
        self._transport: Transport | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._ending = False

    @property
    def pid(self) -> int:
        """The process id of an own process, or 0."""
        return self._transport.pid if isinstance(self._transport, ProcessTransport) else 0

    def may(self, do: str) -> bool:
        """Whether a request would be answered: a process that the window is attached to answers only some."""
        return self._may is None or do in self._may

    def start(self) -> None:
        """Start a process; does nothing while there is one, or an attachment."""
        if self._transport is None:
            self.attached, self.may_control, self._may = None, True, None
            self._take(ProcessTransport(self), "The engine is starting.")
            self._send("hello", {})

    def attach(self, address: Address, *, control: bool) -> None:
        """Leave the engine there is, and speak with another process; ``let_in`` tells what it shows."""
        self._leave()
        self.attached, self.may_control, self._may = address, control, frozenset()
        self._take(SocketTransport(address.port, self), f"Attaching to {address.name}.")
        self._send("attach", {"token": address.token, "version": protocol.VERSION, "control": control})

    def detach(self) -> None:
        """Leave another process, which goes on, and start an own one."""
        if self.attached is not None:
            self._leave()
            self.start()

    def _leave(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.arrived.disconnect(self._read)
            transport.ended.disconnect(self._ended)
            transport.let_go()
        self._refuse_waiting("The window has left that engine.")

    def _take(self, transport: Transport, why: str) -> None:
        self._ending = False
        self._transport = transport
        transport.arrived.connect(self._read)
        transport.ended.connect(self._ended)
        self._set_state("starting", why)

    def stop(self) -> None:
        """End an own process in order and wait for it, a few seconds at most; let go of another one."""
        transport = self._transport
        if transport is not None:
            self._ending = True
            transport.stop()
            self._gone("The engine is ending.")

    def kill(self) -> None:
        """End an own process at once, whatever it is doing; its workers end with it."""
        transport = self._transport
        if transport is not None:
            self._ending = True
            transport.kill()
            self._gone("The engine is ending.")

    async def request(self, do: str, **words: Any) -> dict[str, Any]:
        """Ask the engine.

        Raises:
            EngineError: It is gone, or answers with an error; the code of that error is kept.
        """
        if self._transport is None:
            raise EngineError("The engine is not running: restart it with Run > Restart engine.")
        if not self.may(do):  # it was set off before the window was attached, or nobody has looked whether it may be
            raise EngineError(protocol.not_for(do))
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._send(do, words)] = future
        return await future

    def tell(self, do: str, **words: Any) -> None:
        """Tell the engine something whose answer nobody waits for; one that is gone hears nothing."""
        if self._transport is not None and self.may(do):
            self._send(do, words)

    def _send(self, do: str, words: dict[str, Any]) -> int:
        assert self._transport is not None  # callers look first
        self._number += 1
        self._transport.write(protocol.encode({"id": self._number, "do": do, **words}))
        return self._number

    def _read(self, line: bytes) -> None:
        message = protocol.decode(line)
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
                if self.attached is not None:
                    self._may = frozenset(message["ok"]["may"])
                self._set_state("ready", "The engine is ready.")
                if self.attached is not None:
                    self.let_in.emit(message["ok"]["runs"])
            elif self.state == "starting":
                self._ended(message["error"]["sentence"])
        elif not future.done():
            if "ok" in message:
                future.set_result(message["ok"])
            else:
                error = EngineError(message["error"]["sentence"])
                error.code = message["error"]["code"]
                future.set_exception(error)

    def _ended(self, why: str) -> None:
        if self._transport is not None and not self._ending:
            self._gone(why)

    def _gone(self, why: str) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.deleteLater()  # not at once: this may be called from one of its own signals
        self._refuse_waiting(why)
        if self._ending:
            self.state = "gone"
        else:
            self._set_state("gone", why)

    def _refuse_waiting(self, why: str) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(EngineError(why))

    def _set_state(self, state: EngineState, why: str) -> None:
        self.state = state
        self.state_changed.emit(state, why)
