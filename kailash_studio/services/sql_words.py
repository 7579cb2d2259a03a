"""SQL's own words: for highlighting, completion, and to know which names need quotes."""

from __future__ import annotations

import re


def _words(text: str) -> list[str]:
    return text.split()


KEYWORDS = frozenset(
    _words("""
    all alter analyze and any array as asc at begin between by case cast check collate column commit constraint
    create cross cube current current_date current_time current_timestamp current_user cycle default delete desc
    distinct do drop else end escape except exclude exists explain extract false fetch filter first following for
    foreign from full function generated group grouping having ilike in index inner insert intersect interval into
    is join key last lateral left like limit local locked materialized merge natural no not nothing null nulls of
    offset on only or order ordinality outer over overlaps partition preceding primary procedure range recursive
    references returning right rollback rollup row rows schema select set sets similar skip some symmetric table
    tablesample temp temporary then ties to trigger true truncate unbounded union unique update using values view
    when where window with within without zone vacuum conflict
""")
)
"""Coloured as keywords, and offered."""

# of these a name must be quoted (PostgreSQL, appendix C: reserved)
RESERVED = frozenset(
    _words("""
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
    current_date current_role current_time current_timestamp current_user default deferrable desc distinct do else end
    except false fetch for foreign from grant group having in initially intersect into lateral leading limit localtime
    localtimestamp not null offset on only or order placing primary references returning select session_user some
    symmetric system_user table then to trailing true union unique user using variadic when where window with
""")
)

PHRASES = ("GROUP BY", "ORDER BY", "PARTITION BY", "LEFT JOIN", "INNER JOIN", "INSERT INTO", "DELETE FROM", "IS NULL",
           "IS NOT NULL", "ON CONFLICT", "UNION ALL", "NULLS LAST", "NOT NULL")  # fmt: skip
"""Keywords that go together, offered as one."""

FUNCTIONS = {
    "abs": "number",
    "array_agg": "aggregate",
    "avg": "aggregate",
    "ceil": "number",
    "coalesce": "first that is not null",
    "concat": "text",
    "count": "aggregate",
    "date_part": "time",
    "date_trunc": "time",
    "dense_rank": "window",
    "first_value": "window",
    "floor": "number",
    "format": "text",
    "generate_series": "rows",
    "greatest": "largest of several",
    "json_agg": "aggregate",
    "jsonb_build_object": "json",
    "jsonb_each": "rows",
    "lag": "window",
    "last_value": "window",
    "lead": "window",
    "least": "smallest of several",
    "left": "text",
    "length": "text",
    "lower": "text",
    "max": "aggregate",
    "min": "aggregate",
    "mode": "aggregate",
    "now": "time",
    "ntile": "window",
    "nullif": "null if equal",
    "percentile_cont": "aggregate",
    "position": "text",
    "random": "number",
    "rank": "window",
    "regexp_replace": "text",
    "replace": "text",
    "round": "number",
    "row_number": "window",
    "split_part": "text",
    "stddev": "aggregate",
    "string_agg": "aggregate",
    "substring": "text",
    "sum": "aggregate",
    "to_char": "text",
    "to_date": "time",
    "trim": "text",
    "unnest": "rows",
    "upper": "text",
}
"""What people use most, with a word on what they give."""

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")


def quoted(name: str, dialect: str = "postgresql") -> str:
    """A name as it is written in a statement: in quotes only where it needs them; capitals do in PostgreSQL."""
    bare = name.lower() if dialect in {"duckdb", "mysql"} else name
    if _PLAIN.match(bare) and bare not in RESERVED:
        return name
    return identifier(name, "`" if dialect == "mysql" else '"')


def identifier(name: str, mark: str = '"') -> str:
    """A name in quotes, whatever it holds."""
    return mark + name.replace(mark, mark * 2) + mark
