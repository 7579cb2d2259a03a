"""What the window asks about past runs; all of it is read and worked out in threads.

The values of past runs need no request of their own: ``page``, ``table_profile`` and ``table_cell`` (see
``runtime.table_requests``) take the id of any run whose values the journal has.

============  ============================================  =========================================================
do            with                                          ok
============  ============================================  =========================================================
runs_found    fields of ``RunFilter``; ``limit``            ``total``, ``runs``: fields of ``RunRecord`` without
                                                            ``given``, with ``failed`` and ``error``
run_document  ``run_id``                                    ``run``, ``text`` (empty: it holds functions), ``total``:
                                                            how many events there are, ``why``: sentences by node
run_states    ``run_id``, ``at``, ``shown``: places in the  ``at``, ``total``, ``states`` that differ between the two
              events; -1: before the first                  (None: none yet), ``event``: ``node``, ``kind``, ``time``,
                                                            ``sentence``
run_timeline  ``run_id``; ``first``, ``count``: which bars  ``seconds``, ``total`` bars, ``bars``: ``[node, start, end,
                                                            state, text, [[kind, start, end, state, text], ...]]``
run_diff      ``before``, ``after``: runs                   ``same``, ``first``, ``general``, ``runs``: both,
                                                            ``nodes``: ``[node, before, after, reasons, outputs]``,
                                                            ``changes``: ``[node, what, name, before, after]``
value_diff    ``before``, ``after``, ``node``, ``output``   see ``runtime.value_diff``
============  ============================================  =========================================================
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple
from typing import Any

from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.reading import RunFilter, RunRecord
from kailash_studio.runtime.run_diff import diff
from kailash_studio.runtime.run_history import NodeEnd, RunStates
from kailash_studio.runtime.timeline import Bar, timeline
from kailash_studio.runtime.updates import Answer
from kailash_studio.runtime.value_diff import value_changes
from kailash_studio.runtime.why import Causes
from kailash_studio.runtime.wording import sentence
from kailash_studio.workflow.reader import read

KEPT_RUNS = 2
KEPT_VALUES = 4
_MOST_RUNS = 10_000
_MOST_BARS = 1_000  # in one answer: the window reads larger ones too long

Work = Callable[[Mapping[str, Any]], Answer]


class HistoryRequests:
    """Answers a window's questions about past runs; one belongs to each engine process."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._executor = ThreadPoolExecutor(2, "history")
        self._lock = threading.Lock()
        self._runs: OrderedDict[str, RunStates] = OrderedDict()
        self._values: OrderedDict[tuple[str, str, str], Any] = OrderedDict()
        self._last_bars: tuple[RunStates | None, list[Bar]] = (None, [])

    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], asyncio.Future[Answer]]]:
        """The requests, by name."""

        def later(work: Work) -> Callable[[Mapping[str, Any]], asyncio.Future[Answer]]:
            return lambda request: asyncio.get_running_loop().run_in_executor(self._executor, work, request)

        return {
            "runs_found": later(self._found),
            "run_document": later(self._document),
            "run_states": later(self._states),
            "run_timeline": later(self._timeline),
            "run_diff": later(self._diff),
            "value_diff": later(self._value_diff),
        }

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way: it reads the journal."""
        self._executor.shutdown(cancel_futures=True)

    def value(self, run_id: str, node: str, output: str) -> Any:
        """The value of an output of a past run; the last few are kept. Any thread may ask.

        Raises:
            JournalError: The run gave no such value, or it was not kept.
        """
        port = run_id, node, output
        with self._lock:
            if port in self._values:
                self._values.move_to_end(port)
                return self._values[port]
        value = self._journal.output(run_id, node, output)
        with self._lock:
            value = self._values.setdefault(port, value)  # whoever was first: tables are known by their identity
            while len(self._values) > KEPT_VALUES:
                self._values.popitem(last=False)
        return value

    # ------------------------------------------------------------------ in a thread
    def _found(self, request: Mapping[str, Any]) -> Answer:
        words = {
            name: request[name] for name in ("workflow", "state", "node", "error", "since", "until") if name in request
        }
        limit = min(int(request.get("limit", 100)), _MOST_RUNS)
        found, total = self._journal.find_runs(RunFilter(**words), limit=limit)
        return {"total": total, "runs": [{**_told(one.run), "failed": one.failed, "error": one.error} for one in found]}

    def _document(self, request: Mapping[str, Any]) -> Answer:
        run = self._journal.run(request["run_id"])
        text = self._journal.document(run)
        history = self._history(run)
        causes = Causes(history.events, read(text).workflow if text else None)
        why = {node: causes.why(node) for node in causes.not_run()}
        return {"run": _told(run), "text": text, "total": len(history.events), "why": why}

    def _history(self, run: RunRecord) -> RunStates:
        """The folded events of a run; those of a run that is under way are read anew."""
        with self._lock:
            known = self._runs.get(run.run_id)
            if known is not None:
                self._runs.move_to_end(run.run_id)
                return known
        made = RunStates(self._journal.events(run.run_id))
        if run.state != "running":
            with self._lock:
                self._runs[run.run_id] = made
                while len(self._runs) > KEPT_RUNS:
                    self._runs.popitem(last=False)
        return made

    def _states(self, request: Mapping[str, Any]) -> Answer:
        history = self._history(self._journal.run(request["run_id"]))
        last = len(history.events) - 1
        at, shown = (max(-1, min(int(request[name]), last)) for name in ("at", "shown"))
        told: Answer = {"at": at, "total": last + 1, "states": history.between(shown, at), "event": None}
        if at >= 0:
            event = history.events[at]
            told["event"] = {"node": event.node, "kind": event.kind, "time": event.time, "sentence": sentence(event)}
        return told

    def _timeline(self, request: Mapping[str, Any]) -> Answer:
        run = self._journal.run(request["run_id"])
        history = self._history(run)
        bars = self._bars(history)
        first, count = int(request.get("first", 0)), min(int(request.get("count", _MOST_BARS)), _MOST_BARS)
        seconds = history.events[-1].time if history.events else 0.0
        return {"seconds": seconds, "total": len(bars), "bars": [_bar(bar) for bar in bars[first : first + count]]}

    def _bars(self, history: RunStates) -> list[Bar]:
        """The bars of a run; those that were asked for last are kept, for they are asked for in pieces."""
        with self._lock:
            known, bars = self._last_bars
        if known is not history:
            bars = timeline(history.events)
            with self._lock:
                self._last_bars = history, bars
        return bars

    def _diff(self, request: Mapping[str, Any]) -> Answer:
        found = diff(self._journal, *(self._journal.run(request[side]) for side in ("before", "after")))
        return {
            "same": found.same,
            "first": found.first,
            "general": found.general,
            "runs": [_told(found.before), _told(found.after)],
            "nodes": [[p.node, _end(p.before), _end(p.after), p.reasons, p.outputs] for p in found.nodes],
            "changes": [astuple(change) for change in found.changes],
        }

    def _value_diff(self, request: Mapping[str, Any]) -> Answer:
        node, output = request["node"], request["output"]
        return value_changes(*(self.value(request[side], node, output) for side in ("before", "after")))


def _told(run: RunRecord) -> Answer:
    told = asdict(run)
    del told["given"]  # it may be large, and the window shows none of it
    return told


def _bar(bar: Bar) -> list[Any]:
    spans = [[s.kind, round(s.start, 6), round(s.end, 6), s.state, s.text] for s in bar.spans]
    return [bar.node, round(bar.start, 6), round(bar.end, 6), bar.state, bar.text, spans]


def _end(end: NodeEnd) -> Answer:
    return {
        "state": end.state,
        "taken": end.taken,
        "seconds": end.seconds,
        "attempts": end.attempts,
        "rows": end.rows,
        "error": end.error or end.reason,
    }
