"""How the values that flow between nodes are written down: between processes, and for people.

``to_wire`` and ``from_wire`` keep types exactly, in plain JSON with tagged objects, so that no pickle is ever read.
``to_plain`` gives ordinary JSON for output files and scripts, where a Decimal is a number and a date is ISO text.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from kailash_studio.errors import NodeError, NodeOutputError
from kailash_studio.tables import ipc
from kailash_studio.tables.table import Table

_PASS = (str, bool, type(None))
MAX_DEPTH = 200


def to_wire(value: Any, *, depth: int = 0) -> Any:
    """JSON-ready form of a value that ``from_wire`` turns back into an equal one.

    Raises:
        NodeOutputError: A value, somewhere inside, is of a type that cannot leave its process.
    """
    if isinstance(value, _PASS):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else {"$int": str(int(value))}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if depth > MAX_DEPTH:
        raise NodeOutputError(f"A value is nested deeper than {MAX_DEPTH} levels: make it flatter.")
    if isinstance(value, list):
        return [to_wire(item, depth=depth + 1) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and not any(key.startswith("$") for key in value):
            return {key: to_wire(item, depth=depth + 1) for key, item in value.items()}
        pairs = [[to_wire(k, depth=depth + 1), to_wire(v, depth=depth + 1)] for k, v in value.items()]
        return {"$dict": pairs}
    return _tagged(value, depth)


# datetime before date: it is one
_SCALARS: tuple[tuple[type, str, Callable[[Any], str]], ...] = (
    (Decimal, "$decimal", str),
    (dt.datetime, "$datetime", dt.datetime.isoformat),
    (dt.date, "$date", dt.date.isoformat),
    (dt.time, "$time", dt.time.isoformat),
    (uuid.UUID, "$uuid", str),
    (Fraction, "$fraction", str),
    (PurePath, "$path", str),
)


def _tagged(value: Any, depth: int) -> Any:
    for kind, tag, write in _SCALARS:
        if isinstance(value, kind):
            return {tag: write(value)}
    if isinstance(value, Table):
        return _table_to_wire(value)
    if isinstance(value, dt.timedelta):
        return {"$timedelta": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(bytes(value)).decode("ascii")}
    for kind, tag in ((tuple, "$tuple"), (set, "$set"), (frozenset, "$frozenset")):
        if isinstance(value, kind):
            return {tag: [to_wire(item, depth=depth + 1) for item in value]}
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a NumPy scalar
        return to_wire(value.item(), depth=depth + 1)
    raise NodeOutputError(
        f"A {type(value).__module__}.{type(value).__qualname__} cannot leave its process: "
        "return numbers, texts, dates, lists and dicts (a DataFrame: df.to_dict('records'))."
    )


def _table_to_wire(table: Table) -> Any:
    try:
        return {"$table": base64.b64encode(ipc.to_bytes(table)).decode("ascii")}
    except ValueError as error:
        raise NodeOutputError(f"A table cannot leave its process: {error}; keep fewer rows or columns of it.") from None


def from_wire(value: Any) -> Any:
    """The value that ``to_wire`` wrote down.

    Raises:
        ValueError: The form is not one that ``to_wire`` writes.
    """
    if isinstance(value, list):
        return [from_wire(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        tag, body = next(iter(value.items()))
        if tag.startswith("$"):
            try:
                return _READERS[tag](body)
            except KeyError:
                raise ValueError(f"unknown tag {tag!r} in a value") from None
    return {key: from_wire(item) for key, item in value.items()}


_READERS: Mapping[str, Any] = {
    "$int": int,
    "$float": float,
    "$decimal": Decimal,
    "$datetime": dt.datetime.fromisoformat,
    "$date": dt.date.fromisoformat,
    "$time": dt.time.fromisoformat,
    "$timedelta": lambda body: dt.timedelta(*body),
    "$uuid": uuid.UUID,
    "$fraction": Fraction,
    "$path": str,
    "$bytes": base64.b64decode,
    "$table": lambda body: ipc.from_bytes(base64.b64decode(body)),
    "$tuple": lambda body: tuple(from_wire(item) for item in body),
    "$set": lambda body: {from_wire(item) for item in body},
    "$frozenset": lambda body: frozenset(from_wire(item) for item in body),
    "$dict": lambda body: {from_wire(key): from_wire(item) for key, item in body},
}


def to_plain(value: Any) -> Any:
    """Ordinary JSON for people and scripts; a type that JSON does not know becomes a number or text."""
    if isinstance(value, _PASS) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return _plain_decimal(value)
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(to_plain(key)): to_plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray | memoryview):
        return [to_plain(item) for item in value]
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode("ascii")
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return to_plain(value.item())
    return str(value)


def _plain_decimal(value: Decimal) -> Any:
    """A JSON number where that loses nothing, else the exact digits as text."""
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def step_into(value: Any, path: Sequence[str], where: str) -> Any:
    """The value inside a value: keys of dicts, positions in lists, ``row_count`` and the like.

    Raises:
        NodeError: There is nothing of that name.
    """
    for key in path:
        try:
            value = value[key] if isinstance(value, Mapping) and key in value else value[int(key)]
        except (KeyError, IndexError, TypeError, ValueError):
            has = ", ".join(map(str, list(value)[:8])) if isinstance(value, Mapping) else f"a {type(value).__name__}"
            raise NodeError(f"{where}: there is no {key!r} in the value; it has {has or 'nothing'}.") from None
    return value


def rows_of(values: Mapping[str, Any]) -> Mapping[str, int]:
    """How many rows each of some named values holds, where it holds rows."""
    found: dict[str, int] | None = None
    for name, value in values.items():
        kind = type(value)
        if kind is list or kind is tuple or kind is Table:
            count = len(value)
        elif kind is dict and type(value.get("row_count")) is int:
            count = value["row_count"]
        else:
            continue
        if found is None:
            found = {}
        found[name] = count
    return found or _NO_ROWS


_NO_ROWS: Mapping[str, int] = {}
