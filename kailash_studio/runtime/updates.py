"""What the window hears of a run while it goes on: states of nodes and lines of the log, at a pace to follow."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from kailash_studio.resilience.guard import BREAKER_CHANGED
from kailash_studio.runtime import events, protocol
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.node_states import NodeStates
from kailash_studio.runtime.wording import around, counts, duration, own_error, sentence

Answer = dict[str, Any]
Send = Callable[[Answer], None]

_LINES = 500  # of the log, for those who come later


class Updates:
    """Collects a run's events and sends them on at a pace that a window can follow."""

    def __init__(self, run_id: str, send: Send) -> None:
        self._run_id = run_id
        self._send = send
        self._states: dict[str, dict[str, Any]] = {}
        self._fold = NodeStates()
        self._log: list[list[Any]] = []
        self._run: dict[str, Any] | None = None
        self._breakers = False
        self._paused: str | None = None  # told once when it changed: why, or that it goes on
        self.states: dict[str, dict[str, Any]] = {}  # the newest of each node, for those who come later
        self.lines: deque[list[Any]] = deque(maxlen=_LINES)
        self.paused = ""
        self._last = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def take(self, batch: Sequence[Event]) -> None:
        """Take events; the run's end is sent on at once."""
        for event in batch:
            if event.kind == events.LOG_WRITTEN:
                self._log.append([event.wall, event.details["level"], event.node, event.details["text"]])
            elif event.kind == events.RUN_STARTED:
                word = " as a test: faults are put in on purpose" if event.details.get("test") else ""
                self._log.append([event.wall, "info", "", f"Run {event.run_id} started{word}."])
            elif event.kind == events.RUN_FINISHED:
                self._run = dict(event.details)
                self._log.append([event.wall, "info", "", _finished(event)])
            else:
                self._follow(event)
                line = _log_line(event)
                if line:
                    self._log.append(line)
        if self._run is not None:
            self.flush()
        elif self._handle is None:
            wait = max(0.0, self._last + 1 / protocol.UPDATES_PER_SECOND - time.monotonic())
            self._handle = asyncio.get_running_loop().call_later(wait, self.flush)

    def _follow(self, event: Event) -> None:
        """What is news beside the log."""
        if event.kind == BREAKER_CHANGED:
            self._breakers = True
        elif event.kind in {events.RUN_PAUSED, events.RUN_CONTINUED}:
            self._paused = event.details.get("reason", "")
        elif (state := self._fold.state_after(event)) is not None:
            self._states[event.node] = state

    def flush(self) -> None:
        """Send what was collected."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._states or self._log or self._run or self._paused is not None:
            self.states |= self._states
            self.lines.extend(self._log)
            self.paused = self._paused if self._paused is not None else self.paused
            self._last = time.monotonic()
            message = {"run_id": self._run_id, "states": self._states, "log": self._log, "run": self._run}
            more: Answer = {"breakers": True} if self._breakers else {}
            more |= {"paused": self._paused} if self._paused is not None else {}
            self._states, self._log, self._run, self._breakers, self._paused = {}, [], None, False, None
            self._send({"update": message | more})


def _log_line(event: Event) -> list[Any] | None:
    details = event.details
    if event.kind == events.NODE_FAILED:
        return [event.wall, "error", event.node, own_error(event)]
    if event.kind in {events.NODE_SKIPPED, events.NODE_CANCELLED}:
        word = event.kind.removeprefix("node_").capitalize()
        return [event.wall, "info", event.node, f"{word}: {details['reason']}."]
    if event.kind == events.NODE_SUCCEEDED:
        return [event.wall, "warning" if details.get("by") else "info", event.node, sentence(event)]
    told = around(event)
    return [event.wall, told[0], event.node, told[1]] if told is not None else None


def _finished(event: Event) -> str:
    details = event.details
    return f"Run {event.run_id} {details['state']} in {duration(details['seconds'])}: {counts(event)}."
