"""Edits that take ports away, or give them another name, take the connections to them along; without any window."""

from __future__ import annotations

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DocumentError
from kailash_studio.spec.registry import Registry, installed_node_types
from kailash_studio.workflow import commands, fallback
from kailash_studio.workflow.copying import copied, pasted
from kailash_studio.workflow.history import History
from kailash_studio.workflow.port_edits import with_ports
from kailash_studio.workflow.workflow import Workflow


@pytest.fixture(scope="module")
def registry() -> Registry:
    return installed_node_types()


def summing() -> Workflow:
    builder = WorkflowBuilder("Sum")
    for name in ("one", "two"):
        builder.add_node("PythonCodeNode", name, code="def one():\n    return 1")
    builder.add_node("PythonCodeNode", "sum", code="def add(a, b):\n    return a + b")
    builder.add_connection("one", "result", "sum", "a")
    builder.add_connection("two", "result", "sum", "b")
    return builder.build()


def set_code(workflow: Workflow, registry: Registry, code: str) -> History:
    history = History(workflow)
    history.do(with_ports(workflow, registry, commands.set_parameter(workflow, "sum", "code", code)))
    return history


def test_connections_go_with_the_port_that_an_edit_takes_away_and_come_back_with_it(registry: Registry) -> None:
    workflow = summing()
    before = workflow.to_json()
    history = set_code(workflow, registry, "def add(a):\n    return a")
    assert [c.input for c in workflow.connections.values()] == ["a"]
    history.undo()
    assert workflow.to_json() == before


def test_connections_stay_while_code_cannot_be_read(registry: Registry) -> None:
    workflow = summing()
    set_code(workflow, registry, "def add(a, ")
    assert len(workflow.connections) == 2


def test_nodes_are_copied_as_text_and_pasted_with_new_names(registry: Registry) -> None:
    workflow = summing()
    text = copied(workflow, registry, ["one", "sum"])
    ids, edit = pasted(workflow, text, (10.0, 10.0))
    History(workflow).do(edit)
    assert len(ids) == 2
    assert len(workflow.nodes) == 5
    with pytest.raises(DocumentError, match="The clipboard holds no nodes"):
        pasted(workflow, "no nodes", (0.0, 0.0))


def test_a_fallback_is_refused_where_it_would_be_a_circle_or_has_its_node_already() -> None:
    workflow = summing()
    History(workflow).do(commands.set_resilience(workflow, "one", "fallback", "two"))
    assert fallback.refusal(workflow, "one", "two") is None
    assert "circle" in str(fallback.refusal(workflow, "two", "one"))
    assert "of one already" in str(fallback.refusal(workflow, "sum", "two"))
