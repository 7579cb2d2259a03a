"""Connects the panels of dead letters and breakers with the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from PySide6.QtCore import QObject, Signal

from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.errands import EngineErrands
from kailash_studio.desktop.panels.breakers import Breakers
from kailash_studio.desktop.panels.dead_letters import Choice, DeadLetters
from kailash_studio.desktop.panels.pools import Pools
from kailash_studio.desktop.panels.rate_plot import SPAN_SECONDS, SPANS
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session
from kailash_studio.errors import EngineError


class OperationsLink(QObject):
    """Asks the engine when there may be news: it is ready, a run ended, a replay was settled.

    Signals:
        counted: How many dead letters wait, and how many breakers are open.
        connections_known: The names of the saved connections.
        jump: A place in the workflow that is open, to be shown.
    """

    counted = Signal(int, int)
    connections_known = Signal(list)
    jump = Signal(str)

    def __init__(
        self,
        engine: Engine,
        runs: Runs,
        session: Session,
        letters: DeadLetters,
        breakers: Breakers,
        pools: Pools,
        say: Callable[[str], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._engine, self._runs, self._session, self._say = engine, runs, session, say
        self._letters, self._breakers, self._pools = letters, breakers, pools
        self._errands = EngineErrands(engine, say)
        pools.wanted.connect(lambda: self._errands.begin(self._list_pools()))
        pools.do_wanted.connect(lambda pool, what: self._errands.begin(self._pool_do(pool, what)))
        pools.owner_wanted.connect(self._show_owner)
        self._was_running = False
        self._waiting = self._open = 0
        engine.state_changed.connect(lambda state, _: self.refresh() if state == "ready" else None)
        engine.updated.connect(self._updated)
        engine.replayed.connect(self._replayed)
        runs.changed.connect(self._run_changed)
        letters.wanted.connect(lambda *what: self._errands.begin(self._list(*what)))
        letters.members_wanted.connect(lambda *what: self._errands.begin(self._members(*what)))
        letters.details_wanted.connect(lambda letter_id: self._errands.begin(self._details(letter_id)))
        letters.replay_wanted.connect(lambda *what: self._errands.begin(self._replay(*what)))
        letters.forecast_wanted.connect(lambda *what: self._errands.begin(self._forecast(*what)))
        letters.stop_wanted.connect(lambda: self._errands.begin(self._stop()))
        letters.discard_wanted.connect(lambda choice: self._errands.begin(self._change("discard", choice)))
        letters.restore_wanted.connect(lambda choice: self._errands.begin(self._change("restore", choice)))
        breakers.set_wanted.connect(lambda key, forced: self._errands.begin(self._set_breaker(key, forced)))

    def refresh(self) -> None:
        """Ask for everything anew."""
        self.ask_connections()
        self._letters.ask()
        self._errands.begin(self._list_breakers())

    def ask_connections(self) -> None:
        """Ask which connections are saved."""
        self._errands.begin(self._list_connections())

    async def _list_connections(self) -> None:
        told = await self._ask("connections")
        self.connections_known.emit([saved["name"] for saved in told["connections"]])

    def _run_changed(self) -> None:
        running = self._runs.running
        if self._was_running and not running:
            self.refresh()
        self._was_running = running

    def _updated(self, update: dict[str, Any]) -> None:
        if update.get("letters"):
            self.refresh()
        if update.get("breakers"):
            self._errands.begin(self._list_breakers())

    def _run_id(self) -> str:
        return self._runs.current.run_id if self._runs.current is not None else ""

    def _show_owner(self, owner: dict[str, str]) -> None:
        """Go to a node that holds a connection; nodes of other workflows may have the same names."""
        here = owner["run"] == self._run_id() or owner["workflow"] in {"", self._session.workflow.name}
        if here:
            self.jump.emit(f"nodes/{owner['node']}")
        else:
            self._say(f"{owner['node']} is a node of the workflow {owner['workflow']}, which is not open here.")

    def _replayed(self, told: dict[str, Any]) -> None:
        self._letters.show_progress(told)
        if told["ended"]:
            self.refresh()

    def close(self) -> None:
        """The window closes: answers that come now are for nobody."""
        self._errands.close()

    async def _ask(self, do: str, **words: Any) -> dict[str, Any]:
        answer = await self._engine.request(do, **words)
        if self._errands.closed:
            raise EngineError("The window is closing.")
        return answer

    async def _list(self, state: str, text: str, limit: int) -> None:
        found = await self._ask("dead_letters", state=state, text=text, limit=limit, groups=True)
        self._letters.show_groups(found["groups"], found["total"])
        if state == "new" and not text:
            self._waiting = found["total"]
            self.counted.emit(self._waiting, self._open)
        rate = await self._ask("letter_rate", spans=SPANS, seconds=SPAN_SECONDS)
        self._letters.rate.show_rate(rate["since"], rate["counts"])

    async def _members(self, fingerprint: str, state: str, text: str, limit: int) -> None:
        found = await self._ask("dead_letters", state=state, text=text, limit=limit, fingerprint=fingerprint)
        self._letters.show_members(fingerprint, found["rows"], found["total"])

    async def _details(self, letter_id: str) -> None:
        self._letters.show_details(await self._ask("dead_letter", letter=letter_id))

    async def _replay(self, choice: Choice, edited: dict[str, Any], here: bool) -> None:
        await self._ask("replay", **asdict(choice), inputs=edited, workflow=self._workflow(here=here))

    async def _forecast(self, choice: Choice, here: bool) -> None:
        told = await self._ask("replay", **asdict(choice), dry=True, workflow=self._workflow(here=here))
        self._letters.show_forecast(told["forecast"], told["count"])

    def _workflow(self, *, here: bool) -> str:
        if not here:
            return ""
        self._session.settle()
        return self._session.workflow.to_json()

    async def _stop(self) -> None:
        await self._ask("stop_replay")

    async def _change(self, do: str, choice: Choice) -> None:
        await self._ask(do, **asdict(choice))
        self.refresh()

    async def _set_breaker(self, key: str, forced: bool) -> None:
        await self._ask("set_breaker", key=key, forced=forced)
        await self._list_breakers()

    async def _list_pools(self) -> None:
        told = await self._ask("pools")
        self._pools.show_pools(told["pools"], told["now"])

    async def _pool_do(self, pool: str, what: str) -> None:
        await self._ask("pool_do", pool=pool, what=what)
        await self._list_pools()

    async def _list_breakers(self) -> None:
        told = (await self._ask("breakers"))["breakers"]
        self._breakers.show_breakers(told)
        self._open = sum(breaker["state"] in {"open", "forced_open"} for breaker in told)
        self.counted.emit(self._waiting, self._open)
