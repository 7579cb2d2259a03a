"""The engine process of a window, ``python -m kailash_studio.runtime.host``: speaks ``protocol`` on standard streams.

It ends when its standard input does, so it never outlives its window, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kailash_studio import __version__
from kailash_studio.errors import EngineError, JournalError, StudioError, describe
from kailash_studio.resilience.faults import Scenario
from kailash_studio.runtime import protocol
from kailash_studio.runtime.async_local import AsyncLocalRuntime, new_run_id
from kailash_studio.runtime.capsule import Capsule, lacking, refuse_lacking
from kailash_studio.runtime.database_requests import DatabaseRequests
from kailash_studio.runtime.debug_requests import DebugRequests, read_breakpoints
from kailash_studio.runtime.debugger import Debugger
from kailash_studio.runtime.history_requests import HistoryRequests
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.operations import Operations
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.plan import InvalidWorkflowError
from kailash_studio.runtime.preview_requests import PreviewRequests
from kailash_studio.runtime.rerun_requests import RerunRequests
from kailash_studio.runtime.sql_requests import SqlRequests
from kailash_studio.runtime.table_requests import TableRequests
from kailash_studio.runtime.updates import Answer, Send, Updates
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.context import Outputs
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow

KEPT_RUNS = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """A run that is under way, as somebody is shown it who comes to it."""

    text: str
    folder: str
    updates: Updates


class Host:
    """Answers requests; one runtime, kept warm, and the values of the last runs."""

    def __init__(self, send: Send, *, journal: Journal | None = None, runtime: AsyncLocalRuntime | None = None) -> None:
        """Prepare.

        Args:
            send: Sends what is no answer to whoever listens.
            journal: Where runs are kept; by default the user's.
            runtime: Runs them; by default one of its own.
        """
        self._send = send
        self._journal = journal or Journal()
        self._runtime = runtime or AsyncLocalRuntime(journal=self._journal)
        self._shown: dict[str, Shown] = {}
        self._results: dict[str, Mapping[str, Outputs]] = {}
        self._redactors: dict[str, Redactor] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.ended = asyncio.Event()
        self._previews = PreviewRequests(self._runtime.registry, self._outputs, self._without_secrets)
        self._sql = SqlRequests(self._runtime.secret, self._value, self._redactor)
        self._tables = TableRequests(self._value, self._without_secrets)
        self._history = HistoryRequests(self._journal)
        self._debugging = DebugRequests(self._runtime)
        self._databases = DatabaseRequests(self._runtime)
        self._reruns = RerunRequests(self._journal, self._runtime, self._results.get, self._redactor)
        self._handlers: dict[str, Callable[[Mapping[str, Any]], Answer | asyncio.Future[Answer]]] = {
            "hello": self._hello,
            "run": self._start,
            "cancel": self._cancel,
            "as_test": self._save_test,
            "forget": self._forget,
            "shutdown": self._shutdown,
            **Operations(
                self._journal, self._runtime, self._tasks, lambda run_id: Updates(run_id, send).take, send
            ).handlers(),
            **self._sql.handlers(),
            **self._tables.handlers(),
            **self._previews.handlers(),
            **self._debugging.handlers(),
            **self._databases.handlers(),
            **self._reruns.handlers(),
            **self._history.handlers(),
        }

    async def serve(self, requests: asyncio.Queue[bytes | None], *, alone: bool = False) -> None:
        """Answer until the requests end, and cancel the runs that are under way.

        Args:
            requests: What is asked; None is the end.
            alone: Whoever asks is gone when the requests end without ``shutdown``: the runs are left as interrupted.
        """
        async with self._runtime:
            self._tasks["tidy"] = asyncio.create_task(self._tidy())
            self._databases.test_places()
            lost = False
            while not self.ended.is_set():
                line = await requests.get()
                if line is None:
                    lost = alone
                    break
                self.handle(line, self._send)
            if lost:
                self._runtime.interrupt()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            if lost:  # what was opened may take its time to close, and another window may look by then
                await asyncio.to_thread(self._journal.leave)
            await self.aclose()
        self._journal.close()

    async def aclose(self) -> None:
        """Let go of what was opened to answer."""
        self._tables.close()
        self._previews.close()
        await asyncio.to_thread(self._history.close)
        await self._sql.aclose()

    def follow(self, run_id: str, text: str, folder: Path) -> tuple[Updates, Debugger]:
        """Have a run looked at and debugged that somebody else starts; ``forget_run`` when it is over."""
        updates = Updates(run_id, self._send)
        self._shown[run_id] = Shown(text, str(folder), updates)
        return updates, self._debugging.begin(run_id, None)

    def keep(self, run_id: str, outcome: Outcome) -> None:
        """Keep the values of a run that has ended, for those who look at it."""
        self._results[run_id], self._redactors[run_id] = outcome.results, outcome.redactor

    def shown(self) -> list[Answer]:
        """The runs that are under way, for somebody who comes to them now."""
        return [
            {
                "run_id": run_id,
                "workflow": shown.text,
                "folder": shown.folder,
                "states": shown.updates.states,
                "log": list(shown.updates.lines),
                "paused": shown.updates.paused,
            }
            for run_id, shown in self._shown.items()
        ]

    async def _tidy(self) -> None:
        try:
            await asyncio.to_thread(self._journal.tidy)
        except StudioError as error:
            self._send({"update": {"run_id": "", "states": {}, "log": [_line(describe(error))], "run": None}})
        finally:
            self._tasks.pop("tidy", None)

    def handle(self, line: bytes, reply: Send, may: Collection[str] | None = None) -> None:
        """Answer a request.

        Args:
            line: The request.
            reply: Takes the answer.
            may: The requests that this asker may make; None: all.
        """
        number: Any = None
        try:
            request = protocol.decode(line)
            number = request.get("id")
            if may is not None and request.get("do") not in may:
                raise EngineError(protocol.not_for(request.get("do")))
            answer = self._answer(request)
        except Exception as error:  # noqa: BLE001 - a request that trips over a bug must not end the engine
            _refuse(number, error, reply)
        else:
            if isinstance(answer, asyncio.Future):
                answer.add_done_callback(lambda done: _answer_later(number, done, reply))
            else:
                reply({"id": number, "ok": answer})

    def _answer(self, request: Mapping[str, Any]) -> Answer | asyncio.Future[Answer]:
        what = request.get("do")
        handler = self._handlers.get(what) if isinstance(what, str) else None
        if handler is None:
            raise EngineError(f"The engine does not know {what!r}: the window and the engine differ in version.")
        return handler(request)

    def _hello(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"version": protocol.VERSION, "program": __version__, "pid": os.getpid()}

    def _cancel(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"cancelled": self._runtime.cancel(request["run_id"], "it was stopped")}

    def _forget(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._results.pop(request["run_id"], None)
        self._redactors.pop(request["run_id"], None)
        self._tables.forget(request["run_id"])
        return {}

    def _shutdown(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.ended.set()
        return {}

    def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        run_id = new_run_id()
        workflow = read(request["workflow"]).workflow
        folder = Path(request["folder"])
        updates, debugger = self.follow(run_id, request["workflow"], folder)
        debugger.set_breakpoints(read_breakpoints(request.get("breakpoints") or []))
        if request.get("run_to"):
            debugger.aim_at(str(request["run_to"]))
        task = asyncio.create_task(self._run(run_id, request, workflow, folder, updates, debugger))
        self._tasks[run_id] = task
        return {"run_id": run_id}

    async def _run(
        self,
        run_id: str,
        request: Mapping[str, Any],
        workflow: Workflow,
        folder: Path,
        updates: Updates,
        debugger: Debugger,
    ) -> None:
        try:
            taken = await asyncio.to_thread(self._reruns.taken, request, workflow)
            debugger.stand_again(taken.stood)
            safe = bool(request.get("safe"))
            capsule = (
                await asyncio.to_thread(Capsule.read, Path(request["capsule"])) if request.get("capsule") else None
            )
            scenario = Scenario.from_plain(request["scenario"]) if request.get("scenario") else None
            if scenario is None and capsule is not None:
                scenario = capsule.scenario(workflow.nodes)
            allow_code = bool(request.get("allow_code"))
            outcome, _ = await self._runtime.run(
                workflow,
                capsule.given if capsule is not None else request.get("values") or {},
                run_id=run_id,
                folder=folder,
                sink=updates.take,
                known=taken.known,
                only=taken.only,
                pins=taken.pins,
                stood_in=taken.stood_in,
                safe=safe,
                scenario=scenario,
                answers=capsule.answers_again(allow_code=allow_code) if capsule is not None else None,
                origin="preview" if safe else "again" if taken.before else "desktop",
                before=taken.before,
                debugger=debugger,
            )
            self.keep(run_id, outcome)
            real = scenario is None and capsule is None and not safe
            self._send(_kept(run_id, letters=real and bool(outcome.letters)))
            while len(self._results) > KEPT_RUNS:
                oldest = next(iter(self._results))
                del self._results[oldest], self._redactors[oldest]
                self._tables.forget(oldest)
        except Exception as error:  # noqa: BLE001 - it could not start, or is a bug; the window must hear of either
            details: dict[str, Any] = {"state": "failed", "seconds": 0.0, "error": _error(error)}
            if isinstance(error, InvalidWorkflowError):
                details["findings"] = [[f.severity, f.code, f.place, f.sentence] for f in error.findings]
            log = [_line(describe(error))]
            self._send({"update": {"run_id": run_id, "states": {}, "log": log, "run": details}})
        finally:
            self.forget_run(run_id)
            self._tasks.pop(run_id, None)

    def forget_run(self, run_id: str) -> None:
        """A run is over; its values are kept for a while."""
        self._debugging.end(run_id)
        self._shown.pop(run_id, None)

    def _save_test(self, request: Mapping[str, Any]) -> asyncio.Future[Answer]:
        """Make a test of a capsule and a mended workflow."""

        async def work() -> Answer:
            capsule = await asyncio.to_thread(Capsule.read, Path(request["capsule"]))
            workflow = read(request["workflow"]).workflow
            answers = capsule.answers_again(allow_code=bool(request.get("allow_code")))
            outcome = await capsule.play(registry=self._runtime.registry, workflow=workflow, answers=answers)
            refuse_lacking(workflow, answers)
            test = capsule.as_test(workflow, outcome)
            await asyncio.to_thread(test.write, Path(request["out"]))
            _, ends = lacking(workflow, answers)
            return {"state": outcome.state, "left_out": list(ends)}

        return asyncio.ensure_future(work())

    def _outputs(self, run_id: str, node: str) -> Outputs | None:
        return self._results[run_id].get(node) if run_id in self._results else self._runtime.outputs(run_id, node)

    def _value(self, run_id: str, node: str, output: str) -> Any:
        """The value of an output: of a run that this process has made, else of one that the journal has."""
        outputs = self._outputs(run_id, node)
        if outputs is not None and output in outputs:
            return outputs[output]
        try:
            return self._history.value(run_id, node, output)
        except JournalError as error:
            raise EngineError(f"{str(error).rstrip('.')}: run the workflow again.") from None

    def _without_secrets(self, run_id: str, answer: Answer) -> Answer:
        """What the window shows has left the run."""
        shown: Answer = self._redactor(run_id).value(answer)
        return shown

    def _redactor(self, run_id: str) -> Redactor:
        return self._redactors.get(run_id) or self._runtime.redactor(run_id)


def _answer_later(number: Any, done: asyncio.Future[Answer], reply: Send) -> None:
    error = EngineError("The engine is ending.") if done.cancelled() else done.exception()
    if error is not None:
        _refuse(number, error, reply)
    else:
        reply({"id": number, "ok": done.result()})


def _refuse(number: Any, error: BaseException, reply: Send) -> None:
    if not isinstance(error, StudioError):
        error = EngineError(f"The engine could not answer a request: {type(error).__name__}: {error}.")
    reply({"id": number, "error": _error(error)})


def _kept(run_id: str, *, letters: bool) -> dict[str, Any]:
    """The journal has all of a run now; ``letters``: dead letters came or changed."""
    return {"update": {"run_id": run_id, "states": {}, "log": [], "run": None, "kept": True, "letters": letters}}


def _line(sentence: str) -> list[Any]:
    return [time.time(), "error", "", sentence]


def _error(error: BaseException) -> dict[str, str]:
    return {"code": getattr(error, "code", "KS-1000"), "sentence": describe(error)}


async def _main() -> None:
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # prints of node types must not get between messages
    sys.stdout = sys.stderr
    loop = asyncio.get_running_loop()
    requests: asyncio.Queue[bytes | None] = asyncio.Queue()

    def send(message: dict[str, Any]) -> None:
        data = memoryview(protocol.encode(message))
        with contextlib.suppress(BrokenPipeError):  # the window is gone; the end of input ends us too
            while data:
                data = data[output.write(data) or 0 :]

    def listen() -> None:
        stream = os.fdopen(os.dup(0), "rb")
        for line in stream:
            loop.call_soon_threadsafe(requests.put_nowait, line)
        try:
            loop.call_soon_threadsafe(requests.put_nowait, None)
        except RuntimeError:
            return  # the loop has ended already
        time.sleep(10)
        os._exit(1)  # something does not let go, and the window is gone

    threading.Thread(target=listen, daemon=True, name="requests").start()
    await Host(send).serve(requests, alone=True)


def main() -> None:
    """Serve the window that started this process."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(_main())
    else:
        uvloop.run(_main())


if __name__ == "__main__":
    main()
