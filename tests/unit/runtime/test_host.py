"""What the engine answers about dead letters and breakers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.engine_talk import Ask, talk

from kailash_studio import WorkflowBuilder


@pytest.fixture
def document(tmp_path: Path) -> str:
    """A node that fails until a file is there."""
    builder = WorkflowBuilder("nightly")
    code = f"def risky(x):\n    open({str(tmp_path / 'ok')!r}).close()\n    return x\n"
    builder.add_node("PythonCodeNode", "start", code="def start(): return [1, 2]")
    builder.add_node("PythonCodeNode", "risky", code=code, sandbox="full")
    builder.add_connection("start", "result", "risky", "x")
    builder.configure_circuit_breaker("risky", failure_threshold=1, timeout=0.001)
    return builder.build().to_json()


def test_a_letter_is_listed_looked_at_replayed_and_resolved(document: str, tmp_path: Path) -> None:
    async def conversation(ask: Ask, until: Any) -> None:
        run = (await ask("run", workflow=document, folder=str(tmp_path)))["run_id"]
        await until(lambda m: m.get("update", {}).get("run_id") == run and m["update"].get("letters"))
        grouped = await ask("dead_letters", state="new", text="RISKY", limit=10, groups=True)
        assert grouped["total"] == 1
        ((alike, count, node, error, first, last, newest, *of),) = grouped["groups"]
        assert (count, node, first, of) == (1, "risky", last, ["nightly", 1])
        listed = await ask("dead_letters", state="new", fingerprint=alike, limit=10)
        ((letter_id, _, workflow, node, error, tries, state),) = listed["rows"]
        assert letter_id == newest
        assert (workflow, node, tries, state) == ("nightly", "risky", 1, "new")
        assert "No such file" in error
        assert (await ask("dead_letters", state="new", text="something else", limit=10))["rows"] == []
        details = await ask("dead_letter", letter=letter_id)
        assert details["inputs"] == {"x": [1, 2]}
        assert details["attempt_log"][0]["attempt"] == 1
        breakers = (await ask("breakers"))["breakers"]
        assert [(b["key"], b["state"]) for b in breakers] == [("nightly/risky", "open")]
        rate = await ask("letter_rate", spans=4, seconds=60.0)
        assert sum(rate["counts"]) == 1
        assert rate["counts"][3] == 1
        said = await ask("replay", letters=[letter_id], dry=True)
        assert said == {
            "forecast": [f"{letter_id[:12]}  risky: risky would run; what start gave is taken over."],
            "count": 1,
        }
        assert await ask("replay", groups=[alike], state="new", text="RISKY") == {"count": 1}
        told = (await until(lambda m: m.get("replay", {}).get("ended")))["replay"]
        assert (told["total"], told["failed"]) == (1, 1)
        assert told["reason"].startswith("risky: line 2: FileNotFoundError")
        (tmp_path / "ok").touch()
        await asyncio.sleep(0.01)  # the breaker was opened by the failure
        await ask("replay", letters=[letter_id])
        refused = await ask("replay", letters=[letter_id])
        assert "under way" in refused["error"]["sentence"]
        told = (await until(lambda m: m.get("replay", {}).get("ended") and m["replay"]["resolved"]))["replay"]
        assert told == {"total": 1, "resolved": 1, "failed": 0, "refused": 0, "reason": "", "ended": True}
        assert (await ask("dead_letters", state="new", text="", limit=10))["total"] == 0
        assert (await ask("dead_letters", state="resolved", text="", limit=10))["total"] == 1

    talk(conversation)


def test_a_breaker_is_forced_open_and_reset(document: str, tmp_path: Path) -> None:
    (tmp_path / "ok").touch()

    async def conversation(ask: Ask, until: Any) -> None:
        async def run() -> str:
            run_id = (await ask("run", workflow=document, folder=str(tmp_path)))["run_id"]
            ended = await until(lambda m: m.get("update", {}).get("run_id") == run_id and m["update"]["run"])
            return str(ended["update"]["run"]["state"])

        assert await run() == "succeeded"
        await ask("set_breaker", key="nightly/risky", forced=True)
        assert await run() == "failed"
        assert (await ask("breakers"))["breakers"][0]["state"] == "forced_open"
        await ask("set_breaker", key="nightly/risky", forced=False)
        assert await run() == "succeeded"
        unknown = await ask("set_breaker", key="absent", forced=True)
        assert "no breaker" in unknown["error"]["sentence"]

    talk(conversation)


def test_letters_are_discarded(document: str, tmp_path: Path) -> None:
    async def conversation(ask: Ask, until: Any) -> None:
        run = (await ask("run", workflow=document, folder=str(tmp_path)))["run_id"]
        await until(lambda m: m.get("update", {}).get("run_id") == run and m["update"].get("letters"))
        ids = [row[0] for row in (await ask("dead_letters", state="new", text="", limit=10))["rows"]]
        assert (await ask("discard", letters=ids))["changed"] == 1
        assert (await ask("dead_letters", state="", text="", limit=10))["rows"][0][6] == "discarded"
        assert (await ask("restore", letters=ids))["changed"] == 1
        assert (await ask("dead_letters", state="new", text="", limit=10))["total"] == 1
        assert "does not know" in (await ask("nonsense"))["error"]["sentence"]

    talk(conversation)


def test_a_run_is_debugged(tmp_path: Path) -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("PythonCodeNode", "start", code="def start(): return [{'a': 1}, {'a': 2}]")
    builder.add_node("PythonCodeNode", "sum", code="def total(rows): return sum(r['a'] for r in rows)")
    builder.add_node("PythonCodeNode", "last", code="def last(x): return x")
    builder.add_connection("start", "result", "sum", "rows")
    builder.add_connection("sum", "result", "last", "x")
    document = builder.build().to_json()

    async def conversation(ask: Ask, until: Any) -> None:
        wrong = await ask("run", workflow=document, folder=str(tmp_path), breakpoints=[{"node": "sum", "at": 1}])
        assert "breakpoint cannot be read" in wrong["error"]["sentence"]
        points = [{"node": "sum"}]
        run = (await ask("run", workflow=document, folder=str(tmp_path), breakpoints=points))["run_id"]

        def stopped(node: str, number: int) -> Callable[[dict[str, Any]], bool]:
            def fits(message: dict[str, Any]) -> bool:
                state = message.get("update", {}).get("states", {}).get(node, {})
                return state.get("state") == "stopped" and state["stop"] == number

            return fits

        await until(stopped("sum", 1))
        seen = await ask("stop_values", run_id=run, stop=1)
        assert (seen["node"], seen["when"], seen["outputs"]) == ("sum", "before", None)
        assert seen["inputs"]["rows"]["page"]["rows"] == [["1"], ["2"]]
        assert json.loads(seen["inputs"]["rows"]["plain"]) == [{"a": 1}, {"a": 2}]
        found = await ask("evaluate", run_id=run, stop=1, expression="len(inputs['rows'])")
        assert found["page"]["tree"]["text"] == "2"
        wrong = await ask("evaluate", run_id=run, stop=1, expression="nonsense")
        assert wrong["error"]["sentence"].startswith("NameError: name 'nonsense'"), "it is told of no code around it"
        assert seen["gives"] == [[["result"], ["result"]]]
        port = {"run_id": run, "stop": 1, "side": "inputs", "name": "rows"}
        assert (await ask("check_cell", **port, cell=[1, "a", "2.5"]))["wrong"] == ""
        wrong = (await ask("check_cell", **port, cell=[1, "a", "abc"]))["wrong"]
        assert wrong == 'sum.rows, row 2, a: "abc" is no number, which stood there.'
        cells = {"inputs": {"rows": [[1, "a", "40"]]}}
        found = await ask("evaluate", run_id=run, stop=1, expression="inputs['rows'][1]['a']", cells=cells)
        assert found["page"]["tree"]["text"] == "40", "what was changed in the window counts"
        found = await ask("evaluate", run_id=run, stop=1, expression="outputs['result']", outputs={"result": 5})
        assert found["page"]["tree"]["text"] == "5"
        found = await ask("evaluate", run_id=run, stop=1, expression="[inputs['rows'][1]['a'], outputs]")
        assert [child["text"] for _, child in found["page"]["tree"]["children"]] == ["2", None], "it changes nothing"
        await ask("step", run_id=run, stop=1, inputs={"rows": [{"a": 40}]})
        await until(stopped("sum", 2))
        assert (await ask("stop_values", run_id=run, stop=2))["outputs"]["result"]["plain"] == "40"
        cells = {"outputs": {"result": [[[], "41"]]}}
        found = await ask("evaluate", run_id=run, stop=2, expression="outputs['result']", cells=cells)
        assert found["page"]["tree"]["text"] == "41"
        await ask("breakpoints", run_id=run, breakpoints=[])
        await ask("go_on", run_id=run, stop=2, go="give", outputs={"result": 7})
        ended = await until(lambda m: m.get("update", {}).get("run_id") == run and m["update"]["run"])
        assert ended["update"]["run"]["state"] == "succeeded"
        page = await ask("page", run_id=run, node="last", output="result")
        assert page["tree"]["text"] == "7"
        await until(lambda m: m.get("update", {}).get("run_id") == run and m["update"].get("kept"))
        assert "over" in (await ask("go_on", run_id="another", stop=1))["error"]["sentence"]

    talk(conversation)


def test_one_cell_is_changed_at_a_stop_and_the_others_keep_their_types(tmp_path: Path) -> None:
    rows = "[{'n': 1, 'day': date(2026, 7, 1)}, {'n': 2, 'day': date(2026, 7, 2)}]"
    kinds = "[[r['n'], type(r['day']).__name__] for r in rows]"
    builder = WorkflowBuilder("w")
    builder.add_node("PythonCodeNode", "start", code=f"from datetime import date\ndef start(): return {rows}")
    builder.add_node("PythonCodeNode", "same", code="def same(rows): return rows")
    builder.add_node("PythonCodeNode", "kinds", code=f"def kinds(rows): return {kinds}")
    builder.add_connection("start", "result", "same", "rows")
    builder.add_connection("same", "result", "kinds", "rows")
    document = builder.build().to_json()

    async def conversation(ask: Ask, until: Any) -> None:
        points = [{"node": "same"}, {"node": "same", "when": "after"}]
        run = (await ask("run", workflow=document, folder=str(tmp_path), breakpoints=points))["run_id"]

        async def stopped(number: int) -> None:
            await until(lambda m: m.get("update", {}).get("states", {}).get("same", {}).get("stop") == number)

        await stopped(1)
        wrong = await ask("go_on", run_id=run, stop=1, cells={"inputs": {"rows": [[0, "day", "soon"]]}})
        assert wrong["error"]["sentence"].startswith('same.rows, row 1, day: "soon" is no date')
        wrong = await ask("go_on", run_id=run, stop=1, cells={"outputs": {"result": [[0, "n", 5]]}})
        assert "Outputs of same are given with give" in wrong["error"]["sentence"]
        wrong = await ask("go_on", run_id=run, stop=1, cells={"inputs": {"other": [[0, "n", 5]]}})
        assert "no value at its input other" in wrong["error"]["sentence"]
        await ask("go_on", run_id=run, stop=1, cells={"inputs": {"rows": [[1, "n", "40"]]}})
        await stopped(2)
        given = {"outputs": {"result": [[0, "n", "7"], [0, "day", "2026-08-01"]]}}
        await ask("step", run_id=run, stop=2, go="give", cells=given)
        await until(lambda m: m.get("update", {}).get("states", {}).get("kinds", {}).get("stop") == 3)
        await ask("resume", run_id=run)
        await until(lambda m: m.get("update", {}).get("run_id") == run and m["update"]["run"])
        page = await ask("page", run_id=run, node="kinds", output="result")
        assert [[n["text"] for _, n in row["children"]] for _, row in page["tree"]["children"]] == [
            ["7", "date"],
            ["40", "date"],
        ]

    talk(conversation)


def test_a_node_is_previewed_while_it_is_edited(tmp_path: Path) -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("PythonCodeNode", "start", code="def start(): return [{'a': n, 'b': 'x'} for n in range(30)]")
    builder.add_node("SortRowsNode", "sorted", by=["a"])
    builder.add_connection("start", "result", "sorted", "rows")

    async def conversation(ask: Ask, until: Any) -> None:
        run = (await ask("run", workflow=builder.build().to_json(), folder=str(tmp_path)))["run_id"]
        await until(lambda m: m.get("update", {}).get("run_id") == run and m["update"].get("kept"))
        workflow = builder.build()
        workflow.nodes["sorted"].parameters["by"] = ["a desc"]  # type: ignore[index]  # an edit since the run
        told = await ask("preview", run_id=run, node="sorted", workflow=workflow.to_json())
        assert told["outputs"]["data"]["rows"][0] == ["29", "x"]
        assert told["whole"] is True
        workflow.nodes["sorted"].parameters["by"] = ["absent"]  # type: ignore[index]
        told = await ask("preview", run_id=run, node="sorted", workflow=workflow.to_json())
        assert "absent" in told["problem"]
        told = await ask("preview", run_id=run, node="start", workflow=workflow.to_json())
        assert "touches something outside" in told["problem"]

    talk(conversation)


def test_a_refused_test_of_a_connection_does_not_quote_its_password() -> None:
    canary = "c4n4ry-swordfish.invalid"

    async def conversation(ask: Ask, until: Any) -> None:
        saved = {"name": "prod", "host": canary, "database": "books", "secret": "prod_password"}
        told = await ask("connection_test", connection=saved, password=canary)
        assert canary not in str(told)
        assert "***prod_password***" in told["error"]["sentence"]
        places = (await ask("secret_places"))["places"]
        assert [(p["place"], p["problem"]) for p in places if p["writable"]] == [("encrypted", "")]
        where = (await ask("secret_where", name="prod_password"))["places"]
        assert where and not any(place["found"] for place in where)

    talk(conversation)
