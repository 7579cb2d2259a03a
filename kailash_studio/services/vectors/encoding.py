"""Vectors and rows as PostgreSQL takes them: as text for one, as a stream in COPY's binary format for many.

The format is in PostgreSQL's manual under COPY; of pgvector's types it is 2 bytes for the number of dimensions, 2
unused ones, and the numbers, big-endian, of 4 bytes (``vector``) or 2 (``halfvec``): pgvector, ``vector_send`` and
``halfvec_send``.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kailash_studio.errors import ParameterError
from kailash_studio.services.vectors.shape import VectorType

MAX_DIMENSIONS = 16_000  # of pgvector's two types
_CHUNK_ROWS = 250
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to store; ``metadata`` is plain JSON."""

    id: str
    vector: Sequence[float]
    content: str | None
    metadata: Any


def checked(vector: Any, dimensions: int, where: str) -> Sequence[float]:
    """The vector as a sequence of numbers, if it is one of the right length.

    Args:
        vector: Anything with a length and numbers: list, tuple, array.
        dimensions: How many numbers it must have; 0 for any.
        where: What it is, for the error.

    Raises:
        ParameterError: It is not.
    """
    if isinstance(vector, str | bytes) or not hasattr(vector, "__len__"):
        raise ParameterError(f"{where} is not a list of numbers.")
    if not 0 < len(vector) <= MAX_DIMENSIONS:
        raise ParameterError(f"{where} has {len(vector):,} numbers: pgvector takes 1 to {MAX_DIMENSIONS:,}.")
    if dimensions and len(vector) != dimensions:
        raise ParameterError(f"{where} has {len(vector):,} numbers, and the table takes vectors of {dimensions:,}.")
    found: Sequence[float] = vector.tolist() if hasattr(vector, "tolist") else vector
    return found


def as_text(vector: Sequence[float], where: str) -> str:
    """The vector as pgvector writes it.

    Raises:
        ParameterError: Something in it is no finite number.
    """
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in vector):
        raise ParameterError(f"{where} holds something that is no finite number.")
    return "[" + ",".join(repr(float(x)) for x in vector) + "]"


def metadata_text(value: Any, where: str) -> str:
    """Plain JSON as its text.

    Raises:
        ParameterError: It holds what JSON has no place for.
    """
    try:
        text = _to_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(f"{where} has metadata that are no plain values: {error}.") from None
    if "\\u0000" in text:
        raise ParameterError(f"{where} has a NUL character in its metadata, which PostgreSQL has no place for.")
    return text


def copy_stream(entries: Sequence[Entry], kind: VectorType, dimensions: int) -> Iterator[bytes]:
    """The rows as COPY's binary format, in pieces: id, vector, content, metadata, as text, vector, text, jsonb.

    Raises:
        ParameterError: A vector holds something that is no finite number that fits its type.
    """
    number = "f" if kind == "vector" else "e"
    pack = struct.Struct(f">{dimensions}{number}").pack
    size = dimensions * (4 if kind == "vector" else 2)
    head = struct.Struct(">hi").pack
    length = struct.Struct(">i").pack
    before = struct.pack(">ihh", size + 4, dimensions, 0)
    null = length(-1)
    parts = [_SIGNATURE]
    for number_of, entry in enumerate(entries, 1):
        id_ = entry.id.encode()
        try:
            vector = pack(*entry.vector)
        except (struct.error, OverflowError) as error:
            raise ParameterError(f"The vector of {entry.id!r} cannot be stored as {kind}: {error}.") from None
        metadata = metadata_text(entry.metadata, f"The row {entry.id!r}").encode()
        parts += (head(4, len(id_)), id_, before, vector)
        if entry.content is None:
            parts.append(null)
        else:
            content = entry.content.encode()
            parts += (length(len(content)), content)
        parts += (length(len(metadata) + 1), b"\1", metadata)  # 1: the version of jsonb's format
        if number_of % _CHUNK_ROWS == 0:
            yield b"".join(parts)
            parts.clear()
    parts.append(b"\xff\xff")
    yield b"".join(parts)
