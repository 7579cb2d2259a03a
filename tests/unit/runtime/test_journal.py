"""The journal keeps what it has acknowledged: through kills, power cuts, full disks and other processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest
from fakes.power_cuts import LoggedDisk, image

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.errors import CircuitOpenError, JournalError, WorkflowExecutionError
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.resilience.breaker import BreakerChange, BreakerSnapshot
from kailash_studio.resilience.dead_letter import DeadLetter, FailedAttempt
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal import contents, schema
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.writer import Writer

FAKES = Path(__file__).resolve().parents[2] / "fakes"


def succeeded(run: str, number: int, node: str = "n") -> Event:
    return Event(number, "node_succeeded", run, f"{node}{number}", 0.0, 0.0, -1, {"outputs": ["result"], "rows": {}})


def letter(node: str = "n", error: str = "down", **changes: Any) -> DeadLetter:
    made = DeadLetter.of(
        run_id="r", workflow="w", document_hash="", node=node, node_type="T", timestamp=5.0, error=error,
        error_class="ConnectionError", code="", attempts=(FailedAttempt(1, 1.0, 0.5, error, None),), inputs={"x": [1]},
    )  # fmt: skip
    return replace(made, **changes)


# ------------------------------------------------------------------------------------------------- runs
def test_a_run_is_found_again_with_its_events_outputs_and_document(journal: Journal) -> None:
    builder = WorkflowBuilder("kept")
    builder.add_node("PythonCodeNode", "one", code="def one(x: int = 1): return {'result': [x, 2.5, None, 'ä']}")
    runtime = LocalRuntime(journal=journal)
    results, run_id = runtime.execute(builder, parameters={"one": {"x": 7}})
    run = journal.run(run_id[:18])
    assert (run.state, run.workflow, run.origin) == ("succeeded", "kept", "api")
    assert run.given == {"one": {"x": 7}}
    assert journal.document(run) == builder.build().to_json()
    assert journal.finished(run_id) == results
    told = journal.events(run_id)
    assert [event.kind for event in told] == ["run_started", "node_started", "node_succeeded", "run_finished"]
    assert [event.sequence for event in journal.events(run_id, after=1)] == [2, 3]
    with pytest.raises(JournalError, match="no such run"):
        journal.run("1999")


def test_resume_calls_only_what_has_not_finished(journal: Journal, tmp_path: Path) -> None:
    calls: list[str] = []
    broken = True

    def first() -> int:
        calls.append("first")
        return 1

    def second(x: int) -> int:
        calls.append("second")
        if broken:
            raise ConnectionError("down")
        return x + 1

    def third(x: int) -> int:
        calls.append("third")
        return x + 1

    builder = WorkflowBuilder("w")
    for function in (first, second, third):
        builder.add_node(function.__name__, PythonCodeNode.from_function(function))
    builder.add_connection("first", "result", "second", "x")
    builder.add_connection("second", "result", "third", "x")
    runtime = LocalRuntime(journal=journal)
    with pytest.raises(WorkflowExecutionError) as raised:
        runtime.execute(builder)
    broken = False
    before = journal.run(raised.value.run_id)
    known = journal.finished_in_all(before.root)
    outcome, run_id = asyncio.run(
        AsyncLocalRuntime(journal=journal).run(builder, known=known, origin="resume", before=before)
    )
    assert calls == ["first", "second", "second", "third"]
    assert outcome.results["third"] == {"result": 3}
    assert journal.run(run_id).resumed_from == before.run_id


# ------------------------------------------------------------------------------------------------- kills
def test_nothing_acknowledged_is_lost_in_60_kills(tmp_path: Path) -> None:
    path, rng = tmp_path / "journal.db", Random(3)
    acknowledged: dict[str, int] = {}
    more = 0
    for number in range(60):
        name = f"run{number:02d}"
        process = subprocess.Popen(
            [sys.executable, str(FAKES / "journal_writer.py"), str(path), name],
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert process.stdout is not None
        acknowledged[name] = 0
        for _ in range(rng.randint(1, 40)):  # the moment of the kill is a number of acknowledgements, and then any time
            line = process.stdout.readline()
            if line.endswith("\n"):
                acknowledged[name] = int(line)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")[:-1]
        acknowledged[name] = int(rest[-1]) if rest else acknowledged[name]
        process.wait(10)
        process.stdout.close()
    journal = Journal(path)
    try:
        connection = schema.connect(path)
        assert connection.pragma("integrity_check") == "ok"
        connection.close()
        for name, count in acknowledged.items():
            events = journal.events(name)
            assert len(events) >= count, f"{name}: {count} events were acknowledged, {len(events)} are there"
            assert [event.sequence for event in events] == list(range(len(events))), "no batch is half there"
            assert len(journal.finished(name)) == len(events)
            more += len(events) > count
            assert journal.run(name).state == "interrupted", "a run that was killed is not said to have ended"
    finally:
        journal.close()
    assert sum(acknowledged.values()) > 1000


def test_1000_power_cuts_lose_nothing_acknowledged_and_corrupt_nothing(tmp_path: Path) -> None:
    disk = LoggedDisk()
    path = tmp_path / "cut.db"
    connection = schema.connect(path, vfs="logged")
    connection.execute("PRAGMA wal_autocheckpoint = 40")
    disk.log.append(("mark", 0))
    rng = Random(5)
    for number in range(1, 251):
        connection.execute("BEGIN IMMEDIATE")
        data = contents.encode({"n": number, "padding": rng.randbytes(50 + number * 37 % 900).hex()})
        value = contents.store(connection, tmp_path / "values", data)
        connection.execute("INSERT INTO events VALUES ('r', ?, 'k', 'n', 0, 0, -1, '{}')", (number,))
        connection.execute("INSERT INTO outputs VALUES ('r', ?, 'o', ?)", (str(number), value))
        connection.execute("COMMIT")
        disk.log.append(("mark", number))
    connection.close()
    first = disk.log.index(("mark", 0))
    place = Path("/dev/shm" if os.path.isdir("/dev/shm") else tmp_path) / f"cuts-{os.getpid()}"  # noqa: PTH112
    place.mkdir()
    try:
        for _ in range(1000):
            files, acknowledged = image(disk.log, rng.randrange(first + 1, len(disk.log) + 1), rng)
            for old in place.iterdir():
                old.unlink()
            for name, content in files.items():
                if not name.endswith("-shm"):
                    (place / name).write_bytes(content)
            after = apsw.Connection(str(place / "cut.db"))
            assert after.pragma("integrity_check") == "ok"
            count, last = next(after.execute("SELECT count(*), coalesce(max(sequence), 0) FROM events"))
            assert count == last, "a later event is there without an earlier one"
            assert last >= acknowledged, f"event {acknowledged} was acknowledged, {last} is the last one there"
            orphans = "SELECT count(*) FROM outputs WHERE value NOT IN (SELECT hash FROM contents)"
            assert next(after.execute(orphans))[0] == 0
            after.close()
    finally:
        for old in place.iterdir():
            old.unlink()
        place.rmdir()
        disk.unregister()


# ------------------------------------------------------------------------------------------------- the writer
def test_a_full_disk_pauses_the_writing_names_the_cause_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "full.db"
    schema.connect(path).close()
    limit = [60]

    def connect() -> Any:
        connection = schema.connect(path)
        connection.execute(f"PRAGMA max_page_count = {limit[0]}")
        opened.append(connection)
        return connection

    opened: list[Any] = []
    writer = Writer(connect)

    def row(number: int) -> Any:
        return lambda connection: connection.execute(
            "INSERT INTO contents VALUES (?, 1, ?)", (str(number), os.urandom(8000))
        )

    acks = [writer.put(row(number)) for number in range(100)]
    deadline = time.monotonic() + 20
    while not writer.problem:
        assert time.monotonic() < deadline, "the disk was never full"
        threading.Event().wait(0.01)
    assert "full" in writer.problem
    assert not acks[-1].done
    writer.put(lambda connection: None)
    opened[0].execute("PRAGMA max_page_count = 100000")
    for ack in acks:
        ack.wait(20)
    assert writer.problem == ""
    writer.close()
    connection = schema.connect(path)
    assert next(connection.execute("SELECT count(*) FROM contents"))[0] == 100
    connection.close()


def test_what_comes_together_is_committed_together(journal: Journal) -> None:
    journal.start_run("r", "w", "", 1.0).wait(10)
    before = journal.transactions
    acks = []

    def feed(start: int) -> None:
        for number in range(start, start + 500):
            acks.append(journal.take("r", [succeeded("r", number)], lambda node: {"result": 1}))  # noqa: PERF401

    threads = [threading.Thread(target=feed, args=(start,)) for start in (0, 500, 1000, 1500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ack in acks:
        ack.wait(20)
    assert len(journal.events("r")) == 2000
    assert journal.transactions - before < 1000


def test_work_that_cannot_be_done_is_told_and_the_rest_is_written(journal: Journal) -> None:
    journal.start_run("r", "w", "", 1.0).wait(10)
    good = journal.take("r", [succeeded("r", 0)], lambda node: {"result": 1})
    twice = journal.take("r", [succeeded("r", 0)], lambda node: {"result": 1})
    also_good = journal.take("r", [succeeded("r", 1)], lambda node: {"result": 1})
    good.wait(10)
    also_good.wait(10)
    with pytest.raises(JournalError, match="UNIQUE"):
        twice.wait(10)
    assert len(journal.events("r")) == 2


def test_a_journal_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    connection = schema.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with pytest.raises(JournalError, match="newer program"):
        Journal(path)
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(path)


# ------------------------------------------------------------------------------------------------- values
def test_the_same_value_is_stored_once_and_a_large_one_beside(journal: Journal) -> None:
    journal.start_run("r", "w", "", 1.0)
    large = Random(1).randbytes(3 * 2**20)
    journal.take("r", [succeeded("r", 0)], lambda node: {"result": large})
    journal.take("r", [succeeded("r", 1)], lambda node: {"result": large})
    journal.take("r", [succeeded("r", 2)], lambda node: {"result": lambda: None}).wait(20)
    assert journal.finished("r") == {"n0": {"result": large}, "n1": {"result": large}}, "what is no data is not kept"
    spilled = list((journal.path.parent / "journal_values").iterdir())
    assert len(spilled) == 1
    assert journal.path.stat().st_size < 2**20


def test_old_runs_are_forgotten_with_their_values_but_not_what_waits_for_somebody(journal: Journal) -> None:
    for number in range(6):
        run = f"run{number}"
        journal.start_run(run, "w", f"document {number}", float(number))
        end = Event(1, "run_finished", run, "", 0.0, 0.0, 0, {"state": "failed", "seconds": 1.0})
        letters = [letter(run_id=run, id=f"{number:032d}", inputs={"x": f"only in {number}"})]
        journal.take(run, [succeeded(run, 0), end], lambda node, run=run: {"result": f"of {run}"}, letters)
    journal.change_dead_letters([f"{0:032d}", f"{2:032d}"], "discarded")
    assert journal.forget(100.0, keep=2) == 2
    assert [run.run_id for run in journal.runs()] == ["run5", "run4", "run3", "run1"]
    assert journal.finished("run5") == {"n0": {"result": "of run5"}}
    assert journal.count_dead_letters() == 4
    assert journal.inputs_of(f"{1:032d}") == {"x": "only in 1"}
    with pytest.raises(JournalError):
        journal.inputs_of(f"{0:032d}")


# ------------------------------------------------------------------------------------------------- dead letters
def test_dead_letters_are_written_with_the_failure_and_found_by_all_their_sides(journal: Journal) -> None:
    def risky(data: Any) -> Any:
        raise ConnectionError(f"host 10.0.0.{len(data)} is down")

    builder = WorkflowBuilder("nightly")
    builder.add_node("risky", PythonCodeNode.from_function(risky))
    builder.configure_retry("risky", max_retries=1, strategy="immediate")
    runtime = LocalRuntime(journal=journal)
    for size in (1, 2):
        with pytest.raises(WorkflowExecutionError):
            runtime.execute(builder, parameters={"data": [size] * size})
    found = journal.dead_letters()
    assert len(found) == 2
    assert found[0].fingerprint == found[1].fingerprint, "they failed in the same way"
    assert len(found[0].attempts) == 2
    assert journal.inputs_of(found[0].id) == {"data": [2, 2]}
    assert journal.count_dead_letters(workflow="nightly", node="risky", text="HOST 10") == 2
    assert journal.count_dead_letters(workflow="other") == 0
    assert [entry["id"] for entry in builder.get_dead_letter_queue()] == [found[1].id, found[0].id]
    assert builder.clear_dead_letter_queue() == 2
    assert journal.count_dead_letters() == 0
    assert journal.count_dead_letters(state="discarded") == 2
    assert builder.get_dead_letter_queue() == []


def test_a_letter_goes_only_where_it_may_and_is_poison_after_three_replays(journal: Journal) -> None:
    made = letter()
    journal.start_run("r", "w", "", 1.0)
    journal.take("r", [succeeded("r", 0)], lambda node: {}, [made]).wait(10)
    assert journal.change_dead_letters([made.id], "resolved") == 0
    for attempt in (1, 2, 3):
        assert journal.change_dead_letters([made.id], "replaying") == 1
        assert journal.change_dead_letters([made.id], "replaying") == 0, "another replay cannot claim it"
        assert journal.change_dead_letters([made.id], "new") == 1
        (now,) = journal.dead_letters(state="")
        assert now.replays == attempt
    assert now.state == "poison"
    assert journal.change_dead_letters([made.id], "replaying") == 0
    assert journal.change_dead_letters([made.id], "new") == 1


def test_100000_dead_letters_are_filtered_within_the_patience_of_a_window(journal: Journal) -> None:
    journal.start_run("r", "w", "", 1.0)
    for block in range(100):
        letters = [
            letter(
                f"node{i % 7}",
                f"error {i % 13} of {block}",
                id=f"{block * 1000 + i:032d}",
                timestamp=float(block * 1000 + i),
            )
            for i in range(1000)
        ]
        ack = journal.take("r", [succeeded("r", block)], lambda node: {}, letters)
    ack.wait(120)
    spent = []
    for words in ({}, {"node": "node3"}, {"fingerprint": letters[5].fingerprint}, {"text": "error 12"}):
        began = time.process_time()
        page = journal.dead_letters(**words, limit=100)
        spent.append(time.process_time() - began)
        assert page
    assert sorted(spent)[len(spent) // 2] < 0.1, spent


# ------------------------------------------------------------------------------------------------- breakers
def test_a_breaker_is_shared_by_processes(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    calls = []

    def down() -> None:
        calls.append(1)
        raise ConnectionError("down")

    def builder() -> WorkflowBuilder:
        made = WorkflowBuilder("w")
        made.add_node("call", PythonCodeNode.from_function(down))
        made.configure_circuit_breaker("call", failure_threshold=2, timeout=60)
        return made

    for expected in (ConnectionError, ConnectionError, CircuitOpenError):
        journal = Journal(path)  # another process each time, as far as the journal can tell
        with pytest.raises(WorkflowExecutionError) as raised:
            LocalRuntime(journal=journal).execute(builder())
        journal.close()
        assert isinstance(raised.value.failures["call"], expected)
    assert len(calls) == 2, "failures in a row are counted over processes"
    journal = Journal(path)
    changes = journal.breaker_changes("w/call")
    journal.close()
    assert [(change.before, change.after) for _, change in changes][:1] == [("closed", "open")]


def test_what_one_process_forces_open_another_refuses(journal: Journal) -> None:
    builder = WorkflowBuilder("w")
    builder.add_node("call", PythonCodeNode.from_function(lambda: 1, name="call"))
    builder.configure_circuit_breaker("call")
    runtime = LocalRuntime(journal=journal)
    runtime.execute(builder)
    forced = BreakerSnapshot("forced_open", 0.0, 0, 0, "maintenance", time.time() + 1)
    journal.save_breaker("w/call", forced, BreakerChange("w/call", "closed", "forced_open", "maintenance")).wait(10)
    with pytest.raises(WorkflowExecutionError, match="maintenance"):
        runtime.execute(builder)
    assert journal.breakers()["w/call"].state == "forced_open"


@pytest.mark.parametrize("seed", range(8))
def test_a_run_that_was_killed_is_resumed_and_repeats_nothing_that_had_finished(seed: int, tmp_path: Path) -> None:
    path, effects = tmp_path / "journal.db", tmp_path / "effects.txt"
    words = [sys.executable, str(FAKES / "slow_chain.py"), str(path), str(effects)]
    process = subprocess.Popen([*words, ""], stdout=subprocess.DEVNULL)
    wanted = Random(seed).randint(1, 20)  # the kill comes when so many effects are there
    deadline = time.monotonic() + 30
    while not effects.exists() or len(effects.read_text(encoding="utf-8").splitlines()) < wanted:
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    before = effects.read_text(encoding="utf-8").split()
    journal = Journal(path)
    finished = journal.finished("first")
    journal.close()
    assert len(before) - 8 <= len(finished) <= len(before), "what ended in the last moments may be missing, no more"
    done = subprocess.run([*words, "first"], capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.stdout.strip() == str(sum(range(25))), done.stderr
    after = effects.read_text(encoding="utf-8").split()
    for node in finished:
        assert after.count(node) == 1, f"{node} had finished and was repeated"
    assert set(after) == {f"n{number}" for number in range(25)}
