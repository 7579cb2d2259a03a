"""PostgreSQL's types as ADBC gives them, made into the types that tables have."""

from __future__ import annotations

from typing import Any

_MOST_DIGITS = 38  # of a decimal of 128 bits; more need 256
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, counted from 1970
_DAY = 86_400_000_000  # microseconds


def needs_text(kind: Any) -> bool:
    """Whether a type should rather come as PostgreSQL's text: UUIDs, and what Arrow knows as bytes alone."""
    import pyarrow as pa

    if isinstance(kind, pa.OpaqueType):
        return bool(kind.type_name != "numeric")
    return isinstance(kind, pa.UuidType)


def is_exact(given: Any, made: Any) -> bool:
    """Whether all of a batch from ADBC is the same in the plain one that was made of it.

    NaN and infinities of numeric have no decimals, nor have more than 76 digits; infinite dates and times, and those
    beyond the years 1 to 9999, are none of Python's.
    """
    import pyarrow as pa

    numeric = [isinstance(kind, pa.OpaqueType) and kind.type_name == "numeric" for kind in given.schema.types]
    columns = zip(numeric, made.columns, strict=True)
    return all(pa.types.is_decimal(column.type) if exact else _is_in_years(column) for exact, column in columns)


def _is_in_years(column: Any) -> bool:
    """Whether dates and times are of the years 1 to 9999."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date32(column.type):
        counts, first, last = column.cast(pa.int32()), _FIRST_DAY, _LAST_DAY
    elif pa.types.is_timestamp(column.type):
        counts, first, last = column.cast(pa.int64()), _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1
    else:
        return True
    found = pc.min_max(counts).as_py()
    return found["min"] is None or bool(first <= found["min"] and found["max"] <= last)


def as_columns(batch: Any) -> Any:
    """A record batch with plain types: numeric as decimals, other extensions as what they are stored as."""
    import pyarrow as pa

    given = batch.columns
    columns = [_plain(column, field) for column, field in zip(given, batch.schema, strict=True)]
    if any(new is not old for new, old in zip(columns, given, strict=True)):
        # the columns of a batch from a driver are let go of together: the others would keep numeric's texts in memory
        memory = pa.default_cpu_memory_manager()
        columns = [column.copy_to(memory) for column in columns]
    names = _unique(batch.schema.names)
    return pa.RecordBatch.from_arrays(
        columns, schema=pa.schema([(n, c.type) for n, c in zip(names, columns, strict=True)])
    )


def _unique(names: list[str]) -> list[str]:
    from kailash_studio.tables.records import unique

    return unique(names)


def _plain(column: Any, field: Any) -> Any:
    import pyarrow as pa

    if isinstance(field.type, pa.OpaqueType) and field.type.type_name == "numeric":
        return _decimals(column.storage, int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1")))
    if isinstance(field.type, pa.BaseExtensionType):
        return column.storage
    if pa.types.is_list(field.type) and isinstance(field.type.value_type, pa.BaseExtensionType):
        storage = field.type.value_type.storage_type
        return pa.array(column.to_pylist(), pa.list_(storage)) if len(column) else pa.array([], pa.list_(storage))
    return column


def _decimals(texts: Any, modifier: int) -> Any:
    """Numeric's texts as decimals: of the declared size, or where none is declared, of the digits that there are.

    A piece with NaN or an infinity, which decimals do not have, comes as floating-point numbers.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    # numeric(p, s) as atttypmod: four bytes of header, p above s (src/backend/utils/adt/numeric.c)
    digits, scale = ((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF
    if pc.any(pc.match_substring_regex(texts, "[a-z]")).as_py():
        return pc.cast(texts, pa.float64())
    if modifier < 0 or scale > digits:
        lengths = pc.utf8_length(texts)
        points = pc.find_substring(texts, ".")
        fractions = pc.if_else(pc.less(points, 0), 0, pc.subtract(pc.subtract(lengths, points), 1))
        scale = pc.max(fractions).as_py() or 0
        digits = (pc.max(pc.subtract(lengths, fractions)).as_py() or 1) + scale
        kind = pa.decimal128(_MOST_DIGITS, scale) if digits <= _MOST_DIGITS else pa.decimal256(76, min(scale, 76))
    else:
        kind = (
            pa.decimal128(digits, scale) if digits <= _MOST_DIGITS else pa.decimal256(min(digits, 76), min(scale, 76))
        )
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        return pc.cast(texts, pa.float64())  # more than 76 digits
