"""What the journal meets that nobody planned: lost files, values nobody can read, texts that are no UTF-8."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kailash_studio.errors import JournalError
from kailash_studio.resilience.dead_letter import DeadLetter, FailedAttempt
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal import schema
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.writer import Writer

UNPAIRED = "caf\udce9"  # what Python makes of a byte that is no UTF-8, in file names and in arguments


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.db")
    made.start_run("r", "w", "", 1.0).wait(10)
    yield made
    made.close()


def succeeded(number: int) -> Event:
    return Event(number, "node_succeeded", "r", f"n{number}", 0.0, 0.0, -1, {"outputs": ["result"], "rows": {}})


def letter(number: int, **changes: Any) -> DeadLetter:
    known: dict[str, Any] = {
        "run_id": "r", "workflow": "w", "document_hash": "", "node": "n", "node_type": "T", "timestamp": float(number),
        "error": "down", "error_class": "ConnectionError", "code": "", "inputs": {"x": number},
        "attempts": (FailedAttempt(1, 1.0, 0.5, "down", None),),
    }  # fmt: skip
    return DeadLetter.of(**(known | changes))


def test_a_writer_that_cannot_open_the_file_says_so_and_goes_on_when_it_can(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    broken = threading.Event()
    broken.set()

    def connect() -> Any:
        if broken.is_set():
            raise JournalError("The journal cannot be opened: unable to open database file.")
        return schema.connect(path)

    writer = Writer(connect)
    ack = writer.put(lambda connection: next(connection.execute("SELECT 7"))[0])
    with pytest.raises(JournalError, match="did not write within"):
        ack.wait(0.2)
    assert "cannot be opened" in writer.problem
    broken.clear()
    assert ack.wait(10) == 7
    assert writer.problem == ""
    writer.close()


def test_a_writer_that_never_could_open_the_file_still_closes_and_tells_everybody(tmp_path: Path) -> None:
    def connect() -> Any:
        raise JournalError("The journal cannot be opened: unable to open database file.")

    writer = Writer(connect)
    acks = [writer.put(lambda connection: None) for _ in range(3)]
    writer.close()
    for ack in acks:
        assert ack.done
        with pytest.raises(JournalError, match="cannot be opened"):
            ack.wait(0)


class Grumpy(dict[str, Any]):
    def items(self) -> Any:
        raise LookupError("no items today")


class Changing(dict[str, Any]):
    """Changes its size each time that somebody walks through it, as a dict does that a later node still fills."""

    def items(self) -> Any:
        for key in list(self):
            self[key + "x"] = 1
            yield key, self[key]
        raise RuntimeError("dictionary changed size during iteration")


@pytest.mark.parametrize("make", [lambda: Grumpy(a=1), lambda: Changing(a=1), lambda: {"deep": nested(5000)}, object])
def test_a_value_that_cannot_be_read_is_not_kept_but_its_event_is(journal: Journal, make: Callable[[], Any]) -> None:
    value = make()
    given = {"n0": {"result": 1}, "n1": {"result": value}}
    journal.take("r", [succeeded(0), succeeded(1)], given.__getitem__).wait(10)
    assert [event.node for event in journal.events("r")] == ["n0", "n1"]
    assert journal.finished("r") == {"n0": {"result": 1}}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_text_that_is_no_utf8_is_kept_wherever_it_stands(journal: Journal) -> None:
    journal.start_run("odd", UNPAIRED, UNPAIRED, 1.0, folder=UNPAIRED, given={"path": UNPAIRED}).wait(10)
    assert journal.document(journal.run("odd")) == UNPAIRED
    assert journal.run("odd").given == {"path": UNPAIRED}
    told = Event(0, "node_succeeded", "r", "n0", 0.0, 0.0, -1, {"outputs": ["result"], "text": UNPAIRED})
    made = replace(letter(1, inputs={UNPAIRED: UNPAIRED}), error=UNPAIRED)
    journal.take("r", [told], lambda node: {"result": {UNPAIRED: UNPAIRED}}, [made]).wait(10)
    assert journal.finished("r") == {"n0": {"result": {UNPAIRED: UNPAIRED}}}
    assert journal.events("r")[0].details["text"] == UNPAIRED
    (found,) = journal.dead_letters()
    assert found.error == "caf\\udce9"
    assert journal.inputs_of(found.id) == {UNPAIRED: UNPAIRED}


def test_many_letters_are_found_by_their_ids_however_many_there_are(journal: Journal) -> None:
    made = [letter(number) for number in range(300)]
    journal.take("r", [succeeded(0)], lambda node: {}, made).wait(20)
    ids = [one.id for one in made] + [f"{number:032x}" for number in range(40_000)]
    assert {found.id for found in journal.dead_letters(ids=ids)} == {one.id for one in made}


def test_a_spilled_value_that_was_deleted_from_outside_makes_its_node_unfinished(journal: Journal) -> None:
    given: dict[str, Any] = {"n0": {"result": 1}, "n1": {"result": Random(1).randbytes(3_000_000)}}
    journal.take("r", [succeeded(0), succeeded(1)], given.__getitem__).wait(20)
    (spilled,) = (journal.path.parent / "journal_values").iterdir()
    spilled.unlink()
    assert journal.finished("r") == {"n0": {"result": 1}}
