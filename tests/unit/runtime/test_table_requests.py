"""What the engine answers about tables: pages under a sort and a filter, profiles, cells."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from kailash_studio.errors import EngineError, TableError
from kailash_studio.runtime import table_copy
from kailash_studio.runtime.table_requests import TableRequests
from kailash_studio.tables import profile
from kailash_studio.tables.table import Table

_RANDOM = random.Random(7)
RECORDS: list[dict[str, Any]] = [
    {
        "id": number,
        "name": None if number % 7 == 0 else f"Name {number % 5}",
        "price": None if number % 11 == 0 else Decimal(number % 13) / 4,
        "score": _RANDOM.random(),
        "day": dt.date(2024, 1, 1) + dt.timedelta(days=number % 40),
        "good": number % 2 == 0,
        "tags": ["a", "b"] if number % 3 else None,
    }
    for number in range(500)
]
PORT = {"run_id": "r", "node": "n", "output": "o"}


def answers(value: Any, *asked: dict[str, Any]) -> list[Any]:
    """Ask about a value; errors are given, not raised."""

    async def work() -> list[Any]:
        requests = TableRequests(lambda run, node, output: value, lambda run, answer: answer)
        handlers = requests.handlers()
        given: list[Any] = []
        for words in asked:
            try:
                answer = handlers[words.get("do", "page")]({**PORT, **words})
                given.append(await answer if isinstance(answer, asyncio.Future) else answer)
            except (TableError, EngineError) as error:
                given.append(error)
        requests.close()
        return given

    return asyncio.run(work())


def ids(page: dict[str, Any]) -> list[int]:
    at = page["columns"].index("id")
    return [int(row[at]) for row in page["rows"]]


@pytest.fixture(params=["arrow", "records"])
def value(request: pytest.FixtureRequest) -> Any:
    return Table.of(RECORDS) if request.param == "arrow" else RECORDS


CONDITIONS: list[tuple[list[Any], Callable[[dict[str, Any]], bool]]] = [
    (["name", "contains", ["ME 3"]], lambda row: row["name"] == "Name 3"),
    (["name", "equals", ["Name 2"]], lambda row: row["name"] == "Name 2"),
    (["name", "is_null", []], lambda row: row["name"] is None),
    (["name", "not_null", []], lambda row: row["name"] is not None),
    (["id", "less", ["20"]], lambda row: row["id"] < 20),
    (["id", "greater", ["489.5"]], lambda row: row["id"] > 489.5),
    (["id", "contains", ["99"]], lambda row: "99" in str(row["id"])),
    (["id", "between", ["10", "15"]], lambda row: 10 <= row["id"] <= 15),
    (["price", "at_most", ["0.25"]], lambda row: row["price"] is not None and row["price"] <= Decimal("0.25")),
    (["price", "differs", ["1"]], lambda row: row["price"] is not None and row["price"] != 1),
    (["day", "at_least", ["2024-02-05"]], lambda row: row["day"] >= dt.date(2024, 2, 5)),
    (["good", "equals", ["true"]], lambda row: row["good"]),
]


@pytest.mark.parametrize(
    ("condition", "fits"), CONDITIONS, ids=lambda part: str(part) if isinstance(part, list) else ""
)
def test_a_filter_leaves_what_the_same_condition_in_python_leaves(value: Any, condition: Any, fits: Any) -> None:
    (page,) = answers(value, {"filter": [condition], "limit": 1000})
    assert ids(page) == [row["id"] for row in RECORDS if fits(row)]
    assert (page["total"], page["all"]) == (len(page["rows"]), 500)


def test_rows_are_sorted_by_several_columns_with_nulls_last_and_stable(value: Any) -> None:
    (page,) = answers(value, {"sort": [["name", False], ["price", True]], "limit": 1000})

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        name, price = row["name"], row["price"]
        return name is None, name or "", price is None, -(price or 0)

    assert ids(page) == [row["id"] for row in sorted(RECORDS, key=key)]


def test_a_page_of_a_sorted_and_filtered_table(value: Any) -> None:
    (page,) = answers(
        value, {"sort": [["score", True]], "filter": [["good", "equals", ["false"]]], "offset": 10, "limit": 5}
    )
    right = sorted((row for row in RECORDS if not row["good"]), key=lambda row: -row["score"])
    assert ids(page) == [row["id"] for row in right[10:15]]
    assert page["total"] == 250


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"filter": [["id", "less", ["many"]]]}, "'many' is none"),
        ({"filter": [["absent", "is_null", []]]}, "no column 'absent'"),
        ({"filter": [["id", "between", ["1"]]]}, "with 1 values"),
        ({"filter": [["tags", "contains", ["a"]]]}, "no text is searched"),
        ({"sort": [["tags", False]]}, "no order"),
    ],
)
def test_what_cannot_be_done_is_said(value: Any, words: dict[str, Any], sentence: str) -> None:
    (error,) = answers(value, words)
    assert isinstance(error, TableError)
    assert sentence in str(error)


def test_a_profile_counts_what_python_counts(value: Any) -> None:
    (told,) = answers(value, {"do": "table_profile"})
    columns = {column["name"]: column for column in told["columns"]}
    assert told["rows"] == 500
    assert columns["id"]["min"], columns["id"]["max"] == ("0", "499")
    assert columns["id"]["mean"] == "249.5"
    assert sum(columns["id"]["histogram"]) == 500
    assert columns["name"]["nulls"] == sum(row["name"] is None for row in RECORDS)
    assert columns["name"]["distinct"] == 5
    assert columns["name"]["top"][0][1] == max(sum(row["name"] == f"Name {n}" for row in RECORDS) for n in range(5))
    assert columns["price"]["distinct"] == 13
    assert sum(columns["price"]["histogram"]) == 500 - columns["price"]["nulls"]
    assert (columns["day"]["min"], columns["day"]["max"]) == ("2024-01-01", "2024-02-09")
    assert columns["good"]["top"] == [["true", 250], ["false", 250]]
    assert columns["tags"]["nulls"] == sum(row["tags"] is None for row in RECORDS)


def test_a_profile_is_of_the_filtered_rows(value: Any) -> None:
    (told,) = answers(value, {"do": "table_profile", "filter": [["id", "less", ["10"]]]})
    assert (told["rows"], told["columns"][0]["max"]) == (10, "9")


def test_odd_numbers_have_a_profile() -> None:
    odd = pa.table({"x": [float("nan"), float("inf"), 1.0, None, 3.0], "none": pa.nulls(5), "same": [2, 2, 2, 2, 2]})
    (told,) = answers(Table(odd), {"do": "table_profile"})
    x, none, same = told["columns"]
    assert sum(x["histogram"]) == 2
    assert (none["nulls"], none["min"], none["histogram"]) == (5, None, [])
    assert (same["histogram"], same["distinct"]) == ([5], 1)


def test_many_values_are_estimated_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "COUNTED_ROWS", 10_000)
    monkeypatch.setattr(profile, "SAMPLED_ROWS", 5_000)
    shuffled = random.Random(1)
    column = pa.chunked_array([[shuffled.randrange(2_000) for _ in range(50_000)]])
    told = profile.column_profile("x", column)
    assert told["approximate"]
    assert 1_700 < told["distinct"] < 2_300


def test_a_cell_is_given_whole(value: Any) -> None:
    text, tags, gone = answers(
        [{**RECORDS[0], "name": "x" * 5_000}, *RECORDS[1:]],
        {"do": "table_cell", "row": 0, "column": "name"},
        {"do": "table_cell", "row": 499, "column": "tags", "sort": [["id", True]]},
        {"do": "table_cell", "row": 500, "column": "id"},
    )
    assert text["text"] == "x" * 5_000
    nothing = {"type": "null", "text": None, "children": [], "count": 0}
    assert tags == {"type": "null", "text": None, "tree": nothing, "cut": False}
    assert isinstance(gone, EngineError)


def test_rows_are_copied_as_lines_and_in_pieces(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_copy, "LETTERS", 200)
    words = {"do": "table_copy", "columns": ["id", "tags"], "filter": [["id", "less", ["100"]]], "sort": [["id", True]]}
    lines: list[str] = []
    while len(lines) < 100:
        (piece,) = answers(value, {**words, "offset": len(lines), "limit": 100 - len(lines)})
        assert 0 < piece["rows"] < 100
        assert piece["cut"] == 0
        lines += piece["text"].split("\n")
    assert lines == [f'{n}\t"[""a"", ""b""]"' if n % 3 else f"{n}\t" for n in reversed(range(100))]


def test_a_copied_cell_that_is_too_long_is_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_copy, "MAX_CELL", 10)
    (told,) = answers([{"a": "x" * 11}], {"do": "table_copy", "columns": ["a"], "offset": 0, "limit": 5})
    assert told == {"text": "x" * 9 + "…", "rows": 1, "cut": 1}


def test_work_that_has_not_begun_can_be_dropped() -> None:
    async def work() -> None:
        requests = TableRequests(lambda run, node, output: RECORDS, lambda run, answer: answer)
        handlers = requests.handlers()
        asked = [handlers["page"]({**PORT, "sort": [["score", n % 2]], "ticket": str(n)}) for n in range(200)]
        dropped = handlers["table_drop"]({"tickets": [str(n) for n in range(199)] + ["unknown"]})
        given = [await answer for answer in asked if isinstance(answer, asyncio.Future)]
        assert isinstance(dropped, dict)
        assert dropped["dropped"] == sum("dropped" in answer for answer in given) > 0
        assert len(given[-1]["rows"]) == 200
        requests.close()

    asyncio.run(work())


def test_a_value_that_changed_is_looked_at_anew() -> None:
    async def work() -> None:
        value: list[Any] = [[{"id": 1}, {"id": 2}]]
        requests = TableRequests(lambda run, node, output: value[0], lambda run, answer: answer)
        page = requests.handlers()["page"]

        async def first() -> str:
            answer = page({**PORT, "sort": [["id", True]]})
            assert isinstance(answer, asyncio.Future)
            return str((await answer)["rows"][0][0])

        assert await first() == "2"
        value[0] = [{"id": 7}, {"id": 9}]
        assert await first() == "9"
        requests.close()

    asyncio.run(work())
