"""What the window asks about dead letters and breakers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kailash_studio.errors import EngineError, JournalError
from kailash_studio.resilience.breaker import BreakerChange, BreakerSnapshot, BreakerState
from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.runtime.async_local import AsyncLocalRuntime, new_run_id
from kailash_studio.runtime.events import Sink
from kailash_studio.runtime.happened import compare
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.replay import claim, settle, workflow_of
from kailash_studio.spec.values import to_plain

Handler = Callable[[Mapping[str, Any]], dict[str, Any]]


class Operations:
    """Answers the requests of an operator; one belongs to each engine process."""

    def __init__(
        self,
        journal: Journal,
        runtime: AsyncLocalRuntime,
        tasks: dict[str, asyncio.Task[None]],
        replayed: Callable[[str], tuple[Sink, Callable[[], None]]],
    ) -> None:
        """Prepare.

        Args:
            journal: Where letters and breakers are kept.
            runtime: Runs the replays.
            tasks: Runs that are under way, by id.
            replayed: For the id of a replay: its sink, and what is called when its letter is settled.
        """
        self._journal, self._runtime, self._tasks, self._replayed = journal, runtime, tasks, replayed

    def handlers(self) -> dict[str, Handler]:
        """The requests, by name."""
        return {
            "dead_letters": self._dead_letters,
            "dead_letter": self._dead_letter,
            "discard": self._discard,
            "happened": self._happened,
            "replay": self._replay,
            "breakers": self._breakers,
            "set_breaker": self._set_breaker,
        }

    def _happened(self, request: Mapping[str, Any]) -> dict[str, Any]:
        run = self._journal.run(request["run_id"])
        nodes = workflow_of(self._journal, run).nodes
        policies = {node_id: placed.resilience for node_id, placed in nodes.items()}
        found = compare(policies, self._journal.events(run.run_id))
        return {"nodes": {f.node: [f.configured, f.happened, list(f.differences)] for f in found}}

    def _discard(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"changed": self._journal.change_dead_letters(request["ids"], "discarded", "discarded by hand")}

    def _dead_letters(self, request: Mapping[str, Any]) -> dict[str, Any]:
        state, text = str(request.get("state", "")), str(request.get("text", ""))
        found = self._journal.dead_letters(state=state, text=text, limit=int(request.get("limit", 200)))
        rows = [
            [x.id, x.timestamp, x.workflow, x.node, x.error, len(x.attempts), x.state, x.fingerprint] for x in found
        ]
        return {"rows": rows, "total": self._journal.count_dead_letters(state=state, text=text)}

    def _dead_letter(self, request: Mapping[str, Any]) -> dict[str, Any]:
        letter_id = request["letter"]
        (letter,) = self._journal.dead_letters(state="", ids=[letter_id]) or (None,)
        if letter is None:
            raise EngineError(f"There is no dead letter {letter_id} any more.")
        try:
            inputs: Any = to_plain(self._journal.inputs_of(letter_id))
        except JournalError as error:
            inputs = str(error)
        return {**to_plain(letter.as_entry()), "inputs": inputs}

    def _replay(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Start a run that does the work of a letter again; its end settles the letter."""
        letter_id = request["letter"]
        (letter,) = self._journal.dead_letters(state="", ids=[letter_id]) or (None,)
        if letter is None or not claim(self._journal, letter):
            raise EngineError("The dead letter cannot be replayed now: it is dealt with, or a replay has it.")
        run_id = new_run_id()
        self._tasks[run_id] = asyncio.create_task(self._run_again(letter, run_id))
        return {"run_id": run_id}

    async def _run_again(self, letter: DeadLetter, run_id: str) -> None:
        outcome = None
        sink, settled = self._replayed(run_id)
        try:
            before = self._journal.run(letter.run_id)
            outcome, _ = await self._runtime.run(
                workflow_of(self._journal, before),
                before.given,
                run_id=run_id,
                folder=Path(before.folder),
                sink=sink,
                known=self._journal.finished(letter.run_id),
                origin="replay",
                resumed_from=letter.run_id,
            )
        finally:
            settle(self._journal, letter, outcome, run_id)
            self._tasks.pop(run_id, None)
            settled()

    def _breakers(self, request: Mapping[str, Any]) -> dict[str, Any]:
        live = self._runtime.surroundings.breakers
        kept = self._journal.breakers()
        told = []
        for key in sorted(live.keys() | kept.keys()):
            snapshot = live[key].snapshot() if key in live else kept[key]
            told.append(
                {
                    "key": key,
                    "state": snapshot.state,
                    "failures": snapshot.failures,
                    "reason": snapshot.reason,
                    "updated": snapshot.updated_wall,
                    "changes": [
                        [wall, c.after] for wall, c in self._journal.breaker_changes(key, time.time() - 86_400)
                    ],
                }
            )
        return {"breakers": told}

    def _set_breaker(self, request: Mapping[str, Any]) -> dict[str, Any]:
        key, forced = request["key"], bool(request["forced"])
        live = self._runtime.surroundings.breakers.get(key)
        if live is not None:
            if forced:
                live.force_open()
            else:
                live.reset()
            return {}
        kept = self._journal.breaker(key)
        if kept is None:
            raise EngineError(f"There is no breaker {key!r}.")
        state: BreakerState = "forced_open" if forced else "closed"
        why = "opened by hand" if forced else "reset by hand"
        now = time.time()
        change = BreakerChange(key, kept.state, state, why)
        self._journal.save_breaker(key, BreakerSnapshot(state, now, 0, 0, why, now), change).wait(10)
        return {}
