"""What the engine answers an SQL editor: over the protocol, on the embedded server, and against one that is silent."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from fakes.black_hole import silent_listener

from tests.unit.runtime.test_host import Ask, talk

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
        assert "duckdb" in other["error"]["sentence"]

    talk(conversation)


@pytest.mark.parametrize("values", ["text", 3])
def test_values_that_are_none(values: Any, with_database: Path) -> None:
    async def conversation(ask: Ask, until: Any) -> None:
        found = await ask("sql_try", **EMBEDDED, text="SELECT 1", values=values)
        assert found["error"]["code"] == "KS-1600"

    talk(conversation)
