"""The open workflow: every edit can be undone, what is unsaved survives, and broken files harm nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QLockFile
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget

from kailash_studio.desktop.session import Session
from kailash_studio.desktop.settings import MOST_RECENT, Settings
from kailash_studio.desktop.unsaved import leftovers
from kailash_studio.desktop.window import MainWindow
from kailash_studio.errors import DocumentError
from kailash_studio.spec.registry import Registry


@pytest.fixture
def session(qapp: object, registry: Registry) -> Any:
    made = Session(registry)
    yield made
    made.close()
    made.deleteLater()


def filled(session: Session) -> tuple[str, str]:
    """A reader that feeds a table view."""
    reader = session.add_node("CSVReaderNode", (0, 0), {"path": "a.csv"})
    view = session.add_node("TableViewNode", (300, 0))
    ports = session.ports(view)
    assert ports is not None
    assert session.connect_ports(reader, "data", view, next(iter(ports.inputs))) is None
    return reader, view


EDITS: dict[str, Any] = {
    "add": lambda s, a, b: s.add_node("MergeNode", (0, 300)),
    "set parameter": lambda s, a, b: s.set_parameter(a, "path", "b.csv"),
    "reset parameter": lambda s, a, b: s.reset_parameter(a, "path"),
    "set policy": lambda s, a, b: s.set_resilience(a, "timeout", 5.0),
    "rename": lambda s, a, b: s.rename(a, "positions"),
    "remove": lambda s, a, b: s.remove([a]),
    "disconnect": lambda s, a, b: s.disconnect_keys(list(s.workflow.connections)),
    "move": lambda s, a, b: s.move({a: (80.0, 8.0), b: (0.0, 0.0)}),
    "arrange": lambda s, a, b: (s.move({a: (999.0, 0.0)}), s.arrange()),
    "name": lambda s, a, b: s.set_information("name", "Another"),
    "paste": lambda s, a, b: s.paste(s.copied([a, b]), (32.0, 32.0)),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_undo_takes_exactly_the_edit_back_and_redo_does_it_again(session: Session, edit: Any) -> None:
    ends = filled(session)
    heard: list[tuple[Any, ...]] = []
    before = session.text()
    session.changed.connect(heard.append)
    edit(session, *ends)
    after = session.text()
    assert after != before
    steps = len(heard)
    for _ in range(steps):
        assert session.history.undo_label
        session.undo()
    assert session.text() == before
    for _ in range(steps):
        session.redo()
    assert session.text() == after
    assert session.history.redo_label == ""


def test_undo_of_everything_is_a_clean_empty_workflow(session: Session) -> None:
    empty = session.text()
    filled(session)
    assert session.dirty
    while session.history.undo_label:
        session.undo()
    assert (session.text(), session.dirty) == (empty, False)
    session.undo()
    assert session.text() == empty


def test_findings_follow_a_moment_after_the_edit(session: Session, qtbot: Any) -> None:
    node = session.add_node("CSVReaderNode", (0, 0))
    place = f"nodes/{node}/parameters/path"
    with qtbot.waitSignal(session.findings_changed, timeout=3000):
        session.move({node: (80.0, 0.0)})  # a move alone checks nothing; adding has asked for it
    assert place in {f.place for f in session.findings}
    with qtbot.waitSignal(session.findings_changed, timeout=3000):
        session.set_parameter(node, "path", "a.csv")
    assert place not in {f.place for f in session.findings}


def test_a_refused_connection_says_why_and_changes_nothing(session: Session) -> None:
    reader, view = filled(session)
    before = session.text()
    assert session.connect_ports(reader, "nothing", view, "data")
    assert session.rename(reader, view)
    assert session.text() == before


# ---------------------------------------------------------------------- the file
def test_saved_and_opened_it_is_the_same(session: Session, tmp_path: Path, registry: Registry) -> None:
    filled(session)
    file = tmp_path / "my_first.kailash.json"
    session.save(file)
    assert (session.dirty, session.path, session.workflow.name) == (False, file, "my first")
    text = session.text()
    session.new()
    assert session.text() != text
    session.open(file)
    assert (session.text(), session.dirty, session.trusted) == (text, False, True)


def test_a_file_that_cannot_be_read_leaves_the_open_one(session: Session, tmp_path: Path) -> None:
    filled(session)
    before = session.text()
    broken = tmp_path / "broken.kailash.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(DocumentError):
        session.open(broken)
    with pytest.raises(DocumentError):
        session.open(tmp_path / "gone.kailash.json")
    assert session.text() == before
    assert session.history.undo_label


def test_secrets_in_clear_are_not_copied(session: Session) -> None:
    node = session.add_node("AsyncSQLDatabaseNode", (0, 0), {"password": "hunter2", "host": "db"})
    text = session.copied([node])
    assert "hunter2" not in text
    assert '"db"' in text


def test_what_is_no_fragment_is_not_pasted(session: Session) -> None:
    filled(session)
    before = session.text()
    for text in ("", "hello", "[]", "{}"):
        with pytest.raises(DocumentError):
            session.paste(text, (0, 0))
    assert session.text() == before


# ---------------------------------------------------------------------- copy and paste in the window
def test_copy_paste_cut_and_duplicate(window: MainWindow) -> None:
    reader, view = filled(window.session)
    workflow, actions = window.session.workflow, window.actions_by_name
    window.canvas.select([reader, view])
    actions["copy"].trigger()
    actions["paste"].trigger()
    pasted = window.canvas.selection()
    assert len(workflow.nodes) == 4
    assert len(pasted) == 2
    assert {workflow.nodes[n].type for n in pasted} == {"CSVReaderNode", "TableViewNode"}
    assert len(workflow.connections) == 2, "the connection among them comes along"
    assert not any(c.source == reader and c.target in pasted for c in workflow.connections.values())
    assert workflow.positions[pasted[0]] != workflow.positions[reader]
    actions["paste"].trigger()
    again = window.canvas.selection()
    assert len({workflow.positions[n] for n in (reader, pasted[0], again[0])}) == 3
    actions["duplicate"].trigger()
    assert len(workflow.nodes) == 8
    window.canvas.select([reader])
    actions["cut"].trigger()
    assert reader not in workflow.nodes
    actions["undo"].trigger()
    assert reader in workflow.nodes
    assert window.canvas.store.cards.keys() == workflow.nodes.keys()
    assert window.canvas.store.lines.keys() == workflow.connections.keys()


def test_pasting_what_is_no_node_is_said(window: MainWindow) -> None:
    QGuiApplication.clipboard().setText("just words")
    window.actions_by_name["paste"].trigger()
    assert "clipboard holds no nodes" in window.log.text()
    assert window.session.workflow.nodes == {}


# ---------------------------------------------------------------------- what is left unsaved
def test_unsaved_changes_are_kept_and_found_when_the_window_is_gone(
    session: Session, registry: Registry, qtbot: Any, tmp_path: Path
) -> None:
    file = tmp_path / "flow.kailash.json"
    session.save(file)
    filled(session)
    session._keep()
    assert leftovers() == [], "its window lives"
    text = session.text()
    session._keeper._lock.unlock()  # the system does this when the process is gone
    (left,) = leftovers()
    assert (left.path, left.text) == (file, text)
    other = Session(registry)
    other.recover(left)
    assert (other.text(), other.path, other.dirty) == (text, file, True)
    assert [item.file for item in leftovers()] == [], "it is the new window's now"
    other.close()
    other.deleteLater()


def test_saving_and_closing_leave_nothing_behind(session: Session, user_home: Path, tmp_path: Path) -> None:
    filled(session)
    session._keep()
    assert list((user_home / "unsaved").glob("*.json"))
    session.save(tmp_path / "flow.kailash.json")
    assert not list((user_home / "unsaved").glob("*.json"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"path": 1}', '{"text": "x"}', '"text"', "\x00"])
def test_a_broken_leftover_is_set_aside(qapp: object, user_home: Path, content: str) -> None:
    folder = user_home / "unsaved"
    folder.mkdir()
    (folder / "1-1.json").write_text(content, encoding="utf-8")
    assert leftovers() == []
    assert (folder / "1-1.unreadable").read_text(encoding="utf-8") == content
    assert not (folder / "1-1.json").exists()


def _answer(window: QWidget, name: str, button: QMessageBox.StandardButton) -> None:
    (box,) = (found for found in window.findChildren(QMessageBox) if found.objectName() == name and found.isVisible())
    box.button(button).click()


def test_the_next_window_offers_what_was_left(open_window: Any, user_home: Path, registry: Registry) -> None:
    gone = Session(registry)
    filled(gone)
    gone._keep()
    text = gone.text()
    gone._keeper._lock.unlock()
    window = open_window()
    window.documents.offer_leftovers()
    _answer(window, "recover_unsaved", QMessageBox.StandardButton.Yes)
    assert window.session.text() == text
    assert window.session.dirty
    assert window.canvas.store.cards.keys() == window.session.workflow.nodes.keys()
    assert QLockFile(str(gone._keeper._file.with_suffix(".lock"))).tryLock(0)
    gone._validator.stop()
    gone._keeping.stop()
    gone.deleteLater()


@pytest.mark.parametrize(
    ("button", "closes", "saved"), [("Save", True, True), ("Discard", True, False), ("Cancel", False, False)]
)
def test_closing_asks_about_unsaved_changes(
    window: MainWindow, tmp_path: Path, button: str, closes: bool, saved: bool
) -> None:
    file = tmp_path / "flow.kailash.json"
    window.session.save(file)
    before = file.read_text(encoding="utf-8")
    filled(window.session)
    window.close()
    assert window.isVisible()
    _answer(window, "unsaved_changes", QMessageBox.StandardButton[button])
    assert window.closed.done() is closes
    assert (file.read_text(encoding="utf-8") != before) is saved


def test_closing_without_changes_asks_nothing(window: MainWindow) -> None:
    window.close()
    assert window.closed.done()


# ---------------------------------------------------------------------- settings
def test_settings_come_back(user_home: Path, tmp_path: Path) -> None:
    settings = Settings.load()
    assert settings == Settings()
    settings.theme = "light"
    for number in range(MOST_RECENT + 3):
        settings.add_recent(tmp_path / f"{number}.json")
    settings.add_recent(tmp_path / "5.json")
    again = Settings.load()
    assert again == settings
    assert again.recent[0].endswith("5.json")
    assert len(again.recent) == len(set(again.recent)) == MOST_RECENT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b"null",
        b'{"version": 99, "theme": "light"}',
        b'{"version": 1, "theme": 5, "recent": "x", "geometry": null, "last_folder": {}}',
        b'{"version": 1, "recent": [1, null, "a"], "geometry": "%%%", "docks": "AAAA", "theme": "sepia"}',
    ],
    ids=lambda content: repr(content)[:30],
)
def test_broken_settings_open_a_window_all_the_same(open_window: Any, user_home: Path, content: bytes) -> None:
    file = user_home / "settings.json"
    file.write_bytes(content)
    settings = Settings.load()
    assert settings.recent in ([], ["a"])
    window = open_window(settings=settings)
    assert window.canvas.isVisible()
    assert window.palette_panel.isVisible()
    window.close_without_asking()
    assert json.loads(file.read_text(encoding="utf-8"))["version"] == 1


def test_the_theme_is_changed_and_remembered(window: MainWindow, user_home: Path) -> None:
    before = window.grab().toImage()
    window.actions_by_name["theme"].trigger()
    assert window.theme.name == "light"
    assert Settings.load().theme == "light"
    assert window.grab().toImage() != before
