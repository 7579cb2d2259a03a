"""A run over time: for each node a bar, and in it attempts, waits, stops and the time for a connection of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kailash_studio.resilience import guard
from kailash_studio.runtime import events as kinds
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.wording import duration, sentence
from kailash_studio.services.postgres.statistics import ACQUIRE_ENDED

SpanKind = Literal["attempt", "wait", "held", "stopped", "acquire", "fallback"]


@dataclass(slots=True)
class Span:
    """A piece of a node's time.

    Attributes:
        kind: ``attempt``; ``wait`` for the next one; ``held`` by a rate limit; ``stopped`` at the debugger; ``acquire``
            of a connection; ``fallback`` that runs in its place.
        start: Seconds since the run began.
        end: As ``start``.
        state: How it ended: ``succeeded``, ``failed``, ``cancelled``, or empty.
        text: What there is to say of it.
    """

    kind: SpanKind
    start: float
    end: float
    state: str = ""
    text: str = ""


@dataclass(slots=True)
class Bar:
    """The time of one node.

    Attributes:
        node: The node.
        start: Seconds since the run began, when it was first heard of.
        end: As ``start``; of a node that never ended, when the run was last heard of.
        state: How it ended; ``started`` when it never did.
        text: Its end as a sentence.
        spans: In the order in which they ended.
    """

    node: str
    start: float
    end: float
    state: str = "started"
    text: str = ""
    spans: list[Span] = field(default_factory=list)


def timeline(told: Sequence[Event]) -> list[Bar]:
    """The bars of all nodes of a run, those that began first above."""
    makers: dict[str, _BarMaker] = {}
    for event in told:
        if event.node and event.kind != kinds.LOG_WRITTEN:
            maker = makers.get(event.node)
            if maker is None:
                maker = makers[event.node] = _BarMaker(event)
            maker.take(event)
    last = told[-1].time if told else 0.0
    bars = [maker.finished(last) for maker in makers.values()]
    return sorted(bars, key=lambda bar: bar.start)  # stable: of those that began together, in the order of events


class _BarMaker:
    """Follows the events of one node."""

    def __init__(self, first: Event) -> None:
        self.bar = Bar(first.node, first.time, first.time)
        self._began: float | None = None  # the attempt under way
        self._number = 1
        self._stopped: float | None = None
        self._fallback: tuple[float, str] | None = None

    def take(self, event: Event) -> None:
        """Take the next one."""
        told, spans, now = event.details, self.bar.spans, event.time
        match event.kind:
            case kinds.NODE_STARTED:
                self._began = now
            case guard.ATTEMPT_FAILED:
                start = now - told["seconds"]
                self._settle_wait(start)
                spans.append(Span("attempt", start, now, "failed", sentence(event)))
                self._number = told["attempt"] + 1
                self._began = None
                if told["wait"] is not None:
                    spans.append(Span("wait", now, now + told["wait"], "", f"Waits {duration(told['wait'])}."))
                    self._began = now + told["wait"]
            case guard.CALL_HELD:
                spans.append(Span("held", now, now + told["seconds"], "", sentence(event)))
            case kind if kind == ACQUIRE_ENDED:
                state = "succeeded" if told["got"] else "failed"
                spans.append(Span("acquire", now - told["seconds"], now, state, sentence(event)))
            case kinds.NODE_STOPPED:
                self._stopped = now
                if told["when"] in {"after", "error"}:
                    ended = "succeeded" if told["when"] == "after" else "failed"
                    self._end_attempt(now, ended, f"The call {ended}; then it stood still.")
            case kinds.NODE_CONTINUED:
                self._go_on(now)
                if told["do"] == "again":
                    self._began, self._number = now, 1
            case kinds.FALLBACK_STARTED:
                self._end_attempt(now, "failed", sentence(event))
                self._fallback = (now, sentence(event))
            case _ if event.kind in kinds.NODE_ENDED:
                self._end(event)

    def _go_on(self, now: float) -> None:
        """A stop has ended; a wait that it came into begins now."""
        if self._stopped is None:
            return
        stopped, self._stopped = self._stopped, None
        self.bar.spans.append(Span("stopped", stopped, now, "", f"Stood still for {duration(now - stopped)}."))
        wait = next((span for span in reversed(self.bar.spans) if span.kind == "wait"), None)
        if wait is not None and wait.start <= stopped < wait.end:
            wait.start, wait.end = now, now + wait.end - wait.start
            self._began = wait.end

    def _settle_wait(self, start: float) -> None:
        """The next attempt began at a time: the wait before it ended then."""
        wait = next((span for span in reversed(self.bar.spans) if span.kind == "wait"), None)
        if wait is not None and wait.start <= start:
            wait.end = start

    def _end_attempt(self, now: float, state: str, text: str) -> None:
        if self._began is not None and self._began <= now:
            text = text if self._number == 1 else f"Attempt {self._number}. {text}"
            self.bar.spans.append(Span("attempt", self._began, now, state, text))
        self._began = None

    def _end(self, event: Event) -> None:
        bar, state = self.bar, event.kind.removeprefix("node_")
        bar.state, bar.text, bar.end = state, sentence(event), event.time
        if self._stopped is not None:
            self._go_on(event.time)
        for span in bar.spans:  # a wait that was cut short by the end
            span.end = min(span.end, max(span.start, event.time))
        if self._fallback is not None:
            start, text = self._fallback
            bar.spans.append(Span("fallback", start, event.time, state, text))
        else:
            self._end_attempt(event.time, state, bar.text)

    def finished(self, last: float) -> Bar:
        """The bar, when there is no further event: whatever is open lasts until the last one of the run."""
        bar = self.bar
        if bar.state == "started":
            bar.end = max(bar.end, last)
            bar.text = "It never ended: the run was killed, or goes on."
            if self._stopped is not None:
                self._go_on(last)
            self._end_attempt(last, "", bar.text)
            for span in bar.spans:
                span.end = min(span.end, max(span.start, bar.end))
        return bar
