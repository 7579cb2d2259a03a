"""Large workflows are read, written and kept in a thread: the window goes on, and nothing is lost meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import waiting
from PySide6.QtWidgets import QMessageBox

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop import documents, session, validator
from kailash_studio.desktop.window import MainWindow
from kailash_studio.workflow.workflow import Workflow


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_LARGE_FILE", 10)
    monkeypatch.setattr(validator, "_LARGE", 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flow.kailash.json"
    builder = WorkflowBuilder("From a file")
    builder.add_node("TableViewNode", "view")
    builder.build().save(path)
    return path


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Writing waits for this."""
    may = threading.Event()
    write = Workflow.save

    def later(self: Workflow, path: Path) -> None:
        assert may.wait(20)
        write(self, path)

    monkeypatch.setattr(Workflow, "save", later)
    yield may
    may.set()


def boxes(window: MainWindow) -> list[QMessageBox]:
    return [box for box in window.findChildren(QMessageBox) if box.isVisible()]


def until(loop: Any, holds: Callable[[], object]) -> None:
    loop.run_until_complete(waiting.until(holds))


def do(loop: Any, work: Callable[[], object]) -> None:
    """Call inside of the running loop, as an action is."""

    async def inside() -> None:
        work()

    loop.run_until_complete(inside())


def test_a_large_file_is_opened_beside_the_window(window: MainWindow, loop: Any, file: Path) -> None:
    do(loop, lambda: window.documents.open(file))
    assert not window.session.workflow.nodes, "it is being read"
    until(loop, lambda: window.session.path == file)
    assert list(window.session.workflow.nodes) == ["view"]
    assert window.settings.recent[0] == str(file)
    assert "view" in window.canvas.store.cards


def test_of_two_files_the_later_wish_counts(window: MainWindow, loop: Any, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.kailash.json"
    other.write_text(file.read_text(encoding="utf-8").replace("From a file", "Another"), encoding="utf-8")

    def both() -> None:
        window.documents.open(file)
        window.documents.open(other)

    do(loop, both)
    until(loop, lambda: window.session.path is not None)
    assert window.session.path == other


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, threading.Event]]:
    """Reading a file waits for its event, by the file's name."""
    may: dict[str, threading.Event] = {}
    load = session.Session.load

    def later(self: session.Session, path: Path) -> session.Loaded:
        if path.name in may:
            assert may[path.name].wait(20)
        return load(self, path)

    monkeypatch.setattr(session.Session, "load", later)
    yield may
    for event in may.values():
        event.set()


def copies(file: Path, *names: str) -> list[Path]:
    """Files of their own names with the same content."""
    made = [file.with_name(f"{name}.kailash.json") for name in names]
    for path in made:
        path.write_text(file.read_text(encoding="utf-8").replace("From a file", path.name), encoding="utf-8")
    return made


def test_of_three_files_the_last_wish_counts_though_the_second_takes_long(
    window: MainWindow, loop: Any, file: Path, reading: dict[str, threading.Event]
) -> None:
    one, two, three = copies(file, "one", "two", "three")
    reading[two.name] = threading.Event()
    second: list[asyncio.Task[None]] = []

    async def wishes() -> None:
        window.documents.open(one)
        await asyncio.sleep(0)
        window.documents.open(two)
        assert window.documents._opening is not None
        second.append(window.documents._opening)
        for _ in range(3):
            await asyncio.sleep(0)  # the first one is told that it is not wanted any more
        window.documents.open(three)

    loop.run_until_complete(wishes())
    until(loop, lambda: window.session.path == three)
    reading[two.name].set()
    until(loop, second[0].done)
    assert window.session.path == three


def test_a_new_workflow_is_not_replaced_by_the_file_that_was_being_read(
    window: MainWindow, loop: Any, file: Path, reading: dict[str, threading.Event]
) -> None:
    reading[file.name] = threading.Event()
    opening: list[asyncio.Task[None]] = []

    def wishes() -> None:
        window.documents.open(file)
        assert window.documents._opening is not None
        opening.append(window.documents._opening)
        window.documents.new()

    do(loop, wishes)
    reading[file.name].set()
    until(loop, opening[0].done)
    assert opening[0].cancelled()
    assert window.session.path is None


def test_a_window_that_closes_waits_for_no_file(
    window: MainWindow, loop: Any, file: Path, reading: dict[str, threading.Event]
) -> None:
    reading[file.name] = threading.Event()
    do(loop, lambda: window.documents.open(file))
    opening = window.documents._opening
    assert opening is not None
    do(loop, window.close_without_asking)
    until(loop, opening.done)
    assert opening.cancelled()


def test_what_is_edited_while_a_file_is_read_is_asked_about(window: MainWindow, loop: Any, file: Path) -> None:
    do(loop, lambda: window.documents.open(file))
    window.session.add_node("MergeNode", (0, 0))
    until(loop, lambda: boxes(window))
    (box,) = boxes(window)
    assert box.objectName() == "unsaved_changes"
    box.button(QMessageBox.StandardButton.Cancel).click()
    assert window.session.path is None
    assert len(window.session.workflow.nodes) == 1


def test_a_file_that_cannot_be_read_is_told(window: MainWindow, loop: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.kailash.json"
    broken.write_text('{"format": "kailash', encoding="utf-8")
    do(loop, lambda: window.documents.open(broken))
    until(loop, lambda: boxes(window))
    assert "is not JSON at line 1" in boxes(window)[0].text()
    boxes(window)[0].accept()


def test_edits_while_it_is_saved_are_unsaved(window: MainWindow, loop: Any, file: Path, held: threading.Event) -> None:
    then: list[str] = []
    window.session.add_node("MergeNode", (0, 0))
    window.session.path = file
    do(loop, lambda: window.documents.save(lambda: then.append("saved")))
    window.session.add_node("MergeNode", (0, 300))
    held.set()
    until(loop, lambda: then)
    assert nodes_in(file) == 1
    assert window.session.dirty
    window.session.undo()
    assert not window.session.dirty


def nodes_in(file: Path) -> int:
    return len(json.loads(file.read_text(encoding="utf-8"))["nodes"])


def test_a_save_that_waits_for_another_one_does_not_write_a_new_workflow_over_it(
    window: MainWindow, loop: Any, file: Path, held: threading.Event
) -> None:
    then: list[str] = []
    window.session.add_node("MergeNode", (0, 0))
    window.session.path = file

    def keys() -> None:
        window.documents.save()
        window.documents.new()
        window.documents.save(lambda: then.append("saved"))

    do(loop, keys)
    held.set()
    until(loop, lambda: window.session.path is None and window.documents._saving is None)
    loop.run_until_complete(asyncio.sleep(0))
    assert nodes_in(file) == 1
    assert not window.session.workflow.nodes
    assert not then, "it was not saved"


def test_a_save_of_what_has_become_small_waits_for_that_of_what_was_large(
    window: MainWindow, loop: Any, file: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validator, "_LARGE", 1)
    then: list[str] = []
    names = [window.session.add_node("MergeNode", (0, 300 * row)) for row in range(3)]
    window.session.path = file
    do(loop, window.documents.save)
    window.session.remove(names[:2])
    do(loop, lambda: window.documents.save(lambda: then.append("saved")))
    assert not then
    held.set()
    until(loop, lambda: then)
    assert nodes_in(file) == 1
    assert not window.session.dirty


def test_closing_waits_for_the_file_to_be_written(
    window: MainWindow, loop: Any, file: Path, held: threading.Event
) -> None:
    window.session.add_node("MergeNode", (0, 0))
    window.session.path = file
    do(loop, window.documents.save)
    window.close()
    assert not window.closed.done()
    held.set()
    until(loop, window.closed.done)
    assert "MergeNode" in file.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_leaves_it_unsaved(window: MainWindow, loop: Any, tmp_path: Path) -> None:
    window.session.add_node("MergeNode", (0, 0))
    window.session.path = tmp_path / "missing" / "flow.kailash.json"
    do(loop, window.documents.save)
    until(loop, lambda: boxes(window))
    assert window.session.dirty
    boxes(window)[0].accept()


def test_what_could_not_be_saved_is_kept(window: MainWindow, loop: Any, tmp_path: Path, user_home: Path) -> None:
    window.session.add_node("MergeNode", (0, 0))
    window.session.path = tmp_path / "missing" / "flow.kailash.json"
    do(loop, window.documents.save)
    window.session._keep()  # it is time to, while nothing is unsaved
    window.session._keeping.stop()
    until(loop, lambda: boxes(window))
    until(loop, lambda: list((user_home / "unsaved").glob("*.json")))
    boxes(window)[0].accept()


@pytest.mark.parametrize("large", [True, False])
def test_an_approval_that_cannot_be_written_is_told_and_leaves_it_unsaved(
    window: MainWindow, loop: Any, file: Path, user_home: Path, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validator, "_LARGE", 0 if large else 10)
    (user_home / "approved.json").mkdir()  # no file can take its place
    window.session.add_node("MergeNode", (0, 0))
    window.session.path = file
    do(loop, window.documents.save)
    until(loop, lambda: boxes(window))
    assert "is written, but not that it may run here" in boxes(window)[0].text()
    assert window.session.dirty
    assert nodes_in(file) == 1
    boxes(window)[0].accept()


def test_unsaved_changes_of_a_large_workflow_are_kept(window: MainWindow, loop: Any, user_home: Path) -> None:
    window.session.add_node("MergeNode", (0, 0))
    do(loop, window.session._keep)
    until(loop, lambda: list((user_home / "unsaved").glob("*.json")))
    (kept,) = (user_home / "unsaved").glob("*.json")
    assert json.loads(kept.read_text(encoding="utf-8"))["text"] == window.session.text()
