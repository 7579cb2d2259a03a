"""Lint of SQL: what is found and where, and that statements which a server takes are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kailash_studio.services.sql_analysis import agreed, lint
from kailash_studio.services.sql_catalogue import Catalogue, Column, Relation
from kailash_studio.services.sql_sessions.session import Fault


def _relation(schema: str, name: str, columns: str) -> Relation:
    return Relation(schema, name, "table", tuple(Column(c, "text") for c in columns.split()))


RELATIONS = (
    _relation("public", "notes", "id body embedding Mixed"),
    _relation("sample", "clients", "client_id client_name country"),
    _relation("sample", "portfolios", "portfolio_id client_id client_name risk_profile total_value"),
    _relation("audit", "log", "at who"),
    _relation("pg_catalog", "pg_class", "relname"),
)
CATALOGUE = Catalogue("postgresql", RELATIONS, ("public", "sample"))


def found(text: str, **words: object) -> list[tuple[str, str]]:
    """Code and text under the line of each finding."""
    words.setdefault("catalogue", CATALOGUE)
    return [(f.code, text[f.start : f.end]) for f in lint(text, **words)]  # type: ignore[arg-type]


GOOD = """
SELECT client_name, total_value FROM portfolios WHERE risk_profile = 'Growth'
SELECT p.*, c.country FROM sample.portfolios AS p JOIN clients c USING (client_id) ORDER BY client_id
SELECT count(*) AS n, sum(total_value) total FROM portfolios GROUP BY risk_profile HAVING count(*) > 1 ORDER BY n, total
WITH rich AS (SELECT client_id AS who, total_value FROM portfolios) SELECT who FROM rich WHERE total_value > 10
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t
SELECT id FROM notes ORDER BY embedding <=> '[1,2]' LIMIT 3
SELECT id, embedding <#> '[1]' AS d, embedding <+> '[1]'::vector, embedding <-> '[2]' FROM notes ORDER BY d
SELECT n FROM generate_series(1, 3) AS g(n)
SELECT value FROM json_each('{}') j
SELECT x.relname, relname FROM pg_class x
SELECT c.client_name FROM clients c WHERE EXISTS (SELECT 1 FROM portfolios p WHERE p.client_id = c.client_id)
SELECT q.top FROM clients c, LATERAL (SELECT max(total_value) AS top FROM portfolios p WHERE client_id = c.client_id) q
SELECT "Mixed", ctid FROM notes
SELECT notes FROM notes
SELECT (n).body FROM notes n
SELECT v.a FROM (VALUES (1, 2)) AS v(a, b)
SELECT client_id FROM clients UNION SELECT client_id FROM portfolios ORDER BY client_id
SELECT row_number() OVER w FROM clients WINDOW w AS (PARTITION BY country ORDER BY client_name)
SELECT extract(year FROM now()), interval '1 day', current_date, current_user
SELECT body[1:2], ARRAY[1,2] FROM notes
SELECT $$ it's -- no comment $$, E'a\\'b', 'it''s', "Mixed" FROM notes -- comment (
INSERT INTO notes (id, body) VALUES (1, DEFAULT) ON CONFLICT (id) DO UPDATE SET body = excluded.body RETURNING id
INSERT INTO notes (id, body) SELECT client_id, client_name FROM clients
UPDATE portfolios SET total_value = 0 FROM clients c WHERE c.client_id = portfolios.client_id RETURNING portfolio_id
UPDATE portfolios AS p SET total_value = total_value * 2 WHERE p.portfolio_id = 3
DELETE FROM portfolios p USING clients c WHERE p.client_id = c.client_id AND c.country = 'NO'
WITH gone AS (DELETE FROM notes WHERE id = 1 RETURNING id, body) SELECT body FROM gone
VACUUM notes
CREATE TABLE copies AS SELECT nothing FROM nowhere
SELECT * FROM (clients c JOIN portfolios p ON c.client_id = p.client_id)
SELECT client_name FROM clients NATURAL JOIN portfolios
SELECT CASE WHEN total_value > 1 THEN 'a' ELSE 'b' END AS size FROM portfolios GROUP BY size
SELECT l.who FROM audit.log l FOR UPDATE OF l
SELECT inner_one.x FROM (SELECT client_id AS x FROM clients) inner_one
SELECT s.client_id, s.country FROM (SELECT * FROM clients) s
TABLE clients
SELECT 1;
""".strip().splitlines()  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_what_is_right_is_left_alone(text: str) -> None:
    assert found(text) == []


WRONG = [
    ("SELECT a FROM WHERE x", "syntax", "WHERE"),
    ("SELEC 1", "syntax", "1"),
    ("SELECT 'open", "syntax", "'"),
    ("SELECT /* open", "syntax", "/"),
    ("SELECT (1", "syntax", "("),
    ("SELECT 1)", "syntax", ")"),
    ("SELECT 1 FROM clients WHERE client_id ==", "syntax", "=="),
    ("SELECT 1 FROM client", "unknown_table", "client"),
    ("SELECT 1 FROM log", "unknown_table", "log"),
    ("SELECT 1 FROM nowhere.clients", "unknown_table", "nowhere"),
    ("SELECT x.client_id FROM clients c", "unknown_table", "x"),
    ("SELECT client_nme FROM clients", "unknown_column", "client_nme"),
    ("SELECT c.client_nme FROM clients c", "unknown_column", "client_nme"),
    ('SELECT mixed FROM notes WHERE "Mixed" = 1', "unknown_column", "mixed"),
    ("SELECT who FROM (SELECT client_id FROM clients) s", "unknown_column", "who"),
    ("WITH a AS (SELECT 1 AS x) SELECT y FROM a", "unknown_column", "y"),
    ("SELECT client_id FROM clients, portfolios", "ambiguous_column", "client_id"),
    ("UPDATE notes SET nothing = 1 WHERE id = 1", "unknown_column", "nothing"),
    ("INSERT INTO notes (id, nothing) VALUES (1, 2)", "unknown_column", "nothing"),
    ("DELETE FROM notes", "changes_all", "DELETE"),
    ("UPDATE notes SET body = 'WHERE'", "changes_all", "UPDATE"),
    ("SELECT 1; SELECT 2", "several_statements", "SELECT 2"),
    ("SELECT 1 FROM clients c JOIN portfolios p ON c.client_id = p.clientid", "unknown_column", "clientid"),
    (
        "SELECT c.country FROM clients c WHERE EXISTS (SELECT 1 FROM portfolios p WHERE p.x = c.y)",
        "unknown_column",
        "x",
    ),
]


@pytest.mark.parametrize(("text", "code", "under"), WRONG)
def test_what_is_wrong_is_found_at_its_place(text: str, code: str, under: str) -> None:
    assert (code, under) in found(text)


def test_places_are_lines_and_columns() -> None:
    (one,) = lint("SELECT client_id\nFROM clients\n  WHERE cuntry = 'NO'", catalogue=CATALOGUE)
    assert (one.line, one.column) == (3, 9)
    assert one.sentence == "No table here has a column cuntry; did you mean country?"


def test_a_second_statement_keeps_its_places() -> None:
    text = "SELECT 1;\nSELECT nope FROM clients"
    assert ("unknown_column", "nope") in found(text)


def test_values_are_counted() -> None:
    text = "SELECT 1 FROM clients WHERE client_id = $1 AND country = $2"
    assert found(text, values={"$1", "$2"}) == []
    assert found(text, values=None) == []
    assert found(text, values={"$1"}) == [("value_missing", "$2")]
    assert found(text, values={"$1", "$2", "$3"}) == [("value_unused", "")]
    assert found("SELECT $2::int", values={"$1", "$2"}) == [("value_unused", "$2")]
    assert found("SELECT :a, :b, 'x'::text, ':c'", values={":a"}) == [("value_missing", ":b")]
    assert found("SELECT :a, $1", values=None) == []
    assert found("SELECT :a, $1", values={"$1", ":a"}) == []
    assert found("SELECT :a, $1", values={"$1"}) == [("value_missing", ":a")]
    assert found("SELECT :a, $1", values={":a"}) == [("value_missing", "$1")]
    assert found("SELECT :a", values={"$1", ":a", ":b"}) == [("value_unused", "")]


def test_values_that_a_connection_gives_are_not_missed_and_those_with_names_are() -> None:
    text = "SELECT :a, :b, $1, $3"
    assert [f.sentence for f in lint(text, values={":a"}, connected=True)] == [
        ":b has no value: give it one among the parameters."
    ]


def test_a_node_without_names_is_told_to_take_numbers() -> None:
    text = "SELECT :a, :b"
    findings = lint(text, values=set(), named=False)
    assert [(text[f.start : f.end], f.sentence[-3:]) for f in findings] == [(":a", "$1."), (":b", "$2.")]
    (one,) = lint("SELECT $1, :a", values={"$1"}, named=False)
    assert one.sentence.endswith("write $2.")


@given(st.lists(st.sampled_from(sorted({word for line in GOOD for word in line.split()})), max_size=14))
def test_lint_takes_any_words(words: list[str]) -> None:
    text = " ".join(words)
    for finding in lint(text, catalogue=CATALOGUE, values={"$1"}):
        assert 0 <= finding.start <= finding.end <= len(text)
        assert finding.sentence.endswith((".", "?"))


@pytest.mark.parametrize("line", GOOD)
def test_lint_takes_statements_with_a_hole(line: str) -> None:
    words = line.split()
    for hole in range(len(words)):
        lint(" ".join(words[:hole] + words[hole + 1 :]), catalogue=CATALOGUE)
        lint(" ".join(words[: hole + 1]), catalogue=CATALOGUE)


def test_without_a_catalogue_no_name_is_wrong() -> None:
    assert found("SELECT nothing FROM nowhere", catalogue=None) == []


def test_the_database_is_the_better_judge() -> None:
    text = "SELECT nothing FROM nowhere; SELECT 2"
    guesses = lint(text, catalogue=CATALOGUE)
    assert {f.code for f in agreed(text, guesses, None)} == {"several_statements"}
    text = "SELECT upper(1) FROM clients"
    (one,) = agreed(text, lint(text, catalogue=CATALOGUE), Fault("Function upper(integer) does not exist.", 7, "42883"))
    assert (one.code, text[one.start : one.end]) == ("refused", "upper")
    text = "SELECT cuntry FROM clients"
    (one,) = agreed(text, lint(text, catalogue=CATALOGUE), Fault('Column "cuntry" does not exist.', 7, "42703"))
    assert "did you mean" in one.sentence


def test_the_database_names_the_beginning_of_a_dotted_name() -> None:
    text = 'SELECT "c" . cuntry FROM clients "c"'
    (one,) = agreed(text, lint(text, catalogue=CATALOGUE), Fault("Column c.cuntry does not exist.", 7, "42703"))
    assert text[one.start : one.end] == "cuntry"


def test_sqlite_has_its_own_rules() -> None:
    catalogue = Catalogue("sqlite", (_relation("main", "Trades", "Id price"),), ("main",))
    good = 'SELECT ID, PRICE, rowid, "no column is a text" FROM trades WHERE id = $1 AND price > :p OR `Id` IS NULL'
    assert found(good, dialect="sqlite", catalogue=catalogue) == []
    assert found("SELECT prise FROM trades", dialect="sqlite", catalogue=catalogue) == [("unknown_column", "prise")]
