"""The functions of expressions, by name; each works on whole columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import TableError


@dataclass(frozen=True, slots=True)
class Function:
    """A function of expressions.

    Attributes:
        call: Gets arrays and scalars; those at ``literal`` places as Python values.
        least: Fewest arguments.
        most: Most arguments.
        doc: How it is written and what it gives.
        literal: Places of arguments that must be written out, not come from a column.
    """

    call: Callable[..., Any]
    least: int
    most: int
    doc: str
    literal: frozenset[int] = frozenset()


def _compute(name: str, *options: Any) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        import pyarrow.compute as pc

        return getattr(pc, name)(*arguments, *options)

    return call


def text_of(value: Any) -> Any:
    """A column as text: whole numbers and decimals exactly, dates in ISO form."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = value.type
    if pa.types.is_string(kind):
        return value
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return pc.strftime(pc.cast(value, pa.timestamp("s"), safe=False), "%Y-%m-%dT%H:%M:%S")
    return pc.cast(value, pa.string())


def _trimmed(value: Any) -> Any:
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(value)


def number_of(value: Any) -> Any:
    """A column as numbers; text that is none raises."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.cast(_trimmed(value) if pa.types.is_string(value.type) else value, pa.float64(), safe=False)


def integer_of(value: Any) -> Any:
    """A column as whole numbers; a fraction is cut off, text that is no number raises."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(value.type):
        return pc.cast(_trimmed(value), pa.int64())
    if pa.types.is_floating(value.type) or pa.types.is_decimal(value.type):
        value = pc.trunc(value)
    return pc.cast(value, pa.int64())


def date_of(value: Any) -> Any:
    """A column as dates: ISO text, or the day of a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(value.type):
        value = pc.cast(_trimmed(value), pa.timestamp("us"))
    return pc.cast(value, pa.date32(), safe=False)


def time_of(value: Any) -> Any:
    """A column as times: ISO text, or the first moment of a date."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(value.type):
        value = _trimmed(value)
    return pc.cast(value, pa.timestamp("us"))


def _length(value: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.cast(pc.utf8_length(value), pa.int64())


def _concat(*values: Any) -> Any:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*map(text_of, values), "", null_handling="skip")


def _slice(value: Any, start: int, length: int) -> Any:
    import pyarrow.compute as pc

    return pc.utf8_slice_codeunits(value, start - 1, start - 1 + length)


def _right(value: Any, length: int) -> Any:
    import pyarrow.compute as pc

    return pc.utf8_slice_codeunits(value, -length) if length else pc.utf8_slice_codeunits(value, 0, 0)


def _replace(value: Any, old: str, new: str) -> Any:
    import pyarrow.compute as pc

    return pc.replace_substring(value, old, new) if old else value


def _round(value: Any, digits: int = 0) -> Any:
    import pyarrow.compute as pc

    return pc.round(value, digits, round_mode="half_towards_infinity")


def _days_between(start: Any, end: Any) -> Any:
    import pyarrow.compute as pc

    return pc.days_between(date_of(start), date_of(end))


_UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute")


def _start_of(value: Any, unit: str) -> Any:
    import pyarrow.compute as pc

    if unit not in _UNITS:
        raise TableError(f"start_of takes {', '.join(_UNITS)}, not {unit!r}.")
    return pc.floor_temporal(value, 1, unit)


def _weekday(value: Any) -> Any:
    import pyarrow.compute as pc

    return pc.day_of_week(value, count_from_zero=False)


def _is_empty(value: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    nothing = pc.is_null(value, nan_is_null=True)
    return (
        pc.or_kleene(nothing, pc.fill_null(pc.equal(value, ""), False)) if pa.types.is_string(value.type) else nothing
    )


def _last(*places: int) -> frozenset[int]:
    return frozenset(places)


_MANY = 20
FUNCTIONS: dict[str, Function] = {
    "abs": Function(_compute("abs_checked"), 1, 1, "abs(x): without its sign"),
    "ceil": Function(_compute("ceil"), 1, 1, "ceil(x): the next whole number above"),
    "coalesce": Function(_compute("coalesce"), 1, _MANY, "coalesce(a, b, ...): the first that is not null"),
    "concat": Function(_concat, 1, _MANY, "concat(a, b, ...): one text of all; nulls are left out"),
    "contains": Function(_compute("match_substring"), 2, 2, "contains(text, 'part')", _last(1)),
    "date": Function(date_of, 1, 1, "date(x): a date of ISO text or of a time"),
    "day": Function(_compute("day"), 1, 1, "day(date): 1 to 31"),
    "days_between": Function(_days_between, 2, 2, "days_between(start, end)"),
    "ends_with": Function(_compute("ends_with"), 2, 2, "ends_with(text, 'part')", _last(1)),
    "exp": Function(_compute("exp"), 1, 1, "exp(x): e to the power of x"),
    "floor": Function(_compute("floor"), 1, 1, "floor(x): the next whole number below"),
    "format_date": Function(_compute("strftime"), 2, 2, "format_date(date, '%Y-%m')", _last(1)),
    "hour": Function(_compute("hour"), 1, 1, "hour(time): 0 to 23"),
    "integer": Function(integer_of, 1, 1, "integer(x): a whole number of text, or without its fraction"),
    "is_empty": Function(_is_empty, 1, 1, "is_empty(x): null, or a text without letters"),
    "is_null": Function(_compute("is_null"), 1, 1, "is_null(x)"),
    "left": Function(lambda value, count: _slice(value, 1, count), 2, 2, "left(text, 3): the first letters", _last(1)),
    "length": Function(_length, 1, 1, "length(text): how many letters"),
    "ln": Function(_compute("ln"), 1, 1, "ln(x): the natural logarithm"),
    "lower": Function(_compute("utf8_lower"), 1, 1, "lower(text)"),
    "matches": Function(
        _compute("match_substring_regex"), 2, 2, "matches(text, '^A[0-9]+$'): a regular expression", _last(1)
    ),
    "max": Function(_compute("max_element_wise"), 2, _MANY, "max(a, b, ...): the largest in the row"),
    "min": Function(_compute("min_element_wise"), 2, _MANY, "min(a, b, ...): the smallest in the row"),
    "minute": Function(_compute("minute"), 1, 1, "minute(time): 0 to 59"),
    "month": Function(_compute("month"), 1, 1, "month(date): 1 to 12"),
    "number": Function(number_of, 1, 1, "number(x): a number of text"),
    "quarter": Function(_compute("quarter"), 1, 1, "quarter(date): 1 to 4"),
    "replace": Function(_replace, 3, 3, "replace(text, 'old', 'new')", _last(1, 2)),
    "right": Function(_right, 2, 2, "right(text, 3): the last letters", _last(1)),
    "round": Function(_round, 1, 2, "round(x, 2): half away from zero", _last(1)),
    "sqrt": Function(_compute("sqrt"), 1, 1, "sqrt(x): the square root"),
    "start_of": Function(_start_of, 2, 2, "start_of(date, 'month'): its first day", _last(1)),
    "starts_with": Function(_compute("starts_with"), 2, 2, "starts_with(text, 'part')", _last(1)),
    "substring": Function(_slice, 3, 3, "substring(text, 2, 3): from the 2nd letter, 3 letters", _last(1, 2)),
    "text": Function(text_of, 1, 1, "text(x): as text"),
    "time": Function(time_of, 1, 1, "time(x): a time of ISO text or of a date"),
    "trim": Function(_trimmed, 1, 1, "trim(text): without spaces at both ends"),
    "upper": Function(_compute("utf8_upper"), 1, 1, "upper(text)"),
    "week": Function(_compute("iso_week"), 1, 1, "week(date): the ISO week"),
    "weekday": Function(_weekday, 1, 1, "weekday(date): 1 for Monday to 7"),
    "year": Function(_compute("year"), 1, 1, "year(date)"),
}
