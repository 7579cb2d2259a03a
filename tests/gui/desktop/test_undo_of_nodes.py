"""What Undo brings back is as it was: with its breakpoints, its fault, and how it stood in the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.waiting import Sit, until

from kailash_studio.desktop.gone import Gone
from kailash_studio.desktop.window import MainWindow
from kailash_studio.resilience.faults import Fault
from kailash_studio.runtime.debugger import Breakpoint
from kailash_studio.workflow.commands import Change
from kailash_studio.workflow.workflow import PlacedNode


@pytest.fixture
def pair(window: MainWindow) -> tuple[str, str]:
    """Two connected nodes."""
    session = window.session
    first, second = session.add_node("TableViewNode", (0, 0)), session.add_node("TableViewNode", (400, 0))
    assert not session.connect_ports(first, "data", second, "rows")
    return first, second


def test_breakpoints_come_back_with_their_node_where_they_were(window: MainWindow, pair: tuple[str, str]) -> None:
    session, canvas, kept = window.session, window.canvas, window.breakpoints
    first, second = pair
    key = f"{first}.data>{second}.rows"
    points = [
        Breakpoint(first, condition="inputs", hits=3),
        Breakpoint(second),
        Breakpoint(first, "error", enabled=False),
        Breakpoint(second, connection=key),
    ]
    for point in points:
        kept.add(point)
    for gone, left in (([first], points[1:2]), ([first, second], [])):
        session.remove(gone)
        assert kept.all() == left
        session.undo()
        assert kept.all() == points
        assert [canvas.store.cards[node].view.breakpoint for node in pair] == ["on", "on"]
        assert canvas.store.lines[key].view.breakpoint == "on"
    session.redo()
    assert kept.all() == []
    session.undo()
    session.disconnect_keys([key])
    assert kept.all() == points[:3]
    session.undo()
    assert kept.all() == points
    kept.remove(0)
    session.redo()
    session.undo()
    assert kept.all() == points[1:], "what was taken away by hand stays away"


def test_another_node_of_the_same_name_gets_nothing(window: MainWindow, pair: tuple[str, str]) -> None:
    first, _ = pair
    window.breakpoints.add(Breakpoint(first))
    window.faults.put(first, Fault(delay=1.0))
    window.session.remove([first])
    assert window.session.add_node("TableViewNode", (0, 0)) == first
    assert window.breakpoints.all() == []
    assert window.faults.of(first) is None


def test_a_fault_comes_back_with_its_node(window: MainWindow, pair: tuple[str, str], tmp_path: Path) -> None:
    session, faults = window.session, window.faults
    session.save(tmp_path / "w.kailash.json")
    first, second = pair
    faults.put(first, Fault(delay=1.0))
    faults.put(second, Fault(delay=2.0))
    session.remove([first])
    assert faults.of(first) is None
    session.undo()
    assert [faults.of(node) for node in pair] == [Fault(delay=1.0), Fault(delay=2.0)]
    assert '"delay": 1.0' in (tmp_path / "w.kailash.faults").read_text(encoding="utf-8")
    assert any(badge.text == "fault" for badge in window.canvas.store.cards[first].view.badges)


def test_what_is_kept_is_for_the_same_entry_and_once() -> None:
    gone: Gone[str] = Gone()
    node, alike = PlacedNode("A"), PlacedNode("A")
    removal = Change("nodes", "a", node, None)
    gone.keep(removal, "x")
    assert gone.back([Change("nodes", "a", None, alike), Change("nodes", "b", None, node)]) == []
    assert gone.back([Change("nodes", "a", None, node)]) == ["x"]
    assert gone.back([Change("nodes", "a", None, node)]) == []
    gone.keep(removal, "x")
    gone.forget()
    assert gone.back([Change("nodes", "a", None, node)]) == []


def test_a_node_that_is_back_stands_in_the_run_as_it_stood(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n2\n", encoding="utf-8")
    session, canvas = window.session, window.canvas
    first = session.add_node("CSVReaderNode", (0, 0))
    session.set_parameter(first, "path", str(tmp_path / "rows.csv"))
    second = session.add_node("TableViewNode", (400, 0))
    assert not session.connect_ports(first, "data", second, "rows")
    key = f"{first}.data>{second}.rows"

    async def sitting() -> None:
        window.runs.start()
        await until(lambda: window.runs.current is not None and window.runs.current.state == "succeeded")
        stood = {node: canvas.state(node) for node in (first, second)}
        assert {state.state for state in stood.values()} == {"succeeded"}

        def as_before() -> bool:
            shown = {node: canvas.store.cards[node].state for node in stood}
            return shown == stood and canvas.store.lines[key].label == "2"

        session.remove([first])
        session.undo()
        assert as_before()
        session.rename(second, "renamed")
        session.undo()
        assert as_before()
        session.remove([second])
        assert session.add_node("TableViewNode", (400, 0)) == second
        assert canvas.store.cards[second].state.state == "idle", "it is another node"

    sit(sitting)
