"""Tokens and completion on half-typed text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kailash_studio.errors import DatabaseError
from kailash_studio.services.sql_catalogue import Catalogue, Column, Relation
from kailash_studio.services.sql_completion import suggest
from kailash_studio.services.sql_text import (
    Given,
    Lines,
    Sent,
    first_word,
    placeholders,
    positional,
    statements,
    tokens,
)


def _relation(schema: str, name: str, columns: str, kind: str = "table") -> Relation:
    return Relation(schema, name, kind, tuple(Column(c, "text") for c in columns.split()))


CATALOGUE = Catalogue(
    "postgresql",
    (
        _relation("sample", "clients", "client_id client_name country"),
        _relation("sample", "portfolios", "portfolio_id client_id total_value Odd"),
        _relation("audit", "log", "at who", "view"),
    ),
    ("public", "sample"),
)


def offered(text: str, kind: str = "") -> list[str]:
    """What is offered at the bar."""
    at = text.index("|")
    found = suggest(text.replace("|", ""), at, CATALOGUE)
    return [item.text for item in found.items if not kind or item.kind == kind]


# ---------------------------------------------------------------------- tokens
def test_tokens_know_texts_names_comments_and_values() -> None:
    text = "SELECT 'it''s', E'a\\'b', $x$ $1 -- $x$, \"a\"\"b\", :n, a::text, $2, x[1:y] /* a /* b */ c */ <=>-- end"
    kinds = [(t.kind, t.text) for t in tokens(text)]
    assert ("text", "'it''s'") in kinds
    assert ("text", "E'a\\'b'") in kinds
    assert ("text", "$x$ $1 -- $x$") in kinds
    assert ("name", '"a""b"') in kinds
    assert ("comment", "/* a /* b */ c */") in kinds
    assert [t for k, t in kinds if k == "value"] == [":n", "$2"]
    assert kinds[-2:] == [("symbol", "<=>"), ("comment", "-- end")]
    assert next(t.named for t in tokens('"a""b"')) == 'a"b'


@given(st.text(alphabet="ab1$'\"/*-:;(). \n\\E[]", max_size=40))
def test_tokens_lose_nothing_but_blanks(text: str) -> None:
    at = 0
    for token in tokens(text):
        assert token.start >= at and token.end > token.start
        assert text[at : token.start].strip() == ""
        assert text[token.start : token.end] == token.text
        at = token.end
    assert text[at:].strip() == ""


def test_placeholders_statements_and_places() -> None:
    text = "SELECT $2, $1, $2, ':no', '$9'; -- $8\nSELECT :b, :a"
    assert [(p.name, len(p.spans)) for p in placeholders(text)] == [("$1", 1), ("$2", 2), (":b", 1), (":a", 1)]
    assert [text[a:b] for a, b in statements(text)] == [text.split(";", maxsplit=1)[0], "SELECT :b, :a"]
    place = Lines(text).place(text.index(":b"))
    assert (place.line, place.column) == (2, 8)
    assert first_word("/* x */ (Select 1)") == "select"
    assert statements(" -- nothing\n;;") == []


def test_names_become_numbers_for_a_server_that_knows_only_these() -> None:
    text = "SELECT :b, ':b', :a, x::int, :b"
    sent = positional(text, Given([], {"a": 1, "b": 2}))
    assert (sent.text, sent.values) == ("SELECT $1, ':b', $2, x::int, $1", [2, 1])
    assert positional("SELECT $1", Given([3])) == Sent("SELECT $1", [3])
    with pytest.raises(DatabaseError, match=r"a value for :b, which is not given \(given: :a\)"):
        positional(text, Given([], {"a": 1}))


def test_names_stand_behind_the_numbers_and_places_and_words_lead_back() -> None:
    text = "SELECT :wanted, $1, :b, $2, :wanted FROM t"
    sent = positional(text, Given(["x", "y"], {"wanted": 1, "b": 2}))
    assert (sent.text, sent.values) == ("SELECT $3, $1, $4, $2, $3 FROM t", ["x", "y", 1, 2])
    for word in ("SELECT", "$1", "$2", "FROM"):
        assert sent.origin(sent.text.index(word)) == text.index(word)
    assert sent.origin(sent.text.index("$4")) == text.index(":b")
    assert sent.origin(-1) == -1
    assert sent.told("$3 and $1") == ":wanted and $1"
    with pytest.raises(DatabaseError, match=r"a value for \$2"):
        positional(text, Given(["x"], {"wanted": 1, "b": 2}))


# ---------------------------------------------------------------------- completion
def test_after_from_come_tables() -> None:
    assert offered("SELECT * FROM |")[:2] == ["clients", "portfolios"]
    assert offered("SELECT * FROM po|") == ["portfolios"]
    assert offered("SELECT * FROM clients, |")[:2] == ["clients", "portfolios"]
    assert "audit.log" in offered("SELECT * FROM lo|")
    assert offered("SELECT * FROM audit.|") == ["log"]
    assert offered("INSERT INTO |")[0] == "clients"
    assert offered("WITH rich AS (SELECT 1 AS x) SELECT * FROM ri|") == ["rich"]


def test_columns_come_from_the_tables_of_the_same_query() -> None:
    assert offered("SELECT | FROM clients", "column") == ["client_id", "client_name", "country"]
    assert offered("SELECT na| FROM clients")[0] == "client_name"
    assert offered("SELECT p.| FROM portfolios p JOIN clients AS c ON true") == [
        "portfolio_id", "client_id", "total_value", '"Odd"',
    ]  # fmt: skip
    assert offered("SELECT c.cou| FROM portfolios p, sample.clients AS c") == ["country"]
    assert "c" in offered("SELECT | FROM clients c", "alias")
    assert offered("SELECT clients.| FROM clients")[0] == "client_id"
    inner = offered("SELECT * FROM clients WHERE EXISTS (SELECT | FROM portfolios)", "column")
    assert inner[:3] == ["portfolio_id", "client_id", "total_value"] and "country" in inner
    assert "portfolio_id" not in offered("SELECT | FROM clients WHERE EXISTS (SELECT 1 FROM portfolios)", "column")
    assert offered("WITH rich(who) AS (SELECT 1) SELECT | FROM rich", "column") == ["who"]
    assert offered("WITH rich AS (SELECT client_id AS who, max(x) top FROM p) SELECT r.| FROM rich r") == ["who", "top"]
    assert offered("SELECT s.| FROM (SELECT client_id, sum(total_value) AS total FROM portfolios) s") == [
        "client_id",
        "total",
    ]
    assert offered("UPDATE clients SET cou|")[0] == "country"
    assert offered("SELECT 1 FROM portfolios; SELECT | FROM clients", "column")[0] == "client_id"


def test_a_column_of_several_tables_comes_with_its_table() -> None:
    found = offered("SELECT cli| FROM portfolios p JOIN clients ON true", "column")
    assert found == ["p.client_id", "clients.client_id", "client_name"]


def test_keywords_follow_the_hand_of_the_text() -> None:
    assert "WHERE" in offered("SELECT 1 FROM clients WH|")
    assert "where" in offered("select 1 from clients wh|")
    assert offered("SELECT 1 FROM clients GROU|")[0] == "GROUP BY"


@pytest.mark.parametrize(
    "text", ["SELECT 'cl|", "SELECT 1 -- cl|", "SELECT /* cl| */ 1", "SELECT $1|", "SELECT 12|", "SELECT :na|"]
)
def test_nothing_is_offered_in_texts_comments_and_numbers(text: str) -> None:
    assert offered(text) == []


@given(st.text(alphabet="select from,.()pc wh\"'\n;*", max_size=60), st.integers(0, 60))
def test_completion_never_fails(text: str, at: int) -> None:
    suggest(text, min(at, len(text)), CATALOGUE)
