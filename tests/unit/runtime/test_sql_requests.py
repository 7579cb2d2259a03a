"""What the engine answers an SQL editor: over the protocol, on the embedded server, and against one that is silent."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fakes.black_hole import silent_listener
from fakes.engine_talk import Ask, talk

from kailash_studio import WorkflowBuilder
from kailash_studio.services.connections import Connections, SavedConnection

EMBEDDED: dict[str, Any] = {"editor": "one", "given": {}, "declared": {}, "folder": "."}


def _silent(port: int) -> dict[str, Any]:
    given = {"connection": "details", "host": "127.0.0.1", "port": port, "database": "shop", "user": "me"}
    return EMBEDDED | {"given": given}


def test_catalogue_check_test_run_and_plan(with_database: Path) -> None:
    text = "SELECT client_name, total_value FROM portfolios WHERE risk_profile = $1 ORDER BY total_value"

    async def conversation(ask: Ask, until: Any) -> None:
        early = await ask("sql_check", **EMBEDDED, text="SELECT a FROM nowhere", values=[])
        assert (early["findings"], early["asked"]) == ([], False)
        found = await ask("sql_catalogue", **EMBEDDED)
        assert ["sample", "portfolios", "table"] in [relation[:3] for relation in found["catalogue"]["relations"]]
        assert found["where"].startswith("127.0.0.1:")
        again = await ask("sql_catalogue", **EMBEDDED)
        assert again["read"] == found["read"]
        assert (await ask("sql_catalogue", **EMBEDDED, refresh=True))["read"] > found["read"]
        wrong = await ask("sql_check", **EMBEDDED, text="SELECT client_nam\nFROM portfolios", values=[])
        assert [(f["line"], f["column"], f["code"]) for f in wrong["findings"]] == [(1, 8, "unknown_column")]
        checked = await ask("sql_check", **EMBEDDED, text=text, values=[], ask=True)
        assert checked["parameters"] == [["$1", "text"]]
        assert checked["columns"] == [["client_name", "text"], ["total_value", "numeric"]]
        assert [f["code"] for f in checked["findings"]] == ["value_missing"]
        words = EMBEDDED | {"declared": {"risk": {"type": "text", "default": "Growth"}}}
        tried = await ask("sql_try", **words, text=text, values=[{"$parameter": "risk"}], limit=3)
        assert (len(tried["rows"]), tried["more"], tried["numeric"]) == (3, True, [False, True])
        plan = (await ask("sql_explain", **words, text=text, values=[{"$parameter": "risk"}], analyze=True))["plan"]
        assert plan["seconds"] is not None and plan["children"]
        wide = await ask("sql_try", **EMBEDDED, text="SELECT repeat('x', 5000) FROM generate_series(1, 900)", limit=900)
        assert 100 < len(wide["rows"]) < 900 and wide["more"]
        refused = await ask("sql_try", **EMBEDDED, text=text, values=[{"$parameter": "other"}])
        assert refused["error"]["sentence"] == "There is no workflow parameter 'other'."

    talk(conversation)


def test_a_newer_request_calls_the_older_off_and_so_does_cancel(with_database: Path) -> None:
    async def conversation(ask: Ask, until: Any) -> None:
        sleep = asyncio.create_task(ask("sql_try", **EMBEDDED, text="SELECT pg_sleep(60)", values=[]))
        other = asyncio.create_task(
            ask("sql_try", **(EMBEDDED | {"editor": "two"}), text="SELECT pg_sleep(60)", values=[])
        )
        await asyncio.sleep(0)
        newer = await ask("sql_try", **EMBEDDED, text="SELECT 1 AS one", values=[])
        assert newer["rows"] == [["1"]]
        assert await sleep == {"called_off": True}
        assert not other.done()
        assert await ask("sql_cancel", editor="two", what="sql_try") == {"called_off": True}
        assert await other == {"called_off": True}
        assert await ask("sql_cancel", editor="two") == {"called_off": False}

    talk(conversation)


def test_a_silent_server_delays_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE shops AS SELECT 1 AS id")
    connection.commit()
    connection.close()
    own = {"connection": "details", "database_type": "sqlite", "database": "shop.db"}

    async def conversation(ask: Ask, until: Any) -> None:
        with silent_listener() as port:
            hanging = [
                asyncio.create_task(ask(do, **_silent(port), text="SELECT 1", values=[], ask=True))
                for do in ("sql_catalogue", "sql_check", "sql_try", "sql_explain")
            ]
            await asyncio.sleep(0)
            before = time.monotonic()
            words = EMBEDDED | {"editor": "two", "given": own, "folder": str(tmp_path)}
            found = await ask("sql_try", **words, text="SELECT * FROM shops", values=[])
            assert found["rows"] == [["1"]]
            assert (await ask("sql_catalogue", **words))["catalogue"]["dialect"] == "sqlite"
            assert await ask("sql_cancel", editor="one") == {"called_off": True}
            assert await asyncio.gather(*hanging) == [{"called_off": True}] * 4
            assert time.monotonic() - before < 5

    talk(conversation)


def test_lint_answers_though_the_database_does_not(tmp_path: Path) -> None:
    async def conversation(ask: Ask, until: Any) -> None:
        given = {"connection": "details", "database_type": "sqlite", "database": "none.db"}
        words = EMBEDDED | {"given": given, "folder": str(tmp_path)}
        found = await ask("sql_check", **words, text="SELECT (1", values=[], ask=True)
        assert [f["code"] for f in found["findings"]] == ["syntax"]
        assert "There is no SQLite file" in found["unreached"]
        assert not found["asked"]
        short = EMBEDDED | {"given": {"host": "127.0.0.1", "port": 1}}
        assert "127.0.0.1:1/ cannot" in (await ask("sql_try", **short, text="SELECT 1"))["error"]["sentence"]
        strange = EMBEDDED | {"given": {"connection": "warehouse"}}
        assert "'warehouse'" in (await ask("sql_try", **strange, text="SELECT 1"))["error"]["sentence"]
        other = await ask("sql_try", **(EMBEDDED | {"given": given | {"database_type": "duckdb"}}), text="SELECT 1")
        assert "There is no DuckDB file" in other["error"]["sentence"]
        unset = EMBEDDED | {"given": {"connection": "details", "database_type": "duckdb"}}
        assert "The DuckDB file is not set" in (await ask("sql_try", **unset, text="SELECT 1"))["error"]["sentence"]
        server = EMBEDDED | {
            "given": {"host": "127.0.0.1", "port": 1, "database_type": "mysql", "connection": "details"}
        }
        assert "127.0.0.1:1/ cannot" in (await ask("sql_try", **server, text="SELECT 1"))["error"]["sentence"]

    talk(conversation)


def test_a_duckdb_file_is_looked_at(tmp_path: Path) -> None:
    made = duckdb.connect(str(tmp_path / "shop.duckdb"))
    made.execute("CREATE TABLE shops AS SELECT 1 AS id, 'north' AS region")
    made.close()
    given = {"connection": "details", "database_type": "duckdb", "database": "shop.duckdb"}

    async def conversation(ask: Ask, until: Any) -> None:
        words = EMBEDDED | {"given": given, "folder": str(tmp_path)}
        found = await ask("sql_catalogue", **words)
        assert (found["catalogue"]["dialect"], found["where"]) == ("duckdb", "shop.duckdb")
        assert [relation[1] for relation in found["catalogue"]["relations"]] == ["shops"]
        wrong = await ask("sql_check", **words, text="SELECT regio FROM Shops", values=[], ask=True)
        assert [f["code"] for f in wrong["findings"]] == ["unknown_column"]
        tried = await ask("sql_try", **words, text="SELECT * FROM shops WHERE region = $1", values=["north"])
        assert (tried["rows"], tried["types"]) == ([["1", "north"]], ["INTEGER", "VARCHAR"])

    talk(conversation)


def test_a_saved_connection_is_looked_at_in_its_own_dialect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(tmp_path / "home"))
    with sqlite3.connect(tmp_path / "shop.db") as made:
        made.execute("CREATE TABLE shops AS SELECT 1 AS id, 'north' AS region")
    made.close()
    duckdb.connect(str(tmp_path / "shop.duckdb")).execute("CREATE TABLE shops AS SELECT 2 AS id, [1] AS l").close()
    Connections().put(SavedConnection("small", "sqlite", database="shop.db"))
    Connections().put(SavedConnection("large", "duckdb", database="shop.duckdb"))

    async def conversation(ask: Ask, until: Any) -> None:
        for given, dialect, text in (
            ({"connection": "saved", "saved": "small"}, "sqlite", "SELECT id FROM shops WHERE id > $1"),
            ({"connection": "saved", "saved": {"$parameter": "which"}}, "duckdb", "SELECT id FROM shops WHERE id > $1"),
            ({"saved": "large"}, "duckdb", "FROM shops SELECT id WHERE id > $1"),
        ):
            words = EMBEDDED | {"given": given, "folder": str(tmp_path), "declared": {"which": {"default": "large"}}}
            early = await ask("sql_check", **words, text=text, values=[0])
            assert early["findings"] == []
            assert (await ask("sql_catalogue", **words))["catalogue"]["dialect"] == dialect
            assert (await ask("sql_try", **words, text=text, values=[0]))["rows"] in ([["1"]], [["2"]])
        unknown = EMBEDDED | {"given": {"connection": "saved", "saved": "none"}}
        assert "no connection 'none'" in (await ask("sql_try", **unknown, text="SELECT 1"))["error"]["sentence"]
        assert "no connection 'none'" in (await ask("sql_check", **unknown, text="SELECT 1", ask=True))["unreached"]

    talk(conversation)


def test_a_statement_over_tables_is_looked_at_over_what_a_run_gave(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("symbol,price\nA,2.5\nB,3\n", encoding="utf-8")
    builder = WorkflowBuilder("over tables")
    builder.add_node("PythonCodeNode", "held", code="def f(): return [{'symbol': 'A', 'quantity': 4}]")
    files = {"prices": "prices.csv"}
    builder.add_node("DuckDBNode", "worth", tables=["held"], files=files, query="SELECT 1")
    builder.add_connection("held", "result", "worth", "held")
    text = "SELECT symbol, quantity * price AS worth FROM held JOIN prices USING (symbol) WHERE price > $1"

    async def conversation(ask: Ask, until: Any) -> None:
        words = EMBEDDED | {"given": {"files": files}, "folder": str(tmp_path), "run_id": ""}
        words["tables"] = {"held": ["held", "result", []]}
        before = await ask("sql_try", **words, text=text, values=[1])
        assert before["error"]["sentence"].startswith("The table held has no rows yet: run the workflow once")
        run = await ask("run", workflow=builder.build().to_json(), folder=str(tmp_path))
        await until(lambda message: message.get("update", {}).get("run"))
        words["run_id"] = run["run_id"]
        found = await ask("sql_catalogue", **words)
        assert [[r[1], [c[0] for c in r[3]]] for r in found["catalogue"]["relations"]] == [
            ["held", ["symbol", "quantity"]],
            ["prices", ["symbol", "price"]],
        ]
        wrong = await ask("sql_check", **words, text="SELECT quantiti FROM held", values=[], ask=True)
        assert "a column quantiti; did you mean quantity?" in wrong["findings"][0]["sentence"]
        tried = await ask("sql_try", **words, text=text, values=[1])
        assert tried["rows"] == [["A", "10.0"]]
        plan = (await ask("sql_explain", **words, text=text, values=[1]))["plan"]
        assert plan["title"]
        words["tables"] = {"held": None}
        loose = await ask("sql_check", **words, text="SELECT FROM held WHERE", values=[], ask=True)
        assert "The table held is not connected" in loose["unreached"]

    talk(conversation)


def test_a_secret_among_the_values_is_in_no_answer_and_no_refusal(
    with_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a test run shows can be copied: it hides what the request has resolved, as a run does."""
    canary = "c4n4ry-SwordfIsh/7+x"
    monkeypatch.setenv("KAILASH_SECRET_VAULT", canary)
    values = [{"$secret": "vault"}]

    async def conversation(ask: Ask, until: Any) -> None:
        words = EMBEDDED | {"values": values}
        text = "SELECT $1::text, convert_to($1, 'UTF8'), repeat('x', 1990) || $1, md5('a')"
        tried = await ask("sql_try", **words, text=text)
        assert tried["rows"][0][:2] == ["***vault***", b"***vault***".hex(" ")]
        assert canary[:8] not in str(tried)
        bound = await ask("sql_try", **words, text="SELECT $1::integer")
        said = await ask("sql_try", **words, text="SELECT ('x' || $1)::integer")
        planned = await ask("sql_explain", **words, text="SELECT client_name FROM clients WHERE client_name = $1")
        assert "***vault***" in bound["error"]["sentence"]
        assert "***vault***" in said["error"]["sentence"]
        assert "plan" in planned
        for answer in (bound, said, planned):
            assert canary not in str(answer)

    talk(conversation)


def test_names_and_numbers_in_one_statement_and_a_value_that_is_not_given(with_database: Path, tmp_path: Path) -> None:
    text = "SELECT count(*) AS n FROM portfolios WHERE total_value > :least AND total_value > :least AND client_id < $1"
    sqlite3.connect(tmp_path / "shop.db").close()
    duckdb.connect(str(tmp_path / "shop.duckdb")).close()

    async def conversation(ask: Ask, until: Any) -> None:
        words = EMBEDDED | {"values": [5], "names": {"least": {"$parameter": "floor"}}}
        words["declared"] = {"floor": {"type": "number", "default": 1000}}
        checked = await ask("sql_check", **words, text=text, ask=True)
        assert (checked["findings"], checked["asked"]) == ([], True)
        assert checked["parameters"] == [["$1", "integer"], [":least", "numeric"]]
        assert (await ask("sql_try", **words, text=text))["columns"] == ["n"]
        assert "plan" in await ask("sql_explain", **words, text=text)
        missing = await ask("sql_try", **(words | {"names": {}}), text=text)
        assert "wants a value for :least, which is not given (given: $1)" in missing["error"]["sentence"]
        unfit = await ask("sql_try", **(words | {"names": {"least": "much"}}), text=text)
        assert unfit["error"]["sentence"].startswith(":least does not take the value 'much'")
        none = await ask("sql_check", **(words | {"names": None}), text=text)
        assert [f["code"] for f in none["findings"]] == ["mixed_values"]
        for kind in ("sqlite", "duckdb"):
            given = {"connection": "details", "database_type": kind, "database": f"shop.{kind.replace('sqlite', 'db')}"}
            own = words | {"given": given, "folder": str(tmp_path)}
            statement = "SELECT :least - $1 - :least + :more AS n"
            own["names"] = {"least": 3, "more": 50}
            assert (await ask("sql_try", **own, text=statement))["rows"] == [["45"]]
            assert (await ask("sql_check", **own, text=statement, ask=True))["findings"] == []
            assert "plan" in await ask("sql_explain", **own, text=statement)

    talk(conversation)


@pytest.mark.parametrize("values", ["text", 3])
def test_values_that_are_none(values: Any, with_database: Path) -> None:
    async def conversation(ask: Ask, until: Any) -> None:
        found = await ask("sql_try", **EMBEDDED, text="SELECT 1", values=values)
        assert found["error"]["code"] == "KS-1600"

    talk(conversation)
