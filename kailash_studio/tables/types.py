"""The column types that tables keep to: one for each meaning, so that every node knows what it meets."""

from __future__ import annotations

from typing import Any


def plain_type(kind: Any) -> Any:
    """The type that a table has for a column which another library stores differently.

    Texts of any layout, and categories, become plain texts; small decimals become those of 128 bits.
    """
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if types.is_decimal32(kind) or types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if types.is_large_list(kind) or types.is_list_view(kind) or types.is_large_list_view(kind):
        return pa.list_(plain_type(kind.value_type))
    return kind


def plain_schema(schema: Any) -> Any:
    """The columns of a schema in plain types, without the notes of other libraries."""
    import pyarrow as pa

    return pa.schema([(field.name, plain_type(field.type)) for field in schema])


def plain(data: Any) -> Any:
    """A ``pyarrow.Table`` or record batch in plain types; the same memory where they are that already."""
    schema = plain_schema(data.schema)
    return data if schema.equals(data.schema) and not data.schema.metadata else data.cast(schema)
