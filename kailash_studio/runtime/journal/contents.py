"""Values, kept by their content: encoded once, stored once, large ones in files beside the journal."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

from kailash_studio.errors import NodeOutputError
from kailash_studio.folders import write_whole
from kailash_studio.spec.values import from_wire, to_wire

SPILLED_BYTES = 2**20  # larger ones go into files
MOST_BYTES = 64 * 2**20  # larger ones are not kept
NOT_KEPT = ""


def encode(value: Any) -> bytes | None:
    """A value as compressed JSON, or None when it is too large or cannot be written as data."""
    try:
        text = json.dumps(to_wire(value), ensure_ascii=False, separators=(",", ":"))
    except (NodeOutputError, TypeError, ValueError, RecursionError):
        return None  # an object of a program's own: the run has it, the journal says that it does not
    data = text.encode("utf-8")
    return zlib.compress(data, 1) if len(data) <= MOST_BYTES else None


def decode(data: bytes) -> Any:
    """The value of encoded bytes."""
    return from_wire(json.loads(zlib.decompress(data)))


def store(connection: Any, folder: Path, data: bytes | None) -> str:
    """Keep encoded bytes unless they are there already; the name to get them by, empty when they were not kept."""
    if data is None:
        return NOT_KEPT
    name = hashlib.sha256(data).hexdigest()
    if connection.execute("SELECT 1 FROM contents WHERE hash = ?", (name,)).fetchone() is None:
        if len(data) > SPILLED_BYTES:
            folder.mkdir(exist_ok=True)
            write_whole(folder / name, data)
            connection.execute("INSERT INTO contents VALUES (?, ?, NULL)", (name, len(data)))
        else:
            connection.execute("INSERT INTO contents VALUES (?, ?, ?)", (name, len(data), data))
    return name


def load(connection: Any, folder: Path, name: str) -> Any:
    """The value of a name.

    Raises:
        KeyError: It was not kept.
    """
    row = connection.execute("SELECT data FROM contents WHERE hash = ?", (name,)).fetchone()
    if row is None:
        raise KeyError(name)
    return decode(row[0] if row[0] is not None else (folder / name).read_bytes())
