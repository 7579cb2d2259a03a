"""Fetching tables from the embedded server, for real."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError
from kailash_studio.services.arrow_fetch import fetch_arrow, fetch_page
from kailash_studio.services.embedded_database import EmbeddedDatabase
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.postgres.statistics import Owner
from kailash_studio.services.sql import query_postgresql
from kailash_studio.tables import store

pytestmark = pytest.mark.usefixtures("with_database")


def on_server(work: Callable[[dict[str, Any]], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        database = await EmbeddedDatabase.open()
        try:
            return await work(await database.target())
        finally:
            await database.aclose()

    return asyncio.run(main())


def rows_of(statement: str, *params: Any) -> list[dict[str, Any]]:
    table = on_server(lambda target: fetch_arrow(target, statement, params))
    rows: list[dict[str, Any]] = table.to_list()
    return rows


def test_the_same_rows_as_by_the_other_driver() -> None:
    statement = "SELECT * FROM portfolios WHERE risk_profile = $1 ORDER BY portfolio_id"

    async def both(target: dict[str, Any]) -> tuple[Any, Any]:
        async with Pool(target) as pool:
            found = await query_postgresql(pool, Owner(), statement, ["Conservative"])
        return await fetch_arrow(target, statement, ["Conservative"]), found

    table, found = on_server(both)
    assert len(table) > 10
    assert table == found.rows
    assert table.column_names == found.columns


def test_types_come_as_tables_have_them() -> None:
    (row,) = rows_of(
        "SELECT 1.50::numeric(6,2) AS a, 0.1::numeric / 3 AS b, NULL::numeric AS c, '2024-02-29'::date AS d, "
        "'00000000-0000-0000-0000-000000000007'::uuid AS e, '10.0.0.1'::inet AS f, '[1,2]'::vector AS g, "
        "'{\"a\": 1}'::jsonb AS h, ARRAY[1.5::numeric] AS i, true AS j, "
        "timestamp '2024-01-01 08:00' AS k, 1 AS l, 2 AS l"
    )
    assert row == {
        "a": Decimal("1.50"), "b": Decimal("0.03333333333333333333"), "c": None, "d": dt.date(2024, 2, 29),
        "e": "00000000-0000-0000-0000-000000000007", "f": "10.0.0.1/32", "g": "[1,2]", "h": '{"a": 1}', "i": ["1.5"],
        "j": True, "k": dt.datetime(2024, 1, 1, 8), "l": 1, "l_2": 2,
    }  # fmt: skip
    assert row["a"].as_tuple().exponent == -2


def test_numbers_whose_digits_differ_find_a_common_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.VARIABLE, "0")
    statement = (
        "SELECT i, CASE WHEN i < 300000 THEN i::numeric ELSE i / 8.0 END AS n FROM generate_series(1, 300001) AS i"
    )
    table = on_server(lambda target: fetch_arrow(target, statement))
    assert len(table) == 300_001
    assert (table[0]["n"], table[300_000]["n"]) == (1, Decimal("37500.125"))
    assert [row["x"] for row in rows_of("SELECT unnest(ARRAY['NaN', '1.5']::numeric[]) AS x")][1] == 1.5
    assert rows_of("SELECT (10::numeric ^ 60) AS x")[0]["x"] == Decimal(10) ** 60


def test_nothing_and_no_rows() -> None:
    table = on_server(lambda target: fetch_arrow(target, "SELECT 1 AS a, 2.5::numeric AS b WHERE false;"))
    assert (table.column_names, len(table)) == (["a", "b"], 0)


def test_a_page() -> None:
    statement = "SELECT i AS n FROM generate_series(1, 1000000000) AS i -- all of them"
    began = time.monotonic()
    page = on_server(lambda target: fetch_page(target, "WITH x AS (SELECT 5 AS n) SELECT * FROM x;", limit=3))
    assert page == [{"n": 5}]
    page = on_server(lambda target: fetch_page(target, statement.replace("1000000000", "$1"), [100], offset=7, limit=3))
    assert page == [{"n": 8}, {"n": 9}, {"n": 10}]
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("statement", "state", "said"),
    [
        ("SELECT\nnothing", "42703", r"says: column .nothing. does not exist \(line 2\)"),
        ("SELEC 1", "42601", r"syntax error at or near .SELEC. \(line 1\)"),
        ("SELECT 1 / 0", "22012", "division by zero"),
        ("SELECT 1 / (i - 90000) FROM generate_series(1, 100000) AS i", "22012", "division by zero"),
        ("SELECT 1; SELECT 2", "42601", "multiple commands"),
    ],
)
def test_what_the_server_refuses(statement: str, state: str, said: str) -> None:
    with pytest.raises(DatabaseError, match=said) as raised:
        rows_of(statement)
    assert raised.value.sqlstate == state
    assert raised.value.permanent
    assert "Query was" not in str(raised.value)


async def active(target: dict[str, Any], mark: str) -> int:
    connection = await asyncpg.connect(**target)
    try:
        count = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
            "AND query LIKE '%' || $1 || '%'",
            mark,
        )
        return int(count)
    finally:
        await connection.close()


async def wait_for(target: dict[str, Any], mark: str, count: int) -> None:
    deadline = time.monotonic() + 15
    while await active(target, mark) != count:
        assert time.monotonic() < deadline, f"{mark} was not seen {count} times"
        await asyncio.sleep(0.02)


def test_cancelling_stops_it_on_the_server() -> None:
    async def work(target: dict[str, Any]) -> None:
        task = asyncio.ensure_future(fetch_arrow(target, "SELECT pg_sleep(60) AS cancelled_one"))
        await wait_for(target, "cancelled_one", 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await wait_for(target, "cancelled_one", 0)

    on_server(work)


def test_its_time_is_limited() -> None:
    async def work(target: dict[str, Any]) -> None:
        with pytest.raises(DatabaseTimeoutError, match=r"did not finish within 0\.1 s"):
            await fetch_arrow(target, "SELECT pg_sleep(60) AS limited_one", seconds=0.1)
        await wait_for(target, "limited_one", 0)

    on_server(work)


def test_a_server_that_is_not_there_and_a_wrong_password() -> None:
    with pytest.raises(DatabaseUnreachableError, match=r"at 127\.0\.0\.1:1/x cannot be reached"):
        asyncio.run(fetch_arrow({"host": "127.0.0.1", "port": 1, "database": "x", "user": "u"}, "SELECT 1"))
    with pytest.raises(DatabaseUnreachableError) as raised:
        asyncio.run(fetch_arrow({"dsn": "postgresql://u:hidden@127.0.0.1:1/x?sslmode=prefer"}, "SELECT 1"))
    assert "hidden" not in str(raised.value)

    async def wrong(target: dict[str, Any]) -> None:
        await fetch_arrow({**target, "password": "it's \\ wrong"}, "SELECT 1")

    with pytest.raises(DatabaseError, match="password authentication failed") as refused:
        on_server(wrong)
    assert refused.value.permanent
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize("password", ["qq@zz", "qq/zz", "qq@zz?x", "qq#zz@x"])
def test_no_part_of_a_password_is_told(password: str) -> None:
    with pytest.raises(DatabaseError) as raised:
        asyncio.run(fetch_arrow({"dsn": f"postgresql://u:{password}@127.0.0.1:1/x"}, "SELECT 1"))
    assert not any(part in str(raised.value) for part in ("qq", "zz"))
