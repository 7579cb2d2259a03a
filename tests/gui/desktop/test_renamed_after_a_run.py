"""A node that is renamed after a run keeps what it gave: its state, its rows, its data, and what stands below it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes.waiting import Sit, until

from kailash_studio.desktop.run_view import RunView
from kailash_studio.desktop.window import MainWindow
from kailash_studio.workflow.workflow import Connection, PlacedNode, Workflow


def chain(window: MainWindow, folder: Path) -> None:
    """first > second > third, of a file with two rows."""
    (folder / "rows.csv").write_text("a\n1\n2\n", encoding="utf-8")
    session = window.session
    made = [session.add_node("CSVReaderNode", (0, 0), {"path": str(folder / "rows.csv")})]
    code = {"code": "def f(rows): return rows"}
    made += [session.add_node("PythonCodeNode", (400 * place, 0), code) for place in (1, 2)]
    for name, better in zip(made, ("first", "second", "third"), strict=True):
        assert not session.rename(name, better)
    assert not session.connect_ports("first", "data", "second", "rows")
    assert not session.connect_ports("second", "result", "third", "rows")


def test_a_renamed_node_keeps_its_result_through_undo_and_redo(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    chain(window, tmp_path)
    session, canvas, runs = window.session, window.canvas, window.runs

    async def sitting() -> None:
        runs.start()
        await until(lambda: runs.current is not None and runs.current.state == "succeeded")
        assert runs.current is not None
        state = canvas.state("second")

        async def as_before(name: str) -> None:
            assert runs.current is not None
            window.rerun_link._mark_stale()  # what the timer calls after each edit
            assert window.rerun_link.stale == {}
            assert canvas.store.cards[name].state == state
            assert canvas.store.lines[f"first.data>{name}.rows"].label == "2"
            assert canvas.store.lines[f"{name}.result>third.rows"].label == "2"
            assert canvas.store.cards["third"].state.state == "succeeded"
            page = await runs.values.of(runs.current.run_id, name, "result").page(0, 10)
            assert page["total"] == 2

        await as_before("second")
        session.rename("second", "better")
        await as_before("better")
        session.undo()
        await as_before("second")
        session.redo()
        await as_before("better")
        session.rename("better", "best")
        await as_before("best")
        session.set_parameter("best", "code", "def f(rows): return rows[:1]")
        window.rerun_link._mark_stale()
        assert window.rerun_link.stale.keys() == {"best", "third"}
        assert "has changed" in window.rerun_link.stale["best"]

    sit(sitting)


def test_a_preview_is_made_from_what_a_renamed_node_gave(sit: Sit, window: MainWindow, tmp_path: Path) -> None:
    chain(window, tmp_path)
    runs, session = window.runs, window.session

    async def sitting() -> None:
        runs.start()
        await until(lambda: runs.current is not None and runs.current.state == "succeeded")
        assert runs.current is not None
        session.rename("first", "renamed")
        answer: dict[str, Any] = await window.engine.request(
            "preview",
            workflow=session.text(),
            node="second",
            run_id=runs.current.run_id,
            names=runs.current.names,
        )
        assert answer["columns"] == {"rows": ["a"]}, answer

    sit(sitting)


def ran() -> RunView:
    """A run of two connected nodes, of which both have succeeded."""
    document = Workflow(nodes={name: PlacedNode("A", parameters={"n": name}) for name in ("a", "b")})
    line = Connection("a", "x", "b", "y")
    document.connections[line.key] = line
    run = RunView("run", {}, document=document)
    run.put({name: {"state": "succeeded", "of": name} for name in ("a", "b")})
    return run


def test_names_that_are_changed_for_one_another_keep_their_own() -> None:
    run = ran()
    for names in ({"a": "c"}, {"b": "a"}, {"c": "b"}):
        run.follow(names)
    assert {node: state["of"] for node, state in run.states.items()} == {"a": "b", "b": "a"}
    assert run.document is not None
    assert {node: placed.parameters["n"] for node, placed in run.document.nodes.items()} == {"a": "b", "b": "a"}
    assert list(run.document.connections) == ["b.x>a.y"]
    assert run.put({"a": {"state": "failed", "of": "a"}}).keys() == {"b"}
    assert run.ended_nodes == 2
    for names in ({"b": "c"}, {"a": "b"}, {"c": "a"}):
        run.follow(names)
    assert run.names == {}
    assert {node: state["of"] for node, state in run.states.items()} == {"a": "a", "b": "b"}


def test_the_name_of_a_node_that_is_gone_can_be_taken_and_given_back() -> None:
    run = ran()
    run.follow({"a": "b"})  # b was taken away before
    assert {node: state["of"] for node, state in run.states.items()} == {"b": "a"}
    assert run.document is not None
    assert run.document.nodes["b"].parameters == {"n": "a"}
    run.follow({"b": "a"})
    assert {node: state["of"] for node, state in run.states.items()} == {"a": "a", "b": "b"}
    assert run.document is not None
    assert run.document.nodes.keys() == {"a", "b"}
