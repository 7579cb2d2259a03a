"""Vectors and rows as PostgreSQL takes them: as text for one, as a stream in COPY's binary format for many.

The format is in PostgreSQL's manual under COPY; of pgvector's types it is 2 bytes for the number of dimensions, 2
unused ones, and the numbers, big-endian, of 4 bytes (``vector``) or 2 (``halfvec``): pgvector, ``vector_send`` and
``halfvec_send``.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kailash_studio.errors import ParameterError, StudioError
from kailash_studio.services.vectors.shape import VectorType
from kailash_studio.spec.values import to_plain

MAX_DIMENSIONS = 16_000  # of pgvector's two types
_CHUNK_ROWS = 64  # few enough that the server has not run out of work when the next ones are encoded
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_SIMPLE = frozenset({str, int, bool, type(None)})
_TEXT = frozenset({str})
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


Entry = tuple[str, Any, str | None, bytes]
"""One row to store: id, vector (a sequence of numbers or an array of them), content, metadata as JSON.

A plain tuple: making a named one for each row would take a twentieth of the time of loading.
"""


def checked(vector: Any, dimensions: int, of: int | str) -> Any:
    """The vector, if it is one of the right length.

    Args:
        vector: Anything with a length and numbers: list, tuple, array.
        dimensions: How many numbers it must have; 0 for any.
        of: Number of the row that it is of, or what it is, for the error.

    Raises:
        ParameterError: It is not.
    """
    if getattr(vector, "shape", None) == (dimensions,) and dimensions:
        return vector
    where = f"The vector of row {of}" if isinstance(of, int) else of
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


def metadata_encoder() -> Callable[[Any, int], bytes]:
    """A function that gives metadata as JSON in UTF-8; its second argument is the number of the row, for errors.

    Dates and decimals become what JSON has for them. Records of texts, whole numbers and truth values, which most
    metadata are, take a faster way with the same result.

    Raises:
        ParameterError: (the function) They hold what JSON or PostgreSQL has no place for.
    """
    from pydantic_core import to_json

    def encoded(value: Any, number: int) -> bytes:
        try:
            if (
                type(value) is dict
                and _SIMPLE.issuperset(map(type, value.values()))
                and _TEXT.issuperset(map(type, value))
            ):
                found = to_json(value)
            else:
                found = _slowly(value)
        except (TypeError, ValueError, RecursionError, StudioError) as error:
            raise ParameterError(f"Row {number} has metadata that are no plain values: {error}.") from None
        if b"\\u0000" in found:
            raise ParameterError(
                f"Row {number} has a NUL character in its metadata, which PostgreSQL has no place for."
            )
        return found

    return encoded


def _slowly(value: Any) -> bytes:
    try:
        return _to_json(value).encode()
    except (TypeError, ValueError):
        return _to_json(to_plain(value)).encode()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(text: str, name: str, number: int) -> None:
    """A text that PostgreSQL can hold.

    Raises:
        ParameterError: It has a NUL character, or half a surrogate pair.
    """
    if "\0" in text:
        raise ParameterError(f"Row {number} has a NUL character in its {name}, which PostgreSQL has no place for.")
    if not _is_unicode(text):
        raise ParameterError(f"Row {number} has a character that is no valid Unicode in its {name}.")


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
    full = _CHUNK_ROWS * 9  # parts
    for id_, vector, content, metadata in entries:
        try:
            if type(vector) is list:
                numbers = pack(*vector)
            elif hasattr(vector, "astype"):  # numpy's arrays are turned as a whole
                numbers = vector.astype(numpy_type).tobytes()
                if len(numbers) != size:
                    raise ValueError("it has more than one dimension")
            else:
                numbers = pack(*vector)
        except (struct.error, OverflowError, TypeError, ValueError) as error:
            raise ParameterError(f"The vector of {id_!r} cannot be stored as {kind}: {error}.") from None
        name = id_.encode()
        if content is None:
            parts += (head(4, len(name)), name, before, numbers, null)
        else:
            text = content.encode()
            parts += (head(4, len(name)), name, before, numbers, length(len(text)), text)
        parts += (length(len(metadata) + 1), b"\1", metadata)  # 1: the version of jsonb's format
        if len(parts) > full:
            yield b"".join(parts)
            parts.clear()
    parts.append(b"\xff\xff")
    yield b"".join(parts)
