"""Which rows of a table are looked at, and in which order: conditions and sort keys become an array of row numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from kailash_studio.errors import TableError
from kailash_studio.tables.evaluation import temporal
from kailash_studio.tables.records import type_word

_COMPARED: Mapping[str, str] = {
    "equals": "equal",
    "differs": "not_equal",
    "less": "less",
    "at_most": "less_equal",
    "greater": "greater",
    "at_least": "greater_equal",
}
OPERATORS = (*_COMPARED, "contains", "between", "is_null", "not_null")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a column's cells have to be.

    Attributes:
        column: Its name.
        operator: One of ``OPERATORS``.
        values: Texts, read as the column's type: two for ``between``, none for the two of null, else one.
    """

    column: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """How a table is looked at; equal looks give equal rows.

    Attributes:
        sort: Columns with whether they descend, the most important first.
        conditions: All of them hold for a row that is shown.
    """

    sort: tuple[tuple[str, bool], ...] = ()
    conditions: tuple[Condition, ...] = ()

    @classmethod
    def from_plain(cls, sort: Any, conditions: Any) -> Self:
        """A look from JSON: ``[[column, descends], ...]`` and ``[[column, operator, [value, ...]], ...]``.

        Raises:
            TableError: An operator is unknown or has too few or too many values.
        """
        return cls(
            tuple((str(column), bool(descends)) for column, descends in sort or ()),
            tuple(_condition(str(column), str(operator), values) for column, operator, values in conditions or ()),
        )


def _condition(column: str, operator: str, values: Sequence[Any]) -> Condition:
    wanted = {"between": 2, "is_null": 0, "not_null": 0}.get(operator, 1)
    if operator not in OPERATORS or len(values) != wanted:
        raise TableError(
            f"A filter of {column} is not understood: {operator!r} with {len(values)} values; "
            f"use one of {', '.join(OPERATORS)}."
        )
    return Condition(column, operator, tuple(str(value) for value in values))


def rows_in_order(table: Any, look: Look) -> Any:
    """Row numbers of a ``pyarrow.Table`` under a look, as an Arrow array; equal rows keep their order, nulls come last.

    Raises:
        TableError: A column is not there, has no order, or a condition's value does not fit its type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in [name for name, _ in look.sort] + [condition.column for condition in look.conditions]:
        if name not in table.column_names:
            raise TableError(f"There is no column {name!r} to sort or filter by: take the condition away.")
    numbers = None
    if look.conditions:
        mask = None
        for condition in look.conditions:
            one = _mask(table[condition.column], condition)
            mask = one if mask is None else pc.and_kleene(mask, one)
        numbers = _whole(pc.indices_nonzero(mask))
    if not look.sort:
        return pa.array(range(0), pa.uint64()) if numbers is None else numbers
    keys = table.select(list(dict.fromkeys(name for name, _ in look.sort)))
    keys = keys if numbers is None else keys.take(numbers)
    # nulls come last unless a key says otherwise
    directions = [(name, "descending" if descends else "ascending") for name, descends in look.sort]
    try:
        order = _whole(pc.sort_indices(keys, sort_keys=directions))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        names = ", ".join(f"{field.name} ({type_word(field.type)})" for field in keys.schema)
        raise TableError(f"These columns have no order together: {names}; sort by another column.") from None
    return order if numbers is None else numbers.take(order)


def _whole(numbers: Any) -> Any:
    import pyarrow as pa

    return numbers.combine_chunks() if isinstance(numbers, pa.ChunkedArray) else numbers


def _mask(column: Any, condition: Condition) -> Any:
    import pyarrow.compute as pc

    match condition.operator:
        case "is_null":
            return pc.is_null(column)
        case "not_null":
            return pc.is_valid(column)
        case "contains":
            return pc.match_substring(_texts(column, condition.column), condition.values[0], ignore_case=True)
        case "between":
            low, high = condition.values
            first, last = _comparable(column, condition.column, low), _comparable(column, condition.column, high)
            return pc.and_kleene(pc.greater_equal(first[0], first[1]), pc.less_equal(last[0], last[1]))
        case operator:
            compare: Callable[[Any, Any], Any] = getattr(pc, _COMPARED[operator])
            return compare(*_comparable(column, condition.column, condition.values[0]))


def _texts(column: Any, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowException:
        raise TableError(
            f"{name} holds values of the kind {type_word(column.type)}, in which no text is searched."
        ) from None


def _comparable(column: Any, name: str, text: str) -> tuple[Any, Any]:
    """A column and a value in a type in which both can be compared."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    # a column of whole numbers can be compared with 2.5, and a decimal with more places than it has itself
    for wanted in (kind, pa.float64()) if numeric else (kind,):
        try:
            value = pc.cast(pa.scalar(text.strip() if numeric else text), wanted)
            return (column if wanted == kind else pc.cast(column, wanted, safe=False)), value
        except pa.ArrowException:
            continue
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        try:
            return column, temporal(pa.scalar(text.strip()), kind)
        except TableError as error:
            raise TableError(f"{name}: {error}") from None
    raise TableError(f"{name} holds values of the kind {type_word(kind)}: {text!r} is none; change its filter.")
