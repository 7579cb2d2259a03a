"""What a workflow file may do here, where its parameters are only references."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kailash_studio.services import trust
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.reader import read


def test_full_python_behind_a_workflow_parameter_is_not_taken_for_the_sandbox() -> None:
    document = {
        "format": "kailash-studio/workflow", "version": 1, "name": "foreign",
        "parameters": {"mode": {"type": "text", "default": "full"}},
        "nodes": {"n": {
            "type": "PythonCodeNode", "type_version": 1,
            "parameters": {"sandbox": {"$parameter": "mode"}, "code": "def f(): return 1"},
        }},
        "connections": [],
    }  # fmt: skip
    registry = installed_node_types()
    workflow = read(json.dumps(document)).workflow
    assert trust.effects(workflow, registry) == [("n", "runs Python code with full access")]
    assert not trust.is_trusted(workflow, registry)


@pytest.mark.parametrize(
    ("kind", "parameters", "effect"),
    [
        ("PythonCodeNode", {"sandbox": {"$parameter": "p"}}, "unsafe"),
        ("PythonCodeNode", {"sandbox": "light"}, "pure"),
        ("HTTPRequestNode", {"method": {"$parameter": "p"}}, "unsafe"),
        ("EmbeddingNode", {"method": {"$parameter": "p"}}, "reads"),
        ("EmbeddingNode", {}, "pure"),
        ("WorkflowConnectionPool", {"operation": {"$parameter": "p"}, "query": "DELETE FROM t"}, "unsafe"),
        ("WorkflowConnectionPool", {}, "reads"),
    ],
)
def test_a_reference_may_stand_for_the_worst(kind: str, parameters: dict[str, Any], effect: str) -> None:
    assert installed_node_types().get(kind).effect_of(parameters) == effect


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "the embedded database"),
        ({"saved": "books"}, "the saved connection books"),
        ({"pool": "main"}, "the pool's database"),
        ({"pool": "main", "host": "far.example"}, "far.example/"),
        ({"saved": "books", "host": "far.example", "database": "d"}, "far.example/d"),
        ({"connection": "pool", "pool": "main", "host": "far.example"}, "the pool's database"),
        ({"connection_string": {"$secret": "dsn"}}, "the server of the address secret dsn"),
        ({"connection": {"$parameter": "which"}}, "the database that parameter which chooses"),
        ({"database_type": "sqlite", "database": "a.db"}, "the SQLite file a.db"),
    ],
)
def test_the_database_that_is_asked_about_is_the_one_that_is_used(given: dict[str, Any], where: str) -> None:
    registry = installed_node_types()
    document = {"query": "SELECT 1", **given}
    assert registry.get("AsyncSQLDatabaseNode").effects_of(document) == [f"runs SQL on {where}"]
    chosen = registry.get("AsyncSQLDatabaseNode")("n", **{k: v for k, v in document.items() if isinstance(v, str)})
    if not any(isinstance(value, dict) for value in given.values()):
        names = {"embedded": "embedded", "saved": "saved", "pool": "pool's", "details": ""}
        assert names[chosen.connection] in where
        assert (chosen.connection == "details") == ("far.example" in where or "SQLite" in where)
