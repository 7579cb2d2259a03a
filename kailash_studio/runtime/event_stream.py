"""What a run tells, in order and in batches: the engine hands over what happened, the sink gets events."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kailash_studio.runtime.events import LOG_WRITTEN, NODE_STARTED, NODE_SUCCEEDED, Event, Sink
from kailash_studio.spec.values import rows_of

_FLUSH = 0.016  # seconds that an event waits at most before the sink sees it
_NOTHING: Mapping[str, Any] = {}
_PLAIN = 5  # length of a buffered success of a plain step; other entries are one longer


class EventStream:
    """The events of one run.

    Attributes:
        sequence: Number of the next event.
        heard: Whether anybody gets the events.
    """

    def __init__(self, run_id: str, nodes: Sequence[str], sink: Sink | None, now: Callable[[], float]) -> None:
        """Prepare it; ``begin`` starts it.

        Args:
            run_id: The run.
            nodes: Ids by step.
            sink: Gets the events.
            now: Monotonic time.
        """
        self.sequence = 0
        self.heard = sink is not None
        self._run_id, self._nodes, self._sink, self._now = run_id, nodes, sink, now
        self._buffer: list[tuple[Any, ...]] = []
        self._said: deque[tuple[str, str, str]] = deque()  # lines of the log that are not events yet
        self._over = False
        self._flushed = 0  # number of the next event that is made of what is buffered
        self._flush_handle: asyncio.TimerHandle | None = None

    def begin(self, start: float, wall: float) -> None:
        """Start on the running loop, at a monotonic and a wall time."""
        self._loop = asyncio.get_running_loop()
        self._start, self._wall = start, wall - start

    def emit(self, kind: str, node: str, cause: int, details: Mapping[str, Any], time: float | None = None) -> int:
        """Tell something; its number."""
        mark = self.sequence
        self.sequence = mark + 1
        if self.heard:
            self.keep((kind, node, self._now() if time is None else time, cause, details, None))
        return mark

    def keep(self, entry: tuple[Any, ...]) -> None:
        """Keep what becomes events; the first one sees to it that the sink hears of them soon.

        A plain step that succeeded is (step, cause, began, ended, outputs), and stands for two numbers.
        """
        if not self._buffer:
            self._flush_handle = self._loop.call_later(_FLUSH, self.flush)
        self._buffer.append(entry)

    def log(self, level: str, node: str, text: str) -> None:
        """Add a line to the run's events; may be called from any thread, and is not heard after the run."""
        if self._over:
            return  # a thread that was given up on; its loop may be closed
        self._said.append((level, node, text))
        with contextlib.suppress(RuntimeError):  # the loop was closed since the line above: the run is over
            self._loop.call_soon_threadsafe(self._hear)

    def end(self, kind: str, details: Mapping[str, Any]) -> None:
        """Tell the last event."""
        last = self.sequence - 1
        self._hear()
        self._over = True
        self.emit(kind, "", last, details)
        self.flush()

    def _hear(self) -> None:
        while self._said and not self._over:
            level, node, text = self._said.popleft()
            self.emit(LOG_WRITTEN, node, -1, {"level": level, "text": text})

    def flush(self) -> None:
        """Give the sink what there is."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        if not self._buffer or self._sink is None:
            return
        raw, self._buffer = self._buffer, []
        run_id, start, wall, nodes = self._run_id, self._start, self._wall, self._nodes
        number = self._flushed
        batch: list[Event] = []
        add, make = batch.append, Event._make
        for entry in raw:
            if len(entry) == _PLAIN:
                i, cause, began, ended, outputs = entry
                node = nodes[i]
                details = {"outputs": tuple(outputs), "rows": rows_of(outputs), "seconds": ended - began}
                add(make((number, NODE_STARTED, run_id, node, began - start, wall + began, cause, _NOTHING)))
                times = (ended - start, wall + ended)
                add(make((number + 1, NODE_SUCCEEDED, run_id, node, *times, number, details)))
                number += 2
            else:
                kind, node, time, cause, told, _ = entry
                add(make((number, kind, run_id, node, time - start, wall + time, cause, told)))
                number += 1
        self._flushed = number
        self._sink(batch)
