"""Catalogue, description, first rows and plan on a real server and a real file: nothing that is tried stays."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from fakes.black_hole import black_hole

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError
from kailash_studio.services.embedded_database import EmbeddedDatabase
from kailash_studio.services.sql_catalogue import Catalogue, Column, Relation, relations_of
from kailash_studio.services.sql_sessions.postgres import PostgresSession
from kailash_studio.services.sql_sessions.sqlite import SqliteSession

Work = Callable[[PostgresSession, dict[str, Any]], Awaitable[None]]


@pytest.fixture
def on_server(with_database: Path) -> Callable[..., None]:
    """Runs a test's work with a session on the embedded server."""

    def run(work: Work, seconds: float = 15.0) -> None:
        async def held() -> None:
            database = await EmbeddedDatabase.open()
            try:
                target = await database.target()
                await work(PostgresSession(target, seconds=seconds), target)
            finally:
                await database.aclose()

        asyncio.run(held())

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trades.db"
    connection = sqlite3.connect(path)
    connection.execute('CREATE TABLE trades (id INTEGER PRIMARY KEY, price REAL NOT NULL, "Odd name" TEXT)')
    connection.execute("CREATE VIEW dear AS SELECT * FROM trades WHERE price > 100")
    connection.executemany("INSERT INTO trades VALUES (?, ?, NULL)", [(n, n * 1.5) for n in range(500)])
    connection.commit()
    connection.close()
    return path


def test_the_catalogue_of_postgresql(on_server: Callable[..., None]) -> None:
    async def work(session: PostgresSession, target: dict[str, Any]) -> None:
        catalogue = await session.catalogue()
        found = catalogue.find("portfolios")
        assert found is not None and (found.schema, found.kind) == ("sample", "table")
        assert [(c.name, c.type, c.required) for c in found.columns][-2:] == [
            ("total_value", "numeric(16,2)", True),
            ("opened_on", "date", True),
        ]
        assert catalogue.find("pg_class") is not None
        assert catalogue.find("portfolios", "public") is None
        plain = Catalogue.from_plain(catalogue.to_plain())
        assert plain.find("clients") == catalogue.find("clients")
        assert plain.find("pg_class") is None

    on_server(work)


def test_a_large_catalogue_is_handed_over_in_pieces() -> None:
    columns = tuple(Column(f"c{n}", "text") for n in range(100))
    relations = tuple(Relation("s", f"t{n}", "table", columns) for n in range(120))
    catalogue = Catalogue("postgresql", relations, ("s",))
    found: list[Relation] = []
    piece = catalogue.to_plain()
    while piece["next"] is not None:
        assert sum(len(r[3]) for r in piece["relations"]) <= 2_600
        found += relations_of(piece)
        piece = catalogue.to_plain(piece["next"])
    assert Catalogue.from_plain(piece, found) == catalogue
    assert len(found) > 50


def test_a_description_has_types_and_places(on_server: Callable[..., None]) -> None:
    async def work(session: PostgresSession, target: dict[str, Any]) -> None:
        text = "SELECT client_name, total_value FROM portfolios WHERE risk_profile = $1 AND opened_on > $2"
        found = await session.describe(text)
        assert found.parameters == {"$1": "text", "$2": "date"}
        assert found.columns == [("client_name", "text"), ("total_value", "numeric")]
        named = await session.describe("SELECT 1 FROM portfolios WHERE cash > :least AND client_id = :who")
        assert named.parameters == {":least": "numeric", ":who": "integer"}
        mixed = await session.describe(
            "SELECT 1 FROM portfolios WHERE cash > :least AND client_id = $1 AND cash < :least"
        )
        assert mixed.parameters == {"$1": "integer", ":least": "numeric"}
        behind = "SELECT 1 FROM portfolios WHERE cash > :least_of_all AND client_i = $1"
        refused = (await session.describe(behind)).fault
        assert refused is not None and behind[refused.position :].startswith("client_i ")
        wrong = await session.describe("SELECT client_nam\nFROM portfolios")
        assert wrong.fault is not None
        assert (wrong.fault.position, wrong.fault.sqlstate) == (7, "42703")
        assert "Perhaps you meant" in wrong.fault.sentence
        many = await session.describe("SELECT 1; SELECT 2")
        assert many.fault is not None

    on_server(work)


def test_first_rows_are_limited_and_the_statement_is_untouched(on_server: Callable[..., None]) -> None:
    async def work(session: PostgresSession, target: dict[str, Any]) -> None:
        # a hundred million rows that the server makes one by one, so that only those that are read are made
        endless = "SELECT n, n AS n FROM generate_series(1, 10000) n, generate_series(1, 10000) m -- all"
        found = await session.first_rows(endless, [], limit=5)
        assert [name for name, _ in found.columns] == ["n", "n_2"]
        assert (len(found.rows), found.more) == (5, True)
        found = await session.first_rows("SELECT client_name FROM portfolios WHERE risk_profile = $1", ["Growth"])
        assert found.rows and not found.more
        found = await session.first_rows("SELECT :b::int - :a::int AS d", {"a": 1, "b": 3})
        assert found.rows == [(2,)]

    on_server(work)


def test_nothing_that_is_tried_stays(on_server: Callable[..., None]) -> None:
    async def work(session: PostgresSession, target: dict[str, Any]) -> None:
        own = await asyncpg.connect(**target)
        try:
            await own.execute("DROP TABLE IF EXISTS public.tried; CREATE TABLE public.tried AS SELECT 1 AS a")
            for text in (
                "DELETE FROM tried WHERE true",
                "WITH gone AS (DELETE FROM tried RETURNING a) SELECT * FROM gone",
                "DROP TABLE tried",
                "EXPLAIN ANALYZE DELETE FROM tried",
            ):
                with pytest.raises(DatabaseError, match="only reads"):
                    await session.first_rows(text, [])
            with pytest.raises(DatabaseError):
                await session.first_rows("COMMIT; DROP TABLE tried", [])
            measured = await session.explain("DELETE FROM tried", [], analyze=True)
            assert measured.title == "Delete on tried"
            assert measured.actual_rows is not None and measured.seconds is not None
            plain = await session.explain("DELETE FROM tried", [])
            assert plain.actual_rows is None and plain.cost is not None
            assert await own.fetchval("SELECT count(*) FROM tried") == 1
        finally:
            await own.execute("DROP TABLE public.tried")
            await own.close()

    on_server(work)


def test_a_plan_is_a_tree_with_costs(on_server: Callable[..., None]) -> None:
    async def work(session: PostgresSession, target: dict[str, Any]) -> None:
        text = (
            "SELECT client_name, sum(quantity) FROM portfolios p JOIN positions USING (portfolio_id) "
            "WHERE risk_profile = $1 GROUP BY 1"
        )
        plan = await session.explain(text, ["Growth"])
        steps, left = [], [plan]
        while left:
            step = left.pop()
            steps.append(step)
            left += step.children
        assert any("on positions" in step.title for step in steps)
        assert any("Growth" in line for step in steps for line in step.details)
        assert plan.cost == pytest.approx(sum(step.own_cost or 0 for step in steps))
        with pytest.raises(DatabaseError, match="already"):
            await session.explain("EXPLAIN SELECT 1", [])
        with pytest.raises(DatabaseError, match=r"Line 2, column 2: .*nothing"):
            await session.explain("SELECT\n nothing", [])
        with pytest.raises(DatabaseError, match="asks for 1 value and gets 0"):
            await session.explain(text, [])

    on_server(work)


def test_a_statement_that_takes_too_long_is_stopped_at_the_server(on_server: Callable[..., None]) -> None:
    async def work(session: PostgresSession, target: dict[str, Any]) -> None:
        with pytest.raises(DatabaseTimeoutError, match=r"0\.2 s"):
            await session.first_rows("SELECT 'stopped_one', pg_sleep(30)", [])

    on_server(work, seconds=0.2)


def test_cancelling_reaches_the_server(on_server: Callable[..., None]) -> None:
    async def work(session: PostgresSession, target: dict[str, Any]) -> None:
        own = await asyncpg.connect(**target)
        count = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE query LIKE '%cancelled_one%' AND state = 'active' AND pid <> pg_backend_pid()"
        )
        try:
            task = asyncio.create_task(session.first_rows("SELECT 'cancelled_one', pg_sleep(30)", []))
            async with asyncio.timeout(10):
                while not await own.fetchval(count):
                    await asyncio.sleep(0.01)
                task.cancel()
                while await own.fetchval(count):
                    await asyncio.sleep(0.01)
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
        finally:
            await own.close()

    on_server(work)


@pytest.mark.parametrize("answers", [False, True])
def test_a_server_that_never_answers_is_given_up(answers: bool) -> None:
    async def work() -> None:
        async with black_hole() as port:
            session = PostgresSession({"host": "127.0.0.1", "port": port, "user": "a", "database": "b"}, seconds=0.2)
            before = time.monotonic()
            with pytest.raises(DatabaseTimeoutError, match="firewall"):
                await (session.catalogue() if answers else session.first_rows("SELECT 1", []))
            assert time.monotonic() - before < 5

    asyncio.run(work())


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    session = PostgresSession({"dsn": "postgresql://me:hidden@127.0.0.1:1/shop"}, seconds=5)
    with pytest.raises(DatabaseUnreachableError, match=r"127\.0\.0\.1:1/shop cannot be reached") as caught:
        asyncio.run(session.catalogue())
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["postgresql://me:hid/den@127.0.0.1:1/shop", "me hidden", "postgresql://me:hid@den@127.0.0.1:1/shop?x=1"]
)
def test_no_address_gives_its_password_away(address: str) -> None:
    session = PostgresSession({"dsn": address}, seconds=5)
    with pytest.raises(DatabaseError) as caught:
        asyncio.run(session.catalogue())
    assert "hid" not in f"{caught.value} {session.where}"
    assert "den@" not in f"{caught.value} {session.where}"


def test_a_value_that_does_not_fit_is_named(on_server: Callable[..., None]) -> None:
    async def work(session: PostgresSession, target: dict[str, Any]) -> None:
        statement = "SELECT 1 WHERE now() > $1::date"
        assert (await session.first_rows(statement, ["2020-01-01"])).rows == [(1,)]
        with pytest.raises(DatabaseError, match=r"\$1 does not take the value 'today'.*which is written 2024-12-31"):
            await session.explain(statement, ["today"])
        with pytest.raises(DatabaseError, match=r"\$1 does not take the value 5 .*\$1::text::date"):
            await session.first_rows(statement, [5])

    on_server(work)


# ---------------------------------------------------------------------- SQLite
def test_sqlite_is_looked_at_and_not_changed(file: Path) -> None:
    session = SqliteSession(file)
    catalogue = asyncio.run(session.catalogue())
    found = catalogue.find("TRADES")
    assert found is not None
    assert [(c.name, c.type, c.required) for c in found.columns] == [
        ("id", "INTEGER", False),
        ("price", "REAL", True),
        ("Odd name", "TEXT", False),
    ]
    assert [r.kind for r in catalogue.relations] == ["view", "table"]
    rows = asyncio.run(session.first_rows("SELECT id, id FROM trades WHERE price > $1", [30], limit=3))
    assert (rows.columns, rows.rows, rows.more) == ([("id", ""), ("id_2", "")], [(21, 21), (22, 22), (23, 23)], True)
    named = asyncio.run(session.first_rows("SELECT :a + 1", {"a": 1}))
    assert named.rows == [(2,)]
    with pytest.raises(DatabaseError, match="only reads"):
        asyncio.run(session.first_rows("DELETE FROM trades", []))
    plan = asyncio.run(session.explain("SELECT * FROM trades WHERE id = $1", [1]))
    assert "primary key" in plan.children[0].title.lower()


def test_sqlite_finds_faults_without_running(file: Path) -> None:
    session = SqliteSession(file)
    assert asyncio.run(session.describe("SELECT id FROM trades WHERE price > $2 + $1")).fault is None
    found = asyncio.run(session.describe("SELECT prise FROM trades"))
    assert found.fault is not None
    assert (found.fault.position, found.fault.sentence) == (7, "No such column: prise.")
    with pytest.raises(DatabaseError, match="There is no SQLite file"):
        asyncio.run(SqliteSession(file.parent / "none.db").catalogue())
    assert not (file.parent / "none.db").exists()


def test_sqlite_is_stopped_in_time_and_by_cancelling(file: Path) -> None:
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t"
    with pytest.raises(DatabaseTimeoutError):
        asyncio.run(SqliteSession(file, seconds=0.1).first_rows(endless, []))

    async def cancelled() -> None:
        task = asyncio.create_task(SqliteSession(file).first_rows(endless, []))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    asyncio.run(cancelled())
