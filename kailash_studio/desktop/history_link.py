"""Connects the list of past runs, the timeline and the comparison with the engine and the look at the past."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal

from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.errands import EngineErrands
from kailash_studio.desktop.panels.comparison import Comparison
from kailash_studio.desktop.panels.run_history import RunHistory, when
from kailash_studio.desktop.panels.timeline import Timeline
from kailash_studio.desktop.past import Past
from kailash_studio.desktop.run_view import RunView
from kailash_studio.desktop.runs import Runs
from kailash_studio.errors import EngineError

_ATTACHED = "The window is attached to another process, which tells of no past runs: they are here after Run > Detach."


class HistoryLink(QObject):
    """Asks when somebody looks, and when a run has been written to the journal.

    Signals:
        timeline_shown: There is a timeline to be seen; whether somebody asked for it, or it came with an opened run.
        compared: There is a comparison to be seen.
        node_asked: A node that is not in the past run that is shown.
    """

    timeline_shown = Signal(bool)
    compared = Signal()
    node_asked = Signal(str)

    def __init__(
        self,
        engine: Engine,
        runs: Runs,
        past: Past,
        panels: tuple[RunHistory, Timeline, Comparison],
        say: Callable[[str], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._engine, self._runs, self._past = engine, runs, past
        self._list, self._timeline, self._comparison = panels
        self._errands = EngineErrands(engine, say)
        self._wanted_timeline = ""
        self._kept = ""  # the last run of this window that the journal has
        self._followed = ""  # it was the last one when somebody chose what the timeline is of
        self._of_window = False  # the timeline is of a run of this window, not of one that was opened
        engine.state_changed.connect(lambda state, _: self._refresh() if state == "ready" else None)
        engine.updated.connect(self._updated)
        self._list.wanted.connect(lambda words, limit: self._errands.begin(self._find(words, limit)))
        self._list.open_wanted.connect(past.open)
        self._list.compare_wanted.connect(lambda *pair: self._errands.begin(self._compare(*pair)))
        self._timeline.node_wanted.connect(self._timeline_node)
        self._comparison.node_wanted.connect(self._compared_node)
        self._comparison.values_wanted.connect(lambda *port: self._errands.begin(self._values(*port)))
        self._timeline.looked_at.connect(self._follow)
        runs.changed.connect(self._run_changed)
        past.opened.connect(lambda: self.show_timeline(asked=False))
        past.undrawable.connect(self._show_undrawable)
        past.moved.connect(self._moved)
        past.left.connect(lambda: self._timeline.chart.mark(None))
        past.said.connect(say)

    def _refresh(self) -> None:
        if self._list.isVisible():
            self._list.ask()

    def _updated(self, update: dict[str, Any]) -> None:
        if update.get("kept"):
            self._refresh()
            current, run_id = self._runs.current, update["run_id"]
            if self._runs.starting or (current is not None and current.run_id == run_id):
                self._kept, self._followed = run_id, ""  # a short run is kept before the answer that names it
                self._follow()

    def _run_changed(self) -> None:
        if self._runs.current is None and self._of_window:  # another workflow is open: that run is not its last one
            self._wanted_timeline, self._of_window = "", False
            self._timeline.show_nothing()
        self._follow()

    def _follow(self) -> None:
        """Bring a timeline that is open to the last run of this window, unless another one is looked at."""
        current = self._runs.current
        if current is None or self._past.looking or not self._timeline.isVisible():
            return
        if not self._engine.may("run_timeline"):
            return
        if current.run_id == self._kept != self._followed:
            self._errands.begin(self._show_last(current, asked=None))

    # ------------------------------------------------------------------ what is asked
    async def _find(self, words: dict[str, Any], limit: int) -> None:
        if not self._engine.may("runs_found"):
            self._list.show_nothing(_ATTACHED)
            return
        found = await self._engine.request("runs_found", **words, limit=limit)
        if not self._errands.closed and (words, limit) == self._list.question:
            self._list.show_runs(found["runs"], found["total"])

    def show_timeline(self, *, asked: bool = True) -> None:
        """Show the past run that is looked at over time, else the last run of this window."""
        if not self._engine.may("run_timeline"):
            self._timeline.show_nothing(_ATTACHED)
            self.timeline_shown.emit(asked)
            return
        current = self._runs.current
        self._followed = current.run_id if current is not None else ""
        if self._past.looking:
            run = self._past.run
            title = f"{run['workflow'] or 'Run'} {when(run['started'])}"
            self._errands.begin(self._show_timeline(run["run_id"], title, asked))
        elif current is not None:
            self._errands.begin(self._show_last(current, asked=asked))
        else:
            self.timeline_shown.emit(asked)

    def _show_undrawable(self, run_id: str) -> None:
        self._followed = self._kept
        self._errands.begin(self._show_timeline(run_id, f"Run {run_id}", asked=True))

    async def _show_last(self, run: RunView, *, asked: bool | None) -> None:
        self._followed = run.run_id
        name = run.document.name if run.document is not None else ""
        title = f"Last run of {name or 'a workflow without a name'}, {when(run.started)}"
        await self._show_timeline(run.run_id, title, asked, of_window=True)

    async def _show_timeline(self, run_id: str, title: str, asked: bool | None, *, of_window: bool = False) -> None:
        """Show the timeline of a run; ``asked`` is None where it only takes the place of another one."""
        self._wanted_timeline = run_id
        told: dict[str, Any] = {"seconds": 0.0, "total": 1, "bars": []}
        while len(told["bars"]) < told["total"]:
            more = await self._engine.request("run_timeline", run_id=run_id, first=len(told["bars"]))
            if self._errands.closed or self._wanted_timeline != run_id:
                return  # another one was asked for meanwhile
            # tuples of plain values are nothing that the garbage collector has to look through, again and again
            pieces = [(*head, tuple(map(tuple, spans))) for *head, spans in more["bars"]]
            told = {**more, "bars": told["bars"] + pieces}
        self._timeline.show_timeline(run_id, title, told)
        self._of_window = of_window
        self._moved(self._past.time)
        if asked is not None:
            self.timeline_shown.emit(asked)

    async def _compare(self, before: str, after: str) -> None:
        told = await self._engine.request("run_diff", before=before, after=after)
        if not self._errands.closed:
            self._comparison.show_diff(told)
            self.compared.emit()

    async def _values(self, node: str, output: str) -> None:
        before, after = self._comparison.runs
        try:
            told = await self._engine.request("value_diff", before=before, after=after, node=node, output=output)
        except EngineError as error:
            if not self._errands.closed and self._engine.state == "ready":
                self._comparison.show_values_missing(node, output, str(error))
            return
        if not self._errands.closed and (before, after) == self._comparison.runs:
            self._comparison.show_values(node, output, told)

    # ------------------------------------------------------------------ what is clicked
    def _moved(self, time: float) -> None:
        if self._timeline.run_id == self._past.run_id:
            self._timeline.chart.mark(time)

    def _timeline_node(self, node: str) -> None:
        """Go to a node of the run that the timeline is of."""
        if self._past.looking and self._past.run_id == self._timeline.run_id:
            self._past.show_node(node)
        elif self._runs.current is not None and self._runs.current.run_id == self._timeline.run_id:
            self.node_asked.emit(node)
        else:
            self._past.open(self._timeline.run_id, node=node)

    def _compared_node(self, node: str) -> None:
        """Go to a node in the one of both runs that is shown, or else in the later one."""
        if self._past.run_id in self._comparison.runs and self._past.show_node(node):
            return
        pair = next((pair for pair in self._comparison.model.rows if pair[0] == node), None)
        gone = pair is not None and not pair[2]["state"]
        self._past.open(self._comparison.runs[0 if gone else 1], node=node)

    def close(self) -> None:
        """The window closes: answers that come now are for nobody."""
        self._errands.close()
