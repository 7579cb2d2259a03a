"""What a statement's text tells about it, and ``:name`` values; nothing here talks to a server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kailash_studio.errors import DatabaseError


@dataclass(frozen=True, slots=True)
class Kind:
    """What running a statement can leave behind.

    Attributes:
        reads: It only reads: when its answer is lost, running it again does no harm.
        dirties: It may leave something in the session that the next user would see; a reset takes that away.
        spoils: It leaves what no reset takes away: the connection is not used again.
        commits: It ends a transaction; when its answer is lost, nobody knows how.
    """

    reads: bool
    dirties: bool
    spoils: bool = False
    commits: bool = False


def _comment(inner: str) -> str:
    return rf"/\*(?:[^*/]|\*(?!/)|/(?!\*){inner})*\*/"


# Texts, dollar quotes, quoted names and comments (which nest): what is inside them is no SQL.
_TEXT = r"""\b[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|(?<![\w$])\$([^\W\d]\w*|)\$.*?\$\1\$"""
_QUOTED = r"""(?P<quoted>"(?:[^"]|"")*")"""
_COMMENT = rf"(?P<comment>--[^\n]*|{_comment('|' + _comment('|' + _comment('')))})"
_OPAQUE = rf"{_TEXT}|{_QUOTED}|{_COMMENT}"
_NO_SQL = re.compile(_OPAQUE, re.DOTALL)
_NAMED = re.compile(_OPAQUE + r"|::|:(?P<name>[A-Za-z_]\w*)|\$(?P<number>\d+)", re.DOTALL)
_WORD = re.compile(r"[^\W\d][\w$]*")
_NAME = r"[^\W\d][\w$]*(?:\.[^\W\d][\w$]*)*"
_CALL = re.compile(rf"({_NAME})\s*\(")
# Names before a bracket that are no calls, since of the place where they stand: what is filled or made, an alias with
# columns, the target of ON CONFLICT, a part that WITH names with its columns.
_NO_CALL = re.compile(
    rf"""\b(?:into|as|table|view|copy|references)\s+(?:if\s+not\s+exists\s+)?(?!select\b|values\b){_NAME}\s*\(
    |\bindex\s+(?:concurrently\s+)?(?:if\s+not\s+exists\s+)?(?:{_NAME}\s+)?on\s+(?:only\s+)?{_NAME}\s*(?:using\s+\w+\s*)?\(
    |\bon\s+conflict\s*\(
    |(?:\bwith\s+(?:recursive\s+)?|,\s*){_NAME}\s*\([^()]*\)\s*as\s+(?:not\s+)?(?:materialized\s*)?
        \((?=\s*(?:select|with|table|values\s*\(|insert\s+into|delete\s+from|merge\s+into)\b)
    |\bas\s+(?:not\s+)?materialized\s*\(""",
    re.VERBOSE,
)

_READING = frozenset({"select", "values", "table", "show", "explain", "with"})
_CHANGING = frozenset({"insert", "update", "delete", "merge", "with", "copy"})
_LEAVING_NOTHING = _READING | _CHANGING | {
    "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "analyze", "vacuum", "truncate",
    "comment", "grant", "revoke", "refresh", "reindex", "lock", "drop", "alter", "close", "fetch", "move",
}  # fmt: skip
_WRITING_WORDS = frozenset({"insert", "update", "delete", "merge", "into"})
# Words before a bracket that are no calls, and functions that leave nothing in the session. A call of anything else
# (a function of the user's own, set_config, an advisory lock) makes the session dirty: a round trip at release.
_HARMLESS_WORDS = """
    abs age all and any array array_agg array_length array_to_string as avg between bit_length bool_and bool_or by case
    cast cast ceil ceiling char_length character check coalesce concat concat_ws count cube cume_dist current_database
    current_schema current_setting current_timestamp date date_bin date_part date_trunc decode dense_rank distinct
    encode every except exists exp explain extract filter first_value floor format from gen_random_uuid generate_series
    greatest grouping having in initcap inner intersect interval is join json_agg json_array_elements
    json_build_array json_build_object json_each json_extract_path json_object_agg jsonb_agg jsonb_array_elements
    jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_object_agg
    jsonb_object_keys jsonb_path_query jsonb_set jsonb_to_recordset jsonb_typeof key lag last_value lateral lead least
    left length like ln log lower lpad ltrim make_date make_interval materialized max md5 min mod mode not now nth_value
    ntile nullif numeric octet_length on or order over overlay partition percent_rank percentile_cont percentile_disc
    pg_backend_pid pg_cancel_backend pg_current_xact_id pg_current_xact_id_if_assigned pg_sleep pg_terminate_backend
    pg_xact_status position power quote_ident quote_literal random rank regexp_match regexp_matches regexp_replace
    regexp_split_to_array regexp_split_to_table repeat replace returning right rollup round row row_number row_to_json
    rpad rtrim select set sets sign similarity some split_part sqrt starts_with stddev stddev_pop stddev_samp string_agg
    string_to_array strpos substr substring sum table temp then time timestamp timestamptz to_char to_date to_json
    to_jsonb to_number to_timestamp to_tsquery to_tsvector translate trim trunc ts_rank union unnest upper using values
    var_pop var_samp varchar variance version when where width_bucket with within xmin
"""
_HARMLESS = frozenset(_HARMLESS_WORDS.split())


@lru_cache(maxsize=512)
def kind_of(statement: str) -> Kind:
    """What running a statement can leave behind, judged by its words; where they do not tell, the worse is assumed."""
    plain = re.sub(r"\s*\.\s*", ".", _NO_SQL.sub(_shown, statement).lower())
    words = _WORD.findall(plain)
    first = words[0] if words else ""
    known = set(words)
    if first in {"commit", "end"} or (first == "prepare" and "transaction" in known):
        return Kind(reads=False, dirties=False, commits=True)
    if first in {"prepare", "deallocate", "discard", "load"}:
        return Kind(reads=False, dirties=True, spoils=True)
    calls = set(_CALL.findall(_NO_CALL.sub(" ''(", plain)))
    strange = not calls <= _HARMLESS
    if first == "create":
        return Kind(reads=False, dirties=bool({"temp", "temporary"} & known) or strange)
    if first == "explain" and "analyze" in known:
        return Kind(reads=not known & _WRITING_WORDS and not strange, dirties=strange)
    dirties = first not in _LEAVING_NOTHING or strange or (first in _READING and "temp" in known)
    reads = first in _READING and not known & _WRITING_WORDS and not strange
    return Kind(reads=reads or first in {"begin", "start", "rollback", "abort", "savepoint"}, dirties=dirties)


def _shown(found: re.Match[str]) -> str:
    """What stands for a comment, a quoted name or a text where only the words of a statement count."""
    if found["comment"]:
        return " "
    return " quoted_name " if found["quoted"] else " '' "


def bound(statement: str, values: Mapping[str, Any], params: Sequence[Any] = ()) -> tuple[str, list[Any]]:
    """A statement with ``:name`` in ``$1`` form, and the list of values; a name used twice is one value.

    Args:
        statement: One statement; ``::`` casts, texts, quoted names and comments are left as they are.
        values: The values by name.
        params: Values for ``$1``, ``$2``, ... that the statement has as well.

    Raises:
        DatabaseError: The statement names a value that is not given, or has a number for which there is none.
    """
    places: dict[str, int] = {}
    listed = list(params)
    given = len(listed)
    highest = 0

    def numbered(found: re.Match[str]) -> str:
        nonlocal highest
        name = found["name"]
        if name is None:
            highest = max(highest, int(found["number"] or 0))
            return found[0]
        if name not in values:
            known = ", ".join(sorted(values)) or "none"
            wrong = DatabaseError(f"The statement wants a value for :{name}, which is not given (given: {known}).")
            wrong.permanent = True
            raise wrong
        if name not in places:
            listed.append(values[name])
            places[name] = len(listed)
        return f"${places[name]}"

    if not values:
        return statement, listed
    sent = _NAMED.sub(numbered, statement)
    if places and highest > given:  # a name would be taken for it
        wrong = DatabaseError(f"The statement wants a value for ${highest}; params has {given}.")
        wrong.permanent = True
        raise wrong
    return sent, listed
