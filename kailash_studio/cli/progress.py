"""A run's progress as lines: one for each node that ended, and on a terminal one that says what is running."""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Sequence
from typing import IO

from kailash_studio.runtime import events
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.wording import around, counts, duration, not_called, own_error, rows

_MARKS = {
    events.NODE_SUCCEEDED: ("+", "32"),
    events.NODE_FAILED: ("x", "31"),
    events.NODE_SKIPPED: ("-", "90"),
    events.NODE_CANCELLED: ("-", "33"),
    events.NODE_RECOVERED: ("~", "33"),
}


class Progress:
    """Writes a run's progress to a stream."""

    def __init__(self, stream: IO[str], nodes: Collection[str]) -> None:
        self._stream = stream
        self._width = min(max((len(node) for node in nodes), default=0), 40)
        self._count = len(nodes)
        self._ended = 0
        self._running: dict[str, None] = {}
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = self._live and "NO_COLOR" not in os.environ

    def show(self, batch: Sequence[Event]) -> None:
        """Take a batch of events."""
        lines = []
        for event in batch:
            if event.kind == events.NODE_STARTED:
                self._running[event.node] = None
            elif event.kind in events.NODE_ENDED:
                self._running.pop(event.node, None)
                self._ended += 1
                lines.append(self._line(event))
            elif event.kind == events.LOG_WRITTEN:
                lines.append(f"    {event.node}: {event.details['text']}")
            elif told := around(event):
                lines.append(f"    {event.node}: {told[1]}" if event.node else told[1])
            elif event.kind == events.RUN_FINISHED:
                lines.append(self._last_line(event))
        self._write(lines)

    def _line(self, event: Event) -> str:
        mark, colour = _MARKS[event.kind]
        details = event.details
        if event.kind == events.NODE_SUCCEEDED:
            mark, colour = _MARKS[events.NODE_RECOVERED] if details.get("by") else (mark, colour)
            text = f"{not_called(details) or duration(details['seconds']):>9}  {rows(event)}"
        elif event.kind == events.NODE_FAILED:
            text = f"{duration(details['seconds']):>9}  {own_error(event)}"
        elif event.kind == events.NODE_RECOVERED:
            text = f"{duration(details['seconds']):>9}  recovered by {details['by']}: {own_error(event)}"
        else:
            text = f"{'':>9}  {event.kind.removeprefix('node_')}: {details['reason']}"
        return f"{self._painted(mark, colour)} {event.node:<{self._width}} {text}".rstrip()

    def _last_line(self, event: Event) -> str:
        details = event.details
        colour = "32" if details["state"] == "succeeded" else "31"
        state = self._painted(str(details["state"]), colour)
        return f"Run {event.run_id} {state} in {duration(details['seconds'])}: {counts(event)}."

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text

    def _write(self, lines: list[str]) -> None:
        erase = "\r\x1b[K" if self._live else ""
        text = erase + "".join(line + "\n" for line in lines)
        if self._live and self._running:
            names = ", ".join(list(self._running)[:4])
            more = f" and {len(self._running) - 4} more" if len(self._running) > 4 else ""
            text += f"  {self._ended} of {self._count} done, running {names}{more}"
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # nobody reads it any more, which is no reason to stop the run
            self._stream = io.StringIO()
