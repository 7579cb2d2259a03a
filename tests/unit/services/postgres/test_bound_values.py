"""Values that JSON has only as texts, on a real server, and what is said of those that do not fit."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from test_large import on_pool, query

from kailash_studio.errors import DatabaseError

pytestmark = pytest.mark.usefixtures("with_database")

ZONE = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(("kind", "text", "value"), [
    ("date", "2024-02-29", dt.date(2024, 2, 29)),
    ("timestamp", "2024-02-29T12:00:00.5", dt.datetime(2024, 2, 29, 12, 0, 0, 500_000)),
    ("timestamp", "2024-02-29", dt.datetime(2024, 2, 29)),
    ("timestamptz", "2024-02-29T12:00:00+02:00", dt.datetime(2024, 2, 29, 12, tzinfo=ZONE)),
    ("timestamptz", "2024-02-29 12:00:00Z", dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)),
    ("time", "12:30", dt.time(12, 30)),
    ("timetz", "12:30:00+02:00", dt.time(12, 30, tzinfo=ZONE)),
    ("interval", "P1DT2H30M", dt.timedelta(days=1, hours=2, minutes=30)),
    ("interval", "-PT0.5S", dt.timedelta(seconds=-0.5)),
    ("uuid", "00000000-0000-0000-0000-000000000007", uuid.UUID(int=7)),
    ("numeric", "12.50", Decimal("12.50")),
    ("text", "2024-02-29", "2024-02-29"),
    ("varchar", "12.50", "12.50"),
])  # fmt: skip
def test_a_text_is_read_as_the_type_that_the_server_wants(kind: str, text: str, value: Any) -> None:
    found = on_pool(lambda pool: query(pool, f"SELECT $1::{kind} AS v, $2::int AS i", text, 1))
    assert found == [{"v": value, "i": 1}]


@pytest.mark.parametrize(("statement", "params", "said"), [
    ("SELECT 1 WHERE $2 > date '2020-01-01' AND $1", [True, "29.02.2024"],
     "$2 does not take the value '29.02.2024': the statement wants date there, which is written 2024-12-31."),
    ("SELECT $1::date", ["2024-02-29T12:00:00"], "which is written 2024-12-31."),
    ("SELECT $1::timestamptz", ["2024-02-29T12:00:00"], "which is written 2024-12-31T23:59:59+00:00, with its zone."),
    ("SELECT $1::timestamp", ["2024-02-29T12:00:00Z"], "which is written 2024-12-31T23:59:59, without a zone."),
    ("SELECT $1::interval", ["2 days"], "which is written P1DT2H30M"),
    ("SELECT $1::interval", ["P"], "which is written P1DT2H30M"),
    ("SELECT $1::uuid", ["seven"], "the statement wants uuid there"),
    ("SELECT $1::numeric", ["12,50"], "the statement wants numeric there"),
    ("SELECT $1::int", ["many" * 50], "the statement wants int4 there ("),
    ("SELECT $1::text", [5], "$1 does not take the value 5: the statement wants text there (expected str, got int): "
     "give one of that type."),
    ("SELECT $1::date", [5], "give one of that type, or a text that the server reads, as $1::text::date."),
    ("SELECT $1::int", [], "The statement asks for 1 value and gets 0: give each parameter a value"),
    ("SELECT 1", [1, 2], "The statement asks for 0 values and gets 2"),
])  # fmt: skip
def test_what_does_not_fit_is_said_with_its_place_and_the_mend(statement: str, params: list[Any], said: str) -> None:
    with pytest.raises(DatabaseError) as raised:
        on_pool(lambda pool: query(pool, statement, *params))
    told = str(raised.value)
    assert said in told
    assert "The database says" not in told and "HINT" not in told and "\n" not in told
    assert len(told) < 250
    assert raised.value.permanent
