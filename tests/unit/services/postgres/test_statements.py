"""What a statement's text tells, and values by name."""

from __future__ import annotations

import pytest

from kailash_studio.errors import DatabaseError
from kailash_studio.services.postgres.statements import bound, kind_of


@pytest.mark.parametrize(
    ("statement", "reads", "dirties"),
    [
        ("SELECT 1", True, False),
        ("select count(*) from t where a in (1, 2) and now() > b", True, False),
        ("-- SET x\nSELECT 'SET y', \"set_config(\" FROM t", True, False),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True, False),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", False, False),
        ("INSERT INTO t (a, b) VALUES (1, 2)", False, False),
        ("INSERT INTO s.t(a) SELECT sum(b) FROM u", False, False),
        ("UPDATE t SET a = 1", False, False),
        ("SELECT my_function(1)", False, True),
        ("SELECT set_config('work_mem', '1MB', false)", False, True),
        ("SELECT pg_advisory_lock(1)", False, True),
        ("SELECT * INTO TEMP u FROM t", False, True),
        ("CREATE TABLE t (a int)", False, False),
        ("CREATE TEMP TABLE t (a int)", False, True),
        ("SET search_path = x", False, True),
        ("LISTEN x", False, True),
        ("DO $$ BEGIN SET x = 1; END $$", False, True),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", False, True),
        ("CALL p()", False, True),
        ("EXPLAIN SELECT 1", True, False),
        ("EXPLAIN ANALYZE DELETE FROM t", False, False),
        ("", False, True),
        ("EXPLAIN (COSTS OFF) SELECT 1", True, False),
        ("EXPLAIN (ANALYZE) INSERT INTO t VALUES (1)", False, False),
        # a call is one wherever it stands, and however it is written
        ("WITH a AS (SELECT 1 AS x) SELECT a.x, transfer_money(a.x) FROM a", False, True),
        ("WITH a AS (SELECT 1) SELECT * FROM a JOIN b ON transfer_money(a.x)", False, True),
        ("WITH f (a) AS (SELECT 1) SELECT f(1) FROM f", False, True),
        ("INSERT INTO log SELECT now(), pg_advisory_lock(5)", False, True),
        ("INSERT INTO log SELECT pg_advisory_lock(5)", False, True),
        ("UPDATE t SET a = 1, b = transfer_money(2)", False, True),
        ('SELECT "TransferMoney"(1)', False, True),
        ('SELECT "bank" . "TransferMoney" (1)', False, True),
        ('SELECT bank."now"()', False, True),
        ("SELECT transfer_money /* x */ (1)", False, True),
        ("SELECT transfer_money -- x\n (1)", False, True),
        ("SELECT /* /* */ ' */ transfer_money(1) /* ' */", False, True),
        ("SELECT a$b$, transfer_money(1), c$b$ FROM t", False, True),
        ("SELECT übermax(1)", False, True),
        ("SELECT ümax(1)", False, True),
        ("SELECT x FROM t, f(1) AS (a int, b int)", False, True),
        # and what only looks like one is none
        ('INSERT INTO "My Table" (a, "b") VALUES (1, 2)', False, False),
        ('INSERT INTO s . "t"(a) VALUES (1) ON CONFLICT (a) DO NOTHING', False, False),
        ("WITH a (x, y) AS (SELECT 1, 2), b(z) AS MATERIALIZED (SELECT 3) SELECT * FROM a, b", True, False),
        ("WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT * FROM n", True, False),
        ("SELECT * FROM unnest($1::int[], $2::text[]) AS u (a, b)", True, False),
        ("CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY, b int REFERENCES u (id))", False, False),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t USING btree (a)", False, False),
        ('SELECT "a", "f" FROM t', True, False),
        ("SELECT /* f(1) */ 1", True, False),
    ],
)
def test_what_a_statement_leaves_behind(statement: str, reads: bool, dirties: bool) -> None:
    kind = kind_of(statement)
    assert (kind.reads, kind.dirties) == (reads, dirties)


def test_what_ends_a_transaction_and_what_no_reset_takes_away() -> None:
    assert kind_of("COMMIT").commits
    assert kind_of("end").commits
    assert kind_of("PREPARE TRANSACTION 'x'").commits
    assert kind_of("PREPARE p AS SELECT 1").spoils
    assert kind_of("LOAD 'x'").spoils


@pytest.mark.parametrize(
    ("statement", "values", "params", "expected"),
    [
        ("SELECT :a, :b, :a", {"a": 1, "b": 2}, [], ("SELECT $1, $2, $1", [1, 2])),
        ("SELECT $1, :b", {"b": 2}, [1], ("SELECT $1, $2", [1, 2])),
        ("SELECT ':a', \":a\", x::int, $$ :a $$, $t$:a$t$ -- :a\n/* :a */", {"a": 1}, [], None),
        ("SELECT :a /* :a /* :a */ :a */, :a", {"a": 1}, [], ("SELECT $1 /* :a /* :a */ :a */, $1", [1])),
        (r"SELECT E'\' :a', :a", {"a": 1}, [], (r"SELECT E'\' :a', $1", [1])),
        ("SELECT 1", {}, [5], ("SELECT 1", [5])),
        ("SELECT :a::text", {"a": "x"}, [], ("SELECT $1::text", ["x"])),
    ],
)
def test_values_by_name(statement: str, values: dict[str, object], params: list[object], expected: object) -> None:
    assert bound(statement, values, params) == (expected or (statement, []))


def test_a_value_that_is_missing_is_named() -> None:
    with pytest.raises(DatabaseError, match=r"wants a value for :b, which is not given \(given: a\)") as raised:
        bound("SELECT :a, :b", {"a": 1})
    assert raised.value.permanent


def test_a_name_is_never_taken_for_a_number_that_is_missing() -> None:
    assert bound("SELECT $1, :a", {"a": 1}, ["x"]) == ("SELECT $1, $2", ["x", 1])
    with pytest.raises(DatabaseError, match=r"wants a value for \$2; params has 1") as raised:
        bound("SELECT $1, $2, :a", {"a": 1}, ["x"])
    assert raised.value.permanent
