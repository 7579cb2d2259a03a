"""The dialects that SQL is parsed in for lint; imported where it is needed, since sqlglot takes 0.1 s to import.

sqlglot reads only. What it would print is never run: it prints other operators and other placeholders than it read.
"""

from __future__ import annotations

import logging
import re

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.mysql import MySQL
from sqlglot.dialects.postgres import Postgres
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import TokenType

from kailash_studio.services.sql_text import tokens

# operators of pgvector (its README, "Querying"), which sqlglot has as "null-safe equal" or not at all
DISTANCES = ("<->", "<#>", "<=>", "<+>", "<~>", "<%>")


class StudioPostgres(Postgres):
    """PostgreSQL with pgvector's distances and ``:name`` for values."""

    class Tokenizer(Postgres.Tokenizer):
        """Takes each distance as one operator."""

        KEYWORDS = {**Postgres.Tokenizer.KEYWORDS, **dict.fromkeys(DISTANCES, TokenType.LR_ARROW)}


class StudioSQLite(SQLite):
    """SQLite with ``$1`` for values, as nodes write it."""

    class Tokenizer(SQLite.Tokenizer):
        """Takes ``$`` as the beginning of a placeholder."""

        SINGLE_TOKENS = {**SQLite.Tokenizer.SINGLE_TOKENS, "$": TokenType.PARAMETER}


class StudioMySQL(MySQL):
    """MySQL with ``$1`` for values, as nodes write it."""

    class Tokenizer(MySQL.Tokenizer):
        """Takes ``$`` as the beginning of a placeholder."""

        SINGLE_TOKENS = {**MySQL.Tokenizer.SINGLE_TOKENS, "$": TokenType.PARAMETER}


_DIALECTS = {"postgresql": StudioPostgres, "sqlite": StudioSQLite, "duckdb": DuckDB, "mysql": StudioMySQL}

Wrong = tuple[int, int, str]


def parse(text: str, dialect: str) -> tuple[exp.Expr | None, Wrong | None]:
    """The tree of one statement, or where and why it is none; neither for what sqlglot does not know.

    Args:
        text: One statement; blanks before it keep its place.
        dialect: "postgresql", "sqlite", "duckdb" or "mysql"; others are read as PostgreSQL's.
    """
    log = logging.getLogger("sqlglot")
    log.addFilter(_no_fallbacks)  # the same function counts once
    try:
        trees = _DIALECTS.get(dialect, StudioPostgres)().parse(text)
    except ParseError as error:
        return None, _wrong(text, dialect, error)
    except TokenError:
        return None, None  # what is not closed was found before; the rest is the server's to judge
    except RecursionError:
        return None, None  # nested too deeply for a look; the server may still take it
    tree = next((tree for tree in trees if tree is not None), None)
    return (None if isinstance(tree, exp.Command) else tree), None


def _no_fallbacks(record: logging.LogRecord) -> bool:
    """Whether a record is worth a line: what sqlglot does not know is not, the server judges it."""
    return "Falling back to parsing" not in record.getMessage()


_MISSING = re.compile(r"Required keyword: '(\w+)' missing")
_EXPECTING = re.compile(r"Expect(?:ed|ing) (.+?)(?: but got .*)?$")


def _wrong(text: str, dialect: str, error: ParseError) -> Wrong:
    told = error.errors[0] if error.errors else {}
    word, line, behind = told.get("highlight") or "", told.get("line") or 1, told.get("col") or 0
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    end = min(starts[min(line, len(starts)) - 1] + behind, len(text))  # its column is the word's last
    start = max(0, end - len(word))
    said = str(told.get("description") or "").rstrip(".")
    last = not any(token.start >= end for token in tokens(text, dialect) if token.kind != "comment")
    expecting = _EXPECTING.match(said)
    if _MISSING.match(said):
        sentence = f"Something is missing {'after' if last else 'at'} {word}."
    elif expecting is not None:
        sentence = f"{expecting.group(1).strip()} is expected {'after' if last else 'at'} {word}."
    else:
        sentence = f"{word} is not expected here: look at what stands before it."
    return start, end, sentence
