"""The recorded conversation with an engine; ``python tests/contract/protocol_transcript.py`` records it anew.

The file has one object a line. ``ask`` is a request; ``answer`` what the engine said; ``until`` waits for a node's
state, or for the end of the run, and ``states`` are then the newest of all nodes. What differs from run to run (ids,
times, process numbers) is written as a word such as ``<run 1>`` or ``<number>``.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from kailash_studio import WorkflowBuilder
from kailash_studio.runtime import protocol
from kailash_studio.runtime.host import Host

RECORDED = Path(__file__).with_name("protocol_v1.jsonl")
VARYING = frozenset({"seconds", "started", "timestamp", "time", "wall", "pid", "program", "folder", "document"})
RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{10}")


def document() -> str:
    """quotes > value > report; value fails on a price that is no number."""
    rows = "[{'symbol': 'MSFT', 'price': 28}, {'symbol': 'AMZN', 'price': 'n/a'}]"
    builder = WorkflowBuilder("prices")
    builder.add_node("PythonCodeNode", "quotes", code=f"def quotes(): return {rows}")
    builder.add_node("PythonCodeNode", "value", code="def value(rows): return sum(float(row['price']) for row in rows)")
    builder.add_node("PythonCodeNode", "report", code="def report(total): return {'total': total}")
    builder.add_connection("quotes", "result", "value", "rows")
    builder.add_connection("value", "result", "report", "total")
    return builder.build().to_json()


def enclosed() -> str:
    """quotes > part (value) > report, all of which succeed; quotes have a date."""
    inside = WorkflowBuilder("inside")
    inside.add_node("PythonCodeNode", "value", code="def value(rows): return [[r['n'], str(r['day'])] for r in rows]")
    builder = WorkflowBuilder("parts")
    rows = "[{'n': 1, 'day': date(2026, 7, 1)}, {'n': 2, 'day': date(2026, 7, 2)}]"
    builder.add_node("PythonCodeNode", "quotes", code=f"from datetime import date\ndef quotes(): return {rows}")
    builder.add_sub_workflow("part", inside, inputs={"rows": "value.rows"}, outputs={"total": "value.result"})
    builder.add_node("PythonCodeNode", "report", code="def report(total): return {'total': total}")
    builder.add_connection("quotes", "result", "part", "rows")
    builder.add_connection("part", "total", "report", "total")
    return builder.build().to_json()


MENDED = [{"symbol": "MSFT", "price": 28}, {"symbol": "AMZN", "price": 130}]
CONVERSATION: list[dict[str, Any]] = [
    {"ask": {"do": "hello"}},
    {"ask": {"do": "nonsense"}},
    {"ask": {"do": "run", "workflow": "<document>", "folder": "<folder>", "breakpoints": [
        {"node": "value", "condition": "len(inputs['rows']) == 2"}, {"node": "value", "when": "error"},
    ]}},
    {"until": {"node": "value", "state": "stopped"}},
    {"ask": {"do": "stop_values", "run_id": "<run 1>", "stop": 1}},
    {"ask": {"do": "evaluate", "run_id": "<run 1>", "stop": 1, "expression": "[r['symbol'] for r in inputs['rows']]"}},
    {"ask": {"do": "evaluate", "run_id": "<run 1>", "stop": 1, "expression": "open('/etc/passwd')"}},
    {"ask": {"do": "evaluate", "run_id": "<run 1>", "stop": 1, "expression": "inputs['rows'][0]['price']",
             "cells": {"inputs": {"rows": [[0, "price", "30"]]}}}},
    {"ask": {"do": "check_cell", "run_id": "<run 1>", "stop": 1, "side": "inputs", "name": "rows",
             "cell": [0, "price", "abc"]}},
    {"ask": {"do": "page", "run_id": "<run 1>", "node": "quotes", "output": "result", "offset": 1, "limit": 1}},
    {"ask": {"do": "page", "run_id": "<run 1>", "node": "value", "output": "result", "offset": 0, "limit": 1}},
    {"ask": {"do": "pause", "run_id": "<run 1>"}},
    {"ask": {"do": "go_on", "run_id": "<run 1>", "stop": 1, "go": "again"}},
    {"ask": {"do": "go_on", "run_id": "<run 1>", "stop": 1}},
    {"until": {"node": "value", "state": "stopped", "when": "error"}},
    {"ask": {"do": "go_on", "run_id": "<run 1>", "stop": 2, "go": "give", "outputs": {"nothing": 1}}},
    {"ask": {"do": "breakpoints", "run_id": "<run 1>", "breakpoints": []}},
    {"ask": {"do": "go_on", "run_id": "<run 1>", "stop": 2, "go": "again", "inputs": {"rows": MENDED}}},
    {"until": {"node": "value", "state": "succeeded"}},
    {"ask": {"do": "step", "run_id": "<run 1>"}},
    {"until": {"run": "succeeded"}},
    {"ask": {"do": "page", "run_id": "<run 1>", "node": "report", "output": "result", "offset": 0, "limit": 5}},
    {"ask": {"do": "go_on", "run_id": "<run 1>", "stop": 2}},
    {"ask": {"do": "rerun", "workflow": "<document>",
             "again": {"run_id": "<run 1>", "mode": "from", "nodes": ["value"]}}},
    {"ask": {"do": "rerun", "workflow": "<document>", "again": {"run_id": "<run 1>", "mode": "sideways"}}},
    {"ask": {"do": "run", "workflow": "<document>", "folder": "<folder>",
             "again": {"run_id": "<run 1>", "mode": "only", "nodes": ["value"]}}},
    {"until": {"run": "failed"}},
    {"ask": {"do": "dead_letters", "state": "new", "groups": True, "limit": 5}},
    {"ask": {"do": "cancel", "run_id": "<run 2>"}},
    {"ask": {"do": "breakpoints", "run_id": "<run 2>", "breakpoints": [{"node": "value", "when": "sometimes"}]}},
    {"ask": {"do": "interrupted"}},
    # steps into a sub-workflow, out of it, and on
    {"ask": {"do": "run", "workflow": "<enclosed>", "folder": "<folder>", "breakpoints": [{"node": "part"}]}},
    {"until": {"node": "part:inputs", "state": "stopped"}},
    {"ask": {"do": "step", "run_id": "<run 3>", "stop": 1, "how": "sideways"}},
    {"ask": {"do": "step", "run_id": "<run 3>", "stop": 1, "how": "into"}},
    {"until": {"node": "part:value", "state": "stopped", "when": "before"}},
    {"ask": {"do": "step", "run_id": "<run 3>", "stop": 2, "how": "out"}},
    {"until": {"node": "report", "state": "stopped", "when": "before"}},
    {"ask": {"do": "step", "run_id": "<run 3>", "stop": 3, "how": "over"}},
    {"until": {"node": "report", "state": "stopped", "when": "after"}},
    {"ask": {"do": "resume", "run_id": "<run 3>"}},
    {"until": {"run": "succeeded"}},
    # to a node, and with single cells changed
    {"ask": {"do": "run", "workflow": "<enclosed>", "folder": "<folder>", "breakpoints": [{"node": "quotes"}]}},
    {"until": {"node": "quotes", "state": "stopped"}},
    {"ask": {"do": "run_to", "run_id": "<run 4>", "node": "nowhere"}},
    {"ask": {"do": "run_to", "run_id": "<run 4>", "node": "part:value"}},
    {"until": {"node": "part:value", "state": "stopped"}},
    {"ask": {"do": "go_on", "run_id": "<run 4>", "stop": 2, "cells": {"inputs": {"rows": [[0, "day", "soon"]]}}}},
    {"ask": {"do": "go_on", "run_id": "<run 4>", "stop": 2, "cells": {"inputs": {"rows": [[0, "n", "40"]]}}}},
    {"until": {"run": "succeeded"}},
    {"ask": {"do": "page", "run_id": "<run 4>", "node": "report", "output": "result", "offset": 0, "limit": 5}},
    # what a sub-workflow gives, given where it begins; nothing inside is called
    {"ask": {"do": "run", "workflow": "<enclosed>", "folder": "<folder>", "breakpoints": [{"node": "part"}]}},
    {"until": {"node": "part:inputs", "state": "stopped"}},
    {"ask": {"do": "go_on", "run_id": "<run 5>", "stop": 1, "go": "give", "outputs": {"total": 7}}},
    {"until": {"run": "succeeded"}},
    # what is stale, and pins
    {"ask": {"do": "stale", "run_id": "<run 4>", "workflow": "<enclosed>"}},
    {"ask": {"do": "stale", "run_id": "<run 4>", "workflow": "<document>"}},
    {"ask": {"do": "pin", "file": "<file>", "run_id": "<run 4>", "node": "nowhere"}},
    {"ask": {"do": "pin", "file": "<file>", "run_id": "<run 4>", "node": "quotes"}},
    {"ask": {"do": "pins", "file": "<file>"}},
    {"ask": {"do": "run", "workflow": "<enclosed>", "folder": "<folder>", "file": "<file>"}},
    {"until": {"run": "succeeded"}},
    {"ask": {"do": "rename_pin", "file": "<file>", "names": {"quotes": "part:quotes"}}},
    {"ask": {"do": "unpin", "file": "<file>", "nodes": ["part:quotes"]}},
]  # fmt: skip


class Talk:
    """A conversation with an engine in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, list[str]()
        self.states: dict[str, dict[str, Any]] = {}
        self.ended = ""
        self.kept = False  # the journal has all of the run that ended
        self.answers: dict[int, dict[str, Any]] = {}
        self.heard = asyncio.Event()

    def take(self, message: dict[str, Any]) -> None:
        """Hear something."""
        message = json.loads(protocol.encode(message))
        if "update" in message:
            self.states |= message["update"]["states"]
            self.ended = (message["update"]["run"] or {}).get("state", self.ended)
            self.kept |= bool(message["update"].get("kept"))
        elif "id" in message:
            self.answers[message["id"]] = message
        self.heard.set()

    async def until(self, fits: Any) -> None:
        """Wait for something that was heard."""
        async with asyncio.timeout(30):
            while not fits():
                self.heard.clear()
                await self.heard.wait()

    async def hold(self) -> list[dict[str, Any]]:
        """Say everything; what was said and answered, without what varies."""
        requests: asyncio.Queue[bytes | None] = asyncio.Queue()
        serving = asyncio.create_task(Host(self.take).serve(requests))
        told: list[dict[str, Any]] = []
        for number, step in enumerate(CONVERSATION, 1):
            if "ask" in step:
                if step["ask"]["do"] == "run":
                    self.states, self.ended, self.kept = {}, "", False
                requests.put_nowait(protocol.encode({"id": number, **self.filled(step["ask"])}))
                await self.until(lambda number=number: number in self.answers)
                answer = self.answers[number]
                if step["ask"]["do"] == "run":
                    self.runs.append(answer["ok"]["run_id"])
                told.append({**step, "answer": self.plain({k: v for k, v in answer.items() if k != "id"})})
            else:
                await self.until(lambda wanted=step["until"]: self.fits(wanted))
                told.append({**step, "states": self.plain(self.states)})
        requests.put_nowait(None)
        await serving
        return told

    def fits(self, wanted: dict[str, Any]) -> bool:
        """Whether what is waited for has come."""
        if "run" in wanted:
            return self.ended == wanted["run"] and self.kept
        state = self.states.get(wanted["node"], {})
        return all(state.get(name) == value for name, value in wanted.items() if name != "node")

    def filled(self, value: Any) -> Any:
        """A request with the words replaced by what they stand for."""
        if isinstance(value, dict):
            return {name: self.filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if isinstance(value, str) and value.startswith("<run "):
            return self.runs[int(value[5:-1]) - 1]
        stands_for = {
            "<document>": document(),
            "<enclosed>": enclosed(),
            "<folder>": str(self.folder),
            "<file>": str(self.folder / "parts.kailash.json"),
        }
        return stands_for.get(value, value) if isinstance(value, str) else value

    def plain(self, value: Any, name: str = "") -> Any:
        """What was heard, without what varies."""
        if name in VARYING:
            return "<number>" if isinstance(value, int | float) else "<text>"
        if isinstance(value, dict):
            return {inner: self.plain(held, inner) for inner, held in value.items()}
        if isinstance(value, list):
            return [self.plain(inner) for inner in value]
        if isinstance(value, float) and value > 1e9:
            return "<time>"
        if isinstance(value, str):
            value = re.sub(r"\b[0-9a-f]{32,64}\b", "<hash>", value)
            return RUN_ID.sub(
                lambda found: f"<run {self.runs.index(found[0]) + 1}>" if found[0] in self.runs else "<run>", value
            )
        return value


def held(folder: Path) -> list[dict[str, Any]]:
    """The conversation as it goes now."""
    return asyncio.run(Talk(folder).hold())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["KAILASH_STUDIO_HOME"] = home
        lines = [json.dumps(step, ensure_ascii=False, sort_keys=True) for step in held(Path(home))]
        RECORDED.write_text("\n".join(lines) + "\n", encoding="utf-8")
        sys.stdout.write(f"{len(lines)} steps\n")
