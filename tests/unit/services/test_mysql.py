"""MySQL against a real MariaDB: values, limits, what goes wrong, and what is left on the server."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fakes.black_hole import black_hole
from fakes.certificates import certified
from fakes.tcp_proxy import proxied
from mysql_server import PASSWORD, USER, Server

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import (
    DatabaseConflictError,
    DatabaseError,
    DatabaseTimeoutError,
    DatabaseUnreachableError,
    OutcomeUnknownError,
    ParameterError,
    WorkflowExecutionError,
)
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.local import LocalRuntime
from kailash_studio.services import mysql
from kailash_studio.services.connections import Connections, SavedConnection, tried
from kailash_studio.services.mysql import MySQLServers
from kailash_studio.services.mysql_target import MySQLTarget
from kailash_studio.services.mysql_text import kind_of
from kailash_studio.services.tls import MODES, TlsMode
from kailash_studio.spec.registry import installed_node_types


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("mariadb"))
    yield made
    made.stop()


def on(server: Server, work: Callable[[Callable[..., Awaitable[Any]], MySQLServers], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        servers = MySQLServers()

        async def query(statement: str, *params: Any, **further: Any) -> Any:
            return await servers.query(server.target, statement, params, **further)

        try:
            return await work(query, servers)
        finally:
            await servers.aclose()

    return asyncio.run(main())


def rows(server: Server, statement: str, *params: Any, **further: Any) -> list[dict[str, Any]]:
    async def work(query: Any, _: Any) -> Any:
        return (await query(statement, *params, **further)).rows

    found: list[dict[str, Any]] = on(server, work)
    return found


def test_values_of_each_type_come_back_as_they_are(server: Server) -> None:
    (row,) = rows(
        server,
        "SELECT $1 AS i, $2 AS d, $3 AS t, $4 AS n, CAST($5 AS DATE) AS day, CAST($6 AS DATETIME(6)) AS at, "
        "CAST(1.50 AS DECIMAL(6, 2)) AS exact, X'00FF' AS b, $1 AS again, 'é😀' AS own",
        7, 0.5, "ä😀", None, dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 0, 0, 5),
    )  # fmt: skip
    assert row == {
        "i": 7, "d": 0.5, "t": "ä😀", "n": None, "day": dt.date(2024, 2, 29),
        "at": dt.datetime(2024, 2, 29, 12, 0, 0, 5), "exact": Decimal("1.50"), "b": b"\x00\xff", "again": 7,
        "own": "é😀",
    }  # fmt: skip
    assert isinstance(row["exact"], Decimal)


HOSTILE = [
    "'; DROP TABLE kept; -- ", "\\'; DROP TABLE kept; -- ", "\" OR \"\"=\"", "%s%s%(a)s", "$1 $2", "a\0b", "\x1a",
    "`", "/* */",
    "é\\", "\\\\", "1; SELECT SLEEP(9)", "{}", "\u2028", "'", "''", "\\",
]  # fmt: skip


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_data_whatever_it_holds(server: Server, text: str, mode: str) -> None:
    async def work(query: Any, servers: Any) -> Any:
        del query
        connection = await servers._servers.setdefault(server.target, mysql.Server(server.target)).open()
        async with connection.raw.cursor() as cursor:
            await cursor.execute(f"SET SESSION sql_mode = '{mode}'")
        found = await connection.run("SELECT $1 AS t, HEX($1) AS h", [text], seconds=9.0)
        connection.raw.close()
        return found.rows

    (row,) = on(server, work)
    assert row == {"t": text, "h": text.encode().hex().upper()}


def test_a_dollar_in_texts_names_and_comments_is_no_value_and_a_percent_is_none_of_the_drivers(server: Server) -> None:
    statement = """
        SELECT '$1 it''s \\' $2' AS a, "$1" AS b, 7 % 4 AS `$1 c`, $1 AS v /* $9 */ -- $8
        # $7
        FROM (SELECT 1) AS x WHERE 'a%b' LIKE 'a%'
    """
    (row,) = rows(server, statement, "x")
    assert row == {"a": "$1 it's ' $2", "b": "$1", "$1 c": 3, "v": "x"}
    assert rows(server, "SELECT '100%' AS p") == [{"p": "100%"}]
    with pytest.raises(DatabaseError, match=r"a value for \$2; 1 are given"):
        rows(server, "SELECT $2", 1)


def test_several_statements_in_one_are_refused(server: Server) -> None:
    with pytest.raises(DatabaseError, match="SQL syntax"):
        rows(server, "SELECT 1; SELECT 2")


def test_changes_are_counted_and_limits_are_kept(server: Server) -> None:
    async def work(query: Any, _: Any) -> Any:
        await query("CREATE OR REPLACE TABLE counted (i INT PRIMARY KEY)")
        made = await query("INSERT INTO counted VALUES (1), (2), (3)")
        assert (made.rows, made.row_count, made.columns) == ([], 3, [])
        some = await query("SELECT i, i FROM counted ORDER BY i", limit=2)
        assert (some.rows, some.columns) == ([{"i": 1, "i_2": 1}, {"i": 2, "i_2": 2}], ["i", "i_2"])
        with pytest.raises(DatabaseError, match="Duplicate entry") as raised:
            await query("INSERT INTO counted VALUES (3)")
        assert raised.value.permanent

    on(server, work)


async def _running(query: Any) -> int:
    asked = (
        "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE '%marked%' AND id <> connection_id()"
    )
    return int((await query(asked)).rows[0]["n"])


def test_a_cancelled_statement_ends_on_the_server(server: Server) -> None:
    async def work(query: Any, _: Any) -> None:
        task = asyncio.ensure_future(query("SELECT SLEEP(30) AS marked"))
        while not await _running(query):
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while await _running(query):
                await asyncio.sleep(0.02)

    on(server, work)


def test_one_that_takes_too_long_is_stopped(server: Server) -> None:
    busy = "SELECT count(*) AS marked FROM seq_1_to_10000000 a, seq_1_to_10000000 b"
    with pytest.raises(DatabaseTimeoutError, match=r"did not finish within 0\.5 s"):
        rows(server, busy, seconds=0.5)
    assert rows(server, "SELECT 1 AS one", seconds=0.5) == [{"one": 1}]


def test_a_deadlock_can_be_repeated(server: Server) -> None:
    async def work(query: Any, servers: Any) -> None:
        await query("CREATE OR REPLACE TABLE locked (i INT PRIMARY KEY, v INT) ENGINE=InnoDB")
        await query("INSERT INTO locked VALUES (1, 0)")
        holder = await servers._servers[server.target].open()
        async with holder.raw.cursor() as cursor:
            await cursor.execute("BEGIN")
            await cursor.execute("UPDATE locked SET v = 1 WHERE i = 1")
            with pytest.raises(DatabaseConflictError, match="Lock wait timeout") as raised:
                await query("UPDATE locked SET v = 2 WHERE i = 1")
            assert not raised.value.permanent
        holder.raw.close()

    on(server, work)


@pytest.mark.parametrize(("statement", "kind"), [
    ("SELECT SLEEP(30) AS marked", DatabaseUnreachableError),
    ("INSERT INTO lost SELECT SLEEP(30) AS marked", OutcomeUnknownError),
])  # fmt: skip
def test_a_killed_connection_is_told_and_a_change_may_have_happened(server: Server, statement: str, kind: Any) -> None:
    async def work(query: Any, _: Any) -> None:
        await query("CREATE OR REPLACE TABLE lost (i INT)")
        task = asyncio.ensure_future(query(statement))
        asked = "SELECT id FROM information_schema.processlist WHERE info LIKE '%marked%' AND id <> connection_id()"
        while not (found := (await query(asked)).rows):
            await asyncio.sleep(0.02)
        await query(f"KILL {found[0]['id']}")
        with pytest.raises(kind):
            await task
        assert (await query("SELECT 1 AS one")).rows == [{"one": 1}]

    on(server, work)


def test_fifty_at_once_use_no_more_connections_than_they_may(server: Server) -> None:
    async def work(query: Any, servers: Any) -> None:
        asked = "SELECT count(*) AS n, SLEEP(0.05) FROM information_schema.processlist WHERE user = $1"
        found = await asyncio.gather(*(query(asked, USER) for _ in range(50)))
        assert max(each.rows[0]["n"] for each in found) <= mysql.MOST
        assert 0 < len(servers._servers[server.target].idle) <= mysql.MOST

    on(server, work)


def test_what_is_left_in_a_session_is_not_seen_by_the_next(server: Server) -> None:
    async def work(query: Any, _: Any) -> Any:
        await query("SET @left = 'behind'")
        await query("CREATE TEMPORARY TABLE mine (i INT)")
        with pytest.raises(DatabaseError, match="doesn't exist"):
            await query("SELECT * FROM mine")
        return (await query("SELECT @left AS l")).rows

    assert on(server, work) == [{"l": None}]


def test_an_idle_connection_that_the_server_closed_is_replaced(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "_FRESH_SECONDS", 0.0)

    async def work(query: Any, servers: Any) -> None:
        (mine,) = (await query("SELECT connection_id() AS id")).rows
        other = await servers._servers[server.target].open()
        async with other.raw.cursor() as cursor:
            await cursor.execute(f"KILL {mine['id']}")
        other.raw.close()
        (now,) = (await query("SELECT connection_id() AS id")).rows
        assert now["id"] != mine["id"]

    on(server, work)


@pytest.mark.parametrize(("target", "kind", "said"), [
    (MySQLTarget("127.0.0.1", 1, "studio", USER, PASSWORD), DatabaseUnreachableError, "cannot be reached"),
    (MySQLTarget("127.0.0.1", 0, "studio", USER, "wrong"), DatabaseError, "Access denied"),
    (MySQLTarget("127.0.0.1", 0, "nowhere", USER, PASSWORD), DatabaseError, "nowhere"),
])  # fmt: skip
def test_what_keeps_from_connecting_is_told_without_the_password(
    server: Server, target: MySQLTarget, kind: Any, said: str
) -> None:
    target = target if target.port else replace(target, port=server.port)
    servers = MySQLServers()
    with pytest.raises(kind, match=said) as raised:
        asyncio.run(servers.query(target, "SELECT 1", []))
    assert target.password not in str(raised.value)
    assert target.password not in repr(target)
    assert raised.value.permanent == (kind is DatabaseError)


def test_a_server_that_crashes_is_unreachable_and_is_used_again_when_it_is_back(server: Server) -> None:
    async def work(query: Any, _: Any) -> Any:
        await query("SELECT 1")
        task = asyncio.ensure_future(query("SELECT SLEEP(30) AS marked"))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.kill)
        with pytest.raises(DatabaseUnreachableError):
            await task
        with pytest.raises(DatabaseUnreachableError):
            await query("SELECT 1")
        await asyncio.to_thread(server.start)
        return (await query("SELECT 1 AS one")).rows

    assert on(server, work) == [{"one": 1}]


@pytest.mark.parametrize("address", ["", "postgresql://a/b", "mysql://", "mysql://h:x/d"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ParameterError, match="connection_string is no address"):
        MySQLTarget.of(address)


def test_an_address_gives_its_parts() -> None:
    target = MySQLTarget.of("mysql://an%40alyst:p%2Fw@db.example:3307/studio?ssl=true")
    assert target == MySQLTarget("db.example", 3307, "studio", "an@alyst", "p/w", tls="verified")


def test_the_sql_node_runs_on_it_with_the_password_from_the_store(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(tmp_path))
    monkeypatch.setenv("KAILASH_SECRET_SHOP_PASSWORD", PASSWORD)
    saved = SavedConnection("shop", "mysql", "127.0.0.1", server.port, "studio", USER, "shop_password")
    Connections().put(saved)
    assert "MariaDB 1" in asyncio.run(tried(saved, lambda name: PASSWORD))
    builder = WorkflowBuilder("shop")
    own = {"database_type": "mysql", "host": "127.0.0.1", "port": server.port, "database": "studio", "user": USER}
    secret = {"password": {"$secret": "shop_password"}}
    builder.add_node("AsyncSQLDatabaseNode", "make", {**own, **secret, "query": "CREATE OR REPLACE TABLE sold (n INT)"})
    builder.add_node(
        "AsyncSQLDatabaseNode", "put", query="INSERT INTO sold VALUES (:n), (8), (9)", values={"n": 7}, saved="shop"
    )
    builder.add_node("AsyncSQLDatabaseNode", "get", query="SELECT n FROM sold ORDER BY n", saved="shop")
    builder.add_node(
        "AsyncSQLDatabaseNode", "some", query="SELECT n FROM sold ORDER BY n", saved="shop", fetch_mode="many",
        batch_size=2, batch=2,
    )  # fmt: skip
    for first, second in (("make", "put"), ("put", "get"), ("put", "some")):
        builder.add_connection(first, "data", second, "params")

    async def main() -> Any:
        return (await AsyncLocalRuntime().run(builder))[0]

    outcome = asyncio.run(main())
    assert outcome.state == "succeeded", outcome.failures
    assert outcome.results["put"]["row_count"] == 3
    assert outcome.results["get"]["data"] == [{"n": 7}, {"n": 8}, {"n": 9}]
    assert outcome.results["some"]["data"] == [{"n": 9}]
    assert PASSWORD not in str(outcome.results)


def node_on(server: Server, query: str, **further: Any) -> dict[str, Any]:
    own = {"database_type": "mysql", "connection": "details", "host": "127.0.0.1", "port": server.port}
    own |= {"database": "studio", "user": USER, "password": PASSWORD}
    node = installed_node_types().get("AsyncSQLDatabaseNode")("node", **own, query=query, **further)
    return dict(asyncio.run(node.async_run()))


def test_batches_follow_the_order_of_the_statement_and_have_its_columns(server: Server) -> None:
    def batch(number: int, query: str) -> list[dict[str, Any]]:
        return list(node_on(server, query, fetch_mode="many", batch_size=5, batch=number)["data"])

    rows(server, "CREATE OR REPLACE TABLE paged AS SELECT seq AS id FROM seq_1_to_20")
    ordered = "SELECT id FROM paged ORDER BY id DESC; -- all"
    assert [[row["id"] for row in batch(n, ordered)] for n in (1, 2, 4)] == [
        [20, 19, 18, 17, 16], [15, 14, 13, 12, 11], [5, 4, 3, 2, 1],
    ]  # fmt: skip
    joined = "SELECT a.id, b.id FROM paged a JOIN paged b USING (id) ORDER BY 1"
    assert batch(2, joined)[0] == {"id": 6, "id_2": 6}
    assert batch(5, joined) == []
    for number in (1, 2):
        with pytest.raises(DatabaseError, match="at line 2"):
            batch(number, "SELECT id\nFROM FROM paged")


def test_a_change_whose_answer_did_not_come_in_time_may_have_happened(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(mysql, "_KILL_SECONDS", 0.5)
    rows(server, "CREATE OR REPLACE TABLE stalled (i INT)")

    async def main() -> None:
        async with proxied({"port": server.port}) as (proxy, _):
            target = replace(server.target, port=proxy.port)
            servers = MySQLServers()
            for statement, kind, permanent in (
                ("INSERT INTO stalled VALUES (1)", OutcomeUnknownError, True),
                ("SELECT i FROM stalled", DatabaseTimeoutError, False),
            ):
                proxy.mode = "pass"
                await servers.query(target, "SELECT 1", [], seconds=0.4)
                proxy.mode = "deaf"
                with pytest.raises(kind, match=r"within 0\.4 s") as raised:
                    await servers.query(target, statement, [], seconds=0.4)
                assert raised.value.permanent is permanent
            await servers.aclose()

    asyncio.run(main())
    assert rows(server, "SELECT i FROM stalled") == [{"i": 1}]


@pytest.mark.parametrize(("statement", "reads", "clean"), [
    ("SELECT count(*), concat(a, 'f(') FROM t WHERE b IN (1, 2)", True, True),
    ("WITH x (a) AS (SELECT 1) SELECT * FROM x JOIN (SELECT 2) AS y (b)", True, True),
    ("WITH x AS (SELECT 1 AS a) DELETE FROM t USING t JOIN x", False, True),
    ("INSERT INTO `studio`.`t`(a, b) VALUES (1, lower('A'))", False, True),
    ("SELECT GET_LOCK('job', 0)", False, False),
    ("SELECT studio.own(1)", False, False),
    ("SELECT `abs`(1)", False, False),
    ("SELECT @x := 5", True, False),
    ("SELECT 'someone@example.org' -- @", True, True),
    ("SELECT a /*!50000 INTO OUTFILE 'f' */ FROM t", False, True),
    ("/*! DELETE */ FROM t", False, False),
    ("SET @x = 1", False, False),
])  # fmt: skip
def test_what_a_statement_leaves_behind_is_told_by_its_words(statement: str, reads: bool, clean: bool) -> None:
    assert (kind_of(statement).reads, kind_of(statement).clean) == (reads, clean)


def test_locks_and_variables_of_a_statement_are_not_there_for_the_next(server: Server) -> None:
    async def work(query: Any, _: Any) -> Any:
        await query("SELECT GET_LOCK('job', 0) AS l, @x := 5")
        async with asyncio.timeout(10):
            while (await query("SELECT IS_USED_LOCK('job') AS held")).rows != [{"held": None}]:
                await asyncio.sleep(0.02)
        return (await query("SELECT @x AS x")).rows

    assert on(server, work) == [{"x": None}]


def test_a_limit_fetches_no_more_and_what_writes_is_done_whole(server: Server) -> None:
    async def work(query: Any, servers: Any) -> None:
        async with asyncio.timeout(60):  # all of the rows would take minutes
            found = await query("SELECT seq AS i FROM seq_1_to_50000000", skip=1, limit=2)
        assert found.rows == [{"i": 2}, {"i": 3}]
        assert servers._servers[server.target].idle == []
        await query("CREATE OR REPLACE TABLE given (i INT)")
        asked = "INSERT INTO given SELECT seq FROM seq_1_to_5000 RETURNING i"
        assert (await query(asked, limit=1)).rows == [{"i": 1}]
        assert (await query("SELECT count(*) AS n FROM given", limit=1)).rows == [{"n": 5000}]
        assert len(servers._servers[server.target].idle) == 1

    on(server, work)


def test_many_rows_let_others_have_their_turn(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "_SLICE_SECONDS", 0.0)  # each look at the clock finds that it is others' turn

    async def work(query: Any, _: Any) -> int:
        turns, done = 0, False

        async def look() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        looking = asyncio.ensure_future(look())
        found = await query("SELECT seq AS i, 'text' AS t, seq / 7 AS d FROM seq_1_to_60000")
        done = True
        await looking
        assert len(found.rows) == 60_000
        return turns

    assert on(server, work) >= 60_000 // mysql._SLICE_ROWS


def test_idle_connections_are_closed_though_nobody_asks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "_IDLE_SECONDS", 0.2)

    async def work(query: Any, servers: Any) -> None:
        await query("SELECT 1")
        (kept,) = servers._servers[server.target].idle
        async with asyncio.timeout(10):
            while servers._servers[server.target].idle:
                await asyncio.sleep(0.02)
        assert kept.raw.closed

    on(server, work)


def test_a_port_that_says_nothing_is_given_up_in_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr("kailash_studio.services.connections._TEST_SECONDS", 0.3)

    async def main() -> None:
        async with black_hole() as port:
            servers = MySQLServers()
            with pytest.raises(DatabaseUnreachableError, match=r"no answer within 0\.4 s"):
                await servers.query(MySQLTarget("127.0.0.1", port, "studio", USER, "x"), "SELECT 1", [], seconds=0.3)
            saved = SavedConnection("silent", "mysql", "127.0.0.1", port, "studio", USER)
            with pytest.raises(DatabaseUnreachableError, match=r"no answer within 0\.4 s"):
                await tried(saved, lambda name: "")
            await servers.aclose()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_cancelling_while_an_idle_connection_is_asked_closes_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "_FRESH_SECONDS", 0.0)

    async def main() -> None:
        async with proxied({"port": server.port}) as (proxy, _):
            target, servers = replace(server.target, port=proxy.port), MySQLServers()
            await servers.query(target, "SELECT 1", [])
            (kept,) = servers._servers[target].idle
            proxy.mode = "deaf"
            before = proxy.swallowed
            task = asyncio.ensure_future(servers.query(target, "SELECT 1", []))
            async with asyncio.timeout(10):
                while proxy.swallowed == before:
                    await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert kept.raw.closed
            await servers.aclose()

    asyncio.run(main())


def test_lists_and_objects_go_as_json_and_what_does_not_exist_is_told(server: Server) -> None:
    given = [[1, "é'", None], {"a": {"b": 2.5}}, UUID(int=7)]
    (row,) = rows(server, "SELECT $1 AS l, $2 AS o, $3 AS u, JSON_VALUE($2, '$.a.b') AS b", *given)
    assert (json.loads(row["l"]), json.loads(row["o"]), row["u"], row["b"]) == (
        given[0],
        given[1],
        str(given[2]),
        "2.5",
    )
    for value, said in (
        ({1}, "is a set"),
        (float("nan"), "is nan"),
        ([float("inf")], "is no JSON"),
        ([{2}], "no JSON"),
    ):
        with pytest.raises(DatabaseError, match=rf"The value for \$1 {said}|The value for \$1 is {said}"):
            rows(server, "SELECT $1", value)


@pytest.mark.parametrize(("asked", "encrypted"), [
    ("", False), ("ssl=true", True), ("ssl=yes", True), ("ssl-mode=REQUIRED", True), ("ssl_mode=VERIFY_IDENTITY", True),
    ("useSSL=true&charset=utf8mb4", True), ("sslmode=disable", False), ("tls=1", True), ("ssl=0", False),
])  # fmt: skip
def test_an_address_asks_for_tls_in_the_usual_spellings(asked: str, encrypted: bool) -> None:
    assert MySQLTarget.of(f"mysql://u:p@h/d?{asked}").tls == ("verified" if encrypted else "off")


@pytest.mark.parametrize("asked", ["ssl=perhaps", "ssl-mode=PREFERRED", "ssl", "ssl_ca=/x.pem", "charset=latin1"])
def test_what_an_address_asks_for_in_vain_is_told(asked: str) -> None:
    with pytest.raises(ParameterError, match=asked.partition("=")[0]):
        MySQLTarget.of(f"mysql://u:p@h/d?{asked}")


def test_a_server_without_tls_gets_no_password_when_tls_is_asked_for(server: Server) -> None:
    target = replace(server.target, tls="verified")
    with pytest.raises(DatabaseError, match="offers no TLS") as raised:
        asyncio.run(MySQLServers().query(target, "SELECT 1", []))
    assert raised.value.permanent


def saved_at(server: Server, tls: TlsMode) -> SavedConnection:
    return SavedConnection("shop", "mysql", "127.0.0.1", server.port, "studio", USER, "shop_password", tls)


def cipher_of_a_run(saved: SavedConnection) -> str:
    """What encrypts the connection of a node that runs on a saved connection, headless."""
    Connections().put(saved)
    builder = WorkflowBuilder("shop")
    builder.add_node("AsyncSQLDatabaseNode", "q", query="SHOW SESSION STATUS LIKE 'Ssl_cipher'", saved="shop")
    results, _ = LocalRuntime().execute(builder)
    return str(results["q"]["data"][0]["Value"])


@pytest.mark.parametrize("tls", MODES)
def test_a_saved_connection_to_a_server_without_tls(
    server: Server, tls: TlsMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = saved_at(server, tls)
    monkeypatch.setenv("KAILASH_SECRET_SHOP_PASSWORD", PASSWORD)
    if tls in {"preferred", "off"}:
        assert "without TLS" in asyncio.run(tried(saved, lambda _: PASSWORD))
        assert cipher_of_a_run(saved) == ""
        return
    with pytest.raises(DatabaseError, match="offers no TLS") as raised:
        asyncio.run(tried(saved, lambda _: PASSWORD))
    assert raised.value.permanent
    with pytest.raises(WorkflowExecutionError, match="offers no TLS"):
        cipher_of_a_run(saved)


def test_tls_is_spoken_and_the_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = certified(tmp_path)
    words = (f"--ssl-cert={certificate}", f"--ssl-key={tmp_path / 'key.pem'}", "--ssl")
    served = Server(tmp_path, *words)
    try:
        target = replace(served.target, tls="verified")

        async def version() -> Any:
            servers = MySQLServers()
            try:
                return (await servers.query(target, "SHOW STATUS LIKE 'Ssl_version'", [])).rows
            finally:
                await servers.aclose()

        with pytest.raises(DatabaseError, match="self-signed certificate") as raised:
            asyncio.run(version())
        assert raised.value.permanent
        asked: dict[TlsMode, str] = {"preferred": "by TLS", "off": "without TLS", "required": "by TLS"}
        for tls, how in asked.items():
            assert how in asyncio.run(tried(saved_at(served, tls), lambda _: PASSWORD))
        with pytest.raises(DatabaseError, match="is not trusted: self-signed certificate") as raised:
            asyncio.run(tried(saved_at(served, "verified"), lambda _: PASSWORD))
        assert raised.value.permanent
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert "by TLS" in asyncio.run(tried(saved_at(served, "verified"), lambda _: PASSWORD))
        monkeypatch.setenv("KAILASH_SECRET_SHOP_PASSWORD", PASSWORD)
        for tls, spoken in (("off", False), ("required", True), ("verified", True)):
            assert cipher_of_a_run(saved_at(served, tls)).startswith("TLS") is spoken
        (told,) = asyncio.run(version())
        assert told["Value"].startswith("TLSv1")

        async def left() -> None:
            async with proxied({"port": served.port}) as (proxy, _):
                servers = MySQLServers()
                behind = replace(target, port=proxy.port)
                await servers.query(behind, "SELECT 1", [])
                raw = servers._servers[behind].idle[0].raw
                socket = raw._writer.get_extra_info("socket")
                proxy.mode = "deaf"  # the server's goodbye, which TLS waits for, never comes
                await servers.aclose()
                await asyncio.sleep(0)
                assert socket.fileno() == -1

        asyncio.run(left())
    finally:
        served.stop()
