"""Values, kept by their content: encoded once, stored once, large ones in files beside the journal."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kailash_studio.folders import flush_folder, write_whole
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.values import from_wire, to_wire
from kailash_studio.tables import ipc
from kailash_studio.tables.table import Table

SPILLED_BYTES = 2**20  # larger ones go into files
MOST_BYTES = 64 * 2**20  # larger ones are not kept
_ARROW = b"ARROW\n"  # compressed JSON begins otherwise (RFC 1950)
_PARTS = b"PARTS\n"  # a record with tables in it
_MASKED = "$masked"  # no value is written so: ``to_wire`` has other words for keys with a dollar
NOT_KEPT = ""
NOTHING = b""  # no content has these bytes


class MaskedError(KeyError):
    """The value was kept without the secrets in it: it can be looked at, but is not what the node gave."""


Known = dict[int, tuple[Table, bytes | None]]


def encode(value: Any, redactor: Redactor | None = None, known: Known | None = None) -> bytes | None:
    """A value as compressed JSON or Arrow, or None when it is too large or cannot be written as data.

    Args:
        value: The value; tables in a record are written as tables.
        redactor: Hides secrets; a value that had some is marked, so that no run goes on with it.
        known: Tables that were encoded already, by their identity; a node often gives one twice.
    """
    if isinstance(value, Mapping) and any(isinstance(inner, Table) for inner in value.values()):
        return _encode_parts(value, redactor, {} if known is None else known)
    if known is not None and isinstance(value, Table):
        if id(value) not in known:
            known[id(value)] = value, encode(value, redactor)
        return known[id(value)][1]
    hides = redactor is not None and redactor.active
    try:
        if isinstance(value, Table):
            if not (hides and redactor is not None and _in_table(redactor, value)):
                return ipc.to_bytes(value, MOST_BYTES, head=_ARROW)
            value = list(value)
        text = _text(value)
        # looking through the text is cheap; only a value with a secret in it is walked through
        if hides and redactor is not None and redactor.occurs(text):
            text = json.dumps({_MASKED: json.loads(_text(redactor.value(value)))}, ensure_ascii=False)
            if redactor.occurs(text):
                return None  # a form that stands across two values, for example; then nothing is kept
        data = text.encode("utf-8", "surrogatepass")  # as ``json.loads`` reads it: file names hold such characters
    except Exception:  # noqa: BLE001 - a program's own object may raise anything; that it is not kept is recorded
        return None
    return zlib.compress(data, 1) if len(data) <= MOST_BYTES else None


def _encode_parts(value: Mapping[Any, Any], redactor: Redactor | None, known: Known) -> bytes | None:
    """A record with tables: what else is in it, then each table, each with its length before it."""
    tables = {key: inner for key, inner in value.items() if isinstance(inner, Table)}
    rest = {key: inner for key, inner in value.items() if key not in tables}
    pieces = [encode(list(value), redactor), encode(list(tables), redactor), encode(rest, redactor)]
    pieces += [encode(table, redactor, known) for table in tables.values()]
    told = [piece for piece in pieces if piece is not None]
    if len(told) < len(pieces) or sum(map(len, told)) > MOST_BYTES:
        return None
    return b"".join([_PARTS, *(len(piece).to_bytes(8, "big") + piece for piece in told)])


def _decode_parts(data: bytes, *, masked: bool, most_table: int | None) -> dict[Any, Any]:
    pieces, at = [], len(_PARTS)
    while at < len(data):
        size = int.from_bytes(data[at : at + 8], "big")
        pieces.append(decode(data[at + 8 : at + 8 + size], masked=masked, most_table=most_table))
        at += 8 + size
    try:
        order, names, rest, *tables = pieces
        found = {**rest, **dict(zip(names, tables, strict=True))}
        return {key: found[key] for key in order}
    except (TypeError, KeyError, ValueError):
        raise ValueError("the bytes are no record") from None


def _text(value: Any) -> str:
    return json.dumps(to_wire(value), ensure_ascii=False, separators=(",", ":"))


def _in_table(redactor: Redactor, table: Table) -> bool:
    """Whether a secret is in a table: its columns' memory is looked through, no record is made."""
    for column in table.arrow.columns:
        for chunk in column.chunks:
            if any(buffer is not None and redactor.occurs_in(buffer) for buffer in chunk.buffers()):
                return True
    return False


def decode(data: bytes, *, masked: bool = True, most_table: int | None = None) -> Any:
    """The value of encoded bytes.

    Args:
        data: The bytes.
        masked: Give values too in which secrets were hidden.
        most_table: Bytes that a table may have in memory, where the bytes come from elsewhere.

    Raises:
        MaskedError: Secrets were hidden in it, and such a value is not wanted.
        ValueError: It is larger than any that ``encode`` writes, or no value.
    """
    if data.startswith(_PARTS):
        return _decode_parts(data, masked=masked, most_table=most_table)
    if data.startswith(_ARROW):
        return ipc.from_bytes(data[len(_ARROW) :], most_table)
    read = json.loads(_decompressed(data))
    if isinstance(read, dict) and read.keys() == {_MASKED}:
        if not masked:
            raise MaskedError("its secrets were hidden")
        read = read[_MASKED]
    return from_wire(read)


def _decompressed(data: bytes) -> bytes:
    """The text of a value; a few bytes that are none may claim to be a thousand times as many."""
    stream = zlib.decompressobj()
    text = stream.decompress(data, MOST_BYTES + 1)
    if len(text) > MOST_BYTES or stream.unconsumed_tail:
        raise ValueError(f"the value has more than {MOST_BYTES >> 20} MiB")
    if not stream.eof:
        raise ValueError("the bytes end in the middle of a value")
    return text


def store(connection: Any, folder: Path, data: bytes | None) -> str:
    """Keep encoded bytes unless they are there already; the name to get them by, empty when they were not kept.

    Call it inside a transaction: whoever may write may also tidy the folder (``sweep``).
    """
    if data is None:
        return NOT_KEPT
    name = hashlib.sha256(data).hexdigest()
    if connection.execute("SELECT 1 FROM contents WHERE hash = ?", (name,)).fetchone() is None:
        if len(data) > SPILLED_BYTES:
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)  # for its owner alone, as the journal is
                flush_folder(folder.parent)
            write_whole(folder / name, data)
            flush_folder(folder)
            connection.execute("INSERT INTO contents VALUES (?, ?, NULL)", (name, len(data)))
        else:
            connection.execute("INSERT INTO contents VALUES (?, ?, ?)", (name, len(data), data))
    return name


def load(data: bytes | None, folder: Path, name: str, *, masked: bool = True) -> Any:
    """The value of a row's data, or of the file beside it.

    Raises:
        KeyError: It is not there any more, or is damaged, or (without ``masked``) secrets were hidden in it.
    """
    try:
        return decode((folder / name).read_bytes() if data is None else data, masked=masked)
    except (OSError, ValueError, RecursionError, zlib.error) as error:
        raise KeyError(name) from error


def sweep(connection: Any, folder: Path) -> None:
    """Delete the files that no row names; inside a transaction, so that no other process is just writing one."""
    if not folder.is_dir():
        return
    named = {row[0] for row in connection.execute("SELECT hash FROM contents WHERE data IS NULL")}
    for path in list(folder.iterdir()):
        if path.name not in named:
            path.unlink(missing_ok=True)
