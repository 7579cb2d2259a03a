"""A file that somebody else has changed since it was opened is not overwritten without a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import waiting
from PySide6.QtWidgets import QFileDialog, QMessageBox

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop import documents, validator
from kailash_studio.desktop.session import Session
from kailash_studio.desktop.unsaved import leftovers
from kailash_studio.desktop.window import MainWindow
from kailash_studio.spec.registry import Registry


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are read and written at once, and in a thread."""
    if request.param == "large":
        monkeypatch.setattr(documents, "_LARGE_FILE", 10)
        monkeypatch.setattr(validator, "_LARGE", 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flow.kailash.json"
    builder = WorkflowBuilder("From a file")
    builder.add_node("TableViewNode", "view")
    builder.build().save(path)
    return path


def until(loop: Any, holds: Callable[[], object]) -> None:
    loop.run_until_complete(waiting.until(holds))


def do(loop: Any, work: Callable[[], object]) -> None:
    """Call inside of the running loop, as an action is."""

    async def inside() -> None:
        work()

    loop.run_until_complete(inside())


def change_outside(path: Path, name: str = "By somebody else") -> str:
    """Give the workflow another name in the file alone; the file's text."""
    held = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**held, "name": name}), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def named(window: MainWindow, name: str) -> list[QMessageBox]:
    return [box for box in window.findChildren(QMessageBox) if box.isVisible() and box.objectName() == name]


def press(box: QMessageBox, text: str) -> None:
    (button,) = (found for found in box.buttons() if found.text().replace("&", "") == text)
    button.click()


def asked(window: MainWindow, loop: Any, name: str = "changed_on_disk") -> QMessageBox:
    """The question that comes."""
    until(loop, lambda: named(window, name))
    return named(window, name)[0]


@pytest.fixture
def conflict(size: None, window: MainWindow, loop: Any, file: Path) -> str:
    """An open file that is edited in the window, changed outside, and to be saved; what it holds now."""
    do(loop, lambda: window.documents.open(file))
    until(loop, lambda: window.session.path == file)
    window.session.add_node("MergeNode", (300, 0))
    text = change_outside(file)
    do(loop, window.actions_by_name["save"].trigger)
    return text


def test_saving_asks_and_leaves_the_file_alone_until_then(
    conflict: str, window: MainWindow, loop: Any, file: Path
) -> None:
    box = asked(window, loop)
    assert box.text() == "flow.kailash.json has changed on disk since it was opened."
    press(box, "Cancel")
    assert file.read_text(encoding="utf-8") == conflict
    assert window.session.dirty
    do(loop, window.actions_by_name["save"].trigger)
    press(asked(window, loop), "Cancel")


def test_overwriting_saves_and_is_for_that_change_alone(
    conflict: str, window: MainWindow, loop: Any, file: Path
) -> None:
    box = asked(window, loop)
    newer = change_outside(file, "Once more")
    do(loop, lambda: press(box, "Overwrite"))
    until(loop, lambda: [b for b in named(window, "changed_on_disk") if b is not box])
    assert file.read_text(encoding="utf-8") == newer
    do(loop, lambda: press(named(window, "changed_on_disk")[-1], "Overwrite"))
    until(loop, lambda: not window.session.dirty)
    until(loop, lambda: file.read_text(encoding="utf-8") == window.session.text())
    window.session.add_node("MergeNode", (600, 0))
    until(loop, lambda: window.documents._saving is None)
    do(loop, window.actions_by_name["save"].trigger)
    until(loop, lambda: file.read_text(encoding="utf-8") == window.session.text())
    assert not named(window, "changed_on_disk"), "what was written here is known"
    until(loop, lambda: window.documents._saving is None)


def test_reloading_gives_nothing_up_without_asking(conflict: str, window: MainWindow, loop: Any, file: Path) -> None:
    first = asked(window, loop)
    do(loop, lambda: press(first, "Reload"))
    press(asked(window, loop, "give_up"), "Cancel")
    assert len(window.session.workflow.nodes) == 2
    assert window.session.dirty
    do(loop, window.actions_by_name["save"].trigger)
    again = asked(window, loop)
    do(loop, lambda: press(again, "Reload"))
    press(asked(window, loop, "give_up"), "Give them up")
    assert window.session.workflow.name == "By somebody else"
    assert list(window.session.workflow.nodes) == ["view"]
    assert not window.session.dirty
    assert file.read_text(encoding="utf-8") == conflict


def test_save_as_keeps_both(conflict: str, window: MainWindow, loop: Any, file: Path) -> None:
    press(asked(window, loop), "Save as…")
    (dialog,) = (found for found in window.findChildren(QFileDialog) if found.isVisible())
    other = file.with_name("mine.kailash.json")
    do(loop, lambda: dialog.fileSelected.emit(str(other)))
    dialog.reject()
    until(loop, lambda: window.session.path == other)
    assert file.read_text(encoding="utf-8") == conflict
    assert other.read_text(encoding="utf-8") == window.session.text()


def test_a_file_that_is_touched_or_gone_is_written_without_asking(window: MainWindow, loop: Any, file: Path) -> None:
    window.documents.open(file)
    window.session.add_node("MergeNode", (300, 0))
    file.write_bytes(file.read_bytes())
    window.documents.save()
    assert not window.session.dirty
    window.session.add_node("MergeNode", (600, 0))
    file.unlink()
    window.documents.save()
    assert file.read_text(encoding="utf-8") == window.session.text()


def test_a_change_before_unsaved_changes_are_brought_back_is_asked_about(
    window: MainWindow, loop: Any, file: Path, registry: Registry
) -> None:
    gone = Session(registry)
    gone.open(file)
    gone.add_node("MergeNode", (300, 0))
    gone._keep()
    gone._keeper._lock.unlock()  # the system does this when the process is gone
    text = change_outside(file)
    window.session.recover(leftovers()[0])
    window.documents.save()
    press(asked(window, loop), "Cancel")
    assert file.read_text(encoding="utf-8") == text
    gone._validator.stop()
    gone._keeping.stop()
    gone.deleteLater()
