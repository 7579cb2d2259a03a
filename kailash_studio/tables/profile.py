"""What the columns of a table are like: nulls, distinct values, range, mean, distribution."""

from __future__ import annotations

from typing import Any

from kailash_studio.tables.records import cell_of, type_word

BINS = 24
TOP = 8
COUNTED_ROWS = 2_000_000
"""Up to here distinct values are counted, above they are estimated from a sample."""
SAMPLED_ROWS = 200_000
_TEXT = 120


def profile_of(table: Any) -> list[dict[str, Any]]:
    """A profile of each column of a ``pyarrow.Table``.

    Returns:
        For each ``name``, ``type``, ``nulls``, ``distinct`` (None where the type cannot be counted), ``approximate``,
        ``min``, ``max`` and ``mean`` (texts, None where there is none), ``histogram`` (counts of equal ranges from
        ``min`` to ``max``, empty where values have no such range) and ``top`` (text and count, most frequent first).
        ``trouble`` is the sentence of a column that could not be looked through, else empty.
    """
    return [column_profile(field.name, table[field.name]) for field in table.schema]


def column_profile(name: str, column: Any) -> dict[str, Any]:
    """The profile of one column; see ``profile_of``."""
    import pyarrow as pa

    distinct, approximate, trouble = None, False, ""
    low, high, mean = None, None, None
    top: list[list[Any]] = []
    histogram: list[int] = []
    try:
        distinct, approximate, top = _values(column)
        low, high, mean, histogram = _range(column)
    except (
        pa.ArrowException,
        ArithmeticError,
        ValueError,
        TypeError,
    ) as error:  # the other columns are told all the same
        trouble = f"This column cannot be looked through: {str(error).rstrip('.')}."
    return {
        "name": name,
        "type": type_word(column.type),
        "nulls": int(column.null_count),
        "distinct": distinct,
        "approximate": approximate,
        "min": low,
        "max": high,
        "mean": mean,
        "histogram": histogram,
        "top": top if not histogram else [],
        "trouble": trouble,
    }


def _values(column: Any) -> tuple[int | None, bool, list[list[Any]]]:
    """How many values there are, whether that is estimated, and the most frequent ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = len(column) - column.null_count
    step = 1 if rows <= COUNTED_ROWS else -(-rows // SAMPLED_ROWS)
    try:
        present = column.drop_null()
        sample = present if step == 1 else present.take(pa.array(range(0, rows, step), pa.int64()))
        found = pc.value_counts(sample)
    except pa.ArrowException:
        return None, False, []  # lists and records are not told apart by Arrow
    counts = found.field("counts")
    order = pc.sort_indices(counts, sort_keys=[("", "descending")])[:TOP]
    # sampled every step-th row: a count stands for that many
    top = [[_text(found[i.as_py()]["values"]), found[i.as_py()]["counts"].as_py() * step] for i in order]
    if step == 1:
        return len(found), False, top
    once = pc.sum(pc.equal(counts, 1)).as_py() or 0
    taken = len(sample)
    # Duj1 of Haas and Stokes (1998), as PostgreSQL's ANALYZE estimates it
    return round(taken * len(found) / (taken - once + once * taken / rows)), True, top


def _range(column: Any) -> tuple[str | None, str | None, str | None, list[int]]:
    """Least, greatest and mean value, and the histogram."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    try:
        ends = pc.min_max(column)
    except pa.ArrowException:
        return None, None, None, []
    low, high = ends["min"], ends["max"]
    if not low.is_valid:
        return None, None, None, []
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not numeric and not pa.types.is_temporal(kind):
        return _text(low), _text(high), None, []
    numbers = _numbers(column)
    mean = pc.mean(numbers).as_py() if numeric else None
    return _text(low), _text(high), None if mean is None else f"{mean:.6g}", _histogram(numbers)


def _numbers(column: Any) -> Any:
    """A column of numbers or times as float64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_temporal(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        column = pc.cast(column, width)
    return pc.cast(column, pa.float64(), safe=False)


def _histogram(numbers: Any) -> list[int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    finite = numbers.filter(pc.is_finite(numbers)).drop_null()
    if len(finite) == 0:
        return []
    ends = pc.min_max(finite)
    low, width = ends["min"].as_py(), ends["max"].as_py() - ends["min"].as_py()
    if not 0 < width < float("inf"):
        return [len(finite)]
    # the greatest value belongs to the last range
    places = pc.min_element_wise(pc.floor(pc.multiply(pc.divide(pc.subtract(finite, low), width), BINS)), BINS - 1)
    counts = [0] * BINS
    for found in pc.value_counts(pc.cast(places, pa.int8())):
        counts[found["values"].as_py()] = found["counts"].as_py()
    return counts


def _text(value: Any) -> str:
    plain = cell_of(value)
    text = ("true" if plain else "false") if isinstance(plain, bool) else str(plain)
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
