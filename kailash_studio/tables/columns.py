"""Finding columns by what people write, and values for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from kailash_studio.errors import TableError
from kailash_studio.tables.expression import no_column
from kailash_studio.tables.records import type_word

_YES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def check_columns(arrow: Any, names: Sequence[str], what: str = "") -> None:
    """See to it that a table has these columns.

    Args:
        arrow: The table.
        names: The columns.
        what: Which table it is, where there are several (`` in right``).

    Raises:
        TableError: One is not there; the sentence has the nearest name and all that there are.
    """
    has = arrow.column_names
    for name in names:
        if name not in has:
            raise no_column(name, has, what)


def value_for(kind: Any, value: Any, column: str) -> Any:
    """A value that a person wrote, as one of a column's type: 10 and "10" are the same beside numbers.

    Raises:
        TableError: It cannot be one.
    """
    import pyarrow as pa

    types = pa.types
    if value is None or types.is_null(kind):
        return value
    try:
        if types.is_string(kind) or types.is_large_string(kind):
            return value if isinstance(value, str) else _as_text(value)
        if types.is_boolean(kind):
            return value if isinstance(value, bool) else _YES[str(value).strip().lower()]
        if types.is_integer(kind):
            number = float(value)
            return int(str(value)) if isinstance(value, str | int) and number.is_integer() else number
        if types.is_floating(kind):
            return float(value)
        if types.is_decimal(kind):
            return Decimal(str(value))
    except (ValueError, KeyError, TypeError, InvalidOperation, OverflowError):
        raise TableError(
            f"Column {column!r} holds a {type_word(kind)}, and {value!r} is none: write another value."
        ) from None
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else value


def _as_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def free_name(wanted: str, taken: Sequence[str]) -> str:
    """A name that is not taken: the wanted one, else with a number."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name
