"""Ports: the typed inputs and outputs of a node type, and which fit together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class DataType(StrEnum):
    """What flows through a port. ``ANY`` fits everything."""

    ANY = "any"
    TABLE = "table"
    RECORD = "record"
    LIST = "list"
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    BYTES = "bytes"
    FILE = "file"


# Beside equal types and ANY on either side. A list may hold records, so it may be a table; the run finds out.
_ALSO_FITS = {
    (DataType.TABLE, DataType.LIST),
    (DataType.LIST, DataType.TABLE),
    (DataType.FILE, DataType.TEXT),
    (DataType.TEXT, DataType.FILE),
    (DataType.BOOLEAN, DataType.NUMBER),
}


def fits(source: DataType, target: DataType) -> bool:
    """Whether a value of ``source`` may be sent to an input of ``target``."""
    return source == target or DataType.ANY in (source, target) or (source, target) in _ALSO_FITS


@dataclass(frozen=True, slots=True)
class Input:
    """One input port.

    Attributes:
        type: What it takes.
        doc: One sentence for tooltip and reference page.
        required: Without a value the node cannot run.
        many: It takes several connections and hands the node a list of the active values.
    """

    type: DataType = DataType.ANY
    doc: str = ""
    required: bool = True
    many: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """One output port.

    Attributes:
        type: What it gives.
        doc: One sentence for tooltip and reference page.
        conditional: A run may leave it out; what hangs on it is then not taken (a switch).
    """

    type: DataType = DataType.ANY
    doc: str = ""
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one placed node, in display order."""

    inputs: Mapping[str, Input]
    outputs: Mapping[str, Output]


Anything = DataType.ANY
Table = DataType.TABLE
Record = DataType.RECORD
Text = DataType.TEXT
Number = DataType.NUMBER
