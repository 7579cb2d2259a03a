"""What the text of a statement for MySQL tells, and its values in the driver's form; nothing here talks to a server."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from kailash_studio.errors import DatabaseError
from kailash_studio.services.sql_text import Token, first_word, only_reads, tokens

READING = frozenset({"select", "show", "with", "values", "table", "describe", "desc", "explain"})
_CLEAN = READING | {"insert", "update", "delete", "replace"}

# a text, a name, a comment, or $1 (MySQL's lexical rules: backslashes escape, # begins a comment)
_VALUE = re.compile(
    r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|`(?:[^`]|``)*`|--[ \t][^\n]*|\#[^\n]*|/\*.*?\*/|\$(\d+)""", re.DOTALL
)
_PLAIN = bool | int | float | str | bytes | bytearray | Decimal | dt.date | dt.time | dt.timedelta
# Words before a bracket that are no calls, and functions that leave nothing in the session. After a call of anything
# else (a function of the user's own, GET_LOCK) the connection is not used again.
_HARMLESS_WORDS = """
    abs acos adddate addtime aes_decrypt aes_encrypt all and any any_value as ascii asin atan atan2 avg between bigint
    bin binary bit_and bit_count bit_length bit_or bit_xor by case cast ceil ceiling char char_length character_length
    coalesce collation concat concat_ws connection_id conv convert convert_tz cos cot count crc32 cume_dist curdate
    current_date current_time current_timestamp current_user curtime database date date_add date_format date_sub
    datediff datetime day dayname dayofmonth dayofweek dayofyear dec decimal degrees delete dense_rank distinct div
    double duplicate elt else except exists exp export_set extract field find_in_set first_value float floor format
    format_bytes from from_base64 from_days from_unixtime greatest group_concat grouping having hex hour if ifnull in
    inet6_aton inet6_ntoa inet_aton inet_ntoa insert instr int integer intersect interval is isnull join json_array
    json_array_append json_array_insert json_arrayagg json_contains json_contains_path json_depth json_detailed
    json_exists json_extract json_insert json_keys json_length json_merge_patch json_merge_preserve json_object
    json_objectagg json_overlaps json_pretty json_query json_quote json_remove json_replace json_search json_set
    json_table json_type json_unquote json_valid json_value key lag last_day last_value lcase lead least left length
    like limit ln localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set makedate maketime match max
    md5 median microsecond mid min minute mod month monthname not now nth_value ntile nullif oct octet_length offset on
    or ord order over partition percent_rank percentile_cont percentile_disc period_add period_diff pi position pow
    power quarter quote radians rand rank regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse
    right round row row_number rpad rtrim schema sec_to_time second select session_user set sha sha1 sha2 sign sin sleep
    some soundex space sqrt std stddev stddev_pop stddev_samp str_to_date strcmp subdate substr substring
    substring_index subtime sum sysdate system_user tan then time time_format time_to_sec timediff timestamp
    timestampadd timestampdiff to_base64 to_char to_days to_seconds trim truncate ucase unhex union unix_timestamp
    unsigned update upper user using utc_date utc_time utc_timestamp uuid uuid_short value values var_pop var_samp
    varbinary varchar variance version week weekday weekofyear when where with xor year yearweek
"""
_HARMLESS = frozenset(_HARMLESS_WORDS.split())
_BEFORE_NAMES = frozenset({"into", "with", "recursive", "as", "ignore", "index"})  # a bracket then holds columns


@dataclass(frozen=True, slots=True)
class Kind:
    """What running a statement can leave behind.

    Attributes:
        reads: It plainly only reads: when its answer is lost, running it again does no harm.
        clean: It leaves nothing in the session that the next user would see.
    """

    reads: bool
    clean: bool


@lru_cache(maxsize=512)
def kind_of(statement: str) -> Kind:
    """What running a statement can leave behind, judged by its words; where they do not tell, the worse is assumed."""
    first = first_word(statement, "mysql")
    if first not in _CLEAN:
        return Kind(reads=False, clean=False)
    words = [token for token in tokens(statement, "mysql") if token.kind not in {"comment", "text"}]
    strange = any(_is_strange_call(words, at) for at, token in enumerate(words) if token.text == "(")
    variables = any(token.kind == "symbol" and token.text == "@" for token in words)
    return Kind(reads=only_reads(statement, "mysql") and not strange, clean=not (strange or variables))


def _is_strange_call(words: Sequence[Token], bracket: int) -> bool:
    """Whether what stands before a bracket may be a function that leaves something behind."""
    at = bracket - 1
    if at < 0 or words[at].kind not in {"word", "name"}:
        return False
    name = words[at]
    while at >= 2 and words[at - 1].text == ".":
        at -= 2
    if at and words[at - 1].lower in _BEFORE_NAMES:
        return False
    return name.kind == "name" or at < bracket - 1 or name.lower not in _HARMLESS


def placed(statement: str, mark: str) -> tuple[str, list[int]]:
    """The statement with a mark for each ``$1``, and the numbers in the order in which they come."""
    numbers: list[int] = []

    def place(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        numbers.append(int(found[1]))
        return mark

    return _VALUE.sub(place, statement), numbers


def bound(statement: str, params: Sequence[Any]) -> tuple[Any, ...]:
    """The statement in the driver's form, and the values in the order in which it wants them.

    Lists and objects go as the texts of JSON.

    Raises:
        DatabaseError: A value is missing, or of a kind that MySQL does not have.
    """
    sent, numbers = placed(statement, "\0")
    for number in numbers:
        if not 1 <= number <= len(params):
            raise DatabaseError(
                f"The statement wants a value for ${number}; {len(params)} are given.", sqlstate="42000"
            )
    if not numbers:
        return (statement,)
    values = tuple(_value(params[number - 1], number) for number in numbers)
    return sent.replace("%", "%%").replace("\0", "%s"), values


def _value(value: Any, number: int) -> Any:
    if isinstance(value, float | Decimal) and not Decimal(value).is_finite():
        raise DatabaseError(f"The value for ${number} is {value}, which MySQL does not have.", sqlstate="22003")
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, list | tuple | dict):
        try:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DatabaseError(f"The value for ${number} is no JSON ({error}).", sqlstate="22000") from None
    raise DatabaseError(
        f"The value for ${number} is a {type(value).__name__}: give a number, a text, bytes, a date or time, or JSON.",
        sqlstate="22000",
    )
