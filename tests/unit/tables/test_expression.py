"""Expressions over columns: what they give, against Python's own answer, and what they refuse."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kailash_studio.errors import TableError
from kailash_studio.tables.evaluation import compute, condition
from kailash_studio.tables.expression import parse
from kailash_studio.tables.functions import FUNCTIONS
from kailash_studio.tables.table import Table

DAY, MOMENT = dt.date, dt.datetime
COLUMNS: dict[str, list[Any]] = {
    "n": [7, -7, None],
    "m": [2, 0, 3],
    "x": [1.5, -0.5, None],
    "price": [Decimal("1.10"), Decimal("2.50"), None],
    "name": ["Ann Ltd", "", None],
    "unit price": [4, 5, None],
    "day": [DAY(2024, 2, 29), DAY(2023, 12, 31), None],
    "ok": [True, False, None],
    "at": [MOMENT(2024, 5, 31, 8, 30), None, None],
    "code": [" 12 ", "3.5", None],
}
ROWS = [dict(zip(COLUMNS, cells, strict=True)) for cells in zip(*COLUMNS.values(), strict=True)]


def value(text: str, rows: list[dict[str, Any]] = ROWS) -> list[Any]:
    (batch,) = Table.of(rows).arrow.to_batches()
    return list(compute(parse(text), batch).to_pylist())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n + 1", [8, -6, None]),
        ("n * `unit price`", [28, -35, None]),
        ("n / m", [3.5, None, None]),
        ("n // m", [3, None, None]),
        ("-n // 2", [-4, 3, None]),
        ("n % 2", [1, 1, None]),
        ("x // 1", [1.0, -1.0, None]),
        ("2 ** 3", [8.0, 8.0, 8.0]),
        ("price * 2", [Decimal("2.20"), Decimal("5.00"), None]),
        ("price * price + n", [Decimal("8.2100"), Decimal("-0.7500"), None]),
        ("round(price * 1.19, 2)", [Decimal("1.31"), Decimal("2.98"), None]),
        ("name + '!'", ["Ann Ltd!", "!", None]),
        ("upper(left(name, 3))", ["ANN", "", None]),
        ("right(name, 3)", ["Ltd", "", None]),
        ("substring(name, 5, 3)", ["Ltd", "", None]),
        ("replace(name, 'Ltd', 'Inc')", ["Ann Inc", "", None]),
        ("concat(name, '/', n)", ["Ann Ltd/7", "/-7", "/"]),
        ("length(trim(code))", [2, 3, None]),
        ("number(code)", [12.0, 3.5, None]),
        ("contains(name, 'Ltd')", [True, False, None]),
        ("matches(name, '^A.*d$')", [True, False, None]),
        ("n > 0 and ok", [True, False, None]),
        ("n > 0 or m == 3", [True, False, True]),
        ("not ok", [False, True, None]),
        ("-10 < n < 0", [False, True, None]),
        ("n in (7, 8)", [True, False, False]),
        ("name not in ['Ann Ltd']", [False, True, True]),
        ("n is null", [False, False, True]),
        ("n is not None", [True, True, False]),
        ("is_empty(name)", [False, True, True]),
        ("coalesce(n, 0)", [7, -7, 0]),
        ("'big' if n > 0 else 'small'", ["big", "small", "small"]),
        ("max(n, m)", [7, 0, 3]),
        ("abs(n)", [7, 7, None]),
        ("integer(x)", [1, 0, None]),
        ("text(price)", ["1.10", "2.50", None]),
        ("year(day) * 100 + month(day)", [202402, 202312, None]),
        ("weekday(day)", [4, 7, None]),
        ("day + 1", [dt.date(2024, 3, 1), dt.date(2024, 1, 1), None]),
        ("day > '2024-01-01'", [True, False, None]),
        ("at >= '2024-05-31 08:00'", [True, None, None]),
        ("date(at)", [dt.date(2024, 5, 31), None, None]),
        ("date('2024-01-05')", [dt.date(2024, 1, 5)] * 3),
        ("days_between(day, '2024-03-01')", [1, 61, None]),
        ("start_of(day, 'month')", [dt.date(2024, 2, 1), dt.date(2023, 12, 1), None]),
        ("format_date(day, '%m/%Y')", ["02/2024", "12/2023", None]),
        ("null", [None] * 3),
        ("True", [True] * 3),
        ("'`n`'", ["`n`"] * 3),
    ],
)
def test_it_gives(text: str, expected: list[Any]) -> None:
    found = value(text)
    assert found == pytest.approx(expected) if isinstance(expected[0], float) else found == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("n +", "cannot be read"),
        ("n = 1", "write == to compare"),
        ("n > 1 AND m > 2", "small letters"),
        ("unit price > 1", "backticks"),
        ("__import__('os').system('x')", "no function"),
        ("n.__class__", "not part of an expression"),
        ("[x for x in n]", "not part of an expression"),
        ("(lambda: 1)()", "no function"),
        ("f'{n}'", "not part of an expression"),
        ("b'x'", "not part of an expression"),
        ("n @ m", "not part of an expression"),
        ("n if (y := 1) else 2", "not part of an expression"),
        ("uper(name)", "did you mean upper"),
        ("upper(name, trim=1)", "in order"),
        ("upper(*name)", "in order"),
        ("(" * 70 + "n" + ")" * 70 + " + 1" * 80, "nested too deeply"),
        ("n" * 5000, "5000 characters"),
    ],
)  # fmt: skip
def test_it_refuses_when_it_is_read(text: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prise * 2", "no column 'prise': did you mean price"),
        ("name * 2", r"name \* 2 cannot be computed: the types do not go together \(name is text\)"),
        ("n > 'a'", "n is integer"),
        ("name and ok", "name is a text, no condition"),
        ("not n", "not takes a condition"),
        ("upper(n)", "n is integer"),
        ("number(name)", r"number\(name\) cannot be computed"),
        ("upper(name, name)", "is written upper"),
        ("left(name, n)", "must be written out"),
        ("day > 'tomorrow'", "'tomorrow' is no date"),
        ("start_of(day, 'decade')", "start_of takes year"),
        ("n in m", "After in stands a list"),
        ("(n, m)", "A list belongs after in"),
        ("n is 1", "is and is not go with null"),
        ("n * 9223372036854775807", "larger than a whole number can be"),
        ("matches(name, '(')", "matches"),
    ],
)
def test_it_refuses_when_it_is_computed(text: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        value(text)


def test_a_condition_is_yes_or_no() -> None:
    (batch,) = Table.of(ROWS).arrow.to_batches()
    assert condition(parse("null"), batch).type == pa.bool_()
    with pytest.raises(TableError, match="gives a integer, no condition"):
        condition(parse("n + 1"), batch)


def test_every_function_says_how_it_is_written() -> None:
    for name, function in FUNCTIONS.items():
        assert function.doc.startswith(f"{name}(")
        assert 1 <= function.least <= function.most


_NUMBERS = st.integers(-1000, 1000)


@given(st.lists(st.tuples(_NUMBERS, _NUMBERS.filter(bool)), min_size=1))
def test_whole_numbers_are_divided_as_python_does(pairs: list[tuple[int, int]]) -> None:
    rows = [{"a": a, "b": b} for a, b in pairs]
    assert value("a // b", rows) == [a // b for a, b in pairs]
    assert value("a % b", rows) == [a % b for a, b in pairs]
    assert value("a / b", rows) == [a / b for a, b in pairs]
    assert value("(a + b) * 2 - a", rows) == [(a + b) * 2 - a for a, b in pairs]
    assert value("a if a > b else b", rows) == [max(pair) for pair in pairs]


def test_every_function_is_documented() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "tables.md").read_text(encoding="utf-8")
    for function in FUNCTIONS.values():
        written, _, gives = function.doc.partition(": ")
        assert f"| `{written}` | {gives} |" in page
