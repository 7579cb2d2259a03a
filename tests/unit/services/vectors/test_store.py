"""The store on a real server: what is stored is what is found, by every plan and index."""

from __future__ import annotations

import array
import asyncio
import datetime as dt
import json
import math
import random
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from kailash_studio.errors import DatabaseError, ParameterError
from kailash_studio.services.vectors.store import VectorStore

ROWS = [
    {"id": "a", "vector": [1, 0, 0], "content": "first", "metadata": {"category": "x", "year": 2020}},
    {"id": "b", "vector": [0, 1, 0], "content": "second", "metadata": {"category": "y", "year": 2021}},
    {
        "id": "c",
        "vector": [0.9, 0.1, 0],
        "content": None,
        "metadata": {"category": "x", "deep": {"k": [1, "zwei", None]}},
    },
]


def cloud(count: int, dimensions: int = 16, groups: int = 10) -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [
        {
            "id": f"r{number}",
            "vector": [chance.gauss(0, 1) for _ in range(dimensions)],
            "content": f"row {number}",
            "metadata": {"group": number % groups, "rare": "yes" if number % 100 == 0 else "no"},
        }
        for number in range(count)
    ]


def nearest(rows: list[dict[str, Any]], vector: list[float], metric: str) -> list[str]:
    def distance(row: dict[str, Any]) -> float:
        other = row["vector"]
        dot = sum(a * b for a, b in zip(vector, other, strict=True))
        match metric:
            case "l2":
                return math.dist(vector, other)
            case "inner_product":
                return -dot
        return 1 - dot / math.hypot(*vector) / math.hypot(*other)

    return [row["id"] for row in sorted(rows, key=distance)]


def ids(found: Any) -> list[str]:
    return [match["id"] for match in found.matches]


def test_what_is_stored_is_found(bench: Any) -> None:
    store = bench.filled(ROWS)
    found = bench.do(store.search([1, 0, 0], limit=2))
    assert found.matches[0] == {
        "id": "a", "distance": 0.0, "content": "first", "metadata": {"category": "x", "year": 2020},
    }  # fmt: skip
    assert ids(found) == ["a", "c"]
    assert found.matches[1]["content"] is None
    assert found.matches[1]["metadata"] == ROWS[2]["metadata"]
    assert found.note == ""


def test_fewer_rows_than_asked_are_said(bench: Any) -> None:
    store = bench.filled(ROWS)
    found = bench.do(store.search([1, 0, 0], limit=10))
    assert len(found.matches) == 3
    assert found.note == "Only 3 of the 10 rows that were asked for are in the table."
    found = bench.do(store.search([1, 0, 0], limit=3, where="metadata->>'category' = 'x'"))
    assert ids(found) == ["a", "c"]
    assert found.note == "Only 2 of the 3 rows that were asked for match the filter."


@pytest.mark.parametrize("many", [3, 500])
def test_an_upsert_replaces_and_counts(bench: Any, many: int) -> None:
    rows = cloud(many)
    bench.do(bench.store.create(16))
    first = bench.do(bench.store.upsert(rows))
    assert (first.inserted, first.updated, first.repeated) == (many, 0, 0)
    changed = [{**row, "content": "new"} for row in rows[1:]] + [{**rows[0], "id": "other"}] * 2
    second = bench.do(bench.store.upsert(changed))
    assert (second.inserted, second.updated, second.repeated) == (1, many - 1, 1)
    assert bench.value(f"SELECT count(*) FROM {bench.table}") == many + 1
    assert bench.value(f"SELECT count(*) FROM {bench.table} WHERE content = 'new'") == many - 1


def test_rows_without_an_id_get_the_same_one_each_time(bench: Any) -> None:
    bench.do(bench.store.create(2))
    rows = [{"embedding": (0.5, 1), "content": "über"}, {"embedding": [1, 1], "content": "other"}]
    for _ in range(2):
        bench.do(bench.store.upsert(rows))
    assert bench.value(f"SELECT count(*) FROM {bench.table}") == 2


def test_somebody_who_inserts_the_same_ids_meanwhile_is_no_obstacle(bench: Any) -> None:
    """The ids are looked up first; a second connection then wins the race, for real, before the COPY."""
    bench.do(bench.store.create(16))
    rows = cloud(400)

    class Late:
        """The connection, with somebody else's insert between the look-up and the COPY."""

        def __init__(self) -> None:
            self.raced = False

        def __getattr__(self, name: str) -> Any:
            return getattr(bench.connection, name)

        async def copy_to_table(self, *args: Any, **named: Any) -> Any:
            if not self.raced:
                self.raced = True
                other = await asyncpg.connect(**bench.target)
                await VectorStore(other, bench.table).upsert([{**rows[5], "content": "theirs"}])
                await other.close()
            return await bench.connection.copy_to_table(*args, **named)

    done = bench.do(VectorStore(Late(), bench.table).upsert(rows))
    assert (done.inserted, done.updated) == (399, 1)
    assert bench.value(f"SELECT content FROM {bench.table} WHERE id = 'r5'") == "row 5"
    assert bench.value(f"SELECT count(*) FROM {bench.table}") == 400


@pytest.mark.parametrize("metric", ["cosine", "l2", "inner_product"])
@pytest.mark.parametrize("precision", ["full", "half"])
def test_every_distance_is_the_one_by_definition(bench: Any, metric: str, precision: str) -> None:
    rows = cloud(60)
    store = bench.filled(rows, precision=precision)
    found = bench.do(store.search(rows[7]["vector"], metric=metric, limit=5))
    assert ids(found) == nearest(rows, rows[7]["vector"], metric)[:5]
    assert found.plan == "exact"


@pytest.mark.parametrize("method", ["hnsw", "ivfflat"])
@pytest.mark.parametrize("metric", ["cosine", "l2", "inner_product"])
def test_an_index_finds_what_the_exact_plan_finds(bench: Any, method: str, metric: str) -> None:
    rows = cloud(3000)
    store = bench.filled(rows)
    name = bench.do(store.index(method, metric))
    assert bench.do(store.index(method, metric)) == name
    assert f"{name} " in bench.value(
        f"SELECT string_agg(indexname || ' ', '') FROM pg_indexes WHERE tablename = '{bench.table}'"
    )
    for seed in range(5):
        vector = rows[seed * 100 + 3]["vector"]
        exact = bench.do(store.search(vector, metric=metric, plan="exact"))
        found = bench.do(store.search(vector, metric=metric))
        assert (exact.plan, found.plan) == ("exact", method)
        assert ids(exact) == nearest(rows, vector, metric)[:10]
        assert len(set(ids(found)) & set(ids(exact))) >= 9
        assert [match["distance"] for match in found.matches] == sorted(match["distance"] for match in found.matches)


@pytest.mark.parametrize("method", ["hnsw", "ivfflat"])
def test_a_selective_filter_gives_all_rows_that_were_asked_for(bench: Any, method: str) -> None:
    rows = cloud(3000, groups=3)
    store = bench.filled(rows)
    bench.do(store.index(method))
    rare = [row for row in rows if row["metadata"]["rare"] == "yes"]
    few = bench.do(store.search(rows[1]["vector"], limit=20, where={"rare": "yes"}))
    assert few.plan == "exact"
    assert ids(few) == nearest(rare, rows[1]["vector"], "cosine")[:20]
    forced = bench.do(store.search(rows[1]["vector"], limit=20, where={"rare": "yes"}, plan="index"))
    assert forced.plan == method
    assert len(forced.matches) == 20
    assert len(set(ids(forced)) & set(ids(few))) >= 18
    third = [row for row in rows if row["metadata"]["group"] != 1]
    many = bench.do(store.search(rows[1]["vector"], limit=50, where="metadata->'group' <> 1"))
    assert many.plan == method
    assert len(set(ids(many)) & set(nearest(third, rows[1]["vector"], "cosine")[:50])) >= 46


def test_halfvec_is_the_default_from_768_dimensions(bench: Any) -> None:
    for dimensions, kind in ((767, "vector"), (768, "halfvec")):
        bench.do(bench.connection.execute(f"DROP TABLE IF EXISTS {bench.table}"))
        shape = bench.do(bench.store.create(dimensions))
        assert (shape.vector_type, shape.dimensions) == (kind, dimensions)
    rows = cloud(250, 768)
    bench.do(bench.store.upsert(rows))  # by COPY
    bench.do(bench.store.index())
    assert ids(bench.do(bench.store.search(rows[9]["vector"], limit=1))) == ["r9"]
    assert bench.do(bench.store.create(768)).rows == 250
    with pytest.raises(DatabaseError, match=r"is there with vectors of 768 dimensions, not 3"):
        bench.do(bench.store.create(3))


def test_rows_are_deleted_by_id_and_by_filter(bench: Any) -> None:
    store = bench.filled(ROWS)
    assert bench.do(store.delete(["a", "nobody"])) == 1
    assert bench.do(store.delete(["b"], {"category": "x"})) == 0
    assert bench.do(store.delete(where="metadata->>'category' = 'x'")) == 1
    assert bench.value(f"SELECT string_agg(id, '') FROM {bench.table}") == "b"
    with pytest.raises(ParameterError, match="Nothing says which rows to delete"):
        bench.do(store.delete())
    with pytest.raises(ParameterError, match="Nothing says which rows to delete"):
        bench.do(store.delete(where={}))


def test_a_table_of_somebody_elses_is_searched(bench: Any) -> None:
    bench.do(
        bench.connection.execute(
            f"CREATE TABLE {bench.table} (id bigint, published date, price numeric(9,2), v halfvec(2));"
            f"INSERT INTO {bench.table} VALUES (7, '2024-05-01', 12.5, '[1,2]'), (8, '2023-05-01', 3, NULL)"
        )
    )
    store = bench.store
    found = bench.do(store.search([1, 2], where="published >= '2024-01-01' AND price < 13 AND id IN (7, 8)"))
    assert found.matches == [{"id": 7, "distance": pytest.approx(0, abs=1e-6), "content": None, "metadata": {}}]
    with pytest.raises(DatabaseError, match="cannot take an upsert: it needs id as text"):
        bench.do(store.upsert(ROWS))
    with pytest.raises(DatabaseError, match="invalid input syntax for type date"):
        bench.do(store.search([1, 2], where="published > 'soon'"))
    with pytest.raises(ParameterError, match="the column 'metadata': the table has id, price"):
        bench.do(store.search([1, 2], where={"a": 1}))


def test_a_table_in_another_schema_with_an_odd_name(bench: Any) -> None:
    name = 'Odd "name"; DROP TABLE'
    store = VectorStore(bench.connection, f"public.{name}")
    bench.do(store.create(3))
    try:
        bench.do(store.upsert(ROWS))
        bench.do(store.upsert(cloud(300, 3)))
        bench.do(store.index())
        assert ids(bench.do(store.search([1, 0, 0], limit=1))) == ["a"]
    finally:
        bench.do(bench.connection.execute('DROP TABLE "Odd ""name""; DROP TABLE"'))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "a", "content": "x"}], "The vector of row 1 is not there"),
        (
            [ROWS[0], {"id": "z", "vector": [1, 2]}],
            "The vector of row 2 has 2 numbers, and the table takes vectors of 3",
        ),
        ([{"vector": [1, 2, 3]}], "Row 1 has neither an id nor a content"),
        ([{"id": "a", "vector": "[1,2,3]"}], "The vector of row 1 is not a list of numbers"),
        ([{"id": "a", "vector": [1, None, 3]}], "'a' holds something that is no finite number"),
        ([{"id": "a", "vector": [1, math.nan, 3]}], "'a' holds something that is no finite number"),
        ([{"id": "a\0", "vector": [1, 2, 3]}], "Row 1 has a NUL character in its id"),
        ([{"id": "a", "vector": [1, 2, 3], "content": "\ud800"}], "no valid Unicode in its content"),
        ([{"id": "a", "vector": [1, 2, 3], "content": 5}], "Row 1 has a content of type int"),
        ([{"id": "a", "vector": [1, 2, 3], "metadata": {"k": "\0"}}], "NUL character in its metadata"),
        ([[1, 2, 3]], "Row 1 is list"),
    ],
)
def test_a_row_that_does_not_fit_is_named(bench: Any, rows: list[Any], said: str) -> None:
    bench.do(bench.store.create(3))
    with pytest.raises(ParameterError, match=said):
        bench.do(bench.store.upsert(rows))
    assert bench.value(f"SELECT count(*) FROM {bench.table}") == 0


@pytest.mark.parametrize("bad", [math.inf, math.nan, 1e39, "x"])
def test_a_load_with_one_bad_number_stores_nothing(bench: Any, bad: Any) -> None:
    bench.do(bench.store.create(16))
    rows = cloud(300)
    rows[200]["vector"][3] = bad
    with pytest.raises((ParameterError, DatabaseError), match=r"r200|not allowed in vector"):
        bench.do(bench.store.upsert(rows))
    assert bench.value(f"SELECT count(*) FROM {bench.table}") == 0
    bench.do(bench.store.upsert(rows[:200]))  # the connection is as good as before
    assert bench.value(f"SELECT count(*) FROM {bench.table}") == 200


@pytest.mark.parametrize(
    ("vector", "options", "said"),
    [
        ([1, 2], {}, "has 2 numbers, and the table takes vectors of 3"),
        ([], {}, "has 0 numbers"),
        ([0, 0, 0], {}, "all zeros"),
        ([1, 2, math.inf], {}, "no finite number"),
        ([1, 2, 3], {"limit": 0}, "1 to 100,000 rows, not 0"),
        ([1, 2, 3], {"plan": "index"}, "no index for the distance cosine"),
    ],
)
def test_a_search_that_cannot_be_is_refused(bench: Any, vector: list[float], options: Any, said: str) -> None:
    store = bench.filled(ROWS)
    with pytest.raises(ParameterError, match=said):
        bench.do(store.search(vector, **options))


def test_rows_of_zeros_have_no_cosine_distance(bench: Any) -> None:
    store = bench.filled([*ROWS, {"id": "zero", "vector": [0, 0, 0]}])
    found = bench.do(store.search([1, 0, 0]))
    assert "zero" not in ids(found)
    assert found.note == (
        "Only 3 of the 10 rows that were asked for are in the table. Of 1 more the vector is all zeros, to which "
        "there is no cosine distance."
    )
    assert "zero" in ids(bench.do(store.search([1, 0, 0], metric="l2")))


def test_tables_that_are_not_there_or_hold_no_vectors_are_named(bench: Any) -> None:
    with pytest.raises(DatabaseError, match=f"There is no table {bench.table}") as raised:
        bench.do(bench.store.search([1]))
    assert raised.value.permanent
    bench.do(bench.connection.execute(f"CREATE TABLE {bench.table} (id text)"))
    with pytest.raises(DatabaseError, match="has no column of vectors"):
        bench.do(bench.store.search([1]))
    for name in ("a.b.c", "", "x" * 64, "a\0"):
        with pytest.raises(ParameterError):
            VectorStore(bench.connection, name)


def test_an_index_over_too_many_dimensions_says_what_to_do(bench: Any) -> None:
    bench.do(bench.store.create(2001, "full"))
    with pytest.raises(ParameterError, match="create the table with half precision"):
        bench.do(bench.store.index())


def test_a_connection_with_codecs_of_its_own_will_do(bench: Any) -> None:
    """As connections of a pool have them."""
    for kind in ("json", "jsonb"):
        bench.do(bench.connection.set_type_codec(kind, schema="pg_catalog", encoder=json.dumps, decoder=json.loads))
    store = bench.filled(ROWS)
    bench.do(store.upsert(cloud(300, 3)))
    found = bench.do(store.search([1, 0, 0], limit=1, where={"category": "x", "deep": {"k": ["zwei"]}}))
    assert found.matches[0]["metadata"] == ROWS[2]["metadata"]


@pytest.mark.parametrize("many", [3, 250])
@pytest.mark.parametrize("precision", ["full", "half"])
def test_arrays_are_vectors_like_lists(bench: Any, many: int, precision: str) -> None:
    numpy = pytest.importorskip("numpy")
    rows = [
        {"id": str(n), "vector": kind([n, 1.5, -2])}
        for n in range(many)
        for kind in ((numpy.array, tuple, lambda numbers: array.array("d", numbers))[n % 3],)
    ]
    store = bench.filled(rows, precision=precision)
    found = bench.do(store.search(numpy.array([1, 1.5, -2], "f4"), metric="l2", limit=2))
    assert (found.matches[0]["id"], found.matches[0]["distance"]) == ("1", 0.0)
    for wrong in (numpy.array(["x", "y", "z"]), numpy.array([[1, 2]] * 3)):
        rows[-1]["vector"] = wrong
        with pytest.raises(ParameterError, match=f"{many - 1}"):
            bench.do(store.upsert(rows))


def test_metadata_of_dates_and_decimals_are_stored_as_json_has_them(bench: Any) -> None:
    day, price = dt.date(2024, 5, 1), Decimal("1.5")
    store = bench.filled([{"id": "a", "vector": [1], "metadata": {"day": day, "price": price, "mark": "ü ☃"}}])
    found = bench.do(store.search([1], where={"price": {"$lt": 2}, "mark": "ü ☃"}))
    assert found.matches[0]["metadata"] == {"day": "2024-05-01", "price": 1.5, "mark": "ü ☃"}


def indexes(bench: Any) -> dict[str, str]:
    """Name and options of the indexes on vectors."""
    found = bench.do(
        bench.connection.fetch(
            "SELECT c.relname AS name, m.amname || ' ' || array_to_string(c.reloptions, ' ') AS options "
            "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam "
            "WHERE i.indrelid = to_regclass($1) AND m.amname IN ('hnsw', 'ivfflat') ORDER BY 1",
            bench.table,
        )
    )
    return {row["name"].removeprefix(bench.table): row["options"] for row in found}


def test_an_index_has_the_options_that_were_asked_for_last(bench: Any) -> None:
    store = bench.filled(cloud(300))
    asked: list[tuple[dict[str, Any], str, str]] = [
        ({}, "_hnsw_cosine", "hnsw m=16 ef_construction=64"),
        ({"m": 64}, "_hnsw_cosine", "hnsw m=64 ef_construction=128"),
        ({"m": 64, "ef_construction": 200}, "_hnsw_cosine", "hnsw m=64 ef_construction=200"),
        ({"m": 64}, "_hnsw_cosine", "hnsw m=64 ef_construction=200"),  # no wish: what is there will do
        ({"method": "ivfflat", "lists": 3}, "_ivfflat_cosine", "ivfflat lists=3"),
        ({"method": "ivfflat", "lists": 7}, "_ivfflat_cosine", "ivfflat lists=7"),
        ({"method": "ivfflat"}, "_ivfflat_cosine", "ivfflat lists=1"),
        ({}, "_hnsw_cosine", "hnsw m=16 ef_construction=64"),
    ]
    for options, name, built in asked:
        assert bench.do(store.index(**options)) == bench.table + name
        assert indexes(bench) == {name: built}
        kept = bench.value("SELECT $1::regclass::oid", bench.table + name)
        assert bench.do(store.index(**options)) == bench.table + name
        assert bench.value("SELECT $1::regclass::oid", bench.table + name) == kept, "it was not built again"
    bench.do(store.index("hnsw", "l2"))
    assert set(indexes(bench)) == {"_hnsw_cosine", "_hnsw_l2"}, "one for each distance"
    with pytest.raises(
        ParameterError, match="ef_construction is 64: an index with m = 64 needs at least twice as many"
    ):
        bench.do(store.index(m=64, ef_construction=64))


def test_lists_that_were_chosen_for_few_rows_are_chosen_again_for_many(bench: Any) -> None:
    store = bench.filled(cloud(300, 2))
    for more, lists in ((0, 1), (2000, 1), (4000, 6)):
        bench.do(store.upsert([{**row, "id": f"{more}-{row['id']}"} for row in cloud(more, 2)]))
        bench.do(store.index("ivfflat"))
        assert indexes(bench) == {"_ivfflat_cosine": f"ivfflat lists={lists}"}


def test_searches_never_lack_an_index_while_another_one_is_built(bench: Any) -> None:
    """Somebody reads the table all the while, so the old index cannot go; the new one can be used before that."""
    store = bench.filled(cloud(300))
    bench.do(store.index())

    async def work() -> None:
        reader = await asyncpg.connect(**bench.target)
        async with reader.transaction():
            await reader.execute(f"SELECT count(*) FROM {bench.table}")
            task = asyncio.ensure_future(store.index(m=32))
            asked = (
                "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                "JOIN pg_am m ON m.oid = c.relam "
                "WHERE i.indrelid = to_regclass($1) AND m.amname = 'hnsw' AND i.indisvalid"
            )
            async with asyncio.timeout(30):
                while await reader.fetchval(asked, bench.table) < 2:
                    await asyncio.sleep(0.02)
            await reader.execute(f"DELETE FROM {bench.table} WHERE id = 'r1'")  # whoever has read it may write into it
        await task
        await reader.close()

    bench.do(work())
    assert indexes(bench) == {"_hnsw_cosine": "hnsw m=32 ef_construction=64"}
    assert bench.value(f"SELECT count(*) FROM {bench.table}") == 299


def test_what_a_rebuild_left_that_was_broken_off_is_replaced(bench: Any) -> None:
    store = bench.filled(cloud(300))
    bench.do(store.index())
    bench.do(
        bench.connection.execute(
            f"CREATE INDEX {bench.table}_hnsw_cosine_2 ON {bench.table} USING hnsw (embedding vector_cosine_ops) "
            "WITH (m = 5)"
        )
    )
    assert bench.do(store.index(m=5)) == f"{bench.table}_hnsw_cosine"
    assert indexes(bench) == {"_hnsw_cosine": "hnsw m=5"}


def test_an_index_of_somebody_elses_is_used_or_named(bench: Any) -> None:
    store = bench.filled(cloud(300))
    bench.do(
        bench.connection.execute(
            f"CREATE INDEX {bench.table}_theirs ON {bench.table} USING hnsw (embedding vector_cosine_ops)"
        )
    )
    assert bench.do(store.index()) == f"{bench.table}_theirs"
    with pytest.raises(
        DatabaseError, match=r"made elsewhere: \w+_theirs \(hnsw, m = 16, ef_construction = 64\)"
    ) as raised:
        bench.do(store.index(m=24))
    assert raised.value.permanent
    assert list(indexes(bench)) == ["_theirs"]
