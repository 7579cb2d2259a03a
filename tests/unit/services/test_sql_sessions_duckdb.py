"""What the SQL editor asks of DuckDB files: while runs have them open, and so that nothing that is tried stays."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from kailash_studio.errors import DatabaseError, DatabaseTimeoutError
from kailash_studio.services.duckdb_file import DuckDBFiles
from kailash_studio.services.sql_analysis import agreed, lint
from kailash_studio.services.sql_completion import suggest
from kailash_studio.services.sql_plan import PlanStep
from kailash_studio.services.sql_sessions.duckdb import DuckDBSession

ENDLESS = "SELECT sum(a.range * b.range) FROM range(100000000) a, range(100000000) b"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trades.duckdb"
    made = duckdb.connect(str(path))
    made.execute('CREATE TABLE trades (id INTEGER PRIMARY KEY, price DOUBLE NOT NULL, "Odd name" VARCHAR)')
    made.execute("INSERT INTO trades SELECT i, i * 1.5, NULL FROM range(500) t(i)")
    made.execute("CREATE SCHEMA old")
    made.execute("CREATE VIEW old.dear AS SELECT * FROM trades WHERE price > 100")
    made.close()
    return path


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_catalogue_has_tables_views_and_types(file: Path) -> None:
    before = digest(file)
    catalogue = asyncio.run(DuckDBSession(file).catalogue())
    found = catalogue.find("TRADES")
    assert found is not None
    assert [(c.name, c.type, c.required) for c in found.columns] == [
        ("id", "INTEGER", True),
        ("price", "DOUBLE", True),
        ("Odd name", "VARCHAR", False),
    ]
    assert [(r.schema, r.name, r.kind) for r in catalogue.relations if not r.system] == [
        ("main", "trades", "table"),
        ("old", "dear", "view"),
    ]
    assert catalogue.find("tables", "information_schema") is not None
    assert '"Odd name"' in [item.text for item in suggest("SELECT  FROM Trades", 7, catalogue).items]
    assert digest(file) == before


@pytest.mark.parametrize(
    ("text", "position", "word"),
    [
        ("SELECT prise FROM trades", 7, 'Candidate bindings: "price"'),
        ("selec 1", 0, "Syntax error"),
        ("SELECT *\nFROM trade", 14, 'Did you mean "trades"?'),
        ("DELETE FROM trades WHERE nothing = 1", 25, "nothing"),
        ("SELECT 1; SELECT 2", -1, "one statement"),
    ],
)
def test_a_fault_has_its_place(file: Path, text: str, position: int, word: str) -> None:
    found = asyncio.run(DuckDBSession(file).describe(text))
    assert found.fault is not None and word in found.fault.sentence
    assert found.fault.position == position


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT id, price + $1 AS x FROM trades", [("id", "INTEGER"), ("x", "DOUBLE")]),
        ("SELECT id FROM trades WHERE price > :least", [("id", "INTEGER")]),
        ("INSERT INTO trades VALUES ($1, $2, NULL)", []),
        ("SELECT count(*) AS n FROM trades.main.trades", [("n", "BIGINT")]),
        ("FROM trades SELECT rowid", [("rowid", "BIGINT")]),
    ],
)
def test_what_the_database_takes_is_no_finding(file: Path, text: str, columns: list[tuple[str, str]]) -> None:
    session = DuckDBSession(file)
    found = asyncio.run(session.describe(text))
    assert (found.fault, found.columns) == (None, columns)
    catalogue = asyncio.run(session.catalogue())
    assert agreed(text, lint(text, "duckdb", catalogue=catalogue), found.fault, "duckdb") == []


def test_first_rows_are_limited_and_typed(file: Path) -> None:
    session = DuckDBSession(file)
    found = asyncio.run(session.first_rows("SELECT id, id, [1] AS l FROM trades WHERE price > $1", [30], limit=2))
    assert found.columns == [("id", "INTEGER"), ("id_2", "INTEGER"), ("l", "INTEGER[]")]
    assert (found.rows, found.more) == ([(21, 21, [1]), (22, 22, [1])], True)
    many = asyncio.run(session.first_rows("SELECT a.range FROM range(100000000) a, range(1000) b", [], limit=3))
    assert (len(many.rows), many.more) == (3, True)
    named = asyncio.run(session.first_rows("SELECT :a - :b", {"a": 5, "b": 2}))
    assert named.rows == [(3,)]


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM trades",
        "DROP TABLE trades",
        "CREATE TABLE other AS SELECT 1 AS a",
        "COPY trades TO 'leaked.csv'",
        "ATTACH 'other.duckdb'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SET enable_external_access = true",
    ],
)
def test_nothing_that_is_tried_stays(file: Path, text: str) -> None:
    before, session = digest(file), DuckDBSession(file)
    with pytest.raises(DatabaseError):
        asyncio.run(session.first_rows(text, []))
    with pytest.raises(DatabaseError):
        asyncio.run(session.explain(text, [], analyze=True))
    assert digest(file) == before
    assert list(file.parent.iterdir()) == [file]


def test_a_plan_is_a_tree_with_times_where_it_is_measured(file: Path) -> None:
    text = "SELECT t.id, count(*) FROM trades t JOIN trades u USING (id) WHERE t.price > $1 GROUP BY 1"
    session = DuckDBSession(file)

    def steps(plan: PlanStep) -> list[PlanStep]:
        return [plan, *(step for child in plan.children for step in steps(child))]

    plain = steps(asyncio.run(session.explain(text, [3])))
    assert sum(step.title == "Scan on trades" for step in plain) == 2
    assert any("price > 3" in line for step in plain for line in step.details)
    assert all(step.actual_rows is None and step.seconds is None for step in plain)
    measured = asyncio.run(session.explain(text, [3], analyze=True))
    assert any(step.actual_rows == 497 for step in steps(measured))
    assert measured.seconds == pytest.approx(sum(step.own_seconds or 0 for step in steps(measured)))


def test_it_is_stopped_in_time_and_by_cancelling(file: Path) -> None:
    with pytest.raises(DatabaseTimeoutError):
        asyncio.run(DuckDBSession(file, seconds=0.2).first_rows(ENDLESS, []))

    async def cancelled() -> None:
        task = asyncio.create_task(DuckDBSession(file).first_rows(ENDLESS, []))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    asyncio.run(cancelled())


def test_a_file_that_a_run_has_open_is_looked_at_as_the_run_sees_it(file: Path) -> None:
    async def work() -> None:
        files = await DuckDBFiles.open()
        try:
            await files.query(file, "INSERT INTO trades VALUES (1000, 1, NULL)", [])
            found = await DuckDBSession(file).first_rows("SELECT count(*) FROM trades", [])
            assert found.rows == [(501,)]
            await files.query(file, "INSERT INTO trades VALUES (1001, 1, NULL)", [])
        finally:
            await files.aclose()

    asyncio.run(work())


def test_a_file_that_another_program_reads_is_read_too_and_one_that_it_writes_is_named(file: Path) -> None:
    def held(read_only: bool) -> subprocess.Popen[str]:
        program = f"import duckdb; c = duckdb.connect({str(file)!r}, read_only={read_only}); print('open', flush=True)"
        other = subprocess.Popen(
            [sys.executable, "-c", f"{program}; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        return other

    for read_only in (True, False):
        other = held(read_only)
        try:
            if read_only:
                found = asyncio.run(DuckDBSession(file).first_rows("SELECT count(*) FROM trades", []))
                assert found.rows == [(500,)]
            else:
                with pytest.raises(DatabaseError, match=r"trades\.duckdb is open in another program"):
                    asyncio.run(DuckDBSession(file).catalogue())
        finally:
            other.communicate("\n", timeout=20)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no DuckDB file"):
        asyncio.run(DuckDBSession(tmp_path / "none.duckdb").catalogue())
    assert list(tmp_path.iterdir()) == []


def test_times_with_a_zone_and_columns_of_one_name_are_shown(file: Path) -> None:
    text = "SELECT timestamptz '2020-01-01 12:00+02' AS at, 1 AS i, 2 AS i"
    found = asyncio.run(DuckDBSession(file).first_rows(text, []))
    assert found.columns == [("at", "TIMESTAMP WITH TIME ZONE"), ("i", "INTEGER"), ("i_2", "INTEGER")]
    assert found.rows == [(dt.datetime(2020, 1, 1, 10, tzinfo=dt.UTC), 1, 2)]
