"""The guide's block "Vector Similarity Search"."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg

from kailash_studio.nodes.data import AsyncPostgreSQLVectorNode
from kailash_studio.runtime.local import LocalRuntime
from kailash_studio.workflow.builder import WorkflowBuilder


async def with_table(dsn: str, table: str) -> None:
    """A table such as the guide's, made by nobody's node: 1536 dimensions, content among the metadata."""
    chance = random.Random(1)
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"DROP TABLE IF EXISTS {table}")
    await connection.execute(
        f"CREATE TABLE {table} (id bigserial PRIMARY KEY, content text, embedding vector(1536), metadata jsonb)"
    )
    for number in range(40):
        vector = "[" + ",".join(str(chance.random()) for _ in range(1536)) + "]"
        category = "financial" if number % 2 else "legal"
        await connection.execute(
            f"INSERT INTO {table} (content, embedding, metadata) "
            "VALUES ($1::text, $2::text::vector, jsonb_build_object('category', $3::text, 'content', $1::text))",
            f"document {number}",
            vector,
            category,
        )
    await connection.close()


def test_vector_similarity_search(database: dict[str, Any], capsys: Any) -> None:
    dsn = "postgresql://{user}:{password}@{host}:{port}/{database}".format(**database)
    asyncio.run(with_table(dsn, "document_embeddings"))
    query = [random.Random(2).random() for _ in range(1536)]

    # Create vector search node
    search_node = AsyncPostgreSQLVectorNode(
        name="semantic_search",
        connection_string=dsn,
        table_name="document_embeddings",
        operation="search",
        vector=query,  # Query embedding (1536 dimensions)
        distance_metric="cosine",
        limit=10,
        metadata_filter="metadata->>'category' = 'financial'",
    )

    # Execute search
    async def semantic_search() -> Any:
        result = await search_node.execute_async()
        matches = result["result"]["matches"]
        for match in matches:
            print(f"Distance: {match['distance']:.3f}")
            print(f"Content: {match['metadata']['content']}")
        return matches

    matches = asyncio.run(semantic_search())
    assert len(matches) == 10
    assert all(set(match) == {"id", "distance", "content", "metadata"} for match in matches)
    assert {match["metadata"]["category"] for match in matches} == {"financial"}
    distances = [match["distance"] for match in matches]
    assert distances == sorted(distances)
    assert capsys.readouterr().out.startswith(f"Distance: {distances[0]:.3f}\nContent: document ")

    workflow = WorkflowBuilder()
    workflow.add_node("semantic_search", search_node)
    results, _ = LocalRuntime().execute(
        workflow, parameters={"semantic_search": {"metadata_filter": {"category": "legal"}, "limit": 30}}
    )
    found = results["semantic_search"]["result"]
    assert {match["metadata"]["category"] for match in found["matches"]} == {"legal"}
    assert found["note"] == "Only 20 of the 30 rows that were asked for match the filter."
