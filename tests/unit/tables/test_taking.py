"""Rows taken by number: as Arrow takes them, and without a copy of the whole in memory."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kailash_studio.spec.context import Resources, RunContext, RunScope
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.tables import store, taking
from kailash_studio.tables.store import TableWriter
from kailash_studio.tables.table import Table
from kailash_studio.tables.taking import Source, taken

REGISTRY = installed_node_types()
ROWS, PIECE = 100_000, 4_096


def test_rows_are_taken_from_pieces_as_from_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "memory_cap", lambda: 0)
    at_random = random.Random(3)
    for _ in range(150):
        count = at_random.randrange(0, 60)
        whole = pa.table(
            {
                "id": pa.array(range(count), pa.int64()),
                "text": pa.array([f"x{i}" if i % 3 else None for i in range(count)], pa.string()),
                "list": pa.array([[i] for i in range(count)], pa.list_(pa.int64())),
            }
        )
        edges = [0, *sorted(at_random.randrange(0, count + 1) for _ in range(at_random.randrange(0, 6))), count]
        parts = pa.concat_tables([whole.slice(a, b - a) for a, b in itertools.pairwise(edges)])
        numbers = [None if at_random.random() < 0.1 else at_random.randrange(count) for _ in range(90)] if count else []
        rows = pa.array(numbers, pa.int64())
        assert Source(parts).take(rows).to_pylist() == whole.take(rows).to_pylist()


@pytest.fixture
def pool(user_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Counts what Arrow takes, while a table may have a mebibyte."""
    monkeypatch.setenv(store.VARIABLE, "1")
    for module in (store, taking):
        monkeypatch.setattr(module, "BATCH_ROWS", PIECE)
    before = pa.default_memory_pool()
    counting = pa.proxy_memory_pool(before)
    pa.set_memory_pool(counting)
    yield counting
    pa.set_memory_pool(before)


def mapped() -> Table:
    """A table of more than 5 MiB in a file."""
    with TableWriter(cap=0) as writer:
        for first in range(0, ROWS, PIECE):
            numbers = range(first, min(first + PIECE, ROWS))
            texts = [f"a text of some length with the number {number * 7919 % ROWS:06d}" for number in numbers]
            writer.write(pa.record_batch({"id": pa.array(numbers, pa.int64()), "text": texts}))
        return writer.finish()


def ran(name: str, parameters: dict[str, Any], **inputs: Any) -> Any:
    node = REGISTRY.get(name)(name, **parameters)
    outputs = node.run(RunContext(RunScope("", resources=Resources()), name, inputs))
    assert isinstance(outputs, dict)
    return outputs["data"].arrow


def test_a_large_result_of_a_sort_is_never_in_memory_as_a_whole(pool: Any) -> None:
    table = mapped()
    before, texts = pool.bytes_allocated(), table.arrow["text"].to_pylist()
    order = sorted(range(ROWS), key=texts.__getitem__)
    rows = pa.array(order, pa.int64())
    counting = pa.proxy_memory_pool(pool)
    pa.set_memory_pool(counting)
    result = taken(table.arrow, rows)
    pa.set_memory_pool(pool)
    assert result.nbytes > 5 * 2**20
    assert counting.max_memory() < 3 * 2**20, "three copies of a piece, not of the table"
    assert pool.bytes_allocated() - before < 2 * 2**20, "the result is in its file"
    assert result.arrow["id"].to_pylist() == order


def test_nodes_give_the_same_above_the_cap(pool: Any) -> None:
    table = mapped()
    texts = table.arrow["text"].to_pylist()
    assert ran("SortRowsNode", {"by": ["text desc"]}, rows=table)["text"].to_pylist() == sorted(texts, reverse=True)
    every = ran("SampleTableNode", {"method": "every n-th", "step": 2}, rows=table)
    assert every["id"].to_pylist() == list(range(0, ROWS, 2))
    assert ran("DistinctRowsNode", {"columns": ["text"]}, rows=table)["id"].to_pylist() == list(range(ROWS))
    other = Table(pa.table({"id": pa.array(range(50_000, ROWS + 10), pa.int64()), "more": ["x"] * 50_010}))
    both = ran("JoinTablesNode", {"on": ["id"], "how": "full"}, left=table, right=other)
    assert both["id"].to_pylist() == list(range(ROWS + 10))
    assert both["more"].null_count == 50_000
    assert both["text"].null_count == 10
