"""What the window asks about dead letters and breakers.

Letters are chosen by ``letters`` (ids), or by ``groups`` (fingerprints) with ``state`` and ``text``. While a replay
goes on, ``replay`` objects tell ``total``, ``resolved``, ``failed``, ``refused``, ``reason``, ``ended``.

============  ===========================================  ==========================================================
do            with                                         ok
============  ===========================================  ==========================================================
dead_letters  ``state``, ``text``, ``limit``; ``groups``:  ``total``; ``rows``, or ``groups``
              those that failed alike together;
              ``fingerprint``: those of one group
dead_letter   ``letter``                                   the letter, with its ``inputs``
letter_rate   ``spans``, ``seconds`` of each               ``since``, ``counts``
replay        a choice; ``inputs`` that were edited;       ``count``; with ``dry``: ``forecast``, and nothing is done
              ``workflow``: the mended one; ``dry``
stop_replay   --                                           --
discard       a choice                                     ``changed``: how many
restore       a choice                                     ``changed``: how many
happened      ``run_id``                                   ``nodes``: configured, happened, differences; ``why``: why
                                                           nodes did not run
breakers      --                                           ``breakers``: key, state, counts, newest changes
set_breaker   ``key``, ``forced``: open, or reset          --
============  ===========================================  ==========================================================
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from kailash_studio.errors import EngineError, JournalError, describe
from kailash_studio.resilience.breaker import BreakerChange, BreakerSnapshot, BreakerState
from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.runtime import protocol
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Sink
from kailash_studio.runtime.happened import compare
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.replay import Replayed, Replays, workflow_of
from kailash_studio.runtime.why import Causes
from kailash_studio.spec.values import to_plain
from kailash_studio.workflow.reader import read

_FORECASTS = 20  # sentences of a dry run
_MOST_AT_ONCE = 1_000_000

Handler = Callable[[Mapping[str, Any]], dict[str, Any]]


class Operations:
    """Answers the requests of an operator; one belongs to each engine process."""

    def __init__(
        self,
        journal: Journal,
        runtime: AsyncLocalRuntime,
        tasks: dict[str, asyncio.Task[None]],
        replayed: Callable[[str], Sink],
        send: Callable[[dict[str, Any]], None],
    ) -> None:
        """Prepare.

        Args:
            journal: Where letters and breakers are kept.
            runtime: Runs the replays.
            tasks: Runs that are under way, by id.
            replayed: Makes the sink for the run of a single replay.
            send: Sends a message to the window.
        """
        self._journal, self._runtime, self._tasks, self._replayed = journal, runtime, tasks, replayed
        self._send = send
        self._replaying: asyncio.Task[None] | None = None

    def handlers(self) -> dict[str, Handler]:
        """The requests, by name."""
        return {
            "dead_letters": self._dead_letters,
            "dead_letter": self._dead_letter,
            "discard": self._discard,
            "restore": self._restore,
            "happened": self._happened,
            "letter_rate": self._letter_rate,
            "replay": self._replay,
            "stop_replay": self._stop_replay,
            "breakers": self._breakers,
            "set_breaker": self._set_breaker,
        }

    def _happened(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """How a run went: configured against happened for each node with policies, and why nodes did not run."""
        run = self._journal.run(request["run_id"])
        workflow = workflow_of(self._journal, run)
        policies = {node_id: placed.resilience for node_id, placed in workflow.nodes.items()}
        told = self._journal.events(run.run_id)
        causes = Causes(told, workflow)
        return {
            "nodes": {f.node: [f.configured, f.happened, list(f.differences)] for f in compare(policies, told)},
            "why": {node: causes.why(node) for node in causes.not_run()},
        }

    def _discard(self, request: Mapping[str, Any]) -> dict[str, Any]:
        ids = [letter.id for letter in self._chosen(request)]
        return {"changed": self._journal.change_dead_letters(ids, "discarded", "discarded by hand")}

    def _restore(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Let discarded letters wait again."""
        ids = [letter.id for letter in self._chosen(request)]
        return {"changed": self._journal.change_dead_letters(ids, "new", "restored by hand")}

    def _dead_letters(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The letters of a page; or, asked for ``groups``, those that failed alike taken together."""
        state, text = str(request.get("state", "")), str(request.get("text", ""))
        limit = int(request.get("limit", 200))
        if request.get("groups"):
            found = self._journal.dead_letter_groups(state=state, text=text, limit=limit)
            total = self._journal.count_dead_letters(state=state, text=text)
            groups = [
                [g.fingerprint, g.count, g.node, g.error, g.first, g.last, g.newest, g.workflow, g.workflows]
                for g in found
            ]
            return {"total": total, "groups": groups}
        alike = str(request.get("fingerprint", ""))
        letters = self._journal.dead_letters(state=state, text=text, fingerprint=alike, limit=limit)
        rows = [[x.id, x.timestamp, x.workflow, x.node, x.error, len(x.attempts), x.state] for x in letters]
        return {"total": self._journal.count_dead_letters(state=state, text=text, fingerprint=alike), "rows": rows}

    def _letter_rate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """How many were given up in each of the last spans of time."""
        spans, seconds = int(request["spans"]), float(request["seconds"])
        since = time.time() - spans * seconds
        counts = [0] * spans
        for start, count in self._journal.dead_letter_rate(since, seconds):
            counts[min(spans - 1, round((start - since) / seconds))] += count
        return {"since": since, "counts": counts}

    def _dead_letter(self, request: Mapping[str, Any]) -> dict[str, Any]:
        letter_id = request["letter"]
        (letter,) = self._journal.dead_letters(state="", ids=[letter_id]) or (None,)
        if letter is None:
            raise EngineError(f"There is no dead letter {letter_id} any more.")
        try:
            inputs: Any = to_plain(self._journal.inputs_of(letter_id))
        except JournalError as error:
            inputs = str(error)
        return {**to_plain(letter.as_entry()), "inputs": inputs, "note": letter.note, "replays": letter.replays}

    def _replay(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to replay letters; messages tell how it goes. With ``dry`` only say what would happen."""
        against = read(request["workflow"]).workflow if request.get("workflow") else None
        letters = self._chosen(request)
        replays = Replays(
            self._journal,
            self._runtime,
            against=against,
            edited=request.get("inputs") or {},
            sink=self._replayed if len(letters) == 1 else None,
        )
        if request.get("dry"):
            return {"forecast": [_forecast(replays, letter) for letter in letters[:_FORECASTS]], "count": len(letters)}
        if self._replaying is not None and not self._replaying.done():
            raise EngineError("A replay is under way: wait for its end, or stop it.")
        self._replaying = asyncio.create_task(self._all_again(replays, letters))
        self._tasks[f"replay-{id(self._replaying)}"] = self._replaying
        return {"count": len(letters)}

    def _chosen(self, request: Mapping[str, Any]) -> list[DeadLetter]:
        """The letters with given ids, and those that failed alike among what a filter shows."""
        found = self._journal.dead_letters(state="", ids=request["letters"]) if request.get("letters") else []
        state, text = str(request.get("state", "")), str(request.get("text", ""))
        for fingerprint in request.get("groups", ()):
            found += self._journal.dead_letters(state=state, text=text, fingerprint=fingerprint, limit=_MOST_AT_ONCE)
        return list({letter.id: letter for letter in found}.values())

    async def _all_again(self, replays: Replays, letters: list[DeadLetter]) -> None:
        counts = {"resolved": 0, "failed": 0, "refused": 0}
        reason = ""
        last = 0.0

        def say(*, ended: bool = False) -> None:
            self._send({"replay": {"total": len(letters), **counts, "reason": reason, "ended": ended}})

        def told(end: Replayed) -> None:
            nonlocal last, reason
            counts[end.state] += 1
            if end.reason:
                reason = (
                    end.reason if end.reason.startswith(f"{end.letter.node}:") else f"{end.letter.node}: {end.reason}"
                )
            if time.monotonic() - last > 1 / protocol.UPDATES_PER_SECOND:
                last = time.monotonic()
                say()

        try:
            await replays.replay(letters, told=told)
        except asyncio.CancelledError:
            reason = "stopped by hand"
        except Exception as error:  # noqa: BLE001 - a full disk, or a bug: the window must hear of either
            reason = describe(error)
        finally:
            say(ended=True)
            self._tasks.pop(f"replay-{id(self._replaying)}", None)

    def _stop_replay(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._replaying is not None:
            self._replaying.cancel()
        return {}

    def _breakers(self, request: Mapping[str, Any]) -> dict[str, Any]:
        live = self._runtime.surroundings.breakers
        kept = self._journal.breakers()
        told = []
        for key in sorted(live.keys() | kept.keys()):
            snapshot = live[key].snapshot() if key in live else kept[key]
            share = live[key].failure_share() if key in live else None
            told.append(
                {
                    "key": key,
                    "state": snapshot.state,
                    "failures": snapshot.failures,
                    "failure_rate": share,
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


def _forecast(replays: Replays, letter: DeadLetter) -> str:
    try:
        return replays.forecast(letter)
    except JournalError as error:
        return f"{letter.id[:12]}  {letter.node}: {error}"
