"""What the window asks while a run is debugged.

A ``run`` request may bring ``breakpoints``; they can be changed while it goes on. A node that stands still is told by
the update of its state (``stopped``, with the number of the ``stop``).

===========  ===================================================  ====================================================
do           with                                                 ok
===========  ===================================================  ====================================================
breakpoints  ``run_id``, ``breakpoints``: objects with the fields  --
             of ``debugger.Breakpoint``
pause        ``run_id``                                           ``paused``: whether it was not before
resume       ``run_id``: go on, with all that stands still        --
step         ``run_id``; ``stop``: that node, else of a paused    ``node``: what was started, or empty
             run the next one; ``how``: ``into`` a
             sub-workflow, ``over`` it, ``out`` of it
go_on        ``run_id``, ``stop``; ``go``: ``go_on``, ``give``,   --
             ``skip``, ``again``; ``inputs``, ``outputs``,
             ``parameters`` by name; ``cells``: ``inputs`` and
             ``outputs`` by name, each a list of
             ``[row, column, value]`` (rows from 0) or, where it
             is no table, ``[path, value]``: all else stays as it
             is, and a text becomes what the cell held; also in
             ``step``. Outputs count with ``give``.
run_to       ``run_id``, ``node``                                 --
stop_values  ``run_id``, ``stop``                                 ``inputs``, ``outputs`` (null before it succeeded):
                                                                  name and ``pages.page_of``; ``plain``: the values
                                                                  themselves where they are small; ``gives``: the
                                                                  ways to give outputs by hand, each the names and
                                                                  those that must not lack
stop_page    ``run_id``, ``stop``; ``side``: ``inputs`` or         ``pages.page_of``
             ``outputs``; ``name``; ``offset``, ``limit``
check_cell   ``run_id``, ``stop``, ``side``, ``name``; ``cell``   ``wrong``: why it cannot be what the cell held, or
             as in ``go_on``                                      empty
evaluate     ``run_id``, ``stop``, ``expression``; ``inputs``,     ``page`` of the value
             ``outputs``, ``cells`` as in ``go_on``: what is
             changed counts
===========  ===================================================  ====================================================
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from kailash_studio.errors import EngineError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.cells import with_cells
from kailash_studio.runtime.debugger import HOWS, WHENS, Breakpoint, Debugger, Decision, Stop
from kailash_studio.runtime.engine import Run
from kailash_studio.runtime.pages import page_of
from kailash_studio.spec.values import to_plain

_PAGE = 200
_FEW = 2_000  # rows
_SMALL = 100_000  # characters of a value that travels to be edited

Answer = dict[str, Any]
Handler = Callable[[Mapping[str, Any]], Answer | asyncio.Future[Answer]]


class DebugRequests:
    """Answers a debugging window; one belongs to each engine process."""

    def __init__(self, runtime: AsyncLocalRuntime) -> None:
        self._runtime = runtime
        self._debuggers: dict[str, Debugger] = {}

    def handlers(self) -> dict[str, Handler]:
        """The requests, by name."""
        return {
            "breakpoints": self._breakpoints,
            "pause": self._pause,
            "resume": self._resume,
            "step": self._step,
            "go_on": self._go_on,
            "run_to": self._run_to,
            "stop_values": self._stop_values,
            "stop_page": self._stop_page,
            "check_cell": self._check_cell,
            "evaluate": self._evaluate,
        }

    def begin(self, run_id: str, breakpoints: Any) -> Debugger:
        """A debugger for a run that is about to begin; ``end`` forgets it."""
        made = self._debuggers[run_id] = Debugger(read_breakpoints(breakpoints or []))
        return made

    def end(self, run_id: str) -> None:
        """The run is over."""
        self._debuggers.pop(run_id, None)

    # ------------------------------------------------------------------ the requests
    def _breakpoints(self, request: Mapping[str, Any]) -> Answer:
        self._debugger(request).set_breakpoints(read_breakpoints(request["breakpoints"]))
        return {}

    def _pause(self, request: Mapping[str, Any]) -> Answer:
        return {"paused": self._run(request).pause("It was paused by hand")}

    def _resume(self, request: Mapping[str, Any]) -> Answer:
        self._run(request).go_on()
        self._debugger(request).go_on_all()
        return {}

    def _step(self, request: Mapping[str, Any]) -> Answer:
        if request.get("stop"):
            debugger = self._debugger(request)
            node = self._stop(request).node
            how = request.get("how", "into")
            if how not in HOWS:
                raise EngineError(f"A step goes {' or '.join(HOWS)}, not {how!r}.")
            debugger.step(int(request["stop"]), self._decision(request), how)
            return {"node": node}
        return {"node": self._run(request).step_on()}

    def _go_on(self, request: Mapping[str, Any]) -> Answer:
        self._debugger(request).go_on(int(request["stop"]), self._decision(request))
        return {}

    def _run_to(self, request: Mapping[str, Any]) -> Answer:
        self._debugger(request).run_to(str(request["node"]))
        self._run(request).go_on()
        return {}

    def _stop_values(self, request: Mapping[str, Any]) -> Answer:
        stop = self._stop(request)
        sides = {"inputs": stop.inputs, "outputs": stop.outputs}
        told: Answer = {"node": stop.node, "when": stop.when, "reason": stop.reason, "error": stop.error}
        for side, values in sides.items():
            told[side] = None if values is None else {name: _shown(value) for name, value in values.items()}
        told["gives"] = self._debugger(request).gives(stop.number)
        shown: Answer = self._run(request).redactor.value(told)
        return shown

    def _stop_page(self, request: Mapping[str, Any]) -> Answer:
        stop = self._stop(request)
        values = stop.inputs if request["side"] == "inputs" else stop.outputs
        name = request["name"]
        if values is None or name not in values:
            raise EngineError(f"{stop.node} has no value {name} among its {request['side']}.")
        page = page_of(values[name], int(request["offset"]), int(request["limit"]))
        shown: Answer = self._run(request).redactor.value(page)
        return shown

    def _check_cell(self, request: Mapping[str, Any]) -> Answer:
        stop = self._stop(request)
        side, values = ("input", stop.inputs) if request["side"] == "inputs" else ("output", stop.outputs or {})
        try:
            _patched(stop.node, side, values, {}, {request["name"]: [request["cell"]]})
        except EngineError as wrong:
            return {"wrong": str(wrong)}
        return {"wrong": ""}

    def _evaluate(self, request: Mapping[str, Any]) -> asyncio.Future[Answer]:
        debugger, number = self._debugger(request), int(request["stop"])
        inputs, outputs = self._changed(request)

        async def work() -> Answer:
            changed = Decision(inputs=inputs, outputs=outputs)
            page = page_of(await debugger.evaluate(number, str(request["expression"]), changed), 0, _PAGE)
            return {"page": self._run(request).redactor.value(page)}

        return asyncio.ensure_future(work())

    # ------------------------------------------------------------------ what they are about
    def _debugger(self, request: Mapping[str, Any]) -> Debugger:
        found = self._debuggers.get(request["run_id"])
        if found is None:
            raise EngineError("That run is over.")
        return found

    def _run(self, request: Mapping[str, Any]) -> Run:
        found = self._runtime.run_of(request["run_id"])
        if found is None:
            raise EngineError("That run is over.")
        return found

    def _stop(self, request: Mapping[str, Any]) -> Stop:
        stop = self._debugger(request).stops.get(int(request["stop"]))
        if stop is None:
            raise EngineError("That node does not stand still any more.")
        return stop

    def _decision(self, request: Mapping[str, Any]) -> Decision:
        go = request.get("go", "go_on")
        if go != "give" and (request.get("cells") or {}).get("outputs"):
            raise EngineError(f"Outputs of {self._stop(request).node} are given with give.")
        inputs, outputs = self._changed(request)
        return Decision(go, inputs=inputs, outputs=outputs, parameters=request.get("parameters") or {})

    def _changed(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The inputs and outputs that were changed, whole or by cells."""
        inputs, outputs = dict(request.get("inputs") or {}), dict(request.get("outputs") or {})
        cells: Mapping[str, Any] = request.get("cells") or {}
        if cells:
            stop = self._stop(request)
            inputs = _patched(stop.node, "input", stop.inputs, inputs, cells.get("inputs") or {})
            if cells.get("outputs"):
                if stop.outputs is None:
                    raise EngineError(f"{stop.node} has no outputs yet whose cells could change.")
                outputs = _patched(stop.node, "output", stop.outputs, dict(stop.outputs) | outputs, cells["outputs"])
        return inputs, outputs


def read_breakpoints(given: Any) -> list[Breakpoint]:
    """Breakpoints from objects of a message or a file.

    Raises:
        EngineError: One has an unknown field or an unknown ``when``.
    """
    names = {field.name for field in fields(Breakpoint)}
    found = []
    for entry in given:
        unknown = sorted(entry.keys() - names)
        if unknown or not entry.get("node") or entry.get("when", "before") not in WHENS:
            raise EngineError(f"A breakpoint cannot be read: {json.dumps(entry, ensure_ascii=False)[:200]}.")
        found.append(Breakpoint(**entry))
    return found


def _patched(
    node: str, side: str, own: Mapping[str, Any], given: dict[str, Any], cells: Mapping[str, Any]
) -> dict[str, Any]:
    """What is given, and with it those values of a stop in which cells are changed."""
    for name, changed in cells.items():
        if name not in own and name not in given:
            raise EngineError(f"{node} has no value at its {side} {name}.")
        value = given[name] if name in given else own[name]
        given[name] = with_cells(value, changed, f"{node}.{name}")
    return given


def _shown(value: Any) -> Answer:
    """A value as it is looked at, and as JSON where it is small enough to be edited."""
    shown: Answer = {"page": page_of(value, 0, _PAGE)}
    if shown["page"]["total"] > _FEW:
        return shown
    text = json.dumps(to_plain(value), ensure_ascii=False, indent=2)
    if len(text) <= _SMALL:
        shown["plain"] = text
    return shown
