"""What hangs on a node follows it: into a sub-workflow and out of it, under a new name, and back on undo."""

from __future__ import annotations

from pathlib import Path

import pytest

from kailash_studio.desktop.window import MainWindow
from kailash_studio.resilience.faults import Fault
from kailash_studio.runtime.debugger import Breakpoint

SLOW = Fault(error="timeout")


def drawn(window: MainWindow) -> None:
    """first > second, with a breakpoint and a fault each."""
    session = window.session
    for x, name in enumerate(("first", "second")):
        made = session.add_node("PythonCodeNode", (300.0 * x, 0.0), {"code": f"def {name}(x=1): return x"})
        assert session.rename(made, name) is None
        window.breakpoints.add(Breakpoint(name, hits=x))
        window.faults.put(name, SLOW)
    assert session.connect_ports("first", "result", "second", "x") is None
    window.breakpoints.add(Breakpoint("second", connection="first.result>second.x"))


def hanging(window: MainWindow) -> tuple[list[str], list[str], str]:
    """The nodes with breakpoints, those with faults, and the connection that one breakpoint asks about."""
    points = window.breakpoints.all()
    return [p.node for p in points], sorted(window.faults.scenario.faults), points[-1].connection


@pytest.mark.parametrize("chosen", [["second"], ["first", "second"]])
def test_breakpoints_and_faults_follow_into_a_sub_workflow_and_back(window: MainWindow, chosen: list[str]) -> None:
    session = window.session
    drawn(window)
    before = hanging(window)
    made = session.enclose(chosen)
    names = {node: f"{made}:{node}" for node in chosen}
    nodes = [names.get(node, node) for node in ("first", "second")]
    start = f"{made}:first.result" if "first" in chosen else f"{made}:inputs.x"
    inside = ([*nodes, nodes[1]], sorted(nodes), f"{start}>{made}:second.x")
    assert hanging(window) == inside
    assert inside[2] in session.workflow.connections
    assert session.rename(made, "other") is None
    assert hanging(window) == tuple(
        [n.replace(made, "other") for n in part] if isinstance(part, list) else part.replace(made, "other")
        for part in inside
    )
    session.undo()
    assert hanging(window) == inside
    session.undo()
    assert hanging(window) == before
    session.redo()
    assert hanging(window) == inside
    session.take_apart(made)
    assert hanging(window) == before


def test_what_is_gone_has_no_breakpoint_and_no_fault(window: MainWindow, tmp_path: Path) -> None:
    drawn(window)
    window.session.remove(["first"])
    assert hanging(window)[:2] == (["second"], ["second"]), "what was asked of its connection went with that"


def test_an_optional_port_keeps_its_connections_and_is_optional_under_its_new_name(window: MainWindow) -> None:
    session = window.session
    drawn(window)
    made = session.enclose(["second"])
    border = f"{made}:inputs"
    assert session.workflow.nodes[border].parameters == {"ports": {"x": "any"}, "optional": ["x"]}
    session.set_parameter(border, "ports", {"rows": "any"})
    assert session.workflow.nodes[border].parameters == {"ports": {"rows": "any"}, "optional": ["rows"]}
    assert set(session.workflow.connections) == {f"first.result>{made}.rows", f"{border}.rows>{made}:second.x"}
    session.validate_now()
    assert not session.findings
    session.undo()
    assert session.workflow.nodes[border].parameters["optional"] == ["x"]
    session.set_parameter(border, "ports", {})
    assert session.workflow.nodes[border].parameters["optional"] == []
    assert not session.workflow.connections
    session.validate_now()
    assert not session.findings
    session.undo()
    assert len(session.workflow.connections) == 2
