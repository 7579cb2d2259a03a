"""A disk that is full, damaged or killed in the middle, large values beside it, and what is forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes.journal_events import succeeded
from fakes.waiting import until_threads

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import JournalError, ParameterError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.dead_letter import DeadLetter
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import RUN_CONTINUED, RUN_PAUSED, Event
from kailash_studio.runtime.journal import schema, store
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.recorder import Recorder
from kailash_studio.runtime.journal.writer import Writer
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.wording import around


def finished(run: str, number: int, wall: float = 0.0) -> Event:
    return Event(number, "run_finished", run, "", 0.0, wall, 0, {"state": "succeeded", "seconds": 1.0})


def test_nobody_else_may_read_what_it_holds(journal: Journal) -> None:
    journal.start_run("r", "w", "", 1.0)
    value = Random(1).randbytes(3_000_000)
    journal.take("r", [succeeded("r", 0)], lambda node: {"result": value}).wait(20)
    mine = [journal.path, *journal.path.parent.glob("journal.db-*"), journal.path.with_name("journal_values")]
    assert len(mine) == 4
    if os.name != "nt":  # there a user's folder is private by itself
        assert [path.stat().st_mode & 0o077 for path in mine] == [0, 0, 0, 0]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"nowhere.*cannot be opened"):
        Journal(tmp_path / "nowhere" / "journal.db")


def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.take("r", [succeeded("r", number) for number in range(2000)], lambda node: {}).wait(10)
    journal.close()
    content = bytearray(path.read_bytes())
    content[8192:] = Random(1).randbytes(len(content) - 8192)
    path.write_bytes(content)
    journal = Journal(path)
    with pytest.raises(JournalError, match=r"journal\.db cannot be read"):
        journal.events("r")
    journal.close()


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Journal, Callable[[], None]]]:
    """A journal on a disk that becomes full, and what makes room on it."""
    opened: list[Any] = []
    full = [False]

    def connect(path: Path) -> Any:
        connection = schema.connect(path)
        if full[0]:
            connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size for less than that
        opened.append(connection)
        return connection

    def make_room() -> None:
        full[0] = False
        for connection in opened:
            try:
                connection.execute("PRAGMA max_page_count = 1000000")
            except Exception as error:  # those that are closed
                assert "closed" in str(error) or "Closed" in type(error).__name__, error

    monkeypatch.setattr(store, "connect", connect)
    journal = Journal(tmp_path / "journal.db")
    full[0] = True
    yield journal, make_room
    make_room()
    journal.close()


def large(seed: int) -> str:
    return Random(seed).randbytes(200_000).hex()


def test_a_run_ends_on_a_full_disk_and_is_written_when_there_is_room(
    full: tuple[Journal, Callable[[], None]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, make_room = full
    monkeypatch.setitem(Recorder.__init__.__kwdefaults__, "patience", 0.5)
    builder = WorkflowBuilder("w")
    builder.add_node("n", PythonCodeNode.from_function(lambda: large(1), name="n"))
    built = builder.build()

    async def run() -> str:
        outcome, run_id = await AsyncLocalRuntime(journal=journal).run(built)
        assert outcome.state == "succeeded"
        return run_id

    with caplog.at_level(logging.WARNING, "kailash_studio.journal"):
        run_id = asyncio.run(run())
    assert "is not written yet" in caplog.text
    assert "full" in caplog.text
    assert journal.runs() == []
    make_room()
    until_threads(lambda: journal.runs() and journal.runs()[0].state == "succeeded")
    assert journal.problem == ""
    assert journal.finished(run_id) == {"n": {"result": large(1)}}


def test_a_run_is_paused_while_the_disk_is_full_and_then_goes_on(
    full: tuple[Journal, Callable[[], None]],
) -> None:
    journal, make_room = full
    told: list[Event] = []
    called: list[str] = []

    async def work() -> Outcome:
        paused = asyncio.Event()

        def sink(batch: Sequence[Event]) -> None:
            told.extend(batch)
            if any(event.kind == RUN_PAUSED for event in batch):
                paused.set()

        async def first(x: str) -> str:
            while not journal.problem:
                await asyncio.sleep(0.01)
            return "given"

        async def second(x: str) -> str:
            called.append(x)
            await asyncio.sleep(0.01)  # by now it is paused
            return x

        builder = WorkflowBuilder("w")
        builder.add_node("too_much", PythonCodeNode.from_function(lambda: large(1), name="too_much"))
        builder.add_node("first", PythonCodeNode.from_function(first))
        builder.add_connection("too_much", "result", "first", "x")
        for name, before in (("second", "first"), ("third", "second"), ("fourth", "third")):
            builder.add_node(name, PythonCodeNode.from_function(second))
            builder.add_connection(before, "result", name, "x")
        running = asyncio.create_task(AsyncLocalRuntime(journal=journal).run(builder, sink=sink))
        await asyncio.wait_for(paused.wait(), 30)
        await asyncio.sleep(0.05)
        assert len(called) < 3, "nothing starts while it is paused"
        assert not running.done()
        make_room()
        outcome, run_id = await asyncio.wait_for(running, 30)
        assert [event.kind for event in journal.events(run_id)] == [event.kind for event in told]
        return outcome

    assert asyncio.run(work()).state == "succeeded"
    assert len(called) == 3
    around_pause = [event for event in told if event.kind in {RUN_PAUSED, RUN_CONTINUED}]
    assert [event.kind for event in around_pause] == [RUN_PAUSED, RUN_CONTINUED]
    assert "full" in around_pause[0].details["reason"]
    assert around(around_pause[0]) == ("warning", f"The run is paused. {around_pause[0].details['reason']}.")


def test_a_claim_that_a_full_disk_refused_is_not_made_later(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    schema.connect(path).close()
    opened: list[Any] = []

    def connect() -> Any:
        connection = schema.connect(path)
        connection.execute("PRAGMA max_page_count = 1")
        opened.append(connection)
        return connection

    def row(name: str) -> Callable[[Any], Any]:
        data = Random(name).randbytes(200_000)
        return lambda connection: connection.execute("INSERT INTO contents VALUES (?, 1, ?)", (name, data))

    writer = Writer(connect)
    kept = writer.put(row("kept"))
    until_threads(lambda: writer.problem)
    with pytest.raises(JournalError, match=r"full.*Nothing was changed"):
        writer.call(row("refused"), patience=0.1)
    opened[0].execute("PRAGMA max_page_count = 1000000")
    kept.wait(10)
    writer.put(lambda connection: None).wait(10)
    (names,) = zip(*opened[0].execute("SELECT hash FROM contents"), strict=True)
    assert names == ("kept",)
    writer.close()


def test_what_failed_in_the_middle_of_a_run_is_told_at_its_end(journal: Journal) -> None:
    journal.start_run("r", "w", "", 1.0).wait(10)
    journal.take("r", [succeeded("r", 0)], lambda node: {}).wait(10)

    async def record() -> None:
        recorder = Recorder(journal, "r")
        for number in (0, 1, 2):
            recorder._queued(journal.take("r", [succeeded("r", number)], lambda node: {}))
        await recorder.committed()

    with pytest.raises(JournalError, match="UNIQUE"):
        asyncio.run(record())
    assert [event.sequence for event in journal.events("r")] == [0, 1, 2]


def test_a_run_that_was_killed_long_ago_is_forgotten_and_one_that_still_runs_is_not(journal: Journal) -> None:
    for name, wall in (("killed", 10.0), ("long", 990.0)):
        journal.start_run(name, "w", "", 5.0)
        journal.take(name, [succeeded(name, 0)._replace(wall=wall)], lambda node: {"result": 1})
    journal.start_run("new", "w", "", 995.0)
    assert journal.forget(900.0, keep=1) == 1
    assert [run.run_id for run in journal.runs()] == ["new", "long"]
    assert journal.events("killed") == []


def test_files_of_forgotten_values_go_and_those_that_are_still_named_stay(journal: Journal) -> None:
    shared, own = Random(1).randbytes(3_000_000), Random(2).randbytes(3_000_000)
    for name, started, values in (("old", 1.0, {"a": shared, "b": own}), ("young", 2.0, {"a": shared})):
        journal.start_run(name, "w", "", started)
        told = succeeded(name, 0)._replace(details={"outputs": list(values)})
        journal.take(name, [told, finished(name, 1)], lambda node, values=values: values).wait(20)
    folder = journal.path.with_name("journal_values")
    (folder / ".abc.123.part").write_bytes(b"of a process that was killed")
    assert len(list(folder.iterdir())) == 3
    assert journal.forget(100.0, keep=1) == 1
    (left,) = folder.iterdir()
    assert left.name == hashlib.sha256(left.read_bytes()).hexdigest()
    assert journal.finished("young") == {"n0": {"a": shared}}


# writes values that spill into files, acknowledges them, and forgets what is older than its newest runs
_SPILLING = """
import sys
from pathlib import Path
from random import Random
from kailash_studio.runtime.events import RUN_CONTINUED, RUN_PAUSED, Event
from kailash_studio.runtime.journal.journal import Journal

journal, first = Journal(Path(sys.argv[1])), int(sys.argv[2])
for number in range(first, first + 1000):
    run = f"r{number:06d}"
    journal.start_run(run, "w", "", float(number))
    told = Event(0, "node_succeeded", run, "n", 0.0, 0.0, -1, {"outputs": ["own", "shared"]})
    ended = Event(1, "run_finished", run, "", 0.0, 0.0, 0, {"state": "succeeded", "seconds": 1.0})
    values = {"own": Random(number).randbytes(1_200_000), "shared": Random(number // 3).randbytes(1_200_000)}
    journal.take(run, [told, ended], lambda node: values).wait(30)
    print(run, flush=True)
    if number % 2:
        journal.forget(float(number), keep=2)
"""


def test_kills_amid_large_values_and_forgetting_leave_no_name_without_its_file(tmp_path: Path) -> None:
    path, rng = tmp_path / "journal.db", Random(4)
    folder = path.with_name("journal_values")
    for kill in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", _SPILLING, str(path), str(kill * 1000)], stdout=subprocess.PIPE, encoding="utf-8"
        )
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(rng.randint(1, 5))]
        threading.Event().wait(rng.random() * 0.05)  # a kill may come at any moment, not only after a line
        process.kill()
        told += process.stdout.read().split("\n")[:-1]
        process.wait(10)
        process.stdout.close()
        connection = schema.connect(path)
        assert connection.pragma("integrity_check") == "ok"
        for name, size in connection.execute("SELECT hash, size FROM contents WHERE data IS NULL"):
            data = (folder / name).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (size, name)
        connection.close()
        journal = Journal(path)
        assert journal.finished(told[-1])["n"].keys() == {"own", "shared"}
        journal.close()


def test_a_file_that_is_wanted_again_while_it_is_being_forgotten_stays(journal: Journal) -> None:
    value = Random(1).randbytes(3_000_000)
    for name, started in (("old", 1.0), ("young", 2.0)):
        journal.start_run(name, "w", "", started)
        batch = [succeeded(name, 0), finished(name, 1)] if name == "old" else [finished(name, 1)]
        journal.take(name, batch, lambda node: {"result": value}).wait(20)
    other = Journal(journal.path)
    call, calls = journal._writer.call, []

    def between(work: Any) -> Any:
        calls.append(work)
        if len(calls) == 2:  # what was forgotten is committed, the files are still to go
            other.take("young", [succeeded("young", 0)], lambda node: {"result": value}).wait(20)
        return call(work)

    journal._writer.call = between  # type: ignore[method-assign,assignment]
    assert journal.forget(100.0, keep=1) == 1
    other.close()
    assert len(calls) == 2
    assert journal.finished("young") == {"n0": {"result": value}}


def test_runs_whose_work_still_waits_in_a_dead_letter_are_kept(journal: Journal) -> None:
    letter = DeadLetter.of(
        run_id="again", root="first", workflow="w", document_hash="", node="n0", node_type="T", timestamp=1.0,
        error="down", error_class="E", code="", attempts=(), inputs={},
    )  # fmt: skip
    for number, (name, before) in enumerate((("first", ""), ("again", "first"), ("other", ""), ("new", ""))):
        journal.start_run(name, "w", "", float(number), resumed_from=before, root=before)
        told = succeeded(name, 0)._replace(wall=float(number))
        letters = [letter] if name == "again" else []
        journal.take(name, [told, finished(name, 1)], lambda node: {"result": 1}, letters).wait(20)
    assert journal.forget(100.0, keep=1) == 1
    assert [run.run_id for run in journal.runs()] == ["new", "again", "first"]
    assert journal.finished_in_all("first") == {"n0": {"result": 1}}
    journal.change_dead_letters([letter.id], "discarded")
    assert journal.forget(100.0, keep=1) == 2
    assert journal.count_dead_letters(state="") == 0


def test_the_journal_is_tidied_once_a_day_as_the_environment_says(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        journal.start_run(f"r{number:02}", "w", "", float(number)).wait(10)
    monkeypatch.setenv("KAILASH_STUDIO_KEEP_DAYS", "soon")
    with pytest.raises(ParameterError, match="KAILASH_STUDIO_KEEP_DAYS is 'soon'"):
        journal.tidy()
    monkeypatch.setenv("KAILASH_STUDIO_KEEP_DAYS", "0")
    assert journal.tidy() == 0
    monkeypatch.delenv("KAILASH_STUDIO_KEEP_DAYS")
    assert journal.tidy() == 5, "the newest twenty stay, however old"
    journal.start_run("old", "w", "", 0.5).wait(10)
    assert journal.tidy() == 0, "it was done today"
    os.utime(journal.path.with_name("journal.tidied"), (0, 0))
    assert journal.tidy() == 1
