"""PythonCodeNode: the sandbox has its limits, full Python its own process, and neither outlives its run."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
from fakes.waiting import until

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import NodeOutputError, ParameterError, PythonCodeError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.services.python_code import LightPython

BOTH = pytest.mark.parametrize("sandbox", ["light", "full"])


def workflow(code: str, sandbox: str, **parameters: Any) -> WorkflowBuilder:
    builder = WorkflowBuilder()
    builder.add_node("PythonCodeNode", "code", code=code, sandbox=sandbox, **parameters)
    return builder


def run(
    code: str, sandbox: str, given: dict[str, Any] | None = None, folder: Path | None = None, **parameters: Any
) -> tuple[Outcome, list[str]]:
    events: list[Event] = []

    async def work() -> Outcome:
        runtime = AsyncLocalRuntime(on_events=events.extend, folder=folder)
        values = {"code": given} if given else {}
        return (await runtime.run(workflow(code, sandbox, **parameters), values))[0]

    outcome = asyncio.run(work())
    return outcome, [event.details["text"] for event in events if event.kind == "log_written"]


def result(code: str, sandbox: str, **given: Any) -> Any:
    outcome, _ = run(code, sandbox, given)
    assert not outcome.failures, outcome.failures
    return outcome.results["code"]["result"]


def failure(code: str, sandbox: str, **parameters: Any) -> str:
    outcome, _ = run(code, sandbox, **parameters)
    error = outcome.failures["code"]
    assert isinstance(error, PythonCodeError | NodeOutputError), error
    return str(error)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# ------------------------------------------------------------------------------------------------- calls and errors
@BOTH
def test_the_last_function_is_called_with_its_inputs_by_name(sandbox: str) -> None:
    code = "def helper(x): return x * 2\n\ndef f(b, a=3): return helper(b) - a\n\nLIMIT = 5\n"
    assert result(code, sandbox, b=10) == 17
    assert result(code, sandbox, b=10, a=0) == 20


@BOTH
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f():\n    rows = {}\n    return rows['data']\n", "code: line 3: KeyError: "),
        (
            "def inner():\n    raise ValueError('no luck')\n\ndef f():\n    return inner()\n",
            "line 2: ValueError: no luck",
        ),
        ("x = 1 / 0\ndef f(): return 1\n", "line 1: ZeroDivisionError: division by zero"),
        ("def f(n=0):\n    return f(n + 1)\n", "RecursionError"),
    ],
)
def test_what_the_code_raises_is_said_with_its_line(code: str, said: str, sandbox: str) -> None:
    assert said in failure(code, sandbox)


@BOTH
@pytest.mark.parametrize(
    ("returned", "names", "outputs"),
    [
        ("{'a': 1, 'b': [2]}", ["a", "b"], {"a": 1, "b": [2]}),
        ("{'a': 1}", ["a"], {"a": 1}),
        ("{'c': 1}", ["a"], {"a": {"c": 1}}),
        ("{'a': 1}", ["a", "b"], "should return a dict with a, b; it returned keys a"),
        ("[1]", ["a", "b"], "it returned a list"),
    ],
)
def test_outputs_are_the_declared_ones(returned: str, names: list[str], outputs: Any, sandbox: str) -> None:
    outcome, _ = run(f"def f(): return {returned}", sandbox, output_names=names)
    if isinstance(outputs, str):
        assert outputs in str(outcome.failures["code"])
    else:
        assert outcome.results["code"] == outputs


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f(:", "line 1 of the code is not Python"),
        ("x = 1", "has no function"),
        ("async def f(): pass", "has no function"),
        ("def f(*rows): pass", "f has * arguments"),
        ("x" * 10 + "\0", "cannot be read|not Python"),
    ],
)
def test_code_without_a_callable_function_is_refused_before_it_runs(code: str, said: str) -> None:
    ((where, sentence),) = PythonCodeNode.problems_of({"code": code})
    assert where == "code"
    assert any(part in sentence for part in said.split("|")), sentence
    with pytest.raises(ParameterError):
        asyncio.run(PythonCodeNode("code", code=code).async_run())


# ------------------------------------------------------------------------------------------------- light
@pytest.mark.parametrize(
    "body",
    [
        "open('/etc/hosts').read()",
        "__import__('os').listdir('/')",
        "__import__('subprocess').run(['true'])",
        "().__class__.__base__.__subclasses__()",
    ],
)
def test_light_code_has_no_way_out(body: str) -> None:
    assert failure(f"def f():\n    return {body}\n", "light").startswith("code: line 2: ")


@pytest.mark.parametrize("module", ["socket", "urllib.request", "numpy", "ctypes"])
def test_light_code_that_wants_a_package_is_told_where_it_is_to_be_had(module: str) -> None:
    assert "choose full Python for this node" in failure(f"def f():\n    import {module}\n    return 1\n", "light")


def test_light_code_has_a_limit_on_memory() -> None:
    said = failure("def f():\n    a = []\n    while True: a.append('x' * 1000000)\n", "light", memory_limit=64)
    assert "memory" in said.lower()


def test_light_code_has_a_limit_on_time() -> None:
    async def work() -> None:
        light = await LightPython.open()
        try:
            with pytest.raises(PythonCodeError, match=r"(?i)time"):
                await light.call(
                    "def f():\n    while True: pass\n", "f", {}, memory=64, seconds=0.2, printed=lambda line: None
                )
            assert (
                await light.call("def f(): return 7", "f", {}, memory=64, seconds=5.0, printed=lambda line: None) == 7
            )
        finally:
            await light.aclose()

    asyncio.run(work())


@BOTH
def test_endless_code_stops_when_the_run_is_cancelled_and_the_next_run_works(sandbox: str) -> None:
    async def work() -> tuple[Outcome, Outcome]:
        async with AsyncLocalRuntime() as runtime:
            endless = workflow("def f():\n    while True: pass\n", sandbox)
            before = {child.pid for child in psutil.Process().children(recursive=True)}
            running = asyncio.create_task(runtime.run(endless, run_id="r"))
            children: list[psutil.Process] = []

            def computes() -> bool:
                children[:] = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
                return any(0.3 < _seconds(child) < _GONE for child in children)

            await until(computes)
            assert runtime.cancel("r")
            stopped, _ = await asyncio.wait_for(running, 10)
            busiest = max(children, key=_seconds).pid
            await until(lambda: gone(busiest) or _idle(busiest))
            return stopped, (await runtime.run(workflow("def f(): return 7", sandbox)))[0]

    stopped, after = asyncio.run(work())
    assert stopped.reasons == {"code": "the run was cancelled"}
    assert after.results == {"code": {"result": 7}}


_GONE = 1e9


def _seconds(process: psutil.Process) -> float:
    try:
        return float(process.cpu_times().user)
    except psutil.NoSuchProcess:
        return _GONE  # it was the one


def _idle(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_SLEEPING
    except psutil.NoSuchProcess:
        return True


# ------------------------------------------------------------------------------------------------- full
def test_a_cancelled_run_kills_the_process_of_its_code_and_none_is_left_after_it(tmp_path: Path) -> None:
    code = (
        "def f():\n    import os\n    with open('pid.part', 'w') as file: file.write(str(os.getpid()))\n"
        "    os.replace('pid.part', 'pid')\n    while True: pass\n"
    )

    async def work() -> int:
        runtime = AsyncLocalRuntime(folder=tmp_path)
        running = asyncio.create_task(runtime.run(workflow(code, "full"), run_id="r"))
        await until((tmp_path / "pid").exists)
        pid = int((tmp_path / "pid").read_text())
        assert not gone(pid)
        runtime.cancel("r")
        await running
        return pid

    assert gone(asyncio.run(work()))


def test_workers_are_kept_between_calls_and_ended_with_their_runtime() -> None:
    code = "def f():\n    import os\n    return os.getpid()\n"

    async def work() -> list[int]:
        async with AsyncLocalRuntime() as runtime:
            found = [(await runtime.run(workflow(code, "full")))[0].results["code"]["result"] for _ in range(3)]
            assert not gone(found[0])
        return found

    pids = asyncio.run(work())
    assert len(set(pids)) == 1
    assert pids[0] != os.getpid()
    assert gone(pids[0])


def test_a_warm_worker_takes_more_than_its_last_code_was_allowed() -> None:
    code = "def f(x): return len(x)"
    text = "x" * (96 * 2**20)

    async def work() -> list[Any]:
        found = []
        async with AsyncLocalRuntime() as runtime:
            for limit, given in ((128, "small"), (2048, text)):
                built = workflow(code, "full", memory_limit=limit)
                outcome, _ = await asyncio.wait_for(runtime.run(built, {"code": {"x": given}}), 60)
                found.append(outcome.results.get("code", outcome.failures))
        return found

    assert asyncio.run(work()) == [{"result": 5}, {"result": len(text)}]


def test_full_python_prints_line_by_line_with_what_goes_to_the_error_stream() -> None:
    code = (
        "import sys\ndef f():\n    print('one', 'two', sep='\\n')\n    print('to err', file=sys.stderr)\n"
        "    sys.stdout.write('no end of line')\n    assert not sys.stdout.isatty()\n    return 1\n"
    )
    outcome, printed = run(code, "full")
    assert outcome.results["code"] == {"result": 1}
    assert printed == ["one", "two", "to err", "no end of line"]


def test_what_was_printed_before_a_failure_is_in_the_log() -> None:
    for sandbox in ("light", "full"):
        outcome, printed = run("def f():\n    print('so far')\n    return 1 / 0\n", sandbox)
        assert printed == ["so far"]
        assert "line 3: ZeroDivisionError" in str(outcome.failures["code"])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f():\n    import sys\n    sys.exit(3)\n", "line 3: SystemExit: 3"),
        ("def f():\n    import os\n    os._exit(7)\n", "status 7: it crashed, or was killed"),
        (
            "def f():\n    import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)\n    while True: pass\n",
            "signal 11",
        ),
        ("def f():\n    return len(bytearray(900 * 2**20))\n", "MemoryError: the code needs more memory"),
        ("def f():\n    return object()\n", "builtins.object cannot leave its process"),
        ("def f():\n    return input('name? ')\n", "line 2: EOFError"),
    ],
)
def test_ways_in_which_full_python_ends_badly(code: str, said: str) -> None:
    assert said in failure(code, "full", memory_limit=512)


def test_a_program_that_the_code_starts_cannot_read_what_is_not_its_own() -> None:
    code = (
        "def f():\n    import subprocess, sys\n"
        "    return subprocess.run([sys.executable, '-c', '{}'], timeout=20).returncode"
    )
    assert result(code.format("import sys; sys.exit(len(sys.stdin.read()))"), "full") == 0


@pytest.mark.parametrize(
    "value",
    [
        [1, 2.5, None, True, "ü", 2**70, float("inf")],
        {"nested": {"a": [{"b": ()}]}},
        Decimal("1.10"),
        dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC),
        {1: "a", (2, 3): {4, 5}},
        b"\x00\xff",
        dt.timedelta(days=-1, microseconds=5),
    ],
    ids=repr,
)
def test_values_travel_to_full_python_and_back_unchanged(value: Any) -> None:
    back = result("def f(x): return x", "full", x=value)
    assert back == value
    assert type(back) is type(value)


def test_modules_come_from_the_workflows_folder_and_from_no_other(tmp_path: Path) -> None:
    """One worker serves many workflows: a helper of the same name elsewhere, or changed since, is another one."""
    code = "def f():\n    import helper_of_mine\n    return helper_of_mine.WHICH\n"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper_of_mine.py").write_text(f"WHICH = {name!r}\n", encoding="utf-8")

    async def work() -> list[Any]:
        found: list[Any] = []
        async with AsyncLocalRuntime() as runtime:
            for name in ("a", "b", "a", "changed", "absent"):
                folder = tmp_path / name
                if name == "changed":
                    folder = tmp_path / "a"
                    (folder / "helper_of_mine.py").write_text("WHICH = 'a, changed'\n", encoding="utf-8")
                folder.mkdir(exist_ok=True)
                outcome, _ = await runtime.run(workflow(code, "full"), folder=folder)
                found.append(outcome.results.get("code", {}).get("result") or str(outcome.failures["code"]))
        return found

    *found, absent = asyncio.run(work())
    assert found == ["a", "b", "a", "a, changed"]
    assert "line 2: ModuleNotFoundError: No module named 'helper_of_mine'" in absent


# ------------------------------------------------------------------------------------------------- functions
def test_a_function_node_says_whether_it_could_be_written_to_a_file() -> None:
    outside = 5

    def free(a: list[dict[str, Any]], b: float = 1.0) -> str:
        return f"{a} {b}"

    def bound(a: int) -> int:
        return a + outside

    node = PythonCodeNode.from_function(free)
    ports = node.ports_of(node.given)
    assert {name: (port.type.value, port.required) for name, port in ports.inputs.items()} == {
        "a": ("table", True),
        "b": ("number", False),
    }
    assert node.unwritable == ""
    assert PythonCodeNode.from_function(bound).unwritable.startswith("bound uses outside from around it")
    assert "lambda" in PythonCodeNode.from_function(lambda: 1).unwritable
