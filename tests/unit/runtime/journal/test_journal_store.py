"""Several processes and threads on one store, a disk that refuses, and what is forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import JournalError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.dead_letter import DeadLetter, FailedAttempt
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal import schema, store
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.recorder import Recorder
from kailash_studio.runtime.journal.writer import Writer

# waits for a line, so that all begin at once; then writes 60 batches, and claims the letters that it is told of
_PROCESS = """
import sys
from pathlib import Path
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal.journal import Journal

print("ready", flush=True)
letters = sys.stdin.readline().split()
journal, name = Journal(Path(sys.argv[1])), sys.argv[2]
journal.start_run(name, "w", "", 1.0)
for i in range(60):
    event = Event(i, "node_succeeded", name, f"n{i}", 0.0, 0.0, -1, {"outputs": ["result"]})
    last = journal.take(name, [event], lambda node: {"result": node})
    if i % 10 == 0:
        last.wait(30)
last.wait(30)
print(" ".join(letter for letter in letters if journal.change_dead_letters([letter], "replaying")), flush=True)
journal.close()
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.db")
    yield made
    made.close()


def succeeded(run: str, number: int) -> Event:
    return Event(number, "node_succeeded", run, f"n{number}", 0.0, 0.0, -1, {"outputs": ["result"], "rows": {}})


def finished(run: str, number: int, wall: float = 0.0) -> Event:
    return Event(number, "run_finished", run, "", 0.0, wall, 0, {"state": "succeeded", "seconds": 1.0})


def letter(number: int, error: str = "down", node: str = "n") -> DeadLetter:
    return DeadLetter.of(
        run_id="r", workflow="w", document_hash="", node=node, node_type="T", timestamp=float(number), error=error,
        error_class="ConnectionError", code="", attempts=(FailedAttempt(1, 1.0, 0.5, error, None),), inputs={},
    )  # fmt: skip


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        threading.Event().wait(0.005)


def together(path: Path, names: list[str], letters: list[str]) -> list[list[str]]:
    """Start a process for each name, let all go at once; what each of them printed last."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(" ".join(letters) + "\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60) for process in processes]
    for process, (_, errors) in zip(processes, told, strict=True):
        assert process.returncode == 0, errors
    return [out.split() for out, _ in told]


# ------------------------------------------------------------------------------------------------- processes
@pytest.mark.parametrize("attempt", range(3))
def test_processes_that_find_no_store_make_one_together(tmp_path: Path, attempt: int) -> None:
    names = [f"p{number}" for number in range(4)]
    together(tmp_path / "journal.db", names, [])
    journal = Journal(tmp_path / "journal.db")
    for name in names:
        assert [event.sequence for event in journal.events(name)] == list(range(60))
        assert len(journal.finished(name)) == 60
    journal.close()


def test_of_processes_that_claim_the_same_letters_each_letter_has_one(journal: Journal) -> None:
    letters = [letter(number) for number in range(40)]
    journal.take("r", [succeeded("r", 0)], lambda node: {}, letters).wait(20)
    claimed = together(journal.path, ["p0", "p1"], [one.id for one in letters])
    assert sorted(claimed[0] + claimed[1]) == sorted(one.id for one in letters)
    assert journal.count_dead_letters(state="replaying") == 40


def test_what_another_process_wrote_is_noticed(journal: Journal) -> None:
    before = journal.version()
    assert journal.version() == before
    other = Journal(journal.path)
    other.start_run("r", "w", "", 1.0).wait(10)
    other.close()
    assert journal.version() != before


def test_no_process_waits_for_the_encoding_of_another(journal: Journal) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Slow(dict[str, Any]):
        def items(self) -> Any:
            entered.set()
            assert go_on.wait(20)
            return super().items()

    journal.start_run("r", "w", "", 1.0).wait(10)
    slow = journal.take("r", [succeeded("r", 0)], lambda node: {"result": Slow(a=1)})
    assert entered.wait(10)
    other = Journal(journal.path)
    other.start_run("other", "w", "", 1.0).wait(10)  # less than a connection waits for a lock
    other.close()
    assert not slow.done
    go_on.set()
    slow.wait(10)
    assert journal.finished("r") == {"n0": {"result": {"a": 1}}}


# ------------------------------------------------------------------------------------------------- threads
def test_threads_that_have_ended_leave_no_connection_behind(journal: Journal) -> None:
    journal.runs()
    for _ in range(30):
        thread = threading.Thread(target=journal.runs)
        thread.start()
        thread.join()
    assert len(journal._readers) == 1


def test_four_threads_that_outrun_the_disk_share_its_commits(journal: Journal) -> None:
    journal.start_run("r", "w", "", 1.0).wait(10)
    before = journal.transactions
    held = schema.connect(journal.path)
    held.execute("BEGIN IMMEDIATE")  # a disk that is slow: nothing is committed until all have come

    def feed(start: int) -> None:
        for number in range(start, start + 250):
            journal.take("r", [succeeded("r", number)], lambda node: {"result": 1})

    threads = [threading.Thread(target=feed, args=(start,)) for start in range(0, 1000, 250)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held.execute("ROLLBACK")
    held.close()
    until(lambda: len(journal.events("r")) == 1000)
    assert journal.transactions - before <= 3


def test_a_closed_journal_says_so(journal: Journal) -> None:
    journal.start_run("r", "w", "", 1.0)
    assert journal.runs(limit=1) is not None
    journal.close()
    journal.close()
    for call in (journal.runs, journal.dead_letters, lambda: journal.start_run("s", "w", "", 1.0)):
        with pytest.raises(JournalError, match="is closed"):
            call()
    again = Journal(journal.path)
    assert [run.run_id for run in again.runs()] == ["r"], "what was queued was written"
    again.close()


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


# ------------------------------------------------------------------------------------------------- a full disk
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
    monkeypatch.setattr("kailash_studio.runtime.journal.recorder._LOOK_SECONDS", 0.05)
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
    until(lambda: journal.runs() and journal.runs()[0].state == "succeeded")
    assert journal.problem == ""
    assert journal.finished(run_id) == {"n": {"result": large(1)}}


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
    until(lambda: writer.problem)
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


# ------------------------------------------------------------------------------------------------- retention
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


# ------------------------------------------------------------------------------------------------- dead letters
def test_letters_that_failed_alike_stand_together(journal: Journal) -> None:
    letters = [letter(100 + number, f"host {number} is down") for number in range(5)]
    letters += [letter(90, "no such table", "m"), letter(203, "no such table", "m")]
    journal.take("r", [succeeded("r", 0)], lambda node: {}, letters).wait(10)
    found = journal.dead_letter_groups()
    assert [(g.count, g.node, g.error, g.first, g.last) for g in found] == [
        (5, "n", "host 4 is down", 100.0, 104.0),
        (2, "m", "no such table", 90.0, 203.0),
    ]
    assert [g.node for g in journal.dead_letter_groups(text="TABLE")] == ["m"]
    assert journal.dead_letter_groups(state="resolved") == []
    assert journal.dead_letter_rate(100.0, 2.0) == [(100.0, 2), (102.0, 2), (104.0, 1), (202.0, 1)]


# ------------------------------------------------------------------------------------------------- large values
# writes values that spill into files, acknowledges them, and forgets what is older than its newest runs
_SPILLING = """
import sys
from pathlib import Path
from random import Random
from kailash_studio.runtime.events import Event
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
