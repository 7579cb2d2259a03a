"""Names of tables and columns, quoted so that they can be nothing but names."""

from __future__ import annotations

from kailash_studio.errors import ParameterError

_LONGEST = 63  # bytes that PostgreSQL keeps of a name


def quoted(name: str) -> str:
    """The name in double quotes.

    Raises:
        ParameterError: No table or column can have this name.
    """
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= _LONGEST or "\0" in name:
        raise ParameterError(f"{name[:70]!r} is no name of a table or column: use 1 to {_LONGEST} bytes of text.")
    return '"' + name.replace('"', '""') + '"'


def split(name: str) -> tuple[str, str]:
    """Schema (empty: found by the search path) and name of a table written ``table`` or ``schema.table``.

    Raises:
        ParameterError: It has more than one dot, or a part that is no name.
    """
    parts = name.split(".")
    if len(parts) > 2:
        raise ParameterError(f"{name[:70]!r} names no table: write table or schema.table.")
    for part in parts:
        quoted(part)
    return (parts[0], parts[1]) if len(parts) == 2 else ("", name)


def qualified(name: str) -> str:
    """The table's name, quoted, with its schema where it has one."""
    schema, table = split(name)
    return f"{quoted(schema)}.{quoted(table)}" if schema else quoted(table)
