"""Attaching to a run of another process: who is let in, who may do what, and that the run does not notice."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.runtime import protocol
from kailash_studio.runtime.server import CONTROLLING, LOOKING, SERVING, Address, Server, addresses


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Client:
    """One that attaches."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.told, self.number = reader, writer, list[dict[str, Any]](), 0

    @classmethod
    async def of(cls, address: Address, *, control: bool, token: str | None = None) -> Client:
        made = cls(*await asyncio.open_connection("127.0.0.1", address.port, limit=2**28))
        given = address.token if token is None else token
        made.answer = await made.ask("attach", token=given, version=protocol.VERSION, control=control)
        return made

    async def ask(self, do: str, **words: Any) -> dict[str, Any]:
        self.number += 1
        mine = self.number
        self.writer.write(protocol.encode({"id": mine, "do": do, **words}))
        return await self.until(lambda m: m.get("id") == mine)

    async def until(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(30):
            found = next((m for m in self.told if fits(m)), None)
            while found is None:
                line = await self.reader.readline()
                if not line:
                    raise EOFError
                self.told.append(json.loads(line))
                found = self.told[-1] if fits(self.told[-1]) else None
            return found

    def state(self, node: str, state: str) -> Callable[[dict[str, Any]], bool]:
        return lambda m: m.get("update", {}).get("states", {}).get(node, {}).get("state") == state

    async def stopped(self, node: str) -> None:
        """Wait until a node of the run stands still, as the answer had it or an update has."""
        (shown,) = self.answer["ok"]["runs"]
        if shown["states"].get(node, {}).get("state") != "stopped":
            await self.until(self.state(node, "stopped"))

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``kailash-studio run FILE --debug`` in a process of its own."""
    made: list[subprocess.Popen[str]] = []
    builder = WorkflowBuilder("nightly")
    builder.add_node("PythonCodeNode", "first", code="def f(): return [{'a': 1}, {'a': 2}]")
    builder.add_node("PythonCodeNode", "second", code="def f(rows): return len(rows)")
    builder.add_node("PythonCodeNode", "third", code="def f(x): return x + 1")
    builder.add_connection("first", "result", "second", "rows")
    builder.add_connection("second", "result", "third", "x")
    file = tmp_path / "nightly.kailash.json"
    builder.build().save(file)

    def start(*words: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "kailash_studio",
            *(words or ("run", str(file), "--debug", "--break", "second")),
        ]
        more = ["--trust"] if command[3] == "run" else []
        pipe = subprocess.PIPE
        made.append(
            subprocess.Popen([*command, *more], stdout=pipe, stderr=pipe, encoding="utf-8", env=dict(os.environ))
        )
        return made[-1]

    yield start
    for process in made:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


async def address_of(process: subprocess.Popen[str]) -> Address:
    async with asyncio.timeout(30):
        while not (found := [a for a in addresses() if a.pid == process.pid]):
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            await asyncio.sleep(0.02)
    return found[0]


def test_a_run_is_debugged_from_outside_and_goes_on_alone(
    run: Callable[..., subprocess.Popen[str]], home: Path
) -> None:
    process = run()

    async def work() -> None:
        address = await address_of(process)
        assert address.workflow == "nightly"
        assert stat.S_IMODE(address.path.stat().st_mode) == 0o600, "only the user can read the token"
        client = await Client.of(address, control=True)
        (shown,) = client.answer["ok"]["runs"]
        assert json.loads(shown["workflow"])["name"] == "nightly"
        await client.stopped("second")
        run_id = shown["run_id"]
        values = await client.ask("stop_values", run_id=run_id, stop=1)
        assert json.loads(values["ok"]["inputs"]["rows"]["plain"]) == [{"a": 1}, {"a": 2}]
        page = await client.ask("page", run_id=run_id, node="first", output="result", offset=0, limit=10)
        assert page["ok"]["total"] == 2
        refused = await client.ask("shutdown")
        assert "not for this window" in refused["error"]["sentence"]
        await client.ask("go_on", run_id=run_id, stop=1, go="go_on", inputs={"rows": [1, 2, 3]})
        await client.until(client.state("third", "succeeded"))
        await client.close()

    asyncio.run(work())
    assert process.wait(30) == 0
    assert not list((home / "attach").glob("*.json"))


def test_who_only_looks_on_changes_nothing_and_a_window_that_goes_away_is_not_noticed(
    run: Callable[..., subprocess.Popen[str]],
) -> None:
    process = run()

    async def work() -> None:
        address = await address_of(process)
        looking = await Client.of(address, control=False)
        run_id = looking.answer["ok"]["runs"][0]["run_id"]
        never = ("dead_letter_everything", "discard", "pin", "connection_put", "shutdown")
        for do in (*sorted(SERVING - LOOKING), *never):
            refused = await looking.ask(do, run_id=run_id, stop=1, node="third", breakpoints=[])
            assert "not for this window" in refused["error"]["sentence"], do
        gone = await Client.of(address, control=True)
        gone.writer.transport.abort()
        other = await Client.of(address, control=True)
        await looking.stopped("second")
        await other.ask("resume", run_id=run_id)
        await looking.until(looking.state("third", "succeeded"))
        for client in (looking, other):
            await client.close()

    asyncio.run(work())
    assert process.wait(30) == 0


@pytest.mark.parametrize("hello", [
    b"",
    b"\n",
    b"{}\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b'{"id": 1, "do": "hello"}\n',
    b'{"id": 1, "do": "attach", "token": "wrong", "version": 1, "control": true}\n',
    b'{"id": 1, "do": "attach", "token": null, "version": 1}\n',
    b'{"id": 1, "do": "attach", "token": "\xc3\xa9", "version": 1}\n',
    b"x" * 100_000,
])  # fmt: skip
def test_without_the_token_there_is_nothing(home: Path, hello: bytes) -> None:
    async def work() -> None:
        asked: list[bytes] = []
        server = Server("r1", "w")
        server.speak_for(lambda line, reply, may: asked.append(line), list)
        async with server:
            (address,) = addresses()
            reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
            writer.write(hello + b'{"id": 2, "do": "page"}\n')
            writer.write_eof()
            try:
                got = await reader.read()
            except ConnectionError:  # closed with what it was still sending
                got = b""
            assert got == b""
            assert asked == []
            writer.close()
        assert addresses() == []

    asyncio.run(work())


def test_another_version_is_told_so(home: Path) -> None:
    async def work() -> None:
        server = Server("r1", "w")
        server.speak_for(lambda line, reply, may: None, list)
        async with server:
            (address,) = addresses()
            reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
            writer.write(protocol.encode({"id": 1, "do": "attach", "token": address.token, "version": 99}))
            answer = json.loads(await reader.readline())
            assert "differ in version" in answer["error"]["sentence"]
            assert await reader.read() == b""
            writer.close()

    asyncio.run(work())


def test_a_client_that_does_not_read_is_let_go_of(home: Path) -> None:
    async def work() -> None:
        server = Server("r1", "w")
        server.speak_for(lambda line, reply, may: None, list)
        async with server:
            (address,) = addresses()
            slow = await Client.of(address, control=False)
            slow.reader._limit = 1  # type: ignore[attr-defined]  # it stops taking bytes from the socket
            for _ in range(200):
                server.send({"update": "x" * 2**20})
                await asyncio.sleep(0)
            assert not server._clients
            slow.writer.transport.abort()

    asyncio.run(work())


def test_the_address_of_a_process_that_was_killed_is_forgotten(
    run: Callable[..., subprocess.Popen[str]], home: Path
) -> None:
    process = run()
    asyncio.run(address_of(process))
    process.kill()
    process.wait(10)
    assert addresses() == []
    assert not list((home / "attach").iterdir())


def test_a_server_runs_what_an_attached_window_asks_for_and_outlives_it(
    run: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = run("serve", "--name", "team")

    async def work() -> None:
        address = await address_of(process)
        first = await Client.of(address, control=True)
        text = (tmp_path / "nightly.kailash.json").read_text(encoding="utf-8")
        points = [{"node": "second"}]
        told = await first.ask("run", workflow=text, folder=str(tmp_path), breakpoints=points)
        run_id = told["ok"]["run_id"]
        await first.until(first.state("second", "stopped"))
        await first.close()
        second = await Client.of(address, control=True)
        (shown,) = second.answer["ok"]["runs"]
        assert (shown["run_id"], shown["states"]["second"]["state"]) == (run_id, "stopped")
        await second.ask("resume", run_id=run_id)
        end = await second.until(lambda m: bool(m.get("update", {}).get("run")))
        assert end["update"]["run"]["state"] == "succeeded"
        await second.close()

    asyncio.run(work())
    process.terminate()
    assert process.wait(30) == 0


def test_what_may_be_asked_is_a_list_and_grows_with_trust() -> None:
    assert LOOKING < CONTROLLING < SERVING
    assert not {"shutdown", "connection_put", "connection_test", "forget"} & SERVING
