"""What filters find, on a real server, against the same words written in Python."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kailash_studio.errors import ParameterError
from kailash_studio.services.vectors.filters import condition, read_filter

METADATA: list[Any] = [
    {"category": "financial", "year": 2020, "draft": False, "day": "2024-05-01"},
    {"category": "legal", "year": 2021, "draft": True, "day": "2023-12-31T10:00:00"},
    {"category": 'O\'Neil; -- "x"', "year": "2022", "day": "soon"},
    {"category": None, "year": "many"},
    {"year": 2020.0, "author": {"name": "Ann", "tags": ["a", "b"]}},
    {"category": ["financial"], "draft": "true", "100%": 1},
    {"category": "5", "year": -1, "author": {"name": "Bob", "tags": []}},
    {},
]


def row(number: int) -> dict[str, Any]:
    return {"id": f"r{number}", "vector": [1, number], "content": f"Text {number}", "metadata": METADATA[number]}


TEXTS: list[tuple[str, list[int]]] = [
    ("metadata->>'category' = 'financial'", [0]),
    ("metadata ->> 'category' = 'financial'", [0]),
    ("METADATA->>'category'='financial'", [0]),
    ("'financial' = metadata->>'category'", [0]),
    ("(metadata->>'category') = 'financial'", [0]),
    ("metadata->>'category' = 'O''Neil; -- \"x\"'", [2]),
    ("metadata->>'category' <> 'financial'", [1, 2, 5, 6]),
    ("metadata->>'category' != 'financial'", [1, 2, 5, 6]),
    ("NOT metadata->>'category' = 'financial'", [1, 2, 5, 6]),
    ("NOT NOT metadata->>'category' = 'financial'", [0]),
    ("NOT (metadata->>'category' = 'financial' OR metadata->>'category' IS NULL)", [1, 2, 5, 6]),
    ("metadata->>'category' IN ('financial', 'legal')", [0, 1]),
    ("metadata->>'category' NOT IN ('financial', 'legal')", [2, 5, 6]),
    ("metadata->>'category' = '5'", [6]),
    ("metadata->>'category' IS NULL", [3, 4, 7]),
    ("metadata->>'category' IS NOT NULL", [0, 1, 2, 5, 6]),
    ("metadata->>'category' LIKE 'f%'", [0]),
    ("metadata->>'category' ILIKE 'F_NANCIAL'", [0]),
    ("metadata->>'category' NOT LIKE '%al'", [2, 5, 6]),
    ("metadata->>'year' > 2019", [0, 1, 2, 4]),
    ("metadata->>'year' = 2020", [0, 4]),
    ("2020 < metadata->>'year'", [1, 2]),
    ("metadata->'year' >= 2021", [1, 2]),
    ("(metadata->>'year')::int BETWEEN 2020 AND 2021", [0, 1, 4]),
    ("metadata->>'year' NOT BETWEEN 2020 AND 2021", [2, 6]),
    ("(metadata->>'year')::double precision < 0.5", [6]),
    ("metadata->>'year' = -1", [6]),
    ("metadata->>'year' IN (-1, 2021)", [1, 6]),
    ("metadata->>'year' = '2020'", [0]),
    ("metadata->>'draft' = TRUE", [1, 5]),
    ("(metadata->>'draft')::boolean = false", [0]),
    ("metadata->'draft' = 'true'", [1]),
    ("(metadata->>'day')::date >= '2024-01-01'", [0]),
    ("(metadata->>'day')::date < '2024-01-01'", [1]),
    ("metadata->'author'->>'name' = 'Ann'", [4]),
    ("metadata#>>'{author,name}' = 'Ann'", [4]),
    ("metadata #> '{author}' ->> 'name' = 'Ann'", [4]),
    ("metadata->'author'->'tags'->>1 = 'b'", [4]),
    ("metadata->'author'->'tags'->>-1 = 'b'", [4]),
    ("metadata @> '{\"year\": 2020}'", [0, 4]),
    ("metadata->'author' @> '{\"tags\": [\"a\"]}'", [4]),
    ("metadata ? 'author'", [4, 6]),
    ("NOT metadata ? 'year'", [5, 7]),
    ("metadata->>'100%' = 1", [5]),
    ("id = 'r3' OR content = 'Text 4'", [3, 4]),
    ("id IN ('r1') AND metadata->>'year' > 1 OR id = 'r7'", [1, 7]),
    ("id IN ('r1', 'r7') AND (metadata->>'year' > 1 OR content LIKE '%7')", [1, 7]),
    ('"id" = \'r2\'\n\tand not "metadata" is null', [2]),
    ("metadata = '{}'", [7]),
]
OBJECTS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, list(range(8))),
    ({"category": "financial"}, [0]),
    ({"category": 'O\'Neil; -- "x"'}, [2]),
    ({"year": 2020}, [0, 4]),
    ({"year": 2020, "category": "financial"}, [0]),
    ({"category": ["financial", "legal"]}, [0, 1]),
    ({"category": None}, [3, 4, 7]),
    ({"draft": True}, [1]),
    ({"author": {"name": "Ann"}}, [4]),
    ({"author": {"tags": ["b"]}}, [4]),
    ({"year": {"$gte": 2021}}, [1, 2]),
    ({"year": {"$gt": 2019, "$lt": 2021}}, [0, 4]),
    ({"day": {"$gte": "2024"}}, [0, 2]),
    ({"category": {"$ne": "financial"}}, [1, 2, 3, 4, 5, 6, 7]),
    ({"category": {"$nin": ["financial", "legal"]}}, [2, 3, 4, 5, 6, 7]),
    ({"category": {"$like": "%al"}}, [0, 1]),
    ({"author": {"$exists": True}}, [4, 6]),
    ({"author": {"$exists": False}, "year": {"$exists": True}}, [0, 1, 2, 3]),
    ({"$or": [{"category": "legal"}, {"year": -1}]}, [1, 6]),
    ({"$not": {"category": "legal", "year": 2021}}, [0, 2, 3, 4, 5, 6, 7]),
    ({"$and": [{"year": 2020}, {"draft": False}]}, [0]),
]


def test_each_filter_finds_what_it_says(bench: Any) -> None:
    store = bench.filled([row(number) for number in range(len(METADATA))])
    wrong = []
    for where, expected in (*TEXTS, *OBJECTS):
        found = bench.do(store.search([1, 1], where=where))
        numbers = sorted(int(match["id"][1:]) for match in found.matches)
        if numbers != expected:
            wrong.append((where, numbers, expected))
    assert wrong == []


def test_an_equality_is_served_by_the_index_on_the_metadata(bench: Any) -> None:
    rows = [
        {"id": f"r{number}", "vector": [1, number], "metadata": {"category": f"c{number}", "text": "x" * 50}}
        for number in range(5000)
    ]
    store = bench.filled(rows)
    bench.do(store.index())
    for where in ("metadata->>'category' = 'c77'", {"category": "c77"}, "metadata->>'category' IN ('c77', 'c78')"):
        made = condition(read_filter(where), {"metadata": "jsonb"}, 1)
        plan = bench.do(bench.connection.fetch(f"EXPLAIN SELECT 1 FROM {bench.table} WHERE {made.sql}", *made.values))
        assert any("Bitmap Index Scan" in line[0] for line in plan), plan


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metadata->>'a' = 'x' -- y", r"at character 22 \(--\): comments have no place"),
        ("id = 'a'; x", r"at character 9 \(;\): it is one condition"),
        ("id = 'abc", r"at character 6 \('\): a text is opened and not closed"),
        ("id = abc", r"at character 6 \(abc\): a value was expected: texts stand in single quotes"),
        ("id = NULL", "nothing equals NULL: write IS NULL"),
        ("lower(id) = 'a'", r"at character 1 \(lower\): functions have no place"),
        ("id = $1", "write values into the filter itself"),
        ("id = 'a' AND", "at its end: the name of a column was expected"),
        (" ", "at its end: it is empty"),
        ("metadata->>'a'->'b' = 'x'", "->> and :: end the way"),
        ("metadata->>'a' = 'x' metadata", "AND, OR or the end was expected"),
        ("(metadata->>'year')::money > 1", "can be read as text, int"),
    ],
)
def test_what_is_not_understood_is_shown_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ParameterError, match=said) as raised:
        read_filter(text)
    assert str(raised.value).startswith("The filter is not understood")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("name = 'a'", "names the column 'name': .* is written metadata->>'name'"),
        ("content->>'a' = 'x'", "looks into the column 'content', which is text and not JSON"),
        ("content @> '{}'", "uses content as JSON, which it is not"),
        ("metadata->'a' = 'x'", "which is JSON, with 'x': end the way with ->>"),
        ("metadata->'a' > 'x'", "which is JSON, with 'x'"),
        ("metadata->>'a' > TRUE", "use = or <>"),
        ("(metadata->>'a')::int = 'x'", "a number, with 'x': write a number"),
        ("(metadata->>'a')::date = 'x'", "write it as '2024-12-31'"),
        ("(metadata->>'a')::boolean = 1", "write TRUE or FALSE"),
        ({"a": {"$near": 1}}, r"compares 'a' by '\$near': it knows \$eq"),
    ],
)
def test_what_cannot_be_compared_is_named(where: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        condition(read_filter(where), {"id": "text", "content": "text", "metadata": "jsonb"}, 1)


def test_an_object_may_be_written_as_text() -> None:
    given = {"category": ["policy", "research"], "year": {"$gte": 2020}}
    assert read_filter("  " + json.dumps(given)) == read_filter(given)
    assert read_filter("{}") is None
    for text, said in (
        ("{category: 'policy'}", "at character 2: what begins with a brace must be JSON"),
        ('{"a": 1} OR TRUE', "at character 10"),
        ('{"a": NaN}', "no plain value"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "longer than|not understood"),
        ('{"a":' * 3000 + "1" + "}" * 3000, "not understood|nested deeper|no plain value"),
        ('{"a": ' + "9" * 6000 + "}", "not understood|no plain value"),
    ):
        with pytest.raises(ParameterError, match=said):
            read_filter(text)
