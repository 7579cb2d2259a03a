"""What the SQL editor asks of MySQL and MariaDB, on a real MariaDB: nothing that is tried stays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import quote

import aiomysql
import pytest
from fakes.black_hole import black_hole
from fakes.engine_talk import Ask, talk
from mysql_server import PASSWORD, USER, Server

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnreachableError
from kailash_studio.services.mysql_target import MySQLTarget
from kailash_studio.services.sql_analysis import agreed, lint
from kailash_studio.services.sql_completion import suggest
from kailash_studio.services.sql_sessions.mysql import MySQLSession
from kailash_studio.services.sql_sessions.session import ONLY_READS
from kailash_studio.services.sql_text import Given

_SCHEMA = (
    "CREATE TABLE trades (id INT PRIMARY KEY AUTO_INCREMENT, price DECIMAL(10,2) NOT NULL, `Odd name` TEXT,"
    " day DATE, KEY (day))",
    "INSERT INTO trades (price, `Odd name`, day) SELECT seq, CONCAT('t\\'', seq), '2026-01-01' FROM seq_1_to_500",
    "CREATE VIEW dear AS SELECT * FROM trades WHERE price > 100",
    "CREATE TABLE Orders (id INT PRIMARY KEY, trade INT, amount DOUBLE) ENGINE=MyISAM",
    "INSERT INTO Orders VALUES (1, 1, 2.5), (2, 1, 3)",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("mariadb_looked_at"))

    async def fill() -> None:
        own = await connected(made)
        async with own.cursor() as cursor:
            for statement in _SCHEMA:
                await cursor.execute(statement)
        own.close()

    asyncio.run(fill())
    yield made
    made.stop()


async def connected(server: Server) -> Any:
    return await aiomysql.connect(
        host="127.0.0.1",
        port=server.port,
        user=USER,
        password=PASSWORD.encode().decode("latin-1"),
        db="studio",
        charset="utf8mb4",
        autocommit=True,
    )


def on(server: Server, work: Callable[[MySQLSession], Awaitable[Any]], seconds: float = 10.0) -> Any:
    async def main() -> Any:
        return await work(MySQLSession(server.target, seconds=seconds))

    return asyncio.run(main())


def test_the_catalogue_has_tables_views_and_types(server: Server) -> None:
    catalogue = on(server, lambda s: s.catalogue())
    found = catalogue.find("TRADES")
    assert found is not None and (found.schema, found.kind, found.system) == ("studio", "table", False)
    assert [(c.name, c.type, c.required) for c in found.columns] == [
        ("id", "int(11)", True),
        ("price", "decimal(10,2)", True),
        ("Odd name", "text", False),
        ("day", "date", False),
    ]
    assert catalogue.find("dear").kind == "view"
    assert catalogue.relations[0].schema == "studio"
    assert catalogue.find("tables", "information_schema").system
    offered = suggest("SELECT  FROM trades", 7, catalogue)
    assert "`Odd name`" in [item.text for item in offered.items]


@pytest.mark.parametrize(
    ("text", "position", "word"),
    [
        ("SELECT prise FROM trades", 7, "Unknown column"),
        ("SELECT 1 FORM trades", 14, "Not understood by this MariaDB server"),
        ("SELECT *\nFROM trade -- none", 14, "doesn't exist"),
        ("SELECT id FROM trades WHERE price > $1 AND", -1, "Not understood"),
    ],
)
def test_a_fault_has_its_place(server: Server, text: str, position: int, word: str) -> None:
    found = on(server, lambda s: s.describe(text))
    assert found.fault is not None and word in found.fault.sentence
    assert found.fault.position == position


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM trades WHERE price > $1 AND `Odd name` <> 'it\\'s $2' # 'and' :this",
        "SELECT :a + :b, 100 % 7",
        "INSERT INTO trades (price) VALUES ($1)",
        "UPDATE trades SET price = $2 WHERE id = $1",
    ],
)
def test_what_the_server_takes_is_no_finding(server: Server, text: str) -> None:
    async def work(session: MySQLSession) -> Any:
        return await session.describe(text), await session.catalogue()

    found, catalogue = on(server, work)
    assert found.fault is None
    assert agreed(text, lint(text, "mysql", catalogue=catalogue), found.fault, "mysql") == []


def test_first_rows_are_limited_and_typed(server: Server) -> None:
    endless = "SELECT a.seq, b.seq FROM seq_1_to_1000000 a, seq_1_to_1000000 b"
    began = time.monotonic()
    found = on(server, lambda s: s.first_rows(endless, [], limit=3))
    assert time.monotonic() - began < 8
    assert ([name for name, _ in found.columns], found.more, len(found.rows)) == (["seq", "seq_2"], True, 3)
    found = on(server, lambda s: s.first_rows("SELECT id, day, `Odd name` FROM trades WHERE id = $1", [2]))
    assert found.columns == [("id", "int"), ("day", "date"), ("Odd name", "text")]
    assert found.rows[0][2] == "t'2" and not found.more
    named = on(server, lambda s: s.first_rows("SELECT :a - :b AS d, '%'", {"a": 5, "b": 2}))
    assert named.rows == [(3, "%")]
    mixed = on(server, lambda s: s.first_rows("SELECT :a - $1 - :a AS d", Given([2], {"a": 5})))
    assert mixed.rows == [(-2,)]
    with pytest.raises(DatabaseError, match="The value for :a is nan"):
        on(server, lambda s: s.first_rows("SELECT :a", {"a": float("nan")}))


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM trades",
        "DROP TABLE trades",
        "TRUNCATE Orders",
        "DELETE FROM Orders",  # of a kind that cannot be rolled back
        "COMMIT",
        "SET GLOBAL max_connections = 1",
        "SELECT * FROM trades INTO OUTFILE '/tmp/leaked'",
        "WITH a AS (SELECT 1) DELETE FROM trades",
        "EXPLAIN DELETE FROM trades; DELETE FROM trades",
    ],
)
def test_nothing_that_is_tried_stays(server: Server, text: str) -> None:
    async def count() -> tuple[Any, ...]:
        own = await connected(server)
        async with own.cursor() as cursor:
            await cursor.execute("SELECT (SELECT count(*) FROM trades), (SELECT count(*) FROM Orders)")
            found = await cursor.fetchone()
        own.close()
        return tuple(found)

    with pytest.raises(DatabaseError):
        on(server, lambda s: s.first_rows(text, []))
    if text.startswith(("DELETE", "TRUNCATE", "DROP")):
        with pytest.raises(DatabaseError, match="this one writes"):
            on(server, lambda s: s.explain(text, [], analyze=True))
    assert asyncio.run(count()) == (500, 2)


def test_a_plan_names_tables_keys_and_rows(server: Server) -> None:
    text = "SELECT count(*) FROM trades t JOIN Orders o ON o.trade = t.id WHERE t.day > $1"
    plan = on(server, lambda s: s.explain(text, ["2025-01-01"]))
    titles = [step.title for step in plan.children]
    assert any(title.startswith("Unique index lookup on t using PRIMARY") for title in titles), titles
    assert any(title == "Full scan on o" for title in titles), titles
    assert all(step.actual_rows is None for step in plan.children)
    measured = on(server, lambda s: s.explain(text, ["2025-01-01"], analyze=True))
    assert [step.actual_rows for step in measured.children if step.title == "Full scan on o"] == [2.0]
    parts = on(server, lambda s: s.explain("SELECT 1 UNION SELECT id FROM trades", []))
    assert [step.title for step in parts.children][:2] == ["Primary", "Union"]


def test_a_statement_that_takes_too_long_ends_on_the_server(server: Server) -> None:
    with pytest.raises(DatabaseTimeoutError):
        on(server, lambda s: s.first_rows("SELECT 'slow_one', SLEEP(30)", []), seconds=0.3)
    assert asyncio.run(running(server, "slow_one")) == 0


async def running(server: Server, word: str) -> int:
    own = await connected(server)
    async with own.cursor() as cursor:
        statement = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE %s AND id <> CONNECTION_ID()"
        await cursor.execute(statement, (f"%{word}%",))
        (found,) = await cursor.fetchone()
    own.close()
    return int(found)


def test_cancelling_reaches_the_server(server: Server) -> None:
    async def work(session: MySQLSession) -> None:
        task = asyncio.create_task(session.first_rows("SELECT 'cancelled_one', SLEEP(30)", []))
        async with asyncio.timeout(10):
            while not await running(server, "cancelled_one"):
                await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            while await running(server, "cancelled_one"):
                await asyncio.sleep(0.02)
        assert task.cancelled()

    on(server, work)


def test_a_server_that_never_answers_is_given_up() -> None:
    async def work() -> None:
        async with black_hole() as port:
            session = MySQLSession(MySQLTarget("127.0.0.1", port, "b", "a", "hidden"), seconds=0.2)
            before = time.monotonic()
            with pytest.raises(DatabaseTimeoutError, match="firewall") as caught:
                await session.catalogue()
            assert time.monotonic() - before < 5
            assert "hidden" not in str(caught.value)

    asyncio.run(work())


def test_a_server_that_is_not_there_is_named() -> None:
    session = MySQLSession(MySQLTarget("127.0.0.1", 1, "shop", "me", "hidden"))
    with pytest.raises(DatabaseUnreachableError, match=r"127\.0\.0\.1:1/shop") as caught:
        asyncio.run(session.catalogue())
    assert "hidden" not in str(caught.value)


def test_the_engine_looks_where_the_node_says(server: Server) -> None:
    target = server.target
    given = {"connection": "details", "database_type": "mysql", "host": "127.0.0.1", "port": target.port}
    given |= {"database": "studio", "user": USER, "password": PASSWORD}

    async def conversation(ask: Ask, until: Any) -> None:
        words: dict[str, Any] = {"editor": "one", "given": given, "declared": {}, "folder": "."}
        found = await ask("sql_catalogue", **words)
        assert (found["catalogue"]["dialect"], found["where"]) == ("mysql", f"127.0.0.1:{target.port}/studio")
        text = "SELECT `Odd name` FROM trades WHERE id = $1 # one 'only'"
        checked = await ask("sql_check", **words, text=text, values=[3], ask=True)
        assert (checked["findings"], checked["asked"]) == ([], True)
        assert (await ask("sql_try", **words, text=text, values=[3]))["rows"] == [["t'3"]]
        address = f"mysql://{USER}:{quote(PASSWORD)}@127.0.0.1:{target.port}/studio"
        whole = words | {"given": {"connection": "details", "database_type": "mysql", "connection_string": address}}
        assert (await ask("sql_explain", **whole, text=text, values=[3]))["plan"]["title"] == "Query plan"

    talk(conversation)


def test_what_stands_in_a_comment_that_the_server_runs_is_seen(server: Server) -> None:
    for text in ("SELECT 1 /*! INTO OUTFILE '/tmp/leaked' */", "SELECT 1 /*M!50000 INTO DUMPFILE '/tmp/leaked' */"):
        with pytest.raises(DatabaseError) as raised:
            on(server, lambda s, text=text: s.first_rows(text, []))
        assert str(raised.value) == ONLY_READS
