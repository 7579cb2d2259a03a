"""Vectors and rows as PostgreSQL takes them: as text for one, as a stream in COPY's binary format for many.

The format is in PostgreSQL's manual under COPY; of pgvector's types it is 2 bytes for the number of dimensions, 2
unused ones, and the numbers, big-endian, of 4 bytes (``vector``) or 2 (``halfvec``): pgvector, ``vector_send`` and
``halfvec_send``.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kailash_studio.errors import ParameterError, StudioError
from kailash_studio.services.vectors.shape import VectorType
from kailash_studio.spec.values import to_plain

MAX_DIMENSIONS = 16_000  # of pgvector's two types
_CHUNK_ROWS = 250
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Entry(NamedTuple):
    """One row to store; the vector is a sequence of numbers or an array of them."""

    id: str
    vector: Any
    content: str | None
    metadata: str  # as JSON


def checked(vector: Any, dimensions: int, where: str) -> Any:
    """The vector, if it is one of the right length.

    Args:
        vector: Anything with a length and numbers: list, tuple, array.
        dimensions: How many numbers it must have; 0 for any.
        where: What it is, for the error.

    Raises:
        ParameterError: It is not.
    """
    if vector is None:
        raise ParameterError(f"{where} is not there: put it under vector, for example by an EmbeddingNode.")
    if isinstance(vector, str | bytes) or not hasattr(vector, "__len__"):
        raise ParameterError(f"{where} is not a list of numbers.")
    if not 0 < len(vector) <= MAX_DIMENSIONS:
        raise ParameterError(f"{where} has {len(vector):,} numbers: pgvector takes 1 to {MAX_DIMENSIONS:,}.")
    if dimensions and len(vector) != dimensions:
        raise ParameterError(f"{where} has {len(vector):,} numbers, and the table takes vectors of {dimensions:,}.")
    return vector


def numbers_of(vector: Any, where: str) -> list[float]:
    """The numbers of a vector.

    Raises:
        ParameterError: Something in it is no finite number.
    """
    plain = vector.tolist() if hasattr(vector, "tolist") else vector
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in plain):
        raise ParameterError(f"{where} holds something that is no finite number.")
    return [float(x) for x in plain]


def as_text(numbers: Iterable[float]) -> str:
    """A vector as pgvector writes it."""
    return "[" + ",".join(map(repr, numbers)) + "]"


def metadata_text(value: Any, where: str) -> str:
    """Metadata as JSON text; dates and decimals become what JSON has for them.

    Raises:
        ParameterError: They hold what JSON has no place for.
    """
    try:
        try:
            text = _to_json(value)
        except (TypeError, ValueError):
            text = _to_json(to_plain(value))
    except (TypeError, ValueError, RecursionError, StudioError) as error:
        raise ParameterError(f"{where} has metadata that are no plain values: {error}.") from None
    if "\\u0000" in text:
        raise ParameterError(f"{where} has a NUL character in its metadata, which PostgreSQL has no place for.")
    if not text.isascii() and not _is_unicode(text):
        raise ParameterError(f"{where} has a character that is no valid Unicode in its metadata.")
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(text: str, name: str, where: str) -> None:
    """A text that PostgreSQL can hold.

    Raises:
        ParameterError: It has a NUL character, or half a surrogate pair.
    """
    if "\0" in text:
        raise ParameterError(f"{where} has a NUL character in its {name}, which PostgreSQL has no place for.")
    if not text.isascii() and not _is_unicode(text):
        raise ParameterError(f"{where} has a character that is no valid Unicode in its {name}.")


def copy_stream(entries: Iterable[Entry], kind: VectorType, dimensions: int) -> Iterator[bytes]:
    """The rows as COPY's binary format, in pieces: id, vector, content, metadata, as text, vector, text, jsonb.

    Rows are taken and encoded while the server stores those before them.

    Raises:
        ParameterError: A vector holds something that is no finite number that fits its type.
    """
    pack = struct.Struct(f">{dimensions}{'f' if kind == 'vector' else 'e'}").pack
    size = dimensions * (4 if kind == "vector" else 2)
    head = struct.Struct(">hi").pack
    length = struct.Struct(">i").pack
    before = struct.pack(">ihh", size + 4, dimensions, 0)
    null = length(-1)
    numpy_type = ">f4" if kind == "vector" else ">f2"
    parts = [_SIGNATURE]
    full = _CHUNK_ROWS * 10
    for entry in entries:
        id_ = entry.id.encode()
        try:
            if hasattr(entry.vector, "astype"):  # numpy's arrays are turned as a whole
                vector = entry.vector.astype(numpy_type).tobytes()
                if len(vector) != size:
                    raise ValueError("it has more than one dimension")
            else:
                vector = pack(*entry.vector)
        except (struct.error, OverflowError, TypeError, ValueError) as error:
            raise ParameterError(f"The vector of {entry.id!r} cannot be stored as {kind}: {error}.") from None
        metadata = entry.metadata.encode()
        if entry.content is None:
            parts += (head(4, len(id_)), id_, before, vector, null)
        else:
            content = entry.content.encode()
            parts += (head(4, len(id_)), id_, before, vector, length(len(content)), content)
        parts += (length(len(metadata) + 1), b"\1", metadata)  # 1: the version of jsonb's format
        if len(parts) > full:
            yield b"".join(parts)
            parts.clear()
    parts.append(b"\xff\xff")
    yield b"".join(parts)
