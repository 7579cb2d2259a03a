"""Several processes and threads on one store; versions of its tables."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest
from fakes.journal_events import succeeded
from fakes.waiting import until_threads

from kailash_studio.errors import JournalError
from kailash_studio.resilience.dead_letter import DeadLetter, FailedAttempt
from kailash_studio.runtime.journal import schema
from kailash_studio.runtime.journal.journal import Journal

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


def letter(number: int, error: str = "down", node: str = "n") -> DeadLetter:
    return DeadLetter.of(
        run_id="r", workflow="w", document_hash="", node=node, node_type="T", timestamp=float(number), error=error,
        error_class="ConnectionError", code="", attempts=(FailedAttempt(1, 1.0, 0.5, error, None),), inputs={},
    )  # fmt: skip


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
    until_threads(lambda: len(journal.events("r")) == 1000)
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


def test_whoever_comes_while_another_process_makes_the_store_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    first = apsw.Connection(str(path))
    first.execute("CREATE TABLE t (x)")
    first.execute("BEGIN IMMEDIATE")  # as it is while the tables are made: SQLite refuses WAL then without waiting
    came: list[Any] = []

    def come() -> None:
        try:
            came.append(Journal(path))
        except JournalError as error:
            came.append(error)

    thread = threading.Thread(target=come)
    thread.start()
    thread.join(0.3)  # a second process that does not wait has its error by now
    assert came == []
    first.execute("ROLLBACK")
    first.close()
    thread.join(20)
    (journal,) = came
    assert isinstance(journal, Journal), journal
    journal.close()


def test_a_store_of_the_first_version_is_taken_over_with_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    old = apsw.Connection(str(path))
    old.execute(schema._STEPS[0])
    old.execute("PRAGMA user_version = 1")
    made = letter(7, "kept")
    old.execute("BEGIN")
    for run, before in (("r", ""), ("again", "r"), ("and again", "again"), ("other", "forgotten")):
        old.execute("INSERT INTO runs VALUES (?, 'w', '', '', '{}', 'api', ?, 1.0, 'failed', 2.0)", (run, before))
    old.execute("COMMIT")
    old.close()
    journal = Journal(path)
    journal.take("r", [], lambda node: None, [made]).wait(10)
    journal.close()
    for _ in range(2):  # the second time there is nothing to do
        journal = Journal(path)
        assert journal.dead_letters() == [made]
        roots = {run.run_id: run.root for run in journal.runs()}
        assert roots == {"r": "r", "again": "r", "and again": "r", "other": "other"}
        assert journal.run("r").state == "failed"
        assert journal._read("PRAGMA user_version") == [(schema.VERSION,)]
        journal.close()
