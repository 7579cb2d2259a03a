"""Filters that try to get out: each goes through as data or is refused, on a real server, and the table stays."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hostile.filters import DATA, REFUSED
from hypothesis import given, settings
from hypothesis import strategies as st

from kailash_studio.errors import ParameterError
from kailash_studio.services.embedded_database import EmbeddedDatabase
from kailash_studio.services.vectors.filters import condition, read_filter
from kailash_studio.services.vectors.store import VectorStore

COLUMNS = {"id": "text", "embedding": "vector(3)", "content": "text", "metadata": "jsonb"}
ROWS = [
    {"id": f"r{number}", "vector": [1, number, 0], "content": "c", "metadata": {"category": "financial", "year": 2020}}
    for number in range(20)
]
# All that a condition may be made of: bound values, the table's columns, and words that filters.py writes itself.
WORDS = re.compile(
    r"""\$[0-9]+|"(?:id|content|metadata)"|"C"|'\^[^']*\$'|'\^\[0-9\]\{4\}-\[0-9\]\{2\}-\[0-9\]\{2\}'|'true'|'false'
    |AND|OR|NOT|IS|NULL|LIKE|ILIKE|CASE|WHEN|THEN|END|COLLATE|left|lower|true|false
    |::(?:text\[\]|text|jsonb|numeric|boolean)|\#>>|\#>|@>|<=|>=|<>|[=<>?~(),]|10|[ ]""",
    re.VERBOSE,
)


def filled(given: Any, table: str) -> Any:
    """The filter with the table's name in it."""
    match given:
        case str():
            return given.replace("{table}", table).replace("{{", "{").replace("}}", "}")
        case dict():
            return {key.replace("{table}", table): filled(value, table) for key, value in given.items()}
        case list():
            return [filled(item, table) for item in given]
    return given


@pytest.fixture
def searched(with_database: Path) -> Iterator[tuple[asyncio.AbstractEventLoop, Any, VectorStore, str]]:
    loop = asyncio.new_event_loop()
    embedded = loop.run_until_complete(EmbeddedDatabase.open())
    connection = loop.run_until_complete(_connect(embedded))
    table = f"hostile_{uuid.uuid4().hex[:12]}"
    store = VectorStore(connection, table)
    loop.run_until_complete(store.create(3))
    loop.run_until_complete(store.upsert(ROWS))
    yield loop, connection, store, table
    loop.run_until_complete(connection.execute(f"DROP TABLE {table}"))
    loop.run_until_complete(connection.close())
    loop.run_until_complete(embedded.aclose())
    loop.close()


async def _connect(embedded: EmbeddedDatabase) -> Any:
    return await asyncpg.connect(**await embedded.target())


def test_the_corpus_is_large_enough_and_has_nothing_twice() -> None:
    shown = [repr(entry) for entry in (*REFUSED, *DATA)]
    assert len(shown) == len(set(shown))
    assert len(shown) >= 200


def test_each_is_data_or_refused_and_the_table_stays(searched: Any) -> None:
    loop, connection, store, table = searched
    before = loop.run_until_complete(connection.fetch(f"SELECT * FROM {table} ORDER BY id"))
    wrong = []
    for number, entry in enumerate((*REFUSED, *DATA)):
        where = filled(entry, table)
        try:
            found = loop.run_until_complete(store.search([1, 1, 0], limit=20, where=where))
            removed = loop.run_until_complete(store.delete(where=where))
        except ParameterError:
            came = "refused"
        else:
            came = "nothing" if not found.matches and not removed else f"{len(found.matches)} rows"
        if came != ("refused" if number < len(REFUSED) else "nothing"):
            wrong.append((entry, came))
    assert wrong == []
    assert loop.run_until_complete(connection.fetch(f"SELECT * FROM {table} ORDER BY id")) == before
    assert loop.run_until_complete(store.shape()).columns == COLUMNS


def written_by_us(sql: str) -> bool:
    return WORDS.sub("", sql) == ""


@pytest.mark.parametrize("entry", DATA, ids=repr)
def test_nothing_of_it_stands_in_the_condition(entry: Any) -> None:
    made = condition(read_filter(filled(entry, "t")), COLUMNS, 2)
    assert written_by_us(made.sql), made.sql
    assert made.sql.count("$") >= 1


PIECES = [
    "id", "content", "metadata", "embedding", '"id"', "passwd", "->", "->>", "#>", "#>>", "'{a,b}'", "'a'", "'''x'",
    "'",
    "''", "E'a'", "=", "<>", "!=", "<", ">", ">=", "(", ")", ",", "AND", "or", "NOT", "IN", "IS", "NULL", "LIKE",
    "ILIKE", "BETWEEN", "TRUE", "::", "int", "date", "text", "boolean", "regclass", "1", "-2.5", "1e5", "@>", "?",
    "'{\"a\": 1}'", "--", "/*", "*/", ";", "$1", "$$", "\\", "\0", "pg_sleep(1)", "SELECT", "\n", "\u2019", '"',
    "'2024-01-01'",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14), st.sampled_from([" ", ""]))
def test_any_heap_of_words_is_refused_or_made_of_our_words(pieces: list[str], between: str) -> None:
    try:
        made = condition(read_filter(between.join(pieces)), COLUMNS, 2)
    except ParameterError:
        return
    assert written_by_us(made.sql), made.sql


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["$and", "$or", "$not", "$gt", "$in", "$ne", "$like", "$exists", "a", "a'b", ""]) | st.text(
    max_size=4
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, PLAIN | st.dictionaries(KEYS, PLAIN, max_size=2), max_size=3))
def test_any_object_is_refused_or_made_of_our_words(given: dict[str, Any]) -> None:
    try:
        made = condition(read_filter(given), COLUMNS, 2)
    except ParameterError:
        return
    assert written_by_us(made.sql), made.sql
