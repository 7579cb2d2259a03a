"""AsyncPostgreSQLVectorNode in workflows on the embedded database: each operation, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import DatabaseError, NodeError, ParameterError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.services.vectors.filters import read_filter
from kailash_studio.spec.registry import installed_node_types


def node(**parameters: Any) -> Any:
    return installed_node_types().get("AsyncPostgreSQLVectorNode")("vectors", **parameters)


def run(inputs: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    return dict(asyncio.run(node(**parameters).async_run(**(inputs or {}))))


def test_all_operations_in_one_workflow(with_database: Path) -> None:
    table = f"v_{uuid.uuid4().hex[:10]}"
    rows = [{"id": n, "vector": [1, n], "content": f"t{n}", "metadata": {"even": n % 2 == 0}} for n in range(30)]
    builder = WorkflowBuilder()
    kind = "AsyncPostgreSQLVectorNode"
    builder.add_node(kind, "create", operation="create", table_name=table, dimensions=2)
    builder.add_node(kind, "store", operation="upsert")
    builder.add_node(kind, "index", operation="index")
    builder.add_node(kind, "search", vector=[1, 0], limit=20, metadata_filter={"even": True})
    builder.add_node(kind, "delete", operation="delete", ids=[4, "6"], metadata_filter="metadata->>'even' = TRUE")
    for first, second in (("create", "store"), ("store", "index"), ("index", "search"), ("search", "delete")):
        builder.add_connection(first, "table", second, "table_name")
    lines: list[str] = []

    async def work() -> Any:
        def keep(events: Any) -> None:
            lines.extend(str(event.details) for event in events if event.kind == "log_written")

        runtime = AsyncLocalRuntime(on_events=keep)
        return await runtime.execute(builder, parameters={"store": {"rows": rows}})

    results, _ = asyncio.run(work())
    assert results["create"]["result"] == {"dimensions": 2, "type": "vector"}
    assert results["store"]["result"] == {"count": 30, "inserted": 30, "updated": 0, "repeated": 0}
    assert results["index"]["result"] == {"index": f"{table}_hnsw_cosine"}
    found = results["search"]
    assert [match["id"] for match in found["matches"]] == [str(number) for number in range(0, 30, 2)]
    assert found["result"] == {
        "matches": found["matches"],
        "count": 15,
        "asked": 20,
        "plan": "exact",
        "note": "Only 15 of the 20 rows that were asked for match the filter.",
    }
    for said in (
        f"{table} takes vectors of 2 numbers (vector).",
        "30 rows are new, 0 were replaced.",
        f"The index {table}_hnsw_cosine is there.",
        "15 nearest rows found (exact).",
        "Only 15 of the 20",
        "2 rows deleted.",
    ):
        assert any(said in line for line in lines), said
    assert results["delete"]["row_count"] == 2


@pytest.mark.parametrize(
    ("parameters", "kind", "said"),
    [
        ({"vector": [1.0]}, DatabaseError, "vectors: There is no table nobody_made"),
        ({}, ParameterError, "vectors: vector is not set: connect an EmbeddingNode"),
        ({"operation": "upsert"}, NodeError, "vectors: there is nothing to store: connect rows"),
        ({"operation": "delete"}, ParameterError, "vectors: Nothing says which rows to delete"),
        ({"vector": [1.0], "metadata_filter": "1=1"}, ParameterError, "vectors: The filter is not understood"),
        ({"vector": [1.0], "metadata_filter": {"$x": 1}}, ParameterError, "vectors: The filter has"),
        ({"vector": [1.0], "table_name": "a.b.c"}, ParameterError, "vectors: 'a.b.c' names no table"),
    ],
)
def test_what_it_cannot_do_is_one_sentence_with_its_place(
    with_database: Path, parameters: dict[str, Any], kind: Any, said: str
) -> None:
    with pytest.raises(kind, match=said):
        run(**{"table_name": "nobody_made", **parameters})


def test_what_it_touches_and_what_is_wrong_with_it_is_known_before() -> None:
    node_type = installed_node_types().get("AsyncPostgreSQLVectorNode")
    assert node_type.effects_of({"table_name": "t"}) == ["searches the table t on the embedded database"]
    assert node_type.effects_of({"operation": "delete", "host": "h", "database": "d"}) == ["changes a table on h/d"]
    secret = {"connection_string": {"$secret": "dsn"}, "table_name": "t"}
    assert node_type.effects_of(secret) == ["searches the table t on the server of the address secret dsn"]
    ((name, sentence),) = node_type.problems_of({"metadata_filter": "a; b"})
    assert name == "metadata_filter"
    assert "at character 2 (;)" in sentence
    assert node_type.problems_of({"m": 64, "ef_construction": 64}) == [
        ("ef_construction", "ef_construction is 64: give at least twice m, 128.")
    ]
    assert node_type.problems_of({"m": 64}) == []
    assert node_type.problems_of({"metadata_filter": {"$parameter": "which"}}) == []
    assert node_type.problems_of({"metadata_filter": {"category": "x"}}) == []


def test_the_filters_on_the_reference_page_are_understood() -> None:
    page = installed_node_types().get("AsyncPostgreSQLVectorNode").__doc__ or ""
    filters = [text for text in re.findall(r"\n    ``(.+)``\n", page) if "metadata" in text or text.startswith("{")]
    assert len(filters) == 5
    for text in filters:
        assert read_filter(json.loads(text) if text.startswith("{") else text) is not None
